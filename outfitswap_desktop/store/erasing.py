"""Taking entries out of the history for good: rows, search index, thumbnails, and what SQLite would keep of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from outfitswap_desktop.store.database import immediate

AT_ONCE: Final = 500


def delete_rows(connection: sqlite3.Connection, table: str, ids: Sequence[int] | None, *, keep: str = "0") -> int:
    """Delete rows of `table` by id (None: all) but those for which `keep` holds, and overwrite their pages.

    Returns how many there were.
    """
    connection.execute("PRAGMA secure_delete = ON")
    deleted = 0
    with immediate(connection, durable=True):
        if ids is None:
            deleted = connection.execute(f"DELETE FROM {table} WHERE NOT ({keep})").rowcount
        else:
            for at in range(0, len(ids), AT_ONCE):
                some = ids[at : at + AT_ONCE]
                marks = ", ".join("?" * len(some))
                which = f"id IN ({marks}) AND NOT ({keep})"
                deleted += connection.execute(f"DELETE FROM {table} WHERE {which}", some).rowcount
    return deleted


def forget(connection: sqlite3.Connection, *, search_index: str | None = None) -> None:
    """Write the file anew without its free pages, and empty the WAL: nothing that was deleted is left in either.

    Raises sqlite3.OperationalError when another program has the file open in a transaction.
    """
    if search_index is not None:
        with immediate(connection):
            connection.execute(f"INSERT INTO {search_index} ({search_index}) VALUES ('rebuild')")
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
