"""The deny lists alone: what a line asks for that is never made, in any of the normal forms of its text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, Final

from outfitswap_desktop.safety.prompt import apart, exceptions, lists, near
from outfitswap_desktop.safety.prompt.answer import Hit
from outfitswap_desktop.safety.prompt.forms import PLAIN, Form, forms
from outfitswap_desktop.safety.prompt.lists import NUMBER, SMALL_NUMBER, Key, Term

PRIORITY: Final = (
    "minors", "real_person", "body_paint", "wet", "undressing", "sheer", "lingerie", "swimwear", "underwear", "violence",
    "nudity", "sexual",
)  # fmt: skip
"""Which category a line is refused for when it fits several."""

FARFETCHED: Final = ("reversed", "letter pairs", "interleaved", "inside")
"""Readings that count only when the straight ones found nothing."""

GAP_WORDS: Final = 5
"""Words that may stand between the two halves of a pair."""
GAP_LETTERS: Final = 10
"""The same for scripts written without spaces."""
LEAST_REVERSED: Final = 4
"""Letters a term has at least to be believed when read backwards."""
LEAST_REVERSED_OPEN: Final = 6
"""The same for a term with an open end."""
LAST_AGE: Final = 19
FIRST_TALL: Final = 8
"""Smaller numbers are too common in other senses ("look two-tone") to be an age without "years old"."""
_NUMBER_PIECES: Final = re.compile(r"[0-9]+|[^0-9 ]+")


@dataclass(frozen=True, slots=True)
class Found:
    """A hit and the slice of the text that made it."""

    hit: Hit
    start: int
    end: int


def find(text: str) -> Hit | None:
    """What the deny lists find in `text`, fashion's own phrases aside; None when they find nothing.

    Raises NotAvailable ("policy_broken") when the lists cannot be read: then nothing is allowed.
    """
    found = locate(text)
    return found.hit if found else None


def locate(text: str) -> Found | None:
    """The same with the slice of `text` that was found."""
    searched = _searched()
    readings = forms(exceptions.strip(text))
    straight = [form for form in readings if not any(word in form.name for word in FARFETCHED)]
    return (
        _best(found for form in straight for found in searched.in_form(form))
        or _best(found for form in readings if form not in straight for found in searched.in_form(form))
        or _best(found for form in straight for found in searched.nearly(form))
    )


def languages() -> tuple[str, ...]:
    """The names of the lists: ISO 639-1 codes, and the lists that belong to no language."""
    return tuple(path.stem for path in lists.list_files())


def terms() -> tuple[Term, ...]:
    """Every term as listed, in the order of the files."""
    return tuple(_searched().read.terms)


def _best(found: Iterator[Found]) -> Found | None:
    return min(found, key=lambda each: (PRIORITY.index(each.hit.category), -len(each.hit.term)), default=None)


@dataclass(frozen=True, slots=True)
class _Squeezed:
    """A text with every run of a letter made one: `runs` holds how many there were, `at` where each begins."""

    text: str
    runs: tuple[int, ...]
    at: tuple[int, ...]


def _squeezed(text: str) -> _Squeezed:
    chars, runs, at = [], [], []
    place = 0
    for char, group in groupby(text):
        count = sum(1 for _ in group)
        chars.append(char)
        runs.append(count)
        at.append(place)
        place += count
    return _Squeezed("".join(chars), tuple(runs), (*at, place))


@dataclass(frozen=True, slots=True)
class _Target:
    """A key with the runs that a text must have at least."""

    key: Key
    runs: tuple[int, ...]


class _Searched:
    """All lists, compiled: one automaton for words between spaces and one for letters without any."""

    def __init__(self, read: lists.Lists) -> None:
        self.read = read
        words: dict[str, list[_Target]] = {}
        letters: dict[str, list[_Target]] = {}
        for key in read.keys:
            written = " " * key.left + key.text + " " * key.right
            squeezed = _squeezed(written)
            words.setdefault(squeezed.text, []).append(_Target(key, squeezed.runs))
            if not {NUMBER, SMALL_NUMBER} & set(key.text):
                joined = _squeezed(key.text.replace(" ", ""))
                letters.setdefault(joined.text, []).append(_Target(key, joined.runs))
        self.words = _automaton(words)
        self.letters = _automaton(letters)
        self.ordinary = apart.ordinary({key.text for key in read.keys if key.left and key.right and key.pair < 0})
        self.near = near.Near(key for key in read.keys if key.pair < 0)

    def in_form(self, form: Form) -> Iterator[Found]:
        """Everything found in one reading."""
        for reading in (form, *_with_ages(form, self.read.numbers)):
            yield from self._in_words(reading)
        yield from self._in_letters(form)

    def nearly(self, form: Form) -> Iterator[Found]:
        """Words that are one slip of the finger, or starred letters, away from a term."""
        for start, end, key, how in self.near.in_text(form.text):
            yield self._found(form, start, end, key=key, how=how)

    def _in_words(self, form: Form) -> Iterator[Found]:
        squeezed = _squeezed(form.text)
        halves: dict[int, tuple[list[tuple[int, int, Key]], list[tuple[int, int, Key]]]] = {}
        backwards = "reversed" in form.name
        for last, targets in self.words.iter(squeezed.text):
            for target in targets:
                first = last - len(target.runs) + 1
                if any(have < want for have, want in zip(squeezed.runs[first : last + 1], target.runs, strict=True)):
                    continue
                key = target.key
                if backwards and not _believable_backwards(key):
                    continue
                start, end = squeezed.at[first] + key.left, squeezed.at[last + 1] - key.right
                if key.pair >= 0:
                    halves.setdefault(key.pair, ([], []))[key.side].append((start, end, key))
                else:
                    repeated = sum(squeezed.runs[first : last + 1]) > sum(target.runs)
                    yield self._found(form, start, end, key=key, how="repeated" if repeated else "")
        for lefts, rights in halves.values():
            for start, end, key, written in _together(form.text, lefts, rights):
                yield self._found(form, start, end, key=key, how="", written=written)

    def _in_letters(self, form: Form) -> Iterator[Found]:
        words = apart.Letters(form.text, self.ordinary)
        squeezed = _squeezed(words.letters)
        halves: dict[int, tuple[list[tuple[int, int, Key]], list[tuple[int, int, Key]]]] = {}
        for last, targets in self.letters.iter(squeezed.text):
            for target in targets:
                first = last - len(target.runs) + 1
                runs = squeezed.runs[first : last + 1]
                if any(have < want for have, want in zip(runs, target.runs, strict=True)):
                    continue
                start, end = squeezed.at[first], squeezed.at[last + 1]
                key = target.key
                if "reversed" in form.name and not _believable_backwards(key):
                    continue
                place = words.joined(start, end, key=key, inner=(squeezed.at[first + 1], squeezed.at[last]))
                if place is None:
                    continue
                if key.pair >= 0:
                    halves.setdefault(key.pair, ([], []))[key.side].append((*place, key))
                else:
                    yield self._found(form, *place, key=key, how="joined")
        for lefts, rights in halves.values():
            for start, end, key, written in _together(form.text, lefts, rights):
                yield self._found(form, start, end, key=key, how="joined", written=written)

    def _found(self, form: Form, start: int, end: int, *, key: Key, how: str, written: str = "") -> Found:
        term = self.read.terms[key.term]
        name = how if form.name == PLAIN and how else f"{form.name}, {how}" if how else form.name
        return Found(Hit(term.category, written or key.written, term.language, name), *form.original(start, end))


def _believable_backwards(key: Key) -> bool:
    """Short or half-open terms turn up by chance in text read backwards."""
    letters = len(key.text.replace(" ", ""))
    if not key.text.isascii():
        return letters >= 2
    return letters >= (LEAST_REVERSED if key.left and key.right else LEAST_REVERSED_OPEN)


def _together(
    text: str, lefts: Sequence[tuple[int, int, Key]], rights: Sequence[tuple[int, int, Key]]
) -> Iterator[tuple[int, int, Key, str]]:
    """The halves of a pair that stand near each other, as one hit from the first letter to the last."""
    for a_start, a_end, key in lefts:
        for b_start, b_end, other in rights:
            if a_end <= b_start:
                between = text[a_end:b_start]
            elif key.swaps and b_end <= a_start:
                between = text[b_end:a_start]
            else:
                continue
            spaceless = not (key.left or key.right)
            if between.count(" ") <= GAP_WORDS + 1 and (not spaceless or len(between) <= GAP_LETTERS + GAP_WORDS):
                yield min(a_start, b_start), max(a_end, b_end), key, f"{key.written} … {other.written}"


def _with_ages(form: Form, numbers: Mapping[str, str]) -> Iterator[Form]:
    """The reading with every number below twenty, digits or words, replaced by one sign; nothing when there is none."""
    pieces = [(piece.group(), piece.start(), piece.end()) for piece in _NUMBER_PIECES.finditer(form.text)]
    text, starts, ends = [" "], [form.starts[0]], [form.ends[0]]
    found, index = False, 0
    while index < len(pieces):
        taken, sign = _number_words(pieces, index, numbers)
        piece, start, end = pieces[index]
        if taken:
            found, (_, _, end) = True, pieces[index + taken - 1]
            text.append(sign)
            starts.append(form.starts[start])
            ends.append(form.ends[end - 1])
        else:
            text.append(piece)
            starts += form.starts[start:end]
            ends += form.ends[start:end]
        text.append(" ")
        starts.append(form.ends[end - 1])
        ends.append(form.ends[end - 1])
        index += taken or 1
    if found:
        yield Form(form.name, "".join(text), tuple(starts), tuple(ends))


def _number_words(pieces: Sequence[tuple[str, int, int]], index: int, numbers: Mapping[str, str]) -> tuple[int, str]:
    """How many pieces from `index` on are one number below twenty, 0, 1 or 2, and the sign for it."""
    piece = pieces[index][0]
    if piece.isdigit():
        return int(int(piece) <= LAST_AGE), SMALL_NUMBER if int(piece) < FIRST_TALL else NUMBER
    both = f"{piece} {pieces[index + 1][0]}" if index + 1 < len(pieces) else piece
    return (2, numbers[both]) if " " in both and both in numbers else (int(piece in numbers), numbers.get(piece, NUMBER))


def _automaton(found: Mapping[str, Sequence[_Target]]) -> Any:
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for text, targets in found.items():
        automaton.add_word(text, tuple(targets))
    automaton.make_automaton()
    return automaton


@cache
def _searched() -> _Searched:
    return _Searched(lists.read())
