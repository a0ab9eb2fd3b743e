"""A line of a prompt as words: what stands for a word, what may stand between words, and what is neither."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

_LETTERS: Final = r"[^\W\d_]"
_TOKEN: Final = re.compile(
    r"(?P<hex>#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})(?![\w]))"
    r"|(?P<number>\d+(?:[.,/]\d+)*(?:['’]?[^\W\d_]{1,3}(?![^\W\d_])|%)?)"
    rf"|(?P<word>{_LETTERS}[^\W_]*(?:['’]{_LETTERS}+)*)"
    r"|(?P<glue>[ \t\r\n\u00a0'’‘`\"“”„«»-]+|[\u2010-\u2015\u2212]+)"
    r"|(?P<stop>[,.;:!?()\[\]&+/…]+)"
    r"|(?P<odd>.)",
    re.DOTALL,
)
_SPELT: Final = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ß": "ss", "’": "'"})
_JOINS: Final = frozenset({"&", "+", "/"})

WORD, NUMBER, COLOUR, ODD = "word", "number", "hex", "odd"
"""The kinds of token: a word, a number with or without its unit, "#1f6f54", a character that has no business in a prompt."""


@dataclass(frozen=True, slots=True)
class Token:
    """`typed` as it stands in the line from `start`, `plain` lower case without accents; `fresh` after a comma or the like."""

    typed: str
    plain: str
    kind: str
    start: int
    fresh: bool

    @property
    def end(self) -> int:
        return self.start + len(self.typed)


def fold(word: str) -> str:
    """Lower case without accents, "Crêpe" -> "crepe"; letters of other scripts stay what they are."""
    lower = word.lower()
    if lower.isascii():
        return lower
    spelt = lower.translate(_SPELT)
    folded = []
    for letter in unicodedata.normalize("NFC", spelt):
        base = unicodedata.normalize("NFD", letter)
        folded.append(base[0] if base[0].isascii() else letter)
    return "".join(folded)


def split(text: str) -> tuple[Token, ...]:
    """The tokens of `text` in its order. Hyphens part words as spaces do; every odd character is a token of its own."""
    tokens: list[Token] = []
    fresh = False
    for match in _TOKEN.finditer(unicodedata.normalize("NFC", text)):
        kind = match.lastgroup or ODD
        if kind == "glue":
            continue
        if kind == "stop":
            fresh = fresh or not set(match.group()) <= _JOINS
            continue
        tokens.append(Token(match.group(), fold(match.group()), kind, match.start(), fresh))
        fresh = False
    return tuple(tokens)
