"""The product's engine and the plain pipeline around the same random networks, and whole jobs for both."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from outfitswap_desktop.core.job import CancelToken, Wishes
from outfitswap_desktop.core.steps import GenerationRequest
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.bench.networks import SCHEDULER, Networks, StubTokenizer, random_networks
from outfitswap_desktop.ml.bench.plain import NEGATIVE, plain_pipeline
from outfitswap_desktop.ml.device import Device
from outfitswap_desktop.ml.load import UnetBundle
from outfitswap_desktop.ml.recipes import recipes
from outfitswap_desktop.ml.speed.stepper import make_stepper

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from outfitswap_desktop.ml.diffusion.generator import DiffusionGenerator

Size = tuple[int, int]
WORDS: Final = (
    "navy pinstripe linen shirt",
    "red wool coat",
    "green silk blouse",
    "white cotton shirt",
    "denim jacket",
)


class NoWeights:
    """A store that can open nothing: the bench hands the networks over itself, with a VAE that is safe in half precision."""

    catalogue: Any = None

    def open(self, weights_id: str) -> Any:
        raise NotAvailable(f"{weights_id} is not installed.", reason="weights_missing")

    def installed(self) -> tuple[str, ...]:
        return ("sdxl-vae",)


class Engines:
    """Both sides of a comparison, on one device; `family` "sd15" or "sdxl".

    The VAE is computed in the engine's own type on our side (as with the VAE that is safe in half precision) and upcast on the
    plain side where diffusers does so (sdxl).
    """

    def __init__(self, family: str, *, device: Device, tiny: bool = False, compiling: bool = False) -> None:
        place, dtype = device.kind, device.dtype
        self.family = family
        self.device = device
        self.networks = random_networks(family, device=place, dtype=dtype, tiny=tiny)
        own = Networks(family, copy.deepcopy(self.networks.unet), copy.deepcopy(self.networks.vae), self.networks.texts)
        self.pipeline = plain_pipeline(own)
        if family == "sdxl":
            own.vae.register_to_config(force_upcast=True)
        self.generator = self._generator(compiling=compiling, tiny=tiny)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.generator.close()

    def _generator(self, *, compiling: bool, tiny: bool) -> DiffusionGenerator:
        from outfitswap_desktop.ml.diffusion.generator import DiffusionGenerator

        recipe = recipes()[self.family]
        if tiny:
            recipe = replace(recipe, buckets=((64, 64), (64, 128), (128, 64)), max_pixels=64 * 128)
        if self.device.kind == "cuda":
            import torch

            self.networks.unet.to(memory_format=torch.channels_last)
            self.networks.vae.to(memory_format=torch.channels_last)
        made = DiffusionGenerator(
            recipe,
            NoWeights(),
            negative=NEGATIVE,
            device=self.device,
            accelerator=make_stepper(self.device, compile_steps=compiling),
        )
        made._residence._bundle = UnetBundle(
            unet=self.networks.unet,
            vae=self.networks.vae,
            text_encoders=self.networks.texts,
            tokenizers=tuple(StubTokenizer() for _ in self.networks.texts),
            scheduler=SCHEDULER,
            weights={self.family: "random"},
            vae_safe=True,
            unet_folder=Path(),
        )
        return made

    def ours(self, request: GenerationRequest) -> NDArray[np.uint8]:
        """The product's answer to a request: a picture of the request's size."""
        return self.generator.generate(request, report=lambda _: None, cancel=CancelToken()).image

    def plain(self, size: Size, *, steps: int, guidance: float, prompt: str, seed: int) -> Any:
        """B0's answer: a picture of `size` (width, height)."""
        import torch

        from outfitswap_desktop.ml.bench.plain import picture_and_mask

        photo, mask = picture_and_mask(size, seed=seed)
        return self.pipeline(
            prompt=prompt,
            negative_prompt=NEGATIVE,
            image=photo,
            mask_image=mask,
            width=size[0],
            height=size[1],
            strength=1.0,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=torch.Generator("cpu").manual_seed(seed),
            output_type="np",
        ).images[0]


def request_of(
    size: Size, *, steps: int, guidance: float, prompt: str, seed: int, box: tuple[int, int, int, int] | None = None
) -> GenerationRequest:
    """A random crop of `size` (width, height) whose middle, or `box` (x0, y0, x1, y1), is to be painted."""
    import numpy as np

    from outfitswap_desktop.ml.bench.plain import picture_and_mask

    photo, mask = picture_and_mask(size, seed=seed)
    alpha = np.asarray(mask).copy()
    if box is not None:
        alpha[:] = 0
        alpha[box[1] : box[3], box[0] : box[2]] = 255
    return GenerationRequest(
        np.asarray(photo),
        alpha,
        Zone.TOP,
        prompt,
        seed=seed,
        steps=steps,
        wishes=Wishes(strength=1.0, guidance=guidance),
    )
