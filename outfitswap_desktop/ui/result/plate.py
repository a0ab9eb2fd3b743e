"""A picture ready to be painted at any zoom: its pixels as they are, and halves of them for when it is seen small."""

from __future__ import annotations

import math
from typing import Final, Self

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QImage, QPainter

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.engine.messages import PhotoOpened, ResultPicture
from outfitswap_desktop.ui.result.difference import Difference

SMALLEST: Final = 512
"""Halving ends when the longer side is at most this long, in pixels."""
_SHARP_FROM: Final = 2.0
"""From this zoom on pixels are drawn as squares, so that a look at single ones shows what is there."""


class Plate:
    """Made of a result that has passed the gates, of the user's own photo, or of the difference of the two; of nothing else."""

    def __init__(self, pixels: RGB, *, of: PhotoOpened | ResultPicture | Difference) -> None:
        """`of` must hold `pixels`; raises TypeError for anything else."""
        held = of.image if isinstance(of, Difference) else getattr(of, "pixels", None)
        if not isinstance(of, PhotoOpened | ResultPicture | Difference) or held is not pixels:
            raise TypeError("a plate is made of a released result or of the user's own photo, not of an array")
        self._keep: list[object] = [pixels]
        self._levels = self._build(pixels)

    @classmethod
    def of_result(cls, picture: ResultPicture) -> Self:
        """Of a released result; raises TypeError for anything else."""
        if not isinstance(picture, ResultPicture):
            raise TypeError("only a ResultPicture is shown as a result")
        return cls(picture.pixels, of=picture)

    @classmethod
    def of_photo(cls, photo: PhotoOpened) -> Self:
        """Of the user's photo; raises TypeError for anything else."""
        if not isinstance(photo, PhotoOpened):
            raise TypeError("only a PhotoOpened is shown as a photo")
        return cls(photo.pixels, of=photo)

    @classmethod
    def of_difference(cls, found: Difference) -> Self:
        """Of a counted difference."""
        return cls(found.image, of=found)

    @property
    def size(self) -> QSize:
        """The picture's own size in pixels."""
        return self._levels[0].size()

    def paint(self, painter: QPainter, target: QRectF, source: QRectF, *, scale: float) -> None:
        """Paint the part `source` (in the picture's pixels) into `target`; `scale` is device pixels per picture pixel."""
        level = min(max(0, math.floor(math.log2(1 / scale))) if scale < 1 else 0, len(self._levels) - 1)
        image = self._levels[level]
        across, down = image.width() / self.size.width(), image.height() / self.size.height()
        part = QRectF(source.x() * across, source.y() * down, source.width() * across, source.height() * down)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, scale < _SHARP_FROM)
        painter.drawImage(target, image, part)

    def small(self, side: int) -> QImage:
        """A copy of at most `side` pixels, for a strip or a drag's picture."""
        from PySide6.QtCore import Qt

        image = self._levels[-1]
        return image.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)

    def _build(self, pixels: RGB) -> list[QImage]:
        """Level 0 shows the array itself; the halves are ours, with four bytes a pixel, which Qt paints fastest."""
        import cv2
        import numpy as np

        whole = np.ascontiguousarray(pixels)
        self._keep.append(whole)
        height, width = whole.shape[:2]
        levels = [QImage(whole.data, width, height, 3 * width, QImage.Format.Format_RGB888)]
        half: RGB = whole
        while max(half.shape[:2]) > SMALLEST and min(half.shape[:2]) > 1:
            half = np.asarray(
                cv2.resize(half, (half.shape[1] // 2, half.shape[0] // 2), interpolation=cv2.INTER_AREA), np.uint8
            )
            painted = cv2.cvtColor(half, cv2.COLOR_RGB2BGRA)
            self._keep.append(painted)
            height, width = painted.shape[:2]
            levels.append(QImage(painted.data, width, height, 4 * width, QImage.Format.Format_RGB32))
        return levels
