"""What the age guess says of the adults at hand, on their photos as they are and on 20 changes of them, and how long it takes.

    OUTFITSWAP_TEST_PHOTOS=folder python -m tests.benchmarks.age [--segment] [--quiet]

Every person is an adult, so each refusal is a false one. No minor is looked at here: what the guess misses stays unmeasured.
`--segment` asks the program's own segmenter for persons and heads, on the unchanged photos only; without it a person is the
labelled box (labels/), or the whole frame where a photo has no label.
"""

import io
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.errors import InputRefused
from outfitswap_desktop.safety.detectors import BodyPartDetector
from outfitswap_desktop.safety.people.age import AgeAnswer, AgeEstimator, assess
from outfitswap_desktop.safety.people.faces import face_of, faces
from tests.benchmarks.output_gate import photos

LABELS = Path(__file__).parent / "labels"
Move = Callable[[Box], Box]


def persons(name: str, pixels: np.ndarray) -> list[Box]:
    """Labelled persons, else one who fills the frame."""
    label = next(LABELS.glob(f"{name}*.json"), None)
    if label is None:
        return [(0, 0, pixels.shape[1], pixels.shape[0])]
    return [tuple(int(value) for value in person["box"]) for person in json.loads(label.read_text("utf-8"))["persons"]]


def stay(box: Box) -> Box:
    return box


def scaled(by: float) -> Move:
    return lambda box: tuple(round(by * value) for value in box)


def variations(pixels: np.ndarray) -> Iterator[tuple[str, np.ndarray, Move]]:
    picture = Image.fromarray(pixels)
    height, width = pixels.shape[:2]
    yield "plain", pixels, stay
    yield "mirror", pixels[:, ::-1], lambda box: (width - box[2], box[1], width - box[0], box[3])
    for factor in (0.25, 0.4, 0.7, 1.4, 1.8):
        yield f"brightness {factor}", np.asarray(ImageEnhance.Brightness(picture).enhance(factor)), stay
    for factor in (0.5, 1.6):
        yield f"contrast {factor}", np.asarray(ImageEnhance.Contrast(picture).enhance(factor)), stay
    for radius in (1.0, 2.5, 4.0):
        soft = picture.filter(ImageFilter.GaussianBlur(radius * max(pixels.shape) / 1000))
        yield f"blur {radius}", np.asarray(soft), stay
    for side in (320, 640):
        by = side / max(height, width)
        small = picture.resize((round(width * by), round(height * by)), Image.Resampling.LANCZOS)
        yield f"{side} px", np.asarray(small), scaled(by)
    noise = np.random.default_rng(0).normal(0, 12, pixels.shape)
    yield "noise", np.clip(pixels + noise, 0, 255).astype(np.uint8), stay
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=20)
    yield "jpeg 20", np.asarray(Image.open(stream).convert("RGB")), stay
    yield "warm", np.clip(pixels * np.array([1.15, 1, 0.8]), 0, 255).astype(np.uint8), stay
    yield "grey", np.asarray(picture.convert("L").convert("RGB")), stay
    for shift in (7, 10):
        yield f"cut {shift} px", pixels[shift:, shift:], lambda box, by=shift: tuple(max(0, v - by) for v in box)


def verdict(answer: AgeAnswer) -> str:
    return "unknown" if answer.age is None else answer.decision


def told(answer: AgeAnswer) -> str:
    if answer.age is None:
        return "unknown"
    age = answer.age
    return (
        f"{answer.decision}: {age.median:.0f} years, P(<18) {age.minor:.2f}, looks spread over {age.spread:.0f} years"
    )


def changed_photos(body_parts: BodyPartDetector, estimator: AgeEstimator, *, quiet: bool) -> None:
    by_change: dict[str, Counter[str]] = {}
    by_person: dict[str, Counter[str]] = {}
    moved: dict[str, list[float]] = {}
    plain: dict[str, float] = {}
    for name, pixels in photos():
        for number, person in enumerate(persons(name, pixels), start=1):
            who = f"{name} {number}"
            for change, varied, move in variations(pixels):
                answer = assess(varied, person=move(person), head=None, body_parts=body_parts, estimator=estimator)
                by_change.setdefault(change, Counter())[verdict(answer)] += 1
                by_person.setdefault(who, Counter())[verdict(answer)] += 1
                if answer.age is not None and change == "plain":
                    plain[who] = answer.age.median
                if answer.age is not None and who in plain:
                    moved.setdefault(change, []).append(answer.age.median - plain[who])
                if not quiet or change == "plain" or answer.decision == "refused":
                    print(f"  {who}, {change}: {told(answer)}")
    print("\nby change (and how far ages moved from the unchanged photo's)")
    for change, counts in by_change.items():
        years = moved.get(change, [0.0])
        far = f"{statistics.mean(map(abs, years)):.1f} years on average, {min(years):+.0f} to {max(years):+.0f}"
        print(f"  {change}: {dict(counts)}; {far}")
    print("\nby person")
    for who, counts in by_person.items():
        print(f"  {who}: {dict(counts)}")
    total = sum(by_change.values(), Counter())
    print(f"\nall: {dict(total)} of {total.total()}; refused {100 * total['refused'] / total.total():.1f} %")


def segmented_photos(body_parts: BodyPartDetector, estimator: AgeEstimator) -> None:
    """The road as the gate takes it: persons and heads from the program's own segmenter."""
    from outfitswap_desktop.wiring import make_steps

    segmenter = make_steps("auto").segmenter
    for name, pixels in photos():
        number, last = 1, 1
        while number <= last:
            try:
                found = segmenter.segment(pixels, person=number, zones=None, cancel=CancelToken())
            except InputRefused as refused:
                print(f"  {name} {number}: {refused.message}")
                break
            last = len(found.persons)
            box = found.persons[found.person - 1].box
            head = next((area.mask for area in found.protected if area.name == "head"), None)
            answer = assess(pixels, person=box, head=head, body_parts=body_parts, estimator=estimator)
            print(f"  {name} {number}{'' if head is not None else ' (no head)'}: {told(answer)}")
            number += 1


def speed(body_parts: BodyPartDetector, estimator: AgeEstimator) -> None:
    for name, pixels in photos():
        frame = (0, 0, pixels.shape[1], pixels.shape[0])
        face = face_of(frame, None, faces(pixels, body_parts))
        if face is None or face.size < 48:
            continue
        walls, works = [], []
        for _ in range(9):
            began, worked = time.perf_counter(), time.process_time()
            estimator.estimate(pixels, face.box)
            walls.append(time.perf_counter() - began)
            works.append(time.process_time() - worked)
        wall, work = 1000 * statistics.median(walls), 1000 * statistics.median(works)
        print(f"  {name}: a face of {face.size} px: {wall:.0f} ms, {work:.0f} ms of processor time")


def main() -> None:
    body_parts, estimator = BodyPartDetector(), AgeEstimator()
    if "--segment" in sys.argv:
        segmented_photos(body_parts, estimator)
    else:
        changed_photos(body_parts, estimator, quiet="--quiet" in sys.argv)
    speed(body_parts, estimator)


if __name__ == "__main__":
    main()
