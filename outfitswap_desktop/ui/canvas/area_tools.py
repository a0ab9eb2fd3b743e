"""The tools that choose an area: lasso, polygon and wand change the mask; box and click ask for it to be fitted to the photo.

Alt, or the right button or the pen's eraser end, takes the area away instead of adding it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter, QPolygonF

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.undo import EMPTY
from outfitswap_desktop.core.wand import similar
from outfitswap_desktop.ui.canvas.tools import Host, Pen, Tool, two_coloured

CLOSE = 10.0
"""A polygon is closed by a click within this many logical pixels of its first corner."""
NEAR = 1.5
"""The lasso keeps a point only when it is this many logical pixels from the last."""
FRACTION_BITS = 4
"""cv2.fillPoly takes sixteenths of a pixel."""


def filled(points: Sequence[QPointF], shape: tuple[int, int]) -> tuple[Box, Mask]:
    """The area within a closed line of photo pixels: its box, and the mask (h, w) 0..255 in it with a soft rim."""
    import cv2

    height, width = shape
    corners = np.array([(point.x(), point.y()) for point in points], np.float64)
    x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0).tolist()
    x1, y1 = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, (width, height)).tolist()
    if len(corners) < 3 or x0 >= x1 or y0 >= y1:
        return EMPTY, np.zeros((0, 0), np.uint8)
    area = np.zeros((y1 - y0, x1 - x0), np.uint8)
    ring = np.rint((corners - (x0 + 0.5, y0 + 0.5)) * (1 << FRACTION_BITS)).astype(np.int32)
    cv2.fillPoly(area, [ring], (255,), lineType=cv2.LINE_AA, shift=FRACTION_BITS)
    return (x0, y0, x1, y1), area


class _AreaTool(Tool):
    """Gathers points and fills what they enclose."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._points: list[QPointF] = []
        self._erase = False

    @property
    def busy(self) -> bool:
        return bool(self._points)

    def cancel(self) -> None:
        box = self._bounds()
        self._points = []
        self._host.redraw(box)

    def _bounds(self, *more: QPointF) -> QRectF:
        return QPolygonF([*self._points, *more]).boundingRect()

    def _fill(self) -> None:
        points, model = list(self._points), self._host.model
        self.cancel()
        if model is None or len(points) < 3:
            return
        box, area = filled(points, model.shape)
        if box != EMPTY:
            model.combine(area, x=box[0], y=box[1], erase=self._erase, kind=self.name)


class LassoTool(_AreaTool):
    """Fills what is drawn around."""

    name = "lasso"

    def press(self, pen: Pen) -> None:
        self._erase = pen.alt or pen.eraser
        self._points = [pen.at]

    def move(self, pens: list[Pen]) -> None:
        if not self._points:
            return
        near = NEAR / self._host.photo_scale
        for pen in pens:
            last = self._points[-1]
            if math.hypot(pen.at.x() - last.x(), pen.at.y() - last.y()) >= near:
                self._host.redraw(QPolygonF([last, pen.at, self._points[0]]).boundingRect())
                self._points.append(pen.at)

    def release(self, pen: Pen) -> None:
        self._fill()

    def draw(self, painter: QPainter) -> None:
        if len(self._points) > 1:
            for line in two_coloured(painter):
                painter.setPen(line)
                painter.drawPolyline(self._points)


class PolygonTool(_AreaTool):
    """Fills a polygon: clicks set corners; a double click, Return or the first corner closes it, Backspace takes one back."""

    name = "polygon"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._hover: QPointF | None = None

    def press(self, pen: Pen) -> None:
        if not self._points:
            self._erase = pen.alt or pen.eraser
        elif len(self._points) >= 3 and self._is_first(pen.at):
            self._fill()
            return
        self._points.append(pen.at)
        self._host.redraw(self._bounds(pen.at))

    def move(self, pens: list[Pen]) -> None:
        self.hover(pens[-1])

    def hover(self, pen: Pen) -> None:
        if self._points:
            former, self._hover = self._hover, pen.at
            self._host.redraw(self._bounds(pen.at, former or pen.at))

    def double(self, pen: Pen) -> None:
        self._fill()

    def confirm(self) -> None:
        self._fill()

    def cancel(self) -> None:
        box = self._bounds(*([self._hover] if self._hover is not None else []))
        self._points, self._hover = [], None
        self._host.redraw(box)

    def step_back(self) -> bool:
        if not self._points:
            return False
        self._host.redraw(self._bounds(*([self._hover] if self._hover is not None else [])))
        self._points.pop()
        return True

    def draw(self, painter: QPainter) -> None:
        if not self._points:
            return
        line = [*self._points, *([self._hover] if self._hover is not None else [])]
        for pen in two_coloured(painter):
            painter.setPen(pen)
            painter.drawPolyline(line)
        side = 3.0 / self._host.photo_scale
        first = self._hover is not None and len(self._points) >= 3 and self._is_first(self._hover)
        for corner in self._points:
            much = 2.0 if first and corner is self._points[0] else 1.0
            painter.fillRect(
                QRectF(corner.x() - side * much, corner.y() - side * much, 2 * side * much, 2 * side * much),
                QColor("white"),
            )

    def _is_first(self, at: QPointF) -> bool:
        first = self._points[0]
        return math.hypot(at.x() - first.x(), at.y() - first.y()) * self._host.photo_scale <= CLOSE


class WandTool(Tool):
    """Fills what has nearly the colour that was clicked and hangs together with it; with Shift wherever it is."""

    name = "wand"

    def press(self, pen: Pen) -> None:
        model, photo = self._host.model, self._host.photo
        if model is None or photo.shape[:2] != model.shape:
            return
        x, y, erase, everywhere = math.floor(pen.at.x()), math.floor(pen.at.y()), pen.alt or pen.eraser, pen.shift
        tolerance = self._host.options.tolerance

        def found(answer: tuple[Box, Mask]) -> None:
            box, area = answer
            if box != EMPTY and self._host.model is model and not model.drawing:
                model.combine(area, x=box[0], y=box[1], erase=erase, kind="wand")

        self._host.background.run(lambda: similar(photo, x, y, tolerance=tolerance, contiguous=not everywhere), found)


class BoxTool(Tool):
    """Asks for what fills a box to be fitted to the photo's edges."""

    name = "box"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._from: QPointF | None = None
        self._to = QPointF()

    @property
    def busy(self) -> bool:
        return self._from is not None

    def press(self, pen: Pen) -> None:
        self._from, self._to = pen.at, pen.at

    def move(self, pens: list[Pen]) -> None:
        if self._from is not None:
            self._host.redraw(self._rect())
            self._to = pens[-1].at
            self._host.redraw(self._rect())

    def release(self, pen: Pen) -> None:
        if self._from is None:
            return
        self._to = pen.at
        rect = self._rect()
        self.cancel()
        height, width = self._host.photo.shape[:2]
        x0, y0 = max(math.floor(rect.left()), 0), max(math.floor(rect.top()), 0)
        x1, y1 = min(math.ceil(rect.right()), width), min(math.ceil(rect.bottom()), height)
        least = 6 / self._host.photo_scale
        if x1 - x0 >= max(least, 4) and y1 - y0 >= max(least, 4):
            self._host.ask_box((x0, y0, x1, y1))

    def cancel(self) -> None:
        if self._from is not None:
            self._host.redraw(self._rect())
        self._from = None

    def draw(self, painter: QPainter) -> None:
        if self._from is not None:
            for pen in two_coloured(painter):
                painter.setPen(pen)
                painter.drawRect(self._rect())

    def _rect(self) -> QRectF:
        return QRectF(self._from or self._to, self._to).normalized()


class ClickTool(Tool):
    """Asks for the thing that was clicked to be added, or with Alt or the right button to be taken away."""

    name = "click"

    def press(self, pen: Pen) -> None:
        height, width = self._host.photo.shape[:2]
        x, y = math.floor(pen.at.x()), math.floor(pen.at.y())
        if 0 <= x < width and 0 <= y < height:
            self._host.ask_points(((x, y, not (pen.alt or pen.eraser)),))
