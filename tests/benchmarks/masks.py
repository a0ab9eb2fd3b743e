"""Measure the embedded segmenter's masks against outlines drawn by hand.

Usage: python tests/benchmarks/masks.py [--photos DIR] [--labels DIR] [--variants] [--json FILE] [--sheet FILE]
Photos come from --photos or OUTFITSWAP_TEST_PHOTOS, the astronaut from scikit-image. Each label file names its photo's source;
what is not at hand is told and left out.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from variants import GEOMETRY_AND_LIGHT, HARDER, WALLS, Mask, Sample, placed, wall

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.parse.segmenter import MediaPipeSegmenter
from outfitswap_desktop.errors import NobodyFound

LABELS = Path(__file__).parent / "labels"


@dataclass(frozen=True)
class Case:
    """One labelled person of one photo."""

    photo: str
    name: str
    hard: bool
    several: bool
    sample: Sample


@dataclass(frozen=True)
class Score:
    photo: str
    person: str
    zone: str
    hard: bool
    iou: float
    seconds: float
    version: str = ""


def rings_to_mask(rings: list, shape: tuple[int, int], holes: list = ()) -> Mask:
    """Rings in pixel-edge coordinates (pixel i covers i to i+1) as a mask, sampled at pixel centres."""
    mask = np.zeros(shape, np.uint8)
    for value, group in ((255, rings), (0, holes)):
        for ring in group:
            points = np.round((np.array(ring, np.float64) - 0.5) * 16).astype(np.int32)
            cv2.fillPoly(mask, [points], value, shift=4)
    return mask


@functools.cache
def by_hash(folder: Path) -> dict[str, Path]:
    """Every photo below `folder` by its SHA-256, so that labels find photos under any name."""
    paths = (p for p in sorted(folder.rglob("*")) if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    return {hashlib.sha256(p.read_bytes()).hexdigest(): p for p in paths}


def read_photo(name: str, folders: list[Path], digest: str | None = None) -> np.ndarray | None:
    for folder in folders:
        path = folder / name if digest is None else by_hash(folder).get(digest)
        if path is not None and path.is_file():
            return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    if name == "astronaut.png":
        from skimage import data

        return np.ascontiguousarray(data.astronaut())
    return None


def read_cases(labels: list[Path], folders: list[Path]) -> list[Case]:
    cases = []
    for path in sorted(p for folder in labels for p in folder.glob("*.json")):
        told = json.loads(path.read_text())
        photo = read_photo(told["photo"], folders, told.get("sha256"))
        if photo is None:
            print(f"{told['photo']}: not at hand, left out ({told['source']})", file=sys.stderr)
            continue
        shape = photo.shape[:2]
        for one in told["persons"]:
            zones, protect = one["zones"], one.get("protect", {})
            sample = Sample(
                photo,
                {
                    k: rings_to_mask(v, shape, zones.get(f"{k}_holes", one.get(f"{k}_holes", ())))
                    for k, v in zones.items()
                    if not k.endswith("_holes")
                },
                {
                    k: rings_to_mask(v, shape, protect.get(f"{k}_holes", one.get(f"{k}_holes", ())))
                    for k, v in protect.items()
                    if not k.endswith("_holes")
                },
                rings_to_mask(one.get("ignore", []), shape),
                tuple(round(v) for v in one["box"]),
            )
            cases.append(Case(told["photo"], one["name"], bool(one.get("hard")), len(told["persons"]) > 1, sample))
    return cases


def number_of(box: tuple[int, int, int, int], seg: Segmentation) -> int | None:
    """The found person whose box overlaps `box` most."""

    def share(other: tuple[int, int, int, int]) -> float:
        w = min(box[2], other[2]) - max(box[0], other[0])
        h = min(box[3], other[3]) - max(box[1], other[1])
        if w <= 0 or h <= 0:
            return 0.0
        area = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
        return w * h / (area - w * h)

    best = max(seg.persons, key=lambda p: share(p.box))
    return best.number if share(best.box) > 0.25 else None


def parse(segmenter: MediaPipeSegmenter, sample: Sample, *, several: bool) -> tuple[Segmentation | str, float]:
    zones = frozenset(Zone(z) for z in sample.zones) or None  # labels of head and hands alone: all that is offered
    number = None
    try:
        if several:
            seg = segmenter.segment(sample.photo, person=None, zones=None, cancel=CancelToken())
            number = number_of(sample.box, seg)
            if number is None:
                return "person not found", 0.0
        start = time.perf_counter()
        seg = segmenter.segment(sample.photo, person=number, zones=zones, cancel=CancelToken())
        return seg, time.perf_counter() - start
    except NobodyFound as problem:
        return problem.reason, 0.0


def iou(mask: Mask, truth: Mask, ignore: Mask) -> float:
    count = ignore == 0
    a, b = (mask > 0) & count, (truth > 0) & count
    return float(np.count_nonzero(a & b) / max(1, np.count_nonzero(a | b)))


def score(
    case: Case, seg: Segmentation | str, seconds: float, version: str = "", sample: Sample | None = None
) -> list[Score]:
    sample = sample or case.sample
    found = []
    for zone, truth in sample.zones.items():
        region = seg.regions.get(Zone(zone)) if isinstance(seg, Segmentation) else None
        value = iou(region.mask, truth, sample.ignore) if region else 0.0
        found.append(Score(case.photo, case.name, zone, case.hard, value, seconds, version))
    return found


def protected_shares(sample: Sample, seg: Segmentation) -> dict[str, tuple[float, float]]:
    """Per protected name: share of the label inside any mask, and share of the label that was found."""
    union = np.zeros(sample.photo.shape[:2], np.uint8)
    for region in seg.regions.values():
        np.maximum(union, region.mask, out=union)
    shares = {}
    for name, truth in sample.protect.items():
        inside = truth > 0
        if not inside.any():
            continue
        areas = [a.mask for a in seg.protected if a.name == name or (name == "hair" and a.name == "head")]
        known = np.max(areas, axis=0) if areas else np.zeros_like(union)
        shares[name] = (float((union[inside] > 0).mean()), float((known[inside] > 0).mean()))
    return shares


def overlay(sample: Sample, seg: Segmentation | str, height: int = 640) -> np.ndarray:
    view = sample.photo.astype(np.float32)
    colours = {
        "top": (255, 0, 0),
        "bottom": (0, 0, 255),
        "outer": (255, 0, 255),
        "dress": (255, 0, 0),
        "full": (0, 160, 0),
    }
    protect = {"head": (255, 255, 0), "hair": (255, 160, 0), "hands": (0, 255, 255), "shoes": (0, 255, 0)}
    if isinstance(seg, Segmentation):
        for zone, region in seg.regions.items():
            if zone != Zone.FULL or len(seg.regions) == 1:
                view[region.mask > 0] = view[region.mask > 0] * 0.6 + np.array(colours[zone]) * 0.4
        for area in seg.protected:
            view[area.mask > 0] = view[area.mask > 0] * 0.7 + np.array(protect.get(area.name, (128, 128, 128))) * 0.3
    view = np.ascontiguousarray(view.astype(np.uint8))
    for zone, truth in sample.zones.items():
        if zone != "full":
            lines, _ = cv2.findContours(truth, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(view, lines, -1, (255, 255, 255), max(1, round(view.shape[0] / 700)))
    scale = height / view.shape[0]
    return cv2.resize(view, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def save_sheet(path: str, tiles: list[np.ndarray], width: int = 2600) -> None:
    rows, row, used = [], [], 0
    for tile in tiles:
        if row and used + tile.shape[1] > width:
            rows.append(np.hstack(row))
            row, used = [], 0
        row.append(np.pad(tile, ((0, 640 - tile.shape[0]), (0, 0), (0, 0))))
        used += tile.shape[1]
    rows.append(np.hstack(row))
    full = max(r.shape[1] for r in rows)
    sheet = np.vstack([np.pad(r, ((0, 0), (0, full - r.shape[1]), (0, 0))) for r in rows])
    cv2.imwrite(path, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def summary(scores: list[Score]) -> str:
    if not scores:
        return "none"
    values = [s.iou for s in scores]
    return f"{len(values)} masks, mean {np.mean(values):.3f}, worst {min(values):.3f}, misses {sum(v == 0 for v in values)}"


def run_variants(
    segmenter: MediaPipeSegmenter, cases: list[Case], wanted: str, tiles: list[np.ndarray] | None
) -> list[Score]:
    scores: list[Score] = []
    plain = [c for c in cases if not c.hard and c.sample.zones]
    versions = {"all": {**GEOMETRY_AND_LIGHT, **HARDER}, "issue": GEOMETRY_AND_LIGHT}.get(wanted)
    if versions is None:
        versions = {k: v for k, v in {**GEOMETRY_AND_LIGHT, **HARDER}.items() if k.startswith(wanted)}
    for name, change in versions.items():
        here: list[Score] = []
        for case in plain:
            sample = change(case.sample)
            if not sample.zones or sample is case.sample:
                continue
            seg, seconds = parse(segmenter, sample, several=case.several)
            here += score(case, seg, seconds, name, sample)
            if tiles is not None:
                tiles.append(overlay(sample, seg, 400))
        bad = ", ".join(
            f"{s.photo[:14]}/{s.zone} {s.iou:.2f}" for s in sorted(here, key=lambda s: s.iou)[:5] if s.iou < 0.9
        )
        print(f"  {name:22s} {summary(here)}   {bad}", flush=True)
        scores += here
    for kind in WALLS if wanted in ("all", "wall") else ():
        here = []
        for case in plain:
            body = segmenter.segment(case.sample.photo, person=None, zones=None, cancel=CancelToken()).body
            whole = np.max([body, *case.sample.zones.values()], axis=0)
            sample = placed(case.sample, whole, wall(kind, case.sample.photo.shape[:2]))
            seg, seconds = parse(segmenter, sample, several=False)
            here += score(case, seg, seconds, f"wall {kind}", sample)
            if tiles is not None:
                tiles.append(overlay(sample, seg, 400))
        bad = ", ".join(
            f"{s.photo[:14]}/{s.zone} {s.iou:.2f}" for s in sorted(here, key=lambda s: s.iou)[:5] if s.iou < 0.9
        )
        print(f"  {'wall ' + kind:22s} {summary(here)}   {bad}", flush=True)
        scores += here
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", action="append", type=Path, default=[])
    parser.add_argument("--labels", action="append", type=Path, default=[])
    parser.add_argument("--variants", nargs="?", const="all", help="all, issue, wall, or the start of a version's name")
    parser.add_argument("--only", default="", help="photos whose name contains this")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet")
    given = parser.parse_args()
    folders = given.photos or [Path(p) for p in os.environ.get("OUTFITSWAP_TEST_PHOTOS", "").split(os.pathsep) if p]
    cases = [c for c in read_cases(given.labels or [LABELS], folders) if given.only in c.photo]
    segmenter = MediaPipeSegmenter()
    scores: list[Score] = []
    shares: dict[str, list[tuple[float, float]]] = {}
    tiles: list[np.ndarray] = []
    for case in sorted(cases, key=lambda c: c.hard):
        seg, seconds = parse(segmenter, case.sample, several=case.several)
        told = score(case, seg, seconds)
        scores += told
        line = "  ".join(f"{s.zone} {s.iou:.3f}" for s in told)
        if isinstance(seg, Segmentation):
            protected = protected_shares(case.sample, seg)
            line += "   | " + " ".join(f"{k} in {100 * v[0]:.2f}% found {v[1]:.2f}" for k, v in protected.items())
            if not case.hard:
                for name, value in protected.items():
                    shares.setdefault(name, []).append(value)
        else:
            line += f"  MISS: {seg}"
        print(f"{'hard ' if case.hard else ''}{case.photo} · {case.name[:30]}: {line}  {seconds:.2f} s", flush=True)
        tiles.append(overlay(case.sample, seg))
    print("plain:", summary([s for s in scores if not s.hard]))
    print("hard: ", summary([s for s in scores if s.hard]))
    for name, values in shares.items():
        inside, known = [v[0] for v in values], [v[1] for v in values]
        print(
            f"{name}: inside masks mean {100 * np.mean(inside):.2f} % worst {100 * max(inside):.2f} %; "
            f"found in {sum(k > 0.5 for k in known)} of {len(known)}, least share found {min(known):.2f}"
        )
    if given.variants:
        scores += run_variants(segmenter, cases, given.variants, tiles if given.sheet else None)
    if given.json:
        given.json.write_text(json.dumps([s.__dict__ if hasattr(s, "__dict__") else s for s in scores], indent=1))
    if given.sheet:
        save_sheet(given.sheet, tiles)


if __name__ == "__main__":
    main()
