"""One job's latents twice, by diffusers' own inpainting pipelines and by our loop, from the same noise, prompt and picture."""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image

from outfitswap_desktop.core.job import CancelToken

SIDE = 64
NEGATIVE, PROMPT = "blurry", "a photo of a person wearing navy linen"


@dataclass
class Pair:
    """A plain pipeline and our nets over the same modules; `latents` starts both."""

    pipe: object
    family: str
    sampler: str
    images: int = 1
    guidance: float = 7.5

    def __post_init__(self):
        import torch

        from outfitswap_desktop.ml.diffusion import unet as nets

        draw = torch.Generator().manual_seed(5)
        cells = SIDE // 8
        self.config = dict(self.pipe.scheduler.config)
        self.latents = torch.randn(self.images, 4, cells, cells, generator=draw)
        self.masked = torch.randn(1, 4, cells, cells, generator=draw)
        self.mask = np.zeros((SIDE, SIDE), np.uint8)
        self.mask[16:48, 8:40] = 255
        self.sampled = scheduler(self.config, self.sampler)
        self.lean = nets.read(self.pipe.unet)
        with torch.inference_mode():
            self.prompt = self.pipe.encode_prompt(
                PROMPT,
                device="cpu",
                num_images_per_prompt=1,
                do_classifier_free_guidance=True,
                negative_prompt=NEGATIVE,
            )

    def plain(self, steps):
        """What diffusers' pipeline makes, without progress bar."""
        names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
        given = {name: value.clone() for name, value in zip(names, self.prompt, strict=False)}
        self.pipe.scheduler = self.sampled
        return self.pipe(
            image=Image.new("RGB", (SIDE, SIDE)),
            mask_image=Image.fromarray(self.mask),
            masked_image_latents=self.masked.repeat(self.images, 1, 1, 1),
            latents=self.latents.clone(),
            height=SIDE,
            width=SIDE,
            num_inference_steps=steps,
            num_images_per_prompt=self.images,
            strength=1.0,
            guidance_scale=self.guidance,
            output_type="latent",
            **given,
        ).images

    def ours(self, steps):
        """What our loop makes, with all that a job prepares before its first step."""
        import torch

        from outfitswap_desktop.ml.diffusion import unet as nets
        from outfitswap_desktop.ml.diffusion.loop import Guidance, Loop, Net
        from outfitswap_desktop.ml.diffusion.schedule import make_schedule

        schedule = make_schedule(self.config, self.sampler, steps=steps)
        rows = 2 * self.images
        with torch.inference_mode():
            embeds = torch.cat([self.prompt[1], self.prompt[0]])
            added = ids = None
            if self.family == "sdxl":
                added = torch.cat([self.prompt[3], self.prompt[2]]).repeat_interleave(self.images, 0)
                ids = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]] * rows, dtype=torch.float32)
            times = [step.time for step in schedule.steps]
            table = nets.time_table(self.lean, times, added=added, time_ids=ids, rows=rows)
            keys = nets.prompt_keys(self.lean, embeds, images=self.images, picture=None)
            cells = torch.from_numpy(self.mask[::8, ::8].copy())[None, None].float() / 255.0
            loop = Loop(
                Net(self.lean, keys, table),
                (),
                schedule,
                guidance=Guidance(self.guidance, range(steps)),
                known=torch.cat([cells, self.masked], 1),
                images=self.images,
                wrap=lambda forward, rows, extras: forward,
            )
            return loop.run(self.latents * schedule.noise, noise=None, report=lambda done: None, cancel=CancelToken())


def scheduler(config, sampler):
    """diffusers' scheduler of one of our samplers."""
    import diffusers

    kinds = {
        "dpmpp_2m_karras": (diffusers.DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
        "euler": (diffusers.EulerDiscreteScheduler, {}),
        "ddim": (diffusers.DDIMScheduler, {}),
        "lcm": (diffusers.LCMScheduler, {}),
    }
    kind, changes = kinds[sampler]
    return kind.from_config(config, **changes)


def plain_pipeline(folder, family):
    """diffusers' pipeline from a folder, in float32, silent."""
    import diffusers
    import torch

    kinds = {
        "sd15": diffusers.StableDiffusionInpaintPipeline,
        "sdxl": diffusers.StableDiffusionXLInpaintPipeline,
    }
    with quiet():
        pipe = kinds[family].from_pretrained(
            folder, variant="fp16", local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@contextmanager
def quiet():
    """Without the libraries' progress bars."""
    from diffusers.utils import logging as ours
    from transformers.utils import logging as theirs

    ours.disable_progress_bar()
    theirs.disable_progress_bar()
    yield
