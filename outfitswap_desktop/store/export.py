"""The history as a ZIP that other programs can read: JSON, thumbnails, results, and a README that explains them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any, Final

from outfitswap_desktop.paths import resource
from outfitswap_desktop.store.entry import Entry, entry_values
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.selection import Filter

SCHEMA: Final = 1


def write_archive(history: History, target: Path) -> dict[str, int]:
    """Write the archive to `target` (a part, renamed by the caller); returns how many entries and files are in it.

    A result, mask or receipt that was changed or is gone is left out, and its entry says so with null. Raises OSError.
    """
    counts = {"entries": 0, "files": 0, "thumbnails": 0, "missing_files": 0}
    entries: list[dict[str, Any]] = []
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("README.md", resource("texts/export-readme.md").read_text(encoding="utf-8"))
        for page in history.pages(where=Filter(trashed=None)):
            for entry in page:
                entries.append(_add(archive, history, entry, counts))
        counts["entries"] = len(entries)
        document = {"schema": SCHEMA, "entries": entries}
        archive.writestr("history.json", json.dumps(document, indent=2, ensure_ascii=False, default=str))
    return counts


def _add(archive: zipfile.ZipFile, history: History, entry: Entry, counts: dict[str, int]) -> dict[str, Any]:
    files: dict[str, str | None] = {}
    wanted = (
        ("output", entry.output, entry.output_sha256),
        ("mask", entry.mask, entry.mask_sha256),
        ("receipt", entry.receipt_file, entry.receipt_sha256),
    )
    for role, path, sha256 in wanted:
        content = _unchanged(path, sha256)
        if content is None or path is None:
            files[role] = None
            counts["missing_files"] += 1
            continue
        name = f"results/{entry.id}/{role}{path.suffix}"
        archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_STORED)
        files[role] = name
        counts["files"] += 1
    small = history.thumbnail(entry.id)
    if small is not None:
        files["thumbnail"] = f"thumbnails/{entry.id}.webp"
        archive.writestr(zipfile.ZipInfo(f"thumbnails/{entry.id}.webp"), small, zipfile.ZIP_STORED)
        counts["thumbnails"] += 1
    return {**entry_values(entry), "receipt": entry.receipt, "files": files}


def _unchanged(path: Path | None, sha256: str | None) -> bytes | None:
    """The bytes of a file that is still the one that was made, else None."""
    if path is None or sha256 is None:
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == sha256 else None
