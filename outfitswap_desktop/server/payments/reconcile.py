"""Repairs what no webhook told: Stripe sends an event for three days only, and this server may have been away longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog
from sqlalchemy import func, select, update

from outfitswap_desktop.server.database import insert_or_ignore
from outfitswap_desktop.server.payments import fulfil, webhooks
from outfitswap_desktop.server.payments.facts import DISPUTE_ENDED, DisputeFact, Fact, RefundFact, SessionFact
from outfitswap_desktop.server.payments.gateway import Gateway, Unreachable
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.payments import disputes, orders, refunds, stripe_events, watermarks

WATERMARK: Final = "stripe"
OVERLAP: Final = 3_600_000
"""Milliseconds that each run looks back behind the newest event of the run before: Stripe lists events a little late."""
PAGE_LIVES: Final = 26 * 3_600_000
"""Milliseconds: a check-out page lives 24 hours, so what was paid since a time was opened at most so long before."""
SETTLING: Final = 60_000
"""Milliseconds for which an order is left to its webhook."""
WAITING: Final = 30 * 86_400_000
"""Milliseconds after which an order that nobody has paid is no longer asked about; a bank's debit takes up to 14 days."""
Returned = TypeVar("Returned", RefundFact, DisputeFact)


@dataclass
class Report:
    """What a run did: counts of what changed something, and what an operator must look at."""

    events: int = 0
    orders: int = 0
    refunds: int = 0
    disputes: int = 0
    troubles: list[str] = field(default_factory=list)

    @property
    def repaired(self) -> int:
        """How much was found that no webhook had told."""
        return self.events + self.orders + self.refunds + self.disputes


def reconcile(services: Services, since: int | None = None, *, now: int | None = None) -> Report:
    """Bring every order up to date with Stripe: events that were missed since a time (milliseconds; the last run's newest
    event by default), pages that may have been paid, refunds and disputes that may have moved on.

    Running it at any time, twice, or beside webhooks changes nothing twice. When Stripe does not answer, the report says so
    and the next run begins where this one did.
    """
    report = Report()
    if services.stripe is None:
        return report
    at = services.clock() if now is None else now
    start = max(0, _watermark(services) - OVERLAP) if since is None else since
    try:
        newest = _events(services, services.stripe, report, start, at)
        _orders(services, services.stripe, report, start, at)
        _returns(services, services.stripe, report, start, at)
    except (Unreachable, Refusal) as problem:
        report.troubles.append(f"Stripe does not answer: {problem}")
        structlog.get_logger(__name__).warning("stripe_unreachable", problem=str(problem))
        return report
    _move_watermark(services, newest)
    if report.repaired or report.troubles:
        structlog.get_logger(__name__).warning("stripe_reconciled", repaired=report.repaired, troubles=report.troubles)
    return report


def _events(services: Services, stripe: Gateway, report: Report, since: int, now: int) -> int:
    """Those that we failed at, then those that never came; the time of the newest."""
    with services.database.reading() as tx:
        failed = tx.execute(select(stripe_events).where(stripe_events.c.processed_at.is_(None))).all()
    newest = 0
    missed = [webhooks.stored_event(row) for row in failed]
    for event in [*missed, *reversed(list(stripe.events(webhooks.TYPES, since=since)))]:
        newest = max(newest, int(event["created"]) * 1000)
        report.events += webhooks.handle(services, stripe, event, now=now) == "done"
    return newest


def _orders(services: Services, stripe: Gateway, report: Report, since: int, now: int) -> None:
    """Orders without an end: their pages; and pages of orders whose answer from Stripe was lost."""
    with services.database.reading() as tx:
        waiting = tx.execute(
            select(orders.c.checkout_session_id).where(
                orders.c.state.in_(("new", "open")),
                orders.c.checkout_session_id.is_not(None),
                orders.c.created_at.between(now - WAITING, now - SETTLING),
            )
        ).scalars()
        pages = list(waiting)
        lost = set(
            tx.execute(
                select(orders.c.id).where(
                    orders.c.checkout_session_id.is_(None), orders.c.created_at.between(now - WAITING, now - SETTLING)
                )
            ).scalars()
        )
    for page in pages:
        report.orders += _apply(services, report, [stripe.session(page)], now)
    if lost:
        for fact in stripe.sessions(since=max(0, since - PAGE_LIVES)):
            if fact.reference in lost and fact.paid:
                report.orders += _apply(services, report, [fact], now)


def _returns(services: Services, stripe: Gateway, report: Report, since: int, now: int) -> None:
    """Refunds and disputes: the new ones, and those of ours that have not ended."""
    with services.database.reading() as tx:
        open_refunds = set(
            tx.execute(select(refunds.c.id).where(refunds.c.status.in_(("pending", "requires_action")))).scalars()
        )
        open_disputes = set(tx.execute(select(disputes.c.id).where(disputes.c.status.not_in(DISPUTE_ENDED))).scalars())
    for refund in _with_known(stripe.refunds(since=since), open_refunds, stripe.refund):
        report.refunds += _apply(services, report, webhooks.with_sessions(services, stripe, [refund]), now)
    for dispute in _with_known(stripe.disputes(since=since), open_disputes, stripe.dispute):
        report.disputes += _apply(services, report, webhooks.with_sessions(services, stripe, [dispute]), now)


def _with_known(
    listed: Iterable[Returned], known: set[str], ask: Callable[[str], Returned | None]
) -> Iterator[Returned]:
    for fact in listed:
        known.discard(fact.id)
        yield fact
    for ident in sorted(known):
        asked = ask(ident)
        if asked is not None:
            yield asked


def _apply(services: Services, report: Report, facts: list[Fact], now: int) -> bool:
    """Act on facts; whether that changed an order."""
    ids = {fact.reference if isinstance(fact, SessionFact) else fact.payment_intent for fact in facts}
    with services.database.transaction() as tx:
        concerned = orders.c.id.in_(ids) | orders.c.payment_intent.in_(ids)
        before = tx.execute(select(orders).where(concerned).order_by(orders.c.id).with_for_update()).all()
        report.troubles += fulfil.apply(tx, facts, now=now)
        return before != tx.execute(select(orders).where(concerned).order_by(orders.c.id)).all()


def _watermark(services: Services) -> int:
    with services.database.reading() as tx:
        return tx.execute(select(watermarks.c.at).where(watermarks.c.name == WATERMARK)).scalar() or 0


def _move_watermark(services: Services, at: int) -> None:
    """By the times of Stripe's events, not by our clock: the two may differ. Never back."""
    with services.database.transaction() as tx:
        tx.execute(insert_or_ignore(watermarks).values(name=WATERMARK, at=at))
        tx.execute(update(watermarks).where(watermarks.c.name == WATERMARK, watermarks.c.at < at).values(at=at))


def unfinished(services: Services) -> int:
    """How many events wait to be acted on."""
    with services.database.reading() as tx:
        waiting = select(func.count()).select_from(stripe_events).where(stripe_events.c.processed_at.is_(None))
        return tx.execute(waiting).scalar_one()
