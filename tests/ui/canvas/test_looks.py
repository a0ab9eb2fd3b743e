"""What is on the screen, compared with what the modes promise, pixel by pixel."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage

from outfitswap_desktop.core.regions import Person
from outfitswap_desktop.ui.canvas.look import ViewMode
from outfitswap_desktop.ui.canvas.overlay_item import VEIL

from .conftest import H, W

COLOUR = QColor(255, 61, 110)


def seen(view):
    """What the viewport shows of the photo, one pixel for each of it: the middle of its square on the screen."""
    view._draw_finely()
    view._follow(None)
    image = view.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    shown = np.frombuffer(image.constBits(), np.uint8, image.sizeInBytes())
    shown = shown.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()]
    shown = shown.reshape(image.height(), image.width(), 3)
    ratio = image.width() / view.viewport().width()
    corner = view.viewportTransform().map(QPointF(0.5, 0.5))
    step = view.photo_scale * ratio
    columns = np.floor(corner.x() * ratio + step * np.arange(W)).astype(int)
    rows = np.floor(corner.y() * ratio + step * np.arange(H)).astype(int)
    return shown[rows][:, columns].astype(int)


def blended(photo, mask, colour, opacity):
    share = (mask.astype(float) * opacity / 255)[..., None]
    return photo * (1 - share) + np.array(colour.getRgb()[:3]) * share


def close(shown, wanted, *, tolerance=6, share=0.995):
    """Nearly all pixels nearly equal: the middle of a smoothly enlarged pixel is not quite its own colour."""
    off = np.abs(shown - wanted).max(axis=2)
    return float((off <= tolerance).mean()) >= share


@pytest.fixture
def plain(view):
    """At four times the size, pixels are shown as squares; without persons and protected areas."""
    view.resize(W * 4 + 40, H * 4 + 40)
    view.zoom_to(4.0)
    view.centerOn(W / 2, H / 2)
    view.set_tool("pan")
    return view


def test_overlay(plain, model, photo):
    assert close(seen(plain), blended(photo, model.shown, COLOUR, 0.5), share=1.0)


def test_overlay_colour_and_strength(plain, model, photo):
    plain.set_overlay(colour=QColor(0, 200, 80), opacity=0.8)
    assert close(seen(plain), blended(photo, model.shown, QColor(0, 200, 80), 0.8), share=1.0)


def test_soft_masks_are_shown_soft(plain, model, photo):
    soft = np.tile(np.linspace(0, 255, W).astype(np.uint8), (H, 1))
    model.replace(soft)
    assert len(np.unique(model.shown)) > 200
    assert close(seen(plain), blended(photo, model.shown, COLOUR, 0.5), share=1.0)


def test_onion(plain, model, photo):
    plain.set_mode(ViewMode.ONION)
    assert close(seen(plain), blended(photo, 255 - model.shown, plain.look.veil, VEIL), share=1.0)


def test_black_and_white(plain, model):
    plain.set_mode(ViewMode.MASK)
    assert close(seen(plain), np.repeat(model.shown[..., None], 3, axis=2).astype(int), share=1.0)


def test_original(plain, photo):
    plain.set_mode(ViewMode.ORIGINAL)
    assert close(seen(plain), photo.astype(int), share=1.0)


def test_outline_draws_the_edge_alone(plain, model, photo):
    plain.set_mode(ViewMode.OUTLINE)
    off = np.abs(seen(plain) - photo).max(axis=2) > 6
    import cv2

    inside = (model.shown > 127).astype(np.uint8)
    near = cv2.dilate(inside, np.ones((5, 5))) - cv2.erode(inside, np.ones((5, 5)), borderValue=1)
    assert not off[near == 0].any()
    image = plain.viewport().grab().toImage()
    at = plain.viewportTransform().map(QPointF(40, 110)).toPoint()
    row = [image.pixelColor(x, at.y()) for x in range(at.x() - 6, at.x() + 7)]
    assert any(abs(c.red() - 255) < 8 and abs(c.green() - 61) < 8 for c in row)


def on_screen(view):
    """What was really drawn on the window, piece by piece; `grab` would draw it anew."""
    image = view.screen().grabWindow(view.winId()).toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8, image.sizeInBytes()).reshape(image.height(), image.width(), 4)
    return pixels[..., :3].astype(int)


def assert_as_drawn_anew(view, qtbot):
    """The screen, updated by rectangles so far, is what a repaint of everything gives."""
    partly = on_screen(view)
    assert partly.std() > 5
    view.viewport().update()
    qtbot.wait(50)
    off = np.abs(on_screen(view) - partly).max(axis=2)
    assert (off > 2).mean() < 1e-4, np.argwhere(off > 2)[:5]


@pytest.mark.parametrize("zoom", [0.3, 0.5, 0.8, 1.0, 2.0, 5.0])
def test_a_stroke_draws_only_its_surroundings_and_leaves_no_seam(view, model, hand, zoom, qtbot):
    """After painting by dirty rectangles the screen is what a whole repaint gives."""
    view.zoom_to(zoom)
    view.centerOn(W / 2, H / 2)
    view._draw_finely()
    view.grab()
    for erase, (x, y) in ((False, (180, 120)), (True, (90, 120))):
        view.set_tool("eraser" if erase else "brush")
        hand.drag((x, y), (x + 40, y + 20), (x + 60, y + 50))
    view.set_tool("pan")
    view._follow(None)
    qtbot.wait(50)
    assert_as_drawn_anew(view, qtbot)


def test_a_dab_repaints_a_small_rectangle(view, model, hand, qtbot):
    rects = []
    paint = view.paintEvent

    def watched(event):
        rects.append(event.rect())
        paint(event)

    view.zoom_to(2.0)
    view._draw_finely()
    hand.click(220, 180)
    hand.move(200, 120)
    qtbot.wait(50)
    view.paintEvent = watched
    hand.press(200, 120)
    hand.move(204, 122)
    qtbot.wait(40)
    hand.release(204, 122)
    del view.paintEvent
    assert rects
    assert all(rect.width() < 120 and rect.height() < 120 for rect in rects), rects


def test_f_goes_round_all_modes(view):
    modes = [view.mode]
    for _ in range(len(ViewMode)):
        view.next_mode()
        modes.append(view.mode)
    assert modes[0] == modes[-1]
    assert set(modes) == set(ViewMode)


def hatched(view, photo, head):
    plainly = np.abs(seen(view) - blended(photo, view.model.shown, COLOUR, 0.5)).max(axis=2) > 12
    inside = head > 0
    return plainly[inside].mean(), plainly[~inside].mean()


def test_protected_areas_are_hatched_on_demand(plain, photo, head, qtbot):
    assert hatched(plain, photo, head)[0] == 0.0
    plain.set_always_protected(True)
    qtbot.waitUntil(lambda: not plain._protected.empty)
    inside, outside = hatched(plain, photo, head)
    assert 0.2 < inside < 0.95
    assert outside < 0.02


def test_protected_areas_show_when_the_brush_comes_near(view, hand, qtbot):
    qtbot.waitUntil(lambda: not view._protected.empty)
    hand.move(20, 190)
    assert not view._protected.isVisible()
    hand.move(96, 45)
    assert view._protected.isVisible()
    hand.move(150, 70)
    assert view._protected.isVisible()
    view.set_mode(ViewMode.ORIGINAL)
    assert not view._protected.isVisible()


def test_the_cursor_is_a_circle_of_the_brush_s_size(view, hand, qtbot):
    view.options.size = 50
    hand.move(200, 130)
    qtbot.wait(30)
    image = view.viewport().grab().toImage()
    centre = hand.at(200, 130)
    radius = round(25 * view.photo_scale)
    assert view.viewport().cursor().shape() == Qt.CursorShape.BlankCursor
    for dx, dy in ((radius, 0), (-radius, 0), (0, radius), (0, -radius)):
        ringed = [
            image.pixelColor(centre.x() + dx + x, centre.y() + dy + y).lightness()
            for x in (-1, 0, 1)
            for y in (-1, 0, 1)
        ]
        assert max(ringed) > 235


def test_persons_are_chosen_by_their_badge_or_with_the_hand(view, model, hand, qtbot):
    people = (Person(1, (10, 10, 140, 190), 0.9), Person(2, (150, 20, 290, 190), 0.9))
    view.set_persons(people, 1)
    badge = hand.view._persons._badge(view._persons.outlines[1]).center()
    with qtbot.waitSignal(view.person_clicked) as clicked:
        hand.click(badge.x(), badge.y())
    assert clicked.args == [2]
    assert not model.can_undo
    with qtbot.assertNotEmitted(view.person_clicked):
        hand.click(151, 120)  # the line, with the brush: paints
    assert model.can_undo
    view.set_tool("pan")
    with qtbot.waitSignal(view.person_clicked) as clicked:
        hand.click(220, 100)
    assert clicked.args == [2]
    with qtbot.assertNotEmitted(view.person_clicked):
        hand.click(60, 100)  # chosen already
        hand.drag((220, 100), (250, 120))


def test_one_person_alone_is_not_outlined(view):
    view.set_persons((Person(1, (10, 10, 140, 190), 0.9),), 1)
    assert view._persons.outlines == ()


def test_a_large_photo_is_there_at_once_and_fine_a_moment_later(view, qtbot):
    rng = np.random.default_rng(0)
    large = np.repeat(np.repeat(rng.integers(0, 256, (30, 50, 3), dtype=np.uint8), 100, axis=0), 100, axis=1)
    view.set_photo(large)
    assert not view._photo_item.ready
    coarse = view.viewport().grab().toImage()
    qtbot.waitUntil(lambda: view._photo_item.ready, timeout=10_000)
    view._draw_finely()
    fine = view.viewport().grab().toImage()
    for x, y in ((0.31, 0.45), (0.71, 0.65)):
        at = view.viewportTransform().map(QPointF(x * 5000, y * 3000)).toPoint()
        wanted = large[int(y * 3000), int(x * 5000)]
        for image in (coarse, fine):
            colour = image.pixelColor(at)
            assert np.abs(np.array(colour.getRgb()[:3]) - wanted).max() <= 12


@pytest.mark.parametrize("zoom", [0.4, 1.0, 1.7, 6.0])
@pytest.mark.parametrize("mode", [ViewMode.OVERLAY, ViewMode.OUTLINE])
def test_panning_draws_only_what_comes_into_view_and_leaves_no_seam(view, zoom, mode, qtbot):
    view.set_always_protected(True)
    view.set_mode(mode)
    view.set_tool("pan")
    view.zoom_to(zoom)
    view._draw_finely()
    qtbot.wait(30)
    for way in ((13, 7), (-40, 22), (3, -31)):
        view.pan_by(QPoint(*way))
        qtbot.wait(15)
    assert_as_drawn_anew(view, qtbot)


def test_hatching_keeps_its_distance_at_any_zoom(view, model, qtbot):
    model.clear()
    view.set_always_protected(True)
    view.set_tool("pan")
    counts = []
    for zoom in (2.0, 8.0):
        view.zoom_to(zoom)
        view.centerOn(150, 70)
        view._draw_finely()
        image = view.viewport().grab().toImage()
        middle = view.viewport().rect().center()
        row = [image.pixelColor(middle.x() + x, middle.y()).lightness() for x in range(-45, 45)]
        bright = np.array(row) > np.median(row) + 25
        counts.append(int(np.count_nonzero(bright[1:] & ~bright[:-1])))
    assert all(abs(count - 10) <= 1 for count in counts), counts
