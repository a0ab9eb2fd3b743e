"""Cloth of the colour of this person's skin: found in a garment, and a plain colour shifted away from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.safety.people.colour import ciede2000, lab_of
from outfitswap_desktop.safety.people.skin import NEAR, SkinModel

WORK_SIDE: Final = 384
"""Longer side at which a garment is looked at, in pixels."""

NEAR_SHARE: Final = 0.6
"""Share of a garment's pixels that must be near the skin before the garment as a whole looks like skin."""

PLAIN_SHARE: Final = 0.7
EVEN: Final = 0.06
"""A cloth is plain when that share of its pixels lies within this normalised chroma of its middle."""

STEP: Final = 3.0
"""CIELAB units to which colours are rounded before they are compared."""

DIRECTIONS: Final = 240


@dataclass(frozen=True, slots=True)
class ClothColour:
    """How a garment's cloth stands to skin: `near` is the share of its pixels under NEAR from it, `plain` that of its own
    commonest colour; `like_skin` says that it would undress by its texture where it fits closely."""

    near: float
    plain: float

    @property
    def like_skin(self) -> bool:
        return self.near >= NEAR_SHARE and self.plain >= PLAIN_SHARE


def cloth_colour(picture: RGB, mask: Mask, model: SkinModel) -> ClothColour:
    """Compare the cloth under `mask` (H, W) > 0 of `picture` (H, W, 3) sRGB with the skin. Nothing under it: (0, 0)."""
    scale = min(1.0, WORK_SIDE / max(mask.shape))
    size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    inside = cv2.resize(np.where(mask > 0, 255, 0).astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 127
    if not inside.any():
        return ClothColour(0.0, 0.0)
    lab = lab_of(small)[inside]
    colours, counts = np.unique(np.round(lab / STEP).astype(np.int16), axis=0, return_counts=True)
    near = model.nearest(colours.astype(np.float32) * np.float32(STEP)) < NEAR
    chroma = lab[:, 1:] / (lab[:, :1] + 16)
    away = np.hypot(*(chroma - np.median(chroma, axis=0)).T)
    return ClothColour(float(counts[near].sum() / counts.sum()), float((away < EVEN).mean()))


def away_from_skin(colour: tuple[int, int, int], model: SkinModel) -> tuple[int, int, int]:
    """The sRGB colour (0..255) at least NEAR from all of the skin that differs least from `colour`; itself when it is.

    Looks along DIRECTIONS evenly spread ways in CIELAB, farther with every step. Raises ValueError when there is none.
    """
    if any(not 0 <= level <= 255 for level in colour):
        raise ValueError("a colour is three numbers in 0..255")
    start = lab_of(np.array([[colour]]))[0]
    if float(model.nearest(start)[0]) >= NEAR:
        return colour
    number = np.arange(DIRECTIONS) + 0.5
    height, turn = 1 - 2 * number / DIRECTIONS, math.pi * (1 + math.sqrt(5)) * number
    ring = np.sqrt(1 - height**2)
    ways = np.stack([height, ring * np.cos(turn), ring * np.sin(turn)], axis=1).astype(np.float32)
    for radius in range(1, 121):
        tried = cv2.cvtColor((start + radius * ways)[None], cv2.COLOR_LAB2RGB)[0]
        levels = np.unique(np.clip(np.round(tried * 255), 0, 255).astype(np.uint8), axis=0)
        lab = lab_of(levels[None])[0]
        free = np.flatnonzero(model.nearest(lab) >= NEAR)
        if free.size:
            best = free[np.argmin(ciede2000(lab[free], start))]
            red, green, blue = (int(level) for level in levels[best])
            return red, green, blue
    raise ValueError("no colour is far enough from this skin")
