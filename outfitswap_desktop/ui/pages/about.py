"""About: version, licence, and what this program is built from, all from bundled texts, so that a frozen build has them too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QPlainTextEdit,
    QTableView,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop import __version__, paths
from outfitswap_desktop.ui.pages.parts import IconLabel, button, label

Index = QModelIndex | QPersistentModelIndex
_CELLS = re.compile(r"^\|(.+)\|\s*$")


@dataclass(frozen=True, slots=True)
class Package:
    """A row of the third-party notices."""

    name: str
    version: str
    licence: str
    purpose: str


def third_party() -> list[Package]:
    """The packages of the bundled notices; empty when the text is not there."""
    try:
        text = paths.resource("texts/third-party.md").read_text(encoding="utf-8")
    except OSError:
        return []
    rows = [
        [cell.strip() for cell in match.group(1).split("|")] for match in map(_CELLS.match, text.splitlines()) if match
    ]
    return [Package(*row) for row in rows[2:] if len(row) == 4]


class Packages(QAbstractTableModel):
    """The third-party notices as a table."""

    def __init__(self, rows: list[Package], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows = rows

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else 4

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        return (self.tr("Package"), self.tr("Version"), self.tr("Licence"), self.tr("What for"))[section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        row = self._rows[index.row()]
        return (row.name, row.version, row.licence, row.purpose)[index.column()]


class AboutDialog(QDialog):
    """Version and licences. It has no links; nothing in it opens anything."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("aboutDialog")
        self.setWindowTitle(self.tr("About OutfitSwap"))
        self.resize(720, 520)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self._about(), self.tr("About"))
        self.tabs.addTab(self._licence(), self.tr("Licence"))
        self.tabs.addTab(self._packages(), self.tr("Third parties"))
        close = button(self.tr("Close"))
        close.setDefault(True)
        close.clicked.connect(self.accept)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 14)
        layout.setSpacing(12)
        layout.addLayout(self._head())
        layout.addWidget(self.tabs, 1)
        foot = QHBoxLayout()
        foot.addStretch(1)
        foot.addWidget(close)
        layout.addLayout(foot)

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(14)
        row.addWidget(IconLabel("app", 56))
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(label("OutfitSwap Desktop", "title"))
        words.addWidget(label(self.tr("Version {version}").format(version=__version__), "hint"))
        row.addLayout(words, 1)
        return row

    def _about(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(4, 12, 4, 4)
        layout.setSpacing(10)
        for text in (
            self.tr("Changes what somebody wears in a photo, on your own machine, and nothing but the clothes."),
            self.tr("Nothing is uploaded. Every result says that it was made with AI."),
            self.tr(
                "This is free software under the GNU Affero General Public License, version 3 or later. "
                "You may use, study, share and change it under its terms. It comes without any warranty."
            ),
            self.tr("The sample photo is NASA's portrait of the astronaut Eileen Collins, in the public domain."),
        ):
            layout.addWidget(label(text))
        layout.addStretch(1)
        return page

    def _licence(self) -> QWidget:
        shown = QPlainTextEdit()
        shown.setReadOnly(True)
        shown.setTabChangesFocus(True)
        shown.setAccessibleName(self.tr("Text of the licence"))
        shown.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        try:
            shown.setPlainText(paths.resource("texts/agpl-3.0.txt").read_text(encoding="utf-8"))
        except OSError:
            shown.setPlainText(self.tr("The text of the licence is missing from this installation."))
        return shown

    def _packages(self) -> QWidget:
        rows = third_party()
        if not rows:
            return label(self.tr("The list of third parties is missing from this installation."), "warning")
        view = QTableView()
        view.setModel(Packages(rows, self))
        view.setAccessibleName(self.tr("Third parties"))
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setShowGrid(False)
        view.setAlternatingRowColors(True)
        view.setTabKeyNavigation(False)
        view.verticalHeader().hide()
        view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header = view.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        return view
