"""What the processor can answer: the ledgers (work that is not done), and the host's own time beside diffusers'."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from outfitswap_desktop.ml.bench.case import Case, Need, Row, Setting, Target, compared
from outfitswap_desktop.ml.bench.networks import random_networks
from outfitswap_desktop.ml.bench.steps import OurLoop, difference, make_start, plain_run
from outfitswap_desktop.ml.bench.timing import interleaved, process_clock
from outfitswap_desktop.ml.diffusion.conditions import Eager

LIBRARIES: Final = ("torch", "diffusers", "transformers")
PHOTO: Final = (3000, 4000)
GARMENT: Final = (1040, 1880)
BUCKET: Final = (768, 1024)
LEDGER_STEPS: Final = 28
HOST_STEPS: Final = 8
OUR_IMPORTS: Final = (
    "from outfitswap_desktop.ml.quiet import hush; hush(); import outfitswap_desktop.ml.diffusion.generator; import torch; "
    "from diffusers import AutoencoderKL, UNet2DConditionModel; from transformers import CLIPTextModel, CLIPTokenizer"
)
"""What an engine loads before its first job (ml.load)."""
PLAIN_IMPORTS: Final = "from diffusers import StableDiffusionInpaintPipeline, StableDiffusionXLInpaintPipeline"
_CLOCK: Final = "import time, os; b = os.times(); {}; e = os.times(); print(e.user + e.system - b.user - b.system)"


@dataclass(frozen=True, slots=True)
class ImportCase:
    """Processor seconds until an engine's libraries are there, in fresh interpreters, in turns."""

    ids: tuple[str, ...] = ("C2",)
    what: str = "import of an engine"
    need: Need = Need("cpu", 100, 0.0, LIBRARIES)  # noqa: RUF009  frozen
    quick: bool = True

    def run(self, setting: Setting) -> Sequence[Row]:
        ours, plain = interleaved(
            [lambda: OUR_IMPORTS, lambda: PLAIN_IMPORTS],
            repeats=1 if setting.tiny else 3,
            warm=0,
            clock=lambda call: _import_seconds(call()),
        )
        return [
            compared(
                "C2",
                self.what,
                unit="s",
                ours=ours,
                baseline=plain,
                against="diffusers pipelines",
                target=Target(ratio=1 / 0.6),
            )
        ]


def _import_seconds(statement: str) -> float:
    """Processor seconds of an import in an interpreter of its own."""
    answer = subprocess.run(
        [sys.executable, "-c", _CLOCK.format(statement)], capture_output=True, text=True, check=True, timeout=300
    )
    return float(answer.stdout.split()[-1])


@dataclass(frozen=True, slots=True)
class LedgerCase:
    """FLOPs of a whole job, counted on full-size networks without computing: crop in a bucket against the whole photo."""

    ids: tuple[str, ...] = ("C10",)
    what: str = "FLOPs, 12 MP photo"
    need: Need = Need("cpu", 60, 0.0, LIBRARIES)  # noqa: RUF009
    quick: bool = True

    def run(self, setting: Setting) -> Sequence[Row]:
        from outfitswap_desktop.ml.budget.flops import job_flops, whole_photo_flops
        from outfitswap_desktop.ml.budget.passes import Rehearsal

        rows = []
        waste = 1 - (GARMENT[0] / GARMENT[1]) / (BUCKET[0] / BUCKET[1])
        for engine, least in (("sd15", 80.0), ("sdxl", 30.0)):
            rehearsal = Rehearsal(engine, "float16")
            steps = LEDGER_STEPS
            ours, whole = job_flops(rehearsal, BUCKET, steps=steps), whole_photo_flops(rehearsal, PHOTO, steps=steps)
            rows.append(
                compared(
                    "C10", f"{self.what}, {engine}, {steps} steps", unit="TFLOP", ours=ours.total / 1e12,
                    baseline=whole.total / 1e12, against="whole photo", target=Target(ratio=least),
                    facts={"step_ratio": round(whole.step / ours.step, 1), "padding_waste": round(waste, 3)},
                )
            )  # fmt: skip
        return rows


@dataclass(frozen=True, slots=True)
class HostTimeCase:
    """Processor time of one step of small networks, where nearly all of it is the host's: our loop against diffusers'."""

    ids: tuple[str, ...] = ("C13",)
    what: str = "host time per step, small network"
    need: Need = Need("cpu", 60, 0.0, LIBRARIES)  # noqa: RUF009
    quick: bool = True

    def run(self, setting: Setting) -> Sequence[Row]:
        import torch

        rows = []
        before = torch.get_num_threads()
        torch.set_num_threads(1)  # several threads wait for each other, and the waiting would be counted
        try:
            for family in ("sd15", "sdxl"):
                rows.append(self._family(family, tiny=setting.tiny))
        finally:
            torch.set_num_threads(before)
        return rows

    def _family(self, family: str, *, tiny: bool) -> Row:
        networks = random_networks(family, device="cpu", dtype="float32", tiny=True)
        start = make_start(networks, (64, 64))
        ours, plain = (
            OurLoop(networks, Eager()).job(start, steps=HOST_STEPS, guidance=5.0),
            plain_run(networks, start, steps=HOST_STEPS, guidance=5.0),
        )
        error = difference(ours(), plain())
        times = interleaved([ours, plain], repeats=3 if tiny else 20, warm=1, clock=process_clock)
        mine, other = (milliseconds / HOST_STEPS for milliseconds in times)
        return compared(
            "C13", f"{self.what}, {family}", unit="ms", ours=mine, baseline=other, against="diffusers",
            target=Target(ratio=1 / 0.7), errors={f"latents after {HOST_STEPS} steps": error},
        )  # fmt: skip


def cases() -> tuple[Case, ...]:
    """In the order in which they are run."""
    return HostTimeCase(), LedgerCase(), ImportCase()
