"""The closed vocabulary of a prompt: which words are known, which are refused, and what an unknown one was meant to be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from outfitswap_desktop.safety.prompt import tokens
from outfitswap_desktop.safety.prompt.phrases import END, MOST_BETWEEN, Match
from outfitswap_desktop.safety.prompt.tokens import Token
from outfitswap_desktop.safety.prompt.wordbook import NOUNS, words

LEAST_SIMILAR: Final = 72.0
"""Share of letters in common (0..100, rapidfuzz ratio) from which on a word is suggested."""
MOST_SUGGESTED: Final = 3
FIRST_YEAR, LAST_YEAR = 1000, 2099
OLDEST: Final = 19
"""A bare number up to this could be an age: it must count something that clothes have."""
COUNTED: Final = frozenset(
    {
        "garments",
        "outerwear",
        "accessories",
        "parts",
        "areas",
        "patterns",
        "motifs",
        "fabrics",
        "finishes",
        "colours",
        "cuts",
    }
    | {"generics", "things", "units"}
)
"""Themes of what a number may count."""
DESCRIBING: Final = frozenset({"looks", "finishes", "making", "making_forms", "cuts", "light", "degrees", "shades"})
"""Themes whose words may stand between a number and what it counts."""
_COUNTS: Final = frozenset({"two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"})
_FIRST: Final = frozenset({"garments", "outerwear", "fabrics", "colours", "patterns"})
"""Themes of the words that a wish usually begins with."""
_CENTURY: Final = frozenset({"century", "centuries"})
_ORDINAL: Final = re.compile(r"\d{1,2}(st|nd|rd|th)$")
_DECADE: Final = re.compile(r"(1[0-9]|20)?[0-9]0'?s$")
_MEASURE: Final = re.compile(r"\d+(?:[.,/]\d+)*(%|cm|mm|m|in|oz|gsm|ply|den|d|g|k|mp|x)$")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Words of a line that are never asked for: their `category` and tokens."""

    category: str
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A line read: its tokens, the themes that each belongs to (None: not known), and what in it is refused."""

    tokens: tuple[Token, ...]
    themes: tuple[frozenset[str] | None, ...]
    refused: tuple[Refusal, ...]

    @property
    def unknown(self) -> tuple[Token, ...]:
        return tuple(t for t, themes in zip(self.tokens, self.themes, strict=True) if themes is None)


def unknown(text: str) -> tuple[str, ...]:
    """The words of `text` that are not in the vocabulary, as typed, in their order."""
    return tuple(token.typed for token in read(text).unknown)


def size() -> int:
    """How many distinct words are listed; forms that follow by rule are not counted."""
    return len(words().listed)


def nearest(word: str) -> tuple[str, ...]:
    """Up to three words of the vocabulary that look like `word`, the nearest first; "" and other scripts have none."""
    from rapidfuzz import fuzz, process

    found = process.extract(
        tokens.fold(word), _suggestible(), scorer=fuzz.ratio, limit=MOST_SUGGESTED, score_cutoff=LEAST_SIMILAR
    )
    return tuple(name for name, _, _ in found)


def beginning(prefix: str, *, limit: int) -> tuple[str, ...]:
    """Up to `limit` words that begin with `prefix` and are allowed alone: garments, fabrics, colours and patterns first.

    Within these the shortest first, which of word and plural is the word.
    """
    start = tokens.fold(prefix.strip())
    if not start:
        return ()
    themes = words().themes
    found = (word for word in _suggestible() if word.startswith(start))
    ranked = sorted(found, key=lambda word: (not themes[word] & _FIRST, len(word), word))
    return tuple(ranked[:limit])


def company(word: str) -> tuple[str, ...]:
    """Up to three phrases in which alone `word` is known, the shortest first."""
    return _companies().get(tokens.fold(word), ())


def read(text: str) -> Reading:
    """Tell the words of `text` that are known, alone or in a phrase, and those that are refused whatever they are."""
    book = words()
    row = _clauses(tokens.split(text))
    plain = [token.plain if token else END for token in row]
    alone = [_themes_of(token) if token else None for token in row]

    def fits(at: int, theme: str) -> bool:
        return theme in (alone[at] or ())

    themes = list(alone)
    for at, token in enumerate(row):
        if token and _could_be_age(token) and not _counts(plain, alone, at):
            themes[at] = None
    harmless: list[Match] = []
    for match in book.phrases.matches(plain, fits):
        if all(alone[at] is not None or at in match.literal for at in range(match.start, match.end)):
            for at in match.literal:
                themes[at] = (themes[at] or frozenset()) | {match.phrase.meaning}
            harmless.append(match)
    said = [at for at, token in enumerate(row) if token]
    refused = tuple(
        Refusal(match.phrase.meaning, tuple(t for t in row[match.start : match.end] if t))
        for match in book.refused.matches(plain, fits)
        if not any(_outranks(phrase, match) for phrase in harmless)
    )
    return Reading(tuple(t for t in row if t), tuple(themes[at] for at in said), refused)


def _outranks(phrase: Match, refused: Match) -> bool:
    """Whether a phrase of the vocabulary explains what is refused: it is longer, or has words for the other's slots."""
    size, other = phrase.end - phrase.start, refused.end - refused.start
    if phrase.start > refused.start or phrase.end < refused.end:
        return False
    return size > other or (len(phrase.literal) == size and len(refused.literal) < other)


def _clauses(row: Sequence[Token]) -> list[Token | None]:
    """The tokens with None where a clause ends."""
    clauses: list[Token | None] = []
    for token in row:
        if token.fresh:
            clauses.append(None)
        clauses.append(token)
    return [*clauses, None]


def _themes_of(token: Token) -> frozenset[str] | None:
    """The themes of a token by itself; None when it is not known."""
    if token.kind == tokens.COLOUR:
        return frozenset({"colours"})
    if token.kind == tokens.NUMBER:
        return _number(token.plain)
    if token.kind == tokens.ODD:
        return None
    return _known(token.plain)


def _number(plain: str) -> frozenset[str] | None:
    if _DECADE.match(plain):
        return frozenset({"eras"})
    if plain.isdigit():
        year = len(plain) == 4 and FIRST_YEAR <= int(plain) <= LAST_YEAR
        return frozenset({"eras"}) if year else frozenset({"numbers"})
    if _ORDINAL.match(plain):
        return frozenset({"numbers"})
    return frozenset({"units"}) if _MEASURE.match(plain) or not plain[-1].isalpha() else None


def _could_be_age(token: Token) -> bool:
    if token.kind == tokens.NUMBER:
        digits = re.sub(r"(st|nd|rd|th)$", "", token.plain)
        return digits.isdigit() and int(digits) <= OLDEST
    return token.plain in _COUNTS


def _counts(words: Sequence[str], themes: Sequence[frozenset[str] | None], at: int) -> bool:
    """Whether the number at `at` counts something that clothes have, tells a size or a century, before any small word."""
    if at and words[at - 1] in ("size", "sizes"):
        return True
    for later in range(at + 1, min(at + 1 + MOST_BETWEEN, len(words))):
        if words[later] in _CENTURY or COUNTED & (themes[later] or frozenset()):
            return True
        if not DESCRIBING & (themes[later] or frozenset()):
            return False
    return False


def _known(plain: str) -> frozenset[str] | None:
    """The themes of a folded word, as listed or by rule."""
    themes = words().themes
    found = themes.get(plain)
    if found is not None:
        return found
    owner = plain.removesuffix("'s")
    if owner in themes:
        return themes[owner]
    for ending in ("like", "esque"):
        stem = plain.removesuffix(ending)
        if stem != plain and NOUNS & themes.get(stem, frozenset()):
            return frozenset({"looks"})
    if plain.endswith("ish"):
        stem = plain[:-3]
        for candidate in (stem, stem + "e", stem[:-1] if stem[-1:] == stem[-2:-1] else stem):
            if "colours" in themes.get(candidate, ()):
                return frozenset({"colours"})
    return None


@cache
def _suggestible() -> tuple[str, ...]:
    known = words().themes
    return tuple(sorted(word for word in words().listed if word in known and len(word) > 2))


@cache
def _companies() -> dict[str, tuple[str, ...]]:
    """Word that is known in company only -> up to three phrases without slots that hold it."""
    book = words()
    found: dict[str, list[str]] = {}
    for phrase in (phrase for phrases in book.phrases.by_word.values() for phrase in phrases):
        if any(slot.themes or slot.open for slot in phrase.slots):
            continue
        for word in (word for slot in phrase.slots for word in slot.words if word not in book.themes):
            found.setdefault(word, []).append(phrase.written)
    return {
        word: tuple(sorted(dict.fromkeys(phrases), key=lambda p: (len(p), p))[:MOST_SUGGESTED])
        for word, phrases in found.items()
    }
