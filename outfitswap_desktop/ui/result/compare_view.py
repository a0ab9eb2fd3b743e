"""Photo and result seen against each other: a slider between them, side by side, one in place of the other, their difference.

Pictures are painted from halves that fit the zoom, and moving the slider paints only the strip it has passed.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from outfitswap_desktop.ui import theme
from outfitswap_desktop.ui.result.plate import Plate

_GRIP: Final = 14
_STEP: Final = 0.02
_ZOOM_STEP: Final = 1.25
_MOST_ZOOM: Final = 32.0
_MARGIN: Final = 24
_PILL: Final = 9


class Mode(Enum):
    """How photo and result are shown."""

    SLIDER = "slider"
    SIDE = "side"
    RESULT = "result"
    DIFFERENCE = "difference"


class CompareView(QWidget):
    """Shows up to three plates of one size. Wheel zooms to the pointer, dragging pans; the slider has a grip and arrow keys.

    Holding the right button shows the photo alone; `set_held` does the same for a key or a button.
    """

    zoom_changed = Signal(float)
    slider_moved = Signal(float)
    held_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before: Plate | None = None
        self._after: Plate | None = None
        self._difference: Plate | None = None
        self._mode = Mode.SLIDER
        self._share = 0.5
        self._zoom = 0.0
        self._centre = QPointF()
        self._held = False
        self._grabbed: QPointF | None = None
        self._grip = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(240, 180)
        self.setAccessibleName(self.tr("Photo and result"))
        self._tell()

    # What is shown

    def set_result(self, plate: Plate | None) -> None:
        """Show another result; zoom and position stay when its size is the same. Raises TypeError for anything but a Plate."""
        _expect(plate)
        same = plate is not None and self._after is not None and plate.size == self._after.size
        self._after = plate
        self._difference = None
        if not same:
            self.fit()
        self.update()

    def set_photo(self, plate: Plate | None) -> None:
        """Show another photo, None when it is not there any more."""
        _expect(plate)
        self._before = plate
        self._difference = None
        self.update()

    def set_difference(self, plate: Plate | None) -> None:
        """What the difference view shows."""
        _expect(plate)
        self._difference = plate
        if self._mode is Mode.DIFFERENCE:
            self.update()

    @property
    def mode(self) -> Mode:
        """How photo and result are shown."""
        return self._mode

    def set_mode(self, mode: Mode) -> None:
        """Show them that way; zoom and position stay."""
        if mode is self._mode:
            return
        fitted = self._is_fitted()
        self._mode = mode
        if fitted:
            self.fit()
        self._tell()
        self.update()

    def set_held(self, held: bool) -> None:
        """Show the photo alone as long as this is on."""
        if held != self._held:
            self._held = held
            self.held_changed.emit(held)
            self.update()

    @property
    def is_held(self) -> bool:
        """Whether the photo alone is shown."""
        return self._held

    @property
    def share(self) -> float:
        """Where the slider is: 0 left (only the result), 1 right (only the photo)."""
        return self._share

    def set_share(self, share: float) -> None:
        """Move the slider; only what it passes is painted anew."""
        share = min(1.0, max(0.0, share))
        if share == self._share:
            return
        old = self._slider_x()
        self._share = share
        left, right = sorted((old, self._slider_x()))
        self.update(QRect(int(left) - _GRIP - 2, 0, int(right - left) + 2 * _GRIP + 5, self.height()))
        self._tell()
        self.slider_moved.emit(share)

    # Zoom and position

    @property
    def zoom(self) -> float:
        """Device pixels per pixel of the picture."""
        return self._zoom

    def fit(self) -> None:
        """Show the whole picture, never larger than it is."""
        size = self._size()
        if size.isEmpty():
            return
        pane = self._panes()[0]
        room = QSize(max(1, int(pane.width()) - _MARGIN), max(1, int(pane.height()) - _MARGIN))
        ratio = self.devicePixelRatioF()
        self._centre = QPointF(size.width() / 2, size.height() / 2)
        self._set_zoom(min(1.0, ratio * min(room.width() / size.width(), room.height() / size.height())))

    def set_zoom(self, zoom: float, *, at: QPointF | None = None) -> None:
        """Zoom to so many device pixels per pixel; the point `at` of the widget stays where it is."""
        if self._zoom <= 0:
            return
        pane = self._pane_at(at) if at is not None else self._panes()[0]
        point = at if at is not None else pane.center()
        there = self._to_picture(point, pane)
        lowest = min(self._fitting(), 1.0) / 2
        self._zoom = min(_MOST_ZOOM, max(lowest, zoom))
        moved = self._to_picture(point, pane)
        self._centre += there - moved
        self._keep_in_sight()
        self.zoom_changed.emit(self._zoom)
        self.update()

    def _set_zoom(self, zoom: float) -> None:
        self._zoom = zoom
        self.zoom_changed.emit(zoom)
        self.update()

    def _fitting(self) -> float:
        size, pane = self._size(), self._panes()[0]
        if size.isEmpty():
            return 1.0
        across, down = (pane.width() - _MARGIN) / size.width(), (pane.height() - _MARGIN) / size.height()
        return max(1e-3, self.devicePixelRatioF() * min(across, down))

    def _is_fitted(self) -> bool:
        return self._zoom <= 0 or abs(self._zoom - min(1.0, self._fitting())) < 1e-6

    def _keep_in_sight(self) -> None:
        size = self._size()
        self._centre.setX(min(float(size.width()), max(0.0, self._centre.x())))
        self._centre.setY(min(float(size.height()), max(0.0, self._centre.y())))

    def _size(self) -> QSize:
        plate = self._after or self._before
        return plate.size if plate is not None else QSize()

    def _panes(self) -> list[QRectF]:
        """The parts of the widget that each show a picture."""
        width, height = float(self.width()), float(self.height())
        if self._mode is Mode.SIDE and self._before is not None and not self._held:
            half = width / 2
            return [QRectF(0, 0, half - 1, height), QRectF(half + 1, 0, half - 1, height)]
        return [QRectF(0, 0, width, height)]

    def _pane_at(self, point: QPointF) -> QRectF:
        panes = self._panes()
        return panes[-1] if len(panes) > 1 and point.x() > self.width() / 2 else panes[0]

    def _logical(self) -> float:
        return self._zoom / self.devicePixelRatioF()

    def _to_picture(self, point: QPointF, pane: QRectF) -> QPointF:
        return self._centre + (point - pane.center()) / self._logical()

    def _shown_rect(self, pane: QRectF) -> QRectF:
        """Where the picture lies in the widget."""
        size, scale = self._size(), self._logical()
        corner = pane.center() - self._centre * scale
        return QRectF(corner.x(), corner.y(), size.width() * scale, size.height() * scale)

    def _slider_x(self) -> float:
        shown = self._shown_rect(self._panes()[0]).intersected(QRectF(self.rect()))
        return shown.left() + self._share * shown.width()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what the event asks for, and no more."""
        painter = QPainter(self)
        colours = theme.current()
        dirty = QRectF(event.rect())
        painter.fillRect(dirty, QColor(colours.canvas))
        if self._zoom <= 0 or self._size().isEmpty():
            return
        panes = self._panes()
        if self._held or (self._mode is Mode.RESULT and self._after is None):
            self._paint_plate(painter, self._before, panes[0], dirty)
            self._pill(painter, self.tr("Photo"), panes[0], right=False)
        elif len(panes) == 2:
            self._paint_plate(painter, self._before, panes[0], dirty)
            self._paint_plate(painter, self._after, panes[1], dirty)
            painter.fillRect(QRectF(panes[0].right(), 0, 2, self.height()), QColor(colours.line))
            self._pill(painter, self.tr("Photo"), panes[0], right=False)
            self._pill(painter, self.tr("Result"), panes[1], right=True)
        elif self._mode is Mode.DIFFERENCE and self._difference is not None:
            self._paint_plate(painter, self._difference, panes[0], dirty)
            painter.setPen(QColor(colours.edge))
            painter.drawRect(self._shown_rect(panes[0]).adjusted(-1, -1, 0, 0))
            self._pill(painter, self.tr("Difference"), panes[0], right=True)
        elif self._mode is Mode.SLIDER and self._before is not None:
            self._paint_slider(painter, panes[0], dirty)
        else:
            self._paint_plate(painter, self._after, panes[0], dirty)
            self._pill(painter, self.tr("Result"), panes[0], right=True)
        if self.hasFocus() and not self.rect().adjusted(3, 3, -3, -3).contains(event.rect()):
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))

    def _paint_plate(self, painter: QPainter, plate: Plate | None, pane: QRectF, dirty: QRectF) -> None:
        if plate is None:
            return
        shown = self._shown_rect(pane)
        target = shown.intersected(pane).intersected(dirty)
        if target.isEmpty():
            return
        scale = self._logical() * self._size().width() / max(1, plate.size.width())
        source = QRectF(
            (target.x() - shown.x()) / scale,
            (target.y() - shown.y()) / scale,
            target.width() / scale,
            target.height() / scale,
        )
        plate.paint(painter, target, source, scale=scale * self.devicePixelRatioF())

    def _paint_slider(self, painter: QPainter, pane: QRectF, dirty: QRectF) -> None:
        x = self._slider_x()
        left = dirty.intersected(QRectF(0, 0, x, self.height()))
        right = dirty.intersected(QRectF(x, 0, self.width() - x, self.height()))
        if not left.isEmpty():
            self._paint_plate(painter, self._before, pane, left)
        if not right.isEmpty():
            self._paint_plate(painter, self._after, pane, right)
        self._pill(painter, self.tr("Photo"), pane, right=False)
        self._pill(painter, self.tr("Result"), pane, right=True)
        shown = self._shown_rect(pane).intersected(pane)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(0, 0, 0, 110), 4))
        painter.drawLine(QPointF(x, shown.top()), QPointF(x, shown.bottom()))
        painter.setPen(QPen(QColor(255, 255, 255), 2))
        painter.drawLine(QPointF(x, shown.top()), QPointF(x, shown.bottom()))
        centre = QPointF(x, pane.center().y())
        painter.setBrush(QColor(255, 255, 255))
        painter.setPen(QPen(QColor(0, 0, 0, 110), 1))
        painter.drawEllipse(centre, _GRIP - 1, _GRIP - 1)
        painter.setPen(
            QPen(QColor(40, 40, 40), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        )
        for side in (-1, 1):
            tip = centre + QPointF(side * 8, 0)
            painter.drawPolyline([tip + QPointF(-side * 4, -4), tip, tip + QPointF(-side * 4, 4)])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _pill(self, painter: QPainter, text: str, pane: QRectF, *, right: bool) -> None:
        width = self.fontMetrics().horizontalAdvance(text) + 2 * _PILL
        height = self.fontMetrics().height() + 6
        x = pane.right() - width - 10 if right else pane.left() + 10
        box = QRectF(x, pane.top() + 10, width, height)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 150))
        painter.drawRoundedRect(box, height / 2, height / 2)
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _tell(self) -> None:
        """What somebody who cannot see it is told."""
        if self._mode is Mode.SLIDER:
            share = round(self._share * 100)
            self.setAccessibleDescription(self.tr("The left {share} % show the photo.").format(share=share))
        else:
            texts = {
                Mode.SIDE: self.tr("Photo on the left, result on the right."),
                Mode.RESULT: self.tr("The result."),
                Mode.DIFFERENCE: self.tr("The difference of photo and result."),
            }
            self.setAccessibleDescription(texts[self._mode])

    # Hands

    def _over_grip(self, point: QPointF) -> bool:
        slides = self._mode is Mode.SLIDER and self._before is not None and not self._held
        return slides and self._zoom > 0 and abs(point.x() - self._slider_x()) <= _GRIP

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Left: take the slider or the picture; right: the photo as long as it is held."""
        if event.button() is Qt.MouseButton.RightButton:
            self.set_held(True)
        elif event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._grip = event.button() is Qt.MouseButton.LeftButton and self._over_grip(event.position())
            self._grabbed = event.position()
            if not self._grip:
                self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move what was taken."""
        at = event.position()
        if self._grabbed is None:
            self.setCursor(Qt.CursorShape.SplitHCursor if self._over_grip(at) else Qt.CursorShape.OpenHandCursor)
            return
        if self._grip:
            shown = self._shown_rect(self._panes()[0]).intersected(QRectF(self.rect()))
            self.set_share((at.x() - shown.left()) / max(1.0, shown.width()))
            return
        self._centre -= (at - self._grabbed) / self._logical()
        self._grabbed = at
        self._keep_in_sight()
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        if event.button() is Qt.MouseButton.RightButton:
            self.set_held(False)
            return
        self._grabbed = None
        self._grip = False
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Between the whole picture and its own size, at that place."""
        if event.button() is Qt.MouseButton.LeftButton and not self._over_grip(event.position()):
            if self._is_fitted():
                self.set_zoom(1.0, at=event.position())
            else:
                self.fit()

    def contextMenuEvent(self, event: object) -> None:
        """None: the right button compares."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom to the pointer."""
        steps = event.angleDelta().y() / 120
        if steps:
            self.set_zoom(self._zoom * _ZOOM_STEP**steps, at=event.position())
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move the slider (or the picture, where there is none), plus and minus zoom, 0 fits."""
        key = event.key()
        turn = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}
        if key in turn:
            across, down = turn[Qt.Key(key)]
            if self._mode is Mode.SLIDER and across and self._before is not None:
                self.set_share(self._share + across * _STEP)
            elif self._zoom > 0:
                self._centre += QPointF(across, down) * 60 / self._logical()
                self._keep_in_sight()
                self.update()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.set_zoom(self._zoom * _ZOOM_STEP)
        elif key == Qt.Key.Key_Minus:
            self.set_zoom(self._zoom / _ZOOM_STEP)
        elif key == Qt.Key.Key_0:
            self.fit()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """A key or button that is let go elsewhere is let go here too."""
        self.set_held(False)
        super().focusOutEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        """A hand, to say that the picture can be moved."""
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        super().enterEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A picture that fitted fits again."""
        old = event.oldSize()
        if self._zoom <= 0 or not old.isValid():
            self.fit()
            return
        size, pane = self._size(), self._panes()[0]
        share = pane.width() / max(1, self.width())
        across = (old.width() * share - _MARGIN) / max(1, size.width())
        down = (old.height() - _MARGIN) / max(1, size.height())
        fitted = min(1.0, self.devicePixelRatioF() * min(across, down))
        if abs(self._zoom - fitted) < 0.02 * fitted:
            self.fit()


def _expect(plate: Plate | None) -> None:
    if plate is not None and not isinstance(plate, Plate):
        raise TypeError("pictures are shown as plates, which are made of released results and of the user's own photos")
