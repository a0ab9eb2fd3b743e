"""Fitting a rough area to the photo's edges without a network: GrabCut on a reduced crop, its outline taken back to full size.

GrabCut: Rother, Kolmogorov, Blake, SIGGRAPH 2004; the outline: fast guided filter, He and Sun, arXiv 1505.00996.
"""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB, Mask
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.errors import UsageProblem

Point = tuple[int, int, bool]
WORK_SIDE = 320
"""Longer side of the picture that GrabCut works on; its time grows with the number of pixels."""
EDGE_SIDE = 1200
"""Longer side at which the outline's filter is computed."""
ROUNDS = 3
SEED = 0.012
"""Radius of what one click is sure of, as a share of the window's longer side."""
WINDOW = 0.45
"""How far from a click its object may reach, as a share of the photo's longer side."""
ALIKE = 26.0
"""CIE Lab distance up to which what hangs together with a click is first taken for the same thing."""


def refine(
    photo: RGB, *, box: Box | None, points: tuple[Point, ...], mask: Mask | None, protected: Mask | None = None
) -> Mask:
    """`mask` (H, W) 0/255 with one area fitted to the edges of `photo` (H, W, 3); outside that area it stays as it was.

    With a `box` (x0, y0, x1, y1), what fills it is found and put in place of what the mask had there; a mask that already has
    some of the box is the first guess. With `points` (x, y, inside?), the thing at each inside point is added and the thing at
    each outside point taken away. What is `protected` (H, W) > 0 never gets in. Under a second at any size.
    Raises UsageProblem for neither box nor points, for an empty box, and for masks of another size.
    """
    shape = photo.shape[:2]
    if any(other is not None and other.shape != shape for other in (mask, protected)):
        raise UsageProblem("The mask and the photo differ in size.", reason="mask_shape")
    result = np.zeros(shape, np.uint8) if mask is None else np.where(mask >= 128, np.uint8(255), np.uint8(0))
    if box is not None:
        result = _by_box(photo, box, result=result, protected=protected)
    if points:
        result = _by_points(photo, points, result=result, protected=protected)
    if box is None and not points:
        raise UsageProblem("Neither a box nor a point was given.", reason="refine")
    if protected is not None:
        result[protected > 0] = 0
    return result


def _by_box(photo: RGB, box: Box, *, result: Mask, protected: Mask | None) -> Mask:
    height, width = photo.shape[:2]
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    if x1 - x0 < 2 or y1 - y0 < 2:
        raise UsageProblem("The box is empty.", reason="refine")
    window = _wider((x0, y0, x1, y1), 0.25 * max(x1 - x0, y1 - y0), (height, width))
    work = _Work(photo, window, protected)
    before = work.reduced(result)
    inside = np.zeros(work.size, np.uint8)
    left, top, right, bottom = work.place((x0, y0, x1, y1))
    inside[top:bottom, left:right] = 255
    share = float((before[inside > 0] > 127).mean()) if inside.any() else 0.0
    labels = np.full(work.size, cv2.GC_BGD, np.uint8)
    labels[inside > 0] = cv2.GC_PR_FGD
    if 0.1 <= share <= 0.9:
        labels[(inside > 0) & (before <= 127)] = cv2.GC_PR_BGD
    elif not _has_background(work, inside):
        margin = max(1, min(right - left, bottom - top) // 20)
        rim = inside.copy()
        rim[top + margin : bottom - margin, left + margin : right - margin] = 0
        labels[rim > 0] = cv2.GC_PR_BGD
    found = work.cut(labels)
    kept = result.copy()
    view = kept[y0:y1, x0:x1]
    view[:] = found[y0 - window[1] : y1 - window[1], x0 - window[0] : x1 - window[0]]
    return kept


def _has_background(work: _Work, inside: Mask) -> bool:
    """Whether the window shows enough outside of the box to learn the background from."""
    return float((inside == 0).mean()) > 0.1


def _by_points(photo: RGB, points: tuple[Point, ...], *, result: Mask, protected: Mask | None) -> Mask:
    height, width = photo.shape[:2]
    points = tuple((min(max(x, 0), width - 1), min(max(y, 0), height - 1), bool(inside)) for x, y, inside in points)
    xs, ys = [x for x, _, _ in points], [y for _, y, _ in points]
    window = _wider((min(xs), min(ys), max(xs) + 1, max(ys) + 1), WINDOW * max(height, width), (height, width))
    work = _Work(photo, window, protected)
    kept = result.copy()
    view = kept[window[1] : window[3], window[0] : window[2]]
    for wanted in (True, False):
        if any(inside is wanted for _, _, inside in points):
            found = _thing_at(work, [(x, y, inside is wanted) for x, y, inside in points])
            view[found > 0] = 255 if wanted else 0
    return kept


def _thing_at(work: _Work, points: list[Point]) -> Mask:
    """What is at the points that are True and not at the others, as a mask of the window."""
    radius = max(2, round(SEED * max(work.size)))
    labels = np.full(work.size, cv2.GC_PR_BGD, np.uint8)
    places = [(*work.place((x, y, x + 1, y + 1))[:2], wanted) for x, y, wanted in points]
    for x, y, wanted in places:
        labels[work.alike((x, y)) > 0] = cv2.GC_PR_FGD if wanted else cv2.GC_PR_BGD
    for x, y, wanted in places:
        cv2.circle(labels, (x, y), radius, cv2.GC_FGD if wanted else cv2.GC_BGD, -1)
    seeds = [(x, y) for x, y, wanted in places if wanted]
    return work.cut(labels, seeds=seeds)


class _Work:
    """A window of the photo, reduced for GrabCut."""

    def __init__(self, photo: RGB, window: Box, protected: Mask | None) -> None:
        x0, y0, x1, y1 = window
        self._window = window
        self._crop = photo[y0:y1, x0:x1]
        self._shrink = min(1.0, WORK_SIDE / max(x1 - x0, y1 - y0))
        wide, high = max(2, round((x1 - x0) * self._shrink)), max(2, round((y1 - y0) * self._shrink))
        self.size = (high, wide)
        self._small = np.asarray(cv2.resize(self._crop, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)
        self._lab = cv2.cvtColor(cv2.GaussianBlur(self._small, (0, 0), 1.0).astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
        self._protected = None if protected is None else self.reduced(protected) > 127

    def reduced(self, mask: Mask) -> Mask:
        """The window's part of a mask of the photo, at the size of the work."""
        x0, y0, x1, y1 = self._window
        size = (self.size[1], self.size[0])
        return np.asarray(cv2.resize(mask[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA), np.uint8)

    def place(self, box: Box) -> Box:
        """A box of the photo, in pixels of the work."""
        x0, y0, x1, y1 = self._window
        sx, sy = self.size[1] / (x1 - x0), self.size[0] / (y1 - y0)
        left, top = min(int((box[0] - x0) * sx), self.size[1] - 1), min(int((box[1] - y0) * sy), self.size[0] - 1)
        return left, top, max(left + 1, round((box[2] - x0) * sx)), max(top + 1, round((box[3] - y0) * sy))

    def alike(self, at: tuple[int, int]) -> Mask:
        """What hangs together with the place `at` and has nearly its colour (0/255)."""
        x, y = at
        colour = self._lab[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].reshape(-1, 3).mean(axis=0)
        near = np.where(np.linalg.norm(self._lab - colour, axis=2) < ALIKE, np.uint8(255), np.uint8(0))
        near[y, x] = 255
        cv2.floodFill(near, None, (x, y), (128,))
        return np.where(near == 128, np.uint8(255), np.uint8(0))

    def cut(self, labels: Mask, *, seeds: list[tuple[int, int]] | None = None) -> Mask:
        """GrabCut from `labels`, as a mask (h, w) 0/255 of the window at full size; `seeds`: only pieces that hold one."""
        if self._protected is not None:
            labels[self._protected] = cv2.GC_BGD
        front = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
        if front.any() and not front.all():
            cv2.setRNGSeed(1)
            models = np.zeros((1, 65)), np.zeros((1, 65))
            cv2.grabCut(self._small, labels, (0, 0, 1, 1), models[0], models[1], ROUNDS, cv2.GC_INIT_WITH_MASK)
            front = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
        small = np.where(front, np.uint8(255), np.uint8(0))
        small = np.asarray(cv2.morphologyEx(small, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)), np.uint8)
        if seeds is not None:
            _, pieces = cv2.connectedComponents(small, connectivity=4)
            wanted = {int(pieces[y, x]) for x, y in seeds} - {0}
            small = np.where(np.isin(pieces, list(wanted)), np.uint8(255), np.uint8(0))
        return self._enlarged(small)

    def _enlarged(self, small: Mask) -> Mask:
        """The work's mask at the window's size, its outline moved to the photo's edges."""
        height, width = self._crop.shape[:2]
        shrink = min(1.0, EDGE_SIDE / max(height, width))
        size = (max(2, round(width * shrink)), max(2, round(height * shrink)))
        guide = np.asarray(cv2.resize(self._crop, size, interpolation=cv2.INTER_AREA), np.uint8)
        soft = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR) / np.float32(255), np.float32)
        grey = np.asarray(cv2.cvtColor(guide, cv2.COLOR_RGB2GRAY) / np.float32(255), np.float32)
        side = 2 * max(2, round(1.5 * max(size) / max(self.size))) + 1
        slope, offset = _guided(grey, soft, side)
        fitted = np.rint(np.clip(slope * grey + offset, 0.0, 1.0) * 255.0).astype(np.uint8)
        whole = np.asarray(cv2.resize(fitted, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
        return np.where(whole > 127, np.uint8(255), np.uint8(0))


def _guided(guide: F32, values: F32, side: int) -> tuple[F32, F32]:
    """Coefficients (slope, offset) of the guided filter of `values` (h, w) 0..1 along `guide` (h, w) 0..1."""

    def mean(of: F32) -> F32:
        return np.asarray(cv2.blur(of, (side, side)), np.float32)

    middle, centre = mean(guide), mean(values)
    spread = mean(guide * guide) - middle * middle + np.float32(1e-3)
    slope = np.asarray((mean(guide * values) - middle * centre) / spread, np.float32)
    return mean(slope), mean(np.asarray(centre - slope * middle, np.float32))


def _wider(box: Box, margin: float, shape: tuple[int, int]) -> Box:
    more = max(8, round(margin))
    return (
        max(box[0] - more, 0),
        max(box[1] - more, 0),
        min(box[2] + more, shape[1]),
        min(box[3] + more, shape[0]),
    )
