"""Emptying the history's trash: files go to the system's trash, rows out of the history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.selection import Filter


@dataclass(frozen=True, slots=True)
class Emptied:
    """How many entries left the history and how many files the disk; `left` are sentences on files that stayed."""

    entries: int
    files: int
    left: tuple[str, ...]


def empty_trash(
    history: History,
    remove: Callable[[Path, str], bool],
    *,
    ids: Sequence[int] | None = None,
    for_good: bool = False,
) -> Emptied:
    """Take what lies in the trash (None: all of it) out of the history, and its results, masks and receipts off the disk.

    `remove` takes a file away if it still has that hash (`safety.api.to_trash`). An entry whose file cannot be taken away
    stays in the trash. `for_good` leaves nothing of the rows in the database's file. Raises NotAvailable ("history_busy").
    """
    gone: list[int] = []
    left: list[str] = []
    files = 0
    for page in history.pages(where=Filter(trashed=True)):
        for entry in page:
            if ids is not None and entry.id not in ids:
                continue
            try:
                for path, sha256 in (
                    (entry.output, entry.output_sha256),
                    (entry.mask, entry.mask_sha256),
                    (entry.receipt_file, entry.receipt_sha256),
                ):
                    if entry.state == "done" and path is not None and sha256 is not None:
                        files += remove(path, sha256)
            except KnownError as problem:
                left.append(f"{problem.message} {problem.hint}".strip())
            else:
                gone.append(entry.id)
    rows, _ = history.erase(gone, for_good=for_good) if gone else (0, 0)
    return Emptied(rows, files, tuple(dict.fromkeys(left)))
