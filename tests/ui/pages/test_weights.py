"""The Models page with a hub of our own: nothing before a click, the licence first, progress, cancel, faults in words."""

import subprocess
import sys

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QLabel, QMessageBox

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ui.pages.weights import WeightsPage
from outfitswap_desktop.ui.pages.weights_get import GetDialog
from outfitswap_desktop.ui.pages.weights_network import NetworkDialog
from outfitswap_desktop.ui.pages.weights_words import said_of, size_of
from outfitswap_desktop.ui.pages.weights_work import WeightsWork
from tests.ui.windows import main_window
from tests.weights.conftest import (  # noqa: F401
    FILES,
    SAM,
    catalogue,
    catalogue_file,
    hub,
    mirror,
    no_environment,
    store,
)
from tests.weights.test_importing import GOOD, checkpoint


@pytest.fixture
def work(qtbot, store):  # noqa: F811
    made = WeightsWork(store=lambda: store)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def page(qtbot, work):
    made = WeightsPage(work=work)
    qtbot.addWidget(made)
    made.resize(900, 640)
    made.show()
    qtbot.waitUntil(lambda: made.table.rowCount() == 6)
    return made


def choose(page, weights_id):
    page.view.selectRow(page.table.number_of(weights_id))


def cell(page, weights_id, column=4):
    return page.table.index(page.table.number_of(weights_id), column).data()


def dialog_of(qtbot, page, kind=GetDialog):
    qtbot.waitUntil(lambda: [each for each in page.findChildren(kind) if each.isVisible()] != [])
    return next(each for each in page.findChildren(kind) if each.isVisible())


def texts(widget):
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]


def press(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_sizes_and_space_are_there_before_any_click_and_nothing_is_asked(page, hub):  # noqa: F811
    assert (cell(page, "tiny", 2), cell(page, "plain", 2)) == ("about 3.4 MB", "0.9 MB")
    assert "free on this disk" in page.disk.text()
    assert cell(page, "tiny") == "not installed"
    assert hub.seen == []
    assert not page.progress.isVisible()
    choose(page, "strict")
    assert "does not allow commercial work" in page.details.text()
    assert "not pinned yet" in page.details.text()
    choose(page, "plain")
    assert "known to this program" in page.details.text()
    assert (page.get.isEnabled(), page.verify.isEnabled(), page.remove.isEnabled()) == (True, False, False)


def test_a_download_from_the_question_to_the_row(qtbot, page, work, store, hub):  # noqa: F811
    choose(page, "tiny")
    press(qtbot, page.get)
    dialog = dialog_of(qtbot, page)
    assert size_of(
        sum(len(FILES[path]) for path in FILES if path not in ("README.md", "unet/diffusion.safetensors"))
    ) in (texts(dialog))
    assert "owner/tiny" in texts(dialog)
    assert hub.downloads() == [], "asked, not fetched"
    assert dialog.go.isEnabled()
    seen = []
    work.moved.connect(seen.append)
    with qtbot.waitSignal(work.ended, timeout=15000):
        press(qtbot, dialog.go)
    qtbot.waitUntil(lambda: cell(page, "tiny") == "installed")
    assert store.state("tiny") == "installed"
    assert {doing.stage for doing in seen} >= {"asking", "fetching"}
    assert not page.progress.isVisible()
    assert page.table.row(page.view.selectionModel().selectedRows()[0]).key == "tiny", "what was chosen stays chosen"
    assert (page.get.isEnabled(), page.verify.isEnabled(), page.remove.isEnabled()) == (False, True, True)


def test_a_licence_is_accepted_by_a_tick_and_nothing_else(qtbot, page, work, store, hub):  # noqa: F811
    choose(page, "strict")
    press(qtbot, page.get)
    dialog = dialog_of(qtbot, page)
    assert not dialog.agree.isChecked()
    assert not dialog.go.isEnabled()
    assert "https://example.org/research" in texts(dialog)
    assert "Its licence does not allow commercial work." in texts(dialog)
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert hub.downloads() == []
    press(qtbot, dialog.cancel)
    assert not store.accepted("strict")
    press(qtbot, page.get)
    dialog = dialog_of(qtbot, page)
    qtbot.keyClick(dialog.agree, Qt.Key.Key_Space)
    with qtbot.waitSignal(work.ended, timeout=15000):
        press(qtbot, dialog.go)
    assert store.acceptance("strict").url == "https://example.org/research"
    assert store.state("strict") == "installed"


def test_a_cancel_keeps_what_came(qtbot, page, work, store, hub):  # noqa: F811
    hub.faults.slow = 0.05
    choose(page, "tiny")
    press(qtbot, page.get)
    press(qtbot, dialog_of(qtbot, page).go)
    qtbot.waitUntil(lambda: cell(page, "tiny").endswith("%") and cell(page, "tiny") != "0 %", timeout=10000)
    assert page.progress.isVisible()
    assert " of " in page.progress.speed.text()
    assert not page.get.isEnabled()
    with qtbot.waitSignal(work.ended, timeout=10000):
        press(qtbot, page.progress.cancel)
        assert page.progress.text.text() == "Cancelling…"
    qtbot.waitUntil(lambda: cell(page, "tiny") == "partly there")
    assert "What came so far is kept" in page.notice.text.text()
    assert store.state("tiny") == "partial"
    hub.faults.slow = 0
    press(qtbot, page.get)
    dialog = dialog_of(qtbot, page)
    assert "Already here" in texts(dialog)
    with qtbot.waitSignal(work.ended, timeout=15000):
        press(qtbot, dialog.go)
    assert store.state("tiny") == "installed"


def test_a_download_goes_on_while_the_page_is_closed(qtbot, work, hub):  # noqa: F811
    hub.faults.slow = 0.02
    first = WeightsPage(work=work)
    first.show()
    work.fetch("tiny")
    first.close()
    first.deleteLater()
    qtbot.wait(50)
    again = WeightsPage(work=work)
    qtbot.addWidget(again)
    again.show()
    assert again.progress.isVisible()
    with qtbot.waitSignal(work.ended, timeout=15000):
        pass
    qtbot.waitUntil(lambda: cell(again, "tiny") == "installed")


def test_no_network_is_one_sentence_without_options_of_the_command_line(qtbot, page, hub):  # noqa: F811
    hub.close()
    choose(page, "tiny")
    press(qtbot, page.get)
    qtbot.waitUntil(lambda: "could not be reached" in page.notice.text.text(), timeout=10000)
    assert "Network…" in page.notice.text.text()
    assert "--" not in page.notice.text.text()


def test_a_wrong_hash_is_said_and_nothing_is_used(qtbot, page, work, store, hub):  # noqa: F811
    hub.faults.corrupt = True
    with qtbot.waitSignal(work.ended, timeout=30000):
        work.fetch("tiny")
    assert "wrong hash" in page.notice.text.text()
    assert store.state("tiny") == "partial"


def test_what_does_not_fit_cannot_be_begun(qtbot, page, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    choose(page, "plain")
    press(qtbot, page.get)
    dialog = dialog_of(qtbot, page)
    assert not dialog.go.isEnabled()
    assert "It does not fit on this disk." in texts(dialog)


def test_verify_names_what_is_damaged_and_a_download_mends_it(qtbot, page, work, store, hub):  # noqa: F811
    with qtbot.waitSignal(work.ended, timeout=15000):
        work.fetch("tiny")
    qtbot.waitUntil(lambda: cell(page, "tiny") == "installed")
    choose(page, "tiny")
    with qtbot.waitSignal(work.ended, timeout=15000):
        press(qtbot, page.verify)
    assert page.notice.text.text() == "Every file is as it should be."
    (store.place("tiny") / "vae/diffusion.safetensors").write_bytes(b"x")
    with qtbot.waitSignal(work.ended, timeout=15000):
        press(qtbot, page.verify)
    assert "vae/diffusion.safetensors" in page.notice.text.text()
    qtbot.waitUntil(lambda: cell(page, "tiny") == "damaged")
    press(qtbot, page.get)
    with qtbot.waitSignal(work.ended, timeout=15000):
        press(qtbot, dialog_of(qtbot, page).go)
    assert store.state("tiny") == "installed"


def test_remove_asks_first(qtbot, page, work, store, monkeypatch):  # noqa: F811
    with qtbot.waitSignal(work.ended, timeout=15000):
        work.fetch("plain")
    qtbot.waitUntil(lambda: cell(page, "plain") == "installed")
    choose(page, "plain")
    monkeypatch.setattr(QMessageBox, "question", staticmethod(lambda *_: QMessageBox.StandardButton.No))
    press(qtbot, page.remove)
    assert work.doing is None
    monkeypatch.setattr(QMessageBox, "question", staticmethod(lambda *_: QMessageBox.StandardButton.Yes))
    with qtbot.waitSignal(page.changed, timeout=15000):
        press(qtbot, page.remove)
    assert store.state("plain") == "missing"


def test_import_asks_about_another_file_and_refuses_a_bad_one(qtbot, page, work, store, tmp_path, monkeypatch):  # noqa: F811
    press(qtbot, page.from_file)
    assert "Choose the model" in page.notice.text.text()
    choose(page, "plain")
    bad = checkpoint(tmp_path / "bad.pth", b"cos\nsystem\n.")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *_: (str(bad), "")))
    with qtbot.waitSignal(work.looked, timeout=10000):
        press(qtbot, page.from_file)
    assert "it would call os.system" in page.notice.text.text()
    good = checkpoint(tmp_path / "mine.pth", GOOD)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *_: (str(good), "")))
    asked = []
    monkeypatch.setattr(
        QMessageBox, "question", staticmethod(lambda *said: asked.append(said[2]) or QMessageBox.StandardButton.Yes)
    )
    with qtbot.waitSignal(work.ended, timeout=10000):
        press(qtbot, page.from_file)
    assert "is not the published plain" in asked[0]
    assert store.state("plain") == "installed"


def test_network_settings(qtbot, page, work, store, hub):  # noqa: F811
    press(qtbot, page.network)
    dialog = dialog_of(qtbot, page, NetworkDialog)
    dialog.offline.setChecked(True)
    dialog.mirrors.setPlainText("nonsense")
    press(qtbot, dialog.save)
    qtbot.waitUntil(lambda: "not a web address" in dialog.said.text())
    dialog.mirrors.setPlainText("https://mirror.example\n")
    with qtbot.waitSignal(dialog.accepted):
        press(qtbot, dialog.save)
    choose(page, "tiny")
    press(qtbot, page.get)
    qtbot.waitUntil(lambda: "Offline mode is on" in page.notice.text.text())
    assert hub.seen == []


def test_hints_of_the_command_line_do_not_reach_the_page():
    for reason in ("no_network", "offline", "wrong_hash", "hash_unknown", "licence_not_accepted", "disk_full", "other"):
        said = said_of(NotAvailable("It is so.", reason=reason, hint="Use --yes. Or `outfitswap models get --repair`."))
        assert said.startswith("It is so.")
        assert "--" not in said


def test_from_the_windows_menu(qtbot):
    """With the catalogue of the program: every row is there, and nothing of the page stays when it is closed."""
    with main_window(qtbot) as window:
        window.workshop.show_weights()
        page = window.findChild(WeightsPage)
        qtbot.waitUntil(lambda: page.table.rowCount() == 23, timeout=10_000)
        choose(page, "sdxl")
        assert "SDXL decoder" in page.details.text()
        assert page.get.isEnabled()
        with qtbot.waitSignal(page.destroyed):
            page.window().close()


def test_the_page_loads_no_library_for_the_network():
    code = (
        "import sys, outfitswap_desktop.ui.pages.weights;"
        "print([m for m in ('httpx', 'httpx2', 'huggingface_hub', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
