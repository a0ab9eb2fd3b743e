"""Weights from a file or folder of the user's own: taken in by hash, and detectors and refiners also by structure, asked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from outfitswap_desktop.errors import InputRefused, NotAvailable
from outfitswap_desktop.weights.catalogue import Weights
from outfitswap_desktop.weights.fetch import (
    RESERVE,
    UNFINISHED,
    clear_strays,
    free_bytes,
    is_inside,
    now,
    refuse_indexes_that_leave,
    sync_folder,
)
from outfitswap_desktop.weights.hashing import CHUNK, git_blob_of, sha256_of
from outfitswap_desktop.weights.listing import Listing, Wanted, ask_hub, known_listing, record, to_values
from outfitswap_desktop.weights.lock import locked
from outfitswap_desktop.weights.network import Cancel, Network
from outfitswap_desktop.weights.record import RECORD, Kept, Record, write_json, write_record
from outfitswap_desktop.weights.store import WeightsStore
from outfitswap_desktop.weights.structure import KINDS, look_at
from outfitswap_desktop.weights.transfer import unwritable

StructureCheck = Callable[[Weights, Path], str]
"""Looks into a detector or refiner more closely than this room can (class names, input size), and says what it is; raises

InputRefused. `ml` may provide one; it runs after the file's own structure was found harmless.
"""
MOST_FILES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Look:
    """What would be taken in: `found` target path -> source file, `missing` target paths; `asked` is a question, "" for none.

    `by` is "hash" or "structure".
    """

    id: str
    by: str
    found: dict[str, Path]
    missing: tuple[str, ...] = ()
    asked: str = ""
    listing: Listing | None = field(default=None, compare=False)

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.found.values())


class Importer:
    """Takes files into one store. `check` looks closer at what is taken in by structure."""

    def __init__(self, store: WeightsStore, network: Network, *, check: StructureCheck | None = None) -> None:
        self._store = store
        self._network = network
        self._check = check

    def look(self, weights_id: str, source: Path, *, cancel: Cancel, ask: bool = False) -> Look:
        """See what `source`, a file or a folder, has of these weights. `ask`: ask the hub for hashes that are not known here.

        Raises InputRefused ("unreadable", "wrong_hash", and those of `structure.look_at`) or NotAvailable ("hash_unknown").
        """
        weights = self._store.catalogue.get(weights_id)
        files = _files_of(source)
        known = known_listing(weights, self._store.folder)
        if known is None and ask and weights.repository is not None:
            known = ask_hub(weights, self._network, cancel=cancel)
        if known is not None:
            found = _by_hash(known, files, cancel)
            if found:
                missing = tuple(file.path for file in known.files if file.path not in found)
                return Look(weights_id, "hash", found, missing, listing=known)
        if weights.importable:
            return self._by_structure(weights, files)
        if known is None:
            raise NotAvailable(
                f"The hashes of {weights_id} are not known on this machine yet, so no file can be told to be these weights.",
                reason="hash_unknown",
                hint="Add --ask-hub to ask its repository for them; nothing else is fetched.",
            )
        raise InputRefused(
            f"Nothing in {source.name} is {weights_id}: no hash is one that its authors publish.",
            reason="wrong_hash",
            hint="What paints is only taken as its authors publish it; use `outfitswap models get`.",
        )

    def take(self, look: Look, *, yes: bool = False, cancel: Cancel, report: Callable[[int], object]) -> str:
        """Copy what was found; returns the state afterwards ("installed", or "partial" when files are missing).

        `report` gets the bytes of each piece. Raises InputRefused ("not_asked" without `yes` where that was to be asked,
        "wrong_hash" when a file changed meanwhile), NotAvailable ("disk_short", "licence_not_accepted" ...), Cancelled.
        """
        weights = self._store.catalogue.get(look.id)
        if look.asked and not yes:
            raise InputRefused(look.asked, reason="not_asked", hint="Add --yes to take it all the same.")
        if not self._store.accepted(look.id):
            raise NotAvailable(
                f"The licence of {look.id}, {weights.licence.name}, has to be accepted first.",
                reason="licence_not_accepted",
                hint=f"Read {weights.licence.url}, then add --accept-licence.",
            )
        try:
            with locked(self._store.folder, look.id):
                return self._take(weights, look, cancel=cancel, report=report)
        except OSError as problem:
            raise unwritable(self._store.folder, problem) from problem

    def _take(self, weights: Weights, look: Look, *, cancel: Cancel, report: Callable[[int], object]) -> str:
        part = self._store.part(look.id)
        if look.size + RESERVE > free_bytes(self._store.folder):
            raise NotAvailable(
                f"The disk is too full for {look.size / 1e9:.1f} GB.", reason="disk_short", hint="Free some space."
            )
        part.mkdir(parents=True, exist_ok=True)
        wanted = {file.path: file for file in look.listing.files} if look.listing is not None else {}
        if look.listing is not None:
            write_json(part / UNFINISHED, {**to_values(look.listing), "source": weights.source})
        have = {
            path: _copy(source, part / path, wanted.get(path), cancel=cancel, report=report)
            for path, source in look.found.items()
        }
        for path in look.missing:  # an unfinished download may have brought the rest
            file = wanted[path]
            if is_inside(part / path, part) and _is(part / path, file, cancel):
                have[path] = ((part / path).stat().st_size, sha256_of(part / path))
        if look.listing is not None and set(have) != set(wanted):
            return "partial"
        self._finish(weights, look, have)
        return "installed"

    def _finish(self, weights: Weights, look: Look, have: dict[str, tuple[int, str]]) -> None:
        part, place = self._store.part(look.id), self._store.place(look.id)
        refuse_indexes_that_leave(part, have)
        clear_strays(part, have)
        kept = {path: Kept(size, digest, (part / path).lstat().st_mtime_ns) for path, (size, digest) in have.items()}
        revision = look.listing.revision if look.listing is not None else ""
        origin = "file" if look.by == "hash" else "structure"
        write_record(part, Record(look.id, weights.source, revision, origin, now(), kept))
        if look.listing is not None and look.listing.basis == "hub":
            record(look.listing, weights, self._store.folder, have)
        sync_folder(part)
        if place.is_dir():
            self._store.discard(look.id)
        part.replace(place)
        sync_folder(self._store.folder)

    def _by_structure(self, weights: Weights, files: dict[str, Path]) -> Look:
        known_kinds = {path: file for path, file in files.items() if Path(path).suffix.lower() in KINDS}
        if len(known_kinds) != 1:
            what = "no file of weights" if not known_kinds else "more than one file of weights"
            raise InputRefused(
                f"There is {what} in it.",
                reason="unknown_kind",
                hint="Name the one file: .pt, .pth, .onnx or .safetensors.",
            )
        (file,) = known_kinds.values()
        seen = look_at(file, detector=weights.role == "detector")
        said = seen.said if self._check is None else self._check(weights, file)
        target = Path(weights.patterns[0]).with_suffix(file.suffix.lower()).as_posix()
        asked = f"{file.name} is not the published {weights.id}, but looks usable: {said}."
        return Look(weights.id, "structure", {target: file}, asked=asked)


def _files_of(source: Path) -> dict[str, Path]:
    """Plain files by relative path. Links are not followed: they may lead anywhere. Raises InputRefused ("unreadable")."""
    if source.is_symlink():
        raise _unreadable(source, "is a link")
    if source.is_file():
        return {source.name: source}
    if not source.is_dir():
        raise _unreadable(source, "is neither a file nor a folder")
    found: dict[str, Path] = {}
    for folder, _, names in os.walk(source):
        for name in names:
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink() and name != RECORD:
                found[path.relative_to(source).as_posix()] = path
        if len(found) > MOST_FILES:
            raise _unreadable(source, "has too many files")
    return found


def _unreadable(source: Path, why: str) -> InputRefused:
    return InputRefused(f"{source.name} {why}.", reason="unreadable", hint="Name the file or folder itself.")


def _by_hash(known: Listing, files: dict[str, Path], cancel: Cancel) -> dict[str, Path]:
    """Wanted path -> file with its hash; a file of the same relative path is looked at first, then those of the same size."""
    found = {}
    for wanted in known.files:
        same = [files[wanted.path]] if wanted.path in files else []
        sized = [path for path in files.values() if path not in same and wanted.size == path.stat().st_size]
        for path in (*same, *sized):
            if _is(path, wanted, cancel):
                found[wanted.path] = path
                break
    return found


def _is(path: Path, wanted: Wanted, cancel: Cancel) -> bool:
    if wanted.size is not None and path.stat().st_size != wanted.size:
        return False
    if wanted.sha256 is not None:
        return sha256_of(path, report=lambda _size: cancel.check()) == wanted.sha256
    return wanted.blob is not None and git_blob_of(path) == wanted.blob


def _copy(
    source: Path, target: Path, wanted: Wanted | None, *, cancel: Cancel, report: Callable[[int], object]
) -> tuple[int, str]:
    """Copy a file, hashing what is written; the copy counts, not what was looked at before."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(target.name + ".copy")
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reader, beside.open("wb") as writer:
        while piece := reader.read(CHUNK):
            cancel.check()
            writer.write(piece)
            digest.update(piece)
            size += len(piece)
            report(len(piece))
        writer.flush()
        os.fsync(writer.fileno())
    right = True
    if wanted is not None:
        right = digest.hexdigest() == wanted.sha256 if wanted.sha256 else git_blob_of(beside) == wanted.blob
    else:
        look_at_again = beside.with_name(beside.name + target.suffix)
        beside.replace(look_at_again)
        beside = look_at_again
        look_at(beside, detector=True)
    if not right:
        beside.unlink()
        raise InputRefused(f"{source.name} changed while it was copied.", reason="wrong_hash", hint="Try again.")
    beside.replace(target)
    return size, digest.hexdigest()
