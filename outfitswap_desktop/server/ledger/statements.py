"""What an account is told of its credits: how they stand now, and what has happened to them."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, and_, func, select

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.ids import is_id
from outfitswap_desktop.server.ledger.grants import usable
from outfitswap_desktop.server.ledger.postings import ORDER, purse
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.accounts import accounts, devices
from outfitswap_desktop.server.tables.leases import leases
from outfitswap_desktop.server.tables.ledger import ledger_accounts, ledger_entries, ledger_txns, reservations


def balance(tx: Connection, account_id: str, *, now: int) -> messages.Balance:
    """The account's credits as they stand. What has expired does not count, swept or not. Refuses with 404 "no_account"."""
    debt = tx.scalar(select(accounts.c.debt_credits).where(accounts.c.id == account_id))
    if debt is None:
        raise Refusal(404, "no_account", title="No such account", detail="Sign in again.")
    buckets: dict[str, int] = defaultdict(int)
    ends: dict[int, int] = defaultdict(int)
    for grant in usable(tx, account_id, now=now):
        buckets[grant.bucket] += grant.credits
        if grant.expires_at is not None:
            ends[grant.expires_at] += grant.credits
    elsewhere: dict[str, int] = {
        kind: int(total)
        for kind, total in tx.execute(
            select(ledger_accounts.c.kind, func.sum(ledger_accounts.c.balance))
            .where(ledger_accounts.c.account_id == account_id, ledger_accounts.c.kind.in_(("held", "lease")))
            .group_by(ledger_accounts.c.kind)
        )
    }
    return messages.Balance(
        available=buckets["paid"] + buckets["promo"],
        paid=buckets["paid"],
        promo=buckets["promo"],
        held=elsewhere.get("held", 0),
        leased=elsewhere.get("lease", 0),
        debt=debt,
        expiring=tuple(messages.Expiring(credits=ends[at], at=at) for at in sorted(ends)),
        leases=_leases(tx, account_id),
        at=now,
    )


def history(tx: Connection, account_id: str, *, cursor: str | None, limit: int) -> messages.History:
    """A page of at most `limit` postings of the account, newest first, from before `cursor` (the `next` of the last page)."""
    if cursor is not None and not is_id(cursor):
        raise Refusal(422, "invalid_cursor", title="No such page", detail="Start again without a cursor.")
    change = (
        select(func.coalesce(func.sum(ledger_entries.c.amount), 0))
        .where(
            ledger_entries.c.txn_id == ledger_txns.c.id,
            ledger_entries.c.ledger_account_id.in_((purse(account_id, "paid"), purse(account_id, "promo"))),
        )
        .scalar_subquery()
    )
    page = (
        select(ledger_txns, change.label("credits"), reservations.c.job_id, reservations.c.state, reservations.c.spent)
        .outerjoin(
            reservations,
            and_(
                reservations.c.id == ledger_txns.c.ref,
                reservations.c.account_id == account_id,
                ledger_txns.c.kind.in_(("reserve", "settle")),
            ),
        )
        .where(ledger_txns.c.account_id == account_id)
        .order_by(ledger_txns.c.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        page = page.where(ledger_txns.c.id < cursor)
    rows = tx.execute(page).all()
    entries = tuple(
        messages.HistoryEntry(
            id=row.id,
            at=row.at,
            kind=_SETTLED.get(row.state, row.kind) if row.kind == "settle" else row.kind,
            credits=int(row.credits),
            ref=row.ref,
            memo=row.memo,
            job_id=row.job_id,
            used=row.spent if row.kind == "settle" and row.state == "committed" else None,
            order_id=row.memo.removeprefix(ORDER) if row.memo.startswith(ORDER) else None,
        )
        for row in rows[:limit]
    )
    return messages.History(entries=entries, next=entries[-1].id if len(rows) > limit else None)


_SETTLED = {"committed": "commit", "voided": "void", "expired": "expire"}


def _leases(tx: Connection, account_id: str) -> tuple[messages.Lease, ...]:
    rows = tx.execute(
        select(
            leases.c.id,
            leases.c.device_id,
            devices.c.label.label("device_label"),
            leases.c.credits,
            leases.c.spent,
            leases.c.not_after,
            leases.c.grace_until,
            leases.c.state,
        )
        .join(devices, devices.c.id == leases.c.device_id)
        .where(leases.c.account_id == account_id, leases.c.state.in_(("open", "frozen")))
        .order_by(leases.c.id)
    )
    return tuple(messages.Lease.model_validate(dict(row._mapping)) for row in rows)
