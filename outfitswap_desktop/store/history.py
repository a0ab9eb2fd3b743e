"""The history of this machine's results, written so that a kill at any moment leaves no half of anything.

    history = History(paths.history_file())                 # .notes says what had to be repaired; close() or `with`
    history.recover(writing) -> Recovered                   # at the start of each command; `writing` = safety.writing
    entry_id = history.begin([planned, ...])                # before the first part is written
    history.commit(entry_id, Record(...), [staged, ...], thumbnail=webp_bytes)   # after all parts are written
    ... writing.publish(staged) for each ...
    history.finish(entry_id)
    history.abandon(entry_id, writing)                      # instead of finish, on refusal, cancel or failure, at any point
    with history.watching([planned], writing): ...          # for files that make no entry: stage and publish inside
    history.list(before=None, limit=60, where=Filter(text="", starred=True, ...)) -> tuple[Entry, ...]   # newest first
    history.get(id) -> Entry | None;  history.count(where=Filter()) -> int;  history.thumbnail(id) -> bytes | None
    history.latest_for(output) -> Entry | None              # the entry whose output is that file now
    history.by_job(job) -> Entry | None                     # the entry that a job of the queue has made
    history.made_with(hold) -> str | None                   # SHA-256 of the result that those credits were set aside for
    history.star(ids, on); set_tags(id, names); tag(ids, add=, remove=); all_tags() -> ((name, count), ...)
    history.trash(ids); restore(ids)                        # the trash hides entries, and touches no file

One History belongs to one thread; any number of processes may have the same file open. Ids grow with time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.store import erasing, journal, tags
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
from outfitswap_desktop.store.selection import LARGEST_ID, Filter, select

THUMBNAILS_FILE: Final = "thumbs.db"
LARGEST_PAGE: Final = 500
_LOOKED_AT: Final = 2000
_WRITTEN: Final = (
    "id, created, state, replaced_by, photo, photo_sha256, prompt, zone, engine, segmenter, output, output_sha256, "
    "mask, mask_sha256, receipt_file, receipt_sha256, seed, receipt, batch, outfit, job, parent, root"
)
_READ: Final = f"{_WRITTEN}, starred, trashed, tag_words"
_INSERTED: Final = f"{_WRITTEN}, hold"


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
            record.job,
            _made_before(connection, record.photo_sha256, entry_id),
            _root_of(record),
            record.hold,
        )
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO entries ({_INSERTED}) VALUES ({marks})", values)

    def erase(self, ids: Sequence[int] | None, *, for_good: bool = True) -> tuple[int, int]:
        """Take entries (None: all) out, with thumbnails, tags and search index; returns how many rows of each there were.

        `for_good` writes the files anew, so that nothing is left in them or in the WAL; without it only the freed pages are
        overwritten, which is quick. Files that the entries name are not touched. Raises NotAvailable ("history_busy") when
        another program is writing.
        """
        with explained(self._thumbs_path):
            thumbnails = erasing.delete_rows(self._thumbs.conn, "thumbnails", ids)
            if for_good:
                erasing.forget(self._thumbs.conn)
        with explained(self.path):
            entries = erasing.delete_rows(self._db.conn, "entries", ids, keep="state = 'publishing'")
            with immediate(self._db.conn):
                tags.drop_unused(self._db.conn)
            if for_good:
                erasing.forget(self._db.conn, search_index="entries_text")
        return entries, thumbnails

    # Stars, tags, trash

    def star(self, ids: Sequence[int], on: bool = True) -> None:
        """Mark entries with a star, or take it away."""
        with self._write() as connection:
            connection.executemany(
                "UPDATE entries SET starred = ? WHERE id = ? AND starred <> ?", [(on, number, on) for number in ids]
            )

    def set_tags(self, entry_id: int, names: Sequence[str]) -> None:
        """Let an entry have exactly these tags; names that differ only in case are one.

        Raises UsageProblem ("too_many_tags").
        """
        with self._write() as connection:
            tags.set_all(connection, entry_id, names)

    def tag(self, ids: Sequence[int], *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Give tags to entries and take tags from them. Raises UsageProblem ("too_many_tags"), and then nothing is changed."""
        with self._write() as connection:
            tags.change(connection, ids, add=add, remove=remove)

    def all_tags(self) -> tuple[tuple[str, int], ...]:
        """Every tag with the number of entries outside the trash that have it, by name."""
        with explained(self.path):
            return tags.counts(self._db.conn)

    def trash(self, ids: Sequence[int]) -> None:
        """Put entries into the trash: they no longer show; their files stay where they are."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._write() as connection:
            connection.executemany(
                "UPDATE entries SET trashed = ? WHERE id = ? AND trashed IS NULL", [(now, number) for number in ids]
            )

    def restore(self, ids: Sequence[int]) -> None:
        """Take entries out of the trash."""
        with self._write() as connection:
            connection.executemany(
                "UPDATE entries SET trashed = NULL WHERE id = ? AND trashed IS NOT NULL", [(number,) for number in ids]
            )

    # Reading

    def list(
        self,
        *,
        before: int | None = None,
        limit: int = 60,
        text: str = "",
        batch: str | None = None,
        where: Filter | None = None,
        receipts: bool = True,
    ) -> tuple[Entry, ...]:
        """A page of entries, newest first: those with an id under `before` that `where` means. `limit` 1..500.

        Without `receipts` the entries' receipts are empty, which is lighter where many are held.

        Words match from their beginnings ("vel" finds "velvet"); anything may be typed. `text` and `batch` are short for a
        filter with only those.
        """
        if not 1 <= limit <= LARGEST_PAGE:
            raise UsageProblem(f"A page has 1 to {LARGEST_PAGE} entries.", reason="bad_limit")
        with explained(self.path):
            chosen = select(self._db.conn, _filter(where, text, batch))
            if chosen is None:
                return ()
            chosen = chosen.before(before)
            columns = ", ".join(f"entries.{name.strip()}" for name in _READ.split(","))
            if not receipts:
                columns = columns.replace("entries.receipt,", "'{}',")
            query = f"SELECT {columns} {chosen.ending()} ORDER BY {chosen.id} DESC LIMIT ?"
            rows = self._db.conn.execute(query, (*chosen.values, limit)).fetchall()
            return self._entries(rows)

    def pages(
        self, *, size: int = 200, text: str = "", batch: str | None = None, where: Filter | None = None
    ) -> Iterator[tuple[Entry, ...]]:
        """All pages of `list`, newest first."""
        before: int | None = None
        while page := self.list(before=before, limit=size, text=text, batch=batch, where=where):
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

    def by_job(self, job: str) -> Entry | None:
        """The entry that a job of the queue has made (the newest, in the trash or not), or None."""
        return self._one("job = ? AND state <> 'publishing'", job)

    def made_with(self, hold: str) -> str | None:
        """The SHA-256 of the result that the credits `hold` were set aside for, in the trash or not; None when there is none.

        Raises NotAvailable ("still_publishing") while its files are being put in place: ask again later.
        """
        with explained(self.path):
            row = self._db.conn.execute(
                "SELECT output_sha256, state FROM entries WHERE hold = ? ORDER BY id DESC LIMIT 1", (hold,)
            ).fetchone()
        if row is not None and row[1] == "publishing":
            raise NotAvailable("The result is being put in its place just now.", reason="still_publishing")
        return None if row is None else str(row[0])

    def children(self, entry_id: int) -> tuple[Entry, ...]:
        """The entries that were made from the result of this one, newest first."""
        query = f"SELECT {_READ} FROM entries WHERE parent = ? AND state <> 'publishing' ORDER BY id DESC LIMIT ?"
        with explained(self.path):
            return self._entries(self._db.conn.execute(query, (entry_id, LARGEST_PAGE)).fetchall())

    def variations(self, entry: Entry, *, limit: int = 24) -> tuple[Entry, ...]:
        """The newest results of the same photo, words, zone and engine, `entry` among them; not those in the trash."""
        query = (
            f"SELECT {_READ} FROM entries WHERE photo_sha256 = ? AND prompt = ? AND zone = ? AND engine = ? "
            "AND state <> 'publishing' AND trashed IS NULL ORDER BY id DESC LIMIT ?"
        )
        values = (entry.photo_sha256, stored_text(entry.prompt), entry.zone, entry.engine, limit)
        with explained(self.path):
            return self._entries(self._db.conn.execute(query, values).fetchall())

    def engines(self) -> tuple[str, ...]:
        """The engines of the newest few thousand entries, by name."""
        query = "SELECT DISTINCT engine FROM (SELECT engine FROM entries WHERE state <> 'publishing' ORDER BY id DESC LIMIT ?)"
        with explained(self.path):
            return tuple(sorted(str(row[0]) for row in self._db.conn.execute(query, (_LOOKED_AT,))))

    def count(self, *, text: str = "", where: Filter | None = None, most: int = LARGEST_ID) -> int:
        """How many entries `where` means, outside the trash if it does not say otherwise; counting ends at `most`."""
        with explained(self.path):
            chosen = select(self._db.conn, _filter(where, text, None))
            if chosen is None:
                return 0
            query = f"SELECT count(*) FROM (SELECT 1 {chosen.ending()} LIMIT ?)"
            row = self._db.conn.execute(query, (*chosen.values, most)).fetchone()
        return int(row[0])

    def thumbnail(self, entry_id: int) -> bytes | None:
        """The WebP of an entry, or None."""
        with explained(self._thumbs_path):
            row = self._thumbs.conn.execute("SELECT webp FROM thumbnails WHERE id = ?", (entry_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def _one(self, where: str, value: Any) -> Entry | None:
        query = f"SELECT {_READ} FROM entries WHERE {where} ORDER BY id DESC LIMIT 1"
        with explained(self.path):
            found = self._entries(self._db.conn.execute(query, (value,)).fetchall())
        return found[0] if found else None

    def _entries(self, rows: Sequence[Sequence[Any]]) -> tuple[Entry, ...]:
        known = tags.names(self._db.conn, (str(row[25]) for row in rows))
        return tuple(_entry(row, known) for row in rows)

    @contextmanager
    def _write(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        with explained(self.path), immediate(self._db.conn, durable=durable):
            yield self._db.conn

    @property
    def _thumbs_path(self) -> Path:
        return self.path.with_name(THUMBNAILS_FILE)


def _filter(where: Filter | None, text: str, batch: str | None) -> Filter:
    wanted = where if where is not None else Filter()
    if text:
        wanted = replace(wanted, text=text)
    return replace(wanted, batch=batch) if batch is not None else wanted


def _made_before(connection: sqlite3.Connection, photo_sha256: str, entry_id: int) -> int | None:
    """The newest entry whose result is that very file, None when the photo is no result."""
    row = connection.execute(
        "SELECT max(id) FROM entries WHERE output_sha256 = ? AND id < ? AND state <> 'publishing'",
        (photo_sha256, entry_id),
    ).fetchone()
    return row[0] if row is None or row[0] is None else int(row[0])


def _root_of(record: Record) -> str | None:
    """The SHA-256 of the photo at the beginning, None when it is the record's own photo."""
    safety = record.receipt.get("safety")
    root = safety.get("root_sha256") if isinstance(safety, Mapping) else None
    return root if isinstance(root, str) and root != record.photo_sha256 else None


def _entry(row: Sequence[Any], tag_names: Mapping[str, str]) -> Entry:
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
        job=row[20],
        parent=row[21],
        root=row[22] or row[5],
        starred=bool(row[23]),
        trashed=read_moment(row[24]) if row[24] is not None else None,
        tags=tuple(sorted((tag_names[word] for word in str(row[25]).split() if word in tag_names), key=str.casefold)),
    )
