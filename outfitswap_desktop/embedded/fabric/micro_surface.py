"""The small structure of everything that is not plainly woven: leather, suede, fur, curls, sequins, lace, quilting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric.canvas import Canvas, cells, noise, paste, step
from outfitswap_desktop.embedded.fabric.structure import Structure

TAU = np.float32(2 * np.pi)


def _centred(shade: NDArray[np.floating]) -> F32:
    return np.asarray(shade - shade.mean(), np.float32)


def grain(canvas: Canvas, period: float) -> Structure:
    """Leather: pebbles of uneven size between fine creases, and the hide's slow unevenness."""
    seen = canvas.visible(period)
    near, second, own = cells(canvas, period, jitter=1.0)
    crease = 1 - np.clip((second - near) / (0.32 * period), 0, 1)
    coarse_near, coarse_second, _ = cells(canvas, period * 4.5, jitter=1.0)
    wrinkle = 1 - np.clip((coarse_second - coarse_near) / (0.1 * period * 4.5), 0, 1)
    cloud = noise(canvas, 3.0)
    shade = -(0.9 * crease * seen + 0.12 * wrinkle) + 0.35 * (own - 0.5) * seen + 0.08 * cloud
    relief = -0.014 * crease * seen - 0.004 * wrinkle
    return Structure(_centred(shade), height=_centred(relief))


def nap(canvas: Canvas, period: float) -> Structure:
    """Suede: short nap, brushed one way here and the other there."""
    brushed = noise(canvas, 1.6, along_cm=2.2)
    strokes = noise(canvas, 0.3, along_cm=0.8)
    fine = noise(canvas, period)
    shade = 0.32 * brushed + 0.28 * strokes + 0.3 * fine
    return Structure(_centred(shade), height=_centred(0.002 * fine + 0.004 * strokes))


def curl(canvas: Canvas, period: float) -> Structure:
    """Bouclé, terry and shearling: little loops and curls, dark between them."""
    near, second, own = cells(canvas, period, jitter=0.95)
    wobble = 0.16 * period * noise(canvas, 0.6 * period)
    near, second = near + wobble, second + wobble
    bump = np.clip(1 - (near / (0.62 * period)) ** 2, 0, 1)
    ring = np.cos(TAU * (near / period * 1.9 + own)) * bump
    gap = np.clip(1 - (second - near) / (0.25 * period), 0, 1)
    seen = canvas.visible(period * 0.6)
    fuzz = noise(canvas, 0.05)
    shade = (0.6 * bump + 0.16 * ring - 0.3 * gap) * seen + 0.16 * fuzz + 0.14 * (own - 0.5)
    return Structure(
        _centred(shade), height=_centred(0.1 * period * (bump + 0.12 * ring + 0.08 * fuzz) * seen), patches=own
    )


def fur(canvas: Canvas, period: float) -> Structure:
    """Hair in tufts that fall downwards: strands along a flow that wanders, light tips, dark parting lines."""
    import cv2

    strands = noise(canvas, 0.05, along_cm=period * 0.45) + 0.8 * noise(canvas, 0.1, along_cm=period * 0.6)
    locks = noise(canvas, 0.55, along_cm=period * 0.8)
    bend = (noise(canvas, 1.4) * 0.13 + noise(canvas, 0.5, along_cm=1.2) * 0.06) * canvas.pixels_per_cm
    lift = noise(canvas, 0.8) * 0.35 * canvas.pixels_per_cm
    x = np.arange(canvas.width, dtype=np.float32)[None] + bend
    y = np.arange(canvas.height, dtype=np.float32)[:, None] + lift
    flow = cv2.remap(
        (0.62 * strands + 0.5 * locks).astype(np.float32),
        (x % canvas.width).astype(np.float32),
        (y % canvas.height).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    shade = np.tanh(0.7 * flow) * 0.75 + 0.2 * noise(canvas, 1.4, along_cm=2.0)
    return Structure(_centred(shade), height=_centred(0.04 * flow), patches=None)


def sequin(canvas: Canvas, period: float) -> Structure:
    """Discs sewn in staggered rows, each over the one below, each facing its own way: some flash, some stay dark."""
    nx = canvas.repeats(period)
    ny = 2 * max(1, round(canvas.repeats(period * 0.62, axis=1) / 2))
    dx, dy = canvas.cm[0] / nx, canvas.cm[1] / ny
    radius = dx * 0.56
    tilt = canvas.rng.normal(0, 1, (ny, nx, 2)).astype(np.float32)
    tag = canvas.rng.random((ny, nx), dtype=np.float32)
    x, y = canvas.grid()
    top = np.full((canvas.height, canvas.width), -1, np.float32)
    shade = np.full_like(top, -0.7)
    own = np.zeros_like(top)
    relief = np.zeros_like(top)
    row0 = np.floor(y / dy).astype(np.int32)
    pixel = 1.0 / canvas.pixels_per_cm
    # Rows are laid from the hem upwards: the upper row covers the lower one's top edge.
    for j in (2, 1, 0, -1, -2):
        row = row0 + j
        shift = 0.5 * (row % 2)
        column0 = np.floor(x / dx - shift).astype(np.int32)
        for i in (0, 1):
            column = column0 + i
            cx = (column + shift) * dx
            cy = (row + 0.2) * dy
            px, py = (x - cx) / radius, (y - cy) / radius
            r = np.sqrt(px * px + py * py)
            inside = step((1 - r) * radius, width=1.3 * pixel)
            t = tilt[row % ny, column % nx]
            facet = 0.5 * t[..., 0] + 0.32 * (px * t[..., 1] - 0.9 * py)
            rim = np.clip((r - 0.78) / 0.22, 0, 1)
            hole = np.clip(1 - np.abs(np.hypot(px, py + 0.55) - 0.0) / 0.16, 0, 1)
            face = facet - 0.35 * rim * np.sign(py + 0.1) * -0.6 - 0.7 * hole
            face = face + 1.5 * np.clip(np.abs(t[..., 0]) - 1.75, 0, 1) * np.clip(1 - r, 0, 1)
            shade = shade * (1 - inside) + face * inside
            own = np.where(inside > 0.5, tag[row % ny, column % nx], own)
            relief = relief * (1 - inside) + inside * (0.03 * (0.4 * px * t[..., 0] + 0.4 * py * t[..., 1]) + 0.02)
    seen = 0.35 + 0.65 * canvas.visible(period * 0.6)
    return Structure(_centred(np.clip(shade * seen, -1.1, 1.9)), height=_centred(relief * seen), patches=own)


def lurex(canvas: Canvas, period: float) -> Structure:
    """Metal yarn in a fine knit: short bright dashes that flash here and there."""
    turned = Canvas(canvas.height, canvas.width, (canvas.cm[1], canvas.cm[0]), canvas.rng, canvas.scale)
    dashes = noise(turned, 0.06, along_cm=0.3).T
    x, _ = canvas.grid()
    columns = np.cos(TAU * x * (canvas.repeats(period) / canvas.cm[0])) * canvas.visible(period)
    flash = np.clip(dashes - 1.1, 0, 2)
    shade = 0.3 * dashes + 0.7 * flash + 0.25 * columns + 0.1 * noise(canvas, 1.5)
    return Structure(_centred(shade), height=_centred(0.004 * dashes), towards_white=0.25)


def mesh(canvas: Canvas, period: float) -> Structure:
    """A net of hexagonal holes on an opaque lining."""
    nx = canvas.repeats(period)
    ny = 2 * max(1, round(canvas.repeats(period * 0.866, axis=1) / 2))
    x, y = canvas.grid()
    u, v = x * (nx / canvas.cm[0]), y * (ny / canvas.cm[1])
    row = np.floor(v)
    best = np.full((canvas.height, canvas.width), 9.0, np.float32)
    for j in (-1, 0, 1):
        r = row + j
        cu = np.floor(u - 0.5 * (r % 2)) + 0.5 * (r % 2)
        for i in (0, 1):
            best = np.minimum(best, np.hypot(u - cu - i, (v - r - 0.5) * 0.866))
    yarn = step((best - 0.4).astype(np.float32), width=0.16) * canvas.visible(period * 0.5)
    return Structure(
        _centred(1.3 * yarn + 0.08 * noise(canvas, 0.1)),
        height=_centred(0.03 * yarn),
        figure=np.asarray(yarn, np.float32),
    )


def quilt(canvas: Canvas, period: float) -> Structure:
    """Diamonds of wadding between stitched lines."""
    x, y = canvas.grid()
    nx, ny = canvas.repeats(period), canvas.repeats(period, axis=1)
    u, v = x * (nx / canvas.cm[0]), y * (ny / canvas.cm[1])
    a, b = np.abs((u + v) % 1.0 - 0.5) * 2, np.abs((u - v) % 1.0 - 0.5) * 2
    edge = np.minimum(1 - a, 1 - b)
    puff = np.clip(edge * 1.6, 0, 1) ** 0.5
    along = (u - v) * 24 if period else u
    stitch = np.clip(1 - edge / 0.03, 0, 1) * (0.6 + 0.4 * np.sign(np.sin(TAU * along)))
    pucker = noise(canvas, 0.5) * np.clip(1 - edge * 4, 0, 1)
    shade = 0.75 * (puff - 0.75) - 0.5 * stitch + 0.14 * pucker + 0.05 * noise(canvas, 0.1)
    return Structure(
        _centred(shade.astype(np.float32)), height=_centred((0.55 * puff + 0.05 * pucker).astype(np.float32))
    )


def _bloom(size: int, petals: int, turn: float) -> tuple[F32, F32]:
    """A flower of the lace maker: (cover 0..1, shade) in a square of `size` pixels."""
    at = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    px, py = at[None], at[:, None]
    r = np.hypot(px, py)
    angle = np.arctan2(py, px) + turn
    lobe = 0.62 + 0.3 * np.abs(np.cos(angle * petals / 2)) ** 0.7
    soft = 2.5 / size
    cover = step((lobe - r).astype(np.float32), width=soft)
    veins = 0.5 + 0.5 * np.cos(angle * petals * 4)
    core = step((0.17 - r).astype(np.float32), width=soft)
    rim = step((0.1 - np.abs(lobe - 0.09 - r)).astype(np.float32), width=soft)
    open_work = step((0.06 - np.abs(r - 0.3)).astype(np.float32), width=soft)
    shade = 0.55 + 0.35 * rim + 0.2 * veins * (r > 0.3) + 0.3 * core - 0.6 * open_work
    return cover, np.asarray(shade, np.float32)


def lace(canvas: Canvas, period: float) -> Structure:
    """Flowers and leaves joined by a fine net, all on an opaque lining of a deeper shade."""
    import cv2

    net = mesh(Canvas(canvas.width, canvas.height, canvas.cm, canvas.rng), 0.28).shade
    ground = np.repeat(((net > 0.1) * 0.5 * (0.4 + 0.6 * canvas.visible(0.28)))[..., None], 3, axis=2).astype(
        np.float32
    )
    ppc = canvas.pixels_per_cm
    size = canvas.cm[0] / max(1, round(canvas.cm[0] / period))
    columns, rows = max(1, round(canvas.cm[0] / size)), max(1, round(canvas.cm[1] / size))
    for row in range(rows):
        for column in range(columns):
            base = np.array([(column + 0.5) * size, (row + 0.5) * size], np.float32) * ppc
            _lace_repeat(canvas, ground, base, size)
    cover = cv2.GaussianBlur(ground[..., 0], (0, 0), max(0.4, 0.015 * ppc))
    return Structure(
        _centred(1.5 * cover + 0.05 * noise(canvas, 0.05)),
        height=_centred(0.05 * cover),
        figure=np.clip(cover * 1.3, 0, 1),
    )


def _lace_repeat(canvas: Canvas, ground: F32, base: F32, size: float) -> None:
    ppc = canvas.pixels_per_cm
    motifs = [
        ((0.0, 0.0), 3.4, 6, 0.2),
        ((0.5, 0.5), 2.9, 8, 0.1),
        ((0.5, 0.02), 1.5, 5, 0.5),
        ((0.02, 0.5), 1.5, 5, 0.9),
    ]
    for ring in range(6):
        a = ring * np.pi / 3 + 0.3
        motifs.append(((0.29 * np.cos(a), 0.29 * np.sin(a)), 0.95 if ring % 2 else 1.25, 2 if ring % 2 else 5, a))
    for (fx, fy), across, petals, turn in motifs:
        pixels = max(4, round(across * size / 8 * ppc * 1.1))
        cover, shade = _bloom(pixels, petals, turn)
        centre = (float(base[0] + fx * size * ppc), float(base[1] + fy * size * ppc))
        paste(ground, np.repeat(shade[..., None], 3, axis=2), cover, centre=centre)


def damask(canvas: Canvas, period: float) -> Structure:
    """Brocade: flowers in an ogee lattice, satin on a ribbed matte ground, in the cloth's own colour."""
    x, y = canvas.grid()
    nx, ny = canvas.repeats(period * 0.66), canvas.repeats(period, axis=1)
    u, v = x * (nx / canvas.cm[0]), y * (ny / canvas.cm[1])
    field = np.zeros((canvas.height, canvas.width), np.float32)
    soft = 1.5 * nx / canvas.width
    for shift in (0.0, 0.5):
        px = ((u + shift) % 1.0) - 0.5
        py = ((v + shift) % 1.0) - 0.5
        field = np.maximum(field, _palmette(px * 0.66, py, soft=soft))
    # The lattice: two leaning waves that meet between the flowers, leaved on both sides.
    wave = 0.25 + 0.21 * np.cos(2 * np.pi * v)
    for side in (-1, 1):
        away = ((u - side * wave + 0.5) % 1.0 - 0.5) * 0.66
        leafing = 0.011 + 0.02 * np.abs(np.sin(2 * np.pi * v * 5 + side)) ** 2
        field = np.maximum(field, step((leafing - np.abs(away)).astype(np.float32), width=soft))
    rib_lines = np.cos(TAU * y * (canvas.repeats(0.12, axis=1) / canvas.cm[1])) * canvas.visible(0.12)
    shade = 1.3 * field + 0.2 * rib_lines * (1 - field) + 0.08 * noise(canvas, 0.06)
    relief = (0.03 * field + 0.004 * rib_lines).astype(np.float32)
    return Structure(_centred(shade), height=_centred(relief), figure=np.asarray(1 - field, np.float32))


def _palmette(px: F32, py: F32, *, soft: float) -> F32:
    """A pomegranate flower, about 0.5 wide and 0.62 tall around (0, 0), mirrored about its axis: cover 0..1."""

    def inside(value: NDArray[np.floating]) -> F32:
        return step(np.asarray(value, np.float32), width=soft)

    x = np.abs(px)
    r, angle = np.hypot(x, py), np.arctan2(x, -py)
    crown = inside(0.235 + 0.035 * np.cos(angle * 9) * (angle < 2.3) - 0.05 * angle / np.pi - r)
    gap = inside(0.012 - np.abs(0.172 + 0.022 * np.cos(angle * 9) - 0.035 * angle / np.pi - r))
    heart = inside(0.118 - np.hypot(x * 1.25, py - 0.01))
    grid_ = inside(np.abs(np.sin((x + py) * 62)) * np.abs(np.sin((x - py) * 62)) - 0.22)
    inner = inside(0.082 - np.hypot(x * 1.25, py - 0.01))
    leaf_u, leaf_v = (x * 0.8 + (py - 0.2) * -0.6), (x * 0.6 + (py - 0.2) * 0.8)
    leaf = inside(0.045 * np.sin(np.pi * np.clip(leaf_u / 0.2, 0, 1)) - np.abs(leaf_v - 0.015)) * (leaf_u > 0)
    vein = inside(0.006 - np.abs(leaf_v - 0.015)) * leaf
    stem = inside(0.011 - x) * (py > 0.2) * (py < 0.36)
    tip = inside(0.03 - np.hypot(x, py + 0.31) * 1.0)
    flower = np.clip(crown - gap - heart, 0, 1) + inner * grid_
    return np.asarray(np.clip(np.maximum.reduce([flower, leaf - vein, stem, tip]), 0, 1), np.float32)
