"""How often the gates refuse ordinary photos and fabric swaps of them, all adults, and how long the whole output gate takes.

    OUTFITSWAP_TEST_PHOTOS=folder[:folder] python -m tests.benchmarks.output_gate [--prompts N] [--time]

No nudity is looked at here: recall stays unmeasured. Refusals are printed with gate and reason; the age gate has its own
benchmark (tests.benchmarks.age).
"""

import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from outfitswap_desktop.core import pipeline
from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.steps import Steps
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import GateRefused, KnownError
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.stages import RawOutput
from tests.fakes import STATED
from tests.safety.pictures import png

PROMPTS = (
    "navy linen shirt",
    "white cotton",
    "black leather jacket",
    "beige wool coat",
    "nude pink trench coat",
    "tan suede jacket",
    "brown corduroy",
    "red tartan flannel",
    "silver sequins",
    "leopard print velvet",
    "emerald velvet",
    "light blue denim",
    "camel cashmere sweater",
    "mustard knit",
    "pink floral cotton",
    "burgundy satin",
    "navy pinstripe wool",
    "white and blue gingham",
    "olive corduroy jacket",
    "rust orange linen",
)


@dataclass
class Once:
    """A segmenter that finds everybody once per photo."""

    inner: object
    name: str = "once"
    kept: dict[int, Segmentation] = field(default_factory=dict)

    def segment(self, photo, *, person, zones, cancel):
        key = hash(photo[::7, ::7].tobytes())
        if key not in self.kept:
            self.kept = {key: self.inner.segment(photo, person=person, zones=None, cancel=cancel)}
        return self.kept[key]


def photos() -> Iterator[tuple[str, bytes]]:
    import skimage.data

    yield "astronaut", png(skimage.data.astronaut())
    for folder in os.environ.get("OUTFITSWAP_TEST_PHOTOS", "").split(os.pathsep):
        for path in sorted(Path(folder).iterdir()) if folder else ():
            if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") and path.stem != "astronaut":
                yield path.name, path.read_bytes()


@dataclass
class Tally:
    swaps: int = 0
    refused: Counter = field(default_factory=Counter)
    sources: int = 0
    sources_refused: Counter = field(default_factory=Counter)
    moved: int = 0


def swap_all(name: str, file: bytes, kernel: SafetyKernel, steps: Steps, *, prompts: int, tally: Tally) -> None:
    tally.sources += 1
    try:
        source = kernel.open_photo(file)
        found = steps.segmenter.segment(source.pixels, person=None, zones=None, cancel=CancelToken())
    except KnownError as problem:
        tally.sources_refused[problem.reason] += 1
        print(f"{name}: {problem.reason}: {problem.message}", flush=True)
        return
    for zone in [zone for zone in found.regions if zone is not Zone.FULL] or [Zone.FULL]:
        for prompt in PROMPTS[:prompts]:
            one(f"{name}, {zone.value}, {prompt}", source, prompt, zone, kernel=kernel, steps=steps, tally=tally)


def one(title, source, prompt, zone, *, kernel, steps, tally) -> None:
    request = SwapRequest(Path("in.png"), Path("out.png"), prompt, zone=zone, **STATED)
    plans = []

    def approve(planned):
        plan = kernel.check_plan(checked, planned.alpha, zone=planned.zone, found=planned.segmentation, keeps_cut=True)
        plans.append(plan)
        alpha = np.where(plan.mask > 0, planned.alpha, 0).astype(np.uint8)
        return replace(planned, alpha=alpha, recolour=plan.recolour)

    tally.swaps += 1
    try:
        checked = kernel.check_request(request, source)
        result = pipeline.run(
            request,
            pipeline.Sources(source.photo),
            steps=steps,
            approve=approve,
            report=lambda _: None,
            cancel=CancelToken(),
        )
        tally.moved += any("moved away from the skin's" in note for note in result.notes)
        kernel.release(RawOutput(result.image, result.mask, plans[0]))
    except GateRefused as refused:
        tally.refused[refused.reason] += 1
        scores = getattr(getattr(refused, "verdict", None), "scores", {})
        print(f"{title}: {refused.reason} { ({k: round(v, 3) for k, v in scores.items()}) }", flush=True)
    except KnownError as problem:
        tally.swaps -= 1
        print(f"{title}: not counted, {problem.reason}", flush=True)


def time_the_gate() -> None:
    """The whole output gate on 1 MP: mark, frame, NudeNet, OpenNSFW, difference, skin; the median of fifteen."""
    import skimage.data

    from outfitswap_desktop.wiring import embedded_segmenters

    photo = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((1000, 1000), Image.Resampling.LANCZOS))
    kernel = SafetyKernel()
    source = kernel.open_photo(png(photo))
    found = embedded_segmenters()[0].segment(photo, person=None, zones=None, cancel=CancelToken())
    checked = kernel.check_request(SwapRequest(Path("in.png"), Path("out.png"), "navy linen", **STATED), source)
    plan = kernel.check_plan(checked, found.regions[Zone.TOP].alpha, zone=Zone.TOP, found=found, keeps_cut=True)
    pixels = source.pixels.copy()
    pixels[plan.mask > 0] = pixels[plan.mask > 0] // 2 + np.array((10, 20, 60), np.uint8)
    spans, cpu = [], []
    for _ in range(15):
        began, used = time.perf_counter(), time.process_time()
        kernel.release(RawOutput(pixels, plan.mask, plan))
        spans.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
    print(
        f"output gate, 1 MP: median {statistics.median(spans) * 1000:.0f} ms, best {min(spans) * 1000:.0f} ms; "
        f"CPU {statistics.median(cpu) * 1000:.0f} ms"
    )


def main() -> None:
    if "--time" in sys.argv:
        time_the_gate()
        return
    from outfitswap_desktop.wiring import make_steps

    prompts = int(sys.argv[sys.argv.index("--prompts") + 1]) if "--prompts" in sys.argv else len(PROMPTS)
    made = make_steps("auto")
    steps = Steps(segmenter=Once(made.segmenter), generator=made.generator)
    kernel, tally = SafetyKernel(), Tally()
    for name, file in photos():
        swap_all(name, file, kernel, steps, prompts=prompts, tally=tally)
    print(f"\nphotos refused: {sum(tally.sources_refused.values())} of {tally.sources} {dict(tally.sources_refused)}")
    refused = sum(tally.refused.values())
    print(f"swaps refused: {refused} of {tally.swaps} ({refused / max(1, tally.swaps):.1%}) {dict(tally.refused)}")
    print(f"colours moved away from the skin's: {tally.moved}")


if __name__ == "__main__":
    main()
