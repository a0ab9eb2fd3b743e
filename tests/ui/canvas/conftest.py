"""A small photo with a mask in a view, and hands that draw on it."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from outfitswap_desktop.ui.canvas.mask_model import MaskModel
from outfitswap_desktop.ui.canvas.view import CanvasView

H, W = 200, 300


@pytest.fixture
def photo():
    """Smooth colours with one flat red square."""
    rows, columns = np.mgrid[0:H, 0:W]
    pixels = np.stack([columns * 255 // W, rows * 255 // H, (rows + columns) % 256], axis=2).astype(np.uint8)
    pixels[40:100, 180:260] = (200, 20, 30)
    pixels.setflags(write=False)
    return pixels


@pytest.fixture
def base():
    mask = np.zeros((H, W), np.uint8)
    mask[60:160, 40:140] = 255
    return mask


@pytest.fixture
def head():
    """Where nothing may be painted."""
    mask = np.zeros((H, W), np.uint8)
    mask[50:90, 100:200] = 255
    return mask


@pytest.fixture
def model(qtbot, base, head):
    made = MaskModel(H, W)
    made.detected(base, {"head": head})
    yield made
    made.close()


@pytest.fixture
def view(qtbot, photo, model):
    """Two logical pixels per photo pixel, nothing scrolled away."""
    made = CanvasView()
    qtbot.addWidget(made)
    made.resize(W * 2 + 60, H * 2 + 60)
    made.show()
    qtbot.waitExposed(made)
    made.set_photo(photo)
    made.set_model(model)
    made.zoom_to(2.0)
    made.centerOn(W / 2, H / 2)
    made.options.size = 12
    made.options.hardness = 1.0
    made.options.pressure = True
    yield made
    made.close_threads()


class Hand:
    """Draws on a view in photo pixels."""

    def __init__(self, view):
        self.view = view

    def at(self, x, y) -> QPoint:
        return self.view.viewportTransform().map(QPointF(x, y)).toPoint()

    def press(self, x, y, *, button=Qt.MouseButton.LeftButton, keys=Qt.KeyboardModifier.NoModifier):
        QTest.mousePress(self.view.viewport(), button, keys, self.at(x, y))

    def release(self, x, y, *, button=Qt.MouseButton.LeftButton, keys=Qt.KeyboardModifier.NoModifier):
        QTest.mouseRelease(self.view.viewport(), button, keys, self.at(x, y))

    def move(self, x, y):
        QTest.mouseMove(self.view.viewport(), self.at(x, y))

    def drag(self, *points, **how):
        self.press(*points[0], **how)
        for x, y in points[1:]:
            self.move(x, y)
        self.release(*points[-1], **how)

    def click(self, x, y, **how):
        self.press(x, y, **how)
        self.release(x, y, **how)


@pytest.fixture
def hand(view):
    return Hand(view)


@pytest.fixture
def settled(qtbot):
    """Wait until a model has worked its parameters out."""

    def wait(model):
        qtbot.waitUntil(lambda: not model.busy, timeout=10_000)

    return wait
