"""The SQLite file of the records: opened as a plain file of ours with exactly our tables, moved aside and kept when damaged."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import stat
import time
from pathlib import Path
from typing import Final

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.safety.records.keys import prepare
from outfitswap_desktop.safety.records.locking import locked
from outfitswap_desktop.safety.records.places import audit_unavailable

FILE: Final = "audit.db"
LOCK_FILE: Final = "audit.lock"
DAMAGED: Final = ".damaged-"
BUSY_SECONDS: Final = 5.0
VERSION: Final = 1

SCHEMA: Final = (
    "CREATE TABLE log (seq INTEGER PRIMARY KEY, segment INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL, "
    "hash BLOB NOT NULL, mac BLOB NOT NULL, ref BLOB, result BLOB, pixels BLOB, mark BLOB) STRICT",
    "CREATE INDEX log_ref ON log (ref) WHERE ref IS NOT NULL",
    "CREATE INDEX log_result ON log (result) WHERE result IS NOT NULL",
    "CREATE INDEX log_pixels ON log (pixels) WHERE pixels IS NOT NULL",
    "CREATE INDEX log_mark ON log (mark) WHERE mark IS NOT NULL",
    "CREATE TABLE heads (segment INTEGER PRIMARY KEY, public BLOB NOT NULL, first INTEGER NOT NULL, seq INTEGER NOT NULL, "
    "hash BLOB NOT NULL, pruned INTEGER NOT NULL, pruned_hash BLOB NOT NULL, signature BLOB NOT NULL) STRICT",
    "CREATE TABLE consents (id BLOB PRIMARY KEY, photo BLOB, perceptual BLOB, kind TEXT, given INTEGER, release BLOB, "
    "adult INTEGER, seq INTEGER, erased INTEGER, mac BLOB NOT NULL) STRICT",
    "CREATE INDEX consents_photo ON consents (photo) WHERE photo IS NOT NULL",
)

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_WAY_OUT: Final = "Make room on the disk, make the program's folder writable, and close other windows of the program."


class ForeignTablesError(sqlite3.DatabaseError):
    """The file is a database, but its tables are not exactly ours (a trigger, a view, a table more or less)."""


def is_damage(problem: sqlite3.Error) -> bool:
    """Whether the file itself is at fault, not the disk, a lock or a right."""
    if isinstance(problem, ForeignTablesError):
        return True
    code = getattr(problem, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) in _DAMAGE


class LogDamagedError(NotAvailable):
    """The file of the records is there but is not what was written; it cannot be read."""


def unavailable(problem: BaseException) -> NotAvailable:
    """What the user hears when the records cannot be written or read; a LogDamagedError when the file itself is at fault."""
    why = f"The audit log cannot be kept: {str(problem).rstrip('.') or type(problem).__name__}."
    kind = LogDamagedError if isinstance(problem, sqlite3.Error) and is_damage(problem) else NotAvailable
    return kind(why, reason="audit_unavailable", hint=_WAY_OUT)


def open_writable(path: Path) -> sqlite3.Connection:
    """The file with our tables, made when it is missing; a damaged one is moved aside first.

    Raises NotAvailable ("audit_unavailable") when it cannot be written, is a link, or is of a newer version.
    """
    prepare(path.parent)
    for attempt in (1, 2):
        before = identity(path)
        try:
            return _opened(path)
        except OSError as problem:
            raise unavailable(problem) from problem
        except sqlite3.Error as problem:
            if attempt == 2 or not is_damage(problem):
                raise unavailable(problem) from problem
            move_aside(path, before)
    raise AssertionError  # pragma: no cover


def _opened(path: Path) -> sqlite3.Connection:
    """Raises OSError, sqlite3.Error or NotAvailable."""
    refuse_link(path)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    os.close(handle)
    connection = _connect(path.absolute().as_uri())
    try:
        _to_wal(connection)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise audit_unavailable("it was written by a newer version of the program", "Use the newer version.")
        make_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_memory() -> sqlite3.Connection:
    """A database that lives as long as its connection."""
    connection = _connect("file::memory:")
    make_tables(connection)
    return connection


def open_readable(path: Path) -> sqlite3.Connection | None:
    """The file to read from, None when there is none or nothing in it; raises sqlite3.Error or NotAvailable. Nothing is made.

    It is opened for writing where that is possible, so that SQLite can finish what a program that died had begun.
    """
    if identity(path) is None:
        return None
    refuse_link(path)
    address = path.absolute().as_uri()
    try:
        return _looked_at(f"{address}?mode=rw")
    except sqlite3.OperationalError:
        if path.with_name(f"{path.name}-wal").exists():
            raise
        return _looked_at(f"{address}?immutable=1")


def _looked_at(address: str) -> sqlite3.Connection | None:
    connection = _connect(address)
    kept = False
    try:
        check_tables(connection)
        kept = bool(_tables(connection))
    finally:
        if not kept:
            connection.close()
    return connection if kept else None


def _connect(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _to_wal(connection: sqlite3.Connection) -> None:
    """WAL needs the file to itself for a moment, and SQLite does not wait for that by itself."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as problem:
            if (problem.sqlite_errorcode & 0xFF) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def make_tables(connection: sqlite3.Connection) -> None:
    """Our tables in an empty database; raises ForeignTablesError unless the database then has exactly these."""
    if _tables(connection) == set():
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _tables(connection) == set():
                for statement in SCHEMA:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
    check_tables(connection)


def check_tables(connection: sqlite3.Connection) -> None:
    """Raise ForeignTablesError unless the database holds our tables and indices, to the letter, and nothing else."""
    found = _tables(connection)
    if found and found != set(SCHEMA):
        raise ForeignTablesError("its tables have been changed")


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {str(row[0]) for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


def identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at `path` (device and number), None when there is none."""
    try:
        facts = path.lstat()
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino)


def refuse_link(path: Path) -> None:
    """Raise NotAvailable for anything at `path` that is not a plain file: what is written there may be lost, or elsewhere."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise audit_unavailable(f"{path.name} is not a plain file", "Take it away and start again.")


def move_aside(path: Path, expected: tuple[int, int] | None) -> None:
    """Keep a damaged file, its WAL with it, as `<name>.damaged-<token>`, if it is still the file that was looked at."""
    with locked(path.parent / LOCK_FILE):
        if expected is None or identity(path) != expected:
            return
        target = path.with_name(f"{path.name}{DAMAGED}{secrets.token_hex(4)}")
        try:
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    path.with_name(path.name + suffix).replace(target.with_name(target.name + suffix))
            path.replace(target)
        except OSError as problem:
            raise unavailable(problem) from problem


def has_damaged(path: Path) -> bool:
    """Whether a damaged copy was moved aside beside `path`."""
    return any(path.parent.glob(f"{path.name}{DAMAGED}*"))
