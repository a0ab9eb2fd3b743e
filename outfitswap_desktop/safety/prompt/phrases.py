"""Phrases of several words, with slots for a word of a theme, and where they occur in a row of words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

MOST_BETWEEN: Final = 3
"""Words that a `*` may stand for."""

END: Final = "$"
"""In a row of words, the place after the last word of a clause."""

Fits = Callable[[int, str], bool]
"""Whether the word at a place belongs to a theme."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of a phrase: any of `words`, a word of any of `themes`, or (`open`) up to MOST_BETWEEN words."""

    words: frozenset[str] = frozenset()
    themes: frozenset[str] = frozenset()
    open: bool = False


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase as `written`, its slots, and what it stands for (`meaning`: a theme or a category)."""

    written: str
    slots: tuple[Slot, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class Match:
    """`phrase` found in the words `start` to `end`, the end not included; `literal` are the places of its own words."""

    phrase: Phrase
    start: int
    end: int
    literal: tuple[int, ...]


@dataclass(slots=True)
class Phrasebook:
    """Phrases by the word they begin with; those that begin with a slot are tried everywhere."""

    by_word: dict[str, list[Phrase]] = field(default_factory=dict)
    anywhere: list[Phrase] = field(default_factory=list)

    def add(self, phrase: Phrase) -> None:
        """Take in one phrase of at least one slot."""
        first = phrase.slots[0]
        if first.words and not first.themes:
            for word in first.words:
                self.by_word.setdefault(word, []).append(phrase)
        else:
            self.anywhere.append(phrase)

    def matches(self, words: Sequence[str], fits: Fits) -> Iterator[Match]:
        """Every place where a phrase occurs in `words`."""
        for start, word in enumerate(words):
            for phrase in (*self.by_word.get(word, ()), *self.anywhere):
                for end, literal in _ends(phrase.slots, words, start, fits):
                    yield Match(phrase, start, end, literal)


def _ends(slots: tuple[Slot, ...], words: Sequence[str], at: int, fits: Fits) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Where a match of all `slots` that begins at `at` may end, with the places of the phrase's own words."""
    if not slots:
        yield at, ()
        return
    slot, rest = slots[0], slots[1:]
    if slot.open:
        for after in range(at, min(at + MOST_BETWEEN, len(words)) + 1):
            yield from _ends(rest, words, after, fits)
            if after == len(words) or words[after] == END:
                break
    elif at < len(words):
        own = words[at] in slot.words
        if own or any(fits(at, theme) for theme in slot.themes):
            for end, literal in _ends(rest, words, at + 1, fits):
                yield end, ((at, *literal) if own else literal)
