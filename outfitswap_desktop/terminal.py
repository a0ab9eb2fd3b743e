"""What the command line says and how it ends: progress on stderr, JSON on stdout, one sentence and an exit code."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from outfitswap_desktop.errors import EXIT_BUG, Cancelled, KnownError

if TYPE_CHECKING:
    from outfitswap_desktop.core.job import CancelToken, Progress, Report

STAGES = {
    "read": "reading the photo",
    "parse": "finding the garment",
    "mask": "planning the mask",
    "generate": "weaving the outfit",
    "paste": "putting it back",
    "gates": "checking the result",
    "save": "saving",
}


def say(text: str) -> None:
    """One line for the user on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def show(text: str) -> None:
    """One line of the answer on stdout."""
    sys.stdout.write(text + "\n")


def show_json(document: Any) -> None:
    """The whole answer as one JSON document on stdout."""
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


@contextmanager
def progress(*, quiet: bool) -> Iterator[Report]:
    """A progress bar on stderr when it is a terminal; nothing in a pipe or with `quiet`."""
    if quiet or not sys.stderr.isatty():
        yield lambda _progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:<24}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Bar(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        row = bar.add_task("starting", total=1.0)

        def report(now: Progress) -> None:
            bar.update(row, completed=now.fraction, description=now.detail or STAGES.get(now.stage, now.stage))

        yield report


@contextmanager
def cancel_on_interrupt() -> Iterator[CancelToken]:
    """A token that the first Ctrl-C sets; a second Ctrl-C interrupts at once."""
    from outfitswap_desktop.core.job import CancelToken

    token = CancelToken()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        if token.is_set():
            raise KeyboardInterrupt
        token.set()
        say("Cancelling ...")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield token
    finally:
        signal.signal(signal.SIGINT, before)


def fail(problem: BaseException, *, as_json: bool) -> int:
    """Tell the user what went wrong, in one line or as JSON; returns the exit code."""
    if isinstance(problem, Cancelled | KeyboardInterrupt):
        return _refuse("cancelled", "cancelled", "Cancelled: nothing was written.", "", code=130, as_json=as_json)
    if isinstance(problem, KnownError):
        return _refuse(
            problem.kind, problem.reason, problem.message, problem.hint, code=problem.exit_code, as_json=as_json
        )
    where = _log(problem)
    message = f"This is a bug of ours: {type(problem).__name__}: {problem}"
    hint = f"Please report it with the file {where}." if where else "Please report it."
    return _refuse("bug", "internal_error", message, hint, code=EXIT_BUG, as_json=as_json)


def _refuse(kind: str, reason: str, message: str, hint: str, *, code: int, as_json: bool) -> int:
    if as_json:
        show_json({"error": {"kind": kind, "reason": reason, "message": message, "hint": hint}})
    else:
        say(f"outfitswap: {message} {hint}".rstrip())
    return code


def _log(problem: BaseException) -> str | None:
    """Append the traceback to the log file below the data folder; None when even that is not possible."""
    import datetime
    import traceback

    from outfitswap_desktop.paths import log_file

    with suppress(OSError):
        path = log_file()
        stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with path.open("a", encoding="utf-8") as log:
            log.write(f"--- {stamp}\n{''.join(traceback.format_exception(problem))}\n")
        return str(path)
    return None
