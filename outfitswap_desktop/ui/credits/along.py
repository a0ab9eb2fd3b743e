"""Taking credits along: how many, for how many days without a network, and what returns when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from PySide6.QtCore import QDateTime
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from outfitswap_desktop.ui.canvas.slider_row import SliderRow
from outfitswap_desktop.ui.credits.words import credits_of, day_of, engine_of, number_of
from outfitswap_desktop.ui.outfit.form import TEXT_MARGINS
from outfitswap_desktop.ui.pages.parts import button, foot, label, panel

MOST_CREDITS: Final = 500
"""The server's own limit, as it comes; it says so when its owner has set another."""
MOST_DAYS, USUAL_DAYS, GRACE_DAYS = 30, 7, 30
_DAY_MS: Final = 86_400_000


def most_along(available: int) -> int:
    """The most that can be taken along, as the server has it: half of what is left, so that no machine strands all of it."""
    return min(MOST_CREDITS, (available + 1) // 2)


class AlongDialog(QDialog):
    """Accepted with `credits` and `days`. `prices` are credits for a picture by engine."""

    def __init__(self, available: int, prices: Mapping[str, int], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("alongDialog")
        self.setWindowTitle(self.tr("Take credits along"))
        self.setMinimumWidth(540)
        self._prices = {engine: price for engine, price in prices.items() if price}
        self.most = most_along(available)
        most = max(1, self.most)
        self.credits = SliderRow(
            self.tr("Credits"),
            1,
            most,
            rest=min(most, max(1, available // 4)),
            tip=self.tr("How many are moved onto this machine"),
        )
        self.days = SliderRow(
            self.tr("Days"), 1, MOST_DAYS, rest=USUAL_DAYS, tip=self.tr("For how many days no network is needed")
        )
        self._enough = label("", "hint")
        self._returns = label("")
        self.go = button(self.tr("Take along"), role="primary")
        self.go.setDefault(True)
        self.go.clicked.connect(self.accept)
        self.cancel = button(self.tr("Cancel"))
        self.cancel.clicked.connect(self.reject)
        self._why = label("", "hint")
        self._build(available)
        for row in (self.credits, self.days):
            row.number.lineEdit().setTextMargins(*TEXT_MARGINS)
            row.moved.connect(lambda _value: self._show())
            row.settled.connect(lambda _value: self._show())
        self._show()

    def _build(self, available: int) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(12)
        column.addWidget(label(self.tr("Take credits along"), "title"))
        said = self.tr("For work without a network: jobs of this machine are paid from these, wherever it is.")
        column.addWidget(label(said, "hint"))
        column.addWidget(self.credits)
        column.addWidget(self._enough)
        column.addWidget(self.days)
        frame, inside = panel()
        inside.addWidget(label(self.tr("What is not used returns"), "heading"))
        inside.addWidget(label(self.tr("At once, when you press “Give back” while online.")))
        inside.addWidget(self._returns)
        column.addWidget(frame)
        column.addStretch(1)
        column.addLayout(foot(self._why, self.cancel, self.go))
        if not self.most:
            self.go.setEnabled(False)
            self._why.setText(self.tr("No credits are left to take along."))
        else:
            half = self.tr("At most {most}: half of the {available} that are left.")
            if self.most == MOST_CREDITS:
                half = self.tr("At most {most} at a time.")
            self._why.setText(half.format(most=number_of(self.most), available=number_of(available)))

    def _show(self) -> None:
        count, days = self.credits.value, self.days.value
        self._enough.setText(" · ".join(
            self.tr("{engine}: {pictures} pictures").format(engine=engine_of(engine), pictures=number_of(count // price))
            for engine, price in sorted(self._prices.items(), key=lambda each: (each[1], each[0]))
        ))  # fmt: skip
        self._enough.setVisible(bool(self._prices))
        now = QDateTime.currentMSecsSinceEpoch()
        said = self.tr("By itself on {grace}, even if this machine is lost. It can spend them until {day}.")
        self._returns.setText(
            said.format(grace=day_of(now + (days + GRACE_DAYS) * _DAY_MS), day=day_of(now + days * _DAY_MS))
        )
        self.go.setAccessibleDescription(credits_of(count))
