"""Handing a released result to other programs: clipboard, drag and the file browser get its file, marks and all."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QDrag, QGuiApplication, QImage, QMouseEvent, QPixmap
from PySide6.QtWidgets import QToolButton, QWidget

from outfitswap_desktop.engine.messages import ResultPicture


def mime_of(picture: ResultPicture, *, with_pixels: bool = True) -> QMimeData:
    """The result's file as a URL, and its pixels for programs that paste pictures. Raises TypeError for anything else."""
    if not isinstance(picture, ResultPicture):
        raise TypeError("only a ResultPicture is handed out")
    held = QMimeData()
    url = QUrl.fromLocalFile(str(picture.output))
    held.setUrls([url])
    held.setData("x-special/gnome-copied-files", b"copy\n" + url.toEncoded().data())
    if with_pixels:
        import numpy as np

        pixels = np.ascontiguousarray(picture.pixels)
        height, width = pixels.shape[:2]
        held.setImageData(QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy())
    return held


def copy(picture: ResultPicture) -> None:
    """Put the result on the clipboard."""
    QGuiApplication.clipboard().setMimeData(mime_of(picture))


def reveal(path: Path) -> bool:
    """Show the file's folder in the system's file browser; says whether one was found."""
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.parent)))


class DragButton(QToolButton):
    """Dragged onto another program, it hands over the result's file."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture: ResultPicture | None = None
        self._small = QPixmap()
        self._pressed: QPoint | None = None
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self.setEnabled(False)

    def set_picture(self, picture: ResultPicture | None, small: QPixmap | None = None) -> None:
        """What is handed over, and the small picture under the pointer. Raises TypeError for anything but a ResultPicture."""
        if picture is not None and not isinstance(picture, ResultPicture):
            raise TypeError("only a ResultPicture is handed out")
        self._picture = picture
        self._small = small if small is not None else QPixmap()
        self.setEnabled(picture is not None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._pressed = event.position().toPoint()
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Begin to drag when the pointer has gone far enough."""
        start = QGuiApplication.styleHints().startDragDistance()
        if self._picture is None or self._pressed is None:
            return
        if (event.position().toPoint() - self._pressed).manhattanLength() < start:
            return
        self._pressed = None
        self.setDown(False)
        drag = QDrag(self)
        drag.setMimeData(mime_of(self._picture, with_pixels=False))
        drag.setPixmap(self._small)
        drag.exec(Qt.DropAction.CopyAction)
