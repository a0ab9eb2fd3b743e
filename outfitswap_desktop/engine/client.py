"""The window's side of an engine process: sends requests, hands out events, and replaces a child that died or hangs.

    client = EngineClient()
    number = client.send(FindGarments(path))      # starts the child when there is none
    while (event := client.poll(1.0)) ...         # Ready, Progressed, Finished | Cancelled | Refused | Failed, Replaced
    client.cancel(number)                         # soft at once; hard, by replacing the child, after the grace time
    client.close()

One thread polls; `send`, `cancel` and `wake` may be called from any.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import connection, get_context
from typing import Any, Final

from outfitswap_desktop.engine import process, shared
from outfitswap_desktop.engine.family import Family
from outfitswap_desktop.engine.messages import (
    BESIDE,
    Cancelled,
    Event,
    Failed,
    Finished,
    Problem,
    Ready,
    Refused,
    Replaced,
)
from outfitswap_desktop.engine.shared import Segments

GRACE_SECONDS: Final = 2.0
"""How long a running request has to notice a cancel before its child is replaced."""
QUICK_SECONDS: Final = 10.0
MOST_QUICK_DEATHS: Final = 3
"""After so many children in a row that died this young, with nothing finished, no further one is started by itself."""
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Asked:
    """A request on its way; `deadline` (monotonic) is when its child is ended if it has not answered a cancel."""

    request: Any
    cancelled: bool = False
    deadline: float | None = None


@dataclass(slots=True, eq=False)
class _Child:
    """One engine process and what belongs to it."""

    pid: int
    pipe: connection.Connection
    sentinel: int
    family: Family
    segments: Segments
    started: float
    ready: bool = False
    finished: int = 0


class EngineClient:
    """One child at a time. `factory` makes the child's answers (tests hand in their own); `grace` is in seconds."""

    def __init__(
        self, *, factory: process.Factory | None = None, grace: float = GRACE_SECONDS, name: str = "engine"
    ) -> None:
        self._factory = factory
        self._grace = grace
        self._name = name
        self._child: _Child | None = None
        self._asked: dict[int, _Asked] = {}
        self._events: deque[Event] = deque()
        self._last_id = 0
        self._quick_deaths = 0
        self._closed = False
        self._lock = threading.RLock()
        self._hear, self._call = get_context("spawn").Pipe(duplex=False)
        self._called = False

    # What the caller does

    @property
    def pid(self) -> int | None:
        """The child's process, None when there is none."""
        child = self._child
        return child.pid if child is not None else None

    @property
    def running(self) -> tuple[int, ...]:
        """The requests that have not ended."""
        with self._lock:
            return tuple(self._asked)

    def start(self) -> None:
        """Start the child unless there is one; Ready follows as an event."""
        with self._lock:
            if self._child is None and not self._closed:
                self._begin()

    def send(self, request: Any) -> int:
        """Send a request and return its number; exactly one end with that number follows."""
        with self._lock:
            if self._closed:
                raise RuntimeError("this client is closed")
            self._last_id += 1
            number = self._last_id
            self._asked[number] = _Asked(request)
            if self._child is None:
                self._begin()  # which sends all that is asked
            else:
                self._ask(self._child, number)
            return number

    def cancel(self, number: int, *, grace: float | None = None) -> None:
        """Ask request `number` to stop; one that does not within `grace` seconds (None: the client's) loses its child.

        Unknown ones: nothing.
        """
        with self._lock:
            asked = self._asked.get(number)
            if asked is None or asked.cancelled:
                return
            asked.cancelled = True
            if self._child is not None:
                self._say(self._child, "cancel", number)
            if number == self._at_work():
                asked.deadline = time.monotonic() + (self._grace if grace is None else grace)
        self.wake()

    def wake(self) -> None:
        """Let a `poll` that waits return at once."""
        with self._lock:
            if not self._called and not self._closed:
                self._called = True
                self._call.send_bytes(b"!")

    def poll(self, timeout: float | None = None) -> Event | None:
        """The next event; None after `timeout` seconds (None: for ever) without one, or when somebody called `wake`."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._lock:
                if self._events:
                    return self._events.popleft()
                if self._closed:
                    return None
                child = self._child
                times = [asked.deadline for asked in self._asked.values() if asked.deadline is not None]
            wait = min([*times, *([until] if until is not None else [])], default=None)
            watched: list[Any] = [self._hear, *([child.pipe, child.sentinel] if child is not None else [])]
            heard = connection.wait(watched, None if wait is None else max(0.0, wait - time.monotonic()))
            if child is not None and child is self._child:
                self._hear_child(child, heard)
            if self._hear in heard:
                with self._lock:
                    self._hear.recv_bytes()
                    self._called = False
                if not self._events:
                    return None
            if not self._events and until is not None and time.monotonic() >= until:
                return None

    def close(self) -> None:
        """Cancel what runs, wait the grace time at most, and end the child: no process, thread or segment is left."""
        with self._lock:
            if self._closed:
                return
            for number in list(self._asked):
                self.cancel(number)
        until = time.monotonic() + self._grace
        while self._asked and self._child is not None and self._child.ready and time.monotonic() < until:
            self.poll(0.05)
            self._events.clear()
        with self._lock:
            self._closed = True
            self._asked.clear()
            self._events.clear()
            self._end_child()
            self._hear.close()
            self._call.close()

    # The child

    def _begin(self) -> None:
        """Start a child and send it all that is asked."""
        shared.sweep()
        spawn = get_context("spawn")
        ours, theirs = spawn.Pipe(duplex=True)
        try:
            one = spawn.Process(
                target=process.run, args=(theirs, os.getpid(), self._factory), name=self._name, daemon=True
            )
            one.start()
        except OSError as problem:
            ours.close()
            _log.warning("%s: cannot be started: %s", self._name, problem)
            self._give_up(_NOT_STARTED)
            return
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        assert one.pid is not None
        self._child = _Child(
            pid=one.pid,
            pipe=ours,
            sentinel=one.sentinel,
            family=Family(one),
            segments=Segments(os.getpid()),
            started=time.monotonic(),
        )
        for number, asked in list(self._asked.items()):
            if asked.cancelled:
                self._end(Cancelled(number))
            else:
                self._ask(self._child, number)

    def _ask(self, child: _Child, number: int) -> None:
        self._say(child, "ask", (number, self._asked[number].request))

    @staticmethod
    def _say(child: _Child, word: str, content: Any) -> None:
        """A child that is gone is noticed by `poll`, which starts another and asks again."""
        packed, name = child.segments.pack((word, content))
        try:
            child.pipe.send_bytes(packed)
        except (OSError, ValueError):
            child.segments.taken(name)

    def _hear_child(self, child: _Child, heard: list[Any]) -> None:
        with self._lock:
            if child.pipe in heard:
                try:
                    packed = child.pipe.recv_bytes()
                except (EOFError, OSError):
                    self._died(child)
                    return
                self._take(child, packed)
            elif child.sentinel in heard:
                self._died(child)
                return
            now = time.monotonic()
            late = [n for n, asked in self._asked.items() if asked.deadline is not None and asked.deadline <= now]
            if late:
                self._died(child, on_purpose=True)

    def _take(self, child: _Child, packed: bytes) -> None:
        try:
            (word, content), name = shared.unpack(packed)
        except FileNotFoundError:  # it died, and its segments with it
            return
        if name:
            self._say(child, "taken", name)
        if word == "taken":
            child.segments.taken(content)
        elif word == "unable":
            self._give_up(content)
        elif isinstance(content, Ready):
            child.ready = True
            self._events.append(content)
        elif isinstance(content, Finished | Cancelled | Refused | Failed):
            child.finished += 1
            self._quick_deaths = 0
            self._end(content)
            self._set_deadline()
        elif content.id in self._asked:
            self._events.append(content)

    def _end(self, event: Finished | Cancelled | Refused | Failed) -> None:
        if self._asked.pop(event.id, None) is not None:
            self._events.append(event)

    def _at_work(self) -> int | None:
        """The request that the child's main thread works on: the oldest that waits for its turn."""
        return next((n for n, asked in self._asked.items() if not isinstance(asked.request, BESIDE)), None)

    def _set_deadline(self) -> None:
        """A cancelled request whose turn has come meanwhile has the grace time from now on."""
        number = self._at_work()
        if number is not None and self._asked[number].cancelled and self._asked[number].deadline is None:
            self._asked[number].deadline = time.monotonic() + self._grace

    def _died(self, child: _Child, *, on_purpose: bool = False) -> None:
        """The child is gone, or is ended now: its request ends, the others are asked again of a new one."""
        victim = self._at_work() if child.ready else None
        if not on_purpose:
            connection.wait([child.sentinel], 1.0)  # its pipe closes a moment before it is gone
        code = self._end_child()
        sentence = "" if on_purpose else _sentence(code)
        if victim is not None:
            if self._asked[victim].cancelled:
                self._end(Cancelled(victim))
            else:
                self._end(Failed(victim, _died_problem(sentence)))
        young = child.finished == 0 and time.monotonic() - child.started < QUICK_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if young and not on_purpose else 0
        if self._quick_deaths >= MOST_QUICK_DEATHS:
            self._quick_deaths = MOST_QUICK_DEATHS - 1  # the next request may try once
            self._give_up(_STOPPED)
            return
        _log.warning("%s: %s", self._name, sentence or "replaced after a cancel")
        self._events.append(Replaced(sentence))
        self._begin()

    def _give_up(self, problem: Problem) -> None:
        """No child can answer: everything that was asked fails, with the reason, and `detail` says "engine": "none"."""
        problem = replace(problem, detail={**problem.detail, "engine": "none"})
        self._end_child()
        for number, asked in list(self._asked.items()):
            self._end(Cancelled(number) if asked.cancelled else Failed(number, problem))
        self._events.append(Replaced(problem.sentence))

    def _end_child(self) -> int | None:
        """Its exit code, None when there was none to end."""
        child, self._child = self._child, None
        if child is None:
            return None
        child.pipe.close()  # the child leaves things in order, if it still can
        if self._closed:
            connection.wait([child.sentinel], process.TIDY_SECONDS + 0.5)
        code = child.family.kill()
        child.segments.close()
        with suppress(OSError):
            shared.sweep_of(window=os.getpid(), creator=child.pid)
        return code


def _sentence(code: int | None) -> str:
    how = {
        -9: " (ended by the system, often for want of memory)",
        -11: " (a crash)",
        -6: " (a crash)",
        -7: " (a crash)",
    }
    return f"The engine process ended unexpectedly{how.get(code or 0, '')}; a new one has been started."


def _died_problem(sentence: str) -> Problem:
    return Problem("failed", "engine_died", sentence, "Try again; a smaller photo needs less memory.")


_NOT_STARTED: Final = Problem(
    "not_available",
    "engine_not_started",
    "The engine process could not be started.",
    "Close other programs: the system may be out of memory or of processes.",
)
_STOPPED: Final = Problem(
    "failed",
    "engine_stopped",
    "The engine process ended three times in a row as soon as it was started.",
    "Start the program again; `outfitswap doctor` says what is wrong.",
)
