"""The outfit panel: what is typed is checked in place, what is chosen becomes one Outfit."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QVBoxLayout, QWidget

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.engine.messages import (
    CheckPrompt,
    CompleteWord,
    OpenPhoto,
    PhotoOpened,
    Problem,
    PromptChecked,
)
from outfitswap_desktop.ui.actions import Actions
from outfitswap_desktop.ui.outfit.outfit import Outfit
from outfitswap_desktop.ui.outfit.panel import OutfitPanel
from outfitswap_desktop.ui.outfit.presets import bundled_presets
from outfitswap_desktop.ui.outfit.words import CHECK_AFTER_MS, WordField
from tests.ui.desks import FakeDesk


def checked(request: CheckPrompt) -> PromptChecked:
    if "linnen" in request.text:
        return PromptChecked(
            request.text, False, "unknown_word", "linnen", ("linen",), "“linnen” is unknown.", "Linen?"
        )
    return PromptChecked(request.text, True)


def opened(request: OpenPhoto) -> PhotoOpened | Problem:
    if "bad" in str(request.source):
        return Problem("input_refused", "garment_bare", "The picture shows bare skin.", "Take another.")
    return PhotoOpened("0" * 64, np.full((20, 30, 3), 90, np.uint8), False)


@pytest.fixture
def desk():
    return FakeDesk({CheckPrompt: checked, CompleteWord: lambda r: ("velvet", "velour"), OpenPhoto: opened})


@pytest.fixture
def panel(qtbot, desk):
    panel = OutfitPanel(desk)
    qtbot.addWidget(panel)
    panel.resize(420, 800)
    panel.show()
    qtbot.waitExposed(panel)
    return panel


def test_words_are_checked_once_the_typing_rests(qtbot, panel, desk):
    qtbot.keyClicks(panel.words.field, "navy linnen")
    assert not [one for one in desk.asked if isinstance(one, CheckPrompt)]
    with qtbot.waitSignal(panel.words.checked, timeout=CHECK_AFTER_MS + 2000, check_params_cb=lambda a: a is not None):
        pass
    assert not panel.words.answer.allowed
    assert "unknown" in panel.words._says.text()


def test_a_suggestion_takes_the_place_of_the_word(qtbot, panel):
    panel.words.set_text("navy linnen shirt")
    panel.words._check()
    chips = [panel.words._near_row.itemAt(i).widget() for i in range(panel.words._near_row.count())]
    qtbot.mouseClick(chips[0], Qt.MouseButton.LeftButton)
    assert panel.words.text == "navy linen shirt"


def test_completion_by_keyboard(qtbot, panel):
    field = panel.words.field
    field.setFocus()
    qtbot.waitUntil(field.hasFocus)
    qtbot.keyClicks(field, "red vel")
    assert field._popup.isVisible()
    qtbot.keyClick(field, Qt.Key.Key_Tab)
    assert panel.words.text == "red velvet "


def test_enter_runs_and_shift_enter_breaks_the_line(qtbot, panel):
    with qtbot.waitSignal(panel.run_asked):
        qtbot.keyClick(panel.words.field, Qt.Key.Key_Return)
    qtbot.keyClick(panel.words.field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert panel.words.text == "\n"


def test_a_preset_writes_its_words(qtbot, panel):
    preset = bundled_presets()[0]
    index = panel.presets.view.model().index(0, 0)
    with qtbot.waitSignal(panel.changed):
        qtbot.mouseClick(
            panel.presets.view.viewport(), Qt.MouseButton.LeftButton, pos=panel.presets.view.visualRect(index).center()
        )
    assert panel.words.text == preset.words


def test_searching_presets(qtbot, panel):
    qtbot.keyClicks(panel.presets.search, "tartan")
    assert panel.presets.view.model().rowCount() == 1


def test_styles_of_one_group_exclude_each_other_and_reach_the_prompt(qtbot, panel):
    panel.words.set_text("navy wool")
    qtbot.mouseClick(panel._style_buttons["Dark"], Qt.MouseButton.LeftButton)
    qtbot.mouseClick(panel._style_buttons["Pastel"], Qt.MouseButton.LeftButton)
    assert panel.outfit.styles == ("Pastel",)
    assert panel.prompt == "pastel navy wool"


def test_a_dropped_picture_passes_the_gates_first(qtbot, panel, desk, tmp_path):
    event = dropped(tmp_path / "cloth.png")
    panel.picture.dropEvent(event)
    assert panel.outfit.garment == tmp_path / "cloth.png"
    assert desk.asked[-1].role == "garment"


def test_a_refused_picture_is_not_taken_and_says_why(panel, tmp_path):
    panel.picture.open(tmp_path / "good.png")
    panel.picture.open(tmp_path / "bad.png")
    assert panel.outfit.garment is None
    assert panel.picture._says.text() == "The picture shows bare skin. Take another."


def test_zones_are_chips(qtbot, panel):
    panel.show_zones([Zone.TOP, Zone.BOTTOM], Zone.BOTTOM)
    assert panel._zone_chips[Zone.BOTTOM].isChecked()
    with qtbot.waitSignal(panel.zone_chosen, check_params_cb=lambda zone: zone is Zone.TOP):
        qtbot.mouseClick(panel._zone_chips[Zone.TOP], Qt.MouseButton.LeftButton)


def test_the_seed_takes_digits_only_and_can_be_kept(qtbot, panel):
    panel._more.setChecked(True)
    panel.advanced.seed.clear()
    qtbot.keyClicks(panel.advanced.seed, "12a-3")
    assert panel.outfit.seed == 123
    panel.advanced.lock.setChecked(True)
    panel.next_seed()
    assert panel.outfit.seed == 123
    panel.advanced.lock.setChecked(False)
    panel.next_seed()
    assert panel.outfit.seed != 123


def test_setting_an_outfit_changes_once(qtbot, panel):
    said = []
    panel.changed.connect(said.append)
    wanted = Outfit("green velvet", ("Matte",), None, "fabric", 9, True, 4)
    panel.set_outfit(wanted)
    assert said == [wanted]
    assert panel.outfit == wanted


def test_own_presets_come_first(panel):
    panel.show_own([("Mine", "navy wool")])
    assert panel.presets.view.model().index(0, 0).data() == "Mine"
    assert not panel.presets.view.model().index(0, 0).data(Qt.ItemDataRole.DecorationRole).isNull()


def test_every_action_has_a_key_or_a_place_in_the_menu(panel):
    actions = Actions()
    panel.add_actions(actions)
    assert {action.objectName() for action in actions} >= {"outfit.words", "outfit.dice", "outfit.picture"}
    assert all(actions.spec(a.objectName()).menu == "outfit" for a in actions)


def dropped(path: Path) -> QDropEvent:
    files = QMimeData()
    files.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(QPoint(5, 5)),
        Qt.DropAction.CopyAction,
        files,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    event.files = files  # the event does not own it
    return event


def test_the_first_click_beside_the_completions_counts(qtbot):
    """The run button is clicked while words are offered: one click runs."""
    whole = QWidget()
    qtbot.addWidget(whole)
    column = QVBoxLayout(whole)
    field, button = WordField(), QPushButton("Swap outfit")
    column.addWidget(field)
    column.addStretch(1)
    column.addWidget(button)
    whole.resize(500, 600)
    whole.show()
    qtbot.waitExposed(whole)
    whole.activateWindow()
    field.setFocus()
    qtbot.waitUntil(field.hasFocus)
    qtbot.keyClicks(field, "shi")
    field.words_offered(("shirt", "shirting"), "shi")
    qtbot.waitUntil(lambda: QApplication.activePopupWidget() is not None)
    pressed = []
    button.clicked.connect(lambda: pressed.append(True))
    place = button.mapTo(whole, button.rect().center())
    QTest.mouseClick(whole.windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    assert QApplication.activePopupWidget() is None
    qtbot.waitUntil(lambda: pressed == [True])
    QTest.mouseClick(whole.windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    assert pressed == [True, True]
