"""The pose in OpenPose's 18 joints, out of MediaPipe's 33 landmarks."""

from __future__ import annotations

from typing import Final

import numpy as np

from outfitswap_desktop.core.regions import JOINTS, BodyPose
from outfitswap_desktop.embedded.parse.frame import Frame
from outfitswap_desktop.embedded.parse.parts import Figure

BARELY: Final = 0.35
"""A landmark that MediaPipe calls visible with less than this is as often a guess as not: it counts as unseen."""

_HEAD: Final = frozenset({"nose", "right_eye", "left_eye", "right_ear", "left_ear"})
_LANDMARKS: Final[dict[str, tuple[int, ...]]] = {
    "nose": (0,),
    "neck": (11, 12),
    "right_shoulder": (12,),
    "right_elbow": (14,),
    "right_wrist": (16,),
    "left_shoulder": (11,),
    "left_elbow": (13,),
    "left_wrist": (15,),
    "right_hip": (24,),
    "right_knee": (26,),
    "right_ankle": (28,),
    "left_hip": (23,),
    "left_knee": (25,),
    "left_ankle": (27,),
    "right_eye": (5,),
    "left_eye": (2,),
    "right_ear": (8,),
    "left_ear": (7,),
}
"""MediaPipe's landmarks of each joint: their middle, seen as well as the worst of them."""


def body_pose(figure: Figure, frame: Frame, size: tuple[int, int]) -> BodyPose:
    """The joints of `figure` (work pixels of `frame`) in pixels of a photo of `size` (height, width).

    Confidence is the landmark's visibility; 0 for joints outside the photo, seen less than BARELY, or of a head that is not
    in the photo.
    """
    points = frame.to_photo(figure.points)
    joints = []
    for name in JOINTS:
        marks = list(_LANDMARKS[name])
        x, y = points[marks].mean(axis=0).tolist()
        seen = float(np.clip(figure.seen[marks].min(), 0.0, 1.0))
        hidden = seen < BARELY or (figure.headless and name in _HEAD)
        inside = 0 <= x < size[1] and 0 <= y < size[0]
        joints.append((x, y, round(seen, 3) if inside and not hidden else 0.0))
    return BodyPose(tuple(joints))
