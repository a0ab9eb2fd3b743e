"""Puts cloth on a garment in a photo: new colour and surface, the photo's own folds, seams and shadows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB, Alpha
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import BodyAxis
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric import drape as draping
from outfitswap_desktop.embedded.fabric import light, relief, shading, surface
from outfitswap_desktop.embedded.fabric.design import Cloth, Design

STRIP_PIXELS = 300_000
"""The last composition runs in strips of about this many pixels, to bound memory."""

SAMPLE = 24_000
"""Pixels on which the exposure is set before the whole is painted."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What was read from the photo before any cloth is chosen; all maps at work size."""

    shading: shading.Shading
    drape: draping.Drape
    relief: relief.Relief
    zone: Zone

    @property
    def pixels_per_cm(self) -> float:
        """Full-size pixels per centimetre of cloth."""
        return self.drape.pixels_per_cm


def read_scene(image: RGB, alpha: Alpha, axes: Sequence[BodyAxis], zone: Zone) -> Scene:
    """Take the garment in `image` (h, w, 3) under `alpha` (h, w) apart; `axes` in pixels of `image`, may be empty."""
    taken = shading.take_apart(image, alpha)
    draped = draping.lay(taken.inside, axes, zone, scale=taken.scale, guide=taken.folds)
    return Scene(taken, draped, relief.read(taken.folds, taken.inside, draped), zone)


def render(
    image: RGB,
    alpha: Alpha,
    *,
    design: Design,
    cloth: Cloth,
    scene: Scene,
    report: Callable[[float], None] = lambda _: None,
    cancel: CancelToken | None = None,
) -> RGB:
    """The picture (h, w, 3) with `cloth` where `alpha` (h, w) is set; pixels of alpha 0 are returned unchanged.

    Where alpha is partial the cloth lies over the background estimated from beyond the edge, so the old colour leaves no halo.
    """
    maps = _Maps(scene, design, cloth)
    painter = surface.Painter(design, cloth, scene.shading, scene.relief, pixels_per_cm=scene.pixels_per_cm)
    painter = painter.calibrated(*_sample(image, alpha, maps))
    out = image.copy()
    rows = np.flatnonzero(alpha.any(axis=1))
    columns = np.flatnonzero(alpha.any(axis=0))
    if rows.size == 0:
        return out
    left, right = int(columns[0]), int(columns[-1]) + 1
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    step = max(16, STRIP_PIXELS // max(1, right - left))

    def strip(start: int) -> None:
        if cancel is not None:
            cancel.check()
        _paint(out, image, alpha, (start, min(bottom, start + step), left, right), painter=painter, maps=maps)

    starts = range(top, bottom, step)
    # Strips share nothing but the read-only maps, so the order in which two threads paint them does not show.
    with ThreadPoolExecutor(max_workers=2) as pool:
        for done, _ in enumerate(pool.map(strip, starts), start=1):
            report(done / len(starts))
    return out


class _Maps:
    """Work-size maps, read at any full-size pixel window by bilinear interpolation."""

    def __init__(self, scene: Scene, design: Design, cloth: Cloth) -> None:
        self._scene = scene
        taken, bent = scene.shading, scene.relief
        self._light = np.dstack([taken.folds, taken.print_log, taken.keep, bent.volume])
        self._form = np.dstack([bent.ridge, bent.slope, bent.du, bent.dv])
        drape = scene.drape
        self._panels = [np.dstack([panel.u, panel.v, panel.turn]) for panel in drape.panels]
        self._owners = [
            cv2.GaussianBlur((drape.owner == k).astype(np.float32), (0, 0), 1.2) for k in range(len(drape.panels))
        ]
        self._span = _span(scene, cloth) if surface.spans(design, cloth) else None
        self.offset, self.level = taken.offset, taken.level

    def at(self, image: RGB, window: tuple[int, int, int, int], stride: int = 1) -> surface.Fields:
        """All fields for the pixels of `window` (y0, y1, x0, x1), each (n,) with n = rows x columns, row by row."""
        y0, y1, x0, x1 = window
        shape = (len(range(y0, y1, stride)), len(range(x0, x1, stride)))
        lights = self._warp(self._light, window, shape, stride)
        form = self._warp(self._form, window, shape, stride)
        coords = self._warp(self._panels[0], window, shape, stride)
        if len(self._panels) > 1:
            best = self._warp(self._owners[0], window, shape, stride)
            for k in range(1, len(self._panels)):
                share = self._warp(self._owners[k], window, shape, stride)
                wins = share > best
                if wins.any():
                    coords[wins] = self._warp(self._panels[k], window, shape, stride)[wins]
                    best[wins] = share[wins]
        pixels = image[y0:y1:stride, x0:x1:stride]
        detail = np.log(light.luminance(light.decode_bytes(pixels)) + np.float32(self.offset)) - np.float32(self.level)
        detail -= lights[..., 1] + lights[..., 0]
        folds = lights[..., 0] + lights[..., 2] * detail
        u, v = coords[..., 0] + form[..., 2], coords[..., 1] + form[..., 3]
        if self._span is not None:
            (u0, u1), (v0, v1), (width, height) = self._span
            u = (coords[..., 0] - u0) / (u1 - u0) * width
            v = (coords[..., 1] + form[..., 3] - v0) / (v1 - v0) * height
        return surface.Fields(folds, lights[..., 3], form[..., 0], form[..., 1], u, v, coords[..., 2])

    def _warp(self, maps: F32, window: tuple[int, int, int, int], shape: tuple[int, int], stride: int) -> F32:
        y0, _, x0, _ = window
        sx, sy = self._scene.shading.scale
        # Pixel centres: full (x + 0.5) * s = work (x' + 0.5).
        matrix = np.array(
            [[sx * stride, 0.0, (x0 + 0.5) * sx - 0.5], [0.0, sy * stride, (y0 + 0.5) * sy - 0.5]], np.float64
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (shape[1], shape[0])
        return light.as_f32(cv2.warpAffine(maps, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _span(scene: Scene, cloth: Cloth) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """Ranges of u and v over the garment and what of the tile they shall cover, for designs as large as the garment."""
    inside = scene.shading.inside
    u, v = scene.drape.chosen("u")[inside], scene.drape.chosen("v")[inside]
    lows = np.percentile(u, 1), np.percentile(v, 1)
    highs = np.percentile(u, 99), np.percentile(v, 99)
    return (
        (float(lows[0]), float(max(highs[0], lows[0] + 1e-3))),
        (float(lows[1]), float(max(highs[1], lows[1] + 1e-3))),
        cloth.cm,
    )


def _sample(image: RGB, alpha: Alpha, maps: _Maps) -> tuple[surface.Fields, NDArray[np.bool_]]:
    """Fields on a coarse grid over the whole picture and which of them are cloth."""
    height, width = alpha.shape
    share = max(1e-3, float(np.count_nonzero(alpha)) / alpha.size)
    stride = max(1, int(np.sqrt(height * width * share / SAMPLE)))
    fields = maps.at(image, (0, height, 0, width), stride)
    covered = alpha[::stride, ::stride]
    full = covered >= 250
    return fields, full if full.any() else covered > 0


def _paint(
    out: RGB,
    image: RGB,
    alpha: Alpha,
    window: tuple[int, int, int, int],
    *,
    painter: surface.Painter,
    maps: _Maps,
) -> None:
    y0, y1, x0, x1 = window
    cover = alpha[y0:y1, x0:x1]
    on = cover > 0
    if not on.any():
        return
    fields = maps.at(image, window).only(on)
    painted = painter.paint(fields)
    view = out[y0:y1, x0:x1]
    view[on] = painted
    soft = on & (cover < 255)
    if soft.any():
        behind = _background(image, alpha, window, soft)[soft]
        share = (cover[soft].astype(np.float32) / 255.0)[:, None]
        mixed = share * view[soft] + (1.0 - share) * behind
        view[soft] = np.rint(mixed).astype(np.uint8)


def _background(image: RGB, alpha: Alpha, window: tuple[int, int, int, int], soft: NDArray[np.bool_]) -> F32:
    """Colour (h, w, 3) 0..255 behind the pixels `soft`: mean of what lies beyond nearby; the photo's own where nothing does."""
    y0, y1, x0, x1 = window
    margin = 24
    top, bottom = max(0, y0 - margin), min(alpha.shape[0], y1 + margin)
    left, right = max(0, x0 - margin), min(alpha.shape[1], x1 + margin)
    # The first pixels beyond the edge often still hold some of the old cloth.
    near = cv2.dilate((alpha[top:bottom, left:right] > 0).astype(np.uint8), np.ones((5, 5), np.uint8))
    outside = (near == 0).astype(np.float32)
    pixels = image[top:bottom, left:right].astype(np.float32)
    behind = pixels.copy()
    beyond = pixels * outside[..., None]
    known = np.ones(outside.shape, bool)
    known[y0 - top : y1 - top, x0 - left : x1 - left] = ~soft
    for side in (9, 21, 45):
        weight = cv2.blur(outside, (side, side))
        mean = cv2.blur(beyond, (side, side))
        usable = (weight > 0.02) & ~known
        behind[usable] = mean[usable] / weight[usable, None]
        known |= usable
        if known.all():
            break
    return behind[y0 - top : y1 - top, x0 - left : x1 - left]


def without_folds(scene: Scene) -> Scene:
    """The same scene with the photo's light taken away: what is left of a picture made with it is the cloth's own pattern."""
    taken = scene.shading
    level = replace(taken, folds=np.zeros_like(taken.folds), keep=np.zeros_like(taken.keep))
    flat = replace(scene.relief, ridge=np.zeros_like(taken.folds), volume=np.zeros_like(taken.folds))
    return replace(scene, shading=level, relief=flat)
