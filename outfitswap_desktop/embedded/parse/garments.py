"""From label probabilities to one clean soft map per garment zone in the work frame."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, Mask
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.parse import waist
from outfitswap_desktop.embedded.parse.labelling import Labelling
from outfitswap_desktop.embedded.parse.parts import BOTTOM, TOP, Figure, PartMap

CRUMB = 0.03
"""Pieces smaller than this share of a garment's largest piece are dropped."""
HOLE = 0.03
"""Holes smaller than this share of the squared shoulder width are filled; larger ones show what is behind an arm."""


def cloth_maps(state: Labelling, figure: Figure, parts: PartMap) -> dict[Zone, F32]:
    """Soft maps (h, w) of top, bottom and full: the waistline decides on the trunk and thighs, the labels elsewhere."""
    top, bottom = state.probability[TOP], state.probability[BOTTOM]
    cloth = top + bottom
    arms = sum(parts.weights[name] for name in ("upper_arm", "forearm", "hand") if name in parts.weights)
    central = np.asarray(np.clip(1 - 1.2 * np.asarray(arms), 0, 1), np.float32)
    below = waist.below_waist(figure, state.likelihood, np.asarray(cloth * central, np.float32), lab=state.lab)
    on_trunk = central > 0.5
    upper = np.where(on_trunk, cloth * ~below, top)
    lower = np.where(on_trunk, cloth * below, bottom)
    return {
        Zone.TOP: cleaned(np.asarray(upper, np.float32), figure.unit),
        Zone.BOTTOM: cleaned(np.asarray(lower, np.float32), figure.unit),
        Zone.FULL: cleaned(np.asarray(cloth, np.float32), figure.unit),
    }


def cleaned(soft: F32, unit: float) -> F32:
    """Open, close, drop crumbs and fill small holes; the map stays soft at its edges."""
    size = max(3, round(0.03 * unit)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    mask = (soft > 0.5).astype(np.uint8)
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel)
    closed = np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel), np.uint8)
    mask = filled_holes(without_crumbs(closed), HOLE * unit * unit)
    return np.asarray(np.where(mask > 0, np.maximum(soft, 0.55), np.minimum(soft, 0.45)), np.float32)


def without_crumbs(mask: Mask) -> Mask:
    """`mask` without the pieces that are small beside the largest."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count <= 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    keep = np.concatenate([[False], areas >= CRUMB * areas.max()])
    return np.asarray(keep[labels] * mask, np.uint8)


def filled_holes(mask: Mask, limit: float) -> Mask:
    """`mask` with holes of fewer than `limit` pixels filled; what touches the border is no hole."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((mask == 0).astype(np.uint8), connectivity=4)
    h, w = mask.shape
    result = mask.copy()
    for i in range(1, count):
        x, y, wide, high, area = (int(v) for v in stats[i])
        if area < limit and x > 0 and y > 0 and x + wide < w and y + high < h:
            result[labels == i] = mask.max()
    return result
