"""What Stripe sends: verified, remembered with its effect in one transaction, and without effect when it comes again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import structlog
from sqlalchemy import Connection, select, update

from outfitswap_desktop.server.database import insert_or_ignore
from outfitswap_desktop.server.failpoints import pass_by
from outfitswap_desktop.server.payments import fulfil
from outfitswap_desktop.server.payments.facts import (
    DisputeFact,
    Fact,
    RefundFact,
    ident,
    read_dispute,
    read_refund,
    read_session,
)
from outfitswap_desktop.server.payments.gateway import Forged, Gateway, Unreachable
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.payments import orders, stripe_events

SESSION_TYPES: Final = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
)
REFUND_TYPES: Final = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
DISPUTE_TYPES: Final = (
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
)
TYPES: Final = (*SESSION_TYPES, *REFUND_TYPES, "charge.refunded", *DISPUTE_TYPES)
"""What an endpoint at Stripe must be subscribed to; others are stored and have no effect."""
Outcome = Literal["done", "duplicate"]


def receive(services: Services, raw: bytes, signature: str, *, now: int) -> Outcome:
    """Act on a webhook's body. Raises Refusal: 400 for what Stripe has not sent (nothing is stored), 404 where nothing is
    sold, 503 when Stripe must send it again.
    """
    if services.stripe is None:
        raise Refusal(404, "shop_shut", title="Nothing is sold here", detail="This server has no key of Stripe's.")
    try:
        event = services.stripe.verified(raw, signature)
    except Forged as problem:
        services.metrics.webhook_refused.labels("bad_signature").inc()
        raise Refusal(
            400,
            "bad_signature",
            title="The signature does not fit",
            detail="The body is not from Stripe, or too old; check the endpoint's signing secret.",
        ) from problem
    if event.get("livemode") is not services.stripe.live:
        services.metrics.webhook_refused.labels("wrong_mode").inc()
        raise Refusal(
            400,
            "wrong_mode",
            title="Live and test mode are mixed",
            detail="The event is of the other mode than this server's key.",
        )
    outcome = handle(services, services.stripe, event, now=now)
    if outcome == "duplicate":
        services.metrics.webhook_dedup.inc()
    else:
        services.metrics.webhook_lag.observe(max(0.0, now / 1000 - int(event["created"])))
    return outcome


def handle(services: Services, stripe: Gateway, event: Mapping[str, Any], *, now: int) -> Outcome:
    """Act on an event that Stripe has sent or listed, once. Raises Refusal (503) and remembers why when it cannot be now."""
    with services.database.reading() as tx:
        known = select(stripe_events.c.processed_at).where(stripe_events.c.event_id == event["id"])
        if tx.execute(known).scalar() is not None:
            return "duplicate"
    unread = ""
    try:
        facts = gather(services, stripe, event)
    except (KeyError, TypeError, ValueError) as problem:
        facts, unread = [], f"cannot be read: {type(problem).__name__} {problem}"
    except Unreachable as problem:
        _remember_failure(services, event, str(problem), now=now)
        raise Refusal(
            503,
            "shop_unreachable",
            title="Stripe does not answer",
            detail="Send the event again.",
            headers={"Retry-After": "60"},
        ) from problem
    with services.database.transaction() as tx:
        if not _claim(tx, event, now=now):
            return "duplicate"
        troubles = [*fulfil.apply(tx, facts, now=now), *filter(None, [unread])]
        pass_by("webhook-applied")
        tx.execute(
            update(stripe_events)
            .where(stripe_events.c.event_id == event["id"])
            .values(processed_at=now, attempts=stripe_events.c.attempts + 1, error="; ".join(troubles)[:500])
        )
    pass_by("webhook-committed")
    if troubles:
        structlog.get_logger(__name__).error(
            "webhook_not_understood", stripe_event=event["id"], kind=event["type"], troubles=troubles
        )
    return "done"


def gather(services: Services, stripe: Gateway, event: Mapping[str, Any]) -> list[Fact]:
    """What an event says, sessions first; Stripe is asked for what it does not say. Raises Unreachable."""
    kind, about = event["type"], event["data"]["object"]
    if kind in SESSION_TYPES:
        session = read_session(about, failed=kind == "checkout.session.async_payment_failed")
        return [session] if session.mode == "payment" else []
    later: list[RefundFact | DisputeFact] = []
    if kind in REFUND_TYPES:
        later = [fact for fact in (read_refund(about),) if fact]
    elif kind == "charge.refunded":
        later = list(stripe.refunds(charge=about["id"]))
    elif kind in DISPUTE_TYPES:
        later = [fact for fact in (read_dispute(about),) if fact]
    return with_sessions(services, stripe, later)


def with_sessions(services: Services, stripe: Gateway, later: list[RefundFact | DisputeFact]) -> list[Fact]:
    """Refunds and disputes behind the payments that they are of, where we have not heard of those yet."""
    facts: list[Fact] = []
    for intent in sorted({fact.payment_intent for fact in later}):
        with services.database.reading() as tx:
            paid = tx.execute(select(orders.c.paid_at).where(orders.c.payment_intent == intent)).scalar()
        if paid is None and (session := stripe.session_of(intent)) is not None:
            facts.append(session)
    return [*facts, *later]


def _claim(tx: Connection, event: Mapping[str, Any], *, now: int) -> bool:
    """Whether the event is ours to act on in this transaction; whoever sends it at the same time waits here."""
    new = tx.execute(
        insert_or_ignore(stripe_events).values(**_stored(event), received_at=now).returning(stripe_events.c.event_id)
    ).first()
    if new is not None:
        return True
    mine = select(stripe_events.c.processed_at).where(stripe_events.c.event_id == event["id"]).with_for_update()
    return tx.execute(mine).scalar_one() is None


def _remember_failure(services: Services, event: Mapping[str, Any], problem: str, *, now: int) -> None:
    with services.database.transaction() as tx:
        tx.execute(insert_or_ignore(stripe_events).values(**_stored(event), received_at=now))
        tx.execute(
            update(stripe_events)
            .where(stripe_events.c.event_id == event["id"], stripe_events.c.processed_at.is_(None))
            .values(attempts=stripe_events.c.attempts + 1, error=problem[:500])
        )


def _stored(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event's row. Of its object only what an effect needs is kept: the buyer's name and address stay with Stripe."""
    about = event["data"]["object"]
    return {
        "event_id": event["id"],
        "type": event["type"],
        "api_version": event.get("api_version") or "",
        "livemode": bool(event["livemode"]),
        "created": int(event["created"]) * 1000,
        "payload": {
            name: ident(about[name]) if isinstance(about[name], Mapping) else about[name]
            for name in KEPT
            if name in about
        },
    }


KEPT: Final = (
    "id",
    "object",
    "amount",
    "amount_refunded",
    "amount_subtotal",
    "amount_total",
    "balance_transactions",
    "charge",
    "client_reference_id",
    "created",
    "currency",
    "customer",
    "mode",
    "payment_intent",
    "payment_status",
    "status",
    "url",
)


def stored_event(row: Any) -> dict[str, Any]:
    """A stored event as `handle` takes it."""
    return {
        "id": row.event_id,
        "type": row.type,
        "api_version": row.api_version,
        "livemode": row.livemode,
        "created": row.created // 1000,
        "data": {"object": row.payload},
    }
