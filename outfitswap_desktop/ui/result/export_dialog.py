"""Asks how a result is to be saved once more: format, quality, metadata, a visible label, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.engine.messages import ExportResult, ResultPicture
from outfitswap_desktop.ui.background import Background

FORMATS: Final = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}
_TILE: Final = 256
_MOST_TILES: Final = 8
_WAIT_MILLISECONDS: Final = 150
_MARKS_BYTES: Final = 24_000
"""What signature and metadata add to a file, about."""


def estimate(pixels: RGB, suffix: str, quality: int) -> int:
    """About how many bytes the picture takes as a file: some tiles are encoded in memory and counted."""
    import cv2

    height, width = pixels.shape[:2]
    down = max(1, height // _TILE)
    across = max(1, width // _TILE)
    places = [(row, column) for row in range(down) for column in range(across)]
    places = places[:: max(1, len(places) // _MOST_TILES)]
    options = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, quality], ".webp": [cv2.IMWRITE_WEBP_QUALITY, quality]}
    found = 0.0
    seen = 0
    for row, column in places:
        tile = np.ascontiguousarray(
            pixels[row * _TILE : (row + 1) * _TILE, column * _TILE : (column + 1) * _TILE, ::-1]
        )
        _, encoded = cv2.imencode(suffix, tile, options.get(suffix, [cv2.IMWRITE_PNG_COMPRESSION, 3]))
        found += len(encoded)
        seen += tile.shape[0] * tile.shape[1]
    return int(found / seen * height * width) + _MARKS_BYTES


def free_name(folder: Path, stem: str) -> str:
    """`stem`, or the first of `stem-2`, `stem-3` ... that no file of ours in the folder has."""
    number = 1
    name = stem
    while any((folder / f"{name}{suffix}").exists() for suffix in FORMATS.values()):
        number += 1
        name = f"{stem}-{number}"
    return name


class ExportDialog(QDialog):
    """Shows the choices for one result; when accepted, `request` is what to ask the engine for. It saves nothing itself."""

    def __init__(self, picture: ResultPicture, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        if not isinstance(picture, ResultPicture):
            raise TypeError("only a ResultPicture is exported")
        self._picture = picture
        self._background = Background(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WAIT_MILLISECONDS)
        self._timer.timeout.connect(self._estimate)
        self.setWindowTitle(self.tr("Export result"))
        self._formats = QButtonGroup(self)
        self._quality = QSlider(Qt.Orientation.Horizontal)
        self._quality_number = QSpinBox()
        self._metadata = QCheckBox(self.tr("Keep the photo's metadata (camera, date; never the place)"))
        self._label = QCheckBox(self.tr("Write “AI edited” into a corner"))
        self._name = QLineEdit(free_name(folder, f"{picture.output.stem}-export"))
        self._folder = QLineEdit(str(folder))
        self._hint = QLabel()
        self._size = QLabel()
        self._problem = QLabel()
        self._buttons = QDialogButtonBox()
        self._build(picture)
        self._changed()

    @property
    def request(self) -> ExportResult:
        """What was chosen."""
        return ExportResult(
            output=self._picture.output,
            sha256=self._picture.sha256,
            target=self.target,
            quality=self._quality.value(),
            keep_metadata=self._metadata.isChecked(),
            label=self._label.isChecked(),
        )

    @property
    def target(self) -> Path:
        """The file that will be written."""
        name = self._name.text().strip()
        for suffix in (*FORMATS.values(), ".jpeg"):
            if name.lower().endswith(suffix):
                name = name[: -len(suffix)]
        return Path(self._folder.text().strip()).expanduser() / (name + FORMATS[self.format])

    @property
    def format(self) -> str:
        """PNG, JPEG or WEBP."""
        return next(iter(FORMATS)) if self._formats.checkedId() < 0 else list(FORMATS)[self._formats.checkedId()]

    def set_format(self, name: str) -> None:
        """Choose a format."""
        self._formats.button(list(FORMATS).index(name)).setChecked(True)
        self._changed()

    def _build(self, picture: ResultPicture) -> None:
        formats = QHBoxLayout()
        tips = {
            "PNG": self.tr("Loses nothing: outside the mask every pixel stays what it was"),
            "JPEG": self.tr("Small, and understood everywhere"),
            "WEBP": self.tr("Smaller still, for the web"),
        }
        for number, name in enumerate(FORMATS):
            button = QRadioButton("WebP" if name == "WEBP" else name)
            button.setToolTip(tips[name])
            button.setAccessibleDescription(tips[name])
            self._formats.addButton(button, number)
            formats.addWidget(button)
        formats.addStretch()
        start = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}.get(picture.output.suffix.lower(), "PNG")
        self._formats.button(list(FORMATS).index(start)).setChecked(True)
        self._formats.idClicked.connect(self._changed)
        quality = QHBoxLayout()
        quality.addWidget(self._quality, 1)
        quality.addWidget(self._quality_number)
        self._quality.setRange(40, 100)
        self._quality_number.setRange(40, 100)
        self._quality.setValue(95)
        self._quality_number.setValue(95)
        self._quality.valueChanged.connect(self._quality_number.setValue)
        self._quality_number.valueChanged.connect(self._quality.setValue)
        self._quality.valueChanged.connect(self._changed)
        self._quality.setAccessibleName(self.tr("Quality"))
        self._quality_number.setAccessibleName(self.tr("Quality"))
        self._metadata.setChecked(True)
        self._metadata.setToolTip(self.tr("Off: only what marks it as edited by AI is kept"))
        self._label.setToolTip(self.tr("The invisible mark and the signed note are in the file anyway"))
        folder = QHBoxLayout()
        folder.addWidget(self._folder, 1)
        browse = QPushButton(self.tr("Browse…"))
        browse.clicked.connect(self._browse)
        folder.addWidget(browse)
        for field, name in ((self._name, self.tr("File name")), (self._folder, self.tr("Folder"))):
            field.setAccessibleName(name)
            field.textChanged.connect(self._changed)
        for label, role in ((self._hint, "hint"), (self._size, "hint"), (self._problem, "danger")):
            label.setProperty("role", role)
            label.setWordWrap(True)
        save = self._buttons.addButton(self.tr("Export"), QDialogButtonBox.ButtonRole.AcceptRole)
        save.setProperty("role", "primary")
        save.setDefault(True)
        self._buttons.addButton(self.tr("Cancel"), QDialogButtonBox.ButtonRole.RejectRole)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.addRow(self.tr("Format"), formats)
        form.addRow(self.tr("Quality"), quality)
        form.addRow("", self._hint)
        form.addRow("", self._metadata)
        form.addRow("", self._label)
        form.addRow(self.tr("File name"), self._name)
        form.addRow(self.tr("Folder"), folder)
        form.addRow("", self._size)
        form.addRow("", self._problem)
        whole = QVBoxLayout(self)
        whole.addLayout(form)
        whole.addStretch()
        whole.addWidget(self._buttons)
        self.setMinimumWidth(560)
        self._form = form
        self._quality_row = quality

    def _changed(self, *_: object) -> None:
        lossless = self.format == "PNG"
        self._quality.setEnabled(not lossless)
        self._quality_number.setEnabled(not lossless)
        self._hint.setText(
            self.tr("Lossless: outside the mask every pixel stays what it was.")
            if lossless
            else self.tr("Saving as {format} changes pixels a little everywhere; PNG does not.").format(
                format="WebP" if self.format == "WEBP" else self.format
            )
        )
        problem = self._what_is_wrong()
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))
        self._buttons.buttons()[0].setEnabled(not self._blocks())
        self._size.setText(self.tr("Estimating the size…"))
        self._timer.start()

    def _what_is_wrong(self) -> str:
        name = self._name.text().strip()
        if not name:
            return self.tr("Give the file a name.")
        if any(c in name for c in '/\\:*?"<>|'):
            return self.tr('A file name cannot hold any of these: / \\ : * ? " < > |')
        if self.target == self._picture.output:
            return self.tr("This is the result itself: choose another name or folder.")
        if self.target.exists():
            return self.tr("{name} is there already and will be replaced.").format(name=self.target.name)
        return ""

    def _blocks(self) -> bool:
        name = self._name.text().strip()
        return not name or any(c in name for c in '/\\:*?"<>|') or self.target == self._picture.output

    def _estimate(self) -> None:
        pixels, suffix, quality = self._picture.pixels, FORMATS[self.format], self._quality.value()
        self._background.run(lambda: estimate(pixels, suffix, quality), self._show_size, key="size")

    def _show_size(self, size: int) -> None:
        shown = self.locale().formattedDataSize(size, 1)
        height, width = self._picture.pixels.shape[:2]
        self._size.setText(
            self.tr("{width} x {height} pixels, about {size}").format(width=width, height=height, size=shown)
        )

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder to export to"), self._folder.text())
        if chosen:
            self._folder.setText(chosen)

    def done(self, code: int) -> None:
        """Close, with nothing left running."""
        self._timer.stop()
        self._background.close()
        super().done(code)

    def closeEvent(self, event: QCloseEvent) -> None:
        """The same by the window's own button."""
        self._background.close()
        super().closeEvent(event)
