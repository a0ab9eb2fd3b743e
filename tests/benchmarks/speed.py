"""Speed and memory of the embedded road: parse at 1 and 12 MP, a whole fabric swap at 12 MP, and --help.

    uv run python tests/benchmarks/speed.py [--photos DIR] [--runs 5] [--json FILE]

Each figure is the median of several runs in one warm process of its own; peak memory is that process' high-water mark.
State the load of the machine beside the figures.
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

HEAVY = ("torch", "diffusers", "mediapipe", "PySide6", "cv2", "numpy", "skimage", "scipy", "onnxruntime")


def photo_of(megapixels: float, folder: Path | None) -> "object":
    """A photo of about that size: fashn_model.webp where it is at hand, else the astronaut, enlarged or reduced."""
    import skimage.data
    from PIL import Image

    path = folder / "fashn_model.webp" if folder else None
    picture = Image.open(path).convert("RGB") if path and path.is_file() else Image.fromarray(skimage.data.astronaut())
    factor = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
    return picture.resize((round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS)


def measured_parse(megapixels: float, folder: Path | None, runs: int) -> dict:
    import numpy as np

    from outfitswap_desktop.core.job import CancelToken
    from outfitswap_desktop.core.memory import keep_large_blocks_apart
    from outfitswap_desktop.embedded.parse.segmenter import MediaPipeSegmenter

    keep_large_blocks_apart()
    photo = np.asarray(photo_of(megapixels, folder))
    segmenter = MediaPipeSegmenter()
    began = time.perf_counter()
    segmenter.segment(photo, person=None, zones=None, cancel=CancelToken())
    first = time.perf_counter() - began
    walls, cpus = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        segmenter.segment(photo, person=None, zones=None, cancel=CancelToken())
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {"first_s": first, "median_s": statistics.median(walls), "cpu_s": statistics.median(cpus)}


def measured_swap(megapixels: float, folder: Path | None, runs: int) -> dict:
    from outfitswap_desktop.core.job import CancelToken, SwapRequest
    from outfitswap_desktop.wiring import make_runner
    from tests.fakes import STATED

    with tempfile.TemporaryDirectory() as scratch:
        os.environ["OUTFITSWAP_HOME"] = scratch
        photo = Path(scratch) / "photo.png"
        photo_of(megapixels, folder).save(photo, compress_level=1)
        seconds = []
        with make_runner() as runner:
            for number in range(runs + 1):
                # every run another photo's worth of work: the ladder must not answer from memory
                runner._steps.segmenter._last = None
                request = SwapRequest(
                    photo=photo, output=Path(scratch) / f"{number}.png", prompt="red tartan wool", **STATED
                )
                seconds.append(dict(runner.run(request, report=lambda _p: None, cancel=CancelToken()).seconds))
    totals = [row["total"] for row in seconds[1:]]
    median = statistics.median(totals)
    return {"first_s": seconds[0]["total"], "median_s": median, "stages": seconds[1 + totals.index(min(totals))]}


def child(what: str, megapixels: float, folder: Path | None, runs: int) -> None:
    import resource

    measure = {"parse": measured_parse, "swap": measured_swap}[what]
    result = measure(megapixels, folder, runs)
    scale = 1 if sys.platform == "darwin" else 1024
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6
    print(json.dumps(result))


def help_times(runs: int) -> dict:
    command = [sys.executable, "-m", "outfitswap_desktop", "--help"]
    walls = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        walls.append(time.perf_counter() - began)
    traced = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "outfitswap_desktop", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in traced.stderr.splitlines()}
    return {"median_s": statistics.median(walls), "heavy_loaded": sorted(names & set(HEAVY))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, default=os.environ.get("OUTFITSWAP_TEST_PHOTOS"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = Path(arguments.photos) if arguments.photos else None
    if arguments.child:
        child(arguments.child[0], float(arguments.child[1]), folder, arguments.runs)
        return
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    results = {"load_before": load, "cores": os.cpu_count(), "help": help_times(arguments.runs)}
    for what, megapixels in (("parse", 1), ("parse", 12), ("swap", 12)):
        command = [sys.executable, __file__, "--child", what, str(megapixels), "--runs", str(arguments.runs)]
        if folder:
            command += ["--photos", str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        results[f"{what} {megapixels} MP"] = json.loads(done.stdout.strip().splitlines()[-1])
    for name, row in results.items():
        print(f"{name:<14} {row}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
