"""The fallback segmenter on pictures with and without a face, and its place on the ladder."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.ladder import Ladder
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.cascade.segmenter import GUESSED, OUTER_IS_TOP, CascadeSegmenter
from outfitswap_desktop.errors import Cancelled, NobodyFound, NotAvailable

FACE = (221, 118)
"""Nose of skimage's astronaut."""


class Missing:
    """A better segmenter that is not installed."""

    name = "better"

    def segment(
        self, photo: RGB, *, person: int | None, zones: frozenset[Zone] | None, cancel: CancelToken
    ) -> Segmentation:
        raise NotAvailable("It cannot be imported.", reason="missing")


def astronaut() -> RGB:
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[..., :3])


def segment(photo: RGB, *, person: int | None = None, zones: frozenset[Zone] | None = None) -> Segmentation:
    return CascadeSegmenter().segment(photo, person=person, zones=zones, cancel=CancelToken())


@pytest.fixture(scope="module")
def found() -> Segmentation:
    return segment(astronaut())


def test_astronaut_is_found_with_a_top_where_the_suit_is(found: Segmentation) -> None:
    assert found.segmenter == "cascade"
    assert [p.number for p in found.persons] == [found.person] == [1]
    top = found.regions[Zone.TOP].mask
    assert set(np.unique(top)) == {0, 255}
    assert 0.15 < np.count_nonzero(top) / top.size < 0.5
    suit = [(120, 300), (180, 320), (320, 300), (90, 420)]
    assert all(top[y, x] == 255 for x, y in suit)
    assert not top[:180, 330:].any(), "the shuttle and the wall are not clothes"


def test_head_and_hair_are_in_no_mask(found: Segmentation) -> None:
    keep = found.protect_mask((512, 512)) > 0
    assert {"head", "hair"} <= {area.name for area in found.protected}
    for region in found.regions.values():
        assert not region.mask[keep].any()
        assert not region.alpha[region.mask == 0].any(), "soft inwards only"
        assert not region.mask[40:155, 185:265].any(), "the face"
    assert keep[FACE[1], FACE[0]]
    assert keep[30, 225], "the hair on the crown"


def test_confidence_is_low_and_the_guess_is_said(found: Segmentation) -> None:
    assert found.notes == (GUESSED,)
    assert all(0.2 <= region.confidence <= 0.45 for region in found.regions.values())
    assert all(0.2 <= p.confidence <= 0.45 for p in found.persons)


def test_trunk_axis_runs_down_through_the_suit(found: Segmentation) -> None:
    trunk = next(axis for axis in found.axes if axis.part == "trunk")
    assert trunk.end[1] > trunk.start[1] > FACE[1]
    assert 120 < trunk.start[0] < 300


def test_outer_is_the_top_and_only_when_asked_for(found: Segmentation) -> None:
    assert Zone.OUTER not in found.regions
    asked = segment(astronaut(), zones=frozenset({Zone.OUTER}))
    assert asked.regions.keys() == {Zone.OUTER}
    assert np.array_equal(asked.regions[Zone.OUTER].mask, found.regions[Zone.TOP].mask)
    assert OUTER_IS_TOP in asked.notes


@pytest.mark.parametrize("change", ["mirrored", "darkened", "small"])
def test_changed_astronaut_keeps_its_mask(found: Segmentation, change: str) -> None:
    """Measured on full: where top ends and bottom begins is a guess that hangs on the face's size."""
    photo, full = astronaut(), found.regions[Zone.FULL].mask
    if change == "mirrored":
        photo, full = np.ascontiguousarray(photo[:, ::-1]), full[:, ::-1]
    elif change == "darkened":
        photo = (photo * 0.5).astype(np.uint8)
    else:
        side = 320
        photo = np.asarray(cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
        full = np.asarray(cv2.resize(full, (side, side), interpolation=cv2.INTER_NEAREST), np.uint8)
    seen = segment(photo, zones=frozenset({Zone.FULL})).regions[Zone.FULL].mask
    assert seen.shape == photo.shape[:2]
    both, either = np.count_nonzero((seen > 0) & (full > 0)), np.count_nonzero((seen > 0) | (full > 0))
    assert both / either > 0.8, f"{both / either:.2f}"


def test_two_persons_are_numbered_from_the_left() -> None:
    pair = np.concatenate([astronaut()[:, :340], astronaut()[:, 20:360]], axis=1)
    left, right = segment(pair, person=1), segment(pair, person=2)
    assert [p.number for p in left.persons] == [1, 2]
    middles = [np.flatnonzero(s.regions[Zone.TOP].mask.any(axis=0)).mean() for s in (left, right)]
    assert middles[0] < 340 < middles[1]


@pytest.mark.parametrize("number", [0, 2, -1])
def test_person_out_of_range(number: int) -> None:
    with pytest.raises(NobodyFound) as caught:
        segment(astronaut(), person=number)
    assert caught.value.reason == "no_such_person"


def test_zone_below_the_picture_is_said() -> None:
    with pytest.raises(NobodyFound) as caught:
        segment(astronaut(), zones=frozenset({Zone.BOTTOM}))
    assert caught.value.reason == "no_such_zone"


def test_face_that_fills_the_picture_has_no_garment() -> None:
    with pytest.raises(NobodyFound) as caught:
        segment(np.ascontiguousarray(astronaut()[50:180, 160:285]))
    assert caught.value.reason == "no_such_zone"


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "moon", "noise", "plain"])
def test_pictures_without_a_person(name: str) -> None:
    with pytest.raises(NobodyFound) as caught:
        segment(nobody(name))
    assert caught.value.reason == "nobody_found"
    assert "--mask" in caught.value.hint


def nobody(name: str) -> RGB:
    """A picture without a person: skimage's, or a drawn one."""
    if name == "noise":
        return np.random.default_rng(3).integers(0, 256, (300, 400, 3), np.uint8)
    if name == "plain":
        return np.full((64, 64, 3), 200, np.uint8)
    from skimage import data

    picture = getattr(data, name)()
    return np.ascontiguousarray(np.dstack([picture] * 3) if picture.ndim == 2 else picture[..., :3])


def test_without_scikit_image_it_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with pytest.raises(NotAvailable):
        segment(np.zeros((64, 64, 3), np.uint8))


def test_ladder_keeps_the_reason_and_the_same_photo_gives_the_same_answer(found: Segmentation) -> None:
    answer = Ladder([Missing(), CascadeSegmenter()]).segment(
        astronaut(), person=None, zones=frozenset({Zone.TOP}), cancel=CancelToken()
    )
    assert answer.segmenter == "cascade"
    assert answer.fallbacks == ("better: It cannot be imported.",)
    assert np.array_equal(answer.regions[Zone.TOP].alpha, found.regions[Zone.TOP].alpha)
    assert np.array_equal(answer.protect_mask((512, 512)), found.protect_mask((512, 512)))


def test_ladder_names_every_reason_when_nobody_is_there() -> None:
    with pytest.raises(NobodyFound) as caught:
        Ladder([Missing(), CascadeSegmenter()]).segment(nobody("rocket"), person=None, zones=None, cancel=CancelToken())
    assert caught.value.reason == "nobody_found"
    assert "better: It cannot be imported." in caught.value.hint
    assert "cascade: No frontal face was found" in caught.value.hint


def test_cancel_stops_it() -> None:
    token = CancelToken()
    token.set()
    with pytest.raises(Cancelled):
        CascadeSegmenter().segment(astronaut(), person=None, zones=None, cancel=token)
