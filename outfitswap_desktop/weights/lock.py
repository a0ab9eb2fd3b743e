"""One lock for each set of weights, so that two programs never write one folder; it ends with the process that holds it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from outfitswap_desktop.errors import NotAvailable

FOLDER: Final = "locks"
LOOK_SECONDS: Final = 0.1


@contextlib.contextmanager
def locked(store: Path, weights_id: str, *, wait: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold the lock of one id in a store's folder. Raises NotAvailable ("weights_busy") when another program has it.

    With `wait` it is waited for instead: `wait` is called ten times a second and may raise.
    """
    handle = _opened(store / FOLDER / f"{weights_id}.lock")
    try:
        while not _taken(handle):
            if wait is None:
                raise NotAvailable(
                    f"Another program is working on the weights {weights_id}.",
                    reason="weights_busy",
                    hint="Wait until it has finished, or close it.",
                )
            wait()
            time.sleep(LOOK_SECONDS)
        yield
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as problem:
        raise NotAvailable(
            f"The folder of the weights cannot be written: {problem.strerror}.",
            reason="weights_unwritable",
            hint="Check the rights of the program's own folder.",
        ) from problem


def _taken(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
