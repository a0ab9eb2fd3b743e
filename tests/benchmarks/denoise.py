"""Host time of one denoising step: our loop against diffusers' own inpainting pipeline, tiny weights, equal latents.

    python -m tests.benchmarks.denoise [--rounds 9] [--families sd15 sdxl] [--json FILE]

Process CPU time on one thread, nothing compiled. A step's time is the difference between a long and a short run over the
difference of their steps, so that what a job prepares counts for neither; rounds are interleaved and their medians compared.
The aim is a ratio of at most 0.7.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from outfitswap_desktop.ml.quiet import hush

SHORT, LONG = 4, 24


def clocked(call, steps):
    began = time.process_time()
    call(steps)
    return time.process_time() - began


def per_step(call):
    return (clocked(call, LONG) - clocked(call, SHORT)) / (LONG - SHORT)


def measure(family, folder, *, rounds):
    """Medians in milliseconds, their ratio, and the largest difference of the latents as a share of their spread."""
    from tests.ml.plain import Pair, plain_pipeline

    pair = Pair(plain_pipeline(folder, family), family, "dpmpp_2m_karras")
    plain, ours = pair.plain(LONG), pair.ours(LONG)
    apart = float((plain - ours).abs().max() / plain.std())
    times = [(per_step(pair.plain), per_step(pair.ours)) for _ in range(rounds)]
    theirs, mine = (statistics.median(column) for column in zip(*times, strict=True))
    return {
        "family": family,
        "plain_ms": round(1e3 * theirs, 3),
        "ours_ms": round(1e3 * mine, 3),
        "ratio": round(mine / theirs, 3),
        "latents_apart": apart,
    }


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--families", nargs="+", default=["sd15", "sdxl"])
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    hush()
    import torch

    from tests.ml import tiny

    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as root:
        for family in chosen.families:
            write = {"sd15": tiny.write_sd15, "sdxl": tiny.write_sdxl}[family]
            rows.append(measure(family, write(Path(root) / family), rounds=chosen.rounds))
            print(rows[-1])
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(rows, indent=2), "utf-8")
    return 0 if all(row["ratio"] <= 0.7 for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
