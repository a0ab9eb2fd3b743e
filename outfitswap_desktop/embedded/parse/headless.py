"""Finds the body in a photo that shows no face: the pose network is aimed at many squares, and the most fitting body wins."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB
from outfitswap_desktop.embedded.parse.body import overlap
from outfitswap_desktop.embedded.parse.skeleton import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_WRIST,
    NOSE,
    RIGHT_ANKLE,
    RIGHT_ELBOW,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_WRIST,
    TRUNK,
    body_scale,
    fitness,
)
from outfitswap_desktop.embedded.parse.solutions import Pose, Solutions

JOINTS = [*TRUNK, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST, LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE]
"""The joints that say most: trunk, arms and legs without fingers and toes."""

SEARCH_SIDE = 480
"""Long side of the picture that is searched; the network itself sees 256 pixels."""
GOOD = 3.1
"""A body of this likeliness that was found without searching ends the search."""
SEEN = 1.5
"""Weight of the network's own word on the joints in the picture; measured, 1 to 2 is flat."""
SIDES, BETWEEN = (0.6, 1.0, 1.6, 2.5, 4.0), (0.8, 1.3, 2.0, 3.2)
"""Sides of the squares that a whole body fills, in long sides of the picture: from whole legs to a chest alone."""
CLEAR = 3.0
"""Under this likeliness the search goes on beside the middle and at sizes between."""
ROOM = 5.5
"""Side of that square in shoulder widths."""
CUTS = (-0.2, 0.2, 0.6, 1.0, 1.4)
"""Where the photo's upper edge cuts the body: 0 at the shoulders, 1 at the hips, in trunk lengths of 1.7 shoulder widths."""
AGREEMENT, LEAST = 0.5, 2.9
"""Weight of the silhouette network's agreement beside the likeliness, and the least sum that a body is believed from.

Measured: rooms, cats, cups, skies and textures reach 2.65, a horse's legs 2.85; readable crops of bodies start at 2.96.
"""
ALL_SEEN, ALL_AGREED = 0.88, 0.75
"""From these shares of sure joints and of agreement on a whole body is believed at any size (a person far off, from behind)."""
NECK, CROWN = 0.38, 0.2
"""Least height of a nose above the shoulders, and of the silhouette above the nose, in shoulder widths.

Measured: 0.50 and 0.24 at least on forty heads; noses dreamt into collars stand 0.28 high at most.
"""
FINALISTS, ROUNDS = 5, 2
"""How many of the best are aimed at again, from where the network itself saw hips and shoulders, and how often."""
JURY, WITHIN, AGREED = 8, 1.0, 0.85
"""At most this many bodies share out the silhouette: none less likely than the best by more, nor of less overlap with it.

Measured on 51 crops of known silhouette: a quarter less squared error at best, never 0.002 more.
"""


def best_body(solutions: Solutions, look: RGB, *, selfie: F32, plain: Pose | None) -> Pose | None:
    """The body in `look` (h, w, 3), in its pixels; `plain` is what the network found unaided.

    A photo that starts at the chest or the hips gives the detector nothing to start from, or it squeezes a whole body into
    what it sees.
    """
    options = [] if plain is None else [plain]
    padded = padded_pose(solutions, look, top=0.25, sides=0.05)
    if padded is not None:
        options.append(padded)
    aimed = [] if any(likely(one) > GOOD for one in options) else _aimed(solutions, look, selfie)
    best = max(options + aimed[:1], key=lambda one: (believable(one, selfie), likely(one)), default=None)
    if best is None or not aimed or best is not aimed[0] or not believable(best, selfie):
        return best
    return aimed[1] if believable(aimed[1], selfie) else best


def _shared(jury: list[Pose]) -> Pose:
    """The first of `jury` with the mean silhouette of all that saw about the same.

    Where one look takes the wall between two legs for a skirt, others do not; the legs themselves all of them see.
    """
    best = jury[0]
    masks = [best.mask, *(one.mask for one in jury[1:] if overlap(one.mask, best.mask) > AGREED)]
    return Pose(best.points, best.seen, np.asarray(np.mean(masks, axis=0), np.float32))


def believable(pose: Pose, selfie: F32) -> bool:
    """Whether `pose` in a picture without a face is a body: likely, backed by `selfie` (h, w), its head seen or cut off."""
    height, width = pose.mask.shape
    solid = pose.mask > 0.5
    if not solid.any():
        return False
    agreed = float(np.minimum(pose.mask, selfie)[solid].mean())
    places = pose.points[JOINTS]
    inside = np.all((places >= 0) & (places < np.array([width, height])), axis=1)
    whole = np.count_nonzero(inside) >= len(JOINTS) - 2 and float(pose.seen[JOINTS][inside].mean()) >= ALL_SEEN
    if not (whole and agreed >= ALL_AGREED) and likely(pose) + AGREEMENT * agreed < LEAST:
        return False
    return _head_accounted_for(pose, solid)


def _head_accounted_for(pose: Pose, solid: NDArray[np.bool_]) -> bool:
    """Whether a head stands on the shoulders, or the picture's edge cuts the silhouette; clothes laid out have neither."""
    height, width = solid.shape
    unit = body_scale(pose)
    nose = pose.points[NOSE]
    neck = nose - pose.points[list(TRUNK[:2])].mean(axis=0)
    rise = float(np.hypot(*neck))
    if rise > NECK * unit:
        x, y = (nose + neck * (CROWN * unit / rise)).astype(int)
        if 0 <= x < width and 0 <= y < height and solid[y, x]:
            return True
    rim = max(1, round(0.01 * min(height, width)))
    edges = (solid[:rim].any(axis=0), solid[:, :rim].any(axis=1), solid[:, -rim:].any(axis=1))
    return max(int(np.count_nonzero(edge)) for edge in edges) > 0.2 * unit


def likely(pose: Pose) -> float:
    """How much speaks for a body without a head: its fitness, and how sure the network is of the joints in the picture."""
    height, width = pose.mask.shape
    places = pose.points[JOINTS]
    inside = np.all((places >= 0) & (places < np.array([width, height])), axis=1)
    seen = float(pose.seen[JOINTS][inside].mean()) if inside.any() else 0.0
    head_down = float(_hips(pose)[1] < pose.points[list(TRUNK[:2]), 1].mean())
    return fitness(pose, headless=True) + SEEN * seen - head_down


def _aimed(solutions: Solutions, look: RGB, selfie: F32) -> list[Pose]:
    """The best of the search, and the same with the silhouette that others share, as seen in `look` itself; or nobody."""
    shrink = min(1.0, SEARCH_SIDE / max(look.shape[:2]))
    size = (max(1, round(look.shape[1] * shrink)), max(1, round(look.shape[0] * shrink)))
    small = look if shrink == 1.0 else np.asarray(cv2.resize(look, size, interpolation=cv2.INTER_AREA), np.uint8)
    middle = _middle(selfie) * size[0]
    found = _settled(solutions, small, _search(solutions, small, middle=middle, sides=SIDES))[:JURY]
    if not found or found[0][0] < CLEAR:
        aside = 0.17 * max(size)
        wider = [one for x in (-aside, aside) for one in _search(solutions, small, middle=middle + x, sides=SIDES[:-1])]
        wider += _search(solutions, small, middle=middle, sides=BETWEEN)
        mirror = np.ascontiguousarray(small[:, ::-1])
        wider += [
            _mirrored(one)
            for one in _search(solutions, mirror, middle=size[0] - middle, sides=(*SIDES[1:-1], *BETWEEN))
        ]
        found = _best(found[1:] + _settled(solutions, small, found[:1] + wider))
    jury = [one for likeliness, one in found[:JURY] if likeliness > found[0][0] - WITHIN]
    return [_in_look(one, look, small) for one in (jury[0], _shared(jury))] if jury else []


def _best(found: list[tuple[float, Pose]]) -> list[tuple[float, Pose]]:
    return sorted(found, key=lambda one: -one[0])


def _settled(solutions: Solutions, small: RGB, found: list[tuple[float, Pose]]) -> list[tuple[float, Pose]]:
    """`found` and what the network sees when aimed at the best of them again, likeliest first."""
    fresh = found
    for _ in range(ROUNDS):
        again = [_aim(solutions, small, _hips(one), ROOM * body_scale(one)) for _, one in _best(fresh)[:FINALISTS]]
        fresh = [one for one in again if one is not None]
        found = found + fresh
    return _best(found)


def _in_look(pose: Pose, look: RGB, small: RGB) -> Pose:
    size = (look.shape[1], look.shape[0])
    scale = np.array([size[0] / small.shape[1], size[1] / small.shape[0]], np.float32)
    mask = np.asarray(cv2.resize(pose.mask, size, interpolation=cv2.INTER_LINEAR), np.float32)
    return Pose(np.asarray(pose.points * scale, np.float32), pose.seen, mask)


def _middle(selfie: F32) -> float:
    """Where the silhouette's middle column lies, as a share of the width; one half when it says nothing."""
    weight = np.clip(selfie - 0.5, 0, 1)
    total = float(weight.sum())
    if total < 0.03 * selfie.size:
        return 0.5
    columns = np.asarray(weight.sum(axis=0), np.float32)
    return float(columns @ np.arange(len(columns), dtype=np.float32)) / total / len(columns)


def _search(solutions: Solutions, small: RGB, *, middle: float, sides: tuple[float, ...]) -> list[tuple[float, Pose]]:
    """Bodies for hips at several heights and of several sizes, with their likeliness."""
    found = []
    for share in sides:
        side = share * max(small.shape[:2])
        for cut in CUTS:
            one = _aim(solutions, small, (middle, 1.7 * (1 - cut) * side / ROOM), side)
            if one is not None:
                found.append(one)
    return found


def _aim(solutions: Solutions, small: RGB, centre: tuple[float, float], side: float) -> tuple[float, Pose] | None:
    pose = solutions.pose_at(small, centre, side)
    if pose is None:
        return None
    return likely(pose) - _cut_off(pose, centre, side), pose


def _cut_off(pose: Pose, centre: tuple[float, float], side: float) -> float:
    """How much of the body the square's own edges cut off inside the picture, 0..1: it was aimed too small or beside."""
    height, width = pose.mask.shape
    x0, x1 = (round(centre[0] + s * side / 2) for s in (-1, 1))
    y0, y1 = (round(centre[1] + s * side / 2) for s in (-1, 1))
    body = pose.mask > 0.4
    cut = 0
    for at, end, lines in (
        (x0 + 3, width, body.T),
        (x1 - 4, width, body.T),
        (y0 + 3, height, body),
        (y1 - 4, height, body),
    ):
        if 3 <= at < end - 3:
            cut += int(np.count_nonzero(lines[at]))
    return min(1.0, cut / body_scale(pose))


def _mirrored(one: tuple[float, Pose]) -> tuple[float, Pose]:
    """The body of a mirrored picture as it lies in the picture: left and right change names."""
    likeliness, pose = one
    order = [0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(i + 1 if i % 2 else i - 1 for i in range(11, 33))]
    points = pose.points[order].copy()
    points[:, 0] = pose.mask.shape[1] - 1 - points[:, 0]
    return likeliness, Pose(points, pose.seen[order], np.ascontiguousarray(pose.mask[:, ::-1]))


def _hips(pose: Pose) -> tuple[float, float]:
    x, y = pose.points[[LEFT_HIP, RIGHT_HIP]].mean(axis=0)
    return float(x), float(y)


def padded_pose(solutions: Solutions, look: RGB, *, top: float, sides: float = 0.0, bottom: float = 0.0) -> Pose | None:
    """The pose found after padding `look` by shares of its height (top, bottom) and width (sides), in its own pixels.

    A cut-off head or lower body costs the detector its anchor; room for the missing part brings it back.
    """
    height, width = look.shape[:2]
    up, side, down = round(top * height), round(sides * width), round(bottom * height)
    colour = [float(c) for c in np.median(look[:: max(1, height // 64), :: max(1, width // 64)].reshape(-1, 3), axis=0)]
    wide = cv2.copyMakeBorder(look, up, down, side, side, cv2.BORDER_CONSTANT, value=colour)
    pose = solutions.pose(np.asarray(wide, np.uint8))
    if pose is None:
        return None
    mask = np.ascontiguousarray(pose.mask[up : up + height, side : side + width])
    return Pose(pose.points - np.array([side, up], np.float32), pose.seen, mask)
