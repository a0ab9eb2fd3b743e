"""Protected areas on the canvas, hatched: where the brush does not paint."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPainterPath, QPen, QPixmap, QPolygonF, QTransform
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from outfitswap_desktop.ui.canvas.areas import Area
from outfitswap_desktop.ui.canvas.look import Look

SPACING = 9
"""Logical pixels from one line of the hatching to the next."""


def rings_of(areas: Iterable[Area]) -> list[list[list[tuple[float, float]]]]:
    """The outlines of each area, holes too, as rings of photo coordinates. Touches no Qt: runs on any thread."""
    import cv2

    found = []
    for area in areas:
        contours, _ = cv2.findContours(area.pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        rings = []
        for contour in contours:
            ring = cv2.approxPolyDP(contour, 0.75, True).reshape(-1, 2)
            if len(ring) >= 3:
                rings.append([(x + area.box[0] + 0.5, y + area.box[1] + 0.5) for x, y in ring.tolist()])
        found.append(rings)
    return found


def hatching(ratio: float) -> QPixmap:
    """A tile of diagonal lines, light on dark, sharp at `ratio` device pixels per logical one."""
    side = round(SPACING * ratio)
    tile = QPixmap(side, side)
    tile.fill(Qt.GlobalColor.transparent)
    painter = QPainter(tile)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    for colour, width in ((QColor(0, 0, 0, 95), 3.0 * ratio), (QColor(255, 255, 255, 185), 1.2 * ratio)):
        painter.setPen(QPen(colour, width))
        for shift in (-side, 0, side):
            painter.drawLine(shift - 2, side + 2, shift + side + 2, -2)
    painter.end()
    return tile


class ProtectedItem(QGraphicsItem):
    """Draws outlines of protected areas, hatched, whatever the zoom."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._path = QPainterPath()
        self._tile: tuple[float, QPixmap] | None = None
        self.setVisible(False)

    def set_rings(self, areas: list[list[list[tuple[float, float]]]]) -> None:
        """Show these outlines, of `rings_of`."""
        self.prepareGeometryChange()
        path = QPainterPath()
        for rings in areas:
            one = QPainterPath()
            one.setFillRule(Qt.FillRule.OddEvenFill)
            for ring in rings:
                one.addPolygon(QPolygonF.fromList([QPointF(x, y) for x, y in ring]))
                one.closeSubpath()
            path.addPath(one)
        self._path = path
        self.update()

    @property
    def empty(self) -> bool:
        return self._path.isEmpty()

    def boundingRect(self) -> QRectF:
        return self._path.boundingRect().adjusted(-2, -2, 2, 2)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        ratio = self._look.ratio
        if self._tile is None or self._tile[0] != ratio:
            self._tile = (ratio, hatching(ratio))
        brush = QBrush(self._tile[1])
        # the tile is in device pixels, the painter in photo pixels
        unit = 1.0 / self._look.scale
        brush.setTransform(QTransform.fromScale(unit, unit))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        edge = QPen(QColor(255, 255, 255, 200), 1.2)
        edge.setCosmetic(True)
        painter.setPen(edge)
        painter.setBrush(brush)
        painter.drawPath(self._path)
