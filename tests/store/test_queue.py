"""The queue: order, claims, cancel, pause, and what a crash leaves."""

import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.store.device import DeviceLock
from outfitswap_desktop.store.owner import Owner
from outfitswap_desktop.store.queue import EXPIRY_SECONDS, Inputs, NewJob, Queue


def request(number=0, **changes):
    asked = SwapRequest(photo=Path("/photos/a.jpg"), output=Path(f"/out/{number}.png"), prompt=f"linen {number}")
    return replace(asked, **changes)


def new(number=0, **options):
    return NewJob(request(number), **options)


class Now:
    """A clock that tests set."""

    def __init__(self):
        self.time = 1_000_000.0

    def __call__(self):
        return self.time


class Programs:
    """Which owners run."""

    def __init__(self):
        self.gone = set()

    def __call__(self, owner):
        return owner not in self.gone


class NoEntries:
    def by_job(self, job):
        del job


class Entries(dict):
    """job -> entry id."""

    def by_job(self, job):
        return type("Entry", (), {"id": self[job]})() if job in self else None


US, THEM = Owner(1, "a"), Owner(2, "b")


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def alive():
    return Programs()


@pytest.fixture
def queue(tmp_path, now, alive):
    with Queue(tmp_path / "queue.db", owner=US, alive=alive, clock=now) as opened:
        yield opened


@pytest.fixture
def theirs(queue, now, alive):
    with Queue(queue.path, owner=THEM, alive=alive, clock=now) as opened:
        yield opened


def test_a_job_comes_out_as_it_went_in(queue):
    whole = SwapRequest(
        photo=Path("/photos/\udcff.jpg"),
        output=Path("/out/ü.png"),
        prompt='navy "linen" 🧵',
        garment=Path("/g.png"),
        zone=Zone.TOP,
        person=2,
        engine="fabric",
        seed=2**63 - 1,
        steps=3,
        quality=80,
        keep_metadata=False,
        consent="release:/x.pdf",
        adult_attested=True,
        outline=Path("/o.png"),
    )
    mask = np.zeros((61, 83), np.uint8)
    mask[10:20, 30:77] = 255
    number = queue.add(NewJob(whole, Inputs(photo=b"p" * 9, garment=b"g", mask=mask, outline=~mask), "title", "b", "o"))
    (job,) = queue.jobs()
    assert (job.id, job.request, job.state, job.title, job.batch, job.outfit) == (
        number,
        whole,
        "queued",
        "title",
        "b",
        "o",
    )
    kept = queue.inputs(number)
    assert (kept.photo, kept.garment) == (b"p" * 9, b"g")
    assert np.array_equal(kept.mask, mask)
    assert np.array_equal(kept.outline, ~mask)
    assert not kept.mask.flags.writeable


def test_a_request_with_relative_paths_means_the_same_elsewhere(queue, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    number = queue.add(NewJob(SwapRequest(photo=Path("a.png"), output=Path("b.png"))))
    assert queue.get(number).request.photo == tmp_path / "a.png"


def test_jobs_are_claimed_in_order_and_each_once(queue, theirs):
    numbers = queue.add_all([new(n) for n in range(3)])
    assert queue.claim("cpu").id == numbers[0]
    taken = theirs.claim("cpu")
    assert (taken.id, taken.state, taken.device) == (numbers[1], "running", "cpu")
    assert queue.claim("cpu").id == numbers[2]
    assert theirs.claim("cpu") is None
    assert queue.counts() == {"running": 3}


def test_ends_are_written_by_the_owner_alone_and_once(queue, theirs):
    number = queue.add(new(inputs=Inputs(photo=b"x")))
    queue.claim("cpu")
    assert not theirs.done(number, 5)
    assert theirs.heartbeat(number) == "lost"
    assert queue.heartbeat(number) == "go"
    assert queue.done(number, 5, about={"output": "x.png"})
    assert not queue.ended(number, "failed")
    job = queue.get(number)
    assert (job.state, job.entry_id, job.about) == ("done", 5, {"output": "x.png"})
    assert queue.inputs(number).photo is None


def test_a_failed_job_keeps_its_reason_and_its_inputs_and_can_be_resumed(queue):
    first, second = queue.add_all([new(0, inputs=Inputs(photo=b"x")), new(1)])
    queue.claim("cpu")
    queue.ended(first, "failed", {"kind": "failed", "message": "It died."})
    assert queue.get(first).problem["message"] == "It died."
    assert queue.resume(first)
    assert not queue.resume(second)
    assert [job.id for job in queue.jobs()] == [second, first]
    assert queue.inputs(first).photo == b"x"
    assert queue.get(first).problem is None


@pytest.mark.parametrize(
    ("moved", "before", "order"),
    [(2, 0, [2, 0, 1]), (0, None, [1, 2, 0]), (0, 2, [1, 0, 2]), (1, 1, [0, 2, 1]), (1, 0, [1, 0, 2])],
)
def test_reordering(queue, moved, before, order):
    numbers = queue.add_all([new(n) for n in range(3)])
    queue.move(numbers[moved], numbers[before] if before is not None else None)
    assert [job.id for job in queue.jobs()] == [numbers[at] for at in order]
    added = queue.add(new(9))
    assert queue.jobs()[-1].id == added


def test_a_thousand_moves_keep_the_order(queue):
    numbers = list(queue.add_all([new(n) for n in range(4)]))
    for _ in range(1000):
        last = numbers.pop()
        queue.move(last, numbers[1])
        numbers.insert(1, last)
    assert [job.id for job in queue.jobs()] == numbers


def test_what_runs_cannot_be_moved_or_removed(queue):
    number = queue.add(new())
    queue.claim("cpu")
    with pytest.raises(UsageProblem):
        queue.move(number, None)
    assert not queue.remove(number)
    queue.ended(number, "refused")
    assert queue.remove(number)
    assert queue.jobs() == ()


def test_a_pause_is_kept_but_a_batch_goes_on(queue, theirs):
    own, batch = queue.add_all([new(0), new(1, batch="b1")])
    queue.paused = True
    assert theirs.paused
    assert theirs.claim("cpu") is None
    assert theirs.claim("cpu", number=batch).id == batch
    assert theirs.claim("cpu", number=batch) is None
    queue.paused = False
    assert theirs.claim("cpu").id == own


def test_cancel(queue, theirs):
    waiting, running = queue.add_all([new(0, inputs=Inputs(photo=b"x")), new(1)])
    queue.move(running, waiting)
    queue.claim("cpu")
    assert theirs.cancel(waiting) == "queued"
    assert theirs.cancel(running) == "running"
    assert theirs.cancel("0" * 32) is None
    assert queue.get(waiting).state == "cancelled"
    assert queue.inputs(waiting).photo is None
    assert queue.heartbeat(running) == "stop"
    assert queue.get(running).state == "running"  # until its program says so
    queue.ended(running, "cancelled")
    assert queue.remove_ended() == 2


def test_cancel_all_and_of_one_batch(queue):
    queue.add_all([new(0, batch="a"), new(1, batch="b"), new(2)])
    queue.cancel_all(batch="a")
    assert queue.counts() == {"cancelled": 1, "queued": 2}
    queue.cancel_all()
    assert queue.counts() == {"cancelled": 3}
    assert queue.remove_ended(batch="a") == 1
    assert queue.remove_ended(keep=1) == 1
    assert len(queue.jobs()) == 1


# Crashes


def test_what_a_dead_program_ran_is_done_or_interrupted(queue, theirs, alive):
    made, cut, waits = queue.add_all([new(n) for n in range(3)])
    assert {theirs.claim("cpu").id, theirs.claim("cpu").id} == {made, cut}
    assert queue.recover(NoEntries()) == ()
    alive.gone.add(THEM)
    assert queue.recover(Entries({made: 7})) == (made, cut)
    assert (queue.get(made).state, queue.get(made).entry_id) == ("done", 7)
    assert queue.get(cut).state == "interrupted"
    assert queue.get(waits).state == "queued"
    assert theirs.heartbeat(cut) == "lost"
    assert queue.recover(NoEntries()) == ()


def test_a_claim_that_is_not_confirmed_expires(queue, theirs, now):
    number = queue.add(new())
    theirs.claim("cpu")
    now.time += EXPIRY_SECONDS - 1
    assert queue.abandoned() == ()
    assert theirs.heartbeat(number) == "go"
    now.time += EXPIRY_SECONDS + 1
    (job,) = queue.abandoned()
    assert job.id == number
    assert theirs.heartbeat(number) == "lost"
    assert not theirs.done(number, 1)
    assert queue.ended(number, "interrupted")


def test_what_a_dead_batch_left_waiting_does_not_begin_by_itself(queue, theirs, alive):
    left, own = theirs.add_all([new(0, batch="b"), new(1)])
    alive.gone.add(THEM)
    queue.abandoned()
    assert queue.get(left).state == "interrupted"
    assert queue.claim("cpu").id == own
    assert queue.resume(left)
    assert queue.claim("cpu").id == left


def test_a_batch_takes_over_what_a_dead_one_left(queue, theirs, alive):
    first, second = theirs.add_all([new(0, batch="old"), new(1, batch="old")])
    theirs.claim("cpu", number=first)
    jobs = [new(n, batch="new") for n in range(3)]
    assert first not in queue.adopt_all(jobs)  # the old one still runs
    queue.cancel_all(batch="new")
    queue.remove_ended()
    alive.gone.add(THEM)
    ids = queue.adopt_all([replace(job, id=job.id[::-1]) for job in jobs])
    assert ids[:2] == (first, second)
    assert [job.state for job in queue.jobs(batch="new")] == ["running", "queued", "queued"]
    assert queue.jobs(batch="old") == ()


CLAIMER = """
import sys
from pathlib import Path
from outfitswap_desktop.store.queue import Queue
with Queue(Path(sys.argv[1])) as queue:
    while (job := queue.claim("cpu")) is not None:
        print(job.id, flush=True)
        queue.done(job.id, 1)
"""


def test_processes_that_claim_at_the_same_time_never_get_the_same_job(tmp_path):
    path = tmp_path / "queue.db"
    with Queue(path) as queue:
        numbers = set(queue.add_all([new(n) for n in range(60)]))
    runs = [
        subprocess.Popen([sys.executable, "-c", CLAIMER, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    claimed = [line for run in runs for line in run.communicate(timeout=60)[0].split()]
    assert len(claimed) == 60
    assert set(claimed) == numbers


def test_another_connections_changes_are_seen(queue, theirs):
    before = queue.version()
    assert queue.version() == before
    theirs.add(new())
    assert queue.version() != before


def test_a_damaged_file_is_moved_aside_and_a_newer_one_left_alone(tmp_path):
    path = tmp_path / "queue.db"
    path.write_bytes(b"no database at all" * 100)
    with Queue(path) as queue:
        assert "damaged" in queue.notes[0]
        queue.add(new())
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "SELECT migration_set, '99_future', applied_at FROM _sqlite_migrations LIMIT 1"
        )
    connection.close()
    with pytest.raises(NotAvailable, match="newer"):
        Queue(path)


def test_nothing_of_a_pasted_photo_is_left_in_the_file_once_it_is_done(tmp_path):
    path, secret = tmp_path / "queue.db", os.urandom(24)
    with Queue(path) as queue:
        number = queue.add(new(inputs=Inputs(photo=secret * 500)))
        queue.claim("cpu")
        queue.done(number, 1)
    assert all(secret not in file.read_bytes() for file in tmp_path.iterdir())


def test_erasing_leaves_nothing_of_prompts_and_paths_but_of_a_running_job(tmp_path):
    with Queue(tmp_path / "queue.db") as queue:
        running = queue.add(new(1))
        queue.add_all([NewJob(request(prompt="tangerine houndstooth"), title="Anna") for _ in range(20)])
        assert queue.claim("cpu").id == running
        assert queue.erase() == 20
        assert [job.id for job in queue.jobs()] == [running]
        kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"houndstooth" not in kept
    assert b"Anna" not in kept
    assert b"linen 1" in kept


# The device


def test_one_program_at_a_time_has_a_device(tmp_path):
    first, second, other = DeviceLock(tmp_path, "cuda:0"), DeviceLock(tmp_path, "cuda:0"), DeviceLock(tmp_path, "cpu")
    assert first.try_to_take()
    assert first.try_to_take()
    assert not second.try_to_take()
    assert other.try_to_take()
    first.let_go()
    assert second.try_to_take()
    second.let_go()
    other.let_go()


def test_waiting_for_a_device_can_be_given_up_and_ends_with_the_other_program(tmp_path):
    script = (
        "import sys; from pathlib import Path; from outfitswap_desktop.store.device import DeviceLock\n"
        "lock = DeviceLock(Path(sys.argv[1]), 'cpu'); print(lock.try_to_take(), flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline().strip() == "True"
    lock = DeviceLock(tmp_path, "cpu")

    def give_up():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), lock.held(wait=give_up):
        raise AssertionError
    timer = threading.Timer(0.3, holder.kill)
    timer.start()
    with lock.held(wait=lambda: None):
        assert not DeviceLock(tmp_path, "cpu").try_to_take()
    timer.join()
    holder.communicate()
