"""Help: how to do it in short sections, every shortcut there is, and what the program does not do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLineEdit,
    QTableView,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.actions import Actions, plain
from outfitswap_desktop.ui.menus import titles
from outfitswap_desktop.ui.pages.parts import PageDialog, bulleted, column, label, scrolled

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Key:
    """A row of the shortcuts: where the action is, what it does, its keys."""

    menu: str
    text: str
    keys: str


def keys_of(actions: Actions, menus: Mapping[str, str]) -> list[Key]:
    """The shortcuts of the registry, in its order; actions without one are left out."""
    found = []
    for action in actions:
        keys = [key.toString(QKeySequence.SequenceFormat.NativeText) for key in action.shortcuts()]
        if keys:
            menu = actions.spec(action.objectName()).menu
            text = plain(action.text())
            found.append(Key(menus.get(menu, menu.capitalize()), text, "   ".join(keys)))
    return found


class Shortcuts(QAbstractTableModel):
    """The shortcuts as a table."""

    def __init__(self, rows: list[Key], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows = rows

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else 3

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        return (self.tr("Menu"), self.tr("Action"), self.tr("Keys"))[section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        row = self._rows[index.row()]
        return (row.menu, row.text, row.keys)[index.column()]


class HelpPage(QWidget):
    """Help in three tabs. The shortcuts are those of the registry at the moment it is built."""

    def __init__(
        self, actions: Actions, parent: QWidget | None = None, *, menus: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("helpPage")
        self.setWindowTitle(self.tr("Help"))
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self._how_to(), icons.icon("help"), self.tr("How to"))
        self.tabs.addTab(self._shortcuts(keys_of(actions, menus or titles())), icons.icon("grid"), self.tr("Shortcuts"))
        self.tabs.addTab(self._limits(), icons.icon("warning"), self.tr("Limits"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 12)
        layout.addWidget(self.tabs)

    def _how_to(self) -> QWidget:
        sections = (
            (
                self.tr("1. Open a photo"),
                self.tr("Drop it on the window, paste it, or press Ctrl+O. One adult, clearly lit, works best."),
                self.tr("Who agreed is asked once per photo and kept on this machine for twelve months."),
            ),
            (
                self.tr("2. Check the mask"),
                self.tr("The coloured area is what may change. Click a garment's chip or another person to choose it."),
                self.tr("Paint with B, erase with E, size with [ and ]. R and K fit a box or a click to the edges."),
                self.tr("Head, hair, hands and shoes are hatched: they are never changed."),
            ),
            (
                self.tr("3. Say what to wear"),
                self.tr("Write it (navy pinstripe linen), take a preset, or drop a picture of a fabric or garment."),
                self.tr("A word that is not known is marked, with the nearest one that is."),
            ),
            (
                self.tr("4. Swap the outfit"),
                self.tr("Press Ctrl+Return. You can go on working meanwhile; Esc cancels."),
                self.tr("Another seed gives another variation; the lock keeps the seed."),
            ),
            (
                self.tr("5. Compare, save, go on"),
                self.tr("Drag the line, hold C for the photo before, D shows every pixel that differs."),
                self.tr("Ctrl+E exports. U takes the result as the next photo, for a second garment."),
                self.tr("Everything is kept in the history, with what is needed to make it again."),
            ),
        )
        inner = QVBoxLayout()
        inner.setContentsMargins(8, 14, 8, 8)
        inner.setSpacing(8)
        found = self.tr("Ctrl+K finds every command by a few letters of its name.")
        inner.addWidget(label(found, "hint"))
        for title, *lines in sections:
            inner.addSpacing(6)
            inner.addWidget(label(title, "heading"))
            for line in lines:
                inner.addWidget(bulleted(line))
        inner.addStretch(1)
        return scrolled(column(inner))

    def _shortcuts(self, rows: list[Key]) -> QWidget:
        model = Shortcuts(rows, self)
        self.filtered = QSortFilterProxyModel(self)
        self.filtered.setSourceModel(model)
        self.filtered.setFilterKeyColumn(-1)
        self.filtered.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search in shortcuts"))
        self.search.setAccessibleName(self.tr("Search in shortcuts"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self.filtered.setFilterFixedString)
        view = QTableView()
        view.setModel(self.filtered)
        view.setAccessibleName(self.tr("Shortcuts"))
        view.setShowGrid(False)
        view.setAlternatingRowColors(True)
        view.setTabKeyNavigation(False)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(30)
        header = view.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 12, 0, 0)
        layout.addWidget(self.search)
        layout.addWidget(view, 1)
        return page

    def _limits(self) -> QWidget:
        inner = QVBoxLayout()
        inner.setContentsMargins(8, 14, 8, 8)
        inner.setSpacing(8)
        inner.addWidget(label(self.tr("What it does not do"), "heading"))
        for line in (
            self.tr("The embedded engine changes colour, pattern and material. It keeps the cut of the garment."),
            self.tr("It changes no faces, bodies, hair, hands or backgrounds."),
            self.tr("It undresses nobody and takes no photos of minors. The checks cannot be switched off."),
            self.tr("The checks miss things, and they refuse harmless pictures now and then."),
            self.tr("The age of a face is guessed. That is no age verification."),
        ):
            inner.addWidget(bulleted(line))
        inner.addSpacing(8)
        inner.addWidget(label(self.tr("What works less well"), "heading"))
        for line in (
            self.tr("Crossed arms, crowds, persons seen from behind, very dark or very small photos."),
            self.tr("Long hair over the garment, see-through and shiny cloth, open coats."),
            self.tr("Then correct the mask by hand: it is followed to the pixel."),
        ):
            inner.addWidget(bulleted(line))
        inner.addSpacing(8)
        inner.addWidget(label(self.tr("What can come in"), "heading"))
        inner.addWidget(
            bulleted(self.tr("JPEG, PNG and WebP, from 64 to 12000 pixels a side, 50 megapixels and 60 MB."))
        )
        inner.addStretch(1)
        return scrolled(column(inner))


class HelpDialog(PageDialog):
    """The help page in a dialog."""

    def __init__(
        self, actions: Actions, parent: QWidget | None = None, *, menus: Mapping[str, str] | None = None
    ) -> None:
        page = HelpPage(actions, menus=menus)
        super().__init__(page, page.windowTitle(), parent)
        self.setObjectName("helpDialog")
