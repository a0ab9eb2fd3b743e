"""Many jobs in a row through queue, worker and child process, with random cancels and kills; what was lost, doubled or left.

    python -m tests.benchmarks.engine_jobs [--jobs 200] [--real]

`--real` takes the product's kernel and gates around scripted steps (seconds a job) in place of a road of paper. Prints JSON.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil


def pictures(folder, real):
    """The photo that every job names."""
    path = folder / "photo.png"
    if real:
        import skimage.data
        from PIL import Image

        Image.fromarray(skimage.data.astronaut()).save(path)
    else:
        path.write_bytes(b"paper")
    return path


class Run:
    """One run of the benchmark; `chance` is how many of the jobs are cancelled, and as many killed."""

    def __init__(self, folder, *, jobs, seed, real, chance):
        from PySide6.QtCore import QCoreApplication

        from outfitswap_desktop import paths
        from outfitswap_desktop.engine.client import EngineClient
        from outfitswap_desktop.ui.worker import JobWorker
        from tests.engine import scripted

        self.app = QCoreApplication.instance() or QCoreApplication([])
        self.folder, self.jobs, self.real, self.chance = folder, jobs, real, chance
        self.random = random.Random(seed)
        self.me = psutil.Process()
        self.client = EngineClient(factory=scripted.small_road if real else scripted.paper_road, grace=0.5)
        self.worker = JobWorker(paths.queue_file(), client=self.client)
        self.ends, self.doubled, self.memory, self.fates = {}, [], [], Counter()
        self.spawned, self.recovered = set(), []
        self.died = None
        self.worker.job_started.connect(self.started)
        self.worker.job_progressed.connect(self.progressed)
        self.worker.job_ended.connect(self.ended)

    def started(self, job):
        self.fate = self.random.choices(["run", "cancel", "kill"], [1 - 2 * self.chance, self.chance, self.chance])[0]
        self.at = self.random.random()
        self.spawned |= {self.client.pid} - {None}

    def progressed(self, job, now):
        if now.fraction < self.at or self.fate == "run":
            return
        fate, self.fate = self.fate, "run"
        self.fates[fate] += 1
        if fate == "cancel":
            self.worker.cancel(job)
        elif self.client.pid is not None:
            self.died = time.monotonic()
            try:
                os.kill(self.client.pid, signal.SIGKILL)
            except ProcessLookupError:
                self.died = None

    def ended(self, job, end):
        if job in self.ends:
            self.doubled.append(job)
        self.ends[job] = type(end).__name__
        if self.died is not None:  # it is asked whether the job was done after all, so the new child is ready by now
            self.recovered.append(time.monotonic() - self.died)
            self.died = None
        self.memory.append(self.me.memory_info().rss)

    def go(self):
        from outfitswap_desktop.core.job import SwapRequest
        from outfitswap_desktop.store.queue import NewJob

        photo = pictures(self.folder, self.real)
        numbers = []
        for number in range(self.jobs):
            deaf = not self.real and number % 10 == 9
            request = SwapRequest(
                photo=photo,
                output=self.folder / "out" / f"{number}.png",
                prompt="deaf" if deaf else "navy linen",
                consent="self",
                adult_attested=True,
            )
            numbers.append(self.worker.add(NewJob(request)))
        began = time.monotonic()
        while len(self.ends) < self.jobs and time.monotonic() - began < 30 * self.jobs:
            self.app.processEvents()
            time.sleep(0.002)
        seconds = time.monotonic() - began
        before_closing = {child.pid for child in self.me.children(recursive=True)}
        self.worker.close()
        return self.found(numbers, seconds, before_closing)

    def found(self, numbers, seconds, seen):
        from outfitswap_desktop import paths
        from outfitswap_desktop.store.history import History
        from outfitswap_desktop.store.queue import Queue

        with History(paths.history_file()) as history:
            entries = Counter(entry.job for page in history.pages() for entry in page)
            whole = all(entry.output.is_file() for page in history.pages() for entry in page)
        with Queue(paths.queue_file()) as queue:
            states = queue.counts()
            shown = {job.id: job.state for job in queue.jobs()}
        finished = {job for job, end in self.ends.items() if end == "Finished"}
        left = [pid for pid in (seen | self.spawned) if psutil.pid_exists(pid) and not _is_tracker(pid)]
        quarter = max(1, len(self.memory) // 4)
        first, last = sorted(self.memory[quarter : 2 * quarter]), sorted(self.memory[-quarter:])
        return {
            "jobs": self.jobs,
            "seconds": round(seconds, 1),
            "cancels": self.fates["cancel"],
            "kills": self.fates["kill"],
            "ends": dict(Counter(self.ends.values())),
            "states": states,
            "lost": len(set(numbers) - self.ends.keys()) + len(finished - entries.keys()),
            "doubled": len(self.doubled) + sum(count > 1 for count in entries.values()),
            "entries_without_finish": len(entries.keys() - finished),
            "states_that_disagree": sum(shown.get(job, "done") != "done" for job in finished),
            "files_whole": whole,
            "parts_left": len(list((self.folder / "out").glob(".*.part"))),
            "processes_left": len(left),
            "segments_left": len(list(Path("/dev/shm").glob(f"osw-{os.getpid():x}-*"))),
            "from_kill_to_end_of_the_job_median_s": _median(self.recovered),
            "memory_mb": [round(first[len(first) // 2] / 1e6, 1), round(last[len(last) // 2] / 1e6, 1)]
            if first
            else [],
            "load": os.getloadavg()[0],
        }


def _is_tracker(pid):
    try:
        return "resource_tracker" in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return True


def _median(values):
    return round(sorted(values)[len(values) // 2], 2) if values else None


def measure(folder, *, jobs, seed=4, real=False, chance=0.15):
    """Run in `folder`, which becomes the program's home; returns the figures."""
    os.environ["OUTFITSWAP_HOME"] = str(folder / "home")
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    return Run(folder, jobs=jobs, seed=seed, real=real, chance=chance).go()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--jobs", type=int, default=200)
    options.add_argument("--seed", type=int, default=4)
    options.add_argument("--real", action="store_true")
    given = options.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        json.dump(measure(Path(folder), jobs=given.jobs, seed=given.seed, real=given.real), sys.stdout, indent=2)
