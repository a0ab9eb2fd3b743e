"""Each pass of a job, run at full size without computing: text, garment picture, encode, one denoising step, decode.

The shapes are those that the engines hand to the same modules. Qwen's text encoder is rehearsed without its eyes: what
it sees of the pictures comes in as tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.ml.budget import meta
from outfitswap_desktop.ml.budget.architectures import (
    Architectures,
    EngineParts,
    architectures,
    build,
    ip_adapter_shapes,
)
from outfitswap_desktop.ml.diffusion.tiles import tile

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

Size = tuple[int, int]
CLIP_TOKENS: Final = 77
KLEIN_TOKENS: Final = 512
"""Flux2KleinInpaintPipeline.tokenizer_max_length."""
QWEN_TOKENS: Final = 1024
"""The template, a long prompt and two pictures of 384 x 384 in patches of 28 are below 600 tokens; with room to spare."""
REFERENCE_PIXELS: Final = 1024 * 1024
"""Both stock pipelines shrink a reference picture to this area."""
PROMPT_TOKENS: Final = 16
"""Tokens that an IP-Adapter "plus" makes of a garment picture."""


@dataclass(frozen=True, slots=True)
class Step:
    """The shape of one denoising step: `rows` = images times guided halves; `reference` = a garment picture goes along."""

    size: Size
    rows: int
    controls: int = 0
    reference: bool = False


@dataclass(slots=True)
class Rehearsal:
    """The networks of one engine on the meta device (or a real one), made when first needed, in torch's type `dtype`.

    A method makes its inputs, runs the pass and returns what the next pass would keep. Call them inside `meta.track` or
    through `measure`.
    """

    engine: str
    dtype: str
    known: Architectures = field(default_factory=architectures)
    device: str = "meta"
    _made: dict[str, Module] = field(default_factory=dict)
    _read: dict[int, Any] = field(default_factory=dict)

    @property
    def parts(self) -> EngineParts:
        """Names of the engine's components."""
        return self.known.engines[self.engine]

    def module(self, name: str, *, variant: str = "") -> Module:
        """The component's module; each `variant` is one of its own (an adapter inside, tiles switched on)."""
        key = f"{name} {variant}"
        if key not in self._made:
            self._made[key] = build(self.known.components[name], dtype=self.dtype, device=self.device)
        return self._made[key]

    def painter(self, *, reference: bool = False) -> Module:
        """The denoising network; for a UNet with `reference`, the IP-Adapter is inside."""
        if not (reference and self.parts.adapter):
            return self.module(self.parts.painter)
        fresh = f"{self.parts.painter} adapter" not in self._made
        unet = self.module(self.parts.painter, variant="adapter")
        if fresh:
            self._load_adapter(unet)
        return unet

    def _load_adapter(self, unet: Any) -> None:
        import torch

        shapes = ip_adapter_shapes(self.known.components[self.parts.adapter].config, unet)
        groups: dict[str, dict[str, Any]] = {"image_proj": {}, "ip_adapter": {}}
        with torch.device(self.device):
            for key, shape in shapes.items():
                group, _, name = key.partition(".")
                groups[group][name] = torch.empty(shape)
            unet._load_ip_adapter_weights([groups], low_cpu_mem_usage=False)
        unet.to(getattr(torch, self.dtype)).requires_grad_(False)

    def controls(self, count: int) -> list[Module]:
        """The first `count` ControlNets, as modules of their own."""
        return [self.module(name, variant=f"control{place}") for place, name in enumerate(self.parts.controls[:count])]

    def vae(self, *, tiled: bool = False) -> Any:
        """The VAE; with `tiled`, one that works in tiles of TILE pixels."""
        vae: Any = self.module(self.parts.vae, variant="tiled" if tiled else "")
        if tiled:
            tile(vae, wanted=True)
        return vae

    def texts(self) -> list[Module]:
        """The text encoders."""
        return [self.module(name) for name in self.parts.text]

    def modules(self) -> list[Module]:
        """Everything made so far."""
        return list(self._made.values())

    # --- the passes -------------------------------------------------------------------------------------------------

    def text(self, rows: int) -> Any:
        """Encode `rows` prompts (the negative one counts); what the steps need of it."""
        if self.engine == "klein":
            return [self._qwen3() for _ in range(rows)]
        if self.engine == "qwen":
            encoder: Any = self.texts()[0]
            return [
                encoder.model.language_model(
                    inputs_embeds=self._empty(1, QWEN_TOKENS, encoder.config.text_config.hidden_size),
                    position_ids=self._whole(3, 1, QWEN_TOKENS),
                    use_cache=False,
                    output_hidden_states=True,
                ).hidden_states[-1]
                for _ in range(rows)
            ]
        kept: list[Any] = []
        for encoder in self.texts():
            made = encoder(self._whole(rows, CLIP_TOKENS), output_hidden_states=True)
            kept.append(made.hidden_states[-2])
            kept.append(made[0])
        return kept

    def _qwen3(self) -> Tensor:
        import torch

        encoder: Any = self.texts()[0]
        seen = torch.empty(1, 1, KLEIN_TOKENS, KLEIN_TOKENS, dtype=torch.bool, device=self.device)
        places = self._whole(1, KLEIN_TOKENS)
        made = encoder(places, attention_mask=seen, position_ids=places, output_hidden_states=True, use_cache=False)
        return torch.cat([made.hidden_states[layer] for layer in (9, 18, 27)], dim=-1)

    def picture(self) -> Any:
        """The garment picture and an empty one through the IP-Adapter's image encoder: the hidden states that are kept."""
        encoder: Any = self.module(self.parts.image)
        return encoder(self._empty(2, 3, 224, 224), output_hidden_states=True).hidden_states[-2]

    def encode(self, size: Size, *, tiled: bool = False) -> Any:
        """One picture of `size` (width, height) into latents."""
        width, height = size
        shape = (1, 3, 1, height, width) if self.engine == "qwen" else (1, 3, height, width)
        return self.vae(tiled=tiled).encode(self._empty(*shape)).latent_dist.mode()

    def decode(self, size: Size, *, images: int = 1, tiled: bool = False) -> Any:
        """Latents of `images` pictures of `size` into pixels."""
        width, height = size
        vae = self.vae(tiled=tiled)
        channels = 16 if self.engine == "qwen" else vae.config.latent_channels
        frames = (1,) if self.engine == "qwen" else ()
        return vae.decode(self._empty(images, channels, *frames, height // 8, width // 8), return_dict=False)[0]

    def step(self, step: Step) -> Any:
        """One pass of the denoising network, the ControlNets before it."""
        if self.parts.family == "unet":
            return self._unet_step(step)
        return self._klein_step(step) if self.engine == "klein" else self._qwen_step(step)

    def _unet_step(self, step: Step) -> Any:
        """The loop's own forward (ml.diffusion.loop) with the constants that it keeps during a job."""
        from outfitswap_desktop.ml.diffusion import loop, unet

        lean = self._lean(self.painter(reference=step.reference))
        nets = [self._lean(net) for net in self.controls(step.controls)]
        width, height = step.size[0] // 8, step.size[1] // 8
        config = lean.module.config
        context = self._empty(step.rows, CLIP_TOKENS, config.cross_attention_dim)
        tokens = self._empty(step.rows, PROMPT_TOKENS, config.cross_attention_dim)
        constants = [*unet.prompt_keys(lean, context, images=1, picture=(tokens, 0.5) if step.reference else None)]
        for net in nets:
            constants += [self._empty(1, net.conv_in.weight.shape[0], height, width), self._empty()]
            constants += unet.prompt_keys(net, context, images=1, picture=None)
        forward = loop.forward_of(lean, nets, keys_each=4 if step.reference else 2)
        widths = sum(sum(net.widths) for net in (lean, *nets))
        times = self._empty(step.rows, widths, 1, 1)
        return forward(self._empty(step.rows, config.in_channels, height, width), times, *constants)

    def _lean(self, net: Module) -> Any:
        from outfitswap_desktop.ml.diffusion import unet

        key = id(net)
        if key not in self._read:
            self._read[key] = unet.read(net)
        return self._read[key]

    def plain_step(self, size: Size, rows: int) -> Any:
        """A denoising step of a UNet through diffusers' own forward, at any `size` in multiples of 8."""
        unet: Any = self.module(self.parts.painter, variant="plain")
        sample = self._empty(rows, unet.config.in_channels, size[1] // 8, size[0] // 8)
        context = self._empty(rows, CLIP_TOKENS, unet.config.cross_attention_dim)
        extra = self._conditions(unet, rows) or None
        return unet(sample, self._empty(1), context, added_cond_kwargs=extra, return_dict=False)[0]

    def _conditions(self, unet: Any, rows: int) -> dict[str, Any]:
        if unet.config.addition_embed_type != "text_time":
            return {}
        return {"text_embeds": self._empty(rows, 1280), "time_ids": self._empty(rows, 6)}

    def _klein_step(self, step: Step) -> Any:
        painter: Any = self.painter()
        tokens = klein_tokens(step)
        return painter(
            hidden_states=self._empty(step.rows, tokens, 128),
            encoder_hidden_states=self._empty(step.rows, KLEIN_TOKENS, 7680),
            timestep=self._empty(step.rows),
            img_ids=self._empty(step.rows, tokens, 4),
            txt_ids=self._empty(step.rows, KLEIN_TOKENS, 4),
            guidance=None,
            return_dict=False,
        )[0]

    def _qwen_step(self, step: Step) -> Any:
        painter: Any = self.painter()
        width, height = step.size[0] // 16, step.size[1] // 16
        shapes = [(1, height, width), (1, height, width), *([(1, 64, 64)] if step.reference else [])]
        tokens = sum(frames * rows * columns for frames, rows, columns in shapes)
        return painter(
            hidden_states=self._empty(step.rows, tokens, 64),
            encoder_hidden_states=self._empty(step.rows, QWEN_TOKENS, 3584),
            encoder_hidden_states_mask=None,
            timestep=self._empty(step.rows),
            img_shapes=[shapes] * step.rows,
            return_dict=False,
        )[0]

    def _empty(self, *shape: int) -> Tensor:
        import torch

        return torch.empty(shape, dtype=getattr(torch, self.dtype), device=self.device)

    def _whole(self, *shape: int) -> Tensor:
        import torch

        return torch.empty(shape, dtype=torch.long, device=self.device)

    # --- measuring --------------------------------------------------------------------------------------------------

    def measure(self, run: Callable[[], Any]) -> tuple[int, int]:
        """Peak bytes above the weights, and FLOPs, of `run`, one of the passes.

        A run that had to make modules first is not counted, but made again.
        """
        while True:
            before = len(self._made) + len(self._read)
            with meta.track(*self.modules()) as tracker:
                made = run()
                del made
            if len(self._made) + len(self._read) == before:
                return tracker.peak, tracker.flops


def klein_tokens(step: Step) -> int:
    """Picture tokens of klein's step: the latents, the encoded crop, and the garment picture."""
    own = step.size[0] * step.size[1] // 256
    return 2 * own + (REFERENCE_PIXELS // 256 if step.reference else 0)
