"""The history of the credits as a table: when, what it was, how many, and what for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from outfitswap_desktop.ui import theme
from outfitswap_desktop.ui.credits.words import change_of, kind_of, note_of, when_of

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.wire import messages

Index = QModelIndex | QPersistentModelIndex
CHANGE = 2
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class PostingsModel(QAbstractTableModel):
    """Postings, newest first; `next` is the cursor of what comes after, None at the end."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[messages.HistoryEntry] = []
        self.next: str | None = None

    def show(self, entries: Sequence[messages.HistoryEntry], *, following: str | None, more: bool = False) -> None:
        """Show these; with `more` after those that are there."""
        known = {row.id for row in self._rows} if more else set()
        fresh = [entry for entry in entries if entry.id not in known]
        if more:
            self.beginInsertRows(QModelIndex(), len(self._rows), len(self._rows) + len(fresh) - 1)
            self._rows += fresh
            self.endInsertRows()
        else:
            self.beginResetModel()
            self._rows = fresh
            self.endResetModel()
        self.next = following

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else 4

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and section == CHANGE:
            return _RIGHT
        if role == Qt.ItemDataRole.DisplayRole:
            return (self.tr("When"), self.tr("What"), self.tr("Credits"), self.tr("Note"))[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self._rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return (when_of(row.at), kind_of(row), change_of(row.credits), note_of(row))[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == CHANGE:
            return _RIGHT
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == CHANGE and row.credits > 0:
            return QColor(theme.current().good)
        return None


def postings_view(model: PostingsModel, name: str) -> QTableView:
    """The table in the look of the other ones."""
    view = QTableView()
    view.setModel(model)
    view.setAccessibleName(name)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setShowGrid(False)
    view.setTabKeyNavigation(False)
    view.setWordWrap(False)
    view.verticalHeader().hide()
    view.verticalHeader().setDefaultSectionSize(28)
    header = view.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    header.setHighlightSections(False)
    return view
