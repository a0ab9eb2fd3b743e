"""Edge-keeping smoothing of soft maps: the colour guided filter, and its coefficients for use at a larger size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB, Bool


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
        irr, irg, irb, igg, igb, ibb = (one * scale for one in (irr, irg, irb, igg, igb, ibb))
        self._inverse = ((irr, irg, irb), (irg, igg, igb), (irb, igb, ibb))

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


def over_half(guide: RGB, *, coefficients: list[F32]) -> NDArray[np.bool_]:
    """Where coefficients of a smaller guide, applied to `guide` (H, W, 3), give over 0.5.

    The fast guided filter (He, Sun 2015), worked out only where the colours have a say: elsewhere the coefficients alone
    decide, whatever the guide shows.
    """
    height, width = guide.shape[:2]
    sure, open_ = _decided(coefficients)
    found = cv2.resize(sure, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    rows, scale = sure.shape[0], sure.shape[0] / height
    centres = ((np.arange(height) + 0.5) * scale - 0.5).clip(0, rows - 1)
    above = centres.astype(np.intp)
    below, share = np.minimum(above + 1, rows - 1), (centres - above).astype(np.float32)[:, None]
    for top in range(0, height, STRIP):
        bottom = min(height, top + STRIP)
        near = np.asarray(open_[int(top * scale) : int((bottom - 1) * scale) + 1].any(axis=0))
        runs = _runs(near, width)
        if not runs:
            continue
        lines, first, last = slice(top, bottom), int(above[top]), int(below[bottom - 1]) + 1
        size, upper, lower = (width, last - first), above[lines] - first, below[lines] - first
        wide = [np.asarray(cv2.resize(one[first:last], size, interpolation=cv2.INTER_LINEAR)) for one in coefficients]
        for left, right in runs:
            place = (lines, slice(left, right))
            grown = [
                one[upper, left:right] * (1 - share[lines]) + one[lower, left:right] * share[lines] for one in wide
            ]
            picture = guide[place] * np.float32(1 / 255.0)
            for channel in range(3):
                grown[3] += grown[channel] * picture[..., channel]
            found[place] = grown[3] > 0.5
    return found


STRIP = 64
"""Rows of the larger picture that are worked out at once."""

CLEAR = 1e-3
"""By how much a value that no guide could bring across 0.5 must stay away from it."""


def _decided(coefficients: list[F32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Where any guide of 0..1 gives over 0.5, and where that depends on the guide: (h, w), 1 or 0, neighbours counted in."""
    offset = coefficients[3]
    least = offset + sum(np.minimum(slope, 0) for slope in coefficients[:3])
    most = offset + sum(np.maximum(slope, 0) for slope in coefficients[:3])
    around = np.ones((3, 3), np.uint8)
    inside = cv2.erode((least > 0.5 + CLEAR).astype(np.uint8), around)
    outside = cv2.erode((most < 0.5 - CLEAR).astype(np.uint8), around)
    return np.asarray(inside, np.uint8), np.asarray(1 - inside - outside, np.uint8)


def stretches(marked: Bool) -> list[tuple[int, int]]:
    """The stretches of `marked` (n,) as (first, one past the last)."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(np.int8), [0]])))
    return [(int(first), int(end)) for first, end in steps.reshape(-1, 2)]


def _runs(marked: Bool, width: int) -> list[tuple[int, int]]:
    """The stretches of `marked` (w,) as (left, right) in a picture of `width`, a little wider; those that touch are one."""
    scale = width / len(marked)
    runs: list[tuple[int, int]] = []
    for start, end in stretches(marked):
        left, right = max(0, int(start * scale) - 1), min(width, int(np.ceil(end * scale)) + 1)
        if runs and left <= runs[-1][1]:
            runs[-1] = (runs[-1][0], right)
        else:
            runs.append((left, right))
    return runs
