"""Named areas of a photo kept small: the pixels of their box instead of the whole picture."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.regions import Box, box_of
from outfitswap_desktop.errors import InputRefused


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """An area 0..255 of a photo: its box and the pixels (h, w) in it; outside the box it is 0."""

    box: Box
    pixels: Mask

    @classmethod
    def of(cls, mask: Mask) -> Area:
        """The area that `mask` (H, W) shows; copies only what is set."""
        box = box_of(mask)
        return cls(box, mask[box[1] : box[3], box[0] : box[2]].copy())

    def whole(self, shape: tuple[int, int]) -> Mask:
        """As a mask (H, W)."""
        mask = np.zeros(shape, np.uint8)
        mask[self.box[1] : self.box[3], self.box[0] : self.box[2]] = self.pixels
        return mask

    def as_values(self) -> dict[str, Any]:
        """Plain values for a file: the box, and the pixels deflated."""
        return {"box": list(self.box), "pixels": zlib.compress(self.pixels.tobytes(), 1)}

    @classmethod
    def restored(cls, values: Mapping[str, Any], shape: tuple[int, int]) -> Area:
        """The opposite of `as_values`. Raises InputRefused when the values do not fit a photo of `shape`."""
        try:
            x0, y0, x1, y1 = (int(value) for value in values["box"])
            if not (0 <= x0 <= x1 <= shape[1] and 0 <= y0 <= y1 <= shape[0]):
                raise ValueError("outside the photo")
            pixels = np.frombuffer(zlib.decompress(values["pixels"]), np.uint8).reshape(y1 - y0, x1 - x0)
        except (KeyError, TypeError, ValueError, zlib.error) as problem:
            raise InputRefused("The saved mask is damaged.", reason="mask_values") from problem
        return cls((x0, y0, x1, y1), pixels)


def union(areas: Iterable[Area], shape: tuple[int, int]) -> Mask:
    """Where any of the areas is, as a mask (H, W) 0..255."""
    mask = np.zeros(shape, np.uint8)
    for area in areas:
        view = mask[area.box[1] : area.box[3], area.box[0] : area.box[2]]
        np.maximum(view, area.pixels, out=view)
    return mask
