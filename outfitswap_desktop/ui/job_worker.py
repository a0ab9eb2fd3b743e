"""Runs the queue on the engine process of one device; the thread owns the queue's file and the client, the window neither."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from outfitswap_desktop.engine.client import EngineClient
from outfitswap_desktop.engine.messages import (
    Cancelled,
    Event,
    EventEnd,
    Failed,
    FindJob,
    Finished,
    Progressed,
    Ready,
    Refused,
    Replaced,
    RunSwap,
    SwapDone,
)
from outfitswap_desktop.errors import KnownError

if TYPE_CHECKING:
    from outfitswap_desktop.store.queue import Job, NewJob, Queue

BEAT_SECONDS: Final = 2.0
IDLE_SECONDS: Final = 1.0
ORPHANS_SECONDS: Final = 30.0
RETRY_MILLISECONDS: Final = 500
KEPT: Final = 200
"""Jobs that are over stay listed until there are more than this."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class QueueState:
    """What lists show: the first 500 jobs in order, how many there are in each state, and whether the queue is paused."""

    jobs: tuple[Job, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    paused: bool = False


@dataclass(slots=True, eq=False)
class _Current:
    """The job that runs, or (`looking`) the one of which the new child is asked whether it was done; `end` is what is known."""

    job: Job
    number: int
    looking: bool = False
    end: EventEnd | None = None
    told: bool = True
    lost: bool = False


class _JobThread(QThread):
    started_job = Signal(str)
    progressed = Signal(str, object)
    ended = Signal(str, object)
    listed = Signal(object)
    trouble = Signal(str)

    def __init__(self, client: EngineClient, path: Path, device: str, *, parent: QObject) -> None:
        super().__init__(parent)
        self._client = client
        self._path = path
        self._device = device
        self._orders: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._current: _Current | None = None
        self._orphans: deque[Job] = deque()
        self._unrecorded: tuple[_Current, EventEnd | None] | None = None
        self._complaint = ""
        self._ending = False
        self._next_beat = 0.0
        self._next_orphans = 0.0
        self._seen: int | None = None
        self._dirty = True

    def order(self, word: str, *content: Any) -> None:
        """From any thread: a method of the queue, or "warm", "wake", "end"."""
        self._orders.append((word, content))
        self._client.wake()

    def run(self) -> None:
        from outfitswap_desktop.store.device import DeviceLock
        from outfitswap_desktop.store.queue import Queue

        lock = DeviceLock(self._path.parent, self._device)
        try:
            with Queue(self._path) as queue:
                for note in queue.notes:
                    self.trouble.emit(note)
                while not (self._ending and self._current is None):
                    self._guarded(queue, lock)
        except KnownError as problem:
            self.trouble.emit(f"{problem.message} {problem.hint}".strip())
        except Exception:
            _log.exception("the job worker's thread stopped")
            raise
        finally:
            self._client.close()
            lock.let_go()

    def _guarded(self, queue: Queue, lock: Any) -> None:
        """One round; a queue that cannot be written for a moment is told once, and tried again."""
        try:
            self._round(queue, lock)
            self._complaint = ""
        except KnownError as problem:
            sentence = f"{problem.message} {problem.hint}".strip()
            if sentence != self._complaint:
                self.trouble.emit(sentence)
            self._complaint = sentence
            if self._ending:
                self._current = None
            self.msleep(RETRY_MILLISECONDS)

    def _round(self, queue: Queue, lock: Any) -> None:
        self._record(queue)
        self._obey(queue)
        if self._current is None and not self._ending:
            self._begin(queue, lock)
        self._list(queue)
        if self._ending and self._current is None:
            return
        event = self._client.poll(BEAT_SECONDS if self._current is not None else IDLE_SECONDS)
        if event is not None:
            self._hear(event)
            self._record(queue)
        if self._current is None:
            lock.let_go()
        elif time.monotonic() >= self._next_beat and not self._current.looking:
            self._beat(queue, self._current)

    def _obey(self, queue: Queue) -> None:
        while self._orders:
            word, content = self._orders.popleft()
            self._dirty = True
            if word == "end":
                self._ending = True
                if self._current is not None:
                    self._client.cancel(self._current.number)
            elif word == "warm":
                self._client.start()
            elif word == "pause":
                queue.paused = content[0]
            elif word == "cancel":
                self._cancel(queue, queue.cancel(content[0]), content[0])
            elif word == "cancel_all":
                queue.cancel_all()
                if self._current is not None:
                    self._cancel(queue, "running", self._current.job.id)
            elif word != "wake":
                getattr(queue, word)(*content)

    def _cancel(self, queue: Queue, state: str | None, number: str) -> None:
        current = self._current
        if state == "running" and current is not None and current.job.id == number and not current.looking:
            self._client.cancel(current.number)

    # A job's life

    def _begin(self, queue: Queue, lock: Any) -> None:
        if time.monotonic() >= self._next_orphans:
            self._next_orphans = time.monotonic() + ORPHANS_SECONDS
            self._orphans.extend(queue.abandoned())
        if self._orphans:
            job = self._orphans.popleft()
            self._current = _Current(job, self._client.send(FindJob(job.id)), looking=True, told=False)
            return
        if not lock.try_to_take():
            return
        job_or_none = queue.claim(self._device)
        if job_or_none is None:
            return
        job = job_or_none
        inputs = queue.inputs(job.id)
        number = self._client.send(
            RunSwap(
                job.request,
                job=job.id,
                photo=inputs.photo,
                garment=inputs.garment,
                mask=inputs.mask,
                outline=inputs.outline,
                batch=job.batch,
                outfit=job.outfit,
            )
        )
        self._current = _Current(job, number)
        self._next_beat = time.monotonic() + BEAT_SECONDS
        self._dirty = True
        self.started_job.emit(job.id)

    def _beat(self, queue: Queue, current: _Current) -> None:
        self._next_beat = time.monotonic() + BEAT_SECONDS
        said = queue.heartbeat(current.job.id)
        if said != "go":
            current.lost = said == "lost"
            self._client.cancel(current.number)

    def _hear(self, event: Event) -> None:
        current = self._current
        if isinstance(event, Replaced):
            if event.sentence:
                self.trouble.emit(event.sentence)
        elif isinstance(event, Ready) or current is None or event.id != current.number:
            return
        elif isinstance(event, Progressed):
            if not current.looking:
                self.progressed.emit(current.job.id, event.progress)
        elif current.looking:
            self._looked(current, event)
        else:
            self._ended(current, event)

    def _ended(self, current: _Current, end: EventEnd) -> None:
        """A child that died may have finished the job all the same: the new one looks into the history first."""
        lost_child = False
        if isinstance(end, Cancelled | Failed):
            after = self._client.poll(0)
            lost_child = isinstance(after, Replaced)
            if isinstance(after, Replaced) and after.sentence:
                self.trouble.emit(after.sentence)
        done_elsewhere = isinstance(end, Failed) and end.problem.reason == "job_done"
        if _without_engine(end):
            self._unrecorded = (current, end)
        elif (lost_child or done_elsewhere) and not self._ending:
            current.end, current.looking = end, True
            current.number = self._client.send(FindJob(current.job.id))
        elif not lost_child:
            self._unrecorded = (current, end)
        else:  # the window closes: the next start looks
            self._current = None

    def _looked(self, current: _Current, answer: EventEnd) -> None:
        if isinstance(answer, Finished) and isinstance(answer.answer, SwapDone):
            self._unrecorded = (current, answer)
        elif isinstance(answer, Finished) or current.end is not None:
            self._unrecorded = (current, current.end)
        else:  # no child to ask: left as it is, for the next start
            self._current = None

    def _record(self, queue: Queue) -> None:
        """Write down how the job has ended; kept until that has worked."""
        if self._unrecorded is None:
            return
        current, end = self._unrecorded
        job = current.job
        if isinstance(end, Finished):
            queue.done(job.id, int(end.answer.about["entry_id"]), about=end.answer.about)
            queue.remove_ended(keep=KEPT)
        elif _without_engine(end):  # the others would only fail too: they wait until somebody has mended it
            queue.paused = True
            queue.ended(job.id, "interrupted", asdict(end.problem))
        elif isinstance(end, Refused | Failed):
            queue.ended(job.id, "refused" if isinstance(end, Refused) else "failed", asdict(end.problem))
        elif end is None:
            queue.ended(job.id, "interrupted")
        elif self._ending or current.lost:
            queue.ended(job.id, "queued" if job.batch is not None else "interrupted")
        else:
            queue.ended(job.id, "cancelled")
        self._unrecorded = self._current = None
        self._dirty = True
        if current.told and end is not None:
            self.ended.emit(job.id, end)

    def _list(self, queue: Queue) -> None:
        """Tell the window what the queue holds when we or another program have changed it."""
        version = queue.version()
        if version != self._seen or self._dirty:
            self._seen, self._dirty = version, False
            self.listed.emit(QueueState(queue.jobs(), queue.counts(), queue.paused))


def _without_engine(end: EventEnd | None) -> TypeGuard[Failed]:
    """Whether no engine process can be had at all."""
    return isinstance(end, Failed) and end.problem.detail.get("engine") == "none"


class JobWorker(QObject):
    """Runs the queue's jobs one after the other; lives in the window's thread. The process starts with the first job.

    Where no process can be had, the queue is paused and the job can be resumed: the others are not failed one by one.
    `queue_changed` is emitted once `state` is new. Everything that changes the queue goes through here or another program.
    """

    job_started = Signal(str)
    job_progressed = Signal(str, object)
    job_ended = Signal(str, object)
    queue_changed = Signal()
    trouble = Signal(str)

    def __init__(
        self,
        path: Path,
        *,
        client: EngineClient | None = None,
        device: str = "cpu",
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.state = QueueState()
        self._thread: _JobThread | None = _JobThread(
            client or EngineClient(name=f"engine {device}"), path, device, parent=self
        )
        queued = Qt.ConnectionType.QueuedConnection
        self._thread.started_job.connect(self.job_started, queued)
        self._thread.progressed.connect(self.job_progressed, queued)
        self._thread.ended.connect(self.job_ended, queued)
        self._thread.trouble.connect(self.trouble, queued)
        self._thread.listed.connect(self._listed, queued)
        self._thread.start()

    @property
    def paused(self) -> bool:
        """Whether no further job is begun."""
        return self.state.paused

    def add(self, job: NewJob) -> str:
        """Put a job into the queue; returns its id at once."""
        self._order("add", job)
        return job.id

    def warm(self) -> None:
        """Start the engine process now, so that the first job finds it ready."""
        self._order("warm")

    def wake(self) -> None:
        """Look at the queue now: somebody has changed it."""
        self._order("wake")

    def pause(self) -> None:
        """Begin no further job; the running one goes on. Kept through restarts."""
        self._order("pause", True)

    def resume(self) -> None:
        """Go on with the queue."""
        self._order("pause", False)

    def cancel(self, number: str) -> None:
        """Cancel a waiting or running job: softly, then by replacing the process."""
        self._order("cancel", number)

    def cancel_all(self) -> None:
        """Cancel every job that waits or runs."""
        self._order("cancel_all")

    def move(self, number: str, before: str | None) -> None:
        """Put a waiting job before another one, or at the end (None)."""
        self._order("move", number, before)

    def resume_job(self, number: str) -> None:
        """Put a job that was interrupted, failed or was refused back into the queue."""
        self._order("resume", number)

    def remove(self, number: str) -> None:
        """Take a job that does not run out of the queue."""
        self._order("remove", number)

    def remove_ended(self) -> None:
        """Take all jobs that are over out of the queue."""
        self._order("remove_ended")

    def close(self) -> None:
        """Stop the running job (it can be resumed) and end the process; returns when both are over. May be called twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.order("end")
            thread.quit()
            thread.wait()

    def _order(self, word: str, *content: Any) -> None:
        if self._thread is not None:
            self._thread.order(word, *content)

    @Slot(object)
    def _listed(self, state: QueueState) -> None:
        self.state = state
        self.queue_changed.emit()
