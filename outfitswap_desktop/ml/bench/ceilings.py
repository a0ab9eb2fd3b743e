"""What the device can do at best, measured before anything is held against it: matrix products and copies of random numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from outfitswap_desktop.ml.bench.timing import cuda_clock, interleaved, wall_clock


@dataclass(frozen=True, slots=True)
class Ceilings:
    """`tflops` of a matrix product, `gib_per_s` of a copy (bytes read and written), and how they were measured."""

    tflops: float
    gib_per_s: float
    how: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_ceilings(device: str, *, tiny: bool = False) -> Ceilings:
    """On CUDA 8192³ in bfloat16 and 2 GiB copied; on the processor 1024³ in float32 and 64 MiB (`tiny`: 256³ and 1 MiB)."""
    import torch

    on_card = device.startswith("cuda")
    side = 8192 if on_card else 256 if tiny else 1024
    size = 2**31 if on_card else 2**20 if tiny else 2**26
    dtype = torch.bfloat16 if on_card else torch.float32
    with torch.inference_mode():
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        product = torch.empty_like(a)
        source = torch.randint(0, 255, (size,), device=device, dtype=torch.uint8)
        copy = torch.empty_like(source)
        clock = cuda_clock if on_card else wall_clock
        times = interleaved(
            [lambda: torch.mm(a, b, out=product), lambda: copy.copy_(source)],
            repeats=20 if not tiny else 3,
            clock=clock,
        )
    how = f"{side}³ {str(dtype).removeprefix('torch.')}, {size // 2**20} MiB, {torch.get_num_threads()} threads"
    return Ceilings(2 * side**3 / times[0] / 1e9, 2 * size / times[1] / 2**30 * 1000, how)
