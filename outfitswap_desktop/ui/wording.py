"""What an engine process says, in the window's words: hints for the command line name options that a window does not have."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from PySide6.QtCore import QCoreApplication

from outfitswap_desktop.engine.messages import Problem

_OPTION: Final = re.compile(r"--[a-z]")
_MODELS: Final = frozenset({"weights_missing", "weights_damaged", "licence_not_accepted"})
"""Reasons whose hints name a command for what the Models page does."""
CREDIT_REASONS: Final = frozenset({
    *("signed_out", "no_credits", "debt", "offline", "clock_moved_back", "device_suspect", "lease_ended"),
    *("lease_unusable", "lease_not_begun", "journal_damaged", "not_held", "secrets_lost", "frozen"),
})  # fmt: skip
"""Reasons of a job that could not be paid; their hints may name commands for what the Credits page does."""
_COMMAND: Final = re.compile(r"--[a-z]|\boutfitswap [a-z]")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")


def without_options(text: str) -> str:
    """The text without the sentences that name an option of the command line."""
    return " ".join(part for part in _SENTENCE_END.split(text) if not _OPTION.search(part))


def without_commands(text: str) -> str:
    """The text without the sentences that name a command or an option of the command line."""
    return " ".join(part for part in _SENTENCE_END.split(text) if not _COMMAND.search(part))


def in_window(problem: Problem) -> Problem:
    """The problem with a hint that can be followed here; hints without options stay as they are."""
    elsewhere = problem.reason in _MODELS | CREDIT_REASONS or _OPTION.search(problem.hint)
    return replace(problem, hint=_hint(problem)) if elsewhere else problem


def _hint(problem: Problem) -> str:
    hints = {
        "person_needed": QCoreApplication.translate(
            "Wording",
            "Paint the whole person with the brush (B), choose “This is the person” in the menu Mask, then paint the garment.",
        ),
        "adult_attestation_needed": QCoreApplication.translate(
            "Wording", "If you know that this is an adult, say so when the window asks."
        ),
        "consent_needed": QCoreApplication.translate("Wording", "State it when the window asks."),
        "mask_outside": QCoreApplication.translate(
            "Wording", "Paint it on the garment, or choose another garment or person."
        ),
        "target_uncovers": QCoreApplication.translate(
            "Wording", "Ask for a garment that covers as much, or choose a smaller one to change."
        ),
        "weights_missing": QCoreApplication.translate("Wording", "Get it on the Models page."),
        "weights_damaged": QCoreApplication.translate("Wording", "Get it once more on the Models page."),
        "licence_not_accepted": QCoreApplication.translate("Wording", "Read and accept it on the Models page."),
        "engine_not_available": QCoreApplication.translate(
            "Wording", "Choose another engine under More; the fabric engine runs on every machine."
        ),
        "signed_out": QCoreApplication.translate(
            "Wording", "Sign in on the Credits page; the fabric engine needs no account."
        ),
        "no_credits": QCoreApplication.translate(
            "Wording", "Buy some on the Credits page; the fabric engine costs none."
        ),
        "offline": QCoreApplication.translate("Wording", "Check the connection; the fabric engine runs without."),
        "clock_moved_back": QCoreApplication.translate(
            "Wording", "Set the clock of this machine right, then connect to the network once."
        ),
        "device_suspect": QCoreApplication.translate("Wording", "Sign out and in again on the Credits page."),
        "lease_ended": QCoreApplication.translate("Wording", "Connect to the network, then take credits along again."),
        "prompt_empty": QCoreApplication.translate("Wording", "Write words, or choose a picture of a garment."),
    }
    other = QCoreApplication.translate(
        "Wording", "Choose another garment or person, or paint the mask with the brush (B)."
    )
    if problem.reason in CREDIT_REASONS:
        other = QCoreApplication.translate(
            "Wording", "The Credits page says how they stand; the fabric engine costs none."
        )
        return hints.get(problem.reason) or without_commands(problem.hint) or other
    return hints.get(problem.reason) or without_options(problem.hint) or other
