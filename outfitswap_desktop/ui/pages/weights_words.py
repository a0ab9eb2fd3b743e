"""What the Models page says: purposes, sizes, states, and its own hints for what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.ui.wording import without_options

if TYPE_CHECKING:
    from outfitswap_desktop.weights.catalogue import Weights


def purpose_of(weights: Weights) -> str:
    """What weights are for, in the user's language, with the engines that they belong to."""
    roles = {
        "generator": QCoreApplication.translate("Models", "Paints new clothes"),
        "part": QCoreApplication.translate("Models", "Part of an engine"),
        "adapter": QCoreApplication.translate("Models", "Follows a picture of a garment"),
        "fast": QCoreApplication.translate("Models", "Makes an engine faster"),
        "control": QCoreApplication.translate("Models", "Keeps pose or depth"),
        "preview": QCoreApplication.translate("Models", "For progress pictures, which are not shown yet"),
        "detector": QCoreApplication.translate("Models", "Finds garments"),
        "refiner": QCoreApplication.translate("Models", "Fits masks to garments"),
        "guard": QCoreApplication.translate("Models", "Keeps masks off heads"),
        "depth": QCoreApplication.translate("Models", "Estimates depth"),
        "pose": QCoreApplication.translate("Models", "Finds poses"),
    }
    fast = weights.role == "adapter" and not weights.id.startswith("ip-adapter")
    said = roles["fast" if fast else weights.role]
    return f"{said} ({', '.join(weights.engines)})" if len(weights.engines) in (1, 2) else said


def size_of(size: int, *, about: bool = False) -> str:
    """Bytes for people; "about" for an estimate, "" for none."""
    if size <= 0:
        return ""
    if size >= 1_000_000_000:
        text = QCoreApplication.translate("Models", "{size} GB").format(size=f"{size / 1e9:.1f}")
    elif size >= 10_000_000:
        text = QCoreApplication.translate("Models", "{size} MB").format(size=f"{size / 1e6:.0f}")
    else:
        text = QCoreApplication.translate("Models", "{size} MB").format(size=f"{size / 1e6:.1f}")
    return QCoreApplication.translate("Models", "about {size}").format(size=text) if about else text


def state_of(state: str) -> str:
    """A state in the user's words."""
    names = {
        "installed": QCoreApplication.translate("Models", "installed"),
        "missing": QCoreApplication.translate("Models", "not installed"),
        "partial": QCoreApplication.translate("Models", "partly there"),
        "damaged": QCoreApplication.translate("Models", "damaged"),
        "fetching": QCoreApplication.translate("Models", "being fetched"),
        "checking": QCoreApplication.translate("Models", "being checked"),
    }
    return names.get(state, state)


def stage_of(stage: str) -> str:
    """What is being done, for the line above the bar."""
    names = {
        "waiting": QCoreApplication.translate("Models", "Another program is fetching it; waiting…"),
        "asking": QCoreApplication.translate("Models", "Asking where it comes from…"),
        "checking": QCoreApplication.translate("Models", "Checking files…"),
        "fetching": QCoreApplication.translate("Models", "Downloading…"),
        "finishing": QCoreApplication.translate("Models", "Finishing…"),
        "cancelling": QCoreApplication.translate("Models", "Cancelling…"),
    }
    return names.get(stage, names["finishing"])


def terms_of(*, commercial: bool, restrictions: bool) -> str:
    """What a licence allows, in one sentence."""
    if not commercial:
        return QCoreApplication.translate("Models", "Its licence does not allow commercial work.")
    if restrictions:
        return QCoreApplication.translate(
            "Models",
            "Its licence allows commercial work and forbids some uses, for you and for whoever gets your work.",
        )
    return QCoreApplication.translate("Models", "Its licence allows any use, commercial work too.")


def said_of(problem: KnownError) -> str:
    """What went wrong and the way out, in terms of this page."""
    hints = {
        "offline": QCoreApplication.translate(
            "Models", "Switch offline mode off under “Network…”, or import the files."
        ),
        "no_network": QCoreApplication.translate(
            "Models", "Check the connection and “Network…”, then start again: what came so far is kept."
        ),
        "weights_damaged": QCoreApplication.translate("Models", "Download it again: only what is damaged is fetched."),
        "hash_unknown": QCoreApplication.translate(
            "Models", "Download it once with a network; then copies of it can be imported."
        ),
        "wrong_hash": QCoreApplication.translate("Models", "Nothing of it is used; try again later."),
        "licence_not_accepted": QCoreApplication.translate("Models", "Press Download and accept its licence there."),
    }
    hint = hints.get(problem.reason) or without_options(problem.hint)
    return f"{problem.message} {hint}".strip()
