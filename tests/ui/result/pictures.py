"""A photo, a result of it and a desk that answers what a test has laid out for it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from outfitswap_desktop.engine.messages import PhotoOpened, ResultPicture, SwapDone


@dataclass
class FakeDesk:
    """Remembers what was asked; `answers` maps a request's class to what is answered at once, or to a Problem."""

    answers: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    def ask(self, request, answered, failed=None, progressed=None, *, key=""):
        self.asked.append(request)
        if type(request) in self.answers:
            answer = self.answers[type(request)]
            answer = answer(request) if callable(answer) else answer
            (failed if type(answer).__name__ == "Problem" else answered)(answer)
        return len(self.asked)

    def of(self, kind):
        return [request for request in self.asked if isinstance(request, kind)]


def photo_pixels(height=120, width=160, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def box_mask(height=120, width=160):
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 255
    return mask


def altered(pixels, mask):
    result = pixels.copy()
    result[mask > 0] = 255 - result[mask > 0]
    result.flags.writeable = False
    return result


def opened(pixels, sha256="b" * 64):
    return PhotoOpened(sha256, pixels, consented=True)


def picture(pixels, output=Path("/results/navy.png"), sha256="a" * 64):
    return ResultPicture(pixels, output, sha256)


def done(result, **about):
    return SwapDone({"entry_id": 5, "engine": "fabric", "outside_mask_changed_pixels": 0} | about, result)
