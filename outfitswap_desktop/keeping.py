"""Taking the history along, and erasing it: what lies in the program's own folder, listed before it goes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from outfitswap_desktop import paths
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.safety.api import archive_place, erase_records, list_records, publish_archive, withdraw
from outfitswap_desktop.store.entry import Entry
from outfitswap_desktop.store.export import write_archive
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.queue import Queue
from outfitswap_desktop.store.selection import Filter

MOST_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is about to be erased: `ids` None means all entries. `lines` say it to the user, `word` is what to type."""

    ids: tuple[int, ...] | None
    entries: tuple[Entry, ...]
    files: bool
    everything: bool
    records: tuple[str, ...]
    lines: tuple[str, ...]
    word: str


def export_history(history: History, output: Path) -> dict[str, Any]:
    """Write the history as a ZIP to `output`, in one step; returns what is in it. Raises UsageProblem or NotAvailable."""
    if output.suffix.lower() != ".zip":
        raise UsageProblem(
            f"{output.name} must be a ZIP file.", reason="output_suffix", hint=f"Name it {output.stem}.zip."
        )
    with archive_place(output) as place:
        counts = write_archive(history, place.part)
        publish_archive(place)
    return {"archive": str(place.final), **counts}


def plan_erasure(history: History, *, entries: tuple[int, ...] | None, files: bool, everything: bool) -> Erasure:
    """List what would be erased; nothing is touched. Raises UsageProblem for entries that are not there."""
    if entries is not None and everything:
        raise UsageProblem("--entries and --everything exclude each other.", reason="usage", hint="Choose one.")
    if entries is None:
        found = tuple(entry for page in history.pages(where=Filter(trashed=None)) for entry in page)
    else:
        looked_up = {number: history.get(number) for number in entries}
        missing = [str(number) for number, entry in looked_up.items() if entry is None]
        if missing:
            raise UsageProblem(
                f"There is no entry {', '.join(missing)}.",
                reason="no_such_entry",
                hint="See `outfitswap history list`.",
            )
        found = tuple(entry for entry in looked_up.values() if entry is not None)
    records = list_records(paths.data_dir(), everything=everything) if entries is None else ()
    lines = [f"{len(found)} entries of the history, with their thumbnails and receipts:"]
    lines += [f"  {e.id:>6}  {e.created:%Y-%m-%d %H:%M}  {e.prompt[:48]}  {e.output}" for e in found[:MOST_LISTED]]
    if len(found) > MOST_LISTED:
        lines.append(f"  ... and {len(found) - MOST_LISTED} more")
    lines.append(
        "their results, masks and receipts on the disk, where they are still the files that were made"
        if files
        else "The results on the disk stay; --files erases them too."
    )
    lines += list(records)
    if entries is None:
        lines.append("the queue, but for a job that runs")
        lines.append("the program's logs")
    lines.append(
        "Not within reach: backups, thumbnails of the system, copies you made, and what an SSD keeps to itself."
    )
    word = f"ERASE-{len(found)}"
    return Erasure(entries, found, files, everything, records, tuple(lines), word)


def erase(history: History, planned: Erasure, *, typed: str) -> dict[str, Any]:
    """Erase what was planned when the right word was typed; returns the receipt. A second run finds nothing to do.

    Raises UsageProblem ("not_confirmed") for another word, and then nothing was touched.
    """
    if typed != planned.word:
        raise UsageProblem(
            "Nothing was erased: the word was not typed.",
            reason="not_confirmed",
            hint=f"Type {planned.word}, or pass --confirm {planned.word}.",
        )
    gone = 0
    if planned.files:
        for entry in planned.entries:
            for path, sha256 in (
                (entry.output, entry.output_sha256),
                (entry.mask, entry.mask_sha256),
                (entry.receipt_file, entry.receipt_sha256),
            ):
                gone += bool(path is not None and sha256 is not None and withdraw(path, sha256))
    rows, thumbnails = history.erase(planned.ids)
    receipt: dict[str, Any] = {
        "erased": datetime.now(UTC).isoformat(timespec="seconds"),
        "entries": rows,
        "thumbnails": thumbnails,
        "files": gone,
    }
    if planned.ids is None:
        receipt["log"] = _remove(paths.log_file())
        for log in paths.data_dir().glob("engine.log*"):
            receipt["log"] += _remove(log)
        receipt["queue"] = _erase_queue()
        receipt["cache"] = _emptied(paths.data_dir() / "cache")  # embeddings are made from photos
        receipt["results_folder"] = _emptied(paths.data_dir() / "results") if planned.files else 0
        receipt |= erase_records(paths.data_dir(), everything=planned.everything)
    return receipt


def _erase_queue() -> int:
    """Erase the jobs of the queue, if there is one; a running one is the window's to cancel."""
    if not paths.queue_file().is_file():
        return 0
    with Queue(paths.queue_file()) as queue:
        return queue.erase()


def _remove(path: Path) -> int:
    try:
        path.unlink()
    except OSError:
        return 0
    return 1


def _emptied(folder: Path) -> int:
    """Take one of the program's own folders away with whatever is in it; returns the number of files."""
    if folder.is_symlink() or not folder.is_dir():
        return 0
    count = sum(1 for path in folder.rglob("*") if path.is_file())
    shutil.rmtree(folder, ignore_errors=True)
    return count
