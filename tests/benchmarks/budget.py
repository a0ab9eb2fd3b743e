"""What a job costs before it runs: FLOPs of a crop against the whole photo, and planned against tracked memory.

    python -m tests.benchmarks.budget            the tables
    python -m tests.benchmarks.budget --write    make resources/architectures/{keys.json.gz,memory.json} anew (extra gpu)

Deterministic: nothing is computed, only shapes are; the figures do not depend on the machine.
"""

from __future__ import annotations

import argparse
import gzip
import json

from outfitswap_desktop import paths
from outfitswap_desktop.ml.budget.architectures import architectures
from outfitswap_desktop.ml.budget.figures import FILE as MEMORY
from outfitswap_desktop.ml.budget.keys import FILE as KEYS

PHOTO = (3000, 4000)
BUCKET = (768, 1024)
STEPS = 28


def write(*, keys: bool, memory: bool) -> None:
    from outfitswap_desktop.ml.budget.derive import derive_keys, derive_memory

    folder = paths.resources_dir()
    if keys:
        text = json.dumps(derive_keys(architectures()), separators=(",", ":")).encode()
        (folder / KEYS).write_bytes(gzip.compress(text, 9, mtime=0))
    if memory:
        (folder / MEMORY).write_text(laid_out(derive_memory(architectures())), encoding="utf-8")


def laid_out(memory: dict) -> str:
    """JSON with one figure or curve a line."""

    def table(rows: dict, indent: str) -> str:
        return ",\n".join(f"{indent}{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())

    engines = ",\n".join(
        f"    {json.dumps(name)}: {{\n{table(curves, ' ' * 6)}\n    }}" for name, curves in memory["curves"].items()
    )
    weights = table(memory["weights"], " " * 4)
    return f'{{\n  "weights": {{\n{weights}\n  }},\n  "curves": {{\n{engines}\n  }}\n}}\n'


def flops() -> None:
    from outfitswap_desktop.ml.budget.flops import job_flops, whole_photo_flops
    from outfitswap_desktop.ml.budget.passes import Rehearsal

    print("TFLOP            text  encodes  CFG step  decode   job of 28 steps")
    for engine in ("sd15", "sdxl"):
        rehearsal = Rehearsal(engine, "float16")
        ours, whole = job_flops(rehearsal, BUCKET, steps=STEPS), whole_photo_flops(rehearsal, PHOTO, steps=STEPS)
        for name, job in (("crop", ours), ("photo", whole)):
            cells = (job.text, job.encode, job.step, job.decode, job.total)
            print(f"{engine:5}{name:6}", *(f"{cell / 1e12:9.2f}" for cell in cells))
        cells = [w / o for w, o in zip((whole.encode, whole.step, whole.decode, whole.total),
                                       (ours.encode, ours.step, ours.decode, ours.total), strict=True)]  # fmt: skip
        print(f"{engine:5}ratio          ", *(f"{cell:9.1f}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", nargs="*", choices=("keys", "memory"), help="make the bundled data anew")
    asked = parser.parse_args()
    if asked.write is not None:
        write(keys=not asked.write or "keys" in asked.write, memory=not asked.write or "memory" in asked.write)
        return
    flops()
    from tests.ml.journeys import table

    print()
    for line in table():
        print(line)


if __name__ == "__main__":
    main()
