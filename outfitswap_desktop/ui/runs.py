"""Jobs as the window sees them: orders go into the queue, the worker runs them, the page lists them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QObject, Signal

from outfitswap_desktop import paths
from outfitswap_desktop.core.job import Progress
from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.store.presets import Presets
from outfitswap_desktop.store.queue import Inputs, Job, NewJob
from outfitswap_desktop.ui.background import Background
from outfitswap_desktop.ui.history.shelf import Shelf
from outfitswap_desktop.ui.job_worker import JobWorker
from outfitswap_desktop.ui.orders import Order, orders
from outfitswap_desktop.ui.outfit.outfit import ENGINES, Outfit, asked_of_recipe
from outfitswap_desktop.ui.queue_page import QueuePage, QueueRow

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from outfitswap_desktop.engine.client import EngineClient
    from outfitswap_desktop.store.entry import Entry
    from outfitswap_desktop.store.settings import SettingsStore
    from outfitswap_desktop.ui.session import Session

SUFFIXES: Final = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@dataclass(frozen=True, slots=True, eq=False)
class _Ordered:
    """What the window remembers of a job it ordered: for whose photo, and how to order it again."""

    order: Order
    photo_sha256: str


class Runs(QObject):
    """Queue, worker and history's shelf of this window. The queue's file is only touched on threads of their own."""

    started = Signal(str)
    progressed = Signal(str, object)
    ended = Signal(str, object)
    said = Signal(str)
    presets_changed = Signal(object)
    result_asked = Signal(int)

    def __init__(
        self,
        session: Session,
        settings: SettingsStore,
        parent: QObject | None = None,
        *,
        client: EngineClient | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._settings = settings
        self._ordered: dict[str, _Ordered] = {}
        self._running: str | None = None
        self._page: QueuePage | None = None
        self._presets: Presets | None = None
        self._background = Background(self)
        self.shelf = Shelf(paths.history_file(), self)
        self.shelf.trouble.connect(self.said)
        self._worker = JobWorker(paths.queue_file(), client=client, parent=self)
        self._worker.job_started.connect(self._job_started)
        self._worker.job_progressed.connect(self._job_progressed)
        self._worker.job_ended.connect(self._job_ended)
        self._worker.queue_changed.connect(self._show_listing)
        self._worker.trouble.connect(self.said)
        self._load_presets(lambda presets: None)

    def close(self) -> None:
        """End the worker (what runs goes back into the queue), the shelf and the threads."""
        self._worker.close()
        self.shelf.close()
        self._background.close(self._close_files)

    # Ordering

    @property
    def left(self) -> int:
        """How many jobs of the queue wait or run."""
        return sum(job.state in {"queued", "running"} for job in self._worker.state.jobs)

    def warm(self) -> None:
        """Start the device's process, so that the first job finds it ready."""
        self._worker.warm()

    def order(self, prompt: str) -> None:
        """Put what the session holds into the queue."""
        values = self._settings.values
        folder = Path(values.output_folder) if values.output_folder else paths.results_dir()
        waiting = [
            job.request.output for job in self._worker.state.jobs if job.state in {"queued", "running", "interrupted"}
        ]
        made = orders(
            self._session,
            prompt,
            folder=folder,
            suffix=SUFFIXES[values.format],
            quality=values.quality,
            keep_metadata=values.keep_metadata,
            reserved=[*waiting, *(one.order.request.output for one in self._ordered.values())],
        )
        self._put(made)

    def order_again(self, job: str) -> None:
        """Order a job of this window once more, with the statement that the session has now."""
        known = self._ordered.get(job)
        if known is None:
            return
        session = self._session
        request = replace(known.order.request, consent=session.consent, adult_attested=session.adult_attested)
        self._put([replace(known.order, request=request)])
        self._worker.remove(job)

    def _put(self, made: list[Order]) -> None:
        photo = self._session.photo
        sha256 = photo.sha256 if photo is not None else ""
        title = self._session.name
        new = [
            NewJob(one.request, Inputs(photo=one.photo, mask=one.mask, outline=one.outline), title=title)
            for one in made
        ]

        for job, one in zip(new, made, strict=True):
            self._ordered[job.id] = _Ordered(one, sha256)
            self._worker.add(job)
        if self._worker.paused:
            self.said.emit(self.tr("Added to the queue, which is paused: Ctrl+4 shows it, “Go on” there runs it."))
        elif self._running is not None:
            self.said.emit(self.tr("Added to the queue."))

    def is_of_this_photo(self, job: str) -> bool:
        """Whether a job was ordered for the photo that is open."""
        known, photo = self._ordered.get(job), self._session.photo
        return known is not None and photo is not None and known.photo_sha256 == photo.sha256

    def prompt_of(self, job: str) -> str:
        """The words of a job of this window."""
        known = self._ordered.get(job)
        return known.order.request.prompt if known is not None else ""

    def cancel_running(self) -> None:
        """Cancel the job that runs."""
        if self._running is not None:
            self._worker.cancel(self._running)

    # The page

    def make_page(self, parent: QWidget) -> QueuePage:
        """The queue's page, joined to the queue."""
        page = self._page = QueuePage(parent)
        page.paused.connect(lambda on: self._worker.pause() if on else self._worker.resume())
        page.cancel_asked.connect(self._worker.cancel)
        page.cancel_all_asked.connect(self._worker.cancel_all)
        page.again_asked.connect(self._again)
        page.remove_asked.connect(self._worker.remove)
        page.clear_asked.connect(self._worker.remove_ended)
        page.move_asked.connect(self._worker.move)
        page.result_asked.connect(self._show_result)
        self._show_listing()
        return page

    def _show_listing(self) -> None:
        if self._page is not None:
            rows = [_row(job) for job in self._worker.state.jobs]
            self._page.show_rows(rows, paused=self._worker.paused)

    def _again(self, number: str) -> None:
        for job in self._worker.state.jobs:
            if job.id == number and job.state in {"interrupted", "failed", "refused"}:
                self._worker.resume_job(number)
            elif job.id == number:
                self._worker.add(NewJob(job.request, title=job.title))

    def _show_result(self, job: str) -> None:
        for one in self._worker.state.jobs:
            if one.id == job and one.entry_id is not None:
                self.result_asked.emit(one.entry_id)

    # The history

    def entry(self, entry_id: int, answered: Callable[[Entry | None], None]) -> None:
        """Look an entry up."""
        self.shelf.ask(lambda history: history.get(entry_id), answered)

    @staticmethod
    def outfit_of(entry: Entry, base: Outfit) -> Outfit:
        """The outfit that made an entry, as far as its receipt says: the engine that made it, and what that was asked."""
        with contextlib.suppress(KnownError):  # a damaged receipt says nothing
            base = replace(base, **asked_of_recipe(_asked(entry.receipt)))
        return replace(
            base,
            words=entry.prompt,
            styles=(),
            engine=entry.engine if entry.engine in ENGINES else base.engine,
            seed=entry.seed,
            seed_locked=True,
            variations=1,
        )

    # Presets

    def keep_preset(self, name: str, words: str) -> None:
        """Keep a preset of the user's own."""
        self._load_presets(lambda presets: presets.keep(name, words))

    def drop_preset(self, name: str) -> None:
        """Delete one."""
        self._load_presets(lambda presets: presets.drop(name))

    def _load_presets(self, change: Callable[[Presets], object]) -> None:
        def work() -> tuple[tuple[str, str], ...] | str:
            try:
                if self._presets is None:
                    self._presets = Presets(paths.data_dir() / "presets.db")
                change(self._presets)
                return self._presets.all()
            except KnownError as problem:
                return f"{problem.message} {problem.hint}".strip()

        self._background.run(work, self._presets_loaded)

    def _presets_loaded(self, answer: tuple[tuple[str, str], ...] | str) -> None:
        if isinstance(answer, str):
            self.said.emit(answer)
        else:
            self.presets_changed.emit(answer)

    # What the worker says

    def _job_started(self, job: str) -> None:
        self._running = job
        self.started.emit(job)

    def _job_progressed(self, job: str, progress: Progress) -> None:
        if self._page is not None:
            self._page.model.progress(job, round(100 * progress.fraction))
        self.progressed.emit(job, progress)

    def _job_ended(self, job: str, end: Any) -> None:
        self._running = None
        self.ended.emit(job, end)
        self.shelf.changed.emit()

    def _close_files(self) -> None:
        if self._presets is not None:
            self._presets.close()


def _asked(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """What a receipt says was asked of the recipe: its wishes and steps."""
    request = receipt.get("request")
    wishes = request.get("wishes") if isinstance(request, Mapping) else None
    steps = request.get("steps") if isinstance(request, Mapping) else None
    return {**(wishes if isinstance(wishes, Mapping) else {}), "steps": steps}


def _row(job: Job) -> QueueRow:
    problem = job.problem or {}
    words = job.request.prompt or (job.request.garment.name if job.request.garment is not None else "")
    return QueueRow(
        id=job.id,
        photo=job.title or job.request.photo.name,
        words=words,
        state=job.state,
        note=str(problem.get("message") or ""),
        batch=job.batch or "",
    )
