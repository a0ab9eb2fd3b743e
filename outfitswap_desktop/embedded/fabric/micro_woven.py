"""The small structure of woven and knitted cloth: what the eye sees of threads, twill lines, stitches and pile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric.canvas import Canvas, noise
from outfitswap_desktop.embedded.fabric.structure import Structure

TAU = np.float32(2 * np.pi)


def _centred(shade: NDArray[np.floating]) -> F32:
    return np.asarray(shade - shade.mean(), np.float32)


def _flat(canvas: Canvas) -> F32:
    return np.zeros((canvas.height, canvas.width), np.float32)


def plain(canvas: Canvas, period: float) -> Structure:
    """Over one, under one; beyond a thread's size only a faint unevenness is left."""
    x, y = canvas.grid()
    nx, ny = canvas.repeats(period), canvas.repeats(period, axis=1)
    weave = np.cos(TAU * x * (nx / canvas.cm[0])) * np.cos(TAU * y * (ny / canvas.cm[1])) * canvas.visible(period)
    uneven = 0.1 * noise(canvas, period, along_cm=0.7) + 0.1 * _across(canvas, period, 0.6) + 0.1 * noise(canvas, 0.8)
    return Structure(_centred(0.55 * weave + uneven), height=_centred(0.006 * weave + 0.002 * uneven))


def slub(canvas: Canvas, period: float) -> Structure:
    """Linen: yarns of uneven thickness in both directions, some of them thick for a few centimetres."""
    rng = canvas.rng
    warp = noise(canvas, period, along_cm=5.0)
    weft = _across(canvas, period, 4.0)
    thick = np.clip(_across(canvas, period * 2.0, 2.6) - 1.5, 0, 2) + np.clip(
        noise(canvas, period * 2, along_cm=3.5) - 1.7, 0, 2
    )
    fine = rng.standard_normal((canvas.height, canvas.width), dtype=np.float32) * 0.16
    x, y = canvas.grid()
    nx, ny = canvas.repeats(period), canvas.repeats(period, axis=1)
    weave = np.cos(TAU * x * (nx / canvas.cm[0])) * np.cos(TAU * y * (ny / canvas.cm[1])) * canvas.visible(period)
    shade = 0.3 * warp + 0.36 * weft + 0.3 * thick + fine + 0.25 * weave
    return Structure(_centred(shade * 0.8), height=_centred(0.008 * (warp + weft) + 0.02 * thick + 0.006 * weave))


def _across(canvas: Canvas, size_cm: float, along_cm: float) -> F32:
    """Noise stretched across (u) instead of down."""
    turned = Canvas(canvas.height, canvas.width, (canvas.cm[1], canvas.cm[0]), canvas.rng, canvas.scale)
    return np.ascontiguousarray(noise(turned, size_cm, along_cm=along_cm).T)


def _twill_lines(canvas: Canvas, period: float) -> F32:
    """Diagonal wales, rising to the right, -1..1."""
    x, y = canvas.grid()
    nx, ny = canvas.repeats(period * 1.25), canvas.repeats(period * 1.25, axis=1)
    return np.asarray(np.cos(TAU * (x * (nx / canvas.cm[0]) + y * (ny / canvas.cm[1]))), np.float32)


def twill(canvas: Canvas, period: float) -> Structure:
    """Fine diagonal lines."""
    lines = _twill_lines(canvas, period) * canvas.visible(period)
    uneven = 0.14 * noise(canvas, 0.08, along_cm=0.8) + 0.1 * noise(canvas, 0.9)
    return Structure(_centred(0.6 * lines + uneven), height=_centred(0.006 * lines + 0.002 * uneven))


def denim(canvas: Canvas, period: float) -> Structure:
    """Indigo warp over white weft: twill lines in which the weft shows as pale specks, and warp streaks from uneven yarn."""
    streaks = 0.5 * noise(canvas, 0.1, along_cm=5.0) + 0.55 * noise(canvas, 0.4, along_cm=9.0)
    lines = _twill_lines(canvas, period)
    grain = noise(canvas, 0.045, along_cm=0.11)
    specks = np.clip(0.6 * lines * canvas.visible(period * 0.8) + 0.8 * grain - 0.25, -0.9, 2.2)
    shade = 0.5 * specks + 0.34 * streaks + 0.2 * noise(canvas, 2.5)
    return Structure(_centred(shade), height=_centred(0.008 * lines + 0.004 * grain), towards_white=0.75)


def chambray(canvas: Canvas, period: float) -> Structure:
    """Coloured warp, white weft, plain weave: a dry, finely flecked surface."""
    grain = noise(canvas, 0.05, along_cm=0.05)
    shade = 0.5 * grain + 0.3 * noise(canvas, period, along_cm=3.0) + 0.3 * _across(canvas, period, 3.0)
    return Structure(_centred(shade), height=_centred(0.003 * shade), towards_white=0.6)


def jersey(canvas: Canvas, period: float) -> Structure:
    """Fine knit: faint columns."""
    x, _ = canvas.grid()
    count = canvas.repeats(period)
    columns = np.cos(TAU * x * (count / canvas.cm[0])) * canvas.visible(period)
    shade = 0.45 * columns + 0.2 * noise(canvas, 0.07, along_cm=0.3) + 0.12 * noise(canvas, 1.0)
    return Structure(_centred(shade), height=_centred(0.004 * columns + 0.001 * shade))


def _stitches(canvas: Canvas, width_cm: float) -> tuple[F32, F32]:
    """Stocking stitch: (height 0..1 of the yarn, share across the column 0..1). Two legs of each V lean together downwards."""
    x, y = canvas.grid()
    nx = canvas.repeats(width_cm)
    ny = canvas.repeats(width_cm * 0.78, axis=1)
    u = (x * (nx / canvas.cm[0])) % 1.0
    side = np.abs(u - 0.5) * 2
    v = (y * (ny / canvas.cm[1]) + 0.62 * side) % 1.0
    leg = np.clip(np.sin(np.pi * v), 0, 1) ** 0.6
    round_leg = np.clip(1 - ((side - 0.5) / 0.56) ** 2, 0, 1) ** 0.5
    return np.asarray(leg * round_leg, np.float32), np.asarray(np.broadcast_to(side, leg.shape), np.float32)


def knit(canvas: Canvas, period: float) -> Structure:
    """Stocking stitch with soft, slightly hairy yarn."""
    seen = canvas.visible(period * 0.6)
    yarn, _ = _stitches(canvas, period)
    relief = (yarn - float(yarn.mean())) * seen
    fuzz = noise(canvas, 0.05) * 0.12
    wander = 0.1 * noise(canvas, period * 1.2)
    return Structure(_centred(1.15 * relief + fuzz + wander), height=_centred(0.22 * period * relief))


def rib(canvas: Canvas, period: float) -> Structure:
    """Ribs: two columns of stitches stand up, the purl between lies in the shade."""
    x, _ = canvas.grid()
    count = canvas.repeats(period)
    u = (x * (count / canvas.cm[0])) % 1.0
    ridge = np.clip(1 - (np.abs(u - 0.5) / 0.36) ** 2, 0, 1) ** 0.6 + _flat(canvas)
    stitches = canvas.repeats(period * 0.5, axis=1)
    _, y = canvas.grid()
    v = (y * (stitches / canvas.cm[1]) + 0.5 * np.abs(np.abs(u - 0.5) - 0.18) * 4) % 1.0
    loop = np.sin(np.pi * v) * canvas.visible(period * 0.5)
    relief = ridge * (0.78 + 0.22 * loop)
    shade = (relief - float(relief.mean())) * canvas.visible(period * 0.6) + 0.06 * noise(canvas, 0.06)
    return Structure(_centred(shade * 1.1), height=_centred(0.26 * period * relief))


def cable(canvas: Canvas, period: float) -> Structure:
    """Aran: ropes of two strands, 2.3 cm wide, that cross every 4 cm, set in purl, with a rib between."""
    columns = max(1, round(canvas.cm[0] / 5.0))
    crossings = 2 * max(1, round(canvas.cm[1] / 7.6))
    x, y = canvas.grid()
    u = ((x * (columns / canvas.cm[0])) % 1.0) * 5.0 - 2.5
    phase = np.pi * y * (crossings / canvas.cm[1]) * 1.0
    relief = _flat(canvas)
    for strand in (0.0, np.pi):
        swing = 0.56 * np.sin(phase + strand)
        front = 0.5 + 0.5 * np.cos(phase + strand)
        distance = np.abs(u - swing)
        body = np.clip(1 - (distance / 0.6) ** 2, 0, 1) ** 0.5
        relief = np.maximum(relief, body * (0.62 + 0.38 * front))
    for rib_at in (-1.75, 1.75):
        relief = np.maximum(relief, 0.6 * np.clip(1 - (np.abs(u - rib_at) / 0.3) ** 2, 0, 1) ** 0.5)
    yarn, _ = _stitches(canvas, period)
    purl = 0.14 * np.cos(TAU * y * (canvas.repeats(period * 0.8, axis=1) / canvas.cm[1])) + _flat(canvas)
    detail = np.where(relief > 0.05, (yarn - 0.5) * 0.5, purl - 0.05) * canvas.visible(period * 0.6)
    shade = 0.85 * (relief - 0.42) + 0.8 * detail + 0.08 * noise(canvas, 0.06)
    return Structure(_centred(shade), height=_centred(0.38 * relief + 0.06 * detail))


def felt(canvas: Canvas, period: float) -> Structure:
    """Brushed and milled surfaces: short fibres every way, no threads."""
    fibres = 0.5 * noise(canvas, 0.05, along_cm=period * 2) + 0.5 * _across(canvas, 0.05, period * 2)
    fibres = fibres + 0.85 * noise(canvas, 0.6 * period)
    cloud = noise(canvas, 0.7)
    return Structure(_centred(0.42 * fibres + 0.25 * cloud), height=_centred(0.003 * fibres + 0.003 * cloud))


def tweed(canvas: Canvas, period: float) -> Structure:
    """Thick woollen yarns in a 2/2 twill, each of another blend; flecks are added by the colours."""
    import cv2

    nx, ny = 4 * canvas.repeats(period * 2), 4 * canvas.repeats(period * 2, axis=1)
    rng = canvas.rng
    warp, weft = rng.normal(0, 0.2, nx), rng.normal(0, 0.2, ny)
    i, j = np.arange(ny)[:, None], np.arange(nx)[None, :]
    over = ((i + j) % 4 < 2).astype(np.float32)
    threads = (over * (warp[None] + 0.55) + (1 - over) * (weft[:, None] - 0.55)).astype(np.float32)
    threads += rng.normal(0, 0.55, threads.shape).astype(np.float32)
    interpolation = cv2.INTER_AREA if canvas.width < nx else cv2.INTER_LINEAR
    wrapped = cv2.copyMakeBorder(threads, 2, 2, 2, 2, cv2.BORDER_WRAP)
    sx, sy = canvas.width / nx, canvas.height / ny
    big = cv2.resize(wrapped, (round((nx + 4) * sx), round((ny + 4) * sy)), interpolation=interpolation)
    ox, oy = round(2 * sx), round(2 * sy)
    shade = big[oy : oy + canvas.height, ox : ox + canvas.width] * 0.6 + 0.2 * noise(canvas, 0.05)
    return Structure(_centred(shade), height=_centred(0.02 * shade), flecks=0.08)


def pile(canvas: Canvas, period: float) -> Structure:
    """Velvet: a fine, dense nap; its look is mostly the light's."""
    fine = noise(canvas, period, along_cm=period * 2.5)
    crush = noise(canvas, 2.4, along_cm=4.0)
    return Structure(_centred(0.35 * fine + 0.3 * crush), height=_centred(0.0015 * fine + 0.01 * crush))


def wale(canvas: Canvas, period: float) -> Structure:
    """Corduroy: round cords with dark channels between, the pile broken now and then."""
    x, _ = canvas.grid()
    count = canvas.repeats(period)
    u = (x * (count / canvas.cm[0])) % 1.0
    cord = np.clip(1 - (np.abs(u - 0.5) / 0.47) ** 2, 0, 1) ** 0.45 + _flat(canvas)
    nap = noise(canvas, 0.06, along_cm=0.35)
    seen = canvas.visible(period * 0.6)
    shade = (cord - float(cord.mean())) * seen * 1.15 + 0.16 * nap + 0.12 * noise(canvas, 1.6, along_cm=3.0)
    return Structure(_centred(shade), height=_centred(0.28 * period * cord * seen + 0.006 * nap))


def smooth(canvas: Canvas, period: float) -> Structure:
    """Satin and polished silk: next to nothing, a breath of warp lines."""
    shade = 0.4 * noise(canvas, period, along_cm=1.5) + 0.2 * noise(canvas, 1.6)
    return Structure(_centred(shade), height=_centred(0.0006 * shade))


def crepe(canvas: Canvas, period: float) -> Structure:
    """High-twist yarn: a fine pebbled grain."""
    grain = noise(canvas, period)
    return Structure(_centred(0.6 * grain + 0.15 * noise(canvas, 0.8)), height=_centred(0.003 * grain))


def ripstop(canvas: Canvas, period: float) -> Structure:
    """Technical nylon: a fine grid of stronger threads every half centimetre."""
    x, y = canvas.grid()
    nx, ny = canvas.repeats(period), canvas.repeats(period, axis=1)
    u = np.abs((x * (nx / canvas.cm[0])) % 1.0 - 0.5) * period
    v = np.abs((y * (ny / canvas.cm[1])) % 1.0 - 0.5) * period
    grid = np.clip(1 - np.minimum(u, v) / 0.035, 0, 1) * canvas.visible(period * 0.4)
    shade = 0.9 * grid + 0.25 * noise(canvas, 0.05) + 0.15 * noise(canvas, 1.0)
    return Structure(_centred(shade), height=_centred(0.006 * grid))
