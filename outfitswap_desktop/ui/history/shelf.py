"""The history for widgets: a thread with its own connection answers what they ask, and the window never waits for the disk."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QObject, Qt, QThread, Signal

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.store.history import History

_CLOSING_MILLISECONDS: Final = 15_000
SOON: Final = 0
LATER: Final = 1
"""Orders of work: thumbnails come after pages and changes."""


class _Reader(QThread):
    ended = Signal(int, object, object)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.setObjectName("history")
        self._path = path
        self._waiting: list[tuple[int, int, Callable[[History], Any]]] = []
        self._forgotten: set[int] = set()
        self._wake = threading.Condition()
        self._ending = False

    def put(self, order: int, number: int, work: Callable[[History], Any]) -> None:
        with self._wake:
            heapq.heappush(self._waiting, (order, number, work))
            self._wake.notify()

    def forget(self, numbers: set[int]) -> None:
        with self._wake:
            self._waiting = [one for one in self._waiting if one[1] not in numbers]
            heapq.heapify(self._waiting)

    def end(self) -> None:
        with self._wake:
            self._ending = True
            self._wake.notify()

    def run(self) -> None:
        history: History | None = None
        while True:
            with self._wake:
                while not self._waiting and not self._ending:
                    self._wake.wait()
                if self._ending and not any(order == SOON for order, _, _ in self._waiting):
                    break
                _, number, work = heapq.heappop(self._waiting)
            answer, problem = None, None
            try:
                history = history or History(self._path)
                answer = work(history)
            except Exception as raised:  # noqa: BLE001 - goes to the widget that asked
                problem = raised
            self.ended.emit(number, answer, problem)
        if history is not None:
            history.close()


class Shelf(QObject):
    """Asks the history at `path` on a thread of its own; callbacks come on the thread of whoever made the Shelf.

    `trouble` is one sentence for the user when nobody wanted to hear of a problem; `changed` says that entries were changed
    through `change`, so that other widgets read again.
    """

    trouble = Signal(str)
    changed = Signal()

    def __init__(self, path: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.path = path
        self._reader = _Reader(path)
        self._reader.ended.connect(self._answered, Qt.ConnectionType.QueuedConnection)
        self._numbers = itertools.count(1)
        self._asked: dict[int, tuple[str, Callable[[Any], None], Callable[[str], None] | None]] = {}
        self._closed = False

    def ask(
        self,
        work: Callable[[History], Any],
        answered: Callable[[Any], None],
        failed: Callable[[str], None] | None = None,
        *,
        key: str = "",
        order: int = SOON,
    ) -> None:
        """Run `work` with the history and hand its answer to `answered`; a newer ask with the same key replaces an older."""
        if self._closed:
            return
        self.forget(key)
        number = next(self._numbers)
        self._asked[number] = (key, answered, failed)
        if not self._reader.isRunning():
            self._reader.start()
        self._reader.put(order, number, work)

    def change(self, work: Callable[[History], Any], done: Callable[[Any], None] | None = None) -> None:
        """Change something in the history; `changed` follows."""

        def finished(answer: Any) -> None:
            if done is not None:
                done(answer)
            self.changed.emit()

        self.ask(work, finished)

    def forget(self, key: str) -> None:
        """Drop what was asked under `key` and is not answered yet."""
        if not key:
            return
        numbers = {number for number, (of, _, _) in self._asked.items() if of == key}
        for number in numbers:
            del self._asked[number]
        if numbers:
            self._reader.forget(numbers)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is waited for."""
        return not self._asked

    def close(self) -> None:
        """Finish changes that were asked for, drop the rest, and end the thread."""
        if self._closed:
            return
        self._closed = True
        self._asked.clear()
        self._reader.end()
        self._reader.wait(_CLOSING_MILLISECONDS)

    def _answered(self, number: int, answer: Any, problem: Exception | None) -> None:
        _, answered, failed = self._asked.pop(number, ("", None, None))
        if answered is None:
            return
        if problem is None:
            answered(answer)
            return
        if not isinstance(problem, KnownError):
            raise problem
        sentence = f"{problem.message} {problem.hint}".strip()
        if failed is not None:
            failed(sentence)
        else:
            self.trouble.emit(sentence)
