"""The mask for the garment that is asked for: the old one's, and what a wider, longer or otherwise cut one needs beyond it.

All of it stays inside what may be changed on this person: the garment and the limbs it may lie on, widened by the target's
margin (core.zones), without what is protected.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.mask import fill_holes, solid
from outfitswap_desktop.core.regions import HAND_DRAWN, Box, Segmentation, box_of
from outfitswap_desktop.core.widening import (
    LIMB_BREADTH,
    Window,
    capsule,
    limbs_of,
    person_height,
    ring,
    scene_of,
    widened,
)
from outfitswap_desktop.core.zones import MARGINS, MOST_OF_IMAGE, PARTS_OF, TargetClass, Zone

if TYPE_CHECKING:
    from outfitswap_desktop.core.pipeline import MaskPlan

EDGE_REACH: Final = 6
"""Pixels that the soft edge may move an outline outwards by."""

ROOM_FOR_EDGE: Final = 0.97
"""Share of the largest mask that a planned one may take before its edge is softened."""

LEAST_ISLAND: Final = 0.0002
"""Pieces below this share of the photo are dropped."""

LARGEST_HOLE: Final = 0.0016
"""Holes up to this share of the person's height squared are filled; the view between arm and trunk is larger."""

COARSE: Final = 512
"""Height of the person at which widening is reckoned; its outline is soft anyway."""


def plan_for_target(
    plan: MaskPlan, *, target: TargetClass | None, found: Segmentation, shape: tuple[int, int]
) -> MaskPlan:
    """`plan` with its mask (H, W = `shape`) made to fit `target` (None: the words name no garment) on the person `found`.

    A target looser than what is worn widens the mask sideways and down; sleeves and legs that it covers are taken in; what
    shows bare beside it is left alone; the old garment's shadow comes along. What is protected always wins, and nothing
    leaves what may be changed. A hand-drawn mask stays as it was drawn; one that would take more of the photo than is
    allowed is widened less, or not at all.
    """
    height = float(person_height(found))
    old = solid(plan.alpha)
    if height <= 0 or not old.any() or plan.segmenter == HAND_DRAWN:
        return plan
    room = permitted(plan.zone, target, found=found, shape=shape)
    keep_out = plan.keep_out if plan.keep_out is not None else found.protect_mask(shape)
    window = _padded(box_of(room | old), 2, shape)
    scale = min(1.0, COARSE / height)
    scene = scene_of(plan.zone, found, old=old, window=window, scale=scale)
    steps = (ring(scene), *widened(scene, target, plan.zone))
    for count in range(len(steps), 0, -1):
        wanted = _union(steps[:count], window, shape)
        mask = _tidy(wanted, old=old, room=room, keep_out=keep_out, height=height)
        if cv2.countNonZero(mask) <= ROOM_FOR_EDGE * MOST_OF_IMAGE * mask.size:
            return _said(plan, mask, target=target, narrowed=count < len(steps))
    return plan


def permitted(zone: Zone, target: TargetClass | None, *, found: Segmentation, shape: tuple[int, int]) -> Mask:
    """Where (H, W) 0/255 a mask of `zone` may lie on this person: garment and limbs, widened by the target's margin.

    Less the reach of the soft edge, so that a planned mask is still inside when its edge has been softened.
    """
    limbs: Mask = np.zeros(shape, np.uint8)
    for axis in limbs_of(found.axes, PARTS_OF[zone]):
        capsule(limbs, axis, LIMB_BREADTH)
    if found.body is not None:
        limbs = np.minimum(limbs, found.body)
    region = found.regions.get(zone)
    base = solid(np.maximum(limbs, region.mask) if region is not None else limbs)
    margin = target.margin if target is not None and target.zone is zone else MARGINS[zone]
    by = max(0, round(margin * person_height(found)) - EDGE_REACH)
    if not base.any() or by == 0:
        return base
    room = np.zeros_like(base)
    view = _padded(box_of(base), by, shape)
    away = cv2.distanceTransform(~base[view], cv2.DIST_L2, 3)
    room[view] = np.where(away <= by, np.uint8(255), np.uint8(0))
    return room


def _union(masks: tuple[Mask, ...], window: Window, shape: tuple[int, int]) -> Mask:
    """The masks of the coarse window together, at the photo's size with a straight outline between coarse pixels."""
    rows, columns = window
    size = (columns.stop - columns.start, rows.stop - rows.start)
    both: Mask = np.zeros_like(masks[0])
    for mask in masks:
        np.maximum(both, mask, out=both)
    whole = np.zeros(shape, np.uint8)
    fine = cv2.resize(cv2.GaussianBlur(both, (0, 0), 1.0), size, interpolation=cv2.INTER_LINEAR)
    whole[window] = cv2.threshold(np.asarray(fine, np.uint8), 127, 255, cv2.THRESH_BINARY)[1]
    return whole


def _tidy(wanted: Mask, *, old: Mask, room: Mask, keep_out: Mask, height: float) -> Mask:
    """`wanted` and the old mask without holes and islands, inside `room`, without what is protected."""
    mask = fill_holes((wanted & room) | old, up_to=round(LARGEST_HOLE * height * height)) & (room | old)
    mask[keep_out > 0] = 0
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    drop = stats[:, cv2.CC_STAT_AREA] < LEAST_ISLAND * mask.size
    drop[0] = False
    if drop.sum() < count - 1:  # a garment that is all crumbs stays
        mask[drop[labels]] = 0
    return mask if mask.any() else old


def _said(plan: MaskPlan, mask: Mask, *, target: TargetClass | None, narrowed: bool) -> MaskPlan:
    before, after = cv2.countNonZero(solid(plan.alpha)), cv2.countNonZero(mask)
    notes = plan.notes
    if target is not None and after > 1.05 * before:
        wider = after / before - 1
        notes = (*notes, f"The mask was widened by {wider:.0%} of its area for what is asked for ({target.name}).")
    if narrowed:
        notes = (*notes, "The mask was widened less than what is asked for may need: it would fill the photo.")
    return replace(plan, alpha=mask, notes=notes)


def _padded(box: Box, by: int, shape: tuple[int, ...]) -> Window:
    x0, y0, x1, y1 = box
    return slice(max(0, y0 - by), min(shape[0], y1 + by)), slice(max(0, x0 - by), min(shape[1], x1 + by))
