"""The soft edge follows the garment's outline, so that no rim of the old colour is left."""

import cv2
import numpy as np
import pytest

from outfitswap_desktop.core import edge

SIZE = 400
FRONT, BACK = np.array((235, 232, 228.0)), np.array((50, 45, 40.0))


def scene(front=FRONT, back=BACK):
    """A disc of the garment's colour with its true coverage: (image, coverage 0..1)."""
    big = np.zeros((SIZE * 8, SIZE * 8), np.uint8)
    cv2.circle(big, (SIZE * 4, SIZE * 4), SIZE * 2, 255, -1)
    true = cv2.resize(big, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    true = cv2.GaussianBlur(true, (0, 0), 0.8)
    image = true[..., None] * front + (1 - true[..., None]) * back
    return np.rint(image).astype(np.uint8), true


@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_coverage_is_found_from_a_mask_that_is_a_pixel_off(shift):
    image, true = scene()
    mask = (true > 0.5).astype(np.uint8) * 255
    kernel = np.ones((3, 3), np.uint8)
    mask = cv2.dilate(mask, kernel) if shift > 0 else cv2.erode(mask, kernel) if shift < 0 else mask
    found = edge.matte(image, mask).astype(float) / 255
    assert np.abs(found - true).max() < 0.35
    assert np.abs(found - true)[np.abs(true - 0.5) < 0.5].mean() < 0.06


def test_no_rim_of_the_old_colour_is_left():
    image, true = scene()
    mask = (true > 0.9).astype(np.uint8) * 255
    new = np.array((20, 40, 120.0))
    wanted = true[..., None] * new + (1 - true[..., None]) * BACK

    def pasted(alpha):
        a = alpha[..., None].astype(float) / 255
        return np.where(a > 0, a * new + (1 - a) * BACK, image)

    ring = (true > 0.02) & (true < 0.98)
    hard = np.abs(pasted(mask) - wanted)[ring].mean()
    soft = np.abs(pasted(edge.matte(image, mask)) - wanted)[ring].mean()
    assert soft < 0.2 * hard


def test_it_never_enters_what_is_protected_nor_strays():
    image, true = scene()
    mask = (true > 0.9).astype(np.uint8) * 255
    keep = np.zeros((SIZE, SIZE), np.uint8)
    keep[:, : SIZE // 2] = 255
    assert not edge.matte(image, mask, keep_out=keep)[keep > 0].any()
    grown = edge.matte(image, mask) > 0
    assert grown.sum() > (mask > 0).sum()
    reach = cv2.dilate(mask, np.ones((2 * edge.MOST_REACH + 1,) * 2, np.uint8))
    assert not grown[reach == 0].any()


def test_without_contrast_the_outline_decides():
    image, true = scene(front=BACK + 2)
    mask = (true > 0.5).astype(np.uint8) * 255
    assert np.array_equal(edge.matte(image, mask) > 127, mask > 0)


def test_small_thin_and_empty_masks():
    image, _ = scene()
    empty = np.zeros((SIZE, SIZE), np.uint8)
    assert not edge.matte(image, empty).any()
    thin = empty.copy()
    thin[200, 100:300] = 255
    assert (edge.matte(image, thin) > 0)[200, 100:300].any()
    assert edge.matte(image, np.full_like(empty, 255)).min() == 255
