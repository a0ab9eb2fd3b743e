"""A program dies by kill -9 while it logs: what it was told is on the disk is there, and the chain is whole."""

import os
import random
import signal
import sqlite3
import time

import pytest

from outfitswap_desktop.safety.records.keys import SAFETY
from outfitswap_desktop.safety.records.ledger import Ledger
from tests.safety.records.conftest import event, evidence, none_there, sha

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the program that dies is forked")


def log_until_killed(folder, pipe):
    ledger = Ledger(folder, find_backend=none_there)
    number = 0
    while True:
        number += 1
        if number % 4:
            seq = ledger.log(event(number))
        else:
            seq = ledger.released(sha(number), sha(number), b"123456", evidence(number))
        os.write(pipe, seq.to_bytes(8, "big"))


def killed(folder, seconds, wait_for_first=True) -> int:
    """Run a logging program for `seconds` (from its first entry on) and kill it; returns the last number it told."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(readable)
            log_until_killed(folder, writable)
        finally:
            os._exit(70)
    os.close(writable)
    told = b""
    if wait_for_first:
        told = os.read(readable, 8)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    while piece := os.read(readable, 65_536):
        told += piece
    os.close(readable)
    whole = told[: len(told) // 8 * 8]
    return int.from_bytes(whole[-8:], "big")


def judge(folder, told):
    ledger = Ledger(folder, find_backend=none_there)
    seen = ledger.verify()
    assert seen.ok, seen.sentence
    assert told <= seen.end[0] <= told + 1 or told == 0
    assert len(seen.segments) <= 1
    assert ledger.log(event()) == (seen.end[0] + 1 if seen.rows else 2)
    assert ledger.verify().ok
    assert sqlite3.connect(folder / SAFETY / "audit.db").execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    ledger.close()


def kill_many(tmp_path, count):
    dice = random.Random(9)
    folder = tmp_path / "data"
    for number in range(count):
        if number % 3 == 2:
            place = tmp_path / f"fresh-{number}"
            judge(place, killed(place, dice.uniform(0, 0.06), wait_for_first=False))
        else:
            judge(folder, killed(folder, dice.uniform(0, 0.05)))


def test_twelve_kills_leave_the_chain_whole(tmp_path):
    kill_many(tmp_path, 12)


@pytest.mark.slow
def test_sixty_kills_leave_the_chain_whole(tmp_path):
    kill_many(tmp_path, 60)


def test_two_programs_of_which_one_is_killed(tmp_path):
    folder = tmp_path / "data"
    with Ledger(folder, find_backend=none_there) as ledger:
        ledger.log(event())
        for _ in range(4):
            killed(folder, 0.02)
            ledger.log(event())
            assert ledger.verify().ok
        assert len(ledger.verify().segments) == 1
