"""Mask arithmetic: the laws that hold for any mask, and the cases that users meet."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outfitswap_desktop.core import mask as m
from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.errors import UsageProblem

PX = st.floats(0, 12, allow_nan=False)


@st.composite
def masks(draw: st.DrawFn, *, soft: bool = False) -> Mask:
    """Small masks with grown random blobs, so that insides, holes and touching rims all occur."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = draw(st.sampled_from((0.0, 0.02, 0.3, 0.7, 0.98, 1.0)))
    field = (rng.random((height, width)) < share).astype(np.uint8) * 255
    if draw(st.booleans()):
        field = cv2.dilate(field, np.ones((3, 3), np.uint8))
    if soft:
        field = np.where(field > 0, rng.integers(1, 256, field.shape), 0).astype(np.uint8)
    return field


def disc(px: float) -> Mask:
    reach = int(np.ceil(px))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return (x * x + y * y <= px * px).astype(np.uint8)


@given(masks(soft=True), PX, PX)
@settings(deadline=None)
def test_growing_is_monotone_and_shrinking_is_its_mirror(mask: Mask, a: float, b: float) -> None:
    low, high = sorted((a, b))
    binary = m.to_binary(mask)
    grown = [m.grow(mask, px) for px in (0, low, high)]
    shrunk = [m.shrink(mask, px) for px in (0, low, high)]
    assert np.array_equal(grown[0], binary)
    assert np.array_equal(shrunk[0], binary)
    for small, large in ((grown[0], grown[1]), (grown[1], grown[2]), (shrunk[1], shrunk[0]), (shrunk[2], shrunk[1])):
        assert np.all(small <= large)
    assert np.array_equal(m.invert(m.grow(m.invert(binary), high)), shrunk[2])


@given(masks(), st.integers(0, 9))
@settings(deadline=None)
def test_growing_is_dilation_and_shrinking_is_erosion_with_a_disc(mask: Mask, px: int) -> None:
    assert np.array_equal(m.grow(mask, px), cv2.dilate(mask, disc(px), borderValue=0))
    assert np.array_equal(m.shrink(mask, px), cv2.erode(mask, disc(px), borderValue=255))


@given(masks(soft=True), PX | st.floats(12, 500))
@settings(deadline=None)
def test_feather_never_adds_and_keeps_every_pixel_that_was_in(mask: Mask, px: float) -> None:
    alpha = m.feather(mask, px)
    assert np.all(alpha <= mask)
    assert np.array_equal(alpha > 0, mask > 0)


@given(masks(), PX, PX)
@settings(deadline=None)
def test_wider_feather_is_softer_everywhere(mask: Mask, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert np.all(m.feather(mask, high) <= m.feather(mask, low))


def test_feather_rises_inwards_and_not_at_the_rim_of_the_photo() -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[:, 20:] = 255
    alpha = m.feather(mask, 10)
    row = alpha[30].astype(int)
    assert np.all(row[:20] == 0)
    assert 0 < row[20] < 20
    assert np.all(np.diff(row[20:31]) > 0)
    assert np.all(row[30:] == 255)
    assert np.all(alpha == alpha[0])


def test_what_runs_out_of_the_photo_is_not_shrunk_there() -> None:
    full = np.full((20, 30), 255, np.uint8)
    assert np.array_equal(m.shrink(full, 5), full)
    assert np.array_equal(m.feather(full, 5), full)


def ring() -> Mask:
    mask = np.zeros((40, 60), np.uint8)
    cv2.circle(mask, (20, 20), 15, 255, -1)
    cv2.circle(mask, (20, 20), 4, 0, -1)
    mask[18, 12] = 0
    cv2.circle(mask, (50, 8), 5, 255, -1)
    return mask


def test_fill_holes_fills_all_or_only_small_ones() -> None:
    mask = ring()
    filled = m.fill_holes(mask)
    assert filled[20, 20] == 255
    assert filled[18, 12] == 255
    small = m.fill_holes(mask, up_to=1)
    assert small[20, 20] == 0
    assert small[18, 12] == 255


def test_a_bay_at_the_rim_of_the_photo_is_no_hole() -> None:
    mask = np.full((20, 20), 255, np.uint8)
    mask[10:, 8:12] = 0
    assert np.array_equal(m.fill_holes(mask), mask)


def test_pieces_hang_together_at_corners_and_holes_do_not() -> None:
    lattice = np.zeros((7, 7), np.uint8)
    lattice[1:4, 1:4] = lattice[4:6, 4:6] = 255
    lattice[2, 2] = 0
    assert np.array_equal(m.keep_largest(lattice), lattice)
    lattice[1, 1] = 0  # now the hole meets the outside at a corner only
    assert m.fill_holes(lattice)[2, 2] == 255
    assert m.fill_holes(lattice)[1, 1] == 0


@given(masks())
@settings(deadline=None)
def test_filling_and_keeping_the_largest_settle_at_once(mask: Mask) -> None:
    filled = m.fill_holes(mask)
    assert np.all(filled >= mask)
    assert np.array_equal(m.fill_holes(filled), filled)
    largest = m.keep_largest(mask)
    assert np.all(largest <= mask)
    assert np.array_equal(m.keep_largest(largest), largest)
    pieces, _ = cv2.connectedComponents(largest, connectivity=8)
    assert pieces - 1 == min(1, m.area(mask))


def test_keep_largest_keeps_the_large_piece_and_the_upper_of_equal_ones() -> None:
    kept = m.keep_largest(ring())
    assert kept[8, 50] == 0
    assert kept[20, 10] == 255
    assert np.array_equal(m.keep_largest(ring(), count=2), ring())
    twins = np.zeros((20, 20), np.uint8)
    twins[12:15, 1:4] = 255
    twins[3:6, 10:13] = 255
    assert m.keep_largest(twins)[4, 11] == 255
    assert m.area(m.keep_largest(twins)) == 9


def test_smooth_removes_jags_and_leaves_straight_edges() -> None:
    mask = np.zeros((80, 80), np.uint8)
    mask[20:60, 20:60] = 255
    jagged = mask.copy()
    jagged[30, 60:64] = 255
    jagged[5, 5] = 255
    calm = m.smooth(jagged, 4)
    assert calm[5, 5] == 0
    assert calm[30, 63] == 0
    assert np.array_equal(calm[40], mask[40])


@given(masks(soft=True))
@settings(deadline=None)
def test_invert_twice_is_nothing_and_area_counts_the_binary_mask(mask: Mask) -> None:
    assert np.array_equal(m.invert(m.invert(mask)), mask)
    assert m.area(mask) == np.count_nonzero(m.to_binary(mask))
    assert m.area(mask) == int((mask >= 128).sum())


def test_touches() -> None:
    a, b = np.zeros((2, 4, 4), np.uint8)
    a[1, 1] = b[2, 2] = 255
    assert not m.touches(a, b)
    b[1, 1] = 1
    assert m.touches(a, b)
    with pytest.raises(UsageProblem, match="size"):
        m.touches(a, b[:2])


@given(masks(soft=True))
@settings(max_examples=25, deadline=None)
def test_no_operation_changes_its_argument(mask: Mask) -> None:
    before = mask.copy()
    for change in (m.grow, m.shrink, m.feather, m.smooth):
        change(mask, 3)
    for change in (m.invert, m.fill_holes, m.keep_largest, m.to_binary):
        change(mask)
    assert np.array_equal(mask, before)


@pytest.mark.parametrize("px", [-1, float("nan"), float("inf")])
def test_impossible_distances_are_refused(px: float) -> None:
    for change in (m.grow, m.shrink, m.feather, m.smooth):
        with pytest.raises(UsageProblem, match="pixels"):
            change(np.zeros((4, 4), np.uint8), px)


def test_colour_pictures_are_no_masks() -> None:
    with pytest.raises(UsageProblem, match="8 bits"):
        m.grow(np.zeros((4, 4, 3), np.uint8), 1)
