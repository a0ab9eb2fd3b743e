"""The mask on the canvas, in one of the view modes.

What a paint event exposes is coloured through a table of 256 colours; no coloured copy of the whole mask is kept.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter, qRgba
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.undo import EMPTY
from outfitswap_desktop.ui.canvas.look import Look, ViewMode
from outfitswap_desktop.ui.canvas.mips import MaskMips, level_for
from outfitswap_desktop.ui.canvas.photo_item import SEEN_PIXELS

VEIL = 0.82
"""How much of what lies outside the mask the onion view hides."""
EDGE_COLOURS = (0, 1, 2)
"""Outline view: nothing, the line inside the mask, the line outside."""


def colour_table(look: Look) -> list[int]:
    """256 colours 0xAARRGGBB, one for each value of the mask."""
    return _table(look.mode, look.colour.rgb(), look.opacity, look.veil.rgb())


@lru_cache(maxsize=8)
def _table(mode: ViewMode, colour: int, opacity: float, veil: int) -> list[int]:
    if mode is ViewMode.MASK:
        return [qRgba(value, value, value, 255) for value in range(256)]
    if mode is ViewMode.ONION:
        return [_with_alpha(veil, round((255 - value) * VEIL)) for value in range(256)]
    if mode is ViewMode.OUTLINE:
        return [0, _with_alpha(colour, 255), qRgba(0, 0, 0, 190)] + [0] * 253
    return [_with_alpha(colour, round(value * opacity)) for value in range(256)]


def _with_alpha(colour: int, alpha: int) -> int:
    return (colour & 0xFFFFFF) | (alpha << 24)


def coloured(values: Mask, table: list[int], *, opaque: bool = False) -> QImage:
    """A picture of `values` (h, w) through a table of 256 colours; premultiplied, which is what Qt blends fastest."""
    values = np.ascontiguousarray(values)
    indexed = QImage(values.data, values.shape[1], values.shape[0], values.shape[1], QImage.Format.Format_Indexed8)
    indexed.setColorTable(table)
    wanted = QImage.Format.Format_RGB32 if opaque else QImage.Format.Format_ARGB32_Premultiplied
    return indexed.convertToFormat(wanted)


def outline(values: Mask, width: int = 1) -> Mask:
    """1 along the inner side of the mask's edge, 2 along the outer one, 0 elsewhere; lines `width` pixels wide."""
    import cv2

    inside = np.where(values > 127, np.uint8(255), np.uint8(0))
    side = 2 * width + 1
    kernel = np.ones((side, side), np.uint8)
    rim = cv2.subtract(inside, cv2.erode(inside, kernel, borderType=cv2.BORDER_REPLICATE))
    halo = cv2.subtract(cv2.dilate(inside, kernel, borderType=cv2.BORDER_REPLICATE), inside)
    return np.asarray(np.minimum(rim, 1) + np.minimum(halo, 2), np.uint8)


class OverlayItem(QGraphicsItem):
    """Draws a mask of the photo's size over it, one scene unit per pixel."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._mips: MaskMips | None = None
        self._size = (0, 0)

    def set_mask(self, mask: Mask | None) -> None:
        """Show another mask (H, W), or none."""
        self.prepareGeometryChange()
        self._mips = None if mask is None else MaskMips(mask)
        self._size = (0, 0) if mask is None else (mask.shape[0], mask.shape[1])
        self.update()

    def changed(self, mask: Mask, box: Box) -> None:
        """The mask, which is `mask` from now on, has changed within `box`; only that is drawn again."""
        if self._mips is None:
            return
        self._mips.mark(mask, box)
        margin = 2 + 3 / self._look.scale if self._look.mode is ViewMode.OUTLINE else 2 / min(self._look.scale, 1.0)
        rect = QRectF(box[0], box[1], box[2] - box[0], box[3] - box[1])
        self.update(rect.adjusted(-margin, -margin, margin, margin))

    @property
    def nbytes(self) -> int:
        """Memory of the mask's halved copies, in bytes."""
        return 0 if self._mips is None else self._mips.nbytes

    def boundingRect(self) -> QRectF:
        return QRectF(0, 0, self._size[1], self._size[0])

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        if self._mips is None or self._look.mode is ViewMode.ORIGINAL:
            return
        scale = self._look.scale
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, scale < SEEN_PIXELS and not self._look.draft)
        number = level_for(scale, len(self._mips), draft=self._look.draft)
        level = self._mips.level(number)
        table = colour_table(self._look)
        bounds = self._mips.bounds() if self._look.mode in {ViewMode.OVERLAY, ViewMode.OUTLINE} else None
        for box in self._look.exposed_photo(painter, self._size[1], self._size[0]):
            seen = box if bounds is None else _common(box, bounds)
            if seen != EMPTY:
                self._draw(painter, level, number=number, box=seen, table=table)

    def _draw(self, painter: QPainter, level: Mask, *, number: int, box: Box, table: list[int]) -> None:
        step = 1 << number
        more = 3
        x0, y0 = max(box[0] // step - more, 0), max(box[1] // step - more, 0)
        x1, y1 = min(-(-box[2] // step) + more, level.shape[1]), min(-(-box[3] // step) + more, level.shape[0])
        values = level[y0:y1, x0:x1]
        if self._look.mode is ViewMode.OUTLINE:
            values = self._outlined(values)
        elif self._look.mode is ViewMode.OVERLAY and not values.any():
            return
        target = QRectF(x0 * step, y0 * step, (x1 - x0) * step, (y1 - y0) * step)
        painter.drawImage(target, coloured(values, table, opaque=self._look.mode is ViewMode.MASK))

    def _outlined(self, values: Mask) -> Mask:
        """The outline as thin as the screen allows: zoomed in, it is found among enlarged pixels."""
        times = max(1, min(16, round(self._look.scale / max(self._look.ratio, 1.0))))
        if times > 1:
            values = np.repeat(np.repeat(values, times, axis=0), times, axis=1)
        return outline(values)


def _common(first: Box, second: Box) -> Box:
    """What two boxes share, EMPTY when nothing."""
    box = (max(first[0], second[0]), max(first[1], second[1]), min(first[2], second[2]), min(first[3], second[3]))
    return box if box[0] < box[2] and box[1] < box[3] else EMPTY
