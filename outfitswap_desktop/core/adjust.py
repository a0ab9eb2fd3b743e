"""The mask's live parameters: what is done to the painted mask before it is used, and can be changed again at any time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from outfitswap_desktop.core import mask as arithmetic
from outfitswap_desktop.core.arrays import Alpha, Mask
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.undo import EMPTY


@dataclass(frozen=True, slots=True)
class MaskParameters:
    """What is done to a painted mask, in this order: fill holes, keep the largest piece, smooth, grow or shrink, feather.

    `grow` in pixels, below 0 shrinks; `feather` inwards and `smooth` in pixels >= 0; all at most 500.
    """

    grow: int = 0
    feather: int = 0
    smooth: int = 0
    fill: bool = False
    largest: bool = False

    @property
    def neutral(self) -> bool:
        """Whether the painted mask stays as it is."""
        return self == MaskParameters()

    @property
    def local(self) -> bool:
        """Whether a pixel's value depends on its neighbourhood alone, `reach` pixels far."""
        return not (self.fill or self.largest)

    @property
    def reach(self) -> int:
        """How far away, in pixels, a change of the painted mask can show; see `local`."""
        return abs(self.grow) + self.feather + 2 * math.ceil(1.5 * self.smooth) + 4

    def apply(self, painted: Mask, keep: Mask | None = None) -> Alpha:
        """The mask to be used (H, W) 0..255 from the painted one; 0 wherever `keep` (H, W) is 0. Leaves `painted` alone."""
        result = painted
        if self.fill:
            result = arithmetic.fill_holes(result)
        if self.largest:
            result = arithmetic.keep_largest(result)
        if self.smooth:
            result = arithmetic.smooth(result, self.smooth)
        if self.grow > 0:
            result = arithmetic.grow(result, self.grow)
        elif self.grow < 0:
            result = arithmetic.shrink(result, -self.grow)
        if keep is not None:
            result = result & keep
        if self.feather:
            result = arithmetic.feather(result, self.feather)
        return result.copy() if result is painted else result

    def apply_within(self, painted: Mask, keep: Mask | None, box: Box) -> tuple[Box, Alpha]:
        """The part of `apply` that a change of the painted mask within `box` can have altered: (its box, pixels).

        Exactly what `apply` gives there; the work is by the box, unless the parameters are not `local`.
        """
        height, width = painted.shape
        if box == EMPTY:
            return EMPTY, np.zeros((0, 0), np.uint8)
        if not self.local:
            return (0, 0, width, height), self.apply(painted, keep)
        changed = _wider(box, self.reach, (height, width))
        x0, y0, x1, y1 = _wider(changed, self.reach, (height, width))
        seen = np.s_[y0:y1, x0:x1]
        result = self.apply(painted[seen], None if keep is None else keep[seen])
        inner = np.s_[changed[1] - y0 : changed[3] - y0, changed[0] - x0 : changed[2] - x0]
        return changed, result[inner]


def _wider(box: Box, margin: int, shape: tuple[int, int]) -> Box:
    height, width = shape
    return (max(box[0] - margin, 0), max(box[1] - margin, 0), min(box[2] + margin, width), min(box[3] + margin, height))
