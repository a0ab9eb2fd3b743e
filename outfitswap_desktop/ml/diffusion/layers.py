"""Reads the layers of a UNet or ControlNet of the families sd15 and sdxl, so that they can be called without their modules.

Weights stay the modules' own tensors; nothing is copied but query, key and value of each self-attention, which become views of
one product's weight, and the sums of two biases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(slots=True)
class Conv:
    """A convolution."""

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]


@dataclass(slots=True)
class Norm:
    """A group norm, or with 0 groups a layer norm."""

    groups: int
    weight: Tensor
    bias: Tensor
    eps: float


@dataclass(slots=True)
class Linear:
    """A linear layer."""

    weight: Tensor
    bias: Tensor | None


@dataclass(slots=True)
class Resnet:
    """Two convolutions with norms, the time embedding between them, and the way around."""

    norm1: Norm
    conv1: Conv
    """Its bias is in the time embedding."""
    norm2: Norm
    conv2: Conv
    shortcut: Conv | None
    """Its bias is in conv2's."""


@dataclass(slots=True)
class Block:
    """Self-attention, cross-attention and feed-forward."""

    norm1: Norm
    qkv: Linear
    out1: Linear
    norm2: Norm
    query: Linear
    out2: Linear
    norm3: Norm
    gate: Linear
    down: Linear
    heads: int
    heads2: int


@dataclass(slots=True)
class Transformer:
    """Blocks between two projections."""

    norm: Norm
    into: Linear
    blocks: list[Block]
    out: Linear


@dataclass(slots=True)
class Level:
    """ResNets, each with its transformer or None; then the change of scale."""

    resnets: list[tuple[Resnet, Transformer | None]]
    scale: Conv | None


@dataclass(slots=True)
class Lean:
    """The layers of one net; `embedders` are the linear layers of the time embedding in the order of use."""

    module: Any
    conv_in: Conv
    downs: list[Level]
    middle: Level
    ups: list[Level]
    norm_out: Norm | None
    conv_out: Conv | None
    taps: list[Conv]
    """A ControlNet's outputs: for each skip, then for the middle."""
    embedders: list[tuple[Any, Tensor]] = field(default_factory=list)
    attentions: list[Any] = field(default_factory=list)
    """The cross-attentions in the order of use."""

    @property
    def widths(self) -> list[int]:
        """Channels of each ResNet's time embedding, in the order of use."""
        return [int(bias.shape[0]) for _, bias in self.embedders]


def read(module: Any) -> Lean:
    """The layers of a UNet2DConditionModel or ControlNetModel of the families sd15 and sdxl.

    Raises ValueError for a net that has parts which these families do not have.
    """
    config = module.config
    odd = [name for name in ("class_embed_type", "time_cond_proj_dim") if config.get(name) is not None]
    if odd or config.get("center_input_sample") or getattr(module, "time_embed_act", None) is not None:
        raise ValueError(f"this net has parts that sd15 and sdxl do not have: {odd}")
    lean = Lean(module, _conv(module.conv_in), [], Level([], None), [], None, None, [])
    for block in module.down_blocks:
        lean.downs.append(_level(block, lean, scale="downsamplers"))
    middle = module.mid_block
    first, *others = middle.resnets
    lean.middle.resnets.append((_resnet(first, lean), _transformer(middle.attentions[0], lean)))
    lean.middle.resnets.extend((_resnet(resnet, lean), None) for resnet in others)
    for block in getattr(module, "up_blocks", ()):
        lean.ups.append(_level(block, lean, scale="upsamplers"))
    if lean.ups:
        lean.norm_out, lean.conv_out = _norm(module.conv_norm_out), _conv(module.conv_out)
    else:
        lean.taps = [_conv(tap) for tap in (*module.controlnet_down_blocks, module.controlnet_mid_block)]
    return lean


def _conv(layer: Any) -> Conv:
    return Conv(layer.weight, layer.bias, layer.stride, layer.padding)


def _norm(layer: Any) -> Norm:
    return Norm(getattr(layer, "num_groups", 0), layer.weight, layer.bias, layer.eps)


def _linear(layer: Any) -> Linear:
    weight = layer.weight
    return Linear(weight.flatten(1) if weight.ndim == 4 else weight, layer.bias)


def _level(block: Any, lean: Lean, *, scale: str) -> Level:
    attentions = getattr(block, "attentions", None) or [None] * len(block.resnets)
    pairs = [
        (_resnet(resnet, lean), _transformer(attention, lean) if attention is not None else None)
        for resnet, attention in zip(block.resnets, attentions, strict=True)
    ]
    scalers = getattr(block, scale, None)
    return Level(pairs, _conv(scalers[0].conv) if scalers else None)


def _resnet(module: Any, lean: Lean) -> Resnet:
    if module.time_embedding_norm != "default" or module.output_scale_factor != 1.0 or module.upsample is not None:
        raise ValueError("this ResNet is none of sd15's or sdxl's")
    lean.embedders.append((module.time_emb_proj, module.conv1.bias))
    conv1, conv2 = _conv(module.conv1), _conv(module.conv2)
    conv1.bias = None
    shortcut = _conv(module.conv_shortcut) if module.conv_shortcut is not None else None
    if shortcut is not None and shortcut.bias is not None and conv2.bias is not None:
        conv2.bias = (conv2.bias + shortcut.bias).detach()
        shortcut.bias = None
    return Resnet(_norm(module.norm1), conv1, _norm(module.norm2), conv2, shortcut)


def _transformer(module: Any, lean: Lean) -> Transformer:
    blocks = []
    for block in module.transformer_blocks:
        lean.attentions.append(block.attn2)
        blocks.append(
            Block(
                norm1=_norm(block.norm1),
                qkv=_fused(block.attn1),
                out1=_linear(block.attn1.to_out[0]),
                norm2=_norm(block.norm2),
                query=_linear(block.attn2.to_q),
                out2=_linear(block.attn2.to_out[0]),
                norm3=_norm(block.norm3),
                gate=_linear(block.ff.net[0].proj),
                down=_linear(block.ff.net[2]),
                heads=block.attn1.heads,
                heads2=block.attn2.heads,
            )
        )
    return Transformer(_norm(module.norm), _linear(module.proj_in), blocks, _linear(module.proj_out))


def _fused(attention: Any) -> Linear:
    """One product for query, key and value; the three layers keep their weights as views of it."""
    import torch

    layers = (attention.to_q, attention.to_k, attention.to_v)
    with torch.no_grad():
        weight = torch.cat([layer.weight for layer in layers])
        biases = [layer.bias for layer in layers]
        rows = 0
        for layer in layers:
            count = layer.weight.shape[0]
            layer.weight.data = weight[rows : rows + count]
            rows += count
        bias = torch.cat([b for b in biases if b is not None]) if biases[0] is not None else None
    return Linear(weight, bias)
