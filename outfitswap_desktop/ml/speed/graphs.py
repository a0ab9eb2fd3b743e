"""CUDA graphs: one fixed shape of a forward is recorded once and launched as a whole, without the host's time per kernel.

Written for CUDA and guarded; the capture itself has not been run where the default tests run (tests marked `gpu` do it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.errors import OutfitSwapError

if TYPE_CHECKING:
    from torch import Tensor

Forward = Callable[..., Any]
CHANGING: Final = 2
"""Inputs that may change in place from call to call; the Accelerator's contract in ml/diffusion/conditions.py."""


class NotCaptured(OutfitSwapError):
    """A forward could not be recorded; the message says why. The caller goes on without."""


class Captured:
    """One recorded forward: inputs are copied to fixed places, the graph runs, the answer lies at a fixed place.

    The answer is overwritten by the next call. Graphs that share a pool never run at the same time.
    """

    __slots__ = ("_graph", "_inputs", "_last", "_output")

    def __init__(self, graph: Any, inputs: list[Tensor], output: Tensor) -> None:
        self._graph = graph
        self._inputs = inputs
        self._output = output
        self._last: tuple[Tensor, ...] = ()

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Replay for `inputs`, of the shapes and types that were recorded (`fits`).

        The first CHANGING are copied at every call, the others only when they are other objects than in the last call.
        """
        last = self._last
        changed = [n for n in range(len(inputs)) if n < CHANGING or not last or inputs[n] is not last[n]]
        copy_all([self._inputs[n] for n in changed], [inputs[n] for n in changed])
        self._last = inputs
        self._graph.replay()
        return self._output

    def milliseconds(self) -> float:
        """Median time of a replay on what the fixed inputs hold."""
        return cuda_milliseconds(self._graph.replay)

    def fits(self, inputs: Sequence[Tensor]) -> bool:
        return same_shapes(self._inputs, inputs)

    def reset(self) -> None:
        """Give the graph's memory back to its pool."""
        with suppress(RuntimeError):
            self._graph.reset()
        self._inputs, self._last = [], ()


def capture(
    forward: Forward,
    inputs: Sequence[Tensor],
    *,
    pool: Any,
    headroom_bytes: int = 0,
) -> Captured:
    """Record `forward` for inputs shaped like these. Nothing is computed: the caller replays.

    `pool` is shared by graphs that never run at the same time (torch.cuda.graph_pool_handle()). The forward must have run
    before for this shape, so that cuDNN and cuBLAS have made their choices.
    Other threads may go on with their own work (capture_error_mode "thread_local"). Raises NotCaptured, also when less than
    `headroom_bytes` of the card are free: a graph keeps its activations for itself.
    """
    import torch

    device = inputs[0].device
    if device.type != "cuda":
        raise NotCaptured(f"there are no CUDA graphs on {device.type}")
    free = free_bytes(device)
    if free < headroom_bytes:
        raise NotCaptured(f"{free / 2**30:.1f} GiB of the card are free, {headroom_bytes / 2**30:.1f} GiB are wanted")
    try:
        with torch.inference_mode(mode=False), torch.no_grad():
            fixed = [tensor.clone() for tensor in inputs]
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
                output = forward(*fixed)
    except Exception as problem:  # whatever a network does that cannot be recorded: the eager step stays
        with suppress(RuntimeError):
            torch.cuda.synchronize(device)
            torch.cuda.empty_cache()
        raise NotCaptured(f"{type(problem).__name__}: {problem}".splitlines()[0][:300]) from problem
    if not isinstance(output, torch.Tensor):
        graph.reset()
        raise NotCaptured(f"the forward answers with {type(output).__name__}, not with one tensor")
    return Captured(graph, fixed, output)


def cuda_milliseconds(call: Callable[[], object], *, repeats: int = 20) -> float:
    """Median milliseconds of `call` on the current stream, by events, after three calls to warm up."""
    import torch

    for _ in range(3):
        call()
    marks = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
    for start, end in marks:
        start.record()
        call()
        end.record()
    torch.cuda.synchronize()
    return float(median(start.elapsed_time(end) for start, end in marks))


def free_bytes(device: Any) -> int:
    """What torch can still take on a CUDA device: free for the driver, or reserved and unused."""
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def copy_all(to: Sequence[Tensor], source: Sequence[Tensor]) -> None:
    """Copy each tensor, in one launch per type where torch can."""
    import torch

    with torch.no_grad():
        torch._foreach_copy_(list(to), list(source))


def same_shapes(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Whether two lists of tensors agree in count, shapes, types and devices."""
    return len(one) == len(other) and all(
        a.shape == b.shape and a.dtype == b.dtype and a.device == b.device for a, b in zip(one, other, strict=True)
    )
