"""The queue: what runs, what waits and in which order, what ended and why; pause, reorder, cancel, do again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractTableModel,
    QByteArray,
    QDataStream,
    QIODevice,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui import theme
from outfitswap_desktop.ui.actions import Actions, Spec

Index = QModelIndex | QPersistentModelIndex
ROWS_KIND: Final = "application/x-outfitswap-job"
JOB = Qt.ItemDataRole.UserRole + 1

WAITING: Final = frozenset({"queued", "interrupted"})
OVER: Final = frozenset({"done", "refused", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One job as the page shows it. `state` is the queue's; `percent` of a running one; `note` why it ended as it did."""

    id: str
    photo: str
    words: str
    state: str
    percent: int | None = None
    note: str = ""
    batch: str = ""


class QueueModel(QAbstractTableModel):
    """Jobs in the order in which they will run; rows that wait can be dragged."""

    moved = Signal(str, object)
    """A job's id, and the id before which it was dropped (None: at the end)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[QueueRow, ...] = ()

    def show(self, rows: Sequence[QueueRow]) -> None:
        """Show these; selection and scroll stay where only states or progress changed."""
        fresh = tuple(rows)
        if [row.id for row in fresh] == [row.id for row in self._rows]:
            changed = [at for at, (old, new) in enumerate(zip(self._rows, fresh, strict=True)) if old != new]
            self._rows = fresh
            for at in changed:
                self.dataChanged.emit(self.index(at, 0), self.index(at, self.columnCount() - 1))
            return
        self.beginResetModel()
        self._rows = fresh
        self.endResetModel()

    def progress(self, job: str, percent: int) -> None:
        """Show how far one job is."""
        for at, row in enumerate(self._rows):
            if row.id == job and row.percent != percent:
                kept = list(self._rows)
                kept[at] = QueueRow(row.id, row.photo, row.words, "running", percent, row.note, row.batch)
                self._rows = tuple(kept)
                self.dataChanged.emit(self.index(at, 0), self.index(at, 0))

    def row(self, at: int) -> QueueRow | None:
        """The job in a row."""
        return self._rows[at] if 0 <= at < len(self._rows) else None

    def rowCount(self, parent: Index | None = None) -> int:
        """How many jobs there are."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:
        """State, photo, words, note."""
        return 0 if parent is not None and parent.isValid() else 4

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The columns' names."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return (self.tr("State"), self.tr("Photo"), self.tr("Wear instead"), self.tr("Note"))[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts, colours of ends, and the row itself."""
        row = self.row(index.row())
        if row is None:
            return None
        if role in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole}:
            return (self.state_name(row), row.photo, row.words, self._note(row))[index.column()]
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == 0:
            colours = theme.current()
            named = {
                "done": colours.good,
                "refused": colours.danger,
                "failed": colours.danger,
                "running": colours.accent,
            }
            return QColor(named[row.state]) if row.state in named else None
        if role == JOB:
            return row
        return None

    def state_name(self, row: QueueRow) -> str:
        """A state in words."""
        names = {
            "queued": self.tr("Waiting"),
            "running": self.tr("Running"),
            "done": self.tr("Done"),
            "refused": self.tr("Refused"),
            "failed": self.tr("Failed"),
            "cancelled": self.tr("Cancelled"),
            "interrupted": self.tr("Interrupted"),
        }
        name = names.get(row.state, row.state)
        return f"{name} {row.percent} %" if row.state == "running" and row.percent is not None else name

    def _note(self, row: QueueRow) -> str:
        if row.state == "interrupted" and not row.note:
            return self.tr("The program ended meanwhile; “Do again” starts it afresh.")
        return row.note

    # Dragging

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Waiting jobs can be dragged, between rows anything can be dropped."""
        plain = super().flags(index)
        row = self.row(index.row()) if index.isValid() else None
        if row is None:
            return plain | Qt.ItemFlag.ItemIsDropEnabled
        return plain | Qt.ItemFlag.ItemIsDragEnabled if row.state in WAITING else plain

    def supportedDropActions(self) -> Qt.DropAction:
        """Only moving."""
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:
        """Our own kind."""
        return [ROWS_KIND]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """The dragged job's id."""
        content = QByteArray()
        stream = QDataStream(content, QIODevice.OpenModeFlag.WriteOnly)
        row = self.row(indexes[0].row()) if indexes else None
        stream.writeQString(row.id if row is not None else "")
        carried = QMimeData()
        carried.setData(ROWS_KIND, content)
        return carried

    def dropMimeData(self, carried: QMimeData, _action: Qt.DropAction, at: int, _column: int, parent: Index) -> bool:
        """Ask for the new order; the model shows it once the queue has it. False: nothing is removed here."""
        stream = QDataStream(carried.data(ROWS_KIND))
        job = stream.readQString()
        place = at if at >= 0 else parent.row()
        before = self.row(place) if place >= 0 else None
        if job:
            self.moved.emit(job, before.id if before is not None else None)
        return False


class QueuePage(QWidget):
    """The table and its buttons; everything it wants done is a signal."""

    paused = Signal(bool)
    cancel_asked = Signal(str)
    cancel_all_asked = Signal()
    again_asked = Signal(str)
    remove_asked = Signal(str)
    clear_asked = Signal()
    move_asked = Signal(str, object)
    result_asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = QueueModel(self)
        self.model.moved.connect(self.move_asked)
        self.view = QTableView(self)
        self.view.setModel(self.model)
        self.view.setAccessibleName(self.tr("Queue"))
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.view.setTabKeyNavigation(False)
        self.view.setShowGrid(False)
        self.view.verticalHeader().hide()
        header = self.view.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column, width in ((0, 120), (1, 220), (2, 300)):
            self.view.setColumnWidth(column, width)
        self.view.doubleClicked.connect(lambda _index: self._with(self.result_asked.emit))
        self.view.selectionModel().selectionChanged.connect(lambda *_: self._refresh())
        self._title = QLabel(self.tr("Queue"), self)
        self._title.setProperty("role", "title")
        self._count = QLabel(self)
        self._count.setProperty("role", "hint")
        self.pause = QPushButton(self.tr("Pause"), self)
        self.pause.setCheckable(True)
        self.pause.setToolTip(self.tr("The running job ends, the next one waits (Ctrl+Shift+Space)"))
        self.pause.toggled.connect(self._paused)
        self._buttons = {
            "up": self._button(self.tr("Earlier"), self._earlier),
            "down": self._button(self.tr("Later"), self._later),
            "cancel": self._button(self.tr("Cancel"), lambda: self._with(self.cancel_asked.emit)),
            "again": self._button(self.tr("Do again"), lambda: self._with(self.again_asked.emit)),
            "result": self._button(self.tr("Show result"), lambda: self._with(self.result_asked.emit)),
            "remove": self._button(self.tr("Remove from the list"), lambda: self._with(self.remove_asked.emit)),
        }
        self._all = self._button(self.tr("Cancel all"), self.cancel_all_asked.emit)
        self._clear = self._button(self.tr("Clear ended"), self.clear_asked.emit)
        top = QHBoxLayout()
        top.addWidget(self._title)
        top.addWidget(self._count)
        top.addStretch()
        for button in (self.pause, self._all, self._clear):
            top.addWidget(button)
        below = QHBoxLayout()
        for button in self._buttons.values():
            below.addWidget(button)
        below.addStretch()
        column_layout = QVBoxLayout(self)
        column_layout.addLayout(top)
        column_layout.addWidget(self.view, 1)
        column_layout.addLayout(below)
        self.show_rows((), paused=False)

    def show_rows(self, rows: Sequence[QueueRow], *, paused: bool) -> None:
        """Show the queue as it is now."""
        chosen = self.chosen()
        self.model.show(rows)
        self.pause.blockSignals(True)
        self.pause.setChecked(paused)
        self.pause.blockSignals(False)
        self.pause.setText(self.tr("Go on") if paused else self.tr("Pause"))
        waiting = sum(row.state in WAITING for row in rows)
        runs = next((at for at, row in enumerate(rows) if row.state == "running"), None)
        if paused:
            text = self.tr("{count} waiting, paused")
        elif runs is not None:
            text = self.tr("1 running, {count} waiting")
        else:
            text = self.tr("{count} waiting")
        self._count.setText(text.format(count=waiting))
        self._all.setEnabled(any(row.state in WAITING or row.state == "running" for row in rows))
        self._clear.setEnabled(any(row.state in OVER for row in rows))
        for at, row in enumerate(rows):
            if chosen is not None and row.id == chosen.id:
                self.view.selectRow(at)
        if chosen is None and runs is not None:  # below many that have ended it would not be seen
            self.view.scrollTo(self.model.index(min(runs + 2, len(rows) - 1), 0))
        self._refresh()

    def chosen(self) -> QueueRow | None:
        """The selected job."""
        row = self.view.currentIndex().data(JOB)
        return row if isinstance(row, QueueRow) else None

    def add_actions(self, actions: Actions) -> None:
        """Register the queue's actions."""
        add = actions.add
        add(
            Spec("queue.pause", self.tr("Pause or go on with the queue"), "job", ("Ctrl+Shift+Space",)),
            self.pause.toggle,
        )
        add(Spec("queue.cancel_all", self.tr("Cancel all jobs"), "job", ("Ctrl+Shift+X",)), self.cancel_all_asked.emit)
        add(Spec("queue.up", self.tr("Chosen job earlier"), "job", ("Alt+Up",)), self._earlier)
        add(Spec("queue.down", self.tr("Chosen job later"), "job", ("Alt+Down",)), self._later)
        add(Spec("queue.again", self.tr("Do the chosen job again"), "job"), lambda: self._with(self.again_asked.emit))
        add(Spec("queue.clear", self.tr("Clear ended jobs from the list"), "job"), self.clear_asked.emit)

    def _button(self, text: str, run: Callable[[], object]) -> QPushButton:
        button = QPushButton(text, self)
        button.clicked.connect(lambda _checked=False: run())
        return button

    def _paused(self, on: bool) -> None:
        self.pause.setText(self.tr("Go on") if on else self.tr("Pause"))
        self.paused.emit(on)

    def _with(self, run: Callable[[str], object]) -> None:
        row = self.chosen()
        if row is not None:
            run(row.id)

    def _neighbours(self) -> tuple[QueueRow | None, int]:
        return self.chosen(), self.view.currentIndex().row()

    def _earlier(self) -> None:
        row, at = self._neighbours()
        before = self.model.row(at - 1) if at > 0 else None
        if row is not None and before is not None and before.state in WAITING and row.state in WAITING:
            self.move_asked.emit(row.id, before.id)

    def _later(self) -> None:
        row, at = self._neighbours()
        if row is None or row.state not in WAITING or at + 1 >= self.model.rowCount():
            return
        after = self.model.row(at + 2)
        self.move_asked.emit(row.id, after.id if after is not None else None)

    def _refresh(self) -> None:
        row, at = self._neighbours()
        waits = row is not None and row.state in WAITING
        above = self.model.row(at - 1)
        self._buttons["up"].setEnabled(waits and above is not None and above.state in WAITING)
        self._buttons["down"].setEnabled(waits and at + 1 < self.model.rowCount())
        self._buttons["cancel"].setEnabled(row is not None and (waits or row.state == "running"))
        self._buttons["again"].setEnabled(row is not None and (row.state in OVER or row.state == "interrupted"))
        self._buttons["result"].setEnabled(row is not None and row.state == "done")
        self._buttons["remove"].setEnabled(row is not None and row.state != "running")
