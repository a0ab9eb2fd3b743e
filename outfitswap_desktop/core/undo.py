"""What a change of a mask touched, kept small enough that undo never ends: rectangles of before XOR after."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.regions import Box

EMPTY: Box = (0, 0, 0, 0)
Block = tuple[Box, bytes | Mask]
"""A rectangle of a patch: its differences deflated, or as they are until somebody packs them."""


@dataclass(slots=True, eq=False)
class UndoPatch:
    """What one change did, as the touched rectangles only: before XOR after, deflated.

    One patch serves undo and redo, since XOR is its own opposite. `box` bounds what changed, (0, 0, 0, 0) for nothing.
    """

    box: Box
    blocks: tuple[Block, ...] = ()

    @property
    def nbytes(self) -> int:
        """Memory that the patch's pixels take, in bytes."""
        return sum(block.nbytes if isinstance(block, np.ndarray) else len(block) for _, block in self.blocks)

    def pack(self) -> UndoPatch:
        """Deflate what is not yet; returns itself. May run on another thread while the patch is used on its own."""
        self.blocks = tuple((box, _deflated(block)) for box, block in self.blocks)
        return self

    def flip(self, buffer: Mask) -> None:
        """Turn `buffer` from after to before, or back, in place; it must be in one of the two states."""
        for (x0, y0, x1, y1), block in self.blocks:
            delta = block
            if not isinstance(delta, np.ndarray):
                delta = _rows_summed(np.frombuffer(zlib.decompress(delta), np.uint8).reshape(y1 - y0, x1 - x0))
            view = buffer[y0:y1, x0:x1]
            np.bitwise_xor(view, delta, out=view)


def _deflated(block: bytes | Mask) -> bytes:
    return zlib.compress(_row_differences(block).tobytes(), 1) if isinstance(block, np.ndarray) else block


def _rows_summed(differences: Mask) -> Mask:
    """Undo `_row_differences`: running sum down each column, modulo 256."""
    summed: Mask = np.add.accumulate(differences, axis=0, dtype=np.uint8)
    return summed


def _row_differences(delta: Mask) -> Mask:
    """Each row less the one above, modulo 256: soft rims deflate to about half of what they would otherwise."""
    differences = delta.copy()
    np.subtract(delta[1:], delta[:-1], out=differences[1:])
    return differences


def block_of(delta: Mask, *, x: int, y: int) -> Block | None:
    """The block for before XOR after (h, w) of a tile with its first pixel at (x, y), cropped to what changed, else None."""
    x0, y0, wide, high = cv2.boundingRect(delta)  # box_of, in a tenth of its time
    if wide == 0:
        return None
    x1, y1 = x0 + wide, y0 + high
    return (x + x0, y + y0, x + x1, y + y1), delta[y0:y1, x0:x1].copy()


def around(first: Box, second: Box) -> Box:
    """Smallest box around both; an empty one counts for nothing."""
    if first == EMPTY:
        return second
    if second == EMPTY:
        return first
    return (min(first[0], second[0]), min(first[1], second[1]), max(first[2], second[2]), max(first[3], second[3]))
