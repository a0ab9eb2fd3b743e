"""Loads the parts of sd15 and sdxl from folders in diffusers' published layout: safetensors alone, and no network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.quiet import hush

if TYPE_CHECKING:
    from torch import Tensor

    from outfitswap_desktop.ml.recipes import Recipe

ALL_PARTS: Final = frozenset({"unet", "vae", "text"})
_OLD_ATTENTION: Final = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""How the VAEs of SD 1.5's time call the parts of their attention."""


class Opened(Protocol):
    """Installed weights (weights.store.Installed)."""

    @property
    def folder(self) -> Path: ...
    @property
    def hashes(self) -> Mapping[str, str]: ...
    @property
    def revision(self) -> str: ...


class Store(Protocol):
    """Where weights lie (weights.store.WeightsStore)."""

    def open(self, weights_id: str, /) -> Opened:
        """Raises NotAvailable when they are missing, damaged or not agreed to."""
        ...

    def installed(self) -> tuple[str, ...]: ...


@dataclass(slots=True)
class UnetBundle:
    """The parts of one engine; None where it was not asked for. `scheduler` is scheduler_config.json.

    `weights` says by id which weights these are: revision and a digest over the files' hashes. `vae_safe`: the VAE
    computes in the asked precision, not in a wider one. `unet_folder` is where the UNet came from, to undo changes of it.
    """

    unet: Any
    vae: Any
    text_encoders: tuple[Any, ...]
    tokenizers: tuple[Any, ...]
    scheduler: Mapping[str, Any]
    weights: dict[str, str]
    vae_safe: bool
    unet_folder: Path


def identity(opened: Opened) -> str:
    """Revision and a digest over all hashes of installed weights, for plan and receipt."""
    lines = "\n".join(f"{path} {digest}" for path, digest in sorted(opened.hashes.items()))
    return f"{opened.revision or 'local'}+{hashlib.sha256(lines.encode()).hexdigest()[:16]}"


def load_unet_bundle(
    recipe: Recipe, store: Store, *, device: Mapping[str, str], dtype: str, parts: frozenset[str] = ALL_PARTS
) -> UnetBundle:
    """Load `parts` ("unet", "vae", "text") of a recipe, each to its own place: `device` maps a part to torch's device name.

    `dtype` is torch's name; see `vae_dtype` for the VAE's.
    Raises NotAvailable when weights are missing or do not fit the library's own modules key by key.
    """
    hush()
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    opened = store.open(recipe.weights)
    folder, weights = opened.folder, {recipe.weights: identity(opened)}
    kind = getattr(torch, dtype)
    vae_folder = folder / "vae"
    if recipe.vae is not None and recipe.vae in store.installed():
        other = store.open(recipe.vae)
        vae_folder = other.folder
        weights[recipe.vae] = identity(other)
    unet = vae = None
    encoders: tuple[Any, ...] = ()
    tokenizers: tuple[Any, ...] = ()
    if "text" in parts:
        tokenizers, encoders = _text(folder, device=device["text"], dtype=kind)
    if "vae" in parts:
        safe = getattr(torch, vae_dtype(recipe, store, device=device["vae"], dtype=dtype))
        vae = load_module(AutoencoderKL, vae_folder, device=device["vae"], dtype=safe)
    if "unet" in parts:
        unet = load_module(UNet2DConditionModel, folder / "unet", device=device["unet"], dtype=kind)
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    return UnetBundle(
        unet, vae, encoders, tokenizers, scheduler, weights, vae is None or vae.dtype == kind, folder / "unet"
    )


def vae_dtype(recipe: Recipe, store: Store, *, device: str, dtype: str) -> str:
    """What the VAE computes in: `dtype`, but where SDXL's own one would overflow in half precision something wider."""
    if dtype != "float16" or recipe.vae is None or recipe.vae in store.installed():
        return dtype
    import torch

    wide = device.startswith("cuda") and torch.cuda.get_device_capability() >= (8, 0)
    return "bfloat16" if wide else "float32"


def _text(folder: Path, *, device: str, dtype: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    tokenizers, encoders = [], []
    for number, kind in (("", CLIPTextModel), ("_2", CLIPTextModelWithProjection)):
        place = folder / f"text_encoder{number}"
        if not place.is_dir():
            continue
        tokenizers.append(CLIPTokenizer.from_pretrained(folder / f"tokenizer{number}", local_files_only=True))
        variant = "fp16" if any(place.glob("*.fp16*.safetensors")) else None
        encoder = kind.from_pretrained(place, local_files_only=True, use_safetensors=True, variant=variant, dtype=dtype)
        encoders.append(encoder.eval().requires_grad_(False).to(device))
    return tuple(tokenizers), tuple(encoders)


def load_module(kind: Any, folder: Path, *, device: str, dtype: Any) -> Any:
    """One of diffusers' modules from its folder (config.json and safetensors, the fp16 variant where there is one).

    The module is made without memory and takes the file's tensors as they are. Raises NotAvailable ("weights_damaged") when
    keys or shapes differ from the library's.
    """
    import torch

    try:
        config = kind.load_config(folder, local_files_only=True)
        with torch.device("meta"):
            module = kind.from_config(config)
        state = {
            key: tensor.to(dtype) if tensor.is_floating_point() else tensor
            for key, tensor in _tensors(weight_files(folder), device=device)
        }
        module.load_state_dict(_renamed(state, module.state_dict().keys()), strict=True, assign=True)
    except (OSError, RuntimeError, ValueError, KeyError) as problem:
        if isinstance(problem, RuntimeError) and "out of memory" in str(problem).lower():
            raise
        raise NotAvailable(
            f"The weights in {folder.parent.name}/{folder.name} do not fit: {str(problem).splitlines()[0]}",
            reason="weights_damaged",
            hint="Mend them with `outfitswap models verify --repair`.",
        ) from problem
    return module.eval().requires_grad_(False)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of one part: the fp16 variant, else the full one; all shards of it."""
    found = sorted(folder.glob("diffusion_pytorch_model*.safetensors"))
    files = [file for file in found if ".non_ema" not in file.name]
    half = [file for file in files if ".fp16" in file.name]
    chosen = half or files
    if not chosen:
        raise FileNotFoundError(f"no safetensors file in {folder.name}")
    return chosen


def _tensors(files: Iterable[Path], *, device: str) -> Iterable[tuple[str, Tensor]]:
    from safetensors import safe_open

    for file in files:
        with safe_open(file, framework="pt", device=device) as opened:
            for key in opened.keys():  # noqa: SIM118  not a mapping
                yield key, opened.get_tensor(key)


def _renamed(state: dict[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    """`state` with the old names of attention layers brought up to date, where the module wants the new ones."""
    known = set(wanted)
    found = {}
    for key, tensor in state.items():
        head, _, tail = key.rpartition(".")
        stem, _, last = head.rpartition(".")
        new = f"{stem}.{_OLD_ATTENTION[last]}.{tail}" if last in _OLD_ATTENTION else key
        found[new if key not in known and new in known else key] = tensor
    return found
