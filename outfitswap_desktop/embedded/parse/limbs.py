"""Where a sleeve or a trouser leg ends: along each limb the best point at which cloth turns to skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.parse import parts as pt
from outfitswap_desktop.embedded.parse import skeleton as p
from outfitswap_desktop.embedded.parse.parts import BOTTOM, SKIN, TOP, Figure

STATIONS = 48
CLIP = 3.0
"""A pixel's vote between cloth and skin is clipped to this many nats, so that a button or a tattoo decides nothing."""
SURE = 0.8
"""Mean votes per station that a change point must gain over 'all cloth' and 'all skin' to move the prior."""

CHAINS = (
    (TOP, (p.LEFT_SHOULDER, p.LEFT_ELBOW, p.LEFT_WRIST)),
    (TOP, (p.RIGHT_SHOULDER, p.RIGHT_ELBOW, p.RIGHT_WRIST)),
    (BOTTOM, (p.LEFT_HIP, p.LEFT_KNEE, p.LEFT_ANKLE)),
    (BOTTOM, (p.RIGHT_HIP, p.RIGHT_KNEE, p.RIGHT_ANKLE)),
)


@dataclass(frozen=True, slots=True)
class Change:
    """End of the cloth on one limb: `share` of the chain's length (0 = bare, 1 = covered to the end), `gain` in nats."""

    label: int
    chain: tuple[int, int, int]
    share: float
    gain: float


def changes(figure: Figure, likelihood: F32, person: F32) -> list[Change]:
    """The change point of every limb that is in the picture."""
    found = []
    for label, chain in CHAINS:
        line = _stations(figure, chain)
        votes, weights = _votes(figure, line, likelihood[label] - likelihood[SKIN], person)
        if weights.sum() < 0.3 * STATIONS:
            continue
        cloth_to = np.concatenate([[0.0], np.cumsum(votes * weights)])
        score = cloth_to - (cloth_to[-1] - cloth_to)
        best = int(score.argmax())
        rival = max(abs(score[0] - score[best]), 0.0) if best else abs(score[-1] - score[best])
        found.append(Change(label, chain, best / STATIONS, float(rival / STATIONS)))
    return found


def apply(figure: Figure, prior: F32, found: list[Change]) -> None:
    """Move `prior` (6, h, w) in place: cloth before the change point, skin after it, within the limb's reach."""
    for change in found:
        a, b, c = (figure.points[i] for i in change.chain)
        radius = (0.15 if change.label == TOP else 0.2) * figure.unit
        distance = np.minimum(pt.to_capsule(figure.size, a, b), pt.to_capsule(figure.size, b, c))
        inside = 1 / (1 + np.exp(np.clip((distance - radius) / (0.04 * figure.unit), -30, 30)))
        along = _along(figure, change.chain)
        force = 1.5 * min(1.0, change.gain / SURE)
        side = np.tanh((along - change.share) / 0.04) * inside * force
        prior[change.label] *= np.exp(-np.maximum(side, 0))
        prior[SKIN] *= np.exp(np.minimum(side, 0))


def bare(figure: Figure, found: list[Change]) -> F32:
    """Map (h, w) 0..1: inside the reach of an arm, beyond the end of its sleeve."""
    result = np.zeros(figure.size, np.float32)
    for change in found:
        if change.label != TOP:
            continue
        a, b, c = (figure.points[i] for i in change.chain)
        distance = np.minimum(pt.to_capsule(figure.size, a, b), pt.to_capsule(figure.size, b, c))
        if change.share < 0.9:
            fingers = c + 1.2 * (figure.points[change.chain[2] + 4] - c)
            distance = np.minimum(distance, pt.to_capsule(figure.size, c, np.asarray(fingers, np.float32)))
        beyond = (_along(figure, change.chain) > change.share + 0.05) & (distance < 0.35 * figure.unit)
        result = np.maximum(result, beyond.astype(np.float32))
    return result


def _stations(figure: Figure, chain: tuple[int, int, int]) -> F32:
    a, b, c = (figure.points[i] for i in chain)
    first, second = float(np.hypot(*(b - a))), float(np.hypot(*(c - b)))
    share = (np.arange(STATIONS) + 0.5) / STATIONS * (first + second)
    steps = [
        a + (b - a) * s / max(first, 1e-3) if s < first else b + (c - b) * (s - first) / max(second, 1e-3)
        for s in share
    ]
    return np.asarray(steps, np.float32)


def _votes(figure: Figure, line: F32, ratio: F32, person: F32) -> tuple[F32, F32]:
    """Mean clipped vote per station over a strip across the limb, and whether the station is on the person."""
    h, w = figure.size
    way = np.gradient(line, axis=0)
    way /= np.maximum(np.hypot(way[:, 0], way[:, 1])[:, None], 1e-3)
    across = np.stack([-way[:, 1], way[:, 0]], axis=1)
    votes = np.zeros(STATIONS, np.float32)
    weights = np.zeros(STATIONS, np.float32)
    for offset in np.linspace(-0.08, 0.08, 7) * figure.unit:
        places = np.round(line + across * offset).astype(int)
        inside = (places[:, 0] >= 0) & (places[:, 0] < w) & (places[:, 1] >= 0) & (places[:, 1] < h)
        xs, ys = np.clip(places[:, 0], 0, w - 1), np.clip(places[:, 1], 0, h - 1)
        weight = np.where(inside, person[ys, xs], 0)
        votes += weight * np.clip(ratio[ys, xs], -CLIP, CLIP)
        weights += weight
    return np.asarray(votes / np.maximum(weights, 1e-3), np.float32), np.asarray(weights / 7, np.float32)


def _along(figure: Figure, chain: tuple[int, int, int]) -> F32:
    """Map (h, w): how far along the chain (0..1) the nearest point of the limb lies."""
    a, b, c = (figure.points[i] for i in chain)
    first, second = float(np.hypot(*(b - a))), float(np.hypot(*(c - b)))
    ys, xs = pt.grid(figure.size)
    near = pt.to_capsule(figure.size, a, b) <= pt.to_capsule(figure.size, b, c)

    def part(start: F32, end: F32, length: float) -> F32:
        way = (end - start) / max(length, 1e-3)
        return np.asarray(np.clip((xs - start[0]) * way[0] + (ys - start[1]) * way[1], 0, length), np.float32)

    whole = max(first + second, 1e-3)
    return np.asarray(np.where(near, part(a, b, first), first + part(b, c, second)) / whole, np.float32)
