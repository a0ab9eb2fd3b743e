"""The deny lists alone: what a line asks for that is never made, in any of the normal forms of its text."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from outfitswap_desktop.safety.prompt import apart, exceptions, lists, near
from outfitswap_desktop.safety.prompt.answer import Hit
from outfitswap_desktop.safety.prompt.forms import PLAIN, Form, forms
from outfitswap_desktop.safety.prompt.lists import NUMBER, SMALL_NUMBER, Key, Term

PRIORITY: Final = (
    "minors", "real_person", "body_paint", "wet", "undressing", "lingerie", "sheer", "swimwear", "underwear", "violence",
    "nudity", "sexual",
)  # fmt: skip
"""Which category a line is refused for when it fits several."""

BACKWARDS: Final = "reversed"
AGES_IN: Final = (
    PLAIN, "capitals", "decoded", "leet", "leet signs", "separators dropped", "reversed", "reversed words",
    "separators dropped, reversed", "separators dropped, reversed words",
)  # fmt: skip
"""Readings in which numbers are taken for ages."""
FARFETCHED: Final = (BACKWARDS, "letter pairs", "interleaved", "inside")
"""Readings that count only when the straight ones found nothing."""

DROPPED: Final = "separators dropped"
"""A reading in which whole words run together: too far off to look for slips in it."""
APART: Final = " … "
"""Stands between the halves of a pair in `Hit.term`."""
GAP_WORDS: Final = 5
"""Words that may stand between the two halves of a pair."""
GAP_LETTERS: Final = 12
"""The same for scripts written without spaces."""
LEAST_REVERSED: Final = 3
"""Letters an English term has at least to be believed when read backwards."""
LEAST_REVERSED_ELSEWHERE: Final = 4
"""The same in the other languages."""
LEAST_REVERSED_OPEN: Final = 6
"""The same for a term with an open end."""
LAST_AGE: Final = 19
FIRST_TALL: Final = 8
"""Smaller numbers are too common in other senses ("look two-tone") to be an age without "years old"."""
_RUN: Final = re.compile(r"(.)\1+")
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
    stripped = exceptions.strip(text)
    readings = forms(stripped)
    harmless = exceptions.harmless_places(stripped)
    straight = [form for form in readings if not any(word in form.name for word in FARFETCHED)]
    return (
        _best((found for form in straight for found in searched.in_form(form)), harmless)
        or _best((found for form in readings if form not in straight for found in searched.in_form(form)), harmless)
        or _best((found for form in straight if DROPPED not in form.name for found in searched.nearly(form)), harmless)
    )


def languages() -> tuple[str, ...]:
    """The names of the lists: ISO 639-1 codes, and the lists that belong to no language."""
    return tuple(path.stem for path in lists.list_files())


def terms() -> tuple[Term, ...]:
    """Every term as listed, in the order of the files."""
    return tuple(_searched().read.terms)


def _best(found: Iterable[Found], harmless: Container[int]) -> Found | None:
    """The hit of the first category. What lies inside a longer term counts as part of that one ("boy" of "boy shorts");
    what is only read into harmless words does not count.
    """
    real = [
        each for each in found
        if each.hit.form == PLAIN or not all(place in harmless for place in range(each.start, each.end))
    ]  # fmt: skip
    whole = {(each.start, each.end) for each in real if APART not in each.hit.term}
    longest = (
        each for each in real
        if not any(start <= each.start and each.end <= end and end - start > each.end - each.start for start, end in whole)
    )  # fmt: skip
    return min(longest, key=_rank, default=None)


def _rank(found: Found) -> tuple[int, int, bool]:
    return PRIORITY.index(found.hit.category), -len(found.hit.term), found.hit.language != lists.ENGLISH


class _Squeezed:
    """A text with every run of a letter made one: `runs` holds how many letters went."""

    def __init__(self, text: str) -> None:
        self._places: list[int] = []
        self._extra = [0]
        self.runs: Sequence[int] = bytes(len(text))
        self.text = text
        if _RUN.search(text):
            self._squeeze(text)

    def _squeeze(self, text: str) -> None:
        self.text = _RUN.sub(lambda found: found.group(1), text)
        self.runs = runs = [0] * len(self.text)
        for found in _RUN.finditer(text):
            more = found.end() - found.start() - 1
            place = found.start() - self._extra[-1]
            runs[place] = more
            self._places.append(place)
            self._extra.append(self._extra[-1] + more)

    def at(self, place: int) -> int:
        """Where the run at `place` begins in the text itself."""
        return place + self._extra[bisect_left(self._places, place)]


class _Target(NamedTuple):
    """A key with the runs that a text must have at least; `doubled` when any is more than one."""

    key: Key
    runs: Sequence[int]
    doubled: bool


class _Half(NamedTuple):
    """Where a key that is one half of pairs was seen."""

    start: int
    end: int
    key: Key


class _Searched:
    """All lists, compiled: one automaton for words between spaces and one for letters without any."""

    def __init__(self, read: lists.Lists) -> None:
        self.read = read
        words: dict[str, list[_Target]] = {}
        letters: dict[str, list[_Target]] = {}
        for key in read.keys.values():
            _put(words, " " * key.left + key.text + " " * key.right, key)
            joined = key.text.replace(" ", "")
            if apart.long_enough(joined) and NUMBER not in joined and SMALL_NUMBER not in joined:
                _put(letters, joined, key)
        self.words = _automaton(words)
        self.letters = _automaton(letters)
        alone = [key for key in read.keys.values() if key.terms]
        self.ordinary = apart.ordinary(key.text for key in alone if key.left and key.right)
        self.near = near.Near(alone)

    def in_form(self, form: Form) -> Iterator[Found]:
        """Everything found in one reading."""
        yield from self._in_words(form)
        if form.name in AGES_IN:
            for reading in _with_ages(form, self.read.numbers):
                yield from self._in_words(reading)
        yield from self._in_letters(form)

    def nearly(self, form: Form) -> Iterator[Found]:
        """Words that are one slip of the finger, or starred letters, away from a term."""
        for start, end, key, how in self.near.in_text(form.text):
            yield from self._made(form, start, end, key=key, how=how)

    def _in_words(self, form: Form) -> Iterator[Found]:
        squeezed = _Squeezed(form.text)
        halves: list[_Half] = []
        backwards = BACKWARDS in form.name
        for target, first, last in _hits(self.words, squeezed):
            key = target.key
            start, end = squeezed.at(first) + key.left, squeezed.at(last + 1) - key.right
            if key.firsts or key.seconds:
                halves.append(_Half(start, end, key))
            whole = form.text[start - 1] == " " == form.text[end]
            if key.terms and (not backwards or _believable_backwards(key, whole=whole)):
                repeated = sum(squeezed.runs[first : last + 1]) > sum(target.runs)
                yield from self._made(form, start, end, key=key, how="repeated" if repeated else "")
        yield from self._paired(form, halves, how="")

    def _in_letters(self, form: Form) -> Iterator[Found]:
        words = apart.Letters(form.text, self.ordinary)
        backwards = BACKWARDS in form.name
        if backwards and not words.has_pieces:
            return
        squeezed = _Squeezed(words.letters)
        halves: list[_Half] = []
        for target, first, last in _hits(self.letters, squeezed):
            key = target.key
            if backwards and not _believable_backwards(key, whole=False):
                continue
            start, end = squeezed.at(first), squeezed.at(last + 1)
            place = words.joined(
                start, end, key=key, inner=(start + squeezed.runs[first] + 1, end - squeezed.runs[last] - 1)
            )
            if place is None:
                continue
            first_place, last_place, alone = place
            if key.firsts or key.seconds:
                halves.append(_Half(first_place, last_place, key))
            if key.terms and alone:
                yield from self._made(form, first_place, last_place, key=key, how="joined")
        yield from self._paired(form, halves, how="joined")

    def _paired(self, form: Form, halves: Sequence[_Half], *, how: str) -> Iterator[Found]:
        firsts = set().union(*(half.key.firsts for half in halves))
        for number in firsts.intersection(*[set().union(*(half.key.seconds for half in halves))]):
            pair = self.read.pairs[number]
            for one in halves:
                for other in halves:
                    if (
                        number in one.key.firsts
                        and number in other.key.seconds
                        and _near(form.text, one, other, pair.swaps)
                    ):
                        start, end = min(one.start, other.start), max(one.end, other.end)
                        written = f"{one.key.written}{APART}{other.key.written}"
                        yield self._found(form, start, end, term=pair.term, written=written, how=how)

    def _made(self, form: Form, start: int, end: int, *, key: Key, how: str) -> Iterator[Found]:
        for term in key.terms:
            yield self._found(form, start, end, term=term, written=key.written, how=how)

    def _found(self, form: Form, start: int, end: int, *, term: int, written: str, how: str) -> Found:
        listed = self.read.terms[term]
        name = how if form.name == PLAIN and how else f"{form.name}, {how}" if how else form.name
        return Found(Hit(listed.category, written, listed.language, name), *form.original(start, end))


def _put(found: dict[str, list[_Target]], text: str, key: Key) -> None:
    squeezed = _Squeezed(text)
    found.setdefault(squeezed.text, []).append(_Target(key, squeezed.runs, len(text) != len(squeezed.text)))


def _hits(automaton: Any, squeezed: _Squeezed) -> Iterator[tuple[_Target, int, int]]:
    """Each key found, with its first and last place; a run in the text is at least as long as the key's."""
    for last, targets in automaton.iter(squeezed.text):
        for target in targets:
            first = last - len(target.runs) + 1
            runs = squeezed.runs[first : last + 1]
            if not (target.doubled and any(have < want for have, want in zip(runs, target.runs, strict=True))):
                yield target, first, last


def _near(text: str, one: _Half, other: _Half, swaps: bool) -> bool:
    """Whether two halves stand near each other, in their order or, when they may swap, in the other."""
    if one.end <= other.start:
        between = text[one.end : other.start]
    elif swaps and other.end <= one.start:
        between = text[other.end : one.start]
    else:
        return False
    if between.count(" ") > GAP_WORDS + 1:
        return False
    return one.key.left or one.key.right or len(between) <= GAP_LETTERS


def _believable_backwards(key: Key, *, whole: bool) -> bool:
    """Short or half-open terms turn up by chance in text read backwards."""
    letters = len(key.text.replace(" ", ""))
    if not key.text.isascii():
        return letters >= 2
    if not (whole or (key.left and key.right)):
        return letters >= LEAST_REVERSED_OPEN
    return letters >= (LEAST_REVERSED if key.english else LEAST_REVERSED_ELSEWHERE)


def _with_ages(form: Form, numbers: Mapping[str, str]) -> Iterator[Form]:
    """The reading with every number below twenty, digits or words, replaced by one sign; nothing when there is none."""
    pieces = [(piece.group(), piece.start(), piece.end()) for piece in _NUMBER_PIECES.finditer(form.text)]
    text, starts, ends = [" "], [form.starts[0]], [form.ends[0]]
    found, index = False, 0
    while index < len(pieces):
        taken, sign = _number_words(pieces, index, numbers)
        if taken and text[-2:] in ([NUMBER, " "], [SMALL_NUMBER, " "]):
            taken = 0  # Korean counts years with a word that is also a number
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
        return int(int(piece) <= LAST_AGE and not (len(piece) > 1 and piece[0] == "0")), SMALL_NUMBER if int(
            piece
        ) < FIRST_TALL else NUMBER
    both = f"{piece} {pieces[index + 1][0]}" if index + 1 < len(pieces) else piece
    return (
        (2, numbers[both]) if " " in both and both in numbers else (int(piece in numbers), numbers.get(piece, NUMBER))
    )


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
