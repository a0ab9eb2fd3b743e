"""What XMP, content credentials and reading them back cost on top of encoding: time, memory, bytes.

uv run python tests/benchmarks/marks.py
"""

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIZES = {"1 MP": (1000, 1000), "12 MP": (3000, 4000)}
FORMATS = ("PNG", "JPEG", "WEBP")
ROUNDS = {"1 MP": 15, "12 MP": 5}


def photo(size: tuple[int, int]) -> np.ndarray:
    """The astronaut enlarged, with noise: 12 MP take about 20 MB as PNG."""
    import skimage.data

    enlarged = cv2.resize(skimage.data.astronaut(), size[::-1], interpolation=cv2.INTER_CUBIC).astype(np.int16)
    noise = np.random.default_rng(0).integers(-4, 5, enlarged.shape)
    return np.clip(enlarged + noise, 0, 255).astype(np.uint8)


def taken(call: Callable[[], Any], rounds: int) -> tuple[float, float, Any]:
    """Medians of wall-clock and processor milliseconds, and the last answer."""
    walls, cpus, answer = [], [], None
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        answer = call()
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    return statistics.median(walls), statistics.median(cpus), answer


def resident(field: str) -> int:
    """Kilobytes of VmRSS or VmHWM (the peak since it was last reset); Linux alone knows."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise LookupError(field)


def peak_of(name: str, format: str, how: str) -> None:
    """In a process of its own: the peak of encoding alone, or of the whole seal, above the pixels."""
    from outfitswap_desktop.core.encode import encode
    from outfitswap_desktop.safety.marks import seal, xmp
    from tests.safety.marks.signing import install

    pixels, certificate = photo(SIZES[name]), install()
    packet = xmp.marked(None, result_id="r")
    seal.seal(np.zeros((64, 64, 3), np.uint8), format, certificate=certificate, result_id="r")
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = resident("VmRSS")
    if how == "encode":
        file = encode(pixels, format=format, xmp=packet)
    else:
        file, _ = seal.seal(pixels, format, certificate=certificate, result_id="r")
    added = (resident("VmHWM") - before) * 1024
    print(f"  peak of {how}: + {added / 1e6:.0f} MB, {added / len(file):.1f} x the file")


def main() -> None:
    from outfitswap_desktop.core.encode import encode
    from outfitswap_desktop.safety.marks import seal, xmp
    from outfitswap_desktop.safety.marks.certificate import issue
    from tests.safety.marks.signing import install, p256

    wall, cpu, _ = taken(lambda: issue(p256()), 50)
    print(f"certificate: {wall:.1f} ms (cpu {cpu:.1f})")
    certificate, packet = install(), xmp.marked(None, result_id="r")
    for name, size in SIZES.items():
        pixels = photo(size)
        for format in FORMATS:
            rounds = ROUNDS[name]
            bare, bare_cpu, plain = taken(lambda: encode(pixels, format=format, xmp=packet), rounds)  # noqa: B023
            full, full_cpu, (file, _) = taken(
                lambda: seal.seal(pixels, format, certificate=certificate, result_id="r"),  # noqa: B023
                rounds,
            )
            print(
                f"{name} {format}, {len(file) / 1e6:.1f} MB: encoding {bare:.0f} ms (cpu {bare_cpu:.0f}),"
                f" sealed {full:.0f} ms (cpu {full_cpu:.0f}): + {full - bare:.0f} ms (cpu {full_cpu - bare_cpu:.0f}),"
                f" + {len(file) - len(plain)} bytes",
                flush=True,
            )
            for how in ("encode", "seal"):
                subprocess.run([sys.executable, __file__, name, format, how], check=True)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        peak_of(*sys.argv[1:])
    else:
        main()
