"""Lab values of pictures and their main colours: what the reading of garment pictures is built on."""

from __future__ import annotations

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB


def lab(picture: RGB) -> F32:
    """CIE L 0..100, a, b as float32 (h, w, 3)."""
    return np.asarray(cv2.cvtColor(picture.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)


def colour_centres(values: F32, count: int) -> tuple[F32, F32]:
    """k-means: (centres (k, 3), share of each); the random start is fixed."""
    sample = values[:: max(1, len(values) // 3000)]
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    cv2.setRNGSeed(7)
    labels_in = np.zeros((len(sample), 1), np.int32)
    _, labels, centres = cv2.kmeans(
        np.ascontiguousarray(sample), min(count, len(sample)), labels_in, criteria, 2, cv2.KMEANS_PP_CENTERS
    )
    share = np.bincount(labels.ravel(), minlength=len(centres)) / len(labels)
    order = np.argsort(-share)
    return np.asarray(centres[order], np.float32), np.asarray(share[order], np.float32)
