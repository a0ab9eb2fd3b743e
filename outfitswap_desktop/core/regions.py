"""What a segmenter found in a photo: persons, garment regions, protected areas, and the body's axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import Alpha, Mask
from outfitswap_desktop.core.zones import Zone

Box = tuple[int, int, int, int]
Polygon = tuple[tuple[tuple[int, int], ...], ...]


HAND_DRAWN = "hand-drawn mask"
"""Stands for the segmenter where the user drew the mask."""


def box_of(mask: Mask) -> Box:
    """Bounding box (x0, y0, x1, y1) of `mask` > 0, x1 and y1 exclusive; (0, 0, 0, 0) when empty."""
    if mask.dtype == np.uint8 and mask.size:
        x, y, wide, high = cv2.boundingRect(mask)  # a fifth of the time
        return (x, y, x + wide, y + high)
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    if columns.size == 0:
        return (0, 0, 0, 0)
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def polygon_of(mask: Mask, *, tolerance: float = 0.002) -> Polygon:
    """Outer rings of `mask` in pixels (x, y), largest first, simplified by Douglas-Peucker.

    `tolerance` is a share of the mask's box diagonal; rings under 0.1 % of the mask's area are left out.
    """
    x0, y0, x1, y1 = box_of(mask)
    if x1 == 0:
        return ()
    crop = np.ascontiguousarray(mask[y0:y1, x0:x1])
    contours, _ = cv2.findContours(crop, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x0, y0))
    floor = 0.001 * float(np.count_nonzero(crop))
    kept = sorted((c for c in contours if cv2.contourArea(c) >= floor), key=cv2.contourArea, reverse=True)
    epsilon = tolerance * float(np.hypot(x1 - x0, y1 - y0))
    rings = []
    for contour in kept or list(contours):
        ring = cv2.approxPolyDP(contour, epsilon, True).reshape(-1, 2)
        rings.append(tuple((int(x), int(y)) for x, y in ring))
    return tuple(rings)


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One garment zone in the upright photo. `mask` (H, W) 0/255; `alpha` (H, W) 0..255, 0 outside `mask`."""

    zone: Zone
    mask: Mask
    alpha: Alpha
    confidence: float

    @property
    def box(self) -> Box:
        return box_of(self.mask)

    @property
    def polygon(self) -> Polygon:
        return polygon_of(self.mask)

    def without(self, keep_out: Mask) -> Region:
        """The region less what `keep_out` (H, W) > 0 covers; itself where they do not meet."""
        inside = keep_out == 0
        if not np.any((self.mask > 0) & ~inside):
            return self
        nothing = np.uint8(0)
        return replace(self, mask=np.where(inside, self.mask, nothing), alpha=np.where(inside, self.alpha, nothing))


@dataclass(frozen=True, slots=True, eq=False)
class ProtectedArea:
    """An area that never enters a mask: `name` is "head", "hair", "hands", "shoes" or "skin"; `mask` (H, W) 0/255."""

    name: str
    mask: Mask
    confidence: float

    @property
    def box(self) -> Box:
        return box_of(self.mask)

    @property
    def polygon(self) -> Polygon:
        return polygon_of(self.mask)


@dataclass(frozen=True, slots=True)
class Person:
    """A person found in the photo; `number` counts from 1, left to right."""

    number: int
    box: Box
    confidence: float
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BodyAxis:
    """A limb or the trunk as a line in photo pixels, from the body outwards; `radius` is its half-width in pixels.

    `part`: "trunk" (mid-shoulders to mid-hips), "left_upper_arm", "left_forearm", "left_thigh", "left_shin" and the
    same for "right_" (the person's own left and right).
    """

    part: str
    start: tuple[float, float]
    end: tuple[float, float]
    radius: float


JOINTS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "right_hip",
    "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
"""OpenPose's 18 body joints in its own order; the person's own left and right."""


@dataclass(frozen=True, slots=True)
class BodyPose:
    """The chosen person's joints: for each of JOINTS x, y in pixels and a confidence 0..1 (0 = not seen)."""

    joints: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Everything a segmenter says about one person of a photo.

    `regions` holds the zones that were found; `protected` what no mask may touch; `fallbacks` says, one sentence each, why
    every better segmenter was not used; `notes` what the user should know (low confidence, cropped body ...).
    `pose` is in photo pixels. `diagnostics` is for receipt and history: plain values (load and inference seconds, boxes ...).
    """

    segmenter: str
    persons: tuple[Person, ...]
    person: int
    regions: dict[Zone, Region]
    protected: tuple[ProtectedArea, ...]
    axes: tuple[BodyAxis, ...] = ()
    body: Mask | None = None
    fallbacks: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    pose: BodyPose | None = None
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    def largest_zone(self) -> Zone | None:
        """The garment zone with the most pixels; `full` only when there is no other; None when there is none."""
        garments: list[Zone] = [zone for zone in self.regions if zone is not Zone.FULL]
        garments = garments or list(self.regions)
        sizes = {zone: int(np.count_nonzero(self.regions[zone].mask)) for zone in garments}
        return max(sizes, key=lambda zone: sizes[zone], default=None)

    def protect_mask(self, shape: tuple[int, int]) -> Mask:
        """Union (H, W) 0/255 of all protected areas."""
        union = np.zeros(shape, np.uint8)
        for area in self.protected:
            np.maximum(union, area.mask, out=union)
        return union
