"""Measure the fabric engine: 30 colours on a white and a black garment, folds kept by solids and patterns, time and memory.

Usage: python tests/benchmarks/fabric.py [--photos DIR] [--json FILE] [--sheet FILE] [--quick]
Photos come from --photos or OUTFITSWAP_TEST_PHOTOS; two drawn garments and scikit-image's astronaut are always measured.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from outfitswap_desktop.core import compose
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import BodyAxis
from outfitswap_desktop.core.steps import GenerationRequest
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric import light, patterns, render, words
from outfitswap_desktop.embedded.fabric.generator import FabricGenerator

COLOURS = {
    "black": "#000000", "white": "#ffffff", "grey": "#808080", "silver": "#c0c0c0", "charcoal": "#36454f",
    "navy": "#000080", "blue": "#0000ff", "royal blue": "#4169e1", "sky blue": "#87ceeb", "teal": "#008080",
    "turquoise": "#40e0d0", "green": "#008000", "olive": "#808000", "forest": "#0b3d20", "mint": "#b0e0c8",
    "yellow": "#ffff00", "mustard": "#d4a017", "orange": "#ffa500", "coral": "#ff7f50", "red": "#ff0000",
    "burgundy": "#800020", "pink": "#ffc0cb", "hot pink": "#ff69b4", "magenta": "#ff00ff", "purple": "#800080",
    "lavender": "#e6e6fa", "beige": "#f5f5dc", "brown": "#5c3a21", "camel": "#c19a6b", "neon green": "#39ff14",
}  # fmt: skip

SOLIDS = (
    "#000080 cotton", "#000000 cotton", "#ffffff cotton", "#b22222 cotton", "#ffd700 cotton", "#808080 jersey",
    "white linen", "blue denim", "charcoal wool", "red silk", "silver satin", "black leather", "emerald velvet",
    "brown corduroy", "grey rib knit", "cream cable knit", "gold sequins",
)  # fmt: skip
LOOSE = ("corduroy", "knit", "sequins")
"""Materials whose own structure is as deep as folds: measured with the patterns."""

PATTERNS = (
    "navy pinstripe wool", "chalk stripe wool", "blue vertical stripes", "horizontal stripes", "breton", "blue gingham",
    "red tartan", "windowpane check", "glen check", "houndstooth", "grey herringbone", "navy polka dot", "argyle",
    "floral cotton", "leopard print", "zebra print", "camouflage", "paisley", "tie dye", "red and blue colour block",
    "pink to blue gradient",
)  # fmt: skip


@dataclass(frozen=True)
class Garment:
    """One garment to be changed, cut out as the pipeline does; `ignore` marks an old print, which must not be kept."""

    name: str
    image: np.ndarray
    alpha: np.ndarray
    axes: tuple[BodyAxis, ...]
    zone: Zone


def drawn(name: str, colour: tuple[int, int, int], *, size: int = 480, seed: int = 3) -> Garment:
    """A T-shirt on a capsule body: cylinder shading, smooth folds, 8 bits; no photo needed."""
    rng = np.random.default_rng(seed)
    s = size / 480
    mask = np.zeros((size, size), np.uint8)
    trunk = np.array([(165, 90), (315, 90), (325, 400), (155, 400)], np.float64) * s
    cv2.fillConvexPoly(mask, np.round(trunk * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    axes = [BodyAxis("trunk", (240 * s, 95 * s), (240 * s, 330 * s), 84 * s)]
    for side, start, end in (("right", (180, 115), (105, 245)), ("left", (300, 115), (375, 245))):
        a, b = (tuple(int(v * s) for v in point) for point in (start, end))
        cv2.line(mask, a, b, 255, int(62 * s), cv2.LINE_AA)
        elbow = tuple(v * s for v in end)
        axes.append(BodyAxis(f"{side}_upper_arm", tuple(v * s for v in start), elbow, 30 * s))
    ys, xs = np.mgrid[0:size, 0:size].astype(np.float32) / size
    folds = np.zeros((size, size), np.float32)
    for sigma, gain in ((0.05, 0.35), (0.02, 0.2), (0.008, 0.06)):
        noise = cv2.GaussianBlur(
            rng.standard_normal((size, size)).astype(np.float32), (0, 0), sigma * size, sigmaY=2.5 * sigma * size
        )
        noise /= noise.std()
        folds += gain * (noise - 0.6 * np.exp(-((noise / 0.25) ** 2)))  # soft hills with creases between them
    shade = np.exp(folds - 0.5 * (2.6 * (xs - 0.46)) ** 2)
    cloth = light.decode_bytes(np.array(colour, np.uint8)) * shade[..., None]
    wall = np.repeat((0.55 - 0.2 * ys)[..., None], 3, axis=2)
    share = mask[..., None].astype(np.float32) / 255
    linear = share * cloth + (1 - share) * wall
    noisy = light.encode(linear) * 255 + rng.normal(0, 0.7, linear.shape)
    return Garment(name, np.clip(np.rint(noisy), 0, 255).astype(np.uint8), mask, tuple(axes), Zone.TOP)


def from_photo(path: Path | None, zone: Zone, name: str, person: int | None = None) -> Garment | None:
    """The garment as the program's own segmenter finds it."""
    from outfitswap_desktop.embedded.parse.segmenter import MediaPipeSegmenter
    from outfitswap_desktop.errors import NobodyFound

    if path is None:
        from skimage import data

        photo = np.ascontiguousarray(data.astronaut())
    elif path.is_file():
        photo = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    else:
        return None
    try:
        found = MediaPipeSegmenter().segment(photo, person=person, zones=frozenset({zone}), cancel=CancelToken())
    except NobodyFound:
        return None
    alpha = np.where(found.protect_mask(photo.shape[:2]) > 0, 0, found.regions[zone].alpha).astype(np.uint8)
    crop = compose.plan_crop(alpha)
    return Garment(
        name, compose.extract(photo, crop), compose.extract(alpha, crop), compose.axes_in_crop(found.axes, crop), zone
    )


def dressed(garment: Garment, prompt: str) -> np.ndarray:
    request = GenerationRequest(garment.image, garment.alpha, garment.zone, prompt, axes=garment.axes)
    return FabricGenerator().generate(request, report=lambda _: None, cancel=CancelToken()).image


def measured_inside(garment: Garment, rim: int = 3) -> np.ndarray:
    """Where colour and folds are measured: full alpha, a rim of `rim` px off, and no old print (its edges are no folds)."""
    full = cv2.erode((garment.alpha == 255).astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8))
    taken = render.read_scene(garment.image, garment.alpha, garment.axes, garment.zone).shading
    prints = cv2.dilate(((taken.keep < 0.05) & taken.inside).astype(np.uint8), np.ones((7, 7), np.uint8))
    prints = cv2.resize(prints, garment.alpha.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return (full > 0) & (prints == 0)


def colour_error(garment: Garment, result: np.ndarray, colour: str, inside: np.ndarray) -> float:
    """CIEDE2000 between the asked colour and the median of the mid-tones (30th to 70th percentile of luminance)."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    pixels = result[inside]
    lum = light.luminance(light.decode_bytes(pixels))
    low, high = np.percentile(lum, [30, 70])
    median = np.median(pixels[(lum >= low) & (lum <= high)], axis=0)
    asked = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return float(deltaE_ciede2000(rgb2lab(asked / 255.0), rgb2lab(median / 255.0)))


def high_pass(image: np.ndarray, inside: np.ndarray, *, share: float, eps: float, blur: float) -> np.ndarray:
    """log(luminance + eps) less its mean over a Gaussian of `share` of the garment's size, inside the mask alone."""
    lum = light.luminance(light.decode_bytes(image)).astype(np.float64)
    weight = inside.astype(np.float64)
    if blur:
        lum = cv2.GaussianBlur(lum * weight, (0, 0), blur) / np.maximum(cv2.GaussianBlur(weight, (0, 0), blur), 1e-6)
    logs = np.log(lum + eps)
    sigma = share * np.sqrt(np.count_nonzero(inside))
    mean = cv2.GaussianBlur(logs * weight, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-6)
    return (logs - mean)[inside]


def folds_kept(before: np.ndarray, after: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Correlation of high-pass log luminance: the median and the worst over scales, offsets and a mild blur."""
    found = [
        np.corrcoef(*(high_pass(image, inside, share=share, eps=eps, blur=blur) for image in (before, after)))[0, 1]
        for share in (0.01, 0.02, 0.03)
        for eps in (1e-4, 1e-3, 1e-2)
        for blur in (0.0, 1.5)
    ]
    return float(np.median(found)), float(np.min(found))


@dataclass(frozen=True)
class UnderPattern:
    """What is left when the known pattern is divided out.

    `kept`: correlation of that with the photo's folds. `folds`, `pattern`: spread (standard deviation of high-pass log
    luminance) of the folds that were drawn and of the pattern without them. `contrast`: by what the pattern's contrast
    would have to be multiplied for 0.6 without dividing out; over 1 where it is reached.
    """

    kept: float
    folds: float
    pattern: float
    contrast: float


def folds_under_pattern(garment: Garment, prompt: str, inside: np.ndarray) -> UnderPattern:
    """The same with the known pattern divided out: what is left of the picture must be the photo's folds."""
    scene = render.read_scene(garment.image, garment.alpha, garment.axes, garment.zone)
    design = words.understand(prompt, zone=garment.zone)
    cloth = patterns.weave(design, pixels_per_cm=scene.pixels_per_cm, seed=0)
    worn, flat = (
        high_pass(
            render.render(garment.image, garment.alpha, design=design, cloth=cloth, scene=one),
            inside, share=0.02, eps=1e-3, blur=0.0,
        )
        for one in (scene, render.without_folds(scene))
    )  # fmt: skip
    before = high_pass(garment.image, inside, share=0.02, eps=1e-3, blur=0.0)
    drawn_folds = worn - flat
    kept = float(np.corrcoef(before, drawn_folds)[0, 1])
    # folds that are kept by r, beside an unrelated pattern p: 0.6 = r f / sqrt(f^2 + p^2), solved for p
    bearable = drawn_folds.std() * np.sqrt(max(0.0, (kept / 0.6) ** 2 - 1))
    return UnderPattern(kept, float(drawn_folds.std()), float(flat.std()), float(bearable / max(flat.std(), 1e-6)))


def speed(garment: Garment, megapixels: float, prompt: str) -> dict[str, float]:
    """Seconds and extra resident memory for a crop of `megapixels`."""
    import psutil

    factor = (megapixels * 1e6 / garment.alpha.size) ** 0.5
    image = cv2.resize(garment.image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    alpha = cv2.resize(garment.alpha, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    axes = tuple(
        BodyAxis(a.part, tuple(v * factor for v in a.start), tuple(v * factor for v in a.end), a.radius * factor)
        for a in garment.axes
    )
    large = Garment(garment.name, image, alpha, axes, garment.zone)
    process, peaks, ended = psutil.Process(), [0], threading.Event()
    base = process.memory_info().rss

    def watch() -> None:
        while not ended.wait(0.005):
            peaks[0] = max(peaks[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    wall, cpu = time.perf_counter(), time.process_time()
    dressed(large, prompt)
    took = {"wall_s": round(time.perf_counter() - wall, 2), "cpu_s": round(time.process_time() - cpu, 2)}
    ended.set()
    watcher.join()
    return {**took, "peak_mb": round((peaks[0] - base) / 1e6)}


def save_sheet(path: str, garments: list[Garment], prompts: tuple[str, ...], height: int = 320) -> None:
    rows = []
    for garment in garments:
        tiles = [garment.image, *(dressed(garment, prompt) for prompt in prompts)]
        width = int(garment.image.shape[1] * height / garment.image.shape[0])
        rows.append(np.hstack([cv2.resize(tile, (width, height), interpolation=cv2.INTER_AREA) for tile in tiles]))
    widest = max(row.shape[1] for row in rows)
    sheet = np.vstack([np.pad(row, ((0, 0), (0, widest - row.shape[1]), (0, 0))) for row in rows])
    cv2.imwrite(path, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


@dataclass(frozen=True)
class Row:
    garment: str
    prompt: str
    kind: str
    folds: float
    worst: float
    under: UnderPattern | None = None


def measure_folds(garment: Garment, inside: np.ndarray) -> list[Row]:
    rows = []
    for prompt in (*SOLIDS, *PATTERNS):
        kind = "pattern" if prompt in PATTERNS else "structure" if any(w in prompt for w in LOOSE) else "solid"
        median, worst = folds_kept(garment.image, dressed(garment, prompt), inside)
        under = folds_under_pattern(garment, prompt, inside) if kind != "solid" else None
        rows.append(Row(garment.name, prompt, kind, round(median, 3), round(worst, 3), under))
    return rows


def garments_at_hand(folder: Path | None) -> list[Garment]:
    photos = [
        (folder / "fashn_model.webp" if folder else Path("-"), Zone.TOP, "white T-shirt"),
        (folder / "fashn_garment.webp" if folder else Path("-"), Zone.TOP, "black T-shirt with logo"),
        (folder / "fashn_model.webp" if folder else Path("-"), Zone.BOTTOM, "beige trousers"),
        (None, Zone.TOP, "astronaut"),
    ]
    found = [from_photo(path, zone, name) for path, zone, name in photos]
    return [drawn("drawn white", (240, 240, 238)), drawn("drawn black", (16, 16, 18)), *(g for g in found if g)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=os.environ.get("OUTFITSWAP_TEST_PHOTOS"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet")
    parser.add_argument("--quick", action="store_true", help="colours and speed only")
    options = parser.parse_args()
    garments = garments_at_hand(Path(options.photos) if options.photos else None)
    insides = {g.name: measured_inside(g) for g in garments}
    report: dict = {"colours": {}, "folds": [], "speed": {}}
    plain = [g for g in garments if "white" in g.name or "black" in g.name]
    print(f"{'CIEDE2000':12s}" + "".join(f"{g.name[:22]:>24s}" for g in plain))
    for name, colour in COLOURS.items():
        errors = {
            g.name: round(colour_error(g, dressed(g, f"{colour} cotton"), colour, insides[g.name]), 2) for g in plain
        }
        report["colours"][name] = errors
        print(f"{name:12s}" + "".join(f"{errors[g.name]:24.2f}" for g in plain))
    worst = max(v for row in report["colours"].values() for v in row.values())
    print(f"worst {worst:.2f}")
    if not options.quick:
        for garment in garments:
            for row in measure_folds(garment, insides[garment.name]):
                report["folds"].append(asdict(row))
                cleared = ""
                if row.under is not None:
                    cleared = (
                        f"  pattern divided out {row.under.kept:6.3f}, contrast for 0.6: x {row.under.contrast:.2f}"
                    )
                print(
                    f"{row.garment:24s} {row.kind:9s} {row.prompt:26s} {row.folds:6.3f} worst {row.worst:6.3f}{cleared}"
                )
        for kind in ("solid", "structure", "pattern"):
            rows = [row for row in report["folds"] if row["kind"] == kind]
            print(f"{kind:9s} median {statistics.median(row['folds'] for row in rows):.3f}")
    for prompt in ("navy cotton", "red tartan", "black leather", "floral cotton"):
        report["speed"][prompt] = speed(garments[0], 6.0, prompt)
        print(f"6 MP crop, {prompt:14s} {report['speed'][prompt]}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    if options.sheet:
        chosen = ("#000080 cotton", "black leather", "white linen", "red tartan", "breton", "navy polka dot", "floral cotton",
                  "leopard print", "blue denim", "gold sequins", "emerald velvet", "silver satin")  # fmt: skip
        save_sheet(options.sheet, garments, chosen)


if __name__ == "__main__":
    main()
