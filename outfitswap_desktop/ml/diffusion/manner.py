"""How a request is painted: its wishes and the recipe's numbers joined."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from outfitswap_desktop.core.job import BALANCED, FAST

if TYPE_CHECKING:
    from outfitswap_desktop.core.steps import GenerationRequest
    from outfitswap_desktop.ml.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Manner:
    """How a request is painted, its wishes and the recipe joined; `few` are few-step weights to be used."""

    mode: str
    steps: int
    guidance: float
    strength: float
    sampler: str
    few: Path | None = None

    def guided(self, interval: tuple[float, float], count: int) -> range:
        """Which of `count` steps are guided: all, or in the mode "balanced" those of `interval` but the last."""
        if self.guidance <= 1.0:
            return range(0)
        if self.mode != BALANCED:
            return range(count)
        return range(math.floor(interval[0] * count), min(count - 1, math.ceil(interval[1] * count)))


def manner_of(request: GenerationRequest, recipe: Recipe, *, few: Path | None) -> Manner:
    """How `request` is painted: its wishes, else the recipe's numbers; `few` is the file of the few-step weights."""
    wishes = request.wishes
    strength = wishes.strength if wishes.strength is not None else recipe.strength
    steps, guidance, sampler = recipe.steps, recipe.guidance, recipe.sampler
    if wishes.mode == FAST and recipe.fast is not None:
        steps, guidance, sampler = recipe.fast.steps, recipe.fast.guidance, "lcm"
    steps = request.steps if request.steps is not None else steps
    guidance = wishes.guidance if wishes.guidance is not None else guidance
    return Manner(wishes.mode, steps, guidance, max(strength, 1.0 / steps), sampler, few)
