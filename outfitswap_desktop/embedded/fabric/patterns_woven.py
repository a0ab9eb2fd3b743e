"""Patterns that come off a loom: stripes, checks, tartan, houndstooth, herringbone. Sizes are those of real cloth, in cm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric.canvas import Canvas, blend, encoded, filled, noise, step
from outfitswap_desktop.embedded.fabric.colours import mixed
from outfitswap_desktop.embedded.fabric.design import Colour

Colours = Sequence[Colour]


def _lines(canvas: Canvas, period_cm: float, width_cm: float, *, axis: int = 0, offset: float = 0.0) -> F32:
    """Coverage of lines `width_cm` wide every `period_cm`: vertical lines for axis 0, horizontal for axis 1."""
    x, y = canvas.grid()
    at = (x if axis == 0 else y) - np.float32(offset)
    distance = np.abs((at / period_cm) % 1.0 - 0.5) * period_cm
    pixel = 1.0 / canvas.pixels_per_cm
    coverage = np.clip((width_cm / 2 - distance) / pixel + 0.5, 0, 1) * min(1.0, width_cm / pixel + 0.2)
    return np.broadcast_to(coverage.astype(np.float32), (canvas.height, canvas.width))


def pinstripe(canvas: Canvas, colours: Colours) -> F32:
    """Broken hairlines, 1 mm every 1.5 cm: each is a row of single stitches, so the line is beaded and a little uneven."""
    tile = filled(canvas, colours[0])
    period = canvas.cm[0] / canvas.repeats(1.5 * canvas.scale)
    width = 0.1 * max(canvas.scale, 0.7)
    _, y = canvas.grid()
    beads = canvas.repeats(0.12, axis=1)
    bead = 0.5 + 0.5 * np.cos(2 * np.pi * y / (canvas.cm[1] / beads))
    seen = canvas.visible(0.12)
    line = _lines(canvas, period, width) * (1 - 0.3 * seen * (1 - bead)) * 0.82
    line = line * np.clip(1 + 0.07 * noise(canvas, 0.12), 0.6, 1.1)
    return blend(tile, colours[1], np.clip(line, 0, 1).astype(np.float32))


def chalk_stripe(canvas: Canvas, colours: Colours) -> F32:
    """Soft lines like tailor's chalk: 3 mm every 3 cm, fuzzy and grainy as on milled flannel."""
    tile = filled(canvas, colours[0])
    period = canvas.cm[0] / canvas.repeats(3.0 * canvas.scale)
    x, _ = canvas.grid()
    distance = np.abs((x / period) % 1.0 - 0.5) * period + 0.028 * noise(canvas, 0.07)
    line = step(0.15 * canvas.scale - distance, width=0.14) * np.clip(0.6 + 0.16 * noise(canvas, 0.06), 0.1, 1)
    return blend(tile, colours[1], line.astype(np.float32))


def _bands(canvas: Canvas, colours: Colours, widths: Sequence[float], *, axis: int) -> F32:
    """Bands of `colours` in turn with relative `widths` across the whole tile."""
    x, y = canvas.grid()
    at = ((x if axis == 0 else y) / canvas.cm[axis]).astype(np.float32)
    pixel = 1.0 / (canvas.width if axis == 0 else canvas.height)
    edges = np.cumsum([0.0, *widths]) / sum(widths)
    paint = encoded(colours)
    line = np.broadcast_to(paint[len(widths) - 1 if len(widths) <= len(colours) else 0], (at.size, 3)).copy()
    flat = at.reshape(-1)
    for index in range(len(widths)):
        inside = np.clip((flat - edges[index]) / pixel + 0.5, 0, 1) * np.clip(
            (edges[index + 1] - flat) / pixel + 0.5, 0, 1
        )
        line += (paint[index % len(colours)] - line) * inside[:, None].astype(np.float32)
    shape = (1, canvas.width, 3) if axis == 0 else (canvas.height, 1, 3)
    return np.broadcast_to(line.reshape(shape), (canvas.height, canvas.width, 3)).astype(np.float32)


def vertical_stripe(canvas: Canvas, colours: Colours) -> F32:
    """Equal bands side by side, 0.9 cm each at the usual size."""
    return _bands(canvas, colours, [1.0] * len(colours), axis=0)


def horizontal_stripe(canvas: Canvas, colours: Colours) -> F32:
    """Equal bands above each other, 2 cm each at the usual size."""
    return _bands(canvas, colours, [1.0] * len(colours), axis=1)


def breton(canvas: Canvas, colours: Colours) -> F32:
    """The sailor's shirt: 0.8 cm of dye on 1.8 cm of ground."""
    bands: list[Colour] = []
    widths: list[float] = []
    for dye in colours[1:]:
        bands += [colours[0], dye, colours[0]]
        widths += [0.9, 0.85, 0.9]
    return _bands(canvas, bands, widths, axis=1)


def diagonal_stripe(canvas: Canvas, colours: Colours) -> F32:
    """Bands at 45 degrees, falling to the left as on a tie; the tile holds whole repeats in both directions."""
    x, y = canvas.grid()
    at = (x / canvas.cm[0] + y / canvas.cm[1]).astype(np.float32) % 1.0
    count = len(colours)
    paint = encoded(colours)
    pixel = np.float32(1.4 / canvas.width)
    tile = np.broadcast_to(paint[0], (canvas.height, canvas.width, 3)).astype(np.float32)
    for index in range(1, count):
        low, high = index / count, (index + 1) / count
        cover = np.clip((at - low) / pixel + 0.5, 0, 1) * np.clip((high - at) / pixel + 0.5, 0, 1)
        if index == count - 1:
            cover = np.maximum(cover, np.clip(0.5 - at / pixel, 0, 1))
        tile = blend(tile, colours[index], cover.astype(np.float32))
    return tile


def _woven(canvas: Canvas, warp: F32, weft: F32, *, over: F32) -> F32:
    """Cloth of `warp` (n, 3) threads going down and `weft` (m, 3) across; `over` (a, b) 1 = the warp lies on top there.

    Drawn thread by thread, then laid on the canvas by its area, so that far away the two yarns mix as they do to the eye.
    """
    import cv2

    rows, columns = weft.shape[0], warp.shape[0]
    lift = np.tile(over, (-(-rows // over.shape[0]), -(-columns // over.shape[1])))[:rows, :columns, None]
    threads = (warp[None] * lift + weft[:, None] * (1 - lift)).astype(np.float32)
    size = (canvas.width, canvas.height)
    if canvas.width < columns:
        return np.asarray(np.sqrt(cv2.resize(threads * threads, size, interpolation=cv2.INTER_AREA)), np.float32)
    x = np.arange(canvas.width) * columns // canvas.width
    y = np.arange(canvas.height) * rows // canvas.height
    return np.ascontiguousarray(threads[np.ix_(y, x)])


_TWILL22 = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1]], np.float32)
"""The 2/2 twill: over two, under two, shifted by one each pick."""

_PLAIN = np.array([[1, 0], [0, 1]], np.float32)


def _sett(counts: Sequence[tuple[int, int]], *, threads: int) -> list[int]:
    """A symmetrical sett from (colour, relative width) pairs, pivoting at both ends, scaled to `threads` (a multiple of 4)."""
    forth = list(counts)
    whole = forth + forth[-2:0:-1]
    total = sum(n for _, n in whole)
    row: list[int] = []
    done = 0.0
    for colour, n in whole:
        done += n * threads / total
        row += [colour] * (round(done) - len(row))
    return row


def tartan(canvas: Canvas, colours: Colours) -> F32:
    """A symmetrical sett of 11 cm in 2/2 twill, warp and weft alike: pure where they meet, half and half where they cross."""
    palette = list(colours)
    ground, second = 0, 1
    third = 2 if len(palette) > 2 else 1
    fine = 3 if len(palette) > 3 else 0
    light = 4 if len(palette) > 4 else (fine if len(palette) > 3 else third)
    if len(palette) == 2:
        counts = [(0, 30), (1, 5), (0, 4), (1, 26), (0, 4), (1, 5), (0, 30), (1, 3)]
    elif len(palette) == 3:
        counts = [(0, 34), (1, 18), (2, 3), (1, 6), (2, 10), (0, 6), (1, 3)]
    else:
        counts = [
            (ground, 36),
            (third, 7),
            (ground, 5),
            (second, 20),
            (fine, 2),
            (second, 5),
            (third, 3),
            (light, 3),
            (second, 6),
            (third, 3),
            (ground, 9),
            (light, 2),
        ]
    threads = 4 * max(20, round(canvas.cm[0] * 14 / canvas.scale / 4))
    row = encoded(palette)[_sett(counts, threads=threads)]
    return _woven(canvas, row, row, over=_TWILL22)


def gingham(canvas: Canvas, colours: Colours) -> F32:
    """Squares of 0.9 cm, plain weave: white, dyed, and half-tone where dyed meets white."""
    return _crossed(canvas, colours)


def buffalo(canvas: Canvas, colours: Colours) -> F32:
    """Large squares of 5 cm in two colours, twill: the crossing is a fine mix of both."""
    threads = 4 * max(20, round(canvas.cm[0] * 14 / canvas.scale / 4))
    paint = encoded(colours)
    row = paint[np.repeat(np.arange(2), threads // 2)]
    return _woven(canvas, row, row, over=_TWILL22)


def _crossed(canvas: Canvas, colours: Colours) -> F32:
    count = len(colours)
    order = [v for dye in range(1, count) for v in (0, dye)]
    x, y = canvas.grid()
    paint = encoded(colours)[order]
    n = len(order)
    warp = paint[np.minimum((x[0] / canvas.cm[0] * n).astype(int), n - 1)]
    weft = paint[np.minimum((y[:, 0] / canvas.cm[1] * n).astype(int), n - 1)]
    half = np.sqrt((warp[None] ** 2 + weft[:, None] ** 2) / 2)
    return np.asarray(half, np.float32)


def windowpane(canvas: Canvas, colours: Colours) -> F32:
    """Fine lines 2 mm wide in panes of 4.5 x 5.5 cm; a third colour is a second line beside the first."""
    tile = filled(canvas, colours[0])
    for index, line in enumerate(colours[1:3]):
        shift = index * 0.9 * canvas.scale
        for axis in (0, 1):
            cover = _lines(canvas, canvas.cm[axis], 0.2 * canvas.scale, axis=axis, offset=shift)
            grain = np.clip(0.78 + 0.1 * noise(canvas, 0.06), 0.3, 1)
            tile = blend(tile, line, (cover * grain).astype(np.float32))
    return tile


def _repeat(pattern: Sequence[int], count: int) -> list[int]:
    return [pattern[i % len(pattern)] for i in range(count)]


def glen(canvas: Canvas, colours: Colours) -> F32:
    """Prince of Wales: bands of 4-and-4 threads crossing bands of 2-and-2, in 2/2 twill, with a quiet overcheck."""
    big = _repeat((1, 1, 1, 1, 0, 0, 0, 0), 64)
    small = _repeat((1, 1, 0, 0), 56)
    paint = encoded([colours[0], colours[1]])
    row = paint[big + small].copy()
    over = encoded([colours[2] if len(colours) > 2 else mixed(colours[0], colours[1], share=0.45)])[0]
    for at in (30, 31, 92, 93):
        row[at] = over if len(colours) > 2 else row[at] * 0.6 + over * 0.4
    return _woven(canvas, row, row, over=_TWILL22)


def houndstooth(canvas: Canvas, colours: Colours) -> F32:
    """Four light and four dark threads in warp and weft of a 2/2 twill: the broken, toothed check that results.

    Each thread is drawn as the yarns settle, not as a grid of squares: the steps of the twill run into slanted edges.
    """
    import cv2

    dark = np.array([1, 1, 1, 1, 0, 0, 0, 0], np.float32)
    over = np.tile(_TWILL22[:, ::-1], (2, 2))
    field = dark[None, :] * over + dark[:, None] * (1 - over)
    fine = 16
    big = np.kron(np.tile(field, (3, 3)), np.ones((fine, fine), np.float32))
    soft = cv2.GaussianBlur(big, (0, 0), 0.34 * fine)[8 * fine : 16 * fine, 8 * fine : 16 * fine]
    size = (canvas.width, canvas.height)
    shrinks = canvas.width < soft.shape[1]
    settled = cv2.resize(soft, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    slope = 8 * fine / canvas.width / (0.85 * fine)
    cover = np.clip((settled - 0.5) / max(slope, 0.05) + 0.5, 0, 1).astype(np.float32)
    return blend(filled(canvas, colours[0]), colours[1], cover)


def herringbone(canvas: Canvas, colours: Colours) -> F32:
    """Broken 2/2 twill that turns every 1.8 cm: warp in one colour, weft in the other, with the break between the columns."""
    columns = canvas.repeats(1.8 * canvas.scale)
    columns += columns % 2
    per_column = 12
    width = columns * per_column
    rows = 4 * max(2, round(canvas.cm[1] / canvas.cm[0] * width / 4))
    x = np.arange(width)
    inside = x % per_column
    falling = (x // per_column) % 2 == 1
    shift = np.where(falling, -inside + 1, inside)
    over = ((np.arange(rows)[:, None] + shift[None, :]) % 4 < 2).astype(np.float32)
    second = encoded([colours[1 % len(colours)]])[0]
    warp = np.broadcast_to(encoded([colours[0]])[0], (width, 3))
    weft = np.broadcast_to(second, (rows, 3))
    return _woven(canvas, np.ascontiguousarray(warp), np.ascontiguousarray(weft), over=over)


def checkerboard(canvas: Canvas, colours: Colours) -> F32:
    """Squares of 3 cm by turns; more colours than two go round."""
    n = len(colours)
    x, y = canvas.grid()
    cell = (np.floor(x / canvas.cm[0] * n).astype(int) + np.floor(y / canvas.cm[1] * n).astype(int)) % n
    return np.ascontiguousarray(encoded(colours)[cell])


def chevron(canvas: Canvas, colours: Colours) -> F32:
    """Zigzag bands, 1.6 cm each, teeth 3 cm wide."""
    n = len(colours)
    teeth = canvas.repeats(3.0 * canvas.scale)
    x, y = canvas.grid()
    rise = np.abs((x / canvas.cm[0] * teeth) % 1.0 - 0.5) * 2.4 * canvas.scale
    at = ((y - rise) / canvas.cm[1]) % 1.0
    paint = encoded(colours)
    index = np.minimum((at * n).astype(int), n - 1)
    return np.ascontiguousarray(paint[index])
