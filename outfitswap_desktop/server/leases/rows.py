"""Leases as the database has them, and as they are told to programs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, func, select, update

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.receipts import Chain
from outfitswap_desktop.server.ledger.postings import lock
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.accounts import devices
from outfitswap_desktop.server.tables.leases import lease_holds, lease_receipts, leases

LIVE = ("open", "frozen")
"""The states in which receipts are charged."""
SHOWN = 100
"""The most leases of an account that are told at once."""


def _joined() -> Select[Any]:
    return select(
        leases,
        devices.c.label.label("device_label"),
        devices.c.public_key.label("device_public_key"),
        devices.c.state.label("device_state"),
    ).join(devices, devices.c.id == leases.c.device_id)


def locked(tx: Connection, lease_id: str, account_id: str) -> RowMapping:
    """The lease of an account, both locked (the account first, as everywhere); refuses with 404 "no_lease"."""
    lock(tx, account_id)
    wanted = _joined().where(leases.c.id == lease_id, leases.c.account_id == account_id)
    row = tx.execute(wanted.with_for_update(of=leases)).mappings().first()
    if row is None:
        raise no_lease()
    return row


def no_lease() -> Refusal:
    """There is none, or it is another account's: the answer does not tell which."""
    return Refusal(
        404,
        "no_lease",
        title="There is no such lease",
        detail="This account has taken no credits along under this id; take some along first.",
    )


def find(tx: Connection, lease_id: str) -> RowMapping | None:
    """The lease, or None."""
    return tx.execute(_joined().where(leases.c.id == lease_id)).mappings().first()


def of_account(tx: Connection, account_id: str) -> tuple[messages.Lease, ...]:
    """The leases of an account, newest first."""
    wanted = _joined().where(leases.c.account_id == account_id).order_by(leases.c.id.desc()).limit(SHOWN)
    return tuple(summary(row) for row in tx.execute(wanted).mappings())


def summary(row: Mapping[Any, Any]) -> messages.Lease:
    """A lease as it is told."""
    return messages.Lease(
        id=row["id"],
        device_id=row["device_id"],
        device_label=row["device_label"],
        credits=row["credits"],
        spent=row["spent"],
        not_after=row["not_after"],
        grace_until=row["grace_until"],
        state=row["state"],
    )


def chain_of(tx: Connection, row: Mapping[Any, Any]) -> Chain:
    """Where the server's copy of the lease's receipts stands."""
    rows = tx.execute(select(lease_holds.c.job_id, lease_holds.c.credits).where(lease_holds.c.lease_id == row["id"]))
    return Chain(
        lease_id=row["id"],
        credits=row["credits"],
        head=row["head"],
        seq=row["seq"],
        spent=row["spent"],
        holds=MappingProxyType({one.job_id: one.credits for one in rows}),
    )


def known(tx: Connection, lease_id: str, *, first: int, last: int) -> dict[int, frozenset[str]]:
    """The hashes that are kept for the numbers from `first` to `last`."""
    rows = tx.execute(
        select(lease_receipts.c.seq, lease_receipts.c.hash).where(
            lease_receipts.c.lease_id == lease_id, lease_receipts.c.seq.between(first, last)
        )
    )
    found: dict[int, set[str]] = {}
    for row in rows:
        found.setdefault(row.seq, set()).add(row.hash)
    return {seq: frozenset(hashes) for seq, hashes in found.items()}


def evidence(tx: Connection, lease_id: str) -> int:
    """How many receipts beside the chain are kept."""
    beside = select(func.count()).where(lease_receipts.c.lease_id == lease_id, lease_receipts.c.main.is_(False))
    return tx.execute(beside).scalar_one()


def drop_holds(tx: Connection, lease_id: str) -> None:
    """Forget the open holds of a lease that ends: they are void."""
    tx.execute(delete(lease_holds).where(lease_holds.c.lease_id == lease_id))


def change(tx: Connection, lease_id: str, **values: Any) -> None:
    """Write columns of a lease that is locked."""
    tx.execute(update(leases).where(leases.c.id == lease_id).values(**values))
