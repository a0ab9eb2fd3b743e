"""The start page: a photo comes in by drop, paste, dialog, from the recent ones, or as the sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from outfitswap_desktop.ui import theme
from outfitswap_desktop.ui.incoming import packed
from outfitswap_desktop.ui.pages.parts import IconLabel, button, column, label, scrolled
from outfitswap_desktop.ui.pages.recent import Recent, RecentGrid, RecentPhotos

_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp")


def dropped_photo(mime: QMimeData) -> Path | None:
    """The first picture file of what is dragged or pasted, by its name; None when there is none on this machine."""
    for url in mime.urls():
        if url.isLocalFile() and url.toLocalFile().lower().endswith(_SUFFIXES):
            return Path(url.toLocalFile())
    return None


def dropped_pixels(mime: QMimeData) -> bytes:
    """A picture that comes without a file (dragged from a browser), as PNG; empty when there is none."""
    if not mime.hasImage():
        return b""
    image = mime.imageData()
    if not isinstance(image, QImage) or image.isNull():
        return b""
    return packed(image)


class DropZone(QFrame):
    """A large area to drop a photo on; Enter, Space or a click on it asks for the file dialog."""

    path_dropped = Signal(object)
    pixels_dropped = Signal(bytes)
    refused = Signal()
    pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._over = False
        self.setObjectName("dropZone")
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setMinimumHeight(236)
        self.setMaximumHeight(340)
        self.setAccessibleName(self.tr("Drop a photo here, or press Enter to choose one"))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        mime = event.mimeData()
        if mime.hasUrls() or mime.hasImage():
            event.acceptProposedAction()
            self._show_over(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._show_over(False)
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        self._show_over(False)
        event.acceptProposedAction()
        path = dropped_photo(event.mimeData())
        if path is not None:
            self.path_dropped.emit(path)
            return
        pixels = dropped_pixels(event.mimeData())
        if pixels:
            self.pixels_dropped.emit(pixels)
        else:
            self.refused.emit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.pressed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.pressed.emit()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        shown = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        marked = self._over or self.hasFocus()
        pen = QPen(QColor(shown.accent if marked else shown.edge), 2.0 if marked else 1.4)
        pen.setDashPattern([5, 4] if not self.hasFocus() or self._over else [1, 0])
        painter.setPen(pen)
        painter.setBrush(QColor(theme.mixed(shown.accent, shown.panel, 0.14) if self._over else shown.panel))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(2, 2, -2, -2), shown.radius * 2, shown.radius * 2)

    def _show_over(self, over: bool) -> None:
        self._over = over
        self.update()


class StartPage(QWidget):
    """Where every session begins. `news` is one line under the limits, "" for none."""

    open_asked = Signal(object)
    """A Path: dropped, or chosen among the recent ones."""
    pixels_asked = Signal(bytes)
    """A picture that was dropped without a file, as PNG."""
    browse_asked = Signal()
    paste_asked = Signal()
    sample_asked = Signal()
    forget_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None, *, news: str = "") -> None:
        super().__init__(parent)
        self.setObjectName("startPage")
        self.recent = RecentPhotos(self)
        self.zone = DropZone(self)
        self._fill_zone()
        self.zone.path_dropped.connect(self.open_asked)
        self.zone.pixels_dropped.connect(self.pixels_asked)
        self.zone.pressed.connect(self.browse_asked)
        self.zone.refused.connect(self._say_refused)
        self._grid = RecentGrid(self.recent, self)
        self._grid.open_asked.connect(self.open_asked)
        self._grid.forget_asked.connect(self.forget_asked)
        self._heading = label(self.tr("Recent photos"), "heading")
        self._said = label("", "warning")
        self._said.hide()

        inner = QVBoxLayout()
        inner.setContentsMargins(28, 24, 28, 20)
        inner.setSpacing(12)
        self._air = (_air(), _air())
        inner.addWidget(self._air[0], 2)
        inner.addLayout(self._greeting())
        inner.addWidget(self.zone, 3)
        inner.addWidget(self._said)
        inner.addWidget(_centred("   ·   ".join(self._limits())))
        if news:
            inner.addWidget(_centred(news))
        inner.addSpacing(8)
        inner.addWidget(self._heading)
        inner.addWidget(self._grid, 3)
        inner.addWidget(self._air[1], 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(column(inner, width=940)))
        self.set_recent(())

    def set_recent(self, rows: Sequence[Recent]) -> None:
        """Show these as the recent photos, newest first; the heading goes when there are none."""
        self.recent.show(rows)
        self._heading.setVisible(bool(rows))
        self._grid.setVisible(bool(rows))
        for air in self._air:  # without recent photos the rest stands in the middle
            air.setVisible(not rows)
        self._grid.setMinimumHeight(self._grid.gridSize().height() + 8 if rows else 0)

    def set_thumbnail(self, path: Path, picture: QImage) -> None:
        """The thumbnail of a recent photo, once it was made."""
        self.recent.set_thumbnail(path, picture)

    def set_sample(self, possible: bool, *, reason: str = "") -> None:
        """Whether the sample photo is there, and if not, why."""
        self.sample.setEnabled(possible)
        self.sample.setToolTip(reason if not possible else self._sample_tip)

    def _greeting(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(14)
        row.addWidget(IconLabel("app", 44))
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(label(self.tr("Change the clothes, and nothing but the clothes"), "title"))
        words.addWidget(label(self.tr("Open a photo, check the mask, say what to wear instead."), "hint"))
        row.addLayout(words, 1)
        return row

    def _fill_zone(self) -> None:
        layout = QVBoxLayout(self.zone)
        layout.setContentsMargins(20, 24, 20, 24)
        layout.setSpacing(8)
        layout.addStretch(1)
        layout.addWidget(IconLabel("drop", 44, tint="accent"), 0, Qt.AlignmentFlag.AlignHCenter)
        words = label(self.tr("Drop a photo here"), "heading")
        words.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(words)
        layout.addSpacing(6)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        self.open = button(self.tr("Open photo…"), "open", "primary", tip=self.tr("Choose a photo (Ctrl+O)"))
        self.open.clicked.connect(self.browse_asked)
        self.paste = button(self.tr("Paste"), "paste", tip=self.tr("Take the picture in the clipboard (Ctrl+V)"))
        self.paste.clicked.connect(self.paste_asked)
        self._sample_tip = self.tr("A portrait by NASA, in the public domain, to try everything with")
        self.sample = button(self.tr("Sample photo"), "person", tip=self._sample_tip)
        self.sample.clicked.connect(self.sample_asked)
        for each in (self.open, self.paste, self.sample):
            each.setMinimumHeight(34)
            each.setCursor(Qt.CursorShape.ArrowCursor)
            buttons.addWidget(each)
        buttons.addStretch(1)
        layout.addLayout(buttons)
        layout.addStretch(1)

    def _limits(self) -> tuple[str, ...]:
        return (
            self.tr("Stays on this machine"),
            self.tr("JPEG, PNG or WebP, up to 50 megapixels"),
            self.tr("Adults who agreed, dressed"),
        )

    def _say_refused(self) -> None:
        self._said.setText(self.tr("That is no photo file of this machine. JPEG, PNG and WebP can be opened."))
        self._said.show()


def _air() -> QWidget:
    made = QWidget()
    made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
    return made


def _centred(text: str) -> QLabel:
    made = label(text, "hint")
    made.setAlignment(Qt.AlignmentFlag.AlignHCenter)
    return made
