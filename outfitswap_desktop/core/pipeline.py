"""One journey from a decoded photo to a raw result: parse, mask, crop, generate, paste back, measure.

The outcome has passed no output gate; only the safety kernel turns it into something that can be shown or saved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from outfitswap_desktop.core import compose, edge
from outfitswap_desktop.core.arrays import RGB, Alpha, Mask
from outfitswap_desktop.core.colour import from_srgb, to_srgb
from outfitswap_desktop.core.job import CancelToken, Measured, Progress, Report, SwapRequest, SwapResult
from outfitswap_desktop.core.mask import feather, solid, to_binary
from outfitswap_desktop.core.memory import give_back
from outfitswap_desktop.core.photo import Photo
from outfitswap_desktop.core.planning import plan_for_target
from outfitswap_desktop.core.regions import HAND_DRAWN, Segmentation
from outfitswap_desktop.core.steps import Generated, GenerationRequest, Recolour, Segmenter, Steps
from outfitswap_desktop.core.zones import TargetClass, Zone, target_in_prompt
from outfitswap_desktop.errors import InputRefused, NobodyFound

STAGE_ENDS = {"parse": 0.35, "mask": 0.40, "generate": 0.80, "paste": 0.85}
"""Share of the whole job that is behind when a stage ends; the rest belongs to gates, encoding and saving."""
DRAWN_FEATHER = 2
"""Pixels over which a hand-drawn mask fades inwards."""
KEEPS_CUT = " and keeps its cut"
"""Said of a garment that stands in for the one asked for, by engines that can do no more."""


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """The decoded inputs of one job; `mask` (H, W) 0/255 is a hand-drawn one."""

    photo: Photo
    garment: Photo | None = None
    mask: Mask | None = None


@dataclass(slots=True)
class _Clock:
    report: Report
    cancel: CancelToken
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.cancel.check()
        starts = [0.0, *STAGE_ENDS.values()][list(STAGE_ENDS).index(name)]
        self.report(Progress(name, starts))
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 3)


@dataclass(frozen=True, slots=True, eq=False)
class MaskPlan:
    """The mask to be painted: `alpha` (H, W) 0..255 in `zone`, with the segmentation it came from (None: nobody found).

    `keep_out` (H, W) 0/255 is all that is protected on the person, already cut from `alpha`; None with `segmentation`.
    `recolour` comes from who approves the plan: what colours may be painted.
    """

    alpha: Alpha
    zone: Zone
    segmentation: Segmentation | None
    segmenter: str
    keep_out: Mask | None = None
    limits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    recolour: Recolour | None = None


Approve = Callable[[MaskPlan], MaskPlan]
"""Who decides on a planned mask: returns it, possibly with less in it and with colours that are kept out, or raises."""


def run(
    request: SwapRequest, sources: Sources, *, steps: Steps, approve: Approve, report: Report, cancel: CancelToken
) -> SwapResult:
    """Run the whole journey. `approve` sees the final mask before anything is painted, and may cut it or raise.

    Raises KnownError (nobody found, prompt not understood ...) or Cancelled.
    """
    clock = _Clock(report, cancel)
    photo = sources.photo
    with clock.stage("parse"):
        seen = to_srgb(photo.pixels, photo.icc)
        plan = plan_mask(request, sources, seen=seen, segmenter=steps.segmenter, cancel=cancel)
        give_back()
    with clock.stage("mask"):
        generator = steps.generator
        if not generator.keeps_cut:
            plan = _recut(plan, target_in_prompt(request.prompt))
        crop = compose.plan_crop(plan.alpha, max_pixels=generator.max_pixels, multiple=generator.multiple)
        plan = approve(soften(plan, crop=crop, seen=seen))
        job = generation_request(request, sources, plan=plan, seen=seen, crop=crop)
    with clock.stage("generate"):
        span = STAGE_ENDS["generate"] - STAGE_ENDS["mask"]
        made = generator.generate(
            job,
            report=lambda done: report(Progress("generate", STAGE_ENDS["mask"] + span * min(1.0, max(0.0, done)))),
            cancel=cancel,
        )
    with clock.stage("paste"):
        mask = solid(plan.alpha)
        image = _pasted(photo, made, plan=plan, crop=crop, seen=seen)
        outside = compose.changed_outside(photo.pixels, image, mask)
    if outside:
        raise AssertionError(f"{outside} pixels outside the mask changed")
    return SwapResult(
        image=image,
        mask=mask,
        segmentation=plan.segmentation,
        zone=plan.zone,
        engine=generator.name,
        segmenter=plan.segmenter,
        fallbacks=plan.segmentation.fallbacks if plan.segmentation else (),
        limits=(*plan.limits, *made.limits),
        notes=(*photo.notes, *plan.notes, *made.notes),
        measured=Measured(outside, round(float(np.count_nonzero(mask)) / mask.size, 6)),
        plan={"crop": crop.box, "size": crop.size, **made.plan},
        seconds=clock.seconds,
    )


def plan_mask(
    request: SwapRequest, sources: Sources, *, seen: RGB, segmenter: Segmenter, cancel: CancelToken
) -> MaskPlan:
    """Decide the zone and the soft mask of a request; `seen` (H, W, 3) is the photo in sRGB."""
    if sources.mask is not None:
        return _hand_drawn(request, sources.mask, seen=seen, segmenter=segmenter, cancel=cancel)
    wanted = frozenset({request.zone}) if request.zone is not None else None
    found = segmenter.segment(seen, person=request.person, zones=wanted, cancel=cancel)
    zone, limits = choose_zone(request, found)
    alpha, keep_out = _protected(found.regions[zone].mask, found)
    if not alpha.any():
        raise NobodyFound(
            f"Nothing of the zone {zone.value} is left beside head, hair, hands and shoes.",
            reason="empty_mask",
            hint="Choose another --zone or draw the garment with --mask.",
        )
    return MaskPlan(alpha, zone, found, found.segmenter, keep_out, limits, _zone_notes(found, zone))


def _recut(plan: MaskPlan, target: TargetClass | None) -> MaskPlan:
    """The plan for an engine that paints `target` in a cut of its own."""
    plan = replace(plan, limits=tuple(said.replace(KEEPS_CUT, "") for said in plan.limits))
    if plan.segmentation is None:
        return plan
    shape = (plan.alpha.shape[0], plan.alpha.shape[1])
    return plan_for_target(plan, target=target, found=plan.segmentation, shape=shape)


def soften(plan: MaskPlan, *, crop: compose.Crop, seen: RGB) -> MaskPlan:
    """The plan with a soft edge that follows the garment's outline in the photo `seen` (H, W, 3).

    A hand-drawn mask keeps the outline that was drawn and is only feathered inwards.
    """
    if plan.segmenter == HAND_DRAWN:
        return replace(plan, alpha=feather(plan.alpha, DRAWN_FEATHER))
    x0, y0, x1, y1 = crop.box
    window = (slice(y0, y1), slice(x0, x1))
    keep = plan.keep_out[window] if plan.keep_out is not None else None
    alpha = np.zeros_like(plan.alpha)
    alpha[window] = edge.matte(seen[window], plan.alpha[window], keep_out=keep)
    return replace(plan, alpha=alpha)


def choose_zone(request: SwapRequest, found: Segmentation) -> tuple[Zone, tuple[str, ...]]:
    """The zone to change, and what has to be said about the choice: asked for, else the prompt's, else the largest."""
    if request.zone is not None:
        return zone_or_largest(request.zone, found), ()
    target = target_in_prompt(request.prompt)
    if target is not None and target.zone in found.regions:
        return target.zone, ()
    stand_ins = {Zone.OUTER: (Zone.TOP,), Zone.DRESS: (Zone.FULL, Zone.TOP), Zone.FULL: (Zone.DRESS, Zone.TOP)}
    if target is not None:
        for zone in stand_ins.get(target.zone, ()):
            if zone in found.regions:
                said = (
                    f"No {target.name} was found on this person: what is worn as {zone.value} was changed{KEEPS_CUT}."
                )
                return zone, (said,)
        raise _no_zone(target.zone, found)
    return zone_or_largest(None, found), ()


def zone_or_largest(zone: Zone | None, found: Segmentation) -> Zone:
    """`zone`, or the largest one when it is None; raises NobodyFound when that is not there."""
    chosen = zone if zone is not None else found.largest_zone()
    if chosen is None or chosen not in found.regions:
        raise _no_zone(chosen or Zone.FULL, found)
    return chosen


def _no_zone(zone: Zone, found: Segmentation) -> NobodyFound:
    there = ", ".join(z.value for z in found.regions) or "none"
    return NobodyFound(
        f"No garment for the zone {zone.value} was found (found: {there}).",
        reason="no_such_zone",
        hint="Choose one of these with --zone, or draw the garment with --mask.",
    )


def _zone_notes(found: Segmentation, zone: Zone) -> tuple[str, ...]:
    confidence = found.regions[zone].confidence
    if confidence >= 0.5:
        return found.notes
    return (*found.notes, f"The mask is a guess (confidence {confidence:.2f}): look at it before you use the result.")


def _protected(alpha: Alpha, found: Segmentation) -> tuple[Alpha, Mask]:
    """`alpha` (H, W) without what is protected, and what that is (H, W) 0/255."""
    keep_out = found.protect_mask((alpha.shape[0], alpha.shape[1]))
    return np.where(keep_out > 0, 0, alpha).astype(np.uint8), keep_out


def _hand_drawn(request: SwapRequest, drawn: Mask, *, seen: RGB, segmenter: Segmenter, cancel: CancelToken) -> MaskPlan:
    """A hand-drawn mask, less what is protected on any person found; it stays usable when nobody is found."""
    target = target_in_prompt(request.prompt)
    zone = request.zone or (target.zone if target is not None else None)
    alpha: Alpha = to_binary(drawn)
    try:
        found = segmenter.segment(seen, person=request.person, zones=None, cancel=cancel)
    except NobodyFound as problem:
        if problem.reason == "no_such_person":
            raise
        note = "Nobody was found in the photo: nothing but the drawn mask protects head, hair and hands."
        return MaskPlan(alpha, zone or Zone.TOP, None, HAND_DRAWN, notes=(note,))
    kept, keep_out = _protected(alpha, found)
    cut = int(np.count_nonzero(alpha)) - int(np.count_nonzero(kept))
    if not kept.any():
        raise InputRefused(
            "The mask covers nothing but head, hair, hands or shoes.",
            reason="mask_protected",
            hint="Draw the garment; these areas are never changed.",
        )
    notes = found.notes
    if cut:
        notes = (*notes, f"{cut} pixels of the drawn mask lay on head, hair, hands or shoes and were cut.")
    return MaskPlan(kept, zone or _overlapping(drawn, found), found, HAND_DRAWN, keep_out, notes=notes)


def _overlapping(drawn: Mask, found: Segmentation) -> Zone:
    """The zone that shares most with a drawn mask (intersection over union); top when none does."""

    def overlap(zone: Zone) -> float:
        mask = found.regions[zone].mask > 0
        both = int(np.count_nonzero(mask & (drawn > 0)))
        return both / max(1, int(np.count_nonzero(mask | (drawn > 0))))

    return max(found.regions, key=overlap, default=Zone.TOP)


def generation_request(
    request: SwapRequest, sources: Sources, *, plan: MaskPlan, seen: RGB, crop: compose.Crop
) -> GenerationRequest:
    """The generator's view of the job: everything cut to the crop, in sRGB, at the generator's size."""
    found = plan.segmentation
    garment = sources.garment
    return GenerationRequest(
        image=compose.extract(seen, crop),
        alpha=compose.extract(plan.alpha, crop),
        zone=plan.zone,
        prompt=request.prompt,
        garment=to_srgb(garment.pixels, garment.icc) if garment is not None else None,
        axes=compose.axes_in_crop(found.axes, crop) if found is not None else (),
        keep_out=compose.extract(plan.keep_out, crop) if plan.keep_out is not None else None,
        seed=request.seed,
        steps=request.steps,
        recolour=plan.recolour,
        pose=compose.pose_in_crop(found.pose, crop) if found is not None and found.pose is not None else None,
        cut=compose.extract(found.regions[plan.zone].mask, crop)
        if found is not None and plan.zone in found.regions
        else None,
        wishes=request.wishes,
    )


def _pasted(photo: Photo, made: Generated, *, plan: MaskPlan, crop: compose.Crop, seen: RGB) -> RGB:
    window = made.image
    if crop.size != crop.native:
        window = compose.resize(window, crop.native)
    if seen is not photo.pixels:
        window = from_srgb(window, photo.icc)
    alpha = solid(plan.alpha) if made.composited else plan.alpha
    return compose.paste_back(photo.pixels, window, alpha, crop=crop)
