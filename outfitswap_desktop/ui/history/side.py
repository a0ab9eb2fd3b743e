"""The side of the history page: diagnostics and lineage of the entry that is chosen, read on the shelf's thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QStackedWidget, QTabWidget, QWidget

from outfitswap_desktop.core.receipt import versions
from outfitswap_desktop.store.entry import Entry, entry_values
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.selection import Filter
from outfitswap_desktop.ui.history.diagnostics import DiagnosticsView
from outfitswap_desktop.ui.history.lineage import MOST_SHOWN, LineageView
from outfitswap_desktop.ui.history.model import decoded
from outfitswap_desktop.ui.history.reproduce import Machine, Reproduction, compare, look
from outfitswap_desktop.ui.history.shelf import LATER, Shelf


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What the thread has read of one entry."""

    entry: Entry
    image: QImage | None
    family: tuple[Entry, ...]
    images: dict[int, QImage | None]
    first_photo: str


class SidePanel(QTabWidget):
    """Shows one entry; `chosen` is an Entry of the lineage that was clicked."""

    chosen = Signal(object)

    def __init__(self, shelf: Shelf, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shelf = shelf
        self._shown: int | None = None
        self._wanted: int | None = None
        self._limits: Mapping[str, Mapping[str, Any]] | None = None
        self.engines: frozenset[str] | None = None
        self.diagnostics = DiagnosticsView()
        self.lineage = LineageView()
        self._whose: list[QStackedWidget] = []
        for page, title in ((self.diagnostics, self.tr("Details")), (self.lineage, self.tr("Where it comes from"))):
            either = QStackedWidget()
            nothing = QLabel(self.tr("Choose a result to see how it was made."))
            nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
            nothing.setWordWrap(True)
            nothing.setProperty("role", "hint")
            either.addWidget(nothing)
            either.addWidget(page)
            self._whose.append(either)
            self.addTab(either, title)
        self.setMinimumWidth(320)
        self.lineage.chosen.connect(self.chosen)

    @property
    def shown(self) -> int | None:
        """The id of the entry that is shown."""
        return self._shown

    def show_entry(self, entry_id: int | None) -> None:
        """Read an entry and show it; None: none is chosen, and what is said of the last one is taken away."""
        self._wanted = entry_id
        if entry_id is None:
            self._shown = None
            for either in self._whose:
                either.setCurrentIndex(0)
            return
        limits = self._limits

        def work(history: History) -> tuple[_Seen | None, Mapping[str, Mapping[str, Any]]]:
            return _read(history, entry_id), limits if limits is not None else _gate_limits()

        self._shelf.ask(work, self._take, key=f"{id(self)}.entry")

    def _take(self, answer: tuple[_Seen | None, Mapping[str, Mapping[str, Any]]]) -> None:
        seen, self._limits = answer
        if seen is None or seen.entry.id != self._wanted:
            return
        entry = seen.entry
        self._shown = entry.id
        for either in self._whose:
            either.setCurrentIndex(1)
        self.diagnostics.show_entry(entry, entry_values(entry), seen.image, limits=self._limits, again=None)
        self.lineage.show_family(seen.family, seen.images, current=entry.id, photo=seen.first_photo)
        engines = self.engines
        self._shelf.ask(
            lambda _: _reproduction(entry, engines),
            self.diagnostics.set_reproduction,
            key=f"{id(self)}.again",
            order=LATER,
        )


def _read(history: History, entry_id: int) -> _Seen | None:
    entry = history.get(entry_id)
    if entry is None:
        return None
    family = history.list(limit=MOST_SHOWN, where=Filter(root=entry.root, trashed=None), receipts=False)
    images = {one.id: decoded(history.thumbnail(one.id)) for one in family}
    first = next((one.photo for one in family if one.photo is not None and one.photo_sha256 == entry.root), None)
    return _Seen(entry, decoded(history.thumbnail(entry_id)), family, images, first.name if first else "")


def _gate_limits() -> dict[str, Mapping[str, Any]]:
    from outfitswap_desktop.safety.api import gates

    return {gate.name: gate.thresholds for gate in gates()}


def _reproduction(entry: Entry, engines: frozenset[str] | None) -> Reproduction:
    receipt = entry.receipt
    found = look(entry.photo, garment=_garment(entry, receipt), mask=entry.mask)
    return compare(receipt, found, Machine(versions(), engines), say=_translated)


def _garment(entry: Entry, receipt: Mapping[str, Any]) -> Path | None:
    """The receipt names the garment's picture without its folder: it is looked for beside the photo and the result."""
    garment = receipt.get("garment")
    name = garment.get("name") if isinstance(garment, Mapping) else None
    folders = (entry.photo.parent if entry.photo else None, entry.output.parent)
    places = (folder / Path(str(name)).name for folder in folders if folder is not None) if name else ()
    return next((place for place in places if place.is_file()), None)


def _translated(text: str) -> str:
    return QCoreApplication.translate("Reproduction", text)
