"""The results of the same photo and the same wish with other seeds, as a strip of small pictures."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QAbstractItemView, QListView, QWidget

from outfitswap_desktop.store.entry import Entry

SIDE = 72
_ENTRY = Qt.ItemDataRole.UserRole + 1


class VariationStrip(QListView):
    """Small pictures in a row; `chosen` is the Entry that was clicked or entered."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries = QStandardItemModel(self)
        self.setModel(self._entries)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setIconSize(QSize(SIDE, SIDE))
        self.setSpacing(4)
        self.setUniformItemSizes(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(SIDE + 58)
        self.setAccessibleName(self.tr("Variations"))
        self.setToolTip(self.tr("Results of the same photo and wish with other seeds"))
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def show_entries(self, entries: Sequence[tuple[Entry, QImage | None]], *, current: int | None) -> None:
        """Show these, newest first; `current` is the id of the one on show."""
        self._entries.clear()
        for entry, image in entries:
            pixmap = QPixmap(SIDE, SIDE)
            pixmap.fill(Qt.GlobalColor.transparent)
            if image is not None and not image.isNull():
                way = Qt.TransformationMode.SmoothTransformation
                pixmap = QPixmap.fromImage(image.scaled(SIDE, SIDE, Qt.AspectRatioMode.KeepAspectRatio, way))
            item = QStandardItem(QIcon(pixmap), self.tr("Seed {seed}").format(seed=entry.seed))
            item.setData(entry, _ENTRY)
            item.setEditable(False)
            item.setToolTip(
                self.tr("Seed {seed}, {when}").format(
                    seed=entry.seed, when=f"{entry.created.astimezone():%Y-%m-%d %H:%M}"
                )
            )
            self._entries.appendRow(item)
        self.set_current(current)
        self.setVisible(len(entries) > 1)

    def set_current(self, entry_id: int | None) -> None:
        """Mark the one on show."""
        for row in range(self._entries.rowCount()):
            index = self._entries.index(row, 0)
            if index.data(_ENTRY).id == entry_id:
                self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _choose(self, index: QModelIndex) -> None:
        entry = index.data(_ENTRY)
        if isinstance(entry, Entry):
            self.chosen.emit(entry)
