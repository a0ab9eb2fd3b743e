"""Edge-keeping smoothing of soft maps: the colour guided filter, and its coefficients for use at a larger size."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB


class GuidedFilter:
    """Guided filter with a colour guide (He, Sun, Tang 2013); the guide's statistics are computed once.

    `guide` (h, w, 3) uint8; `radius` in pixels; `eps` is the regulariser for a guide scaled to 0..1.
    """

    def __init__(self, guide: RGB, radius: int, *, eps: float) -> None:
        self._size = (2 * radius + 1, 2 * radius + 1)
        picture = guide.astype(np.float32) / 255.0
        self._channels = [np.ascontiguousarray(picture[..., i]) for i in range(3)]
        self._means = [self._mean(c) for c in self._channels]
        r, g, b = self._channels
        mr, mg, mb = self._means
        rr = self._mean(r * r) - mr * mr + eps
        gg = self._mean(g * g) - mg * mg + eps
        bb = self._mean(b * b) - mb * mb + eps
        rg = self._mean(r * g) - mr * mg
        rb = self._mean(r * b) - mr * mb
        gb = self._mean(g * b) - mg * mb
        irr, irg, irb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
        igg, igb, ibb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
        scale = 1.0 / (irr * rr + irg * rg + irb * rb)
        self._inverse = [[x * scale for x in row] for row in ((irr, irg, irb), (irg, igg, igb), (irb, igb, ibb))]

    def _mean(self, values: F32) -> F32:
        return np.asarray(cv2.boxFilter(values, -1, self._size, borderType=cv2.BORDER_REFLECT_101))

    def coefficients(self, values: F32) -> list[F32]:
        """The filter's linear model for `values` (h, w): slopes for the three channels and the offset, each (h, w)."""
        mean = self._mean(values)
        cov = [self._mean(c * values) - m * mean for c, m in zip(self._channels, self._means, strict=True)]
        slopes = [row[0] * cov[0] + row[1] * cov[1] + row[2] * cov[2] for row in self._inverse]
        offset = mean - sum(s * m for s, m in zip(slopes, self._means, strict=True))
        return [self._mean(c) for c in (*slopes, offset)]

    def __call__(self, values: F32) -> F32:
        """`values` (h, w) smoothed along the guide's edges."""
        *slopes, offset = self.coefficients(values)
        result = offset + sum(s * c for s, c in zip(slopes, self._channels, strict=True))
        return np.asarray(result, np.float32)


def enlarged(guide: RGB, *, coefficients: list[F32]) -> F32:
    """Apply coefficients of a smaller guide to `guide` (H, W, 3): the fast guided filter (He, Sun 2015)."""
    size = (guide.shape[1], guide.shape[0])

    def grown(values: F32) -> F32:
        return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)

    result = grown(coefficients[3])
    for channel in range(3):
        slope = grown(coefficients[channel])
        slope *= guide[..., channel] * np.float32(1 / 255.0)
        result += slope
    return result
