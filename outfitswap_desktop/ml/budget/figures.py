"""The planner's figures as data: bytes of weights, and of activations as curves over the picture's area."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from outfitswap_desktop import paths

FILE: Final = "architectures/memory.json"
FACTORS: Final = {"float16": 1, "bfloat16": 1, "float32": 2}
"""Torch's types, as multiples of the 16 bits that the figures are for. A tensor either doubles in float32 or was that wide
before, so that twice the peak is never too little."""
Curve = tuple[tuple[int, int], ...]
"""(pixels, bytes), by pixels."""


@dataclass(frozen=True, slots=True)
class Figures:
    """`weights` by component; `curves` by engine and pass, for one row of a batch (ml.budget.derive makes them)."""

    weights: Mapping[str, int]
    curves: Mapping[str, Mapping[str, Curve]]

    def weight(self, component: str, dtype: str) -> int:
        """Bytes of a component's weights in torch's type `dtype`."""
        return FACTORS[dtype] * self.weights[component]

    def activations(self, engine: str, name: str, dtype: str, *, pixels: int) -> int:
        """Peak bytes above the weights of the pass `name` with one row of `pixels` pixels.

        Live memory at any one operation is affine in the area, its peak over the operations therefore a convex function
        of it: the chords between measured points are never below it. Left of the first point the first holds; right of
        the last one the last chord goes on, with a tenth of its rise on top.
        """
        return FACTORS[dtype] * _height(self.curves[engine][name], pixels)


def _height(curve: Curve, pixels: int) -> int:
    if pixels <= curve[0][0] or len(curve) == 1:
        return curve[0][1]
    for (left, low), (right, high) in pairwise(curve):
        if pixels <= right:
            return -(-(low * (right - pixels) + high * (pixels - left)) // (right - left))
    (left, low), (right, high) = curve[-2:]
    return high + int(1.1 * (high - low) * (pixels - right) / (right - left))


def figures() -> Figures:
    """The bundled figures."""
    read: dict[str, Any] = json.loads(paths.resource(FILE).read_text(encoding="utf-8"))
    curves = {
        engine: {name: tuple((int(x), int(y)) for x, y in points) for name, points in passes.items()}
        for engine, passes in read["curves"].items()
    }
    return Figures(read["weights"], curves)


def step_name(controls: int, *, reference: bool) -> str:
    """The curve of a denoising step."""
    return f"step{controls}{'r' if reference else ''}"
