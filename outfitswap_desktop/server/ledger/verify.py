"""The check of the whole ledger: what must hold at every moment, each as a number of credits that are off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select, union_all
from sqlalchemy.sql.selectable import Subquery

from outfitswap_desktop.server.ledger.postings import BURNED
from outfitswap_desktop.server.tables.accounts import accounts
from outfitswap_desktop.server.tables.ledger import (
    credit_grants,
    lease_draws,
    ledger_accounts,
    ledger_entries,
    ledger_txns,
    reservations,
)

INVARIANTS: Final = ("zero_sum", "postings", "balances", "negative", "held", "burned", "grants", "leased", "debt")
"""`zero_sum`: all entries sum to zero. `postings`: each has two entries or more, sums to zero, and is the only one of its kind
and reference. `balances`: each is the sum of its entries. `negative`: nobody has less than nothing. `held`: what running jobs
have reserved. `burned`: what jobs and leases have used. `grants`: what can be spent. `leased`: what open leases have left.
`debt`: what accounts are said to owe is what the journal says."""


@dataclass(frozen=True, slots=True)
class Report:
    """Credits off by invariant; all zero when nothing was lost or invented."""

    off: Mapping[str, int]
    entries: int

    @property
    def ok(self) -> bool:
        """Whether everything adds up."""
        return not any(self.off.values())


def verify(tx: Connection) -> Report:
    """Look at every posting. One snapshot is needed: call it in `Database.reading()` with nobody writing, or see `snapshot`."""
    booked = _booked()
    off = {
        "zero_sum": abs(_number(tx, select(_sum(ledger_entries.c.amount)))),
        "postings": _number(tx, _unbalanced()) + _number(tx, _doubled()),
        "balances": _number(tx, _wrong_balances(booked)),
        "negative": _number(tx, _negative(booked)),
        "held": _number(tx, _held()),
        "burned": abs(_number(tx, _burned())),
        "grants": _number(tx, _grants()),
        "leased": _number(tx, _leased()),
        "debt": _number(tx, _debt()),
    }
    return Report(off, _number(tx, select(func.count()).select_from(ledger_entries)))


def snapshot(tx: Connection) -> None:
    """Have a fresh transaction see one moment of the whole database (on SQLite every transaction does)."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def rebuild(tx: Connection) -> dict[str, tuple[int, int]]:
    """Balances that are not what their entries say: (stored, recomputed) by ledger account. Changes nothing."""
    booked = _booked()
    rows = tx.execute(
        select(ledger_accounts.c.id, ledger_accounts.c.balance, func.coalesce(booked.c.total, 0).label("total"))
        .outerjoin(booked, booked.c.account == ledger_accounts.c.id)
        .where(ledger_accounts.c.kind != "system", ledger_accounts.c.balance != func.coalesce(booked.c.total, 0))
        .order_by(ledger_accounts.c.id)
    )
    return {row.id: (int(row.balance), int(row.total)) for row in rows}


def _number(tx: Connection, query: Select[Any]) -> int:
    return int(tx.scalar(query) or 0)


def _sum(column: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(column), 0)


def _booked() -> Subquery:
    """What the entries of each ledger account sum to."""
    return (
        select(ledger_entries.c.ledger_account_id.label("account"), func.sum(ledger_entries.c.amount).label("total"))
        .group_by(ledger_entries.c.ledger_account_id)
        .subquery()
    )


def _unbalanced() -> Select[Any]:
    """Off by the sum of each posting, or by one where a posting has not two entries."""
    total, count = _sum(ledger_entries.c.amount), func.count(ledger_entries.c.txn_id)
    each = (
        select(case((count < 2, func.abs(total) + 1), else_=func.abs(total)).label("off"))
        .select_from(ledger_txns.outerjoin(ledger_entries, ledger_entries.c.txn_id == ledger_txns.c.id))
        .group_by(ledger_txns.c.id)
        .having(or_(total != 0, count < 2))
        .subquery()
    )
    return select(_sum(each.c.off))


def _doubled() -> Select[Any]:
    """Credits moved by postings that share kind and reference with an earlier one."""
    first = select(func.min(ledger_txns.c.id)).group_by(ledger_txns.c.kind, ledger_txns.c.ref)
    return (
        select(_sum(ledger_entries.c.amount))
        .join(ledger_txns, ledger_txns.c.id == ledger_entries.c.txn_id)
        .where(ledger_entries.c.amount > 0, ledger_txns.c.id.not_in(first))
    )


def _wrong_balances(booked: Subquery) -> Select[Any]:
    total = func.coalesce(booked.c.total, 0)
    return (
        select(_sum(func.abs(ledger_accounts.c.balance - total)))
        .select_from(ledger_accounts.outerjoin(booked, booked.c.account == ledger_accounts.c.id))
        .where(ledger_accounts.c.kind != "system")
    )


def _negative(booked: Subquery) -> Select[Any]:
    below = case((booked.c.total < 0, -booked.c.total), else_=0)
    owed = case((booked.c.total > 0, booked.c.total), else_=0)
    return (
        select(_sum(case((ledger_accounts.c.kind == "debt", owed), else_=below)))
        .select_from(ledger_accounts.join(booked, booked.c.account == ledger_accounts.c.id))
        .where(ledger_accounts.c.kind != "system")
    )


def _held() -> Select[Any]:
    """By account: what is booked as held against what running jobs have reserved."""
    open_ones = (
        select(reservations.c.account_id, func.sum(reservations.c.credits).label("total"))
        .where(reservations.c.state == "held")
        .group_by(reservations.c.account_id)
        .subquery()
    )
    return _differences("held", open_ones)


def _grants() -> Select[Any]:
    """By account and bucket: what can be spent against what is left of the grants."""
    left = (
        select(credit_grants.c.account_id, credit_grants.c.bucket, func.sum(credit_grants.c.remaining).label("total"))
        .group_by(credit_grants.c.account_id, credit_grants.c.bucket)
        .subquery()
    )
    return (
        select(_sum(func.abs(ledger_accounts.c.balance - func.coalesce(left.c.total, 0))))
        .select_from(
            ledger_accounts.outerjoin(
                left,
                and_(left.c.account_id == ledger_accounts.c.account_id, left.c.bucket == ledger_accounts.c.kind),
            )
        )
        .where(ledger_accounts.c.kind.in_(("paid", "promo")))
    )


def _leased() -> Select[Any]:
    """By lease: what is booked against what was drawn and neither burned nor returned."""
    left = (
        select(
            ("lease:" + lease_draws.c.lease_id).label("account"),
            func.sum(lease_draws.c.credits - lease_draws.c.burned - lease_draws.c.returned).label("total"),
        )
        .group_by(lease_draws.c.lease_id)
        .subquery()
    )
    return (
        select(_sum(func.abs(ledger_accounts.c.balance - func.coalesce(left.c.total, 0))))
        .select_from(ledger_accounts.outerjoin(left, left.c.account == ledger_accounts.c.id))
        .where(ledger_accounts.c.kind == "lease")
    )


def _burned() -> Select[Any]:
    used = union_all(
        select(_sum(ledger_entries.c.amount).label("credits")).where(ledger_entries.c.ledger_account_id == BURNED),
        select(-_sum(reservations.c.spent)),
        select(-_sum(lease_draws.c.burned)),
    ).subquery()
    return select(_sum(used.c.credits))


def _debt() -> Select[Any]:
    """By account: what it is said to owe against the journal."""
    owed = (
        select(accounts.c.id.label("account_id"), (-accounts.c.debt_credits).label("total"))
        .where(accounts.c.debt_credits != 0)
        .subquery()
    )
    return _differences("debt", owed)


def _differences(kind: str, totals: Subquery) -> Select[Any]:
    return (
        select(_sum(func.abs(ledger_accounts.c.balance - func.coalesce(totals.c.total, 0))))
        .select_from(ledger_accounts.outerjoin(totals, totals.c.account_id == ledger_accounts.c.account_id))
        .where(ledger_accounts.c.kind == kind)
    )
