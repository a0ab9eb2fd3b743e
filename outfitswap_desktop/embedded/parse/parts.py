"""Where which label may be: soft distances to limbs, trunk and head, turned into a prior over labels per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, Mask
from outfitswap_desktop.embedded.parse import skeleton as p

BACKGROUND, SKIN, HAIR, TOP, BOTTOM, SHOES = range(6)
LABELS = ("background", "skin", "hair", "top", "bottom", "shoes")

PARTS = ("head", "neck", "trunk", "upper_arm", "forearm", "hand", "thigh", "shin", "foot")

# Shares of skin, hair, top, bottom, shoes in each part (background comes from the silhouette). From looking at people:
# what a part can wear at all matters, the second digit does not.
SHARES: dict[str, tuple[float, float, float, float, float]] = {
    "head": (0.55, 0.43, 0.01, 0.0, 0.0),
    "neck": (0.68, 0.10, 0.22, 0.0, 0.0),
    "trunk": (0.045, 0.02, 0.935, 0.0, 0.0),
    "upper_arm": (0.35, 0.01, 0.64, 0.0, 0.0),
    "forearm": (0.53, 0.0, 0.43, 0.04, 0.0),
    "hand": (0.88, 0.0, 0.06, 0.06, 0.0),
    "thigh": (0.10, 0.0, 0.0, 0.88, 0.01),
    "shin": (0.28, 0.0, 0.0, 0.64, 0.08),
    "foot": (0.18, 0.0, 0.0, 0.07, 0.75),
}

# Half-widths of the parts in shoulder widths (anthropometric means over the 0.36 m between shoulder joints).
RADII = {
    "neck": 0.17,
    "upper_arm": 0.16,
    "forearm": 0.13,
    "hand": 0.15,
    "thigh": 0.24,
    "shin": 0.17,
    "foot": 0.14,
}


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One person in the work frame: pose points (33, 2), visibilities (33,), shoulder width `unit`, picture `size` (h, w).

    `mesh` (468, 2) are the face's points when found, `hands` those of the hands (21, 2 each). `headless`: the photo begins
    below the head, whatever the pose says about it. `near_head` (h, w) is the silhouette around the head, seen from nearby.
    """

    points: F32
    seen: F32
    unit: float
    size: tuple[int, int]
    mesh: F32 | None = None
    hands: tuple[F32, ...] = ()
    headless: bool = False
    near_head: F32 | None = None

    def mid(self, one: int, two: int) -> F32:
        """The middle between two pose points."""
        return np.asarray((self.points[one] + self.points[two]) / 2, np.float32)

    @property
    def neck_base(self) -> F32:
        return self.mid(p.LEFT_SHOULDER, p.RIGHT_SHOULDER)

    @property
    def hips(self) -> F32:
        return self.mid(p.LEFT_HIP, p.RIGHT_HIP)

    @property
    def axis(self) -> F32:
        """Unit vector from shoulders to hips."""
        way = self.hips - self.neck_base
        return np.asarray(way / max(1e-3, float(np.hypot(*way))), np.float32)

    @property
    def trunk_length(self) -> float:
        return max(1.0, float(np.hypot(*(self.hips - self.neck_base))))

    def down(self) -> F32:
        """Map (h, w): 0 at the shoulder line, 1 at the hip line, along the trunk's axis."""
        ys, xs = grid(self.size)
        base, axis = self.neck_base, self.axis
        return np.asarray(((xs - base[0]) * axis[0] + (ys - base[1]) * axis[1]) / self.trunk_length, np.float32)

    def across(self) -> F32:
        """Map (h, w): distance from the trunk's axis in pixels, signed."""
        ys, xs = grid(self.size)
        base, axis = self.neck_base, self.axis
        normal = unit_vector(np.array([axis[1], -axis[0]], np.float32))
        return np.asarray((xs - base[0]) * normal[0] + (ys - base[1]) * normal[1], np.float32)


def grid(size: tuple[int, int]) -> tuple[F32, F32]:
    """Row and column coordinates (h, 1) and (1, w) as float32."""
    return np.arange(size[0], dtype=np.float32)[:, None], np.arange(size[1], dtype=np.float32)[None]


def to_capsule(size: tuple[int, int], start: F32, end: F32) -> F32:
    """Distance (h, w) of every pixel to the line from `start` to `end`."""
    ys, xs = grid(size)
    way = end - start
    length = max(1e-3, float(way @ way))
    along = np.clip(((xs - start[0]) * way[0] + (ys - start[1]) * way[1]) / length, 0, 1)
    return np.asarray(np.hypot(xs - start[0] - along * way[0], ys - start[1] - along * way[1]), np.float32)


def to_polygon(size: tuple[int, int], corners: F32) -> F32:
    """Distance (h, w) to a filled polygon: 0 inside, growing outside."""
    inside = np.ones(size, np.uint8)
    cv2.fillPoly(inside, [np.round(corners).astype(np.int32)], 0)
    if inside.all():
        centre = corners.mean(axis=0)
        return to_capsule(size, centre, centre)
    return np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 3), np.float32)


def head_ellipse(figure: Figure) -> tuple[F32, float, float, float]:
    """Centre, half-width, half-height and angle (degrees) of the skull's outline, hair not counted."""
    points, unit = figure.points, figure.unit
    if figure.mesh is not None:
        centre = figure.mesh.mean(axis=0)
        top, chin = figure.mesh[10], figure.mesh[152]
        tall = float(np.hypot(*(chin - top)))
        wide = float(np.hypot(*(figure.mesh[454] - figure.mesh[234])))
        up = (top - chin) / max(tall, 1e-3)
        middle = np.asarray((top + chin) / 2 + up * 0.12 * tall, np.float32)
        angle = float(np.degrees(np.arctan2(up[0], -up[1])))
        return middle, max(0.56 * wide, 0.36 * tall), 0.64 * tall, angle
    eyes = points[[1, 2, 3, 4, 5, 6]].mean(axis=0)
    mouth = points[[9, 10]].mean(axis=0)
    down = mouth - eyes
    drop = float(np.hypot(*down))
    half = float(np.clip(1.75 * drop, 0.22 * unit, 0.45 * unit))
    ears = float(np.hypot(*(points[p.LEFT_EAR] - points[p.RIGHT_EAR])))
    up = -down / max(drop, 1e-3)
    angle = float(np.degrees(np.arctan2(up[0], -up[1])))
    centre = (points[[p.LEFT_EAR, p.RIGHT_EAR]].mean(axis=0) + eyes) / 2
    return np.asarray(centre, np.float32), float(np.clip(0.6 * ears, 0.62 * half, half)), half * 1.05, angle


def head_distance(figure: Figure) -> F32:
    """Distance (h, w) in pixels outside the head's ellipse, 0 inside."""
    centre, wide, tall, angle = head_ellipse(figure)
    inside = np.ones(figure.size, np.uint8)
    shape = (tuple(float(c) for c in centre), (2 * wide, 2 * tall), angle)
    cv2.ellipse(inside, shape, 0, -1)
    if inside.all():
        return to_capsule(figure.size, centre, centre)
    return np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 3), np.float32)


def trunk_corners(figure: Figure) -> F32:
    """The trunk's outline (n, 2): shoulders with their caps, waist, hips as wide as flesh and cloth make them."""
    points, unit = figure.points, figure.unit
    ls, rs, lh, rh = (points[i] for i in p.TRUNK)
    up = -figure.axis
    out_s = unit_vector(ls - rs)
    out_h = unit_vector(lh - rh)
    hip_half = max(0.5 * float(np.hypot(*(lh - rh))), 0.2 * unit)
    mid = figure.hips
    corners = [
        rs - out_s * 0.06 * unit + up * 0.10 * unit,
        figure.neck_base + up * 0.16 * unit,
        ls + out_s * 0.06 * unit + up * 0.10 * unit,
        ls + out_s * 0.06 * unit,
        mid + out_h * (hip_half + 0.15 * unit) - up * 0.05 * unit,
        mid - out_h * (hip_half + 0.15 * unit) - up * 0.05 * unit,
        rs - out_s * 0.06 * unit,
    ]
    return np.asarray(corners, np.float32)


def unit_vector(way: F32) -> F32:
    """`way` (2,) scaled to length 1; a null vector stays null."""
    return np.asarray(way / max(1e-3, float(np.hypot(*way))), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PartMap:
    """Soft membership (h, w) of every part, summing to 1 with `rest`, what no part claims."""

    weights: dict[str, F32]
    rest: F32


LIMBS: tuple[tuple[str, int, int], ...] = (
    ("upper_arm", p.LEFT_SHOULDER, p.LEFT_ELBOW),
    ("upper_arm", p.RIGHT_SHOULDER, p.RIGHT_ELBOW),
    ("forearm", p.LEFT_ELBOW, p.LEFT_WRIST),
    ("forearm", p.RIGHT_ELBOW, p.RIGHT_WRIST),
    ("thigh", p.LEFT_HIP, p.LEFT_KNEE),
    ("thigh", p.RIGHT_HIP, p.RIGHT_KNEE),
    ("shin", p.LEFT_KNEE, p.LEFT_ANKLE),
    ("shin", p.RIGHT_KNEE, p.RIGHT_ANKLE),
    ("foot", 29, 31),
    ("foot", 30, 32),
)


def part_map(figure: Figure) -> PartMap:
    """How much every pixel belongs to every part; parts overlap softly, arms lie in front of the trunk."""
    unit = figure.unit
    near: dict[str, F32] = {}

    def claim(name: str, distance: F32, radius: float, *, soft: float = 0.07, weight: float = 1.0) -> None:
        force = weight / (1 + np.exp(np.clip((distance - radius) / (soft * unit), -30, 30)))
        near[name] = np.maximum(near[name], force) if name in near else np.asarray(force, np.float32)

    if not figure.headless:
        claim("head", head_distance(figure), 0.02 * unit, soft=0.03, weight=4.0)
        throat = to_capsule(figure.size, figure.mid(9, 10), figure.neck_base - figure.axis * 0.08 * unit)
        claim("neck", throat, RADII["neck"] * unit)
    claim("trunk", to_polygon(figure.size, trunk_corners(figure)), 0.02 * unit)
    for name, start, end in LIMBS:
        weight = {"forearm": 1.5, "upper_arm": 1.0, "shin": 1.0, "thigh": 1.0, "foot": 2.0}[name]
        claim(
            name, to_capsule(figure.size, figure.points[start], figure.points[end]), RADII[name] * unit, weight=weight
        )
    for outline in hand_outlines(figure):
        claim("hand", to_polygon(figure.size, outline), 0.03 * unit, soft=0.03, weight=4.0)
    total = np.sum([*near.values()], axis=0)
    rest = np.clip(1 - total, 0, 1)
    total = np.maximum(total, 1.0)
    return PartMap({name: np.asarray(v / total, np.float32) for name, v in near.items()}, np.asarray(rest, np.float32))


def hand_outlines(figure: Figure) -> list[F32]:
    """Hulls of both hands: the hand network's where it found them near a wrist, else around the pose's hand points."""
    outlines = []
    for wrist, marks in ((p.LEFT_WRIST, (15, 17, 19, 21)), (p.RIGHT_WRIST, (16, 18, 20, 22))):
        close = [h for h in figure.hands if float(np.hypot(*(h[0] - figure.points[wrist]))) < 0.45 * figure.unit]
        if close:
            best = min(close, key=lambda h: float(np.hypot(*(h[0] - figure.points[wrist]))))
            outlines.append(cv2.convexHull(best.astype(np.float32)).reshape(-1, 2))
            continue
        base = figure.points[list(marks)]
        knuckles = base[1:3].mean(axis=0)
        tips = knuckles + (knuckles - base[0]) * 0.55
        ring = np.vstack([base, tips[None]])
        outlines.append(cv2.convexHull(ring.astype(np.float32)).reshape(-1, 2))
    return [np.asarray(o, np.float32) for o in outlines]


def label_prior(figure: Figure, parts: PartMap, person: F32) -> F32:
    """Prior (6, h, w) over LABELS: the silhouette gives background, the parts share out the rest.

    Trunk and thigh turn from top to bottom along the trunk's axis around the hip line; hair may fall to the chest.
    """
    down = figure.down()
    upper = 1 / (1 + np.exp(np.clip((down - 0.98) / 0.10, -30, 30)))
    prior = np.zeros((6, *figure.size), np.float32)
    low = _low_on_shin(figure)
    for name, weight in parts.weights.items():
        skin, hair, top, bottom, shoes = SHARES[name]
        if name in ("trunk", "thigh"):
            cloth = top + bottom
            share = upper if name == "trunk" else 0.75 * upper + 0.02
            top_map, bottom_map = cloth * share, cloth * (1 - share)
            prior[TOP] += weight * top_map
            prior[BOTTOM] += weight * bottom_map
        else:
            prior[TOP] += weight * top
            prior[BOTTOM] += weight * bottom
        prior[SKIN] += weight * skin
        prior[HAIR] += weight * hair
        prior[SHOES] += weight * (shoes * low if name == "shin" else shoes)
    high = (down < 0.0) & (not figure.headless)
    prior[SKIN] += parts.rest * 0.10
    prior[HAIR] += parts.rest * np.where(high, 0.45, 0.02)
    prior[TOP] += parts.rest * np.where(high, 0.15, 0.8) * upper
    prior[BOTTOM] += parts.rest * 0.8 * (1 - upper)
    prior[SHOES] += parts.rest * np.where(down > 2.2, 0.2, 0.01)
    ys, xs = grid(figure.size)
    centre = head_ellipse(figure)[0]
    falls = np.exp(-0.5 * (np.hypot(xs - centre[0], ys - centre[1]) / (0.55 * figure.unit)) ** 2)
    prior[HAIR] += (0.0 if figure.headless else 0.10) * falls * (down < 0.6)
    prior += 1e-3
    prior[HAIR] *= np.where(down < 1.1, 1.0, 0.01)
    prior /= prior[1:].sum(axis=0)
    sure = np.clip(person, 0.01, 0.99)
    prior *= sure
    prior[BACKGROUND] = 1 - sure
    return prior


def _low_on_shin(figure: Figure) -> F32:
    """Map (h, w): 0 above mid-shin, rising to 1.5 at the ankle; only boots reach higher than that."""
    best = np.full(figure.size, np.inf, np.float32)
    for knee, ankle in ((p.LEFT_KNEE, p.LEFT_ANKLE), (p.RIGHT_KNEE, p.RIGHT_ANKLE)):
        shin = float(np.hypot(*(figure.points[ankle] - figure.points[knee])))
        best = np.minimum(best, to_capsule(figure.size, figure.points[ankle], figure.points[ankle]) / max(shin, 1.0))
    return np.asarray(1.5 * np.clip(1 - best / 0.6, 0, 1) ** 2, np.float32)


def filled(size: tuple[int, int], corners: F32) -> Mask:
    """A polygon as a mask (h, w) 0/255."""
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 255)
    return mask
