"""A body guessed from its face: where trunk, limbs, head and feet should be, in units of the face's window."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB
from outfitswap_desktop.core.regions import BodyAxis, Box
from outfitswap_desktop.embedded.cascade.faces import Face

CHIN, COLLAR, SHOULDERS, WAIST, HIPS, KNEES, FEET = 0.55, 0.85, 1.05, 3.2, 3.7, 6.5, 9.4
"""Heights below the face's centre, in face windows: a head is 1.45 windows, an adult 7.3 heads (Loomis 1943: 7.5)."""
CROWN = -0.95
HALF_SHOULDERS = 1.3
REACH = 3.4
"""How far to either side the person is looked for."""
WORK_FACE, WORK_SIDE = 56, 400
"""Width of the face and longest side of the work picture, in pixels; whichever makes it smaller."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One person's work picture (h, w, 3) cut from photo `box`, the face in its pixels, and how far the trunk lies aside.

    `u`, `v` (h, w) are the pixels' places relative to the face's centre in face windows, `u` to the right, `v` downwards;
    `aside` is the trunk's middle in `u`.
    """

    picture: RGB
    box: Box
    face: Face
    u: F32
    v: F32
    aside: float = 0.0

    @property
    def unit(self) -> float:
        """Width of the face's window in work pixels."""
        return self.face.size

    @property
    def across(self) -> F32:
        """`u` measured from the body's middle: the face's above the chin, the trunk's below the shoulders."""
        return np.asarray(self.u - self.aside * np.clip((self.v - CHIN) / (SHOULDERS - CHIN), 0, 1), np.float32)

    def place(self, u: float, v: float) -> tuple[float, float]:
        """Photo pixel of a place given in face windows."""
        x0, y0, x1, _ = self.box
        zoom = (x1 - x0) / self.picture.shape[1]
        return (
            x0 + (self.face.x + u * self.unit + 0.5) * zoom - 0.5,
            y0 + (self.face.y + v * self.unit + 0.5) * zoom - 0.5,
        )


def person_box(face: Face, shape: tuple[int, int]) -> Box:
    """Where the whole person may be, clamped to the photo of `shape` (H, W)."""
    height, width = shape
    x0, x1 = face.x - REACH * face.size, face.x + REACH * face.size
    y0, y1 = face.y - 1.8 * face.size, face.y + (FEET + 0.6) * face.size
    return (max(0, int(x0)), max(0, int(y0)), min(width, int(np.ceil(x1))), min(height, int(np.ceil(y1))))


def figure_of(photo: RGB, face: Face) -> Figure:
    """Cut the person out of `photo` (H, W, 3) at work size."""
    box = person_box(face, (photo.shape[0], photo.shape[1]))
    x0, y0, x1, y1 = box
    zoom = min(WORK_FACE / face.size, WORK_SIDE / max(x1 - x0, y1 - y0), 2.0)
    size = (max(8, round((x1 - x0) * zoom)), max(8, round((y1 - y0) * zoom)))
    method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    picture = cv2.resize(np.ascontiguousarray(photo[y0:y1, x0:x1]), size, interpolation=method)
    zoom = size[0] / (x1 - x0)
    small = Face(
        (face.x - x0 + 0.5) * zoom - 0.5, (face.y - y0 + 0.5) * zoom - 0.5, face.size * zoom, face.roll, face.hits
    )
    rows, columns = np.mgrid[: size[1], : size[0]].astype(np.float32)
    u, v = (columns - small.x) / small.size, (rows - small.y) / small.size
    return Figure(
        _brightened(np.asarray(picture, np.uint8)), box, small, np.asarray(u, np.float32), np.asarray(v, np.float32)
    )


def _brightened(picture: RGB) -> RGB:
    """The picture scaled so that its lights are light: GrabCut and the colour model measure distances in levels."""
    lights = max(1.0, float(np.percentile(picture, 98)))
    gain = min(3.0, 235.0 / lights)
    return picture if gain <= 1.05 else np.asarray(np.clip(picture * gain, 0, 255), np.uint8)


def step(values: F32, at: float, soft: float) -> F32:
    """0 below `at`, 1 above, with a logistic of width `soft`."""
    return np.asarray(1 / (1 + np.exp(-np.clip((values - at) / soft, -30, 30))), np.float32)


def head_radius(figure: Figure) -> F32:
    """Distance (h, w) from the head's middle, 1 on its outline with hair; the ellipse leans with the head."""
    lean = np.radians(figure.face.roll)
    across = figure.u * np.cos(lean) + figure.v * np.sin(lean)
    down = -figure.u * np.sin(lean) + figure.v * np.cos(lean)
    return np.asarray(np.hypot(across / 0.66, (down + 0.17) / 0.78), np.float32)


def half_width(figure: Figure) -> F32:
    """Half the body's usual width (h, w) at each height, arms hanging down, in face windows."""
    heights = [-2.0, CHIN, 0.7, COLLAR, 1.2, 2.0, WAIST, HIPS, 4.6, KNEES, FEET, FEET + 1]
    widths = [0.0, 0.4, 0.55, 1.0, 1.45, 1.6, 1.6, 1.55, 1.25, 1.0, 0.9, 0.6]
    return np.asarray(np.interp(figure.v, heights, widths), np.float32)


def axes_of(figure: Figure, *, lowest: float) -> tuple[BodyAxis, ...]:
    """Trunk and hanging limbs as lines in photo pixels; limbs that start under `lowest` (in face windows) are left out.

    The person faces the camera, so its left is the picture's right.
    """
    zoom = (figure.box[2] - figure.box[0]) / figure.picture.shape[1]
    mid = figure.aside
    parts: list[tuple[str, tuple[float, float], tuple[float, float], float]] = [
        ("trunk", (mid, SHOULDERS), (mid, HIPS), 1.0)
    ]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        parts += [
            (f"{side}_upper_arm", (mid + sign * 1.15, 1.25), (mid + sign * 1.35, 2.6), 0.3),
            (f"{side}_forearm", (mid + sign * 1.35, 2.6), (mid + sign * 1.3, 3.7), 0.22),
            (f"{side}_thigh", (mid + sign * 0.5, HIPS), (mid + sign * 0.5, KNEES), 0.5),
            (f"{side}_shin", (mid + sign * 0.5, KNEES), (mid + sign * 0.45, FEET - 0.4), 0.32),
        ]
    return tuple(
        BodyAxis(name, figure.place(*start), figure.place(*end), radius * figure.unit * zoom)
        for name, start, end, radius in parts
        if start[1] < lowest
    )
