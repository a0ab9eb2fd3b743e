"""Printed motifs: dots, stars, hearts, argyle, flowers, tropical leaves, paisley, geometric prints. Sizes in cm on the body."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric import flowers
from outfitswap_desktop.embedded.fabric.canvas import (
    Canvas,
    blend,
    crisp,
    encoded,
    filled,
    noise,
    paste,
    scattered,
    step,
)
from outfitswap_desktop.embedded.fabric.colours import darker, from_lch, lighter, lightness, mixed, to_lch
from outfitswap_desktop.embedded.fabric.design import Colour

Colours = Sequence[Colour]


def _staggered(canvas: Canvas, count: int) -> list[tuple[float, float, int]]:
    """Positions in cm of a half-drop repeat on the tile with the number of the colour: two places for one colour, 2n for n."""
    width, height = canvas.cm
    columns = count
    places = []
    for k in range(columns):
        places.append(((k + 0.25) * width / columns, 0.25 * height, k % count))
        places.append(((k + 0.75) * width / columns, 0.75 * height, (k + count // 2) % count))
    return places


def _wrapped(canvas: Canvas, cx: float, cy: float) -> tuple[F32, F32]:
    """Offsets in cm from (cx, cy) across the wrap: x (1, w), y (h, 1)."""
    x, y = canvas.grid()
    w, h = canvas.cm
    return ((x - cx + w / 2) % w - w / 2).astype(np.float32), ((y - cy + h / 2) % h - h / 2).astype(np.float32)


def polka(canvas: Canvas, colours: Colours) -> F32:
    """Dots of 1 cm, 2.5 cm apart in a half-drop; several colours take turns."""
    tile = filled(canvas, colours[0])
    pixel = 1.2 / canvas.pixels_per_cm
    for cx, cy, k in _staggered(canvas, len(colours) - 1):
        x, y = _wrapped(canvas, cx, cy)
        tile = blend(tile, colours[1 + k], step((0.5 * canvas.scale - np.hypot(x, y)).astype(np.float32), width=pixel))
    return tile


def stars(canvas: Canvas, colours: Colours) -> F32:
    """Five-pointed stars of 1.6 cm, each turned a little."""
    tile = filled(canvas, colours[0])
    pixel = 1.2 / canvas.pixels_per_cm
    for n, (cx, cy, k) in enumerate(_staggered(canvas, len(colours) - 1)):
        x, y = _wrapped(canvas, cx, cy)
        angle = np.arctan2(x, -y) + 0.22 * (-1) ** n
        fifth = np.abs((angle / (2 * np.pi / 5) + 0.5) % 1.0 - 0.5) * (2 * np.pi / 5)
        r = np.hypot(x, y)
        # A star's edge runs straight from its point (angle 0, radius R) to its notch (angle pi/5, radius 0.42 R).
        outer, inner, notch = 0.85 * canvas.scale, 0.36 * canvas.scale, np.pi / 5
        px, py = r * np.cos(fifth), r * np.sin(fifth)
        nx, ny = inner * np.sin(notch), outer - inner * np.cos(notch)
        field = (outer - px) * nx - py * ny
        tile = blend(tile, colours[1 + k], step((field / np.hypot(nx, ny)).astype(np.float32), width=pixel))
    return tile


def hearts(canvas: Canvas, colours: Colours) -> F32:
    """Hearts of 1.5 cm in a half-drop."""
    tile = filled(canvas, colours[0])
    pixel = 1.2 / canvas.pixels_per_cm
    for cx, cy, k in _staggered(canvas, len(colours) - 1):
        x, y = _wrapped(canvas, cx, cy)
        px, py = np.abs(x) / (0.78 * canvas.scale), -y / (0.78 * canvas.scale) + 0.1
        lobe = np.sqrt(np.clip(px, 0, None))
        field = (0.92 - np.hypot(px, 1.1 * py - 0.72 * lobe)) * 0.6 * canvas.scale
        tile = blend(tile, colours[1 + k], step(field.astype(np.float32), width=pixel))
    return tile


def argyle(canvas: Canvas, colours: Colours) -> F32:
    """Diamonds of 6 x 9 cm on the ground, columns of each colour in turn, crossed by fine dashed lines."""
    x, y = canvas.grid()
    diamonds = list(colours[1:-1] or colours[1:])
    columns = canvas.repeats(6.0 * canvas.scale)
    u, v = x / canvas.cm[0] * columns, y / canvas.cm[1] * canvas.repeats(9.0 * canvas.scale, axis=1)
    tile = filled(canvas, colours[0])
    across, down = np.abs(u % 1.0 - 0.5), np.abs(v % 1.0 - 0.5)
    inside = crisp((0.5 - across - down).astype(np.float32))
    column = np.broadcast_to(np.floor(u).astype(int) % len(diamonds), inside.shape)
    for k, dye in enumerate(diamonds):
        tile = blend(tile, dye, inside * (column == k))
    dashes = 0.5 + 0.5 * np.tanh(4 * np.sin(2 * np.pi * v * 22))
    half = 0.07 * max(canvas.scale, 0.6) / 9.0
    for sign in (1, -1):
        away = np.abs((u + sign * v + 0.5) % 1.0 - 0.5)
        cover = np.clip((half * 1.8 - away) * canvas.cm[0] / columns * canvas.pixels_per_cm + 0.5, 0, 1) * dashes
        tile = blend(tile, colours[-1], cover.astype(np.float32))
    return tile


def _foliage(ground: Colour, dyes: Colours) -> Colour:
    """Leaves: the first green among the dyes, else a sage or bottle green that stands off the ground."""
    for dye in dyes:
        _, chroma, hue = to_lch(dye)
        if chroma > 0.04 and 1.75 < hue % (2 * np.pi) < 2.95:
            return dye
    light, _, hue = to_lch(ground)
    leaf_light = 0.62 if light < 0.42 else (0.5 if light > 0.75 else 0.36)
    if 1.75 < hue % (2 * np.pi) < 2.95 and to_lch(ground)[1] > 0.05:
        leaf_light = 0.82 if light < 0.55 else 0.38
    return from_lch((leaf_light, 0.062, 2.3))


def _heart_of(dye: Colour) -> Colour:
    """A flower's heart: yellow on most, dark on yellow and white-ish ones now and then."""
    _, _, hue = to_lch(dye)
    yellow = to_lch(dye)[1] > 0.09 and 1.2 < hue < 2.0
    return (96, 58, 34) if yellow else (222, 176, 74)


def _freed(canvas: Canvas, taken: F32, size_cm: float, *, tries: int, count: int) -> list[tuple[float, float]]:
    """Up to `count` places in cm where a motif of `size_cm` finds (almost) nothing drawn yet; they claim their place."""
    import cv2

    found: list[tuple[float, float]] = []
    reach = max(1, round(size_cm * 0.5 * canvas.pixels_per_cm))
    yy, xx = np.mgrid[-reach : reach + 1 : max(1, reach // 4), -reach : reach + 1 : max(1, reach // 4)]
    disc = np.hypot(yy, xx) <= reach
    yy, xx = yy[disc], xx[disc]
    for _ in range(tries):
        if len(found) >= count:
            break
        px, py = int(canvas.rng.integers(canvas.width)), int(canvas.rng.integers(canvas.height))
        rows, columns = (py + yy) % canvas.height, (px + xx) % canvas.width
        if float(taken[rows, columns].mean()) > 0.06:
            continue
        found.append((px / canvas.pixels_per_cm, py / canvas.pixels_per_cm))
        blot = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
        cv2.circle(blot, (reach, reach), reach, 1.0, -1)
        span = np.arange(-reach, reach + 1)
        where = np.ix_((py + span) % canvas.height, (px + span) % canvas.width)
        taken[where] = np.maximum(taken[where], blot)
    return found


def _put(canvas: Canvas, tile: F32, taken: F32, stamp: flowers.Stamp, *, at: tuple[float, float]) -> None:
    ppc = canvas.pixels_per_cm
    paste(tile, stamp.rgb, stamp.cover, centre=(at[0] * ppc, at[1] * ppc))
    cover3 = np.ones((*stamp.cover.shape, 1), np.float32)
    paste(taken[..., None], cover3, stamp.cover, centre=(at[0] * ppc, at[1] * ppc))


def _turned(stamp: flowers.Stamp, quarter: int) -> flowers.Stamp:
    return flowers.Stamp(
        np.asarray(np.rot90(stamp.rgb, quarter), np.float32), np.asarray(np.rot90(stamp.cover, quarter), np.float32)
    )


def _leaves(canvas: Canvas, green: Colour, petals: Colours) -> list[flowers.Stamp]:
    """Leaves and sprigs pointing along +x, to be turned and strewn."""
    rng, unit = canvas.rng, canvas.scale * canvas.pixels_per_cm
    result = []
    for k in range(8):
        tone = mixed(lighter(green, by=0.05), darker(green, by=0.1), share=float(rng.uniform(0, 1)))
        length = max(4, round(float(rng.uniform(3.7, 4.8)) * unit))
        if k % 2:
            bud = petals[k % len(petals)] if k % 4 == 1 else None
            result.append(flowers.sprig(length, tone, angle=0.0, rng=rng, tip=bud))
        else:
            result.append(flowers.leaf(length, tone, angle=0.0, rng=rng, slender=0.4))
    return result


def floral(canvas: Canvas, colours: Colours) -> F32:
    """Sprays of flowers: large blooms of 4 to 6 cm over their leaves, smaller ones and buds in the gaps, tossed in all ways."""
    rng, ppc, scale = canvas.rng, canvas.pixels_per_cm, canvas.scale
    ground, dyes = colours[0], list(colours[1:])
    green = _foliage(ground, dyes)
    petals = [d for d in dyes if d != green] or [
        lighter(ground, by=0.25) if lightness(ground) < 0.6 else darker(ground, by=0.25)
    ]
    tile, taken = filled(canvas, ground), np.zeros((canvas.height, canvas.width), np.float32)
    spots = scattered(canvas, 6.4 * scale)
    kinds = ("peony", "anemone", "wild rose", "peony")
    large = [
        flowers.bloom(
            kinds[k % 4],
            max(10, round(5.2 * scale * ppc)),
            petals[k % len(petals)],
            heart=_heart_of(petals[k % len(petals)]),
            rng=rng,
        )
        for k in range(max(3, min(4, len(petals) + 1)))
    ]
    second = [
        flowers.bloom(
            ("cosmos", "wild rose", "daisy")[k % 3],
            max(8, round(2.5 * scale * ppc)),
            petals[(k + 1) % len(petals)],
            heart=_heart_of(petals[(k + 1) % len(petals)]),
            rng=rng,
        )
        for k in range(3)
    ]
    leaves = _leaves(canvas, green, petals)
    for x, y in spots:
        start = float(rng.uniform(0, 2 * np.pi))
        for k in range(int(rng.integers(4, 7))):
            part = leaves[int(rng.integers(len(leaves)))]
            angle = start + 2 * np.pi * k / 5.5 + float(rng.normal(0, 0.25))
            _put(canvas, tile, taken, flowers.rotated(part, angle), at=(float(x), float(y)))
    for x, y in spots:
        angle, reach = float(rng.uniform(0, 2 * np.pi)), 3.0 * scale
        part = _turned(second[int(rng.integers(len(second)))], int(rng.integers(4)))
        _put(canvas, tile, taken, part, at=(float(x) + reach * np.cos(angle), float(y) + reach * np.sin(angle)))
    for n, (x, y) in enumerate(spots):
        _put(canvas, tile, taken, _turned(large[n % len(large)], int(rng.integers(4))), at=(float(x), float(y)))
    _fill_gaps(canvas, tile, taken, (petals, green), second=second)
    return np.asarray(tile * (1 + 0.018 * noise(canvas, 0.15))[..., None], np.float32)


def _fill_gaps(
    canvas: Canvas, tile: F32, taken: F32, dyes: tuple[list[Colour], Colour], *, second: list[flowers.Stamp]
) -> None:
    rng, ppc, scale = canvas.rng, canvas.pixels_per_cm, canvas.scale
    petals, green = dyes
    for at in _freed(canvas, taken, 2.3 * scale, tries=500, count=40):
        _put(canvas, tile, taken, _turned(second[int(rng.integers(len(second)))], int(rng.integers(4))), at=at)
    twig = [
        flowers.sprig(
            max(6, round(1.5 * scale * ppc)), green, angle=float(a), rng=rng, tip=petals[int(a * 3) % len(petals)]
        )
        for a in (0.3, 1.9, 3.6, 5.2)
    ]
    for at in _freed(canvas, taken, 1.7 * scale, tries=500, count=60):
        _put(canvas, tile, taken, twig[int(rng.integers(4))], at=at)
    small = [
        flowers.bloom(
            "daisy" if k % 2 else "wild rose",
            max(5, round(0.85 * scale * ppc)),
            petals[k % len(petals)],
            heart=_heart_of(petals[k % len(petals)]),
            rng=rng,
        )
        for k in range(max(2, len(petals)))
    ]
    for at in _freed(canvas, taken, 0.95 * scale, tries=700, count=120):
        _put(canvas, tile, taken, small[int(rng.integers(len(small)))], at=at)


def tropical(canvas: Canvas, colours: Colours) -> F32:
    """Palm fronds and split leaves of 6 to 8 cm over each other, a few blossoms between them."""
    rng, ppc, scale = canvas.rng, canvas.pixels_per_cm, canvas.scale
    ground, dyes = colours[0], list(colours[1:])
    greens = [d for d in dyes if to_lch(d)[1] > 0.025 and 1.75 < to_lch(d)[2] % (2 * np.pi) < 3.2] or [
        _foliage(ground, dyes)
    ]
    if len(greens) == 1:
        greens = [greens[0], mixed(greens[0], lighter(greens[0], by=0.14), share=1.0)]
    blossoms = [d for d in dyes if d not in greens]
    tile, taken = filled(canvas, ground), np.zeros((canvas.height, canvas.width), np.float32)
    fronds = [
        flowers.palm(round((5.6 + 0.8 * k) * scale * ppc), greens[k % len(greens)], angle=0.0, rng=rng)
        for k in range(3)
    ]
    fronds += [
        flowers.monstera(round(5.0 * scale * ppc), darker(greens[k % len(greens)], by=0.04), angle=0.0, rng=rng)
        for k in range(2)
    ]
    for n, (x, y) in enumerate(scattered(canvas, 3.3 * scale)):
        part = flowers.rotated(fronds[(n * 3) % 5], float(rng.uniform(0, 2 * np.pi)))
        _put(canvas, tile, taken, part, at=(float(x), float(y)))
    for n, (x, y) in enumerate(scattered(canvas, 9.0 * scale)):
        if not blossoms:
            break
        dye = blossoms[n % len(blossoms)]
        _put(
            canvas,
            tile,
            taken,
            flowers.bloom("wild rose", round(4.0 * scale * ppc), dye, heart=_heart_of(dye), rng=rng),
            at=(float(x), float(y)),
        )
    return np.asarray(tile, np.float32)


def _boteh(size: int, dyes: Colours, *, mirrored: bool) -> flowers.Stamp:
    """The paisley drop: nested outlines, a beaded border, a flower in its belly and a curled tip."""
    at = ((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1).astype(np.float32)
    x, y = at[None, :] * (-1 if mirrored else 1), at[:, None]
    # A circle whose upper part is drawn out and bent aside: the classical outline.
    lift = np.clip((0.35 - y) / 1.25, 0, 1)
    cx = 0.62 * lift**2.2 - 0.12
    radius = 0.56 * np.sqrt(np.clip(1 - lift**1.5, 0, 1))
    low = np.hypot(x - (-0.12), (y - 0.35) * 1.0)
    field = np.where(y > 0.35, 0.56 - low, radius - np.abs(x - cx) * 0.94)
    field = np.minimum(field, (y + 0.9)).astype(np.float32)
    soft = 2.4 / size
    outer, inner, light = dyes[0], dyes[1 % len(dyes)], dyes[2 % len(dyes)]
    rgb = np.empty((size, size, 3), np.float32)
    rgb[:] = encoded([outer])[0]

    def over(rgb: F32, colour: Colour, cover: NDArray[np.floating]) -> F32:
        return blend(rgb, colour, np.asarray(cover, np.float32))

    rgb = over(rgb, inner, step(field - 0.06, width=soft))
    along = np.arctan2(y - 0.2, x + 0.05)
    beads = np.clip(np.cos(along * 26), 0, 1) ** 0.5 * step(0.022 - np.abs(field - 0.1), width=soft)
    rgb = over(rgb, light, beads)
    rgb = over(rgb, outer, step(0.014 - np.abs(field - 0.15), width=soft))
    rgb = over(rgb, light, step(0.012 - np.abs(field - 0.25), width=soft))
    fx, fy = x + 0.12, y - 0.36
    r, theta = np.hypot(fx, fy), np.arctan2(fy, fx)
    flower = step(0.13 + 0.09 * np.abs(np.cos(theta * 3)) - r, width=soft)
    rgb = over(rgb, light, flower)
    rgb = over(rgb, outer, step(0.02 - np.abs(0.085 + 0.05 * np.abs(np.cos(theta * 3)) - r), width=soft))
    rgb = over(rgb, inner, step(0.05 - r, width=soft))
    for k in range(5):
        t = 0.12 + 0.13 * k
        dy, dx = 0.12 - t, 0.62 * ((0.35 - (0.12 - t)) / 1.25) ** 2.2 - 0.12
        rgb = over(rgb, light if k % 2 else outer, step(0.05 * (1 - 0.14 * k) - np.hypot(x - dx, y - dy), width=soft))
    fringe = step(0.02 - np.abs(field + 0.05 + 0.018 * np.cos(along * 40)), width=soft)
    cover = np.maximum(step(field, width=soft), fringe)
    return flowers.Stamp(rgb, cover)


def paisley(canvas: Canvas, colours: Colours) -> F32:
    """Drops of 6 cm in a half-drop repeat, small ones and rosettes between them, dotted ground."""
    rng, ppc, scale = canvas.rng, canvas.pixels_per_cm, canvas.scale
    ground, dyes = colours[0], list(colours[1:]) or [lighter(colours[0])]
    dyes = [*dyes, mixed(dyes[0], ground, share=0.5)] if len(dyes) < 3 else dyes
    tile, taken = filled(canvas, ground), np.zeros((canvas.height, canvas.width), np.float32)
    width, height = canvas.cm
    big = _boteh(round(6.9 * scale * ppc), dyes, mirrored=False)
    flipped = _boteh(round(6.9 * scale * ppc), [dyes[1], dyes[0], dyes[2]], mirrored=True)
    small = _boteh(round(3.6 * scale * ppc), [dyes[1], ground, dyes[0]], mirrored=False)
    nx, ny = max(1, round(width / (8.0 * scale))), max(1, round(height / (8.0 * scale)))
    for j in range(ny):
        for i in range(nx):
            for dx, dy, stamp, turn in (
                (0.25, 0.25, big, 8),
                (0.75, 0.75, flipped, 172),
                (0.77, 0.24, small, 150),
                (0.24, 0.77, small, -20),
            ):
                _put(
                    canvas,
                    tile,
                    taken,
                    flowers.rotated(stamp, float(np.radians(-turn))),
                    at=((i + dx) * width / nx, (j + dy) * height / ny),
                )
    rosette = flowers.bloom("daisy", max(5, round(1.3 * scale * ppc)), dyes[0], heart=dyes[1], rng=rng)
    for at in _freed(canvas, taken, 1.35 * scale, tries=300, count=40):
        _put(canvas, tile, taken, rosette, at=at)
    dot = max(3, round(0.34 * scale * ppc))
    grid = (np.arange(dot, dtype=np.float32) + 0.5) / dot * 2 - 1
    cover = step((0.8 - np.hypot(grid[None], grid[:, None])).astype(np.float32), width=2.4 / dot)
    for n, at in enumerate(_freed(canvas, taken, 0.5 * scale, tries=900, count=200)):
        rgb = np.broadcast_to(encoded([dyes[n % 2]])[0], (dot, dot, 3)).astype(np.float32)
        _put(canvas, tile, taken, flowers.Stamp(rgb, cover), at=at)
    return np.asarray(tile, np.float32)


def geometric(canvas: Canvas, colours: Colours) -> F32:
    """A mid-century print: quarter discs and half squares on a grid of 4 cm, turned by chance."""
    rng = canvas.rng
    n = max(2, round(canvas.cm[0] / (4.0 * canvas.scale)))
    m = max(2, round(canvas.cm[1] / (4.0 * canvas.scale)))
    x, y = canvas.grid()
    u, v = x / canvas.cm[0] * n, y / canvas.cm[1] * m
    i, j = np.minimum(np.floor(u).astype(int), n - 1), np.minimum(np.floor(v).astype(int), m - 1)
    fu, fv = u - i, v - j
    kind, turn = rng.integers(0, 4, (m, n)), rng.integers(0, 4, (m, n))
    ground_of = rng.integers(0, len(colours), (m, n))
    shape_of = (ground_of + rng.integers(1, len(colours), (m, n))) % len(colours)
    t = turn[j, i]
    a = np.choose(t, [fu + 0 * fv, 1 - fu + 0 * fv, fv + 0 * fu, 1 - fv + 0 * fu])
    b = np.choose(t, [fv + 0 * fu, 1 - fv + 0 * fu, 1 - fu + 0 * fv, fu + 0 * fv])
    fields = [0.96 - np.hypot(a, b), a - b, 0.46 - np.hypot(a - 0.5, b), 0.36 - np.hypot(a - 0.5, b - 0.5)]
    field = np.choose(kind[j, i], fields)
    paint = encoded(colours)
    cover = step(field.astype(np.float32), width=1.4 * n / canvas.width)[..., None]
    return np.asarray(paint[ground_of[j, i]] * (1 - cover) + paint[shape_of[j, i]] * cover, np.float32)
