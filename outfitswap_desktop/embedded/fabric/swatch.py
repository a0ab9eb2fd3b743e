"""A picture of a fabric or garment -> Design: its cloth found, the light taken off it, and a piece of it made seamless."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB, Mask
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.steps import Segmenter
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric.clusters import lab
from outfitswap_desktop.embedded.fabric.colours import hex_of
from outfitswap_desktop.embedded.fabric.design import Colour, Design, Material
from outfitswap_desktop.embedded.fabric.garment_cut import Cut, cut_cloth
from outfitswap_desktop.embedded.fabric.materials import material
from outfitswap_desktop.embedded.fabric.patterns import LARGEST_REPEAT_CM, SWATCH_CM
from outfitswap_desktop.embedded.fabric.tiling import seamless, straightened
from outfitswap_desktop.errors import InputRefused

_DOUBT = "The garment picture has a busy background: the cloth was picked out by its colours and may be mistaken."

WORK_SIDE = 1400
"""Longest side in pixels at which the cloth is cut out; finer detail than this is not seen when worn."""

CLOSE_UP_CM = 24.0
"""How wide a picture filled with fabric is taken to be when nothing tells: about a hand's span and a half."""


def from_picture(picture: RGB, *, zone: Zone | None = None, segmenter: Segmenter | None = None) -> Design:
    """Read `picture` (H, W, 3) sRGB of a fabric, a flat garment or a worn one.

    A plain cloth gives pattern "solid" in the median colour of its lit parts, anything else "swatch" with a seamless tile
    (flattened light, at most 1024 px a side) whose width on the body is `scale` x 10 cm. `said` tells whether a background was
    removed and how the size was estimated. `zone` and `segmenter` as in garment_cut.cut_cloth.
    Raises InputRefused (reason "garment_unclear") when no cloth can be made out.
    """
    if picture.ndim != 3 or min(picture.shape[:2]) < 16:
        raise InputRefused("The garment picture is too small.", reason="garment_unclear", hint="Use at least 200 px.")
    shrink = min(1.0, WORK_SIDE / max(picture.shape[:2]))
    work = np.ascontiguousarray(picture)
    if shrink < 1:
        work = np.asarray(cv2.resize(work, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)
    cut = cut_cloth(work, zone=zone, segmenter=segmenter)
    box = _patch_of(work, cut)
    said = [_seen_as(cut)]
    doubt = () if cut.sure else (_DOUBT,)
    lit = _lit_colour(work, cut.mask)
    if box is None or min(box[2] - box[0], box[3] - box[1]) < 20:
        return _solid(lit, said, limits=doubt)
    patch = work[box[1] : box[3], box[0] : box[2]]
    flat = flattened(patch)
    flat = straightened(flat)
    tile, periods = seamless(flat)
    plain, logo = _plainness(flat, repeats=any(p is not None for p in periods))
    if plain:
        limits = (
            ("The print on the garment picture is a single placed one: only the cloth around it is used.",)
            if logo
            else ()
        )
        return _solid(lit, said, limits=(*limits, *doubt))
    per_cm = _pixels_per_cm(cut, work.shape[1], periods)
    width_cm = min(tile.shape[1] / per_cm, LARGEST_REPEAT_CM, LARGEST_REPEAT_CM * tile.shape[1] / tile.shape[0])
    swatch = np.clip(tile * 255 + 0.5, 0, 255).astype(np.uint8)
    colours = mean_colours(swatch)
    repeats = [
        f"{p / per_cm:.1f} cm {way}" for p, way in zip(periods, ("across", "down"), strict=True) if p is not None
    ]
    said.append(f"colours: {', '.join(hex_of(c) for c in colours)}")
    said.append(f"pattern: from the picture{', repeats every ' + ' and '.join(repeats) if repeats else ''}")
    said.append(
        "size: estimated from the "
        + {"worn": "body", "flat": "garment", "fabric": "usual size of such pictures"}[cut.kind]
    )
    return Design(
        colours=colours,
        material=_cloth_of_picture(),
        pattern="swatch",
        scale=width_cm / SWATCH_CM,
        limits=doubt,
        swatch=swatch,
        said=tuple(said),
    )


def _patch_of(work: RGB, cut: Cut) -> Box | None:
    """The largest patch of cloth; on a garment mostly of one colour one beside its badges and prints, if it is large enough."""
    inner = _inner(cut.mask)
    whole = largest_patch(inner)
    if whole is None or cut.kind == "fabric":
        return whole
    values = lab(np.asarray(cv2.GaussianBlur(work, (0, 0), 1.5), np.uint8))
    centre = np.median(values[inner > 0], axis=0)
    own, _ = _apart(values, centre)
    same = np.where((own < 1) & (inner > 0), np.uint8(255), np.uint8(0))
    same = np.asarray(cv2.morphologyEx(same, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), np.uint8) & inner
    if np.count_nonzero(same) < 0.6 * np.count_nonzero(inner):
        return whole
    beside = largest_patch(np.asarray(same, np.uint8))
    return beside if beside is not None and _area(beside) > 0.3 * _area(whole) else whole


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _apart(values: F32, centre: F32) -> tuple[F32, F32]:
    """How far pixels are from the cloth's colour `centre` (Lab): by chroma (1 = another colour), and by lightness in L.

    Folds make a colour lighter and darker and its chroma with it, so the chroma is compared with what goes with the lightness.
    """
    shaded = np.clip(values[..., 0:1] / max(float(centre[0]), 5.0), 0.3, 1.6)
    chroma = np.linalg.norm(values[..., 1:] - centre[1:] * shaded, axis=-1)
    allowed = 11.0 + 0.25 * float(np.linalg.norm(centre[1:]))
    return np.asarray(chroma / np.float32(allowed), np.float32), np.asarray(values[..., 0] - centre[0], np.float32)


def _seen_as(cut: Cut) -> str:
    return {
        "fabric": "the picture shows fabric all over",
        "flat": "the picture shows a garment; its background was removed",
        "worn": "the picture shows somebody wearing it; background, skin and hair were removed",
    }[cut.kind]


def _cloth_of_picture() -> Material:
    """Cotton's answer to light, without a weave of its own: the picture brings its own surface."""
    return replace(material("cotton"), name="as pictured", micro_depth=0.03)


def _solid(colour: Colour, said: list[str], *, limits: tuple[str, ...]) -> Design:
    words = (*said, f"colours: {hex_of(colour)}", "pattern: plain")
    return Design(colours=(colour,), material=_cloth_of_picture(), limits=limits, said=words)


def _inner(mask: Mask) -> Mask:
    """The cloth without its rim, where seams, shadows and the background's colour are."""
    edge = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0) if not mask.all() else mask
    distance = cv2.distanceTransform(edge, cv2.DIST_L2, 3)
    if edge is not mask:
        distance = distance[1:-1, 1:-1]
    rim = max(2.0, 0.035 * float(np.sqrt(np.count_nonzero(mask))))
    inside = distance > rim if not mask.all() else np.ones_like(mask, bool)
    return np.asarray(inside * np.uint8(255), np.uint8)


def largest_patch(mask: Mask, *, elongated: float = 2.2) -> Box | None:
    """The largest upright rectangle (x0, y0, x1, y1) inside `mask` > 0, at most `elongated` times longer than wide."""
    step = max(1, round(max(mask.shape) / 110))
    small = cv2.erode(mask, np.ones((step, step), np.uint8))[step // 2 :: step, step // 2 :: step] > 0
    best: tuple[float, Box] | None = None
    heights = np.zeros(small.shape[1], int)
    for y in range(small.shape[0]):
        heights = np.where(small[y], heights + 1, 0)
        stack: list[tuple[int, int]] = []
        for x in range(len(heights) + 1):
            now = int(heights[x]) if x < len(heights) else 0
            start = x
            while stack and stack[-1][1] >= now:
                start, tall = stack.pop()
                wide = x - start
                short, long = sorted((wide, tall))
                area = short * min(long, elongated * short)
                if tall and (best is None or area > best[0]):
                    best = (area, (start, y - tall + 1, x, y + 1))
            stack.append((start, now))
    if best is None:
        return None
    x0, y0, x1, y1 = (v * step for v in best[1])
    wide, tall = x1 - x0, y1 - y0
    if wide > elongated * tall:
        spare = round((wide - elongated * tall) / 2)
        x0, x1 = x0 + spare, x1 - spare
    elif tall > elongated * wide:
        spare = round((tall - elongated * wide) / 2)
        y0, y1 = y0 + spare, y1 - spare
    return (int(x0), int(y0), int(min(x1, mask.shape[1])), int(min(y1, mask.shape[0])))


def _lit_colour(picture: RGB, mask: Mask) -> Colour:
    """Median colour of the lit cloth: of its pixels between the 45th and the 95th percentile of lightness."""
    pixels = picture[_inner(mask) > 0]
    if len(pixels) < 50:
        pixels = picture[mask > 0]
    pixels = pixels[:: max(1, len(pixels) // 40000)]
    light = pixels.astype(np.float32) @ np.array([0.3, 0.59, 0.11], np.float32)
    # The cloth's own colour first: a logo or a lining must not pull the median.
    centre = np.median(lab(pixels[None])[0], axis=0)
    near = np.hypot(*(lab(pixels[None])[0][:, 1:] - centre[1:]).T) < 22
    low, high = np.percentile(light[near], (45, 95))
    chosen = pixels[near & (light >= low) & (light <= high)]
    r, g, b = (int(v) for v in np.median(chosen if len(chosen) else pixels, axis=0))
    return (r, g, b)


def _linear(tile: F32) -> F32:
    return np.asarray(np.where(tile <= 0.04045, tile / 12.92, ((tile + 0.055) / 1.055) ** 2.4), np.float32)


def _encoded(tile: F32) -> F32:
    tile = np.clip(tile, 0, 1)
    return np.asarray(np.where(tile <= 0.0031308, tile * 12.92, 1.055 * tile ** (1 / 2.4) - 0.055), np.float32)


def _groups(values: F32, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    flat = values.reshape(-1, 3) * np.array([0.8, 1.2, 1.2], np.float32)
    sample = np.ascontiguousarray(flat[:: max(1, len(flat) // 4000)])
    cv2.setRNGSeed(7)
    labels = np.zeros((len(sample), 1), np.int32)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 25, 0.3)
    _, _, centres = cv2.kmeans(sample, min(count, len(sample)), labels, criteria, 3, cv2.KMEANS_PP_CENTERS)
    distance = ((flat[:, None, :] - centres[None]) ** 2).sum(axis=2)
    return np.asarray(distance.argmin(axis=1).reshape(values.shape[:2]), np.int32)


def flattened(patch: RGB) -> F32:
    """`patch` (h, w, 3) under even light, sRGB-encoded 0..1: folds and fall-off divided out, the pattern's contrast kept.

    Each pixel is compared with the mean of its own colour group; the slow part of that ratio is light, the rest is pattern.
    Two rounds, coarse then fine, since the first grouping is itself disturbed by the light.
    """
    linear = _linear(patch.astype(np.float32) / np.float32(255)) + np.float32(0.002)
    weights = np.array([0.2126, 0.7152, 0.0722], np.float32)
    side = min(patch.shape[:2])
    lit = float(np.percentile(linear @ weights, 70))
    slow = np.log(linear @ weights)
    slow = cv2.GaussianBlur(slow, (0, 0), max(2.0, side / 2.2), borderType=cv2.BORDER_REFLECT)
    linear = linear / np.exp(slow - np.median(slow))[..., None]
    for share in (6.0, 11.0):
        shown = np.clip(_encoded(linear) * 255, 0, 255).astype(np.uint8)
        group = _groups(lab(np.asarray(cv2.GaussianBlur(shown, (0, 0), 1.2), np.uint8)), 5)
        light = np.log(linear @ weights)
        mean = np.array([np.median(light[group == k]) if (group == k).any() else 0.0 for k in range(group.max() + 1)])
        ratio = np.clip(light - mean[group].astype(np.float32), -0.7, 0.7).astype(np.float32)
        shade = cv2.GaussianBlur(ratio, (0, 0), max(1.5, side / share), borderType=cv2.BORDER_REFLECT)
        linear = linear / np.exp(shade)[..., None]
    now = float(np.percentile(linear @ weights, 70))
    return _encoded(linear * np.float32(lit / max(now, 1e-4)) - np.float32(0.002))


def _plainness(flat: F32, *, repeats: bool) -> tuple[bool, bool]:
    """(plain?, a single placed print on it?) from the flattened patch; `repeats`: a regular repeat was found in it."""
    shown = np.clip(flat * 255, 0, 255).astype(np.uint8)
    side = min(shown.shape[:2])
    values = lab(np.asarray(cv2.GaussianBlur(shown, (0, 0), max(0.8, side / 160)), np.uint8))
    centre = np.median(values.reshape(-1, 3), axis=0)
    own, lightness = _apart(values, centre)
    other = own > 1
    outside = other | (np.abs(lightness) > 16)
    if outside.mean() < 0.03:
        return True, False
    folded = outside & ~other
    if not repeats and other.mean() < 0.05 and folded.mean() < 0.3 and (lightness[folded] < 0).mean() > 0.55:
        return True, False
    if outside.mean() > 0.3:
        return False, False
    rows, columns = np.nonzero(outside)
    tall = np.percentile(rows, 96) - np.percentile(rows, 4)
    wide = np.percentile(columns, 96) - np.percentile(columns, 4)
    across_all = tall > 0.85 * flat.shape[0] or wide > 0.85 * flat.shape[1]
    placed = min(tall / flat.shape[0], wide / flat.shape[1]) < 0.45 and not (across_all and repeats)
    return placed, placed


def _pixels_per_cm(cut: Cut, width: int, periods: tuple[float | None, float | None]) -> float:
    """Pixels to a centimetre of cloth: as the cut says; in a close-up by its usual size, with repeats of 0.4..12 cm."""
    if cut.cm_per_pixel is not None:
        return 1.0 / cut.cm_per_pixel
    per_cm = width / CLOSE_UP_CM
    known = [p for p in periods if p is not None]
    if known:
        smallest = min(known)
        per_cm = min(max(per_cm, smallest / 12.0), smallest / 0.4)
    return per_cm


def mean_colours(swatch: RGB, *, count: int = 4) -> tuple[Colour, ...]:
    """The cloth's main colours, the largest share first; those under 4 % or near an earlier one are left out."""
    values = lab(swatch)
    group = _groups(values, count)
    found: list[tuple[float, F32, Colour]] = []
    for k in range(count):
        inside = group == k
        if inside.mean() < 0.04:
            continue
        r, g, b = (int(v) for v in np.median(swatch[inside], axis=0))
        found.append((float(inside.mean()), np.median(values[inside], axis=0), (r, g, b)))
    found.sort(key=lambda item: -item[0])
    kept: list[tuple[F32, Colour]] = []
    for _, value, colour in found:
        if all(float(np.linalg.norm(value - other)) > 9 for other, _ in kept):
            kept.append((value, colour))
    return tuple(colour for _, colour in kept)
