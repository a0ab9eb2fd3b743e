"""Asks whether the history's trash shall be emptied, and how thoroughly."""

from __future__ import annotations

from PySide6.QtWidgets import QCheckBox, QMessageBox, QWidget


class EmptyTrashBox(QMessageBox):
    """`was_agreed` and `for_good` are the answer, once it is closed. `chosen` entries, or 0 for all of the trash."""

    def __init__(self, chosen: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setIcon(QMessageBox.Icon.Warning)
        self.setWindowTitle(self.tr("Empty trash"))
        self.setText(
            self.tr("Remove the chosen results ({count}) from the history?").format(count=chosen)
            if chosen
            else self.tr("Remove everything in the trash from the history?")
        )
        self.setInformativeText(
            self.tr("Results, masks and receipts go to the system's trash, from where you can still take them back.")
        )
        self._erase = QCheckBox(self.tr("Also erase every trace of them from the history's file (takes longer)"))
        self.setCheckBox(self._erase)
        self._empty = self.addButton(self.tr("Empty"), QMessageBox.ButtonRole.DestructiveRole)
        self._empty.setProperty("role", "danger")
        self.setDefaultButton(self.addButton(QMessageBox.StandardButton.Cancel))

    @property
    def was_agreed(self) -> bool:
        """Whether it shall be emptied."""
        return self.clickedButton() is self._empty

    @property
    def for_good(self) -> bool:
        """Whether nothing of the rows may be left in the database's file."""
        return self._erase.isChecked()

    def agree(self) -> None:
        """Press the button."""
        self._empty.click()
