"""What the command line asks before a job when somebody sits there: the consent of the person, and their age."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from outfitswap_desktop import paths
from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.errors import Cancelled, GateRefused
from outfitswap_desktop.runner import Outcome, Runner
from outfitswap_desktop.terminal import ask_typed, can_ask, progress, say

_KINDS: Final = {"1": "self", "2": "release", "3": "synthetic", "4": "licensed"}
_QUESTION: Final = """Who agreed that this photo is changed? This is asked once per photo, and kept for twelve months.
  1  I am the person in it, and an adult
  2  The person is an adult and has signed a release (its file is hashed, not kept)
  3  The person does not exist: the picture is synthetic and shows an adult
  4  Licensed stock: the licence covers this use, and the person is an adult"""


def run_asking(runner: Runner, request: SwapRequest, *, quiet: bool, cancel: CancelToken) -> Outcome:
    """Run one job; where a statement is missing and somebody can be asked, ask and go on. Raises as Runner.run does."""
    if not quiet:
        introduce(runner)
    while True:
        try:
            with progress(quiet=quiet) as report:
                return runner.run(request, report=report, cancel=cancel)
        except GateRefused as refused:
            if quiet or not can_ask():
                raise
            if refused.reason == "consent_needed" and request.consent is None:
                request = replace(request, consent=_ask_consent())
            elif refused.reason == "adult_attestation_needed" and not request.adult_attested:
                request = replace(request, adult_attested=_ask_adult(refused))
            else:
                raise


def introduce(runner: Runner) -> None:
    """Show the summary of the terms once, before the first photo, to whoever sits there; a copy of it is kept."""
    shown = paths.data_dir() / "first-run.txt"
    if not can_ask() or shown.exists():
        return
    text = paths.resource("texts/first-run.txt").read_text(encoding="utf-8")
    say(text)
    runner.write([(runner.place(shown), text.encode())])


def _ask_consent() -> str:
    say(_QUESTION)
    kind = _KINDS.get(ask_typed("1, 2, 3 or 4 (anything else stops):"))
    if kind is None:
        raise Cancelled("Nothing was stated, so nothing was done.")
    return f"release:{ask_typed('File of the signed release:')}" if kind == "release" else kind


def _ask_adult(refused: GateRefused) -> bool:
    say(refused.message)
    if ask_typed("If you know that this is an adult, type ADULT:").upper() != "ADULT":
        raise Cancelled("Nothing was stated, so nothing was done.")
    return True
