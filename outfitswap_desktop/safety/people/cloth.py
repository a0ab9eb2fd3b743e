"""Cloth of the colour of this person's skin: found in a garment, and a plain colour shifted away from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

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

LIGHTS: Final = (0.7, 0.85, 1.0, 1.2)
"""Light on most of the folds, as multiples of that in which cloth shows its own colour."""

GAMMA: Final = 2.2
UNLIKE: Final = 0.4
"""Likelihood of skin under which a colour is left as it is; from 0.5 on a pixel counts as skin."""


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
    """The sRGB colour (0..255) apart from all of the skin that differs least from `colour`; itself when it is.

    Apart means: at least NEAR from every colour of the skin, and in lit and shaded folds (LIGHTS) nothing that the model
    takes for skin. Looks along DIRECTIONS evenly spread ways in CIELAB, farther with every step. Raises ValueError when
    there is none.
    """
    if any(not 0 <= level <= 255 for level in colour):
        raise ValueError("a colour is three numbers in 0..255")
    asked = np.array([colour], np.uint8)
    if _apart(asked, model)[0]:
        return colour
    start = lab_of(asked[None])[0]
    number = np.arange(DIRECTIONS) + 0.5
    height, turn = 1 - 2 * number / DIRECTIONS, math.pi * (1 + math.sqrt(5)) * number
    ring = np.sqrt(1 - height**2)
    ways = np.stack([height, ring * np.cos(turn), ring * np.sin(turn)], axis=1).astype(np.float32)
    for radius in range(1, 121):
        tried = cv2.cvtColor((start + radius * ways)[None], cv2.COLOR_LAB2RGB)[0]
        levels = np.unique(np.clip(np.round(tried * 255), 0, 255).astype(np.uint8), axis=0)
        free = levels[_apart(levels, model)]
        if free.size:
            red, green, blue = (int(level) for level in free[np.argmin(ciede2000(lab_of(free[None])[0], start))])
            return red, green, blue
    raise ValueError("no colour is far enough from this skin")


def painted_apart(colour: tuple[int, int, int], model: SkinModel) -> tuple[int, int, int]:
    """`away_from_skin`, or `colour` itself where there is none: what is painted then looks like skin, and is refused."""
    try:
        return away_from_skin(colour, model)
    except ValueError:
        return colour


def _apart(colours: RGB, model: SkinModel) -> NDArray[np.bool_]:
    """Which of `colours` (n, 3) sRGB are apart from the skin: (n,)."""
    linear = (colours.astype(np.float32) / 255) ** np.float32(GAMMA)
    lit = np.clip(linear[:, None] * np.array(LIGHTS, np.float32)[None, :, None], 0, 1) ** np.float32(1 / GAMMA)
    apart = model.likelihood(np.round(lit * 255).astype(np.uint8)).max(axis=1) < UNLIKE
    if apart.any():
        apart[apart] = model.nearest(lab_of(colours[apart][None])[0]) >= NEAR
    return np.asarray(apart, bool)
