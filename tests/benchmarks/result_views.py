"""The result page's view at 24 MP and the history page over a large history.

`python -m tests.benchmarks.result_views [HISTORY.db]`; tests.benchmarks.history makes a large one (--folder).

Paints offscreen into a 1920 x 1080 widget. Processor time of one paint each: moving the slider, panning and zooming, and for
comparison the same repaint from the whole picture, smoothly, in the same run. Then the longest gap of the event loop while a
24 MP result is prepared and compared, and while the history is scrolled through as fast as it comes.
"""

import contextlib
import ctypes
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication

from outfitswap_desktop.engine.messages import PhotoOpened, ResultPicture, SwapDone
from outfitswap_desktop.ui.history.page import HistoryPage
from outfitswap_desktop.ui.history.shelf import Shelf
from outfitswap_desktop.ui.result.page import ResultPage
from outfitswap_desktop.ui.result.plate import Plate

WIDTH, HEIGHT = 6000, 4000


class Silent:
    """A desk that never answers."""

    def ask(self, *_, **__):
        return 0


def pictures():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    photo = np.ascontiguousarray(coarse.repeat(8, 0).repeat(8, 1))
    result = photo.copy()
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[1000:3000, 2000:4000] = 255
    result[1000:3000, 2000:4000] //= 2
    return photo, result, mask


def timed(step, times=120):
    """Milliseconds of processor time of `step` and the paint that it asks for."""
    found = []
    for number in range(times):
        began = time.process_time()
        step(number)
        QApplication.processEvents()
        found.append((time.process_time() - began) * 1e3)
    found.sort()
    return {"median_ms": round(statistics.median(found), 2), "p95_ms": round(found[int(times * 0.95)], 2)}


def gaps(until, *, turn=None, limit=30.0):
    """Turns of the event loop until `until` holds: the gaps between them, and the processor time of this thread in each, in ms.

    The second does not depend on what else the machine does.
    """
    apart, worked = [], []
    last = time.perf_counter()
    end = time.monotonic() + limit
    while not until() and time.monotonic() < end:
        began = time.thread_time()
        if turn is not None:
            turn()
        QApplication.processEvents()
        worked.append((time.thread_time() - began) * 1e3)
        now = time.perf_counter()
        apart.append((now - last) * 1e3)
        last = now
        time.sleep(0.001)
    found = {"turns": len(apart)}
    for name, values in (("gap", apart), ("cpu", worked)):
        values.sort()
        found |= {f"{name}_p99_ms": round(values[int(len(values) * 0.99)], 1), f"{name}_max_ms": round(values[-1], 1)}
    return found


def result_view():
    photo, result, mask = pictures()
    page = ResultPage(Silent())
    page.resize(1920, 1080)
    page.show()
    QApplication.processEvents()
    done = SwapDone({"outside_mask_changed_pixels": 0}, ResultPicture(result, Path("/x.png"), "a"))
    page.show_done(done, photo=PhotoOpened("b", photo, True), mask=mask)
    found = {"event loop while preparing and comparing": gaps(lambda: not page.is_busy)}
    QApplication.processEvents()
    assert page.counts is not None
    assert page.counts.outside_changed == 0
    view = page.view
    found["slider, 10 px a step"] = timed(lambda n: view.set_share((n % 100) / 100))
    whole = Plate.of_result(ResultPicture(result, Path("/x.png"), "a"))
    target = QRectF(view.rect())

    def naive(_):
        canvas = QImage(view.size(), QImage.Format.Format_RGB32)
        painter = QPainter(canvas)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(target, whole._levels[0], QRectF(0, 0, WIDTH, HEIGHT))
        painter.end()

    found["whole picture, smooth, without halves (naive)"] = timed(naive, 20)
    centre = QPointF(view.width() / 2, view.height() / 2)
    found["zoom, every size"] = timed(lambda n: view.set_zoom(view.zoom * (1.1 if n % 40 < 20 else 1 / 1.1), at=centre))
    view.set_zoom(1.0)

    def pan(number):
        view._centre += QPointF(7 if number % 60 < 30 else -7, 3)
        view.update()

    found["pan at 100 %"] = timed(pan)
    view.fit()
    found["pan, fitted"] = timed(pan)
    page.close_down()
    return found


def history_view(file):
    shelf = Shelf(file)
    page = HistoryPage(shelf, Silent())
    page.resize(1920, 1080)
    began = time.perf_counter()
    page.show()
    while page.model.rowCount() == 0:
        QApplication.processEvents()
        time.sleep(0.001)
    found = {"first page on the screen, ms": round((time.perf_counter() - began) * 1e3, 1)}
    for cards, step in ((True, 120), (True, 900), (False, 900)):
        page.show_cards(cards)
        bar = page.view.verticalScrollBar()
        goal = page.model.rowCount() + (4_000 if step < 900 else 20_000)

        def turn(bar=bar, step=step):
            bar.setValue(bar.value() + step)

        name = f"{'cards' if cards else 'rows'}, {step} px at once"
        found[f"event loop while scrolling, {name}"] = gaps(lambda goal=goal: page.model.rowCount() >= goal, turn=turn)
        found[f"loaded then, {name}"] = page.model.rowCount()
    for text in ("navy", "velour1", "n"):
        page.bar.search.setText(text)
        began = time.perf_counter()
        found[f"event loop while searching {text!r}"] = gaps(
            lambda began=began: time.perf_counter() - began > 0.4 and shelf.is_idle
        )
    page.close_down()
    shelf.close()
    return found


def main():
    with contextlib.suppress(OSError):
        if sys.version_info < (3, 12):  # PySide6 6.12 takes a reference of None with every call there
            ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40
    app = QApplication([])
    found = {"result view, 24 MP, 1920 x 1080": result_view()}
    if len(sys.argv) > 1:
        found["history page"] = history_view(Path(sys.argv[1]))
    print(json.dumps(found, indent=1))
    app.quit()


if __name__ == "__main__":
    main()
