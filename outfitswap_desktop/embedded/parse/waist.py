"""The line between upper and lower garment: one height per column of the upright trunk, by dynamic programming."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.parse.parts import BOTTOM, TOP, Figure
from outfitswap_desktop.embedded.parse.seeds import Bool

CLIP = 1.5
"""A pixel's vote between top and bottom is clipped to this many nats."""
EDGE = 5.0
HIP = 3.0
SLOPE = 2.0
"""Cost of one row of slope where the colours are far apart; five times that where they are the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Waist:
    """`below` (h, w) is True below the line; `contrast` 0..1 says how much colour or edge speaks for a line at all.

    `apart` 0..1 says how well the colours alone tell top from bottom.
    """

    below: Bool
    contrast: float
    apart: float


def find_waist(figure: Figure, likelihood: F32, cloth: F32, *, lab: F32) -> Waist:
    """The waistline on the trunk.

    `likelihood` (6, h, w) logs, `cloth` (h, w) probability of being trunk or thigh cloth, `lab` (h, w, 3). The path pays
    for colours on the wrong side, for leaving the strongest horizontal edge, for straying from the hips, and for slope.
    """
    h, w = figure.size
    turn, side, back = _upright(figure)

    def turned(values: F32) -> F32:
        layer = np.asarray(values, np.float32)
        return np.asarray(cv2.warpAffine(layer, turn, (side, side), flags=cv2.INTER_LINEAR), np.float32)

    ratio = np.clip(likelihood[TOP] - likelihood[BOTTOM], -CLIP, CLIP)
    apart = _apart(figure, np.asarray(ratio, np.float32), cloth)
    weight = turned(cloth)
    turned_ratio = turned(np.asarray(ratio, np.float32)) * weight
    edge = _edges([turned(np.ascontiguousarray(lab[..., i])) for i in range(3)], weight)
    unit = figure.unit
    hips = float((turn[:, :2] @ figure.hips + turn[:, 2])[1])
    shoulders = float((turn[:, :2] @ figure.neck_base + turn[:, 2])[1])
    rows = np.arange(side, dtype=np.float32)[:, None]
    place = (rows - (hips - 0.02 * (hips - shoulders))) / (0.16 * max(1.0, hips - shoulders))
    above = np.cumsum(-turned_ratio, axis=0)
    cost = apart * (80.0 / unit) * (above - 0.5 * above[-1:])
    busy = np.minimum(1.0, weight.sum(axis=0) / (0.3 * unit))[None]
    cost = cost + busy * (HIP * place**2 - (1.6 - 0.6 * apart) * EDGE * edge)
    cost[(np.abs(place) > 6.0)[:, 0]] += 1e3
    path = _stiff_path(np.asarray(cost, np.float32), slope=SLOPE * (5.0 - 4.0 * apart))
    below = (rows > path[None]).astype(np.float32)
    unturned = cv2.warpAffine(below, back, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    contrast = _contrast([turned(np.ascontiguousarray(lab[..., i])) for i in range(3)], weight, path, unit=unit)
    return Waist(np.asarray(unturned > 0.5), contrast, apart)


def _apart(figure: Figure, ratio: F32, cloth: F32) -> float:
    """How many pixels of chest and thigh vote for their own garment: 0 = same colours, 1 = told apart."""
    down = figure.down()
    chest = (down > 0.15) & (down < 0.65) & (cloth > 0.6)
    thigh = (down > 1.2) & (down < 1.9) & (cloth > 0.6)
    if np.count_nonzero(thigh) < 0.03 * figure.unit**2:
        thigh = (down > 1.08) & (cloth > 0.6)
    if np.count_nonzero(thigh) < 30 or np.count_nonzero(chest) < 30:
        return 0.0
    right = min(float((ratio[chest] > 0).mean()), float((ratio[thigh] < 0).mean()))
    return float(np.clip((right - 0.7) / 0.22, 0, 1))


def _edges(channels: list[F32], weight: F32) -> F32:
    """Strength 0..1 of horizontal edges inside the cloth; 1 at the cloth's 97th percentile."""
    total = np.zeros_like(weight)
    for layer in channels:
        total += cv2.Sobel(cv2.GaussianBlur(layer, (0, 0), 1.2), cv2.CV_32F, 0, 1, ksize=3) ** 2
    total = np.sqrt(total) * weight
    inside = total[weight > 0.5]
    strong = float(np.percentile(inside, 97)) if inside.size else 1.0
    return np.asarray(np.minimum(total / max(strong, 1e-3), 1.0), np.float32)


def _contrast(channels: list[F32], weight: F32, path: F32, *, unit: float) -> float:
    """Colour step across the path against the steps that the same cloth makes a little above it."""

    def step_at(line: NDArray[np.float32]) -> float:
        reach = max(2, round(0.08 * unit))
        columns = np.arange(len(line))
        steps = []
        for layer in channels:
            soft = cv2.blur(layer, (1, reach))
            high = np.clip((line - reach).astype(int), 0, layer.shape[0] - 1)
            low = np.clip((line + reach).astype(int), 0, layer.shape[0] - 1)
            both = (weight[high, columns] > 0.5) & (weight[low, columns] > 0.5)
            if np.count_nonzero(both) < 0.15 * unit:
                return 0.0
            steps.append((soft[high, columns] - soft[low, columns])[both])
        return float(np.median(np.sqrt(sum(s**2 for s in steps))))

    here = step_at(path)
    if here == 0.0:
        return 0.0
    usual = float(np.median([step_at(path - shift * unit) for shift in (0.25, 0.4, 0.55)]))
    return float(np.clip((here - 1.3 * usual - 1.0) / 8.0, 0, 1))


def _upright(figure: Figure) -> tuple[NDArray[np.float64], int, NDArray[np.float64]]:
    """Turn that puts the shoulders above the hips: matrix, side of the turned square picture, inverse matrix."""
    h, w = figure.size
    axis = figure.axis
    angle = float(np.degrees(np.arctan2(axis[0], axis[1])))
    side = int(np.ceil(np.hypot(h, w)))
    turn = np.asarray(cv2.getRotationMatrix2D((w / 2, h / 2), -angle, 1.0), np.float64)
    turn[:, 2] += np.array([side / 2 - w / 2, side / 2 - h / 2])
    return turn, side, np.asarray(cv2.invertAffineTransform(turn), np.float64)


def _stiff_path(cost: F32, *, slope: float, reach: int = 2) -> F32:
    """Cheapest left-to-right path through `cost` (rows, columns); a step of k rows costs slope * k."""
    rows, columns = cost.shape
    total = cost[:, 0].copy()
    came = np.zeros((columns, rows), np.int16)
    steps = range(-reach, reach + 1)
    for column in range(1, columns):
        options = np.full((len(steps), rows), np.inf, np.float32)
        for i, step in enumerate(steps):
            source = slice(max(0, -step), rows - max(0, step))
            target = slice(max(0, step), rows - max(0, -step))
            options[i, target] = total[source] + slope * abs(step)
        best = options.argmin(axis=0)
        total = options[best, np.arange(rows)] + cost[:, column]
        came[column] = best - reach
    path = np.zeros(columns, np.float32)
    row = int(total.argmin())
    for column in range(columns - 1, -1, -1):
        path[column] = row
        row -= int(came[column, row])
    return path
