"""The person's silhouette in the work frame: pose and selfie masks fused, other persons taken out, edges fitted."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB
from outfitswap_desktop.embedded.parse.smooth import GuidedFilter

STRAYS, KNOWS = 0.5, 0.75
"""Agreement (IoU) of the two masks up to which the selfie mask counts for nothing, and from which on for a half."""


def overlap(one: F32, two: F32) -> float:
    """Intersection over union of two soft masks cut at one half; 0 when both are empty."""
    a, b = one > 0.5, two > 0.5
    union = float(np.count_nonzero(a | b))
    return float(np.count_nonzero(a & b)) / union if union else 0.0


def silhouette(
    picture: RGB, pose_mask: F32, selfie_mask: F32, *, others: F32 | None, unit: float, faceless: bool = False
) -> F32:
    """Probability (h, w) that a pixel is this person.

    `others` (h, w) is the strongest pose mask of everybody else; `unit` the shoulder width in pixels. The selfie mask knows
    no persons, so it speaks only near the pose, and only when the two agree (IoU > 0.7). In a photo without a face (`faceless`)
    it often takes walls for bodies: there it speaks only as loud as it agrees on everything.
    """
    reach = max(3, round(0.25 * unit)) | 1
    near = cv2.dilate(pose_mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    nearby = np.minimum(selfie_mask, np.clip(near * 1.5, 0, 1))
    person = pose_mask
    if overlap(pose_mask, nearby) > 0.7:
        knows = float(np.clip((overlap(pose_mask, selfie_mask) - STRAYS) / (KNOWS - STRAYS), 0, 1))
        share = 0.5 * knows if faceless else 0.5
        person = (1 - share) * pose_mask + share * nearby
    if others is not None:
        person = np.where(others > pose_mask, np.minimum(person, 1 - others), person)
    smooth = GuidedFilter(picture, max(2, round(0.03 * unit)), eps=1e-4)
    return np.clip(smooth(np.asarray(person, np.float32)), 0, 1)
