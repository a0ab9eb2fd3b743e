"""Zoom to the cursor, fit, full size, and the ways to pan."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QNativeGestureEvent, QPointingDevice, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from outfitswap_desktop.ui.canvas.zoom_view import MOST_SCALE

from .conftest import H, W

NONE = Qt.KeyboardModifier.NoModifier


def wheel(view, at, turn=0, *, keys=NONE, pixels=None, device=None):
    spot = QPointF(at)
    arguments = [
        spot,
        QPointF(view.viewport().mapToGlobal(spot)),
        pixels or QPoint(),
        QPoint(0, turn),
        Qt.MouseButton.NoButton,
        keys,
        Qt.ScrollPhase.NoScrollPhase if device is None else Qt.ScrollPhase.ScrollUpdate,
        False,
    ]
    if device is not None:
        arguments += [Qt.MouseEventSource.MouseEventNotSynthesized, device]
    QApplication.sendEvent(view.viewport(), QWheelEvent(*arguments))


@pytest.mark.parametrize("turn", [120, -120, 360, 30])
@pytest.mark.parametrize("at", [(200, 150), (400, 250), (90, 300)])
def test_the_wheel_zooms_to_the_cursor(view, turn, at):
    for _ in range(4):
        before = view.to_photo(QPointF(*at))
        zoom = view.zoom
        wheel(view, QPoint(*at), turn)
        after = view.to_photo(QPointF(*at))
        assert (view.zoom > zoom) == (turn > 0)
        off = (after - before) * view.photo_scale
        assert abs(off.x()) <= 1.0
        assert abs(off.y()) <= 1.0


def test_zoom_has_its_ends(view):
    for _ in range(80):
        wheel(view, QPoint(300, 200), 360)
    assert view.photo_scale == pytest.approx(MOST_SCALE)
    for _ in range(120):
        wheel(view, QPoint(300, 200), -360)
    assert 0.2 < view.photo_scale <= 1.1


def test_fit_shows_the_whole_photo_and_stays_fitted(view, qtbot):
    view.zoom_to(8)
    view.fit()
    for size in ((500, 300), (700, 640)):
        view.resize(*size)
        rect = view.viewportTransform().mapRect(view._photo_item.boundingRect())
        assert rect.left() >= 0
        assert rect.top() >= 0
        assert rect.right() <= size[0]
        assert rect.bottom() <= size[1]
        assert max(rect.width() / size[0], rect.height() / size[1]) > 0.9
    view.zoom_to(3)
    scale = view.photo_scale
    view.resize(400, 300)
    assert view.photo_scale == scale


def test_full_size_is_one_photo_pixel_on_one_of_the_screen(view):
    view.full_size()
    assert view.zoom == pytest.approx(1.0)
    assert view.photo_scale == pytest.approx(1.0 / view.devicePixelRatioF())


def drag(view, start, way, *, button):
    place = QPoint(*start)
    QTest.mousePress(view.viewport(), button, NONE, place)
    for step in (0.3, 0.6, 1.0):
        at = QPointF(start[0] + way[0] * step, start[1] + way[1] * step)
        QTest.mouseMove(view.viewport(), at.toPoint())
    QTest.mouseRelease(view.viewport(), button, NONE, QPoint(start[0] + way[0], start[1] + way[1]))


@pytest.mark.parametrize("how", ["space", "middle", "hand"])
def test_the_photo_is_dragged_and_nothing_is_painted(view, model, how, qtbot):
    before = view.to_photo(QPointF(200, 200))
    button = Qt.MouseButton.LeftButton
    if how == "space":
        QTest.keyPress(view, Qt.Key.Key_Space)
        assert view.viewport().cursor().shape() == Qt.CursorShape.OpenHandCursor
    elif how == "middle":
        button = Qt.MouseButton.MiddleButton
    else:
        view.set_tool("pan")
    drag(view, (200, 200), (60, -40), button=button)
    if how == "space":
        QTest.keyRelease(view, Qt.Key.Key_Space)
        assert view.viewport().cursor().shape() == Qt.CursorShape.BlankCursor
    after = view.to_photo(QPointF(260, 160))
    assert abs(after.x() - before.x()) * view.photo_scale <= 1
    assert abs(after.y() - before.y()) * view.photo_scale <= 1
    assert not model.can_undo


def test_two_fingers_pan_and_with_control_zoom(view):
    pad = QPointingDevice(
        "pad",
        7,
        QPointingDevice.DeviceType.TouchPad,
        QPointingDevice.PointerType.Finger,
        QPointingDevice.Capability.PixelScroll | QPointingDevice.Capability.Scroll,
        2,
        0,
    )
    zoom, before = view.zoom, view.to_photo(QPointF(200, 200))
    wheel(view, QPoint(200, 200), 40, pixels=QPoint(14, -22), device=pad)
    assert view.zoom == zoom
    after = view.to_photo(QPointF(214, 178))
    assert abs(after.x() - before.x()) < 0.6
    assert abs(after.y() - before.y()) < 0.6
    wheel(view, QPoint(200, 200), 40, pixels=QPoint(0, 20), keys=Qt.KeyboardModifier.ControlModifier, device=pad)
    assert view.zoom > zoom


def test_shift_and_wheel_pan_sideways_and_alt_sizes_the_brush(view):
    zoom, size = view.zoom, view.options.size
    before = view.to_photo(QPointF(200, 200))
    wheel(view, QPoint(200, 200), 120, keys=Qt.KeyboardModifier.ShiftModifier)
    assert view.zoom == zoom
    assert view.to_photo(QPointF(200, 200)).x() < before.x()
    wheel(view, QPoint(200, 200), 120, keys=Qt.KeyboardModifier.AltModifier)
    assert view.options.size > size
    assert view.zoom == zoom


def test_while_zooming_it_is_drawn_quickly_and_then_finely(view, qtbot):
    view.zoom_by(1.3)
    assert view.look.draft
    qtbot.waitUntil(lambda: not view.look.draft, timeout=2000)


def test_another_photo_takes_mask_and_persons_away(view, photo):
    view.set_photo(np.ascontiguousarray(photo[: H // 2, : W // 2]))
    assert view.model is None
    assert view.photo.shape == (H // 2, W // 2, 3)
    assert view.fitted


def test_a_view_without_a_photo_bears_everything(qtbot):
    from outfitswap_desktop.ui.canvas.view import CanvasView

    view = CanvasView()
    qtbot.addWidget(view)
    view.resize(300, 200)
    view.show()
    view.fit()
    view.full_size()
    view.zoom_by(2)
    view.next_mode()
    wheel(view, QPoint(100, 100), 120)
    drag(view, (100, 100), (30, 30), button=Qt.MouseButton.LeftButton)
    QApplication.sendEvent(view, QEvent(QEvent.Type.PaletteChange))
    assert view.photo.size == 0


def native(view, kind, value, at):
    pad = QPointingDevice.primaryPointingDevice()
    spot = QPointF(*at)
    event = QNativeGestureEvent(
        kind, pad, 2, spot, spot, QPointF(view.viewport().mapToGlobal(spot)), value, QPointF(), 1
    )
    QApplication.sendEvent(view.viewport(), event)


def test_a_pinch_zooms_to_its_middle_and_a_smart_tap_goes_between_fit_and_full_size(view):
    zoom, before = view.zoom, view.to_photo(QPointF(250, 180))
    native(view, Qt.NativeGestureType.ZoomNativeGesture, 0.25, (250, 180))
    assert view.zoom == pytest.approx(1.25 * zoom)
    off = (view.to_photo(QPointF(250, 180)) - before) * view.photo_scale
    assert abs(off.x()) <= 1
    assert abs(off.y()) <= 1
    native(view, Qt.NativeGestureType.SmartZoomNativeGesture, 0.0, (250, 180))
    assert view.fitted
    native(view, Qt.NativeGestureType.SmartZoomNativeGesture, 0.0, (250, 180))
    assert view.zoom == pytest.approx(1.0)
