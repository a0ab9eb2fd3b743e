"""What a library of the torch stack raises, turned into one sentence with a way out, so that the next rung can take over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from outfitswap_desktop.errors import NotAvailable, OutfitSwapError

_log = logging.getLogger(__name__)
OUT_OF_MEMORY: Final = "out_of_gpu_memory"
FAILED: Final = "library_failed"
_LONGEST: Final = 160


@contextmanager
def library(doing: str, *, hint: str = "") -> Iterator[None]:
    """Around calls of a library, never around our own arithmetic: whatever it raises becomes NotAvailable.

    `doing` begins the sentence ("Finding garments with YOLO"). Reasons: "out_of_gpu_memory" where memory ran out, on a card or
    off it, else "library_failed"; the traceback is logged. What this program raises on purpose (a cancel among it) passes.
    """
    try:
        yield
    except OutfitSwapError:
        raise
    except Exception as problem:
        _log.warning("%s failed", doing, exc_info=True)
        if isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError":
            raise NotAvailable(
                f"{doing} ran out of memory.",
                reason=OUT_OF_MEMORY,
                hint="Close other programs that use the graphics card, or take a smaller photo.",
            ) from problem
        raise NotAvailable(f"{doing} failed: {_first_line(problem)}", reason=FAILED, hint=hint) from problem


def _first_line(problem: Exception) -> str:
    """The first line of what the library says, without its decoration, as the end of a sentence."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    said = lines[0] if lines else type(problem).__name__
    said = "".join(c for c in said if c.isprintable() and ord(c) < 0x2190)
    said = " ".join(said.removeprefix("ERROR").split())
    said = said if len(said) <= _LONGEST else said[: _LONGEST - 3] + "..."
    return said if said.endswith((".", "!", "?")) else f"{said}."
