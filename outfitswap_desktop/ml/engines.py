"""The engines of this machine, chosen job by job; of the diffusion engines one is loaded at a time."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Protocol

from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.core.steps import Generator, Steps
from outfitswap_desktop.ml import choice
from outfitswap_desktop.ml.recipes import Recipe

if TYPE_CHECKING:
    from outfitswap_desktop.weights.store import WeightsStore

AUTO: Final = "auto"


class Closable(Generator, Protocol):
    """A generator that gives its memory back."""

    def close(self) -> None: ...


class MlEngines:
    """core.steps.Engines. `embedded` are the steps of the embedded engine; their segmenter serves all engines.

    `negative` is the fixed negative prompt, added to every request whose engine takes one.
    """

    def __init__(self, store: WeightsStore, *, embedded: Steps, negative: str) -> None:
        self._store = store
        self._embedded = embedded
        self._negative = negative
        self._loaded: tuple[str, Closable] | None = None
        self._beside = ExitStack()

    def steps(self, request: SwapRequest) -> tuple[Steps, str]:
        """The steps of `request` and why this engine. Raises NotAvailable."""
        name, reason = self.choose(request.engine)
        if name is None:
            return self._embedded, reason
        return Steps(segmenter=self._embedded.segmenter, generator=self._generator(name)), reason

    def choose(self, name: str) -> tuple[str | None, str]:
        """The diffusion engine for a name, None for the embedded one, and why. Raises NotAvailable."""
        if name == AUTO:
            return choice.best(self._store)
        if not choice.is_diffusion(name):
            return None, "asked for"
        return name, choice.asked_for(name, self._store)

    def close(self) -> None:
        """Give the loaded engine's memory back."""
        loaded, self._loaded = self._loaded, None
        try:
            if loaded is not None:
                loaded[1].close()
        finally:
            self._beside.close()

    def _generator(self, name: str) -> Closable:
        if self._loaded is not None and self._loaded[0] == name:
            return self._loaded[1]
        self.close()  # two of them fit on few cards
        made = self._made(choice.find_recipe(name, self._store))
        self._loaded = (name, made)
        return made

    def _made(self, recipe: Recipe) -> Closable:
        from outfitswap_desktop.ml.budget.planner import plan_memory
        from outfitswap_desktop.ml.device import find_device

        device = find_device()
        if recipe.family == "stock":
            from outfitswap_desktop.ml.diffusion.stock import StockGenerator

            return StockGenerator(recipe, self._store, negative=self._negative, device=device, planner=plan_memory)
        from outfitswap_desktop.ml.control.conditions import Controls
        from outfitswap_desktop.ml.diffusion.generator import DiffusionGenerator
        from outfitswap_desktop.ml.speed.stepper import make_stepper

        accelerator = make_stepper(device)
        self._beside.callback(accelerator.close)
        return DiffusionGenerator(
            recipe,
            self._store,
            negative=self._negative,
            device=device,
            planner=plan_memory,
            controls=Controls(self._store, device=device.kind, dtype=device.dtype),
            accelerator=accelerator,
        )
