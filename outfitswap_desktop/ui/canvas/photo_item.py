"""The photo on the canvas, drawn from the halved copy that fits the zoom; the copies are made off the GUI thread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.ui.background import Background
from outfitswap_desktop.ui.canvas.look import Look, ViewMode
from outfitswap_desktop.ui.canvas.mips import halved, level_for, levels_of

COARSE_SIDE = 1600
"""A photo wider or higher than this is first shown from every n-th pixel, so that it is there at once."""
SEEN_PIXELS = 3.0
"""From this many device pixels per photo pixel on, the photo's pixels are shown as squares."""


def as_screen(pixels: RGB) -> NDArray[np.uint8]:
    """(h, w, 4) in the order of QImage's RGB32 from (h, w, 3) RGB."""
    import cv2

    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGRA), np.uint8)


def image_of(screen: NDArray[np.uint8]) -> QImage:
    """QImage over the memory of (h, w, 4) pixels, which must stay as long as it."""
    return QImage(screen.data, screen.shape[1], screen.shape[0], screen.strides[0], QImage.Format.Format_RGB32)


class PhotoItem(QGraphicsItem):
    """One photo (H, W, 3) RGB at scene position (0, 0), one scene unit per pixel."""

    def __init__(self, look: Look, background: Background) -> None:
        super().__init__()
        self._look = look
        self._background = background
        self._pixels: RGB = np.zeros((0, 0, 3), np.uint8)
        self._levels: dict[int, tuple[NDArray[np.uint8], QImage]] = {}
        self._coarse: tuple[NDArray[np.uint8], QImage] | None = None
        self._ready = True

    @property
    def pixels(self) -> RGB:
        return self._pixels

    @property
    def ready(self) -> bool:
        """Whether all levels have been made."""
        return self._ready

    @property
    def nbytes(self) -> int:
        """Memory of the copies, without the photo itself, in bytes."""
        kept = [screen for screen, _ in self._levels.values()] + ([self._coarse[0]] if self._coarse else [])
        return sum(screen.nbytes for screen in kept)

    def set_photo(self, pixels: RGB) -> None:
        """Show another photo; its memory is used as it is and must not change."""
        self.prepareGeometryChange()
        self._pixels = pixels = np.ascontiguousarray(pixels)
        self._levels, self._coarse = {}, None
        height, width = pixels.shape[:2]
        wanted = levels_of(height, width) if pixels.size else 1
        self._ready = wanted == 1
        if wanted > 1:
            if max(height, width) > COARSE_SIDE:
                step = -(-max(height, width) // COARSE_SIDE)
                screen = as_screen(np.ascontiguousarray(pixels[::step, ::step]))
                self._coarse = (screen, image_of(screen))
                self._background.run(lambda: _made(pixels, wanted), lambda made: self._keep(pixels, made))
            else:
                self._keep(pixels, _made(pixels, wanted))
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(0, 0, self._pixels.shape[1], self._pixels.shape[0])

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        if not self._pixels.size or self._look.mode is ViewMode.MASK:
            return
        scale = self._look.scale
        smooth = scale < SEEN_PIXELS and not self._look.draft
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        height, width = self._pixels.shape[:2]
        for box in self._look.exposed_photo(painter, width, height):
            self._draw(painter, box)

    def _draw(self, painter: QPainter, box: tuple[int, int, int, int]) -> None:
        height, width = self._pixels.shape[:2]
        number = level_for(self._look.scale, levels_of(height, width), draft=self._look.draft)
        if number and number not in self._levels and self._coarse is not None:
            screen, image = self._coarse
            step = -(-max(height, width) // COARSE_SIDE)
            painter.drawImage(QRectF(0, 0, screen.shape[1] * step, screen.shape[0] * step), image)
            return
        if number == 0:
            x0, y0, x1, y1 = box
            screen = as_screen(self._pixels[y0:y1, x0:x1])
            painter.drawImage(QRectF(x0, y0, x1 - x0, y1 - y0), image_of(screen))
            return
        image = self._levels[number][1]
        step = 1 << number
        x0, y0 = box[0] // step, box[1] // step
        x1, y1 = min(-(-box[2] // step), image.width()), min(-(-box[3] // step), image.height())
        source = QRectF(x0, y0, x1 - x0, y1 - y0)
        painter.drawImage(QRectF(x0 * step, y0 * step, (x1 - x0) * step, (y1 - y0) * step), image, source)

    def _keep(self, pixels: RGB, made: list[NDArray[np.uint8]]) -> None:
        if pixels is not self._pixels:
            return
        self._levels = {number: (screen, image_of(screen)) for number, screen in enumerate(made, start=1)}
        self._coarse, self._ready = None, True
        self.update()


def _made(pixels: RGB, count: int) -> list[NDArray[np.uint8]]:
    """Levels 1 .. count - 1 as screen pixels."""
    made = [as_screen(halved(pixels))]
    while len(made) < count - 1:
        made.append(halved(made[-1]))
    return made
