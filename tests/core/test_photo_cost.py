"""What reading costs: all bad and odd files, and 50-megapixel ones, in one child process that reports its peaks."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.core import pictures as p
from tests.core.bad_images import all_bad
from tests.core.odd_images import all_odd

READ_ALL = """
import json, resource_peak, sys, time
from pathlib import Path
from outfitswap_desktop.core.photo import read_photo
from outfitswap_desktop.errors import PhotoUnreadable
rows = []
read_photo(Path(sys.argv[2]))
for file in sorted(Path(sys.argv[1]).iterdir()):
    before = resource_peak.start()
    started = time.process_time()
    try:
        read_photo(file)
        outcome = "read"
    except PhotoUnreadable as refused:
        outcome = refused.reason
    rows.append((file.name, outcome, time.process_time() - started, resource_peak.peak() - before))
print(json.dumps(rows))
"""

RESOURCE_PEAK = '''
"""Peak memory of this process in bytes: since start() on Linux, since it began elsewhere."""
import sys
from pathlib import Path
import psutil

def start():
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
    return psutil.Process().memory_info().rss

def peak():
    if sys.platform == "linux":
        line = next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
'''


def costs(folder: Path) -> dict[str, tuple[str, float, float]]:
    """Outcome, CPU seconds and megabytes over the baseline of reading each file in `folder`, in a fresh process."""
    tools = folder.parent / "tools"
    tools.mkdir()
    (tools / "resource_peak.py").write_text(RESOURCE_PEAK)
    (tools / "read_all.py").write_text(READ_ALL)
    (tools / "first.png").write_bytes(p.png())
    command = [sys.executable, str(tools / "read_all.py"), str(folder), str(tools / "first.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == "", "decoders must not talk past us"
    return {name: (outcome, seconds, peak / 1e6) for name, outcome, seconds, peak in json.loads(done.stdout)}


def test_every_bad_and_odd_file_is_cheap(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    files = {f"bad-{bad.name}": bad.make for bad in all_bad()} | {f"odd-{odd.name}": odd.make for odd in all_odd()}
    for name, make in files.items():
        (folder / name.replace("^", "").replace("<", "le").replace(">", "be")).write_bytes(make())
    rows = costs(folder)
    assert len(rows) == len(files) >= 550
    assert {name: row for name, row in rows.items() if row[1] > 2 or row[2] > 300} == {}
    assert all((row[0] == "read") == name.startswith("odd-") for name, row in rows.items())


def big_files() -> dict[str, bytes]:
    """50-megapixel files of small size, sound and damaged late, the dearest that the limits let through."""
    width, height = 8_000, 6_250
    rows = zlib.compress((b"\0" + bytes(range(240)) * 100) * height, 1)
    ihdr, iend = (b"IHDR", p.header(width, height)), (b"IEND", b"")
    late = bytearray(rows)
    late[-2000:-1000] = b"\xff" * 1000
    flat = np.full((height, width, 3), 90, np.uint8)
    flat[::9, ::7] = 200
    _, jpeg = cv2.imencode(".jpg", flat, [cv2.IMWRITE_JPEG_QUALITY, 60])
    _, webp = cv2.imencode(".webp", flat, [cv2.IMWRITE_WEBP_QUALITY, 40])
    return {
        "good.png": p.joined([ihdr, (b"IDAT", rows), iend]),
        "bad-late.png": p.joined([ihdr, (b"IDAT", bytes(late)), iend]),
        "bad-short.png": p.joined([ihdr, (b"IDAT", rows[: len(rows) // 2]), iend]),
        "good.jpg": jpeg.tobytes(),
        "bad-cut.jpg": jpeg.tobytes()[:-500],
        "good.webp": webp.tobytes(),
        "bad-cut.webp": webp.tobytes()[:-500],
    }


@pytest.mark.slow
def test_fifty_megapixels_fit(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, data in big_files().items():
        (folder / name).write_bytes(data)
    rows = costs(folder)
    for name, (outcome, seconds, megabytes) in rows.items():
        assert (outcome == "read") == name.startswith("good"), name
        assert seconds <= (4 if outcome == "read" else 2), name
        assert megabytes <= (420 if outcome == "read" else 300), name
