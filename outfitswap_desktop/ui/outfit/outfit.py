"""What somebody shall wear, as the panel holds it: one frozen value, and how it becomes text for the queue and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

MOST_VARIATIONS: Final = 8
ENGINES: Final = ("fabric",)
"""Engines of this release; the panel offers them and "auto"."""
MOST_CHARACTERS: Final = 300
"""The prompt policy's limit."""


@dataclass(frozen=True, slots=True)
class Outfit:
    """Words and styles, or a picture of a garment or fabric, or both. `seed` counts up from one variation to the next.

    `styles` are names of style toggles; `steps` None: the engine's own number.
    """

    words: str = ""
    styles: tuple[str, ...] = ()
    garment: Path | None = None
    engine: str = "auto"
    seed: int = 0
    seed_locked: bool = False
    variations: int = 1
    steps: int | None = None

    @property
    def is_empty(self) -> bool:
        return not self.words.strip() and self.garment is None

    def as_values(self) -> dict[str, Any]:
        """Plain values for the autosaved project."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values["garment"] = str(self.garment) if self.garment is not None else None
        values["styles"] = list(self.styles)
        return values

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Outfit:
        """The reverse; what is missing or of the wrong kind takes its default."""
        plain = cls()
        garment, styles, steps = values.get("garment"), values.get("styles"), values.get("steps")
        return cls(
            words=_of(values.get("words"), str, plain.words),
            styles=tuple(str(one) for one in styles) if isinstance(styles, list) else (),
            garment=Path(garment) if isinstance(garment, str) and garment else None,
            engine=_of(values.get("engine"), str, plain.engine),
            seed=max(0, _of(values.get("seed"), int, plain.seed)),
            seed_locked=_of(values.get("seed_locked"), bool, plain.seed_locked),
            variations=min(MOST_VARIATIONS, max(1, _of(values.get("variations"), int, 1))),
            steps=steps if isinstance(steps, int) and steps > 0 else None,
        )


def _of(value: Any, kind: type[T], otherwise: T) -> T:
    return value if isinstance(value, kind) else otherwise
