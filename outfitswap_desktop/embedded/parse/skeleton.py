"""The pose's joints by number, its scale, and how well a skeleton explains a body."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.embedded.parse.solutions import Pose

NOSE, LEFT_EAR, RIGHT_EAR = 0, 7, 8
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = 11, 12, 13, 14, 15, 16
LEFT_HIP, RIGHT_HIP, LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE = 23, 24, 25, 26, 27, 28
TRUNK = (LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP)
BONES = (
    (11, 13), (13, 15), (12, 14), (14, 16), (11, 12), (11, 23), (12, 24), (23, 24), (23, 25), (25, 27), (24, 26), (26, 28),
)  # fmt: skip


def body_scale(pose: Pose) -> float:
    """The person's unit of length in pixels: shoulder width, or what the trunk's length says when seen from the side."""
    shoulders = float(np.hypot(*(pose.points[LEFT_SHOULDER] - pose.points[RIGHT_SHOULDER])))
    top = pose.points[[LEFT_SHOULDER, RIGHT_SHOULDER]].mean(axis=0)
    low = pose.points[[LEFT_HIP, RIGHT_HIP]].mean(axis=0)
    return max(shoulders, 0.58 * float(np.hypot(*(top - low))), 1.0)


def fitness(pose: Pose, *, headless: bool) -> float:
    """How well the skeleton explains its own mask and a human's proportions; about 2 is good, under 1 is wrong.

    Bones lie in the mask, all of the mask lies near a bone, a picture without a face (`headless`) has no head in it, and
    thigh, shin and trunk have lengths that belong together (Drillis and Contini, 1964).
    """
    height, width = pose.mask.shape
    body = pose.mask > 0.5
    line = np.zeros((height, width), np.uint8)
    thick = max(1, round(0.4 * body_scale(pose)))
    inside, total = 0, 0
    for one, two in BONES:
        steps = np.linspace(0, 1, 12)[:, None]
        places = pose.points[one] + steps * (pose.points[two] - pose.points[one])
        ok = (places[:, 0] >= 0) & (places[:, 0] < width) & (places[:, 1] >= 0) & (places[:, 1] < height)
        seen = places[ok].astype(int)
        inside += int(np.count_nonzero(body[seen[:, 1], seen[:, 0]]))
        total += len(seen)
        ends = [tuple(int(v) for v in np.clip(pose.points[i], -20000, 20000)) for i in (one, two)]
        cv2.line(line, ends[0], ends[1], 255, thick)
    covered = np.count_nonzero(body & (line > 0)) / max(1.0, float(np.count_nonzero(body)))
    nose = pose.points[NOSE]
    shows_head = 0 <= nose[0] < width and 0 <= nose[1] < height
    area = min(1.0, float(body.mean()) / 0.1)
    unsure = np.count_nonzero((pose.mask > 0.15) & (pose.mask < 0.85)) / max(1.0, float(np.count_nonzero(body)))
    good = (inside / max(1, total) + covered) * area + 0.4
    return good - _misfit(pose) - min(1.0, unsure) - 0.5 * (headless and shows_head)


def _misfit(pose: Pose) -> float:
    """How far lengths that are in the picture are from their usual ratios; 0 = usual, at most 2.4."""
    height, width = pose.mask.shape

    def length(one: int, two: int) -> float:
        return max(1.0, float(np.hypot(*(pose.points[one] - pose.points[two]))))

    def shown(*joints: int) -> bool:
        places = pose.points[list(joints)]
        slack = 0.05 * height
        return bool(np.all((places > -slack) & (places < np.array([width + slack, height + slack]))))

    thigh = max(length(LEFT_HIP, LEFT_KNEE), length(RIGHT_HIP, RIGHT_KNEE))
    shin = max(length(LEFT_KNEE, LEFT_ANKLE), length(RIGHT_KNEE, RIGHT_ANKLE))
    trunk = max(length(LEFT_SHOULDER, LEFT_HIP), length(RIGHT_SHOULDER, RIGHT_HIP))
    shoulders = length(LEFT_SHOULDER, RIGHT_SHOULDER)
    gaps = []
    if shown(LEFT_HIP, RIGHT_HIP) and shown(LEFT_ANKLE, RIGHT_ANKLE):
        gaps.append(abs(np.log(thigh / shin)))
    if shown(LEFT_KNEE, RIGHT_KNEE) and shown(LEFT_HIP, RIGHT_HIP):
        gaps.append(abs(np.log(trunk / thigh / 1.15)))
    if shown(LEFT_SHOULDER, RIGHT_SHOULDER):
        gaps.append(max(0.0, float(np.log(1.3 * shoulders / trunk))))  # a turned person's shoulders may be narrower
    return float(sum(0.8 * min(1.0, max(0.0, gap - 0.15)) for gap in gaps))
