"""A result of this machine taken up again from its file: known by the hash under which it was released, marked as the same.

That it passed the gates is what the audit log says of exactly these bytes; a file of which it says nothing is a photo like
any other, and comes in through the source gates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.photo import Photo, read_photo
from outfitswap_desktop.errors import InputRefused, NotAvailable
from outfitswap_desktop.safety.marks import invisible, xmp
from outfitswap_desktop.safety.records.evidence import RootEvidence
from outfitswap_desktop.safety.records.ledger import Ledger
from outfitswap_desktop.safety.stages import Again

LABEL: Final = "AI edited"
_SHARE: Final = 0.028
"""Height of the label's letters as a share of the picture's shorter side."""
_LEAST: Final = 12
_INK: Final = np.array((255, 255, 255), np.float32)
_PLATE: Final = 0.55
"""How dark the plate below the letters is: 0 unchanged, 1 black."""


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A released file as read again, and what its next copy says of itself."""

    photo: Photo
    origin: Again


def photo_of(file: Path, sha256: str, *, ledger: Ledger) -> Photo:
    """The picture in a released file, to look at. Raises InputRefused ("result_changed", "result_unknown")."""
    data, _ = _released(file, sha256, ledger)
    return read_photo(data)


def take(file: Path, sha256: str, *, label: bool, ledger: Ledger) -> Taken:
    """A released file for another copy of it; with `label` "AI edited" stands in a corner where it leaves the mark readable.

    Raises InputRefused ("result_changed", "result_unknown"), NotAvailable ("marks_failed") when no corner will do.
    """
    data, root = _released(file, sha256, ledger)
    photo = read_photo(data)
    said = xmp.read(photo.xmp)
    if said.result is None:
        raise _unknown(file)
    payload = bytes.fromhex(said.mark) if said.mark is not None else None
    if label:
        photo = replace(photo, pixels=_labelled(photo.pixels, payload))
    return Taken(photo, Again(result=said.result, payload=payload, root=root, file=data))


def _released(file: Path, sha256: str, ledger: Ledger) -> tuple[bytes, RootEvidence]:
    try:
        data = file.read_bytes()
    except OSError as problem:
        raise InputRefused(
            f"{file.name} cannot be read: {problem.strerror or 'it is not a file'}.",
            reason="result_missing",
            hint="Make the picture again from the history.",
        ) from problem
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InputRefused(
            f"{file.name} was changed since it was made.",
            reason="result_changed",
            hint="Open it as a photo, or make the picture again from the history.",
        )
    root = ledger.lineage.root_of_file(sha256)
    if root is None:
        raise _unknown(file)
    return data, root


def _unknown(file: Path) -> InputRefused:
    return InputRefused(
        f"This machine has no record of having made {file.name}.",
        reason="result_unknown",
        hint="Open it as a photo instead.",
    )


def _labelled(pixels: RGB, payload: bytes | None) -> RGB:
    for drawn in _in_corners(pixels):
        if payload is None or invisible.read(drawn) == payload:
            return drawn
    raise NotAvailable(
        "The label would cover the invisible mark of this picture.", reason="marks_failed", hint="Export it without."
    )


def _in_corners(pixels: RGB) -> Iterator[RGB]:
    """The picture with the label at the lower right, lower left, upper right and upper left."""
    height, width = pixels.shape[:2]
    font = ImageFont.load_default(size=max(_LEAST, round(_SHARE * min(height, width))))
    left, top, right, bottom = font.getbbox(LABEL)
    pad = round((bottom - top) * 0.5)
    wide, high = min(width, round(right - left) + 2 * pad), min(height, round(bottom - top) + 2 * pad)
    letters = Image.new("L", (wide, high))
    ImageDraw.Draw(letters).text((pad - left, pad - top), LABEL, fill=255, font=font)
    ink = np.asarray(letters, np.float32)[..., None] / 255
    for y in (height - high, 0):
        for x in (width - wide, 0):
            drawn = pixels.copy()
            plate = drawn[y : y + high, x : x + wide].astype(np.float32) * (1 - _PLATE)
            drawn[y : y + high, x : x + wide] = np.rint(plate + (_INK - plate) * ink).astype(np.uint8)
            yield drawn
