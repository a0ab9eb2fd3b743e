"""What a tool is, and the tools that paint: brush and eraser, and the hand that moves the photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QCursor, QPainter, QPen, QRegion

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.ui.background import Background
from outfitswap_desktop.ui.canvas.mask_model import MaskModel
from outfitswap_desktop.ui.canvas.options import ToolOptions


@dataclass(frozen=True, slots=True)
class Pen:
    """Where mouse or pen is: `at` in photo pixels, `pressure` 0..1, `eraser` for the pen's other end, the keys held."""

    at: QPointF
    pressure: float = 1.0
    eraser: bool = False
    shift: bool = False
    alt: bool = False


class Host(Protocol):
    """What a tool may use of the view."""

    @property
    def model(self) -> MaskModel | None: ...
    @property
    def options(self) -> ToolOptions: ...
    @property
    def background(self) -> Background: ...
    @property
    def photo(self) -> RGB: ...
    @property
    def photo_scale(self) -> float:
        """Logical pixels of the screen per photo pixel."""
        ...

    def redraw(self, rect: QRectF) -> None:
        """Draw the foreground within `rect` (photo pixels) again."""
        ...

    def ask_box(self, box: tuple[int, int, int, int]) -> None: ...
    def ask_points(self, points: tuple[tuple[int, int, bool], ...]) -> None: ...


class Tool:
    """A tool that does nothing. Positions are photo pixels; `draw` paints in them too."""

    name = ""
    round_cursor = False
    """Whether the cursor is a circle of the brush's size."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def cursor(self) -> QCursor:
        return QCursor(Qt.CursorShape.CrossCursor)

    @property
    def busy(self) -> bool:
        """Whether something was begun that Escape abandons."""
        return False

    def press(self, pen: Pen) -> None: ...
    def move(self, pens: list[Pen]) -> None: ...
    def release(self, pen: Pen) -> None: ...
    def double(self, pen: Pen) -> None: ...

    def hover(self, pen: Pen) -> None:
        """The pen moved without being down."""

    def confirm(self) -> None:
        """Return was pressed."""

    def cancel(self) -> None:
        """Escape was pressed, or the tool is put away."""

    def step_back(self) -> bool:
        """Backspace was pressed; True when the tool had something to take back."""
        return False

    def draw(self, painter: QPainter) -> None:
        """Draw what is under way, on top of everything."""


def two_coloured(painter: QPainter, *, dashed: bool = True) -> list[QPen]:
    """Two thin pens that together are seen on anything."""
    under, over = QPen(QColor(0, 0, 0, 200)), QPen(QColor(255, 255, 255))
    for pen, width in ((under, 3.0), (over, 1.3)):
        pen.setCosmetic(True)
        pen.setWidthF(width)
    if dashed:
        over.setDashPattern([4.0, 4.0])
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    return [under, over]


class BrushTool(Tool):
    """Paints into the mask, or out of it. With Shift, a straight line from where the last stroke ended."""

    name = "brush"
    round_cursor = True
    erase = False

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._last: QPointF | None = None
        self._corner: QPointF | None = None

    @property
    def cursor(self) -> QCursor:
        return QCursor(Qt.CursorShape.BlankCursor)

    @property
    def busy(self) -> bool:
        return self._host.model is not None and self._host.model.drawing

    def press(self, pen: Pen) -> None:
        model = self._host.model
        if model is None or model.drawing:
            return
        model.begin(self._host.options.brush(erase=self.erase or pen.eraser))
        if pen.shift and self._last is not None:
            model.move(self._last.x(), self._last.y(), self._pressure(pen))
        self._paint(pen)

    def move(self, pens: list[Pen]) -> None:
        if not self.busy:
            return
        for pen in pens:
            if pen.shift:
                self._redraw_line()
                self._corner = pen.at
                self._redraw_line()
            else:
                self._redraw_line()
                self._corner = None
                self._paint(pen)

    def release(self, pen: Pen) -> None:
        model = self._host.model
        if model is None or not model.drawing:
            return
        if self._corner is not None:
            self._redraw_line()
            self._paint(pen)
        self._corner = None
        model.end()

    def draw(self, painter: QPainter) -> None:
        if self._corner is not None and self._last is not None:
            for line in two_coloured(painter):
                painter.setPen(line)
                painter.drawLine(self._last, self._corner)

    def cancel(self) -> None:
        self._redraw_line()
        self._corner = None
        if self._host.model is not None:
            self._host.model.abandon()

    def _paint(self, pen: Pen) -> None:
        model = self._host.model
        if model is not None:
            model.move(pen.at.x(), pen.at.y(), self._pressure(pen))
            self._last = pen.at

    def _redraw_line(self) -> None:
        if self._corner is not None and self._last is not None:
            self._host.redraw(QRectF(self._last, self._corner).normalized())

    def _pressure(self, pen: Pen) -> float:
        return pen.pressure if self._host.options.pressure else 1.0


class EraserTool(BrushTool):
    """The brush that takes away."""

    name = "eraser"
    erase = True


class PanTool(Tool):
    """Moves the photo; the view does it itself."""

    name = "pan"

    @property
    def cursor(self) -> QCursor:
        return QCursor(Qt.CursorShape.OpenHandCursor)


def ring(centre: QPointF, radius: float, *, width: int = 3) -> QRegion:
    """The region of a circle's line in logical pixels, as few rectangles as keep it small."""
    side = round(radius) + width
    box = QRegion(round(centre.x()) - side, round(centre.y()) - side, 2 * side + 1, 2 * side + 1)
    inner = int((radius - width) * 0.7071) - 1
    if inner < 8:
        return box
    return box - QRegion(round(centre.x()) - inner, round(centre.y()) - inner, 2 * inner + 1, 2 * inner + 1)


def draw_ring(painter: QPainter, centre: QPoint | QPointF, radius: float) -> None:
    """A circle that is seen on light and on dark, in the painter's units (logical pixels are meant)."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    middle = QPointF(centre)
    for colour, width in ((QColor(0, 0, 0, 170), 3.6), (QColor(255, 255, 255), 1.8)):
        pen = painter.pen()
        pen.setColor(colour)
        pen.setWidthF(width)
        pen.setStyle(Qt.PenStyle.SolidLine)
        painter.setPen(pen)
        painter.drawEllipse(middle, max(radius, 1.0), max(radius, 1.0))
    if radius < 4:
        painter.drawPoint(middle)
