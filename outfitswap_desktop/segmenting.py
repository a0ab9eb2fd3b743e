"""Segmentation on its own: the mask of one zone as a file, and everything found as plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from outfitswap_desktop.core.encode import format_for
from outfitswap_desktop.core.job import CancelToken, Progress, Report
from outfitswap_desktop.core.pipeline import zone_or_largest
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.runner import Runner


def segment_to_file(
    runner: Runner,
    photo: Path,
    output: Path,
    *,
    zone: Zone | None,
    person: int | None,
    overlay: Path | None,
    report: Report,
    cancel: CancelToken,
) -> dict[str, Any]:
    """Write the mask of one zone (None: the largest garment) as an 8-bit PNG, optionally an overlay; returns plain values.

    Raises UsageProblem for files that cannot be written, before any work, and NobodyFound when nobody or nothing of the
    zone is there. Either both files are written or none.
    """
    with runner.tidy(output, *([overlay] if overlay is not None else [])):
        return _segment(runner, photo, output, zone=zone, person=person, overlay=overlay, report=report, cancel=cancel)


def _segment(
    runner: Runner,
    photo: Path,
    output: Path,
    *,
    zone: Zone | None,
    person: int | None,
    overlay: Path | None,
    report: Report,
    cancel: CancelToken,
) -> dict[str, Any]:
    report(Progress("read", 0.0))
    mask_place = runner.place(output, forbid=(photo,), only="PNG", role="mask")
    overlay_place = runner.place(overlay, forbid=(photo,), role="overlay") if overlay is not None else None
    overlay_format = format_for(overlay) if overlay is not None else "PNG"
    if overlay_place is not None and overlay_place.final == mask_place.final:
        raise UsageProblem(
            "Mask and overlay cannot be the same file.", reason="same_file", hint="Give --overlay another name."
        )
    source = runner.open_photo(photo)
    cancel.check()
    report(Progress("parse", 0.1))
    found = runner.segment(source, zone=zone, person=person, cancel=cancel)
    chosen = zone_or_largest(zone, found)
    mask = found.regions[chosen].mask
    report(Progress("gates", 0.8))
    files = [(mask_place, runner.kernel.encode_mask(mask))]
    if overlay_place is not None:
        released = runner.kernel.overlay(source, mask, cancel=cancel)
        files.append((overlay_place, runner.kernel.encode(released, overlay_format)))
    cancel.check()
    report(Progress("save", 0.9))
    runner.write(files)
    answer = as_values(found)
    answer.update(zone=chosen.value, mask=str(mask_place.final), notes=[*source.photo.notes, *found.notes])
    if overlay_place is not None:
        answer["overlay"] = str(overlay_place.final)
    report(Progress("save", 1.0))
    return answer


def as_values(found: Segmentation) -> dict[str, Any]:
    """A segmentation as JSON-able values: polygons and boxes in pixels of the upright photo (x, y)."""
    return {
        "segmenter": found.segmenter,
        "fallbacks": list(found.fallbacks),
        "notes": list(found.notes),
        "person": found.person,
        "persons": [
            {"number": p.number, "box": list(p.box), "confidence": round(p.confidence, 3), "evidence": list(p.evidence)}
            for p in found.persons
        ],
        "regions": [
            {
                "zone": zone.value,
                "confidence": round(region.confidence, 3),
                "box": list(region.box),
                "polygon": _rings(region.polygon),
            }
            for zone, region in found.regions.items()
        ],
        "protected": {
            area.name: {
                "confidence": round(area.confidence, 3),
                "box": list(area.box),
                "polygon": _rings(area.polygon),
            }
            for area in found.protected
        },
    }


def _rings(polygon: tuple[tuple[tuple[int, int], ...], ...]) -> list[list[list[int]]]:
    return [[[x, y] for x, y in ring] for ring in polygon]
