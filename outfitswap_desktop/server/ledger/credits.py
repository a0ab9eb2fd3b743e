"""An account's credits: given, taken back, expired, lent to a lease and returned; every change is a posting."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.database import insert_or_ignore
from outfitswap_desktop.server.ledger import grants
from outfitswap_desktop.server.ledger.grants import Draw
from outfitswap_desktop.server.ledger.lending import lease_back, lease_burn, lease_out
from outfitswap_desktop.server.ledger.postings import (
    BREAKAGE,
    ORDER,
    REFUNDED,
    SYSTEM,
    WRITTEN_OFF,
    Bucket,
    Posting,
    Short,
    lock,
    post,
    post_all,
    posted,
    purse,
)
from outfitswap_desktop.server.ledger.statements import balance, history
from outfitswap_desktop.server.tables.accounts import accounts
from outfitswap_desktop.server.tables.ledger import credit_grants, ledger_accounts

__all__ = [
    "ORDER",
    "Short",
    "balance",
    "expire_grants",
    "give",
    "history",
    "lease_back",
    "lease_burn",
    "lease_out",
    "open_account",
    "take_back",
]

_open = insert_or_ignore(ledger_accounts)
_owe = (
    update(accounts)
    .where(accounts.c.id == bindparam("account"))
    .values(debt_credits=accounts.c.debt_credits + bindparam("change"))
)


def open_account(tx: Connection, account_id: str) -> None:
    """The ledger accounts of a new account; nothing happens to those that are there."""
    mine = [
        {"id": purse(account_id, kind), "account_id": account_id, "kind": kind, "balance": 0}
        for kind in ("debt", "held", "paid", "promo")
    ]
    system = [{"id": each, "account_id": None, "kind": "system", "balance": 0} for each in SYSTEM]
    tx.execute(_open.values(system + mine))


def give(
    tx: Connection,
    account_id: str,
    *,
    bucket: Bucket,
    credits: int,
    kind: str,
    ref: str,
    actor: str,
    now: int,
    expires_at: int | None = None,
    memo: str = "",
) -> bool:
    """Add `credits`; what the account owes is paid off first. False: (kind, ref) was there already, and nothing changed.

    `kind` says where they come from: "purchase", "promo", "licence", something that ends in "_undone" (a refund or dispute that
    turned out otherwise), else a grant by an administrator.
    """
    if credits <= 0:
        raise ValueError(f"{credits} credits cannot be given")
    standing = lock(tx, account_id)
    paid_off = min(standing.debt, credits)
    rest = credits - paid_off
    legs = {_source(kind): -credits}
    if paid_off:
        legs[purse(account_id, "debt")] = paid_off
    if rest:
        legs[purse(account_id, bucket)] = rest
    txn = post(tx, kind=kind, ref=ref, legs=legs, account_id=account_id, actor=actor, now=now, memo=memo)
    if txn is None:
        return False
    if paid_off:
        tx.execute(_owe, {"account": account_id, "change": -paid_off})
    if rest:
        tx.execute(
            insert(credit_grants),
            {
                "id": new_id(),
                "account_id": account_id,
                "bucket": bucket,
                "amount": rest,
                "remaining": rest,
                "expires_at": expires_at,
                "created_at": now,
                "txn_id": txn,
            },
        )
    return True


def take_back(
    tx: Connection, account_id: str, *, credits: int, kind: str, ref: str, actor: str, now: int, memo: str = ""
) -> bool:
    """Take `credits` away: bought ones first, the newest first; what is not there becomes debt, which the next ones pay off.

    `kind` "refund" and "dispute" go back to Stripe, all else is written off. False: (kind, ref) was there already.
    """
    if credits <= 0:
        raise ValueError(f"{credits} credits cannot be taken back")
    lock(tx, account_id)
    if posted(tx, kind=kind, ref=ref):
        return False
    taken, _ = grants.split(grants.usable(tx, account_id, now=now)[::-1], credits)
    found = sum(draw.credits for draw in taken)
    legs = {account: -change for account, change in grants.by_purse(account_id, taken).items()}
    legs[REFUNDED if kind in ("refund", "dispute") else WRITTEN_OFF] = credits
    if found < credits:
        legs[purse(account_id, "debt")] = found - credits
    grants.take(tx, taken)
    post_all(tx, [Posting(kind, ref, legs, account_id, memo)], actor=actor, now=now)
    if found < credits:
        tx.execute(_owe, {"account": account_id, "change": credits - found})
    return True


def expire_grants(tx: Connection, *, now: int, limit: int = 1000) -> int:
    """Move what is left of expired grants to breakage; gives how many grants that were."""
    due = select(credit_grants.c.account_id).where(
        credit_grants.c.remaining > 0, credit_grants.c.expires_at.is_not(None), credit_grants.c.expires_at <= now
    )
    owners = sorted(set(tx.scalars(due.limit(limit))))
    for owner in owners:
        lock(tx, owner)
    rows = tx.execute(
        select(
            credit_grants.c.id,
            credit_grants.c.bucket,
            credit_grants.c.remaining,
            credit_grants.c.expires_at,
            credit_grants.c.account_id,
        )
        .where(credit_grants.c.account_id.in_(owners), credit_grants.c.remaining > 0, credit_grants.c.expires_at <= now)
        .with_for_update()
        .order_by(credit_grants.c.id)
    ).all()
    grants.take(tx, (Draw(row.id, row.bucket, row.remaining, row.expires_at) for row in rows))
    postings = [
        Posting(
            "expiry",
            f"{row.id}:{now}",
            {purse(row.account_id, row.bucket): -row.remaining, BREAKAGE: row.remaining},
            row.account_id,
        )
        for row in rows
    ]
    post_all(tx, postings, actor="server", now=now)
    return len(rows)


def _source(kind: str) -> str:
    if kind.endswith("_undone"):
        return REFUNDED
    return f"mint:{kind}" if kind in ("purchase", "promo", "licence") else "mint:grant"
