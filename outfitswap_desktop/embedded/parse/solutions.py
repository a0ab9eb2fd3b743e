"""MediaPipe's bundled networks, built when first used, kept warm, and quiet; the only module that touches mediapipe."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB
from outfitswap_desktop.errors import NotAvailable

_NOISE = re.compile(
    rb"^(INFO: Created TensorFlow|WARNING: All log messages before absl|[IWE]\d{4} .*(\.cc:\d+|cpu_feature)|"
    rb".*UserWarning: SymbolDatabase|\s*warnings\.warn\()"
)


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """One person's pose: `points` (33, 2) in pixels of the picture, `seen` (33,) 0..1, `mask` (h, w) 0..1."""

    points: F32
    seen: F32
    mask: F32


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face: box (x0, y0, x1, y1) in pixels, score 0..1."""

    box: tuple[float, float, float, float]
    score: float

    @property
    def centre(self) -> tuple[float, float]:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def side(self) -> float:
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hold back what native code writes to file descriptor 2, drop known chatter, pass the rest on afterwards."""
    try:
        target = sys.__stderr__.fileno() if sys.__stderr__ is not None else 2
        kept = os.dup(target)
    except (OSError, ValueError):  # no such descriptor: a windowed program without a console
        yield
        return
    with tempfile.TemporaryFile() as holder:
        os.dup2(holder.fileno(), target)
        try:
            yield
        finally:
            os.dup2(kept, target)
            os.close(kept)
            holder.seek(0)
            for line in holder:
                if line.strip() and not _NOISE.match(line):
                    os.write(target, line)


class Solutions:
    """The networks of one segmenter. Pictures are (h, w, 3) uint8 RGB; not safe for two threads at once."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def pose(self, picture: RGB) -> Pose | None:
        """The most prominent person, or None."""
        found = self._run("pose", picture)
        if found.pose_landmarks is None:
            return None
        h, w = picture.shape[:2]
        marks = found.pose_landmarks.landmark
        points = np.array([(m.x * w, m.y * h) for m in marks], np.float32)
        seen = np.array([m.visibility for m in marks], np.float32)
        mask = found.segmentation_mask
        mask = np.zeros((h, w), np.float32) if mask is None else np.ascontiguousarray(mask, np.float32)
        return Pose(points, seen, mask)

    def pose_at(self, picture: RGB, centre: tuple[float, float], side: float) -> Pose | None:
        """The pose of a body with its hips at `centre` that fills a square of `side` pixels, or None."""
        network = self._built.get("aimed")
        if network is None:
            _builders()  # NotAvailable when mediapipe is missing
            with hushed():
                from outfitswap_desktop.embedded.parse.aimed import AimedPose

                network = self._built["aimed"] = AimedPose()
                found = network.look(picture, centre, side)
        else:
            found = network.look(picture, centre, side)
        return None if found is None else Pose(*found)

    def selfie(self, picture: RGB) -> F32:
        """Probability (h, w) that a pixel belongs to any person."""
        return np.ascontiguousarray(self._run("selfie", picture).segmentation_mask, np.float32)

    def faces(self, picture: RGB) -> list[Face]:
        """Faces of both detectors (near and far), unmerged."""
        h, w = picture.shape[:2]
        faces = []
        for name in ("faces_near", "faces_far"):
            for one in self._run(name, picture).detections or ():
                box = one.location_data.relative_bounding_box
                left, top = box.xmin * w, box.ymin * h
                faces.append(Face((left, top, left + box.width * w, top + box.height * h), float(one.score[0])))
        return faces

    def mesh(self, picture: RGB) -> F32 | None:
        """The face's 468 points (468, 2) in pixels, or None."""
        found = self._run("mesh", picture).multi_face_landmarks
        if not found:
            return None
        h, w = picture.shape[:2]
        return np.array([(m.x * w, m.y * h) for m in found[0].landmark], np.float32)

    def hands(self, picture: RGB) -> list[F32]:
        """Each found hand's 21 points (21, 2) in pixels."""
        found = self._run("hands", picture).multi_hand_landmarks or ()
        h, w = picture.shape[:2]
        return [np.array([(m.x * w, m.y * h) for m in hand.landmark], np.float32) for hand in found]

    def close(self) -> None:
        """Give the networks' memory back; the next call builds them anew."""
        for network in self._built.values():
            network.close()
        self._built.clear()

    def _run(self, name: str, picture: RGB) -> Any:
        picture = np.ascontiguousarray(picture)
        if name in self._built:
            return self._built[name].process(picture)
        with hushed():
            network = _builders()[name]()
            self._built[name] = network
            return network.process(picture)


def _imported() -> Any:
    """The package, imported on a thread of its own.

    Something in its import keeps the frame it was imported from, and with it every caller's pictures, for ever; a thread
    has no callers.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(importlib.import_module, "mediapipe").result()


def _builders() -> dict[str, Callable[[], Any]]:
    os.environ.setdefault("GLOG_minloglevel", "2")
    try:
        mediapipe = _imported()
    except Exception as problem:  # a broken native library raises anything at import
        raise NotAvailable(
            "MediaPipe cannot be loaded on this machine, so persons cannot be found automatically.",
            reason="mediapipe_missing",
            hint=f"Reinstall mediapipe 0.10.21 or draw the mask yourself (--mask). Cause: {problem}",
        ) from problem
    parts = mediapipe.solutions
    return {
        "pose": lambda: parts.pose.Pose(
            static_image_mode=True,
            model_complexity=1,
            enable_segmentation=True,
            min_detection_confidence=0.4,
            min_tracking_confidence=0.4,
        ),
        "selfie": lambda: parts.selfie_segmentation.SelfieSegmentation(model_selection=0),
        "faces_near": lambda: parts.face_detection.FaceDetection(model_selection=0, min_detection_confidence=0.5),
        "faces_far": lambda: parts.face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5),
        "mesh": lambda: parts.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, min_detection_confidence=0.4),
        "hands": lambda: parts.hands.Hands(static_image_mode=True, max_num_hands=2, min_detection_confidence=0.3),
    }
