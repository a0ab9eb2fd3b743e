"""The small face of the safety room, for the command line and the window: what is checked, and whether it can be.

gates() -> tuple[GateInfo, ...]          # name, what it judges, thresholds
self_test() -> tuple[CheckResult, ...]   # the detectors load, are the pinned ones, and see what they must see
check_prompts(lines) -> list[PromptAnswer]
complete_word(prefix) -> tuple[str, ...] # words of the vocabulary that begin so
verify_file(path, ledger) -> dict        # the marks of a picture
list_records, erase_records              # what the safety room keeps of the user, and taking it away
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.safety import writing
from outfitswap_desktop.safety.sheet import Cell
from outfitswap_desktop.safety.stages import CheckedSource, ReleasedImage

if TYPE_CHECKING:
    from outfitswap_desktop.safety.prompt.answer import PromptAnswer
    from outfitswap_desktop.safety.records.ledger import Ledger

__all__ = [
    "Cell",
    "CheckResult",
    "CheckedSource",
    "GateInfo",
    "ReleasedImage",
    "archive_place",
    "check_prompts",
    "complete_word",
    "erase_records",
    "gates",
    "list_records",
    "publish_archive",
    "records_test",
    "self_test",
    "to_trash",
    "verify_file",
    "withdraw",
]

_FACE_FLOOR: Final = 0.5
_NSFW_CEILING: Final = 0.2


@dataclass(frozen=True, slots=True)
class GateInfo:
    """One fixed gate: its name, what it judges (source, request, plan or output), its thresholds, its first sentence."""

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
        ("plan", fixed.PLAN_GATES),
        ("output", fixed.OUTPUT_GATES),
    ):
        for kind in kinds:
            gate = kind()
            about = (kind.__doc__ or gate.name.replace("_", " ")).strip().splitlines()[0]  # none under python -OO
            found.append(GateInfo(gate.name, judges, gate.thresholds(), about))
    return tuple(found)


def self_test() -> tuple[CheckResult, ...]:
    """Load all detectors and let them look at scikit-image's astronaut: an adult's face must be found, and nothing else."""
    from skimage import data

    from outfitswap_desktop.safety.detectors import BodyPartDetector, Detectors, WholeImageDetector
    from outfitswap_desktop.safety.people import age

    portrait = data.astronaut()  # type: ignore[no-untyped-call]

    def body_parts() -> CheckResult:
        face = BodyPartDetector().scores([portrait], 320)["FACE_FEMALE"]
        return CheckResult(
            "body_parts", face >= _FACE_FLOOR, f"NudeNet 320n, pinned; finds the test face at {face:.2f}"
        )

    def whole_image() -> CheckResult:
        score = WholeImageDetector().score(portrait)
        return CheckResult("whole_image", score < _NSFW_CEILING, f"OpenNSFW, pinned; scores the test photo {score:.2f}")

    def apparent_age() -> CheckResult:
        detectors = Detectors()
        height, width = portrait.shape[:2]
        answer = age.assess(
            portrait,
            person=(0, 0, width, height),
            head=None,
            body_parts=detectors.body_parts,
            estimator=detectors.age,
        )
        return CheckResult(
            "apparent_age", answer.decision == "adult", "age-v1, pinned; takes the test face for an adult's"
        )

    results = []
    for name, test in (("body_parts", body_parts), ("whole_image", whole_image), ("apparent_age", apparent_age)):
        try:
            results.append(test())
        except KnownError as problem:
            results.append(CheckResult(name, False, problem.message, problem.hint))
        except Exception as problem:  # noqa: BLE001 - doctor reports whatever is broken
            results.append(
                CheckResult(name, False, f"{type(problem).__name__}: {problem}", "Install the program anew.")
            )
    return tuple(results)


def records_test(folder: Path) -> CheckResult:
    """Whether the audit log below the data folder is whole and can be written, and where its key lies."""
    from outfitswap_desktop.safety.records.ledger import Ledger

    try:
        with Ledger(folder) as ledger:
            found, notice = ledger.verify(), ledger.notice
    except KnownError as problem:
        return CheckResult("audit_log", False, problem.message, problem.hint)
    hint = "" if found.ok else "See `outfitswap audit verify`."
    return CheckResult("audit_log", found.ok, f"{found.sentence} {notice}".strip(), hint)


def check_prompts(lines: Sequence[str]) -> list[PromptAnswer]:
    """What the prompt gate says of each line: the same policy, word by word."""
    from outfitswap_desktop.safety.prompt import policy

    return policy.check_lines(lines)


def complete_word(prefix: str, *, limit: int = 12) -> tuple[str, ...]:
    """Up to `limit` words of the vocabulary that begin with `prefix`: what clothes are called first, then the shortest."""
    from outfitswap_desktop.safety.prompt import vocabulary

    return vocabulary.beginning(prefix, limit=limit)


def verify_file(path: Path, ledger: Ledger) -> dict[str, dict[str, Any]]:
    """The marks of a picture: "xmp", "c2pa" and "mark", each with `present` and `valid`. Raises PhotoUnreadable."""
    from outfitswap_desktop.safety.marks.certificate import issue
    from outfitswap_desktop.safety.marks.verify import verify

    return verify(path, certificate=issue(ledger.keys))


@contextmanager
def archive_place(output: Path) -> Iterator[writing.Planned]:
    """Around the writing of an archive to the place's part: on failure nothing is left. Raises UsageProblem, NotAvailable."""
    with writing.tidy(output):
        place = writing.plan(output, role="archive")
        try:
            yield place
        except BaseException:
            writing.discard(place)
            raise


def publish_archive(place: writing.Planned) -> None:
    """Rename a finished archive into its place. Raises KnownError."""
    writing.replace(place.part, place.final)


def withdraw(path: Path, sha256: str) -> bool:
    """Delete a result's file if it is still the one that was made."""
    return writing.withdraw(path, sha256)


def to_trash(path: Path, sha256: str) -> bool:
    """Move a result's file to the system's trash if it is still the one that was made. Raises NotAvailable ("no_trash")."""
    return writing.to_trash(path, sha256)


def list_records(folder: Path, *, everything: bool) -> tuple[str, ...]:
    """What the safety room would erase of what it keeps below the data folder, one line each; changes nothing."""
    from outfitswap_desktop.safety.records.erasing import list_all

    stored = list_all(folder)
    if not everything:
        count = sum(one.consents for one in stored)
        return (
            f"{count} statements of consent (the audit log keeps that there were some, and no more)",
            "The audit log and the keys stay; --everything erases them too. They hold no pictures, prompts, names or paths.",
        )
    lines = [f"  {one.what:<7} {one.name} ({one.where}, {one.bytes} bytes)" for one in stored]
    return (
        "the audit log, all statements of consent and the keys:",
        *lines,
        "After that, results made so far cannot be worked on further: nothing says what they were made from.",
    )


def erase_records(folder: Path, *, everything: bool) -> dict[str, Any]:
    """Erase what `list_records` listed; returns lines of a receipt. Raises NotAvailable."""
    from datetime import timedelta

    from outfitswap_desktop.safety.records.erasing import CONFIRMATION, erase_all
    from outfitswap_desktop.safety.records.ledger import Ledger

    if everything:
        receipt = erase_all(folder, CONFIRMATION)
        return {"records": [one["name"] for one in receipt["erased"]], "left": receipt["left"]}
    with Ledger(folder) as ledger:
        return {"consents": ledger.consents.sweep(timedelta(0))}
