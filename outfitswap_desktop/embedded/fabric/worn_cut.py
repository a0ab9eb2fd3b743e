"""The cloth in a picture of somebody wearing it: the person found by the embedded segmenters, one garment kept."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.ladder import Ladder
from outfitswap_desktop.core.regions import Region, Segmentation
from outfitswap_desktop.core.steps import Segmenter
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric.clusters import colour_centres, lab
from outfitswap_desktop.errors import NobodyFound, NotAvailable

SEARCH_SIDE = 1000
"""Longest side in pixels at which the person is looked for."""

TRUNK_CM = 52.0
"""Mid-shoulders to mid-hips of an adult; the measure of cloth when it is worn (the mean of ANSUR II's men and women)."""

LEAST_CONFIDENCE = 0.35


@dataclass(frozen=True, slots=True, eq=False)
class Worn:
    """A worn garment's cloth: `mask` (H, W) 0/255 in the picture; `cm_per_pixel` from the body, None when it is not seen."""

    mask: Mask
    cm_per_pixel: float | None


def worn_cloth(
    picture: RGB, *, zone: Zone | None, segmenter: Segmenter | None, subject: Mask | None = None
) -> Worn | None:
    """What the largest person in `picture` (H, W, 3) wears in `zone`, else the outermost garment; None without a person.

    `subject` (any size, 0/255) is what stands before a plain background: then skin of another colour than the rest, or a
    face, must be seen, for a shirt laid flat has the shape of a person too.
    """
    shrink = min(1.0, SEARCH_SIDE / max(picture.shape[:2]))
    view = np.ascontiguousarray(picture)
    if shrink < 1:
        view = np.asarray(cv2.resize(view, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)
    found = _segmented(view, segmenter)
    region = _region(found, zone) if found is not None else None
    if found is None or region is None or (subject is not None and not _alive(view, found, subject)):
        return None
    mask = np.asarray(np.where(found.protect_mask(region.mask.shape) > 0, 0, region.mask), np.uint8)
    if np.count_nonzero(mask) < 0.004 * mask.size:
        return None
    size = (picture.shape[1], picture.shape[0])
    full = mask if shrink == 1 else cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)
    trunk = next((axis for axis in found.axes if axis.part == "trunk"), None)
    per_pixel = None
    if trunk is not None:
        long = float(np.hypot(trunk.end[0] - trunk.start[0], trunk.end[1] - trunk.start[1]))
        per_pixel = TRUNK_CM / max(long, 8.0) * shrink
    return Worn(np.asarray((full > 127) * np.uint8(255), np.uint8), per_pixel)


def _segmented(view: RGB, segmenter: Segmenter | None) -> Segmentation | None:
    own = segmenter is None
    if segmenter is None:
        from outfitswap_desktop.embedded.cascade.segmenter import CascadeSegmenter
        from outfitswap_desktop.embedded.parse.segmenter import MediaPipeSegmenter

        first = MediaPipeSegmenter()
        segmenter = Ladder((first, CascadeSegmenter()))
    try:
        return segmenter.segment(view, person=None, zones=None, cancel=CancelToken())
    except (NobodyFound, NotAvailable):
        return None
    finally:
        if own:
            first.close()


def skin_coloured(picture: RGB) -> Mask:
    """0/255 (H, W): pixels with the chroma of human skin, light or dark (Chai, Ngan 1999)."""
    ycc = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    return np.asarray(cv2.inRange(ycc, (25, 135, 80), (255, 175, 126)), np.uint8)


def _alive(view: RGB, found: Segmentation, subject: Mask) -> bool:
    """Skin in the head that is not merely the cloth's own colour; else a face. Neither is in a shirt laid flat."""
    skin = skin_coloured(view) > 0
    values = lab(view)
    there = cv2.resize(subject, (view.shape[1], view.shape[0]), interpolation=cv2.INTER_NEAREST) > 0
    bodily = np.zeros(there.shape, bool)
    for area in found.protected:
        bodily |= area.mask > 0
    if (there & ~bodily).sum() < 60:
        return False
    centres, _ = colour_centres(values[there & ~bodily], 12)
    for area in found.protected:
        bare = skin & (area.mask > 0)
        if area.name != "head" or bare.sum() < 60 or bare.sum() < 0.3 * (area.mask > 0).sum():
            continue
        away = np.linalg.norm(values[bare][:, None] - centres[None], axis=2).min(axis=1)
        if float((away > 9).mean()) > 0.5:
            return True
    return _face(view)


def _face(view: RGB) -> bool:
    from outfitswap_desktop.embedded.cascade.faces import find_faces

    try:
        return bool(find_faces(view, cancel=CancelToken()))
    except NotAvailable:
        return False


def _region(found: Segmentation, zone: Zone | None) -> Region | None:
    """The asked zone's region when it is there; else coat, top, dress, trousers in this order, never the whole outfit."""
    likely = {z: r for z, r in found.regions.items() if r.confidence >= LEAST_CONFIDENCE and z is not Zone.FULL}
    order = (zone, Zone.OUTER, Zone.TOP, Zone.DRESS, Zone.BOTTOM)
    return next((likely[z] for z in order if z is not None and z in likely), None)
