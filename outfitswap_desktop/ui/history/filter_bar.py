"""Search and filters of the history: every change becomes one Filter, searches only after a short rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QLabel, QLineEdit, QPushButton, QToolButton, QWidget

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.store.selection import Filter
from outfitswap_desktop.ui import icons

_REST_MILLISECONDS: Final = 120


class FilterBar(QWidget):
    """`changed(Filter)` comes for every change; `view_chosen(bool)`: as cards or not; `emptying` asks to empty the trash."""

    changed = Signal(object)
    view_chosen = Signal(bool)
    emptying = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.search = QLineEdit()
        self._starred = QPushButton(icons.icon("star"), self.tr("Starred"))
        self._tag, self._engine, self._zone, self._date = (QComboBox() for _ in range(4))
        self._trash = QPushButton(icons.icon("trash"), self.tr("Trash"))
        self._empty = QPushButton(self.tr("Empty trash…"))
        self._family = QPushButton(icons.icon("tree"), self.tr("One photo only"))
        self._clear = QToolButton()
        self._count = QLabel()
        self._views = QButtonGroup(self)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MILLISECONDS)
        self._rest.timeout.connect(self._emit)
        self._root: str | None = None
        self._quiet = False
        self._build()

    @property
    def filter(self) -> Filter:
        """What is set now."""
        since, until = self._dates()
        tag, engine, zone = (box.currentData() for box in (self._tag, self._engine, self._zone))
        return Filter(
            text=self.search.text(),
            starred=self._starred.isChecked(),
            tags=(tag,) if tag else (),
            engine=engine or None,
            zone=zone or None,
            since=since,
            until=until,
            root=self._root,
            trashed=self._trash.isChecked(),
        )

    @property
    def in_trash(self) -> bool:
        """Whether the trash is shown."""
        return self._trash.isChecked()

    def show_trash(self, on: bool) -> None:
        """Show the trash, or all the rest."""
        self._trash.setChecked(on)

    def set_starred(self, on: bool) -> None:
        """Show starred ones only."""
        self._starred.setChecked(on)

    def set_root(self, root: str | None) -> None:
        """Show only what comes from one photo."""
        self._root = root
        self._emit()

    def show_view(self, cards: bool) -> None:
        """Mark how the results are shown."""
        self._views.button(0 if cards else 1).setChecked(True)

    def set_tags(self, tags: Sequence[tuple[str, int]]) -> None:
        """The tags to choose from, with counts; the one chosen stays."""
        rows = [(self.tr("{name} ({count})").format(name=name, count=count), name) for name, count in tags]
        self._fill(self._tag, self.tr("Any tag"), rows)

    def set_engines(self, engines: Sequence[str]) -> None:
        """The engines to choose from."""
        self._fill(self._engine, self.tr("Any engine"), [(name, name) for name in engines])

    def set_count(self, number: int, more: bool) -> None:
        """How many there are."""
        shown = self.locale().toString(number)
        self._count.setText(self.tr("over {count}").format(count=shown) if more else shown)
        self._count.setAccessibleName(self.tr("{count} results").format(count=self._count.text()))

    def clear(self) -> None:
        """All of it, outside the trash."""
        self._quiet = True
        self.search.clear()
        self._starred.setChecked(False)
        for box in (self._tag, self._engine, self._zone, self._date):
            box.setCurrentIndex(0)
        self._root = None
        self._trash.setChecked(False)
        self._quiet = False
        self._emit()

    def _leave_family(self) -> None:
        self._family.setChecked(True)
        self.set_root(None)

    def _dates(self) -> tuple[datetime | None, datetime | None]:
        midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        name = self._date.currentData()
        if name == "year":
            return midnight.replace(month=1, day=1), None
        if name == "before":
            return None, midnight.replace(month=1, day=1)
        return (midnight - timedelta(days=int(name)), None) if name else (None, None)

    def _fill(self, box: QComboBox, first: str, rows: Sequence[tuple[str, str]]) -> None:
        chosen = box.currentData()
        self._quiet = True
        box.clear()
        box.addItem(first, "")
        for text, value in rows:
            box.addItem(text, value)
        box.setCurrentIndex(max(0, box.findData(chosen)))
        self._quiet = False
        if chosen and not box.currentData():
            self._emit()

    def _emit(self, *_: object) -> None:
        if self._quiet:
            return
        self._rest.stop()
        wanted = self.filter
        self._empty.setVisible(bool(wanted.trashed))
        self._family.setVisible(wanted.root is not None)
        self._clear.setEnabled(wanted != Filter())
        self.changed.emit(wanted)

    def _build(self) -> None:
        self.search.setPlaceholderText(self.tr("Search words, tags, photo names"))
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName(self.tr("Search the history"))
        self.search.setToolTip(self.tr("Search the history (Ctrl+F)"))
        self.search.setMinimumWidth(180)
        self.search.textChanged.connect(lambda: self._rest.start() if not self._quiet else None)
        self.search.returnPressed.connect(self._emit)
        tips = ((self._starred, self.tr("Starred results only")), (self._trash, self.tr("What was moved to the trash")))
        for button, tip in tips:
            button.setCheckable(True)
            button.setProperty("role", "chip")
            button.setToolTip(tip)
            button.setAccessibleName(button.text())
            button.toggled.connect(self._emit)
        self._fill(self._tag, self.tr("Any tag"), ())
        self._fill(self._engine, self.tr("Any engine"), ())
        zones = {
            Zone.TOP: self.tr("Top"), Zone.BOTTOM: self.tr("Bottom"), Zone.DRESS: self.tr("Dress"),
            Zone.OUTER: self.tr("Outer"), Zone.FULL: self.tr("Full outfit"),
        }  # fmt: skip
        self._fill(self._zone, self.tr("Any zone"), [(zones[zone], str(zone)) for zone in Zone])
        dates = [
            (self.tr("Today"), "0"), (self.tr("Last 7 days"), "6"), (self.tr("Last 30 days"), "29"),
            (self.tr("This year"), "year"), (self.tr("Before this year"), "before"),
        ]  # fmt: skip
        self._fill(self._date, self.tr("Any time"), dates)
        names = (self.tr("Tag"), self.tr("Engine"), self.tr("Zone"), self.tr("Date"))
        for box, name in zip((self._tag, self._engine, self._zone, self._date), names, strict=True):
            box.setAccessibleName(name)
            box.setToolTip(name)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            box.currentIndexChanged.connect(self._emit)
        self._clear.setIcon(icons.icon("close"))
        self._clear.setToolTip(self.tr("Clear all filters"))
        self._clear.setAccessibleName(self.tr("Clear all filters"))
        self._clear.setEnabled(False)
        self._clear.clicked.connect(self.clear)
        self._family.setProperty("role", "chip")
        self._family.setCheckable(True)
        self._family.setChecked(True)
        self._family.setToolTip(self.tr("Only results that come from the same first photo; click to show all again"))
        self._family.setAccessibleName(self._family.text())
        self._family.clicked.connect(self._leave_family)
        self._family.hide()
        self._empty.setProperty("role", "danger")
        self._empty.setToolTip(self.tr("Moves the files to the system's trash"))
        self._empty.setAccessibleName(self._empty.text())
        self._empty.clicked.connect(self.emptying)
        self._empty.hide()
        self._count.setProperty("role", "hint")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.search, 1)
        for widget in (
            self._family,
            self._starred,
            self._tag,
            self._zone,
            self._engine,
            self._date,
            self._trash,
            self._clear,
        ):
            row.addWidget(widget)
        row.addWidget(self._empty)
        row.addWidget(self._count)
        for number, (name, text) in enumerate((("grid", self.tr("Grid")), ("list", self.tr("List")))):
            view = QToolButton()
            view.setIcon(icons.icon(name))
            view.setCheckable(True)
            view.setChecked(number == 0)
            view.setToolTip(text)
            view.setAccessibleName(text)
            self._views.addButton(view, number)
            row.addWidget(view)
        self._views.idClicked.connect(lambda number: self.view_chosen.emit(number == 0))
