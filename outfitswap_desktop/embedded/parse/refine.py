"""From soft maps of the work frame to masks and alphas at the photo's own size, edges fitted to the photo."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB, Alpha, Mask
from outfitswap_desktop.core.mask import solid
from outfitswap_desktop.embedded.parse.frame import Frame
from outfitswap_desktop.embedded.parse.smooth import GuidedFilter, over_half

REFINE_SIDE = 1200
"""Long side at which the edge filter's coefficients are computed; they are applied at the photo's own size."""


def full_mask(photo: RGB, frame: Frame, soft: F32, *, exact: bool = True) -> Mask:
    """Mask (H, W) 0/255 of `soft` (h, w), its edge moved to the photo's edges next to it.

    Not `exact`: the edge is found at REFINE_SIDE and enlarged, a few pixels coarse in very large photos.
    """
    height, width = photo.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    box = _photo_box(frame, soft, (height, width))
    if box is None:
        return mask
    x0, y0, x1, y1 = box
    cut = photo[y0:y1, x0:x1]
    shrink = min(1.0, REFINE_SIDE / max(x1 - x0, y1 - y0))
    size = (max(1, round((x1 - x0) * shrink)), max(1, round((y1 - y0) * shrink)))
    guide = cut if shrink == 1.0 else np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.uint8)
    coarse = frame.spread(soft, box=box, size=size)
    radius = max(2, round(1.5 * size[0] / max(1.0, (x1 - x0) * frame.scale)))
    smooth = GuidedFilter(guide, radius, eps=2e-4)
    if shrink < 1.0 and exact:
        inside = over_half(cut, coefficients=smooth.coefficients(coarse))
    else:
        inside = _sized(smooth(coarse), (x1 - x0, y1 - y0)) > 0.5
    mask[y0:y1, x0:x1] = solid(inside.view(np.uint8))
    return mask


def _sized(values: F32, size: tuple[int, int]) -> F32:
    if (values.shape[1], values.shape[0]) == size:
        return values
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)


def alpha_of(mask: Mask) -> Alpha:
    """Alpha (H, W) for `mask` 0/255: 0 outside, rising over a few pixels inwards (0.2 % of the box's diagonal)."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    alpha = np.zeros_like(mask)
    if len(columns) == 0:
        return alpha
    x0, x1, y0, y1 = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
    feather = max(1.5, 0.002 * float(np.hypot(x1 - x0, y1 - y0)))
    # the garment goes on beyond the photo's border, so only an edge inside the photo is feathered
    cut = mask[max(0, y0 - 1) : y1 + 1, max(0, x0 - 1) : x1 + 1]
    distance = np.asarray(cv2.distanceTransform(cut, cv2.DIST_L2, 3), np.float32)
    distance /= feather + 1  # in place: each of these is as large as the photo
    distance *= 255
    np.minimum(distance, 255, out=distance)
    alpha[max(0, y0 - 1) : y1 + 1, max(0, x0 - 1) : x1 + 1] = distance
    return alpha


def _photo_box(frame: Frame, soft: F32, shape: tuple[int, int]) -> tuple[int, int, int, int] | None:
    ys, xs = np.nonzero(soft > 0.3)
    if len(ys) == 0:
        return None
    corners = np.array([(x, y) for x in (xs.min() - 4, xs.max() + 5) for y in (ys.min() - 4, ys.max() + 5)], np.float32)
    low, high = frame.to_photo(corners).min(axis=0), frame.to_photo(corners).max(axis=0)
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    x1, y1 = min(shape[1], int(high[0]) + 1), min(shape[0], int(high[1]) + 1)
    return (x0, y0, x1, y1) if x1 - x0 > 1 and y1 - y0 > 1 else None
