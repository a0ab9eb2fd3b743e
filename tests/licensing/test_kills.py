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

WORK = """
import sys
from pathlib import Path
from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.core.steps import Steps
from outfitswap_desktop.licensing.account import Licensing
from outfitswap_desktop.runner import Runner
from outfitswap_desktop.safety import writing
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.store.history import History
from tests.fakes import STATED, FakeSegmenter, InvertingGenerator

home, photo, first = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
history = History(home / "history.db")
history.recover(writing)
gate = Licensing(home, wall=lambda: int(sys.argv[4])).gate()
gate.settle(history.made_with)
runner = Runner(kernel=SafetyKernel(), steps=Steps(FakeSegmenter(), InvertingGenerator()), history=history, gate=gate)
for number in range(first, first + 1000):
    output = home / "results" / f"{number}.png"
    request = SwapRequest(photo=photo, output=output, prompt="navy linen", seed=number, **STATED)
    runner.run(request, report=lambda now: print(now.stage, now.fraction, flush=True), cancel=CancelToken())
"""


def killed(home: Path, photo: Path, *, number: int, stage: str, wait: float, now: int) -> None:
    """Start the program, wait until its second job (or the first) is at `stage`, and a moment, and kill it."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, str(home), str(photo), str(number * 1000), str(now)],
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


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kills", [50])
def test_kills_between_hold_and_output(world, tmp_path, astronaut_file, kills):
    rng = random.Random(kills)
    licensing, _ = world.machine()
    licensing.redeem(world.key(1000))
    licensing.take_along(20, 7)  # the first lease of an account is a small one
    licensing.give_back()
    licensing.take_along(400, 30)
    licensing.close()
    home = tmp_path / "desk"
    (home / "results").mkdir()
    for number in range(kills):
        stage = ["save 0.9", "save 0.9", "save 1.0", "generate", "gates"][number % 5]
        killed(home, astronaut_file, number=number, stage=stage, wait=rng.uniform(0.0, 0.08), now=world.clock())
        time.sleep(0.02)
    with History(home / "history.db") as history:
        history.recover(writing)
        licensing.gate().settle(history.made_with)
        made = [entry for page in history.pages() for entry in page]
    assert licensing._parts.journal.undecided(of_dead=False) == ()
    account = licensing._parts.journal.facts()["account"]
    licensing.give_back()
    assert world.spent(account, 1000) == 2 * len(made)
    assert {path.name for path in (home / "results").glob("*.png") if ".mask." not in path.name} == {
        entry.output.name for entry in made
    }
    assert made
