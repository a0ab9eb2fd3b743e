"""Whole jobs."""

from __future__ import annotations

from outfitswap_desktop.ml.bench.case import Case


def cases() -> tuple[Case, ...]:
    """In the order in which they are run."""
    return ()
