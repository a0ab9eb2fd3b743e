"""The engine process and its client: answers, order, cancel, deaths, and nothing left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from outfitswap_desktop.engine import shared
from outfitswap_desktop.engine.client import EngineClient
from outfitswap_desktop.engine.messages import (
    Cancelled,
    CheckPrompt,
    Failed,
    Finished,
    Progressed,
    Ready,
    Refused,
    Replaced,
)
from tests.engine.conftest import ENDS, segments, wait_for
from tests.engine.scripted import (
    Beget,
    Die,
    Echo,
    Fail,
    Work,
    cannot_be_joined,
    dies_at_once,
    scripted,
    scripted_slowly,
)


def test_arrays_cross_in_both_directions_and_nothing_stays_in_shared_memory(talk):
    rng = np.random.default_rng(1)
    array = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    thing = {"array": array, "again": array, "bytes": rng.bytes(200_000), "small": np.arange(3), "turned": array.T}
    end = talk.ask(Echo(thing))
    back, writeable_there, pid = end.answer
    assert pid == talk.client.pid != os.getpid()
    assert not writeable_there
    for name in ("array", "again", "small", "turned"):
        assert np.array_equal(back[name], thing[name])
    assert back["bytes"] == thing["bytes"]
    assert not back["array"].flags.writeable
    assert back["array"] is back["again"]
    talk.ask(Echo())
    assert segments() == []


def test_shared_memory_that_is_full_is_no_failure(talk, monkeypatch):
    monkeypatch.setattr(shared, "_has_room", lambda _name, _size: False)
    array = np.full((500, 500), 7, np.uint8)
    assert np.array_equal(talk.ask(Echo({"array": array})).answer[0]["array"], array)


def test_requests_are_answered_in_turn_and_prompts_beside_them(talk):
    first, second = talk.client.send(Work(1.0)), talk.client.send(Echo(2))
    beside = talk.client.send(CheckPrompt("navy"))
    ends = [talk.until(ENDS).id for _ in range(3)]
    assert ends == [beside, first, second]


def test_progress_comes_ten_times_a_second_at_most_and_the_last_one_always(talk):
    talk.ask(Echo())
    began = time.monotonic()
    end = talk.ask(Work(1.0, steps=400))
    took = time.monotonic() - began
    said = [event.progress.fraction for event in talk.events if isinstance(event, Progressed) and event.id == end.id]
    assert 3 <= len(said) <= 10 * took + 2
    assert said == sorted(said)
    assert said[-1] == 1.0


@pytest.mark.parametrize(
    ("how", "kind", "reason"),
    [
        ("refused", Refused, "prompt_no"),
        ("missing", Failed, "disk_full"),
        ("bug", Failed, "internal_error"),
        ("memory", Failed, "out_of_memory"),
    ],
)
def test_how_a_request_can_end_without_an_answer(talk, how, kind, reason, own_home):
    end = talk.ask(Fail(how))
    assert isinstance(end, kind)
    assert end.problem.reason == reason
    assert talk.ask(Echo(1)).answer[2] == talk.client.pid  # the same child goes on
    logged = (own_home / "outfitswap.log").read_text() if how == "bug" else ""
    assert ("ValueError: oops" in logged) is (how == "bug")


def test_a_cancel_from_inside_is_cancelled(talk):
    assert isinstance(talk.ask(Fail("cancelled")), Cancelled)


# Cancel


def test_a_soft_cancel_keeps_the_child(talk):
    talk.until(Ready, seconds=30) if talk.client.start() else None
    number = talk.client.send(Work(30.0, steps=3000))
    talk.until(Progressed, number=number)
    pid, began = talk.client.pid, time.monotonic()
    talk.client.cancel(number)
    assert isinstance(talk.until(ENDS, number=number), Cancelled)
    assert time.monotonic() - began < 15.0  # of the 30 s asked for
    assert talk.ask(Echo()).answer[2] == pid


def test_a_request_that_waits_is_cancelled_at_once_and_never_begun(talk):
    running, waiting = talk.client.send(Work(1.0)), talk.client.send(Work(30.0, deaf=True))
    talk.until(Progressed, number=running)
    talk.client.cancel(waiting)
    assert isinstance(talk.until(ENDS), Cancelled)
    assert isinstance(talk.until(ENDS), Finished)


def test_a_deaf_request_loses_its_child_and_the_others_do_not_notice(talk):
    deaf, after = talk.client.send(Work(60.0, deaf=True)), talk.client.send(Echo("after"))
    talk.until(Progressed, number=deaf)
    pid, began = talk.client.pid, time.monotonic()
    talk.client.cancel(deaf)
    assert isinstance(talk.until(ENDS), Cancelled)
    assert time.monotonic() - began < 15.0  # of the 60 s asked for
    replaced = talk.until(Replaced)
    assert replaced.sentence == ""
    assert talk.until(ENDS, number=after).answer[0] == "after"
    assert talk.client.pid != pid
    assert not psutil.pid_exists(pid)


def test_a_cancel_while_the_child_starts(talk_to):
    talk = talk_to(scripted_slowly, grace=0.3)
    number = talk.client.send(Work(60.0, deaf=True))
    talk.client.cancel(number)
    assert isinstance(talk.until(ENDS), Cancelled)
    assert isinstance(talk.ask(Echo()), Finished)


def test_cancelling_what_is_over_or_unknown_does_nothing(talk):
    end = talk.ask(Echo())
    talk.client.cancel(end.id)
    talk.client.cancel(999)
    assert isinstance(talk.ask(Echo()), Finished)


# Deaths


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, 0])
def test_a_child_that_dies_is_replaced_and_only_its_request_fails(talk, how):
    talk.ask(Echo())
    died, after, beside = (talk.client.send(one) for one in (Die(how), Echo("after"), CheckPrompt("navy")))
    ends = {}
    while len(ends) < 3:
        end = talk.until(ENDS)
        ends[end.id] = end
    assert isinstance(ends[died], Failed)
    assert ends[died].problem.reason == "engine_died"
    assert ends[after].answer[0] == "after"
    assert isinstance(ends[beside], Finished)
    replaced = [event for event in talk.events if isinstance(event, Replaced)]
    assert len(replaced) == 1
    assert replaced[0].sentence.endswith("a new one has been started.")


def test_an_idle_child_that_dies_is_replaced(talk):
    pid = talk.ask(Echo()).answer[2]
    os.kill(pid, signal.SIGKILL)
    assert talk.until(Replaced).sentence
    assert talk.until(Ready).pid != pid


def test_a_child_whose_cancel_was_asked_and_that_dies_is_cancelled(talk):
    number = talk.client.send(Work(60.0, deaf=True))
    talk.until(Progressed, number=number)
    talk.client.cancel(number)
    os.kill(talk.client.pid, signal.SIGKILL)
    assert isinstance(talk.until(ENDS), Cancelled)


def test_three_quick_deaths_are_enough_and_a_later_request_may_try_again(talk_to):
    talk = talk_to(dies_at_once)
    end = talk.ask(Echo())
    assert end.problem.reason == "engine_stopped"
    assert len([event for event in talk.events if isinstance(event, Replaced)]) == 2
    assert talk.client.pid is None
    assert talk.ask(Echo()).problem.reason == "engine_stopped"
    assert len([event for event in talk.events if isinstance(event, Replaced)]) == 3


def test_parts_that_cannot_be_joined_are_said_and_not_tried_in_a_loop(talk_to):
    talk = talk_to(cannot_be_joined)
    end = talk.ask(Echo())
    assert end.problem.reason == "history_newer"
    assert talk.client.pid is None


def test_a_system_that_starts_no_process_is_said(talk, monkeypatch):
    from multiprocessing.context import SpawnProcess

    def full(_self):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(SpawnProcess, "start", full)
        assert talk.ask(Echo()).problem.reason == "engine_not_started"
    assert isinstance(talk.ask(Echo()), Finished)


def test_what_a_child_has_begotten_ends_with_it(talk):
    number = talk.client.send(Beget())
    grandchild = int(talk.until(Progressed, number=number).progress.detail)
    assert psutil.pid_exists(grandchild)
    talk.client.cancel(number)
    talk.until(Replaced)
    assert wait_for(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie")


def test_the_products_own_child_is_replaced(talk_to):
    talk = talk_to(None)
    talk.client.start()
    pid = talk.until(Ready, seconds=60).pid
    os.kill(pid, signal.SIGKILL)
    assert talk.until(Ready, seconds=60).pid != pid


# The window

WINDOW = """
    import sys, time
    import numpy as np
    from outfitswap_desktop.engine.client import EngineClient
    from tests.engine.scripted import Beget, Echo, Work, scripted

    if __name__ == "__main__":
        client = EngineClient(factory=scripted)
        if sys.argv[1] == "arrays":
            for _ in range(1000000):
                client.send(Echo({"array": np.zeros((2000, 2000), np.uint8)}))
                print(client.pid, flush=True)
                for _ in range(3):
                    client.poll(0.02)
        client.send(Work(600.0, deaf=True) if sys.argv[1] == "deaf" else Beget(600.0))
        while True:
            event = client.poll(1.0)
            progress = getattr(event, "progress", None)
            if progress is not None:
                print(client.pid, progress.detail, flush=True)
"""


def window(tmp_path, what):
    script = tmp_path / "window.py"
    script.write_text(textwrap.dedent(WINDOW))
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen(
        [sys.executable, str(script), what],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        cwd=root,
    )


@pytest.mark.parametrize("what", ["deaf", "begets", "arrays"])
def test_a_window_that_is_killed_leaves_no_child_and_no_segment(tmp_path, what):
    process = window(tmp_path, what)
    words = process.stdout.readline().split()
    pids = [int(word) for word in words if word]
    if what == "arrays":
        time.sleep(0.5)
        assert wait_for(segments)
    process.kill()
    process.wait()
    process.stdout.close()
    assert wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids), 15.0)  # 2 s on an idle machine
    assert wait_for(lambda: segments() == [], 15.0)


# Odds and ends


def test_closing_while_a_request_runs(talk_to):
    talk = talk_to(scripted, grace=0.5)
    number = talk.client.send(Work(60.0, deaf=True))
    talk.until(Progressed, number=number)
    pid = talk.client.pid
    talk.client.close()
    assert not psutil.pid_exists(pid)
    talk.client.close()
    assert talk.client.poll(0.1) is None
    with pytest.raises(RuntimeError):
        talk.client.send(Echo())


def test_a_client_that_was_never_used_can_be_closed():
    EngineClient(factory=scripted).close()


def test_wake_lets_a_poll_return(talk):
    timer = threading.Timer(0.2, talk.client.wake)
    timer.start()
    began = time.monotonic()
    assert talk.client.poll(10.0) is None
    assert time.monotonic() - began < 5.0
    timer.join()


def test_segments_of_windows_that_are_gone_are_swept_at_the_next_start(talk):
    from multiprocessing.shared_memory import SharedMemory

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = SharedMemory(name=f"{shared.PREFIX}-{gone.pid:x}-{gone.pid:x}-00000001", create=True, size=1000)
    ours = SharedMemory(name=f"{shared.PREFIX}-{os.getpid():x}-{os.getpid():x}-00000002", create=True, size=1000)
    try:
        shared.sweep()
        assert segments() == [ours.name]
    finally:
        left.close()
        ours.close()
        ours.unlink()


def test_nothing_is_said_on_the_standard_streams(tmp_path, own_home):
    script = tmp_path / "quiet.py"
    script.write_text(
        textwrap.dedent("""
        import numpy as np
        from outfitswap_desktop.engine.client import EngineClient
        from tests.engine.scripted import Die, Echo, scripted
        if __name__ == "__main__":
            client = EngineClient(factory=scripted)
            for request in (Echo({"array": np.zeros((999, 999), np.uint8)}), Die(), Echo({"array": np.ones((999, 999))})):
                number = client.send(request)
                while getattr(client.poll(30), "id", None) != number:
                    pass
            client.close()
    """)
    )
    root = str(Path(__file__).resolve().parents[2])
    run = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
        timeout=120,
    )
    assert run.returncode == 0
    said = [line for line in (run.stdout + run.stderr).splitlines() if "ended unexpectedly" not in line]
    assert said == []
