"""One line that says what has just been done, with a button that undoes it; it goes by itself after a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget

from outfitswap_desktop.ui import icons

SHOWN_MILLISECONDS: Final = 10_000


class UndoBar(QFrame):
    """Hidden until `offer` is called."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "notice")
        self._text = QLabel()
        self._undo = QPushButton(icons.icon("undo"), self.tr("Undo"))
        self._close = QToolButton()
        self._close.setIcon(icons.icon("close"))
        self._undo.setToolTip(self.tr("Take it back"))
        self._undo.setAccessibleName(self.tr("Undo"))
        self._close.setToolTip(self.tr("Dismiss"))
        self._close.setAccessibleName(self.tr("Dismiss"))
        self._run: Callable[[], object] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SHOWN_MILLISECONDS)
        self._timer.timeout.connect(self.dismiss)
        self._undo.clicked.connect(self.undo)
        self._close.clicked.connect(self.dismiss)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 6, 6, 6)
        row.addWidget(self._text, 1)
        row.addWidget(self._undo)
        row.addWidget(self._close)
        self.hide()

    @property
    def text(self) -> str:
        """What is said, "" when it is hidden."""
        return self._text.text() if not self.isHidden() else ""

    def offer(self, text: str, undo: Callable[[], object]) -> None:
        """Say `text`, and run `undo` when that is asked for."""
        self._text.setText(text)
        self._run = undo
        self.show()
        self._timer.start()

    def undo(self) -> None:
        """Undo what was offered, once."""
        run, self._run = self._run, None
        self.dismiss()
        if run is not None:
            run()

    def dismiss(self) -> None:
        """Go away."""
        self._timer.stop()
        self._run = None
        self.hide()
