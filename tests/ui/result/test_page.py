"""The result page: what it takes, what it says, and where its buttons lead."""

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication, QImage
from PySide6.QtTest import QTest

from outfitswap_desktop.engine.messages import (
    ExportResult,
    OpenPhoto,
    OpenResult,
    Problem,
    ResultOpened,
)
from outfitswap_desktop.store.history import History
from outfitswap_desktop.ui.actions import Actions
from outfitswap_desktop.ui.history.shelf import Shelf
from outfitswap_desktop.ui.result import export_dialog, handing_out
from outfitswap_desktop.ui.result.compare_view import Mode
from outfitswap_desktop.ui.result.export_dialog import ExportDialog
from outfitswap_desktop.ui.result.page import ResultPage
from tests.store.jobs import write_one
from tests.ui.result.pictures import FakeDesk, altered, box_mask, done, opened, photo_pixels, picture


@pytest.fixture
def desk():
    return FakeDesk()


@pytest.fixture
def page(qtbot, desk):
    shown = ResultPage(desk)
    qtbot.addWidget(shown, before_close_func=lambda widget: widget.close_down())
    shown.resize(1000, 700)
    shown.show()
    return shown


@pytest.fixture
def result(tmp_path):
    pixels, mask = photo_pixels(), box_mask()
    file = tmp_path / "navy.png"
    file.write_bytes(b"the file")
    return picture(altered(pixels, mask), file), opened(pixels), mask


def shown(qtbot, page, result, **about):
    found, photo, mask = result
    page.show_done(done(found, **about), photo=photo, mask=mask, prompt="navy coat")
    qtbot.waitUntil(lambda: not page.is_busy)


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4, 3), np.uint8), QImage(4, 4, QImage.Format.Format_RGB32), b"png", None]
)
def test_no_array_is_shown_copied_dragged_or_exported(page, wrong, tmp_path):
    """The way in is typed: what is shown as a result came from the kernel."""
    with pytest.raises(TypeError):
        page.show_done(wrong)
    with pytest.raises(TypeError):
        page.show_done(done(wrong))
    with pytest.raises(TypeError):
        handing_out.mime_of(wrong)
    with pytest.raises(TypeError):
        handing_out.copy(wrong)
    with pytest.raises(TypeError):
        ExportDialog(wrong, tmp_path)
    if wrong is not None:
        with pytest.raises(TypeError):
            page.set_photo(wrong)
        with pytest.raises(TypeError):
            page.foot.drag.set_picture(wrong)


def test_a_finished_job_is_shown_with_its_proof(page, qtbot, result):
    shown(qtbot, page, result)
    assert page.counts.outside_changed == 0
    assert "bit for bit" in page.proof_text
    assert page.entry_id == 5


def test_a_mask_that_is_not_handed_in_is_fetched(page, qtbot, desk, result):
    found, photo, mask = result
    desk.answers[OpenResult] = ResultOpened(found, mask)
    page.show_done(done(found), photo=photo)
    qtbot.waitUntil(lambda: not page.is_busy)
    assert desk.of(OpenResult) == [OpenResult(found.output, found.sha256)]
    assert page.counts.has_mask
    assert page.counts.outside_changed == 0


def test_a_changed_pixel_is_told(page, qtbot, result):
    found, photo, mask = result
    pixels = found.pixels.copy()
    pixels[0, 0, 0] ^= 1
    shown(qtbot, page, (picture(pixels, found.output), photo, mask))
    assert page.counts.outside_changed == 1
    assert "1 of" in page.proof_text
    page.set_mode(Mode.DIFFERENCE)
    qtbot.waitUntil(lambda: not page.is_busy)
    assert page.view.mode is Mode.DIFFERENCE


def test_without_a_photo_there_is_nothing_to_compare_with(page, qtbot, result):
    found, _, mask = result
    page.show_done(done(found), mask=mask)
    qtbot.waitUntil(lambda: not page.is_busy)
    page.set_mode(Mode.DIFFERENCE)
    assert page.view.mode is Mode.SLIDER
    assert page.counts is None
    assert page.proof_text == ""


def test_c_is_held_for_the_photo(page, qtbot, result):
    shown(qtbot, page, result)
    page.view.setFocus()
    QTest.keyPress(page.view, Qt.Key.Key_C)
    assert page.view.is_held
    QTest.keyRelease(page.view, Qt.Key.Key_C)
    assert not page.view.is_held


def test_buttons_lead_on(page, qtbot, result, monkeypatch):
    shown(qtbot, page, result)
    with qtbot.waitSignal(page.use_as_source) as source:
        page.foot.buttons["use"].click()
    assert source.args == [result[0].output, result[0].sha256]
    with qtbot.waitSignal(page.remake) as again:
        page.foot.buttons["remake"].click()
    assert again.args == [5]
    opened_urls = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened_urls.append(url) or True)
    page.foot.buttons["reveal"].click()
    assert opened_urls == [QUrl.fromLocalFile(str(result[0].output.parent))]


def test_the_clipboard_gets_the_file_and_the_released_pixels(page, qtbot, result):
    shown(qtbot, page, result)
    page.copy()
    held = QGuiApplication.clipboard().mimeData()
    assert held.urls() == [QUrl.fromLocalFile(str(result[0].output))]
    image = QGuiApplication.clipboard().image()
    assert (image.width(), image.height()) == (160, 120)
    assert image.pixelColor(50, 40).getRgb()[:3] == tuple(result[0].pixels[40, 50])
    QGuiApplication.clipboard().clear()


def test_what_is_dragged_is_the_file(result):
    held = handing_out.mime_of(result[0], with_pixels=False)
    assert held.urls() == [QUrl.fromLocalFile(str(result[0].output))]
    assert not held.hasImage()


def test_the_dialog_asks_the_engine_and_saves_nothing(page, qtbot, desk, result, tmp_path):
    shown(qtbot, page, result)
    said = []
    page.said.connect(said.append)
    target = tmp_path / "out" / "small.jpg"
    desk.answers[ExportResult] = target
    page.ask_export()
    dialog = page._dialog
    dialog.set_format("JPEG")
    dialog._quality.setValue(80)
    dialog._metadata.setChecked(False)
    dialog._label.setChecked(True)
    dialog._name.setText("small.jpeg")
    dialog._folder.setText(str(tmp_path / "out"))
    with qtbot.waitSignal(page.exported):
        dialog.accept()
    assert desk.of(ExportResult) == [
        ExportResult(result[0].output, result[0].sha256, target, quality=80, keep_metadata=False, label=True)
    ]
    assert not target.exists()
    assert str(target) in said[-1]
    assert page.export_folder == target.parent


def test_the_dialog_does_not_write_over_the_result(qtbot, result, tmp_path):
    dialog = ExportDialog(result[0], tmp_path)
    qtbot.addWidget(dialog)
    assert dialog.target.name == "navy-export.png"
    assert dialog._buttons.buttons()[0].isEnabled()
    for name in ("navy", "", "a/b", "navy.png"):
        dialog._name.setText(name)
        assert not dialog._buttons.buttons()[0].isEnabled(), name
    dialog.reject()


def test_the_size_is_told_about_right(qtbot):
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 1200).astype(np.uint8)
    pixels = np.repeat(np.repeat(ramp[None, :, None], 900, 0), 3, 2) // 2 + rng.integers(
        0, 30, (900, 1200, 3), np.uint8
    )
    import cv2

    for suffix, options in ((".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90]), (".webp", [cv2.IMWRITE_WEBP_QUALITY, 90])):
        actual = len(cv2.imencode(suffix, pixels[..., ::-1], options)[1])
        assert 0.8 < (export_dialog.estimate(pixels, suffix, 90) - 24_000) / actual < 1.3


def test_a_failed_export_is_told(page, qtbot, desk, result, tmp_path):
    shown(qtbot, page, result)
    desk.answers[ExportResult] = Problem("not_available", "disk_full", "The disk is full.", "Free some space.")
    with qtbot.waitSignal(page.trouble) as told:
        page.export(ExportResult(result[0].output, result[0].sha256, tmp_path / "x.png"))
    assert told.args == ["The disk is full. Free some space."]


def test_a_result_of_the_history_is_loaded_with_its_photo(page, qtbot, desk, result, tmp_path):
    found, photo, mask = result
    with History(tmp_path / "history.db") as history:
        entry = history.get(write_one(history, tmp_path / "out", "r", 3))
    photo = opened(photo.pixels, entry.photo_sha256)
    desk.answers = {OpenResult: ResultOpened(found, mask), OpenPhoto: photo}
    page.show_entry(entry)
    qtbot.waitUntil(lambda: not page.is_busy)
    assert desk.asked == [OpenResult(entry.output, entry.output_sha256), desk.of(OpenPhoto)[0]]
    assert desk.of(OpenPhoto)[0].source == Path("/photos/me.jpg")
    assert page.counts.outside_changed == 0
    desk.answers[OpenPhoto] = opened(photo.pixels, "9" * 64)
    page.show_entry(entry)
    qtbot.waitUntil(lambda: not page.is_busy)
    assert "changed since" in page.proof_text
    desk.answers[OpenResult] = Problem("not_available", "gone", "The file is gone.")
    with qtbot.waitSignal(page.trouble):
        page.show_entry(entry)


def test_variations_of_the_same_wish_are_a_click_away(qtbot, desk, result, tmp_path):
    found, photo, mask = result
    with History(tmp_path / "history.db") as history:
        ids = [write_one(history, tmp_path / "out", f"r{n}", n) for n in range(3)]
        other = write_one(history, tmp_path / "out", "other", 9, prompt="red coat")
        history.trash([ids[1]])
    shelf = Shelf(tmp_path / "history.db")
    page = ResultPage(desk, shelf)
    qtbot.addWidget(page, before_close_func=lambda widget: (widget.close_down(), shelf.close()))
    page.show()
    page.show_done(done(found, entry_id=ids[0]), photo=photo, mask=mask)
    qtbot.waitUntil(lambda: page.strip.model().rowCount() == 2)
    desk.answers[OpenResult] = ResultOpened(found, mask)
    index = page.strip.model().index(0, 0)
    page.strip.activated.emit(index)
    assert page.entry_id == ids[2] != other
    qtbot.waitUntil(lambda: not page.is_busy and shelf.is_idle)


def test_actions_are_on_while_the_page_shows_something(page, qtbot, result):
    actions = Actions()
    page.add_actions(actions)
    assert not actions["result.export"].isEnabled()
    shown(qtbot, page, result)
    assert actions["result.export"].isEnabled()
    assert actions["result.difference"].shortcut().toString() == "D"
    actions["result.difference"].trigger()
    assert page.view.mode is Mode.DIFFERENCE
    page.hide()
    assert not actions["result.export"].isEnabled()
    page.clear()
    page.show()
    assert not actions["result.export"].isEnabled()
    qtbot.waitUntil(lambda: not page.is_busy)


def test_a_newer_result_replaces_an_older_one_still_in_the_making(page, qtbot, result):
    found, photo, mask = result
    big = np.zeros((2000, 3000, 3), np.uint8)
    page.show_done(done(picture(big, found.output)), photo=opened(big), mask=None)
    page.show_done(done(found), photo=photo, mask=mask)
    qtbot.waitUntil(lambda: not page.is_busy)
    assert page.view._after.size.width() == 160
    assert page.counts.outside == 120 * 160 - 30 * 40


@pytest.mark.parametrize("name", ["accessibleName", "toolTip"])
def test_every_control_has_a_name_and_a_tip(page, name):
    actions = Actions()
    page.add_actions(actions)
    from PySide6.QtWidgets import QAbstractButton

    without = [one.text() for one in page.findChildren(QAbstractButton) if not getattr(one, name)()]
    assert without == []


def test_24_megapixels_do_not_block(page, qtbot, tmp_path):
    """Preparing and comparing are on another thread: the event loop goes on meanwhile."""
    big = np.random.default_rng(0).integers(0, 256, (500, 6000, 3), dtype=np.uint8).repeat(8, 0)
    mask = np.zeros(big.shape[:2], np.uint8)
    page.show_done(done(picture(big, tmp_path / "x.png")), photo=opened(big), mask=mask)
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(5)
    qtbot.waitUntil(lambda: not page.is_busy, timeout=20_000)
    timer.stop()
    assert page.counts.outside_changed == 0
    gaps = [after - before for before, after in pairwise(ticks)]
    assert max(gaps, default=9) < 0.25, "half a second of arithmetic must not be one stall"
