"""One lock per device, so that two programs never work on one card at the same time; it ends with the process that holds it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from outfitswap_desktop.errors import NotAvailable

CPU: Final = "cpu"
LOOK_SECONDS: Final = 0.1


class DeviceLock:
    """A file lock in `folder` for `device` ("cpu", "cuda:0"). The system drops it when the process dies."""

    def __init__(self, folder: Path, device: str) -> None:
        self._path = folder / f"device-{device.replace(':', '-')}.lock"
        self._handle: int | None = None

    def try_to_take(self) -> bool:
        """Take the lock if nobody else has it; says whether we have it now. Raises NotAvailable ("device_lock")."""
        if self._handle is not None:
            return True
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as problem:
            raise NotAvailable(
                f"The lock {self._path} cannot be opened: {problem.strerror}.",
                reason="device_lock",
                hint="Check the rights of the program's own folder.",
            ) from problem
        if not _locked(handle):
            os.close(handle)
            return False
        self._handle = handle
        return True

    def let_go(self) -> None:
        """Give the lock back; nothing when we do not have it."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    @contextlib.contextmanager
    def held(self, *, wait: Callable[[], None]) -> Iterator[None]:
        """Within, we have the lock. While another program has it, `wait` is called ten times a second; it may raise."""
        while not self.try_to_take():
            wait()
            time.sleep(LOOK_SECONDS)
        try:
            yield
        finally:
            self.let_go()


def _locked(handle: int) -> bool:
    """Lock an open file without waiting."""
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
