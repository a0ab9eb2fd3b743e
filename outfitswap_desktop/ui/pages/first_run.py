"""The page before the first photo: the terms in short, two statements, and what this machine can do."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from outfitswap_desktop.ui.pages import agreed
from outfitswap_desktop.ui.pages.asking import Desk
from outfitswap_desktop.ui.pages.machine import MachinePanel
from outfitswap_desktop.ui.pages.parts import IconLabel, bulleted, column, label, panel, scrolled


def summary_lines() -> list[str]:
    """The terms' summary in the window's language, line by line; the first one introduces the others."""
    return [
        QCoreApplication.translate("Terms", line.strip(" -")) for line in agreed.summary().splitlines() if line.strip()
    ]


class FirstRunPage(QWidget):
    """Shown until both statements are made; `agreed` then comes once, and the caller keeps it (agreed.keep_agreed)."""

    agreed = Signal()
    quit_asked = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("firstRunPage")
        self.adult = QCheckBox(self.tr("I am an adult"))
        self.consent = QCheckBox()
        self.proceed = QPushButton(self.tr("Continue"))
        self.proceed.setProperty("role", "primary")
        self.proceed.setMinimumHeight(36)
        self.proceed.setMinimumWidth(140)
        self.proceed.setEnabled(False)
        self.proceed.clicked.connect(self._continue)
        self.leave = QPushButton(self.tr("Quit"))
        self.leave.setProperty("role", "quiet")
        self.leave.setMinimumHeight(36)
        self.leave.clicked.connect(self.quit_asked)
        for box in (self.adult, self.consent):
            box.toggled.connect(self._stated)
        self.machine = MachinePanel(desk)

        inner = QVBoxLayout()
        inner.setContentsMargins(28, 28, 28, 20)
        inner.setSpacing(14)
        inner.addLayout(self._greeting())
        inner.addWidget(self._terms())
        inner.addWidget(self._statements())
        inner.addWidget(self.machine)
        inner.addStretch(1)
        foot = QHBoxLayout()
        foot.setContentsMargins(28, 10, 28, 16)
        self._why = label("", "hint")
        foot.addWidget(self._why, 1)
        foot.addWidget(self.leave)
        foot.addWidget(self.proceed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(scrolled(column(inner)), 1)
        layout.addWidget(column(foot))
        self._stated()

    def _greeting(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(14)
        row.addWidget(IconLabel("app", 44))
        row.addWidget(label(self.tr("Welcome to OutfitSwap"), "title"), 1)
        return row

    def _terms(self) -> QWidget:
        frame, inside = panel()
        first, *others = summary_lines()
        inside.addWidget(label(first, "heading"))
        for line in others:
            inside.addWidget(bulleted(line))
        english = agreed.summary().splitlines()[0].strip()
        if first != english:
            inside.addWidget(label(self.tr("Translated by a machine; what counts is the English text."), "hint"))
        return frame

    def _statements(self) -> QWidget:
        frame, inside = panel("notice")
        inside.addWidget(label(self.tr("Please state both"), "heading"))
        inside.addWidget(self.adult)
        row = QHBoxLayout()
        row.setSpacing(0)
        words = self.tr("I change photos only of adults who agreed to it, or who do not exist")
        self.consent.setAccessibleName(words)
        beside = _ClickLabel(words, self.consent)
        row.addWidget(self.consent)
        row.addWidget(beside, 1)
        inside.addLayout(row)
        return frame

    def _stated(self) -> None:
        both = self.adult.isChecked() and self.consent.isChecked()
        self.proceed.setEnabled(both)
        self._why.setText("" if both else self.tr("Continue asks for both statements above."))

    def _continue(self) -> None:
        if self.proceed.isEnabled():
            self.agreed.emit()


class _ClickLabel(QLabel):
    """A text that wraps, beside a check box, which does not; a click on it counts as one on the box."""

    def __init__(self, text: str, box: QCheckBox) -> None:
        super().__init__(text)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._box = box

    def mouseReleaseEvent(self, event: object) -> None:
        """As the box itself would."""
        self._box.setFocus()
        self._box.toggle()
