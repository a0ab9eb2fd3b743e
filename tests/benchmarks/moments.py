"""Short work that somebody waits for: words loaded and checked, memory planned, edges fitted at 24 MP.

    python -m tests.benchmarks.moments

Processor time, which other programs disturb least; each figure is the median of its repetitions.
"""

import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from outfitswap_desktop.core.refine import refine
from outfitswap_desktop.ml.budget.planner import plan_memory
from outfitswap_desktop.ml.device import Device
from outfitswap_desktop.ml.diffusion.conditions import Options
from outfitswap_desktop.ml.recipes import recipes
from outfitswap_desktop.safety.prompt import deny, policy, vocabulary, wordbook
from tests.safety.prompt.lines import prompts


def median_ms(work: Callable[[], object], *, times: int) -> float:
    """Milliseconds of processor time."""
    took = []
    for _ in range(times):
        start = time.process_time()
        work()
        took.append((time.process_time() - start) * 1000)
    return statistics.median(took)


def photo_24mp() -> np.ndarray:
    """A red shirt on a grey wall, 6000 x 4000, with grain."""
    rng = np.random.default_rng(3)
    pixels = rng.normal((120, 122, 125), 6, (300, 450, 3))
    pixels[90:230, 120:260] = rng.normal((190, 30, 40), 12, (140, 140, 3))
    return cv2.resize(np.clip(pixels, 0, 255).astype(np.uint8), (6000, 4000), interpolation=cv2.INTER_LINEAR)


def loaded() -> None:
    wordbook.words.cache_clear()
    wordbook.words()


def main() -> None:
    lines = [*prompts("benign"), *prompts("paraphrases")]
    policy.check(lines[0])
    vocabulary.company("off")
    print(f"the vocabulary is loaded            {median_ms(loaded, times=5):8.1f} ms")
    each = [median_ms(lambda line=line: policy.check(line), times=1) for line in lines]
    print(f"one of {len(lines)} prompts is checked  {statistics.median(each):8.2f} ms, at most {max(each):.1f}")
    line = ("a tailored navy pinstripe wool suit with peak lapels, a crisp white shirt and a burgundy silk tie, " * 4)[
        :300
    ]
    print(f"300 characters against the lists    {median_ms(lambda: deny.find(line), times=15):8.2f} ms")
    card = Device("cuda", "a card", 24 * 2**30, 24 * 2**30, (8, 6), "float16")
    planning = median_ms(
        lambda: plan_memory(recipes()["sdxl"], (1024, 1024), 1, options=Options(), device=card), times=20
    )
    print(f"memory is planned                   {planning:8.2f} ms")
    large = photo_24mp()
    box = median_ms(lambda: refine(large, box=(1500, 900, 4200, 3400), points=(), mask=None), times=3)
    empty = np.zeros(large.shape[:2], np.uint8)
    points = ((2400, 2100, True), (300, 300, False))
    clicks = median_ms(lambda: refine(large, box=None, points=points, mask=empty), times=3)
    print(f"edges fitted at 24 MP, box / clicks {box:8.0f} / {clicks:.0f} ms")


if __name__ == "__main__":
    main()
