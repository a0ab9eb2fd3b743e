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

    from outfitswap_desktop.core.steps import ClickRefiner, CreditGate, Segmenter, Steps
    from outfitswap_desktop.engine.answers import EngineAnswers
    from outfitswap_desktop.licensing.account import Licensing
    from outfitswap_desktop.ml.engines import MlEngines
    from outfitswap_desktop.runner import Runner
    from outfitswap_desktop.safety.records.ledger import Ledger
    from outfitswap_desktop.store.history import History
    from outfitswap_desktop.weights.store import WeightsStore

_log = logging.getLogger(__name__)
EMBEDDED = "fabric"
DIFFUSION = ("sd15", "sdxl", "klein", "qwen")
PLANNED = ("tryon",)
"""Engines that a later release brings; named here so that asking for one gets a plain answer."""


def open_weights() -> WeightsStore:
    """The weights on this machine."""
    from outfitswap_desktop.weights.store import default_store

    return default_store()


def choose_engine(name: str) -> tuple[str, str]:
    """The engine for `name` ("auto" or an engine) and why, in one sentence. Raises UsageProblem or NotAvailable."""
    if name == EMBEDDED:
        return EMBEDDED, "asked for"
    if name in PLANNED:
        raise NotAvailable(
            f"The engine {name} is not part of this release.",
            reason="engine_not_available",
            hint="Use --engine fabric: it runs on every machine.",
        )
    if name not in ("auto", *DIFFUSION):
        raise UsageProblem(
            f"There is no engine called {name}.",
            reason="unknown_engine",
            hint=f"Use auto, {EMBEDDED}, {', '.join(DIFFUSION)}.",
        )
    from outfitswap_desktop.ml import choice

    if name == "auto":
        best, reason = choice.best(open_weights())
        return best or EMBEDDED, reason
    return name, choice.asked_for(name, open_weights())


def embedded_segmenters() -> tuple[Segmenter, ...]:
    """The embedded segmenters, best first; none loads its weights before it is used."""
    from outfitswap_desktop.embedded.cascade.segmenter import CascadeSegmenter
    from outfitswap_desktop.embedded.parse.segmenter import MediaPipeSegmenter

    return MediaPipeSegmenter(), CascadeSegmenter()


def masks() -> tuple[tuple[Segmenter, ...], ClickRefiner | None]:
    """All segmenters of this machine, best first, those of installed weights before the embedded ones; and SAM for clicks."""
    embedded = embedded_segmenters()
    store = open_weights()
    there = {one for one in ("yolo-clothing", "sam-vit-b", "mobile-sam") if store.state(one) == "installed"}
    from outfitswap_desktop.ml.choice import has_torch

    if not there or not has_torch():
        if not any(store.state(one) == "installed" for one in ("yunet", "insightface-buffalo")):
            return embedded, None
        from outfitswap_desktop.ml.guard import HeadGuard
        from outfitswap_desktop.ml.remembered import Remembered
        from outfitswap_desktop.ml.segmenter import guarded

        parse = Remembered(embedded[0])
        return (*guarded(parse, HeadGuard(store), store), parse, *embedded[1:]), None
    from outfitswap_desktop.ml.clicks import ClickRefiner as SamClicks
    from outfitswap_desktop.ml.device import find_device
    from outfitswap_desktop.ml.refine import SamRefiner
    from outfitswap_desktop.ml.segmenter import ml_segmenters

    device = find_device()
    sam = SamRefiner(store, device=device)
    clicks = SamClicks(sam) if there - {"yolo-clothing"} else None
    return ml_segmenters(embedded, store, device, refiner=sam), clicks


def make_steps(engine: str) -> Steps:
    """The steps of the embedded engine, with the best segmenter that is there; raises as `choose_engine` for `engine`."""
    choose_engine(engine)
    from outfitswap_desktop.core.ladder import Ladder
    from outfitswap_desktop.core.memory import keep_large_blocks_apart
    from outfitswap_desktop.core.steps import Steps
    from outfitswap_desktop.embedded.fabric.generator import FabricGenerator

    keep_large_blocks_apart()
    segmenters, clicks = masks()
    return Steps(segmenter=Ladder(segmenters), generator=FabricGenerator(), clicks=clicks)


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


def open_licensing() -> Licensing:
    """The credits of this machine; nothing is made or asked before it is used. Close it at the end."""
    from outfitswap_desktop import paths
    from outfitswap_desktop.licensing.account import Licensing

    return Licensing(paths.data_dir())


@contextmanager
def _open_gate(history: History) -> Iterator[CreditGate]:
    """The gate between jobs and credits; what programs that died have left is settled by what the history says."""
    licensing = open_licensing()
    try:
        gate = licensing.gate()
        try:
            gate.settle(history.made_with)
        except KnownError as problem:
            _log.warning(f"{problem.message} {problem.hint}".strip())
        yield gate
    finally:
        licensing.close()


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
    with _parts(engine) as (runner, _, _):
        yield runner


@contextmanager
def _parts(engine: str) -> Iterator[tuple[Runner, Ledger, Steps]]:
    steps = make_steps(engine)
    from outfitswap_desktop.runner import Runner
    from outfitswap_desktop.safety.kernel import SafetyKernel

    _warm_the_policy()
    with (
        open_history() as history,
        open_ledger() as ledger,
        _engines(steps) as engines,
        _open_gate(history) as gate,
    ):
        runner = Runner(kernel=SafetyKernel(ledger), steps=steps, history=history, engines=engines, gate=gate)
        yield runner, ledger, steps


@contextmanager
def _engines(embedded: Steps) -> Iterator[MlEngines]:
    """The engines of this machine; what one of them has loaded is given back at the end."""
    from outfitswap_desktop.ml.engines import MlEngines
    from outfitswap_desktop.safety.prompt.negative import NEGATIVE

    engines = MlEngines(open_weights(), embedded=embedded, negative=NEGATIVE)
    try:
        yield engines
    finally:
        engines.close()


@contextmanager
def make_answers() -> Iterator[EngineAnswers]:
    """What the engine process answers with: a runner, and the parts that look at this machine; closed at the end."""
    with _parts("auto") as (runner, ledger, steps):
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
            clicks=steps.clicks,
        )


def _examine() -> dict[str, Any]:
    """The document of `doctor --json`."""
    from outfitswap_desktop.doctor import examine

    return examine().as_json()
