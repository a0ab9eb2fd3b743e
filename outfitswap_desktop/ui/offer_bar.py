"""The bar that offers to go on with what was open when the program ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from PySide6.QtCore import QDateTime, QLocale
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget


class OfferBar(QFrame):
    """Hidden until there is something to offer, and after it was answered."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "notice")
        self._resume: Callable[[], object] | None = None
        self._says = QLabel(self)
        self.go_on = QPushButton(self.tr("Go on with it"), self)
        self.go_on.setProperty("role", "primary")
        self.go_on.clicked.connect(self._go_on)
        self.later = QPushButton(self.tr("Not now"), self)
        self.later.setProperty("role", "quiet")
        self.later.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.addWidget(self._says, 1)
        row.addWidget(self.later)
        row.addWidget(self.go_on)
        self.hide()

    def offer(self, name: str, saved: datetime, resume: Callable[[], object]) -> None:
        """Show the offer; `saved` in UTC."""
        self._resume = resume
        moment = QDateTime.fromSecsSinceEpoch(round(saved.timestamp()))
        when = QLocale().toString(moment, QLocale.FormatType.ShortFormat)
        text = self.tr("{name} was open the last time, with your mask and outfit ({when}).")
        self._says.setText(text.format(name=name, when=when))
        self.show()

    def _go_on(self) -> None:
        self.hide()
        if self._resume is not None:
            self._resume()
