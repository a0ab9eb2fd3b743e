"""Kills at every kind of moment, in a forked child that dies without cleaning up; then a start that must repair it all."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import pytest

from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.safety import writing
from outfitswap_desktop.store.history import History
from outfitswap_desktop.store.owner import Owner
from tests.store.jobs import assert_whole, contents, files_of, plan, record, write_one

forks = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="the kill test with real processes covers systems without fork"
)
SURVIVED, KILLED, BROKE = 0, 9, 70


def killed_at(line: int | None, work) -> int:
    """Run `work` in a child that dies before the `line`-th line of ours it executes; None counts them instead."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        executed = 0

        def trace(frame: FrameType, event: str, argument):
            nonlocal executed
            name = frame.f_code.co_filename
            if "outfitswap_desktop" not in name or not ("/store/" in name or name.endswith("writing.py")):
                return None
            if event == "line":
                executed += 1
                if executed == line:
                    os._exit(KILLED)
            return trace

        try:
            sys.settrace(trace)
            work()
            sys.settrace(None)
        except BaseException:  # noqa: BLE001 - a forked child must end here, whatever happened
            os._exit(BROKE)
        os.write(writable, str(executed).encode())
        os._exit(SURVIVED)
    os.close(writable)
    told = os.read(readable, 64)
    os.close(readable)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (SURVIVED, KILLED)
    return int(told) if line is None else code


def job(home: Path, folder: Path, seed: int):
    def work():
        with History(home / "history.db") as history:
            history.recover(writing)
            write_one(history, folder, "result", seed)

    return work


def repair(home: Path):
    def work():
        with History(home / "history.db") as history:
            history.recover(writing)

    return work


@forks
@pytest.mark.slow
@pytest.mark.parametrize("fresh", [True, False], ids=["first-start", "over-an-older-result"])
def test_a_hundred_kills_each_leave_nothing_half_done(tmp_path, fresh):
    home, folder = tmp_path / "home", tmp_path / "results"
    folder.mkdir()
    rng = random.Random(7)
    total = killed_at(None, job(home, folder, 0))
    assert total > 100
    kills = 0
    for seed, line in enumerate(sorted(rng.sample(range(1, total + 1), 100)), start=1):
        if fresh:
            place = folder / f"{seed}"
            place.mkdir()
            ours = tmp_path / f"home-{seed}"
        else:
            place, ours = folder, home
        kills += killed_at(line, job(ours, place, seed)) == KILLED
        with History(ours / "history.db") as history:
            history.recover(writing)
            entries = assert_whole(history, place)
            assert history.recover(writing) == history.recover(writing)
            done = [entry for entry in entries if entry.state == "done"]
            assert len(done) == 1 if not fresh else len(done) <= 1
            if not fresh:
                last = done[0].seed
                assert last in (seed, *range(seed)), "an older result shows, or the new one"
    assert kills >= 90


@forks
@pytest.mark.slow
def test_kills_while_repairing_are_repaired_too(tmp_path):
    home, folder = tmp_path / "home", tmp_path / "results"
    folder.mkdir()
    rng = random.Random(11)
    total = killed_at(None, job(home, folder, 0))
    kills = 0
    for seed in range(1, 61):
        if killed_at(rng.randint(total // 2, total), job(home, folder, seed)) == KILLED:
            for _ in range(2):
                kills += killed_at(rng.randint(60, 260), repair(home)) == KILLED
        with History(home / "history.db") as history:
            history.recover(writing)
            assert_whole(history, folder)
    assert kills >= 30


class Stop(BaseException):
    """A kill that this process survives."""


def phases(history: History, folder: Path, stop: int, seed: int) -> None:
    """The job's steps, leaving before step `stop` as a kill would."""
    planned = plan(folder, "result")
    entry_id = history.begin(planned)
    staged = []
    for number, (data, place) in enumerate(zip(contents(seed), planned, strict=True)):
        if stop == number:
            raise Stop
        staged.append(writing.stage(data, place))
    if stop == 3:
        raise Stop
    history.commit(entry_id, record(seed=seed), staged, thumbnail=b"thumb")
    for number, file in enumerate(staged):
        if stop == 4 + number:
            raise Stop
        writing.publish(file)
    if stop == 7:
        raise Stop
    history.finish(entry_id)


DEAD = Owner(2**22 + 1, "long ago")


def with_dead_owner(path: Path) -> History:
    return History(path, owner=DEAD, alive=lambda owner: False)


@pytest.mark.parametrize("stop", range(9))
@pytest.mark.parametrize("older", [False, True])
def test_every_step_without_fork(tmp_path, stop, older):
    folder, path = tmp_path / "results", tmp_path / "history.db"
    if older:
        with History(path) as history:
            write_one(history, folder, "result", 100)
    with with_dead_owner(path) as dying:
        if stop < 8:
            with pytest.raises(Stop):
                phases(dying, folder, stop, 1)
        else:
            phases(dying, folder, stop, 1)
    with History(path) as history:
        recovered = history.recover(writing)
        entries = assert_whole(history, folder)
        committed = stop >= 4
        assert recovered.finished == ((2 if older else 1,) if 4 <= stop < 8 else ())
        assert len(recovered.taken_back) == (1 if stop < 4 else 0)
        seeds = [(entry.seed, entry.state) for entry in entries]
        if committed:
            assert seeds == [(1, "done")] + ([(100, "replaced")] if older else [])
        else:
            assert seeds == ([(100, "done")] if older else [])


@pytest.mark.parametrize("stop", range(8))
def test_abandon_at_any_step_takes_everything_back(tmp_path, stop):
    folder = tmp_path / "results"
    with History(tmp_path / "history.db") as history:
        with pytest.raises(Stop):
            phases(history, folder, stop, 1)
        entry_id = history._db.conn.execute("SELECT id FROM journal").fetchone()[0]
        history.abandon(entry_id, writing)
        assert assert_whole(history, folder) == []
        history.abandon(entry_id, writing)


def test_abandoning_a_remake_does_not_take_the_same_older_file(tmp_path):
    folder = tmp_path / "results"
    with History(tmp_path / "history.db") as history:
        first = write_one(history, folder, "result", 5)
        for stop in (4, 5, 7):
            with pytest.raises(Stop):
                phases(history, folder, stop, 5)
            history.abandon(history._db.conn.execute("SELECT id FROM journal").fetchone()[0], writing)
            entries = assert_whole(history, folder)
            assert [(entry.id, entry.state) for entry in entries] == [(first, "done")]


def test_a_lost_part_takes_the_job_back_and_nothing_else(tmp_path):
    folder, path = tmp_path / "results", tmp_path / "history.db"
    with with_dead_owner(path) as dying, pytest.raises(Stop):
        phases(dying, folder, 5, 1)
    parts = sorted(folder.glob(".*.part"))
    assert len(parts) == 2
    parts[0].unlink()
    (folder / "result.json").write_bytes(b"somebody else's")
    with History(path) as history:
        assert history.recover(writing).taken_back == (1,)
        assert history.count() == 0
    assert [path.name for path in folder.iterdir()] == ["result.json"]


def test_what_cannot_be_repaired_now_is_said_and_tried_again(tmp_path):
    folder, path = tmp_path / "results", tmp_path / "history.db"
    with with_dead_owner(path) as dying, pytest.raises(Stop):
        phases(dying, folder, 5, 1)

    class Locked:
        discard = staticmethod(writing.discard)
        withdraw = staticmethod(writing.withdraw)

        @staticmethod
        def replace(part, final):
            raise NotAvailable("the folder is locked", reason="read_only")

    other = Owner(2**22 + 2, "another")
    with History(path, owner=other, alive=lambda owner: False) as unlucky:
        recovered = unlucky.recover(Locked())
        assert len(recovered.left) == 1
        assert "locked" in recovered.left[0]
    with History(path) as history:
        assert history.recover(writing).finished == (1,)
        assert_whole(history, folder)


def test_a_running_job_is_left_alone(tmp_path):
    folder, path = tmp_path / "results", tmp_path / "history.db"
    with History(path) as running:
        with pytest.raises(Stop):
            phases(running, folder, 6, 1)
        here = (folder / "result.png").read_bytes()
        with History(path, owner=DEAD) as other:
            nothing = other.recover(writing)
            assert nothing.finished == () == nothing.taken_back
            with pytest.raises(UsageProblem) as caught:
                other.begin(plan(folder, "result"))
            assert caught.value.reason == "output_busy"
        assert (folder / "result.png").read_bytes() == here
        assert len(list(folder.glob(".*.part"))) == 1


def test_watching_leaves_no_part_and_no_entry(tmp_path):
    path = tmp_path / "history.db"
    with with_dead_owner(path) as dying:
        planned = [writing.plan(tmp_path / "sheet.png")]
        with dying.watching(planned, writing):
            writing.publish(writing.stage(b"sheet", planned[0]))
        assert dying.count() == 0
        again = [writing.plan(tmp_path / "sheet.png")]
        dying.begin(again)
        writing.stage(b"sheet 2", again[0])
    with History(path) as history:
        history.recover(writing)
        assert history.count() == 0
    assert (tmp_path / "sheet.png").read_bytes() == b"sheet"
    assert not list(tmp_path.glob(".*.part"))


WRITER = """
import sys
from pathlib import Path
from outfitswap_desktop.safety import writing
from outfitswap_desktop.store.history import History
from tests.store.jobs import write_one
home, folder, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
with History(home / "history.db") as history:
    for seed in range(int(sys.argv[4])):
        history.recover(writing)
        write_one(history, folder, f"{name}-{seed % 5}", seed)
        print(seed, flush=True)
print("done", flush=True)
"""


def start(home: Path, folder: Path, name: str, jobs: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home), str(folder), name, str(jobs)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )


def test_three_programs_at_once(tmp_path):
    home, folder = tmp_path / "home", tmp_path / "results"
    running = [start(home, folder, name, 30) for name in ("a", "b", "c")]
    for process in running:
        told, _ = process.communicate(timeout=120)
        assert "done" in told
        assert process.returncode == 0
    with History(home / "history.db") as history:
        entries = assert_whole(history, folder)
        assert len(entries) == 90
        assert len({entry.id for entry in entries}) == 90
        assert sum(entry.state == "done" for entry in entries) == 15


@pytest.mark.slow
def test_fifteen_real_kills_of_two_programs(tmp_path):
    home, folder = tmp_path / "home", tmp_path / "results"
    folder.mkdir()
    rng = random.Random(3)
    for _round in range(15):
        first, second = start(home, folder, "a", 100_000), start(home, folder, "b", 100_000)
        for process in (first, second):
            for _ in range(rng.randint(1, 4)):
                assert process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.05))
        for process in (first, second):
            process.kill()
            process.wait()
            process.stdout.close()
            if hasattr(signal, "SIGKILL"):
                assert process.returncode == -signal.SIGKILL
        with History(home / "history.db") as history:
            history.recover(writing)
            assert_whole(history, folder)
    with History(home / "history.db") as history:
        assert history.count() > 15
        for entry in history.list(limit=5):
            assert all(path.parent == folder.resolve() for path, _ in files_of(entry))
