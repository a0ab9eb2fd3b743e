"""Boxes and clicks of the editor answered with SAM, in the words of core.refine.refine; GrabCut where SAM cannot."""

from __future__ import annotations

import numpy as np

from outfitswap_desktop.core import refine as grabcut
from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.mask import to_binary
from outfitswap_desktop.core.refine import Point
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.ml.refine import Refiner

SAM, GRABCUT = "sam", "grabcut"


class ClickRefiner:
    """`refine` has the face of core.refine.refine and says beside the mask what made it."""

    def __init__(self, refiner: Refiner) -> None:
        self._refiner = refiner
        self.reason = ""
        """Why GrabCut answered last, in one sentence; "" where SAM did."""

    def refine(
        self,
        photo: RGB,
        *,
        box: Box | None,
        points: tuple[Point, ...],
        mask: Mask | None,
        protected: Mask | None = None,
    ) -> tuple[Mask, str]:
        """`mask` (H, W) with one area fitted to the photo, and "sam" or "grabcut".

        With a `box` (x0, y0, x1, y1), what fills it takes the place of what the mask had there; the thing at each inside point
        (x, y, True) is added, the thing at each outside point taken away. What is `protected` never gets in.
        """
        self.reason = ""
        try:
            made = _refine(self._refiner, photo, box=box, points=points, mask=mask, protected=protected)
        except NotAvailable as problem:
            self.reason = problem.message
            return grabcut.refine(photo, box=box, points=points, mask=mask, protected=protected), GRABCUT
        return made, SAM

    def close(self) -> None:
        """Give the network's memory back."""
        self._refiner.close()


def _refine(
    refiner: Refiner,
    photo: RGB,
    *,
    box: Box | None,
    points: tuple[Point, ...],
    mask: Mask | None,
    protected: Mask | None,
) -> Mask:
    shape = (photo.shape[0], photo.shape[1])
    if any(other is not None and other.shape != shape for other in (mask, protected)):
        raise UsageProblem("The mask and the photo differ in size.", reason="mask_shape")
    if box is None and not points:
        raise UsageProblem("Neither a box nor a point was given.", reason="refine")
    result = np.zeros(shape, np.uint8) if mask is None else to_binary(mask)
    if box is not None:
        _fill_box(refiner, photo, box, result)
    for wanted in (True, False):
        asked = tuple((float(x), float(y)) for x, y, inside in points if inside is wanted)
        if asked:
            others = tuple((float(x), float(y)) for x, y, inside in points if inside is not wanted)
            labels = (True,) * len(asked) + (False,) * len(others)
            thing = refiner.refine_click(photo, box=None, points=asked + others, labels=labels)
            result[thing > 0] = 255 if wanted else 0
    if protected is not None:
        result[protected > 0] = 0
    return result


def _fill_box(refiner: Refiner, photo: RGB, box: Box, result: Mask) -> None:
    height, width = result.shape
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    if x1 - x0 < 2 or y1 - y0 < 2:
        raise UsageProblem("The box is empty.", reason="refine")
    corners = (float(x0), float(y0), float(x1), float(y1))
    found = refiner.refine_click(photo, box=corners, points=(), labels=())
    result[y0:y1, x0:x1] = found[y0:y1, x0:x1]
