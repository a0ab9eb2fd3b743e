"""Hashes of files: SHA-256, and git's own for small files on the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

CHUNK: Final = 1 << 20


def sha256_of(path: Path, *, report: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file in hex; `report` gets the bytes of each piece read and may raise to stop."""
    found = hashlib.sha256()
    _feed(path, found.update, report)
    return found.hexdigest()


def git_blob_of(path: Path) -> str:
    """The SHA-1 that git gives a file, in hex: over "blob", its size, a zero byte, and its bytes."""
    found = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    _feed(path, found.update, None)
    return found.hexdigest()


def _feed(path: Path, take: Callable[[bytes], None], report: Callable[[int], None] | None) -> None:
    with path.open("rb") as source:
        while piece := source.read(CHUNK):
            take(piece)
            if report is not None:
                report(len(piece))
