"""Draws the presets' swatches with the program's own looms: `uv run python docs/preset_swatches.py`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from outfitswap_desktop.core.names import slug
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric.patterns import weave
from outfitswap_desktop.embedded.fabric.words import understand
from outfitswap_desktop.paths import resources_dir

SIDE = 112
CENTIMETRES = 9.0
FOLD = 0.10
"""How much a soft fold lightens and darkens the swatch, so that it looks like cloth and not like paper."""

DARKEST = 0.07
"""Black cloth is never quite black in a picture."""


def swatch(words: str) -> np.ndarray:
    """A picture (SIDE, SIDE, 3) of the cloth that `words` ask for, with a soft fold across it."""
    design = understand(words, zone=Zone.TOP)
    per_cm = 4 * SIDE / CENTIMETRES
    cloth = weave(design, pixels_per_cm=per_cm, seed=1)
    side = 4 * SIDE
    if cloth.cm[0] > 30:  # a design as large as the garment: all of it
        flat = cv2.resize(cloth.albedo, (side, side), interpolation=cv2.INTER_AREA)
        relief = np.zeros((side, side), np.float32)
    else:
        size = (max(8, round(cloth.cm[0] * per_cm)), max(8, round(cloth.cm[1] * per_cm)))
        flat = _tiled(cv2.resize(cloth.albedo, size, interpolation=cv2.INTER_AREA), side)
        height = cloth.height if cloth.height is not None else np.zeros(cloth.albedo.shape[:2], np.float32)
        relief = _tiled(cv2.resize(height, size, interpolation=cv2.INTER_AREA), side)
    slope = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3) * per_cm / 8
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / side
    wave = np.sin((columns * 1.1 + rows * 0.6) * 2 * np.pi)
    shine = design.material.specular * np.maximum(0.0, wave) ** 6 * 0.55 + np.maximum(0.0, wave) * 0.05
    light = 1.0 + wave * FOLD - np.clip(slope * 1.5, -1.0, 1.0) * 0.35
    lit = np.clip(np.maximum(flat, DARKEST) * light[..., None] + shine[..., None], 0.0, 1.0)
    small = cv2.resize(lit.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.rint(small * 255).astype(np.uint8)


def _tiled(tile: np.ndarray, side: int) -> np.ndarray:
    times = (side // tile.shape[0] + 1, side // tile.shape[1] + 1) + (1,) * (tile.ndim - 2)
    return np.tile(tile, times)[:side, :side]


def main() -> None:
    """Write one WebP for each preset beside the table."""
    folder: Path = resources_dir() / "presets" / "swatches"
    folder.mkdir(exist_ok=True)
    table = tomllib.loads((folder.parent / "presets.toml").read_text(encoding="utf-8"))
    for preset in table["preset"]:
        Image.fromarray(swatch(preset["words"])).save(folder / f"{slug(preset['name'])}.webp", quality=82, method=6)


if __name__ == "__main__":
    main()
