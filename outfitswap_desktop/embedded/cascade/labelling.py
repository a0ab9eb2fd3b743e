"""What every pixel of the guessed body is: colours learnt from sure places, weighed against where each part usually is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, Bool
from outfitswap_desktop.embedded.cascade.proportions import CHIN, FEET, Figure, half_width, head_radius, step
from outfitswap_desktop.embedded.parse import colours
from outfitswap_desktop.embedded.parse.smooth import GuidedFilter

BACKGROUND, SKIN, HAIR, TOP, BOTTOM, SHOES = range(6)
COMPONENTS = (6, 3, 3, 5, 4, 3)
COLOUR_WEIGHT = 0.6
"""Weight of a log likelihood against the log prior: neighbouring pixels are not independent witnesses."""
PLACE_WEIGHT, PLACE_SOFT = 0.5, 0.25
"""Weight of the usual body width beside GrabCut's answer, and the width of its edge in face windows."""
ROUNDS = 3
LIKE_FACE = 0.3
"""How much likelier bare skin is where the colour is the face's and the garments' is not."""
LEAST_LEGS = 4.08
"""A picture that ends above this height shows too little below the waist to tell a bottom from a top."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """`probability` (6, h, w) sums to 1; `one_piece`: top and bottom look alike, so they may be one garment."""

    probability: F32
    one_piece: bool
    soles: float | None

    @property
    def best(self) -> NDArray[np.intp]:
        return np.asarray(self.probability.argmax(axis=0))


def lab_of(figure: Figure) -> F32:
    """CIE Lab (h, w, 3) of the work picture, slightly blurred so that weave and noise weigh less."""
    soft = cv2.GaussianBlur(figure.picture, (0, 0), 0.8)
    return np.asarray(cv2.cvtColor(soft.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab))


def like_face(figure: Figure, lab: F32) -> Bool:
    """Pixels (h, w) of the face's own skin colour; lightness counts half, because arms lie in another light."""
    head = np.hypot(figure.u / 0.34, (figure.v - 0.05) / 0.42) < 1
    middle = np.median(lab[head], axis=0)
    gap = np.hypot(0.45 * (lab[..., 0] - middle[0]), np.hypot(lab[..., 1] - middle[1], lab[..., 2] - middle[2]))
    return np.asarray(gap < 11)


def label(figure: Figure, inside: Bool) -> Labels:
    """Label the work picture; `inside` (h, w) is the silhouette."""
    lab = lab_of(figure)
    soles = _soles(figure, inside)
    skin_like = like_face(figure, lab)
    samples = _samples(figure, inside, skin_like=skin_like, soles=soles)
    skin_coloured_cloth = _mostly(samples[TOP] | samples[BOTTOM], skin_like)
    bare = np.zeros_like(skin_like) if skin_coloured_cloth else skin_like
    prior = _prior(figure, inside, soles=soles, skin_like=bare, seen=[bool(np.count_nonzero(s) >= 40) for s in samples])
    smooth = GuidedFilter(figure.picture, max(2, round(0.05 * figure.unit)), eps=4e-4)
    reach = max(3, round(0.3 * figure.unit)) | 1
    near = cv2.dilate(inside.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    probability = prior
    for turn in range(ROUNDS):
        mixtures = [_fitted(lab[s], COMPONENTS[i]) for i, s in enumerate(samples)]
        probability = _judged(lab, prior, mixtures=mixtures, smooth=smooth, near=near)
        if turn + 1 < ROUNDS:
            samples = _sure(probability, samples, skin_like=skin_like)
    return Labels(probability, _alike(lab, samples), soles)


def _fitted(picked: F32, components: int) -> colours.Mixture | None:
    return colours.fit(picked, components) if len(picked) >= 40 else None


def _judged(lab: F32, prior: F32, *, mixtures: list[colours.Mixture | None], smooth: GuidedFilter, near: Bool) -> F32:
    """Probability (6, h, w) from colours and prior; everything that is not `near` the silhouette is background."""
    flat = lab[near]
    score = np.log(prior[:, near])
    for i, mixture in enumerate(mixtures):
        score[i] += COLOUR_WEIGHT * (mixture.log_likelihood(flat) if mixture is not None else colours.flat(flat))
        if mixture is None and i >= HAIR:
            score[i] = -50.0
    score -= score.max(axis=0)
    shares = np.exp(score)
    raw = np.zeros_like(prior)
    raw[BACKGROUND] = 1
    raw[:, near] = shares / shares.sum(axis=0)
    soft = np.stack([np.clip(smooth(layer), 0, 1) for layer in raw])
    return np.asarray(soft / np.maximum(soft.sum(axis=0), 1e-6), np.float32)


def _sure(probability: F32, before: list[Bool], *, skin_like: Bool) -> list[Bool]:
    kernel = np.ones((3, 3), np.uint8)
    best = probability.argmax(axis=0)
    after = []
    for i, old in enumerate(before):
        sure = ((best == i) & (probability[i] > 0.75)).astype(np.uint8)
        kept = cv2.erode(sure, kernel) > 0
        if i in (TOP, BOTTOM):
            kept = _cloth(kept, skin_like)
        after.append(kept if np.count_nonzero(kept) >= 60 else old)
    return after


def _soles(figure: Figure, inside: Bool) -> float | None:
    """Height of the silhouette's lowest point in face windows, None when the picture cuts the legs."""
    rows = np.flatnonzero(inside.any(axis=1))
    if rows.size == 0 or rows[-1] >= inside.shape[0] - 3:
        return None
    lowest = float(figure.v[rows[-1], 0])
    return lowest if lowest > 5.0 else None


def _samples(figure: Figure, inside: Bool, *, skin_like: Bool, soles: float | None) -> list[Bool]:
    u, v, across = figure.u, figure.v, figure.across
    head = head_radius(figure)
    reach = max(3, round(0.35 * figure.unit)) | 1
    around = cv2.dilate(inside.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    band = max(3, round(1.4 * figure.unit)) | 1
    local = cv2.dilate(inside.astype(np.uint8), np.ones((band, band), np.uint8)) > 0
    skin = (np.hypot(u / 0.38, (v - 0.05) / 0.48) < 1) & skin_like
    hair = (head > 0.6) & (head < 1.0) & (v < -0.3) & inside & ~skin_like
    background = local & ~around
    top = _cloth(inside & (np.abs(across) < 0.75) & (v > 1.2) & (v < 2.5), skin_like)
    bottom = _cloth(inside & (np.abs(across) < 0.8) & (v > 3.6) & (v < min(5.2, (soles or FEET) - 0.9)), skin_like)
    if v.max() < LEAST_LEGS:
        bottom = np.zeros_like(inside)
    shoes = inside & (v > soles - 0.3) if soles is not None else np.zeros_like(inside)
    return [background, skin, hair, top, bottom, shoes]


def _cloth(area: Bool, skin_like: Bool) -> Bool:
    """`area` less what looks like skin, unless most of it does (then the cloth is skin-coloured)."""
    bare = area & ~skin_like
    return bare if np.count_nonzero(bare) > 0.3 * np.count_nonzero(area) else area


def _mostly(area: Bool, kind: Bool) -> bool:
    return bool(np.count_nonzero(area & kind) > 0.3 * np.count_nonzero(area))


def _prior(figure: Figure, inside: Bool, *, soles: float | None, skin_like: Bool, seen: list[bool]) -> F32:
    """Probability (6, h, w) of each label from place and silhouette alone; labels without samples are left out."""
    v, across = figure.v, np.abs(figure.across)
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), max(1.0, 0.06 * figure.unit))
    place = np.clip((1.05 * half_width(figure) - across) / PLACE_SOFT, -3.0, 1.0)
    cut = np.clip(soft, 0.01, 0.97)
    body = 1 / (1 + np.exp(-np.log(cut / (1 - cut)) - PLACE_WEIGHT * place))
    head = head_radius(figure)
    is_head = step(-head, -1.12, 0.05) * step(-v, -0.75, 0.06)
    below = (1 - is_head) * step(v, 0.5, 0.1)
    lower = step(v, 3.2, 0.28)
    neck = step(-v, -1.0, 0.1) * step(-across, -0.55, 0.08)
    arms = step(across, 0.9, 0.12) * step(v, 1.6, 0.2) * step(-v, -4.8, 0.4)
    hands = step(v, 2.9, 0.2) * step(-v, -5.2, 0.3) * step(across, 0.3, 0.1)
    bare = np.clip(
        0.04 + 0.5 * neck + 0.3 * arms + 0.1 * hands + 0.06 * step(v, 4.6, 0.5) + LIKE_FACE * skin_like, 0, 0.75
    )
    face = step(-np.hypot(figure.u / 0.45, (v - 0.05) / 0.55), -1.0, 0.07)
    long_hair = 0.08 * step(-v, -1.6, 0.3) * step(-across, -1.0, 0.15)
    cloth = np.clip(below * (1 - bare - long_hair), 0, 1)
    feet = step(v, soles - 0.75, 0.12) if soles is not None else np.zeros_like(v)
    layers = [
        np.zeros_like(v),
        is_head * (0.15 + 0.75 * face) + below * bare,
        is_head * (0.85 - 0.75 * face) + below * long_hair + (1 - is_head) * (1 - below) * 0.9,
        cloth * (1 - lower),
        cloth * lower * (1 - feet),
        cloth * lower * feet,
    ]
    for i in range(1, len(layers)):
        if not seen[i]:
            layers[i] = np.full_like(v, 1e-6)
    prior = np.stack(layers)
    prior /= np.maximum(prior.sum(axis=0), 1e-6)
    prior *= body
    prior[BACKGROUND] = 1 - body
    return np.asarray(np.clip(prior, 1e-4, 1), np.float32)


def _alike(lab: F32, samples: list[Bool]) -> bool:
    """Whether top and bottom have the same colours, so that they may be one dress or overall."""
    top, bottom = lab[samples[TOP]], lab[samples[BOTTOM]]
    if min(len(top), len(bottom)) < 60:
        return False
    return float(np.linalg.norm(np.median(top, axis=0) - np.median(bottom, axis=0))) < 9


CHIN_LINE = CHIN + 0.1
"""Everything of the head's ellipse above this height is head, whatever its colour."""
