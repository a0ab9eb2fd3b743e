"""What the gates are given to judge, and how they say no."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.colour import renditions
from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.core.regions import Box, Segmentation, box_of
from outfitswap_desktop.core.zones import TargetClass, Zone
from outfitswap_desktop.safety.detectors import BOX_FLOOR, LABELS, Detection, Detectors
from outfitswap_desktop.safety.people.subject import Subject
from outfitswap_desktop.safety.records.consent import Consent
from outfitswap_desktop.safety.stages import CheckedPlan, CheckedSource, Verdict

BUDGET_SECONDS: Final = 20.0
"""A gate that has not answered after this long has refused."""

EXPOSED_LIMIT: Final = 0.25
NSFW_LIMIT: Final = 0.5
REDUCED: Final = 0.5
"""By what the limits are multiplied where nobody was found in the photo and the person is only drawn."""

CATEGORIES: Final = {
    "FEMALE_BREAST_EXPOSED": "an exposed breast",
    "FEMALE_GENITALIA_EXPOSED": "exposed genitals",
    "MALE_GENITALIA_EXPOSED": "exposed genitals",
    "BUTTOCKS_EXPOSED": "exposed buttocks",
    "ANUS_EXPOSED": "an exposed anus",
    "NSFW": "content that is not safe for work",
}

FRAME_SIDE: Final = 480
CROP_SIDE: Final = 320
MOST_CROPS: Final = 6
AROUND_CHANGE: Final = 0.25
AROUND_PERSON: Final = 0.5
LEAST_OF_PERSON: Final = 0.5
"""Smallest side of a closer look as a share of the person's longer side: a patch of cloth alone is taken for anything."""


class RequestParts:
    """The checked pictures that a request works on, and the consent that covers the photo (None: there is none)."""

    __slots__ = ("consent", "garment", "mask", "outline", "source")

    def __init__(
        self,
        source: CheckedSource,
        *,
        garment: CheckedSource | None,
        mask: Mask | None,
        outline: Mask | None = None,
        consent: Consent | None = None,
    ) -> None:
        self.source = source
        self.garment = garment
        self.mask = mask
        self.outline = outline
        self.consent = consent


@dataclass(slots=True, eq=False)
class PlanParts:
    """A planned mask and who it lies on; gates that measure leave their findings for those behind them.

    `asked` is the number of pixels before the cut, `mask` (H, W) 0/255 what is left. `seen` (H, W, 3) is the photo in sRGB,
    `small` (h, w, 3) the same at the size at which skin is measured.
    `keeps_cut`: the engine cannot change what the garment covers.
    """

    request: SwapRequest
    source: CheckedSource
    consent: Consent
    seen: RGB
    small: RGB
    mask: Mask
    asked: int
    zone: Zone
    target: TargetClass | None
    found: Segmentation | None
    outline: Mask | None
    keeps_cut: bool
    subject: Subject | None = None
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def reduced(self) -> bool:
        """Nobody was found: the person is only drawn, so the limits are lower."""
        return self.found is None

    @property
    def persons(self) -> tuple[Box, ...]:
        """Boxes of everybody in the photo, the chosen person first."""
        if self.found is None:
            return (box_of(self.outline),) if self.outline is not None else ()
        chosen = self.found.person
        people = sorted(self.found.persons, key=lambda person: person.number != chosen)
        return tuple(person.box for person in people)

    @property
    def loose(self) -> bool:
        """Whether what is painted is worn over other clothes: the word says so, and so does what is seen to be worn.

        A word alone does not make a coat of a T-shirt.
        """
        if self.target is None or not self.target.loose or self.zone is not Zone.OUTER:
            return False
        return self.found is not None and Zone.OUTER in self.found.regions

    @property
    def attested(self) -> bool:
        """Whether the user has stated, a second time and explicitly, that the person is an adult."""
        return self.request.adult_attested or self.consent.adult_attested


class Judged:
    """What the output gates look at: the very array that is released if they pass.

    `pixels` (H, W, 3), in the space of `icc`, and `mask` (H, W) cannot be written to. `plan` is None only for the user's own
    photo in a contact sheet. `detections` are what the body part gate saw, for the gates behind it; `shares` what
    the skin gates measured, on `small` (h, w, 3) sRGB.
    """

    __slots__ = ("detections", "icc", "mask", "persons", "pixels", "plan", "scores", "shares", "small")

    def __init__(
        self,
        pixels: RGB,
        mask: Mask,
        *,
        plan: CheckedPlan | None,
        persons: Sequence[Box] = (),
        icc: bytes | None = None,
    ) -> None:
        self.pixels = pixels
        self.icc = icc
        self.mask = mask
        self.plan = plan
        self.persons = tuple(persons)
        self.scores: Mapping[str, float] | None = None
        self.shares: Mapping[str, float] | None = None
        self.small: RGB | None = None
        self.detections: tuple[Detection, ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """All that NudeNet saw in a picture: the highest score of each class over the looks, and where (boxes in the picture)."""

    scores: Mapping[str, float]
    detections: tuple[Detection, ...]


def look(pixels: RGB, detectors: Detectors, *, frame: bool, crops: Sequence[Box], icc: bytes | None = None) -> Looked:
    """NudeNet on the full frame at 480 (when asked for) and on `crops` at 320, in the colours that viewers may show."""
    shown = renditions(pixels, icc)
    detector = detectors.body_parts
    scores: dict[str, float] = {}
    seen: list[Detection] = []
    height, width = pixels.shape[:2]
    batches = [([(0, 0, width, height)], FRAME_SIDE)] if frame else []
    if crops:
        batches.append((list(crops), CROP_SIDE))
    for boxes, side in batches:
        looks = [picture[y0:y1, x0:x1] for picture in shown for x0, y0, x1, y1 in boxes]
        looked = detector.read(looks, side)
        if not set(LABELS) <= looked.scores.keys():
            raise ValueError("not every part of the body was looked for")
        if not all(isinstance(score, float | int) and math.isfinite(score) for score in looked.scores.values()):
            raise ValueError("a score is not a number")
        scores = {label: max(score, scores.get(label, score)) for label, score in looked.scores.items()}
        for (x0, y0, _, _), found in zip(boxes * len(shown), looked.boxes, strict=True):
            seen += [
                Detection(one.label, one.score, (one.box[0] + x0, one.box[1] + y0, one.box[2] + x0, one.box[3] + y0))
                for one in found
            ]
    if not scores:
        raise ValueError("there is nothing to look at")
    return Looked(scores, tuple(seen))


def nsfw(pixels: RGB, detectors: Detectors, *, icc: bytes | None) -> float:
    """OpenNSFW's score of `pixels` (H, W, 3), the highest over the colours that viewers may show."""
    scores = [detectors.whole_image.score(shown) for shown in renditions(pixels, icc)]
    if not all(isinstance(score, float | int) and math.isfinite(score) for score in scores):
        raise ValueError("a score is not a number")
    return max(scores)


def in_changed(looked: Looked, label: str, mask: Mask) -> float:
    """The highest score of `label` that touches the changed pixels of `mask` (H, W).

    What lies wholly in untouched pixels is the photo's own and was judged when it came in. A score that no box accounts for
    counts, wherever it came from.
    """
    boxes = [one for one in looked.detections if one.label == label]
    highest = looked.scores[label]
    if highest >= BOX_FLOOR and not any(one.score >= highest for one in boxes):
        return highest
    return max((one.score for one in boxes if touches(mask, one.box)), default=min(highest, BOX_FLOOR))


def refused(gate: str, reason: str, message: str, hint: str, scores: Mapping[str, float] | None = None) -> Verdict:
    """The verdict of a gate that says no."""
    return Verdict(gate, False, scores or {}, reason, message, hint)


AROUND_DETECTION: Final = 0.6
"""By what share of its sides a detection is widened before it counts as lying in untouched pixels: a weaker box of the same
part, suppressed by this one (overlap over 0.45), still lies in it."""


def touches(mask: Mask, box: Box) -> bool:
    """Whether any pixel of `mask` (H, W) lies in the widened `box`, which may reach beyond the picture."""
    height, width = mask.shape
    across, down = round(AROUND_DETECTION * (box[2] - box[0])), round(AROUND_DETECTION * (box[3] - box[1]))
    x0, y0 = max(0, box[0] - across), max(0, box[1] - down)
    x1, y1 = min(width, box[2] + across), min(height, box[3] + down)
    return bool(x1 > x0 and y1 > y0 and np.any(mask[y0:y1, x0:x1]))


def closer_looks(mask: Mask, persons: Sequence[Box]) -> list[Box]:
    """Crops (x0, y0, x1, y1) for a closer look: around the changed area, and the persons.

    At most six, the changed area first, clipped to the picture; half a pair of trousers alone is taken for anything. They are
    wide (AROUND_CHANGE, AROUND_PERSON of the box's longer side), because NudeNet needs surroundings: of crops from photos of
    dressed adults it flagged 16 % at a margin of a tenth (chins, pointing hands) and none of 116 at these, and found the
    harmless covered parts as often (46 % of persons).
    """
    height, width = mask.shape
    looks: list[Box] = []
    changed = box_of(mask)
    if changed[2] > changed[0]:
        size = max((max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in persons[:1]), default=max(width, height))
        least = round(LEAST_OF_PERSON * min(size, max(width, height)))
        looks.append(_widened(changed, width, height, share=AROUND_CHANGE, least=least))
    for person in persons:
        box = _widened(person, width, height, share=AROUND_PERSON)
        if box[2] > box[0] and box[3] > box[1]:
            looks.append(box)
    return list(dict.fromkeys(looks))[:MOST_CROPS]


def _widened(box: Box, width: int, height: int, *, share: float, least: int = 0) -> Box:
    """`box` grown on all sides by `share` of its longer side, to at least `least` pixels a side, clipped to the picture."""
    x0, y0, x1, y1 = box
    grow = max(8, round(share * max(x1 - x0, y1 - y0)))
    across, down = (max(grow, (least - side + 1) // 2) for side in (x1 - x0, y1 - y0))
    return (max(0, x0 - across), max(0, y0 - down), min(width, x1 + across), min(height, y1 + down))
