"""The user's own presets: outfits by name, kept until they are deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from outfitswap_desktop.store.database import explained, immediate, open_database
from outfitswap_desktop.store.migrations import Schema

_PRESETS_1: Final = ("CREATE TABLE presets (name TEXT PRIMARY KEY, words TEXT NOT NULL)",)
PRESETS: Final = Schema("outfitswap.presets", (("1_presets", _PRESETS_1),), ("presets",))
LONGEST_NAME: Final = 60


class Presets:
    """The file of the user's presets; belongs to one thread. A damaged one is moved aside, and `notes` say so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: tuple[str, ...] = ()
        self._db, moved = open_database(path, PRESETS, page_size=4096)
        if moved is not None:
            self.notes = (f"Your presets were damaged; they were moved to {moved}.",)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._db.conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def all(self) -> tuple[tuple[str, str], ...]:
        """(name, words) of every preset, by name."""
        with explained(self.path):
            rows = self._db.conn.execute("SELECT name, words FROM presets ORDER BY name COLLATE NOCASE")
            return tuple((str(name), str(words)) for name, words in rows)

    def keep(self, name: str, words: str) -> None:
        """Add a preset, or change the one of that name; the name is trimmed to LONGEST_NAME characters."""
        with explained(self.path), immediate(self._db.conn):
            self._db.conn.execute("INSERT OR REPLACE INTO presets VALUES (?, ?)", (name.strip()[:LONGEST_NAME], words))

    def drop(self, name: str) -> None:
        """Delete a preset; does nothing when there is none of that name."""
        with explained(self.path), immediate(self._db.conn):
            self._db.conn.execute("DELETE FROM presets WHERE name = ?", (name,))
