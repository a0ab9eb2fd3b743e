"""The history as a list for views: pages come from the shelf's thread, pictures too and only those that are looked at."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer, Signal
from PySide6.QtGui import QImage

from outfitswap_desktop.store.entry import Entry
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.selection import Filter
from outfitswap_desktop.ui.history.shelf import LATER, Shelf

PAGE: Final = 200
MOST_COUNTED: Final = 10_000
IMAGES_KEPT: Final = 240
_IMAGES_AT_ONCE: Final = 24
_MOST_REREAD: Final = 5000
ENTRY_ROLE: Final = Qt.ItemDataRole.UserRole + 1
IMAGE_ROLE: Final = Qt.ItemDataRole.UserRole + 2

Index = QModelIndex | QPersistentModelIndex


class EntryModel(QAbstractListModel):
    """Entries that a filter means, newest first. ENTRY_ROLE is the Entry (without its receipt), IMAGE_ROLE a QImage or None.

    `counted(number, more)`: how many there are, `more` when there are more than that. `loaded`: a page has come in.
    """

    counted = Signal(int, bool)
    loaded = Signal()

    def __init__(self, shelf: Shelf, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._shelf = shelf
        self._filter = Filter()
        self._entries: list[Entry] = []
        self._rows: dict[int, int] = {}
        self._more = True
        self._loading = False
        self._images: OrderedDict[int, QImage | None] = OrderedDict()
        self._wanted: OrderedDict[int, None] = OrderedDict()
        self._fetching = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._fetch_images)
        shelf.changed.connect(self.refresh)

    # What is shown

    @property
    def filter(self) -> Filter:
        """Which entries are meant."""
        return self._filter

    @property
    def is_loading(self) -> bool:
        """Whether a page is on its way."""
        return self._loading

    def set_filter(self, wanted: Filter) -> None:
        """Show other entries, from the newest on."""
        self.beginResetModel()
        self._filter = wanted
        self._entries, self._rows, self._more = [], {}, True
        self._wanted.clear()
        self.endResetModel()
        self._load()
        self._count()

    def refresh(self) -> None:
        """Read again what is shown; rows that stay keep their place and their selection."""
        if not self._entries:
            self.set_filter(self._filter)
            return
        wanted, many = self._filter, min(len(self._entries) + PAGE, _MOST_REREAD)

        def work(history: History) -> tuple[tuple[Entry, ...], bool]:
            found: list[Entry] = []
            before = None
            while len(found) < many:
                page = history.list(before=before, limit=PAGE, where=wanted, receipts=False)
                found += page
                if len(page) < PAGE:
                    return tuple(found), False
                before = page[-1].id
            return tuple(found), True

        self._shelf.ask(work, lambda answer: self._merge(*answer), key=f"{id(self)}.refresh")
        self._count()

    def entry(self, row: int) -> Entry:
        """The entry of a row."""
        return self._entries[row]

    def row_of(self, entry_id: int) -> int | None:
        """The row of an entry, None when it is not loaded."""
        return self._rows.get(entry_id)

    # Qt's questions

    def rowCount(self, parent: Index | None = None) -> int:
        """As many as are loaded."""
        return 0 if parent is not None and parent.isValid() else len(self._entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The entry, its picture, or texts for those who see no pictures."""
        if not index.isValid() or index.row() >= len(self._entries):
            return None
        entry = self._entries[index.row()]
        if role == ENTRY_ROLE:
            return entry
        if role == IMAGE_ROLE:
            return self._image(entry.id)
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self._sentence(entry) if role == Qt.ItemDataRole.AccessibleTextRole else entry.prompt
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{entry.prompt}\n{entry.output}"
        return None

    def canFetchMore(self, parent: Index) -> bool:
        """Whether there are older ones."""
        return not parent.isValid() and self._more and not self._loading

    def fetchMore(self, parent: Index) -> None:
        """Ask for the next page; returns at once."""
        if self.canFetchMore(parent):
            self._load()

    def _sentence(self, entry: Entry) -> str:
        text = self.tr("{prompt}, {zone}, {when}").format(
            prompt=entry.prompt, zone=entry.zone, when=f"{entry.created.astimezone():%Y-%m-%d %H:%M}"
        )
        return self.tr("{what}, starred").format(what=text) if entry.starred else text

    # Pages

    def _load(self) -> None:
        self._loading = True
        wanted = self._filter
        before = self._entries[-1].id if self._entries else None
        self._shelf.ask(
            lambda history: history.list(before=before, limit=PAGE, where=wanted, receipts=False),
            lambda page: self._append(wanted, before, page),
            self._stopped,
            key=f"{id(self)}.page",
        )

    def _append(self, wanted: Filter, before: int | None, page: Sequence[Entry]) -> None:
        self._loading = False
        last = self._entries[-1].id if self._entries else None
        if wanted != self._filter or last != before:
            return
        self._more = len(page) == PAGE
        if page:
            first = len(self._entries)
            self.beginInsertRows(QModelIndex(), first, first + len(page) - 1)
            self._entries += page
            self._rows |= {entry.id: first + at for at, entry in enumerate(page)}
            self.endInsertRows()
        self.loaded.emit()

    def _stopped(self, sentence: str) -> None:
        self._loading = False
        self._more = False
        self._shelf.trouble.emit(sentence)

    def _merge(self, fresh: Sequence[Entry], more: bool) -> None:
        """Bring the rows in line with `fresh`; what lies beyond its last one stays as it is."""
        lowest = fresh[-1].id if more else 0
        there = {entry.id: entry for entry in fresh}
        for row in range(len(self._entries) - 1, -1, -1):
            old = self._entries[row]
            if old.id >= lowest and old.id not in there:
                self.beginRemoveRows(QModelIndex(), row, row)
                del self._entries[row]
                self.endRemoveRows()
        at = 0
        for entry in fresh:
            while at < len(self._entries) and self._entries[at].id > entry.id:
                at += 1
            if at < len(self._entries) and self._entries[at].id == entry.id:
                if self._entries[at] != entry:
                    self._entries[at] = entry
                    self.dataChanged.emit(self.index(at), self.index(at))
            else:
                self.beginInsertRows(QModelIndex(), at, at)
                self._entries.insert(at, entry)
                self.endInsertRows()
            at += 1
        self._rows = {entry.id: row for row, entry in enumerate(self._entries)}
        self._more = more or len(self._entries) > len(fresh)
        self.loaded.emit()

    def _count(self) -> None:
        wanted = self._filter
        self._shelf.ask(
            lambda history: history.count(where=wanted, most=MOST_COUNTED + 1),
            lambda number: self.counted.emit(min(number, MOST_COUNTED), number > MOST_COUNTED),
            key=f"{id(self)}.count",
            order=LATER,
        )

    # Pictures

    def _image(self, entry_id: int) -> QImage | None:
        if entry_id in self._images:
            self._images.move_to_end(entry_id)
            return self._images[entry_id]
        self._wanted.pop(entry_id, None)
        self._wanted[entry_id] = None
        while len(self._wanted) > IMAGES_KEPT:
            self._wanted.popitem(last=False)
        if not self._fetching and not self._soon.isActive():
            self._soon.start()
        return None

    def _fetch_images(self) -> None:
        """Fetch what was asked for last first: that is what is on the screen."""
        ids = [self._wanted.popitem()[0] for _ in range(min(_IMAGES_AT_ONCE, len(self._wanted)))]
        if not ids:
            return
        self._fetching = True
        self._shelf.ask(
            lambda history: [(one, decoded(history.thumbnail(one))) for one in ids],
            self._take_images,
            lambda _: self._take_images([]),
            order=LATER,
        )

    def _take_images(self, found: Sequence[tuple[int, QImage | None]]) -> None:
        self._fetching = False
        for entry_id, image in found:
            self._images[entry_id] = image
            row = self._rows.get(entry_id)
            if row is not None:
                self.dataChanged.emit(self.index(row), self.index(row), [IMAGE_ROLE])
        while len(self._images) > IMAGES_KEPT:
            self._images.popitem(last=False)
        if self._wanted:
            self._soon.start()


def decoded(small: bytes | None) -> QImage | None:
    """A thumbnail as an image, None when there is none or it is damaged."""
    image = QImage.fromData(small) if small else QImage()
    return None if image.isNull() else image


def in_trash(wanted: Filter, on: bool) -> Filter:
    """The same filter, in or out of the trash."""
    return replace(wanted, trashed=on)
