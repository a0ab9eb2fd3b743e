"""The receipt of a job: what was asked, with what it was made, and what was measured; enough to make it again.

It names files without their folders, so that it can lie beside a result that is handed on.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from outfitswap_desktop import __version__
from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.job import SwapRequest, SwapResult, Wishes
from outfitswap_desktop.core.photo import Photo
from outfitswap_desktop.core.regions import Segmentation, box_of, polygon_of

SCHEMA = 1
_TRACED = 1024
_MOST_RINGS = 12
ENGINE_PACKAGES = ("torch", "diffusers", "transformers", "ultralytics")
PACKAGES = ("numpy", "pillow", "opencv-python-headless", "mediapipe", "onnxruntime", "scikit-image", "scipy")


def versions() -> dict[str, str]:
    """Versions of this program, Python and the libraries that decide the pixels."""
    found = {"outfitswap": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    for package in ENGINE_PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def mask_hash(mask: Mask) -> str:
    """SHA-256 over the mask's size and bytes."""
    return hashlib.sha256(repr(mask.shape).encode() + mask.tobytes()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def found_in(found: Segmentation) -> dict[str, Any]:
    """What the segmenter found, for a look at it later: confidences, boxes in photo pixels, and outlines.

    Outlines are rings, each a text "x,y x,y ..." in photo pixels; they are traced on a picture of at most 1,024 pixels, so they
    are as exact as a look at the whole photo needs.
    """
    areas = {
        "regions": [(str(region.zone), region.mask, region.confidence) for region in found.regions.values()],
        "protected": [(area.name, area.mask, area.confidence) for area in found.protected],
    }
    listed = {
        kind: [{"name": name, "confidence": round(confidence, 3), **_outline(mask)} for name, mask, confidence in rows]
        for kind, rows in areas.items()
    }
    persons = [
        {"number": person.number, "confidence": round(person.confidence, 3), "box": list(person.box)}
        for person in found.persons
    ]
    return {"persons": persons, **listed, **({"steps": dict(found.diagnostics)} if found.diagnostics else {})}


def _outline(mask: Mask) -> dict[str, Any]:
    """Box and rings of a mask (H, W) > 0, in its own pixels."""
    step = max(1, -(-max(mask.shape) // _TRACED))
    small = mask[::step, ::step]
    rings = [" ".join(f"{x * step},{y * step}" for x, y in ring) for ring in polygon_of(small, tolerance=0.004)]
    box = [side * step for side in box_of(small)]
    return {
        "box": [box[0], box[1], min(box[2], mask.shape[1]), min(box[3], mask.shape[0])],
        "rings": rings[:_MOST_RINGS],
    }


def _asked(wishes: Wishes) -> dict[str, Any]:
    """What was asked beyond the recipe, without what was left to it."""
    plain = Wishes()
    values = asdict(wishes)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items() if v != getattr(plain, name)}


def make_receipt(
    request: SwapRequest,
    result: SwapResult,
    *,
    photo: Photo,
    garment: Photo | None,
    drawn_sha256: str | None,
    gates: Mapping[str, Any],
    safety: Mapping[str, Any],
    output: Mapping[str, Any],
) -> dict[str, Any]:
    """The receipt as a JSON-able dict.

    `drawn_sha256`: of a hand-drawn mask's file; `gates`: scores by gate; `safety`: root, consent, marks; `output`: name,
    sha256, format, lossless, quality.
    """
    found = result.segmentation
    return {
        "schema": SCHEMA,
        "request": {
            "prompt": request.prompt,
            "zone": request.zone.value if request.zone else None,
            "person": request.person,
            "engine": request.engine,
            "seed": request.seed,
            "steps": request.steps,
            "wishes": _asked(request.wishes),
            "consent": request.consent,
            "mask_sha256": drawn_sha256,
        },
        "source": {
            "name": request.photo.name,
            "sha256": photo.sha256,
            "format": photo.format,
            "size": [photo.pixels.shape[1], photo.pixels.shape[0]],
        },
        "garment": {"name": request.garment.name, "sha256": garment.sha256} if request.garment and garment else None,
        "mask": {"sha256": mask_hash(result.mask), "fraction": result.measured.mask_fraction},
        "made": {
            "engine": result.engine,
            "segmenter": result.segmenter,
            "zone": result.zone.value,
            "person": found.person if found else None,
            "confidence": round(found.regions[result.zone].confidence, 3)
            if found and result.zone in found.regions
            else None,
            "fallbacks": list(result.fallbacks),
            "limits": list(result.limits),
            "notes": list(result.notes),
            "plan": dict(result.plan),
        },
        "found": found_in(found) if found is not None else None,
        "seconds": dict(result.seconds),
        "outside_mask_changed_pixels": result.measured.outside_mask_changed_pixels,
        "output": dict(output),
        "gates": dict(gates),
        "safety": dict(safety),
        "versions": versions(),
    }
