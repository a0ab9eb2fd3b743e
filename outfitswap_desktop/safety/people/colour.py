"""Colours as the skin's model reads them: CIELAB, chroma freed of the light's strength, and the CIEDE2000 difference."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB


def lab_of(picture: NDArray[Any]) -> F32:
    """CIELAB (H, W, 3) of sRGB levels (H, W, 3) in 0..255."""
    return np.asarray(cv2.cvtColor(picture.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)


def chromaticity(picture: RGB) -> tuple[F32, F32, F32]:
    """L*, a* / (L* + 16) and b* / (L* + 16) of `picture` (H, W, 3) sRGB, each (H, W)."""
    lab = lab_of(picture)
    lightness = np.ascontiguousarray(lab[..., 0])
    divisor = lightness + 16
    chroma = (np.asarray(lab[..., i] / divisor, np.float32) for i in (1, 2))
    return lightness, next(chroma), next(chroma)


def ciede2000(one: F32, two: F32) -> F32:
    """CIEDE2000 colour difference of CIELAB colours (..., 3), broadcast.

    Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", Color Research and Application 30 (2005).
    """
    l1, a1, b1 = (np.asarray(one, np.float64)[..., i] for i in range(3))
    l2, a2, b2 = (np.asarray(two, np.float64)[..., i] for i in range(3))
    mean_c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    neutral = (c1 * c2) == 0
    turn = h2 - h1
    turn = np.where(turn > 180, turn - 360, np.where(turn < -180, turn + 360, turn))
    turn = np.where(neutral, 0.0, turn)
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    light, c = (l1 + l2) / 2, (c1 + c2) / 2
    total = h1 + h2
    far = np.abs(h1 - h2) > 180
    h = np.where(neutral, total, np.where(~far, total / 2, np.where(total < 360, (total + 360) / 2, (total - 360) / 2)))
    t = (
        1
        - 0.17 * np.cos(np.radians(h - 30))
        + 0.24 * np.cos(np.radians(2 * h))
        + 0.32 * np.cos(np.radians(3 * h + 6))
        - 0.20 * np.cos(np.radians(4 * h - 63))
    )
    turn_weight = 60 * np.exp(-(((h - 275) / 25) ** 2))
    sl = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    sc, sh = 1 + 0.045 * c, 1 + 0.015 * c * t
    rt = -np.sin(np.radians(turn_weight)) * 2 * np.sqrt(c**7 / (c**7 + 25.0**7))
    squared = (dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rt * (dc / sc) * (dh / sh)
    return np.asarray(np.sqrt(np.maximum(squared, 0)), np.float32)
