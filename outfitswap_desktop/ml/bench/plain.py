"""The baselines: diffusers' own inpainting pipelines around the same weights, called as its documentation shows.

B0 is the plain call with defaults; B1 the documented fast recipe; B2 what IOPaint does with a large photo: the plain call on
the whole padded photo, blended in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.ml.bench.networks import SCHEDULER, Networks, StubTokenizer
from outfitswap_desktop.ml.quiet import hush

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROMPT: Final = "a photo of a person wearing a navy pinstripe linen shirt"
NEGATIVE: Final = "blurry, deformed"
Size = tuple[int, int]


def plain_pipeline(networks: Networks) -> Any:
    """B0: the inpainting pipeline of the family around these networks, with nothing switched on."""
    hush()
    from diffusers import EulerDiscreteScheduler, StableDiffusionInpaintPipeline, StableDiffusionXLInpaintPipeline

    scheduler = EulerDiscreteScheduler(
        **{name: value for name, value in SCHEDULER.items() if name != "set_alpha_to_one"}
    )
    if networks.wide:
        made: Any = StableDiffusionXLInpaintPipeline(
            vae=networks.vae,
            text_encoder=networks.texts[0],
            text_encoder_2=networks.texts[1],
            tokenizer=StubTokenizer(),
            tokenizer_2=StubTokenizer(),
            unet=networks.unet,
            scheduler=scheduler,
            add_watermarker=False,
        )
    else:
        made = StableDiffusionInpaintPipeline(
            vae=networks.vae,
            text_encoder=networks.texts[0],
            tokenizer=StubTokenizer(),
            unet=networks.unet,
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    made.set_progress_bar_config(disable=True)
    return made


def picture_and_mask(size: Size, *, seed: int = 0) -> tuple[Any, Any]:
    """A random photo (RGB) and a mask of its middle, as the pictures that pipelines take."""
    import numpy as np
    from PIL import Image

    width, height = size
    photo = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    mask[height // 5 : -height // 5, width // 5 : -width // 5] = 255
    return Image.fromarray(photo), Image.fromarray(mask)


def call_plain(
    pipeline: Any,
    size: Size,
    *,
    steps: int,
    guidance: float,
    images: int = 1,
    latent: bool = False,
    strength: float = 1.0,
) -> Any:
    """One plain call: `images` pictures of `size` (width, height); latents instead of pictures with `latent`."""
    photo, mask = picture_and_mask(size)
    return pipeline(
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        image=photo,
        mask_image=mask,
        width=size[0],
        height=size[1],
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=guidance,
        num_images_per_prompt=images,
        generator=_seeded(),
        output_type="latent" if latent else "np",
    ).images


def call_whole(pipeline: Any, photo: NDArray[np.uint8], mask: NDArray[np.uint8], *, steps: int, guidance: float) -> Any:
    """B2: the whole photo (h, w, 3), padded to a multiple of 8 by repeating its edge, painted and blended in float64.

    As IOPaint's DiffusionInpaintModel does it unless its cropper is switched on (research, section 1.5).
    """
    import numpy as np
    from PIL import Image

    height, width = photo.shape[:2]
    pad = ((0, -height % 8), (0, -width % 8))
    padded, cover = np.pad(photo, (*pad, (0, 0)), mode="edge"), np.pad(mask, pad, mode="edge")
    painted = pipeline(
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        image=Image.fromarray(padded),
        mask_image=Image.fromarray(cover),
        width=padded.shape[1],
        height=padded.shape[0],
        strength=1.0,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=_seeded(),
        output_type="np",
    ).images[0]
    share = mask[..., None].astype(np.float64) / 255
    return (painted[:height, :width] * 255.0 * share + photo.astype(np.float64) * (1 - share)).round().astype(np.uint8)


def make_documented(pipeline: Any, *, device: str) -> None:
    """B1: channels last, fused projections, UNet and VAE decoder through torch.compile, as diffusers' page on speed has it."""
    import torch

    pipeline.unet.to(memory_format=torch.channels_last)
    pipeline.vae.to(memory_format=torch.channels_last)
    pipeline.fuse_qkv_projections()
    mode = "reduce-overhead" if device.startswith("cuda") else "default"
    pipeline.unet.compile(mode=mode, fullgraph=True)
    pipeline.vae.decoder.compile(mode=mode, fullgraph=True)


def _seeded() -> Any:
    import torch

    return torch.Generator("cpu").manual_seed(0)
