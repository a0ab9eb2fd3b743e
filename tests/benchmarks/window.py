"""The window: start to first paint, stalls of its event loop while a job runs, memory with a 24 MP photo, clicks to a result.

    uv run python tests/benchmarks/window.py [--runs 7] [--json FILE]

Every figure comes from a process of its own with a home of its own, offscreen. State the load of the machine beside it: a
stall of the event loop on a machine whose processors are taken is the machine's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAVY = ("torch", "diffusers", "mediapipe", "onnxruntime", "skimage", "scipy", "cv2", "numpy", "sqlite_utils")
"""Loaded in the window's process: the first four must not be; the others are told."""
TICK_MS = 2


def child(name, **extra):
    """Run one measurement in a process of its own; returns its JSON."""
    with tempfile.TemporaryDirectory() as home:
        env = {
            **os.environ,
            "OUTFITSWAP_HOME": home,
            "QT_QPA_PLATFORM": "offscreen",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "OUTFITSWAP_BENCH_BEGAN": str(time.time()),
        }
        command = [sys.executable, __file__, "--child", name, "--values", json.dumps(extra)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout.splitlines()[-1])


def agree():
    from datetime import date

    from outfitswap_desktop.ui.pages.agreed import keep_agreed

    keep_agreed(Path(os.environ["OUTFITSWAP_HOME"]), today=date(2026, 1, 1))


def opened():
    from outfitswap_desktop import app

    application = app.make_application()
    from outfitswap_desktop.ui.joining import make_window

    window = make_window(application)
    window.resize(1360, 860)
    return application, window


def wait(application, until, *, seconds=60.0):
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("nothing happened")
        application.processEvents()
        time.sleep(0.001)


def first_paint():
    """Seconds from the start of the process to the end of the first paint of the window, and what is loaded then."""
    agree()
    from outfitswap_desktop import app

    application = app.make_application()
    from PySide6.QtCore import QEvent, QObject

    from outfitswap_desktop.ui.joining import make_window

    window = make_window(application)
    window.resize(1360, 860)
    painted = []

    class Watch(QObject):
        def eventFilter(self, watched, event):
            if event.type() == QEvent.Type.UpdateRequest and not painted:
                watched.event(event)
                painted.append(time.time())
                return True
            return False

    watch = Watch()
    window.installEventFilter(watch)
    window.show()
    window.start(None)
    wait(application, lambda: painted)
    took = painted[0] - float(os.environ["OUTFITSWAP_BENCH_BEGAN"])
    before = [name for name in HEAVY if name in sys.modules]
    wait(application, lambda: window._workshop is not None)
    ready = time.time() - float(os.environ["OUTFITSWAP_BENCH_BEGAN"])
    after = [name for name in HEAVY if name in sys.modules]
    window.shut_down()
    return {"first_paint_s": took, "ready_s": ready, "loaded_at_paint": before, "loaded_when_ready": after}


def stalls(jobs):
    """Longest gaps between ticks of a timer in the event loop while jobs run, are saved and enter the history."""
    agree()
    application, window = opened()
    window.show()
    window.start(None)
    wait(application, lambda: window._workshop is not None)
    shop = window.workshop
    shop.open_sample()
    wait(application, lambda: shop.session.garments is not None)
    from PySide6.QtCore import Qt, QTimer

    ended = []
    shop.runs.ended.connect(lambda job, end: ended.append(end))
    shop.editor.outfit.words.set_text("emerald velvet")
    shop.run()
    wait(application, lambda: len(ended) == 1)  # the child is warm, the result page built
    gaps, last = [], [time.perf_counter()]

    def tick():
        now = time.perf_counter()
        gaps.append((now - last[0]) * 1000 - TICK_MS)
        last[0] = now

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(TICK_MS)
    for number in range(jobs):
        window.go("edit")
        shop.editor.outfit.words.set_text(("navy pinstripe wool", "red tartan flannel", "black leather")[number % 3])
        shop.run()
        loop_until(application, lambda number=number: len(ended) == number + 2)
    timer.stop()
    gaps.sort()
    rss = memory()
    window.shut_down()
    return {
        "ticks": len(gaps),
        "p50_ms": gaps[len(gaps) // 2],
        "p99_ms": gaps[int(len(gaps) * 0.99)],
        "max_ms": gaps[-1],
        "window_mb": rss,
    }


def loop_until(application, until):
    """Qt's own event loop, not a polled one: what a user's window has."""
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    check = QTimer()
    check.timeout.connect(lambda: loop.quit() if until() else None)
    check.start(20)
    loop.exec()


def memory():
    """Resident memory of this process in MB, shared libraries included."""
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def with_24_mp(strokes):
    """Memory of the window's process with a 24 MP photo open and strokes painted."""
    agree()
    import numpy as np
    from PIL import Image

    source = Path(os.environ["OUTFITSWAP_HOME"]) / "large.jpg"
    import skimage.data

    Image.fromarray(skimage.data.astronaut()).resize((4900, 4900)).save(source, quality=92)
    del np
    sys.modules.pop("skimage", None)
    empty_application, window = opened()
    window.show()
    window.start(None)
    wait(empty_application, lambda: window._workshop is not None)
    before = memory()
    shop = window.workshop
    shop.open_photo(source, consent="self", adult_attested=True)
    wait(empty_application, lambda: shop.session.garments is not None)
    from outfitswap_desktop.core.strokes import Brush

    model = shop.session.mask
    for number in range(strokes):
        model.begin(Brush(size=120, erase=bool(number % 2)))
        for step in range(40):
            model.move(400 + step * 90, 300 + number * 80)
        model.end()
        empty_application.processEvents()
    wait(empty_application, lambda: not shop.editor.canvas.background.busy)
    found = {"start_mb": before, "open_mb": memory(), "undo_mb": model.undo_bytes / 1e6}
    window.shut_down()
    return found


def clicks():
    """Clicks from the start page to a saved result with the sample photo, on the real widgets."""
    agree()
    application, window = opened()
    window.show()
    window.start(None)
    wait(application, lambda: window._workshop is not None)
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    shop = window.workshop
    count, began = 0, time.perf_counter()

    def click(widget, place=None):
        nonlocal count
        count += 1
        if place is None:
            QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
        else:
            QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)

    click(window.start_page.sample)
    wait(application, lambda: shop.session.garments is not None)
    view = shop.editor.outfit.presets.view
    click(view.viewport(), view.visualRect(view.model().index(0, 0)).center())
    click(shop.editor.run.run)
    wait(application, lambda: window.page == "result")
    saved = Path(shop.result.picture.output)
    took = time.perf_counter() - began
    there = saved.is_file()
    window.shut_down()
    return {"clicks": count, "saved": there, "seconds": took}


CHILDREN = {"first_paint": first_paint, "stalls": stalls, "with_24_mp": with_24_mp, "clicks": clicks}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=list(CHILDREN))
    parser.add_argument("--child", choices=list(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--values", default="{}", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(CHILDREN[chosen.child](**json.loads(chosen.values))))
        return
    found = {"load": os.getloadavg()[0]}
    if chosen.only in {None, "first_paint"}:
        starts = [child("first_paint") for _ in range(chosen.runs)]
        found["first_paint"] = {
            "median_s": statistics.median(one["first_paint_s"] for one in starts),
            "worst_s": max(one["first_paint_s"] for one in starts),
            "ready_median_s": statistics.median(one["ready_s"] for one in starts),
            "loaded_at_paint": starts[0]["loaded_at_paint"],
            "loaded_when_ready": starts[0]["loaded_when_ready"],
        }
    if chosen.only in {None, "clicks"}:
        found["clicks"] = child("clicks")
    if chosen.only in {None, "stalls"}:
        found["stalls"] = child("stalls", jobs=chosen.jobs)
    if chosen.only in {None, "with_24_mp"}:
        found["with_24_mp"] = child("with_24_mp", strokes=50)
    text = json.dumps(found, indent=2)
    print(text)
    if chosen.json:
        chosen.json.write_text(text)


if __name__ == "__main__":
    main()
