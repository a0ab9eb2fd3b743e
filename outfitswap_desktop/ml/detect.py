"""Garments and persons in a photo, found by a YOLOv8 network of any class list; which zone each class is says the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.regions import polygon_of
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.ml.failures import library
from outfitswap_desktop.ml.parts import (
    Counters,
    OnDevice,
    Store,
    ZoneTable,
    fingerprint,
    give_back,
    only_file,
    torch_device,
)
from outfitswap_desktop.ml.yolo import as_it_was, load_yolo

if TYPE_CHECKING:
    from ultralytics import YOLO
    from ultralytics.engine.results import Results

WEIGHTS: Final = "yolo-clothing"
CONFIDENCE: Final = 0.25
"""Ultralytics' own default; what is less sure is not reported."""
OVERLAP: Final = 0.6
"""Intersection over union from which on two boxes of one class are the same garment (non-maximum suppression)."""
MOST: Final = 60
PERSONS: Final = frozenset({"person", "human", "people", "man", "woman"})

FloatBox = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One find: class `name` as the network has it, `confidence` 0..1, `box` (x0, y0, x1, y1) in photo pixels.

    `kind` is "garment", "person" or "other"; `zone` is set for garments. `piece` (h, w) 0/255 is its mask from the corner
    `at` (x, y) on, for networks that segment.
    """

    name: str
    kind: str
    zone: Zone | None
    confidence: float
    box: FloatBox
    piece: Mask | None = None
    at: tuple[int, int] = (0, 0)

    def mask(self, shape: tuple[int, int]) -> Mask | None:
        """Its mask (H, W) 0/255 in a photo of `shape`; None for networks that find boxes alone."""
        if self.piece is None:
            return None
        whole = np.zeros(shape, np.uint8)
        x, y = self.at
        whole[y : y + self.piece.shape[0], x : x + self.piece.shape[1]] = self.piece
        return whole

    def as_values(self) -> dict[str, Any]:
        """Plain values for receipt and history."""
        values: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "zone": self.zone.value if self.zone is not None else None,
            "confidence": round(self.confidence, 4),
            "box": [round(edge, 1) for edge in self.box],
        }
        if self.piece is not None:
            x, y = self.at
            values["polygon"] = [[[px + x, py + y] for px, py in ring] for ring in polygon_of(self.piece)]
        return values


class Detector(Protocol):
    """Finds garments and persons."""

    def detect(self, photo: RGB) -> tuple[Detection, ...]:
        """Finds in `photo` (H, W, 3) sRGB, surest first. Raises NotAvailable."""
        ...

    def as_values(self) -> dict[str, Any]: ...
    def close(self) -> None: ...


class YoloDetector:
    """Ultralytics' own predictor (its letterbox, its suppression), loaded at the first photo and kept."""

    def __init__(
        self,
        store: Store,
        *,
        device: OnDevice,
        confidence: float = CONFIDENCE,
        overlap: float = OVERLAP,
        most: int = MOST,
    ) -> None:
        self._store = store
        self._device = device
        self._settings = {"conf": confidence, "iou": overlap, "max_det": most}
        self._network: YOLO | None = None
        self._weights = ""
        self.counters = Counters()

    def detect(self, photo: RGB) -> tuple[Detection, ...]:
        """See Detector."""
        network = self._loaded()
        with self.counters.running(), as_it_was(), library("Finding garments with YOLO"):
            blue_first = np.ascontiguousarray(photo[..., ::-1])
            (result,) = network.predict(
                blue_first, device=torch_device(self._device), verbose=False, save=False, **self._settings
            )
            return _detections(result, self._store.catalogue)

    def as_values(self) -> dict[str, Any]:
        """Which weights, and how long loading took."""
        names = list(self._network.names.values()) if self._network is not None else []
        return {
            "weights": WEIGHTS,
            "hashes": self._weights,
            "classes": names[:100],
            "load_seconds": round(self.counters.load_seconds, 3),
        }

    def close(self) -> None:
        """Give the network's memory back; the next photo loads it anew."""
        self._network = None
        give_back(self._device)

    def _loaded(self) -> YOLO:
        if self._network is None:
            weights = self._store.open(WEIGHTS)
            with self.counters.loading():
                self._network = load_yolo(only_file(weights, ".pt", ".onnx"))
            self._weights = fingerprint(weights)
        return self._network


def kind_of(name: str, table: ZoneTable) -> tuple[str, Zone | None]:
    """What a class is, and its zone when it is a garment."""
    if name.strip().casefold() in PERSONS:
        return "person", None
    zone = table.zone_of(name)
    return ("garment", Zone(zone)) if zone in {z.value for z in Zone} else ("other", None)


def _detections(result: Results, table: ZoneTable) -> tuple[Detection, ...]:
    boxes = result.boxes
    if boxes is None or len(boxes) == 0:
        return ()
    corners: list[list[float]] = boxes.xyxy.cpu().float().tolist()
    sure: list[float] = boxes.conf.cpu().float().tolist()
    classes: list[int] = [int(c) for c in boxes.cls.cpu().tolist()]
    found = []
    for i, (box, confidence, number) in enumerate(zip(corners, sure, classes, strict=True)):
        name = str(result.names.get(number, number))
        kind, zone = kind_of(name, table)
        piece, at = (None, (0, 0)) if kind == "other" else _piece(result, i, box)
        found.append(Detection(name, kind, zone, confidence, (box[0], box[1], box[2], box[3]), piece, at))
    return tuple(sorted(found, key=lambda one: -one.confidence))


def _piece(result: Results, index: int, box: list[float]) -> tuple[Mask | None, tuple[int, int]]:
    """The mask of one find at the photo's size, cut to its box; scaled one at a time, for they are large."""
    if result.masks is None:
        return None, (0, 0)
    from ultralytics.utils import ops

    height, width = result.orig_shape
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if x1 <= x0 or y1 <= y0:
        return None, (0, 0)
    soft = ops.scale_masks(result.masks.data[index][None, None].float(), (height, width))[0, 0, y0:y1, x0:x1]
    piece = np.asarray((soft > 0.5).cpu().numpy(), np.uint8) * np.uint8(255)
    return piece, (x0, y0)
