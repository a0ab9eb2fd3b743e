"""Where the faces are, and which of them is the chosen person's: NudeNet's face boxes over the frame and close up.

Nothing here knows who somebody is: boxes only, kept for as long as one request is judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.regions import Box, box_of
from outfitswap_desktop.safety.detectors import BodyPartDetector

FACE_LABELS: Final = ("FACE_FEMALE", "FACE_MALE")
"""NudeNet's two face classes; which of the two it was is not used."""

FACE_FLOOR: Final = 0.2
"""Boxes under this score are no faces (the wheel's own limit)."""

FRAME_SIDE: Final = 480
CROP_SIDE: Final = 320

AROUND_PERSON: Final = 0.25
"""How far the look at a person reaches beyond the person's box, in its breadth and height."""

UPPER_PART: Final = 0.4
"""Share of the person's height that the look at the upper part covers: a standing adult's head and shoulders."""

AROUND_HEAD: Final = 1.0
"""How far the look at a head reaches beyond its box: the face then fills a third of it, where NudeNet is surest."""

SAME_FACE: Final = 0.5
"""Two boxes that share at least this much of the smaller one are one face."""

OF_HEAD: Final = 0.4
"""Share of a face's box that the person's head must fill for the face to be this person's."""

OF_PERSON: Final = 0.75
"""Share of a face's box that the person's box must hold, where no head is known."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face: `box` in whole pixels of the picture (x1 and y1 exclusive), `confidence` NudeNet's score 0..1.

    Raises ValueError for a box without pixels.
    """

    box: Box
    confidence: float

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box
        if not (x0 < x1 and y0 < y1):
            raise ValueError(f"the box {self.box} holds no face")

    @property
    def size(self) -> int:
        """The shorter side of the box in pixels of the picture."""
        x0, y0, x1, y1 = self.box
        return min(x1 - x0, y1 - y0)


def faces(
    image: RGB, body_parts: BodyPartDetector, *, person: Box | None = None, head: Mask | None = None
) -> tuple[Face, ...]:
    """Every face of `image` (H, W, 3), surest first: the frame at 480, and close up at 320 the person and the head.

    `person` is the chosen person's box, `head` a mask (H, W) of the chosen person's head; without one, the upper part of the
    person is looked at instead. Raises ValueError when either
    lies outside the image, and whatever the detector raises.
    """
    found = _found(image, (0, 0, image.shape[1], image.shape[0]), body_parts, FRAME_SIDE)
    for crop in _crops(image.shape[:2], person, head):
        found += _found(image, crop, body_parts, CROP_SIDE)
    kept: list[Face] = []
    for face in sorted(found, key=lambda one: -one.confidence):
        if all(_shared(face.box, other.box) < SAME_FACE * min(_area(face.box), _area(other.box)) for other in kept):
            kept.append(face)
    return tuple(kept)


def faces_of(person: Box, head: Mask | None, found: Iterable[Face]) -> tuple[Face, ...]:
    """The faces that may be this person's, best first: on the head where one is known, else within the person's box.

    With a head that no face lies on (seen from behind) there is none: somebody else's face says nothing of this person.
    """
    known = head is not None and bool(np.any(head))
    rated: list[tuple[float, Face]] = []
    for face in found:
        if known and head is not None:
            share, least = _covered(head, face.box), OF_HEAD
        else:
            share, least = _shared(face.box, person) / _area(face.box), OF_PERSON
        if share >= least:
            rated.append((share * face.confidence, face))
    return tuple(face for _, face in sorted(rated, key=lambda one: -one[0]))


def face_of(person: Box, head: Mask | None, found: Iterable[Face]) -> Face | None:
    """The best of `faces_of`, or None."""
    return next(iter(faces_of(person, head, found)), None)


def _found(image: RGB, crop: Box, body_parts: BodyPartDetector, side: int) -> list[Face]:
    x0, y0, x1, y1 = crop
    (detections,) = body_parts.boxes([np.ascontiguousarray(image[y0:y1, x0:x1])], side)
    found = []
    for one in detections:
        left, top, right, bottom = one.box
        if one.label in FACE_LABELS and one.score >= FACE_FLOOR and left < right and top < bottom:
            found.append(Face((x0 + left, y0 + top, x0 + right, y0 + bottom), one.score))
    return found


def _crops(shape: Sequence[int], person: Box | None, head: Mask | None) -> list[Box]:
    if head is not None and head.shape != tuple(shape):
        raise ValueError(f"the head mask has the shape {head.shape}, not {tuple(shape)}")
    crops = []
    if person is not None:
        person = _inside(person, shape)
        crops.append(_grown(person, AROUND_PERSON, shape))
    if head is not None and head.any():
        crops.append(_grown(box_of(head), AROUND_HEAD, shape))
    elif person is not None:
        x0, y0, x1, y1 = person
        crops.append(_grown((x0, y0, x1, y0 + math.ceil(UPPER_PART * (y1 - y0))), AROUND_PERSON, shape))
    return crops


def _inside(box: Box, shape: Sequence[int]) -> Box:
    """The part of `box` that lies in a picture of `shape` (H, W); raises ValueError when there is none."""
    x0, y0, x1, y1 = box
    height, width = shape
    cut = (max(0, x0), max(0, y0), min(width, x1), min(height, y1))
    if not (cut[0] < cut[2] and cut[1] < cut[3]):
        raise ValueError(f"the box {box} holds nothing of a picture of {width} x {height}")
    return cut


def _grown(box: Box, by: float, shape: Sequence[int]) -> Box:
    """`box` with `by` of its breadth and height on every side, cut to a picture of `shape` (H, W)."""
    x0, y0, x1, y1 = box
    aside, above = round(by * (x1 - x0)), round(by * (y1 - y0))
    return _inside((x0 - aside, y0 - above, x1 + aside, y1 + above), shape)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _shared(one: Box, other: Box) -> int:
    """Pixels that two boxes share."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, across) * max(0, down)


def _covered(mask: Mask, box: Box) -> float:
    """Share of `box` that lies on `mask` > 0."""
    x0, y0, x1, y1 = box
    return float(np.count_nonzero(mask[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)])) / _area(box)
