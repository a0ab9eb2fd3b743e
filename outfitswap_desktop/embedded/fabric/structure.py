"""What a material's small structure is made of: shading, relief, and how its coloured parts differ from the asked colour."""

from __future__ import annotations

from dataclasses import dataclass

from outfitswap_desktop.core.arrays import F32


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """`shade` (h, w) with mean 0, about -1..1: lighter or darker than the cloth's colour, before `Material.micro_depth`.

    `height` (h, w) in cm about 0; `towards_white` 0..1: how far light parts are undyed yarn rather than a lighter shade;
    `flecks`: share of the surface taken by other-coloured flecks; `patches` (h, w) 0..1 picks among a design's colours where
    the structure itself is made of separate parts (a sequin, a tuft), None otherwise. `figure` (h, w) 0..1 is where the first
    colour shows when there are two: the lace on its lining, the ornament of a brocade is the second.
    """

    shade: F32
    height: F32 | None = None
    towards_white: float = 0.0
    flecks: float = 0.0
    patches: F32 | None = None
    figure: F32 | None = None
