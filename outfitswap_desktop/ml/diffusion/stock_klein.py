"""FLUX.2-klein: the stock inpaint pipeline, which takes crop, mask and a garment picture in one call."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.ml.diffusion.conditions import Counters
from outfitswap_desktop.ml.diffusion.stock_parts import (
    Latents,
    OnePipeline,
    OnStep,
    Painting,
    Words,
    load,
    pictures,
    watcher,
    without_head,
)

if TYPE_CHECKING:
    pass

GARMENT_PROMPT: Final = (
    "Dress the person of image 1 in the garment of image 2.{words} Same person, same pose, same light, realistic fabric "
    "with natural folds."
)

LAYERS_READ: Final = 27
"""The pipeline reads the text encoder after 9, 18 and 27 of its 36 layers. One more stays, because the last one's answer is
normalised; the others are 1.6 GB that nothing needs."""


def pipeline_class(latents: Latents, device: str) -> Any:
    """The stock pipeline with two of its methods replaced: encoded pictures are kept, and the device is the one given.

    The stock one takes the device of its first module, which may be the text encoder waiting in main memory.
    """
    import torch
    from diffusers import Flux2KleinInpaintPipeline as Stock

    def encoded(pipe: Any, image: Any, generator: Any) -> Any:
        return latents.of(image, lambda picture: Stock._encode_vae_image(pipe, picture, generator), vae=pipe.vae)

    return type("KeptKlein", (Stock,), {"_execution_device": torch.device(device), "_encode_vae_image": encoded})


class Klein(OnePipeline):
    """FLUX.2-klein from `folder` (published diffusers layout); computes on `device` in `dtype`, torch's names."""

    def __init__(self, folder: Path, *, device: str, dtype: str, counters: Counters) -> None:
        self.latents = Latents(counters)
        self._counters = counters
        super().__init__(load(pipeline_class(self.latents, device), folder, dtype=dtype), garment_prompt=GARMENT_PROMPT)
        del self._pipe.text_encoder.model.layers[LAYERS_READ + 1 :]
        without_head(self._pipe.text_encoder)

    def heeds_guidance(self) -> bool:
        """False for the weights that were distilled to few steps: they were taught one guidance."""
        return not self._pipe.config.is_distilled

    def heeds_strength(self, painting: Painting) -> bool:
        return True

    def words_key(self, painting: Painting) -> Hashable:
        return painting.prompt, painting.negative if self._guided(painting) else None

    def encode(self, painting: Painting) -> Words:
        import torch

        with torch.no_grad():
            prompt = self._encoded(painting.prompt)
            return Words(prompt, negative=self._encoded(painting.negative) if self._guided(painting) else None)

    def _encoded(self, prompt: str) -> Any:
        self._counters.text_encodes += 1
        return self._pipe.encode_prompt(prompt)[0]

    def _guided(self, painting: Painting) -> bool:
        return painting.guidance > 1.0 and self.heeds_guidance()

    def paint(self, painting: Painting, words: Words, *, seeds: tuple[int, ...], on_step: OnStep) -> list[RGB]:
        import torch
        from PIL import Image

        try:
            made = self._pipe(
                image=Image.fromarray(painting.crop),
                mask_image=Image.fromarray(painting.mask),
                image_reference=Image.fromarray(painting.garment) if painting.garment is not None else None,
                prompt_embeds=words.prompt,
                negative_prompt_embeds=words.negative,
                guidance_scale=painting.guidance if words.negative is not None else 1.0,
                strength=painting.strength,
                num_inference_steps=painting.steps,
                num_images_per_prompt=len(seeds),
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
                output_type="np",
                callback_on_step_end=watcher(on_step),
            )
        finally:
            self._pipe.maybe_free_model_hooks()
        self._counters.decodes += 1
        return pictures(np.asarray(made.images))

    def describe(self, painting: Painting) -> Mapping[str, Any]:
        return {"pipeline": "Flux2KleinInpaintPipeline", "lora": None}
