"""The gates: fixed tuples that every picture and request passes in order; each judges the very array that is used.

A gate that cannot judge has refused: a raise, a number that is not one, or no answer in time never lets anything pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.container import MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, MIN_SIDE
from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.core.regions import Box, box_of
from outfitswap_desktop.safety.detectors import Detectors
from outfitswap_desktop.safety.stages import CheckedSource, DecodedImage, Verdict

BUDGET_SECONDS: Final = 20.0
"""A gate that has not answered after this long has refused."""

EXPOSED_LIMIT: Final = 0.25
NSFW_LIMIT: Final = 0.5

EXPOSED: Final = (
    "FEMALE_BREAST_EXPOSED",
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
    "BUTTOCKS_EXPOSED",
    "ANUS_EXPOSED",
)
"""NudeNet's classes that no result may show."""

FORMATS: Final = ("JPEG", "PNG", "WEBP")

FRAME_SIDE: Final = 480
CROP_SIDE: Final = 320
MOST_CROPS: Final = 6
AROUND_CHANGE: Final = 0.25
AROUND_PERSON: Final = 0.5


class SourceGate(Protocol):
    """Judges one decoded picture before anything uses it."""

    name: str

    def thresholds(self) -> Mapping[str, Any]: ...

    def judge(self, image: DecodedImage, detectors: Detectors) -> Verdict: ...


class RequestGate(Protocol):
    """Judges what is asked for, before a generator sees it. The prompt gate and consent come here."""

    name: str

    def thresholds(self) -> Mapping[str, Any]: ...

    def judge(self, request: SwapRequest, parts: RequestParts) -> Verdict: ...


class OutputGate(Protocol):
    """Judges one picture before it may be shown or saved."""

    name: str

    def thresholds(self) -> Mapping[str, Any]: ...

    def judge(self, output: Judged, detectors: Detectors) -> Verdict: ...


class RequestParts:
    """The checked pictures that a request works on."""

    __slots__ = ("garment", "mask", "source")

    def __init__(self, source: CheckedSource, *, garment: CheckedSource | None, mask: Mask | None) -> None:
        self.source = source
        self.garment = garment
        self.mask = mask


class Judged:
    """What the output gates look at: the very array that is released if they pass.

    `pixels` (H, W, 3) and `mask` (H, W) cannot be written to. `source` is None only for the user's own photo in a contact
    sheet; `kind` is then "source".
    """

    __slots__ = ("kind", "mask", "persons", "pixels", "source")

    def __init__(
        self, pixels: RGB, mask: Mask, *, source: CheckedSource | None, kind: str, persons: Sequence[Box] = ()
    ) -> None:
        self.pixels = pixels
        self.mask = mask
        self.source = source
        self.kind = kind
        self.persons = tuple(persons)


class FileLimits:
    """Every picture that comes in: one of three formats, 64..12,000 px a side, 50 MP, 60 MB."""

    name = "file_limits"

    def thresholds(self) -> Mapping[str, Any]:
        return {
            "smallest_side": MIN_SIDE,
            "largest_side": MAX_SIDE,
            "most_pixels": MAX_PIXELS,
            "most_bytes": MAX_FILE_BYTES,
            "formats": FORMATS,
        }

    def judge(self, image: DecodedImage, detectors: Detectors) -> Verdict:
        """Check the decoded array again, whatever the decoder promised."""
        pixels = image.photo.pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            return _refused(self.name, "unreadable", "The picture was not decoded into 8-bit RGB.", "Save it as PNG.")
        height, width = pixels.shape[:2]
        if image.photo.format.upper() not in FORMATS:
            return _refused(self.name, "format", "Only JPEG, PNG and WebP are accepted.", "Save the picture as PNG.")
        if min(height, width) < MIN_SIDE:
            return _refused(
                self.name, "too_small", f"The picture has a side under {MIN_SIDE} pixels.", "Take a larger one."
            )
        if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
            return _refused(
                self.name, "too_large", "The picture is too large.", "Take at most 12,000 px a side and 50 MP."
            )
        return Verdict(self.name, True, {"megapixels": height * width / 1e6})


class RequestShape:
    """What is asked for hangs together: words or a garment picture, a mask of the photo's size."""

    name = "request_shape"
    most_characters: Final = 300

    def thresholds(self) -> Mapping[str, Any]:
        return {"most_characters": self.most_characters}

    def judge(self, request: SwapRequest, parts: RequestParts) -> Verdict:
        """Check lengths, kinds and sizes."""
        if len(request.prompt) > self.most_characters:
            return _refused(
                self.name,
                "prompt_too_long",
                f"The prompt is longer than {self.most_characters} characters.",
                "Shorten it.",
            )
        if not request.prompt.strip() and parts.garment is None:
            return _refused(
                self.name, "prompt_empty", "Nothing says what the person should wear.", "Give --prompt or --garment."
            )
        if parts.mask is not None and parts.mask.shape != parts.source.pixels.shape[:2]:
            return _refused(
                self.name, "mask_size", "The mask does not have the photo's size.", "Draw it on the upright photo."
            )
        return Verdict(self.name, True)


class Frame:
    """A result has its source's size and differs from it only inside its mask."""

    name = "frame"

    def thresholds(self) -> Mapping[str, Any]:
        return {"outside_mask_changed_pixels": 0}

    def judge(self, output: Judged, detectors: Detectors) -> Verdict:
        """Count the pixels outside the mask that differ from the source; one is too many."""
        pixels, mask = output.pixels, output.mask
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.shape[:2] != mask.shape:
            return _refused(self.name, "output_malformed", "The result is not a picture with its mask.", _REPORT)
        if output.source is None:
            return Verdict(self.name, True)
        if output.source.pixels.shape != pixels.shape:
            return _refused(self.name, "output_malformed", "The result does not have the photo's size.", _REPORT)
        changed = int(np.count_nonzero((pixels != output.source.pixels).any(axis=2) & (mask == 0)))
        if changed:
            return _refused(
                self.name,
                "outside_changed",
                f"The result differs from the photo outside the mask ({changed} pixels).",
                _REPORT,
            )
        return Verdict(self.name, True, {"outside_mask_changed_pixels": 0.0})


class BodyParts:
    """NudeNet on the full frame at 480 and on mask and person crops at 320: no exposed class may reach 0.25."""

    name = "body_parts"

    def thresholds(self) -> Mapping[str, Any]:
        return dict.fromkeys(EXPOSED, EXPOSED_LIMIT)

    def judge(self, output: Judged, detectors: Detectors) -> Verdict:
        """The highest score of each exposed class over all looks."""
        detector = detectors.body_parts
        scores = detector.scores([output.pixels], FRAME_SIDE)
        crops = closer_looks(output.mask, output.persons)
        if crops:
            looks = [output.pixels[y0:y1, x0:x1] for x0, y0, x1, y1 in crops]
            close = detector.scores(looks, CROP_SIDE)
            scores = {label: max(scores[label], close[label]) for label in scores}
        exposed = {label: scores[label] for label in EXPOSED}
        found = [label for label in EXPOSED if not exposed[label] < EXPOSED_LIMIT]
        if found:
            return _nudity(self.name, exposed, max(found, key=lambda label: exposed[label]))
        return Verdict(self.name, True, exposed)


class WholeImage:
    """OpenNSFW on the picture and its mirror image: under 0.5."""

    name = "whole_image"

    def thresholds(self) -> Mapping[str, Any]:
        return {"nsfw": NSFW_LIMIT}

    def judge(self, output: Judged, detectors: Detectors) -> Verdict:
        """The higher of both scores."""
        score = detectors.whole_image.score(output.pixels)
        if not score < NSFW_LIMIT:
            return _nudity(self.name, {"nsfw": score}, "NSFW")
        return Verdict(self.name, True, {"nsfw": score})


SOURCE_GATES: Final[tuple[type[SourceGate], ...]] = (FileLimits,)
REQUEST_GATES: Final[tuple[type[RequestGate], ...]] = (RequestShape,)
OUTPUT_GATES: Final[tuple[type[OutputGate], ...]] = (Frame, BodyParts, WholeImage)

_REPORT: Final = "Nothing was saved; this is a mistake of the program, please report it."
_CATEGORIES: Final = {
    "FEMALE_BREAST_EXPOSED": "an exposed breast",
    "FEMALE_GENITALIA_EXPOSED": "exposed genitals",
    "MALE_GENITALIA_EXPOSED": "exposed genitals",
    "BUTTOCKS_EXPOSED": "exposed buttocks",
    "ANUS_EXPOSED": "an exposed anus",
    "NSFW": "content that is not safe for work",
}


def _refused(gate: str, reason: str, message: str, hint: str) -> Verdict:
    return Verdict(gate, False, {}, reason, message, hint)


def _nudity(gate: str, scores: Mapping[str, float], label: str) -> Verdict:
    return Verdict(
        gate,
        False,
        scores,
        "output_nudity",
        f"The result was refused because a check sees {_CATEGORIES[label]} in it.",
        "Nothing was saved. Ask for a garment that covers more, in another colour or fabric, or take another photo.",
    )


def closer_looks(mask: Mask, persons: Sequence[Box]) -> list[Box]:
    """Crops (x0, y0, x1, y1) for a closer look: around the changed area, in squares along it when it is long, and the persons.

    At most six, the changed area first, clipped to the picture. They are wide (AROUND_CHANGE, AROUND_PERSON of the box's longer
    side), because NudeNet needs surroundings: of crops from photos of dressed adults it flagged 16 % at a margin of a tenth
    (chins, pointing hands) and none of 116 at these, and found the harmless covered parts as often (46 % of persons).
    """
    height, width = mask.shape
    looks: list[Box] = []
    changed = box_of(mask)
    if changed[2] > changed[0]:
        looks += [_widened(part, width, height, share=AROUND_CHANGE) for part in (changed, *_squares(changed))]
    for person in persons:
        box = _widened(person, width, height, share=AROUND_PERSON)
        if box[2] > box[0] and box[3] > box[1]:
            looks.append(box)
    return list(dict.fromkeys(looks))[:MOST_CROPS]


def _squares(box: Box) -> list[Box]:
    """Two squares over the ends of a box that is longer than 1.5 times its breadth; none for a stouter one."""
    x0, y0, x1, y1 = box
    breadth, length = x1 - x0, y1 - y0
    if length > 1.5 * breadth:
        side = max(breadth, round(0.55 * length))
        return [(x0, y0, x1, y0 + side), (x0, y1 - side, x1, y1)]
    if breadth > 1.5 * length:
        side = max(length, round(0.55 * breadth))
        return [(x0, y0, x0 + side, y1), (x1 - side, y0, x1, y1)]
    return []


def _widened(box: Box, width: int, height: int, *, share: float) -> Box:
    x0, y0, x1, y1 = box
    grow = max(8, round(share * max(x1 - x0, y1 - y0)))
    return (max(0, x0 - grow), max(0, y0 - grow), min(width, x1 + grow), min(height, y1 + grow))
