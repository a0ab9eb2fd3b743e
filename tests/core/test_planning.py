"""The mask for what is asked for: where it grows, where it never does, and that the gate behind it has nothing to cut."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from outfitswap_desktop.core import compose
from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.core.photo import Photo
from outfitswap_desktop.core.pipeline import MaskPlan, Sources, run, soften
from outfitswap_desktop.core.planning import permitted, plan_for_target
from outfitswap_desktop.core.regions import (
    HAND_DRAWN,
    JOINTS,
    BodyAxis,
    BodyPose,
    Person,
    ProtectedArea,
    Region,
    Segmentation,
)
from outfitswap_desktop.core.steps import Steps
from outfitswap_desktop.core.zones import MOST_OF_IMAGE, TARGETS, Zone, target_in_prompt
from outfitswap_desktop.safety import allowed
from tests.fakes import FakeSegmenter, InvertingGenerator

SHAPE = (480, 320)
POINTS = {
    "shoulder": (38, 100), "elbow": (62, 170), "wrist": (70, 235), "hip": (22, 225), "knee": (26, 320), "ankle": (28, 420),
}  # fmt: skip
LIMBS = {
    "upper_arm": ("shoulder", "elbow", 13), "forearm": ("elbow", "wrist", 10),
    "thigh": ("hip", "knee", 19), "shin": ("knee", "ankle", 14),
}  # fmt: skip


def at(side: str, joint: str) -> tuple[float, float]:
    x, y = POINTS[joint]
    return (160.0 + x if side == "left" else 160.0 - x), float(y)


def drawn(*shapes) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    for x0, y0, x1, y1 in shapes:
        mask[y0:y1, x0:x1] = 255
    return mask


def axes() -> tuple[BodyAxis, ...]:
    trunk = BodyAxis("trunk", (160, 100), (160, 225), 40)
    limbs = [
        BodyAxis(f"{side}_{part}", at(side, start), at(side, end), radius)
        for side in ("left", "right")
        for part, (start, end, radius) in LIMBS.items()
    ]
    return (trunk, *limbs)


def limb(found: Segmentation, part: str, share: float = 1.0) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    for axis in found.axes:
        if axis.part.endswith(part):
            (x0, y0), (x1, y1) = axis.start, axis.end
            middle = (int(x0 + share * (x1 - x0)), int(y0 + share * (y1 - y0)))
            cv2.line(mask, (int(x0), int(y0)), middle, 255, 5)
    return mask


def somebody(**changes) -> Segmentation:
    """Standing, arms a little away from the trunk, in a close sleeveless top and shorts."""
    body = drawn((120, 90, 200, 240))
    for axis in axes():
        ends = [tuple(int(v) for v in point) for point in (axis.start, axis.end)]
        cv2.line(body, ends[0], ends[1], 255, int(2.2 * axis.radius))
    cv2.circle(body, (160, 60), 35, 255, -1)
    top = drawn((122, 92, 198, 215))
    bottom = drawn((118, 215, 202, 265))
    regions = {
        Zone.TOP: Region(Zone.TOP, top, top, 0.9),
        Zone.BOTTOM: Region(Zone.BOTTOM, bottom, bottom, 0.9),
        Zone.FULL: Region(Zone.FULL, top | bottom, top | bottom, 0.9),
    }
    hands = np.zeros(SHAPE, np.uint8)
    for side in ("left", "right"):
        x, y = at(side, "wrist")
        cv2.circle(hands, (int(x), int(y) + 14), 14, 255, -1)
    protected = (
        ProtectedArea("head", drawn((125, 20, 195, 92)), 0.9),
        ProtectedArea("hands", hands, 0.9),
        ProtectedArea("shoes", drawn((105, 430, 215, 460)), 0.9),
    )
    made = Segmentation("drawn", (Person(1, (80, 20, 240, 460), 0.9),), 1, regions, protected, axes=axes(), body=body)
    return replace(made, **changes)


def planned(prompt: str, zone: Zone, found: Segmentation | None = None, **changes) -> tuple[MaskPlan, MaskPlan]:
    found = found if found is not None else somebody()
    keep_out = found.protect_mask(SHAPE)
    alpha = np.where(keep_out > 0, 0, found.regions[zone].mask).astype(np.uint8)
    plan = replace(MaskPlan(alpha, zone, found, found.segmenter, keep_out), **changes)
    return plan, plan_for_target(plan, target=target_in_prompt(prompt), found=found, shape=SHAPE)


def share(mask: np.ndarray, area: np.ndarray) -> float:
    return float((mask[area > 0] > 0).mean())


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("zone", [Zone.TOP, Zone.BOTTOM, Zone.FULL])
def test_every_target_keeps_the_rules(target, zone):
    found = somebody()
    before, after = planned(target.words[0], zone, found)
    mask = after.alpha
    assert set(np.unique(mask)) <= {0, 255}
    assert mask.shape == SHAPE
    assert not (mask[found.protect_mask(SHAPE) > 0]).any()
    assert mask[before.alpha > 0].all(), "the old garment is always repainted"
    room = permitted(zone, target, found=found, shape=SHAPE)
    assert not mask[(room == 0) & (before.alpha == 0)].any()
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    assert all(stats[label, cv2.CC_STAT_AREA] >= 0.0002 * mask.size for label in range(1, count))
    again = plan_for_target(before, target=target, found=found, shape=SHAPE)
    assert np.array_equal(again.alpha, mask)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("zone", [Zone.TOP, Zone.BOTTOM, Zone.FULL])
def test_the_gate_cuts_nothing_of_a_planned_mask(target, zone):
    found = somebody()
    _, after = planned(target.words[0], zone, found)
    noise = np.random.default_rng(3).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    soft = soften(after, crop=compose.plan_crop(after.alpha), seen=noise)
    cut = allowed.cut(soft.alpha, zone=zone, target=target, found=found, outline=None)
    assert (cut.beyond_zone, cut.protected) == (0, 0)


def test_sleeves_follow_the_target():
    found = somebody()
    _, long = planned("wool sweater", Zone.TOP, found)
    _, short = planned("t-shirt", Zone.TOP, found)
    _, none = planned("tank top", Zone.TOP, found)
    assert share(long.alpha, limb(found, "forearm", 0.7)) > 0.95
    assert share(short.alpha, limb(found, "upper_arm", 0.5)) > 0.95
    assert share(short.alpha, limb(found, "forearm")) < 0.05
    assert share(none.alpha, limb(found, "forearm")) < 0.05


def test_long_sleeves_stay_in_the_mask_of_a_short_sleeved_target():
    found = somebody()
    top = found.regions[Zone.TOP].mask | cv2.dilate(
        limb(found, "upper_arm") | limb(found, "forearm"), np.ones((17, 17))
    )
    worn = replace(found, regions={Zone.TOP: Region(Zone.TOP, top, top, 0.9)})
    before, after = planned("t-shirt", Zone.TOP, worn)
    arms = limb(found, "forearm") & ~found.protect_mask(SHAPE)
    assert share(before.alpha, arms) == 1.0
    assert share(after.alpha, arms) == 1.0


def test_a_loose_target_widens_more_than_a_close_one_sideways_and_down():
    found = somebody()
    _, coat = planned("coat", Zone.FULL, found)
    _, close = planned("tank top", Zone.FULL, found)
    assert np.count_nonzero(coat.alpha) > 1.1 * np.count_nonzero(close.alpha)
    ring = round(0.01 * 440)
    rows = np.flatnonzero(close.alpha.any(axis=1))
    assert rows[0] >= 92 - ring - 2
    columns = np.flatnonzero(coat.alpha[240])
    assert columns[0] < 118 - 2 * ring


def test_what_is_worn_loose_already_is_widened_less():
    found = somebody()
    wide = drawn((95, 215, 225, 265))
    loose = replace(found, regions={Zone.BOTTOM: Region(Zone.BOTTOM, wide, wide, 0.9)})
    gains = []
    for one in (found, loose):
        before, after = planned("skirt", Zone.BOTTOM, one)
        low = slice(225, 262)
        gains.append(np.count_nonzero(after.alpha[low]) - np.count_nonzero(before.alpha[low]))
    assert gains[1] < gains[0]


def test_a_skirt_takes_what_lies_between_the_knees_and_trousers_take_the_legs():
    found = somebody()
    _, skirt = planned("skirt", Zone.BOTTOM, found)
    _, trousers = planned("jeans", Zone.BOTTOM, found)
    assert skirt.alpha[300, 150:170].all()
    assert share(trousers.alpha, limb(found, "shin", 0.9)) > 0.95
    assert share(skirt.alpha, limb(found, "shin")) < 0.4


def test_words_without_a_garment_take_the_shadow_alone():
    before, after = planned("navy linen", Zone.TOP)
    added = np.count_nonzero(after.alpha) - np.count_nonzero(before.alpha)
    assert 0 < added < 0.15 * np.count_nonzero(before.alpha)
    assert after.notes == before.notes


def test_a_drawn_mask_and_nobody_of_any_size_stay_as_they_are():
    before, after = planned("coat", Zone.FULL, segmenter=HAND_DRAWN)
    assert after is before
    nobody = replace(somebody(), persons=())
    before, after = planned("coat", Zone.FULL, nobody)
    assert after is before


def test_arms_that_are_not_seen_are_not_taken_in():
    hidden = BodyPose(tuple((0.0, 0.0, 0.2 if name.startswith("left") else 0.9) for name in JOINTS))
    found = somebody(pose=hidden)
    _, after = planned("wool sweater", Zone.TOP, found)
    arms = limb(found, "forearm", 0.7)
    arms[:, 160:] = 0
    assert share(after.alpha, arms) > 0.95
    arms = limb(found, "forearm", 0.7)
    arms[:, :160] = 0
    assert share(after.alpha, arms) < 0.2


def test_other_persons_and_garments_worn_over_it_are_left_alone():
    neighbour = Person(2, (205, 20, 320, 460), 0.9)
    found = somebody(persons=(*somebody().persons, neighbour))
    before, after = planned("coat", Zone.FULL, found)
    theirs = drawn(neighbour.box) & ~found.body & ~before.alpha
    assert share(after.alpha, theirs) < 0.02
    jacket = drawn((105, 90, 130, 240), (190, 90, 215, 240))
    outer = {**somebody().regions, Zone.OUTER: Region(Zone.OUTER, jacket, jacket, 0.9)}
    shirt = drawn((130, 92, 190, 215))
    outer[Zone.TOP] = Region(Zone.TOP, shirt, shirt, 0.9)
    _, after = planned("wool sweater", Zone.TOP, somebody(regions=outer))
    assert share(after.alpha, jacket) < 0.05


def test_a_mask_too_large_for_the_photo_is_widened_less():
    found = somebody()
    big = drawn((0, 92, 320, 375))
    wide = replace(found, regions={Zone.FULL: Region(Zone.FULL, big, big, 0.9)}, body=drawn((0, 20, 320, 480)))
    before, after = planned("coat", Zone.FULL, wide)
    assert before.alpha.mean() / 255 < MOST_OF_IMAGE
    assert after.alpha.mean() / 255 <= MOST_OF_IMAGE
    assert any("fill the photo" in note for note in after.notes) or np.array_equal(after.alpha, before.alpha)


def test_small_holes_are_filled_and_the_view_between_arm_and_trunk_is_not():
    found = somebody()
    holed = found.regions[Zone.TOP].mask.copy()
    holed[150:156, 150:156] = 0
    found = replace(found, regions={**found.regions, Zone.TOP: Region(Zone.TOP, holed, holed, 0.9)})
    _, after = planned("t-shirt", Zone.TOP, found)
    assert after.alpha[150:156, 150:156].all()
    lapel = ProtectedArea("hair", drawn((150, 150, 156, 156)), 0.9)
    _, after = planned("t-shirt", Zone.TOP, replace(found, protected=(*found.protected, lapel)))
    assert not after.alpha[150:156, 150:156].any()


@pytest.mark.slow
def test_the_astronaut_in_every_target():
    from skimage import data

    from outfitswap_desktop.embedded.parse.segmenter import MediaPipeSegmenter

    photo = np.ascontiguousarray(data.astronaut())
    segmenter = MediaPipeSegmenter()
    try:
        found = segmenter.segment(photo, person=None, zones=None, cancel=CancelToken())
    finally:
        segmenter.close()
    keep_out = found.protect_mask(photo.shape[:2])
    for zone, region in found.regions.items():
        plan = MaskPlan(np.where(keep_out > 0, 0, region.mask).astype(np.uint8), zone, found, "mediapipe", keep_out)
        for target in TARGETS:
            after = plan_for_target(plan, target=target, found=found, shape=photo.shape[:2])
            soft = soften(after, crop=compose.plan_crop(after.alpha), seen=photo)
            cut = allowed.cut(soft.alpha, zone=zone, target=target, found=found, outline=None)
            assert (cut.beyond_zone, cut.protected) == (0, 0), (zone, target.name)


@pytest.mark.parametrize("keeps_cut", [True, False])
def test_only_engines_that_paint_a_cut_of_their_own_get_a_wider_mask(keeps_cut):
    pixels = np.random.default_rng(1).integers(0, 256, (200, 160, 3), dtype=np.uint8)
    request = SwapRequest(Path("in.png"), Path("out.png"), prompt="black coat", zone=None)
    generator = InvertingGenerator(keeps_cut=keeps_cut)
    result = run(
        request,
        Sources(Photo(pixels, "PNG", "0" * 64)),
        steps=Steps(FakeSegmenter(zones=(Zone.TOP, Zone.FULL)), generator),
        approve=lambda plan: plan,
        report=lambda _: None,
        cancel=CancelToken(),
    )
    assert result.segmentation is not None
    grown = np.count_nonzero(result.mask) > 1.1 * np.count_nonzero(result.segmentation.regions[Zone.TOP].mask)
    assert grown is not keeps_cut
    assert any("keeps its cut" in said for said in result.limits) is keeps_cut
    assert result.measured.outside_mask_changed_pixels == 0
