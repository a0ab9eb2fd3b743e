"""What is known of a picture before it is decoded, the limits it must keep, and the sentences of refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from outfitswap_desktop.errors import PhotoUnreadable

PictureFormat = Literal["JPEG", "PNG", "WEBP"]
SizeCheck = Callable[[int, int], None]

MAX_FILE_BYTES = 60_000_000
MIN_SIDE = 64
MAX_SIDE = 12_000
MAX_PIXELS = 50_000_000
MAX_ICC_BYTES = 4 << 20
"""Large printer profiles have 3 MB; what is larger is no profile of a photo."""
MAX_METADATA_BYTES = 1 << 20
"""Largest EXIF or XMP block that is looked at; what is carried on must fit one JPEG segment (see exif and xmp)."""


class BadPictureError(Exception):
    """A picture that cannot be used; `reason` is a key of the table of sentences, `facts` fill its gaps."""

    def __init__(self, reason: str, **facts: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.facts = facts


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """One picture without its wrappings.

    `size` (width, height) as stored, before orientation; `stream` a minimal file for the decoder; `depth` bits per channel;
    `place` (x, y) of a first frame that does not fill the canvas; `palette` RGB triples and `transparency` the tRNS chunk of a
    PNG; `alpha`: a WebP has an alpha plane; `inverted`: CMYK is stored the way Adobe does it; `icc`, `exif`, `xmp` raw,
    bounded, unchecked.
    """

    format: PictureFormat
    size: tuple[int, int]
    stream: bytes
    depth: int = 8
    place: tuple[int, int] = (0, 0)
    palette: bytes | None = None
    transparency: bytes | None = None
    inverted: bool = True
    alpha: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    notes: tuple[str, ...] = ()


NOTE_ANIMATED = "Animated: the first frame is used."
NOTE_ICC_DAMAGED = "Damaged colour profile ignored."
NOTE_NO_HDR = "The HDR gain map was left out; the standard picture is used."
NOTE_NO_COLOURS = "The file's own colour description (cICP or gAMA) was left out; sRGB is assumed."
NOTE_METADATA_DROPPED = "Damaged or oversized metadata was left out."

_SENTENCES: dict[str, tuple[str, str]] = {
    "not_found": ("{role} was not found.", "Check the path."),
    "not_a_file": ("{role} is not a file.", "Name one picture file."),
    "no_permission": ("{role} may not be read.", "Check the file's permissions."),
    "unreadable": ("{role} could not be read from the disk.", "Copy it to this machine's disk and try again."),
    "empty": ("{role} is an empty file.", "Copy or download it again."),
    "file_too_large": (
        "{role} is larger than 60 MB as a file.",
        "Save it as JPEG, or with fewer pixels, and try again.",
    ),
    "format": ("{role} is {what}, not a JPEG, PNG or WebP picture.", "{hint}"),
    "unsupported": (
        "{role} is {what}, which cannot be read here.",
        "Save it as an ordinary PNG or JPEG and try again.",
    ),
    "truncated": ("{role} is cut off: the end of the file is missing.", "Copy or download it again."),
    "damaged": ("{role} is damaged and cannot be read.", "Copy or download it again, or save it anew as PNG or JPEG."),
    "too_small": (
        "{role} has {width} x {height} pixels; each side needs at least 64.",
        "Use a larger picture.",
    ),
    "too_large": (
        "{role} has {width} x {height} pixels; the limit is 12,000 a side and 50 million in all.",
        "Scale it down and try again.",
    ),
    "bomb": (
        "{role} is built so that reading it would take far too long.",
        "Open it in a picture editor and save it anew as PNG or JPEG.",
    ),
    "out_of_memory": (
        "{role} does not fit into this machine's free memory.",
        "Close other programs, or scale it down.",
    ),
}

_ROLES = {"photo": "The photo", "garment": "The garment picture", "mask": "The mask"}


def refusal(bad: BadPictureError, role: str) -> PhotoUnreadable:
    """The sentence for the user: `role` is "photo", "garment", "mask" or another noun ("fabric" becomes "The fabric")."""
    message, hint = _SENTENCES[bad.reason]
    facts = {"role": _ROLES.get(role, f"The {role}"), **bad.facts}
    return PhotoUnreadable(message.format(**facts), reason=bad.reason, hint=hint.format(**facts))


def check_photo_size(width: int, height: int) -> None:
    """Raise BadPictureError unless both sides are 64..12,000 px and there are at most 50 million pixels."""
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise BadPictureError("too_large", width=f"{width:,}", height=f"{height:,}")
    if width < MIN_SIDE or height < MIN_SIDE:
        raise BadPictureError("too_small", width=f"{width:,}", height=f"{height:,}")


def check_mask_size(width: int, height: int) -> None:
    """The same for a mask, without a lower limit: a mask of the wrong size is refused by its size, not as too small."""
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise BadPictureError("too_large", width=f"{width:,}", height=f"{height:,}")
