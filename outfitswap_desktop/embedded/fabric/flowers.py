"""Flowers and leaves as stamps: petals laid one over the other, shaded from heart to tip, with veins and stamens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric.canvas import encoded, step
from outfitswap_desktop.embedded.fabric.colours import darker, lighter, mixed
from outfitswap_desktop.embedded.fabric.design import Colour


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """A motif: `rgb` (h, w, 3) sRGB-encoded 0..1 and its `cover` (h, w) 0..1."""

    rgb: F32
    cover: F32


@dataclass(frozen=True, slots=True)
class Bloom:
    """A kind of flower: rings of petals from the outside in as (count, reach, width, tip), and the size of its heart."""

    rings: tuple[tuple[int, float, float, float], ...]
    heart: float
    notch: float = 0.0


def rotated(stamp: Stamp, angle: float) -> Stamp:
    """The stamp turned by `angle` radians (from +x towards +y) about its centre; its corners are cut off."""
    import cv2

    size = stamp.cover.shape[0]
    matrix = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), -float(np.degrees(angle)), 1.0)
    rgb = cv2.warpAffine(stamp.rgb, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(stamp.cover, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return Stamp(np.asarray(rgb, np.float32), np.asarray(cover, np.float32))


BLOOMS: dict[str, Bloom] = {
    "peony": Bloom(((7, 0.98, 0.6, 0.55), (6, 0.76, 0.55, 0.5), (5, 0.54, 0.48, 0.5), (4, 0.34, 0.42, 0.5)), 0.1, 0.1),
    "anemone": Bloom(((6, 0.97, 0.52, 0.6), (5, 0.85, 0.46, 0.6)), 0.2),
    "wild rose": Bloom(((5, 0.97, 0.66, 0.62),), 0.17, 0.16),
    "cosmos": Bloom(((8, 0.97, 0.34, 0.72),), 0.17, 0.06),
    "daisy": Bloom(((13, 0.97, 0.16, 0.7),), 0.24),
}


def _grid(size: int) -> tuple[F32, F32]:
    at = ((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1).astype(np.float32)
    return at[None, :], at[:, None]


def _petal(u: F32, v: F32, *, reach: float, width: float, tip: float, notch: float) -> F32:
    """Signed distance-like field (> 0 inside) of a petal along +u: widest at the share `tip` of its reach."""
    t = np.clip(u / reach, 0, 1)
    power = np.log(0.5) / np.log(tip)
    half = width * reach * np.sin(np.pi * t**power) ** 0.62
    end = reach * (1 - notch * np.exp(-((v / (0.25 * width * reach)) ** 2)))
    return np.asarray(np.minimum(np.minimum(half - np.abs(v), end - u), u + 0.02), np.float32)


def bloom(kind: str, size: int, petal: Colour, *, heart: Colour, rng: np.random.Generator) -> Stamp:
    """A flower of `size` pixels across. Petals are darker at the heart and lighter at the tip, each shades the one below."""
    form = BLOOMS[kind]
    x, y = _grid(size)
    soft = 2.2 / size
    rgb = np.zeros((size, size, 3), np.float32)
    cover = np.zeros((size, size), np.float32)
    deep, base, light = (encoded([c])[0] for c in (darker(petal, by=0.2), petal, lighter(petal, by=0.1)))
    turn = float(rng.uniform(0, 2 * np.pi))
    for ring, (count, reach, width, tip) in enumerate(form.rings):
        turn += np.pi / count + float(rng.normal(0, 0.15))
        for k in rng.permutation(count):
            angle = turn + 2 * np.pi * k / count + float(rng.normal(0, 0.07))
            r, w = reach * float(rng.uniform(0.9, 1.0)), width * float(rng.uniform(0.9, 1.08))
            c, s = np.cos(angle), np.sin(angle)
            u, v = c * x + s * y, -s * x + c * y
            v = v + 0.06 * np.sin(4 * u + k)
            field = _petal(u, v, reach=r, width=w, tip=tip, notch=form.notch * float(rng.uniform(0.3, 1.2)))
            inside = step(field, width=soft)
            shadow = step((field + 0.05).astype(np.float32), width=0.14) * (1 - inside) * np.float32(0.26)
            rgb *= (1 - shadow * (cover > 0))[..., None]
            t = np.clip(u / r, 0, 1)
            veins = 0.5 + 0.5 * np.cos(v / (w * r + 1e-3) * 16 + rng.uniform(-0.4, 0.4))
            tone = np.clip(t * 1.15 + 0.12 * ring - 0.1 * veins * (1 - t) - 0.1 + float(rng.normal(0, 0.05)), 0, 1)
            rim = np.clip(field / 0.05, 0, 1)
            shade = np.where(
                tone[..., None] < 0.5,
                deep + (base - deep) * (tone[..., None] * 2),
                base + (light - base) * (tone[..., None] * 2 - 1),
            )
            shade = shade * (0.93 + 0.07 * rim)[..., None]
            rgb = rgb + (shade - rgb) * inside[..., None]
            cover = np.maximum(cover, inside)
    rgb, cover = _hearted(rgb, cover, form.heart, heart, rng=rng)
    return Stamp(np.asarray(rgb, np.float32), np.asarray(cover, np.float32))


def _hearted(rgb: F32, cover: F32, size: float, heart: Colour, *, rng: np.random.Generator) -> tuple[F32, F32]:
    import cv2

    x, y = _grid(rgb.shape[0])
    r = np.hypot(x, y)
    soft = 2.5 / rgb.shape[0]
    glow = encoded([darker(heart, by=0.16)])[0]
    core = step((size * 0.62 - r).astype(np.float32), width=soft)
    rgb = rgb + (glow - rgb) * core[..., None]
    side = rgb.shape[0]
    painted = np.ascontiguousarray(np.dstack([rgb, cover]), np.float32)
    for _ in range(int(16 + 60 * size)):
        angle, reach = float(rng.uniform(0, 2 * np.pi)), size * float(np.sqrt(rng.uniform(0.02, 1.6)))
        tone = encoded([lighter(heart, by=float(rng.uniform(-0.06, 0.12)))])[0]
        centre = (
            round((reach * np.cos(angle) + 1) / 2 * side * 16),
            round((reach * np.sin(angle) + 1) / 2 * side * 16),
        )
        cv2.circle(
            painted, centre, max(8, round(0.013 * side * 16)), (*(float(c) for c in tone), 1.0), -1, cv2.LINE_8, 4
        )
    rgb, cover = painted[..., :3], painted[..., 3]
    return np.asarray(rgb, np.float32), np.asarray(cover, np.float32)


def leaf(length: int, colour: Colour, *, angle: float, rng: np.random.Generator, slender: float = 0.36) -> Stamp:
    """One leaf growing from the stamp's centre in direction `angle` (radians), its two halves in two tones, with veins."""
    size = max(4, 2 * length)
    x, y = _grid(size)
    c, s = np.cos(angle), np.sin(angle)
    u, v = c * x + s * y, -s * x + c * y
    bend = float(rng.uniform(-0.22, 0.22))
    v = v - bend * u * u
    t = np.clip(u / 0.96, 0, 1)
    half = slender * 0.5 * np.sin(np.pi * t**0.8) ** 0.85
    field = np.minimum(half - np.abs(v), np.minimum(u, 0.96 - u) + 0.01)
    soft = 2.4 / size
    inside = step(field.astype(np.float32), width=soft)
    dark, light = encoded([darker(colour, by=0.05)])[0], encoded([lighter(colour, by=0.05)])[0]
    rgb = np.where((v > 0)[..., None], light, dark) * np.ones((size, size, 1), np.float32)
    rib = encoded([lighter(colour, by=0.14)])[0]
    midrib = step((0.012 - np.abs(v)).astype(np.float32), width=soft) * 0.8
    side = np.clip(np.cos((u - np.abs(v) * 0.9) * 34) - 0.72, 0, 1) * 1.6 * np.clip(1 - np.abs(v) / (half + 1e-3), 0, 1)
    rgb = rgb + (rib - rgb) * np.clip(midrib + 0.5 * side, 0, 1)[..., None]
    return Stamp(rgb.astype(np.float32), inside)


def sprig(length: int, colour: Colour, *, angle: float, rng: np.random.Generator, tip: Colour | None = None) -> Stamp:
    """A curved stem from the stamp's centre with pairs of small leaves, and a bud at its end when `tip` is a colour."""
    import cv2

    size = max(8, 2 * length)
    rgb = np.zeros((size, size, 3), np.float32)
    rgb[:] = encoded([darker(colour, by=0.06)])[0]
    curl = float(rng.uniform(-0.7, 0.7))
    steps = 26
    points = []
    x = y = 0.0
    for k in range(steps):
        direction = angle + curl * (k / steps - 0.3)
        x, y = x + 0.84 / steps * np.cos(direction), y + 0.84 / steps * np.sin(direction)
        points.append((x, y, direction))
    track = np.array([[(px + 1) / 2 * size * 16, (py + 1) / 2 * size * 16] for px, py, _ in points], np.int32)
    canvas8 = np.zeros((size, size), np.uint8)
    cv2.polylines(canvas8, [track], False, 255, max(1, round(0.016 * size)), cv2.LINE_AA, 4)
    cover = canvas8.astype(np.float32) / np.float32(255)
    stamp = Stamp(rgb, cover)
    for index, k in enumerate(range(6, steps, 5)):
        px, py, direction = points[k]
        reach = max(3, round(length * (0.36 - 0.035 * index)))
        for side in (-1, 1):
            tone = mixed(colour, lighter(colour, by=0.1), share=float(rng.uniform(0, 1)))
            part = leaf(reach, tone, angle=direction + side * float(rng.uniform(0.6, 0.95)), rng=rng, slender=0.42)
            _lay(stamp, part, at=((px + 1) / 2 * size, (py + 1) / 2 * size))
    if tip is not None:
        px, py, direction = points[-1]
        for spread in (-0.35, 0.35, 0.0):
            tone = lighter(tip, by=0.05) if spread == 0.0 else tip
            part = leaf(max(3, round(length * 0.24)), tone, angle=direction + spread, rng=rng, slender=0.62)
            _lay(stamp, part, at=((px + 1) / 2 * size, (py + 1) / 2 * size))
    return stamp


def _lay(under: Stamp, over: Stamp, *, at: tuple[float, float]) -> None:
    """Put `over` onto `under` in place, centred at pixel `at`, cut off at the border."""
    h, w = over.cover.shape
    x0, y0 = round(at[0] - w / 2), round(at[1] - h / 2)
    ax, ay = max(0, -x0), max(0, -y0)
    bx, by = min(w, under.cover.shape[1] - x0), min(h, under.cover.shape[0] - y0)
    if bx <= ax or by <= ay:
        return
    rows, columns = slice(y0 + ay, y0 + by), slice(x0 + ax, x0 + bx)
    cover = over.cover[ay:by, ax:bx]
    under.rgb[rows, columns] += (over.rgb[ay:by, ax:bx] - under.rgb[rows, columns]) * cover[..., None]
    np.maximum(under.cover[rows, columns], cover, out=under.cover[rows, columns])


def palm(length: int, colour: Colour, *, angle: float, rng: np.random.Generator) -> Stamp:
    """A palm frond from the stamp's centre: narrow leaflets along both sides of a bent rib."""
    size = max(8, 2 * length)
    stamp = Stamp(np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32))
    curl = float(rng.uniform(-0.5, 0.5))
    x = y = 0.0
    steps = 20
    for k in range(steps):
        direction = angle + curl * k / steps
        x, y = x + 0.8 / steps * np.cos(direction), y + 0.8 / steps * np.sin(direction)
        reach = max(3, round(length * 0.44 * float(np.sin(np.pi * (0.16 + 0.8 * k / steps)) ** 0.8)))
        for side in (-1, 1):
            tone = mixed(darker(colour, by=0.06), lighter(colour, by=0.08), share=float(rng.uniform(0, 1)))
            part = leaf(reach, tone, angle=direction + side * (1.05 - 0.5 * k / steps), rng=rng, slender=0.13)
            _lay(stamp, part, at=((x + 1) / 2 * size, (y + 1) / 2 * size))
    return stamp


def monstera(length: int, colour: Colour, *, angle: float, rng: np.random.Generator) -> Stamp:
    """A broad leaf cut deeply between its veins."""
    size = max(8, 2 * length)
    x, y = _grid(size)
    c, s = np.cos(angle), np.sin(angle)
    u, v = c * x + s * y - 0.42, -s * x + c * y
    theta = np.arctan2(np.abs(v), u + 0.28)
    r = np.hypot(u, v)
    outline = 0.5 * (1 - 0.16 * np.cos(theta * 2)) * (1 - 0.22 * np.exp(-(((theta - np.pi) / 0.4) ** 2)))
    cut_at = np.cos(theta * 9.5 + 0.6)
    cuts = np.clip(cut_at - 0.72, 0, 1) * 5 * np.clip((r - 0.2) / 0.1, 0, 1) * (theta < 2.4) * (theta > 0.25)
    field = (outline - r - 0.3 * cuts).astype(np.float32)
    soft = 2.4 / size
    dark, light, rib = (
        encoded([q])[0] for q in (darker(colour, by=0.05), lighter(colour, by=0.05), lighter(colour, by=0.16))
    )
    rgb = np.where((v > 0)[..., None], light, dark) * np.ones((size, size, 1), np.float32)
    veins = (
        step((0.01 - np.abs(v)).astype(np.float32), width=soft)
        + 0.6 * np.clip(-np.cos(theta * 9.5 + 0.6) - 0.94, 0, 1) * 14
    )
    rgb = rgb + (rib - rgb) * np.clip(veins, 0, 0.9)[..., None]
    return Stamp(rgb.astype(np.float32), step(field, width=soft))
