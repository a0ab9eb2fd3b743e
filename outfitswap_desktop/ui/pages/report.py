"""Report a problem: a note, and every member of the redacted ZIP to be read before it is saved. Nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QPlainTextEdit,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui.pages.asking import Desk
from outfitswap_desktop.ui.pages.parts import button, label

if TYPE_CHECKING:
    from outfitswap_desktop.engine.messages import Problem

_TYPING: Final = 400
"""Milliseconds after the last key before the preview is made again."""


class ReportDialog(QDialog):
    """Shows and saves the diagnostics ZIP. `entry` is the number of the history entry it is about, None for none."""

    def __init__(self, desk: Desk, parent: QWidget | None = None, *, entry: int | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("reportDialog")
        self.setWindowTitle(self.tr("Report a problem"))
        self.resize(820, 600)
        self._desk = desk
        self._entry = entry
        self._members: dict[str, str] = {}
        self._shown_note: str | None = None
        self.note = QPlainTextEdit()
        self.note.setPlaceholderText(self.tr("What did you do, what happened, what did you expect?"))
        self.note.setAccessibleName(self.tr("What happened"))
        self.note.setTabChangesFocus(True)
        self.note.setMaximumHeight(110)
        self.names = QListWidget()
        self.names.setAccessibleName(self.tr("Files of the report"))
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName(self.tr("Content of the chosen file"))
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.save = button(self.tr("Save report…"), "save", "primary")
        self.save.clicked.connect(self._choose_target)
        self._says = label("", "hint")
        self._build()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_TYPING)
        self._timer.timeout.connect(self._ask)
        self.note.textChanged.connect(self._typed)
        self.names.currentTextChanged.connect(lambda name: self.text.setPlainText(self._members.get(name, "")))
        self._ask()

    def save_as(self, target: Path) -> None:
        """Have the ZIP written there, with what is shown."""
        from outfitswap_desktop.engine.messages import WriteReport

        self.save.setEnabled(False)
        self._say(self.tr("Saving…"))
        request = WriteReport(target, note=self.note.toPlainText(), entry=self._entry)
        self._desk.ask(request, lambda _members: self._saved(target), self._failed, key="report-save")

    def _build(self) -> None:
        close = button(self.tr("Close"))
        close.clicked.connect(self.reject)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(self.names)
        parts.addWidget(self.text)
        parts.setStretchFactor(1, 1)
        parts.setSizes([190, 600])
        parts.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 14)
        layout.setSpacing(10)
        layout.addWidget(label(self.tr("Report a problem"), "title"))
        about = self.tr("This makes a ZIP on your disk, without pictures, prompts, names or paths. Nothing is sent.")
        layout.addWidget(label(about, "hint"))
        layout.addWidget(self.note)
        layout.addWidget(label(self.tr("Everything that goes in"), "heading"))
        layout.addWidget(parts, 1)
        foot = QHBoxLayout()
        foot.addWidget(self._says, 1)
        foot.addWidget(close)
        foot.addWidget(self.save)
        layout.addLayout(foot)

    def _typed(self) -> None:
        # what is saved must have been seen: the button comes back with the new preview
        self.save.setEnabled(False)
        self._timer.start()

    def _ask(self) -> None:
        from outfitswap_desktop.engine.messages import WriteReport

        note = self.note.toPlainText()
        self.save.setEnabled(False)
        self._say(self.tr("Collecting…"))
        self._desk.ask(
            WriteReport(None, note=note, entry=self._entry),
            lambda members: self._preview(members, note),
            self._failed,
            key="report",
        )

    def _preview(self, members: Mapping[str, Any], note: str) -> None:
        if note != self.note.toPlainText():
            return
        chosen = self.names.currentItem().text() if self.names.currentItem() else ""
        self._members = {str(name): str(text) for name, text in members.items()}
        self.names.ensurePolished()
        self.names.clear()
        self.names.addItems(list(self._members))
        found = self.names.findItems(chosen, Qt.MatchFlag.MatchExactly)
        if found:
            self.names.setCurrentItem(found[0])
        else:
            self.names.setCurrentRow(0)
        self.save.setEnabled(bool(self._members))
        self._say("")

    def _choose_target(self) -> None:
        name = f"outfitswap-report-{date.today().isoformat()}.zip"
        chosen, _ = QFileDialog.getSaveFileName(
            self, self.tr("Save report"), str(Path.home() / name), self.tr("ZIP files (*.zip)")
        )
        if chosen:
            self.save_as(Path(chosen) if chosen.lower().endswith(".zip") else Path(f"{chosen}.zip"))

    def _saved(self, target: Path) -> None:
        self.save.setEnabled(True)
        self._say(self.tr("Saved as {path}. Send it to whoever helps you, if you like.").format(path=target), "good")

    def _failed(self, problem: Problem) -> None:
        self.save.setEnabled(bool(self._members))
        self._say(problem.sentence, "danger")

    def _say(self, text: str, role: str = "hint") -> None:
        self._says.setText(text)
        self._says.setProperty("role", role)
        self._says.style().unpolish(self._says)
        self._says.style().polish(self._says)
