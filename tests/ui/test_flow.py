"""Whole flows in the real window, with real engine processes around scripted steps; one with the real steps."""

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QAccessible, QGuiApplication, QImage
from PySide6.QtWidgets import QDialog, QLabel, QMessageBox

from outfitswap_desktop import paths
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.engine.messages import Cancelled, Finished, Refused
from outfitswap_desktop.store.history import History
from outfitswap_desktop.ui.menus import MENUS
from tests.fakes import STATED
from tests.ui.windows import main_window, open_photo, run

AGREED = {"consent": STATED["consent"], "adult_attested": True}


@pytest.fixture
def window(qtbot):
    with main_window(qtbot) as opened:
        yield opened


def test_from_the_sample_to_a_saved_result_in_three_clicks(qtbot):
    with main_window(qtbot, real=True) as window:
        shop = window.workshop
        with qtbot.waitSignal(shop.session.found, timeout=90_000):
            qtbot.mouseClick(window.start_page.sample, Qt.MouseButton.LeftButton)
        view = shop.editor.outfit.presets.view
        first = view.visualRect(view.model().index(0, 0)).center()
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=first)
        with qtbot.waitSignal(shop.runs.ended, timeout=120_000) as ended:
            qtbot.mouseClick(shop.editor.run.run, Qt.MouseButton.LeftButton)
        assert isinstance(ended.args[1], Finished)
        assert window.page == "result"
        assert shop.result.picture.output.is_file()
        qtbot.waitUntil(lambda: shop.result.counts is not None and shop.result.counts.has_mask, timeout=20_000)
        assert shop.result.counts.outside_changed == 0
        with History(paths.history_file()) as history:
            assert history.count() == 1


def test_a_result_is_of_the_mask_that_was_painted(qtbot, window, astronaut_file):
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    model = shop.session.mask
    model.clear()
    from outfitswap_desktop.core.strokes import Brush

    model.begin(Brush(size=120, hardness=1.0))
    for x in range(180, 340, 8):
        model.move(x, 300)
    model.end()
    _, end = run(qtbot, window)
    assert isinstance(end, Finished), end
    mask = np.asarray(Image.open(end.answer.about["mask"]))
    painted = model.effective() >= 128
    assert (mask > 0)[~painted].sum() == 0
    assert (mask > 0).sum() > 0.9 * painted.sum()


@pytest.mark.slow
def test_a_result_takes_nobody_away_from_the_queue(qtbot, window, astronaut_file):
    """Whoever looks at the queue or the history wants to stay there; the status line says how to see the result."""
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    shop.runs.started.connect(lambda _job: window.go("queue"))
    _, end = run(qtbot, window)
    assert isinstance(end, Finished), end
    assert window.page == "queue"
    assert "Ctrl+2 shows it." in window._says.text()


@pytest.mark.slow
def test_labels_are_read_out_with_what_they_say(qtbot, window, astronaut_file):
    """An accessible name takes a label's text from those who cannot see it; what it is for is its description."""
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    run(qtbot, window)
    shop.editor.outfit.words.set_text("navy")
    window.say("Nothing has happened.")
    mute = [
        (label.text(), label.accessibleName())
        for label in window.findChildren(QLabel)
        if any(map(str.isalpha, label.text()))
        and label.accessibleName().strip()
        and label.text() not in label.accessibleName()
    ]
    assert mute == []
    read = QAccessible.queryAccessibleInterface(window._says)
    assert read.text(QAccessible.Text.Name) == "Nothing has happened."
    assert read.text(QAccessible.Text.Description) == "Messages"


def test_another_zone_by_its_chip(qtbot, window, astronaut_file):
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    chips = shop.editor.outfit._zone_chips
    qtbot.mouseClick(chips[Zone.BOTTOM], Qt.MouseButton.LeftButton)
    assert shop.session.zone is Zone.BOTTOM
    assert np.array_equal(shop.session.mask.painted > 0, shop.session.garments.regions[Zone.BOTTOM].mask > 0)
    shop.session.mask.undo()
    top = (shop.session.garments.regions[Zone.TOP].mask > 0) & (shop.session.mask.keep > 0)
    assert np.array_equal(shop.session.mask.painted > 0, top)


@pytest.mark.slow
def test_consent_is_asked_once_and_then_known(qtbot, window, astronaut_file, monkeypatch):
    from outfitswap_desktop.ui.pages.consent import ConsentDialog

    asked = []

    def answer(dialog):
        asked.append(dialog)
        dialog.choose("self")
        dialog.adult.setChecked(True)
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(ConsentDialog, "exec", answer)
    open_photo(qtbot, window, astronaut_file)
    _, end = run(qtbot, window)
    assert isinstance(end, Finished), end
    assert len(asked) == 1
    open_photo(qtbot, window, astronaut_file)
    assert window.workshop.session.agreed
    _, end = run(qtbot, window, "grey wool")
    assert isinstance(end, Finished), end
    assert len(asked) == 1


def test_who_states_nothing_runs_nothing(qtbot, window, astronaut_file, monkeypatch):
    from outfitswap_desktop.ui.pages.consent import ConsentDialog

    monkeypatch.setattr(ConsentDialog, "exec", lambda dialog: QDialog.DialogCode.Rejected)
    shop = open_photo(qtbot, window, astronaut_file)
    shop.editor.outfit.words.set_text("navy")
    shop.run()
    qtbot.wait(300)
    assert shop.runs.left == 0


def test_refused_words_are_explained_in_place_and_nothing_runs(qtbot, window, astronaut_file):
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    shop.editor.outfit.words.set_text("see-through blouse")
    qtbot.waitUntil(lambda: shop.editor.outfit.words.answer is not None, timeout=30_000)
    assert not shop.editor.outfit.words.answer.allowed
    assert not shop.editor.run.run.isEnabled()
    shop.run()
    qtbot.wait(200)
    assert shop.runs.left == 0


def test_a_gate_that_refuses_is_told_in_a_box(qtbot, window, astronaut_file, monkeypatch):
    told = []
    monkeypatch.setattr(QMessageBox, "open", lambda box: told.append(box.text()))
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    shop.editor.outfit.words.set_text("see-through blouse")
    shop.session.set_outfit(shop.editor.outfit.outfit)
    with qtbot.waitSignal(shop.runs.ended, timeout=60_000) as ended:
        shop.runs.order("see-through blouse")  # past the panel: the kernel says no all the same
    assert isinstance(ended.args[1], Refused)
    assert told == [ended.args[1].problem.message]
    assert not list(paths.results_dir().iterdir())


def test_cancel_leaves_nothing(qtbot, window, astronaut_file, own_home):
    (own_home / "slow").write_text("20")
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    shop.editor.outfit.words.set_text("navy")
    with qtbot.waitSignal(shop.runs.progressed, timeout=60_000, check_params_cb=lambda _j, p: p.stage == "mask"):
        shop.run()
    with qtbot.waitSignal(shop.runs.ended, timeout=30_000) as ended:
        qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert isinstance(ended.args[1], Cancelled)
    assert not list(paths.results_dir().iterdir())
    with History(paths.history_file()) as history:
        assert history.count() == 0
    (own_home / "slow").unlink()
    _, end = run(qtbot, window)
    assert isinstance(end, Finished), end


@pytest.mark.slow
def test_variations_have_seeds_in_a_row_and_names_of_their_own(qtbot, window, astronaut_file):
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    panel = shop.editor.outfit
    panel.words.set_text("navy")
    panel.advanced.variations.setValue(3)
    panel.advanced.seed.setText("41")
    panel.advanced._seed_edited("41")
    ended = []
    shop.runs.ended.connect(lambda job, end: ended.append(end))
    shop.run()
    qtbot.waitUntil(lambda: len(ended) == 3, timeout=120_000)
    assert all(isinstance(end, Finished) for end in ended), ended
    with History(paths.history_file()) as history:
        entries = history.list()
    assert sorted(entry.seed for entry in entries) == [41, 42, 43]
    assert len({entry.output for entry in entries}) == 3


@pytest.mark.slow
def test_a_paste_opens_the_picture_and_its_result_is_saved(qtbot, window, astronaut):
    height, width = astronaut.shape[:2]
    image = QImage(astronaut.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    QGuiApplication.clipboard().setImage(image.copy())  # which outlives the bytes
    with qtbot.waitSignal(window.workshop.session.found, timeout=60_000):
        window.actions_["file.paste"].trigger()
    window.workshop.session.state("self", adult_attested=True)
    _, end = run(qtbot, window)
    assert isinstance(end, Finished), end
    assert end.answer.picture.output.name.startswith("pasted-navy")


def test_a_dropped_file_that_is_no_photo_is_told_and_changes_nothing(
    qtbot, window, astronaut_file, tmp_path, monkeypatch
):
    told = []
    monkeypatch.setattr(QMessageBox, "open", lambda box: told.append(box.text()))
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    before = shop.session.photo
    bad = tmp_path / "no.png"
    bad.write_bytes(b"nothing")
    files = QMimeData()
    files.setUrls([QUrl.fromLocalFile(str(bad))])
    with qtbot.waitSignal(shop.session.refused, timeout=30_000):
        window._take(files)
    assert len(told) == 1
    assert shop.session.photo is before


@pytest.mark.slow
def test_a_result_as_the_new_source_keeps_its_root(qtbot, window, astronaut_file):
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    _, first = run(qtbot, window)
    with qtbot.waitSignal(shop.session.found, timeout=60_000):
        shop.result.use_as_source.emit(first.answer.picture.output, first.answer.picture.sha256)
    shop.session.state("self", adult_attested=True)
    _, second = run(qtbot, window, "grey wool")
    assert isinstance(second, Finished), second
    with History(paths.history_file()) as history:
        newer, older = history.list()
    assert newer.receipt["safety"]["root_sha256"] == older.receipt["safety"]["root_sha256"] == older.photo_sha256


def test_every_action_stands_in_a_menu_and_has_keys_of_its_own(window):
    registry = window.actions_
    actions = list(registry)
    assert len(actions) > 80
    assert [a.objectName() for a in actions if not registry.spec(a.objectName()).keys] == []
    assert {registry.spec(a.objectName()).menu for a in actions} <= set(MENUS)
    shown = {action for menu in window.menuBar().actions() for action in menu.menu().actions()}
    assert [a.objectName() for a in actions if a not in shown] == []


def test_every_control_that_takes_the_keyboard_has_a_name(window):
    from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QSlider, QWidget

    for page in ("edit", "result", "history", "queue", "start"):
        window.go(page)
    nameless = []
    for widget in window.findChildren(QWidget):
        kinds = (QAbstractButton, QComboBox, QLineEdit, QSlider, QAbstractSpinBox)
        if not isinstance(widget, kinds) or widget.focusPolicy() == Qt.FocusPolicy.NoFocus:
            continue
        if widget.objectName().startswith("qt_") or isinstance(widget.parent(), QComboBox | QAbstractSpinBox):
            continue  # parts of Qt's own widgets
        named = widget.accessibleName() or widget.toolTip() or (widget.text() if hasattr(widget, "text") else "")
        if not named:
            nameless.append((type(widget).__name__, type(widget.parent()).__name__, widget.objectName()))
    assert nameless == []


def test_the_terms_come_before_everything(qtbot, astronaut_file):
    with main_window(qtbot, agreed=False, photo=astronaut_file) as window:
        assert type(window.pages.currentWidget()).__name__ == "FirstRunPage"
        assert not window.actions_["file.open"].isEnabled()
        page = window.pages.currentWidget()
        page.adult.setChecked(True)
        assert not page.proceed.isEnabled()
        page.consent.setChecked(True)
        with qtbot.waitSignal(window.workshop.session.found, timeout=60_000):
            qtbot.mouseClick(page.proceed, Qt.MouseButton.LeftButton)
        assert window.actions_["file.open"].isEnabled()
    with main_window(qtbot, agreed=False) as window:
        assert window.page == "start"


@pytest.mark.slow
def test_what_was_open_is_offered_again(qtbot, astronaut_file):
    with main_window(qtbot) as window:
        shop = open_photo(qtbot, window, astronaut_file, **AGREED)
        shop.editor.outfit.words.set_text("mustard wool")
        shop.session.mask.clear()
    with main_window(qtbot) as window:
        qtbot.waitUntil(window._offer.isVisible, timeout=10_000)
        with qtbot.waitSignal(window.workshop.session.found, timeout=60_000):
            qtbot.mouseClick(window._offer.go_on, Qt.MouseButton.LeftButton)
        session = window.workshop.session
        assert session.outfit.words == window.workshop.editor.outfit.words.text == "mustard wool"
        assert not session.mask.painted.any()
        assert session.consent == "self"
        assert session.mask.can_undo
        session.mask.undo()
        assert session.mask.painted.any()


def test_closing_the_photo_forgets_the_project(qtbot, astronaut_file):
    with main_window(qtbot) as window:
        open_photo(qtbot, window, astronaut_file, **AGREED)
        window.actions_["file.close"].trigger()
        assert window.page == "start"
        assert window.workshop.editor.canvas.model is None
    with main_window(qtbot) as window:
        qtbot.wait(400)
        assert not window._offer.isVisible()


@pytest.mark.slow
def test_a_mask_goes_out_and_comes_in_again(qtbot, window, astronaut_file, tmp_path):
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    before = shop.session.mask.effective() >= 128
    with qtbot.waitSignal(shop.session.notice, timeout=20_000):
        shop.session.export_mask(tmp_path / "mask.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "mask.png")) >= 128, before)
    shop.session.mask.clear()
    with qtbot.waitSignal(shop.session.mask.changed, timeout=20_000):
        shop.session.import_mask(tmp_path / "mask.png")
    keep = shop.session.mask.keep > 0
    assert np.array_equal(shop.session.mask.effective() >= 128, before & keep)


@pytest.mark.slow
def test_an_order_that_waits_is_seen_moved_and_cancelled(qtbot, window, astronaut_file, own_home):
    (own_home / "slow").write_text("3")
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    page = shop._built["queue"]
    page.pause.setChecked(True)
    qtbot.waitUntil(lambda: shop.runs._worker.paused, timeout=10_000)
    for words in ("navy", "grey wool", "red silk"):
        shop.editor.outfit.words.set_text(words)
        shop.run()
    qtbot.waitUntil(lambda: page.model.rowCount() == 3, timeout=10_000)
    page.view.selectRow(2)
    qtbot.mouseClick(page._buttons["up"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.model.row(1).words == "red silk", timeout=10_000)
    page.view.selectRow(0)
    qtbot.mouseClick(page._buttons["cancel"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shop.runs.left == 2, timeout=10_000)
    ended = []
    shop.runs.ended.connect(lambda job, end: ended.append(end))
    page.pause.setChecked(False)
    qtbot.waitUntil(lambda: len(ended) == 2, timeout=60_000)
    assert [end.answer.about["output"].rsplit("-", 2)[-2:] for end in ended] == [
        ["red", "silk.png"],
        ["grey", "wool.png"],
    ]


def test_the_place_of_things_is_kept(qtbot):
    with main_window(qtbot) as window:
        editor = window.workshop.editor
        editor.canvas.options.size = 333
        editor.split.setSizes([700, 560])
        kept = editor.split.sizes()
        window.resize(1200, 800)
    with main_window(qtbot) as window:
        editor = window.workshop.editor
        assert editor.canvas.options.size == 333
        window.go("edit")
        share = editor.split.sizes()[1] / sum(editor.split.sizes())
        assert abs(share - kept[1] / sum(kept)) < 0.1
