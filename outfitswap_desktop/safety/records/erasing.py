"""Lists and erases all that the safety room keeps: keys, log and consents, copies kept aside, and keyring entries."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.private import Backend, DamagedError, KeyringPlace, UnreachableError, real_backend
from outfitswap_desktop.safety.records.database import DAMAGED, FILE
from outfitswap_desktop.safety.records.database import LOCK_FILE as LOG_LOCK
from outfitswap_desktop.safety.records.keys import (
    ANCHOR_ENTRY,
    ANCHOR_FILE,
    KEY_FILE,
    LOCK_FILE,
    SAFETY,
    SEALED_SUFFIX,
    SEED_ENTRY,
)

CONFIRMATION: Final = "erase"
"""What the user types; anything else erases nothing."""

OUT_OF_REACH: Final = (
    "files that you exported or copied elsewhere",
    "backups and snapshots of this disk",
    "blocks that an SSD keeps after a file is gone",
)

_KINDS: Final = (
    ("key", re.compile(rf"{re.escape(KEY_FILE)}(\.old-[0-9a-f]+)?")),
    ("key", re.compile(rf"[a-z][a-z0-9_-]*{re.escape(SEALED_SUFFIX)}")),
    ("log", re.compile(rf"{re.escape(FILE)}({re.escape(DAMAGED)}[0-9a-f]+)?(-wal|-shm|-journal)?")),
    ("anchor", re.compile(re.escape(ANCHOR_FILE))),
    ("lock", re.compile(rf"({re.escape(LOCK_FILE)}|{re.escape(LOG_LOCK)})(-journal)?")),
    ("part", re.compile(r"\..*\.part")),
)
"""Which of our files is what, in the order in which they are erased: first the keys, without which the rest says nothing."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One thing that is kept: `where` is "file" or "keyring", `entries` and `consents` are counted in the log alone."""

    name: str
    what: str
    where: str
    bytes: int
    entries: int = 0
    consents: int = 0

    def as_json(self) -> dict[str, Any]:
        """For lists and receipts."""
        shown: dict[str, Any] = {"name": self.name, "what": self.what, "where": self.where, "bytes": self.bytes}
        if self.what == "log" and self.name == FILE:
            shown |= {"entries": self.entries, "consents": self.consents}
        return shown


def list_all(folder: Path, *, find_backend: Callable[[], Backend | None] = real_backend) -> tuple[Stored, ...]:
    """What the safety room keeps below the data folder `folder` and in the keyring; changes nothing."""
    found = [_stored(path, what) for what, path in _files(folder / SAFETY)]
    keyring = _keyring(folder, find_backend)
    if keyring is not None:
        for name in (SEED_ENTRY, ANCHOR_ENTRY):
            with contextlib.suppress(UnreachableError):
                size = _size_in(keyring, name)
                if size is not None:
                    found.append(Stored(name, "key" if name == SEED_ENTRY else "anchor", "keyring", size))
    return tuple(found)


def erase_all(
    folder: Path, confirm: str, *, find_backend: Callable[[], Backend | None] = real_backend
) -> dict[str, Any]:
    """Erase what `list_all` lists and return a receipt: "erased", "left" (with why) and "out_of_reach".

    `confirm` is what the user typed: UsageProblem ("not_confirmed") unless it is CONFIRMATION. Links are taken away, not
    followed; files that are not ours stay. A second run erases nothing.
    """
    if confirm != CONFIRMATION:
        raise UsageProblem(
            "Nothing was erased.", reason="not_confirmed", hint=f"Type {CONFIRMATION!r} to erase all that is listed."
        )
    erased: list[dict[str, Any]] = []
    left: list[dict[str, Any]] = []
    keyring = _keyring(folder, find_backend)
    if keyring is not None:
        for name in (SEED_ENTRY, ANCHOR_ENTRY):
            _erase_entry(keyring, name, erased, left)
    home = folder / SAFETY
    listed = [(_stored(path, what), path) for what, path in _files(home)]
    for stored, path in listed:
        why = _erase_file(path)
        if why is None:
            erased.append(stored.as_json())
        else:
            left.append({**stored.as_json(), "why": why})
    with contextlib.suppress(OSError):
        home.rmdir()
    left += [{"name": path.name, "where": "file", "why": "not a file of this program"} for path in _others(home)]
    return {
        "erased_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "erased": erased,
        "left": left,
        "out_of_reach": list(OUT_OF_REACH),
    }


def _files(home: Path) -> list[tuple[str, Path]]:
    """Our files in `home`, keys first; none when `home` is a link."""
    if home.is_symlink() or not home.is_dir():
        return []
    names = sorted(path.name for path in home.iterdir())
    return [(what, home / name) for what, pattern in _KINDS for name in names if pattern.fullmatch(name)]


def _others(home: Path) -> list[Path]:
    if home.is_symlink() or not home.is_dir():
        return []
    ours = {path for _, path in _files(home)}
    return [path for path in sorted(home.iterdir()) if path not in ours]


def _stored(path: Path, what: str) -> Stored:
    size = path.lstat().st_size
    if path.name != FILE or not stat.S_ISREG(path.lstat().st_mode):
        return Stored(path.name, what, "file", size)
    counts = [0, 0]
    with contextlib.suppress(sqlite3.Error):
        how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)
        try:
            for number, query in enumerate(("log", "consents WHERE photo IS NOT NULL")):
                counts[number] = int(connection.execute(f"SELECT count(*) FROM {query}").fetchone()[0])
        finally:
            connection.close()
    return Stored(path.name, what, "file", size, entries=counts[0], consents=counts[1])


def _erase_file(path: Path) -> str | None:
    """Write zeros over a plain file and take it away; returns why it is still there, None when it is gone."""
    try:
        facts = path.lstat()
        if stat.S_ISDIR(facts.st_mode):
            return "a folder in the place of a file"
        if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
            with contextlib.suppress(OSError), path.open("r+b") as stream:
                stream.write(bytes(facts.st_size))
                stream.flush()
                os.fsync(stream.fileno())
        path.unlink()
    except FileNotFoundError:
        return None
    except OSError as problem:
        return problem.strerror or type(problem).__name__
    return None


def _keyring(folder: Path, find_backend: Callable[[], Backend | None]) -> KeyringPlace | None:
    backend = find_backend()
    return None if backend is None else KeyringPlace(backend, folder)


def _size_in(keyring: KeyringPlace, name: str) -> int | None:
    try:
        value = keyring.get(name)
    except DamagedError:
        return 0
    return None if value is None else len(value)


def _erase_entry(keyring: KeyringPlace, name: str, erased: list[dict[str, Any]], left: list[dict[str, Any]]) -> None:
    shown = {"name": name, "what": "key" if name == SEED_ENTRY else "anchor", "where": "keyring"}
    try:
        if keyring.delete(name):
            erased.append(shown)
    except UnreachableError:
        left.append({**shown, "why": "the keyring did not let it go"})
