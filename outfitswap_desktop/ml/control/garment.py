"""A garment's picture made square for the image encoder, and encoded as IP-Adapter Plus wants it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.mask import keep_largest
from outfitswap_desktop.core.regions import box_of
from outfitswap_desktop.ml.quiet import hush

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PLAIN: Final = 14.0
"""Spread of a background's colour (median absolute deviation, 0..255) up to which it counts as plain."""
DIFFERS: Final = 24
"""Distance (largest of the channels, 0..255) from the background's colour from which on a pixel is the garment's."""
LEAST_GARMENT: Final = 0.02
BORDER: Final = 0.05
"""Background left around the garment, as a share of its longer side."""


def squared(garment: RGB) -> RGB:
    """`garment` (h, w, 3) as a square: cut to what lies on a plain background, filled up with its colour, never squashed.

    Without a plain background nothing is cut, and the border's median colour fills up.
    """
    height, width = garment.shape[:2]
    rim = max(1, round(0.02 * min(height, width)))
    sides = (garment[:rim], garment[-rim:], garment[:, :rim], garment[:, -rim:])
    border = np.concatenate([side.reshape(-1, 3) for side in sides]).astype(np.float32)
    colour = np.median(border, axis=0)
    if float(np.median(np.abs(border - colour).max(axis=1))) <= PLAIN:
        garment = _cut_to_garment(garment, colour)
    return _padded(garment, np.rint(colour).astype(np.uint8))


def _cut_to_garment(garment: RGB, colour: np.ndarray) -> RGB:
    apart = np.abs(garment.astype(np.float32) - colour).max(axis=2) > DIFFERS
    mask = np.where(apart, np.uint8(255), np.uint8(0))
    if float(apart.mean()) < LEAST_GARMENT:  # cloth of the background's own colour
        return garment
    x0, y0, x1, y1 = box_of(keep_largest(mask, count=3))
    edge = round(BORDER * max(x1 - x0, y1 - y0))
    height, width = mask.shape
    return garment[max(0, y0 - edge) : min(height, y1 + edge), max(0, x0 - edge) : min(width, x1 + edge)]


def _padded(garment: RGB, colour: np.ndarray) -> RGB:
    height, width = garment.shape[:2]
    side = max(height, width)
    square = np.empty((side, side, 3), np.uint8)
    square[:] = colour
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = garment
    return square


class GarmentEncoder:
    """CLIP's image encoder from a local folder. It is on the device only while it encodes: that happens once a garment."""

    def __init__(self, folder: Path, *, device: str, dtype: torch.dtype) -> None:
        hush()
        from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

        network: Any = CLIPVisionModelWithProjection.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype
        )
        self._network = network.eval().requires_grad_(False)
        side = int(network.config.image_size)
        self._sizer: Any = CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
        self._device, self._dtype = device, dtype

    def encode(self, garment: RGB) -> Tensor:
        """Penultimate hidden states (2, tokens, width) of a zero picture and of `garment` (h, w, 3), on the device."""
        import torch

        pixels = self._sizer(images=squared(garment), return_tensors="pt")["pixel_values"]
        both = torch.cat([torch.zeros_like(pixels), pixels]).to(self._device, self._dtype)
        self._network.to(self._device)
        try:
            with torch.inference_mode():
                states = self._network(both, output_hidden_states=True).hidden_states[-2]
            return states.clone()
        finally:
            self._network.to("cpu")
