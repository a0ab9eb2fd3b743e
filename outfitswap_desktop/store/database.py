"""Opening one SQLite file of ours: WAL, schema brought up to date, newer ones refused, damaged ones moved aside."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from outfitswap_desktop.errors import KnownError, NotAvailable
from outfitswap_desktop.store.migrations import Schema

if TYPE_CHECKING:
    from sqlite_utils import Database

BUSY_MILLISECONDS: Final = 15_000
_SUSPECT: Final = ".suspect"
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def open_database(
    path: Path, schema: Schema, *, page_size: int, any_thread: bool = False
) -> tuple[Database, Path | None]:
    """Open `path` and bring its schema up to date; a damaged file is moved aside and a new one started.

    `any_thread`: the connection may be used from several threads; who does so takes turns.
    Returns the database and, when a damaged file was moved, where to. Raises NotAvailable ("history_newer", "history_busy",
    "history_unreadable", "disk_full").
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise _unreadable(path) from problem
    moved: Path | None = None
    if _suspect(path).exists():
        moved = _check_closely(path, schema)
    before = _identity(path)
    with explained(path):
        try:
            return _opened(path, schema, page_size, any_thread=any_thread), moved
        except (sqlite3.DatabaseError, UnicodeDecodeError) as problem:
            if not is_damage(problem):
                raise
        moved = _move_aside(path, before)
        return _opened(path, schema, page_size, any_thread=any_thread), moved


class _IncompleteError(sqlite3.DatabaseError):
    """A file that SQLite can read, but that lacks what its own migrations say it has."""


def is_damage(problem: sqlite3.Error | UnicodeDecodeError) -> bool:
    """Whether the file itself is damaged, and not just out of reach.

    Python cannot even decode SQLite's complaint when it quotes a damaged name.
    """
    return (
        isinstance(problem, _IncompleteError | UnicodeDecodeError)
        or (getattr(problem, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED
    )


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into what a user can do something about; damage leaves a mark for the next start."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as problem:
        if is_damage(problem):
            with contextlib.suppress(OSError):
                _suspect(path).touch()
        raise _problem(problem, path) from problem


def _problem(problem: sqlite3.Error | UnicodeDecodeError, path: Path) -> KnownError:
    code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
    if is_damage(problem):
        return NotAvailable(
            f"{path.name} is damaged.",
            reason="history_damaged",
            hint="Start again: it is then moved aside and a new one begun.",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return NotAvailable(
            f"{path.name} is in use by another program.", reason="history_busy", hint="Try again in a moment."
        )
    if code == sqlite3.SQLITE_FULL:
        return NotAvailable(f"The disk is full: {path.name} cannot grow.", reason="disk_full", hint="Free some space.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
        return _unreadable(path)
    raise problem


def _unreadable(path: Path) -> KnownError:
    return NotAvailable(
        f"{path} cannot be read or written.",
        reason="history_unreadable",
        hint="Check the folder's rights and the disk.",
    )


def _opened(path: Path, schema: Schema, page_size: int, *, any_thread: bool) -> Database:
    from sqlite_utils import Database

    connection = sqlite3.connect(path, timeout=BUSY_MILLISECONDS / 1000, check_same_thread=not any_thread)
    try:
        connection.execute(f"PRAGMA page_size = {page_size}")
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.text_factory = lambda stored: stored.decode("utf-8", "replace")
        db = Database(connection, execute_plugins=False, recursive_triggers=False)
        migrations = schema.migrations()
        if {step.name for step in migrations.applied(db)} - {name for name, _ in schema.steps}:
            raise NotAvailable(
                f"{path.name} was written by a newer version of this program.",
                reason="history_newer",
                hint="Update the program; the file was left as it is.",
            )
        if migrations.pending(db):
            with immediate(connection):
                migrations.apply(db)
        there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if not there.issuperset(schema.names):
            raise _IncompleteError("tables are missing")
    except BaseException:
        connection.close()
        raise
    return db


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """WAL needs the file to itself for a moment, and SQLite does not wait for that by itself."""
    deadline = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as problem:
            if (problem.sqlite_errorcode & 0xFF) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def immediate(connection: sqlite3.Connection, *, durable: bool = False) -> Iterator[None]:
    """One write transaction that holds the lock from its start; `durable` waits until it is on the disk."""
    if durable:
        connection.execute("PRAGMA synchronous = FULL")
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
    finally:
        if durable:
            connection.execute("PRAGMA synchronous = NORMAL")


def _check_closely(path: Path, schema: Schema) -> Path | None:
    """Look through a file that gave an error the last time; returns where to it was moved when it is damaged."""
    before = _identity(path)
    moved = None
    if before is not None and not _is_whole(path, schema):
        moved = _move_aside(path, before)
    with contextlib.suppress(OSError):
        _suspect(path).unlink()
    return moved


def _is_whole(path: Path, schema: Schema) -> bool:
    """Whether SQLite finds the file in order, what can be rebuilt from the rest having been rebuilt."""
    connection = sqlite3.connect(path, timeout=BUSY_MILLISECONDS / 1000)
    try:
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            return False
        with immediate(connection):
            for statement in schema.rebuild:
                connection.execute(statement)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as problem:
        return isinstance(problem, sqlite3.OperationalError) and not is_damage(problem)
    finally:
        connection.close()
    return True


def move_aside(path: Path) -> Path | None:
    """Rename a file of ours and its WAL to `<name>.damaged-<date>`; None when there is none."""
    return _move_aside(path, _identity(path))


def _move_aside(path: Path, expected: tuple[int, int] | None) -> Path | None:
    """The same, but only if it is still the file that was looked at: another program may have begun a new one."""
    if expected is None or _identity(path) != expected:
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    try:
        for suffix in ("-wal", "-shm"):
            beside = path.with_name(path.name + suffix)
            if beside.exists():
                beside.replace(target.with_name(target.name + suffix))
        path.replace(target)
    except OSError as problem:
        raise NotAvailable(
            f"{path.name} is damaged and cannot be moved aside.",
            reason="history_damaged",
            hint="Close every window of the program and try again.",
        ) from problem
    return target


def _suspect(path: Path) -> Path:
    return path.with_name(path.name + _SUSPECT)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino)
