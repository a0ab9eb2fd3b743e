"""Who is in the photo: faces at several scales, poses in windows around them and over the whole, merged and numbered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB
from outfitswap_desktop.embedded.parse.headless import believable, best_body, likely, padded_pose
from outfitswap_desktop.embedded.parse.skeleton import (
    LEFT_ANKLE,
    LEFT_EAR,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NOSE,
    RIGHT_ANKLE,
    RIGHT_EAR,
    RIGHT_ELBOW,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    TRUNK,
    body_scale,
    fitness,
)
from outfitswap_desktop.embedded.parse.solutions import Face, Pose, Solutions

LOOK_SIDE = 1280
"""Long side of the picture that persons are looked for in; more costs time and finds no one new."""

SURE_FACE = 0.88
"""Faces under this score are looked at twice."""

LEAST_FITNESS = 0.6
"""A pose without a face beside others with one is believed from this fitness on."""

HIPS_BELOW, BODY_SIDE = 4.4, 13.0
"""Where the hips lie below a face and the side of the square around the whole body, in detected face widths."""

Window = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A person in the look picture: pose (pixels of that picture), box, confidence 0..1, what spoke for it."""

    pose: Pose
    box: Window
    confidence: float
    evidence: tuple[str, ...]
    face: Face | None = None


def look_picture(photo: RGB) -> tuple[RGB, float]:
    """The photo with a long side of at most LOOK_SIDE, and look pixels for one photo pixel."""
    scale = LOOK_SIDE / max(photo.shape[:2])
    if scale >= 1:
        return photo, 1.0
    size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def find_persons(solutions: Solutions, look: RGB) -> list[Candidate]:
    """Everybody found in `look`, left to right; empty when there is nobody."""
    faces = find_faces(solutions, look)
    selfie = solutions.selfie(look)
    found: list[Candidate] = []
    whole = solutions.pose(look)
    if not faces:
        whole = best_body(solutions, look, selfie=selfie, plain=whole)
    if whole is not None:
        _add(found, _judge(whole, faces, selfie))
    for face in faces:
        if not any(one.face is face for one in found):
            _add(found, _around_face(solutions, look, face, faces=faces, selfie=selfie, found=found))
    _look_into_rest(solutions, look, found, faces=faces, selfie=selfie)
    if not found:
        padded = _padded_pose(solutions, look)
        if padded is not None:
            _add(found, _judge(padded, faces, selfie, strict=False))
    if found:
        largest = max(_area(one.box) for one in found)
        found = [one for one in found if _area(one.box) >= 0.004 * largest]
    return sorted(found, key=lambda one: one.box[0] + one.box[2])


def find_faces(solutions: Solutions, look: RGB) -> list[Face]:
    """Faces over the whole picture and over overlapping tiles (small faces), merged, strongest first."""
    height, width = look.shape[:2]
    raw = list(solutions.faces(look))
    for parts in (2, 3):
        tile_w, tile_h = width / (0.6 * parts + 0.4), height / (0.6 * parts + 0.4)
        if min(tile_w, tile_h) < 100:
            break
        for row in range(parts):
            for column in range(parts):
                x0 = round(column * (width - tile_w) / (parts - 1))
                y0 = round(row * (height - tile_h) / (parts - 1))
                tile = look[y0 : round(y0 + tile_h), x0 : round(x0 + tile_w)]
                raw += [_moved_face(face, x0, y0) for face in solutions.faces(tile)]
    merged: list[Face] = []
    for face in sorted(raw, key=lambda one: -one.score):
        if face.score >= 0.6 and not any(_same_face(face, other) for other in merged):
            merged.append(face)
    return [face for face in merged if face.score >= SURE_FACE or _has_features(solutions, look, face)]


def _has_features(solutions: Solutions, look: RGB, face: Face) -> bool:
    """Whether the mesh network agrees that this is a face; knees and prints pass the detector at times."""
    (x, y), half = face.centre, 0.9 * face.side
    height, width = look.shape[:2]
    x0, y0, x1, y1 = max(0, int(x - half)), max(0, int(y - half)), min(width, int(x + half)), min(height, int(y + half))
    if min(x1 - x0, y1 - y0) < 8:
        return False
    cut = cv2.resize(look[y0:y1, x0:x1], (192, round(192 * (y1 - y0) / (x1 - x0))), interpolation=cv2.INTER_LINEAR)
    return solutions.mesh(np.asarray(cut, np.uint8)) is not None


def pose_in(solutions: Solutions, look: RGB, window: Window | None = None) -> Pose | None:
    """The pose found in `window` of `look` (None: all of it), in pixels of `look`."""
    if window is None:
        return solutions.pose(look)
    height, width = look.shape[:2]
    x0, y0 = max(0, int(window[0])), max(0, int(window[1]))
    x1, y1 = min(width, int(window[2])), min(height, int(window[3]))
    if x1 - x0 < 32 or y1 - y0 < 32:
        return None
    cut = look[y0:y1, x0:x1]
    grow = max(1.0, 256 / max(cut.shape[:2]))
    if grow > 1:
        cut = np.asarray(cv2.resize(cut, None, fx=grow, fy=grow, interpolation=cv2.INTER_CUBIC), np.uint8)
    pose = solutions.pose(cut)
    if pose is None:
        return None
    mask = np.zeros((height, width), np.float32)
    mask[y0:y1, x0:x1] = cv2.resize(pose.mask, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    points = pose.points * np.array([(x1 - x0) / cut.shape[1], (y1 - y0) / cut.shape[0]], np.float32) + np.array(
        [x0, y0], np.float32
    )
    return Pose(points, pose.seen, mask)


def _padded_pose(solutions: Solutions, look: RGB) -> Pose | None:
    for top, sides, bottom in ((0.3, 0.1, 0.0), (0.6, 0.3, 0.1), (0.15, 0.3, 0.5), (0.0, 0.5, 0.0)):
        pose = padded_pose(solutions, look, top=top, sides=sides, bottom=bottom)
        if pose is not None and float((pose.mask > 0.5).mean()) > 0.01:
            return pose
    return None


def _judge(pose: Pose, faces: list[Face], selfie: F32, *, strict: bool = True) -> Candidate | None:
    """Make a candidate of a pose, or None when the pose does not hold: no body below it, or scattered."""
    height, width = pose.mask.shape
    solid = pose.mask > 0.5
    area = float(solid.mean())
    if area < 0.0008:
        return None
    face = _face_of(pose, faces)
    columns, rows = np.flatnonzero(solid.any(axis=0)), np.flatnonzero(solid.any(axis=1))
    box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    agreed = float(np.minimum(pose.mask, selfie)[solid].mean())
    trunk = pose.points[list(TRUNK)]
    inside = (trunk[:, 0] >= 0) & (trunk[:, 0] < width) & (trunk[:, 1] >= 0) & (trunk[:, 1] < height)
    places = trunk[inside].astype(int)
    on_body = float(np.mean(solid[places[:, 1], places[:, 0]])) if len(places) else 0.0
    if not faces:
        if not believable(pose, selfie):
            return None
    elif strict and face is None and fitness(pose, headless=True) < LEAST_FITNESS:
        return None
    seen = float(pose.seen[list(TRUNK)].mean())
    confidence = 0.35 * seen + 0.35 * agreed + 0.2 * on_body + 0.1 * (face is not None)
    evidence = ("pose", *(("face",) if face else ()), *(("silhouette",) if agreed > 0.5 else ()))
    return Candidate(pose, box, confidence, evidence, face)


def _around_face(
    solutions: Solutions, look: RGB, face: Face, *, faces: list[Face], selfie: F32, found: list[Candidate]
) -> Candidate | None:
    (x, y), f = face.centre, face.side
    best: Candidate | None = None
    windows: tuple[tuple[float, float, float] | None, ...] = ((2.4, 1.6, 5.5), (3.5, 1.8, 10.0), (1.8, 1.4, 3.5), None)
    for window in windows:
        if window is None:
            pose = solutions.pose_at(look, (x, y + HIPS_BELOW * f), BODY_SIDE * f)
        else:
            left, up, down = window
            pose = pose_in(solutions, look, (x - left * f, y - up * f, x + left * f, y + down * f))
        if pose is None:
            continue
        judged = _judge(pose, faces, selfie)
        if judged is not None and judged.face is face and (best is None or judged.confidence > best.confidence + 0.05):
            best = judged
    if best is not None or any(_inside_body(face, one) for one in found):
        return best
    return _from_face_alone(face, selfie)


def _inside_body(face: Face, one: Candidate) -> bool:
    """Whether the 'face' is a pattern on the body of somebody who has a face elsewhere."""
    x, y = (int(v) for v in face.centre)
    height, width = one.pose.mask.shape
    return one.face is not None and 0 <= x < width and 0 <= y < height and bool(one.pose.mask[y, x] > 0.5)


def claimed(one: Candidate) -> F32:
    """What surely is not anybody else (h, w) 0..1: the pose's mask, and the whole head when its face was seen."""
    mask = one.pose.mask.copy()
    if one.face is not None:
        (x, y), side = one.face.centre, one.face.side
        cv2.ellipse(mask, ((x, y - 0.1 * side), (1.2 * side, 1.6 * side), 0.0), 1.0, -1)
    return mask


def _from_face_alone(face: Face, selfie: F32) -> Candidate | None:
    """A body by proportions below a face that no pose was found for (after Drillis and Contini, 1964)."""
    (x, y), f = face.centre, face.side
    height, width = selfie.shape
    ix, iy = int(np.clip(x, 0, width - 1)), int(np.clip(y, 0, height - 1))
    if f < 12 or face.score < 0.8 or selfie[iy, ix] < 0.5:
        return None
    points = np.full((33, 2), (x, y), np.float32)
    for left, right, dx, dy in (
        (LEFT_EAR, RIGHT_EAR, 0.5, 0.0),
        (2, 5, 0.22, -0.15),
        (9, 10, 0.15, 0.3),
        (LEFT_SHOULDER, RIGHT_SHOULDER, 1.05, 1.45),
        (LEFT_ELBOW, RIGHT_ELBOW, 1.4, 3.3),
        (LEFT_WRIST, RIGHT_WRIST, 1.4, 5.0),
        (LEFT_HIP, RIGHT_HIP, 0.65, 4.7),
        (LEFT_KNEE, RIGHT_KNEE, 0.7, 7.6),
        (LEFT_ANKLE, RIGHT_ANKLE, 0.7, 10.4),
    ):
        points[left], points[right] = (x + dx * f, y + dy * f), (x - dx * f, y + dy * f)
    for hand, wrist in ((17, 15), (18, 16), (19, 15), (20, 16), (21, 15), (22, 16)):
        points[hand] = points[wrist] + np.array([0, 0.4 * f], np.float32)
    for foot, ankle in ((29, 27), (30, 28), (31, 27), (32, 28)):
        points[foot] = points[ankle] + np.array([0, 0.3 * f], np.float32)
    box = (max(0.0, x - 1.9 * f), max(0.0, y - 1.1 * f), min(width, x + 1.9 * f), min(height, y + 6.0 * f))
    near = np.zeros_like(selfie)
    near[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = 1
    mask = np.asarray(selfie * near, np.float32)
    if float(mask.sum()) < f * f:
        return None
    return Candidate(Pose(points, np.full(33, 0.2, np.float32), mask), box, 0.25, ("face",), face)


def _look_into_rest(solutions: Solutions, look: RGB, found: list[Candidate], *, faces: list[Face], selfie: F32) -> None:
    """Pose once more in every large piece of the selfie silhouette that nobody found so far explains."""
    rest = (selfie > 0.5).astype(np.uint8)
    size = max(3, round(0.02 * max(look.shape[:2]))) | 1
    for one in found:
        taken = cv2.dilate((one.pose.mask > 0.4).astype(np.uint8), np.ones((size, size), np.uint8))
        rest[taken > 0] = 0
    count, _, stats, _ = cv2.connectedComponentsWithStats(rest)
    floor = 0.006 * rest.size
    pieces = sorted((s for s in stats[1:count] if s[cv2.CC_STAT_AREA] > floor), key=lambda s: -s[cv2.CC_STAT_AREA])
    for left, top, wide, high, _area_px in pieces[:4]:
        if high < 0.7 * wide and found:
            continue
        grow_x, grow_y = 0.25 * wide, 0.15 * high
        pose = pose_in(solutions, look, (left - grow_x, top - grow_y, left + wide + grow_x, top + high + grow_y))
        if pose is not None:
            _add(found, _judge(pose, faces, selfie))


def _add(found: list[Candidate], candidate: Candidate | None) -> None:
    """Append unless it is somebody already found; of two poses of one person the surer stays."""
    if candidate is None:
        return
    for i, other in enumerate(found):
        if _same_person(candidate, other):
            faceless = candidate.face is None and other.face is None
            if candidate.confidence > other.confidence + 0.1 and (
                not faceless or likely(candidate.pose) > likely(other.pose)
            ):
                found[i] = candidate
            elif candidate.face is not None and other.face is None:
                found[i] = replace(other, face=candidate.face)
            return
    found.append(candidate)


def _same_person(a: Candidate, b: Candidate) -> bool:
    if a.face is not None and a.face is b.face:
        return True
    one, two = a.pose.mask > 0.5, b.pose.mask > 0.5
    both = float(np.count_nonzero(one & two))
    less = max(1.0, float(min(np.count_nonzero(one), np.count_nonzero(two))))
    keys = [NOSE, *TRUNK]
    gap = float(np.hypot(*(a.pose.points[keys] - b.pose.points[keys]).T).mean())
    near = gap < 0.6 * max(body_scale(a.pose), body_scale(b.pose))
    return (both / less > 0.6 and (a.face is None or b.face is None)) or (near and both / less > 0.3)


def _face_of(pose: Pose, faces: list[Face]) -> Face | None:
    """The face that the pose's nose lies in."""
    nose = pose.points[NOSE]
    best, gap = None, 0.75
    for face in faces:
        off = float(np.hypot(nose[0] - face.centre[0], nose[1] - face.centre[1])) / max(face.side, 1.0)
        if off < gap:
            best, gap = face, off
    return best


def _moved_face(face: Face, dx: float, dy: float) -> Face:
    x0, y0, x1, y1 = face.box
    return Face((x0 + dx, y0 + dy, x1 + dx, y1 + dy), face.score)


def _same_face(a: Face, b: Face) -> bool:
    gap = np.hypot(a.centre[0] - b.centre[0], a.centre[1] - b.centre[1])
    return bool(gap < 0.5 * max(a.side, b.side))


def _area(box: Window) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
