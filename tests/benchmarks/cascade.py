"""Measures the fallback segmenter against the hand-drawn labels: IoU per zone, protected share, CPU seconds.

Run: python tests/benchmarks/cascade.py [--photos DIR] [--overlays DIR]; DIR defaults to OUTFITSWAP_TEST_PHOTOS.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.cascade.segmenter import CascadeSegmenter
from outfitswap_desktop.errors import KnownError

LABELS = Path(__file__).parent / "labels"
COLOURS = {Zone.TOP: (230, 40, 40), Zone.BOTTOM: (40, 80, 230), Zone.DRESS: (230, 40, 230)}


def drawn(rings: list[list[list[float]]], shape: tuple[int, int], holes: list[list[list[float]]] | None = None) -> Mask:
    """Rings of continuous coordinates as a mask (H, W) 0/255; a pixel's centre lies at + 0.5."""
    mask = np.zeros(shape, np.uint8)
    for fill, polygons in ((255, rings), (0, holes or [])):
        for ring in polygons:
            points = np.round((np.asarray(ring, np.float64) - 0.5) * 16).astype(np.int32)
            cv2.fillPoly(mask, [points], fill, shift=4)
    return mask


def area(person: dict[str, Any], group: str, name: str, shape: tuple[int, int]) -> Mask:
    """A labelled zone or protected area of a person."""
    rings = person.get("redrawn", {}).get(name) or person[group][name]
    return drawn(rings, shape, person[group].get(f"{name}_holes"))


def matching(all_found: list[Segmentation], person: dict[str, Any], shape: tuple[int, int]) -> Segmentation | None:
    """The answer whose head lies on the labelled head."""
    head = area(person, "protect", "head", shape) if "head" in person["protect"] else np.zeros(shape, np.uint8)
    best = max(all_found, key=lambda found: iou(found.protected[0].mask, head))
    return best if iou(best.protected[0].mask, head) > 0.3 else None


def iou(one: Mask, two: Mask) -> float:
    both = np.count_nonzero((one > 0) & (two > 0))
    return both / max(1, int(np.count_nonzero((one > 0) | (two > 0))))


def rows(photo: RGB, label: dict[str, Any], overlay: Path | None) -> list[str]:
    """Table rows for one photo."""
    segmenter, shape = CascadeSegmenter(), (photo.shape[0], photo.shape[1])
    start = time.process_time()
    try:
        first = segmenter.segment(photo, person=None, zones=None, cancel=CancelToken())
    except KnownError as problem:
        return [f"{label['photo']:20} {problem.reason}  {time.process_time() - start:.2f} s"]
    seconds = time.process_time() - start
    others = (p.number for p in first.persons if p.number != first.person)
    every = [first, *(segmenter.segment(photo, person=n, zones=None, cancel=CancelToken()) for n in others)]
    lines = []
    for person in label["persons"]:
        found = matching(every, person, shape)
        if found is None:
            lines.append(f"{label['photo']:20} {person['name'][:28]:28} not found")
            continue
        zones = " ".join(
            f"{name} {iou(found.regions[Zone(name)].mask, area(person, 'zones', name, shape)):.3f}"
            if Zone(name) in found.regions
            else f"{name} -----"
            for name in person["zones"]
            if not name.endswith("_holes")
        )
        union = np.zeros(shape, np.uint8)
        for region in found.regions.values():
            np.maximum(union, region.mask, out=union)
        shares = []
        for name in ("head", "hair", "hands"):
            if name in person["protect"]:
                kept = area(person, "protect", name, shape) > 0
                shares.append(f"{name} {np.count_nonzero(kept & (union > 0)) / max(1, np.count_nonzero(kept)):.3%}")
        lines.append(f"{label['photo']:20} {person['name'][:28]:28} {zones:40} | {' '.join(shares)} | {seconds:.2f} s")
        if overlay is not None:
            save_overlay(photo, found, overlay / f"{label['photo']}.{found.person}.png")
    return lines


def save_overlay(photo: RGB, found: Segmentation, path: Path) -> None:
    """Zones in colour, protected areas in green, axes as lines."""
    picture = photo.astype(np.float32)
    for zone, colour in COLOURS.items():
        if zone in found.regions and (zone is not Zone.DRESS or len(found.regions) == 1):
            weight = found.regions[zone].alpha.astype(np.float32)[..., None] / 510
            picture = picture * (1 - weight) + np.float32(colour) * weight
    keep = found.protect_mask((photo.shape[0], photo.shape[1])) > 0
    picture[keep] = 0.6 * picture[keep] + 0.4 * np.float32((0, 220, 0))
    drawing = picture.astype(np.uint8)
    for axis in found.axes:
        ends = [tuple(int(c) for c in point) for point in (axis.start, axis.end)]
        cv2.line(drawing, ends[0], ends[1], (255, 255, 0), 2)
    Image.fromarray(drawing).save(path)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=os.environ.get("OUTFITSWAP_TEST_PHOTOS"))
    parser.add_argument("--overlays", type=Path)
    options = parser.parse_args()
    if options.overlays is not None:
        options.overlays.mkdir(parents=True, exist_ok=True)
    for path in sorted(LABELS.glob("*.json")):
        label = json.loads(path.read_text("utf-8"))
        photo = _photo(label["photo"], Path(options.photos) if options.photos else None)
        for line in rows(photo, label, options.overlays) if photo is not None else [f"{label['photo']:20} not at hand"]:
            sys.stdout.write(line + "\n")
    return 0


def _photo(name: str, folder: Path | None) -> RGB | None:
    if name == "astronaut.png":
        from skimage.data import astronaut

        return np.ascontiguousarray(astronaut()[..., :3])
    if folder is None or not (folder / name).exists():
        return None
    return np.asarray(Image.open(folder / name).convert("RGB"))


if __name__ == "__main__":
    raise SystemExit(main())
