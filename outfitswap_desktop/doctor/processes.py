"""Asking other programs and installed packages without loading them here: child processes with a time limit, metadata."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

PROBE_SECONDS = 10.0
"""How long a child process may take, for example to load torch or MediaPipe, before the answer goes on without it."""
TRY_IMPORT = "--try-import"
"""First argument of a frozen program that is to import the module named next, and to end (installers/frozen.py)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a child process ended; `output` is its stdout, `last_line` the last thing it said on stderr (or stdout)."""

    worked: bool
    output: str = ""
    last_line: str = ""
    timed_out: bool = False


def run(command: Sequence[str], *, seconds: float) -> Answer:
    """Run a command without input; it is killed after `seconds`. Never raises for what the command does."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False,
            text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Answer(False, timed_out=True)
    except OSError as problem:
        return Answer(False, last_line=problem.strerror or str(problem))
    said = [line.strip() for line in (done.stderr.strip() or done.stdout.strip()).splitlines()]
    last = said[-1] if said else f"exit code {done.returncode}"
    return Answer(done.returncode == 0, done.stdout, last[:200])


def try_import(module: str, *, seconds: float) -> Answer:
    """Import `module` in a fresh process of the same program and say how that went; works in a frozen program too."""
    if getattr(sys, "frozen", False):
        return run([sys.executable, TRY_IMPORT, module], seconds=seconds)
    return run_python(f"import {module}", seconds=seconds)


def run_python(code: str, *, seconds: float) -> Answer:
    """Run `code` in a fresh interpreter of the same environment; a frozen program has none and fails."""
    if getattr(sys, "frozen", False):
        return Answer(False, last_line="this is a packaged program without an interpreter of its own")
    return run([sys.executable, "-c", code], seconds=seconds)


def version_of(package: str) -> str | None:
    """The installed version of a distribution, None when it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def package_folder(package: str) -> Path | None:
    """Where a package lies, without importing it."""
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None
