"""The history page on a real history of 200 entries: filters, stars, tags, trash with undo, details and lineage."""

import json
import shutil
import time
from itertools import pairwise

import pytest
from PySide6.QtCore import QModelIndex, QPoint, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QComboBox

from outfitswap_desktop.engine.messages import ExportResult, OpenResult, Problem, ResultOpened
from outfitswap_desktop.store.emptying import empty_trash
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.selection import Filter
from outfitswap_desktop.ui.actions import Actions
from outfitswap_desktop.ui.history.model import IMAGE_ROLE, PAGE, EntryModel
from outfitswap_desktop.ui.history.page import HistoryPage
from outfitswap_desktop.ui.history.shelf import Shelf
from outfitswap_desktop.ui.history.tag_dialog import TagDialog
from tests.ui.history.entries import fill, receipt, write
from tests.ui.result.pictures import FakeDesk, altered, box_mask, photo_pixels, picture

MANY = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory, astronaut):
    """Made once; the tests work on copies of the databases, and leave its results alone."""
    folder = tmp_path_factory.mktemp("made")
    fill(folder / "history.db", folder / "out", astronaut, MANY)
    return folder


@pytest.fixture
def file(made, tmp_path):
    for name in ("history.db", "thumbs.db"):
        shutil.copy(made / name, tmp_path / name)
    return tmp_path / "history.db"


@pytest.fixture
def few(tmp_path, astronaut):
    """Five results of its own, three of them in the trash: files may be taken away here."""
    fill(tmp_path / "few" / "history.db", tmp_path / "few" / "out", astronaut, 5)
    return tmp_path / "few" / "history.db"


@pytest.fixture
def shelf(file, qtbot):
    opened = Shelf(file)
    yield opened
    opened.close()


@pytest.fixture
def desk():
    return FakeDesk()


@pytest.fixture
def page(shelf, desk, qtbot):
    shown = HistoryPage(shelf, desk)
    qtbot.addWidget(shown, before_close_func=lambda widget: (widget.close_down(), shelf.close()))
    shown.resize(1200, 800)
    shown.show()
    settle(qtbot, shelf)
    return shown


def settle(qtbot, shelf):
    qtbot.wait(5)
    qtbot.waitUntil(lambda: shelf.is_idle, timeout=10_000)
    qtbot.wait(5)
    qtbot.waitUntil(lambda: shelf.is_idle, timeout=10_000)


def ids(page):
    return [page.model.entry(row).id for row in range(page.model.rowCount())]


def test_it_shows_everything_outside_the_trash_newest_first(page):
    assert ids(page) == list(range(MANY, 3, -1))
    assert page.bar._count.text() == str(MANY - 3)
    images = [page.model.index(row).data(IMAGE_ROLE) for row in range(3)]
    assert all(image is not None and image.width() == 256 for image in images)


def test_filters_change_what_is_shown(page, shelf, qtbot, file):
    with History(file) as history:
        starred = [entry.id for entry in history.list(where=Filter(starred=True))]
        dresses = [entry.id for entry in history.list(where=Filter(zone="dress", tags=("Summer 2026",)))]
        found = [entry.id for entry in history.list(text="velv")]
    page.bar.set_starred(True)
    settle(qtbot, shelf)
    assert ids(page) == starred
    page.bar.clear()
    for box in page.bar.findChildren(QComboBox):
        for wanted in ("dress", "Summer 2026"):
            if box.findData(wanted) >= 0:
                box.setCurrentIndex(box.findData(wanted))
    settle(qtbot, shelf)
    assert ids(page) == dresses
    page.bar.clear()
    page.bar.search.setText("velv")
    qtbot.waitUntil(lambda: ids(page) == found)
    page.bar.search.setText("no such word")
    qtbot.waitUntil(lambda: ids(page) == [])
    qtbot.waitUntil(lambda: "No result matches" in page._empty.text())
    settle(qtbot, shelf)


def test_a_word_is_searched_once_when_typing_rests(page, shelf, qtbot):
    seen = []
    page.bar.changed.connect(seen.append)
    QTest.keyClicks(page.bar.search, "velvet", delay=5)
    qtbot.waitUntil(lambda: bool(seen))
    qtbot.wait(200)
    assert [wanted.text for wanted in seen] == ["velvet"]
    settle(qtbot, shelf)


def test_star_toggles_for_all_chosen(page, shelf, qtbot, file):
    page._choose_row(0)
    page.view.selectAll()
    page.star()
    settle(qtbot, shelf)
    assert all(page.model.entry(row).starred for row in range(page.model.rowCount()))
    assert len(page.selected) == MANY - 3, "what is chosen stays chosen"
    page.star()
    settle(qtbot, shelf)
    assert not any(page.model.entry(row).starred for row in range(page.model.rowCount()))


@pytest.mark.parametrize("cards", [True, False])
def test_the_star_can_be_clicked(page, shelf, qtbot, cards):
    page.show_cards(cards)
    before = page.model.entry(0).starred
    cell = page.view.visualRect(page.model.index(0))
    at = page.delegate._star_rect(cell).center()
    QTest.mouseClick(page.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    settle(qtbot, shelf)
    assert page.model.entry(0).starred is not before


def test_trash_with_undo(page, shelf, qtbot):
    page._choose_row(2)
    gone = page.selected[0].id
    page.trash()
    settle(qtbot, shelf)
    assert gone not in ids(page)
    assert page.undo_bar.text == "Result moved to the trash"
    page.undo_bar.undo()
    settle(qtbot, shelf)
    assert ids(page)[2] == gone
    assert page.undo_bar.text == ""


def test_the_trash_is_looked_at_and_restored_from(page, shelf, qtbot):
    page.bar.show_trash(True)
    settle(qtbot, shelf)
    assert ids(page) == [3, 2, 1]
    page._choose_row(1)
    page.restore()
    settle(qtbot, shelf)
    assert ids(page) == [3, 1]
    page.bar.show_trash(False)
    settle(qtbot, shelf)
    assert 2 in ids(page)


def test_emptying_moves_the_files_to_the_systems_trash(few, desk, qtbot, monkeypatch):
    moved = []
    monkeypatch.setattr("send2trash.send2trash", lambda path: (moved.append(path), path.unlink()))
    with History(few) as history:
        entry = history.get(1)
    shelf = Shelf(few)
    page = HistoryPage(shelf, desk)
    qtbot.addWidget(page, before_close_func=lambda widget: (widget.close_down(), shelf.close()))
    page.show()
    said = []
    page.said.connect(said.append)
    page.bar.show_trash(True)
    settle(qtbot, shelf)
    page.ask_empty()
    page._dialog.reject()
    assert moved == []
    page.ask_empty()
    page._dialog._erase.setChecked(True)
    page._dialog.agree()
    settle(qtbot, shelf)
    assert ids(page) == []
    assert len(moved) == 9
    assert not entry.output.exists()
    assert "3 results" in said[-1]
    with History(few) as history:
        assert history.get(1) is None
        assert history.count() == 2


def test_a_file_that_cannot_be_moved_keeps_its_entry(few, monkeypatch):
    from outfitswap_desktop.safety.api import to_trash

    def broken(path):
        raise OSError("no trash here")

    monkeypatch.setattr("send2trash.send2trash", broken)
    with History(few) as history:
        history.get(2).output.unlink()
        history.get(2).mask.write_bytes(b"somebody else's now")
        history.get(2).receipt_file.unlink()
        emptied = empty_trash(history, to_trash)
        assert (emptied.entries, emptied.files, len(emptied.left)) == (1, 0, 2)
        assert history.get(1) is not None
        assert history.get(2) is None, "nothing of its was left to move"
    assert (few.parent / "out" / "result1.mask.png").read_bytes() == b"somebody else's now"


def test_keys_reach_everything(page, shelf, qtbot, monkeypatch):
    actions = Actions()
    page.add_actions(actions)
    assert not actions["history.star"].isEnabled()
    page._choose_row(0)
    keys = {name: actions[f"history.{name}"].shortcut().toString() for name in ("star", "tags", "trash", "search")}
    assert keys == {"star": "S", "tags": "T", "trash": "Del", "search": "Ctrl+F"}
    assert all(actions[f"history.{name}"].isEnabled() for name in ("star", "tags", "trash", "open", "use", "remake"))
    with qtbot.waitSignal(page.open_asked) as asked:
        page.view.setFocus()
        QTest.keyClick(page.view, Qt.Key.Key_Return)
    assert asked.args[0].id == MANY
    with qtbot.waitSignal(page.use_as_source) as used:
        actions["history.use"].trigger()
    assert used.args == [page.model.entry(0).output, page.model.entry(0).output_sha256]
    with qtbot.waitSignal(page.remake) as again:
        actions["history.remake"].trigger()
    assert again.args == [MANY]
    page.hide()
    assert not actions["history.star"].isEnabled()


def test_export_loads_the_released_picture_first(page, qtbot, desk, tmp_path):
    pixels, mask = photo_pixels(), box_mask()
    released = picture(altered(pixels, mask), tmp_path / "out" / "x.png")
    desk.answers = {OpenResult: ResultOpened(released, mask), ExportResult: tmp_path / "e.png"}
    page._choose_row(0)
    page.ask_export()
    with qtbot.waitSignal(page.said):
        page._dialog.accept()
    assert desk.of(ExportResult)[0].output == released.output
    desk.answers = {OpenResult: Problem("not_available", "gone", "The file is gone.")}
    with qtbot.waitSignal(page.trouble) as told:
        page.ask_export()
    assert told.args == ["The file is gone."]


def test_details_show_what_the_receipt_holds(page, shelf, qtbot):
    page._choose_row(0)
    page.show_details(True)
    settle(qtbot, shelf)
    shown = page.side.diagnostics
    assert shown.picture.areas == ("top", "head")
    assert "top: confidence 0.91" in shown.text("made")
    assert shown.text("fallbacks") == "SAM is not installed."
    assert "generate: 0.88 s" in shown.text("times")
    assert "self" in shown.text("consent")
    assert page.selected[0].photo_sha256 in shown.text("hashes")
    rows = {
        shown.scores.item(row, 0).text(): (shown.scores.item(row, 1).text(), shown.scores.item(row, 2).text())
        for row in range(shown.scores.rowCount())
    }
    assert rows["whole_image.nsfw"] == ("0.031", "0.5")
    assert rows["difference.rise"][1] == "0.05"
    assert "not there any more" in shown.text("again")
    shown.copy()
    document = json.loads(QGuiApplication.clipboard().text())
    assert document["id"] == MANY
    assert document["receipt"]["made"]["engine"] in ("fabric", "sdxl")
    assert document["reproduction"]["kind"] == "impossible"
    QGuiApplication.clipboard().clear()


def test_details_of_a_damaged_or_older_receipt_do_not_fall_over(page, shelf, qtbot, file, tmp_path):
    with History(file) as history:
        odd = receipt(1) | {
            "found": {"regions": [{"name": "x", "rings": ["1,2 a,b", 5]}, 7]},
            "gates": {"a.b": None},
            "seconds": 3,
        }
        first = write(history, tmp_path / "out", "odd", 1, receipt=odd)
        second = write(history, tmp_path / "out", "old", 1, receipt={})
    for entry_id in (first, second):
        page.show_entry(entry_id)
        settle(qtbot, shelf)
        page.show_details(True)
        settle(qtbot, shelf)
        assert page.side.shown == entry_id
        assert not page.grab().isNull()


def test_the_lineage_is_a_tree_and_leads_to_its_entries(page, shelf, qtbot, file):
    page._choose_row(0)
    page.show_details(True)
    settle(qtbot, shelf)
    tree = page.side.lineage.texts()
    assert tree[0] == (0, "astronaut.png")
    assert max(depth for depth, _ in tree) == 3
    with History(file) as history:
        entry = history.get(MANY)
        family = history.list(limit=500, where=Filter(root=entry.root, trashed=None))
        assert len(tree) == 1 + len(family)
        parent = next(one for one in family if one.parent is not None).parent
        history.erase([parent], for_good=False)
    page.side.show_entry(MANY)
    settle(qtbot, shelf)
    assert "A result that was erased" in [text for _, text in page.side.lineage.texts()]


def test_an_entry_is_found_also_when_a_filter_hides_it(page, shelf, qtbot):
    page.bar.search.setText("no such word")
    settle(qtbot, shelf)
    page.show_entry(5)
    qtbot.waitUntil(lambda: [entry.id for entry in page.selected] == [5], timeout=5000)
    settle(qtbot, shelf)


def test_what_comes_in_shows_without_losing_the_place(page, shelf, qtbot, file, tmp_path):
    page._choose_row(10)
    chosen = page.selected[0].id
    with History(file) as history:
        new = write(history, tmp_path / "out", "new", 5)
    shelf.changed.emit()
    settle(qtbot, shelf)
    assert ids(page)[0] == new
    assert page.selected[0].id == chosen


def test_one_photo_only_and_back(page, shelf, qtbot):
    page._choose_row(0)
    root = page.selected[0].root
    page._commands["family"][1]()
    settle(qtbot, shelf)
    assert 0 < page.model.rowCount() < MANY - 3
    assert all(page.model.entry(row).root == root for row in range(page.model.rowCount()))
    assert not page.bar._family.isHidden()
    page.bar._family.click()
    settle(qtbot, shelf)
    assert page.model.rowCount() == MANY - 3


def test_tags_of_several_at_once(page, shelf, qtbot, file):
    with History(file) as history:
        for row in range(3):
            history.set_tags(page.model.entry(row).id, ["both", *(["one"] if row == 0 else [])])
    shelf.changed.emit()
    settle(qtbot, shelf)
    page._choose_row(0)
    for row in (1, 2):
        page.view.selectionModel().select(page.model.index(row), page.view.selectionModel().SelectionFlag.Select)
    page.ask_tags()
    qtbot.waitUntil(lambda: page._dialog is not None)
    dialog = page._dialog
    assert isinstance(dialog, TagDialog)
    dialog.tick("both", False)
    dialog._field.setText("new one, BOTH , other")
    QTest.keyClick(dialog._field, Qt.Key.Key_Return)
    dialog.tick("both", False)
    QTest.keyClick(dialog._field, Qt.Key.Key_Return)
    settle(qtbot, shelf)
    assert [page.model.entry(row).tags for row in range(3)] == [
        ("new one", "one", "other"), ("new one", "other"), ("new one", "other")
    ]  # fmt: skip


def test_grid_and_list_are_both_painted_and_cards_fill_the_width(page, shelf, qtbot):
    page.show_cards(True)
    settle(qtbot, shelf)
    first, last = page.view.visualRect(page.model.index(0)), QPoint(0, 0)
    for row in range(12):
        cell = page.view.visualRect(page.model.index(row))
        last = max((last, QPoint(cell.right(), cell.top())), key=lambda p: p.x())
    assert page.view.viewport().width() - last.x() < first.width() // 4
    grid = page.grab().toImage()
    page.show_cards(False)
    settle(qtbot, shelf)
    assert page.view.visualRect(page.model.index(1)).top() > page.view.visualRect(page.model.index(0)).top()
    assert page.grab().toImage() != grid


def test_every_control_has_a_name_and_a_tip(page):
    without = [
        one
        for one in page.findChildren(QAbstractButton)
        if not (one.accessibleName() and one.toolTip()) and one.isEnabled()
    ]
    named = [
        one.text()
        for one in without
        if one.parent().metaObject().className() not in ("QTabBar", "QTableView", "QLineEdit")
    ]
    assert named == []


def test_the_model_pages_and_keeps_few_pictures(qtbot, tmp_path):
    file = tmp_path / "history.db"
    with History(file) as history, history._write() as connection:
        connection.executemany(
            "INSERT INTO entries (id, created, state, photo_sha256, prompt, zone, engine, segmenter, output, output_sha256, "
            "seed, receipt) VALUES (?, '2026-01-01T00:00:00.000+00:00', 'done', 'a', 'coat', 'top', 'fabric', 'x', '/o', 'b', "
            "'1', '{}')",
            [(number,) for number in range(1, 1001)],
        )
    shelf = Shelf(file)
    model = EntryModel(shelf)
    counted = []
    model.counted.connect(lambda number, more: counted.append((number, more)))
    model.set_filter(Filter())
    qtbot.waitUntil(lambda: model.rowCount() == PAGE)
    while model.canFetchMore(QModelIndex()):
        model.fetchMore(QModelIndex())
        qtbot.waitUntil(lambda: not model.is_loading)
    assert model.rowCount() == 1000
    assert [model.entry(row).id for row in range(1000)] == list(range(1000, 0, -1))
    qtbot.waitUntil(lambda: counted == [(1000, False)])
    for row in range(1000):
        model.index(row).data(IMAGE_ROLE)
    settle(qtbot, shelf)
    assert len(model._images) <= 240
    assert len(model._wanted) == 0
    shelf.close()


def test_scrolling_does_not_wait_for_a_slow_disk(page, shelf, qtbot):
    """While the thread is busy, the view goes on."""
    shelf.ask(lambda _: time.sleep(0.6), lambda _: None)
    ticks = []
    timer = QTimer()

    def turn():
        ticks.append(time.monotonic())
        bar = page.view.verticalScrollBar()
        bar.setValue((bar.value() + 40) % max(1, bar.maximum()))

    timer.timeout.connect(turn)
    timer.start(10)
    qtbot.waitUntil(lambda: shelf.is_idle and len(ticks) > 20, timeout=10_000)
    timer.stop()
    assert max(after - before for before, after in pairwise(ticks)) < 0.3


def test_a_shelf_finishes_changes_before_it_closes(file, qtbot):
    shelf = Shelf(file)
    shelf.ask(lambda _: time.sleep(0.1), lambda _: None)
    shelf.change(lambda history: history.star([5]))
    shelf.close()
    with History(file) as history:
        assert history.get(5).starred


def test_trouble_is_one_sentence(tmp_path, qtbot):
    blocked = tmp_path / "no folder"
    blocked.write_text("a file")
    shelf = Shelf(blocked / "history.db")
    with qtbot.waitSignal(shelf.trouble) as told:
        shelf.ask(lambda history: history.count(), lambda _: None)
    assert "cannot be read or written" in told.args[0]
    shelf.close()


def test_details_go_when_nothing_is_chosen_any_more(page, shelf, qtbot):
    page._choose_row(0)
    page.show_details(True)
    settle(qtbot, shelf)
    assert page.side.shown == MANY
    page.view.clearSelection()
    assert page.side.shown is None
    assert not page.side.diagnostics.isVisible()
    page._choose_row(1)
    settle(qtbot, shelf)
    assert page.side.shown == MANY - 1
    page.bar.search.setText("no such words")
    settle(qtbot, shelf)
    qtbot.waitUntil(lambda: page.side.shown is None)
