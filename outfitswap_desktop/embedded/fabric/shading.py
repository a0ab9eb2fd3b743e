"""Takes a garment apart: what is shading (folds, seams, shadows) and what was the old cloth's colour or print."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB, Alpha
from outfitswap_desktop.embedded.fabric import prints
from outfitswap_desktop.embedded.fabric.light import as_f32, decode_bytes, luminance

WORK_PIXELS = 700_000
"""The maps are made at this size at most; only the last composition runs at the photo's own."""

RIM_DARKENING = 0.4
"""How deep (log) the rim may be darker than the cloth beside it: turned hems and contact shadows, not background."""

COARSE_STEP = 0.03
"""Relative light between two byte values from which on the photo's steps show in another cloth."""

CRUSHED = 0.001
"""Luminance under which a photo holds compression rather than cloth (three of 255 levels)."""

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Shading:
    """The garment's light at work size (h, w), natural logarithms.

    `folds`: log shading, median 0 inside, continued beyond the mask; `print_log`: what the old print added to log luminance
    (0 on plain cloth); `keep` 0..1: how much of the photo's own finest detail is used (none on print edges and at the rim,
    less where it is mostly noise or steps); `inside`: the trusted interior. `offset` (linear) was added to luminance before
    the logarithm, `level` is the log that was subtracted. `noise`: estimated noise of the full-size log luminance. `scale` =
    work size / full size. `lit`: the old cloth's median luminance; `printed`: share of the garment near print edges;
    `clipped`: share that is burnt out.
    """

    folds: F32
    print_log: F32
    keep: F32
    inside: Bits
    offset: float
    level: float
    noise: float
    scale: tuple[float, float]
    lit: float
    printed: float
    clipped: float


def take_apart(image: RGB, alpha: Alpha) -> Shading:
    """Separate shading from the old cloth in `image` (H, W, 3) where `alpha` (H, W) is set; `alpha` must not be empty."""
    small, cover = _at_work_size(image, alpha)
    inside = trusted(cover)
    linear = decode_bytes(small)
    lum = luminance(linear)
    lit = float(np.median(lum[inside]))
    crushed = min(1.0, 2.0 * float(np.mean(lum[inside] < CRUSHED)))
    offset = float(np.clip(0.5 * lit, 0.0015, 0.002)) + 0.005 * crushed
    own = np.log(lum + np.float32(offset))
    # Turned hems and contact shadows live in the rim: its darkening is kept, its brightening is the background's.
    rim = (cover > 127) & ~inside
    found = prints.find(linear, own, inside)
    folds = found.logs - found.added
    folds[rim] += np.clip(own[rim] - found.logs[rim], -RIM_DARKENING, 0.0)
    level = float(np.median(folds[found.inside]))
    noise = _noise(image, alpha, offset)
    step = _byte_steps(lum, offset).ravel()[found.nearest]
    detail = np.clip(np.minimum(0.035 / max(noise, 1e-6), 1.15 - 10.0 * step), 0.5 - 0.45 * crushed, 1.0)
    keep = cv2.erode((found.inside & ~found.edges).astype(np.float32), np.ones((3, 3), np.uint8))
    return Shading(
        folds=_cleaned(folds - np.float32(level), step, found.inside, noise=noise),
        print_log=found.added,
        keep=as_f32(cv2.GaussianBlur(keep, (0, 0), 0.8) * cv2.GaussianBlur(as_f32(detail), (0, 0), 2.0)),
        inside=found.inside,
        offset=offset,
        level=level,
        noise=noise,
        scale=(small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]),
        lit=lit,
        printed=found.share,
        clipped=float(np.mean(small[found.inside].min(axis=1) >= 252)),
    )


def _at_work_size(image: RGB, alpha: Alpha) -> tuple[RGB, Alpha]:
    height, width = alpha.shape
    factor = min(1.0, (WORK_PIXELS / (height * width)) ** 0.5)
    if factor == 1.0:
        return image, alpha
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small, cover = (cv2.resize(array, size, interpolation=cv2.INTER_AREA) for array in (image, alpha))
    return np.asarray(small, np.uint8), np.asarray(cover, np.uint8)


def _cleaned(folds: F32, step: F32, inside: Bits, *, noise: float) -> F32:
    """`folds` (h, w) without what noise, few levels and compression made; `step` (h, w) is one level in logarithms."""
    if np.percentile(step[inside], 90) > COARSE_STEP:
        # Few levels: compression leaves plateaus and blocks that a brighter cloth would show as stains.
        radius = max(3, round(0.016 * float(np.sqrt(np.count_nonzero(inside)))))
        doubt = np.where(step > COARSE_STEP, 2.0 * step, 0.3 * COARSE_STEP)
        return _guided(folds, radius=radius, eps=as_f32(doubt**2))
    return _guided(folds, radius=2, eps=(2.0 * noise) ** 2) if noise > 0.015 else folds


def trusted(cover: Alpha) -> Bits:
    """The part of `cover` (h, w) 0..255 that shows nothing but cloth: full alpha, a rim of about two pixels taken off."""
    full = (cover >= 250).astype(np.uint8)
    rim = 2 if min(cover.shape) > 150 else 1
    # The border of the crop is no border of the garment: it is not eroded away.
    padded = cv2.copyMakeBorder(full, rim, rim, rim, rim, cv2.BORDER_REPLICATE)
    core = cv2.erode(padded, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1)))
    core = core[rim:-rim, rim:-rim]
    if np.count_nonzero(core) >= 16:
        return core.astype(bool)
    return full.astype(bool) if full.any() else cover > 0


def _noise(image: RGB, alpha: Alpha, offset: float) -> float:
    """Noise of log luminance at full size (Immerkaer 1996)."""
    height = alpha.shape[0]
    rows = np.linspace(0, max(0, height - 64), 6).astype(int)
    found = []
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    for row in rows:
        strip = slice(row, row + 64)
        full = cv2.erode((alpha[strip] >= 250).astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
        if not full.any():
            continue
        logs = np.log(luminance(decode_bytes(image[strip])) + np.float32(offset))
        found.append(np.abs(cv2.filter2D(logs, cv2.CV_32F, kernel))[full])
    if not found:
        return 0.0
    return float(np.mean(np.concatenate(found))) * float(np.sqrt(np.pi / 2)) / 6.0


def _byte_steps(lum: F32, offset: float) -> F32:
    """Change of log(luminance + offset) between two neighbouring byte values, at luminance `lum` (h, w)."""
    table = decode_bytes(np.arange(256, dtype=np.uint8))
    steps = np.interp(cv2.GaussianBlur(lum, (0, 0), 2.0), table[1:], np.diff(table)).astype(np.float32)
    return steps / (cv2.GaussianBlur(lum, (0, 0), 2.0) + np.float32(offset))


def _guided(source: F32, *, radius: int, eps: float | F32) -> F32:
    """Edge-keeping smoothing of `source` by itself (guided filter, He et al. 2010)."""
    box = (2 * radius + 1, 2 * radius + 1)
    mean = cv2.blur(source, box)
    variance = cv2.blur(source * source, box) - mean * mean
    share = np.maximum(variance, 0.0) / (np.maximum(variance, 0.0) + eps)
    smooth: F32 = cv2.blur(share, box) * source + cv2.blur((1.0 - share) * mean, box)
    return smooth
