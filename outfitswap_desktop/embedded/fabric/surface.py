"""One point of cloth in light: texture lookup, fold shading, highlights and sheen, colour in gamut, exposure that fits."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric import light
from outfitswap_desktop.embedded.fabric.design import Cloth, Design
from outfitswap_desktop.embedded.fabric.relief import Relief
from outfitswap_desktop.embedded.fabric.shading import Shading
from outfitswap_desktop.embedded.fabric.texture import Texture, wanted

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

PATTERN_FOLDS = 1.3
"""How much stronger folds are drawn under a pattern: the eye needs more of them than on plain cloth."""

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
        toned: F32 = (dark + bright).astype(np.float32)
        return toned


def spans(design: Design, cloth: Cloth) -> bool:
    """Whether the tile is no repeat but spans the garment (colour block, gradient)."""
    return cloth.cm[1] >= SPANNING_CM and design.swatch is None


class Painter:
    """Turns fields into sRGB for one design on one garment."""

    def __init__(
        self,
        design: Design,
        cloth: Cloth,
        taken: Shading,
        bent: Relief,
        *,
        pixels_per_cm: float,
        gain: F32 | None = None,
    ) -> None:
        self.design = design
        self.solid = design.pattern == "solid" and design.swatch is None
        self._wanted = wanted(design.colours[0])
        self._gain = np.ones(3, np.float32) if gain is None else gain
        self._tone = self._contrast(taken, bent)
        self._texture = Texture(cloth, bent.light, pixels_per_cm=pixels_per_cm, spans=spans(design, cloth))
        self._micro = 0.0
        self._moderate(self._folds_spread(taken), pixels_per_cm)

    def _folds_spread(self, taken: Shading) -> float:
        """Spread of the folds as they will be painted, high-passed at 2 % of the garment's size."""
        toned = self._tone(taken.folds)
        sigma = max(1.5, 0.02 * float(np.sqrt(np.count_nonzero(taken.inside))))
        weight = taken.inside.astype(np.float32)
        mean = cv2.GaussianBlur(toned * weight, (0, 0), sigma) / np.maximum(
            cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3
        )
        return float(np.std((toned - mean)[taken.inside]))

    def _moderate(self, folds: float, pixels_per_cm: float) -> None:
        """Keep the weave's contrast below that of the folds (their spread), more so the finer the cloth; soften patterns."""
        depth = self.design.material.micro_depth
        self._micro = 0.35 * depth
        if not self.solid:
            self._micro = min(self._micro, 0.5 * folds + 0.01)
            self._texture.soften_pattern(PATTERN_CONTRAST)
            return
        share = float(np.interp(depth, (0.12, 0.30, 0.42, 0.60), (0.22, 0.36, 0.85, 3.5)))
        if depth > 0.2:
            # A large photo shows a coarse cloth's structure close up, where one looks for it.
            share *= float(np.interp(pixels_per_cm, (10.0, 25.0), (1.0, 1.6)))
        limit = max(share * folds, 0.012)
        found = self._texture.spread(self._micro)
        if found > limit:
            self._micro *= limit / found
            self._texture.soften(limit / found)

    def _contrast(self, taken: Shading, bent: Relief) -> Tone:
        """How strongly the photo's shading is repeated: dark cloth shows more contrast than white, flat photos get some back.

        Where the lit side would not fit below white, both sides give way: bent alike, the folds stay what they were.
        """
        material = self.design.material
        inner = taken.folds[taken.inside] + bent.volume[taken.inside]
        low, high = np.percentile(inner, [3, 97])
        bright = float(light.luminance(self._wanted))
        pale = min(1.0, bright / 0.8)
        plausible = 1.5 - 0.9 * pale
        least = 1.0 if taken.lit > 0.12 and bright < 0.4 else 0.55
        gain = float(np.clip((plausible / max(high - low, 0.05)) ** 0.7, least, 1.8 - 0.6 * pale)) * material.fold_gain
        if not self.solid:
            gain *= PATTERN_FOLDS
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
        target = self._wanted
        for _ in range(4):
            lit = painter.shade(points, flat=not self.solid)
            lum = light.luminance(lit)
            low, high = np.percentile(lum, [30, 70])
            median = np.median(lit[(lum >= low) & (lum <= high)], axis=0)
            ratio = (target + 1e-4) / (median + 1e-4)
            if not self.solid:
                # One exposure for all colours of a pattern: what mends the ground would tint the others.
                ratio = np.full(3, float(light.luminance(target) / max(float(light.luminance(median)), 1e-5)))
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
        albedo, relief = self._texture.at(points.u, points.v, turn=points.turn)
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
        # Pale cloth is nearly as bright as its highlights: there they must stop earlier.
        most = 3.2 - 1.2 * min(1.0, float(light.luminance(self._wanted)) / 0.5)
        rise = np.minimum(rise, np.float32(most)) - np.float32(0.5) * points.turn
        metal = 0.5
        if material.micro in SPARKLING and relief is not None:
            # Each disc mirrors its own way: most stay dull, a few flash.
            rise = 0.45 * rise + np.float32(1.1) * np.clip(relief, -1.5, 2.5) - np.float32(0.5)
            metal = 0.85
        tint = (1.0 - metal) + metal * albedo / np.maximum(_peak(albedo), 1e-3)
        strength = material.specular * (0.011 + 0.12 * float(light.luminance(self._wanted)))
        mirrored: F32 = np.float32(strength) * np.exp(rise)[:, None] * tint
        return mirrored

    def paint(self, points: Fields) -> NDArray[np.uint8]:
        """sRGB bytes (n, 3)."""
        return light.to_bytes(self.shade(points))


def _peak(albedo: F32) -> F32:
    peak: F32 = np.maximum(np.maximum(albedo[:, 0], albedo[:, 1]), albedo[:, 2])[:, None]
    return peak
