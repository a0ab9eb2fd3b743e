"""Answers for tests of the engine process itself, and the real ones around scripted steps; children import them by name."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from outfitswap_desktop.core.job import Progress
from outfitswap_desktop.engine.messages import BESIDE, FindJob, ResultPicture, RunSwap, SwapDone
from outfitswap_desktop.errors import Cancelled, GateRefused, NotAvailable


@dataclass(frozen=True)
class Echo:
    """Answer: (what came, whether its arrays could be written to, the child's pid)."""

    thing: Any = None


@dataclass(frozen=True)
class Work:
    """Report `steps` times over `seconds`; look at the token each time, unless deaf."""

    seconds: float = 0.5
    steps: int = 50
    deaf: bool = False


@dataclass(frozen=True)
class Die:
    """End the process: by a signal, or by os._exit."""

    how: int = signal.SIGKILL


@dataclass(frozen=True)
class Fail:
    """Raise "refused", "missing", "bug", "memory" or "cancelled"."""

    how: str


@dataclass(frozen=True)
class Beget:
    """Start a child of one's own that sleeps; answer: its pid; then work on."""

    seconds: float = 60.0


@dataclass
class Scripted:
    seen: list = field(default_factory=list)

    def answer(self, request, *, report, cancel):
        if isinstance(request, BESIDE):
            return ("beside", os.getpid())
        match request:
            case Echo(thing):
                array = thing.get("array") if isinstance(thing, dict) else None
                return thing, array is not None and array.flags.writeable, os.getpid()
            case Work(seconds, steps, deaf):
                for step in range(steps):
                    if not deaf:
                        cancel.check()
                    report(Progress("generate", (step + 1) / steps))
                    time.sleep(seconds / steps)
                return "worked"
            case Die(how):
                if how == 0:
                    os._exit(3)
                os.kill(os.getpid(), how)
                time.sleep(60)
            case Fail(how):
                raise {
                    "refused": GateRefused("No.", reason="prompt_no", hint="Ask for something else."),
                    "missing": NotAvailable("The disk is full.", reason="disk_full"),
                    "bug": ValueError("oops"),
                    "memory": MemoryError(),
                    "cancelled": Cancelled(),
                }[how]
            case Beget(seconds):
                child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])
                report(Progress("generate", 0.5, str(child.pid)))
                time.sleep(seconds)
        return None


@contextmanager
def scripted() -> Iterator[Scripted]:
    yield Scripted()


@contextmanager
def scripted_slowly() -> Iterator[Scripted]:
    """Takes a second to get ready, as loading networks does."""
    time.sleep(1.0)
    yield Scripted()


@contextmanager
def dies_at_once() -> Iterator[Scripted]:
    os._exit(9)
    yield Scripted()


@contextmanager
def cannot_be_joined() -> Iterator[Scripted]:
    raise NotAvailable("history.db was written by a newer version of this program.", reason="history_newer")
    yield Scripted()


@contextmanager
def small_road() -> Iterator[Any]:
    """The product's own answers, kernel, records and history, around the scripted steps of `tests.fakes`."""
    from outfitswap_desktop import paths
    from outfitswap_desktop.core.steps import Steps
    from outfitswap_desktop.engine.answers import EngineAnswers
    from outfitswap_desktop.runner import Runner
    from outfitswap_desktop.safety.kernel import SafetyKernel
    from outfitswap_desktop.wiring import open_history, open_ledger
    from tests.fakes import FakeSegmenter, InvertingGenerator

    generator = InvertingGenerator()
    generator.on_generate = _as_told
    with open_history() as history, open_ledger() as ledger:
        runner = Runner(kernel=SafetyKernel(ledger), steps=Steps(FakeSegmenter(), generator), history=history)
        yield EngineAnswers(
            runner,
            check_engine=lambda _name: None,
            verify=lambda _path: {},
            doctor=dict,
            diagnose=lambda _request: {},
        )
    assert paths.data_dir()


def _told_seconds() -> float:
    """Tests make a file "slow" in the home to have every job take that many seconds more."""
    slow = Path(os.environ["OUTFITSWAP_HOME"]) / "slow"
    return float(slow.read_text()) if slow.exists() else 0.0


def _as_told() -> None:
    time.sleep(_told_seconds())


class PaperRoad:
    """A road of paper: files and history are written as the runner writes them, but no picture is made or judged."""

    def __init__(self, history: Any) -> None:
        self._history = history

    def answer(self, request, *, report, cancel):
        if isinstance(request, FindJob):
            return self._found(request.job)
        if not isinstance(request, RunSwap):
            return None
        return self._found(request.job) or self._run(request, report=report, cancel=cancel)

    def _found(self, job):
        from outfitswap_desktop.safety import writing

        self._history.recover(writing)
        entry = self._history.by_job(job)
        return None if entry is None else self._done(entry.id, entry.output, entry.output_sha256)

    @staticmethod
    def _done(entry, output, sha256):
        picture = ResultPicture(np.zeros((256, 256, 3), np.uint8), output, sha256)
        return SwapDone({"entry_id": entry, "output": str(output)}, picture)

    def _run(self, request, *, report, cancel):
        from outfitswap_desktop.safety import writing
        from outfitswap_desktop.store.entry import Record

        for step in range(10):
            cancel.check()
            report(Progress("generate", step / 10))
            time.sleep(0.01)
        if request.request.prompt == "deaf":
            time.sleep(1.5)
        until = time.monotonic() + _told_seconds()
        while time.monotonic() < until:
            cancel.check()
            time.sleep(0.01)
        planned = writing.plan(request.request.output)
        entry = self._history.begin([planned])
        try:
            staged = writing.stage(request.job.encode(), planned)
            record = Record(None, "0" * 64, "linen", "top", "paper", "none", 0, job=request.job)
            self._history.commit(entry, record, [staged])
            writing.publish(staged)
            self._history.finish(entry)
        except BaseException:
            self._history.abandon(entry, writing)
            raise
        report(Progress("save", 1.0))
        return self._done(entry, staged.final, staged.sha256)


@contextmanager
def paper_road() -> Iterator[PaperRoad]:
    from outfitswap_desktop.wiring import open_history

    with open_history() as history:
        yield PaperRoad(history)
