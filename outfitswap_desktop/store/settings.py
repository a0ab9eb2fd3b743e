"""What the user has set, the recent photos, and how the window lay, in one SQLite file that never keeps a start from going on.

Read before the first paint, so it does without sqlite-utils, whose import alone takes longer than everything here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.store.database import move_aside

RECENT_KEPT: Final = 24
_BUSY_SECONDS: Final = 0.4
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS recent (number INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE)",
)
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set, with its defaults; raises ValueError for a value that is none of those allowed.

    `output_folder` "" is the program's own results folder. `quality` 1..100 is for JPEG and WebP. `overlay_opacity` is in
    percent, 5..95. `label` writes "AI edited" into the corner of exported pictures.
    """

    theme: str = "system"
    language: str = "system"
    output_folder: str = ""
    format: str = "png"
    quality: int = 95
    keep_metadata: bool = True
    label: bool = False
    overlay_colour: str = "#ff4d6d"
    overlay_opacity: int = 50
    notify: bool = True
    confirm_trash: bool = True
    confirm_cancel: bool = False
    confirm_close: bool = True
    offer_last: bool = True
    remember_recent: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not type(field.default) or not _ALLOWED.get(field.name, _anything)(value):
                raise ValueError(f"{field.name} cannot be {value!r}")


def _anything(_value: Any) -> bool:
    return True


_ALLOWED: Final[Mapping[str, Callable[[Any], bool]]] = {
    "theme": lambda value: value in ("system", "dark", "light"),
    "language": lambda value: re.fullmatch(r"system|[a-z]{2,3}", value) is not None,
    "format": lambda value: value in ("png", "jpeg", "webp"),
    "quality": lambda value: 1 <= value <= 100,
    "overlay_colour": lambda value: _COLOUR.fullmatch(value) is not None,
    "overlay_opacity": lambda value: 5 <= value <= 95,
}


class SettingsStore:
    """The settings of this machine's user. Every method answers at once and none raises for a file that cannot be used.

    `note` is a sentence for the user when something went wrong, else "": what was set is then good until the program ends.
    """

    def __init__(self, path: Path) -> None:
        self.note = ""
        self._path = path
        self._connection = self._open()
        self._values = self._read()

    @property
    def values(self) -> Settings:
        return self._values

    def change(self, **changes: Any) -> Settings:
        """Set some; raises ValueError for a value that is not allowed, TypeError for a name that is not there."""
        self._values = replace(self._values, **changes)
        self._write(
            "INSERT OR REPLACE INTO settings VALUES (?, ?)",
            [(name, json.dumps(getattr(self._values, name))) for name in changes],
        )
        return self._values

    def reset(self) -> Settings:
        """All settings as they were at first; recent photos and the window's place stay."""
        self._values = Settings()
        self._write("DELETE FROM settings", [()])
        return self._values

    def kept(self, name: str) -> bytes | None:
        """Bytes that were kept under a name, such as the window's geometry."""
        rows = self._rows("SELECT value FROM kept WHERE name = ?", (name,))
        return bytes(rows[0][0]) if rows else None

    def keep(self, name: str, value: bytes) -> None:
        """Keep bytes under a name."""
        self._write("INSERT OR REPLACE INTO kept VALUES (?, ?)", [(name, value)])

    def recent(self, limit: int = 12) -> tuple[Path, ...]:
        """Photos opened lately, the newest first; some may be gone by now."""
        rows = self._rows("SELECT path FROM recent ORDER BY number DESC LIMIT ?", (limit,))
        return tuple(Path(os.fsdecode(row[0])) for row in rows)

    def opened(self, photo: Path) -> None:
        """Put a photo first among the recent ones, unless the user wants none remembered."""
        if not self._values.remember_recent:
            return
        path = os.fsencode(photo)
        self._write("DELETE FROM recent WHERE path = ?", [(path,)])
        self._write("INSERT INTO recent (path) VALUES (?)", [(path,)])
        self._write(
            "DELETE FROM recent WHERE number NOT IN (SELECT number FROM recent ORDER BY number DESC LIMIT ?)",
            [(RECENT_KEPT,)],
        )

    def forget_recent(self, photo: Path | None = None) -> None:
        """Take one photo, or all, off the list of recent ones."""
        if photo is None:
            self._write("DELETE FROM recent", [()])
        else:
            self._write("DELETE FROM recent WHERE path = ?", [(os.fsencode(photo),)])

    def close(self) -> None:
        """Close the file; what is set afterwards is not kept."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection | None:
        for attempt in (1, 2):
            try:
                return self._connected()
            except (sqlite3.DatabaseError, UnicodeDecodeError, OSError) as problem:
                if attempt == 2 or isinstance(problem, sqlite3.OperationalError | OSError):
                    self._give_up(problem)
                    return None
                with contextlib.suppress(KnownError):
                    aside = move_aside(self._path)
                    name = aside.name if aside else self._path.name
                    self.note = f"The settings were damaged and are as at first now. The old file was kept as {name}."
        return None

    def _connected(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            for statement in _TABLES:
                connection.execute(statement)
            for table in ("settings", "kept", "recent"):
                connection.execute(f"SELECT * FROM {table}").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def _read(self) -> Settings:
        found = Settings()
        known = {field.name for field in fields(Settings)}
        for name, text in self._rows("SELECT name, value FROM settings", ()):
            if name in known:
                with contextlib.suppress(ValueError, TypeError):
                    found = replace(found, **{name: json.loads(text)})
        return found

    def _rows(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            return []
        try:
            return self._connection.execute(statement, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as problem:
            self._give_up(problem)
            return []

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if self._connection is None:
            return
        try:
            self._connection.executemany(statement, rows)
        except sqlite3.Error as problem:
            self._give_up(problem)

    def _give_up(self, problem: Exception) -> None:
        logging.getLogger(__name__).warning("settings cannot be read or kept: %s", problem)
        self.note = "The settings cannot be kept just now; what you change is good until the program ends."
