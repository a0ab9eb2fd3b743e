"""The journal behind the history: which files a job writes, who runs it, and how a killed one is finished or taken back."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from outfitswap_desktop.errors import KnownError, UsageProblem
from outfitswap_desktop.store.entry import FileActions, PlannedFile, StagedFile, read_path, stored_path
from outfitswap_desktop.store.owner import Owner

RECOVERABLE: Final = KnownError
"""What may go wrong while one job is repaired without stopping the repair of the others."""


@dataclass(frozen=True, slots=True)
class JobFile:
    """One file of a journalled job; `sha256` is known from `commit` on."""

    role: str
    part: Path
    final: Path
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Replaced:
    """An older entry that a job has marked as replaced, and the files that it claims."""

    id: int
    files: tuple[tuple[Path, str], ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A journalled job that is now ours to repair."""

    id: int
    state: str
    files: tuple[JobFile, ...]


def add(connection: sqlite3.Connection, files: Sequence[PlannedFile], owner: Owner) -> int:
    """Insert a job that is about to write `files`; returns its id."""
    cursor = connection.execute(
        "INSERT INTO journal (state, pid, started, created) VALUES ('preparing', ?, ?, ?)",
        (owner.pid, owner.started, datetime.now(UTC).isoformat(timespec="milliseconds")),
    )
    entry_id = int(cursor.lastrowid or 0)
    connection.executemany(
        "INSERT INTO journal_files (journal_id, role, part, final) VALUES (?, ?, ?, ?)",
        [(entry_id, file.role, stored_path(file.part), stored_path(file.final)) for file in files],
    )
    return entry_id


def refuse_busy(
    connection: sqlite3.Connection, files: Sequence[PlannedFile], alive: Callable[[Owner], bool], us: Owner
) -> None:
    """Raise UsageProblem when a job that is not over already writes one of `files`."""
    for file in files:
        rows = connection.execute(
            "SELECT pid, started FROM journal JOIN journal_files ON journal_id = id WHERE final = ?",
            (stored_path(file.final),),
        ).fetchall()
        if any(Owner(*row) == us or alive(Owner(*row)) for row in rows):
            raise UsageProblem(
                f"{file.final.name} is being written by another run.",
                reason="output_busy",
                hint="Wait for it, or choose another output file.",
            )


def publishing(connection: sqlite3.Connection, entry_id: int, files: Sequence[StagedFile]) -> str:
    """Note the hashes of all files and that their parts are complete; returns when the job began (UTC ISO)."""
    known = {row[0] for row in connection.execute("SELECT role FROM journal_files WHERE journal_id = ?", (entry_id,))}
    if known != {file.role for file in files}:
        raise ValueError("commit needs the files that begin named")
    for file in files:
        done = connection.execute(
            "UPDATE journal_files SET sha256 = ? WHERE journal_id = ? AND role = ? AND part = ? AND final = ?",
            (file.sha256, entry_id, file.role, stored_path(file.part), stored_path(file.final)),
        )
        if done.rowcount != 1:
            raise ValueError(f"{file.role}: not the file that begin named")
    row = connection.execute(
        "UPDATE journal SET state = 'publishing' WHERE id = ? AND state = 'preparing' RETURNING created", (entry_id,)
    ).fetchone()
    if row is None:
        raise ValueError(f"job {entry_id} is not being prepared")
    return str(row[0])


def mark_replaced(connection: sqlite3.Connection, entry_id: int, files: Sequence[StagedFile]) -> None:
    """Mark the entries whose files job `entry_id` is about to write over."""
    for file in files:
        path = stored_path(file.final)
        connection.execute(
            "UPDATE entries SET state = 'replaced', replaced_by = ? "
            "WHERE state = 'done' AND id <> ? AND (output = ? OR mask = ? OR receipt_file = ?)",
            (entry_id, entry_id, path, path, path),
        )


def finished(connection: sqlite3.Connection, entry_id: int) -> None:
    """Show the entry and forget the job."""
    connection.execute("UPDATE entries SET state = 'done' WHERE id = ? AND state = 'publishing'", (entry_id,))
    connection.execute("DELETE FROM journal WHERE id = ?", (entry_id,))


def drop(connection: sqlite3.Connection, entry_id: int) -> None:
    """Forget a job and its entry; older entries that it had marked and whose files are still theirs show again."""
    for old in _replaced(connection, entry_id):
        if old.files and all(_hash(path) == sha256 for path, sha256 in old.files):
            connection.execute("UPDATE entries SET state = 'done', replaced_by = NULL WHERE id = ?", (old.id,))
    connection.execute("DELETE FROM entries WHERE id = ? AND state = 'publishing'", (entry_id,))
    connection.execute("DELETE FROM journal WHERE id = ?", (entry_id,))


def read(connection: sqlite3.Connection, entry_id: int) -> Job | None:
    """The job with that id, None when it is over."""
    row = connection.execute("SELECT id, state FROM journal WHERE id = ?", (entry_id,)).fetchone()
    return None if row is None else Job(int(row[0]), str(row[1]), _files(connection, entry_id))


def claim_orphans(connection: sqlite3.Connection, alive: Callable[[Owner], bool], us: Owner) -> tuple[Job, ...]:
    """Make the jobs of programs that no longer run ours, so that no other program repairs them at the same time."""
    rows = connection.execute("SELECT id, state, pid, started FROM journal ORDER BY id").fetchall()
    orphans = [row for row in rows if Owner(row[2], row[3]) != us and not alive(Owner(row[2], row[3]))]
    for row in orphans:
        connection.execute("UPDATE journal SET pid = ?, started = ? WHERE id = ?", (us.pid, us.started, row[0]))
    return tuple(Job(int(row[0]), str(row[1]), _files(connection, row[0])) for row in orphans)


def roll_forward(job: Job, actions: FileActions) -> bool:
    """Put every file of a committed job in its place; False, with nothing touched, when one of them is lost."""
    waiting: list[JobFile] = []
    for file in job.files:
        if file.sha256 is None:
            return False
        if _hash(file.part) == file.sha256:
            waiting.append(file)
        elif _hash(file.final) != file.sha256:
            return False
    for file in job.files:
        if file in waiting:
            actions.replace(file.part, file.final)
        else:
            actions.discard(file.part)
    return True


def remove_files(job: Job, actions: FileActions, *, keep: frozenset[tuple[Path, str]] = frozenset()) -> None:
    """Take away the parts of a job and the finals that it had put in place, known by their hash; `keep` are others' files.

    While its part is still there, a final was not put in place by this job, even if it holds the same bytes (a re-make).
    """
    for file in job.files:
        published = job.state == "publishing" and file.sha256 is not None and not file.part.exists()
        if published and file.sha256 is not None and (file.final, file.sha256) not in keep:
            actions.withdraw(file.final, file.sha256)
        actions.discard(file.part)


def older_files(connection: sqlite3.Connection, entry_id: int) -> frozenset[tuple[Path, str]]:
    """Path and hash of the files of older entries that job `entry_id` has marked as replaced."""
    return frozenset(pair for old in _replaced(connection, entry_id) for pair in old.files)


def _files(connection: sqlite3.Connection, entry_id: int) -> tuple[JobFile, ...]:
    rows = connection.execute(
        "SELECT role, part, final, sha256 FROM journal_files WHERE journal_id = ? ORDER BY role", (entry_id,)
    )
    files = []
    for role, part, final, sha256 in rows:
        part_path, final_path = read_path(part), read_path(final)
        assert part_path is not None
        assert final_path is not None
        files.append(JobFile(str(role), part_path, final_path, sha256))
    return tuple(files)


def _replaced(connection: sqlite3.Connection, entry_id: int) -> list[Replaced]:
    rows = connection.execute(
        "SELECT id, output, output_sha256, mask, mask_sha256, receipt_file, receipt_sha256 FROM entries "
        "WHERE state = 'replaced' AND replaced_by = ?",
        (entry_id,),
    ).fetchall()
    found = []
    for row in rows:
        pairs = ((read_path(row[i]), row[i + 1]) for i in (1, 3, 5))
        found.append(Replaced(int(row[0]), tuple((path, sha256) for path, sha256 in pairs if path is not None)))
    return found


def _hash(path: Path) -> str | None:
    """SHA-256 of a file, None when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
