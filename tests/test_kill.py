"""kill -9 at any moment of a swap, then a start: no damaged file, no part, no row without a file, no file without a row."""

import hashlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

SWAP = """
import sys
from pathlib import Path
from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.wiring import make_runner

def report(progress):
    print(progress.stage, progress.fraction, flush=True)

STATED = {"consent": "self", "adult_attested": True}
with make_runner() as runner:
    for number in range(1000):
        output = Path(sys.argv[2]) / f"result-{number % 3}.png"
        request = SwapRequest(photo=Path(sys.argv[1]), output=output, prompt="navy linen", seed=number, **STATED)
        runner.run(request, report=report, cancel=CancelToken())
"""
KILLS = 50


def start(photo: Path, folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SWAP, str(photo), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check(folder: Path) -> int:
    """Look at everything after a start; returns the number of entries."""
    listing = subprocess.run(
        [sys.executable, "-m", "outfitswap_desktop", "history", "list", "--limit", "500", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    entries = json.loads(listing.stdout)["entries"]
    current = [entry for entry in entries if entry["state"] == "done"]
    on_disk = {str(path) for path in folder.iterdir()}
    assert not [name for name in on_disk if name.endswith(".part")]
    in_rows = set()
    for entry in current:
        for name, digest in (
            ("output", "output_sha256"),
            ("mask", "mask_sha256"),
            ("receipt_file", "receipt_sha256"),
        ):
            path = Path(entry[name])
            assert path.is_file(), f"a row without its {name}"
            assert sha256(path) == entry[digest], f"{name} is not what the row says"
            in_rows.add(str(path))
        with Image.open(entry["output"]) as picture:
            picture.load()
        json.loads(Path(entry["receipt_file"]).read_text())
    assert on_disk == in_rows
    return len(entries)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_fifty_kills_leave_nothing_half_done(tmp_path, astronaut_file):
    rng = random.Random(20261122)
    folder = tmp_path / "results"
    folder.mkdir()
    for kill in range(KILLS):
        process = start(astronaut_file, folder)
        if kill % 2:
            stage = rng.choice(["gates", "save", "save", "save"])
            for line in process.stdout:
                if line.startswith(stage):
                    break
            time.sleep(rng.uniform(0.0, 0.12))
        else:
            process.stdout.readline()
            time.sleep(rng.uniform(0.0, 4.0))
        process.kill()
        process.wait()
        process.stdout.close()
        check(folder)
    process = start(astronaut_file, folder)
    saved = 0
    for line in process.stdout:
        saved += line.startswith("save 1.0")
        if saved == 3:
            break
    process.kill()
    process.wait()
    process.stdout.close()
    assert check(folder) >= 3
