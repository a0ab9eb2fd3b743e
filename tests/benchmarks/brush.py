"""Speed of the mask brush at 8K: a move, the end of a stroke, an undo step, and bytes kept per stroke.

uv run python tests/benchmarks/brush.py
"""

import math
import statistics
import time
from functools import partial

import numpy as np

from outfitswap_desktop.core.strokes import Brush, MaskCanvas

HEIGHT, WIDTH = 4320, 7680


def milliseconds(call):
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    rng = np.random.default_rng(1)
    for brush in (Brush(128, hardness=1), Brush(128, hardness=0.2, opacity=0.7), Brush(128, erase=True)):
        canvas = MaskCanvas(np.full((HEIGHT, WIDTH), 255 if brush.erase else 0, np.uint8))
        moves, ends, sizes = [], [], []
        for _ in range(10):
            x, y, heading = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(0, 2 * math.pi)
            canvas.begin(brush)
            for _ in range(100):
                heading += rng.normal(0, 0.2)
                x, y = x + 20 * math.cos(heading), y + 20 * math.sin(heading)
                moves.append(milliseconds(partial(canvas.move, x, y)))
            began = time.perf_counter()
            sizes.append(canvas.end().nbytes)
            ends.append(1000 * (time.perf_counter() - began))
        backs = []
        while canvas.can_undo:
            backs.append(milliseconds(canvas.undo))
        print(
            f"{brush}: move median {statistics.median(moves):.3f} ms, p95 {np.percentile(moves, 95):.3f}; "
            f"end {statistics.median(ends):.2f} ms; undo {statistics.median(backs):.2f} ms; "
            f"{100 * max(sizes) / (HEIGHT * WIDTH):.2f} % of a copy at most"
        )


if __name__ == "__main__":
    main()
