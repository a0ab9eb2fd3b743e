"""The words of the history: what a runner records, what a reader gets back, what recovery did."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from outfitswap_desktop.errors import NotAvailable

State = Literal["done", "replaced"]


class PlannedFile(Protocol):
    """A file to come; `safety.writing.Planned` is one. Roles: "output", "mask", "receipt"."""

    @property
    def role(self) -> str: ...
    @property
    def part(self) -> Path: ...
    @property
    def final(self) -> Path: ...


class StagedFile(PlannedFile, Protocol):
    """A file whose part is written and synced; `safety.writing.Staged` is one."""

    @property
    def sha256(self) -> str: ...


class FileActions(Protocol):
    """How files are renamed and taken away: the functions of `safety.writing` (the module itself fits)."""

    def replace(self, part: Path, final: Path, /) -> None:
        """Rename `part` over `final`; raises KnownError."""

    def discard(self, part: Path, /) -> None:
        """Take a part away, quietly."""

    def withdraw(self, final: Path, sha256: str, /) -> bool:
        """Take a published file away again if its bytes hash to `sha256`."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a runner records of one finished job. `receipt` is the JSON document; `photo` None when it came as bytes.

    `job` is the queue's id of it, None for a job that came from no queue; `hold` the id of the credits set aside for it.
    """

    photo: Path | None
    photo_sha256: str
    prompt: str
    zone: str
    engine: str
    segmenter: str
    seed: int
    receipt: Mapping[str, Any] = field(default_factory=dict)
    batch: str | None = None
    outfit: str | None = None
    job: str | None = None
    hold: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the history. `created` is UTC; paths are absolute; `receipt_json` is the receipt as text.

    `job` is the queue's id; `trashed` since when it lies in the trash (UTC), else None; `parent` the entry whose result was the
    photo of this one (it may have been erased since), `root` the SHA-256 of the photo at the beginning of that line.
    """

    id: int
    created: datetime
    state: State
    replaced_by: int | None
    photo: Path | None
    photo_sha256: str
    prompt: str
    zone: str
    engine: str
    segmenter: str
    output: Path
    output_sha256: str
    mask: Path | None
    mask_sha256: str | None
    receipt_file: Path | None
    receipt_sha256: str | None
    seed: int
    receipt_json: str
    batch: str | None
    outfit: str | None
    job: str | None = None
    starred: bool = False
    trashed: datetime | None = None
    parent: int | None = None
    root: str = ""
    tags: tuple[str, ...] = ()

    @property
    def receipt(self) -> dict[str, Any]:
        """The receipt; raises NotAvailable when the stored text is damaged."""
        try:
            document: dict[str, Any] = json.loads(self.receipt_json)
        except ValueError as problem:
            raise NotAvailable(f"The receipt of entry {self.id} is damaged.", reason="history_damaged") from problem
        return document


@dataclass(frozen=True, slots=True)
class Recovered:
    """What recovery did with jobs that a killed program left: finished, taken back, or left for later with the reason."""

    finished: tuple[int, ...] = ()
    taken_back: tuple[int, ...] = ()
    left: tuple[str, ...] = ()


def entry_values(entry: Entry) -> dict[str, Any]:
    """An entry as plain values, without the receipt's text: what `history list --json` shows."""
    values = asdict(entry)
    del values["receipt_json"]
    paths = {name: str(value) for name, value in values.items() if isinstance(value, Path)}
    trashed = entry.trashed.isoformat() if entry.trashed is not None else None
    return values | paths | {"created": entry.created.isoformat(), "trashed": trashed, "tags": list(entry.tags)}


def stored_path(path: Path | None) -> str | bytes | None:
    """`path` as SQLite keeps it: text, or bytes when its name is not valid text."""
    if path is None:
        return None
    text = str(path)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path)
    return text


def read_path(value: str | bytes | None) -> Path | None:
    """The reverse of `stored_path`."""
    if value is None:
        return None
    return Path(os.fsdecode(value) if isinstance(value, bytes) else str(value))


def read_moment(value: str) -> datetime:
    """A stored UTC time; one that is damaged reads as the beginning of 1970."""
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return datetime.fromtimestamp(0, UTC)


def read_seed(value: str) -> int:
    """A stored seed; one that is damaged reads as 0."""
    try:
        return int(value)
    except (ValueError, TypeError):
        return 0


def stored_text(text: str) -> str:
    """`text` without lone surrogates and null characters, which SQLite cannot keep or search."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
