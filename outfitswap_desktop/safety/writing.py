"""The only place that writes pictures, masks and receipts: first beside the final file, then one rename.

plan(final, forbid=(...), role="output") -> Planned    # checks the place, makes the folder, chooses the .part name
stage(data, planned_or_final, forbid=(...)) -> Staged  # writes and syncs `.<name>.<token>.part`
publish(staged)                                        # os.replace over the final file, folder synced
discard(staged | planned | part_path)                  # takes the .part away, quietly
tidy(final, ...)                                       # around a job: no empty folder is left when it fails
replace(part, final)                                   # what publish does, by paths: for History.recover
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from outfitswap_desktop.errors import KnownError, NotAvailable, UsageProblem

PART_SUFFIX: Final = ".part"
_NAME_BYTES: Final = 80
_FULL: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@dataclass(frozen=True, slots=True)
class Planned:
    """A file to come: `final` with its folder resolved, and the `part` beside it that is written first."""

    role: str
    part: Path
    final: Path
    forbid: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Staged:
    """A file written as `part`, synced, with its hash; not yet at `final`."""

    role: str
    part: Path
    final: Path
    sha256: str
    size: int
    forbid: tuple[Path, ...] = ()


def plan(final: Path, *, forbid: Iterable[Path] = (), role: str = "output") -> Planned:
    """Check that `final` can be written and name its part; makes the folder when it is missing, writes nothing else.

    `forbid` are files that must never be written over (the sources). Raises UsageProblem ("over_source", "is_a_folder",
    "bad_name") or NotAvailable ("read_only", "disk_full", "folder_missing").
    """
    kept = tuple(forbid)
    if not final.name or "\0" in str(final):
        raise UsageProblem(f"{str(final)!r} is not a file name.", reason="bad_name", hint="Name a file to write.")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        whole = final.parent.resolve() / final.name
        if whole.is_dir():
            raise UsageProblem(f"{final} is a folder.", reason="is_a_folder", hint="Name a file inside it.")
        _refuse_sources(whole, kept)
    except OSError as problem:
        _explain(problem, final)
    return Planned(role, _part_beside(whole), whole, kept)


@contextlib.contextmanager
def tidy(*finals: Path) -> Iterator[None]:
    """Around a whole job: when it fails, the folders that were made for its files, and are empty, are taken away again."""
    missing = {folder for final in finals for folder in final.absolute().parents if not _is_there(folder)}
    try:
        yield
    except BaseException:
        for folder in sorted(missing, key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return True


def stage(data: bytes, final: Path | Planned, *, forbid: Iterable[Path] = (), role: str = "output") -> Staged:
    """Write `data` to the part beside `final` and sync it; on any failure the part is taken away and a KnownError raised."""
    planned = final if isinstance(final, Planned) else plan(final, forbid=forbid, role=role)
    _refuse_sources(planned.final, planned.forbid)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(planned.part, flags, 0o666)
    except OSError as problem:
        _explain(problem, planned.final)
    try:
        try:
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as problem:
        discard(planned.part)
        _explain(problem, planned.final)
    except BaseException:
        discard(planned.part)
        raise
    digest = hashlib.sha256(data).hexdigest()
    return Staged(planned.role, planned.part, planned.final, digest, len(data), planned.forbid)


def publish(staged: Staged) -> None:
    """Rename the part over the final file and sync the folder; raises KnownError and leaves the part when it cannot."""
    _refuse_sources(staged.final, staged.forbid)
    replace(staged.part, staged.final)


def replace(part: Path, final: Path) -> None:
    """Rename `part` over `final`, in one step for every reader, and sync the folder. Raises KnownError."""
    try:
        part.replace(final)
    except OSError as problem:
        _explain(problem, final)
    _sync_folder(final.parent)


def discard(part: Path | Planned | Staged) -> None:
    """Take a part away; one that is not there, or cannot be reached, is left alone. Touches nothing but `.part` files."""
    path = part if isinstance(part, Path) else part.part
    if path.suffix != PART_SUFFIX:
        raise ValueError(f"{path.name} is not a part")
    with contextlib.suppress(OSError):
        path.unlink()


def withdraw(final: Path, sha256: str) -> bool:
    """Take a published file away again if its bytes still hash to `sha256`; says whether it did."""
    try:
        if hashlib.sha256(final.read_bytes()).hexdigest() != sha256:
            return False
        final.unlink()
    except OSError:
        return False
    return True


def to_trash(final: Path, sha256: str) -> bool:
    """Move a published file to the system's trash if its bytes still hash to `sha256`; says whether it did.

    Raises NotAvailable ("no_trash") when the system has none for that place.
    """
    try:
        if hashlib.sha256(final.read_bytes()).hexdigest() != sha256:
            return False
    except OSError:
        return False
    from send2trash import send2trash  # type: ignore[import-untyped]

    try:
        send2trash(final)
    except Exception as problem:  # each system has its own kinds
        raise NotAvailable(
            f"{final.name} cannot be moved to the system's trash.",
            reason="no_trash",
            hint="Delete the file itself, or move it to a place that has a trash.",
        ) from problem
    return True


def _part_beside(final: Path) -> Path:
    """`.<name>.<token>.part` beside `final`, the name cut to 80 bytes."""
    name = final.name.encode("utf-8", "ignore")[:_NAME_BYTES].decode("utf-8", "ignore")
    return final.with_name(f".{name}.{secrets.token_hex(4)}{PART_SUFFIX}")


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.write(handle, rest)
        if written <= 0:
            raise OSError(errno.ENOSPC, "nothing was written")
        rest = rest[written:]


def _refuse_sources(final: Path, forbid: tuple[Path, ...]) -> None:
    """Raise UsageProblem when `final` is one of `forbid`: by name, through a symbolic link, or as a hard link."""
    for source in forbid:
        if _same(final, source):
            raise UsageProblem(
                f"{final.name} is one of the pictures that were handed in; it is never written over.",
                reason="over_source",
                hint="Choose another output file.",
            )


def _same(final: Path, source: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        if final.samefile(source):
            return True
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        return os.path.normcase(final.resolve()) == os.path.normcase(source.resolve())
    return False


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; not every system lets a folder be synced."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _explain(problem: OSError, final: Path) -> NoReturn:
    """Raise what the user can do something about."""
    raise _problem(problem, final) from problem


def _problem(problem: OSError, final: Path) -> KnownError:
    code = problem.errno
    if code in _FULL:
        return NotAvailable(
            f"The disk is full: {final.name} was not saved.",
            reason="disk_full",
            hint="Free some space or save elsewhere.",
        )
    if code in _DENIED:
        return NotAvailable(
            f"{final.parent} cannot be written to.", reason="read_only", hint="Choose a folder that is yours."
        )
    if code in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ):
        return UsageProblem(
            f"{final.name[:40]!r} cannot be a file name here.",
            reason="bad_name",
            hint="Choose a shorter, plainer name.",
        )
    if code in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return UsageProblem(
            f"{final.parent} is not a folder, or {final.name} is one.",
            reason="not_a_folder",
            hint="Choose another place.",
        )
    return NotAvailable(
        f"{final.name} could not be saved: {problem.strerror or type(problem).__name__}.",
        reason="not_saved",
        hint="Check the disk and the folder.",
    )
