"""Chooses the kernel of scaled_dot_product_attention by trying those this card has on the shapes of our networks.

`model.set_attention_backend` does nothing to the UNets (their processors call the function themselves), so the choice is made
around the step with torch's own `sdpa_kernel`. The timing part wants a CUDA card and has not been run on one here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from torch import Tensor

    from outfitswap_desktop.ml.speed.card import Verdicts

KERNELS: Final = ("CUDNN_ATTENTION", "FLASH_ATTENTION", "EFFICIENT_ATTENTION")
_SD15: Final = ((2, 8, 4096, 4096, 40), (2, 8, 1024, 1024, 80), (2, 8, 4096, 77, 40))
_SDXL: Final = ((2, 10, 4096, 4096, 64), (2, 20, 1024, 1024, 64), (2, 20, 1024, 77, 64))
SHAPES: Final = {"sd15": _SD15, "sdxl": _SDXL}
"""Batch, heads, query tokens, key tokens, width of a head: the layers that take most of the time, CFG at 512² and 1024²."""
TOLERANCE: Final = 1e-2
"""Largest relative error against the exact kernel; a kernel beyond it is never used."""


@dataclass(frozen=True, slots=True)
class Attention:
    """The kernels to try, best first (empty: torch's own choice), with the time of each over the probe's shapes."""

    kernels: tuple[str, ...]
    milliseconds: dict[str, float]
    refused: dict[str, str]

    def around(self) -> AbstractContextManager[Any]:
        """A context in which attention takes these kernels; the exact one stays as the last resort."""
        if not self.kernels:
            return nullcontext()
        from torch.nn.attention import SDPBackend, sdpa_kernel

        chosen = [getattr(SDPBackend, name) for name in (*self.kernels, "MATH")]
        context: AbstractContextManager[Any] = sdpa_kernel(chosen, set_priority=True)
        return context


OWN_CHOICE: Final = Attention((), {}, {})


def choose_attention(family: str, *, device: str, dtype: str, verdicts: Verdicts | None = None) -> Attention:
    """The kernels for a network of `family` ("sd15", "sdxl"), probed once per card and kept in `verdicts`.

    Anything but CUDA, and a family without a table, gets torch's own choice.
    """
    if not device.startswith("cuda") or family not in SHAPES:
        return OWN_CHOICE
    name = f"attention/{family}/{dtype}"
    known = verdicts.get(name) if verdicts is not None else None
    if known is not None and _sound(known):
        return Attention(tuple(known["kernels"]), dict(known["milliseconds"]), dict(known["refused"]))
    found = probe(SHAPES[family], device=device, dtype=dtype, timed=_cuda_milliseconds)
    if verdicts is not None:
        verdicts.put(
            name, {"kernels": list(found.kernels), "milliseconds": found.milliseconds, "refused": found.refused}
        )
    return found


def _sound(known: dict[str, Any]) -> bool:
    kernels = known.get("kernels")
    return (
        isinstance(kernels, list)
        and all(kernel in KERNELS for kernel in kernels)
        and all(isinstance(known.get(part), dict) for part in ("milliseconds", "refused"))
    )


def probe(
    shapes: Sequence[tuple[int, int, int, int, int]],
    *,
    device: str,
    dtype: str,
    timed: Callable[[Callable[[], object]], float],
) -> Attention:
    """Try each kernel on each shape: its result against the exact one, and its time by `timed` (milliseconds).

    A kernel that raises or errs on any shape is refused with the reason; the rest are sorted by their total.
    """
    import torch

    totals: dict[str, float] = {}
    refused: dict[str, str] = {}
    generator = torch.Generator("cpu").manual_seed(0)
    for shape in shapes:
        batch, heads, queries, keys, width = shape
        q, k, v = (
            torch.randn((batch, heads, count, width), generator=generator).to(device, getattr(torch, dtype))
            for count in (queries, keys, keys)
        )
        part = (slice(1), slice(2))  # the exact kernel holds all pairs: of two heads a small card has room for them
        exact = _attend("MATH", q[part], k[part], v[part]).float()
        for kernel in KERNELS:
            if kernel in refused:
                continue
            try:
                error = _relative(_attend(kernel, q, k, v)[part].float(), exact)
                if not error <= TOLERANCE:
                    refused[kernel] = f"relative error {error:.3g} at {shape}"
                    continue
                totals[kernel] = totals.get(kernel, 0.0) + timed(lambda kernel=kernel: _attend(kernel, q, k, v))  # type: ignore[misc]  # noqa: B023
            except RuntimeError as problem:
                refused[kernel] = f"{shape}: {problem}".splitlines()[0][:200]
    kept = {kernel: total for kernel, total in totals.items() if kernel not in refused}
    return Attention(tuple(sorted(kept, key=lambda kernel: kept[kernel])), kept, refused)


def _attend(kernel: str, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention

    with sdpa_kernel(getattr(SDPBackend, kernel)):
        return scaled_dot_product_attention(q, k, v)


def _relative(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm().clamp_min(1e-12))


def _cuda_milliseconds(call: Callable[[], object], *, repeats: int = 10) -> float:
    import torch

    for _ in range(3):
        call()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(repeats):
        call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / repeats
