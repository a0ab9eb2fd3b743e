"""Gates on what is about to be painted: who is there, where the mask lies, what will be covered, and how old they look."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.zones import CHEST_TO_HIP, COVERED_BY, MARGINS, MOST_OF_IMAGE, PROTECTED, TARGETS
from outfitswap_desktop.safety.detectors import EXPOSED, Detectors
from outfitswap_desktop.safety.parts import (
    CATEGORIES,
    CROP_SIDE,
    EXPOSED_LIMIT,
    FRAME_SIDE,
    REDUCED,
    PlanParts,
    closer_looks,
    look,
    refused,
)
from outfitswap_desktop.safety.people import age, exposure
from outfitswap_desktop.safety.people.smaller import fitting, mask_at, segmentation_at
from outfitswap_desktop.safety.people.subject import Subject
from outfitswap_desktop.safety.stages import Verdict

_OTHER_PHOTO: Final = "Take a photo in which the person is dressed."


class PersonThere:
    """A person must be there: found by pose or face; else drawn by hand, with the statement that it is an adult."""

    name = "person"

    def thresholds(self) -> Mapping[str, Any]:
        return {"without_pose_or_face": "a drawn outline, an adult attestation, limits halved"}

    def judge(self, parts: PlanParts, detectors: Detectors) -> Verdict:
        """Say who it is, and learn what the skin gates need to know of them."""
        del detectors
        if parts.found is not None:
            there = segmentation_at(parts.found, parts.seen.shape, fitting(parts.seen.shape))
            parts.subject = Subject.learn(parts.small, there)
        elif parts.outline is None or not np.any(parts.outline):
            return refused(
                self.name,
                "person_needed",
                "Nobody was found in the photo, so nothing says where the person ends.",
                "Draw the person's outline too (--outline FILE, white on black) and add --adult-attested.",
            )
        elif not parts.attested:
            return refused(
                self.name,
                "adult_attestation_needed",
                "Nobody's face or pose was found, so nothing says that the person is an adult.",
                "If you know that this is an adult, say so with --adult-attested.",
            )
        else:
            parts.subject = Subject.from_outline(parts.small, mask_at(parts.outline, fitting(parts.seen.shape)))
        return Verdict(self.name, True, {"reduced_evidence": float(parts.reduced)})


class MaskAllowed:
    """What is left of the mask after the cut is a garment's: not nothing, and at most 60 % of the picture."""

    name = "mask"

    def thresholds(self) -> Mapping[str, Any]:
        return {
            "most_of_image": MOST_OF_IMAGE,
            "margins": {**{z.value: m for z, m in MARGINS.items()}, **{t.name: t.margin for t in TARGETS}},
            "never": PROTECTED,
        }

    def judge(self, parts: PlanParts, detectors: Detectors) -> Verdict:
        """Count what is left."""
        del detectors
        left = int(np.count_nonzero(parts.mask))
        if not left:
            return refused(
                self.name,
                "mask_outside",
                f"The mask lies wholly outside what a {parts.zone.value} may cover on this person.",
                "Draw it on the garment, choose another --zone, or choose the person with --person.",
            )
        share = left / parts.mask.size
        if share > MOST_OF_IMAGE:
            return refused(
                self.name,
                "mask_too_large",
                f"The mask covers {share:.0%} of the picture; at most {MOST_OF_IMAGE:.0%} may be changed.",
                "Take a photo with more around the garment, or draw a smaller mask.",
                {"mask_fraction": share},
            )
        return Verdict(self.name, True, {"mask_fraction": share, "cut": 1 - left / max(1, parts.asked)})


class TargetCovers:
    """What is asked for covers chest to hip where the garment in the photo did."""

    name = "target"

    def thresholds(self) -> Mapping[str, Any]:
        return {zone.value: covered for zone, covered in COVERED_BY.items()}

    def judge(self, parts: PlanParts, detectors: Detectors) -> Verdict:
        """Compare what the words ask for with the zone that is repainted; an engine that keeps the cut keeps all covered."""
        del detectors
        if parts.keeps_cut or parts.target is None:
            return Verdict(self.name, True)
        bare = [part for part in CHEST_TO_HIP if part in COVERED_BY[parts.zone] and part not in parts.target.covers]
        if bare:
            return refused(
                self.name,
                "target_uncovers",
                f"A {parts.target.name} would leave the {' and '.join(bare)} bare, which the garment in the photo covers.",
                "Ask for a garment that covers as much, or choose a smaller --zone.",
            )
        return Verdict(self.name, True)


class CloseUp:
    """A closer look at the chosen person before anything is painted: no nudity, and more on than underwear."""

    name = "close_up"

    def thresholds(self) -> Mapping[str, Any]:
        return {
            **dict.fromkeys(EXPOSED, EXPOSED_LIMIT),
            "reduced": REDUCED,
            "sides": (FRAME_SIDE, CROP_SIDE),
            "mostly_skin": exposure.MOSTLY_SKIN,
            "skin_beside_covered": exposure.SKIN_BESIDE_COVERED,
        }

    def judge(self, parts: PlanParts, detectors: Detectors) -> Verdict:
        """NudeNet on the crops that the result will be looked at in, and the skin that shows between chest and hip."""
        limit = EXPOSED_LIMIT * (REDUCED if parts.reduced else 1.0)
        height, width = parts.mask.shape
        crops = closer_looks(parts.mask, parts.persons) or [(0, 0, width, height)]
        looked = look(parts.source.pixels, detectors, frame=False, crops=crops, icc=parts.source.photo.icc)
        frame = {verdict.gate: verdict.scores for verdict in parts.source.verdicts}[
            "exposure"
        ]  # its own, not the root's
        scores = {label: max(score, frame.get(label, 0.0)) for label, score in looked.scores.items()}
        parts.scores = MappingProxyType(scores)
        worst = max(EXPOSED, key=lambda label: scores[label])
        if not scores[worst] < limit:
            return refused(
                self.name,
                "source_nudity",
                f"The photo was refused because a check sees {CATEGORIES[worst]} on the person in it.",
                _OTHER_PHOTO,
                {worst: scores[worst]},
            )
        if parts.subject is None:
            raise ValueError("nobody was learnt")
        bare, coloured = parts.subject.bare, parts.subject.coloured(parts.small)
        said = exposure.underwear_only(scores, bare, coloured, reduced=parts.reduced)
        if said is not None:
            return refused(self.name, "source_underwear", said.message, _OTHER_PHOTO, bare)
        return Verdict(self.name, True, {label: scores[label] for label in EXPOSED} | dict(bare))


class ApparentAge:
    """A guess at the chosen person's age, no verification: under 18 is refused, under 25 asks for a second statement."""

    name = "apparent_age"

    def thresholds(self) -> Mapping[str, Any]:
        return {"minor": age.MINOR_LIMIT, "adult": age.ADULT_AGE, "surely_adult": age.SURELY_ADULT_AGE}

    def judge(self, parts: PlanParts, detectors: Detectors) -> Verdict:
        """Median over jittered and mirrored crops of the face; no face, or a small one, means that the age is unknown."""
        answer = self._assessed(parts, detectors)
        scores = {"attested": float(parts.attested), "age_known": float(answer.age is not None)}
        if answer.decision == "adult" or (answer.decision == "attestation" and parts.attested):
            return Verdict(self.name, True, scores)
        if answer.decision == "attestation":
            hint = "If you know that this is an adult, say so with --adult-attested."
            return refused(self.name, "adult_attestation_needed", answer.why, hint, scores)
        hint = "Photos of minors are never worked on; take a photo of an adult."
        return refused(self.name, "apparent_minor", answer.why, hint, scores)

    @staticmethod
    def _assessed(parts: PlanParts, detectors: Detectors) -> age.AgeAnswer:
        if parts.found is None:
            height, width = parts.mask.shape
            wherever = (*parts.persons, (0, 0, width, height))
            return age.strictest([ApparentAge._within(person, parts, detectors) for person in wherever])
        head = next((area.mask for area in parts.found.protected if area.name == "head"), None)
        return age.assess(
            parts.seen, person=parts.persons[0], head=head, body_parts=detectors.body_parts, estimator=detectors.age
        )

    @staticmethod
    def _within(person: Box, parts: PlanParts, detectors: Detectors) -> age.AgeAnswer:
        """Where the person is only drawn, every face counts that lies in the drawing, or anywhere in the photo."""
        return age.assess(
            parts.seen, person=person, head=None, body_parts=detectors.body_parts, estimator=detectors.age
        )
