"""What a garment that is wider, longer or otherwise cut needs of the picture beyond the old one: sleeves, legs, width.

Reckoned on a window of the photo at a coarse scale. Starting values of the widths are those of published masked try-on
recipes (2-3 % of the person's height for close-fitting garments, 4-6 % for usual ones, 8-14 % for coats), which core.zones
keeps as `margin`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, Mask
from outfitswap_desktop.core.mask import INSIDE
from outfitswap_desktop.core.regions import JOINTS, BodyAxis, BodyPose, Segmentation
from outfitswap_desktop.core.zones import MARGINS, PARTS_OF, TargetClass, Zone

Window = tuple[slice, slice]

SHADOW: Final = 0.01
"""Ring around the old garment as a share of the person's height: the rest of a sleeve's shadow makes a sleeve again."""

LIMB_BREADTH: Final = 1.45
"""A sleeve's or a leg's width over the limb's own."""

SHORT_SLEEVE: Final = 0.6
"""Share of the upper arm that a short sleeve covers."""

SKIRT_FLARE: Final = 0.35
"""How far a skirt stands off the knees, in shares of the thigh's length."""

ALREADY: Final = 0.6
"""A limb of which the old garment covers this share needs no taking in: sleeves are long already, boots stay boots."""

SEEN: Final = 0.5
"""Limbs of which a joint is seen less than this are not taken in: what covers them is no skin of this person."""

AT_SHOULDERS, AT_LIMBS = 0.35, 0.4
"""Shares of the widening at the shoulders' height (all of it from the hips down), and around arms and trouser legs."""

HANGING: Final = ("skirt", "dress")
"""Lengths that hang free from the hips."""

BELOW_KNEES: Final[dict[str, float]] = {"short": 0.0, "skirt": 0.1, "dress": 0.5}
"""How far below the knees a length may be widened, in shares of the shin."""

WORN_OVER: Final[dict[Zone, tuple[Zone, ...]]] = {Zone.TOP: (Zone.OUTER,), Zone.BOTTOM: (Zone.TOP, Zone.OUTER)}
"""Garments that lie over a zone's own: the mask does not grow onto them."""


_ENDS: Final[dict[str, tuple[str, str]]] = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What is planned on, in pixels of one window of the photo at one scale; masks (h, w) 0/255.

    `old` is the garment's mask, `body` the person's or None, `off` what is never grown onto (garments worn over this one,
    other persons), `others` the person's other garments. `axes` are those that are seen. `height` is the person's.
    """

    old: Mask
    body: Mask | None
    off: Mask
    others: Mask
    axes: tuple[BodyAxis, ...]
    height: float

    def limbs(self, *parts: str) -> tuple[BodyAxis, ...]:
        return limbs_of(self.axes, parts)

    def drawn(self, axes: Iterable[BodyAxis], breadth: float = 1.0) -> Mask:
        """Capsules around `axes` (h, w) 0/255, `breadth` times their own width, as far as the person reaches."""
        mask = np.zeros_like(self.old)
        for axis in axes:
            capsule(mask, axis, breadth)
        return mask if self.body is None else mask & self.body


def person_height(found: Segmentation) -> int:
    """Height in pixels of the chosen person's box."""
    boxes = [person.box for person in found.persons if person.number == found.person] or [p.box for p in found.persons]
    return max((y1 - y0 for _, y0, _, y1 in boxes), default=0)


def scene_of(zone: Zone, found: Segmentation, *, old: Mask, window: Window, scale: float) -> Scene:
    """The scene of `window` (rows, columns) of the photo, `scale` of its pixels to one; `old` (H, W) is the mask so far."""
    rows, columns = window
    size = (max(1, round((columns.stop - columns.start) * scale)), max(1, round((rows.stop - rows.start) * scale)))

    def small(mask: Mask) -> Mask:
        view = cv2.resize(mask[window], size, interpolation=cv2.INTER_AREA)
        return np.where(np.asarray(view) >= INSIDE, np.uint8(255), np.uint8(0))

    def union(zones: tuple[Zone, ...]) -> Mask:
        both = np.zeros((size[1], size[0]), np.uint8)
        for one in zones:
            if one in found.regions:
                both |= small(found.regions[one].mask)
        return both

    def moved(point: tuple[float, float]) -> tuple[float, float]:
        return (point[0] - columns.start) * scale, (point[1] - rows.start) * scale

    beside = tuple(z for z in (Zone.TOP, Zone.BOTTOM, Zone.OUTER) if z is not zone)
    body = small(found.body) if found.body is not None else None
    off = union(WORN_OVER.get(zone, ()))
    if body is not None:
        off |= small(_neighbours(found, old.shape)) & ~body
    return Scene(
        old=small(old),
        body=body,
        off=off,
        others=union(() if zone in (Zone.DRESS, Zone.FULL) else beside),
        axes=tuple(
            BodyAxis(axis.part, moved(axis.start), moved(axis.end), axis.radius * scale)
            for axis in found.axes
            if _seen(axis, found.pose)
        ),
        height=person_height(found) * scale,
    )


def _neighbours(found: Segmentation, shape: tuple[int, ...]) -> Mask:
    """The boxes of all other persons (H, W) 0/255."""
    mask = np.zeros(shape, np.uint8)
    for person in found.persons:
        if person.number != found.person:
            x0, y0, x1, y1 = (max(0, side) for side in person.box)
            mask[y0:y1, x0:x1] = 255
    return mask


def _seen(axis: BodyAxis, pose: BodyPose | None) -> bool:
    """Whether both ends of a limb are seen; a trunk, and a body without a pose, always is."""
    side, _, part = axis.part.partition("_")
    ends = _ENDS.get(part)
    if pose is None or ends is None:
        return True
    return all(pose.joints[JOINTS.index(f"{side}_{joint}")][2] >= SEEN for joint in ends)


def ring(scene: Scene) -> Mask:
    """The old garment with the ring of its shadow."""
    by = SHADOW * scene.height
    return _spread(scene.old, sideways=by, down=by, up=by) & ~scene.off


def widened(scene: Scene, target: TargetClass | None, zone: Zone) -> tuple[Mask, ...]:
    """What the target covers beyond the old garment: its sleeves and legs, then the width of its cut."""
    if target is None:
        return ()
    taken = _covered(scene, target, zone) & ~scene.off
    worn = scene.old | taken
    by = _slack_wanted(scene, target, zone) * scene.height
    wide = _spread(worn, sideways=by, down=by, up=SHADOW * scene.height)
    wide[_away(worn) > by * _share_of_width(scene, target, zone)] = 0
    return (taken, (wide & ~(_bare(scene, worn) | scene.off)) | taken)


def _slack_wanted(scene: Scene, target: TargetClass, zone: Zone) -> float:
    """How much wider the target is than what is worn, as a share of the person's height; SHADOW at least.

    What is worn stands off the body by the 95th percentile of its pixels' distance to the limbs' own breadth; half of it
    counts, since the body below cloth is a guess.
    """
    allowance = min(target.margin, MARGINS[zone])
    body = np.zeros_like(scene.old)
    for axis in scene.limbs("trunk", *PARTS_OF[zone]):
        capsule(body, axis, 1.0)
    if not body.any() or not scene.old.any():
        return max(SHADOW, allowance)
    stands_off = float(np.percentile(_away(body)[scene.old > 0], 95)) / scene.height
    return max(SHADOW, allowance - 0.5 * stands_off)


def _share_of_width(scene: Scene, target: TargetClass, zone: Zone) -> F32:
    """Share (h, w) 0..1 of the widening that a place gets: little at shoulders and limbs, none far below the hem."""
    rows = np.arange(scene.old.shape[0], dtype=np.float32)
    share = np.ones_like(rows)
    trunk = next(iter(scene.limbs("trunk")), None)
    if trunk is not None:
        top, low = trunk.start[1], trunk.end[1]
        share = AT_SHOULDERS + (1 - AT_SHOULDERS) * np.clip((rows - top) / max(1.0, low - top), 0, 1)
    below = BELOW_KNEES.get(target.length)
    shins = scene.limbs("shin")
    if below is not None and shins:
        hem = max(axis.start[1] + below * (axis.end[1] - axis.start[1]) for axis in shins)
        share = np.where(rows > hem, 0.0, share)
    close = ["upper_arm", "forearm"]
    if target.length not in HANGING and zone is not Zone.OUTER:
        close += ["thigh", "shin"]
    limbs, rest = np.zeros_like(scene.old), np.zeros_like(scene.old)
    for axis in scene.axes:
        capsule(limbs if axis in scene.limbs(*close) else rest, axis, 1.0)
    by_limbs = np.less(_away(limbs), _away(rest))
    return np.asarray(np.where(by_limbs, AT_LIMBS, 1.0) * share[:, None], np.float32)


def _away(mask: Mask) -> F32:
    """Distance (h, w) in pixels to `mask` > 0; infinite where there is nothing."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(~mask, cv2.DIST_L2, 3), np.float32)


def _covered(scene: Scene, target: TargetClass, zone: Zone) -> Mask:
    """Arms and legs (h, w) 0/255 that the target covers, the zone may lie on, and the old garment leaves bare."""
    sleeves = {"long": ("upper_arm", "forearm"), "short": ("upper_arm",)}.get(target.sleeves, ())
    legs = {"long": ("thigh", "shin"), "short": ("thigh",)}.get(target.length, ())
    wanted = []
    for axis in scene.limbs(*(part for part in (*sleeves, *legs) if part in PARTS_OF[zone])):
        if target.sleeves == "short" and axis.part.endswith("upper_arm"):
            (x0, y0), (x1, y1) = axis.start, axis.end
            end = (x0 + SHORT_SLEEVE * (x1 - x0), y0 + SHORT_SLEEVE * (y1 - y0))
        else:
            end = axis.end
        limb = replace(axis, end=end)
        middle = scene.drawn((limb,), 0.7)
        if np.count_nonzero(middle & scene.old) < ALREADY * np.count_nonzero(middle):
            wanted.append(limb)
    taken = scene.drawn(wanted, LIMB_BREADTH)
    if target.length in HANGING and "thigh" in PARTS_OF[zone]:
        taken = taken | _skirt(scene)
    return taken & ~scene.others


def _skirt(scene: Scene) -> Mask:
    """Where a skirt to the knees hangs (h, w) 0/255: hips, knees and all between them, flared."""
    mask = np.zeros_like(scene.old)
    thighs = scene.limbs("thigh")
    if len(thighs) < 2:
        return mask
    corners: list[tuple[float, float]] = []
    middle = float(np.mean([axis.end[0] for axis in thighs]))
    for axis in thighs:
        (hip_x, hip_y), (knee_x, knee_y) = axis.start, axis.end
        flare = axis.radius + SKIRT_FLARE * float(np.hypot(knee_x - hip_x, knee_y - hip_y))
        outwards = flare if knee_x >= middle else -flare
        corners += [(hip_x - axis.radius, hip_y), (hip_x + axis.radius, hip_y), (knee_x, knee_y)]
        corners.append((knee_x + outwards, knee_y))
    hull = cv2.convexHull(np.array(corners, np.float32))
    cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), 255)
    return mask


def _bare(scene: Scene, worn: Mask) -> Mask:
    """Skin of arms and legs beside what is worn: a wider cut is no reason to paint it anew."""
    limbs = scene.drawn(scene.limbs("upper_arm", "forearm", "thigh", "shin"))
    return limbs & ~(worn | scene.others)


def _spread(mask: Mask, *, sideways: float, down: float, up: float) -> Mask:
    """`mask` (h, w) grown by an ellipse of these reaches in pixels, its upper half flatter than its lower one."""
    reach = max(1, round(max(sideways, down, up)))
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    across = (offsets / max(sideways, 0.5))[None, :] ** 2
    below = (offsets / np.where(offsets > 0, max(down, 0.5), max(up, 0.5)))[:, None] ** 2
    kernel = (across + below <= 1.0).astype(np.uint8)
    flipped = np.ascontiguousarray(kernel[::-1, ::-1])  # dilate looks from the pixel, we spread from the mask
    return np.asarray(cv2.dilate(mask, flipped, borderType=cv2.BORDER_CONSTANT, borderValue=0), np.uint8)


def limbs_of(axes: tuple[BodyAxis, ...], parts: tuple[str, ...]) -> tuple[BodyAxis, ...]:
    """The axes of `parts`, named without their side."""
    return tuple(a for a in axes if a.part.removeprefix("left_").removeprefix("right_") in parts)


def capsule(mask: Mask, axis: BodyAxis, breadth: float) -> None:
    """Draw `axis` into `mask` (h, w) as 255, `breadth` times its own width."""
    ends = np.rint(np.clip(np.array([axis.start, axis.end]), -20000, 20000)).astype(int).tolist()
    cv2.line(mask, ends[0], ends[1], 255, max(1, round(2 * breadth * axis.radius)))
