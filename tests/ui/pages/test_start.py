"""A photo comes in by every way that a user would try, and nothing else does."""

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QImage
from PySide6.QtWidgets import QApplication, QLabel

from outfitswap_desktop.ui.pages.recent import Recent, RecentGrid
from outfitswap_desktop.ui.pages.start import DropZone, StartPage, dropped_photo, dropped_pixels


@pytest.fixture
def page(qtbot):
    made = StartPage(news="New: patterns.")
    qtbot.addWidget(made)
    made.resize(900, 700)
    made.show()
    return made


def mime_of(*urls, image=None):
    mime = QMimeData()
    mime.setUrls([QUrl(url) for url in urls])
    if image is not None:
        mime.setImageData(image)
    return mime


def drop(widget, mime):
    drag = QDragEnterEvent(
        QPoint(50, 50), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(widget, drag)
    if not drag.isAccepted():
        return False
    event = QDropEvent(
        QPointF(50, 50), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(widget, event)
    return True


def red(width=8, height=6):
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    return image


def test_a_dropped_photo_is_opened(qtbot, page, tmp_path):
    photo = tmp_path / "Bild mit Leerzeichen.JPG"
    with qtbot.waitSignal(page.open_asked) as asked:
        assert drop(page.zone, mime_of("https://example.org/x.jpg", QUrl.fromLocalFile(str(photo)).toString()))
    assert asked.args == [photo]


def test_a_picture_dragged_from_a_browser_comes_as_pixels_and_not_over_the_network(qtbot, page):
    with qtbot.waitSignal(page.pixels_asked) as asked:
        assert drop(page.zone, mime_of("https://example.org/x.jpg", image=red()))
    assert QImage.fromData(asked.args[0]).size() == red().size()


def test_what_is_no_photo_is_said(qtbot, page):
    with qtbot.waitSignal(page.zone.refused):
        assert drop(page.zone, mime_of("file:///x/letter.pdf"))
    assert any(label.isVisible() and "no photo file" in label.text() for label in page.findChildren(QLabel))


def test_text_is_not_even_taken(page):
    mime = QMimeData()
    mime.setText("a text")
    assert not drop(page.zone, mime)


def test_which_files_count():
    assert dropped_photo(mime_of("file:///a.txt", "file:///b.WebP")) == Path("/b.WebP")
    assert dropped_photo(mime_of("http://host/b.png")) is None
    assert dropped_pixels(mime_of()) == b""


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space])
def test_the_zone_by_keyboard(qtbot, page, key):
    with qtbot.waitSignal(page.browse_asked):
        qtbot.keyClick(page.zone, key)


def test_the_zone_by_mouse(qtbot, page):
    with qtbot.waitSignal(page.browse_asked):
        qtbot.mouseClick(page.zone, Qt.MouseButton.LeftButton, pos=QPoint(12, 12))
    with qtbot.assertNotEmitted(page.browse_asked, wait=20):
        qtbot.mouseClick(page.zone, Qt.MouseButton.RightButton, pos=QPoint(12, 12))


def test_the_buttons(qtbot, page):
    for button, signal in (
        (page.open, page.browse_asked),
        (page.paste, page.paste_asked),
        (page.sample, page.sample_asked),
    ):
        assert button.accessibleName()
        assert button.toolTip()
        with qtbot.waitSignal(signal):
            qtbot.keyClick(button, Qt.Key.Key_Space)


def test_no_sample_where_there_is_none(qtbot, page):
    page.set_sample(False, reason="The package is missing.")
    assert not page.sample.isEnabled()
    assert page.sample.toolTip() == "The package is missing."
    page.set_sample(True)
    assert page.sample.isEnabled()
    assert "NASA" in page.sample.toolTip()


def test_recent_photos_show_when_there_are_some(page):
    grid = page.findChild(RecentGrid)
    assert not grid.isVisible()
    page.set_recent([Recent(Path("/a.png")), Recent(Path("/gone.png"), there=False)])
    assert grid.isVisible()
    assert page.recent.rowCount() == 2
    assert "not there" in page.recent.index(1).data(Qt.ItemDataRole.ToolTipRole)
    assert page.recent.index(0).data(Qt.ItemDataRole.ToolTipRole) == str(Path("/a.png"))
    page.set_recent([])
    assert not grid.isVisible()


def test_a_thumbnail_comes_later_and_is_kept_while_its_photo_is_listed(page):
    path = Path("/a.png")
    page.set_recent([Recent(path)])
    page.set_thumbnail(path, red(400, 100))
    page.set_thumbnail(Path("/other.png"), red())
    picture = page.recent.index(0).data(Qt.ItemDataRole.DecorationRole).pixmap(112, 112).toImage()
    middle = picture.pixelColor(picture.width() // 2, picture.height() // 2)
    assert (middle.red(), middle.green()) == (255, 0)
    assert picture.pixelColor(picture.width() // 2, 2).alpha() == 0, "keeps its shape inside the square"
    page.set_recent([Recent(Path("/b.png")), Recent(path)])
    kept = page.recent.index(1).data(Qt.ItemDataRole.DecorationRole).pixmap(112, 112).toImage()
    assert kept == picture


def test_recent_photos_by_keyboard(qtbot, page):
    page.set_recent([Recent(Path("/a.png")), Recent(Path("/b.png"))])
    grid = page.findChild(RecentGrid)
    grid.setFocus()
    qtbot.waitUntil(grid.hasFocus)
    assert grid.currentIndex().row() == 0
    qtbot.keyClick(grid, Qt.Key.Key_Right)
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Space):
        with qtbot.waitSignal(page.open_asked) as asked:
            qtbot.keyClick(grid, key)
        assert asked.args == [Path("/b.png")]
    with qtbot.waitSignal(page.forget_asked) as forgotten:
        qtbot.keyClick(grid, Qt.Key.Key_Delete)
    assert forgotten.args == [Path("/b.png")]


def test_a_photo_that_is_gone_is_not_opened(qtbot, page):
    page.set_recent([Recent(Path("/gone.png"), there=False)])
    grid = page.findChild(RecentGrid)
    with qtbot.assertNotEmitted(page.open_asked, wait=20):
        grid.clicked.emit(page.recent.index(0))


def test_a_drag_that_leaves_unmarks_the_zone(qtbot):
    zone = DropZone()
    qtbot.addWidget(zone)
    zone.resize(200, 240)
    zone.show()
    plain = zone.grab().toImage()
    mime = mime_of("file:///a.png")  # an event does not own it
    drag = QDragEnterEvent(
        QPoint(5, 5),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(zone, drag)
    assert zone.grab().toImage() != plain
    QApplication.sendEvent(zone, QDragLeaveEvent())
    assert zone.grab().toImage() == plain
