"""The run bar: one button, why it cannot be pressed, and while a job runs its stage, the time left, and Cancel."""

from __future__ import annotations

import time
from typing import Final

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from outfitswap_desktop.core.job import Progress
from outfitswap_desktop.ui.theme import set_role

_SCALE: Final = 1000
_SURE_AFTER: Final = 0.08
"""Share of a job after which its speed says something about the rest."""


def stage_name(stage: str) -> str:
    """A stage of the pipeline in the user's words."""
    names = {
        "read": QCoreApplication.translate("Stage", "Reading the photo"),
        "parse": QCoreApplication.translate("Stage", "Finding the garments"),
        "mask": QCoreApplication.translate("Stage", "Checking the mask"),
        "generate": QCoreApplication.translate("Stage", "Making the new outfit"),
        "paste": QCoreApplication.translate("Stage", "Putting it into the photo"),
        "gates": QCoreApplication.translate("Stage", "Checking the result"),
        "save": QCoreApplication.translate("Stage", "Saving"),
    }
    return names.get(stage, stage)


class Remaining:
    """How long a job still takes: from its own speed, and before that from how long the last ones took."""

    def __init__(self) -> None:
        self._usual: float | None = None
        self._began = 0.0

    def begin(self, now: float | None = None) -> None:
        """A job starts."""
        self._began = time.monotonic() if now is None else now

    def end(self, now: float | None = None) -> None:
        """It ended well: what it took counts for the next estimate."""
        took = (time.monotonic() if now is None else now) - self._began
        self._usual = took if self._usual is None else 0.5 * self._usual + 0.5 * took

    def seconds(self, fraction: float, now: float | None = None) -> float | None:
        """Seconds left at `fraction` 0..1 of the job; None while nothing is known."""
        spent = (time.monotonic() if now is None else now) - self._began
        own = spent * (1.0 - fraction) / fraction if fraction > _SURE_AFTER else None
        if self._usual is None:
            return own
        usual = max(0.0, self._usual - spent)
        return usual if own is None else fraction * own + (1.0 - fraction) * usual


class RunPanel(QWidget):
    """Run and Cancel with what there is to say about them."""

    run_asked = Signal()
    cancel_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._remaining = Remaining()
        self._blocked = ""
        self.run = QPushButton(self.tr("Swap outfit"), self)
        self.run.setProperty("role", "primary")
        self.run.setMinimumHeight(40)
        self.run.clicked.connect(self.run_asked)
        self.cancel = QPushButton(self.tr("Cancel"), self)
        self.cancel.setToolTip(self.tr("Stop the running job; nothing is left of it (Esc)"))
        self.cancel.setMinimumHeight(40)
        self.cancel.clicked.connect(self.cancel_asked)
        self._bar = QProgressBar(self)
        self._bar.setRange(0, _SCALE)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(self.tr("Progress of the running job"))
        self._says = QLabel(self)
        self._says.setWordWrap(True)
        self._says.setProperty("role", "hint")
        self._price = QLabel(self)
        self._price.setWordWrap(True)
        self._price.hide()
        row = QHBoxLayout()
        row.addWidget(self.run, 1)
        row.addWidget(self.cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 4, 8, 8)
        for part in (self._says, self._bar):
            column.addWidget(part)
        column.addLayout(row)
        column.addWidget(self._price)
        self.job_over()
        self.block(self.tr("Open a photo first."))

    def block(self, reason: str) -> None:
        """Say why nothing can be run; "" lets it."""
        self._blocked = reason
        self.run.setEnabled(not reason)
        self.run.setToolTip(reason or self.tr("Change the outfit now (Ctrl+Return)"))
        if self.cancel.isHidden():
            self._says.setText(reason)
            self._says.setVisible(bool(reason))

    def show_price(self, text: str, *, short: bool = False) -> None:
        """Say below the button what a run costs; "" for nothing, `short` when it cannot be paid as things stand."""
        self._price.setText(text)
        self._price.setVisible(bool(text))
        set_role(self._price, "warning" if short else "hint")
        self.run.setAccessibleDescription(text)

    def job_started(self) -> None:
        """A job runs: more can be asked for, they wait in the queue."""
        self._remaining.begin()
        self._bar.setValue(0)
        for part in (self._bar, self.cancel, self._says):
            part.show()
        self._says.setText(self.tr("Starting…"))
        self.run.setText(self.tr("Add to the queue"))

    def job_progressed(self, progress: Progress) -> None:
        """Show how far it is."""
        self._bar.setValue(round(progress.fraction * _SCALE))
        left = self._remaining.seconds(progress.fraction)
        stage = stage_name(progress.stage)
        if left is None:
            self._says.setText(f"{stage}…")
        else:
            self._says.setText(
                self.tr("{stage} – about {seconds} s left").format(stage=stage, seconds=max(1, round(left)))
            )

    def job_over(self, *, well: bool = False) -> None:
        """Nothing runs any more."""
        if well:
            self._remaining.end()
        self._bar.hide()
        if self.cancel.hasFocus():  # else the focus would leap to whatever comes next
            self.run.setFocus()
        self.cancel.hide()
        self.run.setText(self.tr("Swap outfit"))
        self.block(self._blocked)
