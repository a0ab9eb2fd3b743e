"""What differs between a photo and its result, counted on their pixels, and a picture of it that shows one step of 255."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask

_FLOOR: Final = 70
"""How bright one step of 255 is drawn; from there on by the square root, so that small ones stand out and large ones differ."""
_BAND: Final = 512
_SAME: Final = (20, 20, 22)
_SAME_INSIDE: Final = (34, 40, 58)


@dataclass(frozen=True, slots=True)
class Counts:
    """Pixels of which a channel differs, outside and inside the mask; without a mask everything counts as outside.

    `outside_most` is the largest difference of a channel outside, 0..255.
    """

    outside: int
    outside_changed: int
    outside_most: int
    inside: int
    inside_changed: int
    has_mask: bool


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """The picture of a difference, `image` (H, W, 3): dark where nothing differs, bluish inside the mask.

    Differences inside go from yellow to white, outside they are magenta, all so bright that a single step of 255 is seen.
    """

    image: RGB


def count(photo: RGB, result: RGB, mask: Mask | None) -> Counts | None:
    """Compare two pictures (H, W, 3) pixel by pixel; `mask` > 0 is where they may differ. None when their sizes differ."""
    if result.shape != photo.shape:
        return None
    mask = _fitting(mask, photo)
    inside = changed = outside_changed = outside_most = 0
    for rows, most in _bands(photo, result):
        changed += int(np.count_nonzero(most))
        if mask is not None:
            within = mask[rows] > 0
            inside += int(np.count_nonzero(within))
            most[within] = 0
        outside_changed += int(np.count_nonzero(most))
        outside_most = max(outside_most, int(most.max(initial=0)))
    size = photo.shape[0] * photo.shape[1]
    return Counts(size - inside, outside_changed, outside_most, inside, changed - outside_changed, mask is not None)


def draw(photo: RGB, result: RGB, mask: Mask | None) -> Difference | None:
    """The picture of what differs; None when the sizes differ."""
    if result.shape != photo.shape:
        return None
    mask = _fitting(mask, photo)
    tables = np.stack([_table(magenta=True), _table(magenta=False)])
    image = np.empty_like(photo)
    for rows, most in _bands(photo, result):
        within = np.zeros(most.shape, np.uint8) if mask is None else (mask[rows] > 0).astype(np.uint8)
        image[rows] = tables[within, most]
    return Difference(image)


def _bands(photo: RGB, result: RGB) -> Iterator[tuple[slice, Any]]:
    """Rows, and the largest difference of a channel of each of their pixels: no whole picture is held besides the two."""
    import cv2

    for at in range(0, photo.shape[0], _BAND):
        rows = slice(at, at + _BAND)
        apart = cv2.absdiff(photo[rows], result[rows])
        yield rows, np.maximum(np.maximum(apart[..., 0], apart[..., 1]), apart[..., 2])


def _fitting(mask: Mask | None, photo: RGB) -> Mask | None:
    return mask if mask is not None and mask.shape == photo.shape[:2] else None


def _table(*, magenta: bool) -> RGB:
    """256 colours for the differences on one side of the mask's edge."""
    strength = (_FLOOR + (255 - _FLOOR) * np.sqrt(np.arange(256) / 255)).astype(int)
    table = np.empty((256, 3), np.uint8)
    if magenta:
        table[:, 0], table[:, 1], table[:, 2] = strength, strength // 6, strength * 4 // 5
        table[0] = _SAME
    else:
        table[:, 0], table[:, 1], table[:, 2] = strength, strength, np.maximum(0, strength * 2 - 255)
        table[0] = _SAME_INSIDE
    return table
