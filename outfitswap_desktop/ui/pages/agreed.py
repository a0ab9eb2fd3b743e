"""What was agreed on the first-run page: kept in the file in which the command line keeps that it has shown the terms.

The command line shows the summary and asks for nothing more, so its file alone does not count here: the window looks for the
same summary with the two statements under it. What the window writes counts for both. Another summary is asked about again.
"""

from __future__ import annotations

import contextlib
import os
from datetime import date
from pathlib import Path
from typing import Final

from outfitswap_desktop import paths

FILE: Final = "first-run.txt"
ADULT: Final = "I am an adult."
CONSENT: Final = "I change photos only of adults who agreed to it, or who do not exist."
_STATED: Final = "Stated in the window on "


def summary() -> str:
    """The summary of the terms, in English, as it is kept."""
    return paths.resource("texts/first-run.txt").read_text(encoding="utf-8")


def was_agreed(folder: Path) -> bool:
    """Whether this summary, and both statements, were agreed on this machine; False where nothing can be read."""
    try:
        kept = (folder / FILE).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return kept.startswith(summary().strip()) and _STATED in kept and ADULT in kept and CONSENT in kept


def keep_agreed(folder: Path, *, today: date) -> bool:
    """Keep that both statements were made; False when the file cannot be written, and then it is asked again."""
    text = f"{summary().strip()}\n\n{_STATED}{today.isoformat()}:\n - {ADULT}\n - {CONSENT}\n"
    part = folder / f"{FILE}.{os.getpid()}.part"
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(folder / FILE)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        return False
    return True
