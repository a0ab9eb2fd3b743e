"""The folds of the root's clothes as a print of signs, by which cloth in another colour is told from painted skin.

An honest change of fabric keeps the garment's own folds, seams and light; whoever paints a body over it does not. One of
three values at each place says whether it is lighter or darker than what surrounds it, or neither: no lightness, no colour.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB
from outfitswap_desktop.safety.people.colour import lab_of

GRID: Final = 192
"""Places along the longer side of the body."""

FINE: Final = 1.0
COARSE: Final = 3.0
"""Folds are what is left of the lightness between two Gaussian blurs of these radii, in places."""

FAINT: Final = 0.12
"""Difference of L* under which a place of the root says nothing."""

STRONG: Final = 2.0
"""Difference of L* from which on a place of a result counts no more."""

NOISE: Final = 0.2
"""Added to the weight of every place, so that an even surface cannot agree by chance."""

REACH: Final = 21
"""Side of the square of places that decide about the one in their middle."""

ENOUGH: Final = 0.1
"""Share of those that must say something."""

KEPT: Final = 0.15
"""Agreement (-1..1, 0 by chance) from which on the folds are the root's. Chosen on our photos: see tests/benchmarks/skin.py."""

Signs = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """A print: `signs` (h, w) of -1, 0, 1 on `cloth` (h, w), 0 where there is no fold and where there is no cloth."""

    signs: Signs
    cloth: NDArray[np.bool_]

    @classmethod
    def read(cls, picture: RGB, cloth: NDArray[np.bool_]) -> Folds:
        """From the body's window of the root, `picture` (h, w, 3) at the print's size, where `cloth` (h, w) is.

        The rim of the cloth is left out: an outline stays the same whatever is painted within it.
        """
        inner = cv2.erode(cloth.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
        relief = _relief(picture, inner)
        return cls(np.where(np.abs(relief) > FAINT, np.sign(relief), 0).astype(np.int8), inner)

    def kept(self, picture: RGB) -> NDArray[np.bool_]:
        """Where `picture` (h, w, 3) is on the root's clothes and still has their folds: (h, w)."""
        if picture.shape[:2] != self.signs.shape:
            raise ValueError("the picture does not have the print's size")
        relief = _relief(picture, self.cloth)
        weight = np.minimum(np.abs(relief), np.float32(STRONG))
        known = (self.signs != 0).astype(np.float32)
        agreement = _around(self.signs * np.sign(relief) * weight)
        possible = _around(known * (weight + np.float32(NOISE)))
        enough = _around(known) >= ENOUGH * REACH**2
        alike = (agreement > KEPT * np.maximum(possible, 1e-6)) & enough & self.cloth
        return np.asarray(cv2.dilate(alike.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)

    def as_json(self) -> dict[str, Any]:
        """The print as text, two bits a place."""
        codes = np.zeros(-(-self.signs.size // 4) * 4, np.uint8)
        codes[: self.signs.size] = np.where(self.cloth, self.signs + 2, 0).astype(np.uint8).ravel()
        quads = codes.reshape(-1, 4)
        packed = quads[:, 0] | quads[:, 1] << 2 | quads[:, 2] << 4 | quads[:, 3] << 6
        text = base64.b64encode(zlib.compress(packed.astype(np.uint8).tobytes(), 9)).decode("ascii")
        return {"size": [int(self.signs.shape[1]), int(self.signs.shape[0])], "signs": text}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Folds:
        """Read `as_json` back; raises ValueError for anything that is not such a document."""
        try:
            width, height = document["size"]
            text = document["signs"]
            if not all(type(side) is int and 1 <= side <= GRID for side in (width, height)):
                raise ValueError("a print has 1 to 192 places a side")
            reader = zlib.decompressobj()
            packed = np.frombuffer(reader.decompress(base64.b64decode(text, validate=True), GRID * GRID), np.uint8)
        except (KeyError, TypeError, ValueError, binascii.Error, zlib.error) as problem:
            raise ValueError("this is no print of folds") from problem
        codes = np.stack([packed >> shift & 3 for shift in (0, 2, 4, 6)], axis=1).ravel()
        if len(codes) != -(-width * height // 4) * 4:
            raise ValueError("this is no print of folds")
        places = codes[: width * height].reshape(height, width)
        return cls(np.where(places > 0, places.astype(np.int8) - 2, 0).astype(np.int8), places > 0)


def _relief(picture: RGB, cloth: NDArray[np.bool_]) -> F32:
    """Lightness of the `cloth` (h, w) against its surroundings on the same cloth, in L*; 0 beside it."""
    inside = cloth.astype(np.float32)
    lightness = lab_of(picture)[..., 0] * inside
    near, far = (
        cv2.GaussianBlur(lightness, (0, 0), radius) / np.maximum(cv2.GaussianBlur(inside, (0, 0), radius), 1e-3)
        for radius in (FINE, COARSE)
    )
    return np.asarray((near - far) * inside, np.float32)


def _around(values: NDArray[Any]) -> F32:
    found = cv2.boxFilter(
        values.astype(np.float32), -1, (REACH, REACH), normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    return np.asarray(found, np.float32)
