"""What is counted is what differs, and the sentence says no more than that."""

import numpy as np
import pytest
from PySide6.QtCore import QLocale

from outfitswap_desktop.ui.result.difference import count, draw
from outfitswap_desktop.ui.result.proof import sentence
from tests.ui.result.pictures import altered, box_mask, photo_pixels


def told(counts, suffix=".png", recorded=0):
    return sentence(counts, suffix=suffix, recorded=recorded, locale=QLocale("en_US"))


def test_nothing_outside_differs(qapp):
    photo, mask = photo_pixels(), box_mask()
    found = count(photo, altered(photo, mask), mask)
    assert (found.outside, found.outside_changed, found.outside_most) == (120 * 160 - 30 * 40, 0, 0)
    assert found.inside_changed == found.inside == 30 * 40
    text, good = told(found)
    assert good
    assert "0 of 18,000" in text
    assert "bit for bit" in text


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("place", [(0, 0), (119, 159), (29, 40), (600, 100)])
def test_one_step_of_one_channel_of_one_pixel_is_seen(qapp, step, channel, place):
    photo = np.full((700, 160, 3), 128, np.uint8)
    mask = np.zeros((700, 160), np.uint8)
    mask[30:60, 40:80] = 1
    result = photo.copy()
    result[(*place, channel)] = 128 + step
    found = count(photo, result, mask)
    assert (found.outside_changed, found.outside_most, found.inside_changed) == (1, 1, 0)
    text, good = told(found)
    assert not good
    assert text.startswith("1 of ")
    image = draw(photo, result, mask).image
    assert image[place].max() >= 70 > image[1, 1].max()


def test_a_jpeg_is_told_as_one(qapp):
    photo, mask = photo_pixels(), box_mask()
    same = altered(photo, mask)
    text, good = told(count(photo, same, mask), ".jpg")
    assert good
    assert "JPEG" in text
    assert "bit for bit" not in text
    other = same.copy()
    other[0, 0] ^= 1
    text, good = told(count(photo, other, mask), ".webp")
    assert good
    assert "WebP" in text
    assert "1 of 18,000" in text
    _, good = told(count(photo, other, mask), ".webp", recorded=3)
    assert not good
    _, good = told(count(photo, other, mask), ".webp", recorded=None)
    assert not good


def test_without_a_mask_nothing_is_promised(qapp):
    photo, mask = photo_pixels(), box_mask()
    for missing in (None, np.zeros((3, 3), np.uint8)):
        found = count(photo, altered(photo, mask), missing)
        assert not found.has_mask
        assert found.outside_changed == 30 * 40
        assert not told(found)[1]


def test_other_sizes_are_not_compared(qapp):
    assert count(photo_pixels(), photo_pixels(60, 80), None) is None
    assert draw(photo_pixels(), photo_pixels(60, 80), None) is None
    assert not told(None)[1]
