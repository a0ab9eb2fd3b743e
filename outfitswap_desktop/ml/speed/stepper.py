"""The Stepper: a forward runs eagerly at first, then as a CUDA graph, then compiled, each shape on its own; no job fails of it.

It is what the denoising loop calls an Accelerator (ml/diffusion/conditions.py). The CUDA paths have not been run where the
default tests run; the tests marked `gpu` compare them with eager and count recompiles.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.core.job import BALANCED
from outfitswap_desktop.ml.speed.artifacts import Artifacts
from outfitswap_desktop.ml.speed.attention import Attention, choose_attention
from outfitswap_desktop.ml.speed.card import Verdicts, this_card
from outfitswap_desktop.ml.speed.compiled import Compiler, Compiling
from outfitswap_desktop.ml.speed.counting import SpeedCounters, frames_compiled
from outfitswap_desktop.ml.speed.graphs import Captured, Forward, NotCaptured, capture
from outfitswap_desktop.ml.speed.precision import Precision, choose_precision, precision_set

if TYPE_CHECKING:
    from torch import Tensor

    from outfitswap_desktop.ml.device import Device
    from outfitswap_desktop.ml.diffusion.conditions import Shape
    from outfitswap_desktop.ml.recipes import Recipe

_log = logging.getLogger(__name__)
WARM_STEPS: Final = 2
"""Eager steps before a shape is recorded: cuDNN and cuBLAS choose their kernels in them."""
BUCKETS: Final = 12
"""Recorded shapes that are kept; the one unused for longest goes first."""
HEADROOM: Final = 2 * 2**30
"""Bytes of the card that must be free before a graph is recorded: the VAE's decode comes after the steps."""

JOBS_BEFORE_COMPILING: Final = 1
"""Jobs of a shape that have begun before it is compiled: a shape that is used once is not worth it."""
NEVER: Final = -(2**31)

Recorder = Callable[..., Captured]


@dataclass(slots=True)
class Bucket:
    """One shape of one module: `original` is what was wrapped, `forward` what runs; `settled`: a graph was tried for that."""

    shape: Shape
    module: Any
    address: int
    original: Forward
    forward: Forward
    compiled: bool = False
    eager: int = 0
    jobs: int = 0
    job: int = 0
    graph: Captured | None = None
    compiling: Compiling | None = None
    wants_compiling: bool = False
    settled: bool = False
    switches: tuple[Precision, Attention] | None = None

    @property
    def name(self) -> str:
        return _name(self.shape)

    def run_as(self, forward: Forward, *, compiled: bool) -> None:
        """Run `forward` from now on, eagerly at first."""
        if self.graph is not None:
            self.graph.reset()
        self.graph, self.forward, self.compiled = None, forward, compiled
        self.settled, self.eager = False, 0


class Stepper:
    """Makes forwards faster, per shape, and says what it did in `counters`.

    `graphs` records CUDA graphs (a device without them stays eager, with the reason); `compiler` (None: never) compiles a
    shape in the background from its second job on, and it takes over when a later job begins. `verdicts` keeps what was
    probed. `record` is graphs.capture, or a test's.
    """

    def __init__(
        self,
        *,
        device: str,
        graphs: bool = True,
        compiler: Compiler | None = None,
        verdicts: Verdicts | None = None,
        headroom_bytes: int = HEADROOM,
        record: Recorder = capture,
    ) -> None:
        self._device = device
        self._graphs = graphs
        self._compiler = compiler
        self._verdicts = verdicts
        self._switches: tuple[Precision, Attention] | None = None
        self._held = ExitStack()
        self._headroom = headroom_bytes
        self._record = record
        self._gate: AbstractContextManager[Any] = compiler.gate if compiler is not None else nullcontext()
        self._pool: Any = None
        self._buckets: OrderedDict[tuple[int, Shape], Bucket] = OrderedDict()
        self._job = 0
        self.counters = SpeedCounters()

    def wrap(self, forward: Forward, *, module: Any, shape: Shape) -> Forward:
        """The forward to call instead, for this job and later ones. Another forward for a known shape starts it over."""
        self._job += 1
        key = (id(module), shape)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = Bucket(shape, module, address_of(module), forward, forward)
        elif bucket.original is not forward:
            self._start_over(bucket, forward)
        self._keep(bucket)
        return _Wrapped(self, bucket)

    def forget(self, module: Any) -> None:
        """Drop all that was made for `module`: it is about to move or to go."""
        for key in [key for key, bucket in self._buckets.items() if bucket.module is module]:
            self._drop(key)

    @contextmanager
    def around(self, recipe: Recipe, *, device: Device, mode: str) -> Iterator[None]:
        """A job: attention takes the kernels that were fastest, and sums are in fp16 on GeForce in the mode "balanced" alone.

        The kernels stay chosen until another recipe asks: torch's switches are the process's, and a compilation in the
        background must not see them change. Finished compilations take over at the first step within.
        """
        self._job += 1
        if device.kind != "cuda":
            yield
            return
        precision = choose_precision(device.name, dtype=device.dtype)
        if mode != BALANCED:
            precision = replace(precision, fp16_accumulation=False)
        attention = choose_attention(recipe.name, device=self._device, dtype=device.dtype, verdicts=self._verdicts)
        if self._switches is None or self._switches[1] != attention:
            self._held.close()
            self._held.enter_context(attention.around())
        self._switches = (precision, attention)
        with precision_set(precision):
            yield

    def state(self) -> Mapping[str, Any]:
        """Plain values for plan and diagnostics: "compiled" is how the last job's shape runs now, the rest are the counters."""
        last = next(reversed(self._buckets.values()), None)
        words = [
            *(["compiled"] if last is not None and last.compiled else []),
            *(["graph"] if last is not None and last.graph is not None else []),
        ]
        return {"compiled": " ".join(words) or "no", **self.counters.as_json()}

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is being compiled; False when it took longer. For measurements: jobs never wait."""
        until = time.monotonic() + seconds
        waiting = [bucket.compiling.done for bucket in self._buckets.values() if bucket.compiling is not None]
        done = [event.wait(max(until - time.monotonic(), 0)) for event in waiting]
        return all(done)

    def close(self) -> None:
        """Give everything back; a compilation that runs is left to end by itself."""
        if self._compiler is not None:
            self._compiler.close()
        for key in list(self._buckets):
            self._drop(key)
        self._held.close()
        self._pool = None

    # --- one step -----------------------------------------------------------------------------------------------------

    def step(self, bucket: Bucket, inputs: tuple[Tensor, ...]) -> Any:
        """One call of a wrapped forward."""
        with self._gate:
            if bucket.job != self._job:
                self._begin(bucket)
            if bucket.graph is None and not bucket.settled and bucket.eager >= WARM_STEPS:
                self._capture(bucket, inputs)
            if bucket.wants_compiling and (bucket.graph is not None or bucket.settled):
                self._start_compiling(bucket, inputs)
            if bucket.graph is not None and bucket.graph.fits(inputs):
                self.counters.replays += 1
                return bucket.graph(*inputs)
            bucket.eager += 1
            self.counters.eager += 1
            return self._compiled_step(bucket, inputs) if bucket.compiled else bucket.forward(*inputs)

    def _begin(self, bucket: Bucket) -> None:
        """The first step of a job."""
        bucket.job = self._job
        self._keep(bucket)
        address = address_of(bucket.module)
        if bucket.address != address:
            bucket.address = address
            self._start_over(bucket, bucket.original)
            self.counters.reasons[bucket.name] = "the weights have moved"
        if bucket.switches != self._switches:
            bucket.run_as(bucket.forward, compiled=bucket.compiled)
            bucket.switches = self._switches
        self._between_jobs(bucket)
        bucket.jobs += 1

    def _keep(self, bucket: Bucket) -> None:
        """As the last used; the one unused for longest gives way."""
        key = (id(bucket.module), bucket.shape)
        self._buckets[key] = bucket
        self._buckets.move_to_end(key)
        while len(self._buckets) > BUCKETS:
            self._drop(next(iter(self._buckets)))

    def _start_over(self, bucket: Bucket, forward: Forward) -> None:
        """What was recorded and compiled is of weights that are no longer there."""
        self.counters.invalidations += bucket.graph is not None
        bucket.original, bucket.compiling = forward, None
        bucket.run_as(forward, compiled=False)

    def _compiled_step(self, bucket: Bucket, inputs: tuple[Tensor, ...]) -> Any:
        """A compiled forward runs in the mode it was compiled in, else torch compiles it once more."""
        import torch

        before = frames_compiled()
        with torch.inference_mode(mode=False), torch.no_grad():
            answer = bucket.forward(*inputs)
        if self._compiler is not None and not self._compiler.busy:
            self.counters.recompiles += frames_compiled() - before
        return answer

    def _capture(self, bucket: Bucket, inputs: tuple[Tensor, ...]) -> None:
        bucket.settled = True
        if not self._graphs:
            self._stays(bucket, "graphs are off")
            return
        try:
            bucket.graph = self._record(bucket.forward, inputs, pool=self._shared_pool(), headroom_bytes=self._headroom)
        except NotCaptured as problem:
            self._stays(bucket, str(problem))
            if self._compiler is not None and self._compiler.busy:  # what compiles may have come between
                bucket.settled, bucket.eager = False, 0
            return
        self.counters.reasons.pop(bucket.name, None)
        self.counters.captures += 1

    def _stays(self, bucket: Bucket, reason: str) -> None:
        self.counters.reasons[bucket.name] = reason
        _log.info("%s: %s", bucket.name, reason)

    def _shared_pool(self) -> Any:
        if self._pool is None and self._device.startswith("cuda"):
            import torch

            self._pool = torch.cuda.graph_pool_handle()
        return self._pool

    # --- compiling ----------------------------------------------------------------------------------------------------

    def _between_jobs(self, bucket: Bucket) -> None:
        """Take over what the background has finished, or wish for a compilation. What was recorded goes on until then."""
        if self._compiler is None or bucket.compiled:
            return
        verdict = self._compiler.verdict(bucket.shape.recipe)
        if bucket.compiling is not None:
            if bucket.compiling.done.is_set():
                self._take_over(bucket, bucket.compiling)
        elif verdict is not None and not verdict.pays:
            self._stays(bucket, "compiling was measured on this card and does not pay")
        elif bucket.jobs >= JOBS_BEFORE_COMPILING:
            bucket.wants_compiling = True

    def _start_compiling(self, bucket: Bucket, inputs: tuple[Tensor, ...]) -> None:
        assert self._compiler is not None
        bucket.wants_compiling = False
        eager_ms = None
        if bucket.graph is not None and self._compiler.verdict(bucket.shape.recipe) is None:
            eager_ms = bucket.graph.milliseconds()
        bucket.compiling = self._compiler.start(bucket.shape.recipe, bucket.forward, inputs, eager_ms=eager_ms)
        self.counters.compiles += 1

    def _take_over(self, bucket: Bucket, compiling: Compiling) -> None:
        bucket.compiling = None
        if compiling.forward is None:
            bucket.jobs = NEVER
            self._stays(bucket, compiling.reason)
            return
        bucket.run_as(compiling.forward, compiled=True)
        self.counters.swaps += 1

    def _drop(self, key: tuple[int, Shape]) -> None:
        bucket = self._buckets.pop(key)
        self._start_over(bucket, bucket.original)


class _Wrapped:
    """A forward for the length of a job."""

    __slots__ = ("_bucket", "_stepper")

    def __init__(self, stepper: Stepper, bucket: Bucket) -> None:
        self._stepper = stepper
        self._bucket = bucket

    def __call__(self, *inputs: Tensor) -> Any:
        return self._stepper.step(self._bucket, inputs)


def address_of(module: Any) -> int:
    """Where a module's weights lie: changes when they are moved or replaced. 0 for what has no parameters."""
    parameters = list(module.parameters()) if hasattr(module, "parameters") else []
    return hash(tuple(parameter.data_ptr() for parameter in parameters))


def _name(shape: Shape) -> str:
    width, height = shape.size
    return f"{shape.recipe} {width}x{height} rows {shape.rows}" + (f" {shape.extras}" if shape.extras else "")


def make_stepper(device: Device, *, compile_steps: bool = True) -> Stepper:
    """The Stepper for `device`: graphs and compiling on CUDA with a compiler that works, plain steps elsewhere."""
    if device.kind != "cuda":
        return Stepper(device=device.kind, graphs=False)
    card = this_card("cuda")
    verdicts = Verdicts(card)
    compiler = Compiler(Artifacts(card), verdicts) if compile_steps and card.triton else None
    stepper = Stepper(device="cuda", compiler=compiler, verdicts=verdicts)
    if compiler is None and compile_steps:
        stepper.counters.reasons["compiling"] = "triton is not installed: steps run as CUDA graphs, not compiled"
    return stepper
