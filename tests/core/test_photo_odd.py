"""Unusual but sound files: exactly the right pixels, upright, and exactly the right words about them."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest

from outfitswap_desktop.core.photo import read_photo
from tests.core.odd_images import Odd, all_odd, seen_by_pillow

ODD = all_odd()


def test_there_are_enough_odd_files() -> None:
    assert len({odd.name for odd in ODD}) == len(ODD) >= 300


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_odd_file_gives_the_right_pixels_and_notes(odd: Odd) -> None:
    data = odd.make()
    started = time.process_time()
    photo = read_photo(data)
    assert time.process_time() - started <= 2
    with warnings.catch_warnings():  # the reference reader grumbles about what the test put there
        warnings.simplefilter("ignore")
        wanted = odd.pixels() if odd.pixels is not None else seen_by_pillow(data)
    assert photo.pixels.dtype == np.uint8
    np.testing.assert_array_equal(photo.pixels, wanted)
    assert not photo.pixels.flags.writeable
    assert photo.pixels.flags.c_contiguous
    assert set(photo.notes) == set(odd.notes)
    assert (photo.icc is not None) == odd.has_icc
