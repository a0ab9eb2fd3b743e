"""Packs, the buy button, and the page that a buyer comes back to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Response
from pydantic import ValidationError
from sqlalchemy import select

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.ids import is_id, new_id
from outfitswap_desktop.server.ledger import credits
from outfitswap_desktop.server.payments import fulfil, orders, packs
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.site.visit import ChangingDep, Page, Visit, VisitDep
from outfitswap_desktop.server.tables.payments import orders as orders_table

STATES: Final[Mapping[str, str]] = {
    "new": "not paid",
    "open": "not paid",
    "paid": "paid",
    "expired": "ended",
    "failed": "failed",
    "refunded": "refunded",
    "disputed": "disputed",
    "review": "being looked at",
}
LOOKS: Final = 40
"""How often the page of an order looks again by itself: every three seconds, later every ten."""
_QUICK: Final = 10


@dataclass(frozen=True, slots=True)
class Offer:
    """A pack with the id that an order of it would get: pressing its button twice makes one order."""

    id: str
    title: str
    amount_minor: int
    currency: str
    order_id: str


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=Page, include_in_schema=False)
    routes.get("/")(home)
    routes.get("/packs")(show_packs)
    routes.post("/buy")(buy)
    routes.get("/orders/{order_id}")(show_order)
    return routes


def home(visit: VisitDep) -> Response:
    """The first page; who is signed in goes to the overview."""
    if visit.session is not None:
        return visit.go("/account")
    return visit.page("home.html", packs=_for_sale(visit), prices=visit.services.settings.price_table())


def show_packs(visit: VisitDep) -> Response:
    """What can be bought, and the orders so far."""
    if visit.session is not None:
        visit.may_look()
    available = 0
    mine: tuple[messages.Order, ...] = ()
    if visit.session is not None:
        with visit.services.database.reading() as tx:
            available = credits.balance(tx, visit.account_id, now=visit.now).available
            mine = orders.of_account(tx, visit.account_id, limit=20)
    return visit.page(
        "packs.html",
        packs=_for_sale(visit),
        available=available,
        orders=mine,
        states=STATES,
        prices=visit.services.settings.price_table(),
    )


def buy(
    visit: ChangingDep,
    id: Annotated[str, Form(max_length=40)] = "",
    pack_id: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """Start the order and go to its page, which leads on to Stripe's.

    Not straight there: form-action would have to name every address that a check-out page may have.
    """
    try:
        body = messages.Buy(id=id, pack_id=pack_id)
    except ValidationError as error:
        raise Refusal(422, "invalid_request", title="This cannot be read", detail="Load the page again.") from error
    order = orders.start(visit.services, visit.account_id, body, visit.now)
    return visit.go(f"/orders/{order.id}?go=1")


def show_order(
    visit: VisitDep, order_id: str, go: bool = False, look: Annotated[int, Query(ge=0, le=1000)] = 0
) -> Response:
    """How a purchase stands; asked for at Stripe at once, because its webhook may be slower than the buyer."""
    if not is_id(order_id):
        raise _unknown()
    if visit.session is None:
        return _to_stranger(visit, order_id)
    visit.may_look()
    services, mine = visit.services, visit.account_id
    with services.database.reading() as tx:
        order = orders.read(tx, mine, order_id)
    if go and order.checkout_url is not None:
        return visit.page("order.html", order=order, going=True, available=0, refresh=f"0; url={order.checkout_url}")
    if look:
        order = fulfil.look(services, mine, order_id, now=visit.now)
    elif order.state in {"new", "open"}:
        order = fulfil.fulfil(services, order_id, now=visit.now) or order
    with services.database.reading() as tx:
        available = credits.balance(tx, mine, now=visit.now).available
    waits = order.state in {"new", "open"} and look < LOOKS
    again = f"{3 if look < _QUICK else 10}; url=/orders/{order_id}?look={look + 1}"
    return visit.page("order.html", order=order, going=False, available=available, refresh=again if waits else None)


def _to_stranger(visit: Visit, order_id: str) -> Response:
    """Who bought from the program may not be signed in here: they learn whether the payment arrived, and no more."""
    with visit.services.database.reading() as tx:
        owner = tx.execute(select(orders_table.c.account_id).where(orders_table.c.id == order_id)).scalar_one_or_none()
    if owner is None:
        raise _unknown()
    order = fulfil.look(visit.services, owner, order_id, now=visit.now)
    paid = order.state == "paid"
    return visit.page(
        "message.html",
        title="Thank you" if paid else "Waiting for the payment",
        words="Your credits are in your account; go back to the program."
        if paid
        else "The credits come as soon as the payment arrives. You can close this page.",
        action=(f"/sign-in?next=/orders/{order_id}", "Sign in to see your order"),
        refresh=None if order.state not in {"new", "open"} else "10",
    )


def _for_sale(visit: Visit) -> tuple[Offer, ...]:
    if visit.services.stripe is None:
        return ()
    with visit.services.database.reading() as tx:
        return tuple(
            Offer(pack.id, pack.title, pack.amount_minor, pack.currency, new_id()) for pack in packs.for_sale(tx)
        )


def _unknown() -> Refusal:
    return Refusal(404, "unknown_order", title="No such order", detail="You have no order with this number.")
