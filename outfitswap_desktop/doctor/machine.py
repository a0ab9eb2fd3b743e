"""The machine itself: Python, processor, memory, disk."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from outfitswap_desktop import paths
from outfitswap_desktop.doctor.report import Row
from outfitswap_desktop.errors import NotAvailable

LOW_MEMORY_GB = 3.0
"""A swap of a 12 MP photo peaks at about 1.2 GB; the rest is for the system."""
LOW_DISK_GB = 1.0
NO_DISK_GB = 0.1


def system_rows() -> Iterator[Row]:
    """Python, operating system, processor, memory."""
    import psutil

    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    advice = (
        "" if fits else "Use Python 3.11 or 3.12: MediaPipe 0.10.21 has no build for others. uv fetches one by itself."
    )
    yield Row("Python", "ok" if fits else "missing", f"{platform.python_version()} ({sys.executable})", advice)
    yield Row("system", "ok", platform.platform())
    usable, all_cores = _usable_cores(), os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS")
    threads = f"{usable} of {all_cores} threads usable" + (f", OMP_NUM_THREADS={limit}" if limit else "")
    yield Row("processor", "ok", f"{_processor_name()}; {threads}")
    memory = psutil.virtual_memory()
    total, free = memory.total / 2**30, memory.available / 2**30
    low = free < LOW_MEMORY_GB
    advice = "Close other programs, or use photos of up to 12 megapixels." if low else ""
    yield Row("memory", "warn" if low else "ok", f"{free:.1f} of {total:.1f} GB free", advice)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def disk_rows() -> Iterator[Row]:
    """Free space where history and results go."""
    for name, place in (("disk, program data", paths.data_dir), ("disk, results", paths.results_dir)):
        try:
            folder = place()
            free = shutil.disk_usage(folder).free / 2**30
            writable = os.access(folder, os.W_OK)
        except NotAvailable as problem:
            yield Row(name, "missing", problem.message, problem.hint)
            continue
        except OSError as problem:
            advice = f"Set {paths.HOME_VARIABLE} to a folder that can be written."
            yield Row(name, "missing", f"cannot be used: {problem.strerror}", advice)
            continue
        yield disk_row(name, folder, free=free, writable=writable)


def disk_row(name: str, folder: Path, *, free: float, writable: bool) -> Row:
    """One folder with `free` GB."""
    value = f"{free:.1f} GB free in {folder}"
    if not writable:
        advice = f"Set {paths.HOME_VARIABLE} to a folder that can be written."
        return Row(name, "missing", f"{folder} cannot be written", advice)
    if free < NO_DISK_GB:
        return Row(name, "missing", value, f"Free some space, or move the folder with {paths.HOME_VARIABLE}.")
    if free < LOW_DISK_GB:
        return Row(name, "warn", value, "Little is left: results of large photos take 20 to 60 MB each.")
    return Row(name, "ok", value)
