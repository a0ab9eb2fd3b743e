"""Design -> Cloth: draws the pattern, lays the material's small structure over it, and keeps the asked colour exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric import (
    micro_surface,
    micro_woven,
    palette,
    patterns_large,
    patterns_motif,
    patterns_nature,
    patterns_woven,
)
from outfitswap_desktop.embedded.fabric.canvas import Canvas, encoded, filled, noise
from outfitswap_desktop.embedded.fabric.design import Cloth, Colour, Design, Material
from outfitswap_desktop.embedded.fabric.structure import Structure

MAX_SIDE = 2048
SPAN_CM = 64.0
"""Size of the tiles that span a garment once (colour block, gradient): larger than any garment."""

SWATCH_CM = 10.0
"""For pattern "swatch": Design.scale 1 means a tile this wide."""

Draw = Callable[[Canvas, Sequence[Colour]], F32]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a pattern is drawn: the function and the tile's size in cm for `n` colours at scale 1.

    `spans`: the tile is the whole garment. `tossed`: motifs are strewn, so the tile may be any size whatever the scale.
    """

    draw: Draw
    size: Callable[[int], tuple[float, float]]
    spans: bool = False
    tossed: bool = False


def _square(cm: float) -> Callable[[int], tuple[float, float]]:
    return lambda _: (cm, cm)


def plans() -> dict[str, Plan]:
    """Every pattern that can be drawn, by its key."""
    w, m, a, g = patterns_woven, patterns_motif, patterns_nature, patterns_large
    span = _square(SPAN_CM)
    return {
        "pinstripe": Plan(w.pinstripe, _square(12.0)),
        "chalk stripe": Plan(w.chalk_stripe, _square(12.0)),
        "vertical stripe": Plan(w.vertical_stripe, lambda n: (0.9 * n, 7.2)),
        "horizontal stripe": Plan(w.horizontal_stripe, lambda n: (8.0, 2.0 * n)),
        "breton": Plan(w.breton, lambda n: (7.95, 2.65 * (n - 1))),
        "diagonal stripe": Plan(w.diagonal_stripe, lambda n: (2.5 * n, 2.5 * n)),
        "gingham": Plan(w.gingham, lambda n: (1.8 * (n - 1), 1.8 * (n - 1))),
        "tartan": Plan(w.tartan, _square(11.0)),
        "buffalo": Plan(w.buffalo, _square(10.0)),
        "windowpane": Plan(w.windowpane, _square(5.0)),
        "glen": Plan(w.glen, _square(9.0)),
        "houndstooth": Plan(w.houndstooth, _square(1.6)),
        "herringbone": Plan(w.herringbone, _square(10.8)),
        "checkerboard": Plan(w.checkerboard, lambda n: (3.0 * n, 3.0 * n)),
        "chevron": Plan(w.chevron, lambda n: (6.0, 1.6 * n)),
        "argyle": Plan(m.argyle, lambda n: (12.0 if n != 5 else 18.0, 9.0)),
        "polka": Plan(m.polka, lambda n: (2.5 * max(1, n - 1) * 1.414, 2.5 * 1.414)),
        "stars": Plan(m.stars, lambda n: (4.6 * max(1, n - 1), 4.6)),
        "hearts": Plan(m.hearts, lambda n: (4.2 * max(1, n - 1), 4.2)),
        "floral": Plan(m.floral, _square(22.0), tossed=True),
        "tropical": Plan(m.tropical, _square(25.0), tossed=True),
        "paisley": Plan(m.paisley, _square(16.0)),
        "geometric": Plan(m.geometric, _square(24.0), tossed=True),
        "leopard": Plan(a.leopard, _square(22.0), tossed=True),
        "zebra": Plan(a.zebra, _square(32.0), tossed=True),
        "tiger": Plan(a.tiger, _square(32.0), tossed=True),
        "snake": Plan(a.snake, _square(24.0), tossed=True),
        "cow": Plan(a.cow, _square(36.0), tossed=True),
        "giraffe": Plan(a.giraffe, _square(30.0), tossed=True),
        "camouflage": Plan(a.camouflage, _square(34.0), tossed=True),
        "tie dye": Plan(g.tie_dye, _square(36.0), tossed=True),
        "colour block": Plan(g.colour_block, span, spans=True),
        "gradient": Plan(g.gradient, span, spans=True),
    }


_MICRO: dict[str, Callable[[Canvas, float], Structure]] = {
    "plain": micro_woven.plain,
    "slub": micro_woven.slub,
    "twill": micro_woven.twill,
    "denim": micro_woven.denim,
    "chambray": micro_woven.chambray,
    "jersey": micro_woven.jersey,
    "knit": micro_woven.knit,
    "rib": micro_woven.rib,
    "cable": micro_woven.cable,
    "felt": micro_woven.felt,
    "tweed": micro_woven.tweed,
    "pile": micro_woven.pile,
    "wale": micro_woven.wale,
    "smooth": micro_woven.smooth,
    "crepe": micro_woven.crepe,
    "ripstop": micro_woven.ripstop,
    "grain": micro_surface.grain,
    "nap": micro_surface.nap,
    "curl": micro_surface.curl,
    "fur": micro_surface.fur,
    "sequin": micro_surface.sequin,
    "lurex": micro_surface.lurex,
    "mesh": micro_surface.mesh,
    "quilt": micro_surface.quilt,
    "lace": micro_surface.lace,
    "damask": micro_surface.damask,
}

LARGEST_REPEAT_CM = 38.0
"""Repeating tiles stay under this, so that they cannot be taken for one that spans the garment."""

_MICRO_TILE_CM = {
    "cable": 15.0,
    "lace": 16.0,
    "damask": 18.0,
    "quilt": 14.0,
    "grain": 20.0,
    "slub": 20.0,
    "denim": 20.0,
}
_SOLID_CM = 14.0


def _tile_cm(design: Design, colours: Sequence[Colour]) -> tuple[float, float]:
    """The tile's size: whole repeats of the pattern, enough of them that the material does not repeat visibly."""
    want = _MICRO_TILE_CM.get(design.material.micro, _SOLID_CM)
    plan = plans().get(design.pattern)
    if plan is None:
        return (want, want)
    width, height = _repeat_cm(plan, design, len(colours))
    if plan.spans:
        return (width, height)
    coarse = design.material.micro_cm > 0.18 or design.material.micro in _MICRO_TILE_CM
    least = want if coarse else 7.0
    return (width * max(1, round(least / width)), height * max(1, round(least / height)))


def _repeat_cm(plan: Plan, design: Design, count: int) -> tuple[float, float]:
    width, height = plan.size(count)
    if plan.spans:
        return (width, height)
    factor = min(max(design.scale, 0.55), 1.7) if plan.tossed else design.scale
    return (min(width * factor, LARGEST_REPEAT_CM), min(height * factor, LARGEST_REPEAT_CM))


def _raster(cm: tuple[float, float], pixels_per_cm: float, *, most: int = MAX_SIDE) -> tuple[int, int]:
    shrink = min(1.0, most / (max(cm) * pixels_per_cm))
    return (max(8, round(cm[0] * pixels_per_cm * shrink)), max(8, round(cm[1] * pixels_per_cm * shrink)))


def _most_pixels(design: Design) -> int:
    """Longest side of the tile: strewn motifs and garment-wide designs are large and cost time, so they are drawn less fine."""
    plan = plans().get(design.pattern)
    if plan is None:
        return 1280
    return 1024 if plan.tossed or plan.spans else MAX_SIDE


def _drawn(
    design: Design, colours: Sequence[Colour], cm: tuple[float, float], *, size: tuple[int, int], seed: int
) -> F32:
    """The pattern without its material, drawn at twice the size and brought down by area in approximately linear light."""
    import cv2

    plan = plans()[design.pattern]
    one = _repeat_cm(plan, design, len(colours))
    times = (max(1, round(cm[0] / one[0])), max(1, round(cm[1] / one[1])))
    grow = 1.0 if plan.tossed or max(size) > 900 else 2.0
    width, height = max(8, round(size[0] * grow / times[0])), max(8, round(size[1] * grow / times[1]))
    canvas = Canvas(width, height, (cm[0] / times[0], cm[1] / times[1]), np.random.default_rng((seed, 1)), design.scale)
    tile = np.tile(plan.draw(canvas, colours), (times[1], times[0], 1))
    if tile.shape[1::-1] != size:
        tile = np.sqrt(np.clip(cv2.resize(tile * tile, size, interpolation=cv2.INTER_AREA), 0, 1))
    return np.asarray(tile, np.float32)


def _shaded(tile: F32, structure: Structure, depth: float) -> F32:
    """The structure's light and dark on the tile's colours; pale yarn shows as undyed where the structure has any."""
    shade = structure.shade[..., None] * np.float32(depth)
    own = tile * shade + np.float32(0.05) * shade
    if structure.towards_white:
        pale = np.where(shade > 0, (np.float32(0.93) - tile) * shade, tile * shade)
        own = own * (1 - structure.towards_white) + pale * structure.towards_white
    return np.asarray(tile + own, np.float32)


def _keep_mean(tile: F32, wanted: F32) -> F32:
    """`tile` moved so that its mean is `wanted` after clipping; where white or black leave no room, the contrast shrinks."""
    difference = tile - tile.mean(axis=(0, 1))
    result = tile
    for contrast in (1.0, 0.7, 0.5, 0.35, 0.22, 0.12, 0.05):
        centre = wanted.copy()
        for _ in range(3):
            result = np.clip(centre + contrast * difference, 0, 1)
            centre = centre + (wanted - result.mean(axis=(0, 1)))
        if float(np.abs(result.mean(axis=(0, 1)) - wanted).max()) < 0.002:
            return np.asarray(result, np.float32)
    return np.asarray(result, np.float32)


def _flecked(tile: F32, canvas: Canvas, structure: Structure, colours: Sequence[Colour]) -> F32:
    """Other-coloured yarn ends in tweed, or the parts of several colours where the surface is made of parts."""
    if structure.figure is not None and len(colours) > 1:
        difference = encoded(colours[1:2])[0] - encoded(colours[:1])[0]
        return np.asarray(tile + difference * (1 - structure.figure[..., None]), np.float32)
    if structure.patches is not None and len(colours) > 1:
        index = np.minimum((structure.patches * len(colours)).astype(int), len(colours) - 1)
        return np.asarray(tile + encoded(colours)[index] - encoded(colours[:1])[0], np.float32)
    if structure.flecks <= 0:
        return tile
    extra = list(colours[1:]) or [(214, 200, 172), (58, 46, 38), (176, 104, 52), (86, 104, 120)]
    result = tile
    share = structure.flecks * (2.5 if len(colours) > 1 else 1.0)
    for colour in extra:
        grain_ = noise(canvas, 0.1, along_cm=0.16)
        threshold = np.float32(np.quantile(grain_, 1 - share / len(extra)))
        cover = np.clip((grain_ - threshold) / 0.3, 0, 1) * 0.65
        result = result + (encoded([colour])[0] - result) * cover[..., None].astype(np.float32)
    return np.asarray(result, np.float32)


def _micro(material: Material, canvas: Canvas, scale: float) -> Structure:
    draw = _MICRO.get(material.micro, micro_woven.plain)
    return draw(canvas, material.micro_cm * scale)


def _swatch(design: Design, pixels_per_cm: float) -> Cloth:
    import cv2

    assert design.swatch is not None
    height, width = design.swatch.shape[:2]
    cm = (SWATCH_CM * design.scale, SWATCH_CM * design.scale * height / width)
    size = _raster(cm, min(pixels_per_cm, width / cm[0]))
    tile = design.swatch.astype(np.float32) / np.float32(255)
    if size != (width, height):
        tile = np.sqrt(np.clip(cv2.resize(tile * tile, size, interpolation=cv2.INTER_AREA), 0, 1))
    return Cloth(albedo=np.asarray(tile, np.float32), cm=cm, height=None)


def weave(design: Design, *, pixels_per_cm: float, seed: int) -> Cloth:
    """A seamless tile of the cloth that `design` describes, lying flat, at `pixels_per_cm` (capped to 2048 px a side).

    `albedo` as in Cloth; `height` in centimetres of relief about 0. For "solid" the tile's mean colour is the asked
    one; "figured" is a cloth that has several colours in its own structure (brocade, tweed, sequins, lace on a lining).
    "colour block" and "gradient" give one tile of 64 cm: v = 0 is its upper edge and v = 64 cm its lower one, so a renderer
    lays v = 0 at the garment's top and stretches or cuts at its hem. The same design, resolution and seed give the same tile.
    Raises ValueError for a pattern that is not known or a resolution that is not positive.
    """
    if not pixels_per_cm > 0:
        raise ValueError(f"pixels_per_cm must be positive, not {pixels_per_cm}")
    if design.pattern == "swatch" and design.swatch is not None:
        return _swatch(design, pixels_per_cm)
    unfigured = design.pattern in ("solid", "figured")
    if not unfigured and design.pattern not in plans():
        raise ValueError(f"unknown pattern: {design.pattern!r}")
    colours = palette.completed(design.pattern, design.colours)
    cm = _tile_cm(design, colours)
    size = _raster(cm, pixels_per_cm, most=_most_pixels(design))
    canvas = Canvas(size[0], size[1], cm, np.random.default_rng((seed, 0)), design.scale)
    tile = filled(canvas, colours[0]) if unfigured else _drawn(design, colours, cm, size=size, seed=seed)
    structure = _micro(design.material, canvas, design.scale if unfigured else 1.0)
    tile = _shaded(tile, structure, design.material.micro_depth)
    if unfigured:
        tile = _flecked(tile, canvas, structure, colours)
        if len(colours) == 1:
            tile = _keep_mean(tile, encoded(colours)[0])
    return Cloth(albedo=np.clip(tile, 0, 1).astype(np.float32), cm=cm, height=structure.height)
