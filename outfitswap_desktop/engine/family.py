"""A child process and all that it starts, ended together: a process group on POSIX, a job object on Windows."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from multiprocessing.process import BaseProcess
from typing import Any, Final, NoReturn

_KILL_ON_CLOSE: Final = 0x2000
_EXTENDED_LIMITS: Final = 9
_SET_QUOTA_AND_TERMINATE: Final = 0x0100 | 0x0001


def lead_a_family() -> None:
    """In the child, first of all: a group of its own, which a Ctrl-C in the window's terminal does not reach."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_own_family() -> NoReturn:
    """In the child, at its end: whatever it started goes with it, and nothing is waited for."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


class Family:
    """The window's hold on one child. On Windows the system itself ends the child when the window's process ends."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self._job: Any = _job_object(process.pid) if sys.platform == "win32" else None

    def kill(self) -> int | None:
        """End the child and its descendants now; returns the child's exit code (negative: the signal) once it is gone."""
        pid = self._process.pid
        if sys.platform == "win32":
            if self._job is not None:
                import ctypes

                ctypes.windll.kernel32.TerminateJobObject(self._job, 1)
        elif pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it may not lead a group yet
                os.killpg(pid, signal.SIGKILL)
        self._process.kill()
        self._process.join(5.0)
        code = self._process.exitcode
        self.let_go()
        return code

    def let_go(self) -> None:
        """Free what the system keeps of the child; with a job object that ends whatever is left in it."""
        if self._job is not None and sys.platform == "win32":
            import ctypes

            ctypes.windll.kernel32.CloseHandle(self._job)
        self._job = None
        with contextlib.suppress(ValueError):
            self._process.close()


def _job_object(pid: int | None) -> Any:
    """A job object that holds process `pid` and ends it with its last handle, which is ours; None when there is none.

    Source: Microsoft, "Job Objects": JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE.
    """
    if sys.platform != "win32" or pid is None:
        return None
    import ctypes
    from ctypes import wintypes

    class Basic(ctypes.Structure):
        _fields_ = (
            ("PerProcessUserTimeLimit", ctypes.c_int64),
            ("PerJobUserTimeLimit", ctypes.c_int64),
            ("LimitFlags", wintypes.DWORD),
            ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t),
            ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t),
            ("PriorityClass", wintypes.DWORD),
            ("SchedulingClass", wintypes.DWORD),
        )

    class Extended(ctypes.Structure):
        _fields_ = (
            ("Basic", Basic),
            ("IoInfo", ctypes.c_uint64 * 6),
            ("ProcessMemoryLimit", ctypes.c_size_t),
            ("JobMemoryLimit", ctypes.c_size_t),
            ("PeakProcessMemoryUsed", ctypes.c_size_t),
            ("PeakJobMemoryUsed", ctypes.c_size_t),
        )

    kernel = ctypes.windll.kernel32
    kernel.CreateJobObjectW.restype = wintypes.HANDLE
    kernel.OpenProcess.restype = wintypes.HANDLE
    job = wintypes.HANDLE(kernel.CreateJobObjectW(None, None))
    limits = Extended()
    limits.Basic.LimitFlags = _KILL_ON_CLOSE
    kernel.SetInformationJobObject(job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits))
    handle = wintypes.HANDLE(kernel.OpenProcess(_SET_QUOTA_AND_TERMINATE, False, pid))
    kernel.AssignProcessToJobObject(job, handle)
    kernel.CloseHandle(handle)
    return job
