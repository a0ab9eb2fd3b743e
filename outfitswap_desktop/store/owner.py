"""Who owns a journal row: a process, told from a later one with the same number by the moment it started."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: its number and a text that no other process with that number ever has."""

    pid: int
    started: str


def this_process() -> Owner:
    """The process we run in."""
    pid = os.getpid()
    return Owner(pid, _started(pid) or "unknown")


def is_alive(owner: Owner) -> bool:
    """Whether that very process still runs; one that cannot be told apart counts as running."""
    now = _started(owner.pid)
    return now is not None and (now == owner.started or "unknown" in (now, owner.started))


def _started(pid: int) -> str | None:
    """When process `pid` started, None when there is no such process (or only its remains).

    On Linux the start time in clock ticks since boot with the boot's id, because the wall-clock time that psutil derives
    from it moves when the clock is set; elsewhere psutil's creation time.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            return f"{boot}:{stat.rpartition(')')[2].split()[19]}"
        except FileNotFoundError:
            return None if Path("/proc/self/stat").exists() else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return "unknown"
