"""One painting: prompt, crop and conditions to latents, the denoising loop, and pictures out of them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.diffusion import unet as nets
from outfitswap_desktop.ml.diffusion.conditions import (
    Accelerator,
    Control,
    ControlSource,
    Counters,
    ImagePrompt,
    Plan,
)
from outfitswap_desktop.ml.diffusion.latents import Known, Pictures, in_cells
from outfitswap_desktop.ml.diffusion.loop import Guidance, Loop, Net
from outfitswap_desktop.ml.diffusion.manner import Manner
from outfitswap_desktop.ml.diffusion.prompts import Embedded, Prompts, worded
from outfitswap_desktop.ml.diffusion.residence import Residence
from outfitswap_desktop.ml.diffusion.schedule import Schedule, make_schedule

if TYPE_CHECKING:
    from torch import Tensor

    from outfitswap_desktop.core.steps import GenerationRequest
    from outfitswap_desktop.ml.device import Device
    from outfitswap_desktop.ml.recipes import Recipe

_CONDITIONS_KEPT: Final = 4
Conditions = tuple[tuple[Control, ...], ImagePrompt | None, tuple[str, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """The pictures (h, w, 3) in the order of the seeds; what was done, in plain values; and sentences for the user."""

    images: list[RGB]
    facts: Mapping[str, Any]
    limits: tuple[str, ...]
    notes: tuple[str, ...]


class Painter:
    """Paints requests in a bucket's pixels; keeps what it encoded."""

    def __init__(
        self,
        recipe: Recipe,
        residence: Residence,
        *,
        negative: str,
        device: Device,
        controls: ControlSource,
        accelerator: Accelerator,
        counters: Counters,
    ) -> None:
        self._recipe, self._residence, self._device = recipe, residence, device
        self._negative, self._controls, self._accelerator = negative, controls, accelerator
        self._counters = counters
        self._prompts = Prompts(counters)
        self._pictures = Pictures(counters)
        self._conditions: OrderedDict[bytes, Conditions] = OrderedDict()

    def clear(self) -> None:
        """Forget all that was encoded."""
        self._prompts.clear()
        self._pictures.clear()
        self._conditions.clear()

    def conditions(self, request: GenerationRequest) -> Conditions:
        """The ControlNets and the garment picture of a request, and what could not be followed."""
        key = self._controls.key(request) + repr(request.image.shape).encode()
        found = self._conditions.get(key)
        if found is None:
            controls, notes = self._controls.controls(self._recipe, request)
            picture = self._controls.image_prompt(self._recipe, request)
            self._counters.image_encodes += picture is not None
            found = self._conditions[key] = (controls, picture, notes)
            while len(self._conditions) > _CONDITIONS_KEPT:
                self._conditions.popitem(last=False)
        self._conditions.move_to_end(key)
        return found

    def paint(
        self,
        request: GenerationRequest,
        seeds: tuple[int, ...],
        *,
        manner: Manner,
        plan: Plan,
        report: Callable[[float], None],
        cancel: CancelToken,
    ) -> Painted:
        """Paint `request` (in a bucket's pixels) once for each seed, in one batch."""
        residence, recipe = self._residence, self._recipe
        residence.plan = plan
        bundle = residence.bundle()
        cancel.check()
        clock = time.perf_counter()
        schedule = make_schedule(bundle.scheduler, manner.sampler, steps=manner.steps, strength=manner.strength)
        positive = worded(recipe.prompt_template, request.prompt, request.zone)
        controls, picture, notes = self.conditions(request)
        residence.lend([control.net for control in controls])
        with self._accelerator.around(recipe, device=self._device, mode=manner.mode):
            prompts = self._prompts.embed(
                (self._negative, positive), tokenizers=bundle.tokenizers, ready=residence.text
            )
            residence.text_done()
            cancel.check()
            known = self._known(request, whole=schedule.image != 0.0, plan=plan)
            cancel.check()
            residence.few_steps(manner.few)
            lean = residence.unet()
            guidance = Guidance(manner.guidance, manner.guided(recipe.guidance_interval, len(schedule.steps)))
            size = (request.image.shape[1], request.image.shape[0])
            net = self._net(lean, prompts, schedule, images=len(seeds), size=size, picture=picture)
            followed = [
                self._followed(control, prompts, schedule, images=len(seeds), size=size) for control in controls
            ]
            loop = Loop(
                net,
                followed,
                schedule,
                guidance=guidance,
                known=known.known,
                images=len(seeds),
                wrap=lambda forward, rows, extras: residence.wrapped(
                    forward,
                    (lean, *(each.lean for each in followed if each.name in extras[1])),
                    rows=rows,
                    size=size,
                    extras=extras,
                ),
            )
            report(0.05)
            self._counters.seconds["prepare"] = time.perf_counter() - clock
            images = self._run(loop, schedule, seeds, known=known, plan=plan, report=report, cancel=cancel)
        state = self._accelerator.state()
        self._counters.compiles = int(state.get("compiles", 0))
        lost = prompts[1].lost
        limits = (f'The net reads the first 77 parts of words; it did not see "{lost}".',) if lost else ()
        facts = {
            "steps": len(schedule.steps),
            "guided_steps": len(guidance.steps),
            "controls": [_said(control) for control in controls],
            "garment": {"adapter": picture.adapter.name, "weight": picture.weight} if picture is not None else None,
            "compiled": state.get("compiled", "no"),
        }
        return Painted(images, facts, limits, notes)

    def _run(
        self,
        loop: Loop,
        schedule: Schedule,
        seeds: tuple[int, ...],
        *,
        known: Known,
        plan: Plan,
        report: Callable[[float], None],
        cancel: CancelToken,
    ) -> list[RGB]:
        import torch

        draws = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        shape = (4, *known.known.shape[-2:])
        device = known.known.device

        def fresh(_: int) -> Tensor:
            return torch.stack([torch.randn(shape, generator=draw) for draw in draws]).to(device)

        latents = fresh(0) * schedule.noise
        if schedule.image and known.image is not None:
            latents = latents + known.image * schedule.image
        clock = time.perf_counter()
        latents = loop.run(latents, noise=fresh, report=lambda done: report(0.05 + 0.85 * done), cancel=cancel)
        self._counters.passes += len(schedule.steps)
        cancel.check()
        done = time.perf_counter()
        images = self._decoded(latents, plan)
        self._counters.seconds |= {"steps": done - clock, "decode": time.perf_counter() - done}
        return images

    def _decoded(self, latents: Tensor, plan: Plan) -> list[RGB]:
        try:
            return self._pictures.decode(latents, self._residence.vae(), tiled=plan.tiled_vae)
        except FloatingPointError:
            vae = self._residence.steady_vae()
        try:
            return self._pictures.decode(latents, vae, tiled=plan.tiled_vae)
        except FloatingPointError as problem:
            raise NotAvailable(
                "The net's answer holds values that are no numbers: half precision overflowed on this device.",
                reason="not_a_number",
                hint="Paint with another seed or without the garment picture; tell us which card it is.",
            ) from problem

    def _known(self, request: GenerationRequest, *, whole: bool, plan: Plan) -> Known:
        import torch

        return self._pictures.know(
            request.image,
            in_cells(request.alpha),
            whole=whole,
            ready=self._residence.vae,
            tiled=plan.tiled_vae,
            dtype=getattr(torch, self._residence.dtype),
        )

    def _net(
        self,
        lean: nets.Lean,
        prompts: list[Embedded],
        schedule: Schedule,
        *,
        images: int,
        size: tuple[int, int],
        picture: ImagePrompt | None,
    ) -> Net:
        import torch

        tokens = None
        if picture is not None:
            layer = self._residence.adapter(picture.adapter)
            weight = lean.conv_in.weight
            with torch.inference_mode():
                layer.to(weight.device, weight.dtype)
                tokens = (layer(picture.embeds.to(weight.device, weight.dtype)), picture.weight)
        return Net(
            lean, *self._constants(lean, prompts, schedule, images=images, size=size, tokens=tokens), name="unet"
        )

    def _followed(
        self, control: Control, prompts: list[Embedded], schedule: Schedule, *, images: int, size: tuple[int, int]
    ) -> Net:
        import torch

        lean = self._residence.control(control.net)
        weight, count = lean.conv_in.weight, len(schedule.steps)
        active = [i for i in range(count) if i / count >= control.start and (i + 1) / count <= control.end]
        with torch.inference_mode():
            picture = control.image.to(weight.device, weight.dtype)
            if control.net.config.controlnet_conditioning_channel_order == "bgr":
                picture = picture.flip(1)
            seen = control.net.controlnet_cond_embedding(picture)
            strength = torch.tensor(control.weight, dtype=weight.dtype, device=weight.device)
        return Net(
            lean,
            *self._constants(lean, prompts, schedule, images=images, size=size, tokens=None),
            name=control.name,
            seen=seen,
            weight=strength,
            steps=range(active[0], active[-1] + 1) if active else range(0),
        )

    @staticmethod
    def _constants(
        lean: nets.Lean,
        prompts: list[Embedded],
        schedule: Schedule,
        *,
        images: int,
        size: tuple[int, int],
        tokens: tuple[Tensor, float] | None,
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        import torch

        weight = lean.conv_in.weight
        with torch.inference_mode():
            embeds = torch.cat([each.embeds for each in prompts]).to(weight.device, weight.dtype)
            keys = nets.prompt_keys(lean, embeds, images=images, picture=tokens)
            pooled = [each.pooled for each in prompts]
            added = ids = None
            if all(each is not None for each in pooled):
                added = torch.cat(pooled).to(weight.device).repeat_interleave(images, dim=0)
                width, height = size
                ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.float32, device=weight.device)
                ids = ids.repeat(added.shape[0], 1)
            rows = len(prompts) * images
            table = nets.time_table(lean, [step.time for step in schedule.steps], added=added, time_ids=ids, rows=rows)
        return keys, table


def _said(control: Control) -> dict[str, Any]:
    return {"name": control.name, "weight": control.weight, "start": control.start, "end": control.end}
