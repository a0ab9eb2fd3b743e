"""The persons that were found, as outlines with numbers; a click on an outline or its number chooses the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.ui.canvas.look import Look

BADGE = 22.0
"""Side of a number's badge in logical pixels."""
GRIP = 5.0
"""An outline is hit this many logical pixels from its line."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Person `number` (from 1) and the box in photo pixels."""

    number: int
    box: Box

    @property
    def rect(self) -> QRectF:
        x0, y0, x1, y1 = self.box
        return QRectF(x0, y0, x1 - x0, y1 - y0)


class PersonsItem(QGraphicsItem):
    """Draws the outlines; `person_at` says which one a place belongs to."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._outlines: tuple[Outline, ...] = ()
        self._chosen = 0
        self._hovered = 0

    @property
    def outlines(self) -> tuple[Outline, ...]:
        return self._outlines

    @property
    def chosen(self) -> int:
        return self._chosen

    def set_persons(self, outlines: Sequence[Outline], chosen: int) -> None:
        """Show these; `chosen` is the number of the one that is worked on, 0 for none."""
        self.prepareGeometryChange()
        self._outlines, self._chosen, self._hovered = tuple(outlines), chosen, 0
        self.update()

    def hover(self, number: int) -> None:
        """The cursor is on the outline of this person, 0 for none."""
        if number != self._hovered:
            self._hovered = number
            self.update()

    def rescaled(self) -> None:
        """The zoom has changed: badges keep their size on the screen."""
        self.prepareGeometryChange()

    def person_at(self, place: QPointF, *, everywhere: bool) -> int:
        """Number of the person whose badge is at `place` in photo pixels, 0 for none.

        `everywhere`: their line and what it surrounds count as well; of several the smallest.
        """
        for outline in self._outlines:
            if self._badge(outline).contains(place):
                return outline.number
        grip = GRIP * self._unit
        hit = [
            (outline.rect.width() * outline.rect.height(), outline.number)
            for outline in self._outlines
            if everywhere and outline.rect.adjusted(-grip, -grip, grip, grip).contains(place)
        ]
        return min(hit)[1] if hit else 0

    @property
    def _unit(self) -> float:
        """Photo pixels per logical pixel."""
        return self._look.ratio / self._look.scale

    def _badge(self, outline: Outline) -> QRectF:
        unit = self._unit
        return QRectF(outline.rect.left() + 4 * unit, outline.rect.top() + 4 * unit, BADGE * unit, BADGE * unit)

    def boundingRect(self) -> QRectF:
        bounds = QRectF()
        for outline in self._outlines:
            bounds = bounds.united(outline.rect)
        side = 40 * self._unit
        return bounds.adjusted(-side, -side, side, side)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        for outline in self._outlines:
            chosen = outline.number == self._chosen
            strong = chosen or outline.number == self._hovered
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for colour, width in ((QColor(0, 0, 0, 150), 3.0), (QColor(255, 255, 255, 255 if strong else 170), 1.4)):
                pen = QPen(colour, width)
                pen.setCosmetic(True)
                if not chosen and width < 2:
                    pen.setDashPattern([5.0, 5.0])
                painter.setPen(pen)
                painter.drawRoundedRect(outline.rect, 6 * self._unit, 6 * self._unit)
            self._draw_badge(painter, outline, strong=strong)

    def _draw_badge(self, painter: QPainter, outline: Outline, *, strong: bool) -> None:
        rect = self._badge(outline)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(255, 255, 255, 240) if strong else QColor(20, 20, 20, 200))
        painter.drawEllipse(rect)
        painter.setPen(QColor("black") if strong else QColor("white"))
        painter.save()
        painter.translate(rect.center())
        painter.scale(self._unit, self._unit)
        font = QFont(painter.font())
        font.setPixelSize(13)
        font.setBold(True)
        painter.setFont(font)
        half = BADGE / 2
        painter.drawText(QRectF(-half, -half, BADGE, BADGE), Qt.AlignmentFlag.AlignCenter, str(outline.number))
        painter.restore()
