"""The word lists as this version came with them: one that was changed, added or taken away is refused, not read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.paths import resources_dir
from outfitswap_desktop.safety.prompt.pins import PINS

POLICY: Final = "policy"
"""Folder of all lists below resources/."""


def content(path: Path) -> bytes:
    """The bytes of one list; raises NotAvailable ("policy_broken") unless they are the pinned ones, OSError without a file.

    Ends of lines count as one sign, because a copy may have been made with others.
    """
    found = path.read_bytes()
    if PINS.get(_name(path)) != digest(found):
        raise broken(path.name, "it is not the one that came with this version")
    return found


def files(folder: Path) -> tuple[Path, ...]:
    """The lists in `folder`, by name; raises NotAvailable ("policy_broken") unless exactly the pinned ones are there."""
    found = tuple(sorted(folder.glob("*.txt")))
    if not found:
        raise broken(folder.name, "there is no file in it")
    wanted = {name for name in PINS if name.rpartition("/")[0] == _name(folder)}
    odd = sorted(wanted ^ {_name(path) for path in found})
    if odd:
        raise broken(
            odd[0].rpartition("/")[2], "it is missing" if odd[0] in wanted else "it did not come with this version"
        )
    return found


def digest(found: bytes) -> str:
    """SHA-256 of a list, whatever its ends of lines are."""
    return hashlib.sha256(found.replace(b"\r\n", b"\n")).hexdigest()


def broken(name: str, why: str) -> NotAvailable:
    """The error for a list that cannot be used: without the lists nothing is allowed."""
    return NotAvailable(
        f"The list {name} of the prompt policy cannot be used: {why}.",
        reason="policy_broken",
        hint="Install the program again; without its lists no prompt is allowed.",
    )


def _name(path: Path) -> str:
    """`path` below resources/, with slashes; "" for one that lies elsewhere and so is none of ours."""
    home = resources_dir()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else ""
