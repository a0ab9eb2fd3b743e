"""From labels to areas: garment pieces, head, hair, hands and shoes of the work picture, and their way to the photo."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB, Bool, Mask
from outfitswap_desktop.embedded.cascade.labelling import BOTTOM, CHIN_LINE, HAIR, SHOES, SKIN, TOP, Labels
from outfitswap_desktop.embedded.cascade.proportions import Figure, head_radius
from outfitswap_desktop.embedded.parse.smooth import GuidedFilter, enlarged

EDGE_PIXELS = 1_500_000
"""Edges are fitted to the photo up to this size of the person's box; above it they are enlarged from there."""


def head_and_hair(figure: Figure, labels: Labels) -> tuple[Bool, Bool]:
    """Head (with its hair) and hair alone (h, w): the face's oval always, the rest where it is skin or hair."""
    best = labels.best
    radius = head_radius(figure)
    face = np.hypot(figure.u / 0.46, (figure.v - 0.04) / 0.56) < 1
    near = (radius < 1.35) & (figure.v < CHIN_LINE) & (np.abs(figure.u) < 1.1)
    head = face | (near & ((best == SKIN) | (best == HAIR)))
    hair = (best == HAIR) & (radius < 3.2)
    hair = _joined(hair | head, head) & hair & ~face
    return _filled(head | (hair & near)), hair


def hands(figure: Figure, labels: Labels) -> Bool:
    """Ends of arms (h, w): of every piece of skin away from the face, what is farthest from its shoulder."""
    skin = (labels.best == SKIN) & (figure.v > 1.3)
    found = np.zeros(skin.shape, bool)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(skin.astype(np.uint8))
    for piece in range(1, count):
        if stats[piece, cv2.CC_STAT_AREA] < 0.04 * figure.unit**2:
            continue
        chosen = pieces == piece
        side = 1.0 if figure.across[chosen].mean() > 0 else -1.0
        far = np.hypot(figure.across - side * 1.15, figure.v - 1.1)
        end = far[chosen].max()
        found |= chosen & (far > end - 0.85)
    return found


def shoes(figure: Figure, labels: Labels) -> Bool:
    """The shoe label's pieces of a size (h, w); empty when the picture ends above the feet."""
    return _pieces(labels.best == SHOES, least=0.08 * figure.unit**2)


def garment(figure: Figure, labels: Labels, layers: tuple[int, ...]) -> F32:
    """Probability (h, w) of the garment made of `layers`, cleared of stray pieces."""
    soft = labels.probability[list(layers)].sum(axis=0)
    inside = soft > 0.5
    kept = _pieces(inside, least=max(0.1 * np.count_nonzero(inside), 0.15 * figure.unit**2))
    kept = _filled(kept, most=0.25 * figure.unit**2)
    near = cv2.dilate(kept.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    soft = np.where(near, soft, np.minimum(soft, 0.0))
    return np.asarray(np.where(kept, np.maximum(soft, 0.51), np.minimum(soft, 0.49)), np.float32)


TOP_LAYERS, BOTTOM_LAYERS, FULL_LAYERS = (TOP,), (BOTTOM,), (TOP, BOTTOM)


class Canvas:
    """Carries maps of one figure's work picture to the photo (H, W, 3); the guide is prepared once."""

    def __init__(self, photo: RGB, figure: Figure) -> None:
        x0, y0, x1, y1 = figure.box
        self._shape = (photo.shape[0], photo.shape[1])
        self._figure = figure
        crop: RGB = photo[y0:y1, x0:x1]
        shrink = min(1.0, float(np.sqrt(EDGE_PIXELS / (crop.shape[0] * crop.shape[1]))))
        if shrink < 1:
            crop = np.asarray(cv2.resize(crop, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)
        self._guide = np.ascontiguousarray(crop)
        self._filter = GuidedFilter(figure.picture, max(2, round(0.04 * figure.unit)), eps=2e-4)

    def soft(self, work: F32) -> F32:
        """`work` (h, w) 0..1 over the figure's box of the photo, its edges fitted to the picture's."""
        x0, y0, x1, y1 = self._figure.box
        fine = np.clip(enlarged(self._guide, coefficients=self._filter.coefficients(work)), 0, 1)
        coarse = cv2.resize(work, (fine.shape[1], fine.shape[0]), interpolation=cv2.INTER_LINEAR)
        fine = np.where(np.abs(coarse - 0.5) < 0.35, 0.5 * (fine + coarse), coarse)
        return np.asarray(cv2.resize(fine, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR), np.float32)

    def mask(self, work: Bool | F32, *, threshold: float = 0.5) -> Mask:
        """`work` (h, w) over the whole photo as 0/255 (H, W), edges as enlarged."""
        x0, y0, x1, y1 = self._figure.box
        large = cv2.resize(work.astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        return self.whole(np.where(large > threshold, 255, 0).astype(np.uint8))

    def whole(self, part: Mask) -> Mask:
        """A map of the figure's box laid into an empty map (H, W) of the photo."""
        x0, y0, x1, y1 = self._figure.box
        full = np.zeros(self._shape, np.uint8)
        full[y0:y1, x0:x1] = part
        return full


def _joined(areas: Bool, anchor: Bool) -> Bool:
    """Those pieces of `areas` that touch `anchor`."""
    _, pieces = cv2.connectedComponents(areas.astype(np.uint8))
    touched = np.unique(pieces[anchor & areas])
    return np.asarray(np.isin(pieces, touched[touched > 0]))


def _pieces(areas: Bool, *, least: float) -> Bool:
    """Those pieces of `areas` with at least `least` pixels."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(areas.astype(np.uint8))
    large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= least]
    return np.asarray(np.isin(pieces, large))


def _filled(areas: Bool, *, most: float = np.inf) -> Bool:
    """`areas` with their holes of up to `most` pixels filled."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats((~areas).astype(np.uint8), connectivity=4)
    height, width = areas.shape
    holes = []
    for i in range(1, count):
        x, y, w, h, size = stats[i]
        if size <= most and x > 0 and y > 0 and x + w < width and y + h < height:
            holes.append(i)
    return np.asarray(areas | np.isin(pieces, holes))
