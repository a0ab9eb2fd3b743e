"""Drawing of a contact sheet: rows of captioned cells on white. Draws arrays; the kernel decides what may be shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.colour import to_srgb
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.safety.stages import ReleasedImage, ViewableSource, shrunk

MOST_PIXELS: Final = 50_000_000
LARGEST_SIDE: Final = 12_000
SMALLEST_CELL: Final = 96
_MARGIN: Final = 12
_FONT: Final = 16
_LINE: Final = 21
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
class Shown:
    """A cell that may be drawn: `pixels` (h, w, 3) in the space of `icc`, or None for an empty place."""

    pixels: RGB | None
    icc: bytes | None
    caption: str


def draw(rows: Sequence[Sequence[Shown]], *, title: str, side: int) -> RGB:
    """The sheet (H, W, 3) in sRGB, its cells at most `side` and at least 96 pixels.

    Raises UsageProblem when even so it would be over 12,000 px a side or 50 MP.
    """
    from PIL import Image, ImageDraw, ImageFont

    if not any(rows):
        raise UsageProblem("A contact sheet needs at least one picture.", reason="sheet_empty")
    side, width, height = _fitting(rows, side, head=_head(title))
    paper = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(paper)
    font = ImageFont.load_default(size=_FONT)

    def length(words: str) -> float:
        return float(pen.textlength(words, font=font))

    if title:
        pen.text((_MARGIN, _MARGIN), _printable(title), fill=_INK, font=ImageFont.load_default(size=_TITLE))
    top = _head(title) + _MARGIN
    for row in rows:
        tall = _row_height(row, side)
        for column, cell in enumerate(row):
            left = _MARGIN + column * (side + _MARGIN)
            if cell.pixels is None:
                pen.rectangle((left, top, left + side - 1, top + tall - 1), fill=_EMPTY)
            else:
                picture = Image.fromarray(np.ascontiguousarray(to_srgb(shrunk(cell.pixels, side), cell.icc)))
                paper.paste(picture, (left + (side - picture.width) // 2, top + tall - picture.height))
            for number, words in enumerate(_wrapped(_printable(cell.caption), side, length)):
                pen.text((left, top + tall + 3 + number * _LINE), words, fill=_INK, font=font)
        top += tall + _LINES * _LINE + _MARGIN
    return np.asarray(paper, dtype=np.uint8)


def _head(title: str) -> int:
    return _TITLE + _MARGIN if title else 0


def _row_height(row: Sequence[Shown], side: int) -> int:
    """Height of the pictures of a row whose cells are `side` pixels: the tallest one's; half a cell when all are empty."""
    heights = [
        max(1, round(h * min(1.0, side / max(h, w))))
        for h, w in (cell.pixels.shape[:2] for cell in row if cell.pixels is not None)
    ]
    return max(heights, default=side // 2)


def _fitting(rows: Sequence[Sequence[Shown]], side: int, *, head: int) -> tuple[int, int, int]:
    """The largest cell up to `side` with which the sheet stays in its limits, and the sheet's width and height."""
    columns = max(len(row) for row in rows)
    while True:
        width = columns * (side + _MARGIN) + _MARGIN
        height = head + sum(_row_height(row, side) + _LINES * _LINE + _MARGIN for row in rows) + _MARGIN
        if max(width, height) <= LARGEST_SIDE and width * height <= MOST_PIXELS:
            return side, width, height
        if side <= SMALLEST_CELL:
            raise UsageProblem(
                f"A contact sheet of {len(rows)} rows is too large.",
                reason="sheet_too_large",
                hint="Make several sheets.",
            )
        side = max(SMALLEST_CELL, int(side * 0.8))


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
