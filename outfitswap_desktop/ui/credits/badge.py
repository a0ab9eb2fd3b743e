"""How the credits stand, in a corner of the status line; a click opens their page. Nothing where nothing is charged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QToolButton, QWidget

from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.credits.price import spendable
from outfitswap_desktop.ui.credits.words import credits_of, day_of, number_of, standing_of, when_of

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.account import Status


class CreditsBadge(QToolButton):
    """Hidden until a Status says that credits are counted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("creditsBadge")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setIconSize(QSize(16, 16))
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(self.tr("Credits"))
        self.hide()

    def show_status(self, status: Status) -> None:
        """Say how things stand."""
        self.setVisible(status.state != "none")
        if status.state == "none":
            return
        troubled = status.state == "read_only" or (status.low and status.state != "signed_out")
        self.setIcon(icons.icon("credits", tint="warning" if troubled else ""))
        self.setText(f" {self._short(status)}")
        tip = self._long(status)
        self.setToolTip(tip)
        self.setAccessibleName(self.tr("Credits: {how}").format(how=self._short(status)))
        self.setAccessibleDescription(tip)

    def _short(self, status: Status) -> str:
        if status.state == "signed_out":
            return standing_of(status).heading
        left = spendable(status)
        if status.state == "offline" and status.lease_left:
            return self.tr("Offline, {credits} here").format(credits=credits_of(status.lease_left))
        if status.state == "online" and left is not None:
            return credits_of(left)
        return standing_of(status).heading

    def _long(self, status: Status) -> str:
        lines = [standing_of(status).sentence]
        if status.available is not None:
            lines.append(self.tr("In the account: {credits}").format(credits=credits_of(status.available)))
        if status.held:
            lines.append(self.tr("Set aside for running jobs: {credits}").format(credits=number_of(status.held)))
        if status.lease_left and status.lease_until is not None:
            said = self.tr("On this machine until {day}: {credits}")
            lines.append(said.format(day=day_of(status.lease_until), credits=credits_of(status.lease_left)))
        if status.available is not None and status.as_of is not None:
            lines.append(self.tr("As of {when}").format(when=when_of(status.as_of)))
        return "\n".join(lines)
