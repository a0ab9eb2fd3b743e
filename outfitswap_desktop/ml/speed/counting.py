"""What the fast paths did, in numbers: captures, replays, compiles, recompiles, and why one was left."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class SpeedCounters:
    """Grows while the program runs; read by tests, diagnostics and the bench.

    `eager` and `replays` are steps, `captures` CUDA graphs, `compiles` buckets compiled on purpose, `recompiles` compilations
    that happened while a job ran (the aim is 0), `swaps` buckets whose compiled step took over, `reasons` why a bucket stays
    on a slower path.
    """

    eager: int = 0
    captures: int = 0
    replays: int = 0
    compiles: int = 0
    recompiles: int = 0
    swaps: int = 0
    invalidations: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "eager_steps": self.eager,
            "captures": self.captures,
            "replays": self.replays,
            "compiles": self.compiles,
            "recompiles": self.recompiles,
            "swaps": self.swaps,
            "invalidations": self.invalidations,
            "reasons": dict(self.reasons),
        }


def frames_compiled() -> int:
    """How many frames torch.compile has compiled in this process (torch._dynamo.utils.counters); 0 before its first use."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    if dynamo is None:
        return 0
    return int(dynamo.counters["frames"]["ok"])
