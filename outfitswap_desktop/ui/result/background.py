"""Slow arithmetic of one widget on one thread of its own; what is answered comes back on the widget's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal

_CLOSING_MILLISECONDS: Final = 10_000


class _Ended(QObject):
    ended = Signal(int, object, object)


class _Work(QRunnable):
    def __init__(self, number: int, work: Callable[[], Any], is_wanted: Callable[[int], bool], ended: _Ended) -> None:
        super().__init__()
        self._number = number
        self._work = work
        self._is_wanted = is_wanted
        self._ended = ended

    def run(self) -> None:
        if not self._is_wanted(self._number):
            return
        try:
            answer, problem = self._work(), None
        except Exception as raised:  # noqa: BLE001 - raised again where it can be seen, on the widget's thread
            answer, problem = None, raised
        self._ended.ended.emit(self._number, answer, problem)


class Background(QObject):
    """Runs work one after the other. A newer work with the same key replaces an older one, whose answer is dropped."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._wanted: dict[int, tuple[str, Callable[[Any], None]]] = {}
        self._last = 0
        self._ended = _Ended()
        self._ended.ended.connect(self._answered, Qt.ConnectionType.QueuedConnection)

    def start(self, work: Callable[[], Any], done: Callable[[Any], None], *, key: str = "") -> None:
        """Run `work` on the thread and then `done` with its answer on this one; a fault in `work` is raised here."""
        self.forget(key)
        self._last += 1
        self._wanted[self._last] = (key, done)
        self._pool.start(_Work(self._last, work, self._wanted.__contains__, self._ended))

    def forget(self, key: str) -> None:
        """Drop what was started under `key`."""
        if key:
            self._wanted = {number: kept for number, kept in self._wanted.items() if kept[0] != key}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is waited for."""
        return not self._wanted

    def close(self) -> None:
        """Drop everything and wait for what runs."""
        self._wanted = {}
        self._pool.clear()
        self._pool.waitForDone(_CLOSING_MILLISECONDS)

    def _answered(self, number: int, answer: Any, problem: Exception | None) -> None:
        _, done = self._wanted.pop(number, ("", None))
        if done is None:
            return
        if problem is not None:
            raise problem
        done(answer)
