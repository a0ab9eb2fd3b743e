"""Depth of a crop by Depth Anything, without the old garment's relief in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB, Alpha, Mask
from outfitswap_desktop.core.mask import grow
from outfitswap_desktop.core.regions import BodyAxis
from outfitswap_desktop.ml.quiet import hush

if TYPE_CHECKING:
    import torch

RIM: Final = 0.02
"""How far beyond the garment its depth is left out too, as a share of the crop's longer side."""


BODY, CORE = 0.9, 0.4
"""Breadth of the body that is filled in, and of the part of it whose depth is believed, in shares of the limbs' own."""
EDGE, SMOOTH = 0.008, 0.03
"""How softly the body's outline and its relief run, as shares of the crop's longer side."""


class DepthEstimator:
    """Depth Anything (Yang et al., 2024) from a local folder, kept on its device."""

    def __init__(self, folder: Path, *, device: str, dtype: torch.dtype) -> None:
        hush()
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        self._sizer: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        network: Any = AutoModelForDepthEstimation.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype
        )
        self._network = network.to(device).eval().requires_grad_(False)
        self._device, self._dtype = device, dtype

    def depth(self, picture: RGB) -> F32:
        """Nearness (h, w) 0..1 of `picture` (h, w, 3): 1 is nearest, as ControlNet's depth nets expect it."""
        import torch

        pixels = self._sizer(images=picture, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            answer = self._network(pixel_values=pixels.to(self._device, self._dtype)).predicted_depth[0]
        near = answer.float().cpu().numpy()
        near = cv2.resize(near, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_LINEAR)
        low, high = float(near.min()), float(near.max())
        return np.asarray((near - low) / max(high - low, 1e-6), np.float32)


def without_garment(near: F32, garment: Alpha, *, axes: tuple[BodyAxis, ...] = ()) -> F32:
    """`near` (h, w) with the place of `garment` (h, w) > 0, and a rim around it, filled in without the garment's relief.

    Depth of the original picture carries the old garment's cut into the new one. What was there is replaced by what runs on
    from the surroundings, and where the body's `axes` (in the same pixels) say that it goes on below, by a smooth body as
    near as the garment was: else the net is told that there is a hole. A garment that fills the picture leaves nothing to
    fill from: then all beside the body is 0.
    """
    hidden = grow(np.where(garment > 0, np.uint8(255), np.uint8(0)), RIM * max(near.shape))
    around = filled(near, hidden)
    body, core = _capsules(axes, near.shape, BODY), _capsules(axes, near.shape, CORE) & hidden
    if not core.any():
        return around
    relief = _calmed(filled(near, ~core), SMOOTH * max(near.shape))
    share = _calmed(np.asarray(body & hidden, np.float32) / 255.0, EDGE * max(near.shape))
    return np.asarray(np.where(hidden > 0, share * relief + (1.0 - share) * around, near), np.float32)


def _capsules(axes: tuple[BodyAxis, ...], shape: tuple[int, ...], breadth: float) -> Mask:
    mask = np.zeros(shape, np.uint8)
    for axis in axes:
        ends = np.rint(np.clip(np.array([axis.start, axis.end]), -20000, 20000)).astype(int).tolist()
        cv2.line(mask, ends[0], ends[1], 255, max(1, round(2 * breadth * axis.radius)))
    return mask


def _calmed(values: F32, by: float) -> F32:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), max(0.5, by)), np.float32)


def filled(values: F32, hidden: Mask) -> F32:
    """`values` (h, w) with those under `hidden` > 0 interpolated smoothly from the others (push and pull on a pyramid)."""
    weight = (hidden == 0).astype(np.float32)
    if weight.all():
        return values
    if not weight.any():
        return np.zeros_like(values)
    inside = _pull(values * weight, weight)
    return np.asarray(np.where(hidden > 0, inside, values), np.float32)


def _pull(sums: F32, weight: F32) -> F32:
    """Values of one level: its own where there are any, else the coarser level's."""
    height, width = weight.shape
    own = sums / np.maximum(weight, 1e-6)
    if min(height, width) <= 2 or weight.min() > 0:
        whole = np.float32(sums.sum() / max(float(weight.sum()), 1e-6))
        return np.asarray(np.where(weight > 0, own, whole), np.float32)
    coarse = _pull(np.asarray(cv2.pyrDown(sums), np.float32), np.asarray(cv2.pyrDown(weight), np.float32))
    from_below = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    share = np.clip(weight, 0.0, 1.0)
    return np.asarray(share * own + (1.0 - share) * from_below, np.float32)
