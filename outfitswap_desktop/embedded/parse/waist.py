"""The line between upper and lower garment: one height per column of the upright trunk, by dynamic programming."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.parse.parts import BOTTOM, TOP, Figure
from outfitswap_desktop.embedded.parse.seeds import Bool

CLIP = 1.5
EDGE = 4.0
HIP = 3.0
SLOPE = 2.0


def below_waist(figure: Figure, likelihood: F32, cloth: F32, *, lab: F32) -> Bool:
    """Map (h, w): True below the waistline.

    `likelihood` (6, h, w) logs, `cloth` (h, w) probability of being trunk or thigh cloth, `lab` (h, w, 3). The path pays
    for colours on the wrong side, for leaving the strongest horizontal edge, for straying from the hips, and for slope.
    """
    h, w = figure.size
    turn, side, back = _upright(figure)
    out = (side, side)

    def turned(values: F32) -> F32:
        return np.asarray(cv2.warpAffine(np.asarray(values, np.float32), turn, out, flags=cv2.INTER_LINEAR))

    ratio = np.clip(likelihood[TOP] - likelihood[BOTTOM], -CLIP, CLIP)
    weight = turned(cloth)
    ratio = turned(np.asarray(ratio, np.float32)) * weight
    edge = np.zeros(out, np.float32)
    for channel in range(3):
        layer = cv2.GaussianBlur(turned(lab[..., channel]), (0, 0), 1.2)
        edge += cv2.Sobel(layer, cv2.CV_32F, 0, 1, ksize=3) ** 2
    edge = np.sqrt(edge) * weight
    strong = float(np.percentile(edge[weight > 0.5], 97)) if np.any(weight > 0.5) else 1.0
    edge = np.minimum(edge / max(strong, 1e-3), 1.0)

    unit = figure.unit
    hips = (turn[:, :2] @ figure.hips + turn[:, 2])[1]
    shoulders = (turn[:, :2] @ figure.neck_base + turn[:, 2])[1]
    length = max(1.0, hips - shoulders)
    rows = np.arange(side, dtype=np.float32)[:, None]
    place = (rows - (hips - 0.02 * length)) / (0.16 * length)
    # cost of a boundary above row y: bottom-like pixels above it and top-like pixels below it
    scale = 40.0 / unit
    above = np.cumsum(-ratio, axis=0)
    cost = scale * (above - 0.5 * above[-1:]) * 2.0
    busy = np.minimum(1.0, weight.sum(axis=0) / (0.3 * unit))[None]
    cost = cost + busy * (HIP * place**2 - EDGE * edge)
    cost[(place < -4.5)[:, 0]] += 1e3
    cost[(place > 4.5)[:, 0]] += 1e3
    path = _stiff_path(np.asarray(cost, np.float32), slope=SLOPE)
    lower = (rows > path[None]).astype(np.float32)
    result = cv2.warpAffine(lower, back, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(result > 0.5)


def _upright(figure: Figure) -> tuple[np.ndarray, int, np.ndarray]:
    """Turn about the trunk's middle that puts the shoulders above the hips: matrix, side of the turned picture, inverse."""
    h, w = figure.size
    axis = figure.axis
    angle = float(np.degrees(np.arctan2(axis[0], axis[1])))
    side = int(np.ceil(np.hypot(h, w)))
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), -angle, 1.0)
    turn[:, 2] += np.array([side / 2 - w / 2, side / 2 - h / 2])
    return turn, side, cv2.invertAffineTransform(turn)


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
