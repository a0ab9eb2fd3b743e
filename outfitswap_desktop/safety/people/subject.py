"""The person whose clothes are changed, in numbers that outlive the pixels: body areas as polygons and a model of the skin.

The root of a chain of edits is read once; every later result is measured with the same polygons and the same skin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.regions import Polygon, Segmentation
from outfitswap_desktop.safety.people.areas import AREAS, CHEST_HIP, areas_of, areas_of_outline
from outfitswap_desktop.safety.people.folds import GRID, Folds
from outfitswap_desktop.safety.people.skin import LEAST_PIXELS, SkinModel

SKIN: Final = 0.5
"""Likelihood from which on a pixel counts as skin."""

NEARNESS: Final = 1.0
"""Pixels by which a stored polygon may leave its mask."""

HAT: Final = 0.25
"""Upper share of a head from which no skin is learnt."""

LOOK: Final = 2 * GRID
"""Longer side of the body's window when skin is looked for: two pixels to a place of the folds' print."""

SOLID: Final = 0.05
"""Skin narrower than twice this share of the root of chest to hip's area is none: what shows between a print's motifs."""

SAME: Final = 0.5
"""Intersection over union of two bodies from which on they are one person."""

AROUND: Final = 2
"""Pixels around a changed place that count as changed too: the soft edge, and the rounding of polygons."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One person of a root picture of `size` (width, height).

    `areas` holds a polygon for each of areas.AREAS that is in the picture, without head, hair, hands and shoes. `cloth` is
    what was clothing in the root and has not been touched since, `folds` the print of all of it; `skin` is this person's.
    `bare` is the share of each area that was skin in the root. `reduced` says that no pose or too little skin was seen:
    limits are halved.
    """

    size: tuple[int, int]
    areas: Mapping[str, Polygon]
    cloth: Polygon
    folds: Folds | None
    skin: SkinModel
    bare: Mapping[str, float]
    reduced: bool

    @classmethod
    def learn(cls, seen: RGB, segmentation: Segmentation) -> Subject:
        """Read the root `seen` (H, W, 3) sRGB with what a segmenter said about the person."""
        shape = (seen.shape[0], seen.shape[1])
        protected = {area.name: area.mask for area in segmentation.protected}
        face, hands = _face(shape, protected), protected.get("hands")
        skin = SkinModel.learn(_pixels(seen, face), _pixels(seen, hands))
        garments = np.zeros(shape, np.uint8)
        for region in segmentation.regions.values():
            np.maximum(garments, region.mask, out=garments)
        garments[segmentation.protect_mask(shape) > 0] = 0
        reduced = not skin.confident or not segmentation.axes
        return cls._measured(seen, areas_of(segmentation, shape), garments, skin=skin, reduced=reduced)

    @classmethod
    def from_outline(cls, seen: RGB, outline: Mask) -> Subject:
        """Read the root `seen` (H, W, 3) sRGB with nothing but a drawn `outline` (H, W) 0/255 of a standing person.

        The areas follow a standing body's proportions and are wide; nothing is known to be cloth; evidence is reduced.
        """
        head, areas = areas_of_outline(outline)
        skin = replace(SkinModel.learn(_pixels(seen, head)), confident=False)
        return cls._measured(seen, areas, np.zeros_like(outline), skin=skin, reduced=True)

    @classmethod
    def _measured(cls, seen: RGB, areas: Mapping[str, Mask], cloth: Mask, *, skin: SkinModel, reduced: bool) -> Subject:
        outlines = {name: _rings(mask) for name, mask in areas.items() if mask.any()}
        size = (seen.shape[1], seen.shape[0])
        root = cls(size, MappingProxyType(outlines), _rings(cloth), None, skin, MappingProxyType({}), reduced)
        window = root._window(seen)
        if window is not None:
            grid = window.at(GRID)
            root = replace(root, folds=Folds.read(root._cut(seen, grid), _filled(root.cloth, grid) > 0))
        return replace(root, bare=root.shares(seen))

    def after(self, mask: Mask) -> Subject:
        """The subject after an edit that may have changed the pixels under `mask` (H, W) > 0.

        What was known to be cloth there is no longer known. Keep the document of this one with the released result, so
        that the next edit of a chain starts from it.
        """
        width, height = self.size
        if mask.shape != (height, width):
            raise ValueError("the mask does not have the picture's size")
        changed = cv2.dilate((mask > 0).astype(np.uint8), np.ones((2 * AROUND + 1, 2 * AROUND + 1), np.uint8))
        cloth = _filled(self.cloth, _Window(0, 0, width, height, (width, height)))
        cloth[changed > 0] = 0
        return replace(self, cloth=_rings(cloth))

    def tightened(self, other: Subject) -> Subject:
        """What both know of one person: cloth to both is cloth, skin to one is skin, the lower share of an area counts."""
        width, height = self.size
        canvas = _Window(0, 0, width, height, (width, height))
        cloth = _filled(self.cloth, canvas)
        cloth[_filled(other.cloth, replace(canvas, width=other.size[0], height=other.size[1])) == 0] = 0
        bare = {area: min(share, other.bare[area]) for area, share in self.bare.items()}
        return replace(self, cloth=_rings(cloth), skin=self.skin.beside(other.skin), bare=MappingProxyType(bare))

    def shares(self, seen: RGB) -> Mapping[str, float]:
        """Share 0..1 of every one of areas.AREAS that is skin in `seen` (H, W, 3) sRGB: 0 for one that is not there.

        `seen` may be the root's picture in another size. What is known to be untouched cloth is never skin.
        """
        shares = dict.fromkeys(AREAS, 0.0)
        window = self._window(seen)
        if window is None:
            return MappingProxyType(shares)
        skin = self._skin(seen, window)
        for name, outline in self.areas.items():
            area = _filled(outline, window) > 0
            shares[name] = float(np.count_nonzero(skin & area)) / max(1, int(np.count_nonzero(area)))
        return MappingProxyType(shares)

    def coloured(self, seen: RGB) -> Mapping[str, float]:
        """`shares` of `seen` with nothing known to be cloth: what has the colour of this skin, clothes among it."""
        return replace(self, cloth=(), folds=None).shares(seen)

    def _window(self, seen: RGB) -> _Window | None:
        """The areas' box in `seen`, and the size it is looked at; None when no area is in the picture."""
        points = [point for outline in self.areas.values() for ring in outline for point in ring]
        if not points:
            return None
        height, width = seen.shape[:2]
        wide, high = width / self.size[0], height / self.size[1]
        if abs(wide - high) * max(self.size) > 2 * max(1.0, wide, high):
            raise ValueError("the picture does not have the proportions of the root")
        corners = np.array(points, np.float64) * (wide, high)
        x0, y0 = (int(c) for c in np.floor(np.maximum(corners.min(axis=0), 0)))
        x1, y1 = int(min(width, np.ceil(corners[:, 0].max()) + 1)), int(min(height, np.ceil(corners[:, 1].max()) + 1))
        return _Window(x0 / wide, y0 / high, (x1 - x0) / wide, (y1 - y0) / high, (0, 0)).at(LOOK)

    def _cut(self, seen: RGB, window: _Window) -> RGB:
        """The window of `seen` at the window's size."""
        wide, high = seen.shape[1] / self.size[0], seen.shape[0] / self.size[1]
        x0, y0 = round(window.x * wide), round(window.y * high)
        cut = seen[y0 : y0 + round(window.height * high), x0 : x0 + round(window.width * wide)]
        return np.asarray(cv2.resize(cut, window.size, interpolation=cv2.INTER_AREA), np.uint8)

    def _skin(self, seen: RGB, window: _Window) -> NDArray[np.bool_]:
        """Whether each pixel of the window is skin: its colour, in a solid piece, without the folds of the root's clothes."""
        picture = self._cut(seen, window)
        likely = np.where(self.skin.likelihood(picture) >= SKIN, 255, 0).astype(np.uint8)
        chest = np.count_nonzero(_filled(self.areas.get(CHEST_HIP, ()), window))
        piece = _disc(max(1, round(SOLID * float(np.sqrt(chest)))))
        found = np.asarray(cv2.morphologyEx(cv2.medianBlur(likely, 3), cv2.MORPH_OPEN, piece), np.uint8)
        found[_filled(self.cloth, window) > 0] = 0
        if self.folds is not None:
            small = cv2.resize(picture, self.folds.signs.shape[::-1], interpolation=cv2.INTER_AREA)
            kept = self.folds.kept(np.asarray(small, np.uint8)).astype(np.uint8)
            found[cv2.resize(kept, window.size, interpolation=cv2.INTER_NEAREST) > 0] = 0
        return np.asarray(cv2.morphologyEx(found, cv2.MORPH_OPEN, piece) > 0)

    def same_person(self, other: Subject) -> bool:
        """Whether two subjects of one picture (of any size) are one person: their bodies overlap by half."""
        canvas = _Window(0, 0, *self.size, _fitting(self.size))
        theirs = replace(canvas, width=other.size[0], height=other.size[1])
        one, two = self._body(canvas), other._body(theirs)
        either = int(np.count_nonzero(one | two))
        return either > 0 and int(np.count_nonzero(one & two)) >= SAME * either

    def _body(self, window: _Window) -> NDArray[np.bool_]:
        body = np.zeros((window.size[1], window.size[0]), bool)
        for outline in self.areas.values():
            body |= _filled(outline, window) > 0
        return body

    def as_json(self) -> dict[str, Any]:
        """A document without pixels: polygons in whole pixels of `size`, the skin's numbers, the root's shares."""
        return {
            "size": list(self.size),
            "areas": {name: _listed(outline) for name, outline in self.areas.items()},
            "cloth": _listed(self.cloth),
            "folds": self.folds.as_json() if self.folds is not None else None,
            "skin": self.skin.as_json(),
            "bare": {name: round(share, 5) for name, share in self.bare.items()},
            "reduced": self.reduced,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Subject:
        """Read `as_json` back; raises ValueError for anything that is not such a document."""
        try:
            width, height = (_whole(n) for n in document["size"])
            areas = {name: _polygon(document["areas"][name]) for name in AREAS if name in document["areas"]}
            cloth = _polygon(document["cloth"])
            bare = {name: float(document["bare"][name]) for name in AREAS}
            reduced = document["reduced"]
            folds = Folds.from_json(document["folds"]) if document["folds"] is not None else None
            skin = SkinModel.from_json(document["skin"])
        except (KeyError, TypeError, AttributeError) as problem:
            raise ValueError("this is no subject") from problem
        if min(width, height) < 1 or not isinstance(reduced, bool) or len(areas) != len(document["areas"]):
            raise ValueError("this is no subject")
        if not all(0 <= share <= 1 for share in bare.values()):
            raise ValueError("a subject's shares lie in 0..1")
        return cls((width, height), MappingProxyType(areas), cloth, folds, skin, MappingProxyType(bare), reduced)


@dataclass(frozen=True, slots=True)
class _Window:
    """A rectangle of the root's picture, and the `size` (width, height) in pixels at which it is looked at."""

    x: float
    y: float
    width: float
    height: float
    size: tuple[int, int]

    def at(self, side: int) -> _Window:
        """The same rectangle looked at with `side` pixels along its longer side."""
        scale = side / max(self.width, self.height)
        return replace(self, size=(max(1, round(self.width * scale)), max(1, round(self.height * scale))))


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, LOOK / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _face(shape: tuple[int, int], protected: Mapping[str, Mask]) -> Mask:
    """The head without hair and without its upper part, where hats are: (H, W) 0/255."""
    face = protected.get("head", np.zeros(shape, np.uint8)).copy()
    if "hair" in protected:
        face[protected["hair"] > 0] = 0
    rows = np.flatnonzero(face.any(axis=1))
    if rows.size:
        face[: int(rows[0] + HAT * (rows[-1] - rows[0]))] = 0
    return face


def _pixels(seen: RGB, mask: Mask | None) -> RGB:
    """The pixels (N, 3) of `seen` under `mask`, its rim left out where there is enough."""
    if mask is None:
        return seen[:0, 0]
    inner = cv2.erode((mask > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    return seen[inner > 0] if np.count_nonzero(inner) >= LEAST_PIXELS else seen[mask > 0]


def _rings(mask: Mask) -> Polygon:
    """All rings of `mask`, those of holes among them, for an even-odd filling."""
    outlines, _ = cv2.findContours(np.ascontiguousarray(mask), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = (cv2.approxPolyDP(one, NEARNESS, True).reshape(-1, 2) for one in outlines)
    return tuple(tuple((int(x), int(y)) for x, y in ring) for ring in rings if len(ring) > 2)


def _filled(outline: Polygon, window: _Window) -> Mask:
    """A polygon of the root's picture as a mask (h, w) 0/255 of the window."""
    width, height = window.size
    mask = np.zeros((height, width), np.uint8)
    scale = np.array((width / window.width, height / window.height))
    rings = [np.round((np.array(ring) - (window.x, window.y)) * scale).astype(np.int32) for ring in outline]
    if rings:
        cv2.fillPoly(mask, rings, 255)
    return mask


def _listed(outline: Polygon) -> list[list[list[int]]]:
    return [[[x, y] for x, y in ring] for ring in outline]


def _polygon(rings: Any) -> Polygon:
    return tuple(tuple((_whole(x), _whole(y)) for x, y in ring) for ring in rings)


def _whole(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or abs(number) > 100_000:
        raise ValueError("a place is in whole pixels")
    return number
