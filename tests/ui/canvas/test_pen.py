"""A drawing tablet: pressure, the eraser end, and buttons."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QPointingDevice, QTabletEvent
from PySide6.QtWidgets import QApplication

PEN, ERASER = QPointingDevice.PointerType.Pen, QPointingDevice.PointerType.Eraser
LEFT, NOTHING = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


@pytest.fixture
def tablet(view, hand):
    """Sends tablet events at photo pixels."""
    devices = {
        kind: QPointingDevice(
            f"tablet {number}",
            100 + number,
            QPointingDevice.DeviceType.Stylus,
            kind,
            QPointingDevice.Capability.Pressure | QPointingDevice.Capability.Position,
            1,
            3,
        )
        for number, kind in enumerate((PEN, ERASER))
    }

    def send(kind, x, y, pressure, *, end=PEN, button=LEFT, buttons=LEFT):
        at = QPointF(hand.at(x, y))
        spot = QPointF(view.viewport().mapToGlobal(at))
        keys = Qt.KeyboardModifier.NoModifier
        event = QTabletEvent(kind, devices[end], at, spot, pressure, 0, 0, 0, 0, 0, keys, button, buttons)
        QApplication.sendEvent(view.viewport(), event)
        return event.isAccepted()

    def draw(points, *, end=PEN, button=LEFT):
        send(QEvent.Type.TabletPress, *points[0], end=end, button=button, buttons=button)
        for point in points[1:]:
            send(QEvent.Type.TabletMove, *point, end=end, button=NOTHING, buttons=button)
        send(QEvent.Type.TabletRelease, points[-1][0], points[-1][1], 0.0, end=end, button=button, buttons=NOTHING)

    draw.send = send
    return draw


def width_at(model, x):
    return int(np.count_nonzero(model.painted[:, x] > 127))


def test_pressure_is_the_size_of_the_stroke_and_it_is_one_step(view, model, tablet):
    view.options.size = 40
    tablet([(180, 150, 0.2), (210, 150, 0.2), (240, 150, 1.0), (270, 150, 1.0)])
    assert len(model.as_values()[0]["steps"]) == 1
    assert 6 <= width_at(model, 190) <= 11
    assert 37 <= width_at(model, 255) <= 42
    assert width_at(model, 190) < width_at(model, 225) < width_at(model, 255)


def test_pressure_can_be_left_out(view, model, tablet):
    view.options.size = 40
    view.options.pressure = False
    tablet([(180, 150, 0.1), (210, 150, 0.2), (270, 150, 0.1)])
    assert {width_at(model, 200), width_at(model, 250)} <= {39, 40, 41}


def test_the_eraser_end_takes_away_whatever_tool_is_in_hand(view, model, tablet):
    tablet([(60, 120, 1.0), (90, 120, 1.0)], end=ERASER)
    assert not model.painted[120, 62:88].any()
    assert view.tool == "brush"
    tablet([(60, 120, 1.0), (90, 120, 1.0)])
    assert (model.painted[120, 62:88] == 255).all()


def test_the_pen_s_button_takes_away(model, tablet):
    tablet([(60, 120, 1.0), (90, 120, 1.0)], button=Qt.MouseButton.RightButton)
    assert not model.painted[120, 62:88].any()


def test_other_tools_take_the_pen_too(view, model, tablet):
    view.set_tool("lasso")
    tablet([(180, 110, 0.5), (280, 110, 0.5), (280, 190, 0.5), (180, 190, 0.5)])
    assert model.painted[150, 240] == 255


def test_with_the_hand_the_pen_is_left_to_qt_as_a_mouse(view, tablet):
    view.set_tool("pan")
    assert not tablet.send(QEvent.Type.TabletPress, 100, 100, 0.5)


def test_hovering_paints_nothing(model, tablet):
    before = model.painted.copy()
    tablet.send(QEvent.Type.TabletMove, 250, 150, 0.0, button=NOTHING, buttons=NOTHING)
    assert np.array_equal(model.painted, before)
