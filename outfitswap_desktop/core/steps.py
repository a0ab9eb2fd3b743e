"""The Protocols that the pipeline is made of; rooms implement them, wiring joins them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from outfitswap_desktop.core.arrays import RGB, Alpha, Mask
from outfitswap_desktop.core.job import CancelToken, SwapRequest, Wishes
from outfitswap_desktop.core.regions import BodyAxis, BodyPose, Box, Segmentation
from outfitswap_desktop.core.zones import Zone

Recolour = Callable[[tuple[int, int, int]], tuple[int, int, int]]
"""From an sRGB colour (0..255) that is asked for to the one to paint: itself unless something speaks against it."""


class Segmenter(Protocol):
    """Finds persons, garment zones and protected areas in one photo (detection, refinement and guard in one)."""

    name: str

    def segment(
        self, photo: RGB, *, person: int | None, zones: frozenset[Zone] | None, cancel: CancelToken
    ) -> Segmentation:
        """Read `photo` (H, W, 3) sRGB and describe person `person` (1 = leftmost; None = the largest).

        `zones` limits the work to the zones that are wanted; None finds all. Raises NobodyFound when no person, not that
        many persons or none of the zones is there; NotAvailable when the segmenter itself cannot run.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class GenerationRequest:
    """What a generator gets: a crop of the photo in sRGB at the generator's size, and what to do there.

    `image` (h, w, 3); `alpha` (h, w) 0..255, 0 = must not change; `keep_out` (h, w) 0/255 marks protected areas, for
    reading only; `garment` (any size, 3) sRGB or None; `axes` and `pose` in crop pixels; `seed` any 64-bit integer. `recolour`
    moves colours away from the skin's where cloth fits closely; None where any may be painted. `cut` (h, w) 0/255 is the
    garment as it was found, before the mask was widened for the new one. `wishes` are the request's own.
    """

    image: RGB
    alpha: Alpha
    zone: Zone
    prompt: str
    garment: RGB | None = None
    axes: tuple[BodyAxis, ...] = ()
    keep_out: Alpha | None = None
    seed: int = 0
    steps: int | None = None
    recolour: Recolour | None = None
    pose: BodyPose | None = None
    cut: Alpha | None = None
    wishes: Wishes = Wishes()  # noqa: RUF009  frozen


@dataclass(frozen=True, slots=True, eq=False)
class Generated:
    """A generator's answer: `image` (h, w, 3) sRGB of the request's size; `limits` says what it could not do, in sentences.

    `notes` are sentences on what it did otherwise than asked, and why.

    `composited`: soft edges already lie over the background, so that the image replaces the photo wherever alpha > 0; else
    the paste-back blends with alpha.
    """

    image: RGB
    composited: bool = False
    limits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)


class Generator(Protocol):
    """Paints the new garment into the crop. Same request, same machine: same pixels."""

    name: str
    max_pixels: int | None
    """Largest crop it works at, None = native; larger crops are resized down and the result up again."""
    multiple: int
    """Both sides of the crop are multiples of this."""
    keeps_cut: bool
    """Whether it can only change what a garment is made of, never its outline or what it covers."""

    def generate(
        self, request: GenerationRequest, *, report: Callable[[float], None], cancel: CancelToken
    ) -> Generated:
        """Paint. `report` takes 0..1. Raises InputRefused when the words or the garment picture cannot be understood."""
        ...


class ClickRefiner(Protocol):
    """Answers the editor's boxes and clicks."""

    def refine(
        self,
        photo: RGB,
        *,
        box: Box | None,
        points: tuple[tuple[int, int, bool], ...],
        mask: Mask | None,
        protected: Mask | None,
    ) -> tuple[Mask, str]:
        """As core.refine.refine, and beside the mask the name of the tool that made it."""
        ...


@dataclass(frozen=True, slots=True)
class Steps:
    """The parts that one job runs with; `clicks` is None where only core.refine answers the editor."""

    segmenter: Segmenter
    generator: Generator
    clicks: ClickRefiner | None = None


class CreditHold(Protocol):
    """Credits that are set aside for one job, until it is settled once."""

    id: str
    """Kept with the history entry, so that a crash between result and settling is repaired at the next start."""

    def commit(self, *, output_sha256: str) -> None:
        """Spend them: the result is released and recorded. Needs no network; what cannot be told now is told later."""
        ...

    def void(self, reason: str) -> None:
        """Give them back: the job failed, was refused or cancelled. Never raises for want of network."""
        ...


class CreditGate(Protocol):
    """The one gate between a job and the engines that cost credits."""

    def reserve(self, *, engine: str, job: str) -> CreditHold | None:
        """Set aside the price of one image by `engine` for `job`; None where nothing is charged.

        Raises NotAvailable when there are not enough, nobody is signed in, or neither server nor lease can be asked.
        """
        ...

    def settle(self, made: Callable[[str], str | None]) -> None:
        """Settle what a program that died has left: `made` gives the SHA-256 of the recorded result of a hold's id, or None."""
        ...


class Engines(Protocol):
    """Chooses the parts for a request; keeps what it has loaded."""

    def steps(self, request: SwapRequest) -> tuple[Steps, str]:
        """The steps of `request` and, in one sentence, why this engine. Raises UsageProblem or NotAvailable."""
        ...
