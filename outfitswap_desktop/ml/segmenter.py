"""The mask steps joined: the embedded parse, garments found by YOLO, cut out by SAM, heads kept out by a face network.

`ml_segmenters` gives the rungs for core.ladder.Ladder: all of it, without SAM, the embedded parse, OpenCV alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from outfitswap_desktop.core.arrays import F32, RGB, Mask
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import ProtectedArea, Region, Segmentation
from outfitswap_desktop.core.steps import Segmenter
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import NobodyFound, NotAvailable
from outfitswap_desktop.ml import joining
from outfitswap_desktop.ml.detect import Detection, Detector, FloatBox, YoloDetector
from outfitswap_desktop.ml.guard import INSIGHTFACE, YUNET, HeadGuard
from outfitswap_desktop.ml.guarded import GuardedParse
from outfitswap_desktop.ml.parts import OnDevice, Store
from outfitswap_desktop.ml.refine import Prompt, Refiner, SamRefiner
from outfitswap_desktop.ml.remembered import Remembered

FULL_RUNG, BOXES_RUNG = "yolo+sam", "yolo"
LEAST_QUALITY: Final = 0.5
"""SAM's own guess of its quality below which an answer is not used (its authors drop unprompted masks below 0.88)."""
LEAST_SHARE: Final = 0.05
"""Share of a garment's box that an answer must fill."""


@dataclass(slots=True, eq=False)
class _Work:
    """One photo on its way: what the parse said, what YOLO found, and what becomes of both."""

    photo: RGB
    parsed: Segmentation
    boxes: tuple[FloatBox, ...]
    worn: dict[Zone, list[Detection]]
    protected: tuple[ProtectedArea, ...]
    keep_out: Mask
    reach: Mask
    soft: dict[Zone, F32] = field(default_factory=dict)
    sure: dict[Zone, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    used: list[dict[str, Any]] = field(default_factory=list)
    coarse: set[Zone] = field(default_factory=set)


class MlSegmenter:
    """Segmenter on the user's own weights; `parse` is the embedded one, `refiner` None leaves SAM out.

    Networks are loaded at the first photo and stay until `close`. Not safe for two threads at once.
    """

    def __init__(self, parse: Remembered, detector: Detector, *, refiner: Refiner | None, guard: HeadGuard) -> None:
        self.name = BOXES_RUNG if refiner is None else FULL_RUNG
        self._parse = parse
        self._detector = detector
        self._refiner = refiner
        self._guard = guard

    def segment(
        self, photo: RGB, *, person: int | None, zones: frozenset[Zone] | None, cancel: CancelToken
    ) -> Segmentation:
        """See core.steps.Segmenter; NotAvailable when weights are missing, damaged, or a library gave up."""
        if self._refiner is not None:
            self._refiner.prepare()
        clock: dict[str, float] = {}
        began = time.perf_counter()
        finds = self._detector.detect(photo)
        clock["detect"] = time.perf_counter() - began
        cancel.check()
        parsed, missed = self._parsed(photo, person=person, zones=zones, cancel=cancel)
        cancel.check()
        began = time.perf_counter()
        protected, failed, faces = self._guard.protect(photo, parsed)
        clock["guard"] = time.perf_counter() - began
        cancel.check()
        work = _begin(photo, parsed, finds, protected)
        wanted = _wanted(zones, work)
        began = time.perf_counter()
        for zone in (zone for zone in Zone if zone in wanted and zone in work.worn):
            self._cut_out(work, zone, cancel)
        clock["refine"] = time.perf_counter() - began
        made = _regions(work, wanted)
        regions = made if zones is None else {zone: region for zone, region in made.items() if zone in zones}
        if not regions and missed is not None:
            raise missed
        self._parse.forget()
        return replace(
            parsed,
            segmenter=self.name,
            regions=regions,
            protected=protected,
            fallbacks=(*parsed.fallbacks, *failed, *getattr(self._refiner, "reasons", ())),
            notes=(*parsed.notes, *dict.fromkeys(work.notes), *_stayed(work, regions)),
            diagnostics={**parsed.diagnostics, **self._told(work, finds, faces, clock)},
        )

    def close(self) -> None:
        """Give back all networks and the last parse; the next photo loads them anew."""
        for part in (self._detector, self._guard, self._parse, self._refiner):
            if part is not None:
                part.close()

    def _parsed(
        self, photo: RGB, *, person: int | None, zones: frozenset[Zone] | None, cancel: CancelToken
    ) -> tuple[Segmentation, NobodyFound | None]:
        """The embedded parse; a zone that it does not see may be found by YOLO yet, then its complaint comes back beside it."""
        try:
            return self._parse.segment(photo, person=person, zones=zones, cancel=cancel), None
        except NobodyFound as problem:
            if problem.reason != "no_such_zone" or zones is None:
                raise
            return self._parse.segment(photo, person=person, zones=None, cancel=cancel), problem

    def _cut_out(self, work: _Work, zone: Zone, cancel: CancelToken) -> None:
        """One zone of all its finds: SAM's answers, or where there is none what box and parse say."""
        guesses = [(one, joining.prior(zone, one, work.parsed, work.keep_out)) for one in work.worn[zone]]
        answers: Sequence[tuple[F32, float] | None] = [None] * len(guesses)
        if self._refiner is not None:
            prompts = tuple(joining.prompt_for(one, guess, work.protected) for one, guess in guesses)
            answers = [(made.logits, made.quality) for made in self._refiner.answers(work.photo, prompts)]
            cancel.check()
        else:
            prompts = tuple(Prompt(one.box) for one, _ in guesses)
        for (one, guess), prompt, made in zip(guesses, prompts, answers, strict=True):
            soft, quality, how = _judged(one, guess, made, work)
            if how != "nothing":
                _join(work, zone, soft, 0.5 * (one.confidence + quality))
                if how != "box":
                    work.coarse.add(zone)
            work.used.append(
                {
                    **one.as_values(),
                    "worn_as": zone.value,
                    "quality": round(quality, 4),
                    "by": how,
                    "points": _plain(prompt),
                }
            )

    def _told(
        self, work: _Work, finds: tuple[Detection, ...], faces: dict[str, Any], clock: dict[str, float]
    ) -> dict[str, Any]:
        worn = {id(one) for group in work.worn.values() for one in group}
        return {
            "rung": self.name,
            "parse": work.parsed.segmenter,
            "detector": self._detector.as_values(),
            "refiner": self._refiner.as_values() if self._refiner is not None else None,
            "guard": faces,
            "seconds": {name: round(value, 3) for name, value in clock.items()},
            "garments": work.used,
            "not_used": [one.as_values() for one in finds if id(one) not in worn],
        }


def _begin(
    photo: RGB, parsed: Segmentation, finds: tuple[Detection, ...], protected: tuple[ProtectedArea, ...]
) -> _Work:
    shape = (photo.shape[0], photo.shape[1])
    boxes = joining.person_boxes(parsed.persons, finds)
    garments = [one for one in finds if one.kind == "garment"]
    mine = [one for one in garments if joining.worn_by(one, boxes, chosen=parsed.person - 1, body=parsed.body)]
    keep_out = replace(parsed, protected=protected).protect_mask(shape)
    worn = joining.by_zone(mine, parsed.regions)
    return _Work(photo, parsed, boxes, worn, protected, keep_out, joining.reach_of(parsed, boxes, shape))


def _wanted(zones: frozenset[Zone] | None, work: _Work) -> set[Zone]:
    """The zones to answer for; for all clothes together, each garment too."""
    if zones is None or Zone.FULL in zones:
        return set(work.worn) | set(work.parsed.regions)
    return set(zones)


def _judged(one: Detection, guess: Mask, made: tuple[F32, float] | None, work: _Work) -> tuple[F32, float, str]:
    """Logits (H, W) of one find within its box and the body, their quality 0..1, and what they are from."""
    least = LEAST_SHARE * joining.area_of(one.box)
    if made is not None:
        soft, quality = joining.limited(made[0], one, work.reach), min(1.0, max(0.0, made[1]))
        if quality >= LEAST_QUALITY and np.count_nonzero((soft > 0) & (work.keep_out == 0)) >= least:
            return soft, quality, "sam"
        work.notes.append(f"SAM found no clear outline for {one.name}; the parse's was taken.")
    soft = joining.limited(np.where(guess > 0, np.float32(4.0), np.float32(-4.0)), one, work.reach)
    if np.count_nonzero(soft > 0) < least:
        return soft, 0.0, "nothing"
    return soft, 0.6 if one.piece is None else 0.8, "box" if one.piece is None else "yolo"


def _join(work: _Work, zone: Zone, soft: F32, sure: float) -> None:
    there = work.soft.get(zone)
    work.soft[zone] = soft if there is None else np.maximum(there, soft)
    work.sure[zone] = max(sure, work.sure.get(zone, 0.0))


def _regions(work: _Work, wanted: set[Zone]) -> dict[Zone, Region]:
    """A region for each zone: cut out where YOLO found one, else the parse's without what is protected now."""
    made = {
        zone: joining.fitted(work.photo, soft)
        if zone in work.coarse
        else np.where(soft > 0, np.uint8(255), np.uint8(0))
        for zone, soft in work.soft.items()
    }
    joining.parted(work.soft, made)
    kept = {zone: np.where(work.reach > 0, mask, np.uint8(0)) for zone, mask in made.items()}
    made = {zone: joining.tidied(mask, work.keep_out) for zone, mask in kept.items()}
    regions: dict[Zone, Region] = {}
    for zone in Zone:
        if zone not in wanted:
            continue
        old = work.parsed.regions.get(zone)
        mask = _all_clothes(work, made) if zone is Zone.FULL and made else made.get(zone)
        if mask is not None and mask.any():
            sure = work.sure.get(zone, min(work.sure.values(), default=0.0))
            regions[zone] = Region(zone, mask, joining.soft_edge(mask), round(min(0.99, max(0.05, sure)), 3))
        elif old is not None:
            regions[zone] = old.without(work.keep_out)
    return {zone: region for zone, region in regions.items() if region.mask.any()}


def _all_clothes(work: _Work, made: dict[Zone, Mask]) -> Mask | None:
    """Everything worn: what was cut out, the zones that stayed as they were, the parse's clothes outside of YOLO's boxes."""
    shape = work.keep_out.shape
    union = np.zeros(shape, np.uint8)
    for mask in made.values():
        np.maximum(union, mask, out=union)
    old = work.parsed.regions.get(Zone.FULL)
    if old is None:
        return union if len(made) > 1 or Zone.FULL in made else None
    boxed = np.zeros(shape, bool)
    for group in work.worn.values():
        for one in group:
            x0, y0, x1, y1 = joining.clipped(one.box, (shape[0], shape[1]))
            boxed[y0:y1, x0:x1] = True
    clothes = old.mask > 0
    union[clothes & ~boxed] = 255
    for zone, region in work.parsed.regions.items():
        if zone not in made and zone is not Zone.FULL:
            np.maximum(union, region.mask, out=union)
    union[work.keep_out > 0] = 0
    return union


def _stayed(work: _Work, regions: dict[Zone, Region]) -> tuple[str, ...]:
    """In one sentence, the zones that YOLO did not find and the parse did."""
    stayed = [zone.value for zone in regions if zone not in work.soft and zone is not Zone.FULL]
    if Zone.FULL in regions and not work.soft:
        stayed.append(Zone.FULL.value)
    return (f"YOLO found no garment for {', '.join(stayed)}: the embedded parse's outline stays.",) if stayed else ()


def _plain(prompt: Prompt) -> list[list[float | bool]]:
    return [[round(x, 1), round(y, 1), inside] for x, y, inside in prompt.points]


def ml_segmenters(
    embedded: Sequence[Segmenter], store: Store, device: OnDevice, *, refiner: SamRefiner | None = None
) -> tuple[Segmenter, ...]:
    """The rungs for core.ladder.Ladder, best first: full, without SAM, the first of `embedded` with a face network where one
    is installed, then `embedded` (best first) as they are.

    The first of `embedded` reads the person for the upper rungs too, once for each photo. Nothing is loaded before it is used.
    A `refiner` that answers the editor's clicks as well is handed in, so that SAM is loaded once and a photo encoded once.
    """
    parse = Remembered(embedded[0])
    detector, guard = YoloDetector(store, device=device), HeadGuard(store)
    full = MlSegmenter(parse, detector, refiner=refiner or SamRefiner(store, device=device), guard=guard)
    boxes = MlSegmenter(parse, detector, refiner=None, guard=guard)
    return full, boxes, *guarded(parse, guard, store), parse, *embedded[1:]


def guarded(parse: Segmenter, guard: HeadGuard, store: Store) -> tuple[Segmenter, ...]:
    """The rung with a face network alone, none where no such weights are installed."""
    for weights_id in (INSIGHTFACE, YUNET):
        with suppress(NotAvailable):
            store.open(weights_id)
            return (GuardedParse(parse, guard),)
    return ()
