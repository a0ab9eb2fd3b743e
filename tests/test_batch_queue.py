"""A batch shares the queue with the window: nothing is run twice, whoever ends first, and nothing stays behind."""

import threading

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.batch import run_batch
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.errors import Cancelled
from outfitswap_desktop.store.owner import Owner
from outfitswap_desktop.store.queue import NewJob, Queue

WINDOW = Owner(1, "the window")


@pytest.fixture
def photos(tmp_path, astronaut):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(np.roll(astronaut, number, axis=2)[:400]).save(folder / f"p{number}.png")
    return folder


@pytest.fixture
def outfits(tmp_path):
    path = tmp_path / "outfits.txt"
    path.write_text("navy linen shirt\n")
    return path


@pytest.fixture
def window(own_home):
    """The queue as the window has it; it counts as running."""
    own_home.mkdir(exist_ok=True)
    with Queue(own_home / "queue.db", owner=WINDOW) as queue:
        yield queue


@pytest.fixture(autouse=True)
def who_runs(monkeypatch):
    """Who counts as running; tests take the window out of it."""
    running = {WINDOW}
    real = Queue.__init__

    def init(self, path, **options):
        from outfitswap_desktop.store.owner import is_alive

        real(self, path, **({"alive": lambda owner: owner in running or is_alive(owner)} | options))

    monkeypatch.setattr(Queue, "__init__", init)
    return running


def go(runner, photos, outfits, tmp_path, *, cancel=None, resume=False):
    return run_batch(
        runner,
        photos,
        output=tmp_path / "out",
        outfits=outfits,
        resume=resume,
        engine="auto",
        consent="self",
        adult_attested=True,
        report=lambda _now: None,
        cancel=cancel or CancelToken(),
    )


def during_the_first(generator, act):
    """Have `act` happen once, while the first job is painted."""

    def once():
        generator.on_generate = None
        act()

    generator.on_generate = once


def test_the_jobs_wait_in_the_queue_with_their_ids_in_the_history_and_leave_it(
    fake_runner, photos, outfits, tmp_path, window
):
    runner, _, generator = fake_runner
    seen = []
    during_the_first(generator, lambda: seen.extend(window.jobs()))
    summary = go(runner, photos, outfits, tmp_path)
    assert [job.state for job in seen] == ["running", "queued"]
    assert {job.batch for job in seen} == {summary["batch"]}
    assert [runner.history.by_job(job.id).id for job in seen] == [row["entry_id"] for row in summary["jobs"]]
    assert window.jobs() == ()


@pytest.mark.parametrize("how", ["done", "failed", "cancelled", "removed"])
def test_a_job_that_the_window_took_is_not_run_here(fake_runner, photos, outfits, tmp_path, window, how):
    runner, _, generator = fake_runner
    taken = []

    def take():
        taken.append(window.claim("cpu"))

    def end():
        with Queue(window.path, owner=WINDOW) as queue:
            number = taken[0].id
            if how == "done":
                queue.done(number, 77, about={"entry_id": 77, "output": "there.png"})
            else:
                queue.ended(number, "failed" if how == "failed" else "cancelled", {"message": "Out of memory."})
            if how == "removed":
                queue.remove(number)

    during_the_first(generator, take)
    real = generator.generate

    def generate(*given, **options):
        answer = real(*given, **options)
        threading.Timer(0.5, end).start()
        return answer

    generator.generate = generate
    summary = go(runner, photos, outfits, tmp_path)
    assert len(generator.requests) == 1
    first, second = summary["jobs"]
    assert first["state"] == "done"
    assert taken[0].request.output.name == "p1__navy-linen-shirt.png"
    if how == "done":
        assert (second["state"], second["entry_id"], second["number"]) == ("done", 77, 2)
    else:
        assert second["state"] == "failed"
        assert second["error"]["message"].startswith("Out of memory" if how != "removed" else "This job was cancelled")
    assert window.jobs() == ()


@pytest.mark.slow
def test_a_job_whose_window_died_is_run_here_after_all(fake_runner, photos, outfits, tmp_path, window, who_runs):
    runner, _, generator = fake_runner

    def take_and_die():
        assert window.claim("cpu") is not None
        who_runs.discard(WINDOW)

    during_the_first(generator, take_and_die)
    summary = go(runner, photos, outfits, tmp_path)
    assert (summary["done"], summary["failed"]) == (2, 0)
    assert runner.history.count() == 2


def test_a_cancelled_batch_takes_its_jobs_out_of_the_queue_and_leaves_others(
    fake_runner, photos, outfits, tmp_path, window
):
    runner, _, generator = fake_runner
    token = CancelToken()
    from outfitswap_desktop.core.job import SwapRequest

    own = window.add(NewJob(SwapRequest(photo=photos / "p0.png", output=tmp_path / "own.png", prompt="navy linen")))
    during_the_first(generator, token.set)
    with pytest.raises(Cancelled):
        go(runner, photos, outfits, tmp_path, cancel=token)
    assert [(job.id, job.state) for job in window.jobs()] == [(own, "queued")]


@pytest.mark.slow
def test_a_job_cancelled_in_the_window_is_a_failed_row_and_resume_does_it(
    fake_runner, photos, outfits, tmp_path, window
):
    runner, _, generator = fake_runner
    during_the_first(generator, lambda: window.cancel(window.jobs(["queued"])[0].id))
    summary = go(runner, photos, outfits, tmp_path)
    assert [row["state"] for row in summary["jobs"]] == ["done", "failed"]
    assert summary["jobs"][1]["error"]["reason"] == "cancelled_elsewhere"
    again = go(runner, photos, outfits, tmp_path, resume=True)
    assert [row["state"] for row in again["jobs"]] == ["skipped", "done"]


def test_a_paused_queue_does_not_stop_a_command(fake_runner, photos, outfits, tmp_path, window):
    window.paused = True
    assert go(fake_runner[0], photos, outfits, tmp_path)["done"] == 2
    assert window.paused
