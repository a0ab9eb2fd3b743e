"""How gates are asked: every fixed one, in order, each within its time; whatever is not a sound yes is a no."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.errors import Cancelled, GateRefused, KnownError
from outfitswap_desktop.safety.stages import OUTPUT_GATE_NAMES, Verdict

_POLL_SECONDS = 0.05
_LARGEST_SCORE: Final = 1e9
DOCTOR: Final = "Run `outfitswap doctor`: it says which check cannot run, and why."


class GateSaidNo(GateRefused):
    """A refusal with the gate that refused, for the audit log."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message, reason=verdict.reason, hint=verdict.hint)
        self.verdict = verdict

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.verdict,)


def pass_all(
    fixed: Sequence[type[Any]],
    extra: Sequence[Any],
    names: tuple[str, ...],
    ask: Callable[[Any], Verdict],
    *,
    budget: float,
    cancel: CancelToken | None,
) -> tuple[Verdict, ...]:
    """Ask every gate in order; raises GateSaidNo at the first that does not pass, GateRefused unless all fixed ones are there.

    `fixed` are classes, made here; `extra` gates come behind them; `names` are those that the fixed ones must have.
    """
    if tuple(kind.name for kind in fixed) != names:
        raise GateRefused(
            "Not all safety checks are there, so nothing goes on.", reason="gates_incomplete", hint=DOCTOR
        )
    verdicts: list[Verdict] = []
    for gate in [kind() for kind in fixed] + list(extra):
        if cancel is not None:
            cancel.check()
        verdict = _within(budget, gate.name, partial(ask, gate), cancel)
        if verdict.passed is not True:
            raise GateSaidNo(verdict)
        verdicts.append(verdict)
    return tuple(verdicts)


def _within(budget: float, name: str, ask: Callable[[], Verdict], cancel: CancelToken | None) -> Verdict:
    """One gate's verdict, or a refusal when it raises, answers with something else, or does not answer in time.

    The gate runs on a thread of its own, which is left behind when it does not answer.
    """
    answers: list[object] = []

    def work() -> None:
        try:
            answers.append(ask())
        except BaseException as problem:  # noqa: BLE001 - whatever a gate raises, it has not let the picture pass
            answers.append(problem)

    thread = threading.Thread(target=work, name=f"gate-{name}", daemon=True)
    deadline = time.monotonic() + budget
    thread.start()
    while thread.is_alive() and time.monotonic() < deadline:
        thread.join(_POLL_SECONDS)
        if cancel is not None:
            cancel.check()
    if not answers:
        return _unjudged(name, "it did not answer in time")
    answer = answers[0]
    if isinstance(answer, Cancelled):
        raise answer
    if isinstance(answer, KnownError):
        return _unjudged(name, answer.message.rstrip(".").lower())
    if isinstance(answer, BaseException):
        return _unjudged(name, f"it failed with {type(answer).__name__}")
    if not _is_sound(answer, name):
        return _unjudged(name, "its answer makes no sense")
    assert isinstance(answer, Verdict)
    return answer


def _is_sound(answer: object, name: str) -> bool:
    """Whether `answer` is the verdict of gate `name`, with finite scores, and with a reason when it did not pass."""
    if type(answer) is not Verdict or answer.gate != name or not isinstance(answer.passed, bool):
        return False
    if not isinstance(answer.scores, Mapping) or not all(map(_is_score, answer.scores.values())):
        return False
    return answer.passed or bool(answer.reason and answer.message)


def _is_score(value: object) -> bool:
    return isinstance(value, float | int) and abs(value) <= _LARGEST_SCORE  # false for NaN


def _unjudged(name: str, why: str) -> Verdict:
    return Verdict(
        name,
        False,
        reason="output_unjudged" if name in OUTPUT_GATE_NAMES else "unjudged",
        message=f"The safety check {name.replace('_', ' ')!r} could not judge this picture ({why}), so it is refused.",
        hint=DOCTOR,
    )


def worst(verdicts: Sequence[tuple[Verdict, ...]]) -> tuple[Verdict, ...]:
    """For each fixed output gate one passed verdict with the highest score that any of `verdicts` has."""
    merged = []
    for name in OUTPUT_GATE_NAMES:
        scores: dict[str, float] = {}
        for verdict in (verdict for group in verdicts for verdict in group if verdict.gate == name):
            for key, score in verdict.scores.items():
                scores[key] = max(score, scores.get(key, score))
        merged.append(Verdict(name, True, scores))
    return tuple(merged)
