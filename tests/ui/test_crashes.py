"""What goes wrong while one works: cancels at every stage, engine processes that die, a window that is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from outfitswap_desktop import paths
from outfitswap_desktop.engine.messages import Cancelled, Failed, Finished
from outfitswap_desktop.store.history import History
from tests.segments import segments
from tests.ui.windows import main_window, open_photo, run

pytestmark = pytest.mark.slow
AGREED = {"consent": "self", "adult_attested": True}
STAGES = ("read", "parse", "mask", "generate", "gates", "save")


def entries():
    with History(paths.history_file()) as history:
        return history.list()


def files():
    return sorted(path.name for path in paths.results_dir().iterdir())


def test_cancel_in_every_stage_of_a_real_job(qtbot, astronaut_file):
    with main_window(qtbot, real=True) as window:
        shop = open_photo(qtbot, window, astronaut_file, **AGREED)
        shop.editor.outfit.words.set_text("emerald velvet")
        outcomes = {}
        for stage in STAGES:
            with qtbot.waitSignal(
                shop.runs.progressed, timeout=60_000, check_params_cb=lambda _job, now, stage=stage: now.stage == stage
            ):
                shop.run()
            before = time.monotonic()
            with qtbot.waitSignal(shop.runs.ended, timeout=60_000) as ended:
                shop.cancel()
            outcomes[stage] = (type(ended.args[1]), time.monotonic() - before)
        for stage, (kind, seconds) in outcomes.items():
            if stage != "save":  # a job that is being written may as well be done
                assert kind is Cancelled, (stage, outcomes)
            assert seconds < 20, outcomes
        saved = entries()
        assert len(saved) == sum(kind is Finished for kind, _ in outcomes.values())
        assert len(files()) == 3 * len(saved)
        _, end = run(qtbot, window, "navy wool")
        assert isinstance(end, Finished), end


def test_a_child_that_is_killed_at_any_moment_is_replaced_and_the_queue_goes_on(qtbot, astronaut_file, own_home):
    chance = random.Random(4)
    own_home.mkdir(exist_ok=True)
    (own_home / "slow").write_text("0.4")
    with main_window(qtbot) as window:
        shop = open_photo(qtbot, window, astronaut_file, **AGREED)
        shop.editor.outfit.words.set_text("navy")
        kinds = []
        for _ in range(8):
            with qtbot.waitSignal(shop.runs.started, timeout=60_000):
                shop.run()
            qtbot.wait(chance.randrange(50, 1500))
            child = shop.runs._worker._thread._client.pid
            got = []
            shop.runs.ended.connect(lambda job, end, got=got: got.append(end))
            if child is not None:
                os.kill(child, signal.SIGKILL)
            qtbot.waitUntil(lambda got=got: bool(got), timeout=60_000)
            kinds.append(type(got[0]))
        assert set(kinds) <= {Failed, Finished}, kinds
        assert Failed in kinds
        (own_home / "slow").unlink()
        _, end = run(qtbot, window, "grey wool")
        assert isinstance(end, Finished), end
        done = entries()
        assert len(done) == kinds.count(Finished) + 1
        assert len(files()) == 3 * len(done)
        assert not [name for name in files() if name.endswith(".part")]


WINDOW = """
import sys
from pathlib import Path
from datetime import date
from outfitswap_desktop import app, paths
from outfitswap_desktop.engine.client import EngineClient
from outfitswap_desktop.ui.joining import make_window
from outfitswap_desktop.ui.pages.agreed import keep_agreed
from PySide6.QtCore import QTimer
from tests.engine.scripted import small_road

if __name__ == "__main__":
    keep_agreed(paths.data_dir(), today=date(2026, 1, 1))
    application = app.make_application()
    window = make_window(application, clients=lambda name: EngineClient(factory=small_road, name=name))
    window.show()
    window.start(Path(sys.argv[1]))

    def painted():
        shop = window.workshop
        shop.session.state("self", adult_attested=True)
        shop.editor.outfit.words.set_text("mustard wool")
        shop.run()
        shop.session.mask.clear()
        QTimer.singleShot(2500, lambda: print("painted", flush=True))

    QTimer.singleShot(0, lambda: window.workshop.session.found.connect(lambda _found: painted()))
    application.exec()
"""


def test_a_window_that_is_killed_leaves_no_process_and_its_project_is_offered(
    qtbot, astronaut_file, tmp_path, own_home
):
    own_home.mkdir(exist_ok=True)
    (own_home / "slow").write_text("60")
    script = tmp_path / "window.py"
    script.write_text(WINDOW)
    before = set(segments())
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    window = subprocess.Popen(
        [sys.executable, str(script), str(astronaut_file)], env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        assert window.stdout.readline().strip() == "painted"
        family = psutil.Process(window.pid).children(recursive=True)
        assert len([one for one in family if "spawn_main" in " ".join(one.cmdline())]) == 2
    finally:
        window.kill()
        window.wait()
        window.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert set(segments()) <= before
    (own_home / "slow").unlink()
    with main_window(qtbot) as again:
        qtbot.waitUntil(again._offer.isVisible, timeout=10_000)
        with qtbot.waitSignal(again.workshop.session.found, timeout=60_000):
            again._offer.go_on.click()
        session = again.workshop.session
        assert session.outfit.words == "mustard wool"
        assert not session.mask.painted.any()
        page = again.workshop._built["queue"]
        qtbot.waitUntil(lambda: page.model.rowCount() == 1 and page.model.row(0).state == "interrupted", timeout=20_000)
        assert entries() == ()
