"""Drawing of a contact sheet: rows of captioned cells on white. Draws arrays; the kernel decides what may be shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.safety.stages import ReleasedImage, ViewableSource

MOST_PIXELS: Final = 50_000_000
LARGEST_SIDE: Final = 12_000
_MARGIN: Final = 12
_FONT: Final = 16
_TITLE: Final = 24
_LINES: Final = 2
_INK: Final = (32, 32, 32)
_EMPTY: Final = (228, 228, 228)
_Length = Callable[[str], float]


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One place of a contact sheet: a released picture or the user's own photo, or None for an empty place that says why."""

    image: ReleasedImage | ViewableSource | None
    caption: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A cell as it is drawn: `pixels` (h, w, 3) not larger than the cell, or None."""

    pixels: RGB | None
    caption: str


def draw(rows: Sequence[Sequence[Drawn]], *, title: str, side: int) -> RGB:
    """The sheet (H, W, 3). Raises UsageProblem when it would be over 12,000 px a side or 50 MP."""
    from PIL import Image, ImageDraw, ImageFont

    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise UsageProblem("A contact sheet needs at least one picture.", reason="sheet_empty")
    line = _FONT + 5
    text = _LINES * line
    heights = [max((c.pixels.shape[0] for c in row if c.pixels is not None), default=side // 2) + text for row in rows]
    head = _TITLE + _MARGIN if title else 0
    width = columns * (side + _MARGIN) + _MARGIN
    height = head + sum(h + _MARGIN for h in heights) + _MARGIN
    if max(width, height) > LARGEST_SIDE or width * height > MOST_PIXELS:
        raise UsageProblem(
            f"A contact sheet of {len(rows)} rows is too large.",
            reason="sheet_too_large",
            hint="Make several sheets, or smaller cells.",
        )
    paper = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(paper)
    font = ImageFont.load_default(size=_FONT)

    def length(words: str) -> float:
        return float(pen.textlength(words, font=font))

    if title:
        pen.text((_MARGIN, _MARGIN), _printable(title), fill=_INK, font=ImageFont.load_default(size=_TITLE))
    top = head + _MARGIN
    for row, tall in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            left = _MARGIN + column * (side + _MARGIN)
            if cell.pixels is None:
                pen.rectangle((left, top, left + side - 1, top + tall - text - 1), fill=_EMPTY)
            else:
                picture = Image.fromarray(np.ascontiguousarray(cell.pixels))
                paper.paste(picture, (left + (side - picture.width) // 2, top + tall - text - picture.height))
            for number, words in enumerate(_wrapped(_printable(cell.caption), side, length)):
                pen.text((left, top + tall - text + 3 + number * line), words, fill=_INK, font=font)
        top += tall + _MARGIN
    return np.asarray(paper, dtype=np.uint8)


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _wrapped(text: str, width: int, length: _Length) -> list[str]:
    """`text` in at most two lines of `width` pixels, cut with an ellipsis when it is longer."""
    lines: list[str] = []
    rest = text.split()
    while rest and len(lines) < _LINES:
        taken = [rest.pop(0)]
        while rest and length(" ".join([*taken, rest[0]])) <= width:
            taken.append(rest.pop(0))
        lines.append(_cut(" ".join(taken), width, length))
    if rest and lines:
        lines[-1] = _cut(lines[-1] + " ...", width, length, forced=True)
    return lines


def _cut(words: str, width: int, length: _Length, *, forced: bool = False) -> str:
    if length(words) <= width:
        return words
    body = words.removesuffix(" ...") if forced else words
    while body and length(body + "...") > width:
        body = body[:-1]
    return body.rstrip() + "..."
