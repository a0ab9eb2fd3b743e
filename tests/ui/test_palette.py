"""The command palette finds every action by a few letters and runs it from the keyboard alone."""

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QApplication, QWidget

from outfitswap_desktop.ui.actions import Actions, Spec, plain
from outfitswap_desktop.ui.matching import folded, score
from outfitswap_desktop.ui.palette import REASON, Palette


@pytest.fixture
def ran():
    return []


@pytest.fixture
def actions(qapp, ran):
    made = Actions()
    for name, text, menu, keys in (
        ("file.open", "&Open photo…", "file", "Ctrl+O"),
        ("file.export", "E&xport…", "file", "Ctrl+E"),
        ("mask.invert", "&Invert", "mask", "Ctrl+I"),
        ("mask.import", "Import a mask…", "mask", ""),
        ("edit.undo", "&Undo", "edit", "Ctrl+Z"),
        ("edit.cut", "Cut && paste", "edit", ""),
        ("view.mode", "Next view mode", "view", "F"),
    ):
        spec = Spec(name, text, menu, (keys,) if keys else ())
        made.add(spec, lambda name=name: ran.append(name))
    made["file.export"].setEnabled(False)
    made["file.export"].setProperty(REASON, "there is no result yet")
    return made


@pytest.fixture
def palette(qtbot, actions):
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(900, 600)
    window.show()
    made = Palette(actions, window, menus={"file": "Datei", "mask": "Maske"})
    made.ask()
    yield made
    del window  # qtbot does not hold it, and the palette goes with it


def texts(palette):
    commands = palette.commands
    return [commands.row(commands.index(row)).text for row in range(commands.rowCount())]


def test_all_actions_without_their_mnemonics_those_that_cannot_be_done_last(palette):
    assert texts(palette) == [
        *("Open photo…", "Invert", "Import a mask…", "Undo", "Cut & paste", "Next view mode"),
        "Export…",
    ]
    last = palette.commands.row(palette.commands.index(6))
    assert (last.reason, last.menu, last.keys) == ("there is no result yet", "Datei", "Ctrl+E")
    first = palette.commands.row(palette.commands.index(0))
    assert (first.reason, first.menu, first.keys) == ("", "Datei", "Ctrl+O")
    assert palette.commands.index(6).data(Qt.ItemDataRole.AccessibleTextRole).endswith("there is no result yet")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("&Open…", "Open…"),
        ("Cut && paste", "Cut & paste"),
        ("打开照片(&O)…", "打开照片…"),
        ("写真を開く (&O)", "写真を開く"),
    ],
)
def test_mnemonics_are_taken_out_in_every_script(text, shown):
    assert plain(text) == shown


def test_typed_letters_choose_and_enter_runs(qtbot, palette, ran):
    qtbot.keyClicks(palette.line, "inv")
    assert texts(palette)[0] == "Invert"
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: ran == ["mask.invert"])


def test_the_menu_and_the_stable_name_are_found_too(palette):
    palette.line.setText("maske import")
    assert texts(palette) == ["Import a mask…"]
    palette.line.setText("mask.inv")
    assert texts(palette) == ["Invert"]
    palette.line.setText("qqq")
    assert texts(palette) == []


def test_arrows_go_round_and_skip_what_cannot_be_done(qtbot, palette, ran):
    rows = []
    for _ in range(7):
        rows.append(palette.list.currentIndex().row())
        qtbot.keyClick(palette.line, Qt.Key.Key_Down)
    assert rows == [0, 1, 2, 3, 4, 5, 0]
    qtbot.keyClick(palette.line, Qt.Key.Key_PageUp)
    assert palette.list.currentIndex().row() == 0
    qtbot.keyClick(palette.line, Qt.Key.Key_Up)
    assert palette.list.currentIndex().row() == 5
    qtbot.keyClick(palette.line, Qt.Key.Key_PageDown)
    assert palette.list.currentIndex().row() == 5


def test_nothing_runs_that_cannot_be_done_and_esc_leaves_all_as_it_was(qtbot, palette, ran):
    qtbot.keyClicks(palette.line, "export")
    assert texts(palette) == ["Export…"]
    assert not palette.list.currentIndex().isValid()
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    assert palette.isVisible()
    with qtbot.waitSignal(palette.rejected):
        qtbot.keyClick(palette.line, Qt.Key.Key_Escape)
    qtbot.wait(20)
    assert ran == []


def test_what_was_used_comes_first_the_next_time(qtbot, actions, ran):
    window = QWidget()
    qtbot.addWidget(window)
    for wanted in ("undo", "view"):
        palette = Palette(actions, window)
        palette.ask()
        palette.line.setText(wanted)
        with qtbot.waitSignal(palette.destroyed):
            qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    assert ran == ["edit.undo", "view.mode"]
    assert texts(Palette(actions, window))[:3] == ["Next view mode", "Undo", "Open photo…"]


def test_it_closes_when_the_user_goes_elsewhere(qtbot, palette, ran):
    with qtbot.waitSignal(palette.rejected):
        QApplication.sendEvent(palette, QEvent(QEvent.Type.WindowDeactivate))
    assert ran == []


def test_it_is_painted(palette):
    palette.line.setText("in")
    picture = palette.grab().toImage()
    colours = {picture.pixel(x, y) for x in range(0, picture.width(), 2) for y in range(0, picture.height(), 2)}
    assert len(colours) > 8


@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [
        ("inv", "Invert mask", "Next view"),
        ("om", "Open mask", "Automatic"),
        ("mask", "Import a mask", "Make a sketch"),
        ("undo", "Undo", "Unknown document"),
        ("fit", "Fit", "Fit by click"),
        ("größe", "Grosse oder Größe", "gr o ß e"),
    ],
)
def test_a_better_fit_scores_higher(query, better, worse):
    high = score(query, better)
    low = score(query, worse)
    assert high is not None
    assert low is None or high[0] > low[0]


def test_what_does_not_fit_and_what_always_does():
    assert score("xyz", "Invert mask") is None
    assert score("maskk", "mask") is None
    assert score("", "anything") == (0.0, ())
    assert score("mask inv", "Invert mask") is not None


def test_places_are_the_letters_that_fit():
    value = score("im", "Invert Mask")
    assert value is not None
    assert [("Invert Mask")[place] for place in value[1]] == ["I", "M"]
    umlaut = score("uber", "Über alles")
    assert umlaut is not None
    assert umlaut[1] == (0, 1, 2, 3)


@pytest.mark.parametrize("text", ["ÄÖÜ", "İstanbul", "ﬁt", "日本語", "Straße"])
def test_folding_keeps_every_letter_at_its_place(text):
    assert len(folded(text)) == len(text)
