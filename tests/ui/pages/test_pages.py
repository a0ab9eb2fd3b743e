"""Models, help, about and report: what they show, what they ask, and what they never do by themselves."""

import re
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QLabel, QPlainTextEdit, QTableView

from outfitswap_desktop import __version__, paths
from outfitswap_desktop.engine.messages import WriteReport
from outfitswap_desktop.ui.actions import Actions, Spec
from outfitswap_desktop.ui.pages.about import AboutDialog, third_party
from outfitswap_desktop.ui.pages.help import HelpDialog, HelpPage
from outfitswap_desktop.ui.pages.report import ReportDialog
from outfitswap_desktop.ui.pages.weights import WeightsDialog, WeightsPage, WeightsRow

ROOT = Path(__file__).resolve().parents[3]
ROWS = (
    WeightsRow("sdxl", "Words to cloth", 6_940_000_000, "OpenRAIL++", "missing"),
    WeightsRow("sam", "Clicks", 375_000_000, "Apache-2.0", "installed"),
)


def cells(model):
    return [
        [model.index(row, column).data() for column in range(model.columnCount())] for row in range(model.rowCount())
    ]


# models


def test_the_models_table(qtbot):
    page = WeightsPage(ROWS)
    qtbot.addWidget(page)
    assert cells(page.table) == [
        ["sdxl", "Words to cloth", "6.9 GB", "OpenRAIL++", "not installed"],
        ["sam", "Clicks", "375 MB", "Apache-2.0", "installed"],
    ]
    assert page.table.headerData(1, Qt.Orientation.Horizontal) == "What for"


def test_every_button_is_grey_and_says_why_until_downloads_exist(qtbot):
    page = WeightsPage(ROWS)
    qtbot.addWidget(page)
    page.view.selectRow(0)
    for button in (page.get, page.verify, page.remove, page.from_file):
        assert not button.isEnabled()
        assert "not part of this release" in button.toolTip()


def test_buttons_fit_the_chosen_weights_once_they_are_possible(qtbot):
    page = WeightsPage(ROWS, possible=True)
    qtbot.addWidget(page)
    assert not page.get.isEnabled()
    page.view.selectRow(0)
    assert (page.get.isEnabled(), page.verify.isEnabled(), page.remove.isEnabled()) == (True, False, False)
    with qtbot.waitSignal(page.get_asked) as asked:
        page.get.click()
    assert asked.args == ["sdxl"]
    page.view.selectRow(1)
    assert (page.get.isEnabled(), page.verify.isEnabled(), page.remove.isEnabled()) == (False, True, True)
    with qtbot.waitSignal(page.remove_asked) as asked:
        page.remove.click()
    assert asked.args == ["sam"]
    with qtbot.waitSignal(page.import_asked):
        page.from_file.click()


def test_nothing_is_needed_is_said_where_there_are_no_models(qtbot):
    dialog = WeightsDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    shown = [label.text() for label in dialog.findChildren(QLabel) if label.isVisible()]
    assert any("needs nothing from here" in text for text in shown)
    assert any("no models" in text for text in shown)
    assert not dialog.page.view.isVisible()


# help


@pytest.fixture
def actions(qapp):
    made = Actions()
    made.add(Spec("file.open", "&Open photo…", "file", ("Ctrl+O",)), lambda: None)
    made.add(Spec("view.pan", "Move && look", "view", ("H", "Space")), lambda: None)
    made.add(Spec("file.none", "Without keys", "file"), lambda: None)
    return made


def test_every_shortcut_of_the_registry_is_listed(qtbot, actions):
    page = HelpPage(actions)
    qtbot.addWidget(page)
    assert cells(page.filtered) == [["File", "Open photo…", "Ctrl+O"], ["View", "Move & look", "H   Space"]]
    page.search.setText("look")
    assert [row[1] for row in cells(page.filtered)] == ["Move & look"]
    page.search.setText("ctrl+o")
    assert [row[1] for row in cells(page.filtered)] == ["Open photo…"]


def test_help_as_a_dialog_closes_with_esc(qtbot, actions):
    dialog = HelpDialog(actions)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.windowTitle() == "Help"
    with qtbot.waitSignal(dialog.finished):
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)


def test_the_limits_that_help_names_are_those_of_the_program():
    from outfitswap_desktop.core import container

    source = (ROOT / "outfitswap_desktop/ui/pages/help.py").read_text(encoding="utf-8")
    said = re.search(r"from (\d+) to (\d+) pixels a side, (\d+) megapixels and (\d+) MB", source)
    assert said is not None
    assert [int(number) for number in said.groups()] == [
        container.MIN_SIDE,
        container.MAX_SIDE,
        container.MAX_PIXELS // 1_000_000,
        container.MAX_FILE_BYTES // 1_000_000,
    ]


# about


def test_about_names_version_and_licence_and_opens_nothing(qtbot):
    dialog = AboutDialog()
    qtbot.addWidget(dialog)
    labels = dialog.findChildren(QLabel)
    assert any(__version__ in label.text() for label in labels)
    assert any("Affero General Public License" in label.text() for label in labels)
    assert not any(label.openExternalLinks() for label in labels)
    licence = dialog.findChild(QPlainTextEdit)
    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in licence.toPlainText()
    assert licence.isReadOnly()


def test_every_package_of_the_notices_is_listed(qtbot):
    names = [package.name for package in third_party()]
    assert {"numpy", "mediapipe", "nudenet", "opencv-python-headless"} <= set(names)
    assert len(names) == len(set(names))
    dialog = AboutDialog()
    qtbot.addWidget(dialog)
    model = dialog.findChild(QTableView).model()
    assert [row[0] for row in cells(model)] == names


@pytest.mark.parametrize(
    ("bundled", "original"), [("texts/third-party.md", "docs/legal/third-party.md"), ("texts/agpl-3.0.txt", "LICENSE")]
)
def test_bundled_texts_are_the_originals(bundled, original):
    assert paths.resource(bundled).read_bytes() == (ROOT / original).read_bytes(), f"copy {original} to {bundled}"


def test_an_installation_without_the_texts_says_so(qtbot, monkeypatch, tmp_path):
    monkeypatch.setattr("outfitswap_desktop.ui.pages.about.paths.resource", lambda _name: tmp_path / "missing")
    dialog = AboutDialog()
    qtbot.addWidget(dialog)
    assert "missing" in dialog.findChild(QPlainTextEdit).toPlainText()
    assert any("missing" in label.text() for label in dialog.findChildren(QLabel))


# report

MEMBERS = {"report.txt": "OutfitSwap 0.1.0", "outfitswap.log": "a line\n" * 3}


@pytest.fixture
def report(qtbot, desk):
    made = ReportDialog(desk, entry=7)
    qtbot.addWidget(made)
    made.show()
    return made


def test_everything_that_goes_in_is_shown_before_it_can_be_saved(qtbot, report, desk):
    assert desk.request == WriteReport(None, note="", entry=7)
    assert not report.save.isEnabled()
    desk.answer(MEMBERS)
    assert report.save.isEnabled()
    seen = {}
    for row in range(report.names.count()):
        report.names.setCurrentRow(row)
        seen[report.names.item(row).text()] = report.text.toPlainText()
    assert seen == MEMBERS
    assert report.text.isReadOnly()


def test_a_note_is_shown_too_before_it_is_saved(qtbot, report, desk):
    desk.answer(MEMBERS)
    report.names.setCurrentRow(1)
    qtbot.keyClicks(report.note, "It stops")
    assert not report.save.isEnabled()
    qtbot.waitUntil(lambda: len(desk.asked) == 2)
    assert desk.request == WriteReport(None, note="It stops", entry=7)
    desk.answer({**MEMBERS, "report.txt": "It stops"})
    assert report.save.isEnabled()
    assert report.names.currentItem().text() == "outfitswap.log", "the file that is being read stays"


def test_an_answer_for_an_older_note_is_not_shown(qtbot, report, desk):
    qtbot.keyClicks(report.note, "x")
    desk.answer(MEMBERS, number=0)
    assert not report.save.isEnabled()
    assert report.names.count() == 0


def test_saving(qtbot, report, desk, tmp_path, monkeypatch):
    desk.answer(MEMBERS)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(tmp_path / "mine"), "")))
    report.save.click()
    assert desk.request == WriteReport(tmp_path / "mine.zip", note="", entry=7)
    assert not report.save.isEnabled()
    desk.answer(MEMBERS)
    assert any(str(tmp_path / "mine.zip") in label.text() for label in report.findChildren(QLabel))
    assert report.save.isEnabled()


def test_a_cancelled_dialog_saves_nothing(report, desk, monkeypatch):
    desk.answer(MEMBERS)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *_: ("", "")))
    report.save.click()
    assert len(desk.asked) == 1


def test_a_failure_is_said_in_its_sentence(report, desk, tmp_path):
    desk.answer(MEMBERS)
    report.save_as(tmp_path / "x.zip")
    desk.fail("The disk is full.", "Free some space.")
    assert any(label.text() == "The disk is full. Free some space." for label in report.findChildren(QLabel))
    assert report.save.isEnabled()
