"""One lock per folder for what two programs must not do at once; it goes with its process, however that ends."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from outfitswap_desktop.safety.records.places import audit_unavailable

WAIT_SECONDS: Final = 10.0


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` (an empty SQLite file: its lock works alike on every system).

    Raises NotAvailable ("audit_unavailable") when it cannot be had within WAIT_SECONDS.
    """
    try:
        connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
    except sqlite3.Error as problem:
        raise _busy() from problem
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as problem:
            raise _busy() from problem
        yield
    finally:
        connection.close()


def _busy() -> Exception:
    return audit_unavailable(
        "its key cannot be locked", "Close other windows of the program, and see that its folder can be written."
    )
