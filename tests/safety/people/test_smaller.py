"""A large picture, its masks and its person at the size at which skin is measured."""

import numpy as np
import pytest

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.safety.people.smaller import (
    SKIN_SIDE,
    fitting,
    mask_at,
    picture_at,
    segmentation_at,
    touched_at,
)
from tests.safety.people.figures import AXES, BODY, HANDS, HEIGHT, TOP, WIDTH, person, segmentation

HALF = (WIDTH // 2, HEIGHT // 2)


def test_only_what_is_larger_is_made_smaller():
    assert SKIN_SIDE == 1600
    assert fitting((1600, 1200, 3)) == (1200, 1600)
    assert fitting((1200, 1600)) == (1600, 1200)
    assert fitting((3200, 1000, 3)) == (500, 1600)
    assert fitting((1000, 3200)) == (1600, 500)
    assert fitting((12_000, 2)) == (1, 1600)
    assert fitting((2, 12_000)) == (1600, 1)


def test_what_has_the_size_is_handed_back():
    picture, found = person(), segmentation()
    assert picture_at(picture, (WIDTH, HEIGHT)) is picture
    assert mask_at(TOP, (WIDTH, HEIGHT)) is TOP
    assert touched_at(TOP, (WIDTH, HEIGHT)) is TOP
    assert segmentation_at(found, picture.shape, (WIDTH, HEIGHT)) is found


def test_a_picture_is_averaged():
    small = picture_at(person(), HALF)
    assert small.shape == (HEIGHT // 2, WIDTH // 2, 3)
    assert small.dtype == np.uint8
    assert small.mean() == pytest.approx(person().mean(), abs=0.5)


@pytest.mark.parametrize(("columns", "level", "mask", "touched"), [
    (2, 255, 255, 255), (1, 255, 255, 255), (0, 255, 0, 0), (2, 1, 0, 255), (2, 127, 0, 255), (2, 128, 255, 255),
])  # fmt: skip
def test_half_a_pixel_is_in_a_mask_and_any_of_one_was_touched(columns, level, mask, touched):
    large = np.zeros((2, 4), np.uint8)
    large[:, :columns] = level
    assert mask_at(large, (2, 1)).tolist() == [[mask, 0]]
    assert touched_at(large, (2, 1)).tolist() == [[touched, 0]]
    assert mask_at(large, (2, 1)).dtype == touched_at(large, (2, 1)).dtype == np.uint8


def test_a_quarter_of_a_pixel_was_touched_and_is_not_in_the_mask():
    large = np.zeros((2, 4), np.uint8)
    large[0, 0] = 255
    assert mask_at(large, (2, 1)).tolist() == [[0, 0]]
    assert touched_at(large, (2, 1)).tolist() == [[255, 0]]


def test_a_person_keeps_their_place():
    found = segmentation_at(segmentation(), (HEIGHT, WIDTH, 3), HALF)
    assert found.person == 1
    assert [axis.part for axis in found.axes] == [axis.part for axis in AXES]
    for small, large in zip(found.axes, AXES, strict=True):
        assert small.start == (large.start[0] / 2, large.start[1] / 2)
        assert small.end == (large.end[0] / 2, large.end[1] / 2)
        assert small.radius == large.radius / 2
    top = found.regions[Zone.TOP]
    assert top.mask.shape == top.alpha.shape == (HEIGHT // 2, WIDTH // 2)
    assert np.count_nonzero(top.mask) == pytest.approx(np.count_nonzero(TOP) / 4, rel=0.02)
    assert np.count_nonzero(top.alpha) == np.count_nonzero(top.mask)
    hands = next(area.mask for area in found.protected if area.name == "hands")
    assert np.count_nonzero(hands) == pytest.approx(np.count_nonzero(HANDS) / 4, rel=0.05)
    assert np.count_nonzero(found.body) == pytest.approx(np.count_nonzero(BODY) / 4, rel=0.02)


def test_a_person_in_a_picture_that_is_squeezed_is_squeezed_too():
    axis = segmentation_at(segmentation(), (HEIGHT, WIDTH, 3), (WIDTH // 2, HEIGHT)).axes[0]
    assert axis.start == (75.0, 134.0)
    assert axis.end == (75.0, 286.0)
    assert axis.radius == 46.0 * 0.75


def test_a_segmentation_without_a_body_has_none():
    assert segmentation_at(segmentation(body=None), (HEIGHT, WIDTH, 3), HALF).body is None
