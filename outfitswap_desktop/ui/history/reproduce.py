"""Whether a result can be made again on this machine: exactly, nearly or not, and why, in sentences. No Qt in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from outfitswap_desktop.core.receipt import SCHEMA, file_hash

Kind = Literal["identical", "near", "impossible"]
Say = Callable[[str], str]

_IN_WORDS: Final = {"outfitswap": "this program", "python": "Python", "platform": "the system"}


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine: `versions` as in a receipt (core.receipt.versions), and the `engines` that can run; None: unknown."""

    versions: Mapping[str, str]
    engines: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The files of an entry as they are now: SHA-256 by role, None for a file that is not there (or was never)."""

    photo: str | None
    garment: str | None = None
    mask: str | None = None


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The answer, and one sentence for each reason why it is not better; none for "identical"."""

    kind: Kind
    reasons: tuple[str, ...]


def look(photo: Path | None, *, garment: Path | None = None, mask: Path | None = None) -> Found:
    """Hash the files of an entry; takes as long as reading them."""
    return Found(_hash(photo), _hash(garment), _hash(mask))


def compare(receipt: Mapping[str, Any], found: Found, machine: Machine, *, say: Say = str) -> Reproduction:
    """Compare a receipt with what is there now. `say` translates a sentence before its names are filled in.

    A mask drawn into a file (`request.mask_sha256`) must be that very file; one that was drawn in the window is not kept, and
    the final mask beside the result is only near it.
    """
    if receipt.get("schema") != SCHEMA or not isinstance(receipt.get("made"), Mapping):
        return Reproduction("impossible", (say("The receipt is of another version of the program, or damaged."),))
    impossible = [*_photo(receipt, found, say), *_garment(receipt, found, say), *_engine(receipt, machine, say)]
    near = [*_mask(receipt, found, say), *_versions(receipt, machine, say), *_batch(receipt, say)]
    if impossible:
        return Reproduction("impossible", (*impossible, *near))
    return Reproduction("near" if near else "identical", tuple(near))


def _photo(receipt: Mapping[str, Any], found: Found, say: Say) -> list[str]:
    source = _part(receipt, "source")
    name = str(source.get("name") or "")
    if found.photo is None:
        return [say("The photo {name} is not there any more, or came without a file.").format(name=name)]
    if found.photo != source.get("sha256"):
        return [say("The photo {name} was changed since.").format(name=name)]
    return []


def _garment(receipt: Mapping[str, Any], found: Found, say: Say) -> list[str]:
    garment = receipt.get("garment")
    if not isinstance(garment, Mapping):
        return []
    name = str(garment.get("name") or "")
    if found.garment is None:
        return [say("The picture of the garment, {name}, was not found.").format(name=name)]
    if found.garment != garment.get("sha256"):
        return [say("The picture of the garment, {name}, was changed since.").format(name=name)]
    return []


def _engine(receipt: Mapping[str, Any], machine: Machine, say: Say) -> list[str]:
    engine = str(_part(receipt, "made").get("engine") or "")
    if machine.engines is not None and engine not in machine.engines:
        return [say("The engine {name} is not there on this machine.").format(name=engine)]
    return []


def _mask(receipt: Mapping[str, Any], found: Found, say: Say) -> list[str]:
    from outfitswap_desktop.core.regions import HAND_DRAWN  # brings OpenCV along

    drawn = _part(receipt, "request").get("mask_sha256")
    by_hand = drawn is not None or _part(receipt, "made").get("segmenter") == HAND_DRAWN
    if not by_hand or (drawn is not None and found.mask == drawn):
        return []
    return [say("The mask was drawn by hand and is not there any more; the result's own mask takes its place.")]


def _versions(receipt: Mapping[str, Any], machine: Machine, say: Say) -> list[str]:
    then = _part(receipt, "versions")
    reasons = []
    for name, version in machine.versions.items():
        before = then.get(name)
        if before is not None and before != version:
            reasons.append(
                say("It was made with {name} {before}; here it is {now}.").format(
                    name=_IN_WORDS.get(name, name), before=before, now=version
                )
            )
    if not then:
        reasons.append(say("The receipt does not say with which versions it was made."))
    return reasons


def _batch(receipt: Mapping[str, Any], say: Say) -> list[str]:
    """Sums in a batch are made in another order than alone, so that they round otherwise."""
    count = _part(_part(receipt, "made"), "plan").get("batch")
    if not isinstance(count, int) or count < 2:
        return []
    return [say("It was painted together with its variations; alone, single pixels may differ by a shade.")]


def _part(receipt: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = receipt.get(name)
    return part if isinstance(part, Mapping) else {}


def _hash(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return file_hash(path)
    except OSError:
        return None
