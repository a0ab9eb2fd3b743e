"""One write transaction of the audit log: adds entries to the chain, begins a new part when it must, and signs the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from outfitswap_desktop.safety.records import schema
from outfitswap_desktop.safety.records.chain import HEAD, NOTHING, ROW, Head, Row, entry_hash
from outfitswap_desktop.safety.records.keys import Anchor, Secret, fingerprint

CLOCK_SLACK: Final = timedelta(days=1)
"""A clock that is behind the newest entry by more than this was set back, and what it says is noted too."""


class Writer:
    """Adds to the chain behind `head` within a transaction that its maker holds; `at` is the time of all it adds.

    `clock` and `newest` (the newest time in the log) are milliseconds since 1970, UTC: time in the log never goes back.
    """

    def __init__(self, connection: sqlite3.Connection, secret: Secret, *, clock: int, newest: int) -> None:
        self.connection = connection
        self.secret = secret
        self.at = max(clock, newest)
        self.clock = clock
        self.head: Head

    @property
    def was_set_back(self) -> bool:
        """Whether the clock is behind the log by more than CLOCK_SLACK."""
        return self.at - self.clock > CLOCK_SLACK.total_seconds() * 1000

    def add(
        self,
        event: Mapping[str, Any],
        *,
        ref: bytes | None = None,
        result: bytes | None = None,
        pixels: bytes | None = None,
        mark: bytes | None = None,
    ) -> Row:
        """Append one event; the keyword arguments are what it can be looked up by.

        Raises EventRefusedError unless it is of a kind of schema.OPEN or schema.OWN and fits.
        """
        schema.check(event, kinds=schema.ALL)
        stamped = {**event, "at": self.at}
        if self.was_set_back:
            stamped["clock"] = self.clock
        body = schema.canonical(stamped)
        seq = self.head.seq + 1
        linked = entry_hash(self.head.hash, seq, body)
        row = Row(seq, self.head.segment, self.at, body, linked, b"", ref, result, pixels, mark).sealed(self.secret)
        self.connection.execute(f"INSERT INTO log ({ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row.values())
        self.head = replace(self.head, seq=seq, hash=row.hash)
        return row

    def begin_segment(self, reason: str, *, last: Row | None, anchor: Anchor | None, older: Head | None) -> None:
        """Start a new part of the chain behind the entry `last`, and say in its first entry why.

        Its numbers begin behind all that is known of: the last entry, the older head, and what the key store has heard of.
        """
        ends = [(0, NOTHING)]
        if last is not None:
            ends.append((last.seq, last.hash))
        if anchor is not None:
            ends.append((anchor.seq, anchor.hash))
        if older is not None:
            ends.append((older.seq, older.hash))
        before, before_hash = max(ends)
        signed = older is not None and older.is_signed()
        pruned, pruned_hash = (older.pruned, older.pruned_hash) if older is not None and signed else (0, NOTHING)
        self.head = Head(
            segment=1 + max(0 if older is None else older.segment, 0 if last is None else last.segment),
            public=self.secret.public,
            first=before + 1,
            seq=before,
            hash=last.hash if last is not None else pruned_hash,
            pruned=pruned,
            pruned_hash=pruned_hash,
        )
        event = {
            "kind": "segment",
            "reason": reason,
            "before_seq": before,
            "before_hash": before_hash.hex(),
            "key": fingerprint(self.secret.public),
        }
        self.add(event)

    def close(self) -> Head:
        """Sign the end of the chain and put it in; returns it."""
        head = self.head.signed(self.secret)
        self.connection.execute(f"INSERT OR REPLACE INTO heads ({HEAD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", head.values())
        return head
