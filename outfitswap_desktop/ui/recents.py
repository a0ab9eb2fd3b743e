"""The recent photos on the start page: which there are, whether their files are, and thumbnails, read in the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, QSize, Qt
from PySide6.QtGui import QImage, QImageReader

from outfitswap_desktop.ui.pages.recent import THUMBNAIL, Recent

if TYPE_CHECKING:
    from outfitswap_desktop.engine.messages import PhotoOpened
    from outfitswap_desktop.store.settings import SettingsStore
    from outfitswap_desktop.ui.background import Background
    from outfitswap_desktop.ui.pages.start import StartPage

SHOWN: Final = 12
_SIDE: Final = 2 * THUMBNAIL


class Recents(QObject):
    """Keeps the start page's list. Photos get into it only after the gates let them through."""

    def __init__(
        self, settings: SettingsStore, page: StartPage, background: Background, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._page = page
        self._background = background

    def show(self) -> None:
        """Show the list; files and thumbnails are looked at beside."""
        photos = self._settings.recent(SHOWN)
        self._background.run(lambda: [Recent(path, path.is_file()) for path in photos], self._show)

    def add(self, path: Path, photo: PhotoOpened) -> None:
        """A photo was opened: it comes first, with a thumbnail of what is shown."""
        self._settings.opened(path)
        pixels = photo.pixels
        self.show()
        self._background.run(lambda: _small(pixels), lambda image: self._page.set_thumbnail(path, image))

    def forget(self, path: Path) -> None:
        """Take a photo off the list."""
        self._settings.forget_recent(path)
        self.show()

    def _show(self, rows: list[Recent]) -> None:
        self._page.set_recent(rows)
        for row in rows:
            if row.there:
                self._read(row.path)

    def _read(self, path: Path) -> None:
        def show(image: QImage) -> None:
            if not image.isNull():
                self._page.set_thumbnail(path, image)

        self._background.run(lambda: _read(path), show)


def _read(path: Path) -> QImage:
    reader = QImageReader(str(path))
    reader.setAutoTransform(True)
    size = reader.size()
    if size.isValid():
        scale = _SIDE / min(size.width(), size.height())
        if scale < 1:
            reader.setScaledSize(QSize(round(size.width() * scale), round(size.height() * scale)))
    return reader.read()


def _small(pixels: object) -> QImage:
    import cv2
    import numpy as np

    assert isinstance(pixels, np.ndarray)
    height, width = pixels.shape[:2]
    scale = min(1.0, _SIDE / min(height, width))
    small = cv2.resize(pixels, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    image = QImage(np.ascontiguousarray(small).data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return image.copy().convertToFormat(QImage.Format.Format_RGB32, Qt.ImageConversionFlag.AutoColor)
