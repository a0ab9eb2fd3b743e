"""What a measurement is made of: a case with its needs, the rows it answers with, and the targets they are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Needs = Literal["cpu", "cuda"]
GATE = 1e-2
"""Largest relative error of one step against the plain one; a row beyond it has not reached anything, however fast."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a case wants: `on` a device, `free_gib` of its memory, about `seconds`, `libraries` that can be imported."""

    on: Needs
    seconds: float
    free_gib: float = 0.0
    libraries: tuple[str, ...] = ("torch", "diffusers", "transformers")


@dataclass(frozen=True, slots=True)
class Target:
    """`ratio`: at least (baseline over ours); `most` and `least`: bounds of ours, `on` cards whose name has one of these words.

    Absolute bounds were set for one card; elsewhere they are not judged.
    """

    ratio: float | None = None
    most: float | None = None
    least: float | None = None
    on: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [
            *([f">= {self.ratio:g}x"] if self.ratio is not None else []),
            *([f"<= {self.most:g}"] if self.most is not None else []),
            *([f">= {self.least:g}"] if self.least is not None else []),
        ]
        return ", ".join(words)

    def reached(self, row: Row, *, card: str) -> bool | None:
        """Whether `row` reached it on `card`; None where nothing can be judged."""
        if row.failure or row.ours is None:
            return None
        if any(not error <= GATE for error in row.errors.values()):
            return False
        verdicts = []
        if self.ratio is not None and row.ratio is not None:
            verdicts.append(row.ratio >= self.ratio)
        if not self.on or any(word.lower() in card.lower() for word in self.on):
            if self.most is not None:
                verdicts.append(row.ours <= self.most)
            if self.least is not None:
                verdicts.append(row.ours >= self.least)
        return all(verdicts) if verdicts else None


NO_TARGET = Target()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the answer.

    `ours` and `baseline` in `unit`; `ratio` is how much better ours is (baseline / ours unless said); `errors` are relative
    errors of the correctness gate by name; `facts` further plain values; `failure` why there are no figures.
    """

    id: str
    what: str
    unit: str = ""
    ours: float | None = None
    baseline: float | None = None
    against: str = ""
    ratio: float | None = None
    target: Target = NO_TARGET
    errors: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failure: str = ""


def compared(
    id: str,
    what: str,
    *,
    unit: str,
    ours: float,
    baseline: float,
    against: str,
    target: Target,
    errors: Mapping[str, float] | None = None,
    facts: Mapping[str, Any] | None = None,
    notes: tuple[str, ...] = (),
) -> Row:
    """A row of two figures of which the smaller is the better."""
    ratio = baseline / ours if ours > 0 else None
    return Row(id, what, unit, ours, baseline, against, ratio, target, errors or {}, facts or {}, notes)


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how cases run: `device` "cuda" or "cpu", the card's name, `full` or quick, `left()` seconds of the budget.

    `tiny` shrinks what a test need not see at full size.
    """

    device: str
    card: str
    full: bool
    left: Callable[[], float]
    tiny: bool = False


class Case(Protocol):
    """One measurement of the suite; `quick`: whether the quick suite has it."""

    @property
    def ids(self) -> tuple[str, ...]: ...
    @property
    def what(self) -> str: ...
    @property
    def need(self) -> Need: ...
    @property
    def quick(self) -> bool: ...

    def run(self, setting: Setting) -> Sequence[Row]:
        """Measure. May raise whatever a library raises: the suite makes it a row with the failure."""
        ...
