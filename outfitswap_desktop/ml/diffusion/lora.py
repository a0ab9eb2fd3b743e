"""Few-step weights (LoRA, arXiv 2106.09685) added to a UNet in place, and taken out again exactly."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.load import weight_files

if TYPE_CHECKING:
    from torch import Tensor

_PARTS = (
    (".lora_down.weight", "down"),
    (".lora_up.weight", "up"),
    (".lora.down.weight", "down"),
    (".lora.up.weight", "up"),
    (".lora_A.weight", "down"),
    (".lora_B.weight", "up"),
    (".alpha", "alpha"),
)


def lora_file(folder: Path) -> Path:
    """The one safetensors file of LoRA weights. Raises NotAvailable when it is missing."""
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise _damaged(folder, f"{len(files)} safetensors files instead of one")
    return files[0]


def add(unet: Any, file: Path) -> frozenset[str]:
    """Add the LoRA weights to `unet`, tensor by tensor in place; returns the names of the parameters that changed.

    W + alpha / rank * up @ down, in float32, for keys in kohya's and diffusers' writing. Raises NotAvailable before anything
    is changed when a key does not fit.
    """
    import torch
    from safetensors.torch import load_file

    layers = {name.replace(".", "_"): name for name, _ in unet.named_modules()}
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in load_file(file).items():
        stem, part = _split(key)
        name = layers.get(stem.removeprefix("lora_unet_").removeprefix("unet.").replace(".", "_")) if part else None
        if name is None:
            raise _damaged(file.parent, f"{key} belongs to no layer of this engine")
        parts.setdefault(name, {})[part] = tensor
    changed = set()
    with torch.no_grad():
        for name, found in parts.items():
            weight = unet.get_submodule(name).weight
            down, up = found["down"].float(), found["up"].float()
            share = float(found["alpha"]) / down.shape[0] if "alpha" in found else 1.0
            delta = (up.flatten(1) @ down.flatten(1)) * share
            weight.copy_(weight.float() + delta.to(weight.device).view(weight.shape))
            changed.add(f"{name}.weight")
    return frozenset(changed)


def _split(key: str) -> tuple[str, str]:
    for ending, part in _PARTS:
        if key.endswith(ending):
            return key.removesuffix(ending), part
    return key, ""


def restore(unet: Any, folder: Path, names: Iterable[str]) -> None:
    """Read the parameters `names` of `unet` from its own files in `folder` again, into the tensors that are there."""
    import torch
    from safetensors import safe_open

    wanted = dict.fromkeys(names)
    own = dict(unet.named_parameters())
    with torch.no_grad():
        for file in weight_files(folder):
            with safe_open(file, framework="pt", device="cpu") as opened:
                for key in set(opened.keys()) & wanted.keys():
                    own[key].copy_(opened.get_tensor(key))


def _damaged(folder: Path, why: str) -> NotAvailable:
    return NotAvailable(
        f"The few-step weights {folder.name} cannot be used: {why}.",
        reason="weights_damaged",
        hint=f"Mend them with `outfitswap models verify {folder.name} --repair`.",
    )
