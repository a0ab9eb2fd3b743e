"""The models page: which weights there are, what each is for and under which licence; nothing is fetched without a click."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QMessageBox,
    QProgressBar,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.pages.parts import IconLabel, NoticeLine, PageDialog, button, label, panel
from outfitswap_desktop.ui.pages.weights_get import GetDialog
from outfitswap_desktop.ui.pages.weights_words import said_of, size_of, stage_of, state_of, terms_of
from outfitswap_desktop.ui.pages.weights_work import Doing, WeightsRow, WeightsWork

if TYPE_CHECKING:
    from outfitswap_desktop.weights.fetch import Plan
    from outfitswap_desktop.weights.importing import Look

Index = QModelIndex | QPersistentModelIndex
_ICONS: Final = {
    "installed": "ok",
    "missing": "drop",
    "partial": "pause",
    "damaged": "warning",
    "fetching": "refresh",
    "checking": "refresh",
}
_STEPS: Final = 1000
_LICENCE_WIDTH: Final = 168
"""Pixels: the longest names are cut, because what a model is for says more here; the whole name is in the tip."""


class WeightsTable(QAbstractTableModel):
    """The catalogue as a table."""

    def __init__(self, rows: Sequence[WeightsRow] = (), parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows = list(rows)
        self._doing: Doing | None = None

    def show(self, rows: Sequence[WeightsRow]) -> None:
        """Show another catalogue."""
        self.beginResetModel()
        self._rows = list(rows)
        self.endResetModel()

    def show_doing(self, doing: Doing | None) -> None:
        """Say in a row what is being done with it."""
        before, self._doing = self._doing, doing
        for number, row in enumerate(self._rows):
            if row.key in {each.id for each in (before, doing) if each is not None}:
                self.dataChanged.emit(self.index(number, 4), self.index(number, 4))

    def row(self, index: Index) -> WeightsRow:
        return self._rows[index.row()]

    def number_of(self, key: str) -> int:
        """Row of an id; -1 for none."""
        return next((number for number, row in enumerate(self._rows) if row.key == key), -1)

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else 5

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.TextAlignmentRole and section == 2:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        names = (self.tr("Name"), self.tr("What for"), self.tr("Size"), self.tr("Licence"), self.tr("State"))
        return names[section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self._rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            size = size_of(row.size, about=row.about)
            return (row.name, row.purpose, size, row.licence, self._state(row))[index.column()]
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 4:
            busy = self._doing is not None and self._doing.id == row.key
            return icons.icon("refresh" if busy else _ICONS.get(row.state, "help"))
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 3 and not row.commercial:
            return icons.icon("warning", tint="warning")
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == 2:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def _state(self, row: WeightsRow) -> str:
        doing = self._doing
        if doing is None or doing.id != row.key:
            return state_of(row.state)
        if doing.total and doing.stage in ("fetching", "checking"):
            return self.tr("{percent} %").format(percent=int(100 * doing.done / doing.total))
        return state_of("checking" if doing.what == "verify" else "fetching")


class WeightsPage(QWidget):
    """The models page. Without `work` or while `possible` is False its buttons are grey, and `reason` says why."""

    get_asked = Signal(str)
    verify_asked = Signal(str)
    remove_asked = Signal(str)
    import_asked = Signal()
    changed = Signal()
    """Weights were installed, mended or removed."""

    def __init__(
        self,
        rows: Sequence[WeightsRow] = (),
        parent: QWidget | None = None,
        *,
        possible: bool = False,
        reason: str = "",
        work: WeightsWork | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("weightsPage")
        self._work = work
        self._possible = possible or work is not None
        self._reason = reason or self.tr("Downloads are not part of this release.")
        self.table = WeightsTable(rows, self)
        self.view = QTableView()
        self._set_up_view()
        self.get = button(self.tr("Download"), "drop")
        self.verify = button(self.tr("Verify"), "ok")
        self.remove = button(self.tr("Remove"), "trash")
        self.from_file = button(self.tr("Import file…"), "open")
        self.network = button(self.tr("Network…"), "settings")
        self.get.clicked.connect(lambda: self._emit(self.get_asked))
        self.verify.clicked.connect(lambda: self._emit(self.verify_asked))
        self.remove.clicked.connect(lambda: self._emit(self.remove_asked))
        self.from_file.clicked.connect(self.import_asked)
        self.details = label("", "hint")
        self.details.setMinimumHeight(36)
        self.notice = NoticeLine()
        self.progress = _Progress()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(12)
        layout.addWidget(label(self.tr("Models"), "title"))
        layout.addWidget(self._embedded())
        layout.addWidget(self.view, 1)
        self._empty = label(self.tr("This release brings no models to download."), "hint")
        layout.addWidget(self._empty)
        layout.addStretch(0)
        if not self._possible:
            layout.addWidget(label(self._reason, "hint"))
        layout.addWidget(self.details)
        layout.addWidget(self.notice)
        layout.addWidget(self.progress)
        foot = QHBoxLayout()
        self.disk = label("", "hint", wrap=False)
        foot.addWidget(self.disk)
        foot.addStretch(1)
        for each in (self.network, self.from_file, self.verify, self.remove, self.get):
            foot.addWidget(each)
        layout.addLayout(foot)
        self.network.setVisible(work is not None)
        self.show_rows(rows)
        if work is not None:
            self._join(work)

    def show_rows(self, rows: Sequence[WeightsRow]) -> None:
        """Show another catalogue; what was chosen stays chosen."""
        chosen = self._chosen()
        self.table.show(rows)
        self.view.setVisible(bool(rows))
        self._empty.setVisible(not rows)
        number = self.table.number_of(chosen.key) if chosen is not None else -1
        if number >= 0:
            self.view.selectRow(number)
        self._choose()

    # with work behind it

    def _join(self, work: WeightsWork) -> None:
        work.listed.connect(self._listed)
        work.planned.connect(self._planned)
        work.looked.connect(self._looked)
        work.moved.connect(self._moved)
        work.ended.connect(self._ended)
        self.get_asked.connect(self._ask_plan)
        self.verify_asked.connect(work.verify)
        self.remove_asked.connect(self._remove)
        self.import_asked.connect(self._import)
        work.networked.connect(self._show_network)
        self.network.clicked.connect(work.network)
        self.progress.cancel.clicked.connect(self._cancel)
        self.view.setFocus()
        self._empty.setText(self.tr("Looking at what is here…"))
        if work.doing is not None:
            self._moved(work.doing)
        work.refresh()

    def _listed(self, rows: Sequence[WeightsRow], free: int) -> None:
        self.show_rows(rows)
        self.disk.setText(self.tr("{size} free on this disk").format(size=size_of(free) or "0"))

    def _ask_plan(self, key: str) -> None:
        assert self._work is not None
        self.notice.say(stage_of("asking"))
        self._work.plan(key)

    def _planned(self, key: str, answer: Plan | KnownError) -> None:
        if isinstance(answer, KnownError):
            self.notice.say(said_of(answer), bad=True)
            return
        self.notice.hide()
        number = self.table.number_of(key)
        if number < 0 or not self.isVisible():
            return
        row = self.table.row(self.table.index(number, 0))
        dialog = GetDialog(row, answer, self)
        dialog.accepted.connect(lambda: self._fetch(key, accept=dialog.agreed))
        _open(dialog)

    def _fetch(self, key: str, *, accept: bool) -> None:
        if self._work is not None:
            self._work.fetch(key, accept=accept)

    def _import(self) -> None:
        row = self._chosen()
        if row is None:
            self.notice.say(self.tr("Choose the model in the table that the file is, then import it."))
            return
        name, _ = QFileDialog.getOpenFileName(
            self,
            self.tr("Import a file of {name}").format(name=row.name),
            "",
            self.tr("Models (*.safetensors *.onnx *.pt *.pth *.json *.txt *.bin)"),
        )
        if name and self._work is not None:
            self.notice.say(stage_of("checking"))
            self._work.look(row.key, Path(name))

    def _looked(self, answer: Look | KnownError) -> None:
        if isinstance(answer, KnownError):
            self.notice.say(said_of(answer), bad=True)
            return
        self.notice.hide()
        number = self.table.number_of(answer.id)
        row = self.table.row(self.table.index(number, 0))
        if row.asks and not row.accepted:
            dialog = GetDialog(row, None, self)
            dialog.accepted.connect(lambda: self._take(answer, accept=dialog.agreed))
            _open(dialog)
        else:
            self._take(answer, accept=False)

    def _take(self, look: Look, *, accept: bool) -> None:
        if look.asked and not self._sure(self.tr("Take this file?"), look.asked):
            return
        if self._work is not None:
            self._work.take(look, accept=accept)

    def _remove(self, key: str) -> None:
        row = self._chosen()
        if row is None or self._work is None:
            return
        said = self.tr("{name} takes {size} and would have to be downloaded again.")
        if self._sure(self.tr("Remove this model?"), said.format(name=row.name, size=size_of(row.size))):
            self._work.remove(key)

    def _sure(self, title: str, text: str) -> bool:
        answer = QMessageBox.question(self, title, text)
        return answer == QMessageBox.StandardButton.Yes

    def _show_network(self, network: Any) -> None:
        from outfitswap_desktop.ui.pages.weights_network import NetworkDialog

        if self._work is not None:
            _open(NetworkDialog(self._work, network, self))

    def _moved(self, doing: Doing) -> None:
        self.notice.hide()
        self.table.show_doing(doing)
        number = self.table.number_of(doing.id)
        name = self.table.row(self.table.index(number, 0)).name if number >= 0 else doing.id
        self.progress.show_doing(doing, name)
        self._choose()

    def _cancel(self) -> None:
        if self._work is not None:
            self.progress.cancelling()
            self._work.cancel()

    def _ended(self, doing: Doing, answer: Any) -> None:
        self.table.show_doing(None)
        self.progress.hide()
        if isinstance(answer, KnownError):
            self.notice.say(said_of(answer), bad=True)
        elif doing.stage == "cancelled":
            self.notice.say(self.tr("Stopped. What came so far is kept, and the next download goes on from there."))
        elif doing.what == "verify":
            self._say_faults(answer)
        else:
            self.notice.hide()
        self._choose()
        if doing.what != "verify":
            self.changed.emit()

    def _say_faults(self, faults: tuple[str, ...]) -> None:
        if not faults:
            self.notice.say(self.tr("Every file is as it should be."), good=True)
            return
        said = self.tr("Damaged: {files}. Download it again: only what is damaged is fetched.")
        self.notice.say(said.format(files="; ".join(faults[:4])), bad=True)

    # the view

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
        header.setSectionResizeMode(3, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(3, _LICENCE_WIDTH)
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
        busy = self._work is not None and self._work.doing is not None
        for each, states in (
            (self.get, ("missing", "damaged", "partial")),
            (self.verify, ("installed", "damaged")),
            (self.remove, ("installed", "damaged", "partial")),
        ):
            each.setEnabled(self._possible and not busy and state in states)
            each.setToolTip(self._reason if not self._possible else "" if row else first)
        self.from_file.setEnabled(self._possible and not busy)
        self.from_file.setToolTip("" if self._possible else self._reason)
        self.details.setText("" if row is None or not row.id else self._details(row))
        self.details.setVisible(self._work is not None)

    def _details(self, row: WeightsRow) -> str:
        said = [terms_of(commercial=row.commercial, restrictions=row.restrictions)]
        if row.memory is not None:
            said.append(self.tr("It needs a graphics card with {size} GB or more.").format(size=f"{row.memory:g}"))
        if row.also:
            said.append(self.tr("Its engine needs this too: {names}.").format(names=row.also))
        said.append(
            self.tr("Its files are known to this program by their hashes.")
            if row.pinned
            else self.tr("Its hashes are not pinned yet: they are recorded at the first download.")
        )
        return " ".join(said)

    def _emit(self, signal: Any) -> None:
        row = self._chosen()
        if row is not None:
            signal.emit(row.key)


class _Progress(QWidget):
    """What is being done, how far it is, how fast, and a button that stops it."""

    def __init__(self) -> None:
        super().__init__()
        self.text = label("", wrap=False)
        self.speed = label("", "hint", wrap=False)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.cancel = button(self.tr("Cancel"), "stop", tip=self.tr("Stop; what came so far is kept"))
        words = QHBoxLayout()
        words.addWidget(self.text, 1)
        words.addWidget(self.speed)
        left = QVBoxLayout()
        left.setSpacing(4)
        left.addLayout(words)
        left.addWidget(self.bar)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addLayout(left, 1)
        row.addWidget(self.cancel, 0, Qt.AlignmentFlag.AlignBottom)
        self.hide()

    def show_doing(self, doing: Doing, name: str) -> None:
        if self.cancel.isEnabled() or not self.isVisible():
            self.text.setText(f"{name}: {stage_of(doing.stage)}")
            self.cancel.setEnabled(True)
        counted = doing.total is not None and doing.stage in ("fetching", "checking")
        self.bar.setRange(0, _STEPS if counted else 0)
        if counted and doing.total:
            self.bar.setValue(int(_STEPS * doing.done / doing.total))
            of = self.tr("{done} of {total}").format(done=size_of(doing.done) or "0", total=size_of(doing.total))
            fast = self.tr("{speed} a second").format(speed=size_of(int(doing.speed))) if doing.speed > 10_000 else ""
            self.speed.setText(" · ".join(part for part in (of, fast) if part))
        else:
            self.speed.setText("")
        self.bar.setAccessibleName(self.text.text())
        self.show()

    def cancelling(self) -> None:
        self.cancel.setEnabled(False)
        self.text.setText(stage_of("cancelling"))


def _open(dialog: QDialog) -> None:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()


class WeightsDialog(PageDialog):
    """The models page in a dialog."""

    def __init__(
        self, parent: QWidget | None = None, *, rows: Sequence[WeightsRow] = (), work: WeightsWork | None = None
    ) -> None:
        super().__init__(WeightsPage(rows, work=work), "", parent)
        self.setObjectName("weightsDialog")
        self.setWindowTitle(self.tr("Models"))
