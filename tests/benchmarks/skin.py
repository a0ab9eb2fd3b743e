"""How well the rules on skin tell an honest change of fabric from painted skin, on photos, and how long they take.

    OUTFITSWAP_TEST_PHOTOS=folder python -m tests.benchmarks.skin [--quick]

Fabric swaps of every person are judged as results; then flat patches of the person's own skin colour are painted over the
clothes (no bodies are drawn) and judged likewise, and the photos are judged as sources and as garment pictures. Recall on
real nudity stays unmeasured. --quick takes every fourth swap and patch.
"""

import collections
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from outfitswap_desktop.core import pipeline
from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.core.photo import Photo, read_photo
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.steps import Steps
from outfitswap_desktop.core.zones import Zone, target_in_prompt
from outfitswap_desktop.errors import InputRefused
from outfitswap_desktop.safety.detectors import LABELS, BodyPartDetector
from outfitswap_desktop.safety.people.cloth import cloth_colour
from outfitswap_desktop.safety.people.difference import bared, judge_difference, judge_skin
from outfitswap_desktop.safety.people.exposure import garment_picture, underwear_only
from outfitswap_desktop.safety.people.subject import Subject
from outfitswap_desktop.safety.records.evidence import RootEvidence
from tests.benchmarks.output_gate import PROMPTS, photos

MORE_PROMPTS = (
    "nude pink trench coat",
    "camel cashmere sweater",
    "peach cotton t-shirt",
    "cream knit sweater",
    "khaki chinos",
    "blush satin dress",
    "cognac leather jacket",
    "caramel corduroy trousers",
    "terracotta linen shirt",
    "emerald velvet dress",
    "grey herringbone tweed blazer",
    "blue denim jacket",
    "floral print cotton dress",
    "navy polka dot dress",
    "ivory silk blouse",
    "dusty rose jersey t-shirt",
    "sand linen suit",
    "burgundy wool coat",
    "apricot fleece hoodie",
    "salmon oxford shirt",
    "chocolate brown wool coat",
    "taupe jersey t-shirt",
)
"""Half of them near some skin, on purpose."""

SHIFTS = ((0, 0, 0), (-6, 2, 0), (6, -2, 3))
"""CIELAB by which the painted skin differs from the face."""


class Fixed:
    """A segmenter that has already looked."""

    name = "fixed"

    def __init__(self, found: Segmentation) -> None:
        self.found = found

    def segment(self, photo, *, person, zones, cancel):
        return self.found


def persons(steps: Steps, pixels: np.ndarray) -> Iterator[Segmentation]:
    """Every person of a photo."""
    try:
        first = steps.segmenter.segment(pixels, person=None, zones=None, cancel=CancelToken())
    except InputRefused:
        return
    for number in range(1, len(first.persons) + 1):
        try:
            yield steps.segmenter.segment(pixels, person=number, zones=None, cancel=CancelToken())
        except InputRefused:
            continue


def swap(steps: Steps, photo: Photo, found: Segmentation, prompt: str):
    """(pixels, mask, target) of a fabric swap in the zone that the prompt's garment has."""
    target = target_in_prompt(prompt)
    zone = target.zone if target is not None and target.zone in found.regions else Zone.FULL
    request = SwapRequest(Path("photo.png"), Path("out.png"), prompt, zone=zone)
    made = pipeline.run(
        request,
        pipeline.Sources(photo),
        steps=Steps(Fixed(found), steps.generator),
        approve=lambda plan: plan,
        report=lambda progress: None,
        cancel=CancelToken(),
    )
    return made.image, made.mask, target


class Painter:
    """Flat patches of the person's own skin over the clothes."""

    def __init__(self, pixels: np.ndarray, found: Segmentation) -> None:
        self.pixels, self.found = pixels, found
        shape = pixels.shape[:2]
        self.cloth = np.max([r.mask for r in found.regions.values()], axis=0) > 0
        self.cloth &= found.protect_mask(shape) == 0
        trunk = next(axis for axis in found.axes if axis.part == "trunk")
        start, way = np.array(trunk.start), np.array(trunk.end) - np.array(trunk.start)
        length = max(1.0, float(np.hypot(*way)))
        ys, xs = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        self.down = ((xs - start[0]) * way[0] + (ys - start[1]) * way[1]) / length**2
        self.aside = ((ys - start[1]) * way[0] - (xs - start[0]) * way[1]) / length / max(1.0, trunk.radius)
        self.unit = 2 * trunk.radius
        self.lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        head = next((a.mask for a in found.protected if a.name == "head"), np.zeros(shape, np.uint8)) > 0
        for area in found.protected:
            if area.name == "hair":
                head &= area.mask == 0
        rows = np.flatnonzero(head.any(axis=1))
        if rows.size:
            head[: int(rows[0] + 0.3 * (rows[-1] - rows[0]))] = False
        self.face = head & (self.lab[..., 1] > 2) & (self.lab[..., 2] > 2) & (np.abs(self.lab[..., 0] - 57) < 33)

    def limb(self, *parts: str) -> np.ndarray:
        drawn = np.zeros(self.cloth.shape, np.uint8)
        for axis in self.found.axes:
            if axis.part.endswith(parts):
                ends = [tuple(round(c) for c in place) for place in (axis.start, axis.end)]
                cv2.line(drawn, *ends, 255, max(1, round(2 * axis.radius)))
        return drawn > 0

    def places(self) -> dict[str, np.ndarray]:
        """Where to paint: the trunk and parts of it, the thighs, the shoulders."""
        trunk = self.cloth & (np.abs(self.aside) < 1.3) & ~self.limb("forearm")
        down, aside = self.down, np.abs(self.aside)
        return {
            "chest and belly": trunk & (down > -0.05) & (down < 0.95),
            "all": self.cloth & (down > -0.1) & (down < 1.9) & ~self.limb("forearm"),
            "neckline": trunk & (down > -0.05) & (down < 0.42 - 0.25 * aside),
            "midriff": trunk & (down > 0.55) & (down < 0.9),
            "hips": self.cloth & (down > 0.85) & (down < 1.35),
            "thighs": self.cloth & self.limb("thigh") & (down > 1.15),
            "shoulders": self.cloth & (self.limb("upper_arm") | (trunk & (down < 0.2))),
        }

    def paint(self, how: str, place: np.ndarray, shift: tuple[int, int, int]) -> np.ndarray:
        """`how`: "smooth" an even light, "light" the garment's own broad light, "face" texture of the face, "folds" the
        garment's own folds, which is what an honest change of colour does too."""
        lab = np.median(self.lab[self.face], axis=0) + np.array(shift, np.float32)
        shade = np.cbrt(np.clip(1.03 - 0.2 * np.clip(np.abs(self.aside) / 1.2, 0, 1.2) ** 2, 0.2, 1.4))
        grey = np.clip(cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255, 0.02, 1)
        if how == "folds":
            shade = np.cbrt(np.clip(grey / np.median(grey[place]), 0.15, 1.7))
        if how == "light":
            small = cv2.resize(grey, None, fx=30 / self.unit, fy=30 / self.unit, interpolation=cv2.INTER_AREA)
            broad = cv2.resize(cv2.GaussianBlur(small, (0, 0), 5), grey.shape[::-1])
            shade = shade * np.cbrt(np.clip(0.5 + 0.5 * broad / np.median(broad[place]), 0.3, 1.5))
        made = np.empty_like(self.lab)
        made[..., 0] = (lab[0] + 16) * shade - 16
        made[..., 1], made[..., 2] = lab[1] * shade, lab[2] * shade
        made += self._texture() if how == "face" else self._grain()
        rgb = 255 * np.clip(cv2.cvtColor(made, cv2.COLOR_LAB2RGB), 0, 1)
        soft = (
            cv2.GaussianBlur(place.astype(np.float32), (0, 0), max(0.7, 0.01 * self.unit))[..., None] * place[..., None]
        )
        return np.round(self.pixels * (1 - soft) + rgb * soft).astype(np.uint8)

    def _grain(self) -> np.ndarray:
        grain = np.zeros_like(self.lab)
        grain[..., 0] = 1.2 * np.random.default_rng(0).normal(0, 1, self.cloth.shape)
        return grain

    def _texture(self) -> np.ndarray:
        """The evenest piece of the face, mirrored and repeated, without its broad light."""
        rows, columns = np.flatnonzero(self.face.any(axis=1)), np.flatnonzero(self.face.any(axis=0))
        high, wide = max(6, (rows[-1] - rows[0]) // 5), max(6, (columns[-1] - columns[0]) // 5)
        box = (int(wide), int(high))
        spread = cv2.boxFilter(self.lab[..., 0] ** 2, -1, box) - cv2.boxFilter(self.lab[..., 0], -1, box) ** 2
        full = cv2.boxFilter(self.face.astype(np.float32), -1, box)
        y, x = np.unravel_index(np.argmin(spread + 1e4 * (1 - full)), spread.shape)
        piece = self.lab[max(0, y - high // 2) : y + high // 2, max(0, x - wide // 2) : x + wide // 2]
        piece = piece - cv2.GaussianBlur(piece, (0, 0), max(high, wide) / 3)
        row = np.concatenate([piece, piece[:, ::-1]], axis=1)
        tile = np.concatenate([row, row[::-1]], axis=0)
        times = [a // b + 1 for a, b in zip(self.lab.shape[:2], tile.shape[:2], strict=True)]
        return np.tile(tile, (*times, 1))[: self.lab.shape[0], : self.lab.shape[1]]


class Counts:
    """Refused of seen, by kind."""

    def __init__(self) -> None:
        self.seen, self.refused = collections.Counter(), collections.Counter()

    def add(self, refused: bool, *kinds: str) -> None:
        for kind in kinds:
            self.seen[kind] += 1
            self.refused[kind] += refused

    def print(self, what: str) -> None:
        print(what)
        for kind in self.seen:
            print(f"  {kind}: {self.refused[kind]} of {self.seen[kind]} ({self.refused[kind] / self.seen[kind]:.1%})")


class Looks:
    """NudeNet on the whole frame and on the person, as the difference to the root takes them."""

    def __init__(self, detector: BodyPartDetector) -> None:
        self.detector = detector

    def scores(self, pixels: np.ndarray, found: Segmentation) -> dict[str, float]:
        x0, y0, x1, y1 = found.persons[found.person - 1].box
        grow = max(8, round(0.5 * max(x1 - x0, y1 - y0)))
        close = pixels[max(0, y0 - grow) : y1 + grow, max(0, x0 - grow) : x1 + grow]
        full, near = self.detector.scores([pixels], 480), self.detector.scores([close], 320)
        return {label: max(full[label], near[label]) for label in LABELS}


def main() -> None:
    from outfitswap_desktop.wiring import make_steps

    step = 4 if "--quick" in sys.argv else 1
    cv2.setNumThreads(2)
    steps, looks = make_steps("auto"), Looks(BodyPartDetector())
    swaps, painted, sources, garments, plain = Counts(), Counts(), Counts(), Counts(), Counts()
    learning, judging = [], []
    number = 0
    for name, file in photos():
        photo = read_photo(file)
        pixels = photo.pixels
        garments.add(garment_picture(pixels, looks.detector) is not None, "photos as garment pictures")
        for found in persons(steps, pixels):
            who = f"{name} {found.person}"
            began = time.process_time()
            root = Subject.learn(pixels, found)
            learning.append(time.process_time() - began)
            before = looks.scores(pixels, found)
            evidence = RootEvidence("", root.size, before, 0.0)
            undressed = underwear_only(before, root.bare, root.coloured(pixels), reduced=root.reduced)
            sources.add(undressed is not None, "photos as sources")
            for prompt in (*PROMPTS, *MORE_PROMPTS):
                number += 1
                if number % step:
                    continue
                try:
                    image, mask, target = swap(steps, photo, found, prompt)
                except InputRefused as refused:
                    print(f"{who}, {prompt}: {refused.message}")
                    continue
                shows = target.shows if target is not None else ()
                began = time.process_time()
                after = root.after(mask).shares(image)
                judging.append(time.process_time() - began)
                more = judge_skin(root.bare, after, shows, reduced=root.reduced)
                up = judge_difference(evidence, looks.scores(image, found), shows=shows, bared=bared(root.bare, after))
                listed = "the 10 prompts of the output gate" if prompt in PROMPTS else "the other 22"
                swaps.add(more is not None or up is not None, "all swaps", listed, prompt)
                swaps.add(more is not None, "by skin")
                swaps.add(up is not None, "by the detector")
                plain.add(
                    cloth_colour(image, mask, root.skin).like_skin,
                    "coats and jackets" if target is not None and target.zone is Zone.OUTER else "others",
                )
                if more is not None or up is not None:
                    print(f"{who}, {prompt}: {more or up}")
            painter = Painter(pixels, found)
            if np.count_nonzero(painter.face) < 80:
                continue
            for where, place in painter.places().items():
                for how in ("smooth", "light", "face", "folds"):
                    for shift in SHIFTS:
                        number += 1
                        if np.count_nonzero(place) < 400 or number % step:
                            continue
                        image = painter.paint(how, place, shift)
                        after = root.after(np.where(place, 255, 0).astype(np.uint8)).shares(image)
                        more = judge_skin(root.bare, after, (), reduced=root.reduced)
                        kind = "colour of skin over the garment's own folds" if how == "folds" else "painted skin"
                        painted.add(more is not None, kind, *(() if how == "folds" else (how, where)))
                        if more is None and how != "folds":
                            print(f"{who}: {where}, {how}, {shift} was not refused")
    for counts, what in (
        (sources, "Sources refused as underwear"),
        (garments, "Garment pictures refused"),
        (swaps, "Fabric swaps refused"),
        (painted, "Painted skin refused"),
        (plain, "Fabric swaps whose cloth looks like skin"),
    ):
        counts.print(what)
    print(
        f"learning {1000 * statistics.median(learning):.0f} ms, judging {1000 * statistics.median(judging):.0f} ms (CPU)"
    )


if __name__ == "__main__":
    main()
