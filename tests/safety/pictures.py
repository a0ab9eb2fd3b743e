"""Pictures, requests, a person and scripted detectors for the tests of the gates."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.core.regions import BodyAxis, Person, ProtectedArea, Region, Segmentation
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.safety.detectors import LABELS, BodyPartReading, Detection
from outfitswap_desktop.safety.people.age import ApparentAge
from outfitswap_desktop.safety.stages import RawOutput

PROMPT = "navy linen shirt"


def png(pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def photo(seed: int = 0, size=(96, 128)) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8))


def middle(shape) -> np.ndarray:
    height, width = shape[:2]
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 255
    return mask


def person(shape, *, zone=Zone.TOP, mask=None) -> Segmentation:
    """Somebody who wears `mask` (the middle) as `zone`, with a head above it."""
    height, width = shape[:2]
    garment = middle(shape) if mask is None else mask
    head = np.zeros((height, width), np.uint8)
    head[: height // 4, width // 4 : width // 2] = 255
    trunk = BodyAxis("trunk", (0.375 * width, 0.25 * height), (0.375 * width, 0.5 * height), 0.12 * width)
    return Segmentation(
        "scripted",
        (Person(1, (0, 0, width, height), 0.9, ("face", "pose")),),
        1,
        {zone: Region(zone, garment, garment, 0.9)},
        (ProtectedArea("head", head, 0.9),),
        axes=(trunk,),
    )


def wish(**changes) -> SwapRequest:
    """A request with all statements made."""
    said = {"photo": Path("in.png"), "output": Path("out.png"), "prompt": PROMPT, "consent": "self"}
    return SwapRequest(**(said | {"adult_attested": True} | changes))


def planned(kernel, source, *, mask=None, zone=Zone.TOP, found=True, outline=None, keeps_cut=True, **changes):
    """A plan that `kernel` has checked: `mask` (the middle) on the scripted person."""
    alpha = middle(source.pixels.shape) if mask is None else mask
    checked = kernel.check_request(wish(**changes), source, outline=outline)
    there = person(source.pixels.shape, zone=zone) if found is True else found
    return kernel.check_plan(checked, alpha, zone=zone, found=there or None, keeps_cut=keeps_cut)


def raw(kernel, source, **changes) -> RawOutput:
    """A result that inverts the middle of its source."""
    plan = planned(kernel, source, **changes)
    pixels = source.pixels.copy()
    pixels[plan.mask > 0] = 255 - pixels[plan.mask > 0]
    return RawOutput(pixels, plan.mask.copy(), plan)


def place(label, look):
    """Where the stub sees a part: a face in the scripted person's head, all else everywhere."""
    height, width = look.shape[:2]
    return (width // 4, 0, width // 2, height // 4) if label.startswith("FACE") else (0, 0, width, height)


@dataclass
class BodyPartsStub:
    """Answers with chosen scores or does what it is told instead."""

    answer: dict | None = None
    instead: object = None
    looks: list | None = None

    def scores(self, looks, side):
        if self.looks is not None:
            self.looks.append((side, [look.copy() for look in looks]))
        if self.instead is not None:
            return self.instead()
        return dict.fromkeys(LABELS, 0.01) | (self.answer or {})

    def read(self, looks, side):
        scores = self.scores(looks, side)
        boxes = tuple(
            tuple(
                Detection(label, score, place(label, look))
                for label, score in scores.items()
                if score is not None and not score < 0.05 and (side == 480 or not label.startswith("FACE"))
            )
            for look in looks
        )
        return BodyPartReading(scores, boxes)

    def boxes(self, looks, side):
        return self.read(looks, side).boxes


@dataclass
class WholeImageStub:
    answer: float = 0.01
    instead: object = None

    def score(self, image):
        return self.instead() if self.instead is not None else self.answer


@dataclass
class AgeStub:
    """Says the same of every face."""

    median: float = 35.0
    minor: float = 0.01
    instead: object = None

    def estimate(self, image, face):
        return self.instead() if self.instead is not None else ApparentAge(self.median, self.minor, 4.0, 18)


def script(kernel, *, body_parts=None, whole_image=None, age=None):
    """Give `kernel` scripted detectors."""
    kernel._detectors._body_parts = body_parts or BodyPartsStub()
    kernel._detectors._whole_image = whole_image or WholeImageStub()
    kernel._detectors._age = age or AgeStub()
    return kernel
