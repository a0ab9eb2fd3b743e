"""The embedded generator: puts another cloth on the garment in a photo, without a GPU and without a download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.steps import Generated, GenerationRequest, Recolour
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric import render
from outfitswap_desktop.embedded.fabric.design import Cloth, Colour, Design
from outfitswap_desktop.errors import InputRefused

NEARLY_BLACK = 0.012
"""Median luminance under which folds are lifted out of the last few levels of the photo."""

BURNT_OUT = 0.25
"""Share of pixels at the top of the scale from which on folds are missing in the photo itself."""

SMALL = 3_000
"""Pixels of garment under which neither weave nor small patterns can be seen."""


IN_LARGE_AREAS = frozenset({"solid", "colour block", "gradient", "tie dye", "checkerboard", "buffalo"})
"""Patterns that show each of their colours in large areas; of all others the ground alone could look like bare skin."""

MOVED = "The colour was moved away from the skin's, because cloth that fits closely would look like bare skin in it."


class FabricGenerator:
    """Recolours, re-patterns and re-textures a garment; keeps its cut, folds, seams and light. Deterministic."""

    name = "fabric"
    max_pixels: int | None = None
    multiple = 1
    keeps_cut = True

    def generate(
        self, request: GenerationRequest, *, report: Callable[[float], None], cancel: CancelToken
    ) -> Generated:
        """Paint the cloth that the words or the garment picture ask for.

        Pixels of alpha 0 come back unchanged; a soft edge is already laid over the background. Raises InputRefused when neither
        words nor picture say anything about fabric, or when the mask is empty.
        """
        if not request.alpha.any():
            raise InputRefused("There is nothing to change under the mask.", reason="empty_mask")
        cancel.check()
        asked = understood(request.prompt, request.garment, zone=request.zone)
        design = _recoloured(asked, request.recolour if request.garment is None else None)
        report(0.05)
        cancel.check()
        scene = render.read_scene(request.image, request.alpha, request.axes, request.zone)
        report(0.35)
        cancel.check()
        cloth = _woven(design, scene.pixels_per_cm, request.seed)
        report(0.5)
        cancel.check()
        image = render.render(
            request.image,
            request.alpha,
            design=design,
            cloth=cloth,
            scene=scene,
            report=lambda done: report(0.5 + 0.5 * done),
            cancel=cancel,
        )
        return Generated(
            image,
            composited=True,
            limits=(*design.limits, *_measured_limits(request, scene)),
            notes=(MOVED,) if design.colours != asked.colours else (),
            plan=_plan(design, cloth, scene),
        )


def understood(prompt: str, garment: RGB | None, *, zone: Zone) -> Design:
    """The design that a picture of a fabric or garment shows, else the one that the words describe."""
    from outfitswap_desktop.embedded.fabric import swatch, words

    if garment is None:
        return words.understand(prompt, zone=zone)
    design = swatch.from_picture(garment)
    if not prompt.strip():
        return design
    material, limits, said = words.beside_picture(prompt, zone=zone)
    return replace(
        design,
        material=material if material is not None else design.material,
        limits=(*design.limits, *limits),
        said=(*design.said, *said),
    )


def _recoloured(design: Design, recolour: Recolour | None) -> Design:
    """The design in colours that may be painted. A picture's cloth has the colours that it has: none is given for it."""
    if recolour is None:
        return design
    moved = len(design.colours) if design.pattern in IN_LARGE_AREAS else 1
    ground = tuple(recolour(colour) for colour in design.colours[:moved])
    return replace(design, colours=(*ground, *design.colours[moved:]))


def _woven(design: Design, pixels_per_cm: float, seed: int) -> Cloth:
    from outfitswap_desktop.embedded.fabric import patterns

    return patterns.weave(design, pixels_per_cm=pixels_per_cm, seed=seed)


def _measured_limits(request: GenerationRequest, scene: render.Scene) -> tuple[str, ...]:
    """What the photo itself does not allow, in sentences."""
    taken = scene.shading
    limits = []
    if taken.lit < NEARLY_BLACK:
        limits.append("The old garment is nearly black: its folds are estimated and may look softer.")
    if taken.clipped > BURNT_OUT:
        limits.append("Much of the old garment is burnt out to white: where it is, there are no folds to keep.")
    if taken.printed > 0.2:
        limits.append("The old garment is strongly patterned: fine folds between its colours may be lost.")
    if int((request.alpha > 0).sum()) < SMALL:
        limits.append("The garment is very small in the photo: the weave and small patterns cannot be seen.")
    if scene.drape.estimated:
        limits.append("No body was found in the photo: the pattern's direction follows the mask's outline.")
    return tuple(limits)


def _plan(design: Design, cloth: Cloth, scene: render.Scene) -> dict[str, object]:
    return {
        "understood": design.said,
        "pattern": design.pattern,
        "material": design.material.name,
        "colours": tuple(_hex(colour) for colour in design.colours),
        "pixels_per_cm": round(scene.pixels_per_cm, 2),
        "tile_cm": tuple(round(side, 2) for side in cloth.cm),
    }


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
