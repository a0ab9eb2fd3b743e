"""One denoising job reduced to its steps: the product's own loop, and the loop of diffusers' pipelines, from the same start."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.ml.bench.networks import SCHEDULER, Networks
from outfitswap_desktop.ml.diffusion.conditions import Accelerator, Forward, Shape

if TYPE_CHECKING:
    from torch import Tensor

Size = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What both loops start from: noise (images, 4, h, w) float32, mask and masked image (1, 5, h, w), the prompt's embeddings.

    `embeds` (2, 77, width): unguided, then guided; `added` (2, width) and `time_ids` (2, 6) for sdxl, else None.
    """

    size: Size
    images: int
    noise: Tensor
    known: Tensor
    embeds: Tensor
    added: Tensor | None
    time_ids: Tensor | None


def make_start(networks: Networks, size: Size, *, images: int = 1) -> Start:
    """Random inputs for a picture of `size` (width, height)."""
    import torch

    weight = networks.unet.conv_in.weight
    device, dtype = weight.device, weight.dtype
    generator = torch.Generator("cpu").manual_seed(7)
    width, height = size[0] // 8, size[1] // 8

    def random(*shape: int) -> Any:
        return torch.randn(shape, generator=generator).to(device)

    mask = torch.zeros(1, 1, height, width, device=device)
    mask[..., height // 4 : -height // 4, width // 4 : -width // 4] = 1.0
    config = networks.unet.config
    added = time_ids = None
    if networks.wide:
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        added = random(2, pooled).to(dtype)
        time_ids = torch.tensor([[size[1], size[0], 0, 0, size[1], size[0]]] * 2, device=device).to(dtype)
    return Start(
        size,
        images,
        random(images, 4, height, width),
        torch.cat([mask, random(1, 4, height, width)], 1).to(dtype),
        random(2, 77, config.cross_attention_dim).to(dtype),
        added,
        time_ids,
    )


class OurLoop:
    """The product's loop around the UNet of `networks`; forwards are wrapped once per shape, as an engine keeps them.

    On CUDA the UNet's weights go channels last, as ml.diffusion.residence loads them.
    """

    def __init__(self, networks: Networks, accelerator: Accelerator) -> None:
        import torch

        from outfitswap_desktop.ml.diffusion import unet as nets

        if networks.unet.device.type == "cuda":
            networks.unet.to(memory_format=torch.channels_last)
        self.networks = networks
        self.accelerator = accelerator
        self._lean = nets.read(networks.unet)
        self._wrapped: dict[Hashable, Forward] = {}

    def job(
        self,
        start: Start,
        *,
        steps: int,
        guidance: float,
        report: Callable[[float], None] = lambda _: None,
        cancel: CancelToken | None = None,
    ) -> Callable[[], Tensor]:
        """A call that runs all steps; everything that a job makes before its first step is made here."""
        import torch

        from outfitswap_desktop.ml.diffusion import unet as nets
        from outfitswap_desktop.ml.diffusion.loop import Guidance, Loop, Net
        from outfitswap_desktop.ml.diffusion.schedule import make_schedule

        schedule = make_schedule(SCHEDULER, "euler", steps=steps)
        guided = guidance > 1.0
        times = [step.time for step in schedule.steps]
        lean, images = self._lean, start.images
        with torch.inference_mode():
            added = start.added.repeat_interleave(images, 0) if start.added is not None else None
            ids = start.time_ids.repeat_interleave(images, 0) if start.time_ids is not None else None
            table = nets.time_table(lean, times, added=added, time_ids=ids, rows=2 * images)
            keys = nets.prompt_keys(lean, start.embeds, images=images, picture=None)
            loop = Loop(
                Net(lean, keys, table),
                (),
                schedule,
                guidance=Guidance(guidance, range(steps if guided else 0)),
                known=start.known,
                images=images,
                wrap=lambda forward, rows, extras: self._wrap(forward, start, rows=rows, extras=extras),
            )

        def run() -> Tensor:
            with torch.inference_mode():
                noise = start.noise * schedule.noise
                return loop.run(noise, noise=None, report=report, cancel=cancel or CancelToken())

        return run

    def _wrap(self, forward: Forward, start: Start, *, rows: int, extras: Hashable) -> Forward:
        shape = Shape(self.networks.family, rows, start.size, str(start.known.dtype), extras)
        if shape not in self._wrapped:
            self._wrapped[shape] = self.accelerator.wrap(forward, module=self.networks.unet, shape=shape)
        return self._wrapped[shape]


def plain_run(networks: Networks, start: Start, *, steps: int, guidance: float) -> Callable[[], Tensor]:
    """A call that runs all steps as StableDiffusion(XL)InpaintPipeline.__call__ of diffusers 0.42 does."""
    import torch
    from diffusers import EulerDiscreteScheduler

    fresh = EulerDiscreteScheduler(**{name: value for name, value in SCHEDULER.items() if name != "set_alpha_to_one"})
    device, dtype = start.known.device, start.known.dtype
    guided = guidance > 1.0
    halves = 2 if guided else 1
    fresh.set_timesteps(steps, device=device)
    mask, masked = (
        part.expand(start.images, -1, -1, -1).repeat(halves, 1, 1, 1) for part in start.known.split((1, 4), 1)
    )
    embeds = start.embeds[2 - halves :].repeat_interleave(start.images, 0)
    extra: dict[str, Any] = {}
    if start.added is not None and start.time_ids is not None:
        extra = {
            "added_cond_kwargs": {
                "text_embeds": start.added[2 - halves :].repeat_interleave(start.images, 0),
                "time_ids": start.time_ids[2 - halves :].repeat_interleave(start.images, 0),
            }
        }

    def run() -> Tensor:
        scheduler = copy.copy(fresh)
        latents = (start.noise * scheduler.init_noise_sigma).to(dtype)
        with torch.no_grad():
            for time in scheduler.timesteps:
                doubled = torch.cat([latents] * 2) if guided else latents
                doubled = scheduler.scale_model_input(doubled, time)
                doubled = torch.cat([doubled, mask, masked], dim=1)
                e = networks.unet(
                    doubled,
                    time,
                    encoder_hidden_states=embeds,
                    timestep_cond=None,
                    cross_attention_kwargs=None,
                    return_dict=False,
                    **extra,
                )[0]
                if guided:
                    plain, asked = e.chunk(2)
                    e = plain + guidance * (asked - plain)
                latents = scheduler.step(e, time, latents, return_dict=False)[0]
        return latents

    return run


def difference(found: Tensor, exact: Tensor) -> float:
    """Relative error in float32; infinite where something is not finite."""
    from outfitswap_desktop.ml.speed.compiled import relative_error

    return relative_error(found, exact)
