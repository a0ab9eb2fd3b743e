"""The person in numbers: areas, shares of skin, what is cloth though it has the skin's colour, and chains of edits."""

import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from outfitswap_desktop.core.zones import target_in_prompt
from outfitswap_desktop.safety.people import areas, folds, subject
from outfitswap_desktop.safety.people.areas import AREAS, CHEST_HIP, areas_of, areas_of_outline
from outfitswap_desktop.safety.people.difference import judge_skin
from outfitswap_desktop.safety.people.folds import Folds
from outfitswap_desktop.safety.people.skin import SkinModel
from outfitswap_desktop.safety.people.subject import Subject
from tests.safety.people.figures import (
    AXES,
    BODY,
    BOTTOM,
    FULL,
    HANDS,
    HEAD,
    HEIGHT,
    SKIN,
    TOP,
    WIDTH,
    blank,
    lay,
    person,
    segmentation,
    shaded,
    smooth,
)


@pytest.fixture(scope="module")
def root():
    return person()


@pytest.fixture(scope="module")
def known(root):
    return Subject.learn(root, segmentation())


def band(top, bottom, mask=TOP):
    part = blank()
    part[top:bottom] = mask[top:bottom]
    return part


def judged(known, picture, mask, shows=()):
    return judge_skin(known.bare, known.after(mask).shares(picture), shows, reduced=known.reduced)


# --- areas ---


def test_areas_lie_on_the_body_and_never_on_what_is_protected():
    found = areas_of(segmentation(), (HEIGHT, WIDTH))
    assert tuple(found) == AREAS
    total = np.sum([mask > 0 for mask in found.values()], axis=0)
    assert total.max() == 1
    for name, mask in found.items():
        assert mask.any(), name
        assert not (mask[(HEAD > 0) | (HANDS > 0)]).any()
        assert not mask[BODY == 0].any()
    chest = found[CHEST_HIP] > 0
    assert chest[200, 150]
    assert chest[310, 150]
    assert not chest[410, 150]
    assert not chest[110, 150]
    assert found["forearms"][235, 75] > 0
    assert found["upper_arms"][175, 88] > 0
    assert found["shoulders"][136, 104] > 0
    assert found["thighs"][350, 125] > 0
    assert found["knees"][380, 125] > 0
    assert found["shins"][440, 125] > 0
    assert chest.sum() > 0.8 * np.count_nonzero(band(146, 290, TOP)[:, 105:195])


def test_without_a_trunk_the_whole_body_is_chest_to_hip():
    for changed in ({"axes": ()}, {"axes": AXES[1:]}):
        found = areas_of(segmentation(**changed), (HEIGHT, WIDTH))
        assert np.array_equal(found[CHEST_HIP] > 0, (BODY > 0) & (HEAD == 0) & (HANDS == 0))
        assert not any(found[name].any() for name in AREAS[1:])


def test_hardly_any_chest_in_the_picture_takes_the_whole_body():
    from dataclasses import replace

    trunk = replace(AXES[0], start=(150.0, 470.0), end=(150.0, 900.0))
    found = areas_of(segmentation(axes=(trunk, *AXES[1:])), (HEIGHT, WIDTH))
    assert np.array_equal(found[CHEST_HIP] > 0, (BODY > 0) & (HEAD == 0) & (HANDS == 0))
    assert areas.LEAST_CHEST == 0.05


def test_without_a_body_the_box_stands_in():
    found = areas_of(segmentation(body=None), (HEIGHT, WIDTH))
    assert found[CHEST_HIP][200, 150] > 0
    assert (np.sum([m > 0 for m in found.values()], axis=0) <= 1).all()


def test_far_away_points_can_be_drawn():
    from dataclasses import replace

    odd = replace(AXES[5], start=(1e9, -1e9), end=(-1e9, 1e9))
    assert set(areas_of(segmentation(axes=(AXES[0], odd)), (HEIGHT, WIDTH))) == set(AREAS)


def test_an_outline_has_a_standing_bodys_proportions():
    head, found = areas_of_outline(BODY)
    assert set(found) == set(AREAS)
    assert head[60, 150] > 0
    assert not head[150, 150]
    assert found[CHEST_HIP][200, 150] > 0
    assert found[CHEST_HIP][200, 85] > 0
    assert found["thighs"][340, 125] > 0
    assert found["shins"][420, 125] > 0
    for mask in found.values():
        assert not mask[BODY == 0].any()


# --- shares ---


def test_a_dressed_person_shows_no_skin(known):
    assert not known.reduced
    assert known.skin.confident
    assert set(known.bare) == set(AREAS)
    assert max(known.bare.values()) < 0.02


def test_the_roots_own_shares_are_what_is_measured_again(root, known):
    assert known.shares(root) == known.bare
    half = cv2.resize(root, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    for name, share in known.shares(half).items():
        assert share == pytest.approx(known.bare[name], abs=0.02)


@pytest.mark.parametrize("colour", [(30, 90, 60), (240, 240, 240), (20, 20, 22), (200, 40, 40), (235, 220, 190)])
def test_other_colours_pass(root, known, colour):
    assert judged(known, lay(root, shaded(colour, 1), TOP), TOP) is None


@pytest.mark.parametrize("colour", [SKIN, (222, 172, 145), (196, 144, 116)])
def test_cloth_of_the_skins_colour_with_the_garments_own_folds_passes(root, known, colour):
    """A nude pink coat is fine: the folds are those of the coat that was there."""
    result = lay(root, shaded(colour, 1), TOP)
    assert known.skin.likelihood(result)[200, 150] > 0.3
    assert judged(known, result, TOP) is None


@pytest.mark.parametrize(
    ("what", "mask"),
    [
        ("bare to the hips", band(140, 290)),
        ("neckline", band(140, 185)),
        ("midriff", band(225, 285)),
        ("all of it", FULL),
    ],
)
@pytest.mark.parametrize("paint", [smooth(SKIN), smooth((200, 146, 118)), shaded(SKIN, 77, folds=0.04)])
def test_painted_skin_is_refused(root, known, what, mask, paint):
    more = judged(known, lay(root, paint, mask), mask, shows=AREAS[1:])
    assert more is not None, what
    assert more.what == CHEST_HIP


def test_a_short_skirt_needs_a_garment_that_shows_legs(root, known):
    legs = band(335, 470, BOTTOM)
    result = lay(root, smooth(SKIN), legs)
    skirt, trousers = target_in_prompt("skirt"), target_in_prompt("trousers")
    assert judged(known, result, legs, shows=trousers.shows) is not None
    more = judged(known, result, legs, shows=skirt.shows)
    assert more is not None
    assert more.what == "thighs"
    below = band(362, 470, BOTTOM)
    assert judged(known, lay(root, smooth(SKIN), below), below, shows=skirt.shows) is None


def test_bared_arms_are_for_garments_without_sleeves(root, known):
    arms = np.where((TOP > 0) & (cv2.rectangle(blank(), (100, 122), (200, 290), 255, -1) == 0), 255, 0).astype(np.uint8)
    result = lay(root, smooth(SKIN), arms)
    assert judged(known, result, arms, shows=("forearms", "upper_arms", "shoulders")) is None
    assert judged(known, result, arms, shows=("forearms",)) is not None


def test_a_narrow_pattern_of_skin_colour_is_no_skin(root, known):
    stripes = (np.arange(HEIGHT) // 3 % 2 == 0)[:, None, None]
    printed = np.where(stripes, shaded(SKIN, 3), shaded((40, 60, 120), 3))
    assert judged(known, lay(root, printed, TOP), TOP) is None


def test_what_was_not_touched_keeps_its_answer():
    beige = person(shirt=SKIN)
    known = Subject.learn(beige, segmentation())
    assert known.bare[CHEST_HIP] < 0.02
    assert known.coloured(beige)[CHEST_HIP] > 0.4
    trousers = lay(beige, shaded((90, 20, 30), 2), BOTTOM)
    assert judged(known, trousers, BOTTOM) is None
    painted = lay(beige, smooth(SKIN), band(160, 260))
    assert judged(known, painted, band(160, 260)) is not None


def test_a_chain_of_small_steps_is_judged_against_the_root(root, known):
    """Ten strips, each too small to be refused by itself: together they are refused, whatever is kept in between."""
    at, picture, document, verdicts = 160, root, known.as_json(), []
    for _ in range(10):
        strip = band(at, at + 8)
        picture = lay(picture, smooth(SKIN), strip)
        step = Subject.from_json(json.loads(json.dumps(document)))
        document = step.after(strip).as_json()
        verdicts.append(judge_skin(step.bare, step.after(strip).shares(picture), AREAS[1:]))
        at += 8
    assert any(verdicts)
    assert verdicts[-1] is not None
    assert verdicts[-1].what == CHEST_HIP


def test_the_mask_must_have_the_roots_size(known):
    with pytest.raises(ValueError, match="size"):
        known.after(np.zeros((10, 10), np.uint8))


def test_a_picture_of_other_proportions_is_not_the_root(root, known):
    with pytest.raises(ValueError, match="proportions"):
        known.shares(np.ascontiguousarray(root[:, : WIDTH // 2]))


def test_nothing_in_the_picture_has_no_share(root):
    empty = Subject.learn(root, segmentation(body=blank(), regions={}, persons=(), axes=()))
    assert dict(empty.bare) == dict.fromkeys(AREAS, 0.0)
    assert empty.folds is None
    assert dict(empty.shares(root)) == dict.fromkeys(AREAS, 0.0)
    assert not empty.same_person(empty)


# --- evidence ---


def test_no_pose_or_no_skin_is_reduced_evidence(root):
    assert Subject.learn(root, segmentation(axes=())).reduced
    headless = Subject.learn(root, segmentation(protected=()))
    assert headless.reduced
    assert headless.skin == SkinModel.generic()


def test_hair_and_hat_are_not_learnt_from(root):
    from outfitswap_desktop.core.regions import ProtectedArea

    picture = root.copy()
    picture[26:46][HEAD[26:46] > 0] = (40, 90, 40)
    hair = blank()
    hair[26:72] = HEAD[26:72]
    picture[46:72][HEAD[46:72] > 0] = (200, 170, 60)
    protected = (ProtectedArea("head", HEAD, 0.9), ProtectedArea("hair", hair, 0.9))
    known = Subject.learn(picture, segmentation(protected=protected))
    assert known.skin.confident
    assert known.skin.likelihood(np.full((2, 2, 3), SKIN, np.uint8)).min() > 0.8
    assert known.skin.likelihood(np.full((2, 2, 3), (200, 170, 60), np.uint8)).max() < 0.5


def test_a_drawn_outline_is_reduced_evidence(root):
    outlined = Subject.from_outline(root, BODY)
    assert outlined.reduced
    assert not outlined.skin.confident
    assert outlined.cloth == ()
    painted = lay(root, smooth(SKIN), band(160, 200))
    shares = outlined.after(band(160, 200)).shares(painted)
    more = judge_skin(outlined.bare, shares, AREAS[1:], reduced=outlined.reduced)
    assert more is not None
    assert more.limit == 0.01


# --- serialising ---


def test_a_subject_survives_json(root, known):
    document = json.loads(json.dumps(known.as_json()))
    again = Subject.from_json(document)
    assert again.as_json() == document
    assert again.shares(root) == known.shares(root)
    painted = lay(root, smooth(SKIN), band(160, 200))
    one, two = (s.after(band(160, 200)).shares(painted) for s in (known, again))
    assert one == two
    assert again.same_person(known)
    assert len(json.dumps(document)) < 20_000


def test_a_subject_without_folds_survives_json(root):
    outlined = Subject.from_outline(root, blank())
    again = Subject.from_json(json.loads(json.dumps(outlined.as_json())))
    assert again.folds is None
    assert again.as_json() == outlined.as_json()


@pytest.mark.parametrize(
    "change",
    [
        {"size": [0, 5]},
        {"size": [5]},
        {"size": ["5", 5]},
        {"size": [True, 5]},
        {"areas": None},
        {"areas": {"nose": []}},
        {"areas": {"chest_hip": [[[0.5, 1]]]}},
        {"areas": {"chest_hip": [[[200_000, 1]]]}},
        {"areas": {"chest_hip": [[[1]]]}},
        {"cloth": None},
        {"cloth": 5},
        {"folds": {"size": [3, 3], "signs": "!"}},
        {"skin": {}},
        {"bare": {}},
        {"bare": dict.fromkeys(AREAS, 1.5)},
        {"bare": dict.fromkeys(AREAS, math.nan)},
        {"reduced": 0},
        {"reduced": None},
    ],
)
def test_another_document_is_no_subject(known, change):
    with pytest.raises(ValueError, match=r"."):
        Subject.from_json(known.as_json() | change)


@pytest.mark.parametrize("name", ["size", "areas", "cloth", "folds", "skin", "bare", "reduced"])
def test_a_document_without_its_parts_is_no_subject(known, name):
    document = known.as_json()
    del document[name]
    with pytest.raises(ValueError, match="no subject"):
        Subject.from_json(document)


def test_holes_of_a_garment_stay_holes():
    ring = blank()
    cv2.rectangle(ring, (50, 50), (150, 150), 255, -1)
    cv2.rectangle(ring, (80, 80), (120, 120), 0, -1)
    drawn = subject._filled(subject._rings(ring), subject._Window(0, 0, WIDTH, HEIGHT, (WIDTH, HEIGHT)))
    assert np.count_nonzero(drawn != ring) < 200
    assert drawn[100, 100] == 0
    assert drawn[60, 60] == 255


def test_two_persons_are_two(root, known):
    moved = segmentation(
        regions={},
        body=np.roll(BODY, 140, axis=1),
        protected=(),
        axes=tuple(
            type(axis)(axis.part, (axis.start[0] + 140, axis.start[1]), (axis.end[0] + 140, axis.end[1]), axis.radius)
            for axis in AXES
        ),
    )
    assert not known.same_person(Subject.learn(root, moved))
    twice = cv2.resize(root, (2 * WIDTH, 2 * HEIGHT))
    body2 = cv2.resize(BODY, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_NEAREST)
    larger = segmentation(
        regions={},
        protected=(),
        body=body2,
        axes=tuple(
            type(a)(a.part, (2 * a.start[0], 2 * a.start[1]), (2 * a.end[0], 2 * a.end[1]), 2 * a.radius) for a in AXES
        ),
    )
    assert known.same_person(Subject.learn(twice, larger))


# --- folds ---


def test_folds_are_kept_by_a_new_colour_and_not_by_another_cloth():
    cloth = np.ones((HEIGHT, WIDTH), bool)
    one = np.asarray(shaded((60, 80, 140), 1), np.uint8)
    size = (120, 192)
    small = {
        k: cv2.resize(np.asarray(v, np.uint8), size, interpolation=cv2.INTER_AREA)
        for k, v in {
            "same": one,
            "recoloured": shaded(SKIN, 1),
            "other": shaded(SKIN, 2),
            "smooth": smooth(SKIN),
        }.items()
    }
    read = Folds.read(small["same"], cv2.resize(cloth.astype(np.uint8), size) > 0)
    assert read.kept(small["same"]).mean() > 0.95
    assert read.kept(small["recoloured"]).mean() > 0.95
    assert read.kept(small["other"]).mean() < 0.25
    assert read.kept(small["smooth"]).mean() < 0.15
    with pytest.raises(ValueError, match="size"):
        read.kept(one)


def test_an_outline_is_no_fold():
    """A dark sleeve, and a pale arm painted exactly within it: both are darker than the wall, and that says nothing."""
    wall = np.full((192, 60, 3), 235, np.uint8)
    inside = np.zeros((192, 60), bool)
    inside[:, 20:38] = True
    sleeve, arm = wall.copy(), wall.copy()
    sleeve[inside] = np.asarray(shaded((60, 80, 140), 4), np.uint8)[:192, :60][inside]
    arm[inside] = np.asarray(smooth(SKIN), np.uint8)[:192, :60][inside]
    read = Folds.read(sleeve, inside)
    assert read.kept(sleeve)[inside].mean() > 0.9
    assert read.kept(arm)[inside].mean() < 0.2


def test_without_cloth_there_are_no_folds():
    picture = np.asarray(shaded(SKIN, 1), np.uint8)[:100, :100]
    nothing = Folds.read(picture, np.zeros((100, 100), bool))
    assert not nothing.signs.any()
    assert not nothing.kept(picture).any()
    even = Folds.read(np.full((100, 100, 3), 90, np.uint8), np.ones((100, 100), bool))
    assert not even.signs.any()


def test_a_print_survives_json():
    read = Folds.read(np.asarray(shaded(SKIN, 1), np.uint8)[:101, :99], TOP[150:251, 60:159] > 0)
    again = Folds.from_json(json.loads(json.dumps(read.as_json())))
    assert np.array_equal(again.signs, read.signs)
    assert np.array_equal(again.cloth, read.cloth)
    assert again.signs.dtype == read.signs.dtype
    assert again.cloth.dtype == read.cloth.dtype


@pytest.mark.parametrize(
    "change",
    [
        {"size": [193, 10]},
        {"size": [0, 10]},
        {"size": [10.0, 10]},
        {"size": [10]},
        {"size": None},
        {"size": [60, 60]},
        {"signs": "not base 64"},
        {"signs": "AAAA"},
        {"signs": None},
        {"signs": folds.base64.b64encode(folds.zlib.compress(b"\xff" * 26)).decode()},
        {"signs": folds.base64.b64encode(b"no stream").decode()},
    ],
)
def test_another_document_is_no_print(change):
    document = Folds(np.zeros((10, 10), np.int8), np.ones((10, 10), bool)).as_json()
    with pytest.raises(ValueError, match="print"):
        Folds.from_json(document | change)


def test_the_numbers_are_the_ones_that_were_measured():
    assert (folds.GRID, folds.REACH, folds.KEPT, folds.FAINT, folds.NOISE) == (192, 21, 0.15, 0.12, 0.2)
    assert (subject.SKIN, subject.SOLID, subject.SAME) == (0.5, 0.05, 0.5)
    assert (areas.CHEST, areas.CROTCH, areas.TRUNK_WIDTH) == (0.06, 1.28, 1.15)


# --- two roots of one picture ---


def test_of_two_that_know_one_person_the_stricter_counts(known):
    upper, lower = band(0, 260), band(260, HEIGHT)
    one, two = known.after(upper), known.after(lower)
    bare = dict.fromkeys(AREAS, 0.0) | {CHEST_HIP: 0.3, "thighs": 0.1}
    two = replace(two, bare=bare)
    both = one.tightened(two)
    assert both.bare == {area: min(known.bare[area], bare[area]) for area in AREAS}
    untouched = known.after(np.maximum(upper, lower))
    everything = subject._Window(0, 0, WIDTH, HEIGHT, (WIDTH, HEIGHT))
    cloth = subject._filled(both.cloth, everything) > 0
    assert np.mean(cloth != (subject._filled(untouched.cloth, everything) > 0)) < 0.01
    assert cloth.sum() < (subject._filled(one.cloth, everything) > 0).sum()
    assert both.areas == one.areas
    assert both.size == one.size


def test_skin_of_either_is_skin_to_both(known):
    other = replace(known, skin=SkinModel.learn(np.full((500, 3), (98, 66, 50), np.uint8)))
    both = known.tightened(other)
    colours = np.array([[SKIN, (98, 66, 50)]], np.uint8)
    assert (both.skin.likelihood(colours) > 0.5).all()
    assert known.tightened(known).skin == known.skin
