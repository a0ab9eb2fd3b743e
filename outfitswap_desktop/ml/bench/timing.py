"""Clocks: CUDA events on the card, the process's own time on the processor, and two candidates in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

Call = Callable[[], Any]


def interleaved(
    calls: Sequence[Call], *, repeats: int = 20, warm: int = 3, clock: Callable[[Call], float], budget: float = 60.0
) -> list[float]:
    """The median of `clock` for each call; they take turns, so that a busy moment or a warm card meets all of them.

    After `warm` rounds that do not count, `repeats` rounds; fewer (at least 3) when they would take more than `budget` seconds.
    """
    for _ in range(warm):
        for call in calls:
            clock(call)
    times: list[list[float]] = [[] for _ in calls]
    began = time.perf_counter()
    for count in range(repeats):
        for own, call in zip(times, calls, strict=True):
            own.append(clock(call))
        if count >= 2 and time.perf_counter() - began > budget:
            break
    return [float(median(own)) for own in times]


def clock_for(device: str) -> Callable[[Call], float]:
    """Milliseconds of one call: by CUDA events and with the work done, or by the process's own time on the processor."""
    return cuda_clock if device.startswith("cuda") else process_clock


def process_clock(call: Call) -> float:
    """Milliseconds of processor time of this process (all threads): other programs' load does not count."""
    before = time.process_time()
    call()
    return (time.process_time() - before) * 1000


def wall_clock(call: Call) -> float:
    """Milliseconds on the wall; the call has to wait for its own work."""
    before = time.perf_counter()
    call()
    return (time.perf_counter() - before) * 1000


def cuda_clock(call: Call) -> float:
    """Milliseconds between two events around the call, host gaps included; not run where the default tests run."""
    import torch

    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def settled(call: Call, device: str) -> Callable[[], Any]:
    """`call`, which then waits for the card: for the wall clock."""

    def run() -> Any:
        made = call()
        if device.startswith("cuda"):
            import torch

            torch.cuda.synchronize()
        return made

    return run
