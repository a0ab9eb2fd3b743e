"""DWPose (Yang et al., 2023) through onnxruntime: YOLOX finds persons, RTMPose with SimCC heads finds 133 points of each.

Sizes, means and the decoding of both networks' answers follow their published configurations (YOLOX-L of Megvii at 640 px,
`dw-ll_ucoco_384` of mmpose at 288x384).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB, Alpha
from outfitswap_desktop.core.regions import JOINTS, BodyPose
from outfitswap_desktop.ml.quiet import hush

DETECTOR, POINTS = "yolox_l.onnx", "dw-ll_ucoco_384.onnx"
LEAST_SCORE: Final = 0.3
OVERLAP: Final = 0.45
STRIDES: Final = (8, 16, 32)
GREY: Final = 114
"""YOLOX' padding."""
BORDER: Final = 1.25
"""A person's box is widened by this before its points are looked for (mmpose's padding)."""
SPLIT: Final = 2.0
"""Bins of the SimCC heads for one pixel."""
MEAN: Final = np.array((123.675, 116.28, 103.53), np.float32)
DEVIATION: Final = np.array((58.395, 57.12, 57.375), np.float32)

_COCO: Final[dict[str, tuple[int, ...]]] = {
    "nose": (0,),
    "neck": (5, 6),
    "right_shoulder": (6,),
    "right_elbow": (8,),
    "right_wrist": (10,),
    "left_shoulder": (5,),
    "left_elbow": (7,),
    "left_wrist": (9,),
    "right_hip": (12,),
    "right_knee": (14,),
    "right_ankle": (16,),
    "left_hip": (11,),
    "left_knee": (13,),
    "left_ankle": (15,),
    "right_eye": (2,),
    "left_eye": (1,),
    "right_ear": (4,),
    "left_ear": (3,),
}
"""COCO's points of each joint: their middle, seen as well as the worse of them."""

Boxes = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """How a person was cut out: `matrix` (2, 3) from picture to network pixels, and `back` the other way."""

    matrix: NDArray[np.float64]
    back: NDArray[np.float64]


class DwPose:
    """Both networks of one folder, loaded at once and kept; not safe for two threads at once.

    On CUDA they run where onnxruntime has its CUDA provider, else on the processor (about a second a picture). The CUDA
    provider has not been run where the default tests run.
    """

    def __init__(self, folder: Path, *, device: str) -> None:
        hush()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        wanted = ["CUDAExecutionProvider"] if device == "cuda" else []
        there = set(onnxruntime.get_available_providers())
        providers = [*(name for name in wanted if name in there), "CPUExecutionProvider"]

        def opened(name: str) -> Any:
            return onnxruntime.InferenceSession(str(folder / name), options, providers=providers)

        self._detector, self._points = opened(DETECTOR), opened(POINTS)

    def find(self, picture: RGB, wanted: Alpha) -> BodyPose | None:
        """The pose of the person of `picture` (h, w, 3) on whom most of `wanted` (h, w) > 0 lies; None when nobody is."""
        box = most_of(self.boxes(picture), wanted)
        return None if box is None else self.pose(picture, box)

    def boxes(self, picture: RGB) -> Boxes:
        """Boxes (n, 4) x0, y0, x1, y1 of persons in pixels, the surest first."""
        height, width = self._detector.get_inputs()[0].shape[2:]
        tensor, ratio = letterbox(picture, (int(width), int(height)))
        answer = self._detector.run(None, {self._detector.get_inputs()[0].name: tensor})[0]
        return persons(np.asarray(answer[0], np.float32), (int(width), int(height))) / np.float32(ratio)

    def pose(self, picture: RGB, box: Boxes) -> BodyPose:
        """The pose of the person in `box` (4,)."""
        height, width = self._points.get_inputs()[0].shape[2:]
        way = affine(box, (int(width), int(height)))
        cut = cv2.warpAffine(picture, way.matrix, (int(width), int(height)), flags=cv2.INTER_LINEAR)
        tensor = ((cut.astype(np.float32) - MEAN) / DEVIATION).transpose(2, 0, 1)[None]
        across, down = self._points.run(None, {self._points.get_inputs()[0].name: np.ascontiguousarray(tensor)})
        places, seen = decoded(np.asarray(across[0], np.float32), np.asarray(down[0], np.float32))
        places = places @ way.back[:, :2].T.astype(np.float32) + way.back[:, 2].astype(np.float32)
        return as_body(places, seen, (picture.shape[0], picture.shape[1]))


def letterbox(picture: RGB, size: tuple[int, int]) -> tuple[F32, float]:
    """YOLOX' input (1, 3, h, w): BGR 0..255, the picture in the upper left corner at the scale that is returned too."""
    width, height = size
    ratio = min(height / picture.shape[0], width / picture.shape[1])
    inner = (max(1, int(picture.shape[1] * ratio)), max(1, int(picture.shape[0] * ratio)))
    padded = np.full((height, width, 3), GREY, np.uint8)
    padded[: inner[1], : inner[0]] = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
    tensor = padded[:, :, ::-1].transpose(2, 0, 1)[None]
    return np.ascontiguousarray(tensor, np.float32), ratio


def persons(answer: F32, size: tuple[int, int]) -> Boxes:
    """Persons (n, 4) in the input's pixels out of YOLOX' raw `answer` (cells, 5 + classes), the surest first.

    A cell (gx, gy) of stride s answers with its middle ((x + gx) s, (y + gy) s) and its sides (exp(w) s, exp(h) s); its
    score is objectness times the class's, of which the first is "person".
    """
    width, height = size
    grids, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[0 : height // stride, 0 : width // stride]
        grids.append(np.stack([columns, rows], axis=-1).reshape(-1, 2))
        strides.append(np.full(grids[-1].shape[0], stride))
    grid, stride_of = np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)[:, None]
    middle = (answer[:, :2] + grid) * stride_of
    sides = np.exp(np.clip(answer[:, 2:4], -10, 10)) * stride_of
    scores = answer[:, 4] * answer[:, 5]
    good = scores > LEAST_SCORE
    boxes = np.concatenate([middle - sides / 2, middle + sides / 2], axis=1)[good]
    return _without_doubles(boxes, scores[good])


def _without_doubles(boxes: Boxes, scores: F32) -> Boxes:
    """Greedy non-maximum suppression: of boxes that overlap more than OVERLAP the surest stays."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        if all(_overlap(boxes[index], boxes[other]) <= OVERLAP for other in kept):
            kept.append(index)
    return boxes[kept]


def _overlap(one: Boxes, two: Boxes) -> float:
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    both = max(0.0, float(width)) * max(0.0, float(height))
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (one, two)]
    return both / max(1e-6, sum(areas) - both)


def most_of(boxes: Boxes, wanted: Alpha) -> Boxes | None:
    """The box (4,) that holds most of `wanted` (h, w) > 0; of equal ones the tightest; None when none holds any."""
    best: Boxes | None = None
    most = (0, 0.0)
    for box in boxes:
        x0, y0, x1, y1 = np.clip(np.rint(box), 0, [*wanted.shape[::-1], *wanted.shape[::-1]]).astype(int).tolist()
        held = int(np.count_nonzero(wanted[y0:y1, x0:x1]))
        size = float((box[2] - box[0]) * (box[3] - box[1]))
        if held and (best is None or (held, -size) > most):
            best, most = box, (held, -size)
    return best


def affine(box: Boxes, size: tuple[int, int]) -> Affine:
    """The cut of `box` (4,), widened by BORDER and to the aspect of `size` (width, height), without squeezing."""
    width, height = size
    middle = (box[:2] + box[2:]) / 2
    wide, tall = ((box[2:] - box[:2]) * BORDER).tolist()
    scale = max(wide / width, tall / height, 1e-6)
    matrix = np.array(
        [[1 / scale, 0, width / 2 - middle[0] / scale], [0, 1 / scale, height / 2 - middle[1] / scale]], np.float64
    )
    return Affine(matrix, np.asarray(cv2.invertAffineTransform(matrix), np.float64))


def decoded(across: F32, down: F32) -> tuple[F32, F32]:
    """Places (n, 2) in the network's pixels and confidences (n,) of SimCC answers (n, bins) for x and for y."""
    places = np.stack([across.argmax(axis=1), down.argmax(axis=1)], axis=1).astype(np.float32) / SPLIT
    seen = np.minimum(across.max(axis=1), down.max(axis=1))
    return places, np.clip(seen, 0.0, 1.0)


def as_body(places: F32, seen: F32, size: tuple[int, int]) -> BodyPose:
    """COCO's points (17 or more, 2) as OpenPose's joints; confidence 0 outside the picture of `size` (height, width)."""
    joints = []
    for name in JOINTS:
        marks = list(_COCO[name])
        x, y = places[marks].mean(axis=0).tolist()
        inside = 0 <= x < size[1] and 0 <= y < size[0]
        joints.append((x, y, float(seen[marks].min()) if inside else 0.0))
    return BodyPose(tuple(joints))
