"""The search for the mark, step by step: windows against plain loops, places against known shifts."""

import hashlib

import numpy as np
import pytest

from outfitswap_desktop.safety.marks import invisible_search as search
from outfitswap_desktop.safety.marks.invisible_pattern import GRID, bins


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 9), (12, 20), (40, 30)])
def test_windows_are_squares_and_oblongs_of_many_sizes(size):
    rows, columns = size
    expected = {size}
    for side in (4, 5, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128):
        for down, across in ((1, 1), (1.5, 0.75), (0.75, 1.5), (2, 0.5), (0.5, 2)):
            high, wide = int(side * down), int(side * across)
            if high <= rows and wide <= columns and high * wide * 256 >= rows * columns:
                expected.add((high, wide))
    assert set(search._shapes(rows, columns)) == expected


@pytest.mark.parametrize(("length", "window", "starts"), [
    (10, 10, [0]), (11, 10, [0, 1]), (14, 10, [0, 4]), (15, 10, [0, 4, 5]), (5, 1, [0, 1, 2, 3, 4]), (9, 4, [0, 2, 4, 5]),
])  # fmt: skip
def test_windows_overlap_and_reach_the_end(length, window, starts):
    assert search._starts(length, window).tolist() == starts


def test_the_sum_of_a_window_is_the_sum_of_its_blocks():
    rng = np.random.default_rng(2)
    blocks = (rng.normal(size=(6, 9, 5)) + 1j * rng.normal(size=(6, 9, 5))).astype(np.complex64)
    sums, windows = search._windows(blocks)
    assert len(sums) == len(windows) == len({tuple(window) for window in windows.tolist()})
    for one, (top, left, bottom, right) in zip(sums, windows.tolist(), strict=True):
        assert 0 <= top < bottom <= 6
        assert 0 <= left < right <= 9
        assert np.allclose(one, blocks[top:bottom, left:right].sum(axis=(0, 1)), atol=1e-4)


def test_strong_waves_are_held_and_weak_ones_are_not_lost():
    waves = np.array([[1.0, 1j, -100.0, 0.0, 2.0]], np.complex64)
    held = search._limited(waves)
    assert np.allclose(held, [[1 / 2, 1j / 2, -100 / 101, 0, 2 / 3]], atol=1e-4)


def test_likeness_is_the_cosine_of_both():
    part = np.array([0, 2])
    row, signs = np.array([3 + 4j, 9.0, 1j], np.complex64), np.array([3 + 4j, -9.0, 1j], np.complex64)
    assert search._likeness(row, signs, part) == pytest.approx(1.0)
    assert search._likeness(-row, signs, part) == pytest.approx(-1.0)
    assert search._likeness(row * 1j, signs, part) == pytest.approx(0.0, abs=1e-6)
    assert search._likeness(np.array([3 + 4j, 0, -1j], np.complex64), signs, part) == pytest.approx(24 / 26)


@pytest.mark.parametrize("place", [(0.0, 0.0), (8.0, 24.0), (12.8, 3.2)])
def test_known_waves_are_found_where_they_were_moved_to(place):
    used = bins()
    moved = used.moved(np.array([place], np.float32))[0]
    sums = np.zeros((2, len(used.ky)), np.complex64)
    sums[0, used.sync] = moved[used.sync] * used.sync_signs
    rng = np.random.default_rng(1)
    sums[1] = rng.normal(size=len(used.ky)) + 1j * rng.normal(size=len(used.ky))
    heights, places = search._sync(sums)
    assert heights[0] == pytest.approx(np.sqrt(2 * len(used.sync)), rel=0.01)
    assert heights[1] < heights[0] / 2
    assert places[0] == pytest.approx(place, abs=GRID / search.POSITIONS / 2 + 1e-4)
    shifted = places[:1] + np.float32(GRID / search.POSITIONS / 3)
    assert search._finer(sums[:1], shifted)[0] == pytest.approx(place, abs=0.2)


def test_luma_is_evened_to_the_same_contrast_within_bounds():
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(96, 96)).astype(np.float32)
    quiet, loud = search.evened(128 + 2 * noise), search.evened(128 + 20 * noise)
    assert quiet.dtype == np.float32
    assert float(np.abs(loud).max()) <= search.LIMIT
    assert quiet.std() == pytest.approx(loud.std(), rel=0.12)
    assert 0.7 < loud.std() < 1.1
    assert float(np.abs(search.evened(np.full((96, 96), 7.0, np.float32))).max()) == 0.0


def test_the_waves_their_order_and_their_known_signs_are_those_of_every_mark_ever_made():
    """A picture that was marked yesterday must be read tomorrow: these numbers are a file format."""
    used = bins()
    parts = (
        *((used.ky, "<i2"), (used.kx, "<i2"), (used.sync, "<i4"), (used.word, "<i4"), (used.order, "<i4")),
        *((used.sync_signs.real, "<i1"), (used.sync_signs.imag, "<i1")),
    )
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(part, kind).tobytes() for part, kind in parts)).hexdigest()
    assert len(used.ky) == 200
    assert set(np.abs(used.sync_signs.real)) == set(np.abs(used.sync_signs.imag)) == {1.0}
    assert digest == "0e1fc39c790ebca39d67328000fcd2ac8fb5d9ffe4943f36c3ea089f724687ac"
