"""The drawing board of the patterns: a wrapping raster with its size in centimetres, seamless noise and smooth edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric.design import Colour


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A raster of `width` x `height` pixels that stands for `cm` (width, height) of cloth and wraps around at its borders.

    `scale` is the pattern's size (1 = usual); `rng` the only source of chance.
    """

    width: int
    height: int
    cm: tuple[float, float]
    rng: np.random.Generator
    scale: float = 1.0

    @property
    def pixels_per_cm(self) -> float:
        return self.width / self.cm[0]

    def grid(self) -> tuple[F32, F32]:
        """Pixel centres in cm: x (1, width) and y (height, 1), broadcasting to the raster."""
        x = ((np.arange(self.width, dtype=np.float32) + 0.5) * (self.cm[0] / self.width))[None, :]
        y = ((np.arange(self.height, dtype=np.float32) + 0.5) * (self.cm[1] / self.height))[:, None]
        return x.astype(np.float32), y.astype(np.float32)

    def visible(self, period_cm: float) -> float:
        """0..1: how much of a structure with that period the raster can carry without aliasing."""
        return float(np.clip((period_cm * self.pixels_per_cm - 1.8) / 2.2, 0.0, 1.0))

    def repeats(self, period_cm: float, *, axis: int = 0) -> int:
        """How many whole repeats of about `period_cm` fit the raster's width (axis 0) or height (axis 1); at least 1."""
        return max(1, round(self.cm[axis] / period_cm))


def encoded(colours: Sequence[Colour]) -> F32:
    """Colours as (n, 3) float32 0..1, still sRGB-encoded."""
    return np.asarray(colours, np.float32).reshape(-1, 3) / np.float32(255)


def filled(canvas: Canvas, colour: Colour) -> F32:
    """(height, width, 3) of one colour."""
    tile = np.empty((canvas.height, canvas.width, 3), np.float32)
    tile[:] = encoded([colour])[0]
    return tile


def step(value: F32, *, width: float) -> F32:
    """Smooth 0..1 edge at value 0, `width` wide: the antialiasing of everything drawn from distances."""
    t = np.clip(value / np.float32(max(width, 1e-6)) + np.float32(0.5), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def crisp(field: F32) -> F32:
    """Cover 0..1 of field > 0 with an edge of one pixel everywhere, however steep or flat the field is there (it wraps)."""
    gx = 0.5 * (np.roll(field, -1, axis=1) - np.roll(field, 1, axis=1))
    gy = 0.5 * (np.roll(field, -1, axis=0) - np.roll(field, 1, axis=0))
    return np.asarray(np.clip(field / (np.sqrt(gx * gx + gy * gy) + np.float32(1e-4)) + 0.5, 0, 1), np.float32)


def blend(tile: F32, colour: Colour | F32, coverage: F32) -> F32:
    """`colour` (a triple, or an (h, w, 3) raster) over `tile` with `coverage` (h, w) 0..1; returns a new raster."""
    over = encoded([colour])[0] if isinstance(colour, tuple) else colour
    return np.asarray(tile + (over - tile) * coverage[..., None], np.float32)


def noise(
    canvas: Canvas, size_cm: float, *, along_cm: float | None = None, rng: np.random.Generator | None = None
) -> F32:
    """Seamless noise (height, width), mean 0, deviation 1, with grains of about `size_cm`; `along_cm` stretches it down (v).

    White noise through a Gaussian in the frequency domain, so it wraps around by itself.
    """
    source = rng if rng is not None else canvas.rng
    white = source.standard_normal((canvas.height, canvas.width), dtype=np.float32)
    fx = np.fft.rfftfreq(canvas.width, canvas.cm[0] / canvas.width).astype(np.float32)
    fy = np.fft.fftfreq(canvas.height, canvas.cm[1] / canvas.height).astype(np.float32)
    sx, sy = size_cm * 0.5, (along_cm if along_cm is not None else size_cm) * 0.5
    low_pass = np.exp(-2 * (np.pi * fy[:, None] * sy) ** 2 - 2 * (np.pi * fx[None, :] * sx) ** 2)
    low_pass[0, 0] = 0
    result = np.fft.irfft2(np.fft.rfft2(white) * low_pass, s=white.shape).astype(np.float32)
    deviation = float(result.std())
    return result / np.float32(deviation) if deviation > 1e-9 else result


def cells(canvas: Canvas, size_cm: float, *, jitter: float = 0.9, aspect: float = 1.0) -> tuple[F32, F32, F32]:
    """Seamless Voronoi cells of about `size_cm`: distance to the nearest and second seed in cm, and each cell's own 0..1.

    Worley's cellular texture on a jittered grid that wraps around. `aspect` > 1 makes the cells taller.
    """
    nx = max(3, canvas.repeats(size_cm))
    ny = max(3, canvas.repeats(size_cm * aspect, axis=1))
    dx, dy = canvas.cm[0] / nx, canvas.cm[1] / ny
    offset = (canvas.rng.random((ny, nx, 2), dtype=np.float32) - 0.5) * np.float32(jitter) + np.float32(0.5)
    tag = canvas.rng.random((ny, nx), dtype=np.float32)
    x, y = canvas.grid()
    gx, gy = (x / dx).astype(np.float32), (y / dy).astype(np.float32)
    ix, iy = np.floor(gx).astype(np.int32), np.floor(gy).astype(np.int32)
    first = np.full((canvas.height, canvas.width), 1e9, np.float32)
    second = first.copy()
    own = np.zeros_like(first)
    for j in (-1, 0, 1):
        row = (iy + j) % ny
        for i in (-1, 0, 1):
            column = (ix + i) % nx
            ox, oy = offset[row, column, 0], offset[row, column, 1]
            px = (gx - (ix + i) - ox) * np.float32(dx)
            py = (gy - (iy + j) - oy) * np.float32(dy / aspect)
            distance = px * px + py * py
            nearer = distance < first
            second = np.where(nearer, first, np.minimum(second, distance))
            own = np.where(nearer, tag[row, column], own)
            first = np.where(nearer, distance, first)
    return np.sqrt(first), np.sqrt(second), own


def paste(tile: F32, stamp: F32, coverage: F32, *, centre: tuple[float, float]) -> None:
    """Lay `stamp` (h, w, 3) with `coverage` (h, w) 0..1 onto `tile` in place, centred at pixel (x, y), wrapping around."""
    height, width = coverage.shape
    rows = (np.arange(height) + round(centre[1] - height / 2)) % tile.shape[0]
    columns = (np.arange(width) + round(centre[0] - width / 2)) % tile.shape[1]
    where = np.ix_(rows, columns)
    under = tile[where]
    tile[where] = under + (stamp - under) * coverage[..., None]


def scattered(canvas: Canvas, distance_cm: float, *, tries: int = 30, limit: int = 4000) -> F32:
    """Points (n, 2) in cm at least `distance_cm` apart across the wrap: dart throwing, the densest spread first."""
    width, height = canvas.cm
    points: list[tuple[float, float]] = []
    wanted = int(min(limit, 0.75 * width * height / distance_cm**2 + 1))
    candidates = canvas.rng.random((wanted * tries, 2)) * (width, height)
    placed = np.empty((0, 2))
    for x, y in candidates:
        if len(points) >= wanted:
            break
        if placed.size:
            d = np.abs(placed - (x, y))
            d = np.minimum(d, (width, height) - d)
            if float((d * d).sum(axis=1).min()) < distance_cm**2:
                continue
        points.append((float(x), float(y)))
        placed = np.asarray(points)
    return np.asarray(points, np.float32).reshape(-1, 2)
