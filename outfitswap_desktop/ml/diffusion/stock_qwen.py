"""Qwen-Image-Edit: the stock pipelines take a mask or a garment picture, not both, so that each painting chooses.

Words go to the inpaint pipeline. A garment picture goes to the one for several pictures, and its step callback holds the
surroundings of the mask where the inpaint pipeline would: else these edit weights move the whole frame.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.compose import resize
from outfitswap_desktop.ml.diffusion.conditions import Counters
from outfitswap_desktop.ml.diffusion.lora import lora_file
from outfitswap_desktop.ml.diffusion.stock_parts import (
    TOKEN,
    Latents,
    OnePipeline,
    OnStep,
    Painting,
    Words,
    damaged,
    digest,
    load,
    pictures,
    watcher,
    without_head,
)

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

GARMENT_PROMPT: Final = (
    "The person in Picture 1 now wears the garment of Picture 2.{words} Keep the person, the pose, the body, the light and "
    "everything else of Picture 1 as they are."
)
READ_AREA: Final = 384 * 384
"""Pixels at which the text encoder sees the pictures (CONDITION_IMAGE_SIZE of diffusers' QwenImageEditPlusPipeline)."""
CANVAS: Final = 1024 * 1024
"""Pixels that both pipelines paint at whatever they are given (their constant), and that `_at_size` replaces."""
LIGHTNING_SHIFT: Final = math.log(3.0)
"""The Lightning weights were distilled with this constant shift of the noise levels, and no stretch to a last level
(published beside lightx2v/Qwen-Image-Lightning)."""


def pipeline_classes(latents: Latents, device: str) -> tuple[Any, Any]:
    """The two stock pipelines, (inpaint, several pictures), that keep encoded pictures and compute on `device`.

    The inpaint pipeline draws a sample from the VAE's distribution with the first image's generator, so that an image's noise
    would depend on its place in the batch; here both take the mean.
    """
    import torch
    from diffusers import QwenImageEditInpaintPipeline, QwenImageEditPlusPipeline

    def mean(pipe: Any, image: Any, generator: Any) -> Any:
        stock = QwenImageEditPlusPipeline._encode_vae_image
        return latents.of(image, lambda picture: stock(pipe, picture, None), vae=pipe.vae)

    own = {"_execution_device": torch.device(device), "_encode_vae_image": mean}
    return (
        type("KeptInpaint", (QwenImageEditInpaintPipeline,), own),
        type("KeptPlus", (QwenImageEditPlusPipeline,), own),
    )


class Qwen(OnePipeline):
    """Qwen-Image-Edit from `folder` (published diffusers layout) with the few-step weights of the folder `lightning`."""

    def __init__(
        self, folder: Path, *, device: str, dtype: str, counters: Counters, lightning: Path | None = None
    ) -> None:
        self.latents = Latents(counters)
        self._counters = counters
        self._device = device
        inpaint, plus = pipeline_classes(self.latents, device)
        super().__init__(load(plus, folder, dtype=dtype), garment_prompt=GARMENT_PROMPT)
        without_head(self._pipe.text_encoder)
        self._inpaint = inpaint(**self._pipe.components)
        self._inpaint.set_progress_bar_config(disable=True)
        self._scheduler = self._pipe.scheduler
        self._adapter = Adapter(self.painter, lightning, device=device, dtype=dtype) if lightning is not None else None

    def heeds_guidance(self) -> bool:
        return True

    def heeds_strength(self, painting: Painting) -> bool:
        return painting.garment is None

    def words_key(self, painting: Painting) -> Hashable:
        negative = painting.negative if painting.guidance > 1.0 else None
        return painting.prompt, negative, *(digest(p.tobytes()) + str(p.shape).encode() for p in _read(painting))

    def encode(self, painting: Painting) -> Words:
        import torch
        from PIL import Image

        seen = [Image.fromarray(_for_reading(picture)) for picture in _read(painting)]
        with torch.no_grad():
            prompt, mask = self._encoded(painting.prompt, seen)
            if painting.guidance <= 1.0:
                return Words(prompt, mask)
            return Words(prompt, mask, *self._encoded(painting.negative or " ", seen))

    def _encoded(self, prompt: str, seen: list[Any]) -> tuple[Any, Any]:
        self._counters.text_encodes += 1
        prompt_embeds, mask = self._pipe.encode_prompt(prompt, image=seen)
        return prompt_embeds, mask

    def paint(self, painting: Painting, words: Words, *, seeds: tuple[int, ...], on_step: OnStep) -> list[RGB]:
        import torch

        with torch.no_grad():
            return self._painted(painting, words, seeds, on_step)

    def _painted(self, painting: Painting, words: Words, seeds: tuple[int, ...], on_step: OnStep) -> list[RGB]:
        import torch

        pipe = self._inpaint if painting.garment is None else self._pipe
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        own = self._masked(painting) if painting.garment is None else self._dressed(painting, words, generators)
        hold = own.pop("hold", None)
        shared = {
            "prompt_embeds": words.prompt,
            "prompt_embeds_mask": words.mask,
            "negative_prompt_embeds": words.negative,
            "negative_prompt_embeds_mask": words.negative_mask,
            "true_cfg_scale": painting.guidance if words.negative is not None else 1.0,
            "num_inference_steps": painting.steps,
            "num_images_per_prompt": len(seeds),
            "generator": generators,
            "output_type": "np",
            "callback_on_step_end": watcher(on_step, hold),
        }
        pipe.scheduler = self._noise_levels(few=painting.few)
        try:
            with self._few(painting.few):
                made = _at_size(type(pipe), painting.size)(pipe, **shared, **own)
        finally:
            pipe.maybe_free_model_hooks()
        self._counters.decodes += 1
        return pictures(np.asarray(made.images))

    def describe(self, painting: Painting) -> Mapping[str, Any]:
        name = "QwenImageEditInpaintPipeline" if painting.garment is None else "QwenImageEditPlusPipeline"
        return {"pipeline": name, "lora": "qwen-lightning" if painting.few and self._adapter is not None else None}

    def _masked(self, painting: Painting) -> dict[str, Any]:
        import torch
        from PIL import Image

        width, height = painting.size
        unused = torch.zeros(1, self._inpaint.latent_channels, 1, height // 8, width // 8)
        return {
            "image": Image.fromarray(painting.crop),
            "mask_image": Image.fromarray(painting.mask),
            "masked_image_latents": unused,  # the loop never reads them; without them the crop is encoded once more
            "strength": painting.strength,
        }

    def _dressed(self, painting: Painting, words: Words, generators: list[Any]) -> dict[str, Any]:
        """Arguments for crop and garment; "hold" keeps the surroundings of the mask at the crop's, noised, after each step."""
        import torch
        from diffusers.utils.torch_utils import randn_tensor
        from PIL import Image

        assert painting.garment is not None
        pipe, count = self._pipe, len(generators)
        width, height = painting.size
        channels, shape = pipe.latent_channels, (len(generators), 1, pipe.latent_channels, height // 8, width // 8)
        dtype, device = words.prompt.dtype, torch.device(self._device)
        drawn = randn_tensor(shape, generator=generators, device=device, dtype=dtype)
        noise = pipe._pack_latents(drawn, count, channels, height // 8, width // 8)
        crop = pipe.image_processor.preprocess(Image.fromarray(painting.crop), height, width).unsqueeze(2)
        known = pipe._encode_vae_image(crop.to(device=device, dtype=dtype), None)
        known = pipe._pack_latents(known, 1, channels, height // 8, width // 8)
        inside = torch.from_numpy(np.ascontiguousarray(painting.mask[::TOKEN, ::TOKEN] > 0)).to(device)
        inside = inside.reshape(1, -1, 1)

        def hold(scheduler: Any, step: int, latents: Tensor) -> Tensor:
            level = scheduler.sigmas[step + 1].to(device=latents.device, dtype=latents.dtype)
            return torch.where(inside, latents, (1.0 - level) * known + level * noise)

        pictures_in = [Image.fromarray(painting.crop), Image.fromarray(painting.garment)]
        return {"image": pictures_in, "latents": noise, "width": width, "height": height, "hold": hold}

    def _few(self, wanted: bool) -> Any:
        import contextlib

        return self._adapter if wanted and self._adapter is not None else contextlib.nullcontext()

    def _noise_levels(self, *, few: bool) -> Any:
        if not few or self._adapter is None:
            return self._scheduler
        from diffusers import FlowMatchEulerDiscreteScheduler

        return FlowMatchEulerDiscreteScheduler.from_config(
            self._scheduler.config,
            base_shift=LIGHTNING_SHIFT,
            max_shift=LIGHTNING_SHIFT,
            shift=1.0,
            shift_terminal=None,
            use_dynamic_shifting=True,
            time_shift_type="exponential",
        )


class Adapter:
    """Few-step weights as low-rank additions beside the painter's linear layers, in use inside a `with` block.

    The layers themselves stay what they are, and may be streamed. Raises NotAvailable when `folder` does not hold one
    safetensors file with layers of the painter.
    """

    def __init__(self, painter: Module, folder: Path, *, device: str, dtype: str) -> None:
        import torch
        from diffusers import QwenImageEditPlusPipeline
        from safetensors.torch import load_file

        tensors = QwenImageEditPlusPipeline.lora_state_dict(load_file(lora_file(folder)))
        self._layers: list[tuple[Any, Tensor, Tensor]] = []
        self._handles: list[Any] = []
        modules = dict(painter.named_modules())
        for key in sorted(k for k in tensors if k.endswith(".lora_A.weight")):
            name = key.removesuffix(".lora_A.weight")
            layer = modules.get(name.removeprefix("transformer."))
            if not isinstance(layer, torch.nn.Linear):
                raise damaged(folder.name, f"{name} belongs to no layer of this engine")
            kind = {"device": device, "dtype": getattr(torch, dtype)}
            self._layers.append((layer, tensors[key].to(**kind), tensors[f"{name}.lora_B.weight"].to(**kind)))

    def __enter__(self) -> None:
        self._handles = [layer.register_forward_hook(_adding(a, b)) for layer, a, b in self._layers]

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []


def _adding(down: Tensor, up: Tensor) -> Callable[..., Tensor]:
    def hook(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output + (inputs[0] @ down.T) @ up.T

    return hook


def _read(painting: Painting) -> tuple[RGB, ...]:
    return (painting.crop,) if painting.garment is None else (painting.crop, painting.garment)


def _for_reading(picture: RGB) -> RGB:
    height, width = picture.shape[:2]
    return resize(picture, _sides(READ_AREA, width / height, multiple=32))


def _sides(area: float, ratio: float, *, multiple: int) -> tuple[int, int]:
    """(width, height) of about `area` pixels and width to height as `ratio`, both multiples of `multiple`."""
    width = math.sqrt(area * ratio)
    return (
        max(multiple, round(width / multiple) * multiple),
        max(multiple, round(width / ratio / multiple) * multiple),
    )


def _at_size(pipeline: Any, size: tuple[int, int]) -> Callable[..., Any]:
    """The pipeline's call, painting at `size` (width, height) instead of at about one megapixel in steps of 32.

    WORKAROUND(https://github.com/huggingface/diffusers): the inpaint pipeline has no argument for it, and a crop that is
    resized to another aspect no longer lies on its own pixels. Only this copy of the function sees the other arithmetic.
    """
    call = inspect.unwrap(pipeline.__call__)
    more = call.__globals__["calculate_dimensions"](CANVAS, 1.0)[2:]

    def dimensions(area: int, ratio: float) -> tuple[Any, ...]:
        wanted = size
        if area != CANVAS:
            wanted = _sides(area, ratio, multiple=32)
        elif abs(ratio - size[0] / size[1]) > 1e-6:
            wanted = _sides(min(area, size[0] * size[1]), ratio, multiple=TOKEN)
        return *wanted, *more

    names = {**call.__globals__, "calculate_dimensions": dimensions}
    return types.FunctionType(call.__code__, names, call.__name__, call.__defaults__, call.__closure__)
