"""Protected areas on the canvas, hatched: where the brush does not paint.

Only what a paint event exposes is hatched, at the screen's own resolution, so that it costs by the rectangle and the lines stay
as far apart at any zoom.
"""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QPainter, qRgba
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.undo import EMPTY
from outfitswap_desktop.ui.canvas.look import Look
from outfitswap_desktop.ui.canvas.overlay_item import coloured

SPACING = 9
"""Logical pixels from one line of the hatching to the next, across and down."""
NOTHING, LINE, SHADOW, RIM = range(4)
COLOURS = [qRgba(0, 0, 0, 0), qRgba(255, 255, 255, 165), qRgba(0, 0, 0, 75), qRgba(255, 255, 255, 215)] + [0] * 252


def hatched(free: Mask, *, x: int, y: int, ratio: float) -> Mask:
    """Which colour (h, w) each pixel of the screen gets, from `free` (h, w), 0 = protected.

    The first pixel is number (x, y) of the zoomed photo in device pixels, so that the lines stay on it while it is panned.
    """
    import cv2

    height, width = free.shape
    period, thick = max(4, round(SPACING * ratio)), max(1, round(1.3 * ratio))
    place = (np.arange(x, x + width)[None, :] + np.arange(y, y + height)[:, None]) % period
    table = np.zeros(period, np.uint8)
    table[:thick] = LINE
    table[thick : 2 * thick] = table[-thick:] = SHADOW
    inside = np.asarray(cv2.inRange(free, np.zeros(1), np.zeros(1)), np.uint8)
    side = 2 * max(1, round(0.7 * ratio)) + 1
    core = np.asarray(cv2.erode(inside, np.ones((side, side), np.uint8)), np.uint8)
    values = np.where(core > 0, table[place], np.where(inside > 0, np.uint8(RIM), np.uint8(NOTHING)))
    return np.asarray(values, np.uint8)


class ProtectedItem(QGraphicsItem):
    """Draws where a mask of the photo's size is 0, hatched."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._keep: Mask | None = None
        self._box: Box = EMPTY
        self.setVisible(False)

    def set_keep(self, keep: Mask | None, box: Box = EMPTY) -> None:
        """Show where `keep` (H, W) is 0, all of it within `box`; None for nowhere. It must not change while it is shown."""
        self.prepareGeometryChange()
        self._keep, self._box = keep, box
        self.update()

    @property
    def empty(self) -> bool:
        return self._keep is None

    def boundingRect(self) -> QRectF:
        x0, y0, x1, y1 = self._box
        return QRectF(x0, y0, x1 - x0, y1 - y0)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        if self._keep is None:
            return
        bounds = self._look.to_scene.inverted()[0].mapRect(self.boundingRect()).toAlignedRect()
        painter.save()
        painter.resetTransform()
        for rect in self._look.exposed:
            seen = rect.intersected(bounds)
            if not seen.isEmpty():
                self._draw(painter, seen, self._keep)
        painter.restore()

    def _draw(self, painter: QPainter, rect: QRect, keep: Mask) -> None:
        """Hatch one exposed rectangle of the viewport (logical pixels)."""
        look = self._look
        more = 3  # the rim needs to see its neighbours
        wide, high = round(rect.width() * look.ratio) + 2 * more, round(rect.height() * look.ratio) + 2 * more
        corner = look.to_scene.map(rect.topLeft().toPointF())
        left, top = corner.x() - more / look.scale, corner.y() - more / look.scale
        columns = np.floor(left + (np.arange(wide) + 0.5) / look.scale).astype(np.intp)
        rows = np.floor(top + (np.arange(high) + 0.5) / look.scale).astype(np.intp)
        height, width = keep.shape
        first, last = np.clip(columns[[0, -1]], 0, width - 1).tolist()
        strip = keep[np.clip(rows, 0, height - 1), first : last + 1]
        seen = strip.take(np.clip(columns - first, 0, last - first), axis=1)
        seen[(rows < 0) | (rows >= height)] = 255
        seen[:, (columns < 0) | (columns >= width)] = 255
        if seen.all():
            return
        values = hatched(seen, x=round(left * look.scale), y=round(top * look.scale), ratio=look.ratio)
        image = coloured(values[more:-more, more:-more], COLOURS)
        painter.drawImage(QRectF(rect), image, QRectF(0, 0, image.width(), image.height()))
