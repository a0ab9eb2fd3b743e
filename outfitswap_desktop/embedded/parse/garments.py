"""From label probabilities to one clean soft map per garment zone in the work frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, Bool, Mask
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.parse import layers, waist
from outfitswap_desktop.embedded.parse.labelling import Labelling
from outfitswap_desktop.embedded.parse.parts import BOTTOM, TOP, Figure, PartMap
from outfitswap_desktop.embedded.parse.waist import Waist

CRUMB = 0.03
"""Pieces smaller than this share of a garment's largest piece are dropped."""
HOLE = 0.03
"""Holes smaller than this share of the squared shoulder width are filled; larger ones show what is behind an arm."""


@dataclass(frozen=True, slots=True, eq=False)
class Garments:
    """Soft maps (h, w) per zone that could be told, and what was seen of their arrangement.

    `layered`: an open outer layer over another top. `one_piece`: trunk and thighs look like one material.
    """

    maps: dict[Zone, F32]
    layered: bool
    one_piece: bool


def find_garments(state: Labelling, figure: Figure, parts: PartMap, *, bare: F32, belly: Bool) -> Garments:
    """Sort the cloth of the labelling into zones: the waistline decides on the trunk, the labels elsewhere.

    `bare` (h, w) marks arms without sleeve: cloth there is what lies behind them. `belly` (h, w) is skin between two
    garments, and their line where there is any.
    """
    top, bottom = state.probability[TOP], state.probability[BOTTOM]
    cloth = top + bottom
    arms = sum(parts.weights[name] for name in ("upper_arm", "forearm", "hand") if name in parts.weights)
    central = np.asarray(np.clip(1 - 1.2 * np.asarray(arms) * (1 - bare), 0, 1), np.float32)
    line = waist.find_waist(figure, np.asarray(cloth * central, np.float32), lab=state.lab)
    seen_below = np.count_nonzero((figure.down() > 1.0) & (cloth > 0.5)) / figure.unit**2
    parted = bool(belly.any())
    one_colour = not parted and line.contrast < 0.15 and line.apart < 0.3
    no_line = not parted and seen_below < 0.35 and line.contrast < 0.12
    on_trunk = central > 0.5
    seen_above = np.count_nonzero((figure.down() < 0.8) & (cloth > 0.5)) / figure.unit**2
    no_top = not no_line and seen_above < 0.25 and line.contrast < 0.3
    if parted:
        down = figure.down()
        below = np.asarray(down > np.median(down[belly]), bool)
    else:
        below = np.full_like(line.below, no_top) if no_line or no_top else line.below
        below = _with_tails(below, line, state, figure=figure, cloth=cloth)
    upper = np.where(on_trunk, cloth * ~below, top)
    lower = np.where(on_trunk, cloth * below, bottom)
    if no_line:
        upper, lower = cloth, np.zeros_like(cloth)
    if no_top:
        upper, lower = np.zeros_like(cloth), cloth
    unit = figure.unit
    clean_upper = cleaned(np.asarray(upper, np.float32), unit)
    full = cleaned(np.asarray(cloth, np.float32), unit)
    maps = {Zone.BOTTOM: cleaned(np.asarray(lower, np.float32), unit), Zone.FULL: full, Zone.DRESS: full}
    inner = layers.inner_layer(state, figure, parts, upper=clean_upper > 0.5)
    if inner is None:
        maps[Zone.TOP] = maps[Zone.OUTER] = clean_upper
    else:
        maps[Zone.TOP] = cleaned(np.asarray(np.where(inner, clean_upper, 0), np.float32), unit)
        maps[Zone.OUTER] = cleaned(np.asarray(np.where(inner, 0, clean_upper), np.float32), unit)
    thighs = np.count_nonzero((figure.down() > 1.25) & (cloth > 0.5)) / unit**2
    return Garments(maps, inner is not None, bool(one_colour and thighs > 0.1))


def _with_tails(below: Bool, line: Waist, state: Labelling, *, figure: Figure, cloth: F32) -> Bool:
    """Move pieces across the line that clearly have the other side's colours and hang together with it.

    Coat tails hang below the line, the belt shows above it where a coat stands open.
    """
    if line.apart < 0.5:
        return below
    soft = state.smooth(np.asarray(np.where(cloth > 0.4, line.votes, 0), np.float32))
    solid = cloth > 0.5
    size = max(3, round(0.03 * figure.unit)) | 1
    result = below.copy()
    for side, like in (
        (False, below & (soft > 0.6) & solid),
        (True, ~below & (soft < -0.6) & solid & (figure.down() > 0.6)),
    ):
        opened = cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_OPEN, np.ones((size, size), np.uint8))
        touch = cv2.dilate(((below == side) & solid).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
        for i in range(1, count):
            piece = labels == i
            if stats[i, cv2.CC_STAT_AREA] > 0.004 * figure.unit**2 and np.any(piece & touch):
                result[piece] = side
    return result


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
