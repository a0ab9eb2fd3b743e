"""The cloth's relief read from its shading: which way the light comes, where folds stand up, how they bend a pattern."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric.drape import Drape
from outfitswap_desktop.embedded.fabric.light import as_f32

BEND_CM = 0.32
"""How far a well-formed fold shifts the pattern that runs over it."""

FULL_FOLD = 0.12
"""Spread of the folds' log shading at which they count as well formed; flatter ones bend the pattern less."""

PLAUSIBLE_RANGE = 0.55
"""Log range (5th to 95th percentile) of the broad shading on a worn garment in even light; flatter ones get volume added."""

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """Maps at work size (h, w).

    `ridge`: height of folds in units of their own spread, about 0; `du`, `dv`: shift of the texture in cm; `slope` 0..1:
    how much the surface turns away from the viewer; `volume`: log shading that the body's roundness adds where the photo
    shows none. `light`: unit vector in the picture plane towards the light. `contrast`: spread of the fine folds' log shading.
    """

    ridge: F32
    du: F32
    dv: F32
    slope: F32
    volume: F32
    light: tuple[float, float]
    contrast: float


def read(folds: F32, inside: Bits, drape: Drape) -> Relief:
    """Relief from log shading `folds` (h, w): bright is high, dark is deep (Khan et al. 2006, image-based material editing)."""
    size = float(np.sqrt(np.count_nonzero(inside)))
    fine, broad = max(1.0, 0.008 * size), max(4.0, 0.09 * size)
    smooth = cv2.GaussianBlur(folds, (0, 0), fine)
    base = _wide_blur(folds, broad)
    band = smooth - base
    spread = max(float(np.std(band[inside])), 0.02)
    ridge = np.clip(band / np.float32(spread), -3.0, 3.0)
    sine = _signed_turn(drape)
    light = _light(base, sine, inside)
    contrast = float(np.std((folds - cv2.GaussianBlur(folds, (0, 0), max(1.5, 0.02 * size)))[inside]))
    soft = cv2.GaussianBlur(ridge, (0, 0), max(1.0, 0.012 * size))
    slope = _slope(soft, size)
    bend = np.float32(BEND_CM * min(1.0, max(0.45, spread / FULL_FOLD)))
    # Panels of cloth meet in hard seams; how the body turns away does not.
    turn = cv2.GaussianBlur(np.abs(sine), (0, 0), max(1.0, 0.035 * size))
    return Relief(
        ridge=ridge,
        du=(-0.6 * bend * soft).astype(np.float32),
        dv=(-bend * soft).astype(np.float32),
        slope=np.clip(np.maximum(turn**3, 0.35 * slope), 0.0, 1.0),
        volume=_volume(base, sine, inside, light),
        light=light,
        contrast=max(contrast, 1e-3),
    )


def _wide_blur(image: F32, sigma: float) -> F32:
    """Gaussian blur of large `sigma`, at a quarter of the size."""
    height, width = image.shape
    step = max(1, min(8, int(sigma / 3)))
    small = cv2.resize(image, (max(2, width // step), max(2, height // step)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step)
    return as_f32(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


def _signed_turn(drape: Drape) -> F32:
    """Sine of the surface's turning to the right (positive) or left, from the sign of u's offset within its panel."""
    turn = drape.chosen("turn")
    signed = np.zeros_like(turn)
    for k, panel in enumerate(drape.panels):
        mine = drape.owner == k
        if mine.any():
            axis_u = panel.u[mine & (turn <= np.percentile(turn[mine], 5))]
            signed[mine] = turn[mine] * np.sign(panel.u[mine] - np.median(axis_u))
    return signed


def _light(base: F32, sine: F32, inside: Bits) -> tuple[float, float]:
    """Direction to the light: regression of broad shading on the surface's turn and height, leaning on light from above."""
    ys = np.broadcast_to(np.linspace(-1.0, 1.0, base.shape[0], dtype=np.float32)[:, None], base.shape)
    matrix = np.stack([sine[inside], ys[inside], np.ones(int(np.count_nonzero(inside)), np.float32)], axis=1)
    slopes, *_ = np.linalg.lstsq(matrix, base[inside], rcond=None)
    vector = np.array([3.0 * float(slopes[0]), 1.5 * float(slopes[1]) - 0.35])
    vector /= max(float(np.hypot(*vector)), 1e-6)
    return float(vector[0]), float(vector[1])


def _slope(soft: F32, size: float) -> F32:
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=3) / 8.0
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3) / 8.0
    steep: F32 = np.sqrt(across**2 + down**2) * np.float32(0.025 * size)
    return np.clip(steep, 0.0, 1.0)


def _volume(base: F32, sine: F32, inside: Bits, light: tuple[float, float]) -> F32:
    """What a round body would add to shading that is flatter than plausible, scaled by how much is missing."""
    low, high = np.percentile(base[inside], [5, 95])
    missing = float(np.clip(1.0 - (high - low) / PLAUSIBLE_RANGE, 0.0, 1.0))
    if missing == 0.0:
        return np.zeros_like(base)
    facing = np.sqrt(np.clip(1.0 - sine**2, 0.0, 1.0))
    lit = np.log(0.25 + 0.75 * np.clip(0.9 * facing + 0.4 * light[0] * sine, 0.05, None))
    soft = _wide_blur(lit.astype(np.float32), 0.02 * float(np.sqrt(np.count_nonzero(inside))))
    volume: F32 = (0.8 * missing * (soft - np.median(soft[inside]))).astype(np.float32)
    return volume
