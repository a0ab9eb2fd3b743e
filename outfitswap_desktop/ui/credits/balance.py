"""What is left, in three tiles: in the account by bucket, set aside by running jobs, on this machine; and what ends when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from outfitswap_desktop.ui.credits.words import credits_of, day_of, engine_of, number_of, when_of
from outfitswap_desktop.ui.pages.parts import button, label

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.account import Status
    from outfitswap_desktop.licensing.wire import messages

MOST_LINES = 3


class Tile(QFrame):
    """A large number over what it counts, with a line below it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self._name = name
        self.number = label("", "title", wrap=False)
        self.under = label("", "hint")
        self.under.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(16, 12, 16, 12)
        self.column.setSpacing(2)
        self.column.addWidget(label(name, "hint"))
        self.column.addWidget(self.number)
        self.column.addWidget(self.under, 1)

    def show_count(self, count: int | None, under: str) -> None:
        """Show a number, None for one that is not known, and the line below."""
        self.number.setText("–" if count is None else number_of(count))
        self.number.setAccessibleName(f"{self._name}: {self.number.text()}")
        self.under.setText(under)


class BalancePanel(QWidget):
    """The tiles with the lines below them; `give_back` is this machine's button."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.account = Tile(self.tr("In your account"))
        self.held = Tile(self.tr("Set aside for running jobs"))
        self.here = Tile(self.tr("On this machine"))
        self.give_back = button(
            self.tr("Give back"), "undo", tip=self.tr("What is left returns to your account at once")
        )
        self.here.column.addWidget(self.give_back, 0, Qt.AlignmentFlag.AlignLeft)
        row = QHBoxLayout()
        row.setSpacing(10)
        for tile in (self.account, self.held, self.here):
            row.addWidget(tile, 1)
        self.lines: QLabel = label("", "hint")
        self.prices: QLabel = label("", "hint")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(row)
        column.addWidget(self.lines)
        column.addWidget(self.prices)
        self.lines.hide()

    def show_status(self, status: Status) -> None:
        """What is known without the server's balance."""
        self.account.show_count(status.available, self._as_of(status))
        self.held.show_count(
            status.held, self.tr("They return when a job fails or is cancelled.") if status.held else ""
        )
        there = status.lease_until is not None
        until = self.tr("Until {day}").format(day=day_of(status.lease_until)) if status.lease_until is not None else ""
        self.here.show_count(status.lease_left, until or self.tr("None were taken along."))
        self.give_back.setVisible(there)
        self.give_back.setEnabled(there and status.state == "online")
        self.prices.setVisible(bool(status.prices))
        self.prices.setText(
            self.tr("Credits for a picture – {prices}").format(
                prices=" · ".join(
                    self.tr("{engine}: {credits}").format(engine=engine_of(engine), credits=number_of(price))
                    for engine, price in sorted(
                        {"fabric": 0, **status.prices}.items(), key=lambda one: (one[1], one[0])
                    )
                )
            )
        )

    def show_balance(self, balance: messages.Balance, device: str) -> None:
        """The buckets, what ends when, and the leases of other machines than `device`, by label."""
        said = self.tr("{paid} bought, {promo} free")
        under = said.format(paid=number_of(balance.paid), promo=number_of(balance.promo)) if balance.promo else ""
        if balance.debt:
            under = self.tr("{debt} are owed after a payment was returned").format(debt=number_of(balance.debt))
        if under:
            self.account.show_count(balance.available, under)
        lines = [
            self.tr("{credits} end on {day}.").format(credits=credits_of(one.credits), day=day_of(one.at))
            for one in balance.expiring[:MOST_LINES]
        ]
        others = [lease for lease in balance.leases if lease.state == "open" and lease.device_label != device]
        for lease in others[:MOST_LINES]:
            said = self.tr("{left} of {all} are with {machine}, until {day}.")
            left = number_of(lease.credits - lease.spent)
            lines.append(
                said.format(
                    left=left, all=number_of(lease.credits), machine=lease.device_label, day=day_of(lease.not_after)
                )
            )
        self.lines.setText("\n".join(lines))
        self.lines.setVisible(bool(lines))

    def _as_of(self, status: Status) -> str:
        if status.available is None:
            return self.tr("Not asked yet")
        if status.state == "online" or status.as_of is None:
            return ""
        return self.tr("As of {when}").format(when=when_of(status.as_of))
