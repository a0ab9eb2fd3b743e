"""Lets freed pictures go back to the system, so that the peak of a job is what is in use, not what was ever in use."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""malloc.h"""
LARGE = 10 << 20
"""Blocks from here on get a mapping of their own, which ends when they are freed."""
SPARE = 16 << 20
"""Free memory at the heap's end from which on it is given back."""


def keep_large_blocks_apart() -> None:
    """Fix how the C library keeps freed memory; for the whole process, before its threads start.

    Does nothing without glibc, which raises the size from which blocks are mapped separately to 32 MiB as such blocks are
    freed (mallopt(3), M_MMAP_THRESHOLD), after which the planes of a large photo come from the heap and stay there in
    pieces: seven 12 MP jobs grew by half a gigabyte. One arena for all threads, because each gate answers on a thread of its
    own, and every arena keeps its own leftovers: 12 MP jobs peaked 300 MB higher with many. The end of the heap is not
    given back for every few hundred kB, because asking for it again costs a fault for each page.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_TRIM_THRESHOLD, SPARE)


def give_back() -> None:
    """Hand free memory within the heap back to the system, after a stage that used much of it; nothing without glibc."""
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
