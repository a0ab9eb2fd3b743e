"""Finds the cloth in a picture of a fabric or of a garment: takes away the background, and skin and hair when it is worn."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB, Mask
from outfitswap_desktop.core.steps import Segmenter
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric.clusters import colour_centres, lab
from outfitswap_desktop.embedded.fabric.tiling import repeat_of
from outfitswap_desktop.embedded.fabric.worn_cut import skin_coloured, worn_cloth
from outfitswap_desktop.errors import InputRefused

WORK_SIDE = 420
"""Longest side in pixels at which the cloth is looked for; fine enough for an outline whose inside alone is used."""

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """The cloth in a picture: `mask` (H, W) 0/255, `kind` "fabric" (all of it), "flat" (on a background) or "worn".

    `cm_per_pixel` is an estimate from the body's or the garment's size, None when the picture gives no hint. `sure` is False
    when the garment was cut out before a busy background by its colours alone.
    """

    mask: Mask
    kind: str
    cm_per_pixel: float | None
    sure: bool = True

    @property
    def background_removed(self) -> bool:
        return self.kind != "fabric"


def _ring(shape: tuple[int, int], width: int) -> Bits:
    ring = np.zeros(shape, bool)
    ring[:width], ring[-width:], ring[:, :width], ring[:, -width:] = True, True, True, True
    return ring


def _far_from(values: F32, centres: F32) -> F32:
    """Distance of each pixel to the nearest centre; lightness counts half, since light falls unevenly."""
    weight = np.array([0.6, 1.0, 1.0], np.float32)
    nearest = np.full(values.shape[:2], 1e9, np.float32)
    for centre in centres:
        nearest = np.minimum(nearest, np.sqrt((((values - centre) * weight) ** 2).sum(axis=2)))
    return nearest


def _evenly_lit(values: F32) -> F32:
    """The picture with a slope of its lightness taken out: light from one side must not pass for another thing there."""
    h, w = values.shape[:2]
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1).reshape(-1, 6)
    light = values[..., 0].reshape(-1)
    some = slice(None, None, max(1, light.size // 6000))
    factors, *_ = np.linalg.lstsq(terms[some], light[some], rcond=None)
    even = values.copy()
    even[..., 0] -= (terms[:, 1:] @ factors[1:]).reshape(h, w).astype(np.float32)
    return even


def _all_cloth(values: F32) -> bool:
    """True when the picture is filled with one fabric: what is at its border is what is in its middle, everywhere."""
    h, w = values.shape[:2]
    slope = values[..., 0] - _evenly_lit(values)[..., 0]
    values = _evenly_lit(values) if float(np.ptp(slope)) < 60 else values
    ring = _ring((h, w), max(3, round(0.07 * min(h, w))))
    middle = np.zeros((h, w), bool)
    middle[h // 4 : h - h // 4, w // 4 : w - w // 4] = True
    border_centres, _ = colour_centres(values[ring], 6)
    middle_centres, _ = colour_centres(values[middle], 6)
    inside = _far_from(values, border_centres) < 13
    outside = _far_from(values, middle_centres) < 13
    if inside[middle].mean() < 0.88 or outside[ring].mean() < 0.88:
        return False
    parts = [
        values[: h // 3],
        values[-h // 3 :],
        values[:, : w // 3],
        values[:, -w // 3 :],
        values[h // 3 : -h // 3, w // 3 : -w // 3],
    ]
    measures = np.array([[p[..., k].mean() for k in range(3)] + [p[..., 0].std() * 0.7] for p in parts])
    own = np.array([values[..., k].std() for k in range(3)] + [values[..., 0].std()])
    return bool((np.ptp(measures, axis=0) < np.array([12, 5, 5, 7]) + 0.35 * own).all())


def _woven_through(values: F32) -> bool:
    """True when a pattern repeats both ways from border to border, in each half of the picture alike."""
    light = _evenly_lit(values)[..., 0]
    h, w = light.shape
    for axis, halves in ((0, (light[: h // 2], light[h // 2 :])), (1, (light[:, : w // 2], light[:, w // 2 :]))):
        repeats = [repeat_of(half, axis=axis) for half in halves]
        if repeats[0] is None or repeats[1] is None or abs(repeats[0] / repeats[1] - 1) > 0.06:
            return False
    return True


def _flood_background(values: F32, *, tolerance: float) -> tuple[Bits, bool]:
    """(sure background, plain?): what hangs together with the border and has its colour."""
    h, w = values.shape[:2]
    ring = _ring((h, w), max(2, round(0.025 * min(h, w))))
    # A garment may run out of the lower edge, so the upper half of the border tells what the background is.
    upper = ring.copy()
    upper[round(0.6 * h) :] = False
    centres, share = colour_centres(values[upper], 3)
    alike = np.linalg.norm(centres - centres[0], axis=1) < 22
    kept = centres[alike & (share > 0.1)] if (alike & (share > 0.1)).any() else centres[:1]
    near = _far_from(values, kept) < tolerance
    plain = bool(near[upper].mean() > 0.85)
    _, labels = cv2.connectedComponents(near.astype(np.uint8), connectivity=4)
    touching = np.unique(labels[ring & near])
    return np.isin(labels, touching[touching > 0]), plain


def _grabbed(picture: RGB, seeds: NDArray[np.uint8]) -> Bits:
    mask = seeds.copy()
    if not (mask == cv2.GC_BGD).any() or not np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).any():
        return np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD))
    cv2.setRNGSeed(7)
    cv2.grabCut(
        np.ascontiguousarray(picture),
        mask,
        (0, 0, 1, 1),
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        4,
        cv2.GC_INIT_WITH_MASK,
    )
    return np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _silhouette(background: Bits) -> Bits:
    """What a plain background leaves over, stripes of the background's own colour bridged and holes filled."""
    h, w = background.shape
    reach = max(3, round(0.035 * min(h, w))) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    there = np.pad((~background).astype(np.uint8), reach)
    closed = cv2.morphologyEx(there, cv2.MORPH_CLOSE, kernel)[reach:-reach, reach:-reach]
    outlines, _ = cv2.findContours(np.ascontiguousarray(closed), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(closed), outlines, -1, 1, -1)
    return np.asarray(cv2.morphologyEx(filled, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0)


def _flat_seeds(background: Bits) -> NDArray[np.uint8]:
    h, w = background.shape
    seeds = np.full((h, w), cv2.GC_PR_BGD, np.uint8)
    yy, xx = np.mgrid[0:h, 0:w]
    centre = ((xx - w / 2) / (0.3 * w)) ** 2 + ((yy - h / 2) / (0.34 * h)) ** 2 < 1
    seeds[centre] = cv2.GC_PR_FGD
    seeds[background] = cv2.GC_PR_BGD
    seeds[_ring((h, w), 2)] = cv2.GC_BGD
    return seeds


def _limbs(bare: Bits, values: F32, mask: Bits) -> Bits:
    """Skin of somebody without a visible face: large smooth areas that are the smaller part of what was found.

    A camel coat is skin-coloured all over and a red check in small squares; neither is an arm.
    """
    h, w = bare.shape
    opened = cv2.morphologyEx(bare.astype(np.uint8), cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    light = values[..., 0]
    rough = np.abs(light - cv2.GaussianBlur(light, (0, 0), 3.0))
    found = np.zeros((h, w), bool)
    for k in range(1, count):
        part = labels == k
        if stats[k, cv2.CC_STAT_AREA] > 0.006 * h * w and float(rough[part].mean()) < 2.2:
            found |= part
    return found if found.sum() < 0.35 * mask.sum() else np.zeros((h, w), bool)


def _believable(mask: Bits) -> bool:
    """Before a busy background: one compact thing in the middle, not half the picture's rim."""
    h, w = mask.shape
    ys, xs = np.nonzero(mask)
    if len(ys) < 0.06 * h * w:
        return False
    hull = cv2.convexHull(np.stack([xs, ys], axis=1).astype(np.int32))
    solid = len(ys) / max(1.0, float(cv2.contourArea(hull)))
    central = abs(float(xs.mean()) / w - 0.5) < 0.2 and abs(float(ys.mean()) / h - 0.5) < 0.25
    return solid > 0.62 and central and float(mask[_ring((h, w), 2)].mean()) < 0.4


def _central(mask: Bits) -> Bits:
    """The connected part with the most weight near the middle."""
    h, w = mask.shape
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        return np.zeros_like(mask)
    yy, xx = np.mgrid[0:h, 0:w]
    weight = np.exp(-(((xx - w / 2) / (0.4 * w)) ** 2) - ((yy - h / 2) / (0.4 * h)) ** 2)
    score = np.bincount(labels.ravel(), weights=weight.ravel(), minlength=count)
    score[0] = 0
    best = int(score.argmax())
    if stats[best, cv2.CC_STAT_AREA] < 40:
        return np.zeros_like(mask)
    return np.asarray(labels == best)


def _scale(mask: Bits) -> float:
    """Centimetres per pixel of a garment laid flat: a top is about 70 cm tall, trousers and dresses 105."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    return (105.0 if width / height < 0.55 else 70.0) / float(height)


def _somebody_likely(picture: RGB, plain: bool) -> bool:
    """False where the search for a person can be spared: a plain background and next to nothing skin-coloured before it."""
    skin = cv2.morphologyEx(skin_coloured(picture), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return not plain or float((skin > 0).mean()) > 0.003


def cut_cloth(picture: RGB, *, zone: Zone | None = None, segmenter: Segmenter | None = None) -> Cut:
    """Find the cloth in `picture` (H, W, 3) sRGB: all of a close-up, a flat lay's garment, what a person in it wears.

    `zone` is the garment meant when somebody wears several; None takes the one that is seen best. `segmenter` finds the
    person; None takes the embedded ones. Raises InputRefused (reason "garment_unclear") when nothing could be cloth.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, WORK_SIDE / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = np.ascontiguousarray(picture)
    if scale < 1:
        small = np.ascontiguousarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    values = lab(np.asarray(cv2.bilateralFilter(small, 5, 20, 3), np.uint8))
    if _all_cloth(values):
        return Cut(np.full((height, width), 255, np.uint8), "fabric", None)
    background, plain = _flood_background(values, tolerance=8.0)
    if not plain and _woven_through(values):
        return Cut(np.full((height, width), 255, np.uint8), "fabric", None)
    likely = _somebody_likely(small, plain)
    subject = np.asarray(np.where(background, 0, 255), np.uint8) if plain else None
    worn = worn_cloth(picture, zone=zone, segmenter=segmenter, subject=subject) if likely else None
    if worn is not None:
        return Cut(worn.mask, "worn", worn.cm_per_pixel)
    mask = _silhouette(background) if plain else _grabbed(small, _flat_seeds(background))
    mask &= ~_limbs(mask & (skin_coloured(small) > 0), values, mask)
    mask = _central(mask)
    if mask.mean() < 0.012 or (not plain and not _believable(mask)):
        raise InputRefused(
            "No garment or fabric could be made out in the garment picture.",
            reason="garment_unclear",
            hint="Use a close-up of the fabric, or the garment laid flat on a plain background.",
        )
    full = cv2.resize(mask.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_LINEAR)
    return Cut(np.asarray((full > 127) * np.uint8(255), np.uint8), "flat", _scale(mask) * scale, plain)
