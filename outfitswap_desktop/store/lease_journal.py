"""What this machine knows of its credits, kept through crashes: leases, their receipts, holds, and decisions not yet told.

    journal = LeaseJournal(paths.licence_file())        # thread-safe; any number of processes may have the file open
    with journal.writing() as tx:                       # all of it, on the disk, or nothing
        tx.add_hold(Hold(...)); tx.add_receipt(lease_id, 1, blob); tx.set_chain(lease_id, chain, mac)
        tx.decide(hold_id, "committed", output_sha256=...) -> bool     # once only: False when it was decided before
    journal.undecided() -> holds of programs that no longer run;  journal.untold() -> decisions the server has not heard

What the rows mean is licensing's: here nothing is signed or believed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, Self

from outfitswap_desktop.store.database import explained, immediate, open_database
from outfitswap_desktop.store.migrations import Schema
from outfitswap_desktop.store.owner import Owner, is_alive, this_process

HoldState = Literal["asked", "held", "committed", "voided"]
"""asked: the server was asked, its answer is not known. held: set aside. The others are final."""
LeaseState = Literal["open", "closing", "closed", "frozen"]
"""closing: no new holds, the server is being told. frozen: the server has seen two histories of it."""
KEPT_ENDED: Final = 2000
"""Told decisions that are kept; older ones go."""

_LICENCE_1: Final = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE leases (
        id TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        blob TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'closing', 'closed', 'frozen')),
        chain TEXT NOT NULL,
        mac TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX leases_one ON leases ((1)) WHERE state IN ('open', 'closing')",
    """
    CREATE TABLE receipts (
        lease_id TEXT NOT NULL REFERENCES leases (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        blob TEXT NOT NULL,
        told INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (lease_id, seq)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE holds (
        id TEXT PRIMARY KEY,
        lease_id TEXT REFERENCES leases (id),
        job TEXT NOT NULL,
        engine TEXT NOT NULL,
        credits INTEGER NOT NULL CHECK (credits > 0),
        state TEXT NOT NULL CHECK (state IN ('asked', 'held', 'committed', 'voided')),
        at INTEGER NOT NULL,
        output_sha256 TEXT NOT NULL DEFAULT '',
        reason TEXT NOT NULL DEFAULT '',
        told INTEGER NOT NULL DEFAULT 0,
        pid INTEGER NOT NULL, started TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX holds_waiting ON holds (told, state)",
)
LICENCE: Final = Schema(
    "outfitswap.licence", (("1_leases_and_holds", _LICENCE_1),), ("facts", "leases", "receipts", "holds")
)
_HOLD: Final = "id, lease_id, job, engine, credits, state, at, output_sha256, reason, told, pid, started"
_LEASE: Final = "id, blob, state, chain, mac"
_LIVE: Final = "state IN ('open', 'closing')"
_UNDECIDED: Final = "state IN ('asked', 'held')"


@dataclass(frozen=True, slots=True)
class Hold:
    """Credits for one job. `lease_id` None: set aside on the server. `at` in milliseconds since 1970 UTC.

    `told`: the server has heard the decision (for those of a lease its receipts say so).
    """

    id: str
    lease_id: str | None
    job: str
    engine: str
    credits: int
    state: HoldState
    at: int
    output_sha256: str = ""
    reason: str = ""
    told: bool = False
    owner: Owner = Owner(0, "")  # noqa: RUF009  frozen


@dataclass(frozen=True, slots=True)
class StoredLease:
    """A lease as it lies here: the signed text, and where its chain of receipts stands, with a code over that."""

    id: str
    blob: str
    state: LeaseState
    chain: str
    mac: str


class Writer:
    """One write transaction."""

    def __init__(self, connection: sqlite3.Connection, owner: Owner) -> None:
        self._connection = connection
        self._owner = owner

    def set_facts(self, facts: Mapping[str, str | None]) -> None:
        """Keep values under names; None takes one away."""
        for name, value in facts.items():
            if value is None:
                self._connection.execute("DELETE FROM facts WHERE name = ?", (name,))
            else:
                self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def fact(self, name: str) -> str | None:
        """One value."""
        return _fact(self._connection, name)

    def lease(self) -> StoredLease | None:
        """The lease that is open or closing; there is at most one."""
        return _live_lease(self._connection)

    def lease_by(self, lease_id: str) -> StoredLease | None:
        """One lease, whatever has become of it."""
        row = self._connection.execute(f"SELECT {_LEASE} FROM leases WHERE id = ?", (lease_id,)).fetchone()
        return None if row is None else StoredLease(*row)

    def add_lease(self, lease: StoredLease) -> bool:
        """Keep a new lease; False when there is a live one, or this one was here before."""
        added = self._connection.execute(
            f"INSERT OR IGNORE INTO leases ({_LEASE}, number) "
            "SELECT ?, ?, ?, ?, ?, coalesce(max(number), 0) + 1 FROM leases",
            (lease.id, lease.blob, lease.state, lease.chain, lease.mac),
        )
        return added.rowcount == 1

    def set_lease(self, lease_id: str, state: LeaseState) -> None:
        """Note what has become of a lease."""
        self._connection.execute("UPDATE leases SET state = ? WHERE id = ?", (state, lease_id))

    def set_blob(self, lease_id: str, blob: str) -> None:
        """Keep a lease's text as it was signed anew."""
        self._connection.execute("UPDATE leases SET blob = ? WHERE id = ?", (blob, lease_id))

    def set_chain(self, lease_id: str, chain: str, mac: str) -> None:
        """Note where a lease's chain stands."""
        self._connection.execute("UPDATE leases SET chain = ?, mac = ? WHERE id = ?", (chain, mac, lease_id))

    def add_receipt(self, lease_id: str, seq: int, blob: str) -> None:
        """Keep a receipt; sqlite3.IntegrityError when that number is taken."""
        self._connection.execute("INSERT INTO receipts (lease_id, seq, blob) VALUES (?, ?, ?)", (lease_id, seq, blob))

    def receipts_told(self, lease_id: str, up_to: int) -> None:
        """The server has all receipts of a lease up to that number, and none after it."""
        self._connection.execute("UPDATE receipts SET told = seq <= ? WHERE lease_id = ?", (up_to, lease_id))

    def add_hold(self, hold: Hold) -> None:
        """Keep a hold of this process."""
        hold = replace(hold, owner=self._owner)
        values = (
            *(hold.id, hold.lease_id, hold.job, hold.engine, hold.credits, hold.state, hold.at),
            *(hold.output_sha256, hold.reason, hold.told, hold.owner.pid, hold.owner.started),
        )
        self._connection.execute(f"INSERT INTO holds ({_HOLD}) VALUES ({', '.join('?' * len(values))})", values)

    def hold(self, hold_id: str) -> Hold | None:
        """One hold."""
        row = self._connection.execute(f"SELECT {_HOLD} FROM holds WHERE id = ?", (hold_id,)).fetchone()
        return None if row is None else _hold(row)

    def granted(self, hold_id: str) -> bool:
        """The server has set the credits aside; False when the hold was decided meanwhile."""
        changed = self._connection.execute(
            "UPDATE holds SET state = 'held' WHERE id = ? AND state = 'asked'", (hold_id,)
        )
        return changed.rowcount == 1

    def decide(self, hold_id: str, state: HoldState, *, output_sha256: str = "", reason: str = "") -> bool:
        """Settle a hold; True for the one call that does. Those of a lease are told by its receipts."""
        changed = self._connection.execute(
            f"UPDATE holds SET state = ?, output_sha256 = ?, reason = ?, told = lease_id IS NOT NULL "
            f"WHERE id = ? AND {_UNDECIDED}",
            (state, output_sha256, reason[:80], hold_id),
        )
        return changed.rowcount == 1

    def told(self, hold_id: str) -> None:
        """The server has heard a decision."""
        self._connection.execute("UPDATE holds SET told = 1 WHERE id = ?", (hold_id,))
        self._connection.execute(
            "DELETE FROM holds WHERE told = 1 AND id NOT IN (SELECT id FROM holds WHERE told = 1 ORDER BY at DESC LIMIT ?)",
            (KEPT_ENDED,),
        )


class LeaseJournal:
    """The credits' file. `notes` are sentences for the user; `owner` and `alive` are there for tests."""

    def __init__(self, path: Path, *, owner: Owner | None = None, alive: Callable[[Owner], bool] = is_alive) -> None:
        self.path = path
        self._owner = owner or this_process()
        self._alive = alive
        self._turn = threading.RLock()
        self._db, moved = open_database(path, LICENCE, page_size=4096, any_thread=True)
        self.notes = () if moved is None else (
            f"The credits' file was damaged; it was moved to {moved} and a new one begun. Sign in again; credits that were "
            "taken along return to the account by themselves.",
        )  # fmt: skip

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._turn:
            self._db.conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """One write transaction, on the disk at its end (synchronous = FULL)."""
        with self._turn, explained(self.path), immediate(self._db.conn, durable=True):
            yield Writer(self._db.conn, self._owner)

    def facts(self) -> dict[str, str]:
        """All values by name."""
        with self._reading() as connection:
            return dict(connection.execute("SELECT name, value FROM facts").fetchall())

    def lease(self) -> StoredLease | None:
        """The lease that is open or closing, or None."""
        with self._reading() as connection:
            return _live_lease(connection)

    def last_lease(self) -> StoredLease | None:
        """The newest lease, whatever has become of it."""
        with self._reading() as connection:
            row = connection.execute(f"SELECT {_LEASE} FROM leases ORDER BY number DESC LIMIT 1").fetchone()
        return None if row is None else StoredLease(*row)

    def leases_to_tell(self) -> tuple[StoredLease, ...]:
        """Leases with receipts that the server has not heard, and one that is closing, oldest first."""
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {_LEASE} FROM leases WHERE state = 'closing' "
                "OR EXISTS (SELECT 1 FROM receipts WHERE lease_id = leases.id AND told = 0) ORDER BY number"
            )
            return tuple(StoredLease(*row) for row in rows.fetchall())

    def receipts(self, lease_id: str, *, after: int = 0, untold: bool = False, limit: int = 100_000) -> tuple[str, ...]:
        """The receipts of a lease in order, those after number `after`; with `untold` those the server has not heard."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT blob FROM receipts WHERE lease_id = ? AND seq > ? AND (told = 0 OR ?) ORDER BY seq LIMIT ?",
                (lease_id, after, not untold, limit),
            )
            return tuple(str(row[0]) for row in rows)

    def hold(self, hold_id: str) -> Hold | None:
        """One hold, or None."""
        with self._reading() as connection:
            row = connection.execute(f"SELECT {_HOLD} FROM holds WHERE id = ?", (hold_id,)).fetchone()
        return None if row is None else _hold(row)

    def undecided(self, *, of_dead: bool = True) -> tuple[Hold, ...]:
        """Holds that are not settled, oldest first: those whose programs no longer run, or all."""
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {_HOLD} FROM holds WHERE {_UNDECIDED} ORDER BY id").fetchall()
        holds = tuple(_hold(row) for row in rows)
        if not of_dead:
            return holds
        return tuple(hold for hold in holds if hold.owner != self._owner and not self._alive(hold.owner))

    def untold(self) -> tuple[Hold, ...]:
        """Settled holds of the server's that it has not heard of, oldest first."""
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {_HOLD} FROM holds WHERE told = 0 AND state IN ('committed', 'voided') ORDER BY id"
            )
            return tuple(_hold(row) for row in rows.fetchall())

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._turn, explained(self.path):
            yield self._db.conn


def _fact(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _live_lease(connection: sqlite3.Connection) -> StoredLease | None:
    row = connection.execute(f"SELECT {_LEASE} FROM leases WHERE {_LIVE}").fetchone()
    return None if row is None else StoredLease(*row)


def _hold(row: tuple[Any, ...]) -> Hold:
    values = dict(zip(_HOLD.split(", ")[:9], row[:9], strict=True))
    return Hold(**values, told=bool(row[9]), owner=Owner(row[10], row[11]))
