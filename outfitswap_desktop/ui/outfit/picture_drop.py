"""Where a picture of a garment or fabric is dropped: shown small once the gates let it through, else why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage, QPixmap
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from outfitswap_desktop.engine.messages import OpenPhoto, PhotoOpened, Problem

if TYPE_CHECKING:
    from outfitswap_desktop.ui.worker import Desk

SIDE: Final = 72


class PictureDrop(QWidget):
    """One picture of a garment or fabric, by drop or file dialog; every one passes the gates before it shows."""

    changed = Signal(object)
    """The Path that passed, or None."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.path: Path | None = None
        self.setAcceptDrops(True)
        self._picture = QLabel(self)
        self._picture.setFixedSize(SIDE, SIDE)
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._picture.setFrameShape(QFrame.Shape.StyledPanel)
        self._picture.setAccessibleName(self.tr("Picture of a garment or fabric"))
        self._says = QLabel(self)
        self._says.setWordWrap(True)
        self._says.setTextFormat(Qt.TextFormat.PlainText)
        self._says.setProperty("role", "hint")
        self._choose = QPushButton(self.tr("Choose a picture…"), self)
        self._choose.setToolTip(self.tr("A photo of a garment lying flat, or of a fabric"))
        self._choose.clicked.connect(self.ask_file)
        self._clear = QPushButton(self.tr("Remove"), self)
        self._clear.setProperty("role", "quiet")
        self._clear.clicked.connect(self.clear)
        buttons = QHBoxLayout()
        buttons.addWidget(self._choose)
        buttons.addWidget(self._clear)
        buttons.addStretch()
        column = QVBoxLayout()
        column.addWidget(self._says)
        column.addLayout(buttons)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._picture)
        row.addLayout(column, 1)
        self.clear()

    def open(self, path: Path) -> None:
        """Have the gates look at a file; it counts only once they let it through."""
        self._says.setText(self.tr("Looking at {name}…").format(name=path.name))
        self._desk.ask(
            OpenPhoto(path, "garment"), lambda opened: self._opened(path, opened), self._refused, key="garment"
        )

    def clear(self) -> None:
        """Take the picture away."""
        had = self.path is not None
        self.path = None
        self._picture.clear()
        self._picture.setText("+")
        self._clear.setVisible(False)
        self._says.setProperty("role", "hint")
        self._says.style().polish(self._says)
        self._says.setText(self.tr("Drop a picture of a garment or fabric here."))
        if had:
            self.changed.emit(None)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the first file."""
        for url in event.mimeData().urls():
            if url.isLocalFile():
                event.acceptProposedAction()
                self.open(Path(url.toLocalFile()))
                return

    def ask_file(self) -> None:
        """Ask for a file."""
        name, _ = QFileDialog.getOpenFileName(
            self, self.tr("A picture of a garment or fabric"), "", self.tr("Pictures (*.jpg *.jpeg *.png *.webp)")
        )
        if name:
            self.open(Path(name))

    def _opened(self, path: Path, opened: Any) -> None:
        if not isinstance(opened, PhotoOpened):
            return
        height, width = opened.pixels.shape[:2]
        image = QImage(opened.pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        ratio = self.devicePixelRatioF()
        side = round(SIDE * ratio)
        small = image.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
        small.setDevicePixelRatio(ratio)
        self._picture.setPixmap(QPixmap.fromImage(small))
        self._says.setProperty("role", "hint")
        self._says.style().polish(self._says)
        self._says.setText(path.name)
        self._clear.setVisible(True)
        self.path = path
        self.changed.emit(path)

    def _refused(self, problem: Problem) -> None:
        self.clear()
        self._says.setProperty("role", "danger")
        self._says.style().polish(self._says)
        self._says.setText(problem.sentence)
