"""A layout that sets its widgets side by side and goes on in the next line where the width ends, like words."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class FlowLayout(QLayout):
    """Left to right, then down; its height follows from its width."""

    def __init__(self, parent: QWidget | None = None, *, gap: int = 4) -> None:
        super().__init__(parent)
        self.setContentsMargins(0, 0, 0, 0)
        self._gap = gap
        self._parts: list[QLayoutItem] = []

    def addItem(self, part: QLayoutItem) -> None:
        """Qt's way of adding; use addWidget."""
        self._parts.append(part)

    def count(self) -> int:
        """How many parts there are."""
        return len(self._parts)

    def itemAt(self, at: int) -> QLayoutItem | None:
        """The part at a place, None beyond the last."""
        return self._parts[at] if 0 <= at < len(self._parts) else None

    def takeAt(self, at: int) -> QLayoutItem | None:  # type: ignore[override,unused-ignore]
        """Take a part out."""
        return self._parts.pop(at) if 0 <= at < len(self._parts) else None

    def expandingDirections(self) -> Qt.Orientation:
        """None."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        """Yes."""
        return True

    def heightForWidth(self, width: int) -> int:
        """The height of as many lines as that width needs."""
        return self._arranged(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, place: QRect) -> None:
        """Put every part where it belongs."""
        super().setGeometry(place)
        self._arranged(place, move=True)

    def sizeHint(self) -> QSize:
        """One line."""
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        """The largest part alone."""
        size = QSize()
        for part in self._parts:
            size = size.expandedTo(part.minimumSize())
        return size

    def _arranged(self, place: QRect, *, move: bool) -> int:
        x, y, line = place.x(), place.y(), 0
        for part in self._parts:
            size = part.sizeHint()
            if x > place.x() and x + size.width() > place.right() + 1:
                x, y, line = place.x(), y + line + self._gap, 0
            if move:
                part.setGeometry(QRect(QPoint(x, y), size))
            x += size.width() + self._gap
            line = max(line, size.height())
        return y + line - place.y()
