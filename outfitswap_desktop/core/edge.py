"""The soft edge of a mask: how much of each pixel along the outline is garment, read from the colours on both sides.

A mask that ends half a pixel too early leaves a rim of the old colour, which is what gives a swapped garment away.
"""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB, Alpha, Mask

REACH = 0.0022
"""How far from the outline coverage is estimated, as a share of the crop's longer side (a lens' blur grows with size)."""
LEAST_REACH, MOST_REACH = 3, 10
SURE_CONTRAST = 40.0
"""Distance of the two sides' mean colours (0..441, RGB) from which on the colours alone decide."""
NO_CONTRAST = 12.0
FAINT = 0.02


def matte(image: RGB, mask: Mask, *, keep_out: Mask | None = None) -> Alpha:
    """Coverage (h, w) 0..255 of the garment `mask` (h, w) 0/255 in `image` (h, w, 3).

    Within a few pixels of the outline a pixel I between the local mean colours F (inside) and B (outside) covers
    (I - B).(F - B) / |F - B|^2, the two-colour matting equation; where the sides hardly differ the outline itself decides.
    The estimate may move the outline by half the reach; it never enters `keep_out` (h, w) > 0.
    """
    inside = mask > 0
    if not inside.any():
        return np.zeros(mask.shape, np.uint8)
    reach = int(np.clip(round(REACH * max(mask.shape)), LEAST_REACH, MOST_REACH))
    signed = _signed_distance(inside)
    rows, columns = np.nonzero(np.abs(signed) <= reach)
    alpha: Alpha = np.where(inside, np.uint8(255), np.uint8(0))
    if rows.size:
        coverage = _coverage(image, signed, (rows, columns), reach)
        alpha[rows, columns] = np.rint(np.where(coverage < FAINT, 0.0, coverage) * 255.0).astype(np.uint8)
    if keep_out is not None:
        alpha[keep_out > 0] = 0
    return alpha


def _signed_distance(inside: np.ndarray) -> F32:
    """Distance (h, w) to the outline in pixels, positive inside; 0.5 and -0.5 on its two sides."""
    solid = inside.astype(np.uint8)
    deep = cv2.distanceTransform(solid, cv2.DIST_L2, 3)
    away = cv2.distanceTransform(1 - solid, cv2.DIST_L2, 3)
    return np.asarray(np.where(inside, deep - 0.5, 0.5 - away), np.float32)


def _coverage(image: RGB, signed: F32, at: tuple[np.ndarray, np.ndarray], reach: int) -> F32:
    """Coverage (n,) 0..1 of the pixels `at` (rows, columns), all within `reach` of the outline."""
    size = 6 * reach + 1
    front, front_weight = _mean_colour(image, signed >= reach, at, size)
    back, back_weight = _mean_colour(image, signed <= -reach, at, size)
    pixels = image[at].astype(np.float32)
    axis = front - back
    length = (axis * axis).sum(axis=1)
    by_colour = ((pixels - back) * axis).sum(axis=1) / np.maximum(length, 1.0)
    contrast = (np.sqrt(length) - NO_CONTRAST) / (SURE_CONTRAST - NO_CONTRAST)
    trust = np.clip(contrast, 0.0, 1.0) * (np.minimum(front_weight, back_weight) > 0.01)
    distance = signed[at]
    half = reach / 2.0
    by_outline = np.clip(distance + 0.5, 0.0, 1.0)
    lowest = np.clip((distance - half) / half, 0.0, 1.0)
    highest = np.clip((distance + reach) / half, 0.0, 1.0)
    mixed = trust * np.clip(by_colour, 0.0, 1.0) + (1.0 - trust) * by_outline
    return np.asarray(np.clip(mixed, lowest, highest), np.float32)


def _mean_colour(image: RGB, where: np.ndarray, at: tuple[np.ndarray, np.ndarray], size: int) -> tuple[F32, F32]:
    """Mean colour (n, 3) of `image` over the pixels `where` in a window of `size`, and their share (n,), at the points `at`."""
    weight = where.astype(np.float32)
    share = cv2.blur(weight, (size, size))[at]
    sums = np.empty((at[0].size, 3), np.float32)
    for channel in range(3):
        sums[:, channel] = cv2.blur(image[..., channel] * weight, (size, size))[at]
    return sums / np.maximum(share, 1e-4)[:, None], share
