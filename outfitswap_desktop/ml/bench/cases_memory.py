"""Memory and what crosses the bus: the planner against what is really taken, small cards, loading, the preview.

The tests run these cases with small networks on the processor; on a CUDA card they have not been run here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from outfitswap_desktop.ml.bench.case import Case, Need, Row, Setting, Target, compared
from outfitswap_desktop.ml.bench.cases_card import device_of, dtype_on
from outfitswap_desktop.ml.bench.cases_jobs import TINY_SIZE
from outfitswap_desktop.ml.bench.engines import WORDS, Engines, request_of
from outfitswap_desktop.ml.bench.networks import random_network
from outfitswap_desktop.ml.bench.timing import interleaved, settled, wall_clock

GIB: Final = 2**30
CAPS: Final = (12, 8, 6)


@dataclass(frozen=True, slots=True)
class PlannerCase:
    """The predicted peak of a job over the one that is tracked while its passes run without computing, at worst and at best."""

    ids: tuple[str, ...] = ("C12",)
    what: str = "predicted over tracked peak"
    need: Need = Need("cpu", 60)  # noqa: RUF009  frozen
    quick: bool = True

    def run(self, setting: Setting) -> Sequence[Row]:
        sizes = {"sd15": ((512, 512), (768, 1024)), "sdxl": ((1024, 1024), (768, 1024))}
        rows = []
        for engine, own in sizes.items():
            ratios = {f"{width}x{height}": _predicted_over_tracked(engine, (width, height)) for width, height in own}
            least, most = min(ratios.values()), max(ratios.values())
            rows.append(
                Row(
                    "C12", f"{self.what}, {engine}", "x", ours=most if least >= 1 else least,
                    target=Target(least=1.0, most=1.12), facts=ratios,
                    notes=(f"between {least:.3f} and {most:.3f}; under 1 it would be too little",),
                )
            )  # fmt: skip
        return rows


def _predicted_over_tracked(engine: str, size: tuple[int, int]) -> float:
    """A job with everything on the card, guided, one picture, in half precision."""
    from outfitswap_desktop.ml.budget import meta
    from outfitswap_desktop.ml.budget.passes import Rehearsal, Step
    from outfitswap_desktop.ml.budget.planner import plan_memory
    from outfitswap_desktop.ml.device import Device
    from outfitswap_desktop.ml.diffusion.conditions import Options
    from outfitswap_desktop.ml.recipes import recipes

    card = Device("cuda", "a large card", 80 * GIB, 80 * GIB, (9, 0), "float16")
    plan = plan_memory(recipes()[engine], size, 1, options=Options(guided=True), device=card)
    rehearsal = Rehearsal(engine, "float16")
    parts = [rehearsal.painter(), rehearsal.vae(), *rehearsal.texts()]
    with meta.track(*parts) as tracker:
        for part in parts:
            tracker.hold(part)
        words = rehearsal.text(2)
        known = [rehearsal.encode(size), rehearsal.encode(size)]
        moved = rehearsal.step(Step(size, 2))
        picture = rehearsal.decode(size)
        del words, known, moved, picture
        return plan.predicted_bytes / tracker.peak


@dataclass(frozen=True, slots=True)
class SmallCardCase:
    """SDXL with the card's memory capped: our plan's time over the uncapped one's, against diffusers' offloading."""

    ids: tuple[str, ...] = ("G14",)
    what: str = "SDXL 1024², 10 steps, capped memory"
    need: Need = Need("cuda", 120, 24)  # noqa: RUF009
    quick: bool = False

    def run(self, setting: Setting) -> Sequence[Row]:
        import torch

        from outfitswap_desktop.ml.budget.planner import plan_memory

        size, steps = (TINY_SIZE, 2) if setting.tiny else ((1024, 1024), 10)
        rows = []
        device = device_of(setting)
        for cap in CAPS:
            with Engines("sdxl", device=device, tiny=setting.tiny) as engines:
                free = seconds_of(engines, size, steps, setting)
                if not setting.tiny:
                    engines.generator._planner = plan_memory
                engines.generator._device = replace(device, free_bytes=cap * GIB, total_bytes=cap * GIB)
                engines.pipeline = engines.pipeline.to("cpu")
                _cap(setting, cap)
                try:
                    capped = seconds_of(engines, size, steps, setting)
                    peak = torch.cuda.max_memory_reserved() / GIB if device.kind == "cuda" else None
                    engines.generator.close()
                    offloaded = self._offloaded(engines, size, steps, setting)
                finally:
                    _cap(setting, None)
                rows.append(
                    compared(
                        "G14", f"{self.what} {cap} GiB", unit="s", ours=capped, baseline=offloaded, against="model offload",
                        target=Target(ratio=1.2), facts={"slowdown": round(capped / free, 3), "peak_gib": peak},
                    )
                )  # fmt: skip
        return rows

    def _offloaded(self, engines: Engines, size: tuple[int, int], steps: int, setting: Setting) -> float:
        if setting.device.startswith("cuda"):
            engines.pipeline.enable_model_cpu_offload()

        def plain() -> Any:
            return engines.plain(size, steps=steps, guidance=5.0, prompt=WORDS[0], seed=0)

        return interleaved([settled(plain, setting.device)], repeats=3, warm=1, clock=wall_clock, budget=30)[0] / 1000


def seconds_of(engines: Engines, size: tuple[int, int], steps: int, setting: Setting) -> float:
    """Median seconds of our job, everything encoded anew."""
    count = iter(range(10**6))

    def ours() -> Any:
        seed = next(count)
        return engines.ours(request_of(size, steps=steps, guidance=5.0, prompt=f"{WORDS[0]} {seed}", seed=seed))

    return interleaved([settled(ours, setting.device)], repeats=3, warm=1, clock=wall_clock, budget=30)[0] / 1000


def _cap(setting: Setting, gib: int | None) -> None:
    if not setting.device.startswith("cuda"):
        return
    import torch

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, gib * GIB / total) if gib is not None else 1.0)


@dataclass(frozen=True, slots=True)
class LoadCase:
    """A UNet from files in the page cache to the device, against from_pretrained and .to()."""

    ids: tuple[str, ...] = ("G15",)
    what: str = "load the SDXL UNet (5 GB)"
    need: Need = Need("cuda", 60, 16)  # noqa: RUF009
    quick: bool = False

    def run(self, setting: Setting) -> Sequence[Row]:
        import torch
        from diffusers import UNet2DConditionModel

        from outfitswap_desktop.ml.load import load_module

        dtype = getattr(torch, dtype_on(setting.device))
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "unet"
            made = random_network("sdxl.unet", device=setting.device, dtype=dtype_on(setting.device), tiny=setting.tiny)
            made.save_pretrained(folder, max_shard_size="20GB")
            del made

            def ours() -> Any:
                return load_module(UNet2DConditionModel, folder, device=setting.device, dtype=dtype)

            def plain() -> Any:
                return UNet2DConditionModel.from_pretrained(folder, dtype=dtype, local_files_only=True).to(
                    setting.device
                )

            calls: list[Callable[[], Any]] = [settled(ours, setting.device), settled(plain, setting.device)]
            times = interleaved(calls, repeats=3, warm=1, clock=wall_clock, budget=30)
        return [
            compared(
                "G15", self.what, unit="s", ours=times[0] / 1000, baseline=times[1] / 1000, against="from_pretrained",
                target=Target(ratio=2.0),
            )
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class PreviewCase:
    """A progress picture (TAESD) over a whole job: at most two a second are made."""

    ids: tuple[str, ...] = ("G18",)
    what: str = "progress pictures, share of a job's time"
    need: Need = Need("cuda", 30, 24)  # noqa: RUF009
    quick: bool = False

    def run(self, setting: Setting) -> Sequence[Row]:
        import torch
        from diffusers import AutoencoderTiny

        from outfitswap_desktop.ml.diffusion.preview import SECONDS, Preview

        size, steps = (TINY_SIZE, 2) if setting.tiny else ((1024, 1024), 30)
        decoder = AutoencoderTiny().to(setting.device, getattr(torch, dtype_on(setting.device))).eval()
        latents = torch.randn(1, 4, size[1] // 8, size[0] // 8, device=setting.device)
        shown: list[Any] = []

        def show() -> None:
            Preview(decoder, shown.append)(latents)

        one = interleaved([settled(show, setting.device)], repeats=3, warm=1, clock=wall_clock)[0] / 1000
        with Engines("sdxl", device=device_of(setting), tiny=setting.tiny) as engines:
            job = seconds_of(engines, size, steps, setting)
        share = one * max(1.0, job / SECONDS) / job
        return [
            Row(
                "G18", self.what, "", ours=share, target=Target(most=0.03),
                facts={"picture_ms": round(one * 1000, 2), "job_s": round(job, 3)},
            )
        ]  # fmt: skip


def cases() -> tuple[Case, ...]:
    """In the order in which they are run."""
    return PlannerCase(), PreviewCase(), LoadCase(), SmallCardCase()
