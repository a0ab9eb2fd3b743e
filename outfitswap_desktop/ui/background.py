"""Work off the window's thread: one thread per owner, one piece after another, answers delivered on the window's thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal

Answer = TypeVar("Answer")


class Background(QObject):
    """`run` calls in order; `close` ends the thread. A fault in a piece of work is raised where its answer would have come."""

    _ended = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._waiting = 0
        self._open = True
        self._ended.connect(self._deliver)

    @property
    def busy(self) -> bool:
        return self._waiting > 0

    def run(self, work: Callable[[], Answer], then: Callable[[Answer], object]) -> None:
        """Call `work` on the thread and `then` with its answer on this object's thread. `work` must not touch Qt's widgets."""
        if not self._open:
            return
        self._waiting += 1
        self._threads.submit(work).add_done_callback(lambda future: self._hand_over(future, then))

    def close(self, last: Callable[[], object] | None = None) -> None:
        """Drop the rest and end the thread; with `last`, do what waits first, then that. Nothing is delivered any more."""
        if not self._open:
            return
        self._open = False
        if last is not None:
            self._threads.submit(last)
        self._threads.shutdown(wait=True, cancel_futures=last is None)

    def _hand_over(self, future: Future[Any], then: Callable[[Any], object]) -> None:
        if self._open:
            self._ended.emit(future, then)

    def _deliver(self, future: Future[Any], then: Callable[[Any], object]) -> None:
        self._waiting -= 1
        if self._open and not future.cancelled():
            then(future.result())
