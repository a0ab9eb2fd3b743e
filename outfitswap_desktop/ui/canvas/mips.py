"""Halved copies of photo and mask, so that a zoomed-out view reads as many pixels as it shows, not as many as there are.

A pixel of level k is the mean of 2**k x 2**k pixels of the photo; the last one of an odd row or column counts twice.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.regions import Box, box_of
from outfitswap_desktop.core.undo import EMPTY, around

LEAST_SIDE = 256
"""No level whose longer side would be shorter than this is made."""


def levels_of(height: int, width: int) -> int:
    """Number of levels of a picture of that size, the full one included."""
    return 1 + max(0, math.floor(math.log2(max(height, width) / LEAST_SIDE)))


def level_for(scale: float, levels: int, *, draft: bool = False) -> int:
    """The coarsest level that still has a pixel for each device pixel at `scale` device pixels per photo pixel.

    A `draft` may go half a level further.
    """
    if scale >= 1.0:
        return 0
    exact = -math.log2(scale)
    return min(levels - 1, math.floor(exact + (0.5 if draft else 1e-6)))


def halved(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Half as wide and high, rounded up; (h, w) or (h, w, channels)."""
    import cv2

    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.asarray(cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), np.uint8)
    size = ((width + 1) // 2, (height + 1) // 2)
    result: Any = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(result, np.uint8)


class MaskMips:
    """The levels of a live mask, each brought up to date only when it is looked at, and only where the mask changed."""

    def __init__(self, mask: Mask) -> None:
        self._levels: list[Mask] = [mask]
        self._bounds = box_of(mask)
        height, width = mask.shape
        self._stale: list[Box] = [EMPTY]
        for _ in range(1, levels_of(height, width)):
            height, width = (height + 1) // 2, (width + 1) // 2
            self._levels.append(np.zeros((height, width), np.uint8))
            self._stale.append((0, 0, width, height))

    def __len__(self) -> int:
        return len(self._levels)

    @property
    def nbytes(self) -> int:
        """Memory of the levels below the full one, in bytes."""
        return sum(level.nbytes for level in self._levels[1:])

    def mark(self, mask: Mask, box: Box) -> None:
        """The full mask, which is `mask` from now on, has changed within `box`."""
        self._levels[0] = mask
        whole = box[2] - box[0] == mask.shape[1] and box[3] - box[1] == mask.shape[0]
        self._bounds = box_of(mask) if whole else around(self._bounds, box)
        for number in range(1, len(self._levels)):
            height, width = self._levels[number].shape
            box = (box[0] // 2, box[1] // 2, min((box[2] + 1) // 2, width), min((box[3] + 1) // 2, height))
            self._stale[number] = around(self._stale[number], box)

    def level(self, number: int) -> Mask:
        """The mask at level `number`, up to date."""
        if number and self._stale[number] != EMPTY:
            finer = self.level(number - 1)
            x0, y0, x1, y1 = self._stale[number]
            self._levels[number][y0:y1, x0:x1] = halved(finer[2 * y0 : 2 * y1, 2 * x0 : 2 * x1])
            self._stale[number] = EMPTY
        return self._levels[number]

    def bounds(self) -> Box:
        """A box around everything that is in the mask; it may be too large after parts of it were erased."""
        return self._bounds
