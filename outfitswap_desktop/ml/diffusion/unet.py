"""One pass through a UNet or ControlNet: the same arithmetic as diffusers' forward with a fraction of the calls.

What does not change between steps is computed before the first one: the time embedding that each ResNet adds (with its
convolution's bias), and keys and values of the prompt. Query, key and value of self-attention are one product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from outfitswap_desktop.ml.diffusion.layers import Block, Conv, Lean, Resnet, Transformer, read

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Lean", "convolve", "decode", "encode", "prompt_keys", "read", "time_table"]


def time_table(
    lean: Lean, timesteps: Sequence[float], *, added: Tensor | None, time_ids: Tensor | None, rows: int
) -> Any:
    """What each ResNet adds, for all steps at once: (steps, rows, channels of all ResNets, 1, 1).

    `added` (rows, width) and `time_ids` (rows, 6) are SDXL's pooled prompt and sizes; None for sd15.
    """
    import torch

    module = lean.module
    weight = lean.conv_in.weight
    with torch.inference_mode():
        times = torch.tensor(list(timesteps), dtype=torch.float32, device=weight.device)
        embedded = module.time_embedding(module.time_proj(times).to(weight.dtype))[:, None, :]
        if added is not None and time_ids is not None:
            sizes = module.add_time_proj(time_ids.flatten()).reshape(time_ids.shape[0], -1)
            joined = torch.cat([added, sizes.to(added.dtype)], dim=-1).to(weight.dtype)
            embedded = embedded + module.add_embedding(joined)[None]
        active = torch.nn.functional.silu(embedded.expand(-1, rows, -1))
        return torch.cat([layer(active) + bias for layer, bias in lean.embedders], dim=-1)[..., None, None].contiguous()


def prompt_keys(lean: Lean, embeds: Tensor, *, images: int, picture: tuple[Tensor, float] | None) -> tuple[Tensor, ...]:
    """Keys and values of the prompt for every cross-attention: (rows * images, heads, tokens, width) each.

    `embeds` (rows, tokens, width). `picture`: the garment's tokens (rows, tokens, width) and their weight, which is in the
    values; then four tensors an attention instead of two.
    """
    import torch

    found: list[Tensor] = []

    def headed(layer: Any, source: Tensor, heads: int, weight: float = 1.0) -> Tensor:
        out = layer(source)
        if weight != 1.0:
            out = out * weight
        rows, tokens, width = out.shape
        out = out.view(rows, tokens, heads, width // heads).transpose(1, 2)
        return out.repeat_interleave(images, dim=0).contiguous()

    with torch.inference_mode():
        for attention in lean.attentions:
            found += [headed(layer, embeds, attention.heads) for layer in (attention.to_k, attention.to_v)]
            if picture is not None:
                tokens, weight = picture
                processor = attention.processor
                found.append(headed(processor.to_k_ip[0], tokens, attention.heads))
                found.append(headed(processor.to_v_ip[0], tokens, attention.heads, weight))
    return tuple(found)


def encode(lean: Lean, x: Tensor, times: Iterator[Tensor], keys: Iterator[Any]) -> tuple[Tensor, list[Tensor]]:
    """The way down and the middle, from conv_in's output `x`: the middle's answer, and the skips in the order made."""
    skips = [x]
    for level in lean.downs:
        for resnet, transformer in level.resnets:
            x = _pass_resnet(resnet, x, next(times))
            if transformer is not None:
                _pass_transformer(transformer, x, keys)
            skips.append(x)
        if level.scale is not None:
            x = convolve(level.scale, x)
            skips.append(x)
    for resnet, transformer in lean.middle.resnets:
        x = _pass_resnet(resnet, x, next(times))
        if transformer is not None:
            _pass_transformer(transformer, x, keys)
    return x, skips


def decode(lean: Lean, x: Tensor, skips: list[Tensor], times: Iterator[Tensor], keys: Iterator[Any]) -> Tensor:
    """The way up: from the middle's answer and the skips to the prediction."""
    import torch
    from torch.nn.functional import silu

    for level in lean.ups:
        for resnet, transformer in level.resnets:
            x = _pass_resnet(resnet, torch.cat((x, skips.pop()), 1), next(times))
            if transformer is not None:
                _pass_transformer(transformer, x, keys)
        if level.scale is not None:
            x = convolve(level.scale, torch.ops.aten.upsample_nearest2d.vec(x, None, (2.0, 2.0)))
    norm, out = lean.norm_out, lean.conv_out
    assert norm is not None
    assert out is not None
    x = torch.group_norm(x, norm.groups, norm.weight, norm.bias, norm.eps)
    return convolve(out, silu(x, inplace=True))


def convolve(layer: Conv, x: Tensor) -> Tensor:
    """One convolution."""
    import torch

    return torch.conv2d(x, layer.weight, layer.bias, layer.stride, layer.padding)


def _pass_resnet(layer: Resnet, x: Tensor, time: Tensor) -> Tensor:
    import torch
    from torch.nn.functional import silu

    norm = layer.norm1
    h = silu(torch.group_norm(x, norm.groups, norm.weight, norm.bias, norm.eps), inplace=True)
    h = convolve(layer.conv1, h).add_(time)
    norm = layer.norm2
    h = silu(torch.group_norm(h, norm.groups, norm.weight, norm.bias, norm.eps), inplace=True)
    h = convolve(layer.conv2, h)
    return h.add_(x if layer.shortcut is None else convolve(layer.shortcut, x))


def _pass_transformer(layer: Transformer, x: Tensor, keys: Iterator[Any]) -> None:
    """Adds to `x` (rows, channels, h, w) in place."""
    import torch
    from torch.nn.functional import linear

    rows, channels, high, wide = x.shape
    norm = layer.norm
    h = torch.group_norm(x, norm.groups, norm.weight, norm.bias, norm.eps)
    h = linear(h.permute(0, 2, 3, 1).reshape(rows, high * wide, channels), layer.into.weight, layer.into.bias)
    for block in layer.blocks:
        h = _pass_block(block, h, next(keys))
    h = linear(h, layer.out.weight, layer.out.bias)
    x.add_(h.view(rows, high, wide, channels).permute(0, 3, 1, 2))


def _pass_block(block: Block, h: Tensor, keys: tuple[Tensor, ...]) -> Tensor:
    import torch
    from torch.nn.functional import gelu, linear, scaled_dot_product_attention

    rows, tokens, width = h.shape
    norm = block.norm1
    n = torch.layer_norm(h, (width,), norm.weight, norm.bias, norm.eps)
    parts = linear(n, block.qkv.weight, block.qkv.bias).view(rows, tokens, 3, block.heads, -1).permute(2, 0, 3, 1, 4)
    n = scaled_dot_product_attention(*parts.unbind(0)).transpose(1, 2).reshape(rows, tokens, -1)
    h = linear(n, block.out1.weight, block.out1.bias).add_(h)
    norm = block.norm2
    n = torch.layer_norm(h, (width,), norm.weight, norm.bias, norm.eps)
    query = linear(n, block.query.weight, block.query.bias).view(rows, tokens, block.heads2, -1).transpose(1, 2)
    n = scaled_dot_product_attention(query, keys[0], keys[1])
    if len(keys) == 4:
        n = n + scaled_dot_product_attention(query, keys[2], keys[3])
    h = linear(n.transpose(1, 2).reshape(rows, tokens, -1), block.out2.weight, block.out2.bias).add_(h)
    norm = block.norm3
    n = torch.layer_norm(h, (width,), norm.weight, norm.bias, norm.eps)
    value, gate = linear(n, block.gate.weight, block.gate.bias).chunk(2, -1)
    return linear(gelu(gate).mul_(value), block.down.weight, block.down.bias).add_(h)
