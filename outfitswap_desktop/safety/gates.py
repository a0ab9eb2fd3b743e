"""The gates: fixed tuples that every picture and request passes in order; each judges the very array that is used.

A gate that cannot judge has refused: a raise, a number that is not one, or no answer in time never lets anything pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.safety import output_gates, plan_gates, request_gates, source_gates
from outfitswap_desktop.safety.detectors import EXPOSED, Detectors
from outfitswap_desktop.safety.parts import (
    BUDGET_SECONDS,
    EXPOSED_LIMIT,
    NSFW_LIMIT,
    Judged,
    PlanParts,
    RequestParts,
)
from outfitswap_desktop.safety.stages import DecodedImage, Verdict

__all__ = [
    "BUDGET_SECONDS",
    "EXPOSED",
    "EXPOSED_LIMIT",
    "NSFW_LIMIT",
    "OUTPUT_GATES",
    "PLAN_GATES",
    "REQUEST_GATES",
    "SOURCE_GATES",
    "Gate",
    "OutputGate",
    "PlanGate",
    "RequestGate",
    "SourceGate",
]


class Gate(Protocol):
    """What all gates have: a name, and the numbers that they judge by."""

    name: str

    def thresholds(self) -> Mapping[str, Any]: ...


class SourceGate(Gate, Protocol):
    """Judges one decoded picture before anything uses it."""

    def judge(self, image: DecodedImage, detectors: Detectors) -> Verdict: ...


class RequestGate(Gate, Protocol):
    """Judges what is asked for, before anybody is looked for."""

    def judge(self, request: SwapRequest, parts: RequestParts) -> Verdict: ...


class PlanGate(Gate, Protocol):
    """Judges who was found and what is to be painted, before a generator sees it."""

    def judge(self, parts: PlanParts, detectors: Detectors) -> Verdict: ...


class OutputGate(Gate, Protocol):
    """Judges one picture before it may be shown or saved."""

    def judge(self, output: Judged, detectors: Detectors) -> Verdict: ...


SOURCE_GATES: Final[tuple[type[SourceGate], ...]] = (
    source_gates.FileLimits,
    source_gates.Exposure,
    source_gates.SourceWholeImage,
)
REQUEST_GATES: Final[tuple[type[RequestGate], ...]] = (
    request_gates.RequestShape,
    request_gates.Prompt,
    request_gates.ConsentGiven,
)
PLAN_GATES: Final[tuple[type[PlanGate], ...]] = (
    plan_gates.PersonThere,
    plan_gates.MaskAllowed,
    plan_gates.TargetCovers,
    plan_gates.CloseUp,
    plan_gates.ApparentAge,
)
OUTPUT_GATES: Final[tuple[type[OutputGate], ...]] = (
    output_gates.Frame,
    output_gates.BodyParts,
    output_gates.WholeImage,
    output_gates.Difference,
    output_gates.Skin,
)
