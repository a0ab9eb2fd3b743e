"""Tools drawn with the mouse: what they do to the mask, one step each, and Escape takes back what is under way."""

import numpy as np
import pytest
from PySide6.QtCore import Qt

from outfitswap_desktop.core.strokes import Brush, Stroke
from outfitswap_desktop.core.wand import similar
from outfitswap_desktop.ui.canvas.options import TOOLS

ALT, SHIFT = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ShiftModifier
RIGHT = Qt.MouseButton.RightButton


def kinds(model):
    return [step["kind"] for step in model.as_values()[0]["steps"]]


def test_a_drag_is_one_undo_and_paints_where_the_mouse_was(view, model, hand, qtbot):
    before = model.painted.copy()
    hand.drag((200, 120), (230, 130), (260, 160), (220, 185))
    assert kinds(model) == ["stroke"]
    for x, y in ((201, 120), (230, 130), (259, 159), (221, 184)):
        assert model.painted[y, x] == 255
    assert model.painted[120, 260] == 0
    view.undo()
    assert np.array_equal(model.painted, before)
    view.redo()
    assert model.painted[130, 230] == 255


def test_a_drag_paints_what_core_paints_along_the_same_points(view, model, hand):
    """The road from mouse to mask adds nothing: the stroke equals the one that core makes through the points."""
    points = [(200, 120), (220, 128), (260, 160)]
    hand.drag(*points)
    scene = [view.to_photo(hand.at(*point)) for point in points]
    from outfitswap_desktop.core.strokes import MaskCanvas

    canvas = MaskCanvas(np.zeros(model.shape, np.uint8))
    path = [(at.x(), at.y(), 1.0) for at in (*scene, scene[-1])]
    canvas.paint(Stroke.along(Brush(12, hardness=1.0), path))
    away = np.s_[100:, 180:]
    assert np.array_equal(model.painted[away], canvas.pixels[away])


def test_moves_of_one_frame_are_drawn_together_and_none_is_lost(view, model, hand, qtbot):
    changes = []
    model.changed.connect(changes.append)
    hand.press(200, 120)
    for x in range(201, 290):
        hand.move(x, 120)
    hand.release(290, 120)
    assert (model.painted[120, 200:290] == 255).all()
    assert len(changes) >= 2


def test_the_eraser_and_the_right_button_take_away(view, model, hand):
    hand.click(60, 120, button=RIGHT)
    assert model.painted[120, 60] == 0
    view.set_tool("eraser")
    hand.click(60, 150)
    assert model.painted[150, 60] == 0


def test_protected_areas_stay_out(view, model, hand, head):
    view.options.size = 60
    hand.drag((60, 70), (250, 70))
    assert not model.painted[head > 0].any()
    assert model.painted[70, 230] == 255


def test_shift_draws_straight_from_the_last_stroke(view, model, hand):
    hand.click(200, 110)
    hand.click(280, 180, keys=SHIFT)
    for share in (0.25, 0.5, 0.75):
        assert model.painted[round(110 + 70 * share), round(200 + 80 * share)] == 255
    assert kinds(model) == ["stroke", "stroke"]


def test_shift_while_dragging_draws_one_line_to_where_the_mouse_is_let_go(view, model, hand):
    from PySide6.QtCore import QEvent, QPointF
    from PySide6.QtGui import QMouseEvent
    from PySide6.QtWidgets import QApplication

    hand.press(200, 110)
    for x, y in ((290, 115), (250, 190)):
        at = QPointF(hand.at(x, y))
        moved = QMouseEvent(
            QEvent.Type.MouseMove,
            at,
            view.viewport().mapToGlobal(at),
            Qt.MouseButton.NoButton,
            Qt.MouseButton.LeftButton,
            SHIFT,
        )
        QApplication.sendEvent(view.viewport(), moved)
    assert model.painted[113, 285] == 0
    hand.release(250, 190, keys=SHIFT)
    assert model.painted[150, 225] == 255
    assert model.painted[113, 285] == 0


def test_escape_abandons_a_running_stroke(view, model, hand, qtbot):
    before = model.painted.copy()
    hand.press(200, 120)
    hand.move(260, 160)
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert np.array_equal(model.painted, before)
    hand.move(210, 190)
    hand.release(210, 190)
    assert np.array_equal(model.painted, before)
    assert not model.can_undo


def test_taking_another_tool_abandons_what_was_begun(view, model, hand):
    hand.press(200, 120)
    view.set_tool("lasso")
    assert not model.drawing
    assert not model.can_undo


def test_the_lasso_fills_what_it_surrounds(view, model, hand):
    view.set_tool("lasso")
    hand.drag((180, 110), (280, 110), (280, 190), (180, 190), (180, 112))
    assert (model.painted[115:185, 185:275] == 255).all()
    assert model.painted[150, 170] == 0
    assert kinds(model) == ["lasso"]
    hand.drag((50, 100), (90, 100), (90, 140), (50, 140), keys=ALT)
    assert not model.painted[105:135, 55:85].any()


def test_the_polygon_is_closed_by_a_double_click_return_or_its_first_corner(view, model, hand, qtbot):
    view.set_tool("polygon")
    corners = ((180, 110), (280, 110), (280, 190), (180, 190))
    for corner in corners:
        hand.click(*corner)
    assert not model.can_undo
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert (model.painted[115:185, 185:275] == 255).all()
    view.undo()
    for corner in (*corners, corners[0]):
        hand.click(*corner)
    assert (model.painted[115:185, 185:275] == 255).all()
    view.undo()
    for corner in corners[:3]:
        hand.click(*corner)
    qtbot.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=hand.at(*corners[3]))
    assert model.painted[120, 270] == 255
    assert kinds(model) == ["polygon"]


def test_backspace_and_undo_take_a_corner_back_and_escape_the_polygon(view, model, hand, qtbot):
    view.set_tool("polygon")
    for corner in ((180, 110), (280, 110), (280, 190), (20, 20)):
        hand.click(*corner)
    qtbot.keyClick(view, Qt.Key.Key_Backspace)
    hand.click(20, 190)
    view.undo()
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert model.painted[120, 270] == 255
    assert model.painted[30, 40] == 0
    view.undo()
    for corner in ((180, 110), (280, 110), (280, 190)):
        hand.click(*corner)
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert not model.can_undo


def test_the_wand_takes_what_has_the_colour(view, model, hand, qtbot, photo):
    view.set_tool("wand")
    view.options.tolerance = 4
    hand.click(230, 60)
    qtbot.waitUntil(lambda: model.can_undo)
    free = np.s_[40:100, 201:260]
    assert (model.painted[free] == 255).all()
    assert model.painted[39, 230] == 0
    assert not model.painted[50:90, 180:200].any()  # protected
    hand.click(230, 60, keys=ALT)
    qtbot.waitUntil(lambda: len(kinds(model)) == 2)
    assert not model.painted[free].any()
    box, area = similar(photo, 230, 60, tolerance=4)
    assert box == (180, 40, 260, 100)
    assert area.all()


def test_a_box_asks_to_be_fitted(view, model, hand, qtbot):
    view.set_tool("box")
    with qtbot.waitSignal(view.refine_asked) as asked:
        hand.drag((180, 60), (200, 90), (260, 180))
    x0, y0, x1, y1 = asked.args[0]
    assert abs(x0 - 180) + abs(y0 - 60) + abs(x1 - 260) + abs(y1 - 180) <= 4
    assert not model.can_undo
    hand.drag((280, 180), (500, 400))
    with qtbot.waitSignal(view.refine_asked) as asked:
        hand.drag((260, 170), (299, 199))
    assert asked.args[0][2] <= 300


def test_a_box_of_no_size_asks_nothing(view, hand, qtbot):
    view.set_tool("box")
    with qtbot.assertNotEmitted(view.refine_asked):
        hand.click(200, 100)


def test_a_click_asks_for_the_thing_there(view, hand, qtbot):
    view.set_tool("click")
    with qtbot.waitSignal(view.refine_asked) as asked:
        hand.click(200, 120)
    assert asked.args[0] == ((200, 120, True),)
    with qtbot.waitSignal(view.refine_asked) as asked:
        hand.click(200, 120, button=RIGHT)
    assert asked.args[0] == ((200, 120, False),)
    with qtbot.assertNotEmitted(view.refine_asked):
        hand.click(-3, 50)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_bears_a_photo_without_a_mask(view, hand, tool, qtbot):
    view.set_model(None)
    view.set_tool(tool)
    hand.drag((20, 20), (60, 60), (80, 90))
    hand.click(30, 40, button=RIGHT)
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    view.undo()
    assert view.model is None


def test_an_unknown_tool_is_an_error(view):
    with pytest.raises(KeyError):
        view.set_tool("hammer")
