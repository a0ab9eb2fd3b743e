"""torch.compile in the background: jobs go on as they are; the compiled forward takes over between two jobs if it pays."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.ml.speed.artifacts import Artifacts
from outfitswap_desktop.ml.speed.card import Verdicts
from outfitswap_desktop.ml.speed.graphs import Forward, NotCaptured, capture, cuda_milliseconds

if TYPE_CHECKING:
    from torch import Tensor

_log = logging.getLogger(__name__)
PAYS: Final = 1.10
"""A compiled step is used when the eager one takes at least this much longer."""
TOLERANCE: Final = 1e-2
"""Largest relative difference of one compiled step from the eager one (fp16 rounding stays below)."""
BUCKETS: Final = 64
"""Shapes that may be compiled of one forward; torch's own limit of 8 would silently fall back to eager."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether compiling pays on this card: milliseconds per step of both, and the compiled one's relative error."""

    pays: bool
    eager_ms: float
    compiled_ms: float
    error: float
    seconds: float
    reason: str = ""


class Compiling:
    """One forward of one shape on its way: `done` is set when `forward` (None if it does not pay or failed) is final."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.forward: Forward | None = None
        self.verdict: Verdict | None = None
        self.reason = ""


class Compiler:
    """Compiles in one background thread, one shape after the other, and asks once per card whether it pays.

    `gate` is held while something is timed, and by the steps of jobs; never while compiling, which takes tens of seconds.
    Not run on a CUDA card here; the CPU path of the same code is what the default tests run.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        verdicts: Verdicts,
        *,
        pays: float = PAYS,
    ) -> None:
        self._artifacts = artifacts
        self._verdicts = verdicts
        self._pays = pays
        self._turn = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.gate = threading.RLock()

    @property
    def busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def verdict(self, recipe: str) -> Verdict | None:
        """What was found on this card for the networks of `recipe`; None when nothing was measured yet."""
        found = self._verdicts.get(f"compile/{recipe}")
        try:
            return Verdict(**found) if found is not None else None
        except TypeError:
            return None

    def start(self, recipe: str, forward: Forward, inputs: Sequence[Tensor], *, eager_ms: float | None) -> Compiling:
        """Compile `forward` for copies of `inputs`. `eager_ms` is what a step takes now, wanted while there is no verdict."""
        compiling = Compiling()
        own = [tensor.detach().clone() for tensor in inputs]
        copied = _mark(own[0].device)

        def work() -> None:
            try:
                with self._turn:
                    if not self._closing.is_set():
                        self._work(compiling, recipe, forward, own, copied=copied, eager_ms=eager_ms)
            except Exception as problem:  # noqa: BLE001  compiling is an extra: the eager step stays, the reason is kept
                compiling.reason = f"{type(problem).__name__}: {problem}".splitlines()[0][:300]
                _log.warning("the step was not compiled: %s", compiling.reason)
            finally:
                compiling.done.set()

        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, name="compile", daemon=True)
        self._threads.append(thread)
        thread.start()
        return compiling

    def close(self, *, timeout: float = 0.0) -> None:
        """Start nothing more; wait up to `timeout` seconds for what runs (a compilation cannot be interrupted)."""
        self._closing.set()
        for thread in self._threads:
            thread.join(timeout)

    def _work(
        self,
        compiling: Compiling,
        recipe: str,
        forward: Forward,
        inputs: list[Tensor],
        *,
        copied: Any,
        eager_ms: float | None,
    ) -> None:
        import torch

        began = time.perf_counter()
        self._artifacts.load()
        with torch.inference_mode(mode=False), torch.no_grad(), _own_stream(inputs[0].device, copied):
            compiled = compile_forward(forward)
            error = relative_error(compiled(*inputs), forward(*inputs))
            compiled(*inputs)  # the second call finds the code there
            known = self.verdict(recipe)
            if known is None:
                with self.gate:
                    slow = eager_ms if eager_ms is not None else step_milliseconds(forward, inputs)
                    fast = step_milliseconds(compiled, inputs)
                seconds = time.perf_counter() - began
                known = Verdict(slow >= self._pays * fast, slow, fast, error, seconds)
                self._verdicts.put(f"compile/{recipe}", asdict(known))
        self._artifacts.save()
        compiling.verdict = known
        if not error <= TOLERANCE:
            compiling.reason = f"the compiled step differs by {error:.3g}"
        elif not known.pays:
            compiling.reason = f"compiled {known.compiled_ms:.2f} ms against {known.eager_ms:.2f} ms: it does not pay"
        else:
            compiling.forward = compiled


def compile_forward(forward: Forward) -> Forward:
    """`forward` through torch.compile, fixed shapes, without its own CUDA graphs (the Stepper records them itself)."""
    import torch
    import torch._dynamo

    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, BUCKETS)
    compiled: Forward = torch.compile(forward, dynamic=False)
    return compiled


def relative_error(found: Tensor, exact: Tensor) -> float:
    """||found - exact|| / ||exact||, in float32; infinite where something is not finite."""
    import torch

    if not bool(torch.isfinite(found).all() & torch.isfinite(exact).all()):
        return float("inf")
    found, exact = found.float(), exact.float()
    return float((found - exact).norm() / exact.norm().clamp_min(1e-12))


def step_milliseconds(forward: Forward, inputs: Sequence[Tensor], *, repeats: int = 20) -> float:
    """Median milliseconds of one call; on CUDA as a graph where it can be recorded, timed by events."""
    if inputs[0].device.type != "cuda":
        return median(_clocked(lambda: forward(*inputs)) for _ in range(repeats))
    try:
        graph = capture(forward, inputs, pool=None)
    except NotCaptured:
        return cuda_milliseconds(lambda: forward(*inputs), repeats=repeats)
    try:
        return graph.milliseconds()
    finally:
        graph.reset()


def _mark(device: Any) -> Any:
    """An event after what the current stream was told so far; None away from CUDA."""
    import torch

    if device.type != "cuda":
        return None
    event = torch.cuda.Event()
    event.record()
    return event


def _own_stream(device: Any, after: Any) -> AbstractContextManager[Any]:
    """A stream of its own that begins after the event; the device as a whole is never waited for, a graph may be recorded."""
    import torch

    if device.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(device)
    stream.wait_event(after)
    context: AbstractContextManager[Any] = torch.cuda.stream(stream)
    return context


def _clocked(call: Callable[[], object]) -> float:
    before = time.perf_counter()
    call()
    return (time.perf_counter() - before) * 1000
