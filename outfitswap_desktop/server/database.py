"""The one way to the database: short write transactions on SQLite or PostgreSQL, and reads beside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError

_BELIEVED_S = 1.0
"""How long after its last use a connection is taken to be alive."""

_CONNECT_S = 5
"""How long PostgreSQL may take to be reached: a network that swallows packets would hold every thread for minutes."""


def insert_or_ignore(table: Table) -> Insert:
    """An INSERT that leaves alone what violates a unique constraint, on both databases.

    Add `.returning(...)` and look for a row to learn whether it was inserted: `rowcount` says so on SQLite only.
    """
    return insert(table).on_conflict_do_nothing()


class Database:
    """An engine and its rules.

    SQLite: WAL, every commit on the disk before it is acknowledged, one writer at a time, in the order of arrival.
    PostgreSQL: READ COMMITTED; what must not be overspent is taken by a conditional UPDATE.
    """

    def __init__(self, url: str, *, pool: int = 20) -> None:
        self.url = url
        self.sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = _sqlite(url) if self.sqlite else _postgresql(url, pool)
        self._writing = _Turns() if self.sqlite else None
        self.waited: Callable[[float], object] = _heard
        """Told the seconds that each write transaction waited for its begin."""

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A write transaction: committed at the end of the block, rolled back by any exception."""
        started = time.perf_counter()
        if self._writing is None:
            with self.engine.begin() as connection:
                self.waited(time.perf_counter() - started)
                yield connection
            return
        with self._writing, self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            self.waited(time.perf_counter() - started)
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads; it waits for nobody."""
        with self.engine.connect() as connection:
            if self.sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection
            connection.rollback()

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _heard(_: float) -> None:
    """Where nobody measures."""


class _Turns:
    """A lock that is handed on in the order of asking: SQLite's own waiting is by polling, and lets some wait for seconds."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: list[threading.Lock] = []
        self._taken = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._queue.append(turn)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._queue:
                self._queue.pop(0).release()
            else:
                self._taken = False


def _sqlite(url: str) -> Engine:
    engine = create_engine(
        url,
        connect_args={"check_same_thread": False, "timeout": 60, "isolation_level": None},
        pool_size=40,
        max_overflow=20,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        for line in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "PRAGMA foreign_keys=ON",
            "PRAGMA busy_timeout=60000",
        ):
            connection.execute(line)

    @event.listens_for(engine, "begin")
    def begin(_: Connection) -> None:
        """The driver begins nothing by itself; `transaction` and `reading` say how."""

    return engine


def _postgresql(url: str, pool: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool,
        max_overflow=pool,
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": _CONNECT_S},
    )

    @event.listens_for(engine, "checkin")
    def rest(_: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def wake(connection: Any, record: Any, __: Any) -> None:
        """Try a connection that nobody has used for a while; one that was used just now says by itself when it is broken.

        The engine's own `pool_pre_ping` would ask before every transaction, in three round trips.
        """
        if time.monotonic() - record.info.get("rests_since", 0.0) < _BELIEVED_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error

    return engine
