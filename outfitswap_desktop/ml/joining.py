"""Which find belongs to whom and to which zone, what to ask a refiner about it, and what of an answer may stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import cv2
import numpy as np

from outfitswap_desktop.core import mask as masks
from outfitswap_desktop.core.arrays import F32, RGB, Alpha, Mask
from outfitswap_desktop.core.regions import Box, Person, ProtectedArea, Region, Segmentation, box_of
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.ml.detect import Detection, FloatBox
from outfitswap_desktop.ml.refine import Prompt, Prompted

SAME_PERSON: Final = 0.5
"""Intersection over union from which on YOLO's person is the parse's."""
SAME_GARMENT: Final = 0.7
"""Intersection over union from which on two classes' boxes are one garment."""
WITHIN: Final = 0.6
"""Share of a garment's box inside a person's from which on that person may wear it."""
TIE: Final = 0.15
ON_BODY: Final = 0.3
"""Share of a garment's box (or mask) on the person's silhouette from which on it is worn; a coat's box is half background."""
POINTS_INSIDE: Final = 3
BEYOND_BODY: Final = 0.015
"""How far a garment may reach beyond the silhouette, as a share of the person's height: wide cloth that the parse cut off."""
BEYOND_BOX: Final = 0.06
"""How far an answer may reach beyond the box it was asked for, as a share of the box's longer side."""
GENERIC: Final = Zone.FULL
LEAST_PIECE: Final = 0.01
"""Share of the largest piece below which another piece of a zone is a speck."""
LEAST_KEPT: Final = 0.15
LARGEST_HOLE: Final = 0.002
WORK_SIDE: Final = 256
EDGE_SIDE: Final = 1200


def area_of(box: FloatBox | Box) -> float:
    """Square pixels of a box (x0, y0, x1, y1)."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def shared(one: FloatBox | Box, two: FloatBox | Box) -> float:
    """Area that two boxes (x0, y0, x1, y1) share."""
    corners = (max(one[0], two[0]), max(one[1], two[1]), min(one[2], two[2]), min(one[3], two[3]))
    return area_of(corners) if corners[2] > corners[0] and corners[3] > corners[1] else 0.0


def overlap(one: FloatBox | Box, two: FloatBox | Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    both = shared(one, two)
    return both / max(1e-9, area_of(one) + area_of(two) - both)


def clipped(box: FloatBox, shape: tuple[int, int]) -> Box:
    """The whole pixels of a box, inside a photo of `shape`."""
    x0, y0 = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
    x1, y1 = min(shape[1], int(np.ceil(box[2]))), min(shape[0], int(np.ceil(box[3])))
    return (x0, y0, max(x0, x1), max(y0, y1))


def person_boxes(persons: Sequence[Person], found: Sequence[Detection]) -> tuple[FloatBox, ...]:
    """The persons' boxes, each grown to the box of YOLO's person who is the same; a pair is made once, best first."""
    boxes: list[FloatBox] = [
        (float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in (p.box for p in persons)
    ]
    seen = [one.box for one in found if one.kind == "person"]
    pairs = sorted(
        ((overlap(box, other), i, j) for i, box in enumerate(boxes) for j, other in enumerate(seen)), reverse=True
    )
    taken: set[int] = set()
    paired: set[int] = set()
    for share, i, j in pairs:
        if share < SAME_PERSON or i in taken or j in paired:
            continue
        taken.add(i)
        paired.add(j)
        a, b = boxes[i], seen[j]
        boxes[i] = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
    return tuple(boxes)


def worn_by(one: Detection, boxes: Sequence[FloatBox], *, chosen: int, body: Mask | None) -> bool:
    """Whether person `chosen` (index into `boxes`) wears a garment.

    Its box must lie in the person's about as much as in anybody else's, and enough of it on the person's silhouette
    `body` (H, W) 0/255: where two stand close, the silhouette decides.
    """
    size = max(1e-9, area_of(one.box))
    shares = [shared(one.box, box) / size for box in boxes]
    if shares[chosen] < WITHIN or shares[chosen] < max(shares) - TIE:
        return False
    return body is None or on_body(one, body) >= ON_BODY


def on_body(one: Detection, body: Mask) -> float:
    """Share of a find's mask, else of its box, on the silhouette `body` (H, W) 0/255."""
    x0, y0, x1, y1 = clipped(one.box, (body.shape[0], body.shape[1]))
    if one.piece is not None and one.piece.any():
        x, y = one.at
        view = body[y : y + one.piece.shape[0], x : x + one.piece.shape[1]]
        return float(np.count_nonzero(view[one.piece > 0])) / float(np.count_nonzero(one.piece))
    view = body[y0:y1, x0:x1]
    return float(np.count_nonzero(view)) / max(1, view.size)


def by_zone(found: Sequence[Detection], regions: Mapping[Zone, Region]) -> dict[Zone, list[Detection]]:
    """Garments by zone, several of one zone together.

    A class that says no more than "clothes" gets the zone of the parse whose box is most like its own, and is left out where
    a find with a zone of its own is the same garment.
    """
    zones: dict[Zone, list[Detection]] = {}
    places = {zone: region.box for zone, region in regions.items()}
    for one in found:
        zone = one.zone
        if zone is None:
            continue
        if zone is GENERIC and places:
            if any(
                other.zone not in {None, GENERIC} and overlap(one.box, other.box) >= SAME_GARMENT for other in found
            ):
                continue
            zone = max(places, key=lambda place: overlap(one.box, places[place]))
        zones.setdefault(zone, []).append(one)
    return zones


def prior(zone: Zone, one: Detection, found: Segmentation, keep_out: Mask) -> Mask:
    """Where in its box a garment most likely is (H, W) 0/255, from what is known without a refiner.

    YOLO's own mask; else the parse's region of the zone, else all its garments, else the silhouette; each within the box.
    """
    shape = (keep_out.shape[0], keep_out.shape[1])
    guess = one.mask(shape)
    if guess is None:
        x0, y0, x1, y1 = clipped(one.box, shape)
        guess = np.zeros(shape, np.uint8)
        for source in _sources(zone, found):
            guess[y0:y1, x0:x1] = source[y0:y1, x0:x1]
            if np.count_nonzero(guess) >= 0.05 * area_of((x0, y0, x1, y1)):
                break
    guess[keep_out > 0] = 0
    return guess


def _sources(zone: Zone, found: Segmentation) -> list[Mask]:
    sources = [found.regions[place].mask for place in (zone, Zone.FULL) if place in found.regions]
    return [*sources, found.body] if found.body is not None else sources


def prompt_for(one: Detection, guess: Mask, protected: Sequence[ProtectedArea]) -> Prompt:
    """Box, points deep inside `guess` (H, W) 0/255, and points on head and hands where these reach into the box."""
    shape = (guess.shape[0], guess.shape[1])
    x0, y0, x1, y1 = clipped(one.box, shape)
    inside = [(x, y, True) for x, y in deepest(guess[y0:y1, x0:x1], count=POINTS_INSIDE, corner=(x0, y0))]
    outside: list[Prompted] = []
    for area in protected:
        if area.name in {"head", "hair", "hands"}:
            count = 2 if area.name == "hands" else 1
            outside += [(x, y, False) for x, y in deepest(area.mask[y0:y1, x0:x1], count=count, corner=(x0, y0))]
    return Prompt((float(x0), float(y0), float(x1), float(y1)), (*inside, *outside))


def deepest(mask: Mask, *, count: int, corner: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    """Up to `count` points (x, y) of the photo that lie deepest in `mask` (h, w) and apart from each other.

    `corner` is where the mask begins. Each point takes the disc of its depth out before the next is looked for.
    """
    if not mask.any():
        return ()
    shrink = min(1.0, WORK_SIDE / max(mask.shape))
    size = max(1, round(mask.shape[1] * shrink)), max(1, round(mask.shape[0] * shrink))
    small = cv2.resize(np.ascontiguousarray(mask), size, interpolation=cv2.INTER_AREA)
    left = cv2.copyMakeBorder(masks.to_binary(np.asarray(small, np.uint8)), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    points = []
    first = 0.0
    for _ in range(count):
        depth = cv2.distanceTransform(left, cv2.DIST_L2, 3)
        _, most, _, (x, y) = cv2.minMaxLoc(depth)
        if most < 1.5 or most < 0.25 * first:
            break
        first = max(first, most)
        places = ((x - 0.5) * mask.shape[1] / size[0] + corner[0], (y - 0.5) * mask.shape[0] / size[1] + corner[1])
        points.append((float(places[0]), float(places[1])))
        cv2.circle(left, (x, y), max(2, round(most)), 0, -1)
    return tuple(points)


def reach_of(found: Segmentation, boxes: Sequence[FloatBox], shape: tuple[int, int]) -> Mask:
    """Where a garment of the chosen person may be (H, W) 0/255: the silhouette a little grown, else the person's box."""
    box = clipped(boxes[found.person - 1], shape)
    if found.body is None:
        area = np.zeros(shape, np.uint8)
        area[box[1] : box[3], box[0] : box[2]] = 255
        return area
    return masks.grow(found.body, max(2.0, BEYOND_BODY * (box[3] - box[1])))


def limited(soft: F32, one: Detection, reach: Mask) -> F32:
    """`soft` (H, W), > 0 inside, made negative beyond the find's box (a little grown) and beyond `reach` (H, W) 0/255."""
    x0, y0, x1, y1 = one.box
    more = BEYOND_BOX * max(x1 - x0, y1 - y0)
    box = clipped((x0 - more, y0 - more, x1 + more, y1 + more), (reach.shape[0], reach.shape[1]))
    kept = np.full(soft.shape, np.float32(-20.0), np.float32)
    window = (slice(box[1], box[3]), slice(box[0], box[2]))
    kept[window] = np.where(reach[window] > 0, soft[window], np.float32(-20.0))
    return kept


def fitted(photo: RGB, soft: F32) -> Mask:
    """Mask (H, W) 0/255 of `soft` (H, W) logits, its outline moved to the edges of `photo` (H, W, 3) beside it.

    SAM answers at 256 x 256: in a large photo its outline is several pixels coarse. Fast guided filter (He and Sun, arXiv
    1505.00996): coefficients at most EDGE_SIDE wide, applied at the photo's own size, with a radius of 1.5 of SAM's pixels.
    """
    box = box_of(np.where(soft > -3, np.uint8(255), np.uint8(0)))
    mask = np.zeros(soft.shape, np.uint8)
    if box[2] == 0:
        return mask
    x0, y0, x1, y1 = box
    cut, inside = photo[y0:y1, x0:x1], soft[y0:y1, x0:x1]
    share = np.asarray(1.0 / (1.0 + np.exp(-np.clip(inside, -15, 15))), np.float32)
    shrink = min(1.0, EDGE_SIDE / max(cut.shape[:2]))
    size = max(1, round(cut.shape[1] * shrink)), max(1, round(cut.shape[0] * shrink))
    grey = _grey(cut)
    small, coarse = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (grey, share))
    radius = max(1, round(1.5 * max(soft.shape) / 256 * shrink))
    slope, offset = _guided(np.asarray(small, np.float32), np.asarray(coarse, np.float32), 2 * radius + 1)
    whole = (cut.shape[1], cut.shape[0])
    steep, base = (cv2.resize(one, whole, interpolation=cv2.INTER_LINEAR) for one in (slope, offset))
    mask[y0:y1, x0:x1] = np.where(steep * grey + base > 0.5, np.uint8(255), np.uint8(0))
    return mask


def _grey(picture: RGB) -> F32:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32) / np.float32(255)


def _guided(guide: F32, values: F32, side: int) -> tuple[F32, F32]:
    def mean(of: F32) -> F32:
        return np.asarray(cv2.blur(of, (side, side)), np.float32)

    middle, centre = mean(guide), mean(values)
    spread = mean(guide * guide) - middle * middle + np.float32(2e-4)
    slope = np.asarray((mean(guide * values) - middle * centre) / spread, np.float32)
    return mean(slope), mean(np.asarray(centre - slope * middle, np.float32))


def tidied(mask: Mask, keep_out: Mask) -> Mask:
    """`mask` (H, W) without specks and pinholes, and never over `keep_out` (H, W) > 0."""
    size = masks.area(mask)
    if size == 0:
        return mask
    whole = masks.fill_holes(mask, up_to=max(1, round(LARGEST_HOLE * size)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(whole, connectivity=8)
    sizes = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    sizes[0] = 0.0
    wanted = sizes >= max(1.0, LEAST_PIECE * float(sizes.max()))
    if count > 2 and not wanted[1:].all():
        whole = np.where(wanted[labels], np.uint8(255), np.uint8(0))
    whole[keep_out > 0] = 0
    return whole


def parted(soft: dict[Zone, F32], made: dict[Zone, Mask]) -> None:
    """Give pixels that two zones claim to the surer one, in place: where the logits are equal the outer garment has them.

    A zone that keeps next to nothing was the same garment under another name, and goes.
    """
    order = (Zone.OUTER, Zone.TOP, Zone.BOTTOM)
    claimed = {zone: masks.area(mask) for zone, mask in made.items()}
    for i, first in enumerate(order):
        for second in order[i + 1 :]:
            if first not in soft or second not in soft:
                continue
            both = (made[first] > 0) & (made[second] > 0)
            wins = soft[first] >= soft[second]
            made[second][both & wins] = 0
            made[first][both & ~wins] = 0
    for zone in order:
        if zone in made and masks.area(made[zone]) < LEAST_KEPT * claimed[zone]:
            del made[zone], soft[zone]


def soft_edge(mask: Mask) -> Alpha:
    """Alpha (H, W) of a region: `mask` fading inwards over 0.2 % of its box's diagonal, at least 1.5 pixels."""
    x0, y0, x1, y1 = box_of(mask)
    return masks.feather(mask, max(1.5, 0.002 * float(np.hypot(x1 - x0, y1 - y0))))
