"""Coats and cover: leopard, zebra, tiger, snake, cow, giraffe and camouflage, grown from bent noise and cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric.canvas import Canvas, blend, crisp, filled, noise, scattered, step
from outfitswap_desktop.embedded.fabric.colours import darker, lighter, mixed
from outfitswap_desktop.embedded.fabric.design import Colour

Colours = Sequence[Colour]


def _bent(canvas: Canvas, field: F32, size_cm: float, by_cm: float) -> F32:
    """`field` looked up where a slow noise has moved it to: organic edges that still wrap around."""
    import cv2

    dx = noise(canvas, size_cm) * np.float32(by_cm * canvas.pixels_per_cm)
    dy = noise(canvas, size_cm) * np.float32(by_cm * canvas.pixels_per_cm)
    x = (np.arange(canvas.width, dtype=np.float32)[None] + dx) % canvas.width
    y = (np.arange(canvas.height, dtype=np.float32)[:, None] + dy) % canvas.height
    padded = cv2.copyMakeBorder(field, 0, 1, 0, 1, cv2.BORDER_WRAP)
    return np.asarray(cv2.remap(padded, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR), np.float32)


def _striped_noise(canvas: Canvas, period_cm: float, *, lean: float, spread: float, sharp: float) -> F32:
    """Noise of one wavelength and about one direction: stripes that fork and end as on a hide. Deviation 1.

    `lean` is the direction across the stripes in radians (0 = they run down), `spread` how much it strays, `sharp` the
    relative width of the band of wavelengths.
    """
    white = canvas.rng.standard_normal((canvas.height, canvas.width), dtype=np.float32)
    fx = np.fft.rfftfreq(canvas.width, canvas.cm[0] / canvas.width)[None, :]
    fy = np.fft.fftfreq(canvas.height, canvas.cm[1] / canvas.height)[:, None]
    radius = np.hypot(fx, fy)
    direction = np.arctan2(fy, fx)
    off = np.angle(np.exp(2j * (direction - lean))) / 2
    centre = 1.0 / period_cm
    band = np.exp(-(((radius - centre) / (sharp * centre)) ** 2) - (off / spread) ** 2)
    band[0, 0] = 0
    field = np.fft.irfft2(np.fft.rfft2(white) * band, s=white.shape).astype(np.float32)
    return field / np.float32(max(float(field.std()), 1e-9))


def leopard(canvas: Canvas, colours: Colours) -> F32:
    """Rosettes of 2.5 cm: dark rings broken into blots around a deeper tan, single spots between, on fur that pales."""
    scale, ppc = canvas.scale, canvas.pixels_per_cm
    ground, dark = colours[0], colours[-1]
    inner = colours[1] if len(colours) > 2 else mixed(ground, dark, share=0.35)
    tile = blend(filled(canvas, ground), lighter(ground, by=0.06), np.clip(0.5 + 0.4 * noise(canvas, 5.0), 0, 1))
    points = scattered(canvas, 2.6 * scale, tries=60)
    wob_x, wob_y = 0.16 * scale * noise(canvas, 1.0 * scale), 0.16 * scale * noise(canvas, 1.0 * scale)
    lowest = np.float32(-0.6 * scale)
    ring = np.full((canvas.height, canvas.width), lowest, np.float32)
    heart = ring.copy()
    reach = 1.9 * scale
    for cx, cy in points:
        rows = np.arange(int((cy - reach) * ppc), int((cy + reach) * ppc) + 1)
        columns = np.arange(int((cx - reach) * ppc), int((cx + reach) * ppc) + 1)
        where = np.ix_(rows % canvas.height, columns % canvas.width)
        dx = (columns / ppc - cx)[None, :] + wob_x[where]
        dy = (rows / ppc - cy)[:, None] + wob_y[where]
        blots, belly = _rosette(canvas.rng, dx, dy, scale=scale)
        ring[where] = np.maximum(ring[where], np.maximum(blots, lowest))
        heart[where] = np.maximum(heart[where], np.maximum(belly, lowest))
    tile = blend(tile, inner, step(heart + np.float32(0.05 * scale), width=0.3 * scale) * 0.85)
    spots = _bent(canvas, noise(canvas, 0.7 * scale), 0.6 * scale, 0.08 * scale)
    small = crisp(spots - 1.05) * (heart <= -0.5 * scale)
    cover = np.maximum(crisp(ring), small)
    tile = blend(tile, dark, (cover * 0.96).astype(np.float32))
    hair = np.clip(0.97 + 0.03 * noise(canvas, 0.06, along_cm=0.25), 0.85, 1.0)
    return np.asarray(tile * hair[..., None], np.float32)


def _rosette(rng: np.random.Generator, dx: F32, dy: F32, *, scale: float) -> tuple[F32, F32]:
    """One rosette around (0, 0): (field of its blots, field of its belly), > 0 inside, in cm."""
    size = float(rng.uniform(0.72, 0.98)) * scale
    stretch, turn = float(rng.uniform(0.9, 1.3)), float(rng.uniform(0, np.pi))
    c, s = np.cos(turn), np.sin(turn)
    u, v = (c * dx + s * dy) * stretch, (-s * dx + c * dy) / stretch
    r, theta = np.hypot(u, v), np.arctan2(v, u)
    blots = np.full(r.shape, -9.0, np.float32)
    count = int(rng.integers(3, 6))
    start = float(rng.uniform(0, 2 * np.pi))
    for k in range(count):
        at = start + 2 * np.pi * k / count + float(rng.normal(0, 0.16))
        arc = np.pi / count * float(rng.uniform(0.62, 0.98))
        thick = float(rng.uniform(0.17, 0.3)) * scale
        off = np.abs((theta - at + np.pi) % (2 * np.pi) - np.pi)
        along = np.clip(off - arc + 0.2, 0, None) * size
        blots = np.maximum(blots, thick - np.hypot(r - size * float(rng.uniform(0.85, 1.0)), along))
    return blots.astype(np.float32), (0.9 * size - r).astype(np.float32)


def zebra(canvas: Canvas, colours: Colours) -> F32:
    """Forking stripes about 2.2 cm wide that run across and bend."""
    field = _striped_noise(canvas, 3.6 * canvas.scale, lean=np.pi / 2 - 0.35, spread=0.34, sharp=0.26)
    field = _bent(canvas, field, 6.0 * canvas.scale, 0.8 * canvas.scale)
    cover = crisp(field - 0.05)
    return blend(filled(canvas, colours[0]), colours[-1], cover)


def tiger(canvas: Canvas, colours: Colours) -> F32:
    """Tapering dark stripes on a coat that is lighter between them."""
    field = _striped_noise(canvas, 3.8 * canvas.scale, lean=np.pi / 2 + 0.2, spread=0.42, sharp=0.34)
    field = _bent(canvas, field, 5.0 * canvas.scale, 0.7 * canvas.scale)
    cover = crisp(field - 0.62)
    tile = blend(
        filled(canvas, colours[0]), lighter(colours[0], by=0.13), np.clip(-field * 0.5, 0, 0.9).astype(np.float32)
    )
    tile = blend(tile, darker(colours[0], by=0.08), np.clip(field * 0.6, 0, 0.6).astype(np.float32))
    tile = blend(tile, colours[-1], cover)
    return np.asarray(tile * (1 + 0.025 * noise(canvas, 0.06, along_cm=0.4))[..., None], np.float32)


def snake(canvas: Canvas, colours: Colours) -> F32:
    """Python: diamond scales of 0.7 cm with dark seams, each coloured by the saddles of the large marking."""
    dark = colours[1 % len(colours)]
    light = colours[2] if len(colours) > 2 else lighter(colours[0], by=0.12)
    nx, ny = canvas.repeats(0.62 * canvas.scale), canvas.repeats(0.95 * canvas.scale, axis=1)
    x, y = canvas.grid()
    u, v = x / canvas.cm[0] * nx, y / canvas.cm[1] * ny
    a, b = np.floor(u + v), np.floor(u - v)
    fa, fb = (u + v) - a, (u - v) - b
    # Each scale takes the marking's value at its own centre.
    cx, cy = (a + b + 1) / 2 / nx * canvas.cm[0], (a - b) / 2 / ny * canvas.cm[1]
    marking = _striped_noise(canvas, 7.0 * canvas.scale, lean=np.pi / 4, spread=0.35, sharp=0.3)
    marking = marking + _striped_noise(canvas, 7.0 * canvas.scale, lean=-np.pi / 4, spread=0.35, sharp=0.3)
    col = (cx / canvas.cm[0] * canvas.width).astype(int) % canvas.width
    row = (cy / canvas.cm[1] * canvas.height).astype(int) % canvas.height
    value = marking[row, col] / 1.4
    tile = filled(canvas, colours[0])
    tile = blend(tile, light, step(value - 0.55, width=0.5))
    tile = blend(tile, dark, step(-value - 0.35, width=0.35))
    outline = np.abs(value + 0.3)
    tile = blend(tile, darker(dark, by=0.12), (np.clip(1 - outline / 0.2, 0, 1) * 0.8).astype(np.float32))
    edge = np.minimum(np.minimum(fa, 1 - fa), np.minimum(fb, 1 - fb))
    seam = step((0.09 - edge).astype(np.float32), width=0.08) * np.float32(0.75)
    tile = blend(tile, darker(dark, by=0.1), seam)
    shine = np.clip(1 - np.hypot(fa - 0.4, fb - 0.6) * 1.7, 0, 1) * 0.16
    return np.asarray(tile + shine[..., None].astype(np.float32) * (1 - tile), np.float32)


def cow(canvas: Canvas, colours: Colours) -> F32:
    """Large soft-edged patches of 6 to 12 cm."""
    field = noise(canvas, 6.0 * canvas.scale) + 0.25 * noise(canvas, 2.5 * canvas.scale)
    field = _bent(canvas, field, 2.0 * canvas.scale, 0.2 * canvas.scale)
    threshold = np.float32(np.quantile(field[::4, ::4], 0.6))
    cover = crisp(field - threshold)
    return blend(filled(canvas, colours[0]), colours[-1], cover)


def giraffe(canvas: Canvas, colours: Colours) -> F32:
    """Cracked patches of 4 cm with pale lines between."""
    from outfitswap_desktop.embedded.fabric.canvas import cells

    near, second, own = cells(canvas, 4.2 * canvas.scale, jitter=0.85)
    gap = _bent(canvas, (second - near).astype(np.float32), 1.2 * canvas.scale, 0.16 * canvas.scale)
    cover = step(gap - 0.42 * canvas.scale, width=2.0 / canvas.pixels_per_cm)
    patch = mixed(colours[-1], darker(colours[-1], by=0.1), share=1.0)
    tile = blend(filled(canvas, colours[0]), colours[-1], cover)
    inner = np.clip(gap / (2.2 * canvas.scale), 0, 1) * cover * (0.35 + 0.4 * own)
    return blend(tile, patch, inner.astype(np.float32))


def camouflage(canvas: Canvas, colours: Colours) -> F32:
    """Woodland: blots of each colour cut from noise, one layer over the other, the darkest as thin branches."""
    scale = canvas.scale
    tile = filled(canvas, colours[0])
    layers = colours[1:]
    for k, dye in enumerate(layers):
        last = k == len(layers) - 1 and len(layers) > 1
        size = (5.2 - 0.8 * k) * scale
        field = (
            noise(canvas, size, along_cm=size * 0.62)
            + 0.42 * noise(canvas, size * 0.36)
            + 0.16 * noise(canvas, size * 0.14)
        )
        field = _bent(canvas, field, 1.6 * scale, 0.16 * scale)
        share = (0.42, 0.33, 0.2)[min(k, 2)] if not last else 0.17
        threshold = np.float32(np.quantile(field[::4, ::4], 1 - share))
        tile = blend(tile, dye, crisp(field - threshold))
    return tile
