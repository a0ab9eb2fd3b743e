"""Takes away what was kept long enough: old entries of the audit log, expired consents, old files in folders of ours."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.safety.records.audit import KEPT
from outfitswap_desktop.safety.records.keys import SAFETY
from outfitswap_desktop.safety.records.ledger import Ledger

LEFTOVERS: Final = timedelta(days=1)
"""How long a half-written file of a program that died is left alone."""

MOST_DEPTH: Final = 8


@dataclass(frozen=True, slots=True)
class SweptFolder:
    """A folder below the program's data folder whose files are taken away once they are older than `keep`."""

    path: Path
    keep: timedelta


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep took away: entries of the log, consents, files."""

    entries: int
    consents: int
    files: int


class Sweeper:
    """Sweeps the records of `ledger`, and `folders`; running it twice does no more than once.

    `keep` may be shorter than KEPT, not longer: UsageProblem ("retention").
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        keep: timedelta = KEPT,
        folders: tuple[SweptFolder, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not timedelta(0) <= keep <= KEPT or any(one.keep < timedelta(0) for one in folders):
            raise UsageProblem(
                f"Records are kept for {KEPT.days} days at most.",
                reason="retention",
                hint=f"Give a number of days from 0 to {KEPT.days}.",
            )
        self._ledger = ledger
        self._keep = keep
        self._folders = folders
        self._clock = clock

    def sweep(self) -> Swept:
        """Take away what is due and log how much, if anything. Raises NotAvailable when the records cannot be written."""
        consents = self._ledger.consents.sweep(self._keep)
        files = sum(self._sweep_folder(one.path, one.keep) for one in self._folders) + self._sweep_own()
        if consents or files:
            self._ledger.log({"kind": "swept", "files": files, "consents": consents})
        entries = self._ledger.audit.prune(self._keep)
        return Swept(entries, consents, files)

    def _sweep_own(self) -> int:
        """Damaged logs and replaced keys that were kept aside long enough, and half-written files."""
        if self._ledger.folder is None:
            return 0
        root = self._ledger.folder / SAFETY
        aside = self._remove(root, self._keep, lambda name: ".damaged-" in name or ".old-" in name)
        return aside + self._remove(root, LEFTOVERS, lambda name: name.startswith(".") and name.endswith(".part"))

    def _sweep_folder(self, path: Path, keep: timedelta) -> int:
        if self._ledger.folder is None or not is_below(path, self._ledger.folder):
            raise NotAvailable(
                f"{path.name} is not a folder of the program's own, so nothing in it is taken away.",
                reason="not_ours",
                hint="Only folders below the program's data folder are swept.",
            )
        return self._remove(path, keep, lambda name: True)

    def _remove(self, root: Path, keep: timedelta, wanted: Callable[[str], bool]) -> int:
        before = self._clock() - keep.total_seconds()
        count = 0
        for path, modified in plain_files(root):
            if wanted(path.name) and modified < before:
                with contextlib.suppress(OSError):
                    path.unlink()
                    count += 1
        return count


def is_below(path: Path, root: Path) -> bool:
    """Whether `path`, every link on the way followed, lies strictly below `root`."""
    return root.resolve() in path.resolve().parents


def plain_files(root: Path, depth: int = MOST_DEPTH) -> Iterator[tuple[Path, float]]:
    """Regular files below `root` with the time of their last change; no link is followed, not even `root` itself."""
    if root.is_symlink() or depth < 0:
        return
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        with contextlib.suppress(OSError):
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode):
                yield from plain_files(Path(entry.path), depth - 1)
            elif stat.S_ISREG(facts.st_mode):
                yield Path(entry.path), facts.st_mtime
