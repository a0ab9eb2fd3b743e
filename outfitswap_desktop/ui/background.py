"""Work off the window's thread: one thread per owner, one piece after another, answers delivered on the window's thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from outfitswap_desktop.errors import Cancelled, KnownError

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    then: Callable[[Any], object]
    key: str


class Background(QObject):
    """`run` calls in order; `close` ends the thread. A fault in a piece of work is raised where its answer would have come."""

    _ended = Signal(int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._wanted: dict[int, _Wanted] = {}
        self._last = 0
        self._open = True
        self._ended.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether an answer is still waited for."""
        return bool(self._wanted)

    def run(self, work: Callable[[], Answer], then: Callable[[Answer], object], *, key: str = "") -> None:
        """Call `work` on the thread and `then` with its answer on this object's thread. `work` must not touch Qt's widgets.

        A newer piece with the same non-empty `key` takes the place of an older one, whose answer is dropped.
        """
        if not self._open:
            return
        self.forget(key)
        self._last += 1
        number = self._last
        self._wanted[number] = _Wanted(then, key)
        self._threads.submit(self._unless_forgotten, number, work).add_done_callback(
            lambda future: self._hand_over(number, future)
        )

    def forget(self, key: str) -> None:
        """Drop what was asked under `key`; what has not begun is not done."""
        if key:
            self._wanted = {number: wanted for number, wanted in self._wanted.items() if wanted.key != key}

    def close(self, last: Callable[[], object] | None = None) -> None:
        """Drop the rest and end the thread; with `last`, do what waits first, then that. Nothing is delivered any more."""
        if not self._open:
            return
        self._open = False
        if last is not None:
            self._threads.submit(last)
        self._threads.shutdown(wait=True, cancel_futures=last is None)
        self._wanted = {}

    def _unless_forgotten(self, number: int, work: Callable[[], Answer]) -> Answer | None:
        return work() if number in self._wanted else None

    def _hand_over(self, number: int, future: Future[Any]) -> None:
        if self._open:
            self._ended.emit(number, future)

    def _deliver(self, number: int, future: Future[Any]) -> None:
        wanted = self._wanted.pop(number, None)
        if wanted is not None and self._open and not future.cancelled():
            wanted.then(future.result())


def told(work: Callable[[], Answer]) -> Callable[[], Answer | KnownError | Cancelled]:
    """The work with the world's faults and a cancel as its answer, so that they come back to who asked."""

    def run() -> Answer | KnownError | Cancelled:
        try:
            return work()
        except (KnownError, Cancelled) as problem:
            return problem

    return run
