"""The line between upper and lower garment: one height per column of the upright trunk, by dynamic programming."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, Bool
from outfitswap_desktop.embedded.parse import colours
from outfitswap_desktop.embedded.parse.parts import Figure

CLIP = 1.5
"""A pixel's vote between top and bottom is clipped to this many nats."""
TIGHT = 1.2
"""Least standard deviation of the waist's own mixtures in Lab units."""
EDGE = 5.0
MOST = 12.0
"""Most that one column may pay for its colours, so that a half in another light does not bend the whole line."""
HIP = 1.2
"""Cost of leaving the hips; it levels off at six times this, because coats end at the knee."""
SLOPE = 5.0
STRAIGHT = 0.75
"""Below this much colour difference the line is a straight or sagging one; a free path would follow shades. The same
where the photo ends above the thighs: too little is seen of the lower garment to trust its colours."""
FAINT = 0.15
"""A line of less contrast is hardly one: nothing is gained by looking for its hem."""
ALIKE = 8.0
"""Cloths less than this many Lab units apart: shade alone can make a waistband look like the shirt above it."""
BELT = (0.06, 0.25)
"""How far a hem can lie above the lower edge of belt or waistband, in shoulder widths (2 to 9 cm)."""
PARALLEL = 0.04
"""Most that the band's height may vary (standard deviation, shoulder widths); the hems of an open jacket vary more."""
HEM = 0.6
"""A hem above a waistband's lower edge wins from this share of that edge's strength on: the band is the bottom's."""


@dataclass(frozen=True, slots=True, eq=False)
class Waist:
    """`below` (h, w) is True below the line, `votes` (h, w) are > 0 where the colours are the top's.

    `contrast` 0..1 says how much colour or edge speaks for a line at all, `apart` 0..1 how well colours alone tell top from
    bottom.
    """

    below: Bool
    votes: F32
    contrast: float
    apart: float


def find_waist(figure: Figure, cloth: F32, *, lab: F32) -> Waist:
    """The waistline on the trunk.

    `cloth` (h, w) is the probability of being trunk or thigh cloth, `lab` (h, w, 3) the colours. The path pays
    for colours on the wrong side, for leaving the strongest horizontal edge, for straying from the hips, and for slope.
    """
    h, w = figure.size
    turn, side, back = _upright(figure)

    def turned(values: F32) -> F32:
        layer = np.asarray(values, np.float32)
        return np.asarray(cv2.warpAffine(layer, turn, (side, side), flags=cv2.INTER_LINEAR), np.float32)

    ratio, apart = _votes(figure, cloth, lab)
    cropped = np.count_nonzero((figure.down() > 1.15) & (cloth > 0.6)) < 0.12 * figure.unit**2
    weight = turned(cloth)
    turned_ratio = turned(ratio) * weight
    unit = figure.unit
    hips = float((turn[:, :2] @ figure.hips + turn[:, 2])[1])
    shoulders = float((turn[:, :2] @ figure.neck_base + turn[:, 2])[1])
    rows = np.arange(side, dtype=np.float32)[:, None]
    place = (rows - (hips - 0.09 * (hips - shoulders))) / (0.18 * max(1.0, hips - shoulders))
    channels = [turned(np.ascontiguousarray(lab[..., i])) for i in range(3)]
    edge = _edges(channels, weight, place=place)
    above = np.cumsum(-turned_ratio, axis=0)
    paid = apart * (80.0 / unit) * (above - above.min(axis=0))
    trust = _column_trust(turned_ratio, weight, below=rows[:, 0] > hips + 0.04 * (hips - shoulders), reach=0.3 * unit)
    cost = trust[None] * MOST * np.tanh(paid / MOST)
    busy = np.minimum(1.0, weight.sum(axis=0) / (0.3 * unit))[None]
    cost = cost + busy * ((2.0 - apart) * HIP * place**2 / (1 + place**2 / 6) - (1.6 - 0.6 * apart) * EDGE * edge)
    cost[(np.abs(place) > 6.0)[:, 0]] += 1e3
    if apart < STRAIGHT:
        path = _straight_path(np.asarray(cost, np.float32), busy[0])
    else:
        path = _stiff_path(np.asarray(cost, np.float32), slope=SLOPE)
    contrast = _contrast(channels, weight, path, unit=unit)
    contrast = max(contrast, apart * _flip(turned(ratio), weight, path, unit=unit))
    if apart >= STRAIGHT and contrast > FAINT:
        path = _above_waistband(channels, weight, path, unit=unit)
    below = (rows > path[None]).astype(np.float32)
    unturned = cv2.warpAffine(below, back, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    columns = np.repeat(trust[None], side, axis=0)
    trusted = cv2.warpAffine(columns, back, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Waist(np.asarray(unturned > 0.5), np.asarray(ratio * trusted * (not cropped), np.float32), contrast, apart)


def _votes(figure: Figure, cloth: F32, lab: F32) -> tuple[F32, float]:
    """Votes (h, w) for top (> 0) or bottom, and how far they can be trusted (0 = same colours, 1 = told apart).

    The mixtures are fitted tightly to chest and thighs alone: black cotton and black wool differ by a few Lab units.
    """
    down = figure.down()
    solid = cloth > 0.6
    chest = (down > 0.2) & (down < 0.75) & solid
    thigh = (down > 1.15) & (down < 1.9) & solid
    if np.count_nonzero(thigh) < 0.03 * figure.unit**2:
        thigh = (down > 1.06) & solid
    ratio = np.zeros(figure.size, np.float32)
    if np.count_nonzero(thigh) < 60 or np.count_nonzero(chest) < 60:
        return ratio, 0.0
    soft = np.asarray(cv2.GaussianBlur(lab, (0, 0), 1.2), np.float32)
    upper, lower = colours.fit(soft[chest], 5, spread=TIGHT), colours.fit(soft[thigh], 5, spread=TIGHT)
    near = cloth > 0.2
    values = soft[near]
    ratio[near] = np.clip(upper.log_likelihood(values) - lower.log_likelihood(values), -CLIP, CLIP)
    right = min(float((ratio[chest] > 0).mean()), float((ratio[thigh] < 0).mean()))
    gap = float(ratio[chest].mean() - ratio[thigh].mean())
    return ratio, float(np.clip((right - 0.65) / 0.2, 0, 1) * np.clip((gap - 1.2) / 0.8, 0, 1))


def _column_trust(votes: F32, weight: F32, *, below: NDArray[np.bool_], reach: float) -> F32:
    """Per column 0..1: whether what is surely below the line votes for the bottom there; 1 where nothing can be seen."""
    window = (1, max(3, round(reach)) | 1)

    def gathered(values: F32) -> F32:
        return np.asarray(cv2.boxFilter(values[None], -1, window[::-1], normalize=False)[0], np.float32)

    mass = gathered(np.asarray(weight[below].sum(axis=0), np.float32))
    right = gathered(np.asarray((weight * (votes < -0.3))[below].sum(axis=0), np.float32))
    share = np.where(mass > 20, right / np.maximum(mass, 1e-3), 0.75)
    return np.asarray(np.clip((share - 0.5) / 0.3, 0.1, 1), np.float32)


def _edges(channels: list[F32], weight: F32, *, place: F32) -> F32:
    """Strength 0..1 of horizontal edges inside the cloth; 1 at the 97th percentile
    near the hips (`place` (rows, 1) counts from them), so that a print on the chest does not drown a dark hem.
    """
    total = np.zeros_like(weight)
    for layer in channels:
        total += cv2.Sobel(cv2.GaussianBlur(layer, (0, 0), 1.2), cv2.CV_32F, 0, 1, ksize=3) ** 2
    solid = cv2.erode((weight > 0.5).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    total = np.sqrt(total) * solid
    inside = total[solid & (np.abs(place) < 1.8)]
    strong = float(np.percentile(inside, 97)) if inside.size else 1.0
    return np.asarray(np.minimum(total / max(strong, 1e-3), 1.0), np.float32)


def _above_waistband(channels: list[F32], weight: F32, path: F32, *, unit: float) -> F32:
    """`path`, or the hem above it where `path` follows the lower edge of a belt or waistband between like cloths.

    Black on black the votes go by shade, and a waistband in the shade votes for the shirt. So there the edges decide,
    each measured against its own surroundings. Nothing changes where the cloths' colours are plainly different
    (a stripe above the hem of a light shirt is the shirt's), or where no edge runs through above the path.
    """
    edge = _local_edges(channels, weight, unit=unit)
    rows, width = edge.shape
    rise = (path[None] - np.arange(rows, dtype=np.float32)[:, None]) / unit
    cost = np.where(np.abs(rise) < BELT[0], -HEM * edge, -edge)
    cost[(rise > BELT[1]) | (rise < -0.03)] = 10.0
    hem = _stiff_path(np.asarray(cost, np.float32), slope=0.5)
    columns = np.arange(width)

    def at(layer: F32, line: F32) -> F32:
        return np.asarray(layer[np.clip(np.round(line).astype(int), 0, rows - 1), columns], np.float32)

    far = 0.08 * unit
    lifted = (path - hem > BELT[0] * unit) & (at(weight, hem) > 0.5) & (at(weight, path) > 0.5)
    clear = lifted & (at(weight, hem - far) > 0.5) & (at(weight, path + far) > 0.5)
    if np.count_nonzero(lifted) < 0.2 * unit or np.count_nonzero(clear) < 0.1 * unit:
        return path
    soft = [np.asarray(cv2.blur(layer, (1, round(0.05 * unit) | 1)), np.float32) for layer in channels]
    apart = np.sqrt(sum((at(layer, hem - far) - at(layer, path + far)) ** 2 for layer in soft))[clear]
    strength = at(edge, hem)[lifted]
    through = float((strength > 0.3).mean())
    alike = float(np.median(apart)) < ALIKE and float((path - hem)[lifted].std()) < PARALLEL * unit
    strong = through > 0.75 and float(strength.mean()) > HEM * float(at(edge, path)[lifted].mean())
    return hem if alike and strong else path


def _local_edges(channels: list[F32], weight: F32, *, unit: float) -> F32:
    """Strength 0..1 of horizontal edges inside the cloth, 1 at four times the mean of the surroundings, so that black on
    black counts; averaged along the row, which leaves hems and takes noise and slanting folds.
    """
    along = round(0.06 * unit) | 1
    total = np.zeros_like(weight)
    for layer in channels:
        soft = cv2.blur(cv2.GaussianBlur(layer, (0, 0), 1.2), (along, 1))
        total += cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3) ** 2
    solid = cv2.erode((weight > 0.5).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.float32)
    total = np.sqrt(total) * solid
    window = (round(0.3 * unit) | 1, round(0.5 * unit) | 1)
    near = [cv2.boxFilter(layer, -1, window, normalize=False) for layer in (total, solid)]
    usual = near[0] / np.maximum(near[1], 1)
    return np.asarray(cv2.dilate(np.minimum(total / np.maximum(4 * usual, 0.3), 1.0), np.ones((3, 1))), np.float32)


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
        return float(np.mean(np.sqrt(sum(s**2 for s in steps))))

    here = max(step_at(path + shift * unit) for shift in (-0.04, -0.02, 0.0, 0.02, 0.04))
    if here == 0.0:
        return 0.0
    usual = float(np.median([step_at(path - shift * unit) for shift in (0.25, 0.4, 0.55)]))
    return float(np.clip((here - 1.3 * usual - 1.0) / 8.0, 0, 1))


def _flip(votes: F32, weight: F32, path: F32, *, unit: float) -> float:
    """0..1: how sharply the votes turn from top to bottom at the path; light falling off over a jumper turns them slowly."""
    reach = max(2, round(0.05 * unit))
    columns = np.arange(len(path))
    soft = cv2.blur(votes, (1, reach))
    high = np.clip(path - reach, 0, votes.shape[0] - 1).astype(int)
    low = np.clip(path + reach, 0, votes.shape[0] - 1).astype(int)
    both = (weight[high, columns] > 0.5) & (weight[low, columns] > 0.5)
    if np.count_nonzero(both) < 0.15 * unit:
        return 0.0
    return float(np.clip(((soft[high, columns] - soft[low, columns])[both].mean() - 0.9) / 1.2, 0, 1))


def _upright(figure: Figure) -> tuple[NDArray[np.float64], int, NDArray[np.float64]]:
    """Turn that puts the shoulders above the hips: matrix, side of the turned square picture, inverse matrix."""
    h, w = figure.size
    axis = figure.axis
    angle = float(np.degrees(np.arctan2(axis[0], axis[1])))
    side = int(np.ceil(np.hypot(h, w)))
    turn = np.asarray(cv2.getRotationMatrix2D((w / 2, h / 2), -angle, 1.0), np.float64)
    turn[:, 2] += np.array([side / 2 - w / 2, side / 2 - h / 2])
    return turn, side, np.asarray(cv2.invertAffineTransform(turn), np.float64)


def _straight_path(cost: F32, busy: F32) -> F32:
    """The cheapest line of one height, tilt (up to 9 degrees) and sag through the columns that hold cloth."""
    rows, width = cost.shape
    used = np.flatnonzero(busy > 0.05)
    if used.size == 0:
        return np.full(width, float(cost.sum(axis=1).argmin()), np.float32)
    columns = used[:: max(1, used.size // 80)]
    middle, half = 0.5 * (used[0] + used[-1]), max(1.0, 0.5 * (used[-1] - used[0]))
    place = (columns - middle) / half
    heights = np.arange(rows)[:, None]
    best, least = (0.0, 0.0, 0.0), np.inf
    for tilt in np.linspace(-0.15, 0.15, 11):
        for sag in np.linspace(-0.1, 0.1, 5):
            lines = heights + half * (tilt * place + sag * (1 - place**2))[None]
            at = np.clip(np.round(lines), 0, rows - 1).astype(int)
            totals = cost[at, columns[None]].sum(axis=1) + 12.0 * len(columns) * (abs(tilt) + abs(sag))
            row = int(totals.argmin())
            if totals[row] < least:
                best, least = (float(row), float(tilt), float(sag)), float(totals[row])
    every = np.clip((np.arange(width) - middle) / half, -1.3, 1.3)
    return np.asarray(best[0] + half * (best[1] * every + best[2] * (1 - every**2)), np.float32)


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
