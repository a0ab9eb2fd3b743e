"""What the two stock engines share: what one painting is told, cached encodings, and where the parts lie meanwhile."""

from __future__ import annotations

import gc
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.diffusion.conditions import Counters, Plan
from outfitswap_desktop.ml.diffusion.tiles import tile
from outfitswap_desktop.ml.load import weight_files

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from outfitswap_desktop.ml.diffusion.stock_stream import BlockStream

TOKEN: Final = 16
"""Pixels that one token of either transformer covers: a VAE of factor 8, latents in patches of 2x2."""
_MARKS: Final = re.compile(r"<\|.*?\|>")
KEPT_WORDS: Final = 16
KEPT_PICTURES: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """One call of a pipeline: `crop` (h, w, 3) and `mask` (h, w) 0/255 in whole tokens, both at the size to paint at.

    `garment` (any, any, 3) with sides in whole tokens, or None. `prompt` is the whole sentence; `negative` is used where
    `guidance` is above 1. `strength` 0..1. `few` asks for the few-step weights.
    """

    crop: RGB
    mask: Mask
    garment: RGB | None
    prompt: str
    negative: str
    steps: int
    guidance: float
    strength: float
    few: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.crop.shape[1], self.crop.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """An encoded prompt (1, tokens, width), the tokens that count (None: all), and the same of the negative prompt."""

    prompt: Tensor
    mask: Tensor | None = None
    negative: Tensor | None = None
    negative_mask: Tensor | None = None

    def on(self, device: Any) -> Words:
        """The same on another device."""
        moved = (t.to(device) if t is not None else None for t in (self.mask, self.negative, self.negative_mask))
        return Words(self.prompt.to(device), *moved)


def plain(words: str) -> str:
    """`words` without what Qwen's tokenizers read as marks of their own ("<|im_end|>"), in single spaces."""
    return " ".join(_MARKS.sub(" ", words).split())


def with_garment(template: str, words: str) -> str:
    """`template` with `words` at {words} as a sentence of their own, or with nothing there."""
    words = plain(words).rstrip(".")
    return template.format(words=f" It is: {words}." if words else "")


OnStep = Callable[[int, int], None]
"""Called after each denoising step with its number from 1 and how many there are; raises to end the painting."""


class OnePipeline:
    """What both engines say of the pipeline that holds their modules; `garment_prompt` has a place for {words}."""

    def __init__(self, pipe: Any, *, garment_prompt: str) -> None:
        self._pipe = pipe
        self._garment_prompt = garment_prompt

    @property
    def text(self) -> Module:
        return self._module("text_encoder")

    @property
    def painter(self) -> Module:
        return self._module("transformer")

    @property
    def vae(self) -> Module:
        return self._module("vae")

    def _module(self, name: str) -> Module:
        found: Module = getattr(self._pipe, name)
        return found

    def sentence(self, words: str, *, template: str, garment: bool) -> str:
        """See StockEngine."""
        return with_garment(self._garment_prompt, words) if garment else template.format(prompt=plain(words))


class StockEngine(Protocol):
    """One family of stock pipelines, loaded: encodes words and paints. `text`, `painter` and `vae` are its modules."""

    latents: Latents

    @property
    def text(self) -> Module: ...
    @property
    def painter(self) -> Module: ...
    @property
    def vae(self) -> Module: ...

    def heeds_guidance(self) -> bool:
        """Whether a guidance above 1 changes anything."""
        ...

    def heeds_strength(self, painting: Painting) -> bool:
        """Whether a strength below 1 changes anything."""
        ...

    def sentence(self, words: str, *, template: str, garment: bool) -> str:
        """The whole prompt: `words` in the recipe's template, or what goes with a garment's picture."""
        ...

    def words_key(self, painting: Painting) -> Hashable:
        """What the encoded words depend on."""
        ...

    def encode(self, painting: Painting) -> Words:
        """Run the text encoder, which lies on the device."""
        ...

    def paint(self, painting: Painting, words: Words, *, seeds: tuple[int, ...], on_step: OnStep) -> list[RGB]:
        """One picture (h, w, 3) for each seed. Frees what the pipeline hooked up, whatever happens."""
        ...

    def describe(self, painting: Painting) -> Mapping[str, Any]:
        """For the receipt: pipeline and further weights that `painting` uses."""
        ...


class WordsCache:
    """The last encoded prompts, kept in main memory."""

    def __init__(self, limit: int = KEPT_WORDS) -> None:
        self._kept: OrderedDict[Hashable, Words] = OrderedDict()
        self._limit = limit

    def get(self, key: Hashable) -> Words | None:
        """The words of `key`, if they were encoded lately."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: Hashable, words: Words) -> None:
        """Keep a copy in main memory; the oldest ones go."""
        self._kept[key] = words.on("cpu")
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)


class Latents:
    """Pictures that the VAE has encoded lately: the stock pipelines encode the same crop anew in every call."""

    def __init__(self, counters: Counters) -> None:
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()
        self._counters = counters

    def of(self, image: Tensor, encode: Callable[[Tensor], Tensor], *, vae: Any) -> Tensor:
        """`encode(image)` for a picture (1, 3, ...), computed only if it is not the same as one of the last ones.

        `vae` is the one that encodes: in tiles it comes to other numbers than whole.
        """
        pixels = digest(image.float().cpu().numpy().tobytes())
        key = f"{tuple(image.shape)} {image.dtype} {vae.use_tiling}".encode() + pixels
        found = self._kept.get(key)
        if found is None:
            self._counters.latent_encodes += 1
            self._kept[key] = found = encode(image).cpu()
            while len(self._kept) > KEPT_PICTURES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found.to(image.device)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


@dataclass(slots=True)
class Seats:
    """Moves an engine's modules as a plan says; `device` is torch's name of where they compute.

    Text encoder and painter (the transformer) change places on the device where the plan offloads the text; where it
    offloads the painter too, this one stays in main memory and its blocks are streamed through the device one by one.
    """

    device: str
    _blocks: BlockStream | None = field(default=None, init=False)

    @property
    def streamed(self) -> bool:
        """Whether the painter's blocks are streamed now."""
        return self._blocks is not None

    def to_encode(self, engine: StockEngine, plan: Plan) -> None:
        """Seat the text encoder."""
        if plan.offload_text and not self.streamed:
            engine.painter.to("cpu")
            self.sweep()
        engine.text.to(self.device)

    def to_paint(self, engine: StockEngine, plan: Plan) -> None:
        """Seat painter and VAE."""
        if plan.offload_text:
            engine.text.to("cpu")
            self.sweep()
        self._stream(engine.painter, wanted=plan.offload_unet)
        if not self.streamed:
            engine.painter.to(self.device)
        engine.vae.to(self.device)
        tile(engine.vae, wanted=plan.tiled_vae)

    def clear(self, engine: StockEngine) -> None:
        """Take everything off the device."""
        self._stream(engine.painter, wanted=False)
        for module in (engine.text, engine.painter, engine.vae):
            module.to("cpu")
        gc.collect()  # what a broken-off pass left behind may hang in cycles
        self.sweep()

    def sweep(self) -> None:
        """Give back what torch keeps of the device's memory for later."""
        import torch

        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        elif self.device == "mps":
            torch.mps.empty_cache()

    def _stream(self, painter: Module, *, wanted: bool) -> None:
        from outfitswap_desktop.ml.diffusion.stock_stream import BlockStream

        if wanted and self._blocks is None:
            self._blocks = BlockStream(painter, device=self.device)
        elif not wanted and self._blocks is not None:
            self._blocks.stop()
            self._blocks = None


Hold = Callable[[Any, int, "Tensor"], "Tensor"]
"""From scheduler, step (from 0) and the latents after it to those to go on with."""


def watcher(on_step: OnStep, hold: Hold | None = None) -> Callable[..., dict[str, Any]]:
    """What diffusers calls after each step. An exception of `on_step` ends the call at once: setting its `interrupt`
    would still decode."""

    def ended(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        on_step(step + 1, pipe.num_timesteps)
        return {} if hold is None else {"latents": hold(pipe.scheduler, step, tensors["latents"])}

    return ended


def pictures(made: Any) -> list[RGB]:
    """The pipeline's answer (n, h, w, 3), float 0..1, as 8-bit pictures. Raises NotAvailable where numbers overflowed."""
    if not np.isfinite(made).all():
        raise NotAvailable(
            "The engine's numbers overflowed on this device.",
            reason="numbers_overflowed",
            hint="Try another engine; `outfitswap doctor` says what this device computes in.",
        )
    return [np.asarray(np.clip(picture * 255.0 + 0.5, 0, 255), np.uint8) for picture in made]


def digest(content: bytes) -> bytes:
    """A short fingerprint of bytes, for keys of caches."""
    return hashlib.blake2b(content, digest_size=16).digest()


def load(pipeline: Any, folder: Path, *, dtype: str) -> Any:
    """A stock pipeline from a folder in diffusers' layout: safetensors alone, no network, no foreign code.

    Raises NotAvailable ("weights_damaged") when a file is missing or unreadable, or when transformer and VAE have other
    keys than the library's: it would leave out what it does not know, and make up what it misses.
    """
    import torch
    from diffusers.utils import logging as diffusers_logging
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    kind = getattr(torch, dtype)
    try:
        loaded = pipeline.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=kind
        )
        strange = [key for part in ("transformer", "vae") for key in _strange(getattr(loaded, part), folder / part)]
    except (OSError, ValueError, KeyError, AttributeError, SafetensorError) as problem:
        raise damaged(folder.name, str(problem).splitlines()[0] if str(problem) else repr(problem)) from problem
    if strange:
        raise damaged(folder.name, f"the layer {strange[0]} and {len(strange) - 1} more do not fit")
    loaded.set_progress_bar_config(disable=True)
    for part in (loaded.transformer, loaded.vae, loaded.text_encoder):
        part.requires_grad_(False)
    return loaded


def _strange(module: Module, folder: Path) -> list[str]:
    """Keys that only the files of `folder` have, or only the module (counters of batches aside)."""
    from safetensors import safe_open

    held: set[str] = set()
    for file in weight_files(folder):
        with safe_open(file, framework="pt") as opened:
            held.update(opened.keys())
    return sorted(key for key in held ^ set(module.state_dict()) if not key.endswith("num_batches_tracked"))


def damaged(weights_id: str, why: str) -> NotAvailable:
    """What is raised for weights that cannot be loaded."""
    return NotAvailable(
        f"The weights {weights_id} cannot be used: {why.rstrip('.')}.",
        reason="weights_damaged",
        hint=f"Mend them with `outfitswap models verify {weights_id} --repair`.",
    )


def without_head(text: Any) -> None:
    """Take the layer from a text encoder that would guess the next word: a gigabyte of Qwen2.5-VL, and never asked here."""
    import torch

    text.lm_head = torch.nn.Identity()
