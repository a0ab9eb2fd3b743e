"""Recipes: how each diffusion engine is run, read from resources/recipes.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from outfitswap_desktop import paths

Size = tuple[int, int]
Family = Literal["unet", "stock"]


@dataclass(frozen=True, slots=True)
class Fast:
    """The few-step way of a recipe: the LoRA weights with the id `lora` make few steps enough."""

    steps: int
    guidance: float
    lora: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one engine is run.

    `weights` and `vae` (replaces the VAE of the former where it is installed) are ids of the catalogue. `buckets` are
    the sizes (width, height) that are painted at. `guidance_interval` holds shares 0..1 of the steps in which the mode
    "balanced" guides. `sampler` is a name of
    diffusion.schedule; the few-step way has "lcm". `prompt_template` has one place, {prompt}. Weights of conditions 0..2.
    `dtype` is torch's name.
    """

    name: str
    family: Family
    weights: str
    buckets: tuple[Size, ...]
    max_pixels: int
    multiple: int
    steps: int
    guidance: float
    strength: float
    guidance_interval: tuple[float, float]
    prompt_template: str
    pose_weight: float
    depth_weight: float
    garment_weight: float
    dtype: str
    fast: Fast | None = None
    vae: str | None = None
    sampler: str = "dpmpp_2m_karras"


def recipes(path: Path | None = None) -> Mapping[str, Recipe]:
    """All recipes by name, in the file's order. Raises ValueError for a file that contradicts itself."""
    file = path if path is not None else paths.resource("recipes.toml")
    with file.open("rb") as stream:
        return {name: _recipe(name, row) for name, row in tomllib.load(stream).items()}


def _recipe(name: str, row: dict[str, Any]) -> Recipe:
    row = dict(row)
    buckets = tuple((int(width), int(height)) for width, height in row.pop("buckets"))
    multiple = int(row["multiple"])
    if not buckets or any(side % multiple for size in buckets for side in size):
        raise ValueError(f"recipe {name}: every bucket's sides must be multiples of {multiple}")
    if "{prompt}" not in row["prompt_template"]:
        raise ValueError(f"recipe {name}: the template has no place for the prompt")
    start, end = row.pop("guidance_interval")
    fast = row.pop("fast", None)
    largest = max(width * height for width, height in buckets)
    return Recipe(
        name=name,
        buckets=buckets,
        max_pixels=largest,
        guidance_interval=(float(start), float(end)),
        fast=Fast(**fast) if fast is not None else None,
        **row,
    )
