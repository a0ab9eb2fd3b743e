"""Before the first photo both statements are made, and kept so that the command line knows of them too."""

from datetime import date

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel

from outfitswap_desktop import paths
from outfitswap_desktop.engine.messages import AskDoctor
from outfitswap_desktop.ui.pages import agreed
from outfitswap_desktop.ui.pages.first_run import FirstRunPage, summary_lines
from outfitswap_desktop.ui.pages.machine import MachineDialog, MachinePanel


@pytest.fixture
def page(qtbot, desk):
    made = FirstRunPage(desk)
    qtbot.addWidget(made)
    made.resize(900, 800)
    made.show()
    return made


def shown(widget):
    QApplication.processEvents()  # a layout shows what was added to it a moment later
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]


def test_every_line_of_the_terms_summary_is_shown(page):
    text = paths.resource("texts/first-run.txt").read_text(encoding="utf-8")
    lines = [line.strip(" -") for line in text.splitlines()]
    assert summary_lines() == lines
    assert set(lines) <= set(shown(page))


def test_continue_waits_for_both_statements(qtbot, page):
    told = []
    page.agreed.connect(lambda: told.append(True))
    for adult, consent, possible in (
        (False, False, False),
        (True, False, False),
        (False, True, False),
        (True, True, True),
    ):
        page.adult.setChecked(adult)
        page.consent.setChecked(consent)
        assert page.proceed.isEnabled() is possible
    qtbot.keyClick(page.proceed, Qt.Key.Key_Return)
    assert told == [True]


def test_by_keyboard_alone(qtbot, page):
    page.adult.setFocus()
    qtbot.keyClick(page.adult, Qt.Key.Key_Space)
    qtbot.keyClick(page.consent, Qt.Key.Key_Space)
    with qtbot.waitSignal(page.agreed):
        qtbot.keyClick(page.proceed, Qt.Key.Key_Space)
    with qtbot.waitSignal(page.quit_asked):
        qtbot.keyClick(page.leave, Qt.Key.Key_Space)


def test_a_click_on_the_words_counts_as_one_on_the_box(qtbot, page):
    words = next(label for label in page.findChildren(QLabel) if label.text() == page.consent.accessibleName())
    qtbot.mouseClick(words, Qt.MouseButton.LeftButton)
    assert page.consent.isChecked()
    assert page.consent.hasFocus()


def test_what_the_machine_can_do_comes_later(page, desk, doctor):
    assert isinstance(desk.request, AskDoctor)
    assert any("Checking" in text for text in shown(page))
    assert not page.machine.more.isVisible()
    desk.answer(doctor)
    texts = shown(page)
    assert "This machine is ready" in texts
    assert "Processor" in texts
    assert "Python" not in texts
    assert any("It may load all the same." in text for text in texts), "what is worth knowing is shown"
    page.machine.more.setChecked(True)
    assert "Python" in shown(page)


def test_a_machine_that_lacks_something_and_one_that_cannot_be_checked(qtbot, desk, doctor):
    panel = MachinePanel(desk)
    qtbot.addWidget(panel)
    panel.show()
    desk.answer({**doctor, "usable": False})
    assert any("missing here" in text for text in shown(panel))
    other = MachinePanel(desk)
    qtbot.addWidget(other)
    other.show()
    desk.fail("The engine stopped.", "Start again.")
    assert "The engine stopped. Start again." in shown(other)


def test_the_check_can_be_looked_at_later(qtbot, desk, doctor):
    dialog = MachineDialog(desk)
    qtbot.addWidget(dialog)
    dialog.show()
    desk.answer(doctor)
    assert "Python" in shown(dialog)


def test_nothing_is_agreed_where_nothing_is_kept(tmp_path):
    assert not agreed.was_agreed(tmp_path)
    assert not agreed.was_agreed(tmp_path / "not there")


def test_what_is_kept_says_who_stated_what_and_when(tmp_path):
    assert agreed.keep_agreed(tmp_path, today=date(2026, 11, 22))
    assert agreed.was_agreed(tmp_path)
    text = (tmp_path / "first-run.txt").read_text(encoding="utf-8")
    assert text.startswith(agreed.summary().strip())
    assert "2026-11-22" in text
    assert [path.name for path in tmp_path.iterdir()] == ["first-run.txt"]


def test_the_command_line_counts_what_the_window_kept_and_not_the_other_way_round(tmp_path):
    # the command line writes the summary alone, after showing it
    (tmp_path / "first-run.txt").write_text(agreed.summary(), encoding="utf-8")
    assert not agreed.was_agreed(tmp_path)
    agreed.keep_agreed(tmp_path, today=date(2026, 1, 1))
    assert (tmp_path / "first-run.txt").exists(), "all that the command line looks for"


def test_another_summary_is_asked_about_again(tmp_path):
    agreed.keep_agreed(tmp_path, today=date(2026, 1, 1))
    kept = tmp_path / "first-run.txt"
    kept.write_text(
        kept.read_text(encoding="utf-8").replace("nothing is uploaded", "something is uploaded"), encoding="utf-8"
    )
    assert not agreed.was_agreed(tmp_path)
    kept.write_bytes(b"\xff\xfe\x00")
    assert not agreed.was_agreed(tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    assert not agreed.keep_agreed(tmp_path / "not there", today=date(2026, 1, 1))
