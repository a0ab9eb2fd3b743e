"""What the skin of one person looks like in one picture: chromaticity along lightness, learnt from face and hands.

CIELAB chroma divided by (L* + 16) does not change with the strength of the light (both grow with the cube root of the
luminance), so one straight line over lightness with a covariance describes skin in light and in shadow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB
from outfitswap_desktop.safety.people.colour import chromaticity, ciede2000, lab_of

LEAST_PIXELS: Final = 60
"""Skin pixels under which nothing is learnt and the generic skin stands in."""

SURE_PIXELS: Final = 400
"""Skin pixels from which on a learnt model counts as confident."""

REACH: Final = 2.4
"""Mahalanobis distance at which likelihood is 0.5."""

SOFTNESS: Final = 0.25
"""Over how much of that distance the likelihood falls (logistic)."""

ALONG: Final = (0.022, 0.14, 0.060)
"""Standard deviation of normalised chroma towards and away from grey: floor, floor as a share of the chroma, ceiling.

A body is paler or more saturated than a made-up face; the ceiling keeps a badly lit face from making everything skin.
"""

ACROSS: Final = (0.018, 0.07, 0.045)
"""The same across it, in hue: 4 degrees at least."""

TRIMMED: Final = (0.022, 0.05)
"""Bounds of the scale by which outliers are told while fitting."""

ROUNDS: Final = 8
MOST_PIXELS: Final = 8_000
FACE_SHARE: Final = 0.25
HAND_SHARE: Final = 0.4
"""Least share of a face's and of the hands' pixels that must look like some skin before a tone is learnt from them."""

AKIN_HUE: Final = 22.0
AKIN_CHROMA: Final = 1.7

STEEPEST: Final = 0.008
"""Largest change of normalised chroma per unit of L*."""

DARKER: Final = 24.0
LIGHTER: Final = 8.0
"""How far in L* skin of the body may be darker or lighter than what was seen of face and hands."""

LEAST_RANGE: Final = 20.0
"""Range of L* that a palette has at least."""

BURNT: Final = 94.0
"""L* over which a colour is too pale to be told from white cloth."""

DARKEST: Final = 12.0
"""L* under which a colour says nothing any more."""

HUES: Final = (18.0, 84.0)
"""Hue angles (degrees in a*, b*) of human skin under indoor, outdoor and warm light, as a wide first net."""

CHROMAS: Final = (0.07, 0.80)
"""Chroma over (L* + 16) of the same."""

GREY: Final = 0.04
"""Median normalised chroma of a face in a picture without colours."""

MOST_TONES: Final = 4

NEAR: Final = 6.0
"""CIEDE2000 distance under which a plain cloth looks like bare skin."""


@dataclass(frozen=True, slots=True)
class Tone:
    """One line of skin: `centre` (u, v) at L* `middle`, `slope` (du, dv) per unit of L*, `spread` its covariance."""

    centre: tuple[float, float]
    slope: tuple[float, float]
    spread: tuple[float, float, float]
    middle: float

    def distance(self, lightness: F32, u: F32, v: F32) -> F32:
        """Squared Mahalanobis distance (H, W) of the chromaticities (u, v) at their lightness."""
        uu, uv, vv = self.spread
        determinant = uu * vv - uv * uv
        light = lightness - np.float32(self.middle)
        du = u - np.float32(self.centre[0]) - np.float32(self.slope[0]) * light
        dv = v - np.float32(self.centre[1]) - np.float32(self.slope[1]) * light
        return np.asarray((vv * du * du - 2 * uv * du * dv + uu * dv * dv) / determinant, np.float32)

    def colours(self, levels: F32) -> F32:
        """CIELAB colours (n, 3) on the line at the lightnesses `levels` (n,)."""
        light = levels - np.float32(self.middle)
        u, v = (np.float32(self.centre[i]) + np.float32(self.slope[i]) * light for i in (0, 1))
        return np.stack([levels, u * (levels + 16), v * (levels + 16)], axis=-1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class SkinModel:
    """Skin of one person in one picture: one or two tones (face; hands under another light) within a range of L*.

    Up to four where two pictures do not agree on it (`beside`).

    `confident` is False for the generic skin, for one learnt from few pixels and for a picture without colours: the
    limits that are drawn on its answers are halved then.
    """

    tones: tuple[Tone, ...]
    lightness: tuple[float, float]
    confident: bool

    @classmethod
    def generic(cls) -> SkinModel:
        """Any human skin under common light: wide, and never confident."""
        return cls((GENERIC,), (20.0, 94.0), False)

    @classmethod
    def learn(cls, face: RGB, hands: RGB | None = None) -> SkinModel:
        """From sRGB pixels (N, 3) of a `face` and of `hands`, with beards, glasses, lips, cloth and shadows among them.

        Falls back to the hands alone, and to `generic` when too few of them look like skin at all.
        """
        seen = _samples(face)
        palms = _samples(hands) if hands is not None else seen[:0]
        found = _fitted(seen, least=FACE_SHARE)
        if found is None:
            found = _fitted(palms, least=HAND_SHARE)
            if found is None:
                return cls._grey(seen) or cls.generic()
            return cls((found.tone,), found.lightness, False)
        other = _fitted(palms, least=HAND_SHARE)
        tones: tuple[Tone, ...] = (found.tone,)
        low, high = found.lightness
        if other is not None and _akin(found.tone, other.tone):
            tones, low, high = (found.tone, other.tone), min(low, other.lightness[0]), max(high, other.lightness[1])
        return cls(tones, (low, high), found.pixels >= SURE_PIXELS)

    @classmethod
    def _grey(cls, samples: F32) -> SkinModel | None:
        """Skin in a picture without colours, known by its lightness alone; None where the face has a colour."""
        if len(samples) < LEAST_PIXELS or float(np.median(np.hypot(samples[:, 1], samples[:, 2]))) >= GREY:
            return None
        low, high = np.percentile(samples[:, 0], (15, 95))
        return cls((Tone((0.0, 0.0), (0.0, 0.0), (0.0004, 0.0, 0.0004), 60.0),), (float(low), float(high)), False)

    def likelihood(self, picture: RGB) -> F32:
        """How much every pixel of `picture` (H, W, 3) sRGB looks like this skin: (H, W), 0..1."""
        lightness, u, v = chromaticity(picture)
        squared = self.tones[0].distance(lightness, u, v)
        for tone in self.tones[1:]:
            np.minimum(squared, tone.distance(lightness, u, v), out=squared)
        away = (np.sqrt(np.maximum(squared, 0)) - REACH) / SOFTNESS
        colour = 1 / (1 + np.exp(np.clip(away, -30, 30)))
        low, high = self.lightness
        light = np.clip((lightness - low + 4) / 4, 0, 1) * np.clip((high + 4 - lightness) / 4, 0, 1)
        return np.asarray(colour * light, np.float32)

    def palette(self) -> F32:
        """CIELAB colours (n, 3) of this skin: its lines, over the lightness that was seen of it where that is known."""
        low, high = self.lightness
        if self.confident:
            low, high = min(low + DARKER, high - LEAST_RANGE), high - LIGHTER
        levels = np.linspace(low, high, 25, dtype=np.float32)
        return np.concatenate([tone.colours(levels) for tone in self.tones])

    def nearest(self, lab: F32) -> F32:
        """CIEDE2000 distance of every colour of `lab` (..., 3) to the nearest colour of this skin."""
        colours = np.asarray(lab, np.float32)
        distances = ciede2000(colours.reshape(-1, 1, 3), self.palette()[None]).min(axis=1)
        return np.asarray(distances.reshape(colours.shape[:-1]), np.float32)

    def beside(self, other: SkinModel) -> SkinModel:
        """This skin, with the tones of `other` too where they are no tones of this one: then what is skin to either is skin."""
        if float(self.nearest(other.palette()).max()) < NEAR:
            return self
        low, high = (pick(a, b) for pick, a, b in zip((min, max), self.lightness, other.lightness, strict=True))
        return SkinModel((*self.tones[:2], *other.tones[:2]), (low, high), self.confident and other.confident)

    def as_json(self) -> dict[str, Any]:
        """The parameters, rounded."""
        tones = [
            {
                "centre": [round(x, 5) for x in tone.centre],
                "slope": [round(x, 6) for x in tone.slope],
                "spread": [round(x, 7) for x in tone.spread],
                "middle": round(tone.middle, 2),
            }
            for tone in self.tones
        ]
        return {"tones": tones, "lightness": [round(x, 2) for x in self.lightness], "confident": self.confident}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SkinModel:
        """Read `as_json` back; raises ValueError for anything that is not such a document."""
        try:
            tones = tuple(_tone(one) for one in document["tones"])
            low, high = (float(x) for x in document["lightness"])
            confident = document["confident"]
        except (KeyError, TypeError, ValueError) as problem:
            raise ValueError("this is no skin model") from problem
        if not 1 <= len(tones) <= MOST_TONES or not isinstance(confident, bool) or not 0 <= low < high <= 100:
            raise ValueError("this is no skin model")
        return cls(tones, (low, high), confident)


def _tone(document: Mapping[str, Any]) -> Tone:
    (cu, cv), (su, sv), (uu, uv, vv) = (tuple(float(x) for x in document[k]) for k in ("centre", "slope", "spread"))
    middle = float(document["middle"])
    if not all(math.isfinite(x) for x in (cu, cv, su, sv, uu, uv, vv, middle)) or min(uu, vv, uu * vv - uv * uv) <= 0:
        raise ValueError("a tone's numbers are impossible")
    return Tone((cu, cv), (su, sv), (uu, uv, vv), middle)


GENERIC: Final = Tone((0.20, 0.29), (0.0, 0.0), (0.0042, 0.0020, 0.0081), 60.0)
"""Our own wide guess: about hue 35 to 75 degrees at medium chroma, where the faces of our photos lie."""


def _samples(pixels: RGB) -> F32:
    """Lightness, u and v (n, 3) of sRGB `pixels` (N, 3) that are neither black nor burnt out; thinned out."""
    if not len(pixels):
        return np.zeros((0, 3), np.float32)
    few = pixels[:: max(1, len(pixels) // MOST_PIXELS)]
    samples = np.stack([one[0] for one in chromaticity(few.reshape(1, -1, 3))], axis=1)
    return np.asarray(samples[(samples[:, 0] > DARKEST) & (samples[:, 0] < 97)], np.float32)


@dataclass(frozen=True, slots=True)
class _Fit:
    tone: Tone
    lightness: tuple[float, float]
    pixels: int


def _fitted(samples: F32, *, least: float) -> _Fit | None:
    """A robust line through samples (n, 3) of lightness, u, v; None when under `least` of them look like skin at all."""
    hue, chroma = np.degrees(np.arctan2(samples[:, 2], samples[:, 1])), np.hypot(samples[:, 1], samples[:, 2])
    likely = (hue > HUES[0]) & (hue < HUES[1]) & (chroma > CHROMAS[0]) & (chroma < CHROMAS[1])
    if np.count_nonzero(likely) < max(LEAST_PIXELS, least * len(samples)):
        return None
    kept = samples[likely].astype(np.float64)
    middle, centre, slope = float(np.median(kept[:, 0])), np.median(kept[:, 1:], axis=0), np.zeros(2)
    every = kept
    for _ in range(ROUNDS):
        rest = every[:, 1:] - centre - (every[:, :1] - middle) * slope
        near = kept[:, 1:] - centre - (kept[:, :1] - middle) * slope
        sizes = np.clip(1.4826 * np.median(np.abs(near), axis=0), *TRIMMED)
        within = every[(np.abs(rest) < 2.2 * sizes).all(axis=1)]
        if len(within) < LEAST_PIXELS // 2:
            break
        kept, middle = within, float(np.median(within[:, 0]))
        light = kept[:, 0] - middle
        tilt = (light[:, None] * (kept[:, 1:] - kept[:, 1:].mean(axis=0))).sum(axis=0) / max(1.0, float(light @ light))
        slope = np.clip(tilt, -STEEPEST, STEEPEST)
        centre = np.median(kept[:, 1:] - light[:, None] * slope, axis=0)
    rest = kept[:, 1:] - centre - (kept[:, :1] - middle) * slope
    low, high = (float(x) for x in np.percentile(kept[:, 0], (5, 95)))
    tone = Tone(_pair(centre), _pair(slope), _spread(rest, centre), middle)
    return _Fit(tone, (max(DARKEST, low - DARKER), min(BURNT, high + LIGHTER)), len(kept))


def _pair(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _spread(rest: NDArray[np.float64], centre: NDArray[np.float64]) -> tuple[float, float, float]:
    """Covariance of the residuals (n, 2), along the chroma of `centre` and across it, each within its bounds."""
    chroma = float(np.hypot(*centre))
    along = centre / max(chroma, 1e-6)
    axes = np.array([along, [-along[1], along[0]]])
    sizes = []
    for axis, (floor, share, ceiling) in zip(axes, (ALONG, ACROSS), strict=True):
        low = max(floor, share * chroma)
        sizes.append(float(np.clip(np.std(rest @ axis), low, max(ceiling, low))))
    covariance = axes.T @ np.diag(np.square(sizes)) @ axes
    return float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])


def _akin(face: Tone, hands: Tone) -> bool:
    """Whether what was learnt from hands can be the skin of this face: near in hue and in chroma."""
    hues = [math.degrees(math.atan2(tone.centre[1], tone.centre[0])) for tone in (face, hands)]
    ratio = math.hypot(*hands.centre) / math.hypot(*face.centre)
    return abs(hues[0] - hues[1]) < AKIN_HUE and 1 / AKIN_CHROMA < ratio < AKIN_CHROMA


def near(colour: tuple[int, int, int], model: SkinModel) -> float:
    """CIEDE2000 distance of an sRGB colour (0..255) to the nearest colour of this skin."""
    return float(model.nearest(lab_of(np.array([[colour]])))[0, 0])
