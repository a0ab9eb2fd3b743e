"""The canvas at 8K: a brush event with its repaint, undo, pan and zoom, and what a 24 MP photo costs in memory.

uv run python tests/benchmarks/canvas.py            # prints one JSON document
uv run python tests/benchmarks/canvas.py memory     # the memory part alone, in this process

Milliseconds, offscreen raster, viewport 1920 x 1080; `cpu` is the process' own time, which a busy machine disturbs less.
"""

import json
import math
import os
import subprocess
import sys
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QMouseEvent, QPixmap, QWheelEvent
from PySide6.QtWidgets import QApplication

from outfitswap_desktop.core.adjust import MaskParameters
from outfitswap_desktop.ui.canvas.mask_model import MaskModel
from outfitswap_desktop.ui.canvas.view import CanvasView

EIGHT_K = (4320, 7680)
PHOTO_24MP = (4000, 6000)
LEFT = Qt.MouseButton.LeftButton


class Times:
    """Wall and processor milliseconds of one kind of event."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def take(self, call):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        self.wall.append(1000 * (time.perf_counter() - wall))
        self.cpu.append(1000 * (time.process_time() - cpu))

    def summary(self):
        return {
            "median": round(float(np.median(self.wall)), 3),
            "p95": round(float(np.percentile(self.wall, 95)), 3),
            "cpu_median": round(float(np.median(self.cpu)), 3),
            "cpu_p95": round(float(np.percentile(self.cpu, 95)), 3),
            "n": len(self.wall),
        }


def photo_of(shape):
    import cv2

    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (shape[0] // 16, shape[1] // 16, 3), dtype=np.uint8)
    photo = cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    photo.setflags(write=False)
    return photo


def garment(shape):
    import cv2

    mask = np.zeros(shape, np.uint8)
    cv2.ellipse(mask, (shape[1] // 2, int(0.6 * shape[0])), (shape[1] // 6, int(0.3 * shape[0])), 0, 0, 360, 255, -1)
    return mask


def settle(app, seconds=0.3):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        app.processEvents()


def opened(app, shape):
    view = CanvasView()
    view.resize(1920, 1080)
    view.show()
    view.set_photo(photo_of(shape))
    model = MaskModel(*shape)
    head = np.zeros(shape, np.uint8)
    head[: shape[0] // 5, shape[1] // 2 - 300 : shape[1] // 2 + 300] = 255
    view.set_model(model)
    model.detected(garment(shape), {"head": head})
    while not view._photo_item.ready:
        app.processEvents()
    settle(app)
    return view, model


def mouse(view, kind, at, *, buttons=LEFT):
    button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else LEFT
    event = QMouseEvent(kind, at, view.viewport().mapToGlobal(at), button, buttons, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(view.viewport(), event)


def walk(rng, count=60, step=9.0):
    """A wandering line within the viewport."""
    x, y, heading = rng.uniform(300, 1600), rng.uniform(200, 880), rng.uniform(0, 2 * math.pi)
    for _ in range(count):
        heading += rng.normal(0, 0.25)
        x = min(max(x + step * math.cos(heading), 20), 1900)
        y = min(max(y + step * math.sin(heading), 20), 1060)
        yield QPointF(x, y)


def brush(app, view, model, *, size):
    """Events of strokes with their repaint, ends of strokes, and undo steps with theirs."""
    rng = np.random.default_rng(2)
    view.options.size = size
    moves, ends, undos, shown = Times(), Times(), Times(), Times()

    def moved(at):
        view._frame.stop()  # every event counts as a frame of its own
        mouse(view, QEvent.Type.MouseMove, at)
        app.processEvents()

    def ended():
        model.end()

    for number in range(12):
        view.set_tool("eraser" if number % 2 else "brush")
        way = list(walk(rng))
        mouse(view, QEvent.Type.MouseButtonPress, way[0])
        app.processEvents()
        for at in way[1:]:
            moves.take(lambda at=at: moved(at))
        ends.take(ended)
        app.processEvents()
    settle(app)
    size = model.undo_bytes / len(model.as_values()[0]["steps"])

    while model.can_undo:
        undos.take(model.undo)
        shown.take(app.processEvents)
    height, width = model.shape
    return {
        "event": moves.summary(),
        "undo_snapshot": ends.summary(),
        "undo_step": undos.summary(),
        "repaint_after_undo": shown.summary(),
        "stroke_percent_of_copy": round(100 * size / (height * width), 3),
    }


def rebuilt(view, model):
    """What the naive way costs: the whole overlay coloured and handed to Qt."""
    times = Times()

    def rebuild():
        mask = model.shown
        argb = np.zeros((*mask.shape, 4), np.uint8)
        argb[..., 2] = 255
        argb[..., 3] = mask // 2
        image = QImage(argb.data, mask.shape[1], mask.shape[0], mask.shape[1] * 4, QImage.Format.Format_ARGB32)
        QPixmap.fromImage(image)

    for _ in range(5):
        times.take(rebuild)
    return times.summary()


def panned(app, view, zoom):
    times = Times()
    view.set_tool("pan")
    view.zoom_to(zoom)
    settle(app)
    rng = np.random.default_rng(3)
    for _ in range(4):
        way = list(walk(rng, 25, 18.0))
        mouse(view, QEvent.Type.MouseButtonPress, way[0])
        for at in way[1:]:

            def moved(at=at):
                mouse(view, QEvent.Type.MouseMove, at)
                app.processEvents()

            times.take(moved)
        mouse(view, QEvent.Type.MouseButtonRelease, way[-1], buttons=Qt.MouseButton.NoButton)
    view.set_tool("brush")
    return times.summary()


def zoomed(app, view):
    times, rests = Times(), Times()
    view.fit()
    settle(app)
    at = QPointF(1100, 500)
    for turn in [120] * 14 + [-120] * 14:

        def turned(turn=turn):
            event = QWheelEvent(
                at,
                view.viewport().mapToGlobal(at),
                QPoint(),
                QPoint(0, turn),
                Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            QApplication.sendEvent(view.viewport(), event)
            app.processEvents()

        times.take(turned)
        if turn > 0 and view.zoom < 4:

            def rested():
                view._draw_finely()
                app.processEvents()

            rests.take(rested)
    return {"event": times.summary(), "fine_repaint_at_rest": rests.summary()}


def memory():
    """Resident memory of this process around a 24 MP photo with 50 strokes, in MB."""
    import psutil

    app = QApplication.instance() or QApplication([])
    import cv2

    cv2.GaussianBlur(np.zeros((64, 64), np.uint8), (0, 0), 2)
    me = psutil.Process()
    start = me.memory_info().rss
    view, model = opened(app, PHOTO_24MP)
    with_photo = me.memory_info().rss
    rng = np.random.default_rng(4)
    view.options.size = 200
    for number in range(50):
        view.set_tool("eraser" if number % 3 == 2 else "brush")
        way = list(walk(rng, 80))
        mouse(view, QEvent.Type.MouseButtonPress, way[0])
        for at in way[1:]:
            mouse(view, QEvent.Type.MouseMove, at)
            app.processEvents()
        mouse(view, QEvent.Type.MouseButtonRelease, way[-1], buttons=Qt.MouseButton.NoButton)
        app.processEvents()
    with_strokes = me.memory_info().rss
    model.set_parameters(MaskParameters(grow=6, smooth=8, feather=4))
    until = time.perf_counter() + 60
    while model.busy and time.perf_counter() < until:
        app.processEvents()
    settle(app)
    end = me.memory_info()
    began = time.perf_counter()
    values, blobs = model.as_values()
    saving = 1000 * (time.perf_counter() - began)
    result = {
        "before_mb": round(start / 2**20),
        "photo_24mp_mb": round((with_photo - start) / 2**20),
        "with_50_strokes_mb": round((with_strokes - start) / 2**20),
        "with_parameters_mb": round((end.rss - start) / 2**20),
        "of_which_the_photo_itself_mb": round(view.photo.nbytes / 2**20),
        "undo_mb": round(model.undo_bytes / 2**20, 2),
        "steps": len(values["steps"]),
        "autosave_ms": round(saving, 2),
        "autosave_mb": round((len(json.dumps(values)) + sum(map(len, blobs.values()))) / 2**20, 2),
    }
    view.close()
    model.close()
    return result


def parameters(model, app):
    """How long the GUI thread is held by a change of a slider, and how long until the mask is there."""
    held, there = Times(), Times()
    for grow in (4, 8, -6, 12):
        held.take(lambda grow=grow: model.set_parameters(MaskParameters(grow=grow, smooth=6, feather=3)))

        def wait():
            while model.busy:
                app.processEvents()

        there.take(wait)
    model.set_parameters(MaskParameters())
    return {"gui_thread_held": held.summary(), "until_shown": there.summary()}


def main() -> None:
    app = QApplication.instance() or QApplication([])
    view, model = opened(app, EIGHT_K)
    figures = {"load": [round(value, 1) for value in os.getloadavg()], "photo": "7680x4320", "viewport": "1920x1080"}
    view.fit()
    settle(app)
    figures["brush_fitted_size_200"] = brush(app, view, model, size=200.0)
    view.full_size()
    settle(app)
    figures["brush_full_size_128"] = brush(app, view, model, size=128.0)
    figures["overlay_rebuilt"] = rebuilt(view, model)
    for name in ("brush_fitted_size_200", "brush_full_size_128"):
        ratio = figures["overlay_rebuilt"]["median"] / figures[name]["event"]["median"]
        figures[name]["times_faster_than_rebuilding"] = round(ratio, 1)
    figures["pan"] = {f"{zoom:g}": panned(app, view, zoom) for zoom in (0.24, 0.7, 1.0, 2.0)}
    figures["zoom"] = zoomed(app, view)
    figures["parameters"] = parameters(model, app)
    view.close()
    model.close()
    answer = subprocess.run([sys.executable, __file__, "memory"], capture_output=True, text=True, check=True)
    figures["memory_24mp"] = json.loads(answer.stdout)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    if sys.argv[1:] == ["memory"]:
        print(json.dumps(memory()))
    else:
        main()
