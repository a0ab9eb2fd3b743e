"""The only writer of the journal: postings that sum to zero, happen once for each reference, and never overdraw an account."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from sqlalchemy import Connection, TextClause, and_, bindparam, insert, or_, select, text, update

from outfitswap_desktop.server.database import insert_or_ignore
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.accounts import accounts
from outfitswap_desktop.server.tables.ledger import ledger_accounts, ledger_txns

Bucket = Literal["paid", "promo"]
_Entry = tuple[object, str, int]
"""Posting, ledger account, change."""

BURNED: Final = "burn:jobs"
REFUNDED: Final = "refund:stripe"
BREAKAGE: Final = "breakage"
WRITTEN_OFF: Final = "writeoff"
SYSTEM: Final = (
    BREAKAGE,
    BURNED,
    "mint:grant",
    "mint:licence",
    "mint:promo",
    "mint:purchase",
    REFUNDED,
    WRITTEN_OFF,
)
"""Where credits come from and go to; these have no balance of their own."""
ORDER: Final = "order "
"""How the memo of a purchase begins; the order's id follows."""
_SYSTEM_SET: Final = frozenset(SYSTEM)
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MEMO: Final = 200
_AT_ONCE: Final = 500

_insert_txn = insert_or_ignore(ledger_txns).returning(ledger_txns.c.id)
_after = ledger_accounts.c.balance + bindparam("change")
_move = (
    update(ledger_accounts)
    .where(
        ledger_accounts.c.id == bindparam("moved"),
        or_(
            and_(ledger_accounts.c.kind != "debt", _after >= 0),
            and_(ledger_accounts.c.kind == "debt", _after <= 0),
        ),
    )
    .values(balance=_after)
)
_standing = (
    select(accounts.c.state, accounts.c.debt_credits)
    .where(accounts.c.id == bindparam("account"))
    .with_for_update(key_share=True)
)
_posted = select(ledger_txns.c.id).where(ledger_txns.c.kind == bindparam("kind"), ledger_txns.c.ref == bindparam("ref"))


class Short(Refusal):
    """There are not enough credits; nothing was posted. Roll the transaction back."""

    def __init__(self, detail: str = "Buy credits, or wait for running jobs to end.") -> None:
        super().__init__(402, "no_credits", title="Not enough credits", detail=detail)


@dataclass(frozen=True, slots=True)
class Posting:
    """One posting: `legs` are the changes by ledger account, not zero and summing to zero. (kind, ref) is unique."""

    kind: str
    ref: str
    legs: Mapping[str, int]
    account_id: str | None
    memo: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands: its state and what it owes."""

    state: Literal["active", "frozen", "closed"]
    debt: int


def purse(account_id: str, kind: Literal["paid", "promo", "held", "debt"]) -> str:
    """The id of a ledger account of a user: two that can be spent, one for running jobs, one (below zero) for what is owed."""
    return f"u:{account_id}:{kind}"


def along(lease_id: str) -> str:
    """The id of the ledger account of a lease."""
    return f"lease:{lease_id}"


def lock(tx: Connection, account_id: str) -> Standing:
    """Have everybody else who draws on this account's grants wait until the transaction ends.

    Order of locks everywhere, so that nobody waits in a circle: account, reservation or lease, grants by id, ledger accounts by
    id. Refuses with 404 "no_account".
    """
    found = tx.execute(_standing, {"account": account_id}).first()
    if found is None:
        raise Refusal(404, "no_account", title="No such account", detail="Sign in again.")
    return Standing(found.state, found.debt_credits)


def post(
    tx: Connection,
    *,
    kind: str,
    ref: str,
    legs: Mapping[str, int],
    account_id: str | None,
    actor: str,
    now: int,
    memo: str = "",
) -> str | None:
    """Write one posting; gives its id, or None when (kind, ref) is there already, and then nothing has changed.

    Balances move by conditional UPDATEs in the order of their ids. Raises Short when one would fall below zero, ValueError
    for legs that do not sum to zero.
    """
    posting = Posting(kind, ref, legs, account_id, memo)
    row = _row(posting, actor=actor, now=now)
    entries = [(row["id"], account, legs[account]) for account in sorted(legs)]
    if tx.dialect.name == "postgresql":
        if tx.execute(_insert_whole(len(entries)), row | _values(entries)).first() is None:
            return None
    else:
        if tx.execute(_insert_txn, row).first() is None:
            return None
        _write_entries(tx, entries)
    move(tx, legs)
    return str(row["id"])


def post_all(tx: Connection, postings: Sequence[Posting], *, actor: str, now: int) -> None:
    """Write many postings in few statements. Raises Short as `post` does, and IntegrityError when one was there already."""
    total: dict[str, int] = defaultdict(int)
    for start in range(0, len(postings), _AT_ONCE):
        some = postings[start : start + _AT_ONCE]
        rows = [_row(posting, actor=actor, now=now) for posting in some]
        tx.execute(insert(ledger_txns), rows)
        _write_entries(
            tx,
            [
                (row["id"], account, posting.legs[account])
                for row, posting in zip(rows, some, strict=True)
                for account in sorted(posting.legs)
            ],
        )
        for posting in some:
            for account, change in posting.legs.items():
                total[account] += change
    move(tx, total)


def posted(tx: Connection, *, kind: str, ref: str) -> bool:
    """Whether (kind, ref) is in the journal; certain under the lock of its account."""
    return tx.execute(_posted, {"kind": kind, "ref": ref}).first() is not None


def move(tx: Connection, legs: Mapping[str, int]) -> None:
    """Move the balances of users' accounts by `legs`, in the order of their ids. Raises Short when one would pass zero."""
    changes = [
        {"moved": account, "change": legs[account]}
        for account in sorted(legs)
        if legs[account] and account not in _SYSTEM_SET
    ]
    # Several parameters, one statement each, in their order: the drivers count the rows of all of them.
    if changes and tx.execute(_move, changes).rowcount != len(changes):
        raise Short


def _write_entries(tx: Connection, entries: Sequence[_Entry]) -> None:
    """In one statement, as PostgreSQL looks at the sum of each; written out, as SQLAlchemy compiles lists of values anew."""
    tx.execute(_insert_entries(len(entries)), _values(entries))


def _values(entries: Sequence[_Entry]) -> dict[str, object]:
    values: dict[str, object] = {}
    for number, (txn, account, amount) in enumerate(entries):
        values[f"t{number}"], values[f"l{number}"], values[f"a{number}"] = txn, account, amount
    return values


@lru_cache(maxsize=32)
def _insert_entries(count: int) -> TextClause:
    rows = ", ".join(f"(:t{number}, :l{number}, :a{number})" for number in range(count))
    return text(f"INSERT INTO ledger_entries (txn_id, ledger_account_id, amount) VALUES {rows}")


@lru_cache(maxsize=32)
def _insert_whole(count: int) -> TextClause:
    """A posting and its entries in one round trip, none of them when (kind, ref) is there; SQLite cannot say this."""
    columns = ledger_txns.c.keys()
    named = ", ".join(f":{name}" for name in columns)
    legs = ", ".join(f"(:l{number}, CAST(:a{number} AS bigint))" for number in range(count))
    return text(
        f"WITH txn AS (INSERT INTO ledger_txns ({', '.join(columns)}) VALUES ({named}) ON CONFLICT DO NOTHING RETURNING id) "
        "INSERT INTO ledger_entries (txn_id, ledger_account_id, amount) "
        f"SELECT txn.id, leg.account, leg.amount FROM txn, (VALUES {legs}) AS leg (account, amount) RETURNING txn_id"
    )


def _row(posting: Posting, *, actor: str, now: int) -> dict[str, object]:
    if sum(posting.legs.values()) != 0 or len(posting.legs) < 2 or 0 in posting.legs.values():
        raise ValueError(f"legs of {posting.kind} {posting.ref} do not sum to zero")
    return {
        "id": _txn_id(),
        "kind": posting.kind,
        "ref": posting.ref,
        "account_id": posting.account_id,
        "at": now,
        "actor": actor,
        "memo": posting.memo[:_MEMO],
    }


def _txn_id() -> str:
    """A ULID whose random part starts with the microseconds within its millisecond, so that a process's own ascend."""
    nanoseconds = time.time_ns()
    millis, rest = divmod(nanoseconds, 1_000_000)
    number = (millis << 80) | (rest << 60) | (int.from_bytes(os.urandom(8)) >> 4)
    return "".join([_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)])
