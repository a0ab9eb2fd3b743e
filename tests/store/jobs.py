"""One small job as the runner writes it, and the invariants that must hold after any kill and the next start."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from outfitswap_desktop.safety import writing
from outfitswap_desktop.store.entry import Entry, Record
from outfitswap_desktop.store.history import History

ROLES = ("output", "mask", "receipt")
SUFFIXES = {"output": ".png", "mask": ".mask.png", "receipt": ".json"}


def record(prompt: str = "navy linen shirt", seed: int = 1, batch: str | None = None) -> Record:
    return Record(
        photo=Path("/photos/me.jpg"),
        photo_sha256="0" * 64,
        prompt=prompt,
        zone="top",
        engine="fabric",
        segmenter="test",
        seed=seed,
        receipt={"seed": seed, "words": prompt},
        batch=batch,
    )


def plan(folder: Path, name: str) -> list[writing.Planned]:
    return [writing.plan(folder / f"{name}{SUFFIXES[role]}", role=role) for role in ROLES]


def contents(seed: int) -> list[bytes]:
    return [f"{role} {seed}".encode() * 50 for role in ROLES]


def write_one(history: History, folder: Path, name: str, seed: int, prompt: str = "navy linen shirt") -> int:
    """The three phases, to the end."""
    planned = plan(folder, name)
    entry_id = history.begin(planned)
    staged = [writing.stage(data, place) for data, place in zip(contents(seed), planned, strict=True)]
    history.commit(entry_id, record(prompt, seed), staged, thumbnail=f"thumb {seed}".encode())
    for file in staged:
        writing.publish(file)
    history.finish(entry_id)
    return entry_id


def files_of(entry: Entry) -> Sequence[tuple[Path, str]]:
    pairs = (
        (entry.output, entry.output_sha256),
        (entry.mask, entry.mask_sha256),
        (entry.receipt_file, entry.receipt_sha256),
    )
    return [(path, sha256) for path, sha256 in pairs if path is not None and sha256 is not None]


def assert_whole(history: History, folder: Path) -> list[Entry]:
    """No part, no row without its files, no file without a row, nothing pending, text index and thumbnails in step."""
    entries = [entry for page in history.pages() for entry in page]
    on_disk = {path for path in folder.resolve().rglob("*") if path.is_file()}
    assert not [path for path in on_disk if path.suffix == ".part"]
    claimed: set[Path] = set()
    for entry in entries:
        if entry.state == "done":
            for path, sha256 in files_of(entry):
                assert path.is_file(), f"entry {entry.id} without {path.name}"
                assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256, f"entry {entry.id}: {path.name} differs"
                claimed.add(path)
        else:
            assert entry.replaced_by is not None
    assert on_disk == claimed, "a file without a row"
    raw = history._db.conn
    assert raw.execute("SELECT count(*) FROM journal").fetchone()[0] == 0
    assert raw.execute("SELECT count(*) FROM journal_files").fetchone()[0] == 0
    assert raw.execute("SELECT count(*) FROM entries WHERE state = 'publishing'").fetchone()[0] == 0
    raw.execute("INSERT INTO entries_text (entries_text) VALUES ('integrity-check')")
    raw.commit()
    thumbs = {row[0] for row in history._thumbs.conn.execute("SELECT id FROM thumbnails")}
    assert thumbs == {entry.id for entry in entries}
    return entries
