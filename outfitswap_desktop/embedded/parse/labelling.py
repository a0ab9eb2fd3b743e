"""The joint labelling: colour mixtures of all labels against the body-part prior, refitted and smoothed in rounds."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB, Bool
from outfitswap_desktop.embedded.parse import colours
from outfitswap_desktop.embedded.parse.colours import Mixture
from outfitswap_desktop.embedded.parse.parallel import two_at_a_time
from outfitswap_desktop.embedded.parse.parts import BACKGROUND, BOTTOM, SHOES, SKIN, TOP, Figure
from outfitswap_desktop.embedded.parse.smooth import GuidedFilter

COLOUR_WEIGHT = 0.6
"""Weight of a log likelihood against the log prior; 0.3 to 0.6 is flat, 1.0 loses 0.03 IoU."""
COMPONENTS = (6, 3, 3, 5, 5, 3)
"""Mixture components for background, skin, hair, top, bottom, shoes."""


STEP = 0.75
"""Colours closer than this many Lab units get one likelihood: far fewer colours than pixels have to be judged."""
DOUBT = 0.35
"""Prior of being background from which on a pixel teaches nothing about what is worn."""
SHADED = (SKIN, TOP, BOTTOM)
"""Labels whose samples are also taken in shade: folds, the throat, the inside of a sleeve."""


def lab_of(picture: RGB) -> F32:
    """CIE Lab (h, w, 3) float32 of an sRGB picture, slightly blurred so that weave and noise weigh less."""
    soft = cv2.GaussianBlur(picture, (0, 0), 0.8)
    return np.asarray(cv2.cvtColor(soft.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab))


def _with_shade(colours_seen: F32) -> F32:
    """The samples (n, 3), and a third of them again at four fifths of the light."""
    shade = colours_seen[::3] * np.array([0.8, 0.9, 0.9], np.float32)
    return np.concatenate([colours_seen, shade])


def _palette(seen: F32) -> tuple[F32, NDArray[np.intp]]:
    """The different colours (m, 3) of `seen` (n, 3) to within STEP, and which of them every pixel has (n,)."""
    steps = np.round(seen / STEP).astype(np.int64) + 256
    keys, index = np.unique((steps[:, 0] << 20) | (steps[:, 1] << 10) | steps[:, 2], return_inverse=True)
    parts = np.stack([keys >> 20, (keys >> 10) & 1023, keys & 1023], axis=1)
    return np.asarray((parts - 256) * STEP, np.float32), index.reshape(-1)


@dataclass(slots=True, eq=False)
class Labelling:
    """State of the rounds: `lab` (h, w, 3), `prior` (6, h, w), smoothing filter, log likelihoods, probabilities (6, h, w)."""

    lab: F32
    prior: F32
    smooth: GuidedFilter
    near: Bool
    palette: F32
    index: NDArray[np.intp]
    likelihood: F32
    probability: F32
    mixtures: list[Mixture | None]

    def fit(self, samples: list[Bool]) -> None:
        """Fit every label's colours to its samples (maps (h, w)); a label with too few keeps a flat density."""
        self.mixtures = []
        for label, chosen in enumerate(samples):
            picked = self.lab[chosen & self.near] if label != BACKGROUND else self.lab[chosen]
            if label in SHADED:
                picked = _with_shade(picked)
            mixture = colours.fit(picked, COMPONENTS[label]) if len(picked) >= 40 else None
            self.mixtures.append(mixture)
            few = self.palette
            values = mixture.log_likelihood(few) if mixture is not None else colours.flat(few)
            self.likelihood[label][self.near] = values[self.index]
        self._tie(samples)

    def _tie(self, samples: list[Bool]) -> None:
        """Shoes that look like the trousers get the trousers' density, so that the prior draws the line."""
        shoes = samples[SHOES] & self.near
        if np.count_nonzero(shoes) < 40:
            return
        gap = np.clip(self.likelihood[SHOES][shoes] - self.likelihood[BOTTOM][shoes], -4, 4)
        if float(gap.mean()) < 1.5:
            self.likelihood[SHOES] = self.likelihood[BOTTOM]

    def judge(self) -> None:
        """Probabilities from colours and prior, smoothed along the picture's edges."""
        score = COLOUR_WEIGHT * self.likelihood + np.log(self.prior)
        score -= score.max(axis=0)
        raw = np.exp(score)
        raw /= raw.sum(axis=0)
        raw[:, ~self.near] = 0
        raw[BACKGROUND][~self.near] = 1
        smooth = np.stack(two_at_a_time(lambda layer: np.clip(self.smooth(layer), 0, 1), raw))
        self.probability = smooth / np.maximum(smooth.sum(axis=0), 1e-6)

    def confident(self) -> list[Bool]:
        """Samples for the next fit: pixels that are sure of their label and not at its edge.

        Where the silhouette itself is in doubt (the wall between two legs) nothing is learnt about cloth.
        """
        kernel = np.ones((3, 3), np.uint8)
        best = self.probability.argmax(axis=0)
        maps = []
        for label in range(len(self.prior)):
            sure = (best == label) & (self.probability[label] > 0.8)
            if label != BACKGROUND:
                sure &= self.prior[BACKGROUND] < DOUBT
            maps.append(cv2.erode(sure.astype(np.uint8), kernel) > 0)
        return maps


def label(picture: RGB, figure: Figure, prior: F32, *, samples: list[Bool], person: F32, rounds: int = 3) -> Labelling:
    """Run the rounds on the work picture (h, w, 3) and return their end state."""
    reach = max(3, round(0.3 * figure.unit)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    near = cv2.dilate((person > 0.2).astype(np.uint8), kernel) > 0
    lab = lab_of(picture)
    palette, index = _palette(lab[near])
    state = Labelling(
        lab=lab,
        prior=prior,
        smooth=GuidedFilter(picture, max(2, round(0.025 * figure.unit)), eps=4e-4),
        near=near,
        palette=palette,
        index=index,
        likelihood=np.zeros_like(prior),
        probability=prior,
        mixtures=[],
    )
    band = max(3, round(0.9 * figure.unit)) | 1
    local = cv2.dilate((person > 0.3).astype(np.uint8), np.ones((band, band), np.uint8)) > 0
    samples = [samples[0] & local, *samples[1:]]
    state.fit(samples)
    state.judge()
    for _ in range(rounds - 1):
        chosen = state.confident()
        chosen[BACKGROUND] &= local
        for cloth in (TOP, BOTTOM):
            if np.count_nonzero(chosen[cloth]) < 60:
                chosen[cloth] |= samples[cloth]
        state.fit(chosen)
        state.judge()
    return state
