"""The audit chain: what administrators did and what touched security, each record sealed with the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, insert, select, text

from outfitswap_desktop.server.tables.operations import audit

START: Final = "0" * 64
"""What the first record names as the hash before it."""
_LOCK: Final = 7_021_960_331
"""PostgreSQL's advisory lock of the chain: two transactions that append at once would fork it."""


def record(tx: Connection, *, actor: str, action: str, target: str, detail: Mapping[str, Any], now: int) -> None:
    """Append a record; it stays only if `tx` commits.

    `actor` and `target` are ids ("admin:NAME", an account's ULID), never addresses, keys or tokens; so is what `detail` holds
    (JSON). The chain serialises whoever appends until the end of the transaction: call this last in it, and never from
    what happens for every job.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    last = tx.execute(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
    row = {
        "seq": 1 if last is None else last.seq + 1,
        "at": now,
        "actor": actor,
        "action": action,
        "target": target,
        "detail": json.loads(json.dumps(dict(detail))),
        "prev_hash": START if last is None else last.hash,
    }
    tx.execute(insert(audit).values(**row, hash=_seal(row)))


def verify(tx: Connection) -> tuple[bool, str]:
    """Whether every record follows from the one before it, and one sentence: the first that does not, or count and last hash.

    A chain cut off at its end still follows: compare count and last hash with what was noted elsewhere.
    """
    expected, before = 1, START
    rows = tx.execution_options(yield_per=1000).execute(select(audit).order_by(audit.c.seq)).mappings()
    for row in rows:
        if row["seq"] != expected:
            return False, f"Record {expected} is missing."
        if row["prev_hash"] != before or row["hash"] != _seal(row):
            return False, f"Record {expected} ({row['action']}) was changed."
        expected, before = expected + 1, row["hash"]
    return True, f"{expected - 1} records, the last one's hash is {before}."


def _seal(row: Mapping[Any, Any]) -> str:
    """SHA-256 over the record's canonical JSON (sorted keys, no blanks) with the hash before it."""
    sealed = {name: row[name] for name in ("seq", "at", "actor", "action", "target", "detail", "prev_hash")}
    return hashlib.sha256(json.dumps(sealed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
