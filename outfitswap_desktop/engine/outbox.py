"""What the engine process says to the window: one thread writes, in order, and no more progress than the eye can follow."""

from __future__ import annotations

import threading
import time
from collections import deque
from multiprocessing.connection import Connection
from typing import Any, Final

from outfitswap_desktop.core.job import Progress
from outfitswap_desktop.engine.messages import EventEnd, Progressed
from outfitswap_desktop.engine.shared import Segments

LEAST_BETWEEN: Final = 0.1
"""Seconds between two words of progress: ten a second."""


class Outbox:
    """Takes messages from any thread. Progress in between is replaced by newer; the last one always goes out."""

    def __init__(self, pipe: Connection, segments: Segments) -> None:
        self._pipe = pipe
        self._segments = segments
        self._waiting: deque[tuple[str, Any]] = deque()
        self._progress: dict[int, Progress] = {}
        self._next_progress = 0.0
        self._writing = False
        self._broken = False
        self._change = threading.Condition()
        threading.Thread(target=self._write, name="outbox", daemon=True).start()

    def put(self, word: str, content: Any = None) -> None:
        """Send one message, after those that were put before."""
        with self._change:
            self._waiting.append((word, content))
            self._change.notify_all()

    def flush(self) -> None:
        """Return once everything that was put is in the pipe: what comes next may end the process."""
        with self._change:
            self._change.wait_for(lambda: self._broken or not (self._waiting or self._writing))

    def end(self, event: EventEnd) -> None:
        """Send the end of a request, after its last progress."""
        with self._change:
            last = self._progress.pop(event.id, None)
            if last is not None:
                self._waiting.append(("event", Progressed(event.id, last)))
            self._waiting.append(("event", event))
            self._change.notify_all()

    def progress(self, number: int, now: Progress) -> None:
        """Note where request `number` is; it goes out when the last one is a tenth of a second old."""
        with self._change:
            self._progress[number] = now
            self._change.notify_all()

    def _take(self) -> tuple[str, Any]:
        with self._change:
            while True:
                if self._waiting:
                    self._writing = True
                    return self._waiting.popleft()
                wait = self._next_progress - time.monotonic() if self._progress else None
                if wait is not None and wait <= 0:
                    number = next(iter(self._progress))
                    self._next_progress = time.monotonic() + LEAST_BETWEEN
                    return "event", Progressed(number, self._progress.pop(number))
                self._change.wait(wait)

    def _write(self) -> None:
        """A pipe that is closed is the listener's business; nothing can be said any more."""
        while True:
            message = self._take()
            packed, name = self._segments.pack(message)
            del message
            try:
                self._pipe.send_bytes(packed)
            except (OSError, ValueError):
                self._segments.taken(name)
                self._done(broken=True)
                return
            self._done(broken=False)

    def _done(self, *, broken: bool) -> None:
        with self._change:
            self._writing = False
            self._broken = broken
            self._change.notify_all()
