"""Looks through the audit log, entry by entry, and says what is wrong with it; changes nothing."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from outfitswap_desktop.safety.records import report
from outfitswap_desktop.safety.records.chain import HEAD, NOTHING, ROW, Head, Row
from outfitswap_desktop.safety.records.keys import Anchor, Secret, fingerprint
from outfitswap_desktop.safety.records.report import AuditReport, Segment

_CHECKPOINT: Final = b'"kind":"checkpoint"'


@dataclass(slots=True)
class _Findings:
    """What was found so far."""

    problems: set[str] = field(default_factory=set)
    first_bad: int | None = None
    rows: int = 0
    since: int | None = None
    broken: set[int] = field(default_factory=set)
    counts: dict[int, int] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)

    def bad(self, word: str, *, seq: int | None = None, segment: int | None = None) -> None:
        """Note a problem, at entry `seq` where it has a place."""
        self.problems.add(word)
        if segment is not None:
            self.broken.add(segment)
        if seq is not None and (self.first_bad is None or seq < self.first_bad):
            self.first_bad = seq


def read_heads(connection: sqlite3.Connection) -> list[Head]:
    """All heads, oldest first."""
    return [Head(*row) for row in connection.execute(f"SELECT {HEAD} FROM heads ORDER BY segment")]


def read_row(connection: sqlite3.Connection, seq: int) -> Row | None:
    """One entry by its number."""
    row = connection.execute(f"SELECT {ROW} FROM log WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else Row.read(row)


def examine(
    connection: sqlite3.Connection,
    known: Mapping[bytes, Secret],
    anchor: Anchor | None,
    *,
    since: tuple[int, bytes] | None = None,
) -> AuditReport:
    """Look through all entries, or those behind `since` (number and hash of one that was found in order before).

    `known` are the keys of this machine by their public halves; `anchor` is what the key store knows of the newest entry. The
    caller holds a transaction, so that everything is of one moment. Without `since` the file as such is looked through too, so
    that no index hides an entry. Raises sqlite3.Error; never anything else.
    """
    try:
        return _examine(connection, known, anchor, since)
    except (TypeError, ValueError, OverflowError, AttributeError):
        return report.unreadable()


def _examine(
    connection: sqlite3.Connection,
    known: Mapping[bytes, Secret],
    anchor: Anchor | None,
    since: tuple[int, bytes] | None,
) -> AuditReport:
    found = _Findings()
    if since is None and connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
        found.bad("unreadable")
    heads = read_heads(connection)
    _judge_heads(heads, known, found)
    pruned, pruned_hash = (heads[-1].pruned, heads[-1].pruned_hash) if heads else (0, NOTHING)
    seq, prev = (pruned, pruned_hash)
    if since is not None and since[0] > pruned:
        row = read_row(connection, since[0])
        if row is None or row.hash != since[1]:
            found.bad("missing", seq=since[0])
        seq, prev = since
    stray = connection.execute("SELECT max(seq) FROM log WHERE seq <= ?", (pruned,)).fetchone()[0]
    if stray is not None:
        found.bad("out_of_place", seq=stray)
    end = _walk(_rows(connection, seq), seq, prev, heads=heads, known=known, found=found)
    _judge_ends(connection, heads, found)
    _judge_anchor(connection, anchor, end, heads=heads, known=known, found=found)
    return report.made(
        rows=found.rows,
        first_bad=found.first_bad,
        problems=found.problems,
        segments=tuple(_segment(head, known, found) for head in heads),
        pruned=pruned,
        since=found.since,
        end=end,
    )


def _judge_heads(heads: list[Head], known: Mapping[bytes, Secret], found: _Findings) -> None:
    """Signatures; numbers without a gap, but for what was pruned, each part behind the one before."""
    for number, head in enumerate(heads):
        if not head.is_signed():
            found.bad("head", segment=head.segment)
        if head.public not in known:
            found.bad("key_unknown")
        earlier = heads[number - 1] if number else None
        if earlier is not None and (head.segment != earlier.segment + 1 or head.first <= earlier.seq):
            found.bad("missing")
        if earlier is None and head.segment != 1 and heads[-1].pruned < head.first - 1:
            found.bad("missing")


def _rows(connection: sqlite3.Connection, after: int) -> Iterator[Row]:
    """All entries behind `after`, in order."""
    for row in connection.execute(f"SELECT {ROW} FROM log WHERE seq > ? ORDER BY seq", (after,)):
        yield Row.read(row)


def _walk(
    rows: Iterator[Row],
    seq: int,
    prev: bytes,
    *,
    heads: list[Head],
    known: Mapping[bytes, Secret],
    found: _Findings,
) -> tuple[int, bytes]:
    """Follow the chain from entry `seq` with hash `prev`; returns number and hash of its last entry."""
    by_number = {head.segment: head for head in heads}
    for row in rows:
        head = by_number.get(row.segment)
        found.rows += 1
        found.counts[row.segment] = found.counts.get(row.segment, 0) + 1
        if found.since is None:
            found.since = row.at
        if row.seq != seq + 1:
            opens = head is not None and head.first == row.seq
            found.bad("missing", seq=seq + 1, segment=None if opens else row.segment)
        if not row.follows(prev):
            found.bad("edited", seq=row.seq, segment=row.segment)
        if head is None or not head.first <= row.seq <= head.seq:
            found.bad("out_of_place", seq=row.seq, segment=row.segment)
        elif head.public in known and not row.is_sealed_by(known[head.public]):
            found.bad("edited", seq=row.seq, segment=row.segment)
        _read_own(row, head, found)
        seq, prev = row.seq, row.hash
    return seq, prev


def _read_own(row: Row, head: Head | None, found: _Findings) -> None:
    """What the log says of itself: how a part began, and what was pruned."""
    opens = head is not None and row.seq == head.first
    if not opens and _CHECKPOINT not in row.body:
        return
    body: Any = None
    with contextlib.suppress(ValueError):
        body = json.loads(row.body)
    if not isinstance(body, dict):
        found.bad("edited", seq=row.seq, segment=row.segment)
    elif opens:
        reason = body.get("reason") if body.get("kind") == "segment" else None
        found.reasons[row.segment] = str(reason or "?")
        if reason not in ("first", "key_changed"):
            found.bad(reason if reason in report.SAID else "out_of_place", seq=row.seq)
    elif body.get("kind") == "checkpoint" and body.get("whole") is not True:
        found.bad("pruned_damaged", seq=row.seq)


def _judge_ends(connection: sqlite3.Connection, heads: list[Head], found: _Findings) -> None:
    """The last entry of each part is the one that its head was signed for."""
    if not heads and found.rows:
        found.bad("head", seq=None)
    for head in heads:
        row = read_row(connection, head.seq)
        if row is None:
            last = connection.execute(
                "SELECT max(seq) FROM log WHERE seq BETWEEN ? AND ?", (head.first, head.seq)
            ).fetchone()[0]
            found.bad("missing", seq=head.first if last is None else last + 1, segment=head.segment)
        elif row.hash != head.hash or row.segment != head.segment:
            found.bad("head", seq=head.seq, segment=head.segment)


def _judge_anchor(
    connection: sqlite3.Connection,
    anchor: Anchor | None,
    end: tuple[int, bytes],
    *,
    heads: list[Head],
    known: Mapping[bytes, Secret],
    found: _Findings,
) -> None:
    """What the key store has heard of is still there, and the log ends under a key that it has heard of."""
    newest = heads[-1] if heads else None
    if anchor is None:
        found.bad("anchor_missing")
        return
    if newest is not None and newest.public not in known and anchor.key in {fingerprint(public) for public in known}:
        found.bad("head", segment=newest.segment)
    if not agrees(connection, anchor, pruned=trusted_start(newest, known)):
        found.bad("rolled_back", seq=end[0] + 1 if anchor.seq > end[0] else anchor.seq)


def trusted_start(head: Head | None, known: Mapping[bytes, Secret]) -> tuple[int, bytes]:
    """Number and hash of the last pruned entry, if a key of this machine says so; else the very beginning."""
    if head is not None and head.public in known and head.is_signed():
        return head.pruned, head.pruned_hash
    return 0, NOTHING


def agrees(connection: sqlite3.Connection, anchor: Anchor, *, pruned: tuple[int, bytes]) -> bool:
    """Whether the entry that the key store has heard of is in the log, or was pruned from it."""
    if anchor.seq < pruned[0]:
        return True
    if anchor.seq == pruned[0]:
        return anchor.hash == pruned[1]
    row = read_row(connection, anchor.seq)
    return row is not None and row.hash == anchor.hash


def _segment(head: Head, known: Mapping[bytes, Secret], found: _Findings) -> Segment:
    return Segment(
        number=head.segment,
        first=head.first,
        last=head.seq,
        rows=found.counts.get(head.segment, 0),
        key=fingerprint(head.public),
        verifiable=head.public in known,
        whole=head.segment not in found.broken,
        reason=found.reasons.get(head.segment, "pruned"),
    )
