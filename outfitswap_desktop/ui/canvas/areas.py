"""Named areas of a photo kept small: the pixels of their box instead of the whole picture."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.regions import Box, box_of

_BOX = struct.Struct("<4I")


@dataclass(slots=True, eq=False)
class Area:
    """An area 0..255 of a photo: its box and the pixels (h, w) in it; outside the box it is 0."""

    box: Box
    pixels: Mask
    _packed: bytes | None = None

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

    def pack(self) -> bytes:
        """As bytes for a file, made once: the box as 4 unsigned 32-bit integers, then the pixels deflated."""
        if self._packed is None:
            self._packed = _BOX.pack(*self.box) + zlib.compress(self.pixels.tobytes(), 1)
        return self._packed

    @classmethod
    def unpacked(cls, content: bytes, shape: tuple[int, int]) -> Area:
        """The opposite of `pack`. Raises ValueError, zlib.error or struct.error when it does not fit a photo of `shape`."""
        x0, y0, x1, y1 = _BOX.unpack_from(content)
        if not (x0 <= x1 <= shape[1] and y0 <= y1 <= shape[0]):
            raise ValueError("an area lies outside the photo")
        pixels = np.frombuffer(zlib.decompress(content[_BOX.size :]), np.uint8).reshape(y1 - y0, x1 - x0)
        return cls((x0, y0, x1, y1), pixels, content)


def free_of(areas: Collection[Area], shape: tuple[int, int]) -> Mask | None:
    """Where none of the areas is, as a mask (H, W) 255/0; None without areas."""
    if not areas:
        return None
    import cv2

    mask = np.full(shape, 255, np.uint8)
    for area in areas:
        if area.pixels.size:
            view = mask[area.box[1] : area.box[3], area.box[0] : area.box[2]]
            view &= np.asarray(cv2.inRange(area.pixels, np.zeros(1), np.zeros(1)), np.uint8)
    return mask
