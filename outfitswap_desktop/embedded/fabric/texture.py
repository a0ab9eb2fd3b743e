"""The cloth's tile in linear light, looked up anywhere on the body without moire, and the colour that is aimed at."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric import light
from outfitswap_desktop.embedded.fabric.design import Cloth, Colour

FULL_DYE = 0.8
"""Strongest channel of a dye that leaves room for lit folds."""


def wanted(colour: Colour) -> F32:
    """Linear light aimed at for an asked sRGB colour.

    Near-white and full primaries give up a little for highlights, near-black for folds; each stays within 5 of CIEDE2000.
    """
    linear = light.decode_bytes(np.asarray(colour, np.uint8))
    peak = float(linear.max())
    if peak > FULL_DYE:
        linear = linear * np.float32((FULL_DYE + 0.4 * (peak - FULL_DYE)) / peak)
    lum = float(light.luminance(linear))
    tone = float(light.lightness(np.asarray(lum, np.float32)))
    if tone > 88.0:
        return linear * np.float32(light.luminance_of(88.0 + 0.8 * (tone - 88.0)) / lum)
    return lifted(linear)


def lifted(linear: F32) -> F32:
    """Near-black cloth reflects a little: without that no fold could be seen in it."""
    lum = light.luminance(linear)
    tone = light.lightness(lum)
    floor = np.float32(light.luminance_of(7.5) / 10.0)
    raised: F32 = (linear + (floor * np.clip(10.0 - tone, 0.0, 10.0))[..., None]).astype(np.float32)
    return raised


class Texture:
    """The tile as a pyramid of linear albedo and lit weave relief, looked up at any (u, v) without moire."""

    def __init__(self, cloth: Cloth, towards: tuple[float, float], *, pixels_per_cm: float, spans: bool) -> None:
        albedo = lifted(light.decode(cloth.albedo))
        layers = [albedo]
        self._relief = cloth.height is not None
        if cloth.height is not None:
            layers.append(_lit_relief(cloth.height, towards)[..., None])
        full = np.ascontiguousarray(np.concatenate(layers, axis=2), dtype=np.float32)
        self._cm = cloth.cm
        self._spans = spans
        height, width = full.shape[:2]
        per_pixel = max(width / cloth.cm[0], height / cloth.cm[1]) / pixels_per_cm
        self._base = float(np.log2(max(per_pixel, 1e-3)))
        self._levels = _pyramid(full, wraps=not spans)

    def _seen(self) -> F32:
        """The level of the pyramid that most of the picture shows."""
        return self._levels[int(np.clip(round(self._base), 0, len(self._levels) - 1))]

    def spread(self, micro: float) -> float:
        """Spread of log luminance at the size at which the cloth is seen, with the relief's shading `micro` times its own."""
        seen = self._seen()
        logs = np.log(light.luminance(np.ascontiguousarray(seen[..., :3])) + 1e-3)
        if self._relief:
            logs = logs + np.float32(micro) * seen[..., 3]
        return float(logs.std())

    def soften(self, share: float) -> None:
        """Bring the albedo nearer to its mean: `share` 0..1 of its contrast stays."""
        mean = self._levels[0][1:-1, 1:-1, :3].mean(axis=(0, 1))
        for level in self._levels:
            level[..., :3] = mean + np.float32(share) * (level[..., :3] - mean)

    def soften_pattern(self, exponent: float) -> None:
        """Raise luminance about its geometric mean to `exponent`, chromaticity kept."""
        middle = np.log(light.luminance(np.ascontiguousarray(self._levels[0][..., :3])) + 1e-3).mean()
        for level in self._levels:
            logs = np.log(light.luminance(np.ascontiguousarray(level[..., :3])) + 1e-3)
            level[..., :3] *= np.exp(np.float32(exponent - 1.0) * (logs - middle))[..., None]

    def at(self, u: F32, v: F32, *, turn: F32) -> tuple[F32, F32 | None]:
        """Linear albedo (n, 3) and relief shading (n,) at `u`, `v` (n,) cm; `turn` 0..1 is the sine of turning away."""
        lean = -0.3 * np.log2(np.maximum(1.0 - turn * turn, 0.12))
        level = np.clip(self._base + lean, 0.0, len(self._levels) - 1.0)
        low, high = int(np.floor(level.min())), int(np.floor(level.max()))
        result = np.zeros((u.size, self._levels[0].shape[2]), np.float32)
        for k in range(low, min(high + 1, len(self._levels) - 1) + 1):
            weight = np.maximum(1.0 - np.abs(level - k), 0.0)
            chosen = weight > 0
            if not chosen.any():
                continue
            if chosen.all():
                result += weight[:, None] * self._read(k, u, v)
            else:
                result[chosen] += weight[chosen, None] * self._read(k, u[chosen], v[chosen])
        if self._relief:
            return result[:, :3], result[:, 3]
        return result, None

    def _read(self, level: int, u: F32, v: F32) -> F32:
        tile = self._levels[level]
        height, width = tile.shape[0] - 2, tile.shape[1] - 2
        across, down = u / np.float32(self._cm[0]), v / np.float32(self._cm[1])
        if self._spans:
            across, down = np.clip(across, 0.0, 0.9999), np.clip(down, 0.0, 0.9999)
        else:
            across, down = across - np.floor(across), down - np.floor(down)
        # The tile carries a border of one wrapped pixel; its first real pixel's centre is at 1.
        x, y = across * np.float32(width) + np.float32(0.5), down * np.float32(height) + np.float32(0.5)
        rows = 4096
        count = x.size
        padded = -(-count // rows) * rows
        grid = np.zeros((2, padded), np.float32)
        grid[0, :count], grid[1, :count] = x, y
        found = cv2.remap(tile, grid[0].reshape(-1, rows), grid[1].reshape(-1, rows), cv2.INTER_LINEAR)
        read: F32 = np.asarray(found, np.float32).reshape(padded, -1)[:count]
        return read


def _pyramid(full: F32, *, wraps: bool) -> list[F32]:
    """The tile and its halves down to a few pixels, each with a border of one pixel from its other side (or its own)."""
    levels = []
    tile = full
    while True:
        levels.append(np.ascontiguousarray(np.pad(tile, ((1, 1), (1, 1), (0, 0)), mode="wrap" if wraps else "edge")))
        height, width = tile.shape[:2]
        if min(height, width) < 4:
            return levels
        half = (max(1, width // 2), max(1, height // 2))
        tile = np.asarray(cv2.resize(tile, half, interpolation=cv2.INTER_AREA), np.float32)


def _lit_relief(height: F32, towards: tuple[float, float]) -> F32:
    """The weave lit from `towards`: slopes facing the light are bright, hollows dark; spread about 1."""
    across = 0.5 * (np.roll(height, -1, axis=1) - np.roll(height, 1, axis=1))
    down = 0.5 * (np.roll(height, -1, axis=0) - np.roll(height, 1, axis=0))
    facing = -(across * towards[0] + down * towards[1])
    lit = facing / max(float(facing.std()), 1e-6) + 0.6 * (height - height.mean()) / max(float(height.std()), 1e-6)
    spread: F32 = ((lit - lit.mean()) / max(float(lit.std()), 1e-6)).astype(np.float32)
    return spread
