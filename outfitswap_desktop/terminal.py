"""What the command line says and how it ends: progress on stderr, JSON on stdout, one sentence and an exit code."""

from __future__ import annotations

import datetime
import errno
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from outfitswap_desktop.errors import EXIT_BUG, Cancelled, KnownError, NotAvailable

if TYPE_CHECKING:
    from outfitswap_desktop.core.job import CancelToken, Progress, Report

_NO_STDOUT = "stdout_closed"
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
    """One line for the user on stderr; lost when nobody listens."""
    with suppress(OSError):
        _write(sys.stderr, text + "\n")
        sys.stderr.flush()


def show(text: str) -> None:
    """One line of the answer on stdout."""
    _answer(text + "\n")


def show_json(document: Any) -> None:
    """The whole answer as one JSON document on stdout; a file name that is no text is written with escapes."""
    ascii_only = _encoding(sys.stdout) != "utf-8"
    text = json.dumps(document, indent=2, ensure_ascii=ascii_only, default=str)
    _answer(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")


def can_ask() -> bool:
    """Whether somebody sits at the keyboard and sees the question."""
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False


def ask_typed(question: str) -> str:
    """Ask on stderr and return the line that was typed, trimmed; "" at the end of the input. Nothing is ever pre-filled."""
    with suppress(OSError):
        _write(sys.stderr, f"{question} ")
        sys.stderr.flush()
    return sys.stdin.readline().strip()


def finish() -> None:
    """Send off what is still waiting for stdout; raises NotAvailable when it cannot be written."""
    _answer("")


def _answer(text: str) -> None:
    """Write to stdout. A reader that went away (`| head`) is no failure: the rest of the answer is dropped."""
    try:
        _write(sys.stdout, text)
        if not text:
            sys.stdout.flush()
    except OSError as problem:
        gone = problem.errno in {errno.EPIPE, errno.EINVAL}  # EINVAL: what Windows says of a closed pipe
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not gone:
            raise NotAvailable(
                f"The answer could not be written to standard output: {problem.strerror}.",
                reason=_NO_STDOUT,
                hint="Send it somewhere else; what was made is in the history.",
            ) from problem


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = _encoding(stream)
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _encoding(stream: TextIO) -> str:
    name = (getattr(stream, "encoding", None) or "utf-8").lower()
    return "utf-8" if name in {"utf8", "utf_8"} else name


def open_standard_streams() -> None:
    """Put the null device where a standard stream is closed.

    Otherwise the next file that is opened gets its number, and what a library says on stderr ends in a picture.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


@contextmanager
def logging_to_file() -> Iterator[None]:
    """Within, warnings of libraries and tracebacks go to the log file, and our own sentences for the user to stderr."""
    handlers = (_LogFile(), _Sentences())
    root, level = logging.getLogger(), logging.getLogger().level
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)


class _LogFile(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _log(logging.Formatter("%(levelname)s %(name)s: %(message)s").format(record))


class _Sentences(logging.Handler):
    """What `wiring` has to say of the history is for the user; all else is for the log file."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "outfitswap_desktop.wiring":
            say(f"note: {record.getMessage()}")


@contextmanager
def progress(*, quiet: bool) -> Iterator[Report]:
    """A progress bar on stderr when it is a terminal; nothing in a pipe or with `quiet`."""
    if quiet or not _is_terminal():
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


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except ValueError:
        return False


@contextmanager
def cancel_on_interrupt() -> Iterator[CancelToken]:
    """A token that the first Ctrl-C sets; a second Ctrl-C interrupts at once."""
    from outfitswap_desktop.core.job import CancelToken

    token = CancelToken()
    watched = _is_terminal()  # asked before a progress bar takes stderr's place

    def ask(_signal: int, _frame: FrameType | None) -> None:
        if token.is_set():
            raise KeyboardInterrupt
        token.set()
        if watched:
            with suppress(RuntimeError):  # in the middle of another line to stderr
                say("Cancelling ...")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield token
    finally:
        signal.signal(signal.SIGINT, before)


def ignore_interrupts() -> None:
    """From here on a Ctrl-C changes nothing: the program is about to leave anyway."""
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def fail(problem: BaseException, *, as_json: bool) -> int:
    """Tell the user what went wrong, in one line or as JSON; returns the exit code."""
    if isinstance(problem, Cancelled | KeyboardInterrupt):
        return _refuse("cancelled", "cancelled", str(problem) or "Cancelled.", "", code=130, as_json=as_json)
    if isinstance(problem, KnownError):
        as_json = as_json and problem.reason != _NO_STDOUT
        return _refuse(
            problem.kind, problem.reason, problem.message, problem.hint, code=problem.exit_code, as_json=as_json
        )
    where = _log("".join(traceback.format_exception(problem)))
    message = f"This is a bug of ours: {type(problem).__name__}: {problem}"
    hint = f"Please report it with the file {where}." if where else "Please report it."
    return _refuse("bug", "internal_error", message, hint, code=EXIT_BUG, as_json=as_json)


def _refuse(kind: str, reason: str, message: str, hint: str, *, code: int, as_json: bool) -> int:
    if as_json:
        with suppress(KnownError):
            show_json({"error": {"kind": kind, "reason": reason, "message": message, "hint": hint}})
    else:
        say(f"outfitswap: {' '.join(f'{message} {hint}'.splitlines())}".rstrip())
    return code


def _log(text: str) -> str | None:
    """Append to the log file below the data folder; None when that is not possible."""
    from outfitswap_desktop.paths import log_file

    with suppress(OSError, KnownError):
        path = log_file()
        stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"--- {stamp}\n{text}\n")
        return str(path)
    return None
