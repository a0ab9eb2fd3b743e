"""Pictures, requests and scripted detectors for the tests of the gates."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.safety.detectors import LABELS
from outfitswap_desktop.safety.stages import RawOutput


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


def raw(kernel, source, kind="result", persons=()) -> RawOutput:
    """A result that inverts the middle of its source."""
    mask = middle(source.pixels.shape)
    pixels = source.pixels.copy()
    pixels[mask > 0] = 255 - pixels[mask > 0]
    request = kernel.check_request(SwapRequest(Path("in.png"), Path("out.png"), "navy linen shirt"), source)
    return RawOutput(pixels, mask, source, request=request, persons=persons, kind=kind)


@dataclass
class BodyPartsStub:
    """Answers with chosen scores, or does what it is told instead."""

    answer: dict | None = None
    instead: object = None
    looks: list | None = None

    def scores(self, looks, side):
        if self.looks is not None:
            self.looks.append((side, [look.copy() for look in looks]))
        if self.instead is not None:
            return self.instead()
        return dict.fromkeys(LABELS, 0.01) | (self.answer or {})


@dataclass
class WholeImageStub:
    answer: float = 0.01
    instead: object = None

    def score(self, image):
        return self.instead() if self.instead is not None else self.answer


def script(kernel, *, body_parts=None, whole_image=None):
    """Give `kernel` scripted detectors."""
    kernel._detectors._body_parts = body_parts or BodyPartsStub()
    kernel._detectors._whole_image = whole_image or WholeImageStub()
    return kernel
