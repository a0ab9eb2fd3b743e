"""Whole jobs: from a crop, a mask and words to a picture, with all that a job does, beside plain diffusers.

The tests run these cases with small networks on the processor; on a CUDA card they have not been run here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from outfitswap_desktop.ml.bench.case import Case, Need, Row, Setting, Target, compared
from outfitswap_desktop.ml.bench.cases_card import HOPPER, device_of
from outfitswap_desktop.ml.bench.engines import WORDS, Engines, request_of
from outfitswap_desktop.ml.bench.plain import call_whole
from outfitswap_desktop.ml.bench.timing import interleaved, settled, wall_clock

Size = tuple[int, int]
TINY_SIZE: Size = (64, 64)
PHOTO: Size = (3000, 4000)
BOX: Size = (1040, 1880)


@dataclass(frozen=True, slots=True)
class JobCase:
    """One warm job of a family: new words and a new crop each time, so that no cache answers."""

    ids: tuple[str, ...]
    what: str
    need: Need
    quick: bool
    family: str
    size: Size
    steps: int
    guidance: float
    target: Target

    def run(self, setting: Setting) -> Sequence[Row]:
        size, steps = (TINY_SIZE, 2) if setting.tiny else (self.size, self.steps)
        with Engines(self.family, device=device_of(setting), tiny=setting.tiny) as engines:
            fresh = itertools.count()

            def ours() -> Any:
                return engines.ours(self._request(size, steps, next(fresh)))

            def plain() -> Any:
                seed = next(fresh)
                return engines.plain(size, steps=steps, guidance=self.guidance, prompt=f"{WORDS[0]} {seed}", seed=seed)

            times = timed([ours, plain], setting)
            facts = {"plan": _plain_values(engines, self._request(size, steps, 0)), "steps": steps}
        return [
            compared(
                self.ids[0],
                self.what,
                unit="s",
                ours=times[0],
                baseline=times[1],
                against="B0",
                target=self.target,
                facts=facts,
            )
        ]

    def _request(self, size: Size, steps: int, seed: int) -> Any:
        return request_of(size, steps=steps, guidance=self.guidance, prompt=f"{WORDS[0]} {seed}", seed=seed)


def timed(calls: Sequence[Callable[[], Any]], setting: Setting, *, repeats: int = 20) -> list[float]:
    """Median seconds on the wall of each, in turns; three rounds at least, and no more than half of a minute."""
    clock = [settled(call, setting.device) for call in calls]
    times = interleaved(clock, repeats=1 if setting.tiny else repeats, warm=2, clock=wall_clock, budget=30)
    return [milliseconds / 1000 for milliseconds in times]


def _plain_values(engines: Engines, request: Any) -> dict[str, Any]:
    from outfitswap_desktop.core.job import CancelToken

    plan = engines.generator.generate(request, report=lambda _: None, cancel=CancelToken()).plan
    wanted = ("size", "precision", "compiled", "sampler", "eager_steps", "captures", "replays", "recompiles")
    return {name: plan[name] for name in wanted if name in plan}


@dataclass(frozen=True, slots=True)
class OutfitsCase:
    """Four outfits on one photo: the crop is encoded once, against four plain calls."""

    ids: tuple[str, ...] = ("G10",)
    what: str = "4 outfits on one photo"
    need: Need = Need("cuda", 70, 24)  # noqa: RUF009  frozen
    quick: bool = True

    def run(self, setting: Setting) -> Sequence[Row]:
        return [
            self._family(setting, "sd15", (512, 768), steps=20, target=Target(ratio=4.0)),
            self._family(setting, "sdxl", (1024, 1024), steps=20, target=Target(ratio=2.2)),
        ]

    def _family(self, setting: Setting, family: str, size: Size, *, steps: int, target: Target) -> Row:
        size, steps = (TINY_SIZE, 2) if setting.tiny else (size, steps)
        with Engines(family, device=device_of(setting), tiny=setting.tiny) as engines:
            photos = itertools.count()

            def ours() -> None:
                photo = next(photos)
                for words in WORDS[:4]:
                    engines.ours(request_of(size, steps=steps, guidance=5.0, prompt=f"{words} {photo}", seed=photo))

            def plain() -> None:
                photo = next(photos)
                for words in WORDS[:4]:
                    engines.plain(size, steps=steps, guidance=5.0, prompt=f"{words} {photo}", seed=photo)

            ours_s, plain_s = timed([ours, plain], setting, repeats=5)
            counters = engines.generator.counters
            facts = {"latent_encodes": counters.latent_encodes, "text_encodes": counters.text_encodes, "steps": steps}
        return compared(
            "G10",
            f"{self.what}, {family}",
            unit="s",
            ours=ours_s,
            baseline=plain_s,
            against="4 x B0",
            target=target,
            facts=facts,
        )


@dataclass(frozen=True, slots=True)
class LargePhotoCase:
    """A garment in a 12 MP photo: our crop, against painting the whole photo. The latter's 28 steps are reckoned from few."""

    ids: tuple[str, ...]
    what: str
    need: Need
    quick: bool
    family: str
    target: Target
    least_memory: float

    def run(self, setting: Setting) -> Sequence[Row]:
        import numpy as np

        photo_size, box, steps = ((96, 128), (32, 64), 4) if setting.tiny else (PHOTO, BOX, 28)
        margin = box[0] // 8
        crop = (box[0] + 2 * margin, box[1] + 2 * margin)
        inside = (margin, margin, margin + box[0], margin + box[1])
        photo = np.random.default_rng(0).integers(0, 256, (photo_size[1], photo_size[0], 3), np.uint8)
        mask = np.zeros(photo.shape[:2], np.uint8)
        mask[: box[1], : box[0]] = 255
        with Engines(self.family, device=device_of(setting), tiny=setting.tiny) as engines:
            fresh = itertools.count()

            def ours() -> Any:
                seed = next(fresh)
                return engines.ours(
                    request_of(crop, steps=steps, guidance=5.0, prompt=f"{WORDS[0]} {seed}", seed=seed, box=inside)
                )

            with peak_memory(setting.device) as our_peak:
                ours_s = timed([ours], setting, repeats=5)[0]
            whole: list[float] = []
            with peak_memory(setting.device) as whole_peak:
                for few in (1, 2):
                    call = partial(call_whole, engines.pipeline, photo, mask, steps=few, guidance=5.0)
                    whole.append(wall_clock(settled(call, setting.device)) / 1000)
        plain_s = whole[0] + (steps - 1) * max(whole[1] - whole[0], 0.0)
        facts: dict[str, Any] = {"steps": steps, "whole_photo_seconds_measured": [round(one, 2) for one in whole]}
        rows = [
            compared(
                self.ids[0], self.what, unit="s", ours=ours_s, baseline=plain_s, against="B2", target=self.target,
                facts=facts, notes=(f"B2's {steps} steps are reckoned from runs of 1 and 2 steps",),
            )
        ]  # fmt: skip
        if our_peak and whole_peak:
            rows.append(
                compared(
                    self.ids[0], f"{self.what}, peak memory above the weights of both", unit="GiB", ours=our_peak[0],
                    baseline=whole_peak[0], against="B2", target=Target(ratio=self.least_memory),
                )
            )  # fmt: skip
        return rows


@contextmanager
def peak_memory(device: str) -> Iterator[list[float]]:
    """The most that was allocated within, above what was there before, in GiB; an empty list away from CUDA."""
    found: list[float] = []
    if not device.startswith("cuda"):
        yield found
        return
    import torch

    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    yield found
    torch.cuda.synchronize()
    found.append((torch.cuda.max_memory_allocated() - before) / 2**30)


@dataclass(frozen=True, slots=True)
class DecodeCase:
    """The VAE's decode as a job does it, bytes in main memory at its end, against diffusers' (upcast to float32 for sdxl)."""

    ids: tuple[str, ...] = ("G6",)
    what: str = "VAE decode 1024²"
    need: Need = Need("cuda", 30, 20)  # noqa: RUF009
    quick: bool = True

    def run(self, setting: Setting) -> Sequence[Row]:
        import torch

        from outfitswap_desktop.ml.diffusion.conditions import Counters
        from outfitswap_desktop.ml.diffusion.latents import Pictures

        cells = 8 if setting.tiny else 128
        with Engines("sdxl", device=device_of(setting), tiny=setting.tiny) as engines:
            pictures, pipeline = Pictures(Counters()), engines.pipeline
            vae = pipeline.vae
            latents = torch.randn(1, 4, cells, cells, device=setting.device)

            def ours() -> Any:
                return pictures.decode(latents, engines.networks.vae, tiled=False)[0]

            def plain() -> Any:
                with torch.no_grad():
                    held = vae.dtype
                    if held == torch.float16:
                        vae.to(torch.float32)
                    made = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]
                    vae.to(held)
                    return pipeline.image_processor.postprocess(made, output_type="np")[0]

            error = _picture_error(ours(), plain())
            times = timed([ours, plain], setting)
        return [
            compared(
                "G6", self.what, unit="ms", ours=times[0] * 1000, baseline=times[1] * 1000, against="B0",
                target=Target(ratio=3.0, most=30.0, on=HOPPER), errors={"picture": error},
            )
        ]  # fmt: skip


def _picture_error(found: Any, exact: Any) -> float:
    """Relative error of two pictures, 0..255 and 0..1; rounding to whole numbers is part of it."""
    import numpy as np

    exact = exact * 255.0
    return float(np.linalg.norm(found.astype(np.float64) - exact) / np.linalg.norm(exact))


@dataclass(frozen=True, slots=True)
class WarmCase:
    """The first picture of a fresh engine against a warm one, and what is compiled over all shapes once it is warm."""

    ids: tuple[str, ...] = ("G16",)
    what: str = "first picture after the start, nothing compiled, to a warm one"
    need: Need = Need("cuda", 50, 8)  # noqa: RUF009
    quick: bool = False

    def run(self, setting: Setting) -> Sequence[Row]:
        with Engines("sd15", device=device_of(setting), tiny=setting.tiny) as engines:
            recipe = engines.generator._recipe
            fresh = itertools.count()

            def job(size: Size) -> None:
                seed = next(fresh)
                steps = 2 if setting.tiny else 20
                engines.ours(request_of(size, steps=steps, guidance=5.0, prompt=f"{WORDS[0]} {seed}", seed=seed))

            first = wall_clock(settled(lambda: job(recipe.buckets[0]), setting.device))
            warm = interleaved(
                [settled(lambda: job(recipe.buckets[0]), setting.device)], repeats=3, warm=1, clock=wall_clock
            )[0]
            for _ in range(2 if setting.tiny else 3):
                for bucket in recipe.buckets[:6]:
                    job(bucket)
            recompiles = engines.generator._accelerator.state().get("recompiles", 0)
        facts = {"first_ms": round(first, 1), "warm_ms": round(warm, 1), "recompiles": recompiles, "shapes": 6}
        return [
            Row(
                "G16", self.what, "x", ours=first / warm, target=Target(most=1.5, on=HOPPER), facts=facts,
                notes=(f"{recompiles} recompiles over 6 shapes",),
            )
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class CountersCase:
    """The second outfit on a photo: what is encoded again. A plain pipeline encodes everything at every call."""

    ids: tuple[str, ...] = ("C11",)
    what: str = "encodes for the 2nd outfit on a photo"
    need: Need = Need("cpu", 20)  # noqa: RUF009
    quick: bool = True

    def run(self, setting: Setting) -> Sequence[Row]:
        from outfitswap_desktop.ml.device import Device

        with Engines("sd15", device=Device("cpu", "CPU", 0, 0, None, "float32"), tiny=True) as engines:
            counters = engines.generator.counters
            size = engines.generator._recipe.buckets[0]

            def job(words: str, *, seed: int) -> tuple[int, int]:
                """VAE and text encodes of one job on the same crop."""
                before = (counters.latent_encodes, counters.text_encodes)
                request = request_of(size, steps=2, guidance=5.0, prompt=words, seed=1)
                engines.ours(_with_seed(request, seed))
                return counters.latent_encodes - before[0], counters.text_encodes - before[1]

            first = job(WORDS[0], seed=1)
            other = job(WORDS[1], seed=2)
            same = job(WORDS[0], seed=3)
            loads = counters.loads
        facts = {"first": first, "other_words": other, "same_words": same, "loads": loads}
        again = other[0] + same[0] + same[1]
        return [
            Row(
                "C11", self.what, "", ours=float(again), baseline=6.0, against="diffusers", target=Target(most=0), facts=facts,
                notes=("VAE encodes with other words, VAE and text encodes with the same words",),
            )
        ]  # fmt: skip


def _with_seed(request: Any, seed: int) -> Any:
    from dataclasses import replace

    return replace(request, seed=seed)


def cases() -> tuple[Case, ...]:
    """In the order in which they are run."""
    return (
        CountersCase(),
        DecodeCase(),
        JobCase(("G9",), "SD1.5 512x768, 20 CFG steps", Need("cuda", 45, 8), True, "sd15", (512, 768), 20, 5.0,
                Target(ratio=2.5, most=0.20, on=HOPPER)),
        JobCase(("G7",), "SDXL 1024², 30 CFG steps", Need("cuda", 60, 24), True, "sdxl", (1024, 1024), 30, 5.0,
                Target(ratio=1.8, most=1.12, on=HOPPER)),
        OutfitsCase(),
        JobCase(("G8",), "SDXL 1024², 4 steps without guidance", Need("cuda", 45, 24), False, "sdxl", (1024, 1024), 4, 1.0,
                Target(ratio=3.0, most=0.14, on=HOPPER)),
        LargePhotoCase(("G11",), "12 MP photo, SDXL, 28 steps", Need("cuda", 60, 60), True, "sdxl", Target(ratio=20.0), 3.0),
        LargePhotoCase(("G11s",), "12 MP photo, SD1.5, 28 steps", Need("cuda", 60, 60), False, "sd15", Target(ratio=50.0), 5.0),
        WarmCase(),
    )  # fmt: skip
