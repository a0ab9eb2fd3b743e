"""Person against background: OpenCV's GrabCut (Rother, Kolmogorov, Blake 2004), seeded by the body's proportions."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.embedded.cascade.proportions import CROWN, FEET, REACH, Figure, half_width, head_radius

ROUNDS = 4
WIDEST = 2.5
"""No elbow or knee is looked for farther than this from the body's middle, in face windows."""


def seeds(figure: Figure, others: list[tuple[float, float, float]]) -> Mask:
    """GrabCut's start labels (h, w); `others` are the other persons' faces (x, y, size) in work pixels."""
    u, v, across = figure.u, figure.v, figure.across
    reach = np.abs(across) / np.maximum(half_width(figure), 1e-3)
    head = head_radius(figure)
    labels = np.full(u.shape, cv2.GC_PR_BGD, np.uint8)
    labels[(reach < np.where(v < 3.4, 0.85, 0.65)) & (v > 0.6) & (v < FEET)] = cv2.GC_PR_FGD
    labels[head < 1.05] = cv2.GC_PR_FGD
    labels[head < 0.72] = cv2.GC_FGD
    labels[(np.abs(across) < 0.65) & (v > 1.05) & (v < 2.4)] = cv2.GC_FGD
    labels[(v < CROWN - 0.35) | (np.abs(u) > REACH - 0.4) | (v > FEET + 0.4)] = cv2.GC_BGD
    labels[(v < 0.35) & (head > 1.45)] = cv2.GC_BGD
    labels[(np.abs(across) > WIDEST) & (v > 0.35)] = cv2.GC_BGD
    rows, columns = np.mgrid[: u.shape[0], : u.shape[1]]
    for x, y, size in others:
        far = np.hypot((columns - x) / (0.6 * size), (rows - y + 0.1 * size) / (0.85 * size)) < 1
        trunk = (np.abs(columns - x) < 0.7 * size) & (rows > y + 1.1 * size) & (rows < y + 2.4 * size)
        labels[(far | trunk) & (labels != cv2.GC_FGD)] = cv2.GC_BGD
    return labels


def cut(figure: Figure, others: list[tuple[float, float, float]]) -> NDArray[np.bool_]:
    """True where GrabCut sees the person (h, w): the piece that holds head and trunk. Deterministic."""
    labels = seeds(figure, others)
    sure = labels == cv2.GC_FGD
    back, fore = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(7)
    picture = cv2.bilateralFilter(figure.picture, 5, 18, 3)
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    fore_seeds = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if not fore_seeds.all():  # a face that fills the picture leaves no background to learn
        cv2.grabCut(bgr, labels, (0, 0, 1, 1), back, fore, ROUNDS, cv2.GC_INIT_WITH_MASK)
    inside = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    inside = np.asarray(cv2.morphologyEx(inside, cv2.MORPH_OPEN, kernel), np.uint8)
    count, pieces = cv2.connectedComponents(inside)
    kept = np.zeros(sure.shape, bool)
    for piece in range(1, count):
        chosen = pieces == piece
        if np.count_nonzero(chosen & sure) > 0:
            kept |= chosen
    return kept


def with_trunk(figure: Figure, inside: NDArray[np.bool_]) -> Figure:
    """The figure with the trunk's middle taken from the silhouette between shoulders and waist."""
    band = inside & (figure.v > 1.0) & (figure.v < 2.6) & (np.abs(figure.u) < 2.2)
    if np.count_nonzero(band) < 0.5 * figure.unit**2:
        return figure
    weight = 1 / (0.5 + np.abs(figure.u[band]))
    middle = float(np.average(figure.u[band], weights=weight))
    return replace(figure, aside=float(np.clip(1.2 * middle, -0.7, 0.7)))
