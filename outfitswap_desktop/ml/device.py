"""Which device the engines paint on, and what it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from outfitswap_desktop.ml.quiet import hush

Kind = Literal["cuda", "mps", "cpu"]


@dataclass(frozen=True, slots=True)
class Device:
    """`total_bytes` and `free_bytes` of its memory at the time of asking; `dtype` is torch's name for what it computes in.

    `capability` is CUDA's (major, minor), None elsewhere.
    """

    kind: Kind
    name: str
    total_bytes: int
    free_bytes: int
    capability: tuple[int, int] | None
    dtype: str


def find_device() -> Device:
    """The best device of this machine: CUDA's first card, else Apple's GPU, else the processor.

    Cards before Volta (7.0) have half-precision arithmetic that is slower than single; Pascal's cards therefore compute in
    float32. The CUDA and MPS branches have not been run where the default tests run.
    """
    hush()
    import torch

    if torch.cuda.is_available():
        return _cuda(torch)
    if torch.backends.mps.is_available():
        import psutil

        memory = psutil.virtual_memory()
        limit = int(torch.mps.recommended_max_memory())
        return Device("mps", "Apple GPU", limit, min(limit, int(memory.available)), None, "float16")
    return cpu()


def cpu() -> Device:
    """The processor as a device: works everywhere, slowly, in float32."""
    import platform

    import psutil

    memory = psutil.virtual_memory()
    name = platform.processor() or platform.machine() or "CPU"
    return Device("cpu", name, int(memory.total), int(memory.available), None, "float32")


def _cuda(torch: Any) -> Device:
    free, total = torch.cuda.mem_get_info(0)
    capability = torch.cuda.get_device_capability(0)
    dtype = "float16" if capability >= (7, 0) else "float32"
    return Device("cuda", torch.cuda.get_device_name(0), int(total), int(free), capability, dtype)
