"""Light arithmetic: sRGB to linear and back, luminance, L*, and bright colours into gamut with their luminance kept."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB

LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of linear R, G, B in relative luminance (Rec. 709, IEC 61966-2-1)."""

FULL_ROOM = 0.22
"""How far below the limit the strongest channel of a saturated colour begins to give way to luminance."""


def as_f32(values: object) -> F32:
    """`values` as float32, not copied when they are; OpenCV's stubs do not say what its functions return."""
    return np.asarray(values, np.float32)


@lru_cache(maxsize=1)
def _to_linear_table() -> F32:
    return decode(np.arange(256, dtype=np.float32) / 255.0)


@lru_cache(maxsize=1)
def _to_levels_table() -> F32:
    return encode(np.arange(65536, dtype=np.float32) / 65535.0) * np.float32(255.0)


def decode(encoded: F32) -> F32:
    """sRGB-encoded 0..1 to linear light 0..1 (IEC 61966-2-1)."""
    low = encoded / 12.92
    high = np.power((np.maximum(encoded, 0.0) + 0.055) / 1.055, 2.4)
    return np.where(encoded <= 0.04045, low, high).astype(np.float32)


def encode(linear: F32) -> F32:
    """Linear light 0..1 to sRGB-encoded 0..1 (IEC 61966-2-1)."""
    bounded = np.clip(linear, 0.0, 1.0)
    return np.where(bounded <= 0.0031308, bounded * 12.92, 1.055 * np.power(bounded, 1 / 2.4) - 0.055).astype(
        np.float32
    )


def decode_bytes(image: RGB) -> F32:
    """uint8 sRGB of any shape to linear light 0..1 by table."""
    return np.take(_to_linear_table(), image)


def luminance(linear: F32) -> F32:
    """Relative luminance of (..., 3) linear light."""
    result: F32 = linear @ np.asarray(LUMA, np.float32)
    return result


def lightness(lum: F32) -> F32:
    """CIE L* 0..100 of relative luminance 0..1 (CIE 15:2004)."""
    bounded = np.maximum(lum, 0.0)
    return np.where(bounded > 0.008856, 116.0 * np.cbrt(bounded) - 16.0, 903.3 * bounded).astype(np.float32)


def luminance_of(light: float) -> float:
    """Relative luminance of an L* of 0..100."""
    return float(((light + 16.0) / 116.0) ** 3 if light > 8.0 else light / 903.3)


def into_gamut(linear: F32, *, knee: float) -> F32:
    """Bring (n, 3) linear light into 0..1: luminance above `knee` rolls off towards 1, then colour gives way to luminance.

    An overexposed red thus turns pale instead of flat, and the folds in it stay. Works in place and returns `linear`.
    """
    np.maximum(linear, 0.0, out=linear)
    lum = luminance(linear)
    over = lum > knee
    if over.any():
        room = 1.0 - knee
        rolled = knee + room * (1.0 - np.exp(-(lum[over] - knee) / room))
        linear[over] *= (rolled / lum[over])[:, None]
        lum[over] = rolled
    peak = np.maximum(np.maximum(linear[:, 0], linear[:, 1]), linear[:, 2])
    # Yellow is nearly as bright as white and has no luminance to give way to: its knee lies close to the limit.
    bend = 1.0 - FULL_ROOM * (1.0 - lum / np.maximum(peak, 1e-6))
    high = peak > bend
    if high.any():
        grey, most, start = lum[high, None], peak[high, None], bend[high, None]
        space = np.maximum(1.0 - start, 1e-3)
        # Bent, not cut: a cut shows as a contour where a saturated colour first reaches the limit.
        reached = np.maximum(start + space * (1.0 - np.exp(-(most - start) / space)), grey)
        linear[high] = grey + (linear[high] - grey) * ((reached - grey) / np.maximum(most - grey, 1e-6))
    return linear


def to_bytes(linear: F32) -> NDArray[np.uint8]:
    """(n, 3) linear light to uint8 sRGB, rounding so that luminance is kept more finely than one level.

    Green is rounded first; what it lost goes into red, then into blue, weighted by luminance and bounded to 1.5 levels:
    folds in near-black cloth, where one level is a tenth of the light, survive eight bits.
    """
    index = (np.clip(linear, 0.0, 1.0) * 65535.0 + 0.5).astype(np.uint16)
    levels = np.take(_to_levels_table(), index)
    out = np.empty(levels.shape, np.uint8)
    green = np.rint(levels[:, 1])
    lost = (levels[:, 1] - green) * (LUMA[1] / LUMA[0])
    red_wanted = levels[:, 0] + np.clip(lost, -1.0, 1.0)
    red = np.clip(np.rint(red_wanted), 0, 255)
    lost = (red_wanted - red) * (LUMA[0] / LUMA[2])
    blue = np.clip(np.rint(levels[:, 2] + np.clip(lost, -1.0, 1.0)), 0, 255)
    out[:, 0], out[:, 1], out[:, 2] = red, green, blue
    return out
