"""Gates on what is asked for: its shape, its words, and the consent of the person in the photo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.safety.parts import RequestParts, refused
from outfitswap_desktop.safety.stages import Verdict

MOST_CHARACTERS: Final = 300


class RequestShape:
    """What is asked for hangs together: words or a garment picture, masks of the photo's size."""

    name = "request_shape"

    def thresholds(self) -> Mapping[str, Any]:
        return {"most_characters": MOST_CHARACTERS}

    def judge(self, request: SwapRequest, parts: RequestParts) -> Verdict:
        """Check lengths, kinds and sizes."""
        if type(request) is not SwapRequest or type(request.prompt) is not str:
            return refused(self.name, "bad_prompt", "What is asked for is no plain request.", "Say it in words.")
        if len(request.prompt) > MOST_CHARACTERS:
            return refused(
                self.name, "prompt_too_long", f"The prompt is longer than {MOST_CHARACTERS} characters.", "Shorten it."
            )
        if not request.prompt.strip() and parts.garment is None:
            return refused(
                self.name, "prompt_empty", "Nothing says what the person should wear.", "Give --prompt or --garment."
            )
        for what, drawn in (("mask", parts.mask), ("outline", parts.outline)):
            if drawn is not None and drawn.shape != parts.source.pixels.shape[:2]:
                return refused(
                    self.name,
                    "mask_size",
                    f"The {what} does not have the photo's size.",
                    "Draw it on the upright photo.",
                )
        return Verdict(self.name, True)


class Prompt:
    """The words: every one in the vocabulary of clothes, none on the deny lists."""

    name = "prompt"

    def thresholds(self) -> Mapping[str, Any]:
        return {"policy": "closed vocabulary, then deny lists on normal forms"}

    def judge(self, request: SwapRequest, parts: RequestParts) -> Verdict:
        """Ask the policy; without words there is nothing to ask."""
        from outfitswap_desktop.safety.prompt import policy

        if not request.prompt.strip():
            return Verdict(self.name, True)
        answer = policy.check(request.prompt)
        if not answer.allowed:
            return refused(self.name, f"prompt_{answer.category}", answer.message, answer.hint)
        return Verdict(self.name, True)


class ConsentGiven:
    """Somebody has stated who agreed to this, and that the person is an adult: once per photo, for twelve months."""

    name = "consent"

    def thresholds(self) -> Mapping[str, Any]:
        return {"kinds": ("self", "release:FILE", "synthetic", "licensed"), "days": 365}

    def judge(self, request: SwapRequest, parts: RequestParts) -> Verdict:
        """A statement for this very photo must be there; the kernel takes it from the request or from its records."""
        if parts.consent is None or parts.consent.photo_sha256 != parts.source.photo.sha256:
            return refused(
                self.name,
                "consent_needed",
                "Nobody has stated that the person in this photo is an adult and agrees.",
                "State it with --adult-consent self, release:FILE (a signed release), synthetic or licensed.",
            )
        return Verdict(self.name, True)
