"""What the words (or a picture of a fabric) ask for, and the cloth that comes of it: the two values between the modules.

words -> Design -> patterns/swatch -> Cloth -> render.
"""

from __future__ import annotations

from dataclasses import dataclass

from outfitswap_desktop.core.arrays import F32, RGB

Colour = tuple[int, int, int]
"""sRGB, 0..255 each."""


@dataclass(frozen=True, slots=True)
class Material:
    """How a material answers to light and what its surface looks like close up.

    `fold_gain` scales the folds' contrast (1 = cotton; silk and leather more, wool and velvet less). `specular` 0..1 is
    the strength of highlights and `gloss` 0..1 their tightness; `sheen` 0..1 brightens surfaces that turn away (velvet).
    `micro` names the small-scale structure drawn by patterns ("plain", "twill", "rib", "pile", "grain", "sequin" ...) and
    `micro_depth` 0..1 its contrast. `light_floor` 0..1: how dark the deepest folds may get relative to the lit cloth.
    """

    name: str
    fold_gain: float = 1.0
    specular: float = 0.0
    gloss: float = 0.3
    sheen: float = 0.0
    micro: str = "plain"
    micro_depth: float = 0.1
    micro_cm: float = 0.1
    light_floor: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """What was asked for, understood.

    `colours`: the ground colour first, then the pattern's colours; never empty. `pattern`: "solid", "pinstripe", ... or
    "swatch" when `swatch` (h, w, 3) sRGB holds a picture of the fabric. `scale`: 1 = the pattern's usual size.
    `limits`: sentences on what was asked and cannot be done (cut, unknown words). `said`: what was understood, for the receipt.
    """

    colours: tuple[Colour, ...]
    material: Material
    pattern: str = "solid"
    scale: float = 1.0
    direction: float = 0.0
    swatch: RGB | None = None
    limits: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Cloth:
    """A seamless tile of the cloth lying flat under even light.

    `albedo` (h, w, 3) float32 sRGB-encoded 0..1, wraps around at its borders; `height` (h, w) float32 about 0, the small
    relief of weave or pile, or None; `cm` the tile's size on the body (width, height) in centimetres; v runs down the body.
    """

    albedo: F32
    cm: tuple[float, float]
    height: F32 | None = None
