"""The desk and the job worker through real child processes: where callbacks run, cancels, deaths, the queue, closing."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from PySide6.QtCore import QThread, QTimer

from outfitswap_desktop import paths
from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.engine.client import EngineClient
from outfitswap_desktop.engine.messages import Cancelled, Failed, Finished
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.queue import Inputs, NewJob, Queue
from outfitswap_desktop.ui.worker import Desk, JobWorker
from tests.engine.scripted import Die, Echo, Fail, Work, dies_at_once, paper_road, scripted, small_road
from tests.segments import segments

WAIT = 60_000


@pytest.fixture
def desk(qtbot):
    made = Desk(EngineClient(factory=scripted, grace=0.5))
    yield made
    made.close()
    assert segments() == []


@pytest.fixture
def photo(tmp_path, astronaut):
    path = tmp_path / "photo.png"
    Image.fromarray(astronaut).save(path)
    return path


@pytest.fixture
def worker_of(qtbot):
    made = []

    def make(factory=paper_road, grace=2.0):
        client = EngineClient(factory=factory, grace=grace)
        made.append(JobWorker(paths.queue_file(), client=client))
        paths.data_dir()
        return Listening(made[-1], client)

    yield make
    for one in made:
        one.close()
    assert segments() == []


class Listening:
    """A job worker and what it has said."""

    def __init__(self, worker, client):
        self.worker = worker
        self.client = client
        self.started, self.ends, self.progress, self.troubles = [], {}, [], []
        self.doubled = []
        worker.job_started.connect(self.started.append)
        worker.job_progressed.connect(lambda job, now: self.progress.append((job, now)))
        worker.job_ended.connect(self._ended)
        worker.trouble.connect(self.troubles.append)

    def _ended(self, job, end):
        if job in self.ends:
            self.doubled.append(job)
        self.ends[job] = end


def job(photo, name, tmp_path, **options):
    request = SwapRequest(
        photo=photo, output=tmp_path / f"{name}.png", prompt="navy linen", consent="self", adult_attested=True
    )
    return NewJob(request, title=str(name), **options)


# The desk


def test_answers_come_on_the_windows_thread_with_read_only_arrays(desk, qtbot):
    here, got = QThread.currentThread(), []
    array = np.arange(300_000, dtype=np.uint8).reshape(300, 1000)
    desk.ask(Echo({"array": array}), lambda answer: got.append((answer, QThread.currentThread())))
    qtbot.waitUntil(lambda: bool(got), timeout=WAIT)
    (thing, _, pid), thread = got[0]
    assert thread is here
    assert pid != os.getpid()
    assert np.array_equal(thing["array"], array)
    assert not thing["array"].flags.writeable


def test_progress_and_failure_have_their_callbacks(desk, qtbot):
    seen, failed, troubles = [], [], []
    desk.trouble.connect(troubles.append)
    desk.ask(Work(0.5), lambda _answer: seen.append("done"), progressed=seen.append)
    desk.ask(Fail("missing"), failed.append, failed.append)
    desk.ask(Fail("refused"), failed.append)
    qtbot.waitUntil(lambda: bool(failed and troubles), timeout=WAIT)
    assert seen[-1] == "done"
    assert seen[0].stage == "generate"
    assert [problem.reason for problem in failed] == ["disk_full"]
    assert troubles == ["No. Ask for something else."]


def test_a_newer_request_with_the_same_key_takes_the_older_ones_place(desk, qtbot):
    got = []
    for number in range(5):
        desk.ask(Work(0.3) if number < 4 else Echo(number), got.append, key="segment")
    other = []
    desk.ask(Echo("other"), other.append)
    qtbot.waitUntil(lambda: bool(other), timeout=WAIT)
    assert [answer[0] for answer in got] == [4]


def test_a_cancelled_request_is_never_heard_of_again(desk, qtbot):
    got, ready = [], []
    number = desk.ask(Work(30.0), got.append, got.append, lambda now: ready.append(now) or None)
    qtbot.waitUntil(lambda: bool(ready), timeout=WAIT)
    desk.cancel(number)
    after = []
    desk.ask(Echo("after"), after.append)
    qtbot.waitUntil(lambda: bool(after), timeout=WAIT)
    assert got == []


def test_a_death_is_told_in_one_sentence_and_the_next_question_is_answered(desk, qtbot):
    troubles, failed, after = [], [], []
    desk.trouble.connect(troubles.append)
    desk.ask(Die(), failed.append, failed.append)
    desk.ask(Echo("after"), after.append)
    qtbot.waitUntil(lambda: bool(after and troubles), timeout=WAIT)
    assert [problem.reason for problem in failed] == ["engine_died"]
    assert len(troubles) == 1


def test_the_event_loop_goes_on_while_large_pictures_cross(desk, qtbot):
    """Ticks of 5 ms while a 24 MP picture goes there and back; judged by the share of late ones, the machine being shared."""
    times, got = [], []
    timer = QTimer()
    timer.setInterval(5)
    timer.timeout.connect(lambda: times.append(time.perf_counter()))
    timer.start()
    picture = np.zeros((4000, 6000, 3), np.uint8)
    desk.ask(Echo({"array": picture}), got.append)
    qtbot.waitUntil(lambda: bool(got), timeout=WAIT)
    timer.stop()
    late = np.diff(times) > 0.25
    assert late.mean() < 0.2


def test_closing_in_the_middle(qtbot):
    desk = Desk(EngineClient(factory=scripted, grace=0.3))
    seen = []
    desk.ask(Work(60.0, deaf=True), seen.append, seen.append, lambda _now: seen.append("at work"))
    qtbot.waitUntil(lambda: bool(seen), timeout=WAIT)
    desk.close()
    desk.close()
    assert desk.ask(Echo(), seen.append) > 0  # nobody answers, nothing breaks
    qtbot.wait(50)
    assert set(seen) == {"at work"}


# The job worker


def test_jobs_run_one_after_the_other_and_pasted_pictures_and_masks_go_along(worker_of, photo, tmp_path, qtbot):
    listening = worker_of(small_road)
    worker = listening.worker
    mask = np.zeros((512, 512), np.uint8)
    mask[170:300, 180:340] = 255
    plain = worker.add(job(photo, "plain", tmp_path))
    pasted = worker.add(job(Path("nowhere"), "pasted", tmp_path, inputs=Inputs(photo=photo.read_bytes(), mask=mask)))
    bad = worker.add(job(tmp_path / "missing.png", "bad", tmp_path))
    qtbot.waitUntil(lambda: len(listening.ends) == 3, timeout=WAIT)
    assert listening.started == [plain, pasted, bad]
    done = listening.ends[plain]
    assert isinstance(done, Finished)
    assert not done.answer.picture.pixels.flags.writeable
    assert done.answer.about["outside_mask_changed_pixels"] == 0
    assert (tmp_path / "pasted.png").is_file()
    assert {now.stage for number, now in listening.progress if number == plain} >= {"read", "save"}
    qtbot.waitUntil(lambda: worker.state.counts == {"done": 2, "refused": 1}, timeout=WAIT)
    entries = {one.id: one.entry_id for one in worker.state.jobs if one.state == "done"}
    with History(paths.history_file()) as history:
        assert {number: history.by_job(number).id for number in (plain, pasted)} == entries
        assert history.get(entries[pasted]).photo is None
        small = np.asarray(Image.open(tmp_path / "pasted.mask.png"))
    assert not small[mask == 0].any()


def test_pause_reorder_cancel_and_resume(worker_of, photo, tmp_path, qtbot):
    worker = worker_of().worker
    worker.pause()
    qtbot.waitUntil(lambda: worker.paused, timeout=WAIT)
    first, second, third = (worker.add(job(photo, n, tmp_path)) for n in range(3))
    worker.move(third, first)
    worker.cancel(second)
    qtbot.waitUntil(lambda: worker.state.counts == {"queued": 2, "cancelled": 1}, timeout=WAIT)
    assert [one.id for one in worker.state.jobs if one.state == "queued"] == [third, first]
    (paths.data_dir() / "slow").write_text("30")
    with qtbot.waitSignal(worker.job_started, timeout=WAIT) as started:
        worker.resume()
    assert started.args == [third]
    worker.cancel_all()
    qtbot.waitUntil(lambda: worker.state.counts == {"cancelled": 3}, timeout=WAIT)
    assert not (tmp_path / "0.png").exists()
    worker.remove_ended()
    qtbot.waitUntil(lambda: worker.state.jobs == (), timeout=WAIT)


@pytest.mark.parametrize(
    "stage",
    ["gates", *(pytest.param(one, marks=pytest.mark.slow) for one in ("read", "parse", "mask", "generate", "save"))],
)
def test_a_cancel_in_each_stage(worker_of, photo, tmp_path, own_home, qtbot, stage):
    listening = worker_of(small_road)
    worker = listening.worker
    own_home.mkdir(exist_ok=True)
    (own_home / "slow").write_text("0.4")
    number = worker.add(job(photo, "cut", tmp_path))
    order = ("read", "parse", "mask", "generate", "paste", "gates", "save")  # some are over before they can be told
    late = set(order[order.index(stage) :])
    qtbot.waitUntil(lambda: any(now.stage in late for _, now in listening.progress), timeout=WAIT)
    worker.cancel(number)
    qtbot.waitUntil(lambda: number in listening.ends, timeout=WAIT)
    done = isinstance(listening.ends[number], Finished)  # it was quicker, and is whole
    assert done or isinstance(listening.ends[number], Cancelled)
    made = sorted(path.name for path in tmp_path.glob("cut*")) + [path.name for path in tmp_path.glob(".*part")]
    assert made == (["cut.mask.png", "cut.png", "cut.receipt.json"] if done else [])
    after = worker.add(job(photo, "after", tmp_path))
    qtbot.waitUntil(lambda: after in listening.ends, timeout=WAIT)
    assert isinstance(listening.ends[after], Finished)


def test_a_child_that_is_killed_fails_its_job_and_the_queue_goes_on(worker_of, photo, tmp_path, own_home, qtbot):
    listening = worker_of()
    worker = listening.worker
    own_home.mkdir(exist_ok=True)
    (own_home / "slow").write_text("5")
    killed, after = worker.add(job(photo, "killed", tmp_path)), worker.add(job(photo, "after", tmp_path))
    qtbot.waitUntil(lambda: any(now.stage == "generate" for _, now in listening.progress), timeout=WAIT)
    (own_home / "slow").write_text("0")
    os.kill(listening.client.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: after in listening.ends, timeout=WAIT)
    assert isinstance(listening.ends[killed], Failed)
    assert listening.ends[killed].problem.reason == "engine_died"
    assert isinstance(listening.ends[after], Finished)
    assert len(listening.troubles) == 1
    worker.resume_job(killed)
    qtbot.waitUntil(lambda: worker.state.counts == {"done": 2}, timeout=WAIT)


def test_a_child_killed_after_it_has_saved_is_repaired_to_done_and_not_run_again(
    worker_of, photo, tmp_path, qtbot, monkeypatch
):
    """The end is lost on its way: the history knows it."""
    listening = worker_of()
    worker = listening.worker
    first = worker.add(job(photo, "first", tmp_path))
    qtbot.waitUntil(lambda: first in listening.ends, timeout=WAIT)
    real = EngineClient._take

    def deaf_to_ends(client, child, packed):
        if b"Finished" in packed:
            monkeypatch.setattr(EngineClient, "_take", real)
            os.kill(child.pid, signal.SIGKILL)
            return
        real(client, child, packed)

    monkeypatch.setattr(EngineClient, "_take", deaf_to_ends)
    second = worker.add(job(photo, "second", tmp_path))
    qtbot.waitUntil(lambda: second in listening.ends, timeout=WAIT)
    assert isinstance(listening.ends[second], Finished)
    assert listening.ends[second].answer.about["output"] == str(tmp_path / "second.png")
    assert sorted(listening.ends) == sorted([first, second])
    with History(paths.history_file()) as history:
        assert history.count() == 2


def test_closing_while_a_job_runs_leaves_it_interrupted(worker_of, photo, tmp_path, own_home, qtbot):
    listening = worker_of()
    own_home.mkdir(exist_ok=True)
    (own_home / "slow").write_text("1")
    cut, waits = (listening.worker.add(job(photo, n, tmp_path)) for n in range(2))
    qtbot.waitUntil(lambda: any(now.stage == "generate" for _, now in listening.progress), timeout=WAIT)
    listening.worker.close()
    with Queue(paths.queue_file()) as queue:
        assert queue.get(cut).state == "interrupted"
        assert queue.get(waits).state == "queued"
    assert sorted(tmp_path.glob("*.png")) == [photo]


def test_an_engine_that_cannot_be_had_pauses_the_queue_and_says_why(worker_of, photo, tmp_path, qtbot):
    listening = worker_of(dies_at_once)
    number, other = (listening.worker.add(job(photo, n, tmp_path)) for n in range(2))
    qtbot.waitUntil(lambda: number in listening.ends and listening.worker.paused, timeout=WAIT)
    assert listening.ends[number].problem.reason == "engine_stopped"
    assert any("three times" in sentence for sentence in listening.troubles)
    qtbot.wait(300)
    assert {one.id: one.state for one in listening.worker.state.jobs} == {number: "interrupted", other: "queued"}


def test_the_window_loads_nothing_heavy_for_its_workers():
    code = "import sys, outfitswap_desktop.ui.worker; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert "PySide6" in loaded
    assert not loaded & {"torch", "mediapipe", "onnxruntime", "skimage", "scipy", "sqlite_utils", "diffusers"}
    ours = {name for name in run.stdout.split() if name.startswith("outfitswap_desktop")}
    assert not {name for name in ours if name.split(".")[1:2] in (["safety"], ["runner"], ["wiring"], ["embedded"])}


def test_another_programs_jobs_are_seen_and_its_lock_is_waited_for(worker_of, photo, tmp_path, qtbot):
    from outfitswap_desktop.store.device import DeviceLock

    lock = DeviceLock(paths.data_dir(), "cpu")
    assert lock.try_to_take()
    listening = worker_of()
    with Queue(paths.queue_file()) as queue:
        number = queue.add(job(photo, "theirs", tmp_path))
    qtbot.waitUntil(lambda: len(listening.worker.state.jobs) == 1, timeout=WAIT)
    qtbot.wait(300)
    assert listening.started == []
    lock.let_go()
    qtbot.waitUntil(lambda: number in listening.ends, timeout=WAIT)


WINDOW = """
    import sys
    from pathlib import Path
    from PySide6.QtCore import QCoreApplication
    from outfitswap_desktop import paths
    from outfitswap_desktop.core.job import SwapRequest
    from outfitswap_desktop.engine.client import EngineClient
    from outfitswap_desktop.store.queue import NewJob
    from outfitswap_desktop.ui.worker import JobWorker
    from tests.engine.scripted import paper_road

    if __name__ == "__main__":
        app = QCoreApplication([])
        client = EngineClient(factory=paper_road)
        worker = JobWorker(paths.queue_file(), client=client)
        for number in range(3):
            output = Path(sys.argv[2]) / f"{number}.png"
            worker.add(NewJob(SwapRequest(photo=Path(sys.argv[1]), output=output, prompt="navy linen", consent="self",
                                          adult_attested=True)))
        worker.job_progressed.connect(lambda job, now: print(client.pid, now.stage, flush=True))
        app.exec()
"""


def test_a_window_that_is_killed_leaves_a_queue_that_goes_on(worker_of, photo, tmp_path, own_home, qtbot):
    own_home.mkdir(exist_ok=True)
    (own_home / "slow").write_text("30")
    script = tmp_path / "window.py"
    script.write_text(textwrap.dedent(WINDOW))
    root = str(Path(__file__).resolve().parents[2])
    window = subprocess.Popen(
        [sys.executable, str(script), str(photo), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        cwd=root,
    )
    for line in window.stdout:
        pid = int(line.split()[0])
        if "generate" in line:
            break
    window.kill()
    window.wait()
    window.stdout.close()
    gone = time.monotonic()
    while psutil.pid_exists(pid) and time.monotonic() - gone < 5.0:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid)
    assert segments() == []
    (own_home / "slow").write_text("0")
    listening = worker_of()
    qtbot.waitUntil(lambda: listening.worker.state.counts == {"done": 2, "interrupted": 1}, timeout=WAIT)
    (cut,) = (one.id for one in listening.worker.state.jobs if one.state == "interrupted")
    listening.worker.resume_job(cut)
    qtbot.waitUntil(lambda: listening.worker.state.counts == {"done": 3}, timeout=WAIT)
    with History(paths.history_file()) as history:
        assert history.count() == 3
