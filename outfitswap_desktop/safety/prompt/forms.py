"""Normal forms of a line of text: what is left when disguises are taken off, each with the way back to what was typed.

Folding follows Unicode's idea of a skeleton: look-alike characters get one stand-in, in the text and in the lists alike,
so it does not matter which of them was typed. `l` and `i` are one letter here, because 1, |, ! and I stand for both.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple
from urllib.parse import unquote

from outfitswap_desktop.safety.prompt import glyphs


@dataclass(frozen=True, slots=True)
class Form:
    """One reading of a text. `text` is words between single spaces, one space at either end; " " when there are none.

    `starts` and `ends` hold, for each character of `text`, the slice of the original it came from.
    """

    name: str
    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The slice of the original behind text[start:end]; the order of a reversed form does not matter."""
        return min(self.starts[start:end]), max(self.ends[start:end])


class Unit(NamedTuple):
    """One folded character and the slice of the original it came from; " " stands between words."""

    char: str
    start: int
    end: int


PLAIN: Final = "plain"
_BETWEEN: Final = re.compile(r"(?<=\w)(?:[^\w\s'’]|_)+(?=\w)")
"""Signs between two letters: what "n.u.d.e r.o.b.e" needs gone, its words kept."""
_WIDE: Final = re.compile(r"\S\s{2,}\S")
_NARROW: Final = re.compile(r"(?<=\S) (?=\S)")
"""Spaces between letters where the words stand farther apart."""
ALSO_REVERSED: Final = (PLAIN, "capitals", "jamo", "leet", "decoded", "separators dropped")
"""Readings that are read backwards too."""


def forms(text: str) -> tuple[Form, ...]:
    """Every reading of `text`, "plain" first, no two alike."""
    found: dict[str, Form] = {}
    for name, units in _readings(text):
        form = _form(name, units)
        found.setdefault(form.text, form)
    return tuple(found.values())


@lru_cache(maxsize=8)
def plain_form(text: str) -> Form:
    """The first of the forms alone."""
    return _form(PLAIN, _plain_units(text))


def fold(text: str) -> str:
    """The plain form without the spaces at its ends: what list entries are stored as."""
    return plain_form(text).text.strip(" ")


def _readings(text: str) -> Iterator[tuple[str, list[Unit]]]:
    plain = list(_plain_units(text))
    yield PLAIN, plain
    straight = [(PLAIN, plain), *_disguises(text, plain)]
    yield from straight[1:]
    decoded = _decoded(text)
    if decoded != text:
        straight += [("decoded", [Unit(unit.char, 0, len(text)) for unit in _units(decoded)])]
        yield straight[-1]
    for name, units in straight:
        if name not in ALSO_REVERSED:
            continue
        prefix = "" if name == PLAIN else f"{name}, "
        yield f"{prefix}reversed", units[::-1]
        yield f"{prefix}reversed words", _each_word(units, lambda word: word[::-1])
        if not text.isascii() and any(glyphs.is_kept_mark(unit.char) for unit in units):
            yield f"{prefix}reversed", _clusters_reversed(units)
            yield f"{prefix}reversed words", _each_word(units, _clusters_reversed)


def _disguises(text: str, plain: list[Unit]) -> Iterator[tuple[str, list[Unit]]]:
    if not text.isascii():
        yield "capitals", _units(text, before=glyphs.lookalike)
        yield "jamo", _jamo_joined(plain)
        yield "mixed scripts", _each_word(plain, _faux)
    bare = _BETWEEN.sub(lambda found: glyphs.PADDING * len(found.group()), text)
    if bare != text:
        yield "separators dropped", _units(bare)
    if _WIDE.search(text):
        yield "separators dropped", _units(_NARROW.sub(glyphs.PADDING, text))
    if any(char in glyphs.LEET for char in text):
        yield "leet", _units(text, leet=glyphs.LEET)
    if any(char in glyphs.LEET_SIGNS for char in text):
        yield "leet signs", _units(_signs_joined(text), leet=glyphs.LEET_SIGNS)
    if any(char in glyphs.STARRED for char in text):
        yield "starred", _units(text, leet=glyphs.STARRED)
    if any(glyphs.is_cyrillic(char) for char in text):
        for table in (glyphs.LEET_CYRILLIC, glyphs.LEET_CYRILLIC_SHAPES):
            yield "leet", _units(text, leet=table)
    if any(unit.char.isdigit() for unit in plain):
        yield "digits dropped", _each_word(plain, _without_digits)
    if any(char in glyphs.UPSIDE_DOWN_ONLY for char in text):
        yield "upside down", _units(text, before=glyphs.upright)[::-1]
        yield "upside down", _units(text, before=glyphs.upright)
    joined = "".join(unit.char for unit in plain)
    if any(pair in joined for pair in glyphs.PAIRS):
        yield "letter pairs", _pairs_joined(plain)
    yield "interleaved", _each_word(plain, _without_filler)


# --- folding ---------------------------------------------------------------------------------------------------------


def _units(text: str, *, before: Callable[[str], str] | None = None, leet: dict[str, str] | None = None) -> list[Unit]:
    units: list[Unit] = []
    ascii_only = text.isascii()
    last = " "
    for start, end in _clusters(text):
        piece = text[start:end]
        if leet is not None and piece in leet and _stands_for_letter(text, start, leet=leet):
            folded = glyphs.folded(leet[piece])
        else:
            folded = glyphs.folded(piece if before is None else before(piece))
        for char in folded:
            if not ascii_only and char != " " != last and glyphs.writing(char) != glyphs.writing(last):
                units.append(Unit(" ", start, start))
            if last == char == glyphs.SARA_E:
                units[-1] = Unit(glyphs.SARA_AE, units[-1].start, end)
            else:
                units.append(Unit(char, start, end))
            last = char
    return units


@lru_cache(maxsize=8)
def _plain_units(text: str) -> tuple[Unit, ...]:
    return tuple(_units(text))


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    if text.isascii():
        yield from pairwise(range(len(text) + 1))
        return
    start = 0
    for index in range(1, len(text)):
        if not glyphs.joins_previous(text[index]):
            yield start, index
            start = index
    yield start, len(text)


def _stands_for_letter(text: str, index: int, *, leet: dict[str, str]) -> bool:
    """Whether the digit or sign at `index` is part of a word that has a letter: "n4ked", "$exy"; not "15" nor "wow!"."""
    start = end = index
    while start and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    if not any(char.isalpha() for char in text[start:end]):
        return False
    if leet is glyphs.LEET_SIGNS or text[index] in glyphs.MAY_END_A_WORD:
        return True
    follower = text[index + 1] if index + 1 < len(text) else " "
    return follower.isalnum() or follower in leet


def _form(name: str, units: Sequence[Unit]) -> Form:
    if not units:
        return Form(name, " ", (0,), (0,))
    edge = (" ", units[0].start, units[0].start), (" ", units[-1].end, units[-1].end)
    chars, starts, ends = zip(edge[0], *units, edge[1], strict=True)
    text = "".join(chars)
    if "  " in text:
        kept = [place for place, char in enumerate(text) if char != " " or not place or text[place - 1] != " "]
        text = "".join([text[place] for place in kept])
        starts, ends = tuple([starts[place] for place in kept]), tuple([ends[place] for place in kept])
    return Form(name, text, starts, ends)


def _each_word(units: Sequence[Unit], change: Callable[[list[Unit]], list[Unit]]) -> list[Unit]:
    changed: list[Unit] = []
    word: list[Unit] = []
    for unit in units:
        if unit.char == " ":
            changed += [*change(word), unit]
            word = []
        else:
            word.append(unit)
    return changed + change(word)


def _clusters_reversed(units: list[Unit]) -> list[Unit]:
    """Reversed letter by letter, each with the vowel signs that follow it."""
    clusters: list[list[Unit]] = []
    for unit in units:
        if clusters and glyphs.is_kept_mark(unit.char):
            clusters[-1].append(unit)
        else:
            clusters.append([unit])
    return [unit for cluster in reversed(clusters) for unit in cluster]


# --- disguises -------------------------------------------------------------------------------------------------------


def _faux(word: list[Unit]) -> list[Unit]:
    """Letters of other alphabets read by their shape, in a word that has Latin letters too."""
    if not any("a" <= unit.char <= "z" for unit in word):
        return word
    return [Unit(glyphs.FAUX.get(unit.char, unit.char), unit.start, unit.end) for unit in word]


def _without_digits(word: list[Unit]) -> list[Unit]:
    if all(unit.char.isdigit() for unit in word):
        return word
    return [unit for unit in word if not unit.char.isdigit()]


def _without_filler(word: list[Unit]) -> list[Unit]:
    """ "nxuxdxe": one letter that stands after every other one, three times at least, is taken out."""
    fillers = {unit.char for unit in word[1::2]}
    return word[::2] if len(fillers) == 1 and len(word) > 6 else word


def _pairs_joined(units: Sequence[Unit]) -> list[Unit]:
    """ "rn" read as m, "vv" as w, "ci" (also cl) as d."""
    joined: list[Unit] = []
    for unit in units:
        pair = glyphs.PAIRS.get(joined[-1].char + unit.char) if joined else None
        if pair:
            joined[-1] = Unit(pair, joined[-1].start, unit.end)
        else:
            joined.append(unit)
    return joined


def _jamo_joined(units: Sequence[Unit]) -> list[Unit]:
    """Korean letters typed one by one, put together to syllables."""
    joined: list[Unit] = []
    for unit in units:
        whole = glyphs.syllable(joined[-1].char, unit.char) if joined else None
        moved = glyphs.moved_syllable(joined[-1].char, unit.char) if joined and whole is None else None
        if whole:
            joined[-1] = Unit(whole, joined[-1].start, unit.end)
        elif moved:
            last = joined.pop()
            joined += [Unit(moved[0], last.start, last.end), Unit(moved[1], last.start, unit.end)]
        else:
            joined.append(unit)
    return joined


def _signs_joined(text: str) -> str:
    r"""Letters drawn with signs, "|\|" for n, each replaced by the letter and padding, so that the length stays."""
    for sign, letter in glyphs.DRAWN.items():
        text = text.replace(sign, letter + glyphs.PADDING * (len(sign) - 1))
    return text


@lru_cache(maxsize=64)
def _decoded(text: str) -> str:
    """HTML entities, percent signs and backslash escapes read as the characters they stand for."""
    decoded = unquote(html.unescape(text))
    return glyphs.ESCAPE.sub(lambda found: chr(int(found.group(1) or found.group(2), 16)), decoded)
