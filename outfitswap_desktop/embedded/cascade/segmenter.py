"""The fallback segmenter itself: face, proportions, GrabCut, colours; always of low confidence, and it says so."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import RGB, Bool, Mask
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import Person, ProtectedArea, Region, Segmentation
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.cascade import areas, silhouette
from outfitswap_desktop.embedded.cascade.faces import Face, find_faces
from outfitswap_desktop.embedded.cascade.labelling import Labels, label
from outfitswap_desktop.embedded.cascade.proportions import Figure, axes_of, figure_of, person_box
from outfitswap_desktop.errors import NobodyFound

GUESSED = "The body was guessed from the face: look at the mask."
OUTER_IS_TOP = "Outer and inner layers cannot be told apart here: outer is the same as top."
CONFIDENCE = {Zone.TOP: 0.45, Zone.OUTER: 0.25, Zone.FULL: 0.4, Zone.DRESS: 0.3, Zone.BOTTOM: 0.3}
LEAST_AREA = 0.35
"""A garment under this many squared face windows is not reported."""
RIM = 2.5
"""Width of the soft inner rim in photo pixels for a face of 100 pixels."""


class CascadeSegmenter:
    """Finds persons by their faces and guesses the rest; for photos and machines where nothing better works."""

    name = "cascade"

    def segment(
        self, photo: RGB, *, person: int | None, zones: frozenset[Zone] | None, cancel: CancelToken
    ) -> Segmentation:
        """As core.steps.Segmenter. Raises NobodyFound (nobody_found, no_such_person, no_such_zone) or NotAvailable."""
        faces = find_faces(photo, cancel=cancel)
        if not faces:
            raise NobodyFound(
                "No frontal face was found in the photo.",
                reason="nobody_found",
                hint="Draw the garment yourself and pass it with --mask MASK.png.",
            )
        chosen = _choose(faces, person)
        guess = _guess(photo, faces, chosen=chosen, cancel=cancel)
        canvas = areas.Canvas(photo, guess.figure)
        protected = _protected(guess, canvas)
        regions = _regions(guess, canvas, zones=zones, keep=_union(protected, photo.shape))
        if not regions or (zones is not None and not zones & regions.keys()):
            raise _no_zone(zones, regions)
        shape = (photo.shape[0], photo.shape[1])
        persons = tuple(
            Person(i + 1, person_box(f, shape), confidence=_certainty(f), evidence=("face",))
            for i, f in enumerate(faces)
        )
        lowest = float(guess.figure.v.max())
        notes = (GUESSED, OUTER_IS_TOP) if Zone.OUTER in regions else (GUESSED,)
        return Segmentation(
            segmenter=self.name,
            persons=persons,
            person=chosen + 1,
            regions=regions,
            protected=protected,
            axes=axes_of(guess.figure, lowest=lowest),
            body=canvas.mask(guess.inside),
            notes=notes,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Guess:
    figure: Figure
    inside: Bool
    labels: Labels


def _choose(faces: tuple[Face, ...], person: int | None) -> int:
    if person is None:
        return max(range(len(faces)), key=lambda i: faces[i].size)
    if not 1 <= person <= len(faces):
        there = "one person was" if len(faces) == 1 else f"{len(faces)} persons were"
        raise NobodyFound(
            f"There is no person {person}: {there} found by their faces.",
            reason="no_such_person",
            hint=f"Choose --person 1 to {len(faces)}, counted from the left, or draw the garment with --mask MASK.png.",
        )
    return person - 1


def _guess(photo: RGB, faces: tuple[Face, ...], *, chosen: int, cancel: CancelToken) -> _Guess:
    figure = figure_of(photo, faces[chosen])
    x0, y0, x1, _ = figure.box
    zoom = figure.picture.shape[1] / (x1 - x0)
    others = [((f.x - x0) * zoom, (f.y - y0) * zoom, f.size * zoom) for i, f in enumerate(faces) if i != chosen]
    cancel.check()
    inside = silhouette.cut(figure, others)
    moved = silhouette.with_trunk(figure, inside)
    cancel.check()
    if abs(moved.aside) > 0.12:
        figure, inside = moved, silhouette.cut(moved, others)
    cancel.check()
    return _Guess(figure, inside, label(figure, inside))


def _protected(guess: _Guess, canvas: areas.Canvas) -> tuple[ProtectedArea, ...]:
    head, hair = areas.head_and_hair(guess.figure, guess.labels)
    found = [
        ("head", head, 0.45),
        ("hair", hair, 0.35),
        ("hands", areas.hands(guess.figure, guess.labels), 0.3),
        ("shoes", areas.shoes(guess.figure, guess.labels), 0.25),
    ]
    return tuple(
        ProtectedArea(name, canvas.mask(area, threshold=0.4), confidence)
        for name, area, confidence in found
        if area.any()
    )


def _union(protected: tuple[ProtectedArea, ...], shape: tuple[int, ...]) -> Mask:
    union = np.zeros(shape[:2], np.uint8)
    for area in protected:
        np.maximum(union, area.mask, out=union)
    return union


def _regions(guess: _Guess, canvas: areas.Canvas, *, zones: frozenset[Zone] | None, keep: Mask) -> dict[Zone, Region]:
    """The wanted zones that are there; outer only when it was asked for."""
    wanted = zones if zones is not None else frozenset(Zone) - {Zone.OUTER}
    layers = {Zone.TOP: areas.TOP_LAYERS, Zone.OUTER: areas.TOP_LAYERS, Zone.BOTTOM: areas.BOTTOM_LAYERS}
    least = LEAST_AREA * guess.figure.unit**2
    bottom = areas.garment(guess.figure, guess.labels, areas.BOTTOM_LAYERS) > 0.5
    dress = guess.labels.one_piece or np.count_nonzero(bottom) < least
    regions: dict[Zone, Region] = {}
    for zone in Zone:
        if zone not in wanted or (zone is Zone.DRESS and not dress):
            continue
        work = areas.garment(guess.figure, guess.labels, layers.get(zone, areas.FULL_LAYERS))
        if np.count_nonzero(work > 0.5) < least:
            continue
        region = _region(zone, guess.figure, canvas.whole((canvas.soft(work) > 0.5).astype(np.uint8) * 255), keep=keep)
        if region is not None:
            regions[zone] = region
    return regions


def _region(zone: Zone, figure: Figure, mask: Mask, *, keep: Mask) -> Region | None:
    """Mask less what is protected, with a rim that is soft inwards; None when nothing is left."""
    mask[keep > 0] = 0
    if not mask.any():
        return None
    photo_face = figure.unit * (figure.box[2] - figure.box[0]) / figure.picture.shape[1]
    rim = max(1.5, RIM * photo_face / 100)
    x0, y0, x1, y1 = figure.box
    alpha = np.zeros_like(mask)
    part = np.pad(mask[y0:y1, x0:x1], 1, mode="edge")
    distance = cv2.distanceTransform(part, cv2.DIST_L2, 3)[1:-1, 1:-1]
    alpha[y0:y1, x0:x1] = np.clip(distance * (255.0 / rim), 0, 255).astype(np.uint8)
    return Region(zone, mask, alpha, CONFIDENCE[zone])


def _certainty(face: Face) -> float:
    """Confidence 0.2..0.45 of a person from the number of agreeing windows."""
    return round(float(np.clip(0.2 + face.hits / 600, 0.2, 0.45)), 2)


def _no_zone(zones: frozenset[Zone] | None, regions: dict[Zone, Region]) -> NobodyFound:
    asked = ", ".join(sorted(z.value for z in zones)) if zones else "any zone"
    return NobodyFound(
        f"No garment for {asked} was found below the face.",
        reason="no_such_zone",
        hint="Choose another --zone, or draw the garment yourself and pass it with --mask MASK.png.",
    )
