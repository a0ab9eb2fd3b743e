"""A view of one photo that zooms to the cursor, pans, and draws no more than what a paint event exposes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt, QTimer, Signal
from PySide6.QtGui import (
    QBrush,
    QCloseEvent,
    QColor,
    QNativeGestureEvent,
    QPaintEvent,
    QPointingDevice,
    QRegion,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QGestureEvent, QGraphicsScene, QGraphicsView, QPinchGesture, QWidget

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.ui import theme
from outfitswap_desktop.ui.background import Background
from outfitswap_desktop.ui.canvas.look import Look
from outfitswap_desktop.ui.canvas.photo_item import PhotoItem

MOST_SCALE = 32.0
WHEEL_STEP = 1.2
"""One notch of the wheel (120 eighths of a degree) zooms by this much."""
REST_MS = 140
"""So long after the last zoom the view is drawn finely."""
MARGIN = 12
"""Logical pixels around a fitted photo."""
MOST_RECTS = 12
"""A paint event of more rectangles than this is drawn as one."""


class ZoomView(QGraphicsView):
    """Shows a photo; scene coordinates are its pixels. `close_threads` ends what works for it in the background."""

    zoom_changed = Signal(float)
    """Device pixels per photo pixel; 1.0 is 100 %."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = Look()
        self._background = Background(self)
        self._photo_item = PhotoItem(self._look, self._background)
        scene = QGraphicsScene(self)
        scene.setItemIndexMethod(QGraphicsScene.ItemIndexMethod.NoIndex)
        scene.addItem(self._photo_item)
        self.setScene(scene)
        self._fitted = True
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._draw_finely)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.MinimalViewportUpdate)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.AnchorViewCenter)
        self.setOptimizationFlag(QGraphicsView.OptimizationFlag.DontAdjustForAntialiasing)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().grabGesture(Qt.GestureType.PinchGesture)
        self._show_theme()

    @property
    def look(self) -> Look:
        """Mode, colours and opacity; they are changed through the view's methods."""
        return self._look

    @property
    def background(self) -> Background:
        return self._background

    @property
    def photo(self) -> RGB:
        return self._photo_item.pixels

    @property
    def photo_scale(self) -> float:
        """Logical pixels per photo pixel."""
        return self.transform().m11()

    @property
    def zoom(self) -> float:
        """Device pixels per photo pixel; 1.0 is 100 %."""
        return self.transform().m11() * self.devicePixelRatioF()

    @property
    def fitted(self) -> bool:
        """Whether the whole photo is kept in view."""
        return self._fitted

    @property
    def nbytes(self) -> int:
        """Memory of the copies made for drawing, in bytes; the photo itself is not copied."""
        return self._photo_item.nbytes

    def set_photo(self, pixels: RGB) -> None:
        """Show another photo (H, W, 3) RGB, fitted; its memory is used as it is and must not change."""
        self._photo_item.set_photo(pixels)
        self.scene().setSceneRect(self._photo_item.boundingRect())
        self.fit()

    def fit(self) -> None:
        """Show the whole photo, and keep it so while the window is resized."""
        rect = self._photo_item.boundingRect()
        if rect.isEmpty():
            return
        room = self.viewport().size()
        scale = min((room.width() - 2 * MARGIN) / rect.width(), (room.height() - 2 * MARGIN) / rect.height())
        self._scale_to(max(scale, 0.001))
        self._give_room()
        self.centerOn(rect.center())
        self._fitted = True

    def zoom_to(self, zoom: float, at: QPointF | None = None) -> None:
        """Show `zoom` device pixels per photo pixel; the point `at` of the viewport (its middle) stays where it is."""
        rect = self._photo_item.boundingRect()
        if rect.isEmpty():
            return
        anchor = QPointF(self.viewport().rect().center()) if at is None else at
        before = self.to_photo(anchor)
        least = min(0.5 * self.viewport().width() / rect.width(), 0.5 * self.viewport().height() / rect.height(), 1.0)
        self._scale_to(min(max(zoom / self.devicePixelRatioF(), least), MOST_SCALE))
        moved = self.viewportTransform().map(before) - anchor
        self._scroll_by(QPoint(round(moved.x()), round(moved.y())))
        self._fitted = False

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom in (> 1) or out."""
        self.zoom_to(self.zoom * factor, at)

    def full_size(self) -> None:
        """One photo pixel on one pixel of the screen."""
        self.zoom_to(1.0)

    def pan_by(self, way: QPoint) -> None:
        """Move the photo by logical pixels."""
        self._fitted = False
        self._scroll_by(QPoint(-way.x(), -way.y()))

    def to_photo(self, at: QPointF) -> QPointF:
        """A point of the viewport in photo pixels."""
        return self.viewportTransform().inverted()[0].map(at)

    def close_threads(self) -> None:
        """End what works for the view in the background; it can still be looked at."""
        self._background.close()

    # events

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fitted:
            self.fit()
        else:
            self._give_room()

    def paintEvent(self, event: QPaintEvent) -> None:
        region = event.region()
        self._look.exposed = (event.rect(),) if region.rectCount() > MOST_RECTS else tuple(_rects(region))
        self._follow_scale()
        self._look.to_scene = self.viewportTransform().inverted()[0]
        super().paintEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        touchpad = event.device().type() == QPointingDevice.DeviceType.TouchPad and not event.pixelDelta().isNull()
        held = event.modifiers()
        if touchpad and not held & Qt.KeyboardModifier.ControlModifier:
            self.pan_by(event.pixelDelta())
        elif held & Qt.KeyboardModifier.ShiftModifier:
            self.pan_by(QPoint(event.angleDelta().y() + event.angleDelta().x(), 0))
        else:
            self.zoom_by(WHEEL_STEP ** (event.angleDelta().y() / 120.0), event.position())
        event.accept()

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent):
            return self._native_gesture(event)
        if isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.GestureType.PinchGesture)
            if isinstance(pinch, QPinchGesture):
                at = self.viewport().mapFromGlobal(pinch.centerPoint())
                self.zoom_by(pinch.scaleFactor(), at)
                self.pan_by((pinch.centerPoint() - pinch.lastCenterPoint()).toPoint())
                event.accept()
                return True
        return super().viewportEvent(event)

    def _native_gesture(self, event: QNativeGestureEvent) -> bool:
        kind = event.gestureType()
        if kind == Qt.NativeGestureType.ZoomNativeGesture:
            self.zoom_by(1.0 + event.value(), event.position())
        elif kind == Qt.NativeGestureType.SmartZoomNativeGesture:
            if self._fitted:
                self.zoom_to(1.0, event.position())
            else:
                self.fit()
        else:
            return False
        event.accept()
        return True

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.StyleChange}:
            self._show_theme()
        super().changeEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.close_threads()
        super().closeEvent(event)

    # inside

    def _scale_to(self, scale: float) -> None:
        if scale == self.transform().m11():
            return
        self._look.draft = self._photo_item.boundingRect().width() > 0
        self._rest.start()
        self.setTransform(QTransform.fromScale(scale, scale))
        self._follow_scale()
        self._give_room()
        self.zoom_changed.emit(self.zoom)

    def _follow_scale(self) -> None:
        self._look.ratio = self.devicePixelRatioF()
        self._look.scale = self.zoom

    def _give_room(self) -> None:
        """The photo may be moved until only a corner of it is seen."""
        scale = self.transform().m11()
        wide, high = 0.9 * self.viewport().width() / scale, 0.9 * self.viewport().height() / scale
        self.setSceneRect(self._photo_item.boundingRect().adjusted(-wide, -high, wide, high))

    def _scroll_by(self, way: QPoint) -> None:
        self.horizontalScrollBar().setValue(self.horizontalScrollBar().value() + way.x())
        self.verticalScrollBar().setValue(self.verticalScrollBar().value() + way.y())

    def _draw_finely(self) -> None:
        self._rest.stop()
        self._look.draft = False
        self.viewport().update()

    def _show_theme(self) -> None:
        self.setBackgroundBrush(QBrush(QColor(theme.current().canvas)))


def _rects(region: QRegion) -> Iterator[QRect]:
    """The rectangles of a region; Qt's stubs do not say that it can be walked."""
    yield from cast("Iterable[QRect]", region)
