"""What is written beside installed weights: every file with size, hash and time; and how small JSON files are kept whole."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from outfitswap_desktop.weights.names import is_safe

RECORD: Final = "weights.json"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """One file as it was when it was hashed: bytes, SHA-256, and modification time in nanoseconds."""

    size: int
    sha256: str
    modified: int


@dataclass(frozen=True, slots=True)
class Record:
    """What lies in one folder. `origin`: "hub", "address", "file" (imported by hash) or "structure" (imported, asked)."""

    id: str
    source: str
    revision: str
    origin: str
    date: str
    files: Mapping[str, Kept]

    def with_files(self, files: Mapping[str, Kept]) -> Record:
        return replace(self, files=dict(files))


def read_record(folder: Path, weights_id: str) -> Record | None:
    """The record in a folder; None when it is missing, damaged, or about other weights."""
    said = read_json(folder / RECORD)
    try:
        if said["format"] != FORMAT or said["id"] != weights_id or not said["files"]:
            return None
        files = {
            str(path): Kept(int(values["size"]), str(values["sha256"]), int(values["modified"]))
            for path, values in said["files"].items()
        }
        if not all(is_safe(path) for path in files):
            return None
        return Record(
            weights_id, str(said["source"]), str(said["revision"]), str(said["origin"]), str(said["date"]), files
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def write_record(folder: Path, record: Record) -> None:
    """Write the record into a folder, whole or not at all."""
    files = {
        path: {"size": kept.size, "sha256": kept.sha256, "modified": kept.modified}
        for path, kept in sorted(record.files.items())
    }
    document = {
        "format": FORMAT,
        "id": record.id,
        "source": record.source,
        "revision": record.revision,
        "origin": record.origin,
        "date": record.date,
        "files": files,
    }
    write_json(folder / RECORD, document)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; an empty one when the file is missing or is none."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file beside its place, flush it to the disk, and put it in its place."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with beside.open("w", encoding="utf-8") as target:
            json.dump(document, target, indent=1, ensure_ascii=False)
            target.write("\n")
            target.flush()
            os.fsync(target.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
