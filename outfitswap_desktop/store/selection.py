"""Which entries are meant: filters and typed words, turned into one query that the search index answers as a whole."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from outfitswap_desktop.store.entry import stored_text
from outfitswap_desktop.store.tags import FACET, fold, tag_word

LARGEST_ID: Final = 2**63 - 1
_CLOCK_SLACK: Final = 500
"""Neighbours in time that are looked at for the ids of a range of dates: so far may a clock that was set back mix ids."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries to show; what is left out does not matter. All conditions must hold.

    `text`: every word begins a word of the prompt, of the photo's name or of a tag. `since` <= created < `until` (aware times).
    `root`: SHA-256 of the photo at the beginning. `trashed` False: those outside the trash, True: those in it, None: both.
    """

    text: str = ""
    starred: bool = False
    tags: tuple[str, ...] = ()
    engine: str | None = None
    zone: str | None = None
    batch: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    root: str | None = None
    trashed: bool | None = False


@dataclass(frozen=True, slots=True)
class Selection:
    """FROM, WHERE and values of a query; `id` is the column that orders it."""

    source: str
    where: tuple[str, ...]
    values: tuple[Any, ...]
    id: str

    def before(self, entry_id: int | None) -> Selection:
        """The same, but only entries older than that one."""
        if entry_id is None:
            return self
        limit = max(0, min(entry_id, LARGEST_ID))
        return replace(self, where=(*self.where, f"{self.id} < ?"), values=(*self.values, limit))

    def ending(self) -> str:
        """FROM and WHERE as SQL."""
        return f"FROM {self.source} WHERE {' AND '.join(self.where)}"


def select(connection: sqlite3.Connection, wanted: Filter) -> Selection | None:
    """The query for a filter; None when nothing can match it (a tag that is not there, words without letters)."""
    tags = _tags(connection) if wanted.text.strip() or wanted.tags else {}
    query = _query(wanted, tags)
    if query is None:
        return None
    where, values = ["entries.state <> 'publishing'"], list[Any]()
    if query:
        source, number = "entries_text JOIN entries ON entries.id = entries_text.rowid", "entries_text.rowid"
        where.insert(0, "entries_text MATCH ?")
        values.append(query)
    else:
        source, number = "entries", "entries.id"
        if wanted.trashed is False:
            where.append("entries.trashed IS NULL")
        if wanted.batch is not None:
            where.append("entries.batch = ?")
            values.append(wanted.batch)
    for at, sign in ((wanted.since, ">="), (wanted.until, "<")):
        if at is not None:
            moment = at.astimezone(UTC).isoformat(timespec="milliseconds")
            where += [f"entries.created {sign} ?", f"{number} {sign[0]}= ?"]
            values += [moment, _edge(connection, moment, first=sign == ">=")]
    return Selection(source, tuple(where), tuple(values), number)


def search_query(text: str) -> str:
    """What a user typed as an FTS5 query: every word quoted and taken as a beginning; "" when there is no word in it."""
    return " ".join(_quoted(word) + "*" for word in _words(text))


def _query(wanted: Filter, tags: dict[str, int]) -> str | None:
    """The FTS5 query, "" when the index is not needed, None when nothing can match."""
    parts = []
    if wanted.text.strip():
        words = _words(wanted.text)
        if not words:
            return None
        parts += [_word_query(word, tags) for word in words]
    facets = []
    for name in wanted.tags:
        number = tags.get(fold(name))
        if number is None:
            return None
        facets.append(tag_word(number))
    for letter, value in (("z", wanted.zone), ("e", wanted.engine)):
        if value is not None:
            facets.append(FACET + letter + stored_text(value).encode().hex())
    if wanted.root is not None:
        facets.append(FACET + "r" + "".join(c for c in wanted.root if c.isalnum()))
    if wanted.starred:
        facets.append(FACET + "star")
    if wanted.trashed:
        facets.append(FACET + "trash")
    if wanted.batch is not None and (parts or facets):
        facets.append(FACET + "b" + stored_text(wanted.batch).encode().hex())
    parts += [f"facets : {_quoted(facet)}" for facet in facets]
    if not parts:
        return ""
    query = " AND ".join(f"({part})" for part in parts)
    return f"({query}) NOT facets : {_quoted(FACET + 'trash')}" if wanted.trashed is False else query


def _word_query(word: str, tags: dict[str, int]) -> str:
    typed = fold(word)
    meant = [number for name, number in tags.items() if any(part.startswith(typed) for part in (name, *name.split()))]
    query = f"{{prompt photo_name}} : {_quoted(word)}*"
    if meant:
        any_of = " OR ".join(_quoted(tag_word(number)) for number in meant)
        query = f"({query}) OR facets : ({any_of})"
    return query


def _words(text: str) -> list[str]:
    return [word for word in stored_text(text.replace(FACET, " ")).split() if any(c.isalnum() for c in word)]


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _tags(connection: sqlite3.Connection) -> dict[str, int]:
    return {str(folded): int(number) for number, folded in connection.execute("SELECT id, folded FROM tags")}


def _edge(connection: sqlite3.Connection, moment: str, *, first: bool) -> int:
    """The lowest (highest) id around the first (last) entry of a range: ids grow with time, so the rest is not read."""
    if first:
        query = "SELECT min(id) FROM (SELECT id FROM entries WHERE created >= ? ORDER BY created LIMIT ?)"
    else:
        query = "SELECT max(id) FROM (SELECT id FROM entries WHERE created < ? ORDER BY created DESC LIMIT ?)"
    found = connection.execute(query, (moment, _CLOCK_SLACK)).fetchone()[0]
    return int(found) if found is not None else (LARGEST_ID if first else 0)
