"""The tiles that every engine's VAE works in where a plan says so, and that the memory planner counts on."""

from __future__ import annotations

from typing import Any, Final

TILE: Final = 512
"""Pixels of a tile's side."""


def tile(vae: Any, *, wanted: bool) -> None:
    """Let a VAE work in tiles of TILE pixels that overlap by a quarter, or whole, whatever its configuration names.

    The own tiles of SDXL's and FLUX.2's VAEs are as large as the pictures here: they would never be used.
    """
    if not wanted:
        vae.disable_tiling()
        return
    vae.enable_tiling()
    if hasattr(vae, "tile_latent_min_size"):
        vae.tile_sample_min_size, vae.tile_latent_min_size = TILE, TILE // 8
    else:
        vae.tile_sample_min_height = vae.tile_sample_min_width = TILE
        vae.tile_sample_stride_height = vae.tile_sample_stride_width = TILE * 3 // 4
