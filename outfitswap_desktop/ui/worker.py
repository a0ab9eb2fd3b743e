"""The window's two engine processes, each on a thread of its own: the desk answers questions, the job worker runs the queue.

Nothing here blocks the event loop: everything is handed to the thread, and answers come back as queued signals.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot
from shiboken6 import isValid

from outfitswap_desktop.core.job import Progress
from outfitswap_desktop.engine.client import EngineClient
from outfitswap_desktop.engine.messages import (
    Cancelled,
    Event,
    Failed,
    Finished,
    Problem,
    Progressed,
    Ready,
    Refused,
    Replaced,
)
from outfitswap_desktop.ui.job_worker import JobWorker

__all__ = ["Desk", "JobWorker"]

Answered = Callable[[Any], None]
WhenFailed = Callable[[Problem], None]
WhenProgressed = Callable[[Progress], None]
PATIENCE_SECONDS: Final = 30.0
"""A question that nobody waits for any more may take this long to notice: ending its process would cost more."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Ask:
    """One request of the window; `id` is the desk's number for it."""

    id: int
    request: Any


class _DeskThread(QThread):
    """Owns the client: sends what was asked, and hands every event to the window's thread."""

    heard = Signal(int, object)

    def __init__(self, client: EngineClient, parent: QObject) -> None:
        super().__init__(parent)
        self._client = client
        self._orders: deque[tuple[str, Any]] = deque()
        self._numbers: dict[int, int] = {}
        self._ids: dict[int, int] = {}

    def order(self, word: str, content: Any = None) -> None:
        """From any thread: "ask", "cancel", "warm" or "end"."""
        self._orders.append((word, content))
        self._client.wake()

    def run(self) -> None:
        try:
            while self._obey():
                event = self._client.poll(None)
                if event is not None:
                    self._tell(event)
        except Exception:
            _log.exception("the desk's thread stopped")
            raise
        finally:
            self._client.close()

    def _obey(self) -> bool:
        while self._orders:
            word, content = self._orders.popleft()
            if word == "end":
                return False
            if word == "warm":
                self._client.start()
            elif word == "ask":
                number = self._client.send(content.request)
                self._numbers[content.id], self._ids[number] = number, content.id
            elif word == "cancel" and content in self._numbers:
                self._client.cancel(self._numbers[content], grace=PATIENCE_SECONDS)
        return True

    def _tell(self, event: Event) -> None:
        if isinstance(event, Ready | Replaced):
            self.heard.emit(0, event)
        elif event.id in self._ids:
            number = self._ids[event.id]
            if not isinstance(event, Progressed):
                del self._ids[event.id], self._numbers[number]
            self.heard.emit(number, event)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    answered: Answered
    failed: WhenFailed | None
    progressed: WhenProgressed | None
    key: str


class Desk(QObject):
    """Questions to an engine process of its own, so that the user never waits for a job. Lives in the window's thread.

    `trouble` says in one sentence that the process died and was replaced.
    """

    trouble = Signal(str)
    ready = Signal()

    def __init__(self, client: EngineClient | None = None, *, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: dict[int, _Waiting] = {}
        self._newest: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._thread: _DeskThread | None = _DeskThread(client or EngineClient(name="desk"), self)
        self._thread.heard.connect(self._heard, Qt.ConnectionType.QueuedConnection)
        self._thread.start()

    def warm(self) -> None:
        """Start the engine process now, so that the first question finds it ready."""
        if self._thread is not None:
            self._thread.order("warm")

    def ask(
        self,
        request: Any,
        answered: Answered,
        failed: WhenFailed | None = None,
        progressed: WhenProgressed | None = None,
        *,
        key: str = "",
    ) -> int:
        """Ask; exactly one of the callbacks ends it, in the window's thread, and none when it is cancelled.

        A newer request with the same `key` cancels the older one. Without `failed` a problem is told as `trouble`.
        """
        number = next(self._numbers)
        if key and key in self._newest:
            self.cancel(self._newest[key])
        if key:
            self._newest[key] = number
        if self._thread is not None:
            self._waiting[number] = _Waiting(answered, failed, progressed, key)
            self._thread.order("ask", _Ask(number, request))
        return number

    def cancel(self, number: int) -> None:
        """Forget a request: it is stopped, and none of its callbacks is called any more."""
        if self._forget(number) is not None and self._thread is not None:
            self._thread.order("cancel", number)

    def close(self) -> None:
        """Cancel what runs and end the process; returns when both are over. May be called twice."""
        thread, self._thread = self._thread, None
        self._waiting.clear()
        if thread is not None:
            thread.order("end")
            thread.quit()
            thread.wait()

    def _forget(self, number: int) -> _Waiting | None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None and self._newest.get(waiting.key) == number:
            del self._newest[waiting.key]
        return waiting

    @Slot(int, object)
    def _heard(self, number: int, event: Event) -> None:
        if isinstance(event, Replaced):
            if event.sentence:
                self.trouble.emit(event.sentence)
        elif isinstance(event, Ready):
            self.ready.emit()
        elif isinstance(event, Progressed):
            waiting = self._waiting.get(number)
            if waiting is not None and waiting.progressed is not None and _is_there(waiting.progressed):
                waiting.progressed(event.progress)
        else:
            self._ended(self._forget(number), event)

    def _ended(self, waiting: _Waiting | None, event: Finished | Cancelled | Refused | Failed) -> None:
        if waiting is None or isinstance(event, Cancelled):
            return
        if isinstance(event, Finished):
            if _is_there(waiting.answered):
                waiting.answered(event.answer)
        elif waiting.failed is not None:
            if _is_there(waiting.failed):
                waiting.failed(event.problem)
        else:
            self.trouble.emit(event.problem.sentence)


def _is_there(callback: Callable[..., object]) -> bool:
    """False for a method of a widget that was deleted meanwhile: a dialog that was closed before its answer came."""
    owner = getattr(callback, "__self__", None)
    return not isinstance(owner, QObject) or isValid(owner)
