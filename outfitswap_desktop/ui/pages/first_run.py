"""The page before the first photo: the terms in short, two statements, and what this machine can do."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QVBoxLayout, QWidget

from outfitswap_desktop.ui.pages import agreed
from outfitswap_desktop.ui.pages.asking import Desk
from outfitswap_desktop.ui.pages.machine import MachinePanel
from outfitswap_desktop.ui.pages.parts import IconLabel, bulleted, button, column, foot, label, panel, scrolled, wrapped


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
        self.adult = QCheckBox()
        self.consent = QCheckBox()
        self.proceed = button(self.tr("Continue"), role="primary")
        self.proceed.setMinimumSize(140, 36)
        self.proceed.setAutoDefault(True)
        self.proceed.clicked.connect(self._continue)
        self.leave = button(self.tr("Quit"), role="quiet")
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
        self._why = label("", "hint")
        last = foot(self._why, self.leave, self.proceed)
        last.setContentsMargins(28, 10, 28, 16)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(scrolled(column(inner)), 1)
        layout.addWidget(column(last))
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
        inside.setSpacing(4)
        inside.addWidget(wrapped(self.adult, self.tr("I am an adult")))
        words = self.tr("I change photos only of adults who agreed to it, or who do not exist")
        inside.addWidget(wrapped(self.consent, words))
        return frame

    def _stated(self) -> None:
        both = self.adult.isChecked() and self.consent.isChecked()
        self.proceed.setEnabled(both)
        self._why.setText("" if both else self.tr("Continue asks for both statements above."))

    def _continue(self) -> None:
        if self.proceed.isEnabled():
            self.agreed.emit()
