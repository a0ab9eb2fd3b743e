"""What Stripe says becomes what an order is: credits are given for what was paid and taken back for what was paid back.

Everything here may be told any number of times, in any order: an order is locked, brought to what all facts together say,
and only the difference is posted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import structlog
from sqlalchemy import Connection, func, insert, select, update

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.ids import is_id
from outfitswap_desktop.server.ledger import credits as ledger
from outfitswap_desktop.server.payments.facts import REFUND_ENDED, DisputeFact, Fact, RefundFact, SessionFact
from outfitswap_desktop.server.payments.gateway import Unreachable
from outfitswap_desktop.server.payments.orders import read, shown
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import account_pii
from outfitswap_desktop.server.tables.payments import disputes, orders, refunds

ACTOR: Final = "stripe"
LOOK_AGAIN: Final = 10_000
"""Milliseconds."""


def fulfil(services: Services, order_id: str, *, now: int) -> messages.Order | None:
    """Ask Stripe how an order's payment stands and act on it: for the page that a buyer lands on, which may be faster than
    the webhook. The order as it then stands; None when there is none. Stripe's silence changes nothing.
    """
    with services.database.reading() as tx:
        row = tx.execute(select(orders).where(orders.c.id == order_id)).first()
    if row is None:
        return None
    if services.stripe is not None and row.checkout_session_id is not None and row.state in {"new", "open"}:
        try:
            fact = services.stripe.session(row.checkout_session_id)
        except Unreachable as problem:
            structlog.get_logger(__name__).warning("stripe_unreachable", order=order_id, problem=str(problem))
        else:
            with services.database.transaction() as tx:
                apply(tx, (fact,), now=now)
    with services.database.reading() as tx:
        return shown(tx.execute(select(orders).where(orders.c.id == order_id)).one())


def look(services: Services, account_id: str, order_id: str, *, now: int) -> messages.Order:
    """An order of this account, asked for at Stripe when it is still open and nobody has asked for LOOK_AGAIN: a program
    that waits for its payment gets it even where no webhook arrives. Raises Refusal (404).
    """
    with services.database.reading() as tx:
        order = read(tx, account_id, order_id)
        looked_at = tx.execute(select(orders.c.looked_at).where(orders.c.id == order_id)).scalar_one()
    if services.stripe is None or order.state not in {"new", "open"} or looked_at >= now - LOOK_AGAIN:
        return order
    with services.database.transaction() as tx:
        mine = update(orders).where(orders.c.id == order_id, orders.c.looked_at < now - LOOK_AGAIN)
        first = tx.execute(mine.values(looked_at=now).returning(orders.c.id)).first() is not None
    return (fulfil(services, order_id, now=now) if first else None) or order


def apply(tx: Connection, facts: Iterable[Fact], *, now: int) -> list[str]:
    """Bring the orders that the facts speak of up to date; what could not be understood, for the operator.

    Sessions come before what refers to their payments.
    """
    troubles = []
    for fact in facts:
        order = _session_order(tx, fact) if isinstance(fact, SessionFact) else _payment_order(tx, fact.payment_intent)
        if order is None:
            if isinstance(fact, SessionFact) and is_id(fact.reference):
                troubles.append(f"unknown order {fact.reference}")
            continue
        if isinstance(fact, SessionFact):
            _session(tx, order, fact, now=now)
        elif isinstance(fact, RefundFact):
            if _refund(tx, order, fact):
                _settle(tx, order.id, cause=fact.id, kind="refund", now=now)
        elif _dispute(tx, order, fact):
            _settle(tx, order.id, cause=fact.id, kind="dispute", now=now)
    return troubles


def accept(tx: Connection, order_id: str, *, actor: str, now: int) -> bool:
    """End an order's review: what was paid for is credited, if it is not yet. False when there is nothing to review."""
    order = _locked(tx, orders.c.id == order_id)
    if order is None or not order.note or order.paid_at is None:
        return False
    if not order.credited:
        _credit(tx, order, ref=order.checkout_session_id, actor=actor, now=now)
    _change(tx, order, note="")
    _settle(tx, order_id, cause=order_id, kind="refund", now=now)
    return True


def _locked(tx: Connection, condition: Any) -> Any:
    """One order's row, which nobody else changes until the end of the transaction."""
    return tx.execute(select(orders).where(condition).with_for_update()).first()


def _session_order(tx: Connection, fact: SessionFact) -> Any:
    return _locked(tx, orders.c.id == fact.reference) if is_id(fact.reference) else None


def _payment_order(tx: Connection, payment_intent: str) -> Any:
    return _locked(tx, orders.c.payment_intent == payment_intent)


def _session(tx: Connection, order: Any, fact: SessionFact, *, now: int) -> None:
    changes: dict[str, Any] = {}
    if order.checkout_session_id is None or (fact.paid and order.paid_at is None):
        changes["checkout_session_id"] = fact.id
    elif order.checkout_session_id != fact.id:
        if fact.paid:
            structlog.get_logger(__name__).error("order_paid_on_another_page", order=order.id)
            _change(tx, order, note=f"Paid on another page as well: {fact.id}.", state="review")
        return
    if order.paid_at is not None:
        return
    if fact.paid:
        note = _mismatch(order, fact)
        _change(
            tx,
            order,
            **changes,
            payment_intent=fact.payment_intent,
            paid_minor=fact.total,
            paid_at=now,
            checkout_url=None,
            note=note,
            state="review" if note else "paid",
        )
        _remember_customer(tx, order.account_id, fact.customer)
        if note:
            structlog.get_logger(__name__).error("order_in_review", order=order.id, note=note)
        else:
            _credit(tx, order, ref=fact.id, actor=ACTOR, now=now)
        _settle(tx, order.id, cause=fact.id, kind="refund", now=now)
        return
    if fact.payment_intent is not None and order.payment_intent is None:
        changes["payment_intent"] = fact.payment_intent
    if order.state in {"new", "open"}:
        ended = "failed" if fact.failed else "expired" if fact.status == "expired" else "open"
        changes |= {"state": ended, "checkout_url": fact.url if fact.status == "open" else None}
    _change(tx, order, **changes)


def _mismatch(order: Any, fact: SessionFact) -> str:
    """Why a paid session is not what was ordered; "" when it is."""
    if fact.mode != "payment":
        return f"The page was for a {fact.mode}."
    if fact.currency != order.currency:
        return f"Paid in {fact.currency} instead of {order.currency}."
    if fact.subtotal != order.amount_minor or fact.total < fact.subtotal:
        return f"Paid {fact.subtotal} (with tax {fact.total}) instead of {order.amount_minor}."
    return ""


def _credit(tx: Connection, order: Any, *, ref: str, actor: str, now: int) -> None:
    ledger.give(
        tx,
        order.account_id,
        bucket="paid",
        credits=order.credits,
        kind="purchase",
        ref=ref,
        actor=actor,
        now=now,
        memo=ledger.ORDER + order.id,
    )
    _change(tx, order, credited=order.credits)


def _remember_customer(tx: Connection, account_id: str, customer: str | None) -> None:
    """Keep Stripe's customer for the next purchase, and so that it can be deleted with the account."""
    if customer is None:
        return
    others = account_pii.alias()
    taken = select(others.c.account_id).where(others.c.stripe_customer_id == customer).exists()
    mine = update(account_pii).where(account_pii.c.account_id == account_id, account_pii.c.stripe_customer_id.is_(None))
    tx.execute(mine.where(~taken).values(stripe_customer_id=customer))


def _refund(tx: Connection, order: Any, fact: RefundFact) -> bool:
    """Note how a refund stands; False when something as new is known."""
    known = tx.execute(select(refunds.c.status).where(refunds.c.id == fact.id)).scalar()
    if known is None:
        tx.execute(
            insert(refunds).values(
                id=fact.id,
                order_id=order.id,
                amount_minor=fact.amount,
                status=fact.status,
                created_at=fact.created,
            )
        )
        return True
    if fact.rank <= RefundFact("", "", 0, known, 0).rank:
        return False
    tx.execute(update(refunds).where(refunds.c.id == fact.id).values(status=fact.status))
    return True


def _dispute(tx: Connection, order: Any, fact: DisputeFact) -> bool:
    """Note how a dispute stands; False when something as new is known."""
    known = tx.execute(select(disputes).where(disputes.c.id == fact.id)).first()
    values = {
        "amount_minor": fact.amount,
        "status": fact.status,
        "movements": fact.movements,
        "withdrawn": fact.withdrawn,
    }
    if known is None:
        tx.execute(insert(disputes).values(id=fact.id, order_id=order.id, created_at=fact.created, **values))
        return True
    if fact.rank <= DisputeFact("", "", 0, known.status, known.movements, False, 0).rank:
        return False
    tx.execute(update(disputes).where(disputes.c.id == fact.id).values(**values))
    return True


def _settle(tx: Connection, order_id: str, *, cause: str, kind: str, now: int) -> None:
    """Have as many credits taken back as money was: in proportion, rounded down, all for all of it."""
    order = tx.execute(select(orders).where(orders.c.id == order_id)).one()
    refunded = _sum(tx, refunds.c.amount_minor, refunds.c.order_id == order_id, refunds.c.status.not_in(REFUND_ENDED))
    disputed = _sum(tx, disputes.c.amount_minor, disputes.c.order_id == order_id, disputes.c.withdrawn)
    gone = min(refunded + disputed, order.paid_minor)
    target = order.credited * gone // order.paid_minor if order.paid_minor else 0
    difference = target - order.refunded_credits
    number = order.corrections + (difference != 0)
    ref, memo = f"{cause}#{number}", f"order {order_id}"
    if difference > 0:
        ledger.take_back(tx, order.account_id, credits=difference, kind=kind, ref=ref, actor=ACTOR, now=now, memo=memo)
    elif difference < 0:
        ledger.give(
            tx,
            order.account_id,
            bucket="paid",
            credits=-difference,
            kind=f"{kind}_undone",
            ref=ref,
            actor=ACTOR,
            now=now,
            memo=memo,
        )
    state = order.state
    if order.paid_at is not None:
        if disputed:
            state = "disputed"
        elif order.paid_minor and refunded >= order.paid_minor:
            state = "refunded"
        else:
            state = "review" if order.note else "paid"
    _change(
        tx,
        order,
        refunded_minor=refunded,
        refunded_credits=target,
        corrections=number,
        state=state,
    )


def _sum(tx: Connection, column: Any, *conditions: Any) -> int:
    return int(tx.execute(select(func.coalesce(func.sum(column), 0)).where(*conditions)).scalar_one())


def _change(tx: Connection, order: Any, **values: Any) -> None:
    if values:
        tx.execute(update(orders).where(orders.c.id == order.id).values(**values))
