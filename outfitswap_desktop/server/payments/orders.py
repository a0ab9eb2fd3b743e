"""Orders: written down before Stripe hears of them, so that no payment can arrive for something unknown."""

from __future__ import annotations

from typing import Any, Final

import structlog
from sqlalchemy import Connection, select, update

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.server.database import insert_or_ignore
from outfitswap_desktop.server.failpoints import pass_by
from outfitswap_desktop.server.payments.facts import SessionFact
from outfitswap_desktop.server.payments.gateway import Gateway, Spoilt, Unreachable
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import account_pii, accounts
from outfitswap_desktop.server.tables.payments import orders, packs

ATTEMPTS: Final = 3
"""How many idempotency keys one request may use up."""


def start(
    services: Services, account_id: str, body: messages.Buy, now: int, *, key: str | None = None
) -> messages.Order:
    """The order with this id and its check-out page, made now or before.

    `key` is the request's idempotency key, the order's id when it has none. Raises Refusal: 403 (the account may not buy),
    404 (no such pack), 409 (the shop is shut; the id is another order's), 422 (the key is another order's), 503 (Stripe
    does not answer; asking again with the same id is safe).
    """
    if services.stripe is None:
        raise Refusal(
            409,
            "shop_shut",
            title="Nothing is sold here",
            detail="This server sells no credits; ask whoever runs it for a licence key.",
        )
    with services.database.transaction() as tx:
        _write(tx, account_id, body, key=key or body.id, now=now)
    for _ in range(ATTEMPTS):
        with services.database.reading() as tx:
            row = _row(tx, body.id)
        if row.state != "new":
            break
        page = _page(services, services.stripe, row)
        if page is None:
            continue
        pass_by("order-page-made")
        with services.database.transaction() as tx:
            tx.execute(
                update(orders)
                .where(orders.c.id == body.id, orders.c.state == "new", orders.c.checkout_session_id.is_(None))
                .values(state="open", checkout_session_id=page.id, checkout_url=page.url)
            )
    with services.database.reading() as tx:
        return shown(_row(tx, body.id))


def read(tx: Connection, account_id: str, order_id: str) -> messages.Order:
    """An order of this account. Raises Refusal (404)."""
    row = tx.execute(select(orders).where(orders.c.id == order_id, orders.c.account_id == account_id)).first()
    if row is None:
        raise Refusal(404, "unknown_order", title="No such order", detail="You have no order with this number.")
    return shown(row)


def of_account(tx: Connection, account_id: str, *, limit: int = 100) -> tuple[messages.Order, ...]:
    """An account's orders, the newest first."""
    rows = tx.execute(select(orders).where(orders.c.account_id == account_id).order_by(orders.c.id.desc()).limit(limit))
    return tuple(shown(row) for row in rows)


def shown(row: Any) -> messages.Order:
    """An order's row as the API says it."""
    return messages.Order(
        id=row.id,
        pack_id=row.pack_id,
        credits=row.credits,
        amount_minor=row.amount_minor,
        currency=row.currency,
        state=row.state,
        checkout_url=row.checkout_url if row.state == "open" else None,
        created_at=row.created_at,
    )


def _write(tx: Connection, account_id: str, body: messages.Buy, *, key: str, now: int) -> None:
    state = tx.execute(select(accounts.c.state).where(accounts.c.id == account_id)).scalar()
    known = tx.execute(select(orders).where(orders.c.id == body.id)).first()
    if known is None:
        if state != "active":
            raise Refusal(
                403,
                "account_frozen",
                title="The account is closed",
                detail="This account cannot buy; write to support.",
            )
        pack = tx.execute(select(packs).where(packs.c.id == body.pack_id, packs.c.active)).first()
        if pack is None:
            raise Refusal(
                404, "unknown_pack", title="No such pack", detail="This pack is not for sale; list the packs again."
            )
        tx.execute(
            insert_or_ignore(orders).values(
                id=body.id,
                account_id=account_id,
                pack_id=pack.id,
                credits=pack.credits,
                amount_minor=pack.amount_minor,
                currency=pack.currency,
                idempotency_key=key,
                state="new",
                created_at=now,
            )
        )
        known = tx.execute(select(orders).where(orders.c.id == body.id)).first()
    if known is None:
        raise Refusal(
            422,
            "idempotency_key_reused",
            title="This key belongs to another order",
            detail="Send a new order with a new Idempotency-Key.",
        )
    if (known.account_id, known.pack_id) != (account_id, body.pack_id):
        raise Refusal(
            409, "id_in_use", title="This number is taken", detail="Another order has this id; make a new one."
        )


def _row(tx: Connection, order_id: str) -> Any:
    """An order with its pack's title and price, and with what Stripe should know of the buyer."""
    return tx.execute(
        select(orders, packs.c.title, packs.c.stripe_price_id, account_pii.c.email_ci, account_pii.c.stripe_customer_id)
        .join(packs, packs.c.id == orders.c.pack_id)
        .join(account_pii, account_pii.c.account_id == orders.c.account_id, isouter=True)
        .where(orders.c.id == order_id)
    ).one()


def _page(services: Services, stripe: Gateway, row: Any) -> SessionFact | None:
    """The order's check-out page; None when its next attempt must be taken, which is then due."""
    try:
        return stripe.open_session(row, email=row.email_ci, customer=row.stripe_customer_id)
    except Unreachable as problem:
        structlog.get_logger(__name__).warning("stripe_unreachable", order=row.id, problem=str(problem))
        raise Refusal(
            503,
            "shop_unreachable",
            title="The payment service does not answer",
            detail="Nothing was charged; try again in a minute.",
            headers={"Retry-After": "60"},
        ) from problem
    except Spoilt as problem:
        structlog.get_logger(__name__).warning(
            "stripe_attempt_spoilt", order=row.id, attempt=row.attempt, problem=str(problem)
        )
        with services.database.transaction() as tx:
            tx.execute(
                update(orders)
                .where(orders.c.id == row.id, orders.c.attempt == row.attempt)
                .values(attempt=row.attempt + 1)
            )
            if problem.customer:
                tx.execute(
                    update(account_pii)
                    .where(account_pii.c.stripe_customer_id == row.stripe_customer_id)
                    .values(stripe_customer_id=None)
                )
        return None
