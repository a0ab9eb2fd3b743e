"""The weights that lie on this machine: one folder for each id, and beside its files a record of what they must be.

Only a whole folder whose files were hashed gets its name; until then it has another, so that a kill at any moment leaves
nothing that `open` accepts. Layout: ``<id>/...``, ``<id>/weights.json``, ``<id>.part/`` (being fetched), ``known.json``,
``licences.json``, ``locks/``.
"""

from __future__ import annotations

import datetime
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from outfitswap_desktop import paths
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.weights.catalogue import Catalogue, File, Weights, read_catalogue
from outfitswap_desktop.weights.hashing import sha256_of
from outfitswap_desktop.weights.lock import locked
from outfitswap_desktop.weights.record import RECORD, Kept, Record, read_json, read_record, write_json, write_record

State = Literal["installed", "missing", "partial", "damaged"]
PART: Final = ".part"
LICENCES: Final = "licences.json"
_STRAY: Final = frozenset({RECORD, ".DS_Store", "Thumbs.db", "desktop.ini"})
"""What may lie in a folder without being in its record."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Weights that may be used: their folder, SHA-256 by relative path, and the commit they are of ("" without one)."""

    id: str
    folder: Path
    hashes: Mapping[str, str]
    revision: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """That a licence was accepted: its name, the address of its text, and when (ISO 8601, UTC)."""

    licence: str
    url: str
    date: str


class WeightsStore:
    """The weights in `folder`, judged by `catalogue`. Nothing here uses the network."""

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self.folder = folder
        self.catalogue = catalogue

    def place(self, weights_id: str) -> Path:
        """Where weights lie when they are installed."""
        return self.folder / self.catalogue.get(weights_id).id

    def part(self, weights_id: str) -> Path:
        """Where weights lie while they are fetched."""
        return self.folder / f"{self.catalogue.get(weights_id).id}{PART}"

    def state(self, weights_id: str) -> State:
        """What is there; a file whose time was changed is hashed again. Raises UsageProblem for an unknown id."""
        place = self.place(weights_id)
        if place.is_dir():
            return "damaged" if self.faults(weights_id) else "installed"
        part = self.part(weights_id)
        return "partial" if part.is_dir() and any(part.iterdir()) else "missing"

    def open(self, weights_id: str) -> Installed:
        """The weights, ready to be loaded.

        Raises NotAvailable: "weights_missing", "weights_damaged" or "licence_not_accepted", each with the way out.
        """
        weights = self.catalogue.get(weights_id)
        place = self.place(weights_id)
        if not place.is_dir():
            raise NotAvailable(
                f"The weights {weights.id} ({weights.title}) are not installed.",
                reason="weights_missing",
                hint=f"Get them with `outfitswap models get {weights.id}`.",
            )
        faults = self.faults(weights_id)
        if faults:
            raise NotAvailable(
                f"The weights {weights.id} are damaged: {faults[0]}.",
                reason="weights_damaged",
                hint=f"Mend them with `outfitswap models verify {weights.id} --repair`.",
            )
        if not self.accepted(weights_id):
            raise NotAvailable(
                f"The licence of {weights.id} ({weights.licence.name}) has not been accepted.",
                reason="licence_not_accepted",
                hint=f"Read {weights.licence.url}, then `outfitswap models get {weights.id} --accept-licence`.",
            )
        record = self._record(weights_id)
        assert record is not None
        return Installed(weights.id, place, {path: kept.sha256 for path, kept in record.files.items()}, record.revision)

    def installed(self) -> tuple[str, ...]:
        """Ids of the catalogue that are installed and undamaged, in the catalogue's order."""
        return tuple(weights_id for weights_id in self.catalogue.weights if self.state(weights_id) == "installed")

    def remove(self, weights_id: str) -> int:
        """Delete weights and what was fetched of them; returns the bytes that are free again.

        The record of their hashes and the accepted licence stay. Raises NotAvailable ("weights_busy", "weights_in_use").
        """
        weights_id = self.catalogue.get(weights_id).id
        with locked(self.folder, weights_id):
            freed = sum(_bytes_in(folder) for folder in (self.place(weights_id), self.part(weights_id)))
            self.discard(weights_id)
            if self.part(weights_id).exists():
                shutil.rmtree(self.part(weights_id), ignore_errors=True)
        return freed

    def discard(self, weights_id: str) -> None:
        """Take installed weights away, under the lock: first their name, so that nobody opens half of them."""
        place = self.place(weights_id)
        aside = self.folder / f"{place.name}.old"
        shutil.rmtree(aside, ignore_errors=True)
        if not place.exists():
            return
        try:
            place.replace(aside)
        except OSError as problem:
            raise NotAvailable(
                f"The weights {weights_id} are in use by another program.",
                reason="weights_in_use",
                hint="Wait until its job has ended, or close it.",
            ) from problem
        shutil.rmtree(aside, ignore_errors=True)

    def lacking(self, engine: str) -> tuple[str, ...]:
        """Ids that an engine does not run without and that are not installed."""
        return tuple(each for each in self.catalogue.needs(engine) if self.state(each) != "installed")

    def size(self, weights_id: str) -> int:
        """Bytes that the recorded files take on this disk; 0 when nothing is installed."""
        record = self._record(weights_id)
        return sum(kept.size for kept in record.files.values()) if record else 0

    def faults(
        self, weights_id: str, *, full: bool = False, report: Callable[[int], None] | None = None
    ) -> tuple[str, ...]:
        """What is wrong with installed weights, a phrase for each file; `full` hashes everything and `report`s bytes."""
        return tuple(f"{path} {what}" for path, what in self.damage(weights_id, full=full, report=report).items())

    def damage(
        self, weights_id: str, *, full: bool = False, report: Callable[[int], None] | None = None
    ) -> dict[str, str]:
        """Relative paths of what is wrong, each with what it is: "is missing", "was changed", "does not belong there" ..."""
        weights, place = self.catalogue.get(weights_id), self.place(weights_id)
        record = self._record(weights_id)
        if record is None:
            return {RECORD: "is missing or unreadable"}
        found = dict.fromkeys(_strays(place, record), "does not belong there")
        found |= _against_pins(weights, record)
        healed: dict[str, Kept] = {}
        for path, kept in record.files.items():
            if path in found:
                continue
            wrong, renewed = _look(place / path, kept, full=full, report=report)
            if wrong:
                found[path] = wrong
            elif renewed is not None:
                healed[path] = renewed
        if healed and not found:
            write_record(place, record.with_files({**record.files, **healed}))
        return found

    def accepted(self, weights_id: str) -> bool:
        """Whether the licence asks for nothing, or was accepted as it stands in the catalogue now."""
        licence = self.catalogue.get(weights_id).licence
        if not licence.ask:
            return True
        said = self.acceptance(weights_id)
        return said is not None and (said.licence, said.url) == (licence.name, licence.url)

    def acceptance(self, weights_id: str) -> Acceptance | None:
        """What was accepted for these weights, if anything was."""
        said = read_json(self.folder / LICENCES).get(weights_id)
        if not isinstance(said, dict) or not {"licence", "url", "date"} <= set(said):
            return None
        return Acceptance(str(said["licence"]), str(said["url"]), str(said["date"]))

    def accept(self, weights_id: str) -> Acceptance:
        """Record that the user accepted the licence, with today's date and the address of its text."""
        licence = self.catalogue.get(weights_id).licence
        said = Acceptance(licence.name, licence.url, datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
        everything = read_json(self.folder / LICENCES)
        everything[weights_id] = {"licence": said.licence, "url": said.url, "date": said.date}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / LICENCES, everything)
        return said

    def _record(self, weights_id: str) -> Record | None:
        return read_record(self.place(weights_id), weights_id)


def _bytes_in(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def default_store() -> WeightsStore:
    """The weights of this user, in the program's own folder, judged by the bundled catalogue."""
    return WeightsStore(paths.weights_dir(), read_catalogue())


def _strays(place: Path, record: Record) -> list[str]:
    """Files and links that are not in the record: a loader that picks its files by name could take them up."""
    found = []
    for folder, folders, files in os.walk(place):
        base = Path(folder)
        for name in (*files, *(name for name in folders if (base / name).is_symlink())):
            path = (base / name).relative_to(place).as_posix()
            if path not in record.files and name not in _STRAY:
                found.append(path)
    return sorted(found)


def _against_pins(weights: Weights, record: Record) -> dict[str, str]:
    """Files that differ from the catalogue's pins, for weights that are pinned and were not taken in by structure."""
    if not weights.pinned or record.origin == "structure":
        return {}
    pinned: Mapping[str, File] = {file.path: file for file in weights.files}
    found = {path: "is not in the catalogue" for path in record.files if path not in pinned}
    for path, file in pinned.items():
        if path not in record.files:
            found[path] = "is missing"
        elif record.files[path].sha256 != file.sha256:
            found[path] = "is not what the catalogue pins"
    return found


def _look(path: Path, kept: Kept, *, full: bool, report: Callable[[int], None] | None) -> tuple[str, Kept | None]:
    """What is wrong with a file ("" for nothing), and its record anew where only its time had changed."""
    try:
        status = path.lstat()
    except OSError:
        return "is missing", None
    if not stat.S_ISREG(status.st_mode):
        return "is not a plain file", None
    if status.st_size != kept.size:
        return f"has {status.st_size} bytes instead of {kept.size}", None
    if not full and status.st_mtime_ns == kept.modified:
        return "", None
    try:
        right = sha256_of(path, report=report) == kept.sha256
    except OSError as problem:
        return f"cannot be read ({problem.strerror})", None
    if not right:
        return "was changed", None
    return "", None if status.st_mtime_ns == kept.modified else Kept(kept.size, kept.sha256, status.st_mtime_ns)
