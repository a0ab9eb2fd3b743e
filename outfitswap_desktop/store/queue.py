"""The queue: jobs that wait, run or have ended, shared by every program of this user and kept through crashes.

    queue = Queue(paths.queue_file())                 # one per thread; any number of processes
    number = queue.add(NewJob(request, mask=mask))    # uuid4 as 32 hex digits
    job = queue.claim("cpu")                          # the next one, for us alone; None: nothing to do, or paused
    queue.heartbeat(job.id) -> "go" | "stop" | "lost" # every few seconds; "stop": somebody cancelled it
    queue.done(job.id, entry_id) or queue.ended(job.id, "failed", problem)
    queue.move, cancel, cancel_all, resume, remove, paused, jobs, counts, recover(history)

States: queued -> running -> done | refused | failed | cancelled | interrupted; `resume` puts the latter back into the queue.
A claim ends with its program, or when it was not confirmed for two minutes. That no job runs twice whatever happens to a claim
is the history's part: an entry carries its job's id, and the runner refuses a job that has one.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.store.database import explained, immediate, open_database
from outfitswap_desktop.store.entry import Entry, read_moment, stored_path, stored_text
from outfitswap_desktop.store.erasing import delete_rows, forget
from outfitswap_desktop.store.owner import Owner, is_alive, this_process
from outfitswap_desktop.store.queue_rows import QUEUE, pack_mask, read_request, request_text, unpack_mask

State = Literal["queued", "running", "done", "refused", "failed", "cancelled", "interrupted"]
Beat = Literal["go", "stop", "lost"]
ENDED: Final = frozenset({"done", "refused", "failed", "cancelled", "interrupted"})
EXPIRY_SECONDS: Final = 120.0
"""A claim that was not confirmed for so long is lost, even if its program seems to run (it hangs, or the machine slept)."""
MOST_LISTED: Final = 500
_COLUMNS: Final = "id, state, created, request, batch, outfit, title, device, entry, problem, about, place"
_WITH_INPUTS: Final = ("photo", "garment", "mask", "outline")


class Entries(Protocol):
    """What the queue asks the history: `store.history.History` is one."""

    def by_job(self, job: str) -> Entry | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What of a job has no file: `photo` and `garment` as bytes of a picture file, `mask` and `outline` (H, W) 0/255."""

    photo: bytes | None = None
    garment: bytes | None = None
    mask: Mask | None = None
    outline: Mask | None = None


@dataclass(frozen=True, slots=True, eq=False)
class NewJob:
    """A job to come. `title` is what lists call it; `batch` and `outfit` label it and its entry; `id` is its own for ever."""

    request: SwapRequest
    inputs: Inputs = Inputs()
    title: str = ""
    batch: str | None = None
    outfit: str | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A job of the queue. `problem` (kind, reason, message, hint) says why it ended; `about` is `swap --json` of a done one."""

    id: str
    state: State
    created: datetime
    request: SwapRequest
    batch: str | None
    outfit: str | None
    title: str
    device: str | None
    entry_id: int | None
    problem: Mapping[str, Any] | None
    about: Mapping[str, Any] | None


class Queue:
    """One connection to the queue's file. `owner`, `alive` and `clock` (seconds since 1970) are there for tests."""

    def __init__(
        self,
        path: Path,
        *,
        owner: Owner | None = None,
        alive: Callable[[Owner], bool] = is_alive,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._owner = owner or this_process()
        self._alive = alive
        self._clock = clock
        self._db, moved = open_database(path, QUEUE, page_size=4096)
        self.notes = () if moved is None else (f"The queue was damaged; it was moved to {moved} and a new one begun.",)
        self._db.conn.execute("PRAGMA secure_delete = ON")

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._db.conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Adding and arranging

    def add(self, job: NewJob) -> str:
        """Put a job at the end of the queue; returns its id."""
        return self.add_all([job])[0]

    def add_all(self, jobs: Iterable[NewJob]) -> tuple[str, ...]:
        """Put jobs at the end of the queue, all or none; returns their ids in the same order."""
        with self._write(durable=True) as connection:
            return tuple(self._insert(connection, jobs))

    def adopt_all(self, jobs: Sequence[NewJob]) -> tuple[str, ...]:
        """The same for a batch; a job that a batch which no longer runs has left, with the same output, is taken over."""
        ids = []
        with self._write(durable=True) as connection:
            for job in jobs:
                left = self._left_behind(connection, job)
                if left is None:
                    ids += list(self._insert(connection, [job]))
                    continue
                connection.execute(
                    "UPDATE jobs SET batch = ?, adder_pid = ?, adder_started = ?, "
                    "state = CASE state WHEN 'running' THEN 'running' ELSE 'queued' END WHERE id = ?",
                    (job.batch, self._owner.pid, self._owner.started, left),
                )
                ids.append(left)
        return tuple(ids)

    def _left_behind(self, connection: sqlite3.Connection, job: NewJob) -> str | None:
        rows = connection.execute(
            "SELECT id, adder_pid, adder_started, request FROM jobs WHERE output = ? AND batch IS NOT NULL "
            "AND state IN ('queued', 'running', 'interrupted')",
            (_output(job.request),),
        ).fetchall()
        wish = request_text(job.request)
        return next((row[0] for row in rows if row[3] == wish and not self._alive(Owner(row[1], row[2]))), None)

    def _insert(self, connection: sqlite3.Connection, jobs: Iterable[NewJob]) -> Iterator[str]:
        place = connection.execute("SELECT coalesce(max(place), 0) FROM jobs").fetchone()[0]
        for job in jobs:
            place += 1
            number = job.id
            connection.execute(
                "INSERT INTO jobs (id, state, created, request, output, batch, outfit, title, place, adder_pid, adder_started) "
                "VALUES (?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    number,
                    datetime.now(UTC).isoformat(timespec="milliseconds"),
                    request_text(job.request),
                    _output(job.request),
                    job.batch,
                    stored_text(job.outfit) if job.outfit is not None else None,
                    stored_text(job.title),
                    place,
                    self._owner.pid,
                    self._owner.started,
                ),
            )
            kept = job.inputs
            contents = (kept.photo, kept.garment, pack_mask(kept.mask), pack_mask(kept.outline))
            connection.executemany(
                "INSERT INTO inputs (job, role, content) VALUES (?, ?, ?)",
                [(number, role, one) for role, one in zip(_WITH_INPUTS, contents, strict=True) if one is not None],
            )
            yield number

    def move(self, number: str, before: str | None) -> None:
        """Put a waiting job before another one, or at the end (None)."""
        with self._write() as connection:
            places = [
                (row[0], row[1])
                for row in connection.execute("SELECT id, place FROM jobs WHERE state = 'queued' ORDER BY place")
                if row[0] != number
            ]
            order = [one for one, _ in places]
            at = order.index(before) if before in order else len(order)
            order.insert(at, number)
            free = sorted([place for _, place in places] + [self._place(connection, number)])
            connection.executemany(
                "UPDATE jobs SET place = ? WHERE id = ? AND state = 'queued'", list(zip(free, order, strict=True))
            )

    @staticmethod
    def _place(connection: sqlite3.Connection, number: str) -> float:
        row = connection.execute("SELECT place FROM jobs WHERE id = ? AND state = 'queued'", (number,)).fetchone()
        if row is None:
            raise UsageProblem("This job does not wait.", reason="not_queued")
        return float(row[0])

    @property
    def paused(self) -> bool:
        """Whether no further job is begun; kept through restarts."""
        with explained(self.path):
            row = self._db.conn.execute("SELECT value FROM settings WHERE name = 'paused'").fetchone()
        return row is not None and row[0] == "1"

    @paused.setter
    def paused(self, paused: bool) -> None:
        with self._write() as connection:
            connection.execute("INSERT OR REPLACE INTO settings VALUES ('paused', ?)", ("1" if paused else "0",))

    # Running

    def claim(self, device: str, *, number: str | None = None) -> Job | None:
        """The next waiting job, now ours and running; None when there is none, or the queue is paused.

        With `number` that job alone, if it waits, paused or not: whoever types a command wants it done.
        """
        if number is None and self.paused:
            return None
        with self._write() as connection:
            row = connection.execute(
                "UPDATE jobs SET state = 'running', device = ?, pid = ?, started = ?, beat = ?, stop = 0, problem = NULL "
                "WHERE id = (SELECT id FROM jobs WHERE state = 'queued' AND (? IS NULL OR id = ?) "
                f"ORDER BY place LIMIT 1) RETURNING {_COLUMNS}",
                (device, self._owner.pid, self._owner.started, self._clock(), number, number),
            ).fetchone()
        return None if row is None else _job(row)

    def heartbeat(self, number: str) -> Beat:
        """Confirm a claim; "stop" when somebody cancelled the job, "lost" when it is ours no longer."""
        with self._write() as connection:
            row = connection.execute(
                f"UPDATE jobs SET beat = ? WHERE {_OURS} RETURNING stop", (self._clock(), *self._us(number))
            ).fetchone()
        return "lost" if row is None else "stop" if row[0] else "go"

    def done(self, number: str, entry_id: int, *, about: Mapping[str, Any] | None = None) -> bool:
        """Note that a job of ours has made that entry; False when it is ours no longer."""
        return self._end(number, "done", entry=entry_id, about=about)

    def ended(self, number: str, state: State, problem: Mapping[str, Any] | None = None) -> bool:
        """Note how a job of ours has ended without a result, or, with "queued", that somebody else may have it."""
        if state not in ENDED | {"queued"}:
            raise ValueError(f"{state} is no end")
        return self._end(number, state, problem=problem)

    def _end(
        self,
        number: str,
        state: str,
        *,
        entry: int | None = None,
        problem: Mapping[str, Any] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> bool:
        with self._write() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = ?, entry = ?, problem = ?, about = ?, pid = NULL, started = NULL, beat = NULL "
                f"WHERE {_OURS}",
                (state, entry, _text(problem), _text(about), *self._us(number)),
            ).rowcount
            if changed and state in ("done", "cancelled"):
                connection.execute("DELETE FROM inputs WHERE job = ?", (number,))
        return bool(changed)

    def cancel(self, number: str) -> State | None:
        """Cancel a job: a waiting one at once; a running one's program is told at its next heartbeat. Its state before."""
        with self._write() as connection:
            row = connection.execute("SELECT state FROM jobs WHERE id = ?", (number,)).fetchone()
            self._stop(connection, "id = ?", number)
        return None if row is None else row[0]

    def cancel_all(self, *, batch: str | None = None) -> None:
        """Cancel every job that waits or runs, or those of one batch."""
        with self._write() as connection:
            self._stop(connection, "(? IS NULL OR batch = ?)", batch, batch)

    @staticmethod
    def _stop(connection: sqlite3.Connection, which: str, *values: str | None) -> None:
        connection.execute(
            f"DELETE FROM inputs WHERE job IN (SELECT id FROM jobs WHERE state = 'queued' AND {which})", values
        )
        connection.execute(f"UPDATE jobs SET state = 'cancelled' WHERE state = 'queued' AND {which}", values)
        connection.execute(f"UPDATE jobs SET stop = 1 WHERE state = 'running' AND {which}", values)

    def resume(self, number: str, *, batch: str | None = None) -> bool:
        """Put a job that was interrupted, failed or was refused back, at the end of the queue; False for any other.

        It belongs to no batch from then on, but for the one that resumes it.
        """
        with self._write() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = 'queued', problem = NULL, stop = 0, batch = ?, "
                "place = (SELECT max(place) + 1 FROM jobs) WHERE id = ? AND state IN ('interrupted', 'failed', 'refused')",
                (batch, number),
            ).rowcount
        return bool(changed)

    def remove(self, number: str) -> bool:
        """Take a job that does not run out of the queue, for good; False when it runs or is not there."""
        with self._write() as connection:
            return bool(connection.execute("DELETE FROM jobs WHERE id = ? AND state <> 'running'", (number,)).rowcount)

    def remove_ended(self, *, batch: str | None = None, keep: int = 0) -> int:
        """Take the jobs that are over out of the queue, but for the newest `keep`; or those of one batch."""
        with self._write() as connection:
            return connection.execute(
                "DELETE FROM jobs WHERE state NOT IN ('queued', 'running') AND (? IS NULL OR batch = ?) AND id NOT IN "
                "(SELECT id FROM jobs WHERE state NOT IN ('queued', 'running') ORDER BY place DESC LIMIT ?)",
                (batch, batch, keep),
            ).rowcount

    def erase(self) -> int:
        """Take every job that does not run out for good, with what SQLite would keep of it; returns how many there were.

        Raises NotAvailable ("history_busy") when another program is writing.
        """
        with explained(self.path):
            erased = delete_rows(self._db.conn, "jobs", None, keep="state = 'running'")
            forget(self._db.conn)
        return erased

    # After a crash

    def recover(self, history: Entries) -> tuple[str, ...]:
        """Settle what programs that no longer run have left: done when the history has their entry, else interrupted.

        Returns the ids of the settled ones. The history must have been recovered before.
        """
        settled = []
        for job in self.abandoned():
            entry = history.by_job(job.id)
            if entry is not None:
                self.done(job.id, entry.id)
            else:
                self.ended(job.id, "interrupted")
            settled.append(job.id)
        return tuple(settled)

    def abandoned(self) -> tuple[Job, ...]:
        """Take over the running jobs whose programs are gone: each must be settled with `done` or `ended` by us.

        What a batch that is gone has left waiting becomes interrupted: nobody is to be surprised by its going on.
        """
        with self._write() as connection:
            rows = connection.execute(
                "SELECT id, pid, started, beat FROM jobs WHERE state = 'running' ORDER BY place"
            ).fetchall()
            gone = [row[0] for row in rows if self._is_lost(Owner(row[1], row[2]), row[3])]
            connection.executemany(
                "UPDATE jobs SET pid = ?, started = ?, beat = ? WHERE id = ?",
                [(self._owner.pid, self._owner.started, self._clock(), one) for one in gone],
            )
            for row in connection.execute(
                "SELECT DISTINCT adder_pid, adder_started FROM jobs WHERE state = 'queued' AND batch IS NOT NULL"
            ).fetchall():
                if not self._alive(Owner(*row)):
                    connection.execute(
                        "UPDATE jobs SET state = 'interrupted' WHERE state = 'queued' AND batch IS NOT NULL "
                        "AND adder_pid = ? AND adder_started = ?",
                        row,
                    )
            marks = ", ".join("?" * len(gone))
            found = connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id IN ({marks}) ORDER BY place", gone)
            return tuple(_job(row) for row in found.fetchall())

    def _is_lost(self, owner: Owner, beat: float | None) -> bool:
        if owner == self._owner:
            return False
        return not self._alive(owner) or self._clock() - (beat or 0.0) > EXPIRY_SECONDS

    # Reading

    def jobs(
        self, states: Iterable[State] | None = None, *, batch: str | None = None, limit: int = MOST_LISTED
    ) -> tuple[Job, ...]:
        """Jobs in the queue's order, at most `limit`: those of `states` (None: all), or of one batch."""
        wanted = list(states) if states is not None else []
        where = f"state IN ({', '.join('?' * len(wanted))})" if states is not None else "1"
        with explained(self.path):
            rows = self._db.conn.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE {where} AND (? IS NULL OR batch = ?) ORDER BY place LIMIT ?",
                (*wanted, batch, batch, limit),
            ).fetchall()
        return tuple(_job(row) for row in rows)

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state that has any."""
        with explained(self.path):
            rows = self._db.conn.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
        return {row[0]: row[1] for row in rows}

    def get(self, number: str) -> Job | None:
        """One job, or None."""
        with explained(self.path):
            row = self._db.conn.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (number,)).fetchone()
        return None if row is None else _job(row)

    def inputs(self, number: str) -> Inputs:
        """What of a job has no file; gone once it is done or cancelled."""
        with explained(self.path):
            rows = self._db.conn.execute("SELECT role, content FROM inputs WHERE job = ?", (number,)).fetchall()
        found: dict[str, bytes] = {role: bytes(content) for role, content in rows}
        return Inputs(
            photo=found.get("photo"),
            garment=found.get("garment"),
            mask=unpack_mask(found.get("mask")),
            outline=unpack_mask(found.get("outline")),
        )

    def version(self) -> int:
        """A number that changes when another connection has changed the file."""
        with explained(self.path):
            return int(self._db.conn.execute("PRAGMA data_version").fetchone()[0])

    def _us(self, number: str) -> tuple[str, int, str]:
        return number, self._owner.pid, self._owner.started

    @contextmanager
    def _write(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        with explained(self.path), immediate(self._db.conn, durable=durable):
            yield self._db.conn


_OURS: Final = "id = ? AND state = 'running' AND pid = ? AND started = ?"


def _output(request: SwapRequest) -> str | bytes | None:
    return stored_path(request.output.absolute())


def _text(document: Mapping[str, Any] | None) -> str | None:
    return None if document is None else json.dumps(dict(document), default=str)


def _document(text: str | None) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] | None = None if text is None else json.loads(text)
    except ValueError:
        return None
    return found


def _job(row: Sequence[Any]) -> Job:
    return Job(
        id=row[0],
        state=row[1],
        created=read_moment(row[2]),
        request=read_request(row[3]),
        batch=row[4],
        outfit=row[5],
        title=row[6],
        device=row[7],
        entry_id=row[8],
        problem=_document(row[9]),
        about=_document(row[10]),
    )
