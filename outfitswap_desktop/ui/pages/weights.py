"""The models page: which weights there are, what each is for and under which licence; nothing is fetched without a click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.pages.parts import IconLabel, PageDialog, button, label, panel

Index = QModelIndex | QPersistentModelIndex
_ICONS: Final = {"installed": "ok", "missing": "drop", "damaged": "warning", "fetching": "refresh"}


@dataclass(frozen=True, slots=True)
class WeightsRow:
    """One set of weights: its name, what it is for, bytes, licence, and state: installed, missing, damaged or fetching."""

    name: str
    purpose: str
    size: int
    licence: str
    state: str


class WeightsTable(QAbstractTableModel):
    """The catalogue as a table."""

    def __init__(self, rows: Sequence[WeightsRow] = (), parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows = list(rows)

    def show(self, rows: Sequence[WeightsRow]) -> None:
        """Show another catalogue."""
        self.beginResetModel()
        self._rows = list(rows)
        self.endResetModel()

    def row(self, index: Index) -> WeightsRow:
        return self._rows[index.row()]

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else 5

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        names = (self.tr("Name"), self.tr("What for"), self.tr("Size"), self.tr("Licence"), self.tr("State"))
        return names[section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self._rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return (row.name, row.purpose, self._size(row.size), row.licence, self._state(row.state))[index.column()]
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 4:
            return icons.icon(_ICONS.get(row.state, "help"))
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == 2:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def _size(self, size: int) -> str:
        if size >= 1_000_000_000:
            return self.tr("{size} GB").format(size=f"{size / 1e9:.1f}")
        return self.tr("{size} MB").format(size=f"{size / 1e6:.0f}")

    def _state(self, state: str) -> str:
        names = {
            "installed": self.tr("installed"),
            "missing": self.tr("not installed"),
            "damaged": self.tr("damaged"),
            "fetching": self.tr("being fetched"),
        }
        return names.get(state, state)


class WeightsPage(QWidget):
    """The models page. While `possible` is False its buttons are grey, and `reason` says why."""

    get_asked = Signal(str)
    verify_asked = Signal(str)
    remove_asked = Signal(str)
    import_asked = Signal()

    def __init__(
        self,
        rows: Sequence[WeightsRow] = (),
        parent: QWidget | None = None,
        *,
        possible: bool = False,
        reason: str = "",
    ) -> None:
        super().__init__(parent)
        self.setObjectName("weightsPage")
        self._possible = possible
        self._reason = reason or self.tr("Downloads are not part of this release.")
        self.table = WeightsTable(rows, self)
        self.view = QTableView()
        self._set_up_view()
        self.get = button(self.tr("Download"), "drop")
        self.verify = button(self.tr("Verify"), "ok")
        self.remove = button(self.tr("Remove"), "trash")
        self.from_file = button(self.tr("Import file…"), "open")
        self.get.clicked.connect(lambda: self._emit(self.get_asked))
        self.verify.clicked.connect(lambda: self._emit(self.verify_asked))
        self.remove.clicked.connect(lambda: self._emit(self.remove_asked))
        self.from_file.clicked.connect(self.import_asked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(12)
        layout.addWidget(label(self.tr("Models"), "title"))
        layout.addWidget(self._embedded())
        layout.addWidget(self.view, 1)
        self._empty = label(self.tr("This release brings no models to download."), "hint")
        layout.addWidget(self._empty)
        layout.addStretch(0)
        if not possible:
            layout.addWidget(label(self._reason, "hint"))
        foot = QHBoxLayout()
        foot.addStretch(1)
        for each in (self.from_file, self.verify, self.remove, self.get):
            foot.addWidget(each)
        layout.addLayout(foot)
        self.show_rows(rows)

    def show_rows(self, rows: Sequence[WeightsRow]) -> None:
        """Show another catalogue."""
        self.table.show(rows)
        self.view.setVisible(bool(rows))
        self._empty.setVisible(not rows)
        self._choose()

    def _set_up_view(self) -> None:
        self.view.setModel(self.table)
        self.view.setAccessibleName(self.tr("Models"))
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setShowGrid(False)
        self.view.setTabKeyNavigation(False)
        self.view.setWordWrap(False)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(32)
        header = self.view.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        self.view.selectionModel().selectionChanged.connect(self._choose)

    def _embedded(self) -> QWidget:
        frame, inside = panel("notice")
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(IconLabel("ok", 22, tint="good"))
        words = QVBoxLayout()
        words.addWidget(label(self.tr("The embedded engine needs nothing from here"), "heading"))
        said = self.tr(
            "It comes with the program, runs on the processor, and changes colour, pattern and material. "
            "Models for graphics cards are large downloads with licences of their own."
        )
        words.addWidget(label(said, "hint"))
        row.addLayout(words, 1)
        inside.addLayout(row)
        return frame

    def _chosen(self) -> WeightsRow | None:
        rows = self.view.selectionModel().selectedRows()
        return self.table.row(rows[0]) if rows else None

    def _choose(self) -> None:
        row = self._chosen()
        state = row.state if row else ""
        first = self.tr("Choose a model first.")
        for each, states in (
            (self.get, ("missing", "damaged")),
            (self.verify, ("installed", "damaged")),
            (self.remove, ("installed", "damaged")),
        ):
            each.setEnabled(self._possible and state in states)
            each.setToolTip(self._reason if not self._possible else "" if row else first)
        self.from_file.setEnabled(self._possible)
        self.from_file.setToolTip("" if self._possible else self._reason)

    def _emit(self, signal: Any) -> None:
        row = self._chosen()
        if row is not None:
            signal.emit(row.name)


class WeightsDialog(PageDialog):
    """The models page in a dialog."""

    def __init__(self, parent: QWidget | None = None, *, rows: Sequence[WeightsRow] = ()) -> None:
        super().__init__(WeightsPage(rows), "", parent)
        self.setObjectName("weightsDialog")
        self.setWindowTitle(self.tr("Models"))
