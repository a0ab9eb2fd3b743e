"""Finds the cloth in a picture of a fabric or of a garment: takes away the background, and skin and hair when it is worn."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB, Mask
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.embedded.fabric.tiling import repeat_of
from outfitswap_desktop.errors import InputRefused, NotAvailable

WORK_SIDE = 420
"""Longest side in pixels at which the cloth is looked for; fine enough for an outline whose inside alone is used."""

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """The cloth in a picture: `mask` (H, W) 0/255, `kind` "fabric" (all of it), "flat" (on a background) or "worn".

    `cm_per_pixel` is an estimate from the head's or the garment's size, None when the picture gives no hint. `sure` is False
    when the garment was cut out before a busy background by its colours alone.
    """

    mask: Mask
    kind: str
    cm_per_pixel: float | None
    sure: bool = True

    @property
    def background_removed(self) -> bool:
        return self.kind != "fabric"


@dataclass(frozen=True, slots=True)
class _Head:
    x: float
    y: float
    size: float


def lab(picture: RGB) -> F32:
    """CIE L 0..100, a, b as float32 (h, w, 3)."""
    return np.asarray(cv2.cvtColor(picture.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)


def _head(picture: RGB) -> _Head | None:
    """The largest face, by the bundled cascade; None when there is none or no cascade is at hand.

    Where less skin-coloured than a face is in the picture, the slow search is spared.
    """
    from outfitswap_desktop.embedded.cascade.faces import find_faces, skin_chroma

    chroma = skin_chroma(picture)
    solid = cv2.morphologyEx(chroma, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    if np.count_nonzero(solid) < 0.0015 * solid.size:
        return None
    try:
        faces = find_faces(picture, cancel=CancelToken())
    except NotAvailable:
        return None
    if not faces:
        return None
    best = max(faces, key=lambda face: face.size)
    return _Head(float(best.x), float(best.y), float(best.size))


def _ring(shape: tuple[int, int], width: int) -> Bits:
    ring = np.zeros(shape, bool)
    ring[:width], ring[-width:], ring[:, :width], ring[:, -width:] = True, True, True, True
    return ring


def _centres(values: F32, count: int) -> tuple[F32, F32]:
    """k-means: (centres (k, 3), share of each); the random start is fixed."""
    sample = values[:: max(1, len(values) // 3000)]
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    cv2.setRNGSeed(7)
    labels_in = np.zeros((len(sample), 1), np.int32)
    _, labels, centres = cv2.kmeans(
        np.ascontiguousarray(sample), min(count, len(sample)), labels_in, criteria, 2, cv2.KMEANS_PP_CENTERS
    )
    share = np.bincount(labels.ravel(), minlength=len(centres)) / len(labels)
    order = np.argsort(-share)
    return np.asarray(centres[order], np.float32), np.asarray(share[order], np.float32)


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
    border_centres, _ = _centres(values[ring], 6)
    middle_centres, _ = _centres(values[middle], 6)
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
    centres, share = _centres(values[upper], 3)
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


def _worn_seeds(shape: tuple[int, int], head: _Head, background: Bits, plain: bool) -> NDArray[np.uint8]:
    """Trunk below the head for certain, arms and hips around it perhaps; the head itself never."""
    h, w = shape
    yy, xx = np.mgrid[0:h, 0:w]
    s = head.size
    seeds = np.full((h, w), cv2.GC_PR_BGD, np.uint8)
    near = (np.abs(xx - head.x) < 1.7 * s) & (yy > head.y + 0.9 * s) & (yy < head.y + 3.8 * s)
    seeds[near] = cv2.GC_PR_FGD
    trunk = (np.abs(xx - head.x) < 0.75 * s) & (yy > head.y + 1.35 * s) & (yy < head.y + 3.2 * s)
    seeds[trunk] = cv2.GC_FGD
    if plain:
        seeds[background] = cv2.GC_BGD
    seeds[(np.abs(xx - head.x) > 3.6 * s) | (yy < head.y - 1.2 * s)] = cv2.GC_BGD
    oval = ((xx - head.x) / (0.95 * s)) ** 2 + ((yy - head.y + 0.15 * s) / (1.25 * s)) ** 2 < 1
    seeds[oval] = cv2.GC_BGD
    return seeds


def _reach(shape: tuple[int, int], head: _Head) -> Bits:
    """Where what is worn on the chest can be: two heads to each side, down to the hips."""
    yy, xx = np.mgrid[0 : shape[0], 0 : shape[1]]
    s = head.size
    return np.asarray((np.abs(xx - head.x) < 2.7 * s) & (yy > head.y + 0.6 * s) & (yy < head.y + 4.8 * s))


def _skin(picture: RGB, values: F32, head: _Head | None) -> Bits:
    """Skin: of this very person when a face is there, else by the usual chroma (Chai, Ngan 1999) of any person."""
    ycc = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    usual = np.asarray(cv2.inRange(ycc, (25, 135, 80), (255, 175, 126)), np.uint8) > 0
    if head is None:
        return usual
    h, w = usual.shape
    yy, xx = np.mgrid[0:h, 0:w]
    cheeks = ((xx - head.x) / (0.42 * head.size)) ** 2 + ((yy - head.y) / (0.4 * head.size)) ** 2 < 1
    sample = values[cheeks & usual]
    if len(sample) < 12:
        return usual
    centre = np.median(sample, axis=0)
    spread = np.maximum(np.median(np.abs(sample - centre), axis=0) * 1.5, (9, 3.5, 4))
    away = np.sqrt((((values - centre) / spread * np.array([0.55, 1, 1])) ** 2).sum(axis=2))
    return np.asarray(away < 3.0)


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
        if stats[k, cv2.CC_STAT_AREA] > 0.01 * h * w and float(rough[part].mean()) < 2.2:
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


def _central(mask: Bits, point: tuple[float, float] | None) -> Bits:
    """The connected part with the most weight near `point` (x, y; the middle when None), its holes filled."""
    h, w = mask.shape
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        return np.zeros_like(mask)
    px, py = point if point is not None else (w / 2, h / 2)
    yy, xx = np.mgrid[0:h, 0:w]
    weight = np.exp(-(((xx - px) / (0.4 * w)) ** 2) - ((yy - py) / (0.4 * h)) ** 2)
    score = np.bincount(labels.ravel(), weights=weight.ravel(), minlength=count)
    score[0] = 0
    best = int(score.argmax())
    if stats[best, cv2.CC_STAT_AREA] < 40:
        return np.zeros_like(mask)
    return np.asarray(labels == best)


def _one_garment(values: F32, mask: Bits, head: _Head | None) -> Bits:
    """Of a worn outfit the piece about the chest: what shares its colours there, so that trousers below are left out."""
    if head is None:
        return mask
    h, w = mask.shape
    yy, xx = np.mgrid[0:h, 0:w]
    chest = (
        mask
        & (np.abs(xx - head.x) < 1.1 * head.size)
        & (yy > head.y + 1.2 * head.size)
        & (yy < head.y + 2.9 * head.size)
    )
    if chest.sum() < 60:
        return mask
    centres, share = _centres(values[chest], 4)
    same = _far_from(values, centres[share > 0.08]) < 16
    kept = mask & (cv2.morphologyEx(same.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)) > 0)
    return kept if kept.sum() > 0.25 * chest.sum() else mask


def _scale(mask: Bits, head: _Head | None) -> float:
    """Centimetres per pixel: a head's window (brows to lower lip) is about 13 cm, a top 70 cm tall, a long garment 105."""
    if head is not None:
        return 13.0 / head.size
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    return (105.0 if width / height < 0.55 else 70.0) / float(height)


def cut_cloth(picture: RGB) -> Cut:
    """Find the cloth in `picture` (H, W, 3) sRGB: all of a close-up, a flat lay's garment, what a person wears on the chest.

    Raises InputRefused (reason "garment_unclear") when nothing that could be cloth stands out.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, WORK_SIDE / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = (
        np.ascontiguousarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        if scale < 1
        else picture
    )
    values = lab(np.asarray(cv2.bilateralFilter(small, 5, 20, 3), np.uint8))
    if _all_cloth(values):
        return Cut(np.full((height, width), 255, np.uint8), "fabric", None)
    head = _head(small)
    background, plain = _flood_background(values, tolerance=8.0 if head is None else 7.0)
    if head is None and not plain and _woven_through(values):
        return Cut(np.full((height, width), 255, np.uint8), "fabric", None)
    shape = (size[1], size[0])
    if head is not None:
        mask = _grabbed(small, _worn_seeds(shape, head, background, plain))
    elif plain:
        mask = _silhouette(background)
    else:
        mask = _grabbed(small, _flat_seeds(background))
    skin = _skin(small, values, head)
    mask &= ~(skin if head is not None else _limbs(mask & skin, values, mask))
    point = (head.x, head.y + 2.2 * head.size) if head is not None else None
    if head is not None:
        mask &= _reach(shape, head)
    mask = _one_garment(values, _central(mask, point), head)
    mask = _central(mask, point)
    if mask.mean() < 0.012 or (head is None and not plain and not _believable(mask)):
        raise InputRefused(
            "No garment or fabric could be made out in the garment picture.",
            reason="garment_unclear",
            hint="Use a close-up of the fabric, or the garment laid flat on a plain background.",
        )
    full = cv2.resize(mask.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_LINEAR)
    kind = "worn" if head is not None else "flat"
    return Cut(
        np.asarray((full > 127) * np.uint8(255), np.uint8), kind, _scale(mask, head) * scale, head is not None or plain
    )
