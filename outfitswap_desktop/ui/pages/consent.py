"""The question that is asked once per photo: who agreed that it is changed, and that the person is an adult."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui.pages.parts import IconLabel, button, foot, label, panel, wrapped

_PICTURE: Final = 132
_KINDS: Final = ("self", "release", "synthetic", "licensed")


class ConsentDialog(QDialog):
    """After `exec()` or `accepted`, `consent` and `adult_attested` are what SwapRequest takes.

    `name` is the photo's, `picture` a small image of it (the photo's own pixels, never a result's). `reason` is the gate's
    sentence when it asked. With `needs_consent` False only the statement of age is asked, for a photo whose consent is known.
    """

    def __init__(
        self,
        name: str,
        parent: QWidget | None = None,
        *,
        picture: QImage | None = None,
        reason: str = "",
        needs_consent: bool = True,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("consentDialog")
        self.setWindowTitle(self.tr("Who agreed?"))
        self.setMinimumWidth(520)
        self._needs_consent = needs_consent
        self._kinds = QButtonGroup(self)
        self.file = QLineEdit()
        self.adult = QCheckBox()
        self.go = button(self.tr("State this and go on"), role="primary")
        self.go.setDefault(True)
        self.go.clicked.connect(self.accept)
        self.cancel = button(self.tr("Cancel"), tip=self.tr("State nothing; the photo stays as it is (Esc)"))
        self.cancel.clicked.connect(self.reject)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(12)
        layout.addLayout(self._head(name, picture))
        if reason:
            frame, inside = panel("notice")
            inside.addWidget(label(reason))
            layout.addWidget(frame)
        if needs_consent:
            layout.addLayout(self._choices())
        layout.addWidget(wrapped(self.adult, self.tr("I know that the person in this photo is an adult")))
        layout.addStretch(1)
        self._why = label("", "hint")
        layout.addLayout(foot(self._why, self.cancel, self.go))
        self.adult.toggled.connect(self._check)
        self._check()

    @property
    def consent(self) -> str | None:
        """ "self", "release:FILE", "synthetic" or "licensed"; None when that was not asked."""
        kind = self._kind()
        return f"release:{self.file.text().strip()}" if kind == "release" else kind

    @property
    def adult_attested(self) -> bool:
        return self.adult.isChecked()

    def choose(self, kind: str) -> None:
        """Choose one of the four answers; raises ValueError for another word."""
        choice = self._kinds.button(_KINDS.index(kind))
        if choice is not None:
            choice.setChecked(True)

    def _head(self, name: str, picture: QImage | None) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(14)
        if picture is not None and not picture.isNull():
            row.addWidget(_thumbnail(picture, self.devicePixelRatioF()), 0, Qt.AlignmentFlag.AlignTop)
        else:
            row.addWidget(IconLabel("person", 40, tint="accent"), 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(6)
        title = (
            self.tr("Who agreed that this photo is changed?") if self._needs_consent else self.tr("Is this an adult?")
        )
        words.addWidget(label(title, "title"))
        words.addWidget(label(name, "hint"))
        kept = self.tr("Asked once per photo, kept on this machine for twelve months, with the photo's fingerprint.")
        words.addWidget(label(kept, "hint"))
        words.addStretch(1)
        row.addLayout(words, 1)
        return row

    def _choices(self) -> QVBoxLayout:
        texts = {
            "self": self.tr("I am the person in it, and an adult"),
            "release": self.tr("The person is an adult and has signed a release"),
            "synthetic": self.tr("The person does not exist: the picture is synthetic and shows an adult"),
            "licensed": self.tr("Licensed stock: the licence covers this use, and the person is an adult"),
        }
        column = QVBoxLayout()
        column.setSpacing(2)
        for number, kind in enumerate(_KINDS):
            choice = QRadioButton()
            choice.setObjectName(f"consent_{kind}")
            self._kinds.addButton(choice, number)
            column.addWidget(wrapped(choice, texts[kind]))
            if kind == "release":
                column.addWidget(self._release())
        self._kinds.idToggled.connect(self._check)
        return column

    def _release(self) -> QWidget:
        self._file_row = QWidget()
        row = QHBoxLayout(self._file_row)
        row.setContentsMargins(28, 0, 0, 4)
        self.file.setPlaceholderText(self.tr("File of the signed release"))
        self.file.setAccessibleName(self.tr("File of the signed release"))
        self.file.setToolTip(self.tr("Only its fingerprint is kept, never its content"))
        self.file.textChanged.connect(self._check)
        browse = button(self.tr("Choose…"), "open", tip=self.tr("Choose the file of the signed release"))
        browse.clicked.connect(self._browse)
        row.addWidget(self.file, 1)
        row.addWidget(browse)
        return self._file_row

    def _browse(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, self.tr("File of the signed release"))
        if chosen:
            self.file.setText(chosen)

    def _kind(self) -> str | None:
        number = self._kinds.checkedId()
        return _KINDS[number] if number >= 0 else None

    def _check(self) -> None:
        kind = self._kind()
        if self._needs_consent:
            self._file_row.setVisible(kind == "release")
        why = ""
        if self._needs_consent and kind is None:
            why = self.tr("Choose who agreed.")
        elif kind == "release" and not _is_file(self.file.text().strip()):
            why = self.tr("Name the file of the signed release.")
        elif not self.adult.isChecked():
            why = self.tr("State that the person is an adult.")
        self.go.setEnabled(not why)
        self._why.setText(why)


def _is_file(name: str) -> bool:
    try:
        return bool(name) and Path(name).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def _thumbnail(picture: QImage, ratio: float) -> QLabel:
    shown = picture.scaled(
        QSize(_PICTURE, _PICTURE) * ratio,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
    shown.setDevicePixelRatio(ratio)
    made = QLabel()
    made.setPixmap(QPixmap.fromImage(shown))
    return made
