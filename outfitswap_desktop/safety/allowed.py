"""Where a mask may lie: the garment's zone on the chosen person, widened by the margin of what is asked for (core.zones)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import Alpha, Mask
from outfitswap_desktop.core.mask import solid
from outfitswap_desktop.core.regions import Segmentation, box_of
from outfitswap_desktop.core.zones import MARGINS, PARTS_OF, PROTECTED, TargetClass, Zone

LIMB_BREADTH: Final = 1.6
"""A garment's width over a limb's own, for the parts of the body that the parse did not see a garment on."""

WORTH_SAYING: Final = 20
"""Cut pixels up to this number are not spoken of."""

SOFT_EDGE: Final = 6
"""Pixels that the soft edge of a mask may always take beyond the outline."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A mask (H, W) 0/255 after the cut, and how many pixels of it were taken away because they may not be changed."""

    mask: Mask
    beyond_zone: int
    protected: int

    def sentences(self) -> tuple[str, ...]:
        """What was taken away, for the user; nothing of a few pixels at an outline."""
        said = []
        if self.beyond_zone > WORTH_SAYING:
            said.append(f"{self.beyond_zone} pixels of the mask lay beyond what this garment may cover and were cut.")
        if self.protected > WORTH_SAYING:
            said.append(f"{self.protected} pixels of the mask lay on head, hair, hands or shoes and were cut.")
        return tuple(said)


def cut(
    alpha: Alpha, *, zone: Zone, target: TargetClass | None, found: Segmentation | None, outline: Mask | None
) -> Cut:
    """What of `alpha` (H, W) > 0 may be changed on the chosen person.

    With a segmentation: the zone's garment and the parts of the body it may lie on, widened by the target's margin, less
    head, hair, hands and shoes. Without one: the drawn `outline` of the person, widened the same way; without either: nothing.
    """
    wanted = solid(alpha)
    if found is not None:
        base = _zone_on_body(found, zone, (alpha.shape[0], alpha.shape[1]))
        height = _height(found)
        taboo = _protected(found, (alpha.shape[0], alpha.shape[1]))
    elif outline is not None:
        base = solid(outline)
        _, top, _, bottom = box_of(base)
        height = bottom - top
        taboo = np.zeros(alpha.shape, np.uint8)
    else:
        nothing = np.zeros(alpha.shape, np.uint8)
        return Cut(nothing, beyond_zone=cv2.countNonZero(wanted), protected=0)
    inside = _widened(base, max(SOFT_EDGE, round(margin_of(target, zone) * height)))
    within = cv2.bitwise_and(wanted, inside)
    kept = np.asarray(cv2.bitwise_and(within, cv2.bitwise_not(taboo)), np.uint8)
    return Cut(
        kept,
        beyond_zone=cv2.countNonZero(wanted) - cv2.countNonZero(within),
        protected=cv2.countNonZero(within) - cv2.countNonZero(kept),
    )


def margin_of(target: TargetClass | None, zone: Zone) -> float:
    """How far beyond the old outline the mask may reach, as a share of the person's height."""
    return target.margin if target is not None and target.zone is zone else MARGINS[zone]


def _height(found: Segmentation) -> int:
    boxes = [person.box for person in found.persons if person.number == found.person] or [p.box for p in found.persons]
    return max((y1 - y0 for _, y0, _, y1 in boxes), default=0)


def _zone_on_body(found: Segmentation, zone: Zone, shape: tuple[int, int]) -> Mask:
    """The zone's garment as parsed, and the limbs it may lie on, as far as the person reaches."""
    limbs: Mask = np.zeros(shape, np.uint8)
    for axis in found.axes:
        if axis.part.removeprefix("left_").removeprefix("right_") in PARTS_OF[zone]:
            start, end = ((round(x), round(y)) for x, y in (axis.start, axis.end))
            cv2.line(limbs, start, end, 255, max(1, round(2 * LIMB_BREADTH * axis.radius)))
    if found.body is not None:
        limbs = np.minimum(limbs, found.body)
    region = found.regions.get(zone)
    return solid(np.maximum(limbs, region.mask) if region is not None else limbs)


def _protected(found: Segmentation, shape: tuple[int, int]) -> Mask:
    taboo = np.zeros(shape, np.uint8)
    for area in found.protected:
        if area.name in PROTECTED:
            np.maximum(taboo, area.mask, out=taboo)
    return solid(taboo)


def _widened(mask: Mask, by: int) -> Mask:
    """`mask` grown by `by` pixels, through the distance transform: its cost does not depend on `by`."""
    if not mask.any():
        return mask
    x0, y0, x1, y1 = box_of(mask)
    height, width = mask.shape
    window = (slice(max(0, y0 - by), min(height, y1 + by)), slice(max(0, x0 - by), min(width, x1 + by)))
    away = cv2.distanceTransform(cv2.bitwise_not(mask[window]), cv2.DIST_L2, 3)
    grown = np.zeros_like(mask)
    grown[window] = (away <= by).view(np.uint8) * np.uint8(255)
    return grown
