"""Pictures, masks and segmentations at the size at which skin is measured: what twelve megapixels add is time and memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.mask import solid
from outfitswap_desktop.core.regions import BodyAxis, Region, Segmentation

SKIN_SIDE: Final = 1600
"""Longer side, in pixels, at which a person's skin is learnt and measured; smaller pictures are taken as they are."""


def fitting(shape: tuple[int, ...]) -> tuple[int, int]:
    """The size (width, height) at which a picture of `shape` (H, W, ...) is measured."""
    height, width = shape[:2]
    scale = min(1.0, SKIN_SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def picture_at(picture: RGB, size: tuple[int, int]) -> RGB:
    """`picture` (H, W, 3) at `size` (width, height), averaged."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def mask_at(mask: Mask, size: tuple[int, int]) -> Mask:
    """`mask` (H, W) at `size` (width, height): 255 where half of a pixel was in it."""
    if (mask.shape[1], mask.shape[0]) == size:
        return mask
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.threshold(small, 127, 255, cv2.THRESH_BINARY)[1], np.uint8)


def touched_at(mask: Mask, size: tuple[int, int]) -> Mask:
    """The same, but 255 wherever any of a pixel was in it: for what may have been changed."""
    if (mask.shape[1], mask.shape[0]) == size:
        return mask
    small = cv2.resize(solid(mask), size, interpolation=cv2.INTER_AREA)
    return solid(np.asarray(small, np.uint8))


def segmentation_at(found: Segmentation, shape: tuple[int, ...], size: tuple[int, int]) -> Segmentation:
    """`found` in a picture of `shape` (H, W, ...), in pixels of the same picture at `size`.

    Edges are hard: alphas are the masks.
    """
    height, width = shape[:2]
    if (width, height) == size:
        return found
    wide, high = size[0] / width, size[1] / height

    def moved(axis: BodyAxis) -> BodyAxis:
        (x0, y0), (x1, y1) = axis.start, axis.end
        return replace(
            axis, start=(x0 * wide, y0 * high), end=(x1 * wide, y1 * high), radius=axis.radius * (wide + high) / 2
        )

    def shrunk(region: Region) -> Region:
        mask = mask_at(region.mask, size)
        return replace(region, mask=mask, alpha=mask)

    regions = {zone: shrunk(region) for zone, region in found.regions.items()}
    return replace(
        found,
        regions=regions,
        protected=tuple(replace(area, mask=mask_at(area.mask, size)) for area in found.protected),
        axes=tuple(moved(axis) for axis in found.axes),
        body=mask_at(found.body, size) if found.body is not None else None,
    )
