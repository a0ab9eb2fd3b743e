"""The one place where parts are joined; heavy imports sit inside the functions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from outfitswap_desktop.errors import KnownError, NotAvailable, UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

    from outfitswap_desktop.core.steps import Segmenter, Steps
    from outfitswap_desktop.engine.answers import EngineAnswers
    from outfitswap_desktop.runner import Runner
    from outfitswap_desktop.safety.records.ledger import Ledger
    from outfitswap_desktop.store.history import History

_log = logging.getLogger(__name__)
EMBEDDED = "fabric"
GPU_ENGINES = ("sd15", "sdxl", "klein", "qwen", "tryon")
"""Engines that a later release brings; named here so that asking for one gets a plain answer."""


def choose_engine(name: str) -> tuple[str, str]:
    """The engine for `name` ("auto" or an engine) and why, in one sentence. Raises UsageProblem or NotAvailable."""
    if name == "auto":
        return EMBEDDED, "auto: the embedded fabric engine, the only one in this release; it needs no GPU."
    if name == EMBEDDED:
        return EMBEDDED, "asked for"
    if name in GPU_ENGINES:
        raise NotAvailable(
            f"The engine {name} is not part of this release.",
            reason="engine_not_available",
            hint="Use --engine fabric: it runs on every machine.",
        )
    raise UsageProblem(f"There is no engine called {name}.", reason="unknown_engine", hint="Use auto or fabric.")


def embedded_segmenters() -> tuple[Segmenter, ...]:
    """The embedded segmenters, best first; none loads its weights before it is used."""
    from outfitswap_desktop.embedded.cascade.segmenter import CascadeSegmenter
    from outfitswap_desktop.embedded.parse.segmenter import MediaPipeSegmenter

    return MediaPipeSegmenter(), CascadeSegmenter()


def make_steps(engine: str) -> Steps:
    """The steps of one job for an engine name ("auto" or a name)."""
    choose_engine(engine)
    from outfitswap_desktop.core.ladder import Ladder
    from outfitswap_desktop.core.memory import keep_large_blocks_apart
    from outfitswap_desktop.core.steps import Steps
    from outfitswap_desktop.embedded.fabric.generator import FabricGenerator

    keep_large_blocks_apart()
    return Steps(segmenter=Ladder(embedded_segmenters()), generator=FabricGenerator())


@contextmanager
def open_history() -> Iterator[History]:
    """The history of this machine, swept after a crash; closed at the end."""
    from outfitswap_desktop import paths
    from outfitswap_desktop.safety import writing
    from outfitswap_desktop.store.history import History

    history = History(paths.history_file())
    try:
        for sentence in (*history.notes, *history.recover(writing).left):
            _log.warning(sentence)
        yield history
    finally:
        history.close()


@contextmanager
def open_ledger() -> Iterator[Ledger]:
    """The safety room's records of this machine: consents, audit log, roots; swept for what is past its time."""
    from outfitswap_desktop import paths
    from outfitswap_desktop.safety.records.ledger import Ledger
    from outfitswap_desktop.safety.records.retention import Sweeper

    ledger = Ledger(paths.data_dir())
    try:
        Sweeper(ledger).sweep()
        yield ledger
    finally:
        ledger.close()


def _warm_the_policy() -> None:
    """Build the prompt policy's lists beside the reading of the photo; what is wrong with them is told when they are asked."""
    from outfitswap_desktop.safety.prompt import policy

    def work() -> None:
        with suppress(KnownError):
            policy.prepare()

    threading.Thread(target=work, name="prompt-policy", daemon=True).start()


@contextmanager
def make_runner(engine: str = "auto") -> Iterator[Runner]:
    """A runner with the embedded steps, the safety kernel with its records, and the history; closed at the end."""
    with _runner_and_ledger(engine) as (runner, _):
        yield runner


@contextmanager
def _runner_and_ledger(engine: str) -> Iterator[tuple[Runner, Ledger]]:
    steps = make_steps(engine)
    from outfitswap_desktop.runner import Runner
    from outfitswap_desktop.safety.kernel import SafetyKernel

    _warm_the_policy()
    with open_history() as history, open_ledger() as ledger:
        reason = choose_engine(engine)[1]
        yield Runner(kernel=SafetyKernel(ledger), steps=steps, history=history, engine_reason=reason), ledger


@contextmanager
def make_answers() -> Iterator[EngineAnswers]:
    """What the engine process answers with: a runner, and the parts that look at this machine; closed at the end."""
    with _runner_and_ledger("auto") as (runner, ledger):
        from outfitswap_desktop.diagnostics import Diagnostics
        from outfitswap_desktop.engine.answers import EngineAnswers

        def verify(path: Path) -> dict[str, Any]:
            from outfitswap_desktop.safety.api import verify_file

            return verify_file(path, ledger)

        yield EngineAnswers(
            runner,
            check_engine=choose_engine,
            verify=verify,
            doctor=_examine,
            diagnose=Diagnostics(runner.history, doctor=_examine).answer,
        )


def _examine() -> dict[str, Any]:
    """The document of `doctor --json`."""
    from outfitswap_desktop.doctor import examine

    return examine().as_json()
