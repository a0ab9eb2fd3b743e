"""The panels and the keyboard: every action there, shown and doing what it says."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QHBoxLayout, QLineEdit, QSlider, QSpinBox, QWidget

from outfitswap_desktop.core.adjust import MaskParameters
from outfitswap_desktop.ui.actions import Actions, Spec
from outfitswap_desktop.ui.canvas.look import ViewMode
from outfitswap_desktop.ui.canvas.mask_model import MaskModel
from outfitswap_desktop.ui.canvas.mask_panel import MaskPanel
from outfitswap_desktop.ui.canvas.options import TOOLS, ToolOptions
from outfitswap_desktop.ui.canvas.slider_row import SliderRow
from outfitswap_desktop.ui.canvas.tool_panel import ToolPanel


@pytest.fixture
def editor(qtbot, view):
    """A window with view, panels and their actions."""
    window = QWidget()
    qtbot.addWidget(window)
    row = QHBoxLayout(window)
    window.tools, window.mask = ToolPanel(view, window), MaskPanel(view, window)
    for part in (window.tools, view, window.mask):
        row.addWidget(part)
    window.actions_of = Actions(window)
    for part in (view, window.tools, window.mask):
        part.add_actions(window.actions_of)
    window.addActions(list(window.actions_of))
    window.resize(1200, 800)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    view.setFocus()
    qtbot.waitUntil(view.hasFocus)
    return window


@pytest.mark.parametrize(
    ("key", "tool"),
    [
        ("B", "brush"),
        ("E", "eraser"),
        ("L", "lasso"),
        ("P", "polygon"),
        ("W", "wand"),
        ("R", "box"),
        ("K", "click"),
        ("H", "pan"),
    ],
)
def test_each_tool_has_its_key_and_its_button(editor, view, key, tool, qtbot):
    view.set_tool("pan" if tool != "pan" else "brush")
    QTest.keyClick(view, Qt.Key(ord(key)))
    assert view.tool == tool
    button = editor.tools.findChild(QAbstractButton, f"tool.{tool}")
    assert button.isChecked()
    assert editor.actions_of[f"tool.{tool}"].isChecked()
    view.set_tool("pan" if tool != "pan" else "brush")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert view.tool == tool


def test_all_tools_have_a_key_of_their_own(editor):
    keys = [editor.actions_of.spec(f"tool.{name}").keys for name in TOOLS]
    assert len({key for found in keys for key in found}) == len(TOOLS)


def test_brackets_size_and_harden_the_brush(editor, view):
    view.options.size, view.options.hardness = 50, 0.5
    QTest.keyClick(view, Qt.Key.Key_BracketRight)
    assert view.options.size == 55
    QTest.keyClick(view, Qt.Key.Key_BracketLeft)
    QTest.keyClick(view, Qt.Key.Key_BracketLeft)
    assert view.options.size < 50
    editor.actions_of["tool.harder"].trigger()
    assert view.options.hardness == pytest.approx(0.6)
    editor.actions_of["tool.softer"].trigger()
    editor.actions_of["tool.softer"].trigger()
    assert view.options.hardness == pytest.approx(0.4)


def test_x_swaps_brush_and_eraser(editor, view):
    QTest.keyClick(view, Qt.Key.Key_X)
    assert view.tool == "eraser"
    QTest.keyClick(view, Qt.Key.Key_X)
    assert view.tool == "brush"


def test_undo_and_redo_by_key_and_only_when_there_is_something(editor, view, model, hand):
    undo, redo = editor.actions_of["edit.undo"], editor.actions_of["edit.redo"]
    assert not undo.isEnabled()
    before = model.painted.copy()
    hand.drag((200, 120), (250, 150))
    assert undo.isEnabled()
    QTest.keyClick(view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(model.painted, before)
    assert not undo.isEnabled()
    assert redo.isEnabled()
    QTest.keyClick(view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert not np.array_equal(model.painted, before)


def test_f_and_the_box_of_modes_go_together(editor, view):
    QTest.keyClick(view, Qt.Key.Key_F)
    assert view.mode is ViewMode.ONION
    box = editor.mask.findChild(QComboBox)
    assert box.currentIndex() == 1
    assert editor.actions_of["view.mode.onion"].isChecked()
    editor.actions_of["view.mode.mask"].trigger()
    assert view.mode is ViewMode.MASK
    assert box.currentIndex() == 3


def test_invert_reset_clear_by_action(editor, view, model, base, head):
    QTest.keyClick(view, Qt.Key.Key_I, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(model.painted, np.where(head > 0, 0, 255 - np.where(head > 0, 0, base)))
    editor.actions_of["mask.clear"].trigger()
    assert not model.painted.any()
    editor.actions_of["mask.reset"].trigger()
    assert np.array_equal(model.painted, np.where(head > 0, 0, base))


def test_zoom_by_action(editor, view):
    zoom = view.zoom
    editor.actions_of["view.zoom_in"].trigger()
    assert view.zoom > zoom
    editor.actions_of["view.full_size"].trigger()
    assert view.zoom == pytest.approx(1.0)
    editor.actions_of["view.fit"].trigger()
    assert view.fitted


def slider(editor, name):
    return next(found for found in editor.mask.findChildren(QSlider) if found.accessibleName() == name)


def test_a_slider_is_a_live_parameter_and_one_step(editor, model, settled, qtbot):
    grow = slider(editor, "Shrink · grow")
    grow.setSliderDown(True)
    for value in (2, 5, 9):
        grow.setValue(value)
        assert model.parameters.grow == value
    grow.setSliderDown(False)
    assert len(model.as_values()[0]["steps"]) == 1
    settled(model)
    assert np.array_equal(model.shown, MaskParameters(grow=9).apply(model.painted, model.keep))
    model.undo()
    assert grow.value() == 0
    grow.setFocus()
    QTest.keyClick(grow, Qt.Key.Key_Left)
    assert model.parameters.grow == -1


def test_boxes_of_the_panel(editor, model):
    fill = next(b for b in editor.mask.findChildren(QAbstractButton) if b.text() == "Fill holes")
    fill.click()
    assert model.parameters.fill
    editor.actions_of["mask.largest"].trigger()
    assert model.parameters.largest
    model.undo()
    model.undo()
    assert not fill.isChecked()


def test_overlay_colour_strength_and_protected(editor, view):
    green = next(b for b in editor.mask.findChildren(QAbstractButton) if b.accessibleName() == "Green")
    green.click()
    assert view.look.colour == QColor("#37d67a")
    slider(editor, "Strength").setValue(80)
    assert view.look.opacity == pytest.approx(0.8)
    editor.actions_of["view.protected"].trigger()
    assert view.always_protected


def test_import_and_export_are_asked_for(editor, qtbot):
    for text, signal in (("Import…", editor.mask.import_asked), ("Export…", editor.mask.export_asked)):
        button = next(b for b in editor.mask.findChildren(QAbstractButton) if b.text() == text)
        with qtbot.waitSignal(signal):
            button.click()


def test_panels_follow_the_view_from_mask_to_mask(editor, view, model, photo, qtbot):
    model.set_parameters(MaskParameters(feather=7))
    assert slider(editor, "Feather").value() == 7
    other = MaskModel(*model.shape)
    view.set_model(other)
    assert slider(editor, "Feather").value() == 0
    assert not editor.actions_of["edit.undo"].isEnabled()
    slider(editor, "Feather").setValue(3)
    assert other.parameters.feather == 3
    assert model.parameters.feather == 7
    view.set_model(None)
    assert not editor.mask.isEnabled()
    assert not editor.actions_of["mask.invert"].isEnabled()
    view.set_model(model)
    assert slider(editor, "Feather").value() == 7
    other.close()


def test_everything_has_a_name_and_a_tip_and_takes_the_keyboard(editor):
    controls = [
        found
        for kind in (QAbstractButton, QSlider, QComboBox, QSpinBox)
        for panel in (editor.tools, editor.mask)
        for found in panel.findChildren(kind)
        if not isinstance(found.parent(), QSpinBox | QComboBox | QLineEdit)
    ]
    assert len(controls) > 25
    for control in controls:
        name = control.accessibleName() or (control.text() if isinstance(control, QAbstractButton) else "")
        assert name, control
        assert control.toolTip(), name
        assert control.focusPolicy() != Qt.FocusPolicy.NoFocus, name


def test_a_curved_slider_keeps_the_number_that_was_set(qtbot):
    row = SliderRow("Size", 1, 1000, curve=2.5)
    qtbot.addWidget(row)
    for value in (1, 2, 17, 48, 333, 1000):
        row.show_value(value)
        assert row.value == value
    row.slider.setValue(500)
    assert 100 < row.value < 250
    with qtbot.assertNotEmitted(row.settled):
        row.show_value(48)


def test_options_keep_within_their_limits(qtbot):
    options = ToolOptions()
    options.size, options.hardness, options.opacity, options.tolerance = 99999, 7, -1, 999
    assert (options.size, options.hardness, options.opacity, options.tolerance) == (1000, 1.0, 0.05, 128)
    options.size = 0
    options.resize(-3)
    assert options.size == 1
    assert options.brush(erase=True).erase
    with qtbot.assertNotEmitted(options.changed):
        options.size = 1


def test_options_come_back_from_the_settings(qtbot):
    options, other = ToolOptions(), ToolOptions()
    options.size, options.hardness, options.tolerance, options.pressure = 77, 0.3, 9, False
    other.restore(options.as_values())
    assert other.as_values() == options.as_values()
    other.restore({"size": "large", "hardness": float("nan"), "tolerance": None, "more": 3})
    assert other.as_values() == options.as_values()


def test_escape_is_the_canvas_s_while_something_is_under_way_and_the_window_s_else(editor, view, model, hand, qtbot):
    pressed = []
    editor.addAction(editor.actions_of.add(Spec("job.cancel", "Cancel", "job", ("Esc",)), lambda: pressed.append(1)))
    view.set_tool("polygon")
    for corner in ((180, 110), (280, 110), (280, 190)):
        hand.click(*corner)
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert not pressed
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert not model.can_undo
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert pressed == [1]


def test_a_second_click_on_the_tool_in_hand_opens_its_settings(editor, view, qtbot):
    button = editor.tools.findChild(QAbstractButton, "tool.brush")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert editor.tools._sheet.isVisible()
    editor.tools._sheet.hide()
    view.set_tool("pan")
    editor.actions_of["tool.settings"].trigger()
    editor.tools._sheet.hide()
