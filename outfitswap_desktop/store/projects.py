"""The last open project, kept so that it can be offered again after a crash: a small document and a few named blobs.

with Projects(paths.project_file()) as projects:
    projects.save({"photo": ...}, {"mask": bytes, "photo": None})    # only what changed is written
    projects.load() -> Project | None
    projects.clear()
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from outfitswap_desktop.store.database import explained, immediate, open_database
from outfitswap_desktop.store.entry import read_moment
from outfitswap_desktop.store.migrations import Schema

_PROJECT_1: Final = (
    "CREATE TABLE project (id INTEGER PRIMARY KEY CHECK (id = 1), saved TEXT NOT NULL, document TEXT NOT NULL)",
    "CREATE TABLE blobs (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, content BLOB NOT NULL)",
)
PROJECT: Final = Schema("outfitswap.project", (("1_project", _PROJECT_1),), ("project", "blobs"))


@dataclass(frozen=True, slots=True)
class Project:
    """What was open: `saved` in UTC, the `document` as it was handed in, and the blobs by name."""

    saved: datetime
    document: Mapping[str, Any]
    blobs: Mapping[str, bytes]


class Projects:
    """The project file; belongs to one thread. A damaged one is moved aside, and `notes` say so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: tuple[str, ...] = ()
        self._db, moved = open_database(path, PROJECT, page_size=8192)
        if moved is not None:
            self.notes = (f"The saved project was damaged; it was moved to {moved}.",)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._db.conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(self, document: Mapping[str, Any], blobs: Mapping[str, bytes | None]) -> None:
        """Keep this as the open project, in one step. A blob that is None or not named goes; equal ones are not rewritten.

        Raises NotAvailable ("disk_full", "history_busy", ...).
        """
        text = json.dumps(dict(document), sort_keys=True, allow_nan=False)
        kept = {name: content for name, content in blobs.items() if content is not None}
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in kept.items()}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        connection = self._db.conn
        with explained(self.path), immediate(connection):
            connection.execute("INSERT OR REPLACE INTO project VALUES (1, ?, ?)", (now, text))
            there = dict(connection.execute("SELECT name, sha256 FROM blobs"))
            for name in there.keys() - kept.keys():
                connection.execute("DELETE FROM blobs WHERE name = ?", (name,))
            for name, content in kept.items():
                if there.get(name) != hashes[name]:
                    connection.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?)", (name, hashes[name], content))

    def load(self) -> Project | None:
        """The project that was open, or None; a blob whose bytes do not hash to what was noted is left out."""
        with explained(self.path):
            row = self._db.conn.execute("SELECT saved, document FROM project WHERE id = 1").fetchone()
            if row is None:
                return None
            blobs = {
                name: bytes(content)
                for name, sha256, content in self._db.conn.execute("SELECT name, sha256, content FROM blobs")
                if hashlib.sha256(content).hexdigest() == sha256
            }
        try:
            document = json.loads(row[1])
        except ValueError:
            return None
        return Project(read_moment(row[0]), document, blobs) if isinstance(document, dict) else None

    def clear(self) -> None:
        """Forget the project: its bytes are gone from the file, too."""
        with explained(self.path):
            with immediate(self._db.conn):
                self._db.conn.execute("DELETE FROM project")
                self._db.conn.execute("DELETE FROM blobs")
            try:
                self._db.conn.execute("VACUUM")
            except sqlite3.OperationalError:
                return  # another program is reading it; the next clear takes the space back
