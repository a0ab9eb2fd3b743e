"""Gates on every picture that goes out: what it shows, and what it shows that the root of its chain of edits did not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.colour import to_srgb
from outfitswap_desktop.core.compose import changed_outside
from outfitswap_desktop.core.mask import solid
from outfitswap_desktop.safety.detectors import EXPOSED, Detectors
from outfitswap_desktop.safety.parts import (
    CATEGORIES,
    EXPOSED_LIMIT,
    NSFW_LIMIT,
    REDUCED,
    Judged,
    closer_looks,
    in_changed,
    look,
    nsfw,
    refused,
)
from outfitswap_desktop.safety.people import difference
from outfitswap_desktop.safety.people.cloth import cloth_colour
from outfitswap_desktop.safety.people.skin import NEAR
from outfitswap_desktop.safety.people.smaller import fitting, mask_at, picture_at, touched_at
from outfitswap_desktop.safety.stages import CheckedPlan, Verdict

_REPORT: Final = "Nothing was saved; this is a mistake of the program, please report it."
_WAY_OUT: Final = (
    "Nothing was saved. Ask for a garment that covers more, in another colour or fabric, or take another photo."
)


class Frame:
    """A result has its source's size and differs from it only inside its mask, which lies inside the checked one."""

    name = "frame"

    def thresholds(self) -> Mapping[str, Any]:
        return {"outside_mask_changed_pixels": 0}

    def judge(self, output: Judged, detectors: Detectors) -> Verdict:
        """Count the pixels outside the mask that differ from the source; one is too many."""
        del detectors
        pixels, mask, plan = output.pixels, output.mask, output.plan
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.shape[:2] != mask.shape:
            return refused(self.name, "output_malformed", "The result is not a picture with its mask.", _REPORT)
        if plan is None:
            return Verdict(self.name, True)
        source = plan.request.source
        if source.pixels.shape != pixels.shape:
            return refused(self.name, "output_malformed", "The result does not have the photo's size.", _REPORT)
        beyond = cv2.countNonZero(cv2.bitwise_and(mask, cv2.bitwise_not(solid(plan.mask))))
        if beyond:
            return refused(
                self.name, "mask_changed", f"The result's mask is not the checked one ({beyond} pixels).", _REPORT
            )
        changed = changed_outside(source.pixels, pixels, mask)
        if changed:
            return refused(
                self.name,
                "outside_changed",
                f"The result differs from the photo outside the mask ({changed} pixels).",
                _REPORT,
            )
        return Verdict(self.name, True, {"outside_mask_changed_pixels": 0.0})


class BodyParts:
    """NudeNet on the full frame at 480 and on mask and person crops at 320: no exposed class may reach 0.25.

    What it sees wholly in pixels that are the photo's own, untouched, was judged when the photo came in.
    """

    name = "body_parts"

    def thresholds(self) -> Mapping[str, Any]:
        return dict.fromkeys(EXPOSED, EXPOSED_LIMIT)

    def judge(self, output: Judged, detectors: Detectors) -> Verdict:
        """The highest score of each exposed class over all looks."""
        crops = closer_looks(output.mask, output.persons)
        looked = look(output.pixels, detectors, frame=True, crops=crops, icc=output.icc)
        exposed = {label: looked.scores[label] for label in EXPOSED}
        if output.plan is not None:
            exposed = {label: in_changed(looked, label, output.mask) for label in EXPOSED}
        output.scores = looked.scores
        output.detections = looked.detections
        limit = EXPOSED_LIMIT * (REDUCED if output.plan is not None and output.plan.reduced else 1.0)
        found = [label for label in EXPOSED if not exposed[label] < limit]
        if found:
            return _nudity(self.name, exposed, max(found, key=lambda label: exposed[label]))
        return Verdict(self.name, True, exposed)


class WholeImage:
    """OpenNSFW on the picture and its mirror image: under 0.5."""

    name = "whole_image"

    def thresholds(self) -> Mapping[str, Any]:
        return {"nsfw": NSFW_LIMIT}

    def judge(self, output: Judged, detectors: Detectors) -> Verdict:
        """The higher of both scores."""
        score = nsfw(output.pixels, detectors, icc=output.icc)
        limit = NSFW_LIMIT * (REDUCED if output.plan is not None and output.plan.reduced else 1.0)
        if not score < limit:
            return _nudity(self.name, {"nsfw": score}, "NSFW")
        return Verdict(self.name, True, {"nsfw": score})


class Difference:
    """Against the root of the chain of edits: no exposed class up by more than 0.05."""

    name = "difference"

    def thresholds(self) -> Mapping[str, Any]:
        return {"rise": difference.RISE, "seen": difference.SEEN, "classes": (*difference.NUDITY, *difference.BARE)}

    def judge(self, output: Judged, detectors: Detectors) -> Verdict:
        """Compare what the body part gate saw with what was seen in the root, in the same looks."""
        del detectors
        if output.plan is None:
            return Verdict(self.name, True)
        if output.scores is None:
            raise ValueError("the result was not looked at")
        bared = difference.bared(output.plan.subject.bare, _shares(output, output.plan))
        more = difference.judge_difference(output.plan.root, output.scores, shows=_shows(output.plan), bared=bared)
        if more is not None:
            return refused(self.name, "output_reveals", more.message, _WAY_OUT, {more.what: more.result})
        return Verdict(self.name, True)


class Skin:
    """Against the root: 2 points more skin from chest to hip, elsewhere what the target may show; no cloth like skin."""

    name = "skin"

    def thresholds(self) -> Mapping[str, Any]:
        return {
            "chest_hip_rise": difference.CHEST_HIP_RISE,
            "elsewhere_rise": difference.ELSEWHERE_RISE,
            "cloth_near_skin": NEAR,
        }

    def judge(self, output: Judged, detectors: Detectors) -> Verdict:
        """Measure the subject's own skin model on the result, in the subject's own polygons."""
        del detectors
        plan = output.plan
        if plan is None:
            return Verdict(self.name, True)
        shares = _shares(output, plan)
        more = difference.judge_skin(
            plan.subject.bare, shares, _shows(plan), reduced=plan.subject.reduced, loose=plan.loose
        )
        if more is not None:
            return refused(self.name, "output_skin", more.message, _WAY_OUT, shares)
        seen = _seen(output, plan)
        if (
            not plan.loose
            and cloth_colour(seen, mask_at(output.mask, fitting(output.mask.shape)), plan.subject.skin).like_skin
        ):
            return refused(
                self.name,
                "output_like_skin",
                "The cloth has nearly the colour of this person's skin, and would look like bare skin where it fits closely.",
                "Nothing was saved. Ask for a colour further from the skin, for a pattern, or for a coat or jacket.",
                shares,
            )
        return Verdict(self.name, True, shares)


def _seen(output: Judged, plan: CheckedPlan) -> RGB:
    """The result in sRGB, in which skin is known, at the size at which it is measured."""
    if output.small is None:
        small = picture_at(output.pixels, fitting(output.pixels.shape))
        output.small = to_srgb(small, plan.request.source.photo.icc)
    return output.small


def _shares(output: Judged, plan: CheckedPlan) -> Mapping[str, float]:
    """The subject's shares of skin in the result, measured once."""
    if output.shares is None:
        changed = touched_at(output.mask, plan.subject.size)
        output.shares = plan.subject.after(changed).shares(_seen(output, plan))
    return output.shares


def _shows(plan: CheckedPlan) -> tuple[str, ...]:
    """What skin the garment that is asked for may leave bare; none where the words name no garment."""
    return plan.target.shows if plan.target is not None else ()


def _nudity(gate: str, scores: Mapping[str, float], label: str) -> Verdict:
    return refused(
        gate,
        "output_nudity",
        f"The result was refused because a check sees {CATEGORIES[label]} in it.",
        _WAY_OUT,
        scores,
    )
