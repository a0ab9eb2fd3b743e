"""One point of cloth in light: texture lookup, fold shading, highlights and sheen, colour in gamut, exposure that fits."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB
from outfitswap_desktop.embedded.fabric import light
from outfitswap_desktop.embedded.fabric.design import Cloth, Design
from outfitswap_desktop.embedded.fabric.relief import Relief
from outfitswap_desktop.embedded.fabric.shading import Shading

SPANNING_CM = 40.0
"""Tiles at least this tall are no repeats: they span the garment."""

KNEE = 0.93
"""Luminance from which light rolls off towards white; tones are made to fit below, highlights may not."""

FUZZ = 0.22
"""How fast lit folds turn greyer and deep ones richer: fibres mirror a little white light whatever their dye."""

HIGHLIGHT_GROWTH = 1.3
"""How much faster (in logarithms) highlights grow with the photo's own shading than the cloth's colour does."""

SPARKLING = ("sequin", "lurex")
"""Small structures made of tiny mirrors."""

PATTERN_CONTRAST = 0.88
"""Exponent on a pattern's luminance about its mean, so that folds stay visible over it."""

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """What is known of each point, arrays of one shape: log shading, added volume, ridge height, slope, u, v in cm, turn."""

    folds: F32
    volume: F32
    ridge: F32
    slope: F32
    u: F32
    v: F32
    turn: F32

    def only(self, chosen: Bits) -> Fields:
        """The points of `chosen`, as flat arrays."""
        return Fields(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Tone:
    """Fold contrast: log shading s becomes gain * s near 0, bends towards -`depth` in shadow and `headroom` in light."""

    gain: float
    depth: float
    headroom: float

    def __call__(self, folds: F32) -> F32:
        scaled = np.float32(self.gain) * folds
        dark = -self.depth * (1.0 - np.exp(np.minimum(scaled, 0.0) / self.depth))
        # Straighter than an exponential: white cloth has little room above its mid-tones, and folds must use all of it.
        up = np.maximum(scaled, 0.0) / self.headroom
        bright = self.headroom * up / (1.0 + up**2.5) ** 0.4
        return (dark + bright).astype(np.float32)


class Painter:
    """Turns fields into sRGB for one design on one garment."""

    def __init__(
        self, design: Design, cloth: Cloth, taken: Shading, bent: Relief, *, pixels_per_cm: float, gain: F32 | None = None
    ) -> None:
        self.design = design
        self.solid = design.pattern == "solid" and design.swatch is None
        self._wanted = wanted(design.colours[0])
        self._gain = np.ones(3, np.float32) if gain is None else gain
        self._tone = self._contrast(taken, bent)
        self._texture = Texture(cloth, bent.light, pixels_per_cm=pixels_per_cm)
        self._micro = 0.0
        self._moderate(self._folds_spread(taken))

    def _folds_spread(self, taken: Shading) -> float:
        """Spread of the folds as they will be painted, high-passed at 2 % of the garment's size."""
        toned = self._tone(taken.folds)
        sigma = max(1.5, 0.02 * float(np.sqrt(np.count_nonzero(taken.inside))))
        weight = taken.inside.astype(np.float32)
        mean = cv2.GaussianBlur(toned * weight, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)
        return float(np.std((toned - mean)[taken.inside]))

    def _moderate(self, folds: float) -> None:
        """Keep the weave's contrast below that of the folds, more so the finer the cloth, and a pattern's within reason."""
        depth = self.design.material.micro_depth
        self._micro = 0.35 * depth
        if not self.solid:
            self._micro = min(self._micro, 0.5 * folds + 0.01)
            self._texture.soften_pattern(PATTERN_CONTRAST)
            return
        share = float(np.interp(depth, (0.12, 0.30, 0.42, 0.60), (0.30, 0.50, 0.95, 3.5)))
        limit = max(share * folds, 0.012)
        found = self._texture.spread(self._micro)
        if found > limit:
            self._micro *= limit / found
            self._texture.soften(limit / found)

    def _contrast(self, taken: Shading, bent: Relief) -> Tone:
        """How strongly the photo's shading is repeated: dark cloth shows more contrast than white, flat photos get some back."""
        material = self.design.material
        inner = taken.folds[taken.inside] + bent.volume[taken.inside]
        low, high = np.percentile(inner, [3, 97])
        bright = float(light.luminance(self._wanted))
        pale = min(1.0, bright / 0.8)
        plausible = 1.5 - 0.9 * pale
        least = 1.0 if taken.lit > 0.12 and bright < 0.4 else 0.55
        gain = float(np.clip((plausible / max(high - low, 0.05)) ** 0.7, least, 1.8 - 0.6 * pale)) * material.fold_gain
        if not self.solid:
            gain *= 1.12
        headroom = float(np.clip(np.log(1.02 / max(bright, 0.02)), 0.12, 1.6))
        above = float(high - np.median(inner))
        if gain * above > 1.3 * headroom:
            gain = max(min(gain, 0.5), 1.3 * headroom / above)
        depth = float(-np.log(np.clip(material.light_floor, 0.02, 0.6))) + 0.4
        return Tone(gain, depth, headroom)

    def calibrated(self, sample: Fields, cloth: Bits) -> Painter:
        """The same painter with exposure and colour set so that mid-tones of the ground colour come out as asked."""
        points = sample.only(cloth)
        painter = self
        target = light.decode(np.asarray(_encoded(self._wanted), np.float32))
        for _ in range(4):
            lit = painter.shade(points, flat=not self.solid)
            lum = light.luminance(lit)
            low, high = np.percentile(lum, [30, 70])
            median = np.median(lit[(lum >= low) & (lum <= high)], axis=0)
            ratio = (target + 1e-4) / (median + 1e-4)
            painter = painter._with_gain((painter._gain * np.clip(ratio, 0.25, 4.0)).astype(np.float32))
        return painter

    def _with_gain(self, gain: F32) -> Painter:
        other = object.__new__(Painter)
        other.__dict__.update(self.__dict__)
        other._gain = gain
        return other

    def shade(self, points: Fields, *, flat: bool = False) -> F32:
        """Linear light (n, 3) 0..1 of `points` (n,); `flat` uses the ground colour instead of the texture."""
        material = self.design.material
        shade = self._tone(points.folds + points.volume)
        albedo, relief = self._texture.at(points)
        if flat:
            albedo = np.broadcast_to(self._wanted, albedo.shape)
        if relief is not None:
            shade = shade + np.float32(self._micro) * np.clip(relief, -2.5, 2.5)
        if material.sheen > 0:
            shade = shade + np.float32(material.sheen) * (np.float32(1.1) * points.slope - np.float32(0.25))
        lit = albedo * self._gain * np.exp(shade)[:, None]
        grey = light.luminance(lit)[:, None]
        lit += (grey - lit) * np.clip(np.float32(FUZZ) * shade, -0.12, 0.2)[:, None]
        if material.specular > 0:
            lit += self._highlights(points, albedo, shade, relief)
        return light.into_gamut(np.ascontiguousarray(lit, dtype=np.float32), knee=KNEE)

    def _highlights(self, points: Fields, albedo: F32, shade: F32, relief: F32 | None) -> F32:
        """Mirror-like light that grows by a constant factor up the ridges of folds, faster on glossy materials.

        Growing so, it stays in step with the folds' own log shading instead of sitting on them in patches.
        """
        material = self.design.material
        rise = np.float32(0.75 + 1.1 * material.gloss) * points.ridge + np.float32(HIGHLIGHT_GROWTH) * shade
        rise = np.minimum(rise, 3.2) - np.float32(0.5) * points.turn
        metal = 0.5
        if material.micro in SPARKLING and relief is not None:
            # Each disc mirrors its own way: most stay dull, a few flash.
            rise = 0.45 * rise + np.float32(1.1) * np.clip(relief, -1.5, 2.5) - np.float32(0.5)
            metal = 0.85
        tint = (1.0 - metal) + metal * albedo / np.maximum(_peak(albedo), 1e-3)
        strength = material.specular * (0.011 + 0.12 * float(light.luminance(self._wanted)))
        return np.float32(strength) * np.exp(rise)[:, None] * tint

    def paint(self, points: Fields) -> NDArray[np.uint8]:
        """sRGB bytes (n, 3)."""
        return light.to_bytes(self.shade(points))


def wanted(colour: tuple[int, int, int]) -> F32:
    """Linear light aimed at for an asked sRGB colour: near-white gives up a little for highlights, near-black for folds."""
    linear = light.decode_bytes(np.asarray(colour, np.uint8))
    lum = float(light.luminance(linear))
    tone = float(light.lightness(np.asarray(lum, np.float32)))
    if tone > 86.0:
        return linear * np.float32(light.luminance_of(86.0 + 0.53 * (tone - 86.0)) / lum)
    return _lifted(linear)


def _lifted(linear: F32) -> F32:
    """Near-black cloth reflects a little: without that no fold could be seen in it."""
    lum = light.luminance(linear)
    tone = light.lightness(lum)
    floor = np.float32(light.luminance_of(8.0) / 10.0)
    return linear + (floor * np.clip(10.0 - tone, 0.0, 10.0))[..., None]


def _peak(albedo: F32) -> F32:
    peak: F32 = np.maximum(np.maximum(albedo[:, 0], albedo[:, 1]), albedo[:, 2])[:, None]
    return peak


def _encoded(linear: F32) -> F32:
    return light.encode(linear)


class Texture:
    """The tile as a pyramid of linear albedo and lit weave relief, looked up at any (u, v) without moire."""

    def __init__(self, cloth: Cloth, towards: tuple[float, float], *, pixels_per_cm: float) -> None:
        albedo = _lifted(light.decode(cloth.albedo))
        layers = [albedo]
        self._relief = cloth.height is not None
        if cloth.height is not None:
            layers.append(_lit_relief(cloth.height, towards)[..., None])
        full = np.ascontiguousarray(np.concatenate(layers, axis=2), dtype=np.float32)
        self._cm = cloth.cm
        self._spans = cloth.cm[1] >= SPANNING_CM
        height, width = full.shape[:2]
        per_pixel = max(width / cloth.cm[0], height / cloth.cm[1]) / pixels_per_cm
        self._base = float(np.log2(max(per_pixel, 1e-3)))
        self._levels = _pyramid(full)

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

    def at(self, points: Fields) -> tuple[F32, F32 | None]:
        """Linear albedo (n, 3) and relief shading (n,) at `points`."""
        lean = -0.3 * np.log2(np.maximum(1.0 - points.turn * points.turn, 0.12))
        level = np.clip(self._base + lean, 0.0, len(self._levels) - 1.0)
        low, high = int(np.floor(level.min())), int(np.floor(level.max()))
        result = np.zeros((points.u.size, self._levels[0].shape[2]), np.float32)
        for k in range(low, min(high + 1, len(self._levels) - 1) + 1):
            weight = np.maximum(1.0 - np.abs(level - k), 0.0)
            chosen = weight > 0
            if not chosen.any():
                continue
            if chosen.all():
                result += weight[:, None] * self._read(k, points.u, points.v)
            else:
                result[chosen] += weight[chosen, None] * self._read(k, points.u[chosen], points.v[chosen])
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
        read = cv2.remap(tile, grid[0].reshape(-1, rows), grid[1].reshape(-1, rows), cv2.INTER_LINEAR)
        return read.reshape(padded, -1)[:count]


def _pyramid(full: F32) -> list[F32]:
    """The tile and its halves down to a few pixels, each with a border of one wrapped pixel."""
    levels = []
    tile = full
    while True:
        levels.append(np.ascontiguousarray(np.pad(tile, ((1, 1), (1, 1), (0, 0)), mode="wrap")))
        height, width = tile.shape[:2]
        if min(height, width) < 4:
            return levels
        tile = cv2.resize(tile, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)


def _lit_relief(height: F32, towards: tuple[float, float]) -> F32:
    """The weave lit from `towards`: slopes facing the light are bright, hollows dark; spread about 1."""
    across = 0.5 * (np.roll(height, -1, axis=1) - np.roll(height, 1, axis=1))
    down = 0.5 * (np.roll(height, -1, axis=0) - np.roll(height, 1, axis=0))
    facing = -(across * towards[0] + down * towards[1])
    lit = facing / max(float(facing.std()), 1e-6) + 0.6 * (height - height.mean()) / max(float(height.std()), 1e-6)
    spread: F32 = ((lit - lit.mean()) / max(float(lit.std()), 1e-6)).astype(np.float32)
    return spread
