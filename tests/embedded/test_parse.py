"""The embedded segmenter on real photos: the astronaut that scikit-image ships, and what the tests make of her."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.parse.segmenter import MediaPipeSegmenter
from outfitswap_desktop.errors import Cancelled, NobodyFound


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    from skimage import data

    return np.ascontiguousarray(data.astronaut())


@pytest.fixture(scope="module")
def segmenter():
    made = MediaPipeSegmenter()
    yield made
    made.close()


@pytest.fixture(scope="module")
def seen(segmenter: MediaPipeSegmenter, astronaut: np.ndarray) -> Segmentation:
    return segmenter.segment(astronaut, person=None, zones=None, cancel=CancelToken())


def test_finds_the_astronaut(seen: Segmentation) -> None:
    assert seen.segmenter == "mediapipe"
    assert [one.number for one in seen.persons] == [1]
    x0, y0, x1, y1 = seen.persons[0].box
    assert x0 < 60
    assert y0 < 60
    assert x1 > 300
    assert y1 > 480
    assert Zone.TOP in seen.regions
    assert Zone.FULL in seen.regions


def test_suit_is_in_and_the_rest_is_out(seen: Segmentation) -> None:
    mask = seen.regions[Zone.TOP].mask
    assert set(np.unique(mask)) == {0, 255}
    for x, y in ((120, 300), (230, 360), (300, 330), (60, 420)):
        assert mask[y, x] == 255, (x, y)
    for x, y in ((220, 110), (220, 60), (30, 60), (450, 100), (420, 300)):
        assert mask[y, x] == 0, (x, y)


def test_alpha_is_soft_inwards_only(seen: Segmentation) -> None:
    for region in seen.regions.values():
        assert not region.alpha[region.mask == 0].any()
        inside = region.alpha[region.mask > 0]
        assert inside.min() > 0
        assert (inside == 255).mean() > 0.8
        assert ((inside > 0) & (inside < 255)).any()


def test_protected_areas_never_enter_a_mask(seen: Segmentation) -> None:
    shape = seen.regions[Zone.FULL].mask.shape
    keep_out = seen.protect_mask(shape)
    assert {"head", "hair"} <= {area.name for area in seen.protected}
    assert keep_out[110, 220] == 255
    for region in seen.regions.values():
        assert not (region.mask[keep_out > 0]).any()


def test_axes_lie_on_the_body(seen: Segmentation) -> None:
    trunk = next(axis for axis in seen.axes if axis.part == "trunk")
    assert trunk.start[1] < trunk.end[1]
    assert trunk.radius > 30
    assert seen.body is not None
    assert seen.body[300, 200] == 255
    assert {"left_upper_arm", "right_forearm", "left_thigh"} <= {axis.part for axis in seen.axes}


def test_same_photo_same_masks(segmenter: MediaPipeSegmenter, astronaut: np.ndarray, seen: Segmentation) -> None:
    again = segmenter.segment(astronaut, person=1, zones=frozenset({Zone.TOP}), cancel=CancelToken())
    assert list(again.regions) == [Zone.TOP]
    assert np.array_equal(again.regions[Zone.TOP].mask, seen.regions[Zone.TOP].mask)


def test_mirror_gives_the_mirrored_mask(
    segmenter: MediaPipeSegmenter, astronaut: np.ndarray, seen: Segmentation
) -> None:
    flipped = np.ascontiguousarray(astronaut[:, ::-1])
    mask = (
        segmenter.segment(flipped, person=None, zones=frozenset({Zone.FULL}), cancel=CancelToken())
        .regions[Zone.FULL]
        .mask
    )
    one, two = mask[:, ::-1] > 0, seen.regions[Zone.FULL].mask > 0
    assert (one & two).sum() / (one | two).sum() > 0.85


def test_larger_photo_gives_a_mask_of_its_own_size(
    segmenter: MediaPipeSegmenter, astronaut: np.ndarray, seen: Segmentation
) -> None:
    large = cv2.resize(astronaut, (1500, 1500), interpolation=cv2.INTER_CUBIC)
    mask = (
        segmenter.segment(large, person=None, zones=frozenset({Zone.FULL}), cancel=CancelToken())
        .regions[Zone.FULL]
        .mask
    )
    assert mask.shape == (1500, 1500)
    one = cv2.resize(mask, (512, 512), interpolation=cv2.INTER_AREA) > 127
    two = seen.regions[Zone.FULL].mask > 0
    assert (one & two).sum() / (one | two).sum() > 0.8


@pytest.mark.slow
def test_head_cut_away_and_legs_alone_are_understood(segmenter: MediaPipeSegmenter, photo_folder: Path) -> None:
    path = photo_folder / "fashn_garment.webp"
    if not path.is_file():
        pytest.skip("fashn_garment.webp is not in the folder of photos")
    photo = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    headless = segmenter.segment(np.ascontiguousarray(photo[255:]), person=None, zones=None, cancel=CancelToken())
    assert "head" not in {area.name for area in headless.protected}
    assert headless.regions[Zone.TOP].mask[150, 280] == 255
    assert headless.regions[Zone.TOP].mask[450, 100] == 0
    lower = segmenter.segment(np.ascontiguousarray(photo[454:]), person=None, zones=None, cancel=CancelToken())
    assert lower.regions[Zone.TOP].mask[150, 280] == 255
    assert lower.regions[Zone.BOTTOM].mask[350, 220] == 255


def test_two_persons_are_numbered_from_the_left(segmenter: MediaPipeSegmenter, astronaut: np.ndarray) -> None:
    half = astronaut[:, :400]
    pair = np.ascontiguousarray(np.hstack([half, half[:, ::-1]]))
    left = segmenter.segment(pair, person=1, zones=frozenset({Zone.FULL}), cancel=CancelToken())
    right = segmenter.segment(pair, person=2, zones=frozenset({Zone.FULL}), cancel=CancelToken())
    assert [one.number for one in left.persons] == [1, 2]
    assert left.persons[0].box[0] < left.persons[1].box[0]
    assert left.regions[Zone.FULL].mask[:, :400].sum() > 5 * left.regions[Zone.FULL].mask[:, 400:].sum()
    assert right.regions[Zone.FULL].mask[:, 400:].sum() > 5 * right.regions[Zone.FULL].mask[:, :400].sum()
    anybody = segmenter.segment(pair, person=None, zones=frozenset({Zone.FULL}), cancel=CancelToken())
    assert any("2 persons" in note for note in anybody.notes)


def test_nobody(segmenter: MediaPipeSegmenter) -> None:
    ramp = np.tile(np.linspace(40, 200, 300, dtype=np.uint8)[None, :, None], (260, 1, 3))
    with pytest.raises(NobodyFound) as caught:
        segmenter.segment(ramp, person=None, zones=None, cancel=CancelToken())
    assert caught.value.reason == "nobody_found"
    assert "--mask" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "left", "high", "low"),
    [("coffee", 0.4, 0.0, 1.0), ("chelsea", 0.0, 0.0, 0.6), ("horse", 0.0, 0.4, 1.0)],
    ids=["cup", "cat", "legs of a horse"],
)
def test_no_body_is_dreamt_into_things_and_animals(
    segmenter: MediaPipeSegmenter, name: str, left: float, high: float, low: float
) -> None:
    """The crops that came nearest to a body of all that was measured."""
    from skimage import data, util

    picture = util.img_as_ubyte(getattr(data, name)())
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    height, width = picture.shape[:2]
    crop = np.ascontiguousarray(picture[int(high * height) : int(low * height), int(left * width) :])
    with pytest.raises(NobodyFound):
        segmenter.segment(crop, person=None, zones=None, cancel=CancelToken())


@pytest.mark.parametrize("number", [0, 2, 7])
def test_no_such_person(segmenter: MediaPipeSegmenter, astronaut: np.ndarray, number: int) -> None:
    with pytest.raises(NobodyFound) as caught:
        segmenter.segment(astronaut, person=number, zones=None, cancel=CancelToken())
    assert caught.value.reason == "no_such_person"
    assert "1 person" in caught.value.message


def test_no_such_zone_names_what_is_there(segmenter: MediaPipeSegmenter, astronaut: np.ndarray) -> None:
    chest = np.ascontiguousarray(astronaut[:330])
    with pytest.raises(NobodyFound) as caught:
        segmenter.segment(chest, person=None, zones=frozenset({Zone.BOTTOM}), cancel=CancelToken())
    assert caught.value.reason == "no_such_zone"
    assert "top" in caught.value.hint


def test_cancel_is_heeded(segmenter: MediaPipeSegmenter, astronaut: np.ndarray) -> None:
    cancel = CancelToken()
    cancel.set()
    with pytest.raises(Cancelled):
        segmenter.segment(astronaut, person=None, zones=None, cancel=cancel)


def test_tiny_photo_does_not_crash(segmenter: MediaPipeSegmenter, astronaut: np.ndarray) -> None:
    tiny = cv2.resize(astronaut, (64, 64), interpolation=cv2.INTER_AREA)
    try:
        found = segmenter.segment(tiny, person=None, zones=None, cancel=CancelToken())
    except NobodyFound:
        return
    assert found.regions[Zone.FULL].mask.shape == (64, 64)


def test_says_nothing_and_builds_nothing_at_import() -> None:
    script = (
        "import sys\n"
        "from outfitswap_desktop.embedded.parse.segmenter import MediaPipeSegmenter\n"
        "made = MediaPipeSegmenter()\n"
        "assert 'mediapipe' not in sys.modules\n"
        "from skimage import data\n"
        "from outfitswap_desktop.core.job import CancelToken\n"
        "print(len(made.segment(data.astronaut(), person=None, zones=None, cancel=CancelToken()).persons))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1"
    assert done.stderr.strip() == ""


def test_missing_mediapipe_is_told(monkeypatch: pytest.MonkeyPatch, astronaut: np.ndarray) -> None:
    from outfitswap_desktop.errors import NotAvailable

    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(NotAvailable) as caught:
        MediaPipeSegmenter().segment(astronaut, person=None, zones=None, cancel=CancelToken())
    assert caught.value.reason == "mediapipe_missing"
