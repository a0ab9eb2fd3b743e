"""Credits that a device takes along: out of the account into a lease, burned by its receipts, and back where they came from."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from outfitswap_desktop.server.ledger import grants
from outfitswap_desktop.server.ledger.grants import Draw
from outfitswap_desktop.server.ledger.postings import BURNED, Posting, Short, along, lock, post_all, posted
from outfitswap_desktop.server.tables.ledger import lease_draws, ledger_accounts

_draws = (
    select(lease_draws)
    .where(lease_draws.c.lease_id == bindparam("lease"))
    .order_by(lease_draws.c.position)
    .with_for_update()
)
_change = (
    update(lease_draws)
    .where(lease_draws.c.lease_id == bindparam("lease"), lease_draws.c.position == bindparam("at"))
    .values(
        burned=lease_draws.c.burned + bindparam("burned_more"),
        returned=lease_draws.c.returned + bindparam("returned_more"),
    )
)


def lease_out(tx: Connection, account_id: str, lease_id: str, *, credits: int, actor: str, now: int) -> None:
    """Move credits into a lease; nothing happens when that lease has had its credits. Raises Short."""
    lock(tx, account_id)
    if posted(tx, kind="lease", ref=lease_id):
        return
    chosen = grants.choose(grants.usable(tx, account_id, now=now), credits)
    grants.take(tx, chosen)
    account = along(lease_id)
    tx.execute(insert(ledger_accounts), {"id": account, "account_id": account_id, "kind": "lease", "balance": 0})
    legs = {held: -change for held, change in grants.by_purse(account_id, chosen).items()} | {account: credits}
    post_all(tx, [Posting("lease", lease_id, legs, account_id)], actor=actor, now=now)
    tx.execute(
        insert(lease_draws),
        [
            {
                "lease_id": lease_id,
                "position": position,
                "account_id": account_id,
                "grant_id": draw.grant_id,
                "bucket": draw.bucket,
                "expires_at": draw.expires_at,
                "credits": draw.credits,
            }
            for position, draw in enumerate(chosen)
        ],
    )


def lease_burn(tx: Connection, lease_id: str, *, credits: int, ref: str, actor: str, now: int) -> bool:
    """Burn credits of a lease. False: `ref` was burned already. Raises Short when the lease has fewer left."""
    rows = tx.execute(_draws, {"lease": lease_id}).all()
    if posted(tx, kind="lease_burn", ref=ref):
        return False
    left = credits
    for row in rows:
        part = min(left, row.credits - row.burned - row.returned)
        left -= part
        if part:
            tx.execute(_change, {"lease": lease_id, "at": row.position, "burned_more": part, "returned_more": 0})
    if left or credits <= 0:
        raise Short(f"The lease has {credits - left} credits left, {credits} cannot be used.")
    legs = {along(lease_id): -credits, BURNED: credits}
    post_all(tx, [Posting("lease_burn", ref, legs, rows[0].account_id)], actor=actor, now=now)
    return True


def lease_back(tx: Connection, lease_id: str, *, actor: str, now: int) -> int:
    """Return what a lease has left to the grants that it came from; gives how many credits can be spent again.

    What has expired meanwhile goes to breakage. Once only: later calls give 0.
    """
    rows = tx.execute(_draws, {"lease": lease_id}).all()
    back = []
    for row in rows:
        part = row.credits - row.burned - row.returned
        if part:
            tx.execute(_change, {"lease": lease_id, "at": row.position, "burned_more": 0, "returned_more": part})
            back.append(Draw(row.grant_id, row.bucket, part, row.expires_at))
    if not back:
        return 0
    account_id = rows[0].account_id
    legs = grants.give_back(tx, account_id, back, now=now)
    usable = sum(change for account, change in legs.items() if account.startswith("u:"))
    legs[along(lease_id)] = -sum(draw.credits for draw in back)
    post_all(tx, [Posting("lease_back", lease_id, legs, account_id)], actor=actor, now=now)
    return usable
