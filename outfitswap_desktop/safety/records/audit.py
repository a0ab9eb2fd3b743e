"""The audit log: every decision in a hash-chained SQLite file whose end is signed in the same transaction; numbers only.

log = AuditLog(folder / "audit.db", keys)      # None: in memory
log.append({"kind": "decision", ...}) -> int   # the entry's number; EventRefusedError unless it fits schema.py
log.verify() -> AuditReport                    # .ok, .sentence, .as_json(); changes nothing
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.safety.records import database, report, schema
from outfitswap_desktop.safety.records.chain import ROW, Head, Row
from outfitswap_desktop.safety.records.examining import agrees, examine, read_heads, read_row, trusted_start
from outfitswap_desktop.safety.records.keys import Anchor, Keys, Secret, fingerprint
from outfitswap_desktop.safety.records.perceptual import LOOKS_BYTES, unlike
from outfitswap_desktop.safety.records.report import AuditReport
from outfitswap_desktop.safety.records.writer import Writer

KEPT: Final = timedelta(days=365)
"""How long an entry is kept; shorter may be asked for, longer may not."""

ANCHOR_EVERY: Final = 16
ANCHOR_SECONDS: Final = 30.0
"""The key store hears of the newest entry at the first write of a process, after so many entries or seconds, and at close."""

NEWEST: Final = f"SELECT {ROW} FROM log INDEXED BY log_{{column}} WHERE {{column}} = ? ORDER BY seq DESC LIMIT 1"
"""The newest entry by one of its columns; the hint makes it an error, not a slow answer, if the index could not be used."""

LOOKS: Final = (
    "SELECT seq, ref FROM log INDEXED BY log_ref WHERE ref IS NOT NULL "
    f"AND length(ref) = {LOOKS_BYTES} ORDER BY seq DESC"
)
"""Fingerprints of released pictures, newest first; a consent's reference is shorter."""

T = TypeVar("T")


class AuditLog:
    """The log in the file `path`, opened at its first use; None keeps it in memory.

    `clock` gives seconds since 1970. May be used from several threads; several processes may share the file.
    """

    def __init__(self, path: Path | None, keys: Keys, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._keys = keys
        self._clock = clock
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._head: Head | None = None
        self._anchored: tuple[int, float] | None = None
        self._checked: AuditReport | None = None

    # Writing

    def append(self, event: Mapping[str, Any]) -> int:
        """Log one event of schema.OPEN; returns its number once it is on the disk.

        Raises EventRefusedError when it does not fit, and NotAvailable ("audit_unavailable") when it cannot be written:
        then nothing may be released.
        """
        schema.check(event)
        return self.write(lambda writer: writer.add(event).seq)

    def write(self, work: Callable[[Writer], T]) -> T:
        """Run `work` in one transaction; all of it is on the disk when this returns, or none of it ever.

        A file that turns out to be damaged is moved aside and the work done anew in a new one, which says so.
        """
        with self._lock:
            connection = self._writable()
            try:
                return self._transaction(connection, work)
            except sqlite3.Error as problem:
                self._forget()
                if self._path is None or not database.is_damage(problem):
                    raise database.unavailable(problem) from problem
                database.move_aside(self._path, database.identity(self._path))
            try:
                return self._transaction(self._writable(), work)
            except sqlite3.Error as problem:
                self._forget()
                raise database.unavailable(problem) from problem

    def prune(self, keep: timedelta = KEPT) -> int:
        """Take away entries older than `keep` (at most KEPT) behind a signed checkpoint; returns how many.

        Raises UsageProblem ("retention") when longer than KEPT, or less than nothing, is asked for.
        """
        if not timedelta(0) <= keep <= KEPT:
            raise UsageProblem(
                f"The audit log is kept for {KEPT.days} days at most.",
                reason="retention",
                hint=f"Give a number of days from 0 to {KEPT.days}.",
            )
        with self._lock:
            if not self._has_older(self._now() - _milliseconds(keep)):
                return 0
            count = self.write(lambda writer: self._prune(writer, self._now() - _milliseconds(keep)))
            with contextlib.suppress(sqlite3.Error):
                self._writable().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._checked = None
            return count

    def close(self) -> None:
        """Tell the key store of the newest entry and close the file. May be called twice."""
        with self._lock:
            if self._connection is not None and self._head is not None:
                with contextlib.suppress(sqlite3.Error, NotAvailable):
                    self._anchor_end(forced=False)
            self._forget()
            self._checked = None

    def _transaction(self, connection: sqlite3.Connection, work: Callable[[Writer], T]) -> T:
        secret = self._keys.secret()
        connection.execute("BEGIN IMMEDIATE")
        try:
            writer, begun = self._begin(connection, secret)
            answer = work(writer)
            head = writer.close()
            connection.execute("COMMIT")
        except BaseException:
            self._head = None
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        self._head = head
        if begun:
            with contextlib.suppress(sqlite3.Error, NotAvailable):
                self._anchor_end(forced=True)
        return answer

    def _begin(self, connection: sqlite3.Connection, secret: Secret) -> tuple[Writer, bool]:
        """A writer at the end of the chain, and whether it had to begin a new part because the old one cannot go on."""
        head, last = _end(connection)
        anchor = self._anchor_if_due(head)
        reason = self._lost(connection, head, last, anchor) or self._why_new(secret, head, last, anchor)
        newest = max(last.at if last is not None else 0, anchor.at if anchor is not None else 0)
        writer = Writer(connection, secret, clock=self._now(), newest=newest)
        if reason is not None:
            writer.begin_segment(reason, last=last, anchor=anchor, older=head)
            return writer, True
        assert head is not None
        writer.head = head
        if anchor is not None and last is not None:
            with contextlib.suppress(NotAvailable):
                self._set_anchor(last, known=anchor)
        return writer, False

    def _lost(
        self, connection: sqlite3.Connection, head: Head | None, last: Row | None, anchor: Anchor | None
    ) -> str | None:
        """What the key store knows that the log does not; None when they agree, or when it was not asked."""
        if anchor is None:
            return None if self._anchored is not None else "anchor_missing"
        if agrees(connection, anchor, pruned=trusted_start(head, self._known(connection))):
            return None
        if head is None and last is None:
            damaged = self._path is not None and database.has_damaged(self._path)
            return "log_damaged" if damaged else "log_missing"
        return "rolled_back"

    def _why_new(self, secret: Secret, head: Head | None, last: Row | None, anchor: Anchor | None) -> str | None:
        """Why the chain cannot simply go on, None when it can."""
        if head is None or last is None:
            return "first" if head is None and last is None else "head_damaged"
        fits = (last.seq, last.hash, last.segment) == (head.seq, head.hash, head.segment)
        if not fits or not (head == self._head or head.is_signed()):
            return "head_damaged"
        if head.public != secret.public:
            swapped = anchor is not None and anchor.key == fingerprint(secret.public)
            return "head_damaged" if swapped else "key_changed"
        return None if last.is_sealed_by(secret) else "head_damaged"

    def _prune(self, writer: Writer, before: int) -> int:
        connection = writer.connection
        young = connection.execute("SELECT min(seq) FROM log WHERE at >= ?", (before,)).fetchone()[0]
        end = writer.head.seq + 1 if young is None else young
        stored = connection.execute(f"SELECT {ROW} FROM log WHERE seq < ? ORDER BY seq DESC LIMIT 1", (end,)).fetchone()
        if stored is None:
            return 0
        row = Row.read(stored)
        to = row.seq
        seen = examine(connection, self._known(connection), Anchor(row.seq, row.hash, row.at))
        whole = not seen.damaged or (seen.first_bad is not None and seen.first_bad > to)
        count = int(connection.execute("SELECT count(*) FROM log WHERE seq <= ?", (to,)).fetchone()[0])
        event = {"kind": "checkpoint", "pruned_to": to, "hash": row.hash.hex(), "rows": count, "whole": whole}
        writer.add(event)
        writer.head = replace(writer.head, pruned=to, pruned_hash=row.hash)
        connection.execute("DELETE FROM log WHERE seq <= ?", (to,))
        connection.execute("DELETE FROM heads WHERE seq <= ? AND segment < ?", (to, writer.head.segment))
        return count

    def _has_older(self, before: int) -> bool:
        with self.reading() as connection:
            if connection is None:
                return False
            oldest = connection.execute("SELECT at FROM log ORDER BY seq LIMIT 1").fetchone()
            return oldest is not None and int(oldest[0]) < before

    # Reading

    def verify(self) -> AuditReport:
        """Look through the whole log; changes nothing of it, and never raises."""
        with self._lock:
            try:
                return self._examined(None)
            except database.LogDamagedError:
                return report.unreadable()
            except NotAvailable:
                return report.unreadable("unreachable")

    def check(self) -> AuditReport:
        """What `verify` says, quickly: all entries are looked through once, later only those that came after.

        Raises NotAvailable ("audit_unavailable") when it cannot be said.
        """
        with self._lock:
            before = self._checked
            try:
                if before is None or before.damaged:
                    self._checked = self._examined(None)
                else:
                    self._checked = self._examined(before)
            except database.LogDamagedError:
                self._checked = report.unreadable()
            return self._checked

    def now(self) -> int:
        """Milliseconds since 1970, UTC: the clock, or the newest entry's time when the clock was set back behind it."""
        with self._lock, self.reading() as connection:
            last = None if connection is None else _end(connection)[1]
            return max(self._now(), last.at if last is not None else 0)

    def find(self, column: str, value: bytes) -> Row | None:
        """The newest entry with `value` in `column` ("ref", "result", "pixels" or "mark"); it is not yet to be trusted."""
        if column not in ("ref", "result", "pixels", "mark"):
            raise ValueError("entries cannot be looked up by that")
        with self._lock, self.reading() as connection:
            if connection is None:
                return None
            row = connection.execute(NEWEST.format(column=column), (value,)).fetchone()
            return None if row is None else Row.read(row)

    def most_like(self, looks: bytes, most: int) -> Row | None:
        """The entry whose fingerprint is nearest to `looks`, `most` bits away at most; it is not yet to be trusted."""
        with self._lock, self.reading() as connection:
            if connection is None:
                return None
            near: tuple[int, int] | None = None
            for seq, other in connection.execute(LOOKS):
                away = unlike(looks, other)
                if away <= most and (near is None or away < near[0]):
                    near = (away, seq)
            return None if near is None else read_row(connection, near[1])

    def is_genuine(self, row: Row) -> bool:
        """Whether an entry is as it was written: its seal under a key of this machine, its hash, its link to the one before."""
        with self._lock, self.reading() as connection:
            if connection is None:
                return False
            heads = {head.segment: head for head in read_heads(connection)}
            head = heads.get(row.segment)
            secret = None if head is None else self._known(connection).get(head.public)
            if secret is None or not row.is_sealed_by(secret):
                return False
            newest = heads[max(heads)]
            before = read_row(connection, row.seq - 1)
            if before is not None:
                return row.follows(before.hash)
            return row.seq - 1 == newest.pruned and row.follows(newest.pruned_hash)

    def secret_of(self, row: Row) -> Secret | None:
        """The secret of the part of the log that `row` stands in, None when it is not here."""
        with self._lock, self.reading() as connection:
            if connection is None:
                return None
            heads = {head.segment: head for head in read_heads(connection)}
            head = heads.get(row.segment)
            return None if head is None else self._known(connection).get(head.public)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection to look with, everything of one moment; None when there is no log yet.

        Within a transaction of this thread, that transaction. Raises LogDamagedError or another NotAvailable.
        """
        with self._lock:
            try:
                shared = self._current()
                if shared is not None and shared.in_transaction:
                    yield shared
                    return
                connection = shared
                if connection is None and self._path is not None:
                    connection = database.open_readable(self._path)
                if connection is None:
                    yield None
                    return
                try:
                    connection.execute("BEGIN")
                    yield connection
                finally:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    if connection is not shared:
                        connection.close()
            except sqlite3.Error as problem:
                raise database.unavailable(problem) from problem

    def _examined(self, before: AuditReport | None) -> AuditReport:
        """The report on all entries, or on those behind the end of an earlier, sound report."""
        with self.reading() as connection:
            if connection is None:
                return self._without_file()
            if before is None:
                return examine(connection, self._known(connection), self._keys.anchor())
            head = _end(connection)[1]
            if head is not None and (head.seq, head.hash) == before.end:
                return before
            return examine(connection, self._known(connection), Anchor(*before.end, 0), since=before.end)

    def _without_file(self) -> AuditReport:
        anchor = self._keys.anchor()
        if anchor is None:
            return report.made(rows=0, first_bad=None, problems={"anchor_missing"})
        damaged = self._path is not None and database.has_damaged(self._path)
        lost = {"log_damaged" if damaged else "log_missing"} if anchor.seq else set()
        return report.made(rows=0, first_bad=1 if lost else None, problems=lost, end=(0, anchor.hash))

    def _known(self, connection: sqlite3.Connection) -> Mapping[bytes, Secret]:
        """The secrets that can be reached; the keyring is asked for an older one only when a part of the log needs it."""
        secret = self._keys.secret()
        if all(head.public == secret.public for head in read_heads(connection)):
            return {secret.public: secret}
        return self._keys.known()

    # The file

    def _current(self) -> sqlite3.Connection | None:
        """The open connection, as long as the file that it was opened on is still the one at its place."""
        if self._connection is not None and self._path is not None and database.identity(self._path) != self._identity:
            self._forget()
        return self._connection

    def _writable(self) -> sqlite3.Connection:
        connection = self._current()
        if connection is None:
            if self._path is None:
                connection = database.open_memory()
            else:
                connection = database.open_writable(self._path)
                self._identity = database.identity(self._path)
            self._connection = connection
        return connection

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        self._head, self._anchored = None, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    # The anchor

    def _anchor_if_due(self, head: Head | None) -> Anchor | None:
        """What the key store knows, when it is time to ask; a first answer is needed, later ones may fail to come."""
        if self._anchored is None:
            return self._keys.anchor()
        seq, when = self._anchored
        if head is None or (head.seq - seq < ANCHOR_EVERY and time.monotonic() - when < ANCHOR_SECONDS):
            return None
        try:
            return self._keys.anchor()
        except NotAvailable:
            return None

    def _set_anchor(self, last: Row, *, known: Anchor | None) -> None:
        if known is None or (known.seq, known.hash) != (last.seq, last.hash):
            self._keys.set_anchor(Anchor(last.seq, last.hash, last.at, fingerprint(self._keys.secret().public)))
        self._anchored = (last.seq, time.monotonic())

    def _anchor_end(self, *, forced: bool) -> None:
        """Tell the key store of the newest entry that is on the disk, under the write lock, so that it never goes back.

        `forced` after a new part was begun; else only when the store and the log agree.
        """
        connection = self._current()
        if connection is None:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            head, last = _end(connection)
            if head is None or last is None:
                return
            known = self._keys.anchor()
            start = trusted_start(head, {self._keys.secret().public: self._keys.secret()})
            fits = known is not None and agrees(connection, known, pruned=start)
            if fits or (forced and head == self._head):
                self._set_anchor(last, known=known)
        finally:
            connection.execute("ROLLBACK")

    def _now(self) -> int:
        return max(0, int(self._clock() * 1000))


def _end(connection: sqlite3.Connection) -> tuple[Head | None, Row | None]:
    """The newest head and the last entry, as stored."""
    heads = read_heads(connection)
    row = connection.execute(f"SELECT {ROW} FROM log ORDER BY seq DESC LIMIT 1").fetchone()
    return heads[-1] if heads else None, None if row is None else Row.read(row)


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
