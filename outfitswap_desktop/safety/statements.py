"""The statement of `--adult-consent`: read once, bound to the photo, and looked up when it was made earlier."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.core.receipt import file_hash
from outfitswap_desktop.errors import InputRefused, UsageProblem
from outfitswap_desktop.safety.records.consent import Consent, ConsentKind
from outfitswap_desktop.safety.records.ledger import Ledger
from outfitswap_desktop.safety.records.perceptual import perceptual_hash
from outfitswap_desktop.safety.stages import CheckedSource

KINDS: Final = get_args(ConsentKind)
MOST_RELEASE_BYTES: Final = 60_000_000


def consent_for(request: SwapRequest, source: CheckedSource, *, ledger: Ledger) -> tuple[Consent | None, bool]:
    """The consent that covers `source`, and whether it is new: stated with the request, else recorded earlier, else None.

    Raises UsageProblem ("bad_consent") for a statement that is none, InputRefused ("release_unreadable").
    """
    perceptual = perceptual_hash(source.pixels)
    sha256 = source.photo.sha256
    if request.consent is None:
        known = ledger.consent_for(sha256, perceptual)
        if known is None or not request.adult_attested or known.adult_attested:
            return known, False
        kind, release = known.kind, known.release_sha256
    else:
        kind, release = _read(request.consent)
    attested = request.adult_attested
    return Consent(sha256, perceptual, kind, datetime.now(UTC), release, attested), True


def recorded(source: CheckedSource, *, ledger: Ledger) -> Consent | None:
    """The consent on record that covers `source` now, or None."""
    return ledger.consent_for(source.photo.sha256, perceptual_hash(source.pixels))


def _read(statement: str) -> tuple[ConsentKind, str | None]:
    """The kind of a statement and the hash of the release it names; what follows the other kinds' colon is for the receipt."""
    word, _, rest = statement.partition(":")
    kind = next((known for known in KINDS if known == word.strip().casefold()), None)
    if kind is None:
        raise UsageProblem(
            f"{statement[:40]!r} is not a statement of consent.",
            reason="bad_consent",
            hint="Say self, release:FILE, synthetic or licensed.",
        )
    if kind != "release":
        return kind, None
    if not rest.strip():
        raise UsageProblem(
            "A signed release needs its file.", reason="bad_consent", hint="Say release:FILE with the signed document."
        )
    return kind, _hash(Path(rest.strip()).expanduser())


def _hash(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_RELEASE_BYTES:
            raise InputRefused(
                f"{path.name} is larger than 60 MB.", reason="release_unreadable", hint="Hand in a smaller scan."
            )
        digest = file_hash(path)
        if path.stat().st_size == 0:
            raise InputRefused(
                f"{path.name} is empty.", reason="release_unreadable", hint="Hand in the signed document."
            )
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or "not a file"
        raise InputRefused(
            f"The signed release {path.name} cannot be read: {why}.",
            reason="release_unreadable",
            hint="Name the file of the signed document.",
        ) from problem
    return digest
