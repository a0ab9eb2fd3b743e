"""What a first-time user meets: a page without a photo, several persons, nobody, a paused queue, and Tab."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from outfitswap_desktop.engine.messages import FindGarments, Problem
from outfitswap_desktop.ui.notice import Notice
from outfitswap_desktop.ui.orders import orders
from outfitswap_desktop.ui.wording import in_window, without_options
from tests.ui.windows import main_window, open_photo, run

AGREED = {"consent": "self", "adult_attested": True}


@pytest.fixture
def window(qtbot):
    with main_window(qtbot) as opened:
        yield opened


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("person_needed", "Draw the person's outline too (--outline FILE, white on black) and add --adult-attested."),
        ("mask_outside", "Draw it on the garment, choose another --zone, or choose the person with --person."),
        ("no_such_zone", "Choose one of these with --zone, or draw the garment with --mask."),
        ("nobody_found", "Draw the garment yourself and pass it with --mask MASK.png. Tried: faces: none."),
    ],
)
def test_no_hint_names_an_option_that_a_window_does_not_have(reason, hint):
    told = in_window(Problem("refused", reason, "Why.", hint))
    assert told.hint
    assert "--" not in told.hint
    assert told.message == "Why."


def test_a_hint_without_options_stays(qtbot):
    problem = Problem("refused", "cut_off", "Why.", "Copy or download it again.")
    assert in_window(problem) is problem
    assert without_options("2 persons were found. Choose another with --person.") == "2 persons were found."


def test_a_notice_is_as_wide_as_its_words_and_no_wider_than_its_place(qtbot):
    from PySide6.QtWidgets import QWidget

    place = QWidget()
    qtbot.addWidget(place)
    place.resize(500, 300)
    place.show()
    notice = Notice(place)
    notice.say("many words " * 40, "Do it", lambda: None)
    assert notice.geometry().right() < place.width()
    tall = notice.height()
    notice.say("Short.")
    assert notice.width() < 200
    assert notice.height() < tall
    notice.say("")
    assert notice.isHidden()


def test_a_page_without_a_photo_says_so_and_offers_to_open_one(qtbot, window, monkeypatch):
    asked = []
    monkeypatch.setattr(window, "browse", lambda: asked.append(True))
    window.go("edit")
    editor = window.workshop.editor
    assert "Nothing is open" in editor.notice.text
    editor.open_asked.connect(lambda: asked.append(True))
    qtbot.mouseClick(editor.notice.button, Qt.MouseButton.LeftButton)
    assert asked


def test_tab_goes_as_the_eye_does(qtbot, window, astronaut_file):
    shop = open_photo(qtbot, window, astronaut_file)
    panel = shop.editor.outfit
    round_of = []
    stop = shop.editor.canvas
    while True:
        round_of.append(stop)
        stop = stop.nextInFocusChain()
        if stop is shop.editor.canvas:
            break
    wanted = [
        shop.editor.canvas,
        *panel._zone_chips.values(),
        panel.words.field,
        panel.presets.search,
        panel.presets.view,
        shop.editor.run.run,
    ]
    places = [round_of.index(one) for one in wanted]
    assert places == sorted(places)


def test_an_empty_mask_is_said_and_not_run(qtbot, window, astronaut_file):
    shop = open_photo(qtbot, window, astronaut_file)
    shop.editor.outfit.words.set_text("navy")
    qtbot.waitUntil(lambda: not shop.editor.blocked())
    shop.session.mask.clear()
    assert "empty" in shop.editor.blocked()
    assert not shop.editor.run.run.isEnabled()
    shop.session.mask.undo()
    assert shop.editor.run.run.isEnabled()


def test_in_a_photo_without_a_found_person_the_person_can_be_painted(qtbot, window, tmp_path, monkeypatch):
    from PIL import Image

    grey = tmp_path / "grey.png"
    Image.fromarray(np.full((240, 240, 3), 128, np.uint8)).save(grey)
    shop = window.workshop
    ask = shop.desk.ask

    def finds_nobody(request, answered, failed=None, **named):
        if isinstance(request, FindGarments):
            failed(Problem("refused", "nobody_found", "No person was found in the photo.", "Pass it with --mask."))
            return 0
        return ask(request, answered, failed, **named)

    monkeypatch.setattr(shop.desk, "ask", finds_nobody)
    with qtbot.waitSignal(shop.session.nobody, timeout=60_000):
        shop.open_photo(grey, **AGREED)
    editor = shop.editor
    take = window.actions_["mask.person"]
    assert take.isEnabled()
    take.trigger()
    assert shop.session.outline is None
    assert "first" in editor.notice.text
    person = np.zeros((240, 240), np.uint8)
    person[20:220, 60:180] = 255
    shop.session.mask.replace(person)
    qtbot.mouseClick(editor.notice.button, Qt.MouseButton.LeftButton)
    np.testing.assert_array_equal(shop.session.outline, person)
    assert not shop.session.mask.painted.any()
    garment = np.zeros((240, 240), np.uint8)
    garment[80:140, 80:160] = 255
    shop.session.mask.replace(garment)
    (made,) = orders(shop.session, "navy", folder=tmp_path, suffix=".png", quality=95, keep_metadata=False)
    np.testing.assert_array_equal(made.outline, person)
    np.testing.assert_array_equal(made.mask, garment)


def test_an_outline_is_of_one_photo(qtbot, window, astronaut_file):
    shop = open_photo(qtbot, window, astronaut_file)
    assert shop.session.take_outline()
    open_photo(qtbot, window, astronaut_file)
    assert shop.session.outline is None
    assert not window.actions_["mask.person"].isEnabled()


def test_an_order_for_a_paused_queue_says_that_it_waits(qtbot, window, astronaut_file):
    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    window.actions_["queue.pause"].trigger()
    qtbot.waitUntil(lambda: shop.runs._worker.paused, timeout=10_000)
    shop.editor.outfit.words.set_text("navy")
    qtbot.waitUntil(lambda: not shop.editor.blocked())
    shop.run()
    assert "paused" in window._says.text()


def test_what_stays_in_the_status_line_comes_back_after_a_message(qtbot, window):
    window.say("photo.png: 10 × 10", stays=True)
    window.say("Something happened.")
    assert window._says.text() == "Something happened."
    window._forget.timeout.emit()
    assert window._says.text() == "photo.png: 10 × 10"


def test_a_photo_that_cannot_be_used_comes_with_the_way_out(qtbot, window, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no picture")
    window.open_photo(text)
    qtbot.waitUntil(lambda: any(box.isVisible() for box in window.findChildren(QMessageBox)), timeout=30_000)
    (box,) = [box for box in window.findChildren(QMessageBox) if box.isVisible()]
    assert "Choose" in box.informativeText()
    box.close()


@pytest.mark.slow
def test_a_result_is_made_again_from_its_own_zone(qtbot, window, astronaut_file):
    from outfitswap_desktop.core.zones import Zone

    shop = open_photo(qtbot, window, astronaut_file, **AGREED)
    other = next(zone for zone in shop.session.garments.regions if zone is not shop.session.garments.largest)
    shop.session.choose_zone(other)
    _, end = run(qtbot, window)
    entry = end.answer.about["entry_id"]
    with qtbot.waitSignal(shop.session.found, timeout=60_000):
        shop._remake(entry)
    assert shop.session.zone is Zone(other)


def test_after_the_terms_only_that_can_be_pressed_which_does_something(qtbot):
    with main_window(qtbot, agreed=False) as window:
        window.leave_gate()
        assert window.actions_["file.open"].isEnabled()
        assert not window.actions_["result.export"].isEnabled()
