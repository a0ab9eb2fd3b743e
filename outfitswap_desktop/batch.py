"""Photos x outfits through the one runner: a bad photo fails alone, a second run with resume does only what is missing.

The jobs wait in the queue that the window works on too: whoever is free takes the next one, and none is run twice. They leave
the queue when the command ends, cancelled or not: from then on it is --resume that does the rest, and nothing else.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outfitswap_desktop.core.credits import UNPAYABLE
from outfitswap_desktop.core.job import CancelToken, Progress, Report, SwapRequest, Wishes
from outfitswap_desktop.core.jobs import Job, RowProblem, plan
from outfitswap_desktop.core.manifest import read_consents, read_manifest, read_outfits, with_consents
from outfitswap_desktop.core.receipt import file_hash
from outfitswap_desktop.errors import Cancelled, KnownError, NotAvailable, UsageProblem
from outfitswap_desktop.runner import Outcome, Runner, companions
from outfitswap_desktop.safety.api import Cell, CheckedSource, ReleasedImage
from outfitswap_desktop.store.device import CPU, DeviceLock
from outfitswap_desktop.store.queue import NewJob, Queue

SUMMARY = "batch-summary.json"
QUEUE_FILE = "queue.db"
BEAT_SECONDS = 2.0
LOOK_SECONDS = 0.25
"""How often it is looked whether another program has finished a job of this batch."""
SHEET_ROWS = 25
SHEET_COLUMNS = 12
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sheet:
    """Small released pictures by photo, in order: the photo first, then its results by the numbers of their jobs."""

    rows: dict[Path, list[tuple[int, Cell]]] = field(default_factory=dict)

    def add(self, photo: Path, image: ReleasedImage | None, caption: str, *, number: int = 0) -> None:
        self.rows.setdefault(photo, []).append((number, Cell(image, caption)))

    def pages(self) -> Iterable[list[list[Cell]]]:
        lines = []
        for numbered in self.rows.values():
            before, *results = (cell for _, cell in sorted(numbered, key=lambda one: one[0]))
            step = SHEET_COLUMNS - 1
            lines += [[before, *results[at : at + step]] for at in range(0, max(1, len(results)), step)]
        for at in range(0, len(lines), SHEET_ROWS):
            yield lines[at : at + SHEET_ROWS]


@dataclass(slots=True)
class _Batch:
    runner: Runner
    folder: Path
    name: str
    resume: bool
    jobs: tuple[Job, ...]
    queue: Queue
    lock: DeviceLock
    queued: dict[int, str] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    sheet: _Sheet = field(default_factory=_Sheet)
    opened: tuple[Path, CheckedSource] | None = None


def run_batch(
    runner: Runner,
    source: Path,
    *,
    output: Path,
    outfits: Path | None,
    resume: bool,
    engine: str,
    consent: str | None,
    report: Report,
    cancel: CancelToken,
    adult_attested: bool = False,
    consents: Path | None = None,
    seed: int = 0,
    steps: int | None = None,
    wishes: Wishes | None = None,
) -> dict[str, Any]:
    """Run a folder or CSV of photos with the outfits of a file; returns the summary, which is also saved in `output`.

    `consent` and `adult_attested` are statements for all photos, `consents` a manifest with one for each.

    Rows that cannot be read and jobs that fail are reported in the summary and do not stop the others. Raises UsageProblem
    or InputRefused when nothing can be started, Cancelled after saving the summary of what was done.
    """
    photos = read_manifest(source, leave_out=output)
    listed = read_outfits(outfits) if outfits is not None else None
    if consents is not None:
        photos = with_consents(photos, read_consents(consents))
    jobs = plan(
        photos,
        listed,
        output=output,
        engine=engine,
        seed=seed,
        steps=steps,
        wishes=wishes,
        consent=consent,
        adult_attested=adult_attested,
    )
    problems = (*photos.problems, *(listed.problems if listed else ()))
    if not jobs and not problems:
        raise UsageProblem(
            f"There are no photos in {source}.", reason="no_photos", hint="JPEG, PNG and WebP files are taken."
        )
    runner.place(output / SUMMARY)
    folder = runner.history.path.parent
    with Queue(folder / QUEUE_FILE) as queue:
        batch = _Batch(runner, output, secrets.token_hex(4), resume, jobs, queue, DeviceLock(folder, CPU))
        batch.rows += [_problem_row(problem) for problem in problems]
        notes = [*photos.notes, *(listed.notes if listed else ())]
        return _run_all(batch, notes, report, cancel)


def _run_all(batch: _Batch, notes: list[str], report: Report, cancel: CancelToken) -> dict[str, Any]:
    jobs = batch.jobs
    began = time.perf_counter()
    try:
        _work(batch, report, cancel)
    except (Cancelled, KeyboardInterrupt):
        summary = _write_summary(batch, notes=notes, began=began, sheets=[], cancelled=True)
        made = summary["done"] + summary["skipped"]
        raise Cancelled(
            f"Cancelled: {made} of {len(jobs)} jobs are done and kept; the same command with --resume does the rest."
        ) from None
    left = _not_started(batch)
    if left:
        notes.append(f"{left} of {len(jobs)} jobs were not begun; the same command with --resume does them.")
    sheets: list[str] = []
    try:
        sheets = _write_sheets(batch)
    except KnownError as problem:
        notes.append(f"The contact sheet was not written: {problem.message}")
    return _write_summary(batch, notes=notes, began=began, sheets=sheets, cancelled=False)


def _work(batch: _Batch, report: Report, cancel: CancelToken) -> None:
    """Do every job here, or wait until another program has; the jobs leave the queue whatever happens.

    The first that cannot be paid ends the work: the others could not be either, and are not begun.
    """
    queue, runner = batch.queue, batch.runner
    queue.recover(runner.history)
    missing = [job for job in batch.jobs if not (batch.resume and is_done(job.request))]
    new = [NewJob(job.request, title=job.outfit, batch=batch.name, outfit=job.outfit) for job in missing]
    batch.queued = dict(zip((job.number for job in missing), queue.adopt_all(new), strict=True))
    try:
        waiting = list(batch.jobs)
        while waiting:
            elsewhere = []
            for job in waiting:
                cancel.check()
                row = _one(batch, job, report, cancel)
                if row is None:
                    elsewhere.append(job)
                    continue
                batch.rows.append(row)
                if row["state"] == "failed" and row["error"]["reason"] in UNPAYABLE:
                    return
            if len(elsewhere) == len(waiting):
                time.sleep(LOOK_SECONDS)
                queue.recover(runner.history)
            waiting = elsewhere
    finally:
        queue.cancel_all(batch=batch.name)
        queue.remove_ended(batch=batch.name)
        batch.rows.sort(key=lambda row: row["number"] or 0)


def _one(batch: _Batch, job: Job, report: Report, cancel: CancelToken) -> dict[str, Any] | None:
    """Run or skip one job; whatever goes wrong, but for a cancel, becomes its row. None: another program runs it."""
    request = job.request
    total = len(batch.jobs)
    share = sum(row["number"] is not None for row in batch.rows)

    def part(now: Progress) -> None:
        report(Progress(now.stage, (share + now.fraction) / total, f"{share + 1}/{total} {request.photo.name[:24]}"))

    row = {"number": job.number, "line": job.line, "photo": str(request.photo.absolute()), "outfit": job.outfit}
    part(Progress("read", 0.0))
    try:
        if job.number not in batch.queued:
            _show_done(batch, job)
            return row | {"state": "skipped", "output": str(request.output.resolve())}
        with batch.lock.held(wait=cancel.check):
            if batch.queue.claim(CPU, number=batch.queued[job.number]) is None:
                return _made_elsewhere(batch, job, row)
            outcome = _run(batch, job, report=part, cancel=cancel)
    except (Cancelled, KeyboardInterrupt):
        if job.number in batch.queued:
            batch.queue.ended(batch.queued[job.number], "cancelled")
        raise
    except KnownError as problem:
        return row | _failed(batch, job, _error(problem))
    except Exception as problem:  # noqa: BLE001  a bug in one job must not take the others along
        _log.exception("job %s failed", job.number)
        message = f"This is a bug of ours: {type(problem).__name__}: {problem}"
        error = {"kind": "bug", "reason": "internal_error", "message": message, "hint": "Please report it."}
        return row | _failed(batch, job, error)
    about = outcome.as_json()
    batch.queue.done(batch.queued[job.number], outcome.entry_id, about=about)
    _show(batch, job, batch.runner.kernel.miniature(outcome.released))
    return row | {"state": "done", **about}


def _failed(batch: _Batch, job: Job, error: dict[str, str]) -> dict[str, Any]:
    number = batch.queued.get(job.number)
    if number is not None:
        batch.queue.ended(number, "failed", error)
    _show_failed(batch, job)
    return {"state": "failed", "error": error}


def _made_elsewhere(batch: _Batch, job: Job, row: dict[str, Any]) -> dict[str, Any] | None:
    """The row of a job that another program had: how it ended there; None while it runs."""
    number = batch.queued[job.number]
    there = batch.queue.get(number)
    if there is not None and there.state == "interrupted" and batch.queue.resume(number, batch=batch.name):
        return None  # the program that had it is gone: it is ours again
    if there is not None and there.state in ("queued", "running"):
        return None
    if there is not None and there.state == "done":
        _show_done(batch, job)
        about = (
            there.about if there.about is not None else {"entry_id": there.entry_id, "output": str(job.request.output)}
        )
        return row | {"state": "done", **about}
    _show_failed(batch, job)
    error = there.problem if there is not None and there.problem else _error(_stopped())
    return row | {"state": "failed", "error": {name: error.get(name, "") for name in _ERROR_WORDS}}


def _run(batch: _Batch, job: Job, *, report: Report, cancel: CancelToken) -> Outcome:
    source = _open(batch, job.request.photo)
    number = batch.queued[job.number]
    beaten = time.monotonic()

    def beat(now: Progress) -> None:
        nonlocal beaten
        if time.monotonic() - beaten >= BEAT_SECONDS:
            beaten = time.monotonic()
            if batch.queue.heartbeat(number) != "go":
                raise _stopped()
        report(now)

    return batch.runner.run(
        job.request, report=beat, cancel=cancel, source=source, batch=batch.name, outfit=job.outfit, job=number
    )


_ERROR_WORDS = ("kind", "reason", "message", "hint")


def _stopped() -> NotAvailable:
    return NotAvailable(
        "This job was cancelled in the window.", reason="cancelled_elsewhere", hint="--resume does it after all."
    )


def _open(batch: _Batch, photo: Path) -> CheckedSource:
    """The photo of a job; the last one is kept, because its outfits come one after the other."""
    if batch.opened is None or batch.opened[0] != photo:
        batch.opened = None
        batch.opened = (photo, batch.runner.open_photo(photo))
    return batch.opened[1]


def is_done(request: SwapRequest) -> bool:
    """Whether the files of a request are there, whole, and made from the same photo with the same wish."""
    mask, receipt_file = companions(request.output)
    try:
        receipt = json.loads(receipt_file.read_text(encoding="utf-8"))
        asked, cloth = receipt["request"], receipt["garment"]
        wish = (request.prompt, request.zone.value if request.zone else None, request.person, request.seed)
        return bool(
            mask.is_file()
            and wish == (asked["prompt"], asked["zone"], asked["person"], asked["seed"])
            and file_hash(request.photo) == receipt["source"]["sha256"]
            and (file_hash(request.garment) if request.garment else None) == (cloth["sha256"] if cloth else None)
            and (file_hash(request.mask) if request.mask else None) == asked["mask_sha256"]
            and file_hash(request.output) == receipt["output"]["sha256"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _show(batch: _Batch, job: Job, image: ReleasedImage | None, said: str = "") -> None:
    photo = job.request.photo
    if photo not in batch.sheet.rows:
        small = None
        if batch.opened is not None and batch.opened[0] == photo:
            small = batch.runner.kernel.miniature(batch.runner.kernel.view(batch.opened[1]))
        batch.sheet.add(photo, small, photo.name)
    batch.sheet.add(photo, image, f"{job.outfit} {said}".strip(), number=job.number)


def _show_done(batch: _Batch, job: Job) -> None:
    """A result of an earlier run goes on the sheet as any picture that comes in: opened, checked and judged."""
    kernel = batch.runner.kernel
    try:
        _open(batch, job.request.photo)
        _show(batch, job, kernel.miniature(kernel.view(job.request.output)))
    except KnownError:
        _show(batch, job, None, "(not shown)")


def _show_failed(batch: _Batch, job: Job) -> None:
    _show(batch, job, None, "(failed)")


def _error(problem: KnownError) -> dict[str, str]:
    return {"kind": problem.kind, "reason": problem.reason, "message": problem.message, "hint": problem.hint}


def _problem_row(problem: RowProblem) -> dict[str, Any]:
    return {
        "number": None,
        "line": problem.line,
        "photo": problem.subject,
        "outfit": "",
        "state": "failed",
        "error": _error(problem.error),
    }


def _write_sheets(batch: _Batch) -> list[str]:
    pages = list(batch.sheet.pages())
    written = []
    for number, page in enumerate(pages, 1):
        name = "contact-sheet.png" if len(pages) == 1 else f"contact-sheet-{number}.png"
        title = f"{len(batch.jobs)} jobs" if len(pages) == 1 else f"{len(batch.jobs)} jobs, page {number}"
        written.append(str(batch.runner.write_sheet(page, batch.folder / name, title=title)))
    return written


def _not_started(batch: _Batch) -> int:
    return len(batch.jobs) - sum(row["number"] is not None for row in batch.rows)


def _write_summary(
    batch: _Batch, *, notes: list[str], began: float, sheets: list[str], cancelled: bool
) -> dict[str, Any]:
    counts = {state: sum(row["state"] == state for row in batch.rows) for state in ("done", "skipped", "failed")}
    summary: dict[str, Any] = {
        "batch": batch.name,
        **counts,
        "cancelled": cancelled,
        "not_started": _not_started(batch),
        "seconds": round(time.perf_counter() - began, 2),
        "summary": str((batch.folder / SUMMARY).resolve()),
        "contact_sheets": sheets,
        "notes": notes,
        "jobs": batch.rows,
    }
    batch.runner.write_document(summary, batch.folder / SUMMARY)
    return summary
