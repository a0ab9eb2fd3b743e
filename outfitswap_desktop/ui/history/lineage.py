"""Where a result comes from and what came of it: a tree from the first photo over results to results of those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QIcon, QImage, QPixmap, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QAbstractItemView, QTreeView, QWidget

from outfitswap_desktop.store.entry import Entry
from outfitswap_desktop.ui import icons, theme

SIDE: Final = 48
MOST_SHOWN: Final = 500
_ENTRY: Final = Qt.ItemDataRole.UserRole + 1


class LineageView(QTreeView):
    """The tree of one first photo. `chosen` is the Entry that was clicked or entered."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tree = QStandardItemModel(self)
        self.setModel(self._tree)
        self.setHeaderHidden(True)
        self.setIconSize(QSize(SIDE, SIDE))
        self.setUniformRowHeights(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setAccessibleName(self.tr("Where it comes from"))
        self.activated.connect(self._choose)
        self.clicked.connect(self._choose)

    def show_family(
        self, entries: Sequence[Entry], images: dict[int, QImage | None], *, current: int | None, photo: str = ""
    ) -> None:
        """Show entries of one root, in the trash or not; `photo` names the first photo. Parents that are gone are said so."""
        self._tree.clear()
        first = QStandardItem(icons.icon("person"), photo or self.tr("First photo"))
        first.setToolTip(self.tr("The photo at the beginning"))
        self._tree.appendRow(first)
        rows: dict[int, QStandardItem] = {}
        marked: QStandardItem | None = None
        for entry in sorted(entries, key=lambda one: one.id):
            row = self._row(entry, images.get(entry.id))
            rows[entry.id] = row
            above = rows.get(entry.parent) if entry.parent is not None else first
            if above is None:
                gone = QStandardItem(icons.icon("warning"), self.tr("A result that was erased"))
                gone.setForeground(QBrush(QColor(theme.current().dim)))
                first.appendRow(gone)
                above = rows[entry.parent or 0] = gone
            above.appendRow(row)
            if entry.id == current:
                marked = row
        self.expandAll()
        if marked is not None:
            index = self._tree.indexFromItem(marked)
            self.setCurrentIndex(index)
            self.scrollTo(index)

    def texts(self) -> list[tuple[int, str]]:
        """Depth and text of every row, from top to bottom."""
        found: list[tuple[int, str]] = []

        def walk(row: QStandardItem, depth: int) -> None:
            found.append((depth, row.text()))
            for number in range(row.rowCount()):
                walk(row.child(number), depth + 1)

        for number in range(self._tree.rowCount()):
            walk(self._tree.item(number), 0)
        return found

    def _row(self, entry: Entry, image: QImage | None) -> QStandardItem:
        wish = " ".join(entry.prompt.split()) or self.tr("(a picture)")
        text = self.tr("{wish} · seed {seed}").format(wish=wish, seed=entry.seed)
        if entry.trashed is not None:
            text = self.tr("{what} (in the trash)").format(what=text)
        row = QStandardItem(text)
        if image is not None:
            row.setIcon(QIcon(QPixmap.fromImage(_square(image))))
        row.setData(entry, _ENTRY)
        row.setToolTip(f"{wish}\n{entry.created.astimezone():%Y-%m-%d %H:%M}\n{entry.output}")
        return row

    def _choose(self, index: QModelIndex) -> None:
        entry = index.data(_ENTRY)
        if isinstance(entry, Entry):
            self.chosen.emit(entry)


def _square(image: QImage) -> QImage:
    way = Qt.TransformationMode.SmoothTransformation
    filled = image.scaled(SIDE, SIDE, Qt.AspectRatioMode.KeepAspectRatioByExpanding, way)
    return filled.copy((filled.width() - SIDE) // 2, (filled.height() - SIDE) // 2, SIDE, SIDE)
