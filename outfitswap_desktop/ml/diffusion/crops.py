"""Fits a request's crop into one of a few sizes, by scaling and mirrored borders, and undoes it afterwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import RGB, Alpha, Mask
from outfitswap_desktop.core.compose import resize
from outfitswap_desktop.core.regions import BodyAxis, BodyPose

if TYPE_CHECKING:
    from outfitswap_desktop.core.steps import GenerationRequest

Size = tuple[int, int]
WASTE: Final = 0.25
"""Largest share of a bucket that may be border."""
_ENOUGH: Final = 0.85
"""A bucket that shrinks the crop by less than this loses nothing that is seen: no larger one is taken."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A crop of `source` (width, height) inside `bucket`: scaled to `inner`, whose upper left corner lies at `at`."""

    source: Size
    bucket: Size
    inner: Size
    at: tuple[int, int]

    @property
    def waste(self) -> float:
        """Share of the bucket that is border."""
        return 1.0 - self.inner[0] * self.inner[1] / (self.bucket[0] * self.bucket[1])

    def picture(self, image: RGB) -> RGB:
        """`image` of the source's size in the bucket, the borders mirrored."""
        scaled = image if self.inner == self.source else resize(image, self.inner)
        return np.asarray(cv2.copyMakeBorder(scaled, *self._borders, cv2.BORDER_REFLECT_101), np.uint8)

    def mask(self, mask: Mask | Alpha) -> Mask:
        """Where `mask` > 0, as 0/255 in the bucket: every bucket pixel that such a pixel reaches; the borders are 0."""
        solid = (mask > 0).astype(np.float32)
        shrinking = self.inner[0] < self.source[0]
        method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        scaled = solid if self.inner == self.source else cv2.resize(solid, self.inner, interpolation=method)
        return np.asarray(cv2.copyMakeBorder((scaled > 0).astype(np.uint8) * 255, *self._borders, cv2.BORDER_CONSTANT))

    def undo(self, image: RGB) -> RGB:
        """The source's part of a picture of the bucket's size, at the source's size."""
        (x, y), (width, height) = self.at, self.inner
        window = np.ascontiguousarray(image[y : y + height, x : x + width])
        return window if self.inner == self.source else resize(window, self.source)

    def request(self, request: GenerationRequest) -> GenerationRequest:
        """The request in the bucket's pixels."""
        scale = self.inner[0] / self.source[0], self.inner[1] / self.source[1]

        def moved(x: float, y: float) -> tuple[float, float]:
            return x * scale[0] + self.at[0], y * scale[1] + self.at[1]

        size = (scale[0] * scale[1]) ** 0.5
        axes = tuple(BodyAxis(a.part, moved(*a.start), moved(*a.end), a.radius * size) for a in request.axes)
        pose = request.pose
        if pose is not None:
            pose = BodyPose(tuple((*moved(x, y), seen) for x, y, seen in pose.joints))
        return replace(
            request,
            image=self.picture(request.image),
            alpha=self.mask(request.alpha),
            axes=axes,
            keep_out=self.mask(request.keep_out) if request.keep_out is not None else None,
            pose=pose,
            cut=self.mask(request.cut) if request.cut is not None else None,
        )

    @property
    def _borders(self) -> tuple[int, int, int, int]:
        (x, y), (width, height) = self.at, self.inner
        return y, self.bucket[1] - height - y, x, self.bucket[0] - width - x


def choose_bucket(source: Size, buckets: Sequence[Size], *, multiple: int, most: int | None = None) -> Fit:
    """The bucket (width, height) for a crop of size `source`, with at most WASTE of border.

    The smallest one that keeps the crop's detail, else the one that keeps most of it; small crops are scaled up. A crop longer
    than any bucket allows gets a size of its own, sides rounded up to `multiple`. `most` limits the pixels.
    """
    limit = most if most is not None else max(width * height for width, height in buckets)
    fits = [_fitted(source, bucket) for bucket in buckets if bucket[0] * bucket[1] <= limit]
    fits = [fit for fit in fits if fit.waste <= WASTE]
    if not fits:
        return _own(source, multiple=multiple, most=min(limit, _like_buckets(buckets)))
    enough = [fit for fit in fits if fit.inner[0] >= _ENOUGH * source[0]]
    if enough:
        return min(enough, key=lambda fit: (fit.bucket[0] * fit.bucket[1], fit.waste))
    return max(fits, key=lambda fit: (fit.inner[0] * fit.inner[1], -fit.waste))


def _like_buckets(buckets: Sequence[Size]) -> int:
    return max(width * height for width, height in buckets)


def _fitted(source: Size, bucket: Size) -> Fit:
    scale = min(bucket[0] / source[0], bucket[1] / source[1])
    inner = (min(bucket[0], max(1, round(source[0] * scale))), min(bucket[1], max(1, round(source[1] * scale))))
    return Fit(source, bucket, inner, ((bucket[0] - inner[0]) // 2, (bucket[1] - inner[1]) // 2))


def _own(source: Size, *, multiple: int, most: int) -> Fit:
    scale = math.sqrt(most / (source[0] * source[1]))
    sides = [max(multiple, int(side * scale) // multiple * multiple) for side in source]
    return _fitted(source, (sides[0], sides[1]))
