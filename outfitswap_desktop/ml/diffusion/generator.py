"""The engines sd15 and sdxl as the pipeline sees them: a request in, a picture out, and a smaller plan when memory runs out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.compose import match_colour, smooth_seam
from outfitswap_desktop.core.job import FAST, CancelToken
from outfitswap_desktop.core.steps import Generated, GenerationRequest
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.budget.planner import spilled
from outfitswap_desktop.ml.device import Device, find_device
from outfitswap_desktop.ml.diffusion.conditions import (
    Accelerator,
    ControlSource,
    Counters,
    Eager,
    NoControls,
    Options,
    Plan,
    Planner,
    Smallest,
    all_resident,
)
from outfitswap_desktop.ml.diffusion.crops import Fit, choose_bucket
from outfitswap_desktop.ml.diffusion.lora import lora_file
from outfitswap_desktop.ml.diffusion.manner import Manner, manner_of
from outfitswap_desktop.ml.diffusion.painting import Painted, Painter
from outfitswap_desktop.ml.diffusion.residence import Residence
from outfitswap_desktop.ml.failures import OUT_OF_MEMORY
from outfitswap_desktop.ml.load import Store, identity

if TYPE_CHECKING:
    from outfitswap_desktop.ml.recipes import Recipe

_RETRY_SHARE: Final = 0.5
"""Share of the failed bucket's pixels that the second try may use."""
_SLOW: Final = {
    "cpu": "It was painted on the processor, which takes minutes; an NVIDIA graphics card takes seconds.",
    "mps": "It was painted on Apple's graphics unit, which is slower than an NVIDIA card.",
}


_MAKERS: Final = (("pose", "dwpose"), ("depth", "depth-anything-small"))
"""What makes a condition's picture where it is installed."""


class DiffusionGenerator:
    """core.steps.Generator for the family "unet". What it loads stays until `close`.

    `negative` is the fixed negative prompt. It takes the crop at native size (`max_pixels` None): the only scaling, there and
    back, is the one into the bucket. `counters` tell what was done.
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
        controls: ControlSource | None = None,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.name = recipe.name
        self.counters = Counters()
        self._recipe, self._store, self._planner = recipe, store, planner
        self._device = device if device is not None else find_device()
        self._accelerator = accelerator if accelerator is not None else Eager()
        self._residence = Residence(
            recipe, store, device=self._device, accelerator=self._accelerator, counters=self.counters
        )
        self._controls = controls if controls is not None else NoControls()
        self._painter = Painter(
            recipe,
            self._residence,
            negative=negative,
            device=self._device,
            controls=self._controls,
            accelerator=self._accelerator,
            counters=self.counters,
        )
        self._variations: tuple[bytes, dict[int, Generated]] = (b"", {})

    def generate(
        self, request: GenerationRequest, *, report: Callable[[float], None], cancel: CancelToken
    ) -> Generated:
        """Paint; variations of one request are painted in one batch and handed out as they are asked for.

        Raises NotAvailable for missing weights and when the device's memory is too small even for the smallest plan.
        """
        cancel.check()
        key = _all_but_seed(request) if len(request.wishes.seeds) > 1 else b""
        if key and key == self._variations[0] and request.seed in self._variations[1]:
            report(1.0)
            return self._variations[1][request.seed]
        found = self._painted(request, report=report, cancel=cancel)
        if key:
            kept = self._variations[1] if key == self._variations[0] else {}
            self._variations = (key, {**kept, **found})
        report(1.0)
        return found[request.seed]

    def close(self) -> None:
        """Give all memory back; the next request loads again."""
        self._variations = (b"", {})
        self._emptied()

    def _emptied(self) -> None:
        self._painter.clear()
        self._controls.close()
        self._residence.close()

    def _painted(
        self, request: GenerationRequest, *, report: Callable[[float], None], cancel: CancelToken
    ) -> dict[int, Generated]:
        """The asked seed's picture, with those of the variations that go into the same batch."""
        few, weights = self._few_steps(request)
        manner = manner_of(request, self._recipe, few=few)
        height, width = request.image.shape[:2]
        fit = choose_bucket((width, height), self._recipe.buckets, multiple=self._recipe.multiple)
        try:
            return self._batch(request, fit, manner, plan=None, weights=weights, report=report, cancel=cancel)
        except (RuntimeError, NotAvailable) as problem:
            if not _out_of_memory(problem):
                raise
        self.counters.retries += 1
        self._emptied()  # outside of the handler: a traceback holds what was on the device
        pixels = round(_RETRY_SHARE * fit.bucket[0] * fit.bucket[1])
        fit = choose_bucket((width, height), self._recipe.buckets, multiple=self._recipe.multiple, most=pixels)
        try:
            return self._batch(request, fit, manner, plan=Smallest(), weights=weights, report=report, cancel=cancel)
        except (RuntimeError, NotAvailable) as problem:
            if not _out_of_memory(problem):
                raise
        self.close()
        raise NotAvailable(
            f"The memory of {self._device.name} is too small for {self.name}, even one picture at a time.",
            reason=OUT_OF_MEMORY,
            hint="Close other programs that use the graphics card, or choose a smaller engine (sd15).",
        )

    def _few_steps(self, request: GenerationRequest) -> tuple[Path | None, dict[str, str]]:
        """The few-step weights' file and what they are, for the mode that needs them. Raises NotAvailable."""
        if request.wishes.mode != FAST:
            return None, {}
        fast = self._recipe.fast
        if fast is None:
            raise NotAvailable(
                f"The engine {self.name} has no few-step mode.", reason="no_fast_mode", hint="Take --mode balanced."
            )
        opened = self._store.open(fast.lora)
        return lora_file(opened.folder), {fast.lora: identity(opened)}

    def _plan(self, request: GenerationRequest, fit: Fit, manner: Manner) -> Plan:
        """The planner's answer for a request in the bucket's pixels."""
        controls, picture, _ = self._painter.conditions(request)
        options = Options(manner.guidance > 1.0, len(controls), picture is not None)
        count = max(1, len(request.wishes.seeds))
        return self._planner(
            self._recipe, fit.bucket, count, options=options, device=self._device, vae_dtype=self._residence.vae_dtype()
        )

    def _batch(
        self,
        request: GenerationRequest,
        fit: Fit,
        manner: Manner,
        *,
        plan: Plan | None,
        weights: Mapping[str, str],
        report: Callable[[float], None],
        cancel: CancelToken,
    ) -> dict[int, Generated]:
        inside = fit.request(request)
        if plan is None:
            plan = self._plan(inside, fit, manner)
        seeds = _batch_of(request, most=max(1, plan.batch))
        painted = self._painter.paint(inside, seeds, manner=manner, plan=plan, report=report, cancel=cancel)
        document = self._document(painted, fit, manner, plan=plan, weights=weights, batch=len(seeds))
        said = (plan.note or _SLOW.get(self._device.kind, ""), spilled(self._device))
        notes = (*painted.notes, *filter(None, said))
        found = {}
        for seed, picture in zip(seeds, painted.images, strict=True):
            cancel.check()
            image = fit.undo(_joined(picture, inside))
            found[seed] = Generated(image, limits=painted.limits, notes=notes, plan=document)
        return found

    def _document(
        self,
        painted: Painted,
        fit: Fit,
        manner: Manner,
        *,
        plan: Plan,
        weights: Mapping[str, str],
        batch: int,
    ) -> dict[str, Any]:
        """What the receipt needs to make the same again."""
        names = [control["name"] for control in painted.facts["controls"]]
        return {
            "engine": self.name,
            "recipe": self._recipe.name,
            "precision": self._residence.dtype,
            "size": list(fit.bucket),
            "inner": [*fit.at, *fit.inner],
            "guidance": manner.guidance,
            "strength": manner.strength,
            "mode": manner.mode,
            "sampler": manner.sampler,
            "batch": batch,
            "device": self._device.name,
            "weights": {**self._residence.bundle().weights, **weights, **self._condition_weights(names, painted)},
            "tiled": plan.tiled_vae,
            "offload": [part for part in ("text", "unet") if getattr(plan, f"offload_{part}")],
            "predicted_bytes": plan.predicted_bytes,
            **painted.facts,
        }

    def _condition_weights(self, names: list[str], painted: Painted) -> dict[str, str]:
        """What the conditions' weights are, by the ids that they have in the catalogue."""
        wanted = [f"controlnet-{name}-{self.name}" for name in names]
        wanted += [maker for name, maker in _MAKERS if name in names]
        if painted.facts["garment"] is not None:
            wanted.append(f"ip-adapter-{self.name}")
        found = {}
        for weights_id in wanted:
            with suppress(NotAvailable, KeyError):
                found[weights_id] = identity(self._store.open(weights_id))
        return found


def _joined(picture: RGB, request: GenerationRequest) -> RGB:
    """`picture` with the colours that the photo has around the mask, and no line at its border."""
    matched = match_colour(picture, request.image, request.alpha)
    return smooth_seam(matched, request.image, request.alpha)


def _batch_of(request: GenerationRequest, *, most: int) -> tuple[int, ...]:
    """The seeds painted together with the request's own: variations in order, `most` at a time."""
    seeds = tuple(dict.fromkeys(request.wishes.seeds)) or (request.seed,)
    start = seeds.index(request.seed) // most * most
    return seeds[start : start + most]


def _all_but_seed(request: GenerationRequest) -> bytes:
    """A digest of everything in a request but its seed."""
    digest = hashlib.sha256()
    for array in (request.image, request.alpha, request.garment, request.keep_out, request.cut):
        digest.update(repr(None if array is None else array.shape).encode())
        if array is not None:
            digest.update(np.ascontiguousarray(array).tobytes())
    plain = replace(request, image=None, alpha=None, garment=None, keep_out=None, cut=None, seed=0, recolour=None)  # type: ignore[arg-type]
    digest.update(repr(plain).encode())
    return digest.digest()


def _out_of_memory(problem: RuntimeError | NotAvailable) -> bool:
    """Whether torch says, or another part has said for it, that the device's or the computer's memory is used up."""
    import torch

    if isinstance(problem, NotAvailable):
        return problem.reason == OUT_OF_MEMORY
    return isinstance(problem, torch.OutOfMemoryError) or "not enough memory" in str(problem)
