"""Whether an open coat or jacket is worn over a top, and which pixels of the upper garments are the inner layer."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, Bool
from outfitswap_desktop.embedded.parse import colours
from outfitswap_desktop.embedded.parse import skeleton as p
from outfitswap_desktop.embedded.parse.labelling import COLOUR_WEIGHT, Labelling
from outfitswap_desktop.embedded.parse.parts import SKIN, Figure, PartMap

LEAST_GAP = 13.0
"""Lab distance (lightness weighs 0.7) that the two layers' medians must differ by."""
APART = 0.9
"""Mean clipped votes (nats) that sleeves and chest must differ by before two layers are believed."""


def inner_layer(state: Labelling, figure: Figure, parts: PartMap, *, upper: Bool) -> Bool | None:
    """Map (h, w) of the inner layer within `upper` (all cloth of the upper body), or None when there is one layer only.

    The outer layer shows on sleeves and flanks, the inner one below the throat. Believed when their colours differ and
    what looks like the inner one hangs from the neckline, stays off the sleeves and is neither tiny nor nearly all.
    """
    down = figure.down()
    throat = _below_throat(state, figure, upper=upper)
    across = _lateral(figure)
    if throat is not None:
        across = np.asarray(across - np.clip(np.median(across[throat]), -0.5, 0.5), np.float32)
    arms = parts.weights["upper_arm"] > 0.5
    outer = upper & (arms | ((np.abs(across) > 0.75) & (np.abs(across) < 1.15) & (down > 0.2) & (down < 0.9)))
    strip = (np.abs(across) < 0.22) & (down > 0.05) & (down < 0.5) & ~arms
    inner = upper & (strip if throat is None else throat)
    least = 0.01 * figure.unit**2
    chosen: Bool | None = None
    for _ in range(2):
        if np.count_nonzero(outer) < least or np.count_nonzero(inner) < least:
            return None
        ratio = _ratio(state, outer, inner, upper)
        if float(ratio[inner].mean()) < APART or float(ratio[outer].mean()) > -APART:
            return None
        score = COLOUR_WEIGHT * ratio + np.clip(1.5 - 3.0 * np.abs(across), -2.5, 1.5)
        soft = state.smooth(np.asarray(np.where(upper, 1 / (1 + np.exp(-score)), 0), np.float32))
        chosen = _hanging((soft > 0.5) & upper, figure, across=across, down=down)
        if chosen is None:
            return None
        kernel = np.ones((3, 3), np.uint8)
        inner = cv2.erode(chosen.astype(np.uint8), kernel) > 0
        outer = cv2.erode((upper & ~chosen).astype(np.uint8), kernel) > 0
    return chosen if chosen is not None and _two_cloths(state, chosen, upper & ~chosen, unit=figure.unit) else None


def _two_cloths(state: Labelling, inner: Bool, outer: Bool, *, unit: float) -> bool:
    """Whether two regions are two materials and not one in light and shade: different medians, a step between them."""
    if not inner.any() or not outer.any():
        return False
    gap = np.median(state.lab[inner], axis=0) - np.median(state.lab[outer], axis=0)
    if float(np.hypot(0.7 * gap[0], np.hypot(gap[1], gap[2]))) < LEAST_GAP:
        return False
    reach = max(2, round(0.025 * unit))
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    rim_in = inner & (cv2.dilate(outer.astype(np.uint8), kernel) > 0)
    rim_out = outer & (cv2.dilate(inner.astype(np.uint8), kernel) > 0)
    if np.count_nonzero(rim_in) < 10 or np.count_nonzero(rim_out) < 10:
        return False
    step = np.median(state.lab[rim_in], axis=0) - np.median(state.lab[rim_out], axis=0)
    return float(np.sqrt((step**2).sum())) > 0.6 * LEAST_GAP


def _below_throat(state: Labelling, figure: Figure, *, upper: Bool) -> Bool | None:
    """The cloth right under the neckline, or None when no throat shows."""
    down, unit = figure.down(), figure.unit
    skin = (state.probability[SKIN] > 0.5) & (down > -0.35) & (down < 0.5) & (np.abs(_lateral(figure)) < 0.8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(skin.astype(np.uint8))
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    left, _, wide, _, area = (int(v) for v in stats[largest])
    if area < 0.01 * unit**2:
        return None
    result = np.zeros_like(skin)
    for column in range(left + round(0.25 * wide), left + round(0.75 * wide) + 1):
        rows = np.flatnonzero(labels[:, min(column, skin.shape[1] - 1)] == largest)
        if len(rows):
            start = int(rows[-1]) + max(1, round(0.03 * unit))
            result[start : start + max(2, round(0.22 * unit)), min(column, skin.shape[1] - 1)] = True
    result &= upper
    return result if np.count_nonzero(result) > 0.01 * unit**2 else None


def _lateral(figure: Figure) -> F32:
    """Map (h, w): distance from the trunk's axis in half shoulder widths, signed."""
    half = 0.5 * float(np.hypot(*(figure.points[p.LEFT_SHOULDER] - figure.points[p.RIGHT_SHOULDER])))
    return np.asarray(figure.across() / max(half, 0.2 * figure.unit), np.float32)


def _ratio(state: Labelling, outer: Bool, inner: Bool, upper: Bool) -> F32:
    values = state.lab[upper]
    one, two = colours.fit(state.lab[inner], 3), colours.fit(state.lab[outer], 3)
    ratio = np.zeros(upper.shape, np.float32)
    ratio[upper] = np.clip(one.log_likelihood(values) - two.log_likelihood(values), -3, 3)
    return ratio


def _hanging(found: Bool, figure: Figure, *, across: F32, down: F32) -> Bool | None:
    """The pieces that belong to the chest, row by row without gaps; None when they do not look like an inner layer."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
    core = (np.abs(across) < 0.35) & (down > 0.0) & (down < 0.8)
    keep = np.zeros(count, bool)
    for i in range(1, count):
        area = stats[i, cv2.CC_STAT_AREA]
        keep[i] = area > 0.004 * figure.unit**2 and np.count_nonzero(core & (labels == i)) > 0.3 * min(
            area, 0.05 * figure.unit**2
        )
    mask = keep[labels]
    if not mask.any():
        return None
    first = float(np.percentile(down[mask], 2))
    if first > 0.30 or np.count_nonzero(mask & (np.abs(across) > 1.1)) > 0.12 * np.count_nonzero(mask):
        return None
    hull = np.zeros_like(mask)
    for row in np.flatnonzero(mask.any(axis=1)):
        columns = np.flatnonzero(mask[row])
        hull[row, columns[0] : columns[-1] + 1] = True
    whole = np.count_nonzero(mask) > 0.6 * np.count_nonzero(hull)
    return np.asarray(hull if whole else mask, bool)
