"""The canvas: photo, mask, protected areas and persons in one view, and the tools that work on them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPointingDevice,
    QRegion,
    QTabletEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.regions import Person
from outfitswap_desktop.core.undo import EMPTY, around
from outfitswap_desktop.ui.actions import Actions
from outfitswap_desktop.ui.canvas.area_tools import BoxTool, ClickTool, LassoTool, PolygonTool, WandTool
from outfitswap_desktop.ui.canvas.look import ViewMode
from outfitswap_desktop.ui.canvas.mask_model import MaskModel
from outfitswap_desktop.ui.canvas.options import ToolOptions
from outfitswap_desktop.ui.canvas.overlay_item import OverlayItem
from outfitswap_desktop.ui.canvas.persons_item import Outline, PersonsItem
from outfitswap_desktop.ui.canvas.protected_item import ProtectedItem
from outfitswap_desktop.ui.canvas.tools import BrushTool, EraserTool, PanTool, Pen, Tool, draw_ring, ring
from outfitswap_desktop.ui.canvas.zoom_view import ZoomView

NEAR = 24
"""Protected areas are shown when the brush's rim is within this many logical pixels of them."""
CLICK = 4
"""A drag shorter than this many logical pixels is a click."""


class CanvasView(ZoomView):
    """See the module; `set_photo` first, then `set_model` with a mask of its size."""

    model_changed = Signal(object)
    """Another MaskModel is edited now, or None."""
    tool_changed = Signal(str)
    mode_changed = Signal(object)
    look_changed = Signal()
    """Overlay colour or opacity, or whether protected areas are always shown."""
    person_clicked = Signal(int)
    refine_asked = Signal(object)
    """A box (x0, y0, x1, y1), or a tuple of points (x, y, inside?), in photo pixels; the answer goes to `MaskModel.replace`."""
    pointed = Signal(int, int)
    """The photo pixel under the cursor."""

    def __init__(self, options: ToolOptions | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._options = options or ToolOptions(self)
        self._model: MaskModel | None = None
        self._overlay = OverlayItem(self._look)
        self._protected = ProtectedItem(self._look)
        self._persons = PersonsItem(self._look)
        for item in (self._overlay, self._protected, self._persons):
            self.scene().addItem(item)
        kinds = (BrushTool, EraserTool, LassoTool, PolygonTool, WandTool, BoxTool, ClickTool, PanTool)
        self._tools: dict[str, Tool] = {kind.name: kind(self) for kind in kinds}
        self._tool: Tool = self._tools["brush"]
        self._always_protected = False
        self._cursor_at: QPointF | None = None
        self._pan_from: QPointF | None = None
        self._panned = 0.0
        self._space = False
        self._moves: list[Pen] = []
        self._frame = QTimer(self)
        self._frame.setSingleShot(True)
        self._frame.setTimerType(Qt.TimerType.PreciseTimer)
        self._frame.timeout.connect(self._on_frame)
        self.setObjectName("canvas")
        self.setAccessibleName(self.tr("Photo and mask"))
        self.viewport().setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_TabletTracking)
        self._options.changed.connect(self.viewport().update)
        self.zoom_changed.connect(self._persons.rescaled)
        self._show_cursor()

    @property
    def options(self) -> ToolOptions:
        return self._options

    @property
    def model(self) -> MaskModel | None:
        return self._model

    @property
    def tool(self) -> str:
        return self._tool.name

    @property
    def mode(self) -> ViewMode:
        return self._look.mode

    @property
    def always_protected(self) -> bool:
        """Whether protected areas are shown even when the brush is far from them."""
        return self._always_protected

    @property
    def nbytes(self) -> int:
        return super().nbytes + self._overlay.nbytes

    def set_photo(self, pixels: RGB) -> None:
        """Show another photo (H, W, 3) RGB, fitted, with neither mask nor persons; its memory is used as it is."""
        self.set_model(None)
        self.set_persons((), None)
        super().set_photo(pixels)

    def set_model(self, model: MaskModel | None) -> None:
        """Edit this mask, which must have the photo's size; None shows the photo alone."""
        self._tool.cancel()
        if self._model is not None:
            self._model.changed.disconnect(self._mask_changed)
            self._model.protected_changed.disconnect(self._protected_changed)
        self._model = model
        self._overlay.set_mask(None if model is None else model.shown)
        if model is not None:
            model.changed.connect(self._mask_changed)
            model.protected_changed.connect(self._protected_changed)
        self._protected_changed()
        self.model_changed.emit(model)

    def set_persons(self, persons: Sequence[Person], chosen: int | None) -> None:
        """Show who was found; with one person alone there is nothing to choose, and nothing is drawn."""
        shown = [Outline(person.number, person.box) for person in persons] if len(persons) > 1 else []
        self._persons.set_persons(shown, chosen or 0)

    def set_mode(self, mode: ViewMode) -> None:
        """Look at the mask in another way."""
        if mode is not self._look.mode:
            self._look.mode = mode
            self._persons.setVisible(mode not in {ViewMode.MASK, ViewMode.ORIGINAL})
            self._show_protected()
            self.viewport().update()
            self.mode_changed.emit(mode)

    def next_mode(self) -> None:
        self.set_mode(self._look.mode.following())

    def set_overlay(self, *, colour: QColor | None = None, opacity: float | None = None) -> None:
        """Colour of the mask over the photo, and how much it covers (0.05..1)."""
        if colour is not None:
            self._look.colour = QColor(colour)
        if opacity is not None:
            self._look.opacity = min(max(opacity, 0.05), 1.0)
        self.viewport().update()
        self.look_changed.emit()

    def set_always_protected(self, on: bool) -> None:
        """Show protected areas always, or only when the brush comes near."""
        if on != self._always_protected:
            self._always_protected = on
            self._show_protected()
            self.look_changed.emit()

    def set_tool(self, name: str) -> None:
        """Take another tool (see TOOLS); raises KeyError for an unknown name."""
        wanted = self._tools[name]
        if wanted is self._tool:
            return
        self._moves.clear()
        self._tool.cancel()
        self._tool = wanted
        self._show_cursor()
        self._show_protected()
        self.viewport().update()
        self.tool_changed.emit(name)

    def add_actions(self, actions: Actions) -> None:
        """Register tools, undo, zoom and view modes."""
        from outfitswap_desktop.ui.canvas.view_actions import add_view_actions

        add_view_actions(self, actions)

    def undo(self) -> None:
        """Take the last step back: a polygon's corner, else the mask's."""
        if not self._tool.step_back() and self._model is not None:
            self._model.undo()

    def redo(self) -> None:
        if self._model is not None:
            self._model.redo()

    # what tools use

    def redraw(self, rect: QRectF) -> None:
        seen = self.viewportTransform().mapRect(rect).toAlignedRect().adjusted(-8, -8, 8, 8)
        self.viewport().update(seen)

    def ask_box(self, box: tuple[int, int, int, int]) -> None:
        self.refine_asked.emit(box)

    def ask_points(self, points: tuple[tuple[int, int, bool], ...]) -> None:
        self.refine_asked.emit(points)

    # events

    def drawForeground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        painter.save()
        self._tool.draw(painter)
        painter.restore()
        if self._ring_shown and self._cursor_at is not None:
            painter.save()
            painter.resetTransform()
            draw_ring(painter, self._cursor_at, self._options.size / 2 * self.photo_scale)
            painter.restore()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.AltModifier and self._tool.round_cursor:
            turned = event.angleDelta().x() + event.angleDelta().y()
            self._options.resize(1 if turned > 0 else -1)
            event.accept()
            return
        super().wheelEvent(event)
        self._follow(event.position())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._follow(event.position())
        button = event.button()
        left = button == Qt.MouseButton.LeftButton
        if button == Qt.MouseButton.MiddleButton or (left and (self._space or self._tool.name == "pan")):
            self._pan_from, self._panned = event.position(), 0.0
            self._show_cursor()
            self._redraw_ring()
        elif left and (number := self._persons.person_at(self.to_photo(event.position()), everywhere=False)):
            self._choose(number)
        elif left or button == Qt.MouseButton.RightButton:
            self._moves.clear()
            self._tool.press(self._pen(event, eraser=not left))
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._follow(event.position())
        if self._pan_from is not None:
            way = event.position() - self._pan_from
            self._panned += abs(way.x()) + abs(way.y())
            step = way.toPoint()
            self.pan_by(step)
            self._pan_from += QPointF(step)
        elif event.buttons() & (Qt.MouseButton.LeftButton | Qt.MouseButton.RightButton):
            self._queue(self._pen(event))
        else:
            self._tool.hover(self._pen(event))
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pan_from is not None:
            if self._panned <= CLICK and event.button() == Qt.MouseButton.LeftButton and not self._space:
                self._choose(self._persons.person_at(self.to_photo(event.position()), everywhere=True))
            self._pan_from = None
            self._show_cursor()
            self._redraw_ring()
        else:
            self._flush()
            self._tool.release(self._pen(event))
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._tool.name == "polygon":
            self._tool.double(self._pen(event))
            event.accept()
        else:
            self.mousePressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._follow(None)
        super().leaveEvent(event)

    def focusOutEvent(self, event: QEvent) -> None:
        self._space = False
        self._show_cursor()
        super().focusOutEvent(event)  # type: ignore[arg-type]

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._tool.busy:
            own = {Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Backspace}
            if event.key() in own and event.modifiers() == Qt.KeyboardModifier.NoModifier:
                event.accept()  # else the window's shortcut takes it
                return True
        return super().event(event)

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QTabletEvent):
            return self._tablet(event)
        return super().viewportEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key == Qt.Key.Key_Space:
            self._space = True
            self._show_cursor()
            self._redraw_ring()
        elif key == Qt.Key.Key_Escape and self._tool.busy:
            self._moves.clear()
            self._tool.cancel()
        elif key in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and self._tool.busy:
            self._tool.confirm()
        elif not (key == Qt.Key.Key_Backspace and self._tool.step_back()):
            event.ignore()
            return
        event.accept()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self._show_cursor()
            self._redraw_ring()
            event.accept()
        else:
            super().keyReleaseEvent(event)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        super().scrollContentsBy(dx, dy)
        if self._cursor_at is not None and self._tool.round_cursor:
            radius = self._options.size / 2 * self.photo_scale
            self.viewport().update(ring(self._cursor_at, radius) | ring(self._cursor_at + QPointF(dx, dy), radius))

    # inside

    def _mask_changed(self, rect: QRect) -> None:
        if self._model is not None:
            box = (rect.x(), rect.y(), rect.x() + rect.width(), rect.y() + rect.height())
            self._overlay.changed(self._model.shown, box)

    def _protected_changed(self) -> None:
        box = EMPTY
        for area in () if self._model is None else self._model.protected.values():
            box = around(box, area.box)
        self._protected.set_keep(None if self._model is None else self._model.keep, box)
        self._show_protected()

    def _show_protected(self) -> None:
        near = self._always_protected or (self._tool.name != "pan" and self._near_protected())
        self._protected.setVisible(near and self._look.mode is not ViewMode.ORIGINAL)

    def _near_protected(self) -> bool:
        """Whether a protected area lies under the cursor, or close to the brush's rim."""
        keep = None if self._model is None else self._model.keep
        if keep is None or self._cursor_at is None:
            return False
        at = self.to_photo(self._cursor_at)
        near = 2 * NEAR if self._protected.isVisible() else NEAR  # else they flicker along the border
        reach = near / self.photo_scale + (self._options.size / 2 if self._tool.round_cursor else 0.0)
        x0, y0 = max(int(at.x() - reach), 0), max(int(at.y() - reach), 0)
        x1, y1 = int(at.x() + reach) + 1, int(at.y() + reach) + 1
        if x1 <= 0 or y1 <= 0:
            return False
        step = max(1, int(reach / 24))
        seen = keep[y0:y1:step, x0:x1:step]
        return bool(seen.size) and int(seen.min()) == 0

    def _choose(self, number: int) -> None:
        if number and number != self._persons.chosen:
            self.person_clicked.emit(number)

    def _pen(self, event: QMouseEvent | QTabletEvent, *, eraser: bool = False, pressure: float = 1.0) -> Pen:
        held = event.modifiers()
        return Pen(
            self.to_photo(event.position()),
            pressure=pressure,
            eraser=eraser,
            shift=bool(held & Qt.KeyboardModifier.ShiftModifier),
            alt=bool(held & Qt.KeyboardModifier.AltModifier),
        )

    def _tablet(self, event: QTabletEvent) -> bool:
        kind = event.type()
        if self._pan_from is not None or self._space or self._tool.name == "pan":
            event.ignore()  # Qt sends it once more as a mouse event
            return False
        if kind == QEvent.Type.TabletPress and event.button() not in {
            Qt.MouseButton.LeftButton,
            Qt.MouseButton.RightButton,
        }:
            event.ignore()
            return False
        self._follow(event.position())
        end = event.pointerType() == QPointingDevice.PointerType.Eraser or event.button() == Qt.MouseButton.RightButton
        pen = self._pen(event, eraser=end, pressure=event.pressure())
        if kind == QEvent.Type.TabletPress:
            self._moves.clear()
            self._tool.press(pen)
        elif kind == QEvent.Type.TabletMove and event.buttons() != Qt.MouseButton.NoButton:
            self._queue(pen)
        elif kind == QEvent.Type.TabletMove:
            self._tool.hover(pen)
        elif kind == QEvent.Type.TabletRelease:
            self._flush()
            self._tool.release(pen)
        event.accept()
        return True

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

    @property
    def _ring_shown(self) -> bool:
        return self._tool.round_cursor and self._pan_from is None and not self._space and self.photo.size > 0

    def _ring_at(self, *places: QPointF | None) -> QRegion:
        radius = self._options.size / 2 * self.photo_scale
        region = QRegion()
        for place in places:
            if place is not None:
                region |= ring(place, radius)
        return region

    def _redraw_ring(self) -> None:
        self.viewport().update(self._ring_at(self._cursor_at))

    def _follow(self, at: QPointF | None) -> None:
        """The cursor has moved to `at` in the viewport, or left it."""
        before, self._cursor_at = self._cursor_at, at
        if self._tool.round_cursor:
            self.viewport().update(self._ring_at(before, at))
        self._show_protected()
        if at is None:
            self._persons.hover(0)
            return
        point = self.to_photo(at)
        self._persons.hover(self._persons.person_at(point, everywhere=self._tool.name == "pan"))
        self.pointed.emit(int(point.x()), int(point.y()))

    def _show_cursor(self) -> None:
        if self._pan_from is not None:
            self.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self._space:
            self.viewport().setCursor(Qt.CursorShape.OpenHandCursor)
        else:
            self.viewport().setCursor(self._tool.cursor)
