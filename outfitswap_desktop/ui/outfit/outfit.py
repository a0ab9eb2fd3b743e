"""What somebody shall wear, as the panel holds it: one frozen value, and how it becomes text for the queue and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from outfitswap_desktop.core.job import MODES, QUALITY, Wishes

T = TypeVar("T")

MOST_VARIATIONS: Final = 8
AUTO: Final = "auto"
"""The best engine of this machine."""
FABRIC: Final = "fabric"
"""The engine that is always there."""
ENGINES: Final = (FABRIC, "sd15", "sdxl", "klein", "qwen")
"""All engines by name; the panel offers them and "auto"."""
MOST_CHARACTERS: Final = 300
"""The prompt policy's limit."""
MOST_STEPS: Final = 150
"""Beyond this no diffusion engine gains anything."""
SPANS: Final[Mapping[str, tuple[float, float]]] = {
    "strength": (0.0, 1.0),
    "guidance": (1.0, 20.0),
    "pose": (0.0, 2.0),
    "depth": (0.0, 2.0),
    "garment_weight": (0.0, 1.5),
}
"""The numbers of core.job.Wishes with the least and the most that a request takes."""

_ALL: Final = frozenset({"mode", "steps", *SPANS})
_HEEDED: Final[Mapping[str, frozenset[str]]] = {
    AUTO: _ALL,
    "sd15": _ALL,
    "sdxl": _ALL,
    "klein": frozenset({"steps", "strength"}),
    "qwen": frozenset({"mode", "steps", "strength", "guidance"}),
}


def heeded(engine: str) -> frozenset[str]:
    """Which of mode, steps and the numbers of SPANS an engine heeds: none for "fabric" and for an unknown one.

    ControlNets (pose, depth) and IP-Adapter (garment_weight) are published for the two Stable Diffusion engines alone; the
    weights of "klein" were distilled to one guidance and few steps, so that it has no modes.
    """
    return _HEEDED.get(engine, frozenset())


@dataclass(frozen=True, slots=True)
class Outfit:
    """Words and styles, or a picture of a garment or fabric, or both. `seed` counts up from one variation to the next.

    `styles` are names of style toggles. `steps`, `strength`, `guidance`, `pose`, `depth` and `garment_weight` as in SwapRequest
    and its Wishes; None: the recipe's own number.
    """

    words: str = ""
    styles: tuple[str, ...] = ()
    garment: Path | None = None
    engine: str = AUTO
    seed: int = 0
    seed_locked: bool = False
    variations: int = 1
    steps: int | None = None
    mode: str = QUALITY
    strength: float | None = None
    guidance: float | None = None
    pose: float | None = None
    depth: float | None = None
    garment_weight: float | None = None

    @property
    def is_empty(self) -> bool:
        return not self.words.strip() and self.garment is None

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each variation."""
        return tuple(self.seed + number for number in range(self.variations))

    @property
    def asked_steps(self) -> int | None:
        """The steps that a request asks for: None where the engine has none."""
        return self.steps if "steps" in heeded(self.engine) else None

    @property
    def wishes(self) -> Wishes:
        """What a request asks of a diffusion engine; what the engine does not heed is not asked.

        All requests of one click have the same ones: the seeds of all its variations, for one batch.
        """
        known = heeded(self.engine)
        numbers: dict[str, Any] = {name: getattr(self, name) for name in SPANS if name in known}
        seeds = self.seeds if known and self.variations > 1 else ()
        return Wishes(mode=self.mode if "mode" in known else QUALITY, seeds=seeds, **numbers)

    def as_values(self) -> dict[str, Any]:
        """Plain values for the autosaved project."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values["garment"] = str(self.garment) if self.garment is not None else None
        values["styles"] = list(self.styles)
        return values

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Outfit:
        """The reverse; what is missing, of the wrong kind or out of its span takes its default."""
        plain = cls()
        garment, styles = values.get("garment"), values.get("styles")
        return cls(
            words=_of(values.get("words"), str, plain.words),
            styles=tuple(str(one) for one in styles) if isinstance(styles, list) else (),
            garment=Path(garment) if isinstance(garment, str) and garment else None,
            engine=_of(values.get("engine"), str, plain.engine),
            seed=max(0, _of(values.get("seed"), int, plain.seed)),
            seed_locked=_of(values.get("seed_locked"), bool, plain.seed_locked),
            variations=min(MOST_VARIATIONS, max(1, _of(values.get("variations"), int, 1))),
            **asked_of_recipe(values),
        )


def asked_of_recipe(values: Mapping[str, Any]) -> dict[str, Any]:
    """Mode, steps and the numbers of SPANS from plain values (a project, a receipt); default for what no request takes."""
    mode, steps = values.get("mode"), _number(values.get("steps"))
    found: dict[str, Any] = {
        "mode": mode if mode in MODES else QUALITY,
        "steps": int(steps) if steps is not None and 1 <= steps <= MOST_STEPS else None,
    }
    for name, (low, high) in SPANS.items():
        value = _number(values.get(name))
        found[name] = value if value is not None and low <= value <= high else None
    return found


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _of(value: Any, kind: type[T], otherwise: T) -> T:
    return value if isinstance(value, kind) else otherwise
