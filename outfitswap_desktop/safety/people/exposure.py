"""What a picture that comes in may not show: exposed parts, a person in underwear, and garment pictures of either.

NudeNet's boxes and scores are one witness, skin the other; no picture of nudity was used to choose these numbers, and how
often they find it is not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.safety.detectors import EXPOSED, BodyPartDetector, Detection
from outfitswap_desktop.safety.people.areas import CHEST_HIP
from outfitswap_desktop.safety.people.skin import SkinModel

BARE: Final = ("MALE_BREAST_EXPOSED", "BELLY_EXPOSED")
"""No nudity by themselves; bare skin where clothes belong."""

COVERED: Final = ("FEMALE_BREAST_COVERED", "FEMALE_GENITALIA_COVERED", "BUTTOCKS_COVERED")
"""What NudeNet says of underwear and swimwear, and as gladly of a dressed person: never enough without skin."""

LIMIT: Final = 0.25
"""Score from which on a class counts."""

REDUCED: Final = 0.5
"""Factor on every limit where no pose and no face was found."""

MOSTLY_SKIN: Final = 0.5
"""Share of chest to hip that is skin, from which on a person counts as undressed whatever the detector says."""

SKIN_BESIDE_COVERED: Final = 0.35
"""The same where a covered part was found."""

GARMENT_LIMIT: Final = 0.15
"""Score from which on an exposed class counts in a picture of a garment, when there is skin in its box."""

SKIN_IN_BOX: Final = 0.3
BELLY_LIMIT: Final = 0.2
BELLY_SKIN: Final = 0.5
"""A belly found in a picture of a garment is bare when that much of its box is skin."""

COVERED_LIMIT: Final = 0.2
SKIN_AROUND: Final = 0.45
AROUND: Final = 0.6
"""A covered part is underwear or swimwear when that much of its surroundings (so many of its sides wide) is skin."""

BODY_LIMIT: Final = 0.3
SKIN_OF_PICTURE: Final = 0.3
"""With a body in a picture of a garment, that much of the picture without faces may not be skin."""

FACES: Final = ("FACE_FEMALE", "FACE_MALE")
SIDE: Final = 480
SMALL: Final = 256
FACE_GROWN: Final = 0.2
SKIN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Shown:
    """What a picture shows that it may not: `what` a word for the log, `score` and its `limit`, a `message` for the user."""

    what: str
    score: float
    limit: float
    message: str


def exposed(scores: Mapping[str, float], *, reduced: bool = False) -> Shown | None:
    """The exposed class with the highest score from LIMIT (halved when `reduced`), or None; raises ValueError for NaN."""
    limit = LIMIT * (REDUCED if reduced else 1.0)
    worst = max(EXPOSED, key=lambda label: _score(scores, label))
    if _score(scores, worst) < limit:
        return None
    return Shown(worst, _score(scores, worst), limit, "A check sees nudity in this picture.")


def underwear_only(
    scores: Mapping[str, float],
    shares: Mapping[str, float],
    coloured: Mapping[str, float],
    *,
    reduced: bool = False,
) -> Shown | None:
    """Whether the person wears underwear at most, as nearly as numbers tell; None when dressed.

    `shares` are people.subject's shares of skin in the root, `coloured` the same with nothing known to be cloth: a parse
    takes a bare chest for a garment now and then, and only the detector tells it from a skin-coloured shirt. Raises
    ValueError for numbers that are none.
    """
    factor = REDUCED if reduced else 1.0
    skin, colour = _score(shares, CHEST_HIP), _score(coloured, CHEST_HIP)
    covered = max(_score(scores, label) for label in COVERED)
    bare = max(_score(scores, label) for label in BARE)
    message = "The person in this picture seems to wear underwear or swimwear at most."
    if skin >= factor * MOSTLY_SKIN:
        return Shown("mostly_skin", skin, factor * MOSTLY_SKIN, message)
    if covered >= factor * LIMIT and skin >= factor * SKIN_BESIDE_COVERED:
        return Shown("underwear", skin, factor * SKIN_BESIDE_COVERED, message)
    if bare >= factor * LIMIT and colour >= factor * MOSTLY_SKIN:
        return Shown("bare_trunk", colour, factor * MOSTLY_SKIN, message)
    return None


def garment_picture(image: RGB, body_parts: BodyPartDetector) -> Shown | None:
    """Whether a picture of a garment (H, W, 3) shows nudity, underwear, swimwear or much bare skin; None when it does not.

    Skin is that of the face in it, or any human skin when there is none. Raises ValueError when the detector's answer is
    none.
    """
    reading = body_parts.read([image], SIDE)
    at_once = exposed(reading.scores)
    if at_once is not None:
        return at_once
    (found,) = reading.boxes
    skin, scale = _skin_of(image, found)
    small = [Detection(one.label, one.score, _scaled(one.box, scale)) for one in found]
    for one in small:
        shown = _shown_in(one, skin)
        if shown is not None:
            return shown
    return _much_skin(small, skin)


def _shown_in(one: Detection, skin: NDArray[np.bool_]) -> Shown | None:
    """What one detection and the skin in and around its box say together."""
    inside = _share(skin, one.box)
    if one.label in EXPOSED and one.score >= GARMENT_LIMIT and inside >= SKIN_IN_BOX:
        return Shown(one.label, one.score, GARMENT_LIMIT, "A check sees nudity in the garment's picture.")
    if one.label in BARE and one.score >= BELLY_LIMIT and inside >= BELLY_SKIN:
        return Shown(one.label, inside, BELLY_SKIN, "The garment's picture shows a bare trunk.")
    if one.label in COVERED and one.score >= COVERED_LIMIT:
        around = _share(skin, _grown(one.box, AROUND))
        if around >= SKIN_AROUND:
            return Shown(one.label, around, SKIN_AROUND, "The garment's picture seems to show underwear or swimwear.")
    return None


def _much_skin(found: Sequence[Detection], skin: NDArray[np.bool_]) -> Shown | None:
    if not any(one.score >= BODY_LIMIT for one in found):
        return None
    rest = np.ones(skin.shape, bool)
    for one in found:
        if one.label in FACES and one.score >= BODY_LIMIT:
            x0, y0, x1, y1 = _grown(one.box, FACE_GROWN)
            rest[max(0, y0) : y1, max(0, x0) : x1] = False
    share = float(np.count_nonzero(skin & rest)) / max(1, int(np.count_nonzero(rest)))
    if share < SKIN_OF_PICTURE:
        return None
    return Shown("bare_skin", share, SKIN_OF_PICTURE, "The garment's picture shows much bare skin.")


def _skin_of(image: RGB, found: Sequence[Detection]) -> tuple[NDArray[np.bool_], float]:
    """Where `image` is skin, at SMALL pixels along its longer side, and the scale to it."""
    height, width = image.shape[:2]
    scale = min(1.0, SMALL / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    faces = [one.box for one in found if one.label in FACES and one.score >= BODY_LIMIT]
    model = SkinModel.generic()
    if faces:
        x0, y0, x1, y1 = max(faces, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
        aside, above = (x1 - x0) // 5, (y1 - y0) // 4
        model = SkinModel.learn(image[y0 + above : y1, x0 + aside : x1 - aside].reshape(-1, 3))
    likely = np.where(model.likelihood(small) >= SKIN, 255, 0).astype(np.uint8)
    return np.asarray(cv2.medianBlur(likely, 5) > 0), scale


def _score(numbers: Mapping[str, float], name: str) -> float:
    value = float(numbers[name])
    if not math.isfinite(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} is no number in 0..1")
    return value


def _scaled(box: Box, scale: float) -> Box:
    x0, y0, x1, y1 = (round(c * scale) for c in box)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _grown(box: Box, share: float) -> Box:
    x0, y0, x1, y1 = box
    aside, above = round(share * (x1 - x0)), round(share * (y1 - y0))
    return x0 - aside, y0 - above, x1 + aside, y1 + above


def _share(skin: NDArray[np.bool_], box: Box) -> float:
    x0, y0, x1, y1 = box
    part = skin[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    return float(part.mean()) if part.size else 0.0
