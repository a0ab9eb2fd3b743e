"""Tags of entries: names as they were first written, told apart without regard to case, and their words in the index."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.store.entry import stored_text

FACET: Final = "\ue000"
"""Begins every word of the column `facets` (see migrations)."""
LONGEST_TAG: Final = 60
MOST_TAGS: Final = 40


def clean(name: str) -> str:
    """A tag's name without needless blanks and control characters; "" when nothing is left."""
    text = unicodedata.normalize("NFC", stored_text(name.replace(FACET, " ")))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_TAG].strip()


def fold(name: str) -> str:
    """What two names of the same tag have in common."""
    return unicodedata.normalize("NFKC", clean(name)).casefold()


def tag_word(number: int) -> str:
    """The tag's word in the search index."""
    return f"{FACET}t{number}"


def names(connection: sqlite3.Connection, tag_words: Iterable[str]) -> dict[str, str]:
    """Index word -> name for all tags in the given rows of index words."""
    wanted = {word for row in tag_words for word in row.split()}
    if not wanted:
        return {}
    return {tag_word(number): str(name) for number, name in connection.execute("SELECT id, name FROM tags")}


def change(
    connection: sqlite3.Connection, ids: Sequence[int], *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> None:
    """Give tags to entries and take tags from them, inside a transaction. Raises UsageProblem ("too_many_tags")."""
    more = [_number(connection, name) for name in dict.fromkeys(map(clean, add)) if name]
    less = {fold(name) for name in remove}
    gone = [number for number, folded in connection.execute("SELECT id, folded FROM tags") if folded in less]
    for entry_id in ids:
        if connection.execute("SELECT 1 FROM entries WHERE id = ?", (entry_id,)).fetchone() is None:
            continue
        connection.executemany(
            "DELETE FROM entry_tags WHERE entry_id = ? AND tag_id = ?", [(entry_id, number) for number in gone]
        )
        connection.executemany(
            "INSERT OR IGNORE INTO entry_tags (entry_id, tag_id) VALUES (?, ?)", [(entry_id, number) for number in more]
        )
        _note(connection, entry_id)
    drop_unused(connection)


def set_all(connection: sqlite3.Connection, entry_id: int, wanted: Iterable[str]) -> None:
    """Let an entry have exactly these tags, inside a transaction. Raises UsageProblem ("too_many_tags")."""
    if connection.execute("SELECT 1 FROM entries WHERE id = ?", (entry_id,)).fetchone() is None:
        return
    numbers = [_number(connection, name) for name in dict.fromkeys(map(clean, wanted)) if name]
    connection.execute("DELETE FROM entry_tags WHERE entry_id = ?", (entry_id,))
    connection.executemany(
        "INSERT OR IGNORE INTO entry_tags (entry_id, tag_id) VALUES (?, ?)", [(entry_id, number) for number in numbers]
    )
    _note(connection, entry_id)
    drop_unused(connection)


def counts(connection: sqlite3.Connection) -> tuple[tuple[str, int], ...]:
    """Every tag with the number of entries outside the trash that have it, by name."""
    rows = connection.execute(
        "SELECT name, folded, (SELECT count(*) FROM entry_tags WHERE tag_id = tags.id) - coalesce(gone.entries, 0) FROM tags "
        "LEFT JOIN (SELECT tag_id, count(*) AS entries FROM entries INDEXED BY entries_trashed "
        "CROSS JOIN entry_tags ON entry_id = entries.id WHERE trashed IS NOT NULL GROUP BY tag_id) AS gone "
        "ON gone.tag_id = tags.id"
    ).fetchall()
    return tuple((str(name), int(count)) for name, _, count in sorted(rows, key=lambda row: str(row[1])))


def drop_unused(connection: sqlite3.Connection) -> None:
    """Forget tags that no entry has."""
    connection.execute("DELETE FROM tags WHERE NOT EXISTS (SELECT 1 FROM entry_tags WHERE tag_id = tags.id)")


def _number(connection: sqlite3.Connection, name: str) -> int:
    connection.execute("INSERT OR IGNORE INTO tags (name, folded) VALUES (?, ?)", (name, fold(name)))
    return int(connection.execute("SELECT id FROM tags WHERE folded = ?", (fold(name),)).fetchone()[0])


def _note(connection: sqlite3.Connection, entry_id: int) -> None:
    """Write the entry's tags beside its row, where the search index reads them."""
    rows = connection.execute(
        "SELECT tag_id FROM entry_tags WHERE entry_id = ? ORDER BY tag_id", (entry_id,)
    ).fetchall()
    if len(rows) > MOST_TAGS:
        raise UsageProblem(f"An entry can have {MOST_TAGS} tags.", reason="too_many_tags", hint="Take one away first.")
    words = " ".join(tag_word(row[0]) for row in rows)
    connection.execute("UPDATE entries SET tag_words = ? WHERE id = ? AND tag_words <> ?", (words, entry_id, words))
