"""The child process: one thread works, one listens, so that a cancel is heard at once and no orphan is left.

The pipe carries words with their content: down "ask" (id, request), "cancel" id, "taken" a segment's name; up "event" an
Event, "taken", and "unable" with a Problem when the parts could not be joined.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

from outfitswap_desktop import errors, paths
from outfitswap_desktop.core.job import CancelToken, Progress, Report
from outfitswap_desktop.engine import family, shared
from outfitswap_desktop.engine.messages import BESIDE, Cancelled, EventEnd, Failed, Finished, Problem, Ready, Refused
from outfitswap_desktop.engine.outbox import Outbox
from outfitswap_desktop.engine.shared import Segments

TIDY_SECONDS: Final = 1.0
"""How long a running job may take to leave things in order once the window is gone."""
LARGEST_LOG: Final = 2 << 20
BESIDE_AT_ONCE: Final = 2


class Answers(Protocol):
    """Who answers the requests. Those of `BESIDE` come from threads of their own, all others from the main thread."""

    def answer(self, request: Any, *, report: Report, cancel: CancelToken) -> Any:
        """The answer to one request; raises KnownError or Cancelled, anything else is a bug."""


Factory = Callable[[], AbstractContextManager[Answers]]
"""Makes the answers in the child; an importable function, because it crosses to the child by name."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    id: int
    request: Any
    cancel: CancelToken


def run(pipe: Connection, window: int, factory: Factory | None) -> None:
    """The child's whole life. `window` is the pid of the process that began it; `factory` None: the product's own parts."""
    family.lead_a_family()
    _speak_to_the_log()
    segments = Segments(window)
    engine = _Engine(Outbox(pipe, segments), segments)
    threading.Thread(target=engine.listen, args=(pipe, window), name="listener", daemon=True).start()
    try:
        with (factory or _own_parts)() as answers:
            engine.work(answers)
    except BaseException as problem:  # noqa: BLE001  the last resort: the window has to be told in one sentence
        engine.give_up(problem_of(problem))
    engine.over.set()
    threading.Event().wait()  # the listener ends the process


def _own_parts() -> AbstractContextManager[Answers]:
    from outfitswap_desktop import wiring

    parts: AbstractContextManager[Answers] = wiring.make_answers()
    return parts


class _Engine:
    """What the threads of the child share."""

    def __init__(self, outbox: Outbox, segments: Segments) -> None:
        self.over = threading.Event()
        self._outbox = outbox
        self._segments = segments
        self._turn: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._beside: queue.SimpleQueue[_Asked] = queue.SimpleQueue()
        self._tokens: dict[int, CancelToken] = {}
        self._running: set[int] = set()
        self._lock = threading.Lock()

    # The working thread

    def work(self, answers: Answers) -> None:
        """Answer in turn until the window is gone."""
        for number in range(BESIDE_AT_ONCE):
            threading.Thread(target=self._work_beside, args=(answers,), name=f"beside-{number}", daemon=True).start()
        self._outbox.put("event", Ready(os.getpid()))
        while (asked := self._turn.get()) is not None:
            self._outbox.flush()  # should this request end the process, the window knows that the one before has ended
            self._answer(answers, asked)
            del asked  # a photo that was handed over as bytes

    def _work_beside(self, answers: Answers) -> None:
        while True:
            self._answer(answers, self._beside.get())

    def _answer(self, answers: Answers, asked: _Asked) -> None:
        with self._lock:
            if asked.id not in self._tokens:  # cancelled while it waited, and told so
                return
            self._running.add(asked.id)
        end = self._end_of(answers, asked)
        with self._lock:
            self._running.discard(asked.id)
            self._tokens.pop(asked.id, None)
        self._outbox.end(end)

    def _end_of(self, answers: Answers, asked: _Asked) -> EventEnd:
        def report(now: Progress) -> None:
            self._outbox.progress(asked.id, now)

        try:
            asked.cancel.check()
            return Finished(asked.id, answers.answer(asked.request, report=report, cancel=asked.cancel))
        except errors.Cancelled:
            return Cancelled(asked.id)
        except Exception as problem:  # noqa: BLE001  a bug in one request must not end the process
            told = problem_of(problem)
            refused = isinstance(problem, errors.InputRefused)
            return Refused(asked.id, told) if refused else Failed(asked.id, told)

    def give_up(self, problem: Problem) -> None:
        """Say that nothing can be answered here, and why."""
        self._outbox.put("unable", problem)

    # The listening thread

    def listen(self, pipe: Connection, window: int) -> NoReturn:
        """Take what the window says until it is gone; then this process ends, whatever it is doing."""
        with suppress(EOFError, OSError):
            while True:
                word, content = self._read(pipe.recv_bytes())
                if word == "ask":
                    self._ask(*content)
                elif word == "cancel":
                    self._cancel(content)
                elif word == "taken":
                    self._segments.taken(content)
        with self._lock:
            for token in self._tokens.values():
                token.set()
        self._turn.put(None)
        self.over.wait(TIDY_SECONDS)
        self._segments.close()
        _sweep_behind(window)
        family.end_own_family()

    def _read(self, packed: bytes) -> tuple[str, Any]:
        try:
            message, name = shared.unpack(packed)
        except FileNotFoundError:
            return "", None
        if name:
            self._outbox.put("taken", name)
        word, content = message
        return word, content

    def _ask(self, number: int, request: Any) -> None:
        asked = _Asked(number, request, CancelToken())
        with self._lock:
            self._tokens[number] = asked.cancel
        (self._beside if isinstance(request, BESIDE) else self._turn).put(asked)

    def _cancel(self, number: int) -> None:
        with self._lock:
            if number in self._running:
                self._tokens[number].set()
                return
            waited = self._tokens.pop(number, None) is not None
        if waited:
            self._outbox.end(Cancelled(number))


def problem_of(problem: BaseException) -> Problem:
    """What the window is told of an error; a fault of ours is written to the log with its traceback."""
    if isinstance(problem, errors.KnownError):
        return Problem(problem.kind, problem.reason, problem.message, problem.hint)
    if isinstance(problem, MemoryError):
        return Problem("not_available", "out_of_memory", "There was not enough memory.", "Close other programs.")
    name = type(problem).__name__
    where = _note("".join(traceback.format_exception(problem)))
    hint = f"Please report it with the file {where}." if where else "Please report it."
    message = f"This is a bug of ours: {name}: {problem}"
    return Problem("bug", "internal_error", message, hint, detail={"exception": name})


def _note(text: str) -> str | None:
    """Append to the program's log file; None when that is not possible."""
    with suppress(OSError, errors.KnownError):
        path = paths.log_file()
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"--- {datetime.now(UTC).isoformat(timespec='seconds')}\n{text}\n")
        return str(path)
    return None


def _sweep_behind(window: int) -> None:
    """Take away what a window that was killed has left; one that closed the pipe and lives on sees to that itself.

    The pipe of a process that dies closes a moment before its children are told that it is gone.
    """
    for _ in range(10):
        if os.getppid() != window:
            shared.sweep_of(window=window)
            return
        if not shared.names_of(window=window):
            return
        time.sleep(0.02)


def _speak_to_the_log() -> None:
    """Standard output and error, the libraries' own included, go to a file: a window has nobody to read them."""
    try:
        handle = os.open(_log_place(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except (OSError, errors.KnownError):
        handle = os.open(os.devnull, os.O_WRONLY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    for spare in {handle, nothing} - {0, 1, 2}:
        os.close(spare)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:  # a frozen program without a console
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False))
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.captureWarnings(True)


def _log_place() -> Path:
    """The engine's log; one that has grown large is kept once, as ".1"."""
    path = paths.data_dir() / "engine.log"
    with suppress(OSError):
        if path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_name("engine.log.1"))
    return path
