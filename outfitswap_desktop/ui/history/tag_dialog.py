"""Tags of one or several entries: those that there are, to be ticked, and a field for new ones."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QListView,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.store.entry import Entry
from outfitswap_desktop.store.tags import LONGEST_TAG, clean, fold


class TagDialog(QDialog):
    """`add` and `remove` are what was chosen, when it was accepted. A tag that only some entries have is half ticked."""

    def __init__(
        self, entries: Sequence[Entry], known: Sequence[tuple[str, int]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Tags"))
        self._before: dict[str, Qt.CheckState] = {}
        self._tags = QStandardItemModel(self)
        self._field = QLineEdit()
        self._field.setMaxLength(LONGEST_TAG * 4)
        self._field.setPlaceholderText(self.tr("New tag, Enter to add; several with commas"))
        self._field.setAccessibleName(self.tr("New tag"))
        view = QListView()
        view.setModel(self._tags)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setAccessibleName(self.tr("Tags"))
        view.setSpacing(3)
        counts = {fold(name): sum(fold(name) in map(fold, entry.tags) for entry in entries) for name, _ in known}
        for name, _ in known:
            have = counts[fold(name)]
            state = Qt.CheckState.Unchecked if not have else Qt.CheckState.PartiallyChecked
            self._put(name, Qt.CheckState.Checked if have == len(entries) else state)
        buttons = QDialogButtonBox()
        save = buttons.addButton(self.tr("Save"), QDialogButtonBox.ButtonRole.AcceptRole)
        save.setProperty("role", "primary")
        save.setAutoDefault(False)
        buttons.addButton(self.tr("Cancel"), QDialogButtonBox.ButtonRole.RejectRole).setAutoDefault(False)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self._field.returnPressed.connect(self.add_typed)
        whole = QVBoxLayout(self)
        many = len(entries)
        head = self.tr("Tags of this result") if many == 1 else self.tr("Tags of {count} results").format(count=many)
        whole.addWidget(QLabel(head))
        whole.addWidget(self._field)
        whole.addWidget(view, 1)
        whole.addWidget(buttons)
        self.resize(360, 420)
        self._field.setFocus()

    def add_typed(self) -> None:
        """Take what was typed as tags; with nothing typed, Enter saves."""
        typed = [name for name in map(clean, self._field.text().split(",")) if name]
        if not typed:
            self.accept()
            return
        for name in typed:
            there = next((row for row in self._rows() if fold(row.text()) == fold(name)), None)
            if there is not None:
                there.setCheckState(Qt.CheckState.Checked)
            else:
                self._put(name, Qt.CheckState.Checked, new=True)
        self._field.clear()

    def accept(self) -> None:
        """Save, with what still stands in the field."""
        if self._field.text().strip():
            self.add_typed()
        super().accept()

    @property
    def add(self) -> tuple[str, ...]:
        """Tags that all entries shall have."""
        return tuple(row.text() for row in self._rows() if self._became(row, Qt.CheckState.Checked))

    @property
    def remove(self) -> tuple[str, ...]:
        """Tags that none shall have."""
        return tuple(row.text() for row in self._rows() if self._became(row, Qt.CheckState.Unchecked))

    def tick(self, name: str, on: bool) -> None:
        """Tick a tag, or not."""
        for row in self._rows():
            if fold(row.text()) == fold(name):
                row.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)

    def _became(self, row: QStandardItem, state: Qt.CheckState) -> bool:
        return row.checkState() is state and self._before.get(row.text()) is not state

    def _rows(self) -> list[QStandardItem]:
        return [self._tags.item(number) for number in range(self._tags.rowCount())]

    def _put(self, name: str, state: Qt.CheckState, *, new: bool = False) -> None:
        row = QStandardItem(name)
        row.setCheckable(True)
        row.setAutoTristate(False)
        row.setUserTristate(False)
        row.setCheckState(state)
        if new:
            self._tags.insertRow(0, row)
        else:
            self._before[name] = state
            self._tags.appendRow(row)
