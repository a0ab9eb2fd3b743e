"""What this machine can do: the doctor's answer in a panel, first the verdict, then what to know, all rows on demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from outfitswap_desktop.ui.pages.asking import Desk
from outfitswap_desktop.ui.pages.parts import IconLabel, PageDialog, button, column, label, panel, scrolled

if TYPE_CHECKING:
    from outfitswap_desktop.engine.messages import Problem

_ICONS: Final = {"ok": ("ok", "good"), "warn": ("warning", "warning"), "missing": ("minus", "dim")}
_TOP: Final = Qt.AlignmentFlag.AlignTop


def row_name(name: str) -> str:
    """A row of the doctor in the user's words."""
    names = {
        "system": QCoreApplication.translate("Machine", "System"),
        "processor": QCoreApplication.translate("Machine", "Processor"),
        "memory": QCoreApplication.translate("Machine", "Memory"),
        "disk, program data": QCoreApplication.translate("Machine", "Disk, program folder"),
        "disk, results": QCoreApplication.translate("Machine", "Disk, results"),
        "body part check": QCoreApplication.translate("Machine", "Body part check"),
        "whole image check": QCoreApplication.translate("Machine", "Whole image check"),
        "apparent age": QCoreApplication.translate("Machine", "Apparent age check"),
        "audit log": QCoreApplication.translate("Machine", "Audit log"),
        "face cascade": QCoreApplication.translate("Machine", "Face search"),
        "captions": QCoreApplication.translate("Machine", "Captions"),
        "history": QCoreApplication.translate("Machine", "History"),
        "graphics card": QCoreApplication.translate("Machine", "Graphics card"),
        "engines": QCoreApplication.translate("Machine", "Engines"),
    }
    return names.get(name, name)


class MachinePanel(QWidget):
    """Asks the desk for the doctor's rows and shows them; "checking…" until they are there."""

    _SHORT = ("processor", "memory", "disk, results", "graphics card", "engines")

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        frame, self._inside = panel()
        self._icon = IconLabel("refresh", 20, tint="dim")
        self._verdict = label(self.tr("Checking what this machine can do…"), "heading")
        head = QHBoxLayout()
        head.setSpacing(10)
        head.addWidget(self._icon)
        head.addWidget(self._verdict, 1)
        self.more = button(self.tr("Show everything"), role="quiet", tip=self.tr("Show every row of the check"))
        self.more.setCheckable(True)
        self.more.toggled.connect(self._show)
        self.more.hide()
        head.addWidget(self.more)
        self._inside.addLayout(head)
        self._rows: list[Mapping[str, Any]] = []
        self._table = QWidget()
        self._inside.addWidget(self._table)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(frame)
        self._ask(desk)

    def show_document(self, document: Mapping[str, Any]) -> None:
        """Show the document of `doctor --json`."""
        usable = bool(document.get("usable"))
        self._rows = [row for row in document.get("rows", ()) if isinstance(row, Mapping)]
        self._icon.show_icon("ok" if usable else "refused", tint="good" if usable else "danger")
        self._verdict.setText(
            self.tr("This machine is ready") if usable else self.tr("Something that is needed is missing here")
        )
        self.more.setVisible(bool(self._rows))
        self._show(self.more.isChecked())

    def _ask(self, desk: Desk) -> None:
        from outfitswap_desktop.engine.messages import AskDoctor

        desk.ask(AskDoctor(), self.show_document, self._failed, key="doctor")

    def _failed(self, problem: Problem) -> None:
        self._icon.show_icon("warning", tint="warning")
        self._verdict.setText(self.tr("This machine could not be checked"))
        self._inside.addWidget(label(problem.sentence, "hint"))

    def _show(self, everything: bool) -> None:
        table = QWidget()
        grid = QGridLayout(table)
        grid.setContentsMargins(0, 4, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(2, 1)
        shown = [row for row in self._rows if everything or self._telling(row)]
        for number, row in enumerate(shown):
            self._fill(grid, number, row)
        self._inside.replaceWidget(self._table, table)
        self._table.deleteLater()
        self._table = table

    def _telling(self, row: Mapping[str, Any]) -> bool:
        return row.get("name") in self._SHORT or row.get("state") == "warn"

    def _fill(self, grid: QGridLayout, number: int, row: Mapping[str, Any]) -> None:
        state = str(row.get("state", "ok"))
        icon, tint = _ICONS.get(state, _ICONS["ok"])
        says = {"ok": self.tr("fine"), "warn": self.tr("worth knowing"), "missing": self.tr("not there")}
        mark = IconLabel(icon, 16, tint=tint)
        mark.setAccessibleName(says.get(state, state))
        mark.setToolTip(says.get(state, state))
        grid.addWidget(mark, number, 0, _TOP)
        name = label(row_name(str(row.get("name", ""))), wrap=False)
        grid.addWidget(name, number, 1, _TOP)
        grid.addWidget(_value(str(row.get("value", "")), str(row.get("advice", ""))), number, 2)


def _value(value: str, advice: str) -> QLabel:
    """What was found; what to do about it stands in the tip and, where short, behind it."""
    made = label(value if not advice else f"{value}\n{advice}", "hint")
    made.setToolTip(advice)
    return made


class MachineDialog(PageDialog):
    """What this machine can do, in a dialog, with every row shown."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        self.machine = MachinePanel(desk)
        inner = QVBoxLayout()
        inner.setContentsMargins(20, 18, 20, 8)
        inner.addWidget(self.machine)
        inner.addStretch(1)
        super().__init__(scrolled(column(inner)), "", parent)
        self.setObjectName("machineDialog")
        self.setWindowTitle(self.tr("What this machine can do"))
        self.machine.more.setChecked(True)
