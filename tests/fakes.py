"""Scripted steps for tests of the road itself: a segmenter that knows where everything is, a generator that inverts."""

from dataclasses import dataclass, field

import numpy as np

from outfitswap_desktop.core.regions import BodyAxis, Person, ProtectedArea, Region, Segmentation
from outfitswap_desktop.core.steps import Generated
from outfitswap_desktop.core.zones import Zone


def altered(pixels):
    """What the scripted generator makes of pixels: a strong blue, and so no skin whatever the picture."""
    red, green, blue = np.moveaxis(pixels, -1, 0)
    return np.stack([red // 2, green // 2, 255 - blue // 2], axis=-1)


STATED = {"consent": "self", "adult_attested": True}
"""The statements without which nothing is made, as a request holds them."""


def box_mask(shape, x0, y0, x1, y1):
    """A 0/255 mask with a rectangle given in shares of width and height."""
    height, width = shape
    mask = np.zeros(shape, np.uint8)
    mask[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)] = 255
    return mask


@dataclass
class FakeSegmenter:
    """Finds one person with a top and a bottom and a head that overlaps the top."""

    name: str = "fake"
    problem: Exception | None = None
    zones: tuple[Zone, ...] = (Zone.TOP, Zone.BOTTOM, Zone.FULL)
    calls: list = field(default_factory=list)
    confidence: float = 0.9

    def segment(self, photo, *, person, zones, cancel):
        self.calls.append((person, zones))
        if self.problem is not None:
            raise self.problem
        shape = photo.shape[:2]
        boxes = {
            Zone.TOP: box_mask(shape, 0.3, 0.25, 0.7, 0.6),
            Zone.BOTTOM: box_mask(shape, 0.35, 0.6, 0.65, 0.9),
            Zone.DRESS: box_mask(shape, 0.3, 0.25, 0.7, 0.9),
            Zone.OUTER: box_mask(shape, 0.28, 0.25, 0.72, 0.7),
            Zone.FULL: box_mask(shape, 0.3, 0.25, 0.7, 0.9),
        }
        wanted = zones if zones is not None else set(self.zones)
        regions = {z: Region(z, boxes[z], boxes[z], self.confidence) for z in boxes if z in wanted}
        height, width = shape
        head = ProtectedArea("head", box_mask(shape, 0.4, 0.05, 0.6, 0.3), 0.95)
        trunk = BodyAxis("trunk", (width / 2, 0.28 * height), (width / 2, 0.6 * height), 0.2 * width)
        return Segmentation(self.name, (Person(1, (0, 0, width, height), 0.9),), 1, regions, (head,), axes=(trunk,))


@dataclass
class InvertingGenerator:
    """Returns the negative of the crop; can be told to be small, to raise, or to cancel half-way."""

    name: str = "invert"
    max_pixels: int | None = None
    multiple: int = 1
    keeps_cut: bool = True
    problem: Exception | None = None
    requests: list = field(default_factory=list)
    on_generate: object = None

    def generate(self, request, *, report, cancel):
        self.requests.append(request)
        if self.on_generate is not None:
            self.on_generate()
        cancel.check()
        if self.problem is not None:
            raise self.problem
        report(1.0)
        return Generated(altered(request.image), composited=True, plan={"inverted": True})
