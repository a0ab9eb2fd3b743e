"""The history page: cards or rows of all results, filters, trash with undo, and what can be done with each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.engine.messages import ExportResult, OpenResult, Problem, ResultOpened
from outfitswap_desktop.store.emptying import Emptied, empty_trash
from outfitswap_desktop.store.entry import Entry
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.selection import Filter
from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.actions import Actions, Spec
from outfitswap_desktop.ui.history.cells import CellView
from outfitswap_desktop.ui.history.delegate import EntryDelegate
from outfitswap_desktop.ui.history.empty_box import EmptyTrashBox
from outfitswap_desktop.ui.history.filter_bar import FilterBar
from outfitswap_desktop.ui.history.model import ENTRY_ROLE, EntryModel
from outfitswap_desktop.ui.history.shelf import LATER, Shelf
from outfitswap_desktop.ui.history.side import SidePanel
from outfitswap_desktop.ui.history.tag_dialog import TagDialog
from outfitswap_desktop.ui.history.undo_bar import UndoBar
from outfitswap_desktop.ui.result.asks import Asks
from outfitswap_desktop.ui.result.export_dialog import ExportDialog
from outfitswap_desktop.ui.result.handing_out import reveal

_ONE: Final = frozenset({"open", "use", "remake", "export", "reveal", "family"})
"""What is done with exactly one entry."""


class HistoryPage(QWidget):
    """Signals: `open_asked(Entry)`: show it on the result page; `use_as_source(Path output, str sha256)`; `remake(int id)`;

    `said(str)`: a sentence for the status line; `trouble(str)`: one about what went wrong.
    """

    open_asked = Signal(object)
    use_as_source = Signal(object, str)
    remake = Signal(int)
    said = Signal(str)
    trouble = Signal(str)

    def __init__(self, shelf: Shelf, desk: Asks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shelf = shelf
        self._desk = desk
        self._actions: Actions | None = None
        self._awaited: int | None = None
        self._dialog: Any = None
        self.model = EntryModel(shelf, self)
        self.bar = FilterBar()
        self.view = CellView()
        self.delegate = EntryDelegate(self.view)
        self.side = SidePanel(shelf)
        self.undo_bar = UndoBar()
        self._empty = QLabel()
        self._stack = QStackedWidget()
        self._buttons: dict[str, QPushButton] = {}
        self._commands = self._all_commands()
        self._build()
        self.show_cards(True)
        self.side.hide()
        self._enable()

    # What is shown

    @property
    def selected(self) -> tuple[Entry, ...]:
        """The chosen entries, newest first."""
        rows = sorted(index.row() for index in self.view.selectionModel().selectedIndexes())
        return tuple(self.model.entry(row) for row in rows)

    def show_cards(self, on: bool) -> None:
        """Cards in a grid, or one row below the other."""
        self.delegate.cards = on
        self.bar.show_view(on)
        self.view.show_cards(on)

    def show_entry(self, entry_id: int) -> None:
        """Choose an entry and bring it into sight; filters that hide it are cleared."""
        row = self.model.row_of(entry_id)
        if row is not None:
            self._choose_row(row)
            return
        self._awaited = entry_id
        if self.bar.filter != Filter():
            self.bar.clear()
        else:
            self.model.refresh()

    def show_details(self, on: bool) -> None:
        """Show diagnostics and lineage at the side, or not."""
        self.side.setVisible(on)
        if on:
            self._show_side()
        if self._actions is not None:
            self._actions["history.details"].setChecked(on)
        self._buttons["details"].setChecked(on)

    def close_down(self) -> None:
        """Close what is open; the shelf is its owner's to close."""
        self.undo_bar.dismiss()
        if self._dialog is not None:
            self._dialog.close()

    def _choose_row(self, row: int) -> None:
        index = self.model.index(row)
        self.view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self.view.scrollTo(index)

    def _loaded(self) -> None:
        if self._awaited is not None:
            row = self.model.row_of(self._awaited)
            if row is not None:
                self._awaited = None
                self._choose_row(row)
            elif self.model.canFetchMore(QModelIndex()):
                self.model.fetchMore(QModelIndex())
            else:
                self._awaited = None
        there = self.model.rowCount() > 0
        self._stack.setCurrentIndex(0 if there else 1)
        if not there:
            self._empty.setText(self._why_empty())
        self._enable()
        self._show_side()

    def _why_empty(self) -> str:
        wanted = self.model.filter
        if wanted == Filter():
            return self.tr("Nothing here yet. Results show up as soon as they are made.")
        if wanted == Filter(trashed=True):
            return self.tr("The trash is empty.")
        return self.tr("No result matches.")

    def _filtered(self, wanted: Filter) -> None:
        self.undo_bar.dismiss()
        self.model.set_filter(wanted)
        self._enable()

    def _read_choices(self) -> None:
        """Fill the filters' lists anew."""
        if self.isVisible():
            self._shelf.ask(lambda history: history.all_tags(), self.bar.set_tags, key=f"{id(self)}.tags", order=LATER)
            self._shelf.ask(
                lambda history: history.engines(), self.bar.set_engines, key=f"{id(self)}.engines", order=LATER
            )

    # What is done

    def open_chosen(self) -> None:
        """Show the chosen result on the result page."""
        self._with_one(self.open_asked.emit)

    def star(self) -> None:
        """Star the chosen ones; when all have one, take it away."""
        chosen = self.selected
        self._star([entry.id for entry in chosen], not all(entry.starred for entry in chosen))

    def ask_tags(self) -> None:
        """Ask for tags of the chosen ones."""
        chosen = self.selected
        if not chosen or self._dialog is not None:
            return

        def show(known: Sequence[tuple[str, int]]) -> None:
            dialog = TagDialog(chosen, known, self)
            self._open(dialog, lambda: self._tag(chosen, dialog.add, dialog.remove))

        self._shelf.ask(lambda history: history.all_tags(), show, key=f"{id(self)}.tagging")

    def trash(self) -> None:
        """Move the chosen ones to the trash; a bar offers to undo it."""
        ids = [entry.id for entry in self.selected if entry.trashed is None]
        if not ids:
            return

        def done(_: object) -> None:
            many = self.tr("{count} results moved to the trash").format(count=len(ids))
            text = self.tr("Result moved to the trash") if len(ids) == 1 else many
            self.undo_bar.offer(text, lambda: self._restore(ids))

        self._shelf.change(lambda history: history.trash(ids), done)

    def restore(self) -> None:
        """Take the chosen ones out of the trash."""
        self._restore([entry.id for entry in self.selected if entry.trashed is not None])

    def ask_empty(self) -> None:
        """Ask whether the trash shall be emptied, and how thoroughly."""
        if self._dialog is not None:
            return
        chosen = [entry.id for entry in self.selected] if self.bar.in_trash else []
        box = EmptyTrashBox(len(chosen), self)
        self._dialog = box

        def ended(_: int) -> None:
            self._dialog = None
            if box.was_agreed:
                self.empty(chosen or None, for_good=box.for_good)
            box.deleteLater()

        box.finished.connect(ended)
        box.open()

    def empty(self, ids: Sequence[int] | None, *, for_good: bool) -> None:
        """Empty the trash (None: all of it); its files go to the system's trash."""

        def work(history: History) -> Emptied:
            from outfitswap_desktop.safety.api import to_trash

            return empty_trash(history, to_trash, ids=ids, for_good=for_good)

        def done(emptied: Emptied) -> None:
            self.said.emit(
                self.tr("{entries} results removed, {files} files moved to the system's trash.").format(
                    entries=emptied.entries, files=emptied.files
                )
            )
            if emptied.left:
                self.trouble.emit(emptied.left[0])

        self._shelf.change(work, done)

    def ask_export(self) -> None:
        """Load the chosen result and ask how to export it."""

        def opened(answer: ResultOpened) -> None:
            if self._dialog is None:
                dialog = ExportDialog(answer.picture, answer.picture.output.parent, self)
                self._open(dialog, lambda: self._export(dialog.request))

        self._with_one(
            lambda entry: self._desk.ask(
                OpenResult(entry.output, entry.output_sha256), opened, self._failed, key="history.export"
            )
        )

    def _export(self, request: ExportResult) -> None:
        self._desk.ask(
            request,
            lambda path: self.said.emit(self.tr("Exported to {path}").format(path=path)),
            self._failed,
            key="history.export",
        )

    def _open(self, dialog: Any, accepted: Callable[[], object]) -> None:
        self._dialog = dialog

        def ended(code: int) -> None:
            self._dialog = None
            if code:
                accepted()
            dialog.deleteLater()

        dialog.finished.connect(ended)
        dialog.open()

    def _tag(self, chosen: Sequence[Entry], add: Sequence[str], remove: Sequence[str]) -> None:
        ids = [entry.id for entry in chosen]
        if add or remove:
            self._shelf.change(lambda history: history.tag(ids, add=add, remove=remove))

    def _star(self, ids: Sequence[int], on: bool) -> None:
        if ids:
            self._shelf.change(lambda history: history.star(ids, on))

    def _star_clicked(self, entry_id: int) -> None:
        row = self.model.row_of(entry_id)
        if row is not None:
            self._star([entry_id], not self.model.entry(row).starred)

    def _restore(self, ids: Sequence[int]) -> None:
        if ids:
            self._shelf.change(lambda history: history.restore(ids))

    def _reveal(self, entry: Entry) -> None:
        if not reveal(entry.output):
            self.trouble.emit(self.tr("No file browser was found to show {path}.").format(path=entry.output))

    def _with_one(self, run: Callable[[Entry], object]) -> None:
        chosen = self.selected
        if len(chosen) == 1:
            run(chosen[0])

    def _failed(self, problem: Problem) -> None:
        self.trouble.emit(problem.sentence)

    # The window's parts

    def _all_commands(self) -> dict[str, tuple[Spec, Callable[[], object], str]]:
        one = self._with_one

        def command(
            name: str, text: str, run: Callable[[], object], icon: str, *, key: str = "", tip: str = ""
        ) -> tuple[str, tuple[Spec, Callable[[], object], str]]:
            spec = Spec(f"history.{name}", text, "history", (key,) if key else (), tip)
            return name, (spec, run, icon)

        return dict((
            command("open", self.tr("Open Result"), self.open_chosen, "open", tip=self.tr("Show it on the result page")),
            command("use", self.tr("Use Result as New Source"),
                    lambda: one(lambda entry: self.use_as_source.emit(entry.output, entry.output_sha256)), "right"),
            command("remake", self.tr("Re-make Result with Changes…"),
                    lambda: one(lambda entry: self.remake.emit(entry.id)), "refresh"),
            command("star", self.tr("Star"), self.star, "star", key="S"),
            command("tags", self.tr("Tags…"), self.ask_tags, "tag", key="T"),
            command("export", self.tr("Export Chosen…"), self.ask_export, "export"),
            command("reveal", self.tr("Show Chosen in Folder"), lambda: one(self._reveal), "reveal"),
            command("family", self.tr("All Results of This Photo"),
                    lambda: one(lambda entry: self.bar.set_root(entry.root)), "tree"),
            command("trash", self.tr("Move to Trash"), self.trash, "trash", key="Del"),
            command("restore", self.tr("Restore from Trash"), self.restore, "undo"),
            command("empty", self.tr("Empty Trash…"), self.ask_empty, "trash"),
            command("search", self.tr("Search"), self._to_search, "search", key="Ctrl+F"),
        ))  # fmt: skip

    def add_actions(self, actions: Actions) -> None:
        """Register what the page does. The actions are on while the page is seen and something is chosen."""
        self._actions = actions
        for name, (spec, run, icon) in self._commands.items():
            action = actions.add(spec, run, icon=icons.icon(icon))
            if name in self._buttons:
                self._buttons[name].setToolTip(action.toolTip())
        details = Spec(
            "history.details", self.tr("Details"), "history", tip=self.tr("Diagnostics, and where it comes from"),
            checkable=True,
        )  # fmt: skip
        actions.add(details, self.show_details, icon=icons.icon("about"))
        self._enable()

    def _can(self, name: str) -> bool:
        chosen = self.selected
        if name in ("search", "empty"):
            return name == "search" or self.bar.in_trash
        if name == "trash":
            return any(entry.trashed is None for entry in chosen)
        if name == "restore":
            return any(entry.trashed is not None for entry in chosen)
        return len(chosen) == 1 if name in _ONE else bool(chosen)

    def _enable(self, *_: object) -> None:
        seen = self.isVisible()
        for name in self._commands:
            can = self._can(name)
            if name in self._buttons:
                self._buttons[name].setEnabled(can)
                self._buttons[name].setVisible(
                    name not in ("trash", "restore") or (name == "restore") is self.bar.in_trash
                )
            if self._actions is not None:
                self._actions[f"history.{name}"].setEnabled(seen and can)
        if self._actions is not None:
            self._actions["history.details"].setEnabled(seen)

    def _to_search(self) -> None:
        self.bar.search.setFocus()
        self.bar.search.selectAll()

    def _menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        for name, (spec, run, icon) in self._commands.items():
            if name in ("search", "empty") or (name in ("trash", "restore") and not self._can(name)):
                continue
            action = menu.addAction(icons.icon(icon), spec.text)
            action.setEnabled(self._can(name))
            action.triggered.connect(lambda _=False, run=run: run())
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.view.viewport().mapToGlobal(at))

    def _selection_changed(self, *_: QItemSelection) -> None:
        self._enable()
        self._show_side()

    def _show_side(self) -> None:
        """Say at the side what is chosen: the one with the cursor, else the first; nothing when none is."""
        if self.side.isHidden():
            return
        chosen = [entry.id for entry in self.selected]
        current = self.view.currentIndex().data(ENTRY_ROLE)
        wanted = current.id if isinstance(current, Entry) and current.id in chosen else next(iter(chosen), None)
        if wanted is None or wanted != self.side.shown:
            self.side.show_entry(wanted)

    def _build(self) -> None:
        view = self.view
        view.setModel(self.model)
        view.setItemDelegate(self.delegate)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.setAccessibleName(self.tr("Results"))
        view.customContextMenuRequested.connect(self._menu)
        view.activated.connect(lambda _: self.open_chosen())
        view.selectionModel().selectionChanged.connect(self._selection_changed)
        self.delegate.star_clicked.connect(self._star_clicked)
        self.model.loaded.connect(self._loaded)
        self.model.counted.connect(self.bar.set_count)
        self.bar.changed.connect(self._filtered)
        self.bar.view_chosen.connect(self.show_cards)
        self.bar.emptying.connect(self.ask_empty)
        self.side.chosen.connect(lambda entry: self.show_entry(entry.id) if entry.trashed is None else None)
        self._shelf.changed.connect(self._read_choices)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setProperty("role", "hint")
        self._stack.addWidget(view)
        self._stack.addWidget(self._empty)
        split = QSplitter()
        split.addWidget(self._stack)
        split.addWidget(self.side)
        split.setStretchFactor(0, 1)
        split.setCollapsible(0, False)
        split.setSizes([900, 380])
        whole = QVBoxLayout(self)
        whole.setContentsMargins(16, 12, 16, 12)
        whole.addWidget(self.bar)
        whole.addWidget(split, 1)
        whole.addWidget(self.undo_bar)
        whole.addLayout(self._foot())
        self.setFocusProxy(view)

    def _foot(self) -> QHBoxLayout:
        row = QHBoxLayout()
        texts = {
            "open": self.tr("Open"), "use": self.tr("Use as new source"), "remake": self.tr("Re-make…"),
            "star": self.tr("Star"), "tags": self.tr("Tags…"), "export": self.tr("Export…"),
            "reveal": self.tr("Show in folder"), "trash": self.tr("Trash"), "restore": self.tr("Restore"),
        }  # fmt: skip
        for name, text in texts.items():
            spec, run, icon = self._commands[name]
            primary = name == "open"
            button = QPushButton(icons.icon(icon, tint="accent_text" if primary else ""), text)
            button.setProperty("role", "primary" if primary else "quiet")
            button.setToolTip(spec.tip or text)
            button.setAccessibleName(text)
            button.clicked.connect(lambda _=False, run=run: run())
            self._buttons[name] = button
            row.addWidget(button)
        row.addStretch()
        details = QPushButton(icons.icon("about"), self.tr("Details"))
        details.setCheckable(True)
        details.setProperty("role", "chip")
        details.setToolTip(self.tr("Diagnostics, and where it comes from"))
        details.setAccessibleName(details.text())
        details.toggled.connect(self.show_details)
        self._buttons["details"] = details
        row.addWidget(details)
        return row

    def showEvent(self, event: QShowEvent) -> None:
        """Read when first seen; later changes come by themselves."""
        super().showEvent(event)
        self._read_choices()
        if self.model.rowCount() == 0 and not self.model.is_loading:
            self.model.set_filter(self.model.filter)
        if self.focusWidget() is None:
            self.view.setFocus()
        self._enable()

    def hideEvent(self, event: QHideEvent) -> None:
        """The page's actions are off while it is not seen."""
        super().hideEvent(event)
        self._enable()
