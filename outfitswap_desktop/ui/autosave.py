"""Keeps the open project on the disk while one works: after a short rest, on a thread of its own, only what changed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QObject, QTimer, Signal

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.store.projects import Project, Projects

REST_MS: Final = 800
"""How long nothing must change before it is saved."""
LONGEST_MS: Final = 5000
"""How old an unsaved change may become while one goes on working."""

Snapshot = Callable[[], tuple[Mapping[str, Any], Mapping[str, bytes | None]] | None]


class Autosave(QObject):
    """Calls `snapshot` on the GUI thread (it must be quick: immutable or copied values) and writes on another.

    `snapshot` returning None means that nothing is open: the saved project is then cleared.
    """

    trouble = Signal(str)

    def __init__(self, path: Path, snapshot: Snapshot, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = path
        self._snapshot = snapshot
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="autosave")
        self._projects: Projects | None = None
        self._told = ""
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self.save_now)
        self._longest = QTimer(self)
        self._longest.setSingleShot(True)
        self._longest.setInterval(LONGEST_MS)
        self._longest.timeout.connect(self.save_now)

    def load(self) -> Future[Project | None]:
        """What was open when the program ended; None when there is nothing, or it cannot be read."""
        return self._writer.submit(self._load)

    def changed(self) -> None:
        """Something is worth keeping."""
        self._rest.start()
        if not self._longest.isActive():
            self._longest.start()

    def save_now(self) -> None:
        """Save without waiting for a rest; the writing itself goes on beside."""
        self._rest.stop()
        self._longest.stop()
        values = self._snapshot()
        self._writer.submit(self._save, values)

    def close(self) -> None:
        """Save what is still unsaved, wait for it, and end the thread."""
        if self._rest.isActive() or self._longest.isActive():
            self.save_now()
        self._writer.submit(self._close)
        self._writer.shutdown(wait=True)

    # On the writer's thread

    def _load(self) -> Project | None:
        try:
            return self._opened().load()
        except KnownError:
            return None

    def _save(self, values: tuple[Mapping[str, Any], Mapping[str, bytes | None]] | None) -> None:
        try:
            if values is None:
                self._opened().clear()
            else:
                self._opened().save(*values)
            self._told = ""
        except KnownError as problem:
            if problem.reason != self._told:  # once, not every few seconds while the disk is full
                self._told = problem.reason
                self.trouble.emit(f"{problem.message} {problem.hint}".strip())

    def _opened(self) -> Projects:
        if self._projects is None:
            self._projects = Projects(self._path)
        return self._projects

    def _close(self) -> None:
        if self._projects is not None:
            with contextlib.suppress(KnownError):
                self._projects.close()
            self._projects = None
