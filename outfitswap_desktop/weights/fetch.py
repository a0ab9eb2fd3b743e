"""Fetching weights: what it would cost, then all files into a folder that gets its name when every hash is right."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.weights.catalogue import Weights
from outfitswap_desktop.weights.hashing import git_blob_of, sha256_of
from outfitswap_desktop.weights.listing import (
    Listing,
    Wanted,
    addresses,
    from_values,
    index_names,
    known_listing,
    listing,
    record,
    to_values,
)
from outfitswap_desktop.weights.lock import locked
from outfitswap_desktop.weights.names import is_safe
from outfitswap_desktop.weights.network import Cancel, Network, make_client
from outfitswap_desktop.weights.record import RECORD, Kept, Record, read_json, write_json, write_record
from outfitswap_desktop.weights.store import Installed, WeightsStore
from outfitswap_desktop.weights.transfer import PARTIAL, PAUSES, Transfer, unwritable
from outfitswap_desktop.weights.unpack import unpack

UNFINISHED: Final = ".plan.json"
ARCHIVE: Final = ".archive"
RESERVE: Final = 200_000_000
"""Bytes that stay free on the disk."""
READ_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a download would cost: bytes in all and still to come (None: the source does not say), and bytes that are free."""

    id: str
    revision: str
    basis: str
    total: int | None
    left: int | None
    free: int

    @property
    def fits(self) -> bool:
        return self.left is None or self.left + RESERVE <= self.free


@dataclass(frozen=True, slots=True)
class Fetching:
    """How far a download is. `stage`: "waiting" (for another program), "asking", "checking", "fetching" or "finishing"."""

    stage: str
    done: int
    total: int | None
    file: str = ""

    @property
    def fraction(self) -> float:
        return min(1.0, self.done / self.total) if self.total else 0.0


Report = Callable[[Fetching], object]


class Fetcher:
    """Fetches and repairs the weights of one store."""

    def __init__(
        self,
        store: WeightsStore,
        network: Network,
        *,
        timeout: float = READ_SECONDS,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self._store = store
        self._network = network
        self._timeout = timeout
        self._pauses = pauses

    def plan(self, weights_id: str, *, cancel: Cancel | None = None) -> Plan:
        """What fetching would cost, before anything is fetched. Asks the hub when nothing is known yet; errors as `listing`."""
        weights = self._store.catalogue.get(weights_id)
        found = self._listing(weights, cancel)
        files = _to_fetch(weights, found)
        part = self._store.part(weights_id)
        left = [_missing(part, file) for file in files]
        sizes = [file.size for file in files]
        return Plan(
            id=weights_id,
            revision=found.revision,
            basis=found.basis,
            total=None if None in sizes else sum(size for size in sizes if size is not None),
            left=None if None in left else sum(size for size in left if size is not None),
            free=free_bytes(self._store.folder),
        )

    def fetch(self, weights_id: str, *, report: Report, cancel: Cancel, trust: bool = False) -> Installed:
        """Fetch weights, or what is missing or wrong of them; returns them ready to use.

        `trust`: take what a plain address sends although nobody has published its hash; never for weights that paint.
        Raises Cancelled, or NotAvailable: "licence_not_accepted", "offline", "no_network", "wrong_hash", "disk_full",
        "disk_short", "hash_unknown", and those of `listing`.
        """
        weights = self._store.catalogue.get(weights_id)
        self._refuse_unaccepted(weights)

        def wait() -> None:
            cancel.check()
            report(Fetching("waiting", 0, None))

        try:
            with locked(self._store.folder, weights_id, wait=wait):
                if self._store.place(weights_id).is_dir() and not self._store.damage(weights_id):
                    return self._store.open(weights_id)
                report(Fetching("asking", 0, None))
                found = self._listing(weights, cancel)
                _refuse_unknown(weights, found, trust=trust)
                self._fill(weights, found, report=report, cancel=cancel)
        except OSError as problem:
            raise unwritable(self._store.folder, problem) from problem
        return self._store.open(weights_id)

    def _refuse_unaccepted(self, weights: Weights) -> None:
        if self._store.accepted(weights.id):
            return
        kind = (
            "does not allow commercial use" if not weights.licence.commercial else "restricts what they may be used for"
        )
        raise NotAvailable(
            f"The licence of {weights.id}, {weights.licence.name}, {kind} and has to be accepted first.",
            reason="licence_not_accepted",
            hint=f"Read {weights.licence.url}, then add --accept-licence.",
        )

    def _listing(self, weights: Weights, cancel: Cancel | None) -> Listing:
        """What is known, else what an unfinished download had been told (so that it goes on with that), else ask."""
        known = known_listing(weights, self._store.folder)
        if known is not None:
            return known
        begun = read_json(self._store.part(weights.id) / UNFINISHED)
        resumed = from_values(weights.id, begun) if begun else None
        if resumed is not None and begun.get("source") == weights.source:
            return resumed
        return listing(weights, self._store.folder, self._network, cancel=cancel)

    def _fill(self, weights: Weights, found: Listing, *, report: Report, cancel: Cancel) -> None:
        part, place = self._store.part(weights.id), self._store.place(weights.id)
        part.mkdir(parents=True, exist_ok=True)
        write_json(part / UNFINISHED, {**to_values(found), "source": weights.source})
        files = _to_fetch(weights, found)
        meter = _Meter(report, None if any(file.size is None for file in files) else sum(f.size or 0 for f in files))
        have: dict[str, tuple[int, str]] = {}
        if place.is_dir():
            have = _good(place, found.files, meter, cancel)
            if len(have) == len(found.files):
                files = ()
        lacking = tuple(file for file in files if file.path not in have)
        have |= _good(part, lacking, meter, cancel)
        lacking = tuple(file for file in lacking if file.path not in have)
        if lacking:
            self._network.refuse_offline()
            meter.count(sum(_there(part / (file.path + PARTIAL)) for file in lacking))
            self._refuse_short(weights, part, lacking)
            have |= self._transfer(weights, found, lacking, meter=meter, cancel=cancel)
        meter.stage("finishing")
        if weights.unpack and files:
            have = {path: known for path, known in have.items() if not path.startswith(ARCHIVE)}
            have |= unpack(part / files[0].path, part, found.files)
        self._finish(weights, found, have, part=part)

    def _refuse_short(self, weights: Weights, part: Path, lacking: tuple[Wanted, ...]) -> None:
        left = sum((file.size or 0) - _there(part / (file.path + PARTIAL)) for file in lacking)
        free = free_bytes(self._store.folder)
        if left + RESERVE > free:
            raise NotAvailable(
                f"The disk has {free / 1e9:.1f} GB free; {weights.id} needs {(left + RESERVE) / 1e9:.1f} GB.",
                reason="disk_short",
                hint="Free some space, or move the program's folder with OUTFITSWAP_HOME.",
            )

    def _transfer(
        self, weights: Weights, found: Listing, files: tuple[Wanted, ...], *, meter: _Meter, cancel: Cancel
    ) -> dict[str, tuple[int, str]]:
        part = self._store.part(weights.id)
        with make_client(self._network, timeout=self._timeout) as client:
            transfer = Transfer(client, cancel=cancel, add=meter.add, pauses=self._pauses)
            have = {}
            for file in sorted(files, key=lambda each: each.size or 0):
                meter.stage("fetching", file.path.removeprefix(f"{ARCHIVE}/"))
                sources = addresses(weights, found, file, self._network)
                have[file.path] = transfer.get(file, sources, part / file.path)
            return have

    def _finish(self, weights: Weights, found: Listing, have: Mapping[str, tuple[int, str]], *, part: Path) -> None:
        """Every file is right: the folder gets its record and its name. A kill before the last step leaves no such folder."""
        place = self._store.place(weights.id)
        target = place if place.is_dir() else part
        if target == place:
            put_in_place(part, place, have, self._store.folder / f"{weights.id}.strays")
        refuse_indexes_that_leave(target, have)
        origin = "hub" if weights.repository is not None else "address"
        kept = {path: Kept(size, digest, (target / path).lstat().st_mtime_ns) for path, (size, digest) in have.items()}
        write_record(target, Record(weights.id, weights.source, found.revision, origin, now(), kept))
        if found.basis in ("hub", "unknown"):
            record(found, weights, self._store.folder, have)
        if target == part:
            clear_strays(part, have)
            sync_folder(part)
            part.replace(place)
        else:
            shutil.rmtree(part, ignore_errors=True)
        sync_folder(self._store.folder)


class _Meter:
    """Counts bytes and tells how far it is, at most once per percent or megabyte."""

    def __init__(self, report: Report, total: int | None) -> None:
        self._report, self._total = report, total
        self._done, self._told = 0, 0
        self._stage, self._file = "checking", ""
        self._step = max(1 << 16, min(1 << 22, (total or 0) // 200))

    def stage(self, stage: str, file: str = "") -> None:
        self._stage, self._file = stage, file
        self._tell()

    def count(self, size: int) -> None:
        """Bytes that need not come any more."""
        self._done += size
        self._tell()

    def add(self, size: int) -> None:
        self._done += size
        if abs(self._done - self._told) >= self._step:
            self._tell()

    def _tell(self) -> None:
        self._told = self._done
        self._report(Fetching(self._stage, max(0, self._done), self._total, self._file))


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk of a folder that need not exist yet."""
    for each in (folder, *folder.parents):
        if each.is_dir():
            return shutil.disk_usage(each).free
    return 0


def now() -> str:
    """This moment as ISO 8601, UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def put_in_place(part: Path, place: Path, have: Mapping[str, tuple[int, str]], strays: Path) -> None:
    """Move the new files of `part` over those in `place`; what does not belong there goes to the folder `strays`.

    Until the record is written anew, the old one makes `open` hash what has changed.
    """
    for path in _all_files(place):
        if path not in have and path != RECORD:
            (strays / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).replace(strays / path)
    for path in have:
        if (part / path).is_file():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (part / path).replace(place / path)


def clear_strays(folder: Path, have: Mapping[str, tuple[int, str]]) -> None:
    """Delete what an unfinished download left beside the files that are wanted."""
    for path in _all_files(folder):
        if path not in have and path != RECORD:
            (folder / path).unlink(missing_ok=True)
    for inner in sorted(folder.rglob("*"), reverse=True):
        if inner.is_dir() and not inner.is_symlink():
            with contextlib.suppress(OSError):
                inner.rmdir()


def refuse_indexes_that_leave(folder: Path, have: Mapping[str, object]) -> None:
    """Raise NotAvailable when an index of shards sends a loader out of its own folder."""
    for path in have:
        if not path.endswith(".index.json"):
            continue
        try:
            names = index_names((folder / path).read_text(encoding="utf-8"))
            bad = next((name for name in names if not is_safe(name) or "/" in name), None)
        except (OSError, ValueError):
            bad = "no list of files"
        if bad is not None:
            raise NotAvailable(
                f"{path} sends a loader out of its folder ({bad[:60]!r}), so these weights are refused.",
                reason="unsafe_index",
                hint="Such a file is not what its authors publish; remove it.",
            )


def sync_folder(folder: Path) -> None:
    """Make names in a folder outlast a power cut, where the system lets a program do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _refuse_unknown(weights: Weights, found: Listing, *, trust: bool) -> None:
    known = all(file.sha256 or file.blob for file in _to_fetch(weights, found))
    if known or (trust and not weights.paints):
        return
    way = "It paints, so it is not taken on trust." if weights.paints else "Add --yes to take it as it comes."
    raise NotAvailable(f"Nobody has published a hash of {weights.id}.", reason="hash_unknown", hint=way)


def _to_fetch(weights: Weights, found: Listing) -> tuple[Wanted, ...]:
    """What comes over the network: the files, or the archive that holds them."""
    if not weights.unpack:
        return found.files
    name = f"{ARCHIVE}/{weights.source.rpartition('/')[2]}"
    pinned = weights.archive
    return (Wanted(name, pinned.size if pinned else None, pinned.sha256 if pinned else None),)


def _good(folder: Path, files: tuple[Wanted, ...], meter: _Meter, cancel: Cancel) -> dict[str, tuple[int, str]]:
    """Files that are there already with the right hash; a wrong one is left where it is."""
    found = {}
    for file in files:
        path = folder / file.path
        if not is_inside(path, folder) or file.size not in (None, path.stat().st_size):
            continue
        meter.stage("checking", file.path)
        digest = sha256_of(path, report=lambda _size: cancel.check())
        right = digest == file.sha256 if file.sha256 is not None else file.blob == git_blob_of(path)
        if right:
            size = path.stat().st_size
            found[file.path] = (size, digest)
            meter.count(size)
    return found


def is_inside(path: Path, folder: Path) -> bool:
    """Whether `path` is a plain file in `folder`, without a link on the way."""
    return path.is_file() and path.resolve() == folder.resolve() / path.relative_to(folder)


def _missing(part: Path, file: Wanted) -> int | None:
    if file.size is None:
        return None
    if _there(part / file.path) == file.size:
        return 0
    return max(0, file.size - _there(part / (file.path + PARTIAL)))


def _there(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _all_files(folder: Path) -> list[str]:
    found = []
    for base, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(base) / name).is_symlink()]
        found += [(Path(base) / name).relative_to(folder).as_posix() for name in (*files, *links)]
    return found
