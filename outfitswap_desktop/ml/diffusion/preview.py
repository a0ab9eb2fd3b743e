"""Progress pictures from half-denoised latents through TAESD. Nothing shows them before an output gate has passed them:
whoever hands over `show` answers for that, and without it no pixel is made. No engine hands one over yet: the benchmark
measures what it would cost (G18).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.ml.diffusion.stock import installed
from outfitswap_desktop.ml.load import Store
from outfitswap_desktop.ml.quiet import hush

if TYPE_CHECKING:
    from torch import Tensor

DECODERS: Final = {"sd15": "taesd", "sdxl": "taesdxl"}
"""Recipes and the weights that decode their latents; for klein's and qwen's the catalogue has none."""
SECONDS: Final = 0.5
"""The least time between two pictures."""

Show = Callable[[RGB], None]


class Preview:
    """Called with the latents of a step, hands a picture to `show` at most twice a second; `decoder` is an AutoencoderTiny.

    `clock` counts seconds.
    """

    def __init__(self, decoder: Any, show: Show, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._decoder = decoder
        self._show = show
        self._clock = clock
        self._last = float("-inf")

    def __call__(self, latents: Tensor) -> None:
        """Show the first picture of `latents` (n, 4, h, w), as the denoising loop holds them, as (8h, 8w, 3)."""
        now = self._clock()
        if now - self._last < SECONDS:
            return
        self._last = now
        import torch

        with torch.no_grad():
            made = self._decoder.decode(latents[:1].to(self._decoder.dtype)).sample[0]
        pixels = ((made.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        self._show(np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy()))


def open_preview(name: str, store: Store, show: Show | None, *, device: str, dtype: str) -> Preview | None:
    """The preview of the recipe `name`; None without `show`, or where its small decoder is not installed."""
    found = installed(store, DECODERS[name]) if show is not None and name in DECODERS else None
    if show is None or found is None:
        return None
    hush()
    import torch
    from diffusers import AutoencoderTiny

    decoder = AutoencoderTiny.from_pretrained(
        found.folder, local_files_only=True, use_safetensors=True, dtype=getattr(torch, dtype)
    )
    return Preview(decoder.to(device).eval(), show)
