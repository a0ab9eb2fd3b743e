"""The compare view: what it takes, what it paints, and what hands do with it."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtTest import QTest

from outfitswap_desktop.engine.messages import PhotoOpened, ResultPicture
from outfitswap_desktop.ui.result.compare_view import CompareView, Mode
from outfitswap_desktop.ui.result.difference import draw
from outfitswap_desktop.ui.result.plate import Plate
from tests.ui.result.pictures import opened, picture

RED, BLUE = (200, 20, 20), (20, 20, 200)


def plain(colour, height=300, width=400):
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = colour
    return pixels


class PaintWatch(QObject):
    """Notes what is asked to be painted."""

    def __init__(self):
        super().__init__()
        self.rects = []

    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint:
            self.rects.append(QRect(event.rect()))
        return False


@pytest.fixture
def view(qtbot):
    shown = CompareView()
    qtbot.addWidget(shown)
    shown.resize(600, 400)
    shown.set_photo(Plate.of_photo(opened(plain(RED))))
    shown.set_result(Plate.of_result(picture(plain(BLUE))))
    shown.show()
    return shown


def colour(view, x, y):
    return view.grab().toImage().pixelColor(x, y).getRgb()[:3]


@pytest.mark.parametrize("wrong", [plain(BLUE), QImage(4, 4, QImage.Format.Format_RGB32), None, "x", b"..."])
def test_a_plate_is_made_of_a_released_result_and_of_nothing_else(wrong):
    for make in (Plate.of_result, Plate.of_photo, Plate.of_difference):
        with pytest.raises((TypeError, AttributeError)):
            make(wrong)
    with pytest.raises(TypeError):
        Plate(plain(BLUE), of=wrong)


def test_a_plate_does_not_show_other_pixels_than_those_of_its_picture():
    with pytest.raises(TypeError):
        Plate(plain(RED), of=picture(plain(BLUE)))
    with pytest.raises(TypeError):
        Plate.of_result(opened(plain(RED)))
    with pytest.raises(TypeError):
        Plate.of_photo(picture(plain(RED)))


@pytest.mark.parametrize("method", ["set_result", "set_photo", "set_difference"])
@pytest.mark.parametrize("wrong", [plain(BLUE), QImage(4, 4, QImage.Format.Format_RGB32), picture(plain(BLUE))])
def test_the_view_takes_plates_alone(view, method, wrong):
    with pytest.raises(TypeError):
        getattr(view, method)(wrong)


def test_the_slider_divides_photo_and_result(view):
    assert colour(view, 200, 300) == RED
    assert colour(view, 400, 300) == BLUE
    view.set_share(1.0)
    assert colour(view, 400, 300) == RED
    view.set_share(0.0)
    assert colour(view, 200, 300) == BLUE


def test_moving_the_slider_asks_for_the_strip_it_passes_and_no_more(view, qtbot):
    qtbot.waitExposed(view)
    watch = PaintWatch()
    view.installEventFilter(watch)
    painted = watch.rects
    view.set_share(0.55)
    qtbot.waitUntil(lambda: bool(painted))
    assert painted[0].width() < 80
    assert painted[0].contains(QPoint(300, 200))


def test_the_grip_is_dragged_and_the_picture_is_panned(view):
    middle = QPoint(300, 200)
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=middle)
    QTest.mouseMove(view, QPoint(200, 200))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 200))
    assert view.share == pytest.approx(0.25, abs=0.01)
    view.set_zoom(4.0)
    before = view.grab().toImage()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(500, 300))
    QTest.mouseMove(view, QPoint(560, 330))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(560, 330))
    assert view.share == pytest.approx(0.25, abs=0.01)
    assert view.grab().toImage() != before or view.zoom == 4.0


def test_held_shows_the_photo_everywhere(view):
    QTest.mousePress(view, Qt.MouseButton.RightButton, pos=QPoint(400, 300))
    assert colour(view, 400, 300) == RED
    QTest.mouseRelease(view, Qt.MouseButton.RightButton, pos=QPoint(400, 300))
    assert colour(view, 400, 300) == BLUE


def test_side_by_side_shows_the_same_place_in_both(view):
    pixels = plain((40, 40, 40), 800, 1000)
    pixels[380:420, 480:520] = (250, 250, 250)
    view.set_photo(Plate.of_photo(opened(pixels)))
    view.set_result(Plate.of_result(picture(pixels.copy())))
    view.set_mode(Mode.SIDE)
    view.set_zoom(2.0, at=QPointF(150, 200))
    image = view.grab().toImage()
    left = [image.pixelColor(x, 200).red() for x in range(4, 295)]
    right = [image.pixelColor(x, 200).red() for x in range(305, 596)]
    assert left == right
    assert max(left) == 250


def test_the_wheel_zooms_to_the_pointer(view):
    pixels = plain((0, 0, 0), 1000, 1000)
    pixels[:500] = (250, 250, 250)
    view.set_mode(Mode.RESULT)
    view.set_result(Plate.of_result(picture(pixels)))
    edge = next(y for y in range(100, 399) if colour(view, 300, y)[0] < 120)
    at = QPointF(300, edge)
    for _ in range(6):
        view.wheelEvent(
            QWheelEvent(at, at, QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
                        Qt.ScrollPhase.NoScrollPhase, False)
        )  # fmt: skip
    assert view.zoom > 1.2
    assert abs(next(y for y in range(100, 399) if colour(view, 300, y)[0] < 120) - edge) <= 2


def test_keys_move_the_slider_zoom_and_fit(view):
    view.setFocus()
    for key, expected in ((Qt.Key.Key_Right, 0.52), (Qt.Key.Key_Left, 0.5)):
        QTest.keyClick(view, key)
        assert view.share == pytest.approx(expected)
    fitted = view.zoom
    QTest.keyClick(view, Qt.Key.Key_Plus)
    assert view.zoom > fitted
    QTest.keyClick(view, Qt.Key.Key_0)
    assert view.zoom == fitted
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    assert view.zoom == 1.0
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    assert view.zoom == fitted


def test_a_fitted_picture_fits_again_in_another_size_and_a_zoomed_one_stays(view, qtbot):
    large = plain(BLUE, 900, 1200)
    view.set_result(Plate.of_result(picture(large)))
    first = view.zoom
    view.resize(1000, 700)
    qtbot.waitUntil(lambda: view.zoom > first)
    view.set_zoom(1.0)
    view.resize(600, 400)
    assert view.zoom == 1.0


def test_the_difference_is_shown(view):
    mask = np.zeros((300, 400), np.uint8)
    mask[:150] = 255
    found = draw(plain(RED), plain(BLUE), mask)
    view.set_difference(Plate.of_difference(found))
    view.set_mode(Mode.DIFFERENCE)
    red, green, _ = colour(view, 300, 120)
    assert red == green > 150, "inside: yellow to white"
    red, green, blue = colour(view, 300, 300)
    assert red > blue > green, "outside: magenta"


def test_level_zero_is_the_array_itself():
    pixels = plain(BLUE, 1500, 2000)
    pixels.flags.writeable = False
    plate = Plate.of_result(ResultPicture(pixels, None, ""))
    assert plate.size.width() == 2000
    levels = plate._levels
    assert [level.width() for level in levels] == [2000, 1000, 500]
    assert levels[0].sizeInBytes() == pixels.nbytes
    assert plate._keep[1] is pixels or np.shares_memory(plate._keep[1], pixels)


def test_a_photo_with_an_odd_size_is_shown(qtbot):
    view = CompareView()
    qtbot.addWidget(view)
    view.resize(300, 300)
    view.set_result(Plate.of_result(picture(plain(BLUE, 1, 3001))))
    view.set_photo(Plate.of_photo(PhotoOpened("0" * 64, plain(RED, 1, 3001), True)))
    view.show()
    assert not view.grab().isNull()
