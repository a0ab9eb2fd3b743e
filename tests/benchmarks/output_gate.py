"""How often the output gate refuses ordinary photos, their variations and fabric swaps of them, and how long it takes.

    OUTFITSWAP_TEST_PHOTOS=folder python -m tests.benchmarks.output_gate [--swaps]

No nudity is looked at here: recall stays unmeasured. The scores are printed, so that a change of a detector shows.
"""

import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.errors import GateRefused, InputRefused
from outfitswap_desktop.safety.gates import EXPOSED
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.stages import RawOutput
from tests.safety.pictures import png

PROMPTS = (
    "navy linen shirt",
    "white cotton shirt",
    "black leather jacket",
    "beige wool coat",
    "nude pink silk shirt",
    "tan suede jacket",
    "brown corduroy",
    "red tartan flannel",
    "silver sequins",
    "leopard print velvet",
)


def photos() -> Iterator[tuple[str, np.ndarray]]:
    import skimage.data

    yield "astronaut", skimage.data.astronaut()
    folder = os.environ.get("OUTFITSWAP_TEST_PHOTOS")
    for path in sorted(Path(folder).iterdir()) if folder else ():
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") and path.stem != "astronaut":
            yield path.name, np.asarray(Image.open(path).convert("RGB"))


def variations(pixels: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    picture = Image.fromarray(pixels)
    height, width = pixels.shape[:2]
    yield "plain", pixels
    yield "mirror", pixels[:, ::-1]
    for factor in (0.4, 0.7, 1.3, 1.6):
        yield f"brightness {factor}", np.asarray(ImageEnhance.Brightness(picture).enhance(factor))
    for factor in (0.0, 0.5, 1.6):
        yield f"saturation {factor}", np.asarray(ImageEnhance.Color(picture).enhance(factor))
    for radius in (1.0, 2.5):
        yield f"blur {radius}", np.asarray(picture.filter(ImageFilter.GaussianBlur(radius * max(pixels.shape) / 1000)))
    yield "upper half", pixels[: height // 2]
    yield "lower half", pixels[height // 2 :]
    yield "left half", pixels[:, : width // 2]
    yield "right half", pixels[:, width // 2 :]
    for side in (320, 640):
        scale = side / max(height, width)
        yield f"{side} px", np.asarray(picture.resize((round(width * scale), round(height * scale))))
    noise = np.random.default_rng(0).normal(0, 12, pixels.shape)
    yield "noise", np.clip(pixels + noise, 0, 255).astype(np.uint8)
    yield "warm", np.clip(pixels * np.array([1.15, 1, 0.8]), 0, 255).astype(np.uint8)


class Tally:
    """Counts refusals and keeps the times."""

    def __init__(self) -> None:
        self.seen, self.refused, self.seconds = 0, [], []

    def release(self, kernel: SafetyKernel, name: str, output: RawOutput) -> None:
        self.seen += 1
        began = time.perf_counter()
        try:
            scores = kernel.release(output).scores
            worst = max((scores[f"body_parts.{label}"], label) for label in EXPOSED)
            print(f"  {name}: {worst[1]} {worst[0]:.2f}, nsfw {scores['whole_image.nsfw']:.2f}")
        except GateRefused as refused:
            self.refused.append(name)
            print(f"  {name}: REFUSED {refused.reason}: {refused.message}")
        self.seconds.append(time.perf_counter() - began)

    def summary(self, what: str) -> str:
        return (
            f"{what}: {len(self.refused)} of {self.seen} refused; "
            f"{1000 * statistics.median(self.seconds):.0f} ms median: {', '.join(self.refused)}"
        )


def plain_photos(kernel: SafetyKernel) -> Tally:
    tally = Tally()
    for name, pixels in photos():
        for change, varied in variations(pixels):
            if min(varied.shape[:2]) < 64:
                continue
            source = kernel.open_photo(png(np.ascontiguousarray(varied)))
            shape = varied.shape[:2]
            whole = np.full(shape, 255, np.uint8)
            tally.release(kernel, f"{name}, {change}", RawOutput(source.pixels, whole, source, kind="overlay"))
    return tally


class Remembering:
    """A segmenter that looks at each photo once for each set of zones."""

    name = "remembering"

    def __init__(self, segmenter) -> None:
        self.segmenter, self.known = segmenter, {}

    def segment(self, photo, *, person, zones, cancel):
        key = (photo.shape, photo.tobytes()[:: max(1, photo.size // 5000)], person, zones)
        if key not in self.known:
            self.known[key] = self.segmenter.segment(photo, person=person, zones=zones, cancel=cancel)
        return self.known[key]


def fabric_swaps(kernel: SafetyKernel) -> Tally:
    from outfitswap_desktop.core import pipeline
    from outfitswap_desktop.core.steps import Steps
    from outfitswap_desktop.core.zones import Zone
    from outfitswap_desktop.wiring import make_steps

    made = make_steps("auto")
    steps = Steps(Remembering(made.segmenter), made.generator)
    tally = Tally()
    for name, pixels in photos():
        source = kernel.open_photo(png(pixels))
        for prompt in PROMPTS:
            request = SwapRequest(Path(name), Path("out.png"), prompt, zone=Zone.FULL)
            checked = kernel.check_request(request, source)
            try:
                result = pipeline.run(
                    request,
                    pipeline.Sources(source.photo, None, None),
                    steps=steps,
                    report=lambda progress: None,
                    cancel=CancelToken(),
                )
            except InputRefused as refused:
                print(f"  {name}, {prompt}: {refused.message}")
                break
            found = result.segmentation
            persons = tuple(person.box for person in found.persons) if found else ()
            output = RawOutput(result.image, result.mask, source, request=checked, persons=persons)
            tally.release(kernel, f"{name}, {prompt}", output)
    return tally


def main() -> None:
    kernel = SafetyKernel()
    tallies = {"ordinary photos and variations": plain_photos(kernel)}
    if "--swaps" in sys.argv:
        tallies["fabric swaps"] = fabric_swaps(kernel)
    for what, tally in tallies.items():
        print(tally.summary(what))


if __name__ == "__main__":
    main()
