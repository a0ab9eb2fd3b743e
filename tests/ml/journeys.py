"""Whole jobs rehearsed on the meta device: what lies on the device in each phase, tracked, for comparison with the planner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from outfitswap_desktop.ml.budget import meta
from outfitswap_desktop.ml.budget.architectures import architectures
from outfitswap_desktop.ml.budget.derive import streamed_step, transformer_blocks
from outfitswap_desktop.ml.budget.figures import figures
from outfitswap_desktop.ml.budget.passes import Rehearsal, Step
from outfitswap_desktop.ml.budget.planner import Mode, Peak, modes
from outfitswap_desktop.ml.diffusion.conditions import Options
from outfitswap_desktop.ml.recipes import recipes


@dataclass(frozen=True)
class Case:
    """One job."""

    engine: str
    size: tuple[int, int]
    batch: int = 1
    options: Options = field(default_factory=Options)
    dtype: str = "float16"


@dataclass
class Journeys:
    """Each pass is tracked once; a journey adds what lies on the device meanwhile, its weights counted from the modules."""

    rehearsals: dict[tuple[str, str], Rehearsal] = field(default_factory=dict)
    passes: dict[Any, int] = field(default_factory=dict)

    def rehearsal(self, case: Case) -> Rehearsal:
        return self.rehearsals.setdefault((case.engine, case.dtype), Rehearsal(case.engine, case.dtype))

    def once(self, key: Any, track: Callable[[], int]) -> int:
        if key not in self.passes:
            self.passes[key] = track()
        return self.passes[key]

    def vae(self, case: Case, name: str, *, tiled: bool, images: int = 1) -> int:
        made = self.rehearsal(case)
        more = {"images": images} if name == "decode" else {}
        run = getattr(made, name)
        key = (made.parts.vae, case.dtype, name, case.size, tiled, images)
        return self.once(key, lambda: made.measure(lambda: run(case.size, tiled=tiled, **more))[0])

    def text(self, case: Case) -> int:
        made = self.rehearsal(case)
        rows = 2 if case.options.guided and made.parts.family == "stock" else 1
        return self.once((case.engine, case.dtype, "text", rows), lambda: made.measure(lambda: made.text(rows))[0])

    def step(self, case: Case, *, streamed: bool = False) -> int:
        made = self.rehearsal(case)
        rows = case.batch * (2 if case.options.guided and made.parts.family == "unet" else 1)
        step = Step(case.size, rows, case.options.controls, case.options.image_prompt)
        if streamed:
            return self.once((case.engine, case.dtype, step, "~"), lambda: streamed_step(made, step))
        return self.once((case.engine, case.dtype, step), lambda: made.measure(lambda: made.step(step))[0])

    def peak(self, case: Case, mode: Mode) -> int:
        """The most bytes at any moment of the job."""
        made = self.rehearsal(case)
        width, height = case.size
        job = (3 + 3 + 1) * 4 * width * height + case.batch * 3 * 4 * 4 * width * height // 64
        return max(job + live for live in self._phases(case, mode, made))

    def _phases(self, case: Case, mode: Mode, made: Rehearsal) -> Iterator[int]:
        options, stock = case.options, made.parts.family == "stock"
        texts = sum(meta.weight_bytes(net) for net in made.texts())
        eyes = meta.weight_bytes(made.module(made.parts.image)) if options.image_prompt and not stock else 0
        vae = meta.weight_bytes(made.vae())
        painter = meta.weight_bytes(made.painter(reference=options.image_prompt))
        beside = eyes + sum(meta.weight_bytes(net) for net in made.controls(options.controls))
        images = case.batch if stock else 1
        if mode.streamed:
            blocks = [meta.weight_bytes(block) for block in transformer_blocks(made.painter())]
            stays = vae + painter - sum(blocks) + blocks[0]
            yield stays + texts + self.text(case)
            yield vae + self.step(case, streamed=True)
        else:
            keep = beside + vae + (0 if mode.offload_text else texts)
            stays = keep + (0 if mode.offload_unet else painter)
            before = beside + vae + (0 if mode.offload_unet or (stock and mode.offload_text) else painter)
            yield before + texts + self.text(case)
            if eyes:
                picture = self.once((case.engine, case.dtype, "picture"), lambda: made.measure(made.picture)[0])
                yield stays + picture
            yield keep + painter + self.step(case)
        yield stays + self.vae(case, "encode", tiled=mode.tiled_vae)
        yield stays + self.vae(case, "decode", tiled=mode.tiled_vae, images=images)


def planned(case: Case, mode: Mode) -> int:
    """What the planner says to the same."""
    parts = architectures().engines[case.engine]
    return Peak(case.engine, case.size, case.options, case.dtype, figures(), parts).of(mode, case.batch)


def modes_of(case: Case) -> tuple[Mode, ...]:
    """All that the planner knows for it."""
    return modes(architectures().engines[case.engine].family)


def table() -> Iterator[str]:
    """Tracked and planned GiB of typical jobs in every mode."""
    journeys = Journeys()
    cases = [Case("sd15", (512, 768)), Case("sd15", (768, 1024)), Case("sd15", (768, 1024), 4),
             Case("sdxl", (768, 1024)), Case("sdxl", (1024, 1024)), Case("sdxl", (1024, 1024), 4),
             Case("sdxl", (1024, 1024), 1, Options(controls=1, image_prompt=True)),
             Case("sdxl", (1024, 1024), 1, dtype="float32"),
             Case("klein", (1024, 1024), 1, Options(guided=False, image_prompt=True), "bfloat16"),
             Case("klein", (1024, 1024), 4, Options(guided=False), "bfloat16"),
             Case("qwen", (1024, 1024), 1, Options(image_prompt=True), "bfloat16")]  # fmt: skip
    yield "GiB planned (tracked), peak of the job"
    for case in cases:
        cells = [f"{mode.name} {planned(case, mode) / 2**30:.2f} ({journeys.peak(case, mode) / 2**30:.2f})"
                 for mode in modes_of(case)]  # fmt: skip
        options = case.options
        what = f"{'guided ' if options.guided else ''}controls {options.controls}{' garment' if options.image_prompt else ''}"
        yield f"{case.engine} {case.size[0]}x{case.size[1]} x{case.batch} {case.dtype} {what}: " + "; ".join(cells)


def buckets(engine: str) -> list[tuple[int, int]]:
    """The recipe's sizes, one of each pair that differs in orientation alone."""
    return sorted({(min(size), max(size)) for size in recipes()[engine].buckets})
