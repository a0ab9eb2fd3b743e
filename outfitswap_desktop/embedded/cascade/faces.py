"""Faces by scikit-image's bundled LBP cascade: a quick search, then every candidate is looked at again, closely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.errors import NotAvailable

SEARCH_SIDE = 480
"""Long side of the copy that is searched; faces under 24 px there (a person under a quarter of the picture) are not found."""
SMALLEST = 24
"""The cascade's own window, in pixels."""
CLOSE_FACE = 44
"""Width of a candidate's window in the close look, in pixels."""
ROLLS = (0, -12, 12, -24, 24)
"""Turns of the picture in the close look, in degrees; positive turns anticlockwise."""
EARLY_VIEWS, EARLY_HITS = 6, 15
"""A candidate with fewer hits than that after so many views is dropped."""
CANDIDATES = 12
LEAST_SKIN = 0.45
"""Share of the face's inner ellipse that must have skin's chroma, unless the picture is grey."""
LEAST_HITS = 45
LEAST_HITS_GREY = 110

Box3 = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Face:
    """`x`, `y` is the window's centre (about the nose) and `size` its side in photo pixels.

    The window spans the brows to the lower lip; `roll` is how far the head leans clockwise, in degrees; `hits` counts the
    cascade's agreeing windows in the close look.
    """

    x: float
    y: float
    size: float
    roll: float
    hits: int


def skin_chroma(picture: RGB) -> Mask:
    """0/255 (H, W): pixels whose chroma is that of human skin, light or dark (Chai, Ngan 1999: Cr 133..173, Cb 77..127)."""
    ycc = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    return np.asarray(cv2.inRange(ycc, (25, 133, 77), (255, 178, 128)), np.uint8)


def find_faces(photo: RGB, *, cancel: CancelToken) -> tuple[Face, ...]:
    """Frontal faces in `photo` (H, W, 3), left to right. Raises NotAvailable without scikit-image or its cascade file."""
    cascade = _cascade()
    height, width = photo.shape[:2]
    scale = min(1.0, SEARCH_SIDE / max(height, width))
    small: RGB = photo
    if scale < 1:
        small = np.asarray(cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    chroma = skin_chroma(small)
    colourless = bool(np.percentile(np.ptp(small.astype(np.int16), axis=2), 95) < 12)
    needed = LEAST_HITS_GREY if colourless else LEAST_HITS
    faces: list[Face] = []
    for turn, least in ((0, 2), (-16, 2), (16, 2)):
        for box in _search(cascade, small, turn, least=least):
            cancel.check()
            if not (colourless or _skin_share(chroma, box) >= LEAST_SKIN):
                continue
            face = _look_closely(cascade, photo, (box[0] / scale, box[1] / scale, box[2] / scale))
            if face is None or face.hits < needed:
                continue
            if colourless or _skin_share(chroma, _scaled(face, scale)) >= LEAST_SKIN:
                faces.append(face)
        if faces:
            break
    return tuple(sorted(_distinct(faces), key=lambda face: face.x))


def _search(cascade: Any, small: RGB, turn: int, *, least: int) -> list[Box3]:
    """Candidate windows of the small picture turned by `turn` degrees, with at least `least` hits, the likeliest first."""
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    height, width = grey.shape
    there = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
    if turn:
        grey = np.asarray(cv2.warpAffine(grey, there, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    back = cv2.invertAffineTransform(there)
    found = _groups(_windows(cascade, grey, least=SMALLEST, most=max(height, width), step=1.2))
    boxes = [box for box, hits in found if hits >= least][:CANDIDATES]
    points = [back @ np.array([x, y, 1.0]) for x, y, _ in boxes]
    return [(float(px), float(py), box[2]) for (px, py), box in zip(points, boxes, strict=True)]


def _cascade() -> Any:
    try:
        from skimage import data
        from skimage.feature import Cascade

        trained: Any = data.lbp_frontal_face_cascade_filename
        return Cascade(trained())
    except (ImportError, OSError, RuntimeError) as problem:
        raise NotAvailable(
            "The face cascade of scikit-image cannot be loaded.",
            reason="no_face_cascade",
            hint="Install scikit-image, or draw the garment yourself and pass it with --mask MASK.png.",
        ) from problem


def _windows(cascade: Any, grey: NDArray[np.uint8], *, least: int, most: int, step: float) -> list[Box3]:
    """All windows (centre x, centre y, side) that the cascade accepts, unmerged: their number is the evidence."""
    found = cascade.detect_multi_scale(
        img=grey,
        scale_factor=step,
        step_ratio=1,
        min_size=(least, least),
        max_size=(most, most),
        min_neighbor_number=0,
        intersection_score_threshold=1.0,
    )
    return [(w["c"] + w["width"] / 2, w["r"] + w["height"] / 2, float(w["width"])) for w in found]


def _groups(windows: list[Box3]) -> list[tuple[Box3, int]]:
    """Windows that lie upon each other, as (median window, number), most first."""
    groups: list[list[Box3]] = []
    for window in windows:
        for group in groups:
            if _same(window, group[0]):
                group.append(window)
                break
        else:
            groups.append([window])
    merged = [(_median(group), len(group)) for group in groups]
    return sorted(merged, key=lambda entry: -entry[1])


def _median(windows: list[Box3]) -> Box3:
    x, y, size = np.median(np.asarray(windows), axis=0)
    return (float(x), float(y), float(size))


def _same(one: Box3, two: Box3) -> bool:
    near = 0.35 * max(one[2], two[2])
    return abs(one[0] - two[0]) < near and abs(one[1] - two[1]) < near and 0.55 < one[2] / two[2] < 1.8


def _skin_share(chroma: Mask, box: Box3) -> float:
    oval = np.zeros_like(chroma)
    centre, half = (round(box[0]), round(box[1])), (max(1, round(0.36 * box[2])), max(1, round(0.45 * box[2])))
    cv2.ellipse(oval, centre, half, 0, 0, 360, 255, -1)
    return float(np.count_nonzero(chroma & oval)) / max(1, int(np.count_nonzero(oval)))


def _scaled(face: Face, scale: float) -> Box3:
    return (face.x * scale, face.y * scale, face.size * scale)


def _variants(photo: RGB, box: Box3) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.float64]]]:
    """(roll, grey crop, affine back to the photo): the surroundings of `box` at one size, turned and mirrored."""
    zoom = CLOSE_FACE / box[2]
    side = round(2.2 * CLOSE_FACE)
    x, y, reach = box[0], box[1], 1.6 * box[2]
    x0, y0 = max(0, int(x - reach)), max(0, int(y - reach))
    grey = cv2.cvtColor(
        np.ascontiguousarray(photo[y0 : int(y + reach) + 1, x0 : int(x + reach) + 1]), cv2.COLOR_RGB2GRAY
    )
    shrink = min(1.0, 2 * zoom)
    if shrink < 1:
        grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    for roll in ROLLS:  # the likeliest first
        middle = ((x - x0) * shrink, (y - y0) * shrink)
        turn = np.asarray(cv2.getRotationMatrix2D(middle, roll, zoom / shrink), np.float64)
        turn[:, 2] += side / 2 - np.asarray(middle)
        view = cv2.warpAffine(grey, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        back = np.asarray(cv2.invertAffineTransform(turn), np.float64) / shrink
        back[:, 2] += (x0, y0)
        mirror = back @ np.array([[-1.0, 0, side - 1], [0, 1, 0], [0, 0, 1]])
        yield roll, np.asarray(view, np.uint8), back
        yield roll, np.ascontiguousarray(view[:, ::-1], np.uint8), np.asarray(mirror, np.float64)


def _look_closely(cascade: Any, photo: RGB, box: Box3) -> Face | None:
    windows: list[Box3] = []
    rolls: list[int] = []
    for number, (roll, view, back) in enumerate(_variants(photo, box)):
        if number == EARLY_VIEWS and len(windows) < EARLY_HITS:
            return None
        zoom = float(np.hypot(back[0, 0], back[1, 0]))
        for x, y, size in _windows(
            cascade, view, least=round(0.6 * CLOSE_FACE), most=round(1.6 * CLOSE_FACE), step=1.1
        ):
            px, py = back @ np.array([x, y, 1.0])
            windows.append((float(px), float(py), size * zoom))
            rolls.append(roll)
    groups = _groups(windows)
    if not groups:
        return None
    middle = groups[0][0]
    members = [i for i, window in enumerate(windows) if _same(window, middle)]
    x, y, size = np.mean([windows[i] for i in members], axis=0)
    return Face(float(x), float(y), float(size), roll=float(np.mean([rolls[i] for i in members])), hits=len(members))


def _distinct(faces: list[Face]) -> list[Face]:
    """One face per place: of two that overlap, the one with more hits."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.hits):
        apart = (np.hypot(face.x - other.x, face.y - other.y) > 0.7 * max(face.size, other.size) for other in kept)
        if all(apart):
            kept.append(face)
    return kept
