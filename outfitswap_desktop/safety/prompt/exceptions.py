"""Fashion's own phrases: the words of them that would be refused elsewhere are taken out before the lists look."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from outfitswap_desktop.paths import resources_dir
from outfitswap_desktop.safety.prompt import lists
from outfitswap_desktop.safety.prompt.forms import fold, plain_form
from outfitswap_desktop.safety.prompt.pinned import broken

FILE: Final = "policy/exceptions.txt"
UNLESS: Final = ", unless "
BLOT: Final = "·"
"""A sign that is no letter in any form, and no space that would make others look wide."""
HARMLESS_FILE: Final = "policy/harmless.txt"
_MARKED: Final = re.compile(r"^\((.*)\)$")


def strip(text: str) -> str:
    """`text` with the harmless words of fashion's phrases blotted out: "nude heels" leaves "···· heels".

    Only what was typed plainly is taken out, never a disguised word, and only the words that the phrase explains: what
    is left is looked at as if they had not been there. Length and places stay. Raises NotAvailable ("policy_broken").
    """
    plain = plain_form(text)
    words = frozenset(plain.text.split())
    chars = list(text)
    for last, found in _automaton().iter(plain.text):
        for size, marks, guards in found:
            if words & guards:
                continue
            first = last - size + 1
            for start, end in marks:
                begin, finish = plain.original(first + start, first + end)
                chars[begin:finish] = BLOT * (finish - begin)
    return "".join(chars)


def harmless_places(text: str) -> frozenset[int]:
    """The places of `text` that harmless words cover, with the spaces beside them.

    Into "brass" a doubled letter could be read, into "therapist" two words glued together: only plain hits count there.
    """
    plain = plain_form(text)
    words = _harmless()
    places: set[int] = set()
    at = 1
    for word in plain.text.split():
        if word in words:
            start, end = plain.original(at, at + len(word))
            places.update(range(start - 1, end + 1))
        at += len(word) + 1
    return frozenset(places)


@cache
def _harmless() -> frozenset[str]:
    return frozenset(fold(word) for _, entries in lists.sections(resources_dir() / HARMLESS_FILE) for word in entries)


def phrases() -> Iterator[tuple[str, frozenset[str]]]:
    """Every phrase, its alternatives written out, the words that are taken out in brackets; and the words that forbid it."""
    for heading, entries in lists.sections(resources_dir() / FILE):
        guards = frozenset(map(fold, heading.partition(UNLESS)[2].split("|"))) - {""}
        for entry in entries:
            words = [_choices(word) for word in entry.split()]
            yield from ((" ".join(choice), guards) for choice in itertools.product(*words))


def _choices(word: str) -> list[str]:
    marked = _MARKED.match(word)
    choices = (marked.group(1) if marked else word).replace("_", " ").split("|")
    return [f"({choice})" for choice in choices] if marked else choices


@cache
def _automaton() -> Any:
    import ahocorasick

    found: dict[str, list[tuple[int, tuple[tuple[int, int], ...], frozenset[str]]]] = {}
    for phrase, guards in phrases():
        text, marks = " ", []
        for part, marked in _parts(phrase):
            start = len(text)
            text += fold(part) + " "
            if marked:
                marks.append((start, len(text) - 1))
        if not marks:
            raise broken(FILE, f"nothing is marked in {phrase!r}")
        found.setdefault(text, []).append((len(text), tuple(marks), guards))
    if not found:
        raise broken(FILE, "nothing is in it")
    automaton = ahocorasick.Automaton()
    for text, values in found.items():
        automaton.add_word(text, tuple(values))
    automaton.make_automaton()
    return automaton


def _parts(phrase: str) -> Iterator[tuple[str, bool]]:
    for part in re.findall(r"\([^)]*\)|[^ ()]+", phrase):
        yield part.strip("()"), part.startswith("(")
