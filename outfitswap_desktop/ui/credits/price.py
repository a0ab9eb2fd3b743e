"""What a run costs, as far as it can be known before: the line at the run button."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from outfitswap_desktop.ui.credits.words import credits_of, number_of
from outfitswap_desktop.ui.outfit.outfit import AUTO, FABRIC

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.account import Status
    from outfitswap_desktop.ui.outfit.outfit import Outfit


@dataclass(frozen=True, slots=True)
class Cost:
    """Credits for all variations of one click: at most `most`; `exact` where no cheaper engine may be taken."""

    most: int
    exact: bool = True


def cost_of(status: Status, outfit: Outfit, installed: Collection[str]) -> Cost:
    """What the outfit's engine costs. "auto" takes the best of `installed` that fits, which the engine process knows alone."""
    engines = {FABRIC, *installed} if outfit.engine == AUTO else {outfit.engine}
    prices = {status.prices.get(engine, 0) for engine in engines}
    return Cost(max(prices) * outfit.variations, exact=len(prices) == 1)


def spendable(status: Status) -> int | None:
    """What a run can be paid from: this machine's own credits, and the account's while it can be asked; None: not known."""
    if status.state == "online":
        return None if status.available is None else status.available + status.lease_left
    return status.lease_left if status.state == "offline" else 0


@dataclass(frozen=True, slots=True)
class PriceLine:
    """The line at the run button, "" for none; `short` when it says that the run cannot be paid as things stand."""

    text: str
    short: bool = False


def price_line(status: Status | None, outfit: Outfit, installed: Collection[str]) -> PriceLine:
    """What to say at the run button."""
    if status is None or status.state == "none":
        return PriceLine("")
    if not status.prices and (installed if outfit.engine == AUTO else outfit.engine != FABRIC):
        signed_out = status.state == "signed_out"  # prices are the server's: who never signed in has none
        said = QCoreApplication.translate("Credits", "Engines for a graphics card need a sign-in.")
        return PriceLine(said if signed_out else "", short=signed_out and outfit.engine != AUTO)
    cost = cost_of(status, outfit, installed)
    if not cost.most:
        return PriceLine(QCoreApplication.translate("Credits", "Costs no credits."))
    price = _price(cost)
    if status.state == "signed_out":
        return PriceLine(_signed_out(price), short=cost.exact)
    left = spendable(status)
    if left is None:
        return PriceLine(price)
    if left < cost.most:
        said = QCoreApplication.translate("Credits", "{price} Only {left} left.")
        if not left:
            said = QCoreApplication.translate("Credits", "{price} None are left.")
        return PriceLine(said.format(price=price, left=number_of(left)), short=True)
    return PriceLine(
        QCoreApplication.translate("Credits", "{price} {left} left.").format(price=price, left=number_of(left))
    )


def _price(cost: Cost) -> str:
    if cost.exact:
        return QCoreApplication.translate("Credits", "Costs {credits}.").format(credits=credits_of(cost.most))
    return QCoreApplication.translate("Credits", "Costs up to {credits}.").format(credits=credits_of(cost.most))


def _signed_out(price: str) -> str:
    return QCoreApplication.translate("Credits", "{price} You are signed out.").format(price=price)
