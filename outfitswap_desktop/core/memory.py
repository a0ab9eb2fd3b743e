"""Gives freed memory back to the system, so that the peak of a job is what is in use, not what was ever in use."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Return freed pages of the heap to the system; takes milliseconds, does nothing where the C library is not glibc.

    glibc raises its threshold for separate mappings to 32 MiB as such blocks are freed (mallopt(3), M_MMAP_THRESHOLD), after
    which the planes of a large photo come from the heap and stay there in pieces.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
