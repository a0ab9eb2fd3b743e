"""What this machine has, what is missing, and what to do about it; nothing is changed and nothing is downloaded.

torch and MediaPipe are tried in child processes with a time limit, so that a broken one cannot take the answer along.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from outfitswap_desktop.doctor import graphics, machine, parts
from outfitswap_desktop.doctor.report import Report, Row

__all__ = ["Report", "Row", "examine"]


def examine() -> Report:
    """Look at everything: some 3 seconds on two idle cores, mostly for loading MediaPipe once; 10 more when something hangs."""
    began = time.perf_counter()
    with ThreadPoolExecutor(max_workers=3) as pool:
        driver = pool.submit(graphics.ask_driver)
        torch = pool.submit(graphics.find_torch)
        mediapipe = pool.submit(parts.mediapipe_row)
        here = [*machine.system_rows(), *machine.disk_rows(), parts.opencv_row()]
        checks = [*parts.safety_rows(), parts.cascade_row(), parts.captions_row(), parts.history_row()]
        there = [graphics.driver_row(driver.result()), graphics.torch_row(torch.result(), driver.result())]
        rows = (*here, mediapipe.result(), *checks, *there, parts.engines_row())
    return Report(rows, time.perf_counter() - began)
