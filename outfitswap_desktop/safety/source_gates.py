"""Gates on every picture that comes in: its file, and what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from outfitswap_desktop.core.colour import renditions
from outfitswap_desktop.core.container import MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, MIN_SIDE
from outfitswap_desktop.safety.detectors import EXPOSED, Detectors
from outfitswap_desktop.safety.parts import (
    CATEGORIES,
    EXPOSED_LIMIT,
    NSFW_LIMIT,
    look,
    nsfw,
    refused,
)
from outfitswap_desktop.safety.people import exposure
from outfitswap_desktop.safety.stages import DecodedImage, Verdict

FORMATS = ("JPEG", "PNG", "WEBP")
NAMES = {
    "photo": "photo",
    "garment": "garment picture",
    "mask": "mask",
    "outline": "outline",
    "control": "control picture",
}


class FileLimits:
    """Every picture that comes in: one of three formats, 64..12,000 px a side, 50 MP, 60 MB."""

    name = "file_limits"

    def thresholds(self) -> Mapping[str, Any]:
        return {
            "smallest_side": MIN_SIDE,
            "largest_side": MAX_SIDE,
            "most_pixels": MAX_PIXELS,
            "most_bytes": MAX_FILE_BYTES,
            "formats": FORMATS,
        }

    def judge(self, image: DecodedImage, detectors: Detectors) -> Verdict:
        """Check the decoded array again, whatever the decoder promised."""
        del detectors
        pixels = image.photo.pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            return refused(self.name, "unreadable", "The picture was not decoded into 8-bit RGB.", "Save it as PNG.")
        height, width = pixels.shape[:2]
        if image.photo.format.upper() not in FORMATS:
            return refused(self.name, "format", "Only JPEG, PNG and WebP are accepted.", "Save the picture as PNG.")
        if min(height, width) < MIN_SIDE:
            return refused(
                self.name, "too_small", f"The picture has a side under {MIN_SIDE} pixels.", "Take a larger one."
            )
        if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
            return refused(
                self.name, "too_large", "The picture is too large.", "Take at most 12,000 px a side and 50 MP."
            )
        return Verdict(self.name, True, {"megapixels": height * width / 1e6})


class Exposure:
    """NudeNet on the full frame at 480: no exposed class at 0.25 or more; no underwear, no bare skin as a garment."""

    name = "exposure"

    def thresholds(self) -> Mapping[str, Any]:
        return {**dict.fromkeys(EXPOSED, EXPOSED_LIMIT), "garment": exposure.GARMENT_LIMIT}

    def judge(self, image: DecodedImage, detectors: Detectors) -> Verdict:
        """The highest score of every class; what was seen is kept as the picture's evidence."""
        pixels = image.photo.pixels
        what = NAMES[image.role]
        if is_drawing(image):
            return Verdict(self.name, True, {"two_tones": 1.0})
        looked = look(pixels, detectors, frame=True, crops=(), icc=image.photo.icc)
        worst = max(EXPOSED, key=lambda label: looked.scores[label])
        if not looked.scores[worst] < EXPOSED_LIMIT:
            return refused(
                self.name,
                "source_nudity",
                f"The {what} was refused because a check sees {CATEGORIES[worst]} in it.",
                "Take another picture, in which everybody is dressed.",
                {worst: looked.scores[worst]},
            )
        if image.role == "garment":
            found = (
                exposure.garment_picture(shown, detectors.body_parts) for shown in renditions(pixels, image.photo.icc)
            )
            said = next((one for one in found if one is not None), None)
            if said is not None:
                return refused(
                    self.name,
                    "garment_exposure",
                    said.message,
                    "Take a picture of the garment alone, or of somebody who wears it with enough on.",
                )
        return Verdict(self.name, True, looked.scores)


class SourceWholeImage:
    """OpenNSFW on the picture and its mirror image: under 0.5."""

    name = "source_whole_image"

    def thresholds(self) -> Mapping[str, Any]:
        return {"nsfw": NSFW_LIMIT}

    def judge(self, image: DecodedImage, detectors: Detectors) -> Verdict:
        """The higher of both scores."""
        if is_drawing(image):
            return Verdict(self.name, True, {"nsfw": 0.0})
        score = nsfw(image.photo.pixels, detectors, icc=image.photo.icc)
        if not score < NSFW_LIMIT:
            return refused(
                self.name,
                "source_nudity",
                f"The {NAMES[image.role]} was refused because a check sees {CATEGORIES['NSFW']} in it.",
                "Take another picture, in which everybody is dressed.",
                {"nsfw": score},
            )
        return Verdict(self.name, True, {"nsfw": score})


def is_drawing(image: DecodedImage) -> bool:
    """Whether a mask or an outline is what it should be, black and white alone: then there is no picture in it to judge."""
    if image.role not in ("mask", "outline"):
        return False
    pixels = image.photo.pixels
    return bool(np.all((pixels == 0) | (pixels == 255)) and np.all(pixels == pixels[..., :1]))
