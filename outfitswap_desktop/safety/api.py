"""The small read-only face of the safety room, for the command line and the window: what is checked, and whether it can be.

gates() -> tuple[GateInfo, ...]          # name, what it judges, thresholds
self_test() -> tuple[CheckResult, ...]   # both detectors load, are the pinned ones, and see what they must see
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.safety.sheet import Cell
from outfitswap_desktop.safety.stages import CheckedSource, ReleasedImage

__all__ = [
    "Cell",
    "CheckResult",
    "CheckedSource",
    "GateInfo",
    "ReleasedImage",
    "gates",
    "self_test",
]

_FACE_FLOOR: Final = 0.5
_NSFW_CEILING: Final = 0.2


@dataclass(frozen=True, slots=True)
class GateInfo:
    """One fixed gate: its name, what it judges ("source", "request" or "output"), its thresholds, its first sentence."""

    name: str
    judges: str
    thresholds: Mapping[str, Any]
    about: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the self test; `hint` says what to do when it failed."""

    name: str
    passed: bool
    detail: str
    hint: str = ""


def gates() -> tuple[GateInfo, ...]:
    """The fixed gates in the order in which they run. There is no way to change them."""
    from outfitswap_desktop.safety import gates as fixed

    found = []
    for judges, kinds in (
        ("source", fixed.SOURCE_GATES),
        ("request", fixed.REQUEST_GATES),
        ("output", fixed.OUTPUT_GATES),
    ):
        for kind in kinds:
            gate = kind()
            about = (kind.__doc__ or "").strip().splitlines()[0]
            found.append(GateInfo(gate.name, judges, gate.thresholds(), about))
    return tuple(found)


def self_test() -> tuple[CheckResult, ...]:
    """Load both detectors and let them look at scikit-image's astronaut: a face must be found, and nothing else."""
    from skimage import data

    from outfitswap_desktop.safety.detectors import BodyPartDetector, WholeImageDetector

    portrait = data.astronaut()  # type: ignore[no-untyped-call]

    def body_parts() -> CheckResult:
        face = BodyPartDetector().scores([portrait], 320)["FACE_FEMALE"]
        return CheckResult(
            "body_parts", face >= _FACE_FLOOR, f"NudeNet 320n, pinned; finds the test face at {face:.2f}"
        )

    def whole_image() -> CheckResult:
        score = WholeImageDetector().score(portrait)
        return CheckResult("whole_image", score < _NSFW_CEILING, f"OpenNSFW, pinned; scores the test photo {score:.2f}")

    results = []
    for name, test in (("body_parts", body_parts), ("whole_image", whole_image)):
        try:
            results.append(test())
        except KnownError as problem:
            results.append(CheckResult(name, False, problem.message, problem.hint))
        except Exception as problem:  # noqa: BLE001 - doctor reports whatever is broken
            results.append(
                CheckResult(name, False, f"{type(problem).__name__}: {problem}", "Install the program anew.")
            )
    return tuple(results)
