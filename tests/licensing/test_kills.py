"""kill -9 between hold, receipt and output, then a start: every picture is paid once, and nothing else is paid."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from outfitswap_desktop.safety import writing
from outfitswap_desktop.store.history import History

PLACES = (
    ("Gate.reserve", 1, False),
    ("InvertingGenerator.generate", 1, False),
    ("History.begin", 1, False),
    ("writing.stage", 1, False),
    ("writing.stage", 3, False),
    ("History.commit", 1, True),
    ("writing.publish", 1, True),
    ("writing.publish", 3, True),
    ("History.finish", 1, True),
    ("Ticket.commit", 1, True),
)
"""Where the first job is killed: after which call, the how manieth of its kind, and whether there is a picture then."""


WORK = """
import sys, time
from pathlib import Path
from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.core.steps import Steps
from outfitswap_desktop.licensing.account import Licensing
from outfitswap_desktop.licensing.gate import Gate, Ticket
from outfitswap_desktop.runner import Runner
from outfitswap_desktop.safety import writing
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.prompt import policy
from outfitswap_desktop.store.history import History
from tests.fakes import STATED, FakeSegmenter, InvertingGenerator

def halt(of, name, times):
    real = getattr(of, name)
    def watched(*given, **more):
        nonlocal times
        made = real(*given, **more)
        times -= 1
        if times == 0:
            print("here", flush=True)
            time.sleep(600)
        return made
    setattr(of, name, watched)

home, photo, first = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
history = History(home / "history.db")
history.recover(writing)
gate = Licensing(home, wall=lambda: int(sys.argv[4])).gate()
gate.settle(history.made_with)
if len(sys.argv) > 5:  # not before: what the last one left is repaired by the same calls
    of, _, name = sys.argv[5].partition(".")
    halt(globals()[of], name, int(sys.argv[6]))
policy.prepare()
runner = Runner(kernel=SafetyKernel(), steps=Steps(FakeSegmenter(), InvertingGenerator()), history=history, gate=gate)
for number in range(first, first + 1000):
    output = home / "results" / f"{number}.png"
    request = SwapRequest(photo=photo, output=output, prompt="navy linen", seed=number, **STATED)
    runner.run(request, report=lambda now: print(now.stage, now.fraction, flush=True), cancel=CancelToken())
"""


FILES = """
import hashlib, sys, time
from pathlib import Path
from outfitswap_desktop.licensing.account import Licensing
from outfitswap_desktop.safety import writing
from outfitswap_desktop.store.entry import Record
from outfitswap_desktop.store.history import History

home, first = Path(sys.argv[1]), int(sys.argv[3])
history = History(home / "history.db")
history.recover(writing)
gate = Licensing(home, wall=lambda: int(sys.argv[4])).gate()
gate.settle(history.made_with)
for number in range(first, first + 1000):
    hold = gate.reserve(engine="sd15", job=str(number))
    planned = writing.plan(home / "results" / f"{number}.png")
    entry = history.begin([planned])
    staged = writing.stage(b"%d" % number, planned)
    record = Record(None, "0" * 64, "p", "top", "sd15", "s", number, hold=hold.id)
    history.commit(entry, record, [staged])
    writing.publish(staged)
    history.finish(entry)
    hold.commit(output_sha256=staged.sha256)
    print("save 0.9", flush=True)
"""


def killed(work: str, home: Path, photo: Path, *more: str, number: int, stage: str, wait: float, now: int) -> None:
    """Start the program, wait until its first job is at `stage`, and a moment, and kill it."""
    process = subprocess.Popen(
        [sys.executable, "-c", work, str(home), str(photo), str(number * 1000), str(now), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(stage):
            break
    else:
        raise AssertionError(process.stderr.read() if process.stderr else "")
    time.sleep(wait)
    process.kill()
    process.communicate()


def prepared(world, tmp_path):
    """A machine with 400 credits along, and its data folder."""
    licensing, _ = world.machine()
    licensing.redeem(world.key(1000))
    licensing.take_along(20, 7)  # the first lease of an account is a small one
    licensing.give_back()
    licensing.take_along(400, 30)
    licensing.close()
    (tmp_path / "desk" / "results").mkdir()
    return licensing, tmp_path / "desk"


def check(world, licensing, home, *, price):
    """After the next start every picture is paid once, and nothing else is; returns how many pictures there are."""
    with History(home / "history.db") as history:
        history.recover(writing)
        licensing.gate().settle(history.made_with)
        made = [entry for page in history.pages() for entry in page]
    assert licensing._parts.journal.undecided(of_dead=False) == ()
    account = licensing._parts.journal.facts()["account"]
    licensing.give_back()
    assert world.spent(account, 1000) == price * len(made)
    pictures = {path.name for path in (home / "results").glob("*.png") if ".mask." not in path.name}
    assert pictures == {entry.output.name for entry in made}
    return len(made)


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_fifty_kills_between_receipt_and_output(world, tmp_path):
    rng = random.Random(50)
    licensing, home = prepared(world, tmp_path)
    for number in range(50):
        wait = rng.uniform(0.0, 0.12)
        killed(FILES, home, home, number=number, stage="save 0.9", wait=wait, now=world.clock())
    assert check(world, licensing, home, price=1) >= 50


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_kills_on_the_whole_road(world, tmp_path, astronaut_file):
    """At every place between the hold and its end, and at moments that nobody has chosen."""
    rng = random.Random(5)
    licensing, home = prepared(world, tmp_path)
    for number, (place, times, _) in enumerate(PLACES):
        killed(WORK, home, astronaut_file, place, str(times), number=number, stage="here", wait=0.0, now=world.clock())
    for number, stage in enumerate(["save 0.9", "save 1.0", "generate", "save 0.9", "gates"], len(PLACES)):
        wait = rng.uniform(0.0, 0.5)
        killed(WORK, home, astronaut_file, number=number, stage=stage, wait=wait, now=world.clock())
    there = sum(picture for _, _, picture in PLACES)
    assert there + 1 <= check(world, licensing, home, price=2) <= there + 5
    with History(home / "history.db") as history:
        seeds = {entry.seed for page in history.pages() for entry in page}
    for number, (place, times, picture) in enumerate(PLACES):
        assert (number * 1000 in seeds) is picture, (place, times)
