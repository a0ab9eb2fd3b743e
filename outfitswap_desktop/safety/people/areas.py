"""Where on a person's body the skin is measured: chest to hip, and the limbs, from a segmenter's axes or a drawn outline."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, Mask
from outfitswap_desktop.core.mask import solid
from outfitswap_desktop.core.regions import BodyAxis, Segmentation, box_of

CHEST_HIP: Final = "chest_hip"
AREAS: Final = (CHEST_HIP, "shoulders", "upper_arms", "forearms", "thighs", "knees", "shins")
"""The names used by core.zones.TargetClass.shows, and the one area that nothing may bare."""

CHEST: Final = 0.06
CROTCH: Final = 1.28
"""Chest to hip along the trunk's axis: 0 is the line through the shoulder joints, 1 the one through the hip joints."""

TRUNK_WIDTH: Final = 1.15
"""Half-width of chest to hip in half shoulder widths."""

WITHIN: Final = 0.72
"""Half-width of the trunk that an arm hanging beside it never hides."""

LIMB_WIDTH: Final = 1.25
"""Half-width of a limb's area in radii of its axis."""

JOINT: Final = 1.4
"""Radius of a shoulder in radii of its upper arm; a knee is as wide as its thigh."""

LEAST_CHEST: Final = 0.05
"""Share of the body that chest to hip must be; below it the whole body is taken."""


def areas_of(segmentation: Segmentation, shape: tuple[int, int]) -> dict[str, Mask]:
    """Masks (H, W) 0/255 of AREAS on the body of `segmentation`, without its protected areas; they do not overlap.

    Without a trunk in the picture, or with hardly any of it, all that is left of the body counts as chest to hip.
    """
    body = _body(segmentation, shape)
    axes = {axis.part: axis for axis in segmentation.axes}
    trunk = axes.get("trunk")
    found = dict.fromkeys(AREAS, np.zeros(shape, np.uint8))
    if trunk is None:
        return found | {CHEST_HIP: body}
    limbs = _limbs(axes, shape)
    down, aside = _along(trunk, shape)
    chest = (down > CHEST) & (down < CROTCH) & (np.abs(aside) < TRUNK_WIDTH)
    arms = (limbs["upper_arms"] | limbs["shoulders"]) & (np.abs(aside) > WITHIN)
    chest &= ~(arms | limbs["forearms"])
    taken = ~(body > 0)
    for name, area in ((CHEST_HIP, chest), *((name, limbs[name]) for name in _ORDER)):
        found[name] = np.where(area & ~taken, np.uint8(255), np.uint8(0))
        taken = taken | area
    if np.count_nonzero(found[CHEST_HIP]) < LEAST_CHEST * np.count_nonzero(body):
        return dict.fromkeys(AREAS, np.zeros(shape, np.uint8)) | {CHEST_HIP: body}
    return found


_ORDER: Final = ("forearms", "shoulders", "upper_arms", "knees", "thighs", "shins")
"""Of two areas that overlap the first one has the pixels."""


def _body(segmentation: Segmentation, shape: tuple[int, int]) -> Mask:
    """The person and what is worn, without what is protected; the persons' boxes where the segmenter gave no body."""
    body = np.zeros(shape, np.uint8)
    if segmentation.body is not None:
        body = solid(segmentation.body)
    else:
        for person in segmentation.persons:
            x0, y0, x1, y1 = person.box
            body[max(0, y0) : y1, max(0, x0) : x1] = 255
    for region in segmentation.regions.values():
        np.maximum(body, region.mask, out=body)
    body[segmentation.protect_mask(shape) > 0] = 0
    return body


def _along(axis: BodyAxis, shape: tuple[int, int]) -> tuple[F32, F32]:
    """Maps (H, W): position along `axis` in its lengths, and beside it in its radii."""
    start, way = np.array(axis.start), np.array(axis.end) - np.array(axis.start)
    length = max(1.0, float(np.hypot(*way)))
    along = way / length
    ys, xs = np.arange(shape[0], dtype=np.float32)[:, None], np.arange(shape[1], dtype=np.float32)[None]
    down = ((xs - start[0]) * along[0] + (ys - start[1]) * along[1]) / length
    aside = ((ys - start[1]) * along[0] - (xs - start[0]) * along[1]) / max(1.0, axis.radius)
    return np.asarray(down, np.float32), np.asarray(aside, np.float32)


def _limbs(axes: dict[str, BodyAxis], shape: tuple[int, int]) -> dict[str, NDArray[np.bool_]]:
    """What each limb covers, whole and without regard to the others: booleans (H, W)."""
    found: dict[str, Mask] = {name: np.zeros(shape, np.uint8) for name in AREAS}
    for side in ("left", "right"):
        for part in ("upper_arm", "forearm", "thigh", "shin"):
            axis = axes.get(f"{side}_{part}")
            if axis is None:
                continue
            thick = max(1, round(2 * LIMB_WIDTH * axis.radius))
            cv2.line(found[f"{part}s"], _point(axis.start), _point(axis.end), 255, thick)
            if part == "upper_arm":
                cv2.circle(found["shoulders"], _point(axis.start), max(1, round(JOINT * axis.radius)), 255, -1)
            if part == "thigh":
                cv2.circle(found["knees"], _point(axis.end), thick // 2 + 2, 255, -1)
    return {name: mask > 0 for name, mask in found.items()}


def _point(place: tuple[float, float]) -> tuple[int, int]:
    """Whole pixels, kept within what OpenCV draws."""
    x, y = (int(np.clip(round(c), -30_000, 30_000)) for c in place)
    return x, y


HEAD_ROWS: Final = (0.0, 0.13)
OUTLINE_ROWS: Final = {
    CHEST_HIP: (0.17, 0.56),
    "shoulders": (0.13, 0.24),
    "upper_arms": (0.16, 0.42),
    "forearms": (0.34, 0.58),
    "thighs": (0.50, 0.74),
    "knees": (0.68, 0.80),
    "shins": (0.74, 0.95),
}
"""Rows of a standing body as shares of its height (eight heads tall), each stretched by a few hundredths."""


def areas_of_outline(outline: Mask) -> tuple[Mask, dict[str, Mask]]:
    """The head's place and masks of AREAS (H, W) 0/255 within a drawn `outline` of a standing person.

    Wide on purpose: areas overlap, and chest to hip reaches over the outline's whole width.
    """
    inside = np.where(outline >= 128, np.uint8(255), np.uint8(0))
    _, top, _, bottom = box_of(inside)
    tall = bottom - top

    def rows(span: tuple[float, float]) -> Mask:
        band = np.zeros_like(inside)
        y0, y1 = (round(top + share * tall) for share in span)
        band[y0:y1] = inside[y0:y1]
        return band

    return rows(HEAD_ROWS), {name: rows(span) for name, span in OUTLINE_ROWS.items()}
