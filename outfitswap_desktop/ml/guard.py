"""Whose face must not change: faces found by InsightFace or YuNet, the heads around them, and what the parse protects anyway.

InsightFace's own files are used where they are installed and their licence was accepted, else YuNet through OpenCV, else
nothing is added to the parse's own head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.regions import ProtectedArea, Segmentation
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.failures import library
from outfitswap_desktop.ml.parts import Counters, Opened, Store, only_file
from outfitswap_desktop.ml.quiet import hush

if TYPE_CHECKING:
    from insightface.model_zoo.scrfd import SCRFD

INSIGHTFACE: Final = "insightface-buffalo"
YUNET: Final = "yunet"
SURE: Final = 0.6
"""Score from which on a face counts (both networks' authors use 0.5 to 0.9)."""
LOOK_SIDE: Final = 1280
"""Longer side of the picture that YuNet looks at: its smallest faces have about 10 pixels."""
ABOVE, BELOW, ASIDE = 0.35, 0.03, 0.18
"""How far a head reaches beyond the box of its face (hairline to chin, cheek to cheek), in heights and widths of the box.

Head height to face height from hairline to chin is about 1.3 (Farkas, Anthropometry of the Head and Face, 1994).
"""
HEAD: Final = "head"


@dataclass(frozen=True, slots=True)
class Face:
    """A face: box (x0, y0, x1, y1) in photo pixels and the network's score 0..1."""

    box: tuple[float, float, float, float]
    confidence: float

    @property
    def centre(self) -> tuple[int, int]:
        return int((self.box[0] + self.box[2]) / 2), int((self.box[1] + self.box[3]) / 2)


class FaceFinder(Protocol):
    """Finds faces in a photo (H, W, 3) sRGB; raises NotAvailable."""

    name: str

    def faces(self, photo: RGB) -> tuple[Face, ...]: ...


class InsightFaces:
    """SCRFD from InsightFace's package, its file opened by ourselves (the library downloads nothing), on the processor."""

    name = "insightface"

    def __init__(self, weights: Opened) -> None:
        hush()
        file = _detector_file(weights)
        try:
            import onnxruntime
            from insightface.model_zoo.scrfd import SCRFD
        except ImportError as problem:
            raise NotAvailable(
                f"The library insightface cannot be loaded: {problem}.",
                reason="library_missing",
                hint="Install the program with its extra `gpu`.",
            ) from problem
        with library(f"Loading {weights.id}", hint=f"`outfitswap models verify {weights.id} --repair`"):
            session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            self._network: SCRFD = SCRFD(model_file=str(file), session=session, static_shape_sessions=False)

    def faces(self, photo: RGB) -> tuple[Face, ...]:
        """See FaceFinder. The library looks at 128 and at 640 pixels, so that large and small faces are found."""
        with library("Finding faces with InsightFace"):
            found, _ = self._network.detect(np.ascontiguousarray(photo[..., ::-1]), det_thresh=SURE)
        return tuple(_face(row[:4], row[4]) for row in found.tolist())


class YuNetFaces:
    """YuNet through OpenCV's FaceDetectorYN."""

    name = "yunet"

    def __init__(self, weights: Opened) -> None:
        with library(f"Loading {weights.id}", hint=f"`outfitswap models verify {weights.id} --repair`"):
            file = str(only_file(weights, ".onnx"))
            self._network = cv2.FaceDetectorYN.create(file, "", (320, 320), score_threshold=SURE, nms_threshold=0.3)

    def faces(self, photo: RGB) -> tuple[Face, ...]:
        """See FaceFinder; photos with a side over LOOK_SIDE are looked at smaller."""
        scale = min(1.0, LOOK_SIDE / max(photo.shape[:2]))
        size = max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale))
        with library("Finding faces with YuNet"):
            look = photo if scale == 1.0 else cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
            self._network.setInputSize(size)
            _, found = self._network.detect(np.ascontiguousarray(look[..., ::-1]))
        sx, sy = photo.shape[1] / size[0], photo.shape[0] / size[1]
        rows = [] if found is None else found.tolist()
        return tuple(
            _face((x * sx, y * sy, (x + w) * sx, (y + h) * sy), row[14]) for row in rows for x, y, w, h in [row[:4]]
        )


FINDERS: Final[dict[str, Callable[[Opened], FaceFinder]]] = {INSIGHTFACE: InsightFaces, YUNET: YuNetFaces}
"""Best first."""
_USUAL: Final = frozenset({"weights_missing", "licence_not_accepted", "library_missing"})
"""Reasons that need no sentence: the choice of the user."""


class HeadGuard:
    """Adds the heads around faces to what a parse protects. The finder is loaded at the first photo and kept."""

    def __init__(self, store: Store, *, finders: Mapping[str, Callable[[Opened], FaceFinder]] = FINDERS) -> None:
        self._store = store
        self._finders = finders
        self._finder: FaceFinder | None = None
        self._asked = False
        self._reasons: tuple[str, ...] = ()
        self.counters = Counters()

    def protect(
        self, photo: RGB, found: Segmentation
    ) -> tuple[tuple[ProtectedArea, ...], tuple[str, ...], dict[str, Any]]:
        """What must not change (the parse's areas, "head" united with the faces' heads), sentences on what failed, diagnostics.

        A face on the person's clothes, away from the head that the parse saw, is a print and protects nothing.
        """
        faces, reasons = self._faces(photo)
        kept = tuple(face for face in faces if not _printed(face, found))
        areas = with_heads(found.protected, kept, (photo.shape[0], photo.shape[1]))
        told = {
            "finder": self._finder.name if self._finder is not None else "embedded",
            "load_seconds": round(self.counters.load_seconds, 3),
            "faces": [
                {
                    "box": [round(edge, 1) for edge in face.box],
                    "confidence": round(face.confidence, 4),
                    "used": face in kept,
                }
                for face in faces
            ],
        }
        return areas, reasons, told

    def prepare(self) -> bool:
        """Load the network now; False when there is none that can be loaded."""
        return self._loaded() is not None

    def close(self) -> None:
        """Give the finder's memory back; the next photo loads it anew."""
        self._finder, self._asked = None, False

    def _faces(self, photo: RGB) -> tuple[tuple[Face, ...], tuple[str, ...]]:
        finder = self._loaded()
        if finder is None:
            return (), self._reasons
        try:
            with self.counters.running():
                return finder.faces(photo), self._reasons
        except NotAvailable as problem:
            return (), (*self._reasons, problem.message)

    def _loaded(self) -> FaceFinder | None:
        if self._asked:
            return self._finder
        self._asked = True
        reasons = []
        for weights_id, make in self._finders.items():
            try:
                weights = self._store.open(weights_id)
                with self.counters.loading():
                    self._finder = make(weights)
                break
            except NotAvailable as problem:
                if problem.reason not in _USUAL:
                    reasons.append(problem.message)
        self._reasons = tuple(reasons)
        return self._finder


def head_area(face: Face, shape: tuple[int, int]) -> Mask:
    """The head (H, W) 0/255 around a face: an ellipse from the crown to the chin, ears within."""
    x0, y0, x1, y1 = face.box
    wide, high = x1 - x0, y1 - y0
    top, bottom = y0 - ABOVE * high, y1 + BELOW * high
    mask = np.zeros(shape, np.uint8)
    centre = ((x0 + x1) / 2, (top + bottom) / 2)
    cv2.ellipse(mask, (centre, ((1 + 2 * ASIDE) * wide, bottom - top), 0.0), 255, -1)
    return mask


def with_heads(
    areas: tuple[ProtectedArea, ...], faces: tuple[Face, ...], shape: tuple[int, int]
) -> tuple[ProtectedArea, ...]:
    """`areas` with the heads around `faces` in the area "head" and all else as it was; hair belongs to the head too."""
    if not faces:
        return areas
    union = np.zeros(shape, np.uint8)
    for face in faces:
        np.maximum(union, head_area(face, shape), out=union)
    hair = next((area.mask for area in areas if area.name == "hair"), None)
    old = next((area for area in areas if area.name == HEAD), None)
    if hair is not None:
        np.maximum(union, hair, out=union)
    sure = max(face.confidence for face in faces)
    if old is None:
        return (ProtectedArea(HEAD, union, round(sure, 3)), *areas)
    head = replace(old, mask=np.maximum(old.mask, union), confidence=max(old.confidence, round(sure, 3)))
    return tuple(head if area is old else area for area in areas)


def _printed(face: Face, found: Segmentation) -> bool:
    """Whether a face lies on the chosen person's clothes while the head is elsewhere."""
    x, y = face.centre
    heads = [area.mask for area in found.protected if area.name in {HEAD, "hair"}]
    if not heads or found.body is None:
        return False
    height, width = found.body.shape
    if not (0 <= x < width and 0 <= y < height) or any(mask[y, x] for mask in heads):
        return False
    return any(region.mask[y, x] for region in found.regions.values())


def _face(box: Any, confidence: float) -> Face:
    x0, y0, x1, y1 = (float(edge) for edge in box)
    return Face((x0, y0, x1, y1), float(confidence))


def _detector_file(weights: Opened) -> Any:
    """SCRFD's file among InsightFace's: `det_10g.onnx` in buffalo_l, `det_500m.onnx` in buffalo_s."""
    paths = sorted(path for path in weights.hashes if path.lower().endswith(".onnx"))
    named = [path for path in paths if path.rsplit("/", 1)[-1].startswith("det_")]
    return weights.folder / named[0] if named else only_file(weights, ".onnx")
