"""The canvas: photo, mask and tools in one view that zooms, pans and paints, and draws again only what changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QBrush,
    QCloseEvent,
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPointingDevice,
    QRegion,
    QResizeEvent,
    QTabletEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QGraphicsScene, QGraphicsView, QWidget

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.ui import theme
from outfitswap_desktop.ui.canvas.background import Background
from outfitswap_desktop.ui.canvas.look import Look, ViewMode
from outfitswap_desktop.ui.canvas.mask_model import MaskModel
from outfitswap_desktop.ui.canvas.options import ToolOptions
from outfitswap_desktop.ui.canvas.overlay_item import OverlayItem
from outfitswap_desktop.ui.canvas.photo_item import PhotoItem
from outfitswap_desktop.ui.canvas.tools import BrushTool, EraserTool, PanTool, Pen, Tool, draw_ring, ring

MOST_SCALE = 32.0
WHEEL_STEP = 1.2
"""One notch of the wheel (120 eighths of a degree) zooms by this much."""
REST_MS = 140
"""So long after the last zoom the view is drawn finely."""


class CanvasView(QGraphicsView):
    """See the module. `set_photo` and `set_model` fill it; scene coordinates are photo pixels."""

    zoom_changed = Signal(float)
    """Device pixels per photo pixel; 1.0 is 100 %."""
    tool_changed = Signal(str)
    mode_changed = Signal(object)
    person_clicked = Signal(int)
    refine_asked = Signal(object)
    """A box (x0, y0, x1, y1), or a tuple of points (x, y, inside?), in photo pixels."""
    pointed = Signal(int, int)
    """The photo pixel under the cursor."""

    def __init__(self, options: ToolOptions | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._options = options or ToolOptions(self)
        self._look = Look()
        self._background = Background(self)
        self._model: MaskModel | None = None
        self._photo_item = PhotoItem(self._look, self._background)
        self._overlay = OverlayItem(self._look)
        scene = QGraphicsScene(self)
        scene.setItemIndexMethod(QGraphicsScene.ItemIndexMethod.NoIndex)
        scene.addItem(self._photo_item)
        scene.addItem(self._overlay)
        self.setScene(scene)
        self._tools: dict[str, Tool] = {}
        for tool in self._make_tools():
            self._tools[tool.name] = tool
        self._tool: Tool = self._tools["brush"]
        self._fitted = True
        self._cursor_at: QPointF | None = None
        self._pan_from: QPoint | None = None
        self._space = False
        self._moves: list[Pen] = []
        self._frame = QTimer(self)
        self._frame.setSingleShot(True)
        self._frame.setTimerType(Qt.TimerType.PreciseTimer)
        self._frame.timeout.connect(self._on_frame)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._draw_finely)
        self._set_up()

    def _make_tools(self) -> tuple[Tool, ...]:
        return (BrushTool(self), EraserTool(self), PanTool(self))

    def _set_up(self) -> None:
        self.setObjectName("canvas")
        self.setAccessibleName(self.tr("Photo and mask"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.MinimalViewportUpdate)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.AnchorViewCenter)
        self.setOptimizationFlag(QGraphicsView.OptimizationFlag.DontSavePainterState)
        self.setOptimizationFlag(QGraphicsView.OptimizationFlag.DontAdjustForAntialiasing)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_TabletTracking)
        self.viewport().grabGesture(Qt.GestureType.PinchGesture)
        self._options.changed.connect(self._draw_cursor)
        self._show_cursor()
        self._show_theme()

    # what is shown

    @property
    def options(self) -> ToolOptions:
        return self._options

    @property
    def look(self) -> Look:
        """Mode, colours and opacity; change them through `set_mode` and `set_overlay`."""
        return self._look

    @property
    def model(self) -> MaskModel | None:
        return self._model

    @property
    def background(self) -> Background:
        return self._background

    @property
    def photo(self) -> RGB:
        return self._photo_item.pixels

    @property
    def photo_scale(self) -> float:
        return self.transform().m11()

    @property
    def zoom(self) -> float:
        """Device pixels per photo pixel; 1.0 is 100 %."""
        return self.transform().m11() * self.devicePixelRatioF()

    def set_photo(self, pixels: RGB) -> None:
        """Show another photo (H, W, 3) RGB, fitted; the memory is used as it is and must not change. Takes the model away."""
        self.set_model(None)
        self._photo_item.set_photo(pixels)
        self.scene().setSceneRect(self._photo_item.boundingRect())
        self.fit()

    def set_model(self, model: MaskModel | None) -> None:
        """Edit this mask, which must have the photo's size; None shows the photo alone."""
        self._tool.cancel()
        if self._model is not None:
            self._model.changed.disconnect(self._mask_changed)
        self._model = model
        self._overlay.set_mask(None if model is None else model.shown)
        if model is not None:
            model.changed.connect(self._mask_changed)

    def set_mode(self, mode: ViewMode) -> None:
        """Look at the mask in another way."""
        if mode is not self._look.mode:
            self._look.mode = mode
            self.viewport().update()
            self.mode_changed.emit(mode)

    def next_mode(self) -> None:
        self.set_mode(self._look.mode.following())

    @property
    def tool(self) -> str:
        return self._tool.name

    def set_tool(self, name: str) -> None:
        """Take another tool; raises KeyError for an unknown name."""
        wanted = self._tools[name]
        if wanted is self._tool:
            return
        self._tool.cancel()
        self._tool = wanted
        self._show_cursor()
        self.viewport().update()
        self.tool_changed.emit(name)

    # zoom and pan

    def fit(self) -> None:
        """Show the whole photo, and keep it fitted while the window is resized."""
        rect = self._photo_item.boundingRect()
        if rect.isEmpty():
            return
        room = self.viewport().size()
        scale = min((room.width() - 24) / rect.width(), (room.height() - 24) / rect.height())
        self._scale_to(max(scale, 0.001))
        self.centerOn(rect.center())
        self._fitted = True

    def zoom_to(self, zoom: float, at: QPointF | None = None) -> None:
        """Show the photo at `zoom` device pixels per pixel; the point `at` (viewport, default its middle) stays where it is."""
        anchor = QPointF(self.viewport().rect().center()) if at is None else at
        before = self._to_photo(anchor)
        least = 0.25 * min(self.viewport().width() / max(self.scene().width(), 1), 1.0)
        self._scale_to(min(max(zoom, least), MOST_SCALE) / self.devicePixelRatioF())
        moved = self.viewportTransform().map(before) - anchor
        self.horizontalScrollBar().setValue(self.horizontalScrollBar().value() + round(moved.x()))
        self.verticalScrollBar().setValue(self.verticalScrollBar().value() + round(moved.y()))
        self._fitted = False

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom in (> 1) or out."""
        self.zoom_to(self.zoom * factor, at)

    def _scale_to(self, scale: float) -> None:
        if scale == self.transform().m11():
            return
        self._look.draft = self._photo_item.pixels.size > 0
        self._rest.start()
        self.setTransform(QTransform.fromScale(scale, scale))
        self._give_room()
        self.zoom_changed.emit(self.zoom)

    def _give_room(self) -> None:
        """The photo may be moved until only a corner of it is seen."""
        scale = self.transform().m11()
        wide, high = 0.9 * self.viewport().width() / scale, 0.9 * self.viewport().height() / scale
        self.setSceneRect(self._photo_item.boundingRect().adjusted(-wide, -high, wide, high))

    def _draw_finely(self) -> None:
        self._look.draft = False
        self.viewport().update()

    def _to_photo(self, at: QPointF) -> QPointF:
        return self.viewportTransform().inverted()[0].map(at)

    # events

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fitted:
            self.fit()
        else:
            self._give_room()

    def paintEvent(self, event: QPaintEvent) -> None:
        region = event.region()
        rects = [event.rect()] if region.rectCount() > 12 else list(_rects(region))
        self._look.exposed = tuple(rects)
        self._look.ratio = self.devicePixelRatioF()
        self._look.scale = self.zoom
        self._look.to_scene = self.viewportTransform().inverted()[0]
        super().paintEvent(event)

    def drawForeground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        self._tool.draw(painter)
        if self._tool.round_cursor and self._cursor_at is not None and self._pan_from is None and not self._space:
            painter.save()
            painter.resetTransform()
            draw_ring(painter, self._cursor_at, self._options.size / 2 * self.photo_scale)
            painter.restore()

    def redraw(self, rect: QRectF) -> None:
        seen = self.viewportTransform().mapRect(rect).toAlignedRect().adjusted(-4, -4, 4, 4)
        self.viewport().update(seen)

    def ask_box(self, box: tuple[int, int, int, int]) -> None:
        self.refine_asked.emit(box)

    def ask_points(self, points: tuple[tuple[int, int, bool], ...]) -> None:
        self.refine_asked.emit(points)

    def wheelEvent(self, event: QWheelEvent) -> None:
        touchpad = event.device().type() == QPointingDevice.DeviceType.TouchPad and not event.pixelDelta().isNull()
        held = event.modifiers()
        if touchpad and not held & Qt.KeyboardModifier.ControlModifier:
            self._pan_by(event.pixelDelta())
        elif held & Qt.KeyboardModifier.ShiftModifier:
            turned = event.angleDelta()
            self._pan_by(QPoint(turned.y() + turned.x(), 0))
        elif held & Qt.KeyboardModifier.AltModifier and self._tool.round_cursor:
            self._options.resize(1 if event.angleDelta().x() + event.angleDelta().y() > 0 else -1)
        else:
            self.zoom_by(WHEEL_STEP ** (event.angleDelta().y() / 120.0), event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._follow(event.position())
        button = event.button()
        if button == Qt.MouseButton.MiddleButton or (
            button == Qt.MouseButton.LeftButton and (self._space or self._tool.name == "pan")
        ):
            self._pan_from = event.position().toPoint()
            self._show_cursor()
        elif button in {Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton}:
            self._press(self._pen(event, eraser=button == Qt.MouseButton.RightButton))
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._follow(event.position())
        if self._pan_from is not None:
            here = event.position().toPoint()
            self._pan_by(here - self._pan_from)
            self._pan_from = here
        elif event.buttons() & (Qt.MouseButton.LeftButton | Qt.MouseButton.RightButton):
            self._queue(self._pen(event))
        else:
            self._tool.hover(self._pen(event))
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pan_from is not None:
            self._pan_from = None
            self._show_cursor()
        else:
            self._flush()
            self._tool.release(self._pen(event))
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._tool.name not in {"brush", "eraser", "pan"}:
            self._tool.double(self._pen(event))
            event.accept()
        else:
            self.mousePressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._follow(None)
        super().leaveEvent(event)

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QTabletEvent):
            return self._tablet(event)
        return super().viewportEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                self._space = True
                self._show_cursor()
        elif key == Qt.Key.Key_Escape and self._tool.busy:
            self._moves.clear()
            self._tool.cancel()
        elif key in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and self._tool.busy:
            self._tool.confirm()
        elif key == Qt.Key.Key_Backspace and self._tool.step_back():
            pass
        else:
            event.ignore()
            return
        event.accept()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self._show_cursor()
            event.accept()
        else:
            super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.StyleChange}:
            self._show_theme()
        super().changeEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.close_threads()
        super().closeEvent(event)

    def close_threads(self) -> None:
        """End what works for the view in the background."""
        self._background.close()

    # inside

    def _mask_changed(self, rect: QRect) -> None:
        if self._model is not None:
            box = (rect.x(), rect.y(), rect.x() + rect.width(), rect.y() + rect.height())
            self._overlay.changed(self._model.shown, box)

    def _pen(self, event: QMouseEvent, *, eraser: bool = False) -> Pen:
        held = event.modifiers()
        return Pen(
            self._to_photo(event.position()),
            eraser=eraser,
            shift=bool(held & Qt.KeyboardModifier.ShiftModifier),
            alt=bool(held & Qt.KeyboardModifier.AltModifier),
        )

    def _tablet(self, event: QTabletEvent) -> bool:
        held = event.modifiers()
        pen = Pen(
            self._to_photo(event.position()),
            pressure=event.pressure(),
            eraser=event.pointerType() == QPointingDevice.PointerType.Eraser,
            shift=bool(held & Qt.KeyboardModifier.ShiftModifier),
            alt=bool(held & Qt.KeyboardModifier.AltModifier),
        )
        self._follow(event.position())
        if self._space or self._tool.name == "pan" or event.button() == Qt.MouseButton.MiddleButton:
            event.ignore()  # Qt sends it once more as a mouse event
            return False
        if event.type() == QEvent.Type.TabletPress:
            self._press(pen)
        elif event.type() == QEvent.Type.TabletMove and event.buttons() != Qt.MouseButton.NoButton:
            self._queue(pen)
        elif event.type() == QEvent.Type.TabletMove:
            self._tool.hover(pen)
        elif event.type() == QEvent.Type.TabletRelease:
            self._flush()
            self._tool.release(pen)
        event.accept()
        return True

    def _press(self, pen: Pen) -> None:
        self._moves.clear()
        self._tool.press(pen)

    def _queue(self, pen: Pen) -> None:
        """The first move of a frame is drawn at once, the others of the same frame together when it is over."""
        self._moves.append(pen)
        if not self._frame.isActive():
            self._flush()
            screen = self.screen()
            self._frame.start(round(1000 / max(screen.refreshRate() if screen else 60.0, 30.0)))

    def _on_frame(self) -> None:
        if self._moves:
            self._flush()
            self._frame.start()

    def _flush(self) -> None:
        moves, self._moves = self._moves, []
        if moves:
            self._tool.move(moves)

    def _pan_by(self, way: QPoint) -> None:
        self._fitted = False
        self.horizontalScrollBar().setValue(self.horizontalScrollBar().value() - way.x())
        self.verticalScrollBar().setValue(self.verticalScrollBar().value() - way.y())

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        super().scrollContentsBy(dx, dy)
        if self._cursor_at is not None and self._tool.round_cursor:
            radius = self._options.size / 2 * self.photo_scale
            self.viewport().update(ring(self._cursor_at, radius) | ring(self._cursor_at + QPointF(dx, dy), radius))

    def _follow(self, at: QPointF | None) -> None:
        """The cursor has moved to `at` in the viewport, or left it."""
        before, self._cursor_at = self._cursor_at, at
        if self._tool.round_cursor:
            radius = self._options.size / 2 * self.photo_scale
            region = QRegion()
            for place in (before, at):
                if place is not None:
                    region |= ring(place, radius)
            self.viewport().update(region)
        if at is not None:
            point = self._to_photo(at)
            self.pointed.emit(int(point.x()), int(point.y()))

    def _draw_cursor(self) -> None:
        self.viewport().update()

    def _show_cursor(self) -> None:
        if self._pan_from is not None:
            self.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self._space:
            self.viewport().setCursor(Qt.CursorShape.OpenHandCursor)
        else:
            self.viewport().setCursor(self._tool.cursor)

    def _show_theme(self) -> None:
        self.setBackgroundBrush(QBrush(QColor(theme.current().canvas)))


def _rects(region: QRegion) -> Iterator[QRect]:
    """The rectangles of a region; Qt's stubs do not say that it can be walked."""
    yield from cast("Iterable[QRect]", region)
