"""Paying an order back, whole or in part, on an operator's word."""

from __future__ import annotations

from sqlalchemy import select

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.server.payments import fulfil
from outfitswap_desktop.server.payments.gateway import Unreachable
from outfitswap_desktop.server.payments.orders import shown
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.payments import orders


def refund(services: Services, order_id: str, *, amount_minor: int | None, key: str, now: int) -> messages.Order:
    """Pay an order back through Stripe: `amount_minor` with tax, in the currency's smallest unit, or all that is left (None).

    The credits for it are taken back in the same breath, as far as they are there; the rest becomes a debt. The same `key`
    (of the operator's choice, at most 200 characters) never pays twice. Raises Refusal: 404 (no such order), 409 (nothing
    paid, or Stripe refuses), 503 (Stripe does not answer; asking again with the same key is safe).
    """
    with services.database.reading() as tx:
        row = tx.execute(select(orders).where(orders.c.id == order_id)).first()
    if row is None:
        raise Refusal(404, "unknown_order", title="No such order", detail="There is no order with this number.")
    if services.stripe is None or row.paid_at is None or row.payment_intent is None:
        raise Refusal(409, "not_paid", title="Nothing to pay back", detail="This order was not paid here.")
    try:
        fact = services.stripe.pay_back(row.payment_intent, amount=amount_minor, key=f"refund:{order_id}:{key}")
    except Unreachable as problem:
        raise Refusal(
            503, "shop_unreachable", title="Stripe does not answer", detail=f"Try again with the same key ({problem})."
        ) from problem
    except ValueError as problem:
        raise Refusal(409, "not_refundable", title="Stripe refuses this refund", detail=f"{problem}") from problem
    with services.database.transaction() as tx:
        fulfil.apply(tx, () if fact is None else (fact,), now=now)
        return shown(tx.execute(select(orders).where(orders.c.id == order_id)).one())
