"""The history of this machine's results, written so that a kill at any moment leaves no half of anything.

    history = History(paths.history_file())                 # .notes says what had to be repaired; close() or `with`
    history.recover(writing) -> Recovered                   # at the start of each command; `writing` = safety.writing
    entry_id = history.begin([planned, ...])                # before the first part is written
    history.commit(entry_id, Record(...), [staged, ...], thumbnail=webp_bytes)   # after all parts are written
    ... writing.publish(staged) for each ...
    history.finish(entry_id)
    history.abandon(entry_id, writing)                      # instead of finish, on refusal, cancel or failure, at any point
    with history.watching([planned], writing): ...          # for files that make no entry: stage and publish inside
    history.list(before=None, limit=60, text="", batch=None) -> tuple[Entry, ...]   # newest first
    history.get(id) -> Entry | None;  history.count(text="") -> int;  history.thumbnail(id) -> bytes | None
    history.latest_for(output) -> Entry | None              # the entry whose output is that file now

One History belongs to one thread; any number of processes may have the same file open. Ids grow with time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.store import erasing, journal
from outfitswap_desktop.store.database import explained, immediate, move_aside, open_database
from outfitswap_desktop.store.entry import (
    Entry,
    FileActions,
    PlannedFile,
    Record,
    Recovered,
    StagedFile,
    read_moment,
    read_path,
    read_seed,
    stored_path,
    stored_text,
)
from outfitswap_desktop.store.migrations import HISTORY, THUMBNAILS
from outfitswap_desktop.store.owner import Owner, is_alive, this_process

THUMBNAILS_FILE: Final = "thumbs.db"
LARGEST_PAGE: Final = 500
LARGEST_ID: Final = 2**63 - 1
_COLUMNS: Final = (
    "id, created, state, replaced_by, photo, photo_sha256, prompt, zone, engine, segmenter, output, output_sha256, "
    "mask, mask_sha256, receipt_file, receipt_sha256, seed, receipt, batch, outfit"
)


class History:
    """The history file and, beside it, the thumbnails. `notes` are sentences for the user about what was repaired.

    `owner` and `alive` say who we are and who still runs; they are there for tests.
    """

    def __init__(self, path: Path, *, owner: Owner | None = None, alive: Callable[[Owner], bool] = is_alive) -> None:
        self.path = path
        self.notes: tuple[str, ...] = ()
        self._owner = owner or this_process()
        self._alive = alive
        self._db, moved = open_database(path, HISTORY, page_size=8192)
        thumbs = path.with_name(THUMBNAILS_FILE)
        try:
            if moved is not None:
                self.notes += (f"The history was damaged; it was moved to {moved} and a new one begun.",)
                move_aside(thumbs)
            self._thumbs, lost = open_database(thumbs, THUMBNAILS, page_size=16384)
        except BaseException:
            self._db.conn.close()
            raise
        if lost is not None:
            self.notes += (f"The thumbnails were damaged; they were moved to {lost} and new ones begun.",)

    def close(self) -> None:
        """Close both files; a second call does nothing."""
        self._db.conn.close()
        self._thumbs.conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Writing: begin, commit, finish

    def begin(self, files: Sequence[PlannedFile]) -> int:
        """Note which files a job is about to write, before it writes any; returns the entry's id.

        Raises UsageProblem ("output_busy") when a running job already writes one of them.
        """
        with self._write(durable=True) as connection:
            journal.refuse_busy(connection, files, self._alive, self._owner)
            return journal.add(connection, files, self._owner)

    def commit(
        self, entry_id: int, record: Record, files: Sequence[StagedFile], *, thumbnail: bytes | None = None
    ) -> None:
        """Note that every part is written and synced: from here on a kill is repaired forwards.

        `files` are those of `begin`, each with its SHA-256; one has the role "output". Older entries whose files are about
        to be written over are marked as replaced; they keep their receipts.
        """
        by_role = {file.role: file for file in files}
        if len(by_role) != len(files) or "output" not in by_role:
            raise ValueError("each role once, and an output, are needed")
        if thumbnail is not None:
            with explained(self._thumbs_path), immediate(self._thumbs.conn):
                self._thumbs.conn.execute(
                    "INSERT OR REPLACE INTO thumbnails (id, webp) VALUES (?, ?)", (entry_id, thumbnail)
                )
        with self._write(durable=True) as connection:
            created = journal.publishing(connection, entry_id, files)
            self._insert(connection, entry_id, created, record, by_role)
            journal.mark_replaced(connection, entry_id, files)

    def finish(self, entry_id: int) -> None:
        """Note that every file is in its place: the entry shows from now on."""
        with self._write() as connection:
            journal.finished(connection, entry_id)

    def abandon(self, entry_id: int, actions: FileActions) -> None:
        """Take back a job of ours at any point before `finish`: its parts, the files it published, its row. Idempotent."""
        with self._write() as connection:
            claimed = journal.read(connection, entry_id)
        if claimed is not None:
            self._take_back(claimed, actions)

    @contextmanager
    def watching(self, files: Sequence[PlannedFile], actions: FileActions) -> Iterator[None]:
        """Around the writing of files that make no entry (a mask, a contact sheet): a kill leaves no part of them."""
        entry_id = self.begin(files)
        try:
            yield
        finally:
            self.abandon(entry_id, actions)

    def recover(self, actions: FileActions) -> Recovered:
        """Finish or take back what programs that no longer run have left; touches nothing of a running one. Idempotent."""
        with self._write() as connection:
            claimed = journal.claim_orphans(connection, self._alive, self._owner)
        finished: list[int] = []
        taken_back: list[int] = []
        left: list[str] = []
        for job in claimed:
            try:
                if job.state == "publishing" and journal.roll_forward(job, actions):
                    self.finish(job.id)
                    finished.append(job.id)
                else:
                    self._take_back(job, actions)
                    taken_back.append(job.id)
            except (OSError, journal.RECOVERABLE) as problem:
                left.append(f"Job {job.id} could not be repaired yet: {problem}")
        return Recovered(tuple(finished), tuple(taken_back), tuple(left))

    def _take_back(self, job: journal.Job, actions: FileActions) -> None:
        with explained(self.path):
            keep = journal.older_files(self._db.conn, job.id)
        journal.remove_files(job, actions, keep=keep)
        with explained(self._thumbs_path), immediate(self._thumbs.conn):
            self._thumbs.conn.execute("DELETE FROM thumbnails WHERE id = ?", (job.id,))
        with self._write() as connection:
            journal.drop(connection, job.id)

    @staticmethod
    def _insert(
        connection: sqlite3.Connection, entry_id: int, created: str, record: Record, files: dict[str, StagedFile]
    ) -> None:
        mask, receipt = files.get("mask"), files.get("receipt")
        values = (
            entry_id,
            created,
            "publishing",
            None,
            stored_path(record.photo),
            record.photo_sha256,
            stored_text(record.prompt),
            record.zone,
            record.engine,
            record.segmenter,
            stored_path(files["output"].final),
            files["output"].sha256,
            stored_path(mask.final) if mask else None,
            mask.sha256 if mask else None,
            stored_path(receipt.final) if receipt else None,
            receipt.sha256 if receipt else None,
            str(record.seed),
            json.dumps(dict(record.receipt), sort_keys=True, allow_nan=False),
            record.batch,
            record.outfit,
        )
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO entries ({_COLUMNS}) VALUES ({marks})", values)

    def erase(self, ids: Sequence[int] | None) -> tuple[int, int]:
        """Take entries (None: all) out for good, with thumbnails, search index and WAL; returns how many of each there were.

        Files that the entries name are not touched. Raises NotAvailable ("history_busy") when another program is writing.
        """
        with explained(self._thumbs_path):
            thumbnails = erasing.delete_rows(self._thumbs.conn, "thumbnails", ids)
            erasing.forget(self._thumbs.conn)
        with explained(self.path):
            entries = erasing.delete_rows(self._db.conn, "entries", ids, keep="state = 'publishing'")
            erasing.forget(self._db.conn, search_index="entries_text")
        return entries, thumbnails

    # Reading

    def list(
        self, *, before: int | None = None, limit: int = 60, text: str = "", batch: str | None = None
    ) -> tuple[Entry, ...]:
        """A page of entries, newest first: those with an id under `before`, whose prompts hold every word of `text`.

        Words match from their beginnings ("vel" finds "velvet"); anything may be typed. `limit` 1..500.
        """
        if not 1 <= limit <= LARGEST_PAGE:
            raise UsageProblem(f"A page has 1 to {LARGEST_PAGE} entries.", reason="bad_limit")
        source, where, values = _selection(text)
        if source is None:
            return ()
        if before is not None:
            where.append(f"{source}.{'rowid' if source == 'entries_text' else 'id'} < ?")
            values.append(max(0, min(before, LARGEST_ID)))
        if batch is not None:
            where.append("entries.batch = ?")
            values.append(batch)
        order = "entries_text.rowid" if source == "entries_text" else "entries.id"
        columns = ", ".join(f"entries.{name.strip()}" for name in _COLUMNS.split(","))
        joined = (
            "entries_text JOIN entries ON entries.id = entries_text.rowid" if source == "entries_text" else "entries"
        )
        query = f"SELECT {columns} FROM {joined} WHERE {' AND '.join(where)} ORDER BY {order} DESC LIMIT ?"
        with explained(self.path):
            rows = self._db.conn.execute(query, (*values, limit)).fetchall()
        return tuple(_entry(row) for row in rows)

    def pages(self, *, size: int = 200, text: str = "", batch: str | None = None) -> Iterator[tuple[Entry, ...]]:
        """All pages of `list`, newest first."""
        before: int | None = None
        while page := self.list(before=before, limit=size, text=text, batch=batch):
            yield page
            before = page[-1].id

    def get(self, entry_id: int) -> Entry | None:
        """One entry, or None when there is none with that id."""
        if not 0 < entry_id <= LARGEST_ID:
            return None
        return self._one("id = ? AND state <> 'publishing'", entry_id)

    def latest_for(self, output: Path) -> Entry | None:
        """The entry whose output is the file `output` now, or None."""
        whole = output.parent.resolve() / output.name
        return self._one("output = ? AND state = 'done'", stored_path(whole))

    def count(self, *, text: str = "") -> int:
        """How many entries there are, or how many match `text`."""
        source, where, values = _selection(text)
        if source is None:
            return 0
        joined = (
            "entries_text JOIN entries ON entries.id = entries_text.rowid" if source == "entries_text" else "entries"
        )
        with explained(self.path):
            row = self._db.conn.execute(f"SELECT count(*) FROM {joined} WHERE {' AND '.join(where)}", values).fetchone()
        return int(row[0])

    def thumbnail(self, entry_id: int) -> bytes | None:
        """The WebP of an entry, or None."""
        with explained(self._thumbs_path):
            row = self._thumbs.conn.execute("SELECT webp FROM thumbnails WHERE id = ?", (entry_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def _one(self, where: str, value: Any) -> Entry | None:
        query = f"SELECT {_COLUMNS} FROM entries WHERE {where} ORDER BY id DESC LIMIT 1"
        with explained(self.path):
            row = self._db.conn.execute(query, (value,)).fetchone()
        return None if row is None else _entry(row)

    @contextmanager
    def _write(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        with explained(self.path), immediate(self._db.conn, durable=durable):
            yield self._db.conn

    @property
    def _thumbs_path(self) -> Path:
        return self.path.with_name(THUMBNAILS_FILE)


def _selection(text: str) -> tuple[str | None, list[str], list[Any]]:
    """Table to read from, conditions and values for a search; no table when `text` holds nothing to search for."""
    if not text.strip():
        return "entries", ["entries.state <> 'publishing'"], []
    query = search_query(text)
    if not query:
        return None, [], []
    return "entries_text", ["entries_text MATCH ?", "entries.state <> 'publishing'"], [query]


def search_query(text: str) -> str:
    """What a user typed as an FTS5 query: every word quoted and taken as a beginning; "" when there is no word in it."""
    words = [word for word in stored_text(text).split() if any(c.isalnum() for c in word)]
    return " ".join('"' + word.replace('"', '""') + '"*' for word in words)


def _entry(row: Sequence[Any]) -> Entry:
    output = read_path(row[10])
    assert output is not None
    return Entry(
        id=row[0],
        created=read_moment(row[1]),
        state=row[2],
        replaced_by=row[3],
        photo=read_path(row[4]),
        photo_sha256=row[5],
        prompt=row[6],
        zone=row[7],
        engine=row[8],
        segmenter=row[9],
        output=output,
        output_sha256=row[11],
        mask=read_path(row[12]),
        mask_sha256=row[13],
        receipt_file=read_path(row[14]),
        receipt_sha256=row[15],
        seed=read_seed(row[16]),
        receipt_json=row[17],
        batch=row[18],
        outfit=row[19],
    )
