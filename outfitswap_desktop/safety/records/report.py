"""What an examination of the audit log found, and how it is said to people and to programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

HARMLESS: Final = frozenset({"key_unknown"})
"""What makes a log not verifiable here without being a sign that anything in it was touched."""

SAID: Final = {
    "edited": "an entry was changed",
    "missing": "entries are missing",
    "head": "the signed end does not fit the entries",
    "out_of_place": "entries do not belong where they stand",
    "unreadable": "the file cannot be read as a log",
    "unreachable": "the file or its key cannot be reached",
    "rolled_back": "the log is older than the key store says: entries at its end were lost",
    "anchor_missing": "the key store has lost what it knew of the log, so a log that was set back could not be told",
    "log_missing": "an earlier log was deleted",
    "log_damaged": "an earlier log was damaged and is kept aside",
    "head_damaged": "the end of an earlier part was damaged",
    "pruned_damaged": "entries that were pruned after their time had been damaged",
    "key_unknown": "the key of a part of it is not on this machine any more, so that part cannot be verified",
}
"""Each problem in words; the order is that of how grave it is to a reader."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of the log under one key: `verifiable` when that key is here, `whole` when nothing in it was touched."""

    number: int
    first: int
    last: int
    rows: int
    key: str
    verifiable: bool
    whole: bool
    reason: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """`ok`: every entry is there, unchanged, in its order, under a key of this machine. `first_bad` is an entry's number.

    `rows` are those that are there; `pruned` were taken away after their time; `problems` are words of SAID.
    """

    ok: bool
    rows: int
    first_bad: int | None
    sentence: str
    segments: tuple[Segment, ...] = ()
    problems: tuple[str, ...] = ()
    pruned: int = 0
    since: int | None = None
    end: tuple[int, bytes] = field(default=(0, bytes(32)), repr=False)

    @property
    def damaged(self) -> bool:
        """Whether anything was touched or lost, beyond a key that is not here."""
        return bool(set(self.problems) - HARMLESS)

    def as_json(self) -> dict[str, Any]:
        """The document of `outfitswap audit verify --json`."""
        return {
            "ok": self.ok,
            "entries": self.rows,
            "pruned": self.pruned,
            "since": None if self.since is None else day(self.since),
            "first_bad": self.first_bad,
            "problems": list(self.problems),
            "sentence": self.sentence,
            "segments": [
                {
                    "number": one.number,
                    "first": one.first,
                    "last": one.last,
                    "entries": one.rows,
                    "key": one.key,
                    "verifiable": one.verifiable,
                    "whole": one.whole,
                    "begun_because": one.reason,
                }
                for one in self.segments
            ],
        }


def day(milliseconds: int) -> str:
    """The UTC day of a time in milliseconds since 1970; a time that no calendar holds is "?"."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return "?"


def made(
    *,
    rows: int,
    first_bad: int | None,
    problems: set[str],
    segments: tuple[Segment, ...] = (),
    pruned: int = 0,
    since: int | None = None,
    end: tuple[int, bytes] = (0, bytes(32)),
) -> AuditReport:
    """A report with its sentence."""
    words = tuple(word for word in SAID if word in problems)
    if len(words) != len(problems):
        raise ValueError("a problem without words")
    return AuditReport(
        ok=not words,
        rows=rows,
        first_bad=first_bad,
        sentence=_sentence(words, rows=rows, first_bad=first_bad, pruned=pruned, since=since),
        segments=segments,
        problems=words,
        pruned=pruned,
        since=since,
        end=end,
    )


def unreadable(word: str = "unreadable") -> AuditReport:
    """The report on a log that could not be looked through."""
    return made(rows=0, first_bad=None, problems={word})


def _sentence(words: tuple[str, ...], *, rows: int, first_bad: int | None, pruned: int, since: int | None) -> str:
    counted = f"{rows} {'entry' if rows == 1 else 'entries'}"
    if words:
        where = f" First at entry {first_bad}." if first_bad is not None else ""
        if set(words) <= HARMLESS:
            return f"The audit log ({counted}) is unbroken, but {SAID[words[0]]}.{where}"
        return f"The audit log ({counted}) is not whole: {'; '.join(SAID[word] for word in words)}.{where}"
    if not rows:
        return "The audit log is empty: nothing was logged yet."
    after = f"; {pruned} older ones were pruned after their time" if pruned else ""
    return f"The audit log is whole: {counted}{f' since {day(since)}' if since is not None else ''}{after}."
