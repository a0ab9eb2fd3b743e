"""Words one slip away from a term: two letters swapped, one missing, added or changed, vowels left out, letters starred."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from outfitswap_desktop.safety.prompt.glyphs import STAR
from outfitswap_desktop.safety.prompt.lists import Key

LEAST_SWAPPED: Final = 5
"""Letters of a word in which two neighbours may have changed places, in English."""
LEAST_SWAPPED_ELSEWHERE: Final = 7
"""The same in the other languages."""
LEAST_SLIP: Final = 8
"""Letters of a term of which one may be missing, added or another."""
LEAST_CONSONANTS: Final = 4
"""Consonants that are enough to know a term by."""
_VOWELS: Final = re.compile("[aeiouy]")
_WORD: Final = re.compile("[^ ]+")
_ENDINGS: Final = ("", "ed", "ing", "s", "es")


class Near:
    """The single words of the lists in the Latin alphabet, ready to be compared with what was typed."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._exact: dict[str, Key] = {}
        self._slips: dict[str, Key] = {}
        self._consonants: dict[str, Key] = {}
        self._by_size: dict[int, list[str]] = {}
        for key in keys:
            if not key.left or " " in key.text or not key.text.isalpha():
                continue
            for word in [key.text] if key.right or not key.english else [key.text + ending for ending in _ENDINGS]:
                self._exact.setdefault(word, key)
        for word, key in self._exact.items():
            self._by_size.setdefault(len(word), []).append(word)
            if not key.english or not word.isascii():
                continue
            if len(word) >= LEAST_SLIP:
                for slip in _one_less(word):
                    self._slips.setdefault(slip, key)
            if len(consonants := _VOWELS.sub("", word)) >= LEAST_CONSONANTS:
                self._consonants.setdefault(consonants, key)

    def in_text(self, text: str) -> Iterator[tuple[int, int, Key, str]]:
        """Where in a form's text such words are: start, end, the term's key, what was done to it."""
        for found in _WORD.finditer(text):
            word = found.group()
            if STAR in word:
                match, how = self._starred(word), "starred"
            elif word.isalpha():
                match, how = self._slipped(word), "misspelt"
            else:
                continue
            if match:
                yield found.start(), found.end(), match, how

    def _starred(self, word: str) -> Key | None:
        known = len(word) - word.count(STAR)
        if word[0] == STAR or known < 2 or known * 2 < len(word):
            return None
        pattern = re.compile(word.replace(STAR, "."))
        return next((self._exact[each] for each in self._by_size.get(len(word), []) if pattern.fullmatch(each)), None)

    def _slipped(self, word: str) -> Key | None:
        if len(word) >= LEAST_SWAPPED:
            for at in range(len(word) - 1):
                swapped = f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"
                key = self._exact.get(swapped) if swapped != word else None
                if key and (key.english or len(word) >= LEAST_SWAPPED_ELSEWHERE):
                    return key
        if len(word) >= LEAST_SLIP - 1 and word in self._slips:
            return self._slips[word]
        if len(word) >= LEAST_SLIP:
            for less in _one_less(word):
                if (less in self._exact and len(less) >= LEAST_SLIP) or less in self._slips:
                    return self._exact.get(less) or self._slips[less]
        return self._consonants.get(word) if not _VOWELS.search(word) else None


def _one_less(word: str) -> list[str]:
    return [word[:at] + word[at + 1 :] for at in range(len(word))]
