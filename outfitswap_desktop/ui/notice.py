"""A sentence over the canvas, with a button where there is something to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

_MARGIN: Final = 16
_WIDEST: Final = 620
BRIEF_MS: Final = 15_000


class Notice(QFrame):
    """Stands in its parent's upper left corner, as wide as its words need and the parent allows."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "notice")
        self._over = parent
        self._run: Callable[[], object] | None = None
        self._says = QLabel(self)
        self._says.setTextFormat(Qt.TextFormat.PlainText)
        self.button = QPushButton(self)
        self.button.clicked.connect(self._clicked)
        self._row = row = QHBoxLayout(self)
        row.setContentsMargins(10, 8, 10, 8)
        row.setSpacing(12)
        row.addWidget(self._says, 1)
        row.addWidget(self.button)
        self._over_soon = QTimer(self)
        self._over_soon.setSingleShot(True)
        self._over_soon.setInterval(BRIEF_MS)
        self._over_soon.timeout.connect(lambda: self.say(""))
        parent.installEventFilter(self)
        self.hide()

    @property
    def text(self) -> str:
        """What it says; "" when it does not show."""
        return self._says.text()

    def say_briefly(self, sentence: str) -> None:
        """Show a sentence long enough to be read: it must not go on hiding what is beneath it."""
        self.say(sentence)
        self._over_soon.start()

    def say(self, sentence: str, button: str = "", run: Callable[[], object] | None = None) -> None:
        """Show a sentence; "" takes it away. `button` names what `run` does about it."""
        self._over_soon.stop()
        self._says.setText(sentence)
        self._run = run
        self.button.setText(button)
        self.button.setVisible(bool(button))
        self.setVisible(bool(sentence))
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Another width of the parent: the words may need more lines."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._fit()
        return super().eventFilter(watched, event)

    def _fit(self) -> None:
        around = 20 + (self.button.sizeHint().width() + 12 if self.button.text() else 0)
        widest = max(160, min(_WIDEST, self._over.width() - 2 * _MARGIN - around))
        self._says.setMinimumSize(0, 0)  # a label's size hint is never less than its minimum
        self._says.setWordWrap(False)
        natural = self._says.sizeHint().width()
        self._says.setWordWrap(natural > widest)
        self._says.setFixedWidth(min(natural, widest))
        self._says.setFixedHeight(
            self._says.heightForWidth(widest) if natural > widest else self._says.sizeHint().height()
        )
        self._row.invalidate()  # else its last size is kept until the next turn of the event loop
        self.resize(self._row.totalSizeHint())
        self.move(_MARGIN, _MARGIN)
        self.raise_()

    def _clicked(self) -> None:
        if self._run is not None:
            self._run()
