"""The frozen words of a job: request, progress, cancel token, result and receipt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import Cancelled, UsageProblem

QUALITY, BALANCED, FAST = "quality", "balanced", "fast"
MODES = (QUALITY, BALANCED, FAST)
"""How a diffusion engine spends its steps: guidance in all of them, in the useful part, or the few-step recipe."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What only diffusion engines heed; None leaves it to the recipe.

    `strength` 0..1 of the repainting, `guidance` 1..20, `pose` and `depth` the weights 0..2 of the two ControlNets (0 = off),
    `garment_weight` 0..1.5 that of a garment picture. `seeds` are those of all the variations of which this request is one:
    they are painted in one batch, and its own seed is among them.
    """

    mode: str = QUALITY
    strength: float | None = None
    guidance: float | None = None
    pose: float | None = None
    depth: float | None = None
    garment_weight: float | None = None
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SwapRequest:
    """One swap, said completely: the same value drives window, command line, batch, library and a bug report.

    `photo`, `garment`, `mask` and `output` are files. `zone` None: from the prompt's garment, else the largest zone found.
    `person` counts from 1, left to right; None takes the largest. `quality` (1..100) is for JPEG and WebP.
    `consent` is the statement of `--adult-consent` as given, None when it was not given; `adult_attested` the second one,
    that the person is an adult. `outline` is a drawn outline of the person, for photos in which nobody is found.
    """

    photo: Path
    output: Path
    prompt: str = ""
    garment: Path | None = None
    mask: Path | None = None
    zone: Zone | None = None
    person: int | None = None
    engine: str = "auto"
    seed: int = 0
    steps: int | None = None
    quality: int = 95
    keep_metadata: bool = True
    consent: str | None = None
    adult_attested: bool = False
    outline: Path | None = None
    wishes: Wishes = Wishes()


LARGEST_SEED = 2**63 - 1


def refuse_nonsense(request: SwapRequest) -> None:
    """Raise UsageProblem for a request that no engine can take: nothing to wear, numbers out of their range."""
    if not isinstance(request.prompt, str):
        raise UsageProblem("The prompt must be text.", reason="bad_prompt", hint='Say it in words: "navy linen".')
    if not request.prompt.strip() and request.garment is None:
        raise UsageProblem(
            "Nothing says what to wear.", reason="no_outfit", hint="Give a prompt or a picture of a garment or fabric."
        )
    require_whole("seed", request.seed, low=0, high=LARGEST_SEED)
    require_whole("quality", request.quality, low=1, high=100)
    if request.person is not None:
        require_whole("person", request.person, low=1)
    if request.steps is not None:
        require_whole("steps", request.steps, low=1)
    _refuse_wild_wishes(request)


_SPANS = {
    "strength": (0.0, 1.0),
    "guidance": (1.0, 20.0),
    "pose": (0.0, 2.0),
    "depth": (0.0, 2.0),
    "garment_weight": (0.0, 1.5),
}
MOST_SEEDS = 16


def _refuse_wild_wishes(request: SwapRequest) -> None:
    wishes = request.wishes
    if wishes.mode not in MODES:
        raise UsageProblem(
            f"There is no mode {wishes.mode!r}.", reason="bad_mode", hint=f"Choose one of {', '.join(MODES)}."
        )
    for name, (low, high) in _SPANS.items():
        value = getattr(wishes, name)
        if value is not None and not (isinstance(value, int | float) and low <= value <= high):
            raise UsageProblem(
                f"The {name.replace('_', ' ')} {value!r} must be a number from {low:g} to {high:g}.",
                reason=f"bad_{name}",
                hint="Leave it out for the recipe's own.",
            )
    for seed in wishes.seeds:
        require_whole("seed", seed, low=0, high=LARGEST_SEED)
    if wishes.seeds and (request.seed not in wishes.seeds or len(wishes.seeds) > MOST_SEEDS):
        raise UsageProblem(
            "The seeds of the variations do not fit.",
            reason="bad_seeds",
            hint=f"At most {MOST_SEEDS}, the request's own among them.",
        )


def variations_of(request: SwapRequest, count: int) -> tuple[SwapRequest, ...]:
    """`count` requests with seeds counting up from the request's, to be painted in one batch by an engine that can.

    The first keeps its output's name, the others have a number added to it.
    """
    if count == 1:
        return (request,)
    seeds = tuple((request.seed + number) % (LARGEST_SEED + 1) for number in range(count))
    wishes = replace(request.wishes, seeds=seeds)
    place = request.output
    return tuple(
        replace(
            request,
            seed=seed,
            wishes=wishes,
            output=place if number == 1 else place.with_name(f"{place.stem}-{number}{place.suffix}"),
        )
        for number, seed in enumerate(seeds, 1)
    )


def require_whole(name: str, value: object, *, low: int, high: int | None = None) -> None:
    """Raise UsageProblem unless `value` is a whole number from `low` to `high` (None: no upper limit)."""
    if isinstance(value, int) and not isinstance(value, bool) and low <= value and (high is None or value <= high):
        return
    span = f"from {low} to {high}" if high is not None else f"of at least {low}"
    raise UsageProblem(
        f"The {name} {value!r} must be a whole number {span}.", reason=f"bad_{name}", hint=f"Give another {name}."
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job is: `stage` is a word of the pipeline, `fraction` 0..1 of the whole job, `detail` one short phrase."""

    stage: str
    fraction: float
    detail: str = ""


Report = Callable[[Progress], None]


class Cancel(Protocol):
    """Anything with threading.Event's reading side; a multiprocessing Event fits too."""

    def is_set(self) -> bool: ...


class CancelToken:
    """Set by the user, polled by the steps; `check` raises Cancelled at the next safe point."""

    def __init__(self, event: Cancel | None = None) -> None:
        self._event = event if event is not None else threading.Event()

    def set(self) -> None:
        """Ask for a cancel; takes effect at the next check."""
        setter = getattr(self._event, "set", None)
        if setter is None:
            raise TypeError("this token only reads; set the event it was made from")
        setter()

    def is_set(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise Cancelled when a cancel was asked for."""
        if self._event.is_set():
            raise Cancelled()


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What the pipeline measured on the result, before it is encoded."""

    outside_mask_changed_pixels: int
    mask_fraction: float
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class SwapResult:
    """The pipeline's raw outcome: `image` (H, W, 3) in the photo's own colour space, `mask` > 0 where a pixel may differ.

    It has not passed the output gates: only the safety kernel turns it into something that can be shown or saved.
    """

    image: RGB
    mask: Mask
    segmentation: Segmentation | None
    zone: Zone
    engine: str
    segmenter: str
    fallbacks: tuple[str, ...]
    limits: tuple[str, ...]
    notes: tuple[str, ...]
    measured: Measured
    plan: Mapping[str, Any]
    seconds: Mapping[str, float]
