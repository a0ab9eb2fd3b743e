"""Runs networks without computing: their FLOPs are counted and the peak of their live memory is tracked on the meta device.

A tensor on torch's meta device has a shape and no storage, so the largest network runs on any machine in seconds, and
always gives the same figures. What is counted is what the eager path allocates on CUDA; workspaces of cuDNN and cuBLAS,
the allocator's own splitting and the context are not (ml.budget.planner keeps a reserve for these).
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from outfitswap_desktop.ml.quiet import hush

if TYPE_CHECKING:
    from torch.nn import Module

GRAIN = 512
"""Bytes that CUDA's caching allocator rounds every allocation up to (c10/cuda/CUDACachingAllocator, kMinBlockSize)."""
WIDE_HEAD = 128
"""Above this head dimension the memory-efficient kernel sums in float32 outside of the registers (CUTLASS kernel in torch)."""


@dataclass(slots=True)
class Tracker:
    """Live bytes and their peak, and FLOPs (a multiply-add is two), since `track` began or `restart` was called.

    `live` counts what was allocated inside and what is held by `hold`; `flops` the convolutions, matrix products and
    attention.
    """

    live: int = 0
    peak: int = 0
    flops: int = 0
    _seen: dict[int, int] = field(default_factory=dict)

    def hold(self, module: Module) -> None:
        """Count the weights of `module` as lying on the device."""
        self.add(weight_bytes(module))

    def drop(self, module: Module) -> None:
        """Take the weights of `module` off the device."""
        self.live -= weight_bytes(module)

    def add(self, size: int) -> None:
        """Count `size` more live bytes."""
        self.live += size
        self.peak = max(self.peak, self.live)

    def restart(self) -> None:
        """Forget the peak and the FLOPs; what lives, lives on."""
        self.peak, self.flops = self.live, 0

    def see(self, tensor: Any) -> None:
        """Count the tensor's storage as long as somebody holds it; storages are counted once."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._seen:
            return
        size = -(-storage.nbytes() // GRAIN) * GRAIN
        self._seen[key] = size
        self.add(size)
        weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.live -= self._seen.pop(key, 0)

    def know(self, tensors: Iterable[Any]) -> None:
        """Never count these (weights, which `hold` counts)."""
        for tensor in tensors:
            self._seen.setdefault(tensor.untyped_storage()._cdata, 0)


def weight_bytes(module: Module) -> int:
    """Bytes of all parameters and buffers, each storage once, rounded as CUDA's allocator does for each."""
    sizes = {}
    for tensor in _tensors_of(module):
        storage = tensor.untyped_storage()
        sizes[storage._cdata] = -(-storage.nbytes() // GRAIN) * GRAIN
    return sum(sizes.values())


def _tensors_of(module: Module) -> Iterator[Any]:
    yield from module.parameters()
    yield from module.buffers()


@contextmanager
def track(*modules: Module) -> Iterator[Tracker]:
    """Within, every operation on the meta device is counted; the weights of `modules` only when they are held.

    Attention is counted as CUDA's fused kernels do it: an output and a row of logarithms, never the matrix of all pairs.
    New tensors are made on the meta device and nothing records gradients.
    """
    hush()
    import torch

    tracker = Tracker()
    for module in modules:
        tracker.know(_tensors_of(module))
    dispatch, function = _modes(tracker)
    with torch.no_grad(), torch.device("meta"), function, dispatch:
        yield tracker


def _modes(tracker: Tracker) -> tuple[Any, Any]:
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    attention = torch.nn.functional.scaled_dot_product_attention

    class Dispatch(TorchDispatchMode):  # type: ignore[misc]  # without the extra, torch's classes are unknown
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = func(*args, **(kwargs or {}))
            count = flop_registry.get(func.overloadpacket)
            if count is not None:
                tracker.flops += int(count(*args, **(kwargs or {}), out_val=made))
            for tensor in made if isinstance(made, tuple | list) else (made,):
                if isinstance(tensor, torch.Tensor):
                    tracker.see(tensor)
            return made

    class Function(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is attention:
                return _fused_attention(tracker, *args, **(kwargs or {}))
            return func(*args, **(kwargs or {}))

    return Dispatch(), Function()


def _fused_attention(tracker: Tracker, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> Any:
    """What the flash or memory-efficient kernel allocates: output, log-sum-exp of each row, for wide heads a float32 sum."""
    import torch

    *rows, queries, width = query.shape
    batch = math.prod(rows)
    tracker.flops += 2 * batch * queries * key.shape[-2] * (width + value.shape[-1])
    # Kernels write the output as (batch, tokens, heads, width): the transpose that follows in every caller is a view.
    made = torch.empty(rows[0], queries, *rows[1:], value.shape[-1], dtype=query.dtype, device="meta")
    logarithms = torch.empty(*rows, queries, dtype=torch.float32, device="meta")
    if width > WIDE_HEAD and query.dtype != torch.float32:
        sums = torch.empty(*rows, queries, value.shape[-1], dtype=torch.float32, device="meta")
        del sums
    del logarithms
    return made.movedim(1, -2)
