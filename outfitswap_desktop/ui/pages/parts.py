"""Small pieces that several pages are put together from: labels with a role, panels, columns that stay readable."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.theme import Role

COLUMN_WIDTH = 760
"""Widest column of text, in device-independent pixels: some ninety letters."""


def label(text: str, role: Role = "", *, wrap: bool = True) -> QLabel:
    """A text in its role; it wraps and can be chosen with the mouse, and never becomes markup."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    if role:
        made.setProperty("role", role)
    if role in ("title", "heading"):
        made.setAccessibleDescription("heading")
    return made


def panel(role: str = "panel") -> tuple[QFrame, QVBoxLayout]:
    """A framed area and its layout; "notice" is tinted."""
    frame = QFrame()
    frame.setProperty("role", role)
    layout = QVBoxLayout(frame)
    layout.setContentsMargins(16, 14, 16, 14)
    layout.setSpacing(8)
    return frame, layout


def button(text: str, icon: str = "", role: Role = "", *, tip: str = "") -> QPushButton:
    """A button with its icon, tip, and what a screen reader says of it. Enter presses it only while it has the focus."""
    # the style sheet cannot set the gap between icon and text
    made = QPushButton(f" {text}" if icon and text else text)
    if icon:
        made.setIcon(
            icons.icon(icon, tint="accent_text" if role == "primary" else "danger" if role == "danger" else "")
        )
    if role:
        made.setProperty("role", role)
    made.setToolTip(tip)
    made.setAccessibleName(text or tip)
    made.setAutoDefault(False)
    return made


def wrapped(box: QAbstractButton, text: str) -> QWidget:
    """A check box or radio button with a text that wraps, which theirs never does; a click on the text counts."""
    box.setText("")
    box.setAccessibleName(text)
    whole = QWidget()
    row = QHBoxLayout(whole)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(4)
    row.addWidget(box, 0, Qt.AlignmentFlag.AlignTop)
    row.addWidget(_Words(text, box), 1)
    return whole


def foot(why: QLabel, *buttons: QPushButton) -> QHBoxLayout:
    """The last row of a dialog: why it cannot go on yet, and its buttons at the right."""
    row = QHBoxLayout()
    row.addWidget(why, 1)
    for one in buttons:
        row.addWidget(one)
    return row


class PageDialog(QDialog):
    """A page in a dialog of its own, with a button that closes it, as Esc does."""

    def __init__(self, page: QWidget, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.resize(860, 620)
        self.page = page
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 14)
        layout.addWidget(page, 1)
        close = button(self.tr("Close"))
        close.setDefault(True)
        close.clicked.connect(self.accept)
        foot = QHBoxLayout()
        foot.setContentsMargins(20, 0, 20, 0)
        foot.addStretch(1)
        foot.addWidget(close)
        layout.addLayout(foot)


class _Words(QLabel):
    def __init__(self, text: str, box: QAbstractButton) -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setContentsMargins(0, 3, 0, 3)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._box = box

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._box.isEnabled() and self.rect().contains(event.position().toPoint()):
            self._box.setFocus(Qt.FocusReason.MouseFocusReason)
            self._box.click()


def bulleted(text: str) -> QWidget:
    """A line of a list, its dot hanging before it."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(10)
    dot = label("•", wrap=False)
    dot.setAccessibleName(" ")
    layout.addWidget(dot, 0, Qt.AlignmentFlag.AlignTop)
    layout.addWidget(label(text), 1)
    return row


class IconLabel(QLabel):
    """An icon as a picture, that follows the theme and the screen's scale."""

    def __init__(self, name: str, size: int, *, tint: str = "") -> None:
        super().__init__()
        self._name, self._size, self._tint = name, size, tint
        self.setFixedSize(QSize(size, size))
        self.show_icon(name, tint=tint)

    def show_icon(self, name: str, *, tint: str = "") -> None:
        """Show another icon."""
        self._name, self._tint = name, tint
        self.setPixmap(icons.icon(name, tint=tint).pixmap(QSize(self._size, self._size), self.devicePixelRatioF()))

    def changeEvent(self, event: QEvent) -> None:
        """Another theme: the picture is made anew."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.show_icon(self._name, tint=self._tint)


class NoticeLine(QWidget):
    """One sentence with an icon; hidden while there is nothing to say."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(10)
        self._icon = IconLabel("about", 18)
        self.text = label("")
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.text, 1)
        self.hide()

    def say(self, text: str, *, bad: bool = False, good: bool = False) -> None:
        """Show a sentence; "" takes it away."""
        icon, tint = ("warning", "warning") if bad else ("ok", "good") if good else ("about", "dim")
        self._icon.show_icon(icon, tint=tint)
        self.text.setText(text)
        self.text.setAccessibleName(text)
        self.setVisible(bool(text))


def column(content: QLayout, *, width: int = COLUMN_WIDTH) -> QWidget:
    """The layout as a column in the middle, never wider than `width`."""
    inner = QWidget()
    inner.setLayout(content)
    inner.setMaximumWidth(width)
    inner.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    outer = QWidget()
    row = QHBoxLayout(outer)
    row.setContentsMargins(0, 0, 0, 0)
    row.addStretch(1)
    row.addWidget(inner, 1000)
    row.addStretch(1)
    return outer


def scrolled(content: QWidget) -> QScrollArea:
    """The widget in an area that scrolls up and down only."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.viewport().setAutoFillBackground(False)
    content.setAutoFillBackground(False)
    area.setWidget(content)
    return area
