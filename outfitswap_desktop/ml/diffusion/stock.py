"""Diffusion engines that run diffusers' stock pipelines: FLUX.2-klein and Qwen-Image-Edit."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.job import BALANCED, FAST, CancelToken
from outfitswap_desktop.core.steps import Generated, GenerationRequest
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.budget.planner import spilled
from outfitswap_desktop.ml.device import Device, find_device
from outfitswap_desktop.ml.diffusion.conditions import Counters, Options, Plan, Planner, Smallest, all_resident
from outfitswap_desktop.ml.diffusion.stock_crop import finished, resized, token_mask, whole_tokens, work_size
from outfitswap_desktop.ml.diffusion.stock_parts import (
    Painting,
    Seats,
    StockEngine,
    Words,
    WordsCache,
    digest,
)
from outfitswap_desktop.ml.load import Opened, Store, identity
from outfitswap_desktop.ml.quiet import hush
from outfitswap_desktop.ml.recipes import Recipe

_log = logging.getLogger(__name__)

SMALLER: Final = 0.6
"""Share of the pixels that a painting is tried with again after the device ran out of memory."""
LOADED, READ, PAINTED = 0.1, 0.15, 0.92
"""Shares of the work that are behind after loading, after reading the words, after the last step."""


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """What one request comes to: the painting, and what has to be said about it."""

    painting: Painting
    limits: tuple[str, ...]
    notes: tuple[str, ...]


class StockGenerator:
    """Paints with a stock pipeline; loads at the first request and keeps everything until `close`.

    `negative` is used where the pipeline guides. `previews` is there for the sake of the common face: no small decoder for
    these engines' latents is in the catalogue, and it is never called. It takes the crop at native size: the only scaling,
    there and back, is the one to the size that it paints at. One call at a time.
    """

    keeps_cut = False
    max_pixels: int | None = None
    multiple = 1

    def __init__(
        self,
        recipe: Recipe,
        store: Store,
        *,
        negative: str,
        device: Device | None = None,
        planner: Planner = all_resident,
        previews: Callable[[RGB], None] | None = None,
    ) -> None:
        self.name = recipe.name
        self.counters = Counters()
        self._recipe = recipe
        self._store = store
        self._negative = negative
        self._device = device
        self._planner = planner
        self._engine: StockEngine | None = None
        self._seats: Seats | None = None
        self._weights: dict[str, str] = {}
        self._few_steps = False
        self._words = WordsCache()
        self._kept: tuple[bytes, dict[int, Generated]] = (b"", {})
        self._too_much = b""

    def generate(
        self, request: GenerationRequest, *, report: Callable[[float], None], cancel: CancelToken
    ) -> Generated:
        """Paint. Raises NotAvailable (weights, memory of the device) or Cancelled, within one denoising step."""
        cancel.check()
        key = _key(request)
        if self._kept[0] == key and request.seed in self._kept[1]:
            report(1.0)
            return self._kept[1][request.seed]
        made = self._made(request, key, report=_never_back(report), cancel=cancel)
        if len(request.wishes.seeds) > 1:
            self._kept = (key, {**(self._kept[1] if self._kept[0] == key else {}), **made})
        report(1.0)
        return made[request.seed]

    def close(self) -> None:
        """Give back all memory, the device's and the main one; the next request loads anew."""
        engine, seats = self._engine, self._seats
        self._engine = self._seats = None
        self._words = WordsCache()
        self._kept = (b"", {})
        self._too_much = b""
        if engine is not None and seats is not None:
            engine.latents.clear()
            del engine
            gc.collect()
            seats.sweep()

    def _made(
        self, request: GenerationRequest, key: bytes, *, report: Callable[[float], None], cancel: CancelToken
    ) -> dict[int, Generated]:
        """The asked seed's picture, with those of the variations that go into the same batch."""
        engine, device = self._loaded(report)
        cancel.check()
        if key != self._too_much:  # what was too much for one variation is so for the next
            order = self._order(request, engine, area=1.0)
            plan = self._planned(order.painting, max(1, len(request.wishes.seeds)), device)
            try:
                return self._painted(request, order, plan, report=report, cancel=cancel)
            except RuntimeError as problem:
                if not out_of_memory(problem):
                    raise
                _log.warning("out of memory on %s with %s; trying once more with less", device.name, plan)
            self._too_much = key
            self.counters.retries += 1
            self._clear(engine)
        smaller = self._order(request, engine, area=SMALLER)
        try:
            return self._painted(request, smaller, Smallest(), report=report, cancel=cancel)
        except RuntimeError as problem:
            if not out_of_memory(problem):
                raise
        self._clear(engine)
        raise NotAvailable(
            f"The memory of {device.name} is too small for the engine {self.name}, even with a smaller picture.",
            reason="out_of_gpu_memory",
            hint="Close other programs that use the card, or take a smaller engine: --engine sdxl or sd15.",
        )

    def _clear(self, engine: StockEngine) -> None:
        if self._seats is not None:
            self._seats.clear(engine)

    def _loaded(self, report: Callable[[float], None]) -> tuple[StockEngine, Device]:
        if self._device is None:
            self._device = find_device()
        if self._engine is not None:
            return self._engine, self._device
        import time

        report(0.01)
        began = time.perf_counter()
        main = self._store.open(self._recipe.weights)
        few = installed(self._store, self._recipe.fast.lora) if self._recipe.fast is not None else None
        engine = _engine(self._recipe, main, few, device=self._device, counters=self.counters)
        self._weights = {self._recipe.weights: identity(main)}
        self._few_steps = few is not None
        if few is not None and self._recipe.fast is not None:
            self._weights[self._recipe.fast.lora] = identity(few)
        self._engine, self._seats = engine, Seats(self._device.kind)
        self.counters.loads += 1
        self.counters.load_seconds += time.perf_counter() - began
        report(LOADED)
        return engine, self._device

    def _planned(self, painting: Painting, batch: int, device: Device) -> Plan:
        options = Options(guided=painting.guidance > 1.0, image_prompt=painting.garment is not None)
        return self._planner(self._recipe, painting.size, batch, options=options, device=device)

    def _order(self, request: GenerationRequest, engine: StockEngine, *, area: float) -> _Order:
        recipe, wishes = self._recipe, request.wishes
        few = wishes.mode == FAST and recipe.fast is not None and self._few_steps
        steps = request.steps or (recipe.fast.steps if few and recipe.fast is not None else recipe.steps)
        guidance = recipe.fast.guidance if few and recipe.fast is not None else recipe.guidance
        if wishes.guidance is not None and engine.heeds_guidance():
            guidance = wishes.guidance
        strength = wishes.strength if wishes.strength is not None else recipe.strength
        pixels = int(recipe.max_pixels * area)
        size = work_size((request.image.shape[1], request.image.shape[0]), pixels)
        garment = None
        if request.garment is not None:
            height, width = request.garment.shape[:2]
            garment = resized(request.garment, whole_tokens((width, height), min(pixels, width * height)))
        painting = Painting(
            crop=resized(request.image, size),
            mask=token_mask(request.alpha, size),
            garment=garment,
            prompt=engine.sentence(request.prompt, template=recipe.prompt_template, garment=garment is not None),
            negative=self._negative,
            steps=steps,
            guidance=guidance,
            strength=max(strength, 1.0 / steps),
            few=few,
        )
        return _Order(painting, *self._said(request, painting, engine))

    def _said(
        self, request: GenerationRequest, painting: Painting, engine: StockEngine
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What was asked for and cannot be done, and what is done otherwise, in sentences."""
        wishes, limits, notes = request.wishes, [], []
        if wishes.pose or wishes.depth:
            limits.append(f"The engine {self.name} follows neither a pose nor a depth map.")
        if wishes.garment_weight is not None and painting.garment is not None:
            limits.append(f"The engine {self.name} has no weight for the garment's picture.")
        if wishes.guidance is not None and not engine.heeds_guidance():
            limits.append(f"The engine {self.name} was made for one guidance; the one asked for was not used.")
        if wishes.strength is not None and not engine.heeds_strength(painting):
            limits.append(f"With a garment's picture the engine {self.name} always repaints in full strength.")
        elif wishes.strength is not None and wishes.strength < painting.strength:
            notes.append(f"The strength was raised to {painting.strength:.2f}, the least with {painting.steps} steps.")
        if wishes.mode == FAST and self._recipe.fast is not None and not painting.few:
            notes.append(
                f"The few-step weights {self._recipe.fast.lora} are not installed: {painting.steps} steps were taken."
            )
        if wishes.mode == BALANCED and engine.heeds_guidance():
            notes.append(f'The engine {self.name} has no mode "balanced": it guided every step.')
        return tuple(limits), tuple(notes)

    def _painted(
        self,
        request: GenerationRequest,
        order: _Order,
        plan: Plan,
        *,
        report: Callable[[float], None],
        cancel: CancelToken,
    ) -> dict[int, Generated]:
        assert self._engine is not None
        assert self._seats is not None
        painting, engine = order.painting, self._engine
        words = self._read(painting, plan, engine)
        report(READ)
        cancel.check()
        self._seats.to_paint(engine, plan)
        seeds = batch_of(request, most=max(1, plan.batch))

        def on_step(done: int, of: int) -> None:
            self.counters.passes += 1
            report(READ + (PAINTED - READ) * done / of)
            cancel.check()

        cancel.check()
        images = engine.paint(painting, words.on(self._seats.device), seeds=seeds, on_step=on_step)
        said = self._described(painting, plan, len(seeds), engine)
        notes = (*order.notes, *filter(None, (plan.note, spilled(self._device) if self._device is not None else "")))
        return {
            seed: Generated(finished(image, request), limits=order.limits, notes=notes, plan=said)
            for seed, image in zip(seeds, images, strict=True)
        }

    def _read(self, painting: Painting, plan: Plan, engine: StockEngine) -> Words:
        key = engine.words_key(painting)
        words = self._words.get(key)
        if words is None:
            assert self._seats is not None
            self._seats.to_encode(engine, plan)
            words = engine.encode(painting)
            self._words.put(key, words)
        return words

    def _described(self, painting: Painting, plan: Plan, batch: int, engine: StockEngine) -> dict[str, Any]:
        assert self._device is not None
        return {
            "engine": self.name,
            "recipe": self._recipe.name,
            "precision": dtype_of(self._recipe, self._device),
            "size": list(painting.size),
            "steps": painting.steps,
            "guidance": painting.guidance,
            "strength": painting.strength if engine.heeds_strength(painting) else 1.0,
            "mode": "fast" if painting.few else "quality",
            "batch": batch,
            "device": self._device.name,
            "weights": dict(self._weights),
            "compiled": "no",
            "tiled": plan.tiled_vae,
            "offload": [part for part in ("text", "unet") if getattr(plan, f"offload_{part}")],
            "streamed": plan.offload_unet,
            "predicted_bytes": plan.predicted_bytes,
            "controls": [],
            "garment": painting.garment is not None,
            **engine.describe(painting),
        }


def _engine(recipe: Recipe, main: Opened, few: Opened | None, *, device: Device, counters: Counters) -> StockEngine:
    hush()
    dtype = dtype_of(recipe, device)
    if recipe.name == "klein":
        from outfitswap_desktop.ml.diffusion.stock_klein import Klein

        return Klein(main.folder, device=device.kind, dtype=dtype, counters=counters)
    if recipe.name == "qwen":
        from outfitswap_desktop.ml.diffusion.stock_qwen import Qwen

        lightning = few.folder if few is not None else None
        return Qwen(main.folder, device=device.kind, dtype=dtype, counters=counters, lightning=lightning)
    raise ValueError(f"no stock pipeline paints the recipe {recipe.name}")


def dtype_of(recipe: Recipe, device: Device) -> str:
    """What the engine computes in: the recipe's type on a GPU (these weights overflow in float16), else the device's."""
    return device.dtype if device.kind == "cpu" else recipe.dtype


def installed(store: Store, weights_id: str) -> Opened | None:
    """The weights, or None where they cannot be used."""
    try:
        return store.open(weights_id)
    except NotAvailable:
        return None


def out_of_memory(problem: BaseException) -> bool:
    """Whether a device ran out of memory: CUDA's own error, and the plain ones of the others."""
    import torch

    said = str(problem).lower()
    return isinstance(problem, torch.OutOfMemoryError) or "out of memory" in said or "not enough memory" in said


def batch_of(request: GenerationRequest, *, most: int) -> tuple[int, ...]:
    """The seeds painted together with the request's own: variations in order, `most` at a time."""
    seeds = tuple(dict.fromkeys(request.wishes.seeds)) or (request.seed,)
    start = seeds.index(request.seed) // most * most
    return seeds[start : start + most]


def _never_back(report: Callable[[float], None]) -> Callable[[float], None]:
    """`report` for work that may have to start again: it stands still meanwhile."""
    furthest = 0.0

    def forward(done: float) -> None:
        nonlocal furthest
        if done > furthest:
            furthest = done
            report(done)

    return forward


def _key(request: GenerationRequest) -> bytes:
    """What a batch of variations depends on beside the seed."""
    pictures = (request.image, request.alpha, *((request.garment,) if request.garment is not None else ()))
    seen = b"".join(digest(np.ascontiguousarray(p).tobytes()) + str(p.shape).encode() for p in pictures)
    return digest(seen + repr((request.prompt, request.zone, request.steps, request.wishes)).encode())
