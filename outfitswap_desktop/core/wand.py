"""The magic wand: what has nearly the colour of the pixel that was clicked."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.regions import Box, box_of
from outfitswap_desktop.core.undo import EMPTY


def similar(photo: RGB, x: int, y: int, *, tolerance: int = 24, contiguous: bool = True) -> tuple[Box, Mask]:
    """The area whose colour differs in no channel by more than `tolerance` (0..255) from that around (x, y).

    The colour is the mean of the 3 x 3 pixels there; `contiguous` takes only what hangs together with (x, y). Returns the
    box and the mask (h, w) 0/255 in it; an empty box when (x, y) lies outside the photo (H, W, 3). `photo` may be read-only.
    """
    height, width = photo.shape[:2]
    if not (0 <= x < width and 0 <= y < height):
        return EMPTY, np.zeros((0, 0), np.uint8)
    around = photo[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].reshape(-1, 3)
    colour = np.rint(around.mean(axis=0))
    low, high = np.clip(colour - tolerance, 0, 255), np.clip(colour + tolerance, 0, 255)
    alike = np.asarray(cv2.inRange(photo, low, high), np.uint8)
    if contiguous:
        alike[y, x] = 255
        cv2.floodFill(alike, None, (x, y), (128,), flags=4 | cv2.FLOODFILL_FIXED_RANGE)
        alike = np.asarray(cv2.inRange(alike, np.array([128.0]), np.array([128.0])), np.uint8)
    box = box_of(alike)
    return box, alike[box[1] : box[3], box[0] : box[2]].copy()
