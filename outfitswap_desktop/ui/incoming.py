"""What comes into the window from outside: files that are dropped or pasted, pictures in the clipboard."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMimeData, QObject, Signal
from PySide6.QtGui import QImage

FILTER: Final = "(*.jpg *.jpeg *.jpe *.jfif *.png *.webp)"
_FAST: Final = 80
"""Qt's quality for PNG, which it takes as 100 less the effort: lossless either way, and quick."""


def files_in(carried: QMimeData) -> tuple[Path, ...]:
    """The local files of a drop or a clipboard, in their order."""
    return tuple(Path(url.toLocalFile()) for url in carried.urls() if url.isLocalFile())


def takes(carried: QMimeData) -> bool:
    """Whether there is anything in it that can be opened."""
    return bool(files_in(carried)) or carried.hasImage()


class Pasting(QObject):
    """Makes a file of a picture that came without one, beside the window's thread: a large one takes a second."""

    ready = Signal(bytes)
    """The picture as PNG."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="pasting")

    def take(self, picture: object) -> None:
        """Pack a QImage; anything else is nothing."""
        if isinstance(picture, QImage) and not picture.isNull():
            self._threads.submit(packed, QImage(picture)).add_done_callback(self._hand_over)

    def close(self) -> None:
        """End the thread."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _hand_over(self, packed: Future[bytes]) -> None:
        if not packed.cancelled() and packed.result():
            self.ready.emit(packed.result())


def packed(picture: QImage) -> bytes:
    """A picture as a PNG file in memory, without loss."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG", _FAST)  # type: ignore[call-overload,unused-ignore]
    return bytes(content.data())
