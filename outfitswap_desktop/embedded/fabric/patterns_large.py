"""Designs as large as the garment, and dye that runs: colour blocks, gradients, tie-dye."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric.canvas import Canvas, blend, encoded, filled, noise, step
from outfitswap_desktop.embedded.fabric.colours import mixed
from outfitswap_desktop.embedded.fabric.design import Colour

Colours = Sequence[Colour]


def colour_block(canvas: Canvas, colours: Colours) -> F32:
    """Blocks from the garment's upper edge (v = 0) to its lower one, in the order said, sewn together by a fine seam."""
    n = len(colours)
    _, y = canvas.grid()
    at = y[:, 0] / canvas.cm[1]
    # The first block reaches a little lower than its share: over the chest, where a real seam would sit.
    edges = [((k + 1) / n) ** (0.92 if n > 2 else 1.0) for k in range(n - 1)]
    paint = encoded(colours)
    column = np.broadcast_to(paint[0], (canvas.height, 3)).copy()
    pixel = 1.0 / canvas.height
    for k, edge in enumerate(edges):
        cover = np.clip((at - edge) / pixel + 0.5, 0, 1)[:, None]
        column = column * (1 - cover) + paint[k + 1] * cover
        seam = np.clip(1 - np.abs(at - edge) / (0.12 / canvas.cm[1]), 0, 1)[:, None] * 0.3
        column = column * (1 - seam)
    return np.broadcast_to(column[:, None, :], (canvas.height, canvas.width, 3)).astype(np.float32)


def gradient(canvas: Canvas, colours: Colours) -> F32:
    """One colour into the next down the garment (v = 0 first), mixed as light and dye do, a breath uneven as dipped cloth."""
    stops = 24
    ramp: list[Colour] = []
    for first, second in pairwise(colours):
        ramp += [mixed(first, second, share=k / stops) for k in range(stops)]
    ramp.append(colours[-1])
    paint = encoded(ramp)
    _, y = canvas.grid()
    t = np.clip((y / canvas.cm[1] - 0.06) / 0.88, 0, 1)
    t = np.clip(t + 0.006 * noise(canvas, 6.0), 0, 1) * (len(ramp) - 1)
    low = np.minimum(np.floor(t).astype(int), len(ramp) - 2)
    share = (t - low)[..., None].astype(np.float32)
    return np.asarray(paint[low] * (1 - share) + paint[low + 1] * share, np.float32)


def tie_dye(canvas: Canvas, colours: Colours) -> F32:
    """Bursts of pleats: rings and rays around tied points, the dye bleeding along the folds."""
    rng = canvas.rng
    tile = filled(canvas, colours[0])
    dyes = list(colours[1:])
    x, y = canvas.grid()
    w, h = canvas.cm
    bleed_x, bleed_y = 0.55 * noise(canvas, 2.2), 0.55 * noise(canvas, 2.2)
    crumple = noise(canvas, 0.5) * 0.2 + noise(canvas, 1.3) * 0.5
    nx, ny = max(1, round(w / (17.0 * canvas.scale))), max(1, round(h / (17.0 * canvas.scale)))
    nearest = np.full((canvas.height, canvas.width), 1e9, np.float32)
    rings = np.zeros_like(nearest)
    for j in range(ny):
        for i in range(nx):
            cx = (i + 0.5 + 0.18 * float(rng.normal())) * w / nx
            cy = (j + 0.5 + 0.5 * (i % 2) + 0.12 * float(rng.normal())) * h / ny
            dx, dy = (x - cx + w / 2) % w - w / 2 + bleed_x, (y - cy + h / 2) % h - h / 2 + bleed_y
            r, theta = np.hypot(dx, dy), np.arctan2(dy, dx)
            rays = np.cos(theta * int(rng.integers(11, 17)) + 2.0 * float(rng.normal())) * 0.55 * np.clip(r / 4, 0, 1)
            field = r / (2.3 * canvas.scale) + rays * 0.6
            nearer = r < nearest
            nearest = np.where(nearer, r, nearest)
            rings = np.where(nearer, field, rings)
    for k, dye in enumerate(dyes):
        phase = rings / 2.0 + k / (len(dyes) + 0.6)
        wave = np.cos(2 * np.pi * phase) + crumple * 0.7
        cover = step((wave - 0.12 * (len(dyes) > 1)).astype(np.float32), width=1.0) * np.float32(0.95)
        tile = blend(tile, dye, cover)
    # Dye lies unevenly in crumpled cloth: a little paler here, deeper there.
    return np.asarray(np.clip(tile * (1 + 0.035 * noise(canvas, 0.9))[..., None], 0, 1), np.float32)
