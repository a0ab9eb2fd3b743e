"""What the invisible mark survives, how far it changes a picture, how often a clean picture seems to have one, and its speed.

    OUTFITSWAP_TEST_PHOTOS=folder python -m tests.benchmarks.invisible_mark [--clean N] [--survives AREA ...] ...

Garments are outlines of a shirt of just above the smallest area and of larger ones, filled with what the photo has there, or
with plain white, black, grey and patterned cloth. Without a switch everything is measured.
"""

import argparse
import io
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from outfitswap_desktop.safety.marks.invisible import MIN_AREA, embed, read

PAYLOAD = bytes.fromhex("12f3567f9abc")
SKIMAGE = (
    "astronaut",
    "coffee",
    "chelsea",
    "brick",
    "grass",
    "gravel",
    "camera",
    "page",
    "rocket",
    "retina",
    "moon",
    "coins",
)
OUTLINE = np.array(
    [
        (-25, -50),
        (-10, -55),
        (10, -55),
        (25, -50),
        (60, -10),
        (48, 5),
        (30, -15),
        (28, 50),
        (-30, 55),
        (-30, -15),
        (-50, 10),
    ]
)
CLOTHS = ("photo", "white", "black", "grey", "flat white", "flat black", "flat grey", "stripes", "tartan", "knit")


def photos() -> Iterator[tuple[str, np.ndarray]]:
    import skimage.data

    for name in SKIMAGE:
        pixels = getattr(skimage.data, name)()
        yield name, np.ascontiguousarray(np.stack([pixels] * 3, -1) if pixels.ndim == 2 else pixels[..., :3])
    folder = os.environ.get("OUTFITSWAP_TEST_PHOTOS")
    for path in sorted(Path(folder).iterdir()) if folder else ():
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") and path.stem != "astronaut":
            pixels = np.asarray(Image.open(path).convert("RGB"))
            if min(pixels.shape[:2]) >= 256:
                yield path.name, pixels


def garment(size: tuple[int, int], area: int, rng: np.random.Generator) -> np.ndarray | None:
    """An irregular shirt's outline of just above `area`, or None where the photo is too small for it."""
    height, width = size
    points = OUTLINE + rng.normal(0, 2.5, OUTLINE.shape)
    centre = np.array([width * rng.uniform(0.35, 0.65), height * rng.uniform(0.42, 0.62)])
    for scale in np.arange(0.8, 60, 0.05):
        mask = np.zeros(size, np.uint8)
        cv2.fillPoly(mask, [(points * scale + centre).astype(np.int32)], 255)
        if np.count_nonzero(mask) >= area:
            return mask
        if scale * 50 > max(size):
            return None
    return None


def dressed(pixels: np.ndarray, mask: np.ndarray, cloth: str, rng: np.random.Generator) -> np.ndarray:
    """The photo with its garment in one of CLOTHS: folds of the photo's own light, a camera's noise; "flat" has neither."""
    if cloth == "photo":
        return pixels
    size = mask.shape
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(float)
    folds = cv2.GaussianBlur(grey, (0, 0), 20)
    folds = (folds - folds.mean()) * 0.12 + rng.normal(0, 0.8, size)
    x, y = np.arange(size[1])[None, :], np.arange(size[0])[:, None]
    levels = {
        "white": 244 + folds,
        "black": 8 + folds,
        "grey": 128 + folds,
        "flat white": np.full(size, 255.0),
        "flat black": np.zeros(size),
        "flat grey": np.full(size, 128.0),
        "stripes": 130 + 60 * ((x + y * 0.13) // 9 % 2) + folds,
        "tartan": 90 + 40 * (x // 14 % 2) + 30 * (y // 17 % 2) + 8 * ((x + y) // 2 % 2) + folds,
        "knit": 150 + 18 * np.sin(x * 1.1 + np.sin(y * 0.9)) + folds,
    }[cloth]
    result = pixels.copy()
    result[mask > 0] = np.clip(levels, 0, 255).astype(np.uint8)[mask > 0][:, None]
    return result


def saved(pixels: np.ndarray, form: str, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def resized(pixels: np.ndarray, factor: float, way: Image.Resampling = Image.Resampling.LANCZOS) -> np.ndarray:
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((round(width * factor), round(height * factor)), way))


def noisy(pixels: np.ndarray, deviation: float) -> np.ndarray:
    return np.clip(pixels + np.random.default_rng(1).normal(0, deviation, pixels.shape), 0, 255).astype(np.uint8)


def around(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The crop that just keeps the garment."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return pixels[max(0, rows[0] - 5) : rows[-1] + 9, max(0, columns[0] - 11) : columns[-1] + 7]


HARMS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "as it is": lambda p, _: p,
    "JPEG 90": lambda p, _: saved(p, "JPEG", 90),
    "JPEG 75": lambda p, _: saved(p, "JPEG", 75),
    "JPEG 50": lambda p, _: saved(p, "JPEG", 50),
    "WebP 80": lambda p, _: saved(p, "WEBP", 80),
    "resize 50 %": lambda p, _: resized(p, 0.5),
    "50 % bilinear": lambda p, _: resized(p, 0.5, Image.Resampling.BILINEAR),
    "50 % + JPEG 85": lambda p, _: saved(resized(p, 0.5), "JPEG", 85),
    "resize 75 %": lambda p, _: resized(p, 0.75),
    "resize 150 %": lambda p, _: resized(p, 1.5),
    "crop": around,
    "crop + JPEG 75": lambda p, m: saved(around(p, m), "JPEG", 75),
    "brightness +10 %": lambda p, _: np.clip(p * 1.1, 0, 255).astype(np.uint8),
    "noise 5": lambda p, _: noisy(p, 5),
    "mirrored": lambda p, _: p[:, ::-1],
    "rotated 2": lambda p, _: np.asarray(Image.fromarray(p).rotate(2, Image.Resampling.BICUBIC)),
    "resize 60 %": lambda p, _: resized(p, 0.6),
}


def survives(areas: tuple[int, ...], every: int) -> None:
    for area in areas:
        score: dict[tuple[str, str], list[bool]] = defaultdict(list)
        quality: dict[str, list[float]] = defaultdict(list)
        for index, (_, pixels) in enumerate(list(photos())[::every]):
            for number, cloth in enumerate(CLOTHS):
                rng = np.random.default_rng(1000 * index + number)
                mask = garment(pixels.shape[:2], area, rng)
                if mask is None or (cloth != "photo" and (index + number) % 4):
                    continue
                score_one(dressed(pixels, mask, cloth, rng), mask, cloth, score, quality)
        table(area, score, quality)


def score_one(pixels: np.ndarray, mask: np.ndarray, cloth: str, score: dict, quality: dict) -> None:
    marked = embed(pixels, mask, PAYLOAD).pixels
    if not np.array_equal(marked[mask == 0], pixels[mask == 0]):
        raise AssertionError("a pixel outside the mask changed")
    change = marked[mask > 0].astype(float) - pixels[mask > 0]
    quality[cloth].append(10 * np.log10(255**2 / np.mean(change**2)))
    quality[cloth + " SSIM"].append(ssim(pixels, marked, mask))
    score[cloth, "near"].append(read(marked, near=mask) == PAYLOAD)
    for harm, make in HARMS.items():
        score[cloth, harm].append(read(make(marked, mask)) == PAYLOAD)


def ssim(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> float:
    from skimage.metrics import structural_similarity

    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (before, after)]
    return float(structural_similarity(*grey, full=True)[1][mask > 0].mean())


def table(area: int, score: dict, quality: dict) -> None:
    print(f"mask area {area}: PSNR mean (least) and SSIM within the mask")
    for cloth in CLOTHS:
        if quality[cloth]:
            alike = statistics.mean(quality[cloth + " SSIM"])
            size = f"{statistics.mean(quality[cloth]):.1f} ({min(quality[cloth]):.1f}) dB"
            print(f"  {cloth:12} {len(quality[cloth]):3}  {size}  {alike:.3f}")
    for harm in ("near", *HARMS):
        rows = {cloth: score[cloth, harm] for cloth in CLOTHS if score[cloth, harm]}
        every = [read_back for row in rows.values() for read_back in row]
        lost = ", ".join(f"{cloth} {len(row) - sum(row)}/{len(row)}" for cloth, row in rows.items() if not all(row))
        print(
            f"  {harm:17} {sum(every)}/{len(every)} = {100 * statistics.mean(every):.1f} %   lost: {lost or '-'}",
            flush=True,
        )


def clean() -> Iterator[tuple[str, np.ndarray]]:
    """Pictures without a mark: photos, their crops, flips, sizes and copies, noise, and patterns with every period."""
    ways = {
        "as it is": lambda p: p,
        "mirror": lambda p: p[:, ::-1],
        "upside down": lambda p: p[::-1],
        "JPEG 40": lambda p: saved(p, "JPEG", 40),
        "WebP 70": lambda p: saved(p, "WEBP", 70),
        "half": lambda p: resized(p, 0.5),
        "1.3": lambda p: resized(p, 1.3),
        "0.8 JPEG 60": lambda p: saved(resized(p, 0.8), "JPEG", 60),
        "crop": lambda p: p[p.shape[0] // 5 + 3 :, : p.shape[1] * 4 // 5],
        "turned": np.rot90,
        "dark": lambda p: (p * 0.5).astype(np.uint8),
        "blur": lambda p: cv2.GaussianBlur(p, (0, 0), 1.5),
        "noise": lambda p: noisy(p, 12),
    }
    for name, way in ways.items():
        for photo, pixels in photos():
            yield f"{photo} {name}", np.ascontiguousarray(way(pixels))
    x, y = np.arange(640)[None, :], np.arange(640)[:, None]
    for period in (*range(4, 40), 48, 64, 96, 128):
        waves = 128 + 60 * np.sin(2 * np.pi * x / period) + 40 * np.sin(2 * np.pi * y / (period * 0.9))
        check = 60 + 130 * ((x // (period / 2) + y // (period / 2)) % 2)
        for name, levels in (("waves", waves), ("check", check)):
            yield f"{name} {period}", np.stack([levels.astype(np.uint8)] * 3, -1)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        noise = cv2.GaussianBlur(rng.normal(0, 1, (640, 640)), (0, 0), 0.4 + seed % 12 * 0.3)
        yield f"noise {seed}", np.stack([np.clip(128 + noise / noise.std() * 25, 0, 255).astype(np.uint8)] * 3, -1)
        side = 16 + 8 * (seed % 13)
        tiles = np.tile(rng.integers(0, 256, (side, side, 3), dtype=np.uint8), (640 // side + 1, 640 // side + 1, 1))
        yield f"tile {side}", np.ascontiguousarray(cv2.GaussianBlur(tiles, (0, 0), 1.2)[:640, :640])


def false_alarms(most: int) -> None:
    seen, wrong = 0, []
    for name, pixels in clean():
        if seen >= most:
            break
        seen += 1
        if read(pixels) is not None:
            wrong.append(name)
    print(f"clean pictures: {len(wrong)} false of {seen} {wrong}", flush=True)


def timed(work: Callable[[], object], rounds: int) -> str:
    cpu, wall = [], []
    for _ in range(rounds):
        before = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - before[0])
        wall.append(time.perf_counter() - before[1])
    return f"{1000 * statistics.median(cpu):.0f} ms of processor ({1000 * statistics.median(wall):.0f} ms by the clock)"


def speed() -> None:
    import skimage.data

    for megapixels, area in ((1, 300_000), (12, 4_000_000)):
        side = int((megapixels * 1e6) ** 0.5)
        pixels = cv2.resize(skimage.data.astronaut(), (side, side), interpolation=cv2.INTER_CUBIC)
        mask = garment((side, side), area, np.random.default_rng(1))
        assert mask is not None
        marked = embed(pixels, mask, PAYLOAD).pixels
        rounds = 9 if megapixels == 1 else 3
        print(f"{megapixels} MP, mask {np.count_nonzero(mask)}")
        print(f"  embed            {timed(lambda: embed(pixels, mask, PAYLOAD), rounds)}")  # noqa: B023
        print(f"  read, mask known {timed(lambda: read(marked, near=mask), rounds)}")  # noqa: B023
        print(f"  read, blind      {timed(lambda: read(marked), rounds)}")  # noqa: B023
        print(f"  no mark, blind   {timed(lambda: read(pixels), 3)}", flush=True)  # noqa: B023


def large() -> None:
    """A garment of the smallest area and one of a third of the picture in 12 MP."""
    for index, (name, pixels) in enumerate(list(photos())[:6]):
        factor = (12e6 / (pixels.size / 3)) ** 0.5
        big = noisy(resized(pixels, factor), 1.5)
        for area in (MIN_AREA + 500, 4_000_000):
            mask = garment(big.shape[:2], area, np.random.default_rng(index))
            if mask is not None:
                marked = embed(big, mask, PAYLOAD).pixels
                harms = ("as it is", "JPEG 75", "JPEG 50", "WebP 80", "resize 50 %")
                print(name, area, {harm: read(HARMS[harm](marked, mask)) == PAYLOAD for harm in harms}, flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--clean", type=int, metavar="N")
    asked.add_argument("--survives", type=int, nargs="*", metavar="AREA")
    asked.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth photo")
    asked.add_argument("--speed", action="store_true")
    asked.add_argument("--large", action="store_true")
    wish = asked.parse_args()
    everything = wish.clean is None and wish.survives is None and not (wish.speed or wish.large)
    if everything or wish.speed:
        speed()
    if everything or wish.clean is not None:
        false_alarms(wish.clean or 10_000)
    if everything or wish.survives is not None:
        survives(tuple(wish.survives or (66_000, 150_000, 300_000)), wish.every)
    if everything or wish.large:
        large()


if __name__ == "__main__":
    main()
