"""How leases end: given back by their device, closed by an administrator, or by themselves when their grace is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Connection, select

from outfitswap_desktop.server.leases.proofs import forget_proofs
from outfitswap_desktop.server.leases.rows import LIVE, change, drop_holds, find, locked, no_lease
from outfitswap_desktop.server.ledger import credits as ledger
from outfitswap_desktop.server.tables.leases import leases


def end(tx: Connection, row: Mapping[Any, Any], *, state: Literal["closed", "expired"], by: str, now: int) -> int:
    """End a locked lease; gives the credits that went back to its account, 0 when it had ended before."""
    if row["state"] not in LIVE:
        return 0
    drop_holds(tx, row["id"])
    change(tx, row["id"], state=state, closed_at=now, closed_by=by)
    return ledger.lease_back(tx, row["id"], actor=by, now=now)


def force_close(tx: Connection, lease_id: str, *, actor: str, now: int) -> int:
    """End a lease without its device: for administrators (the disk died) and for accounts that are deleted.

    Gives the credits that went back. What the device reports later is kept as late and not charged. The caller writes the
    audit record. Refuses with 404 "no_lease".
    """
    row = find(tx, lease_id)
    if row is None:
        raise no_lease()
    return end(tx, locked(tx, lease_id, row["account_id"]), state="closed", by=actor, now=now)


def expire_due(tx: Connection, *, now: int, limit: int = 500) -> int:
    """End up to `limit` leases whose grace is over, and forget old device proofs; gives how many leases ended."""
    due = tx.execute(
        select(leases.c.id, leases.c.account_id)
        .where(leases.c.state.in_(LIVE), leases.c.grace_until <= now)
        .order_by(leases.c.grace_until)
        .limit(limit)
    ).all()
    for lease in sorted(due, key=lambda one: (one.account_id, one.id)):
        # Somebody else may have ended it since: `end` looks again, under the lock.
        end(tx, locked(tx, lease.id, lease.account_id), state="expired", by="sweep", now=now)
    forget_proofs(tx, now=now)
    return len(due)
