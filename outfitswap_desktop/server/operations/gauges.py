"""Metrics that the database knows, read in each round of the sweeps by every process that sweeps, for its own registry."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, func, select
from sqlalchemy.sql.elements import ColumnElement

from outfitswap_desktop.server.operations import outbox
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables import leases, ledger, operations, payments

_SETTLED_MS: Final = 5_000
"""Postings younger than this are counted in the next round: their transactions may not have ended."""


class Gauges:
    """Reads them, and counts the postings since the process began."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._counted = _id_at(services.clock())

    def read(self, now: int) -> None:
        """Set every gauge to what it is at `now`."""
        metrics = self._services.metrics
        holding, waiting = ledger.reservations.c, operations.outbox.c
        given_up = waiting.attempts >= outbox.ATTEMPTS
        with self._services.database.reading() as tx:
            metrics.reservations_held.set(_count(tx, holding.state == "held"))
            metrics.reservations_overdue.set(_count(tx, holding.state == "held", holding.expires_at < now))
            metrics.leases_open.set(_count(tx, leases.leases.c.state == "open"))
            metrics.orders_in_review.set(_count(tx, payments.orders.c.state == "review"))
            metrics.outbox_waiting.set(_count(tx, waiting.sent_at.is_(None), ~given_up))
            metrics.outbox_given_up.set(_count(tx, waiting.sent_at.is_(None), given_up))
            self._postings(tx, now)

    def _postings(self, tx: Connection, now: int) -> None:
        """Ids begin with their time, so the new ones are a range of the primary key."""
        until = _id_at(now - _SETTLED_MS)
        if until <= self._counted:
            return
        txns = ledger.ledger_txns.c
        query = select(txns.kind, func.count()).where(txns.id >= self._counted, txns.id < until).group_by(txns.kind)
        for kind, count in tx.execute(query):
            self._services.metrics.ledger_txns.labels(kind).inc(count)
        held = ledger.reservations.c
        ages = select(txns.at - held.created_at).where(
            txns.id >= self._counted, txns.id < until, txns.kind == "settle", held.id == txns.ref
        )
        for age in tx.scalars(ages):
            self._services.metrics.reservation_age.observe(age / 1000)
        self._counted = until


def _count(tx: Connection, *conditions: ColumnElement[bool]) -> int:
    return int(tx.execute(select(func.count()).where(*conditions)).scalar_one())


def _id_at(at: int) -> str:
    from ulid import ULID

    return str(ULID.from_bytes(at.to_bytes(6, "big") + bytes(10)))
