"""Terms typed in pieces ("n u d e", "un.dress") or without the spaces around them ("makehernude")."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from outfitswap_desktop.paths import resources_dir
from outfitswap_desktop.safety.prompt import glyphs, lists
from outfitswap_desktop.safety.prompt.forms import fold
from outfitswap_desktop.safety.prompt.lists import Key

ORDINARY_FILE: Final = "policy/ordinary.txt"
LEAST: Final = 4
"""Letters of a term in an alphabet that are believed when put together; two where a letter is a syllable."""
LEAST_OPEN: Final = 6
"""Letters of a term that may begin or end inside a word."""
LEAST_ALONE: Final = 3
"""Letters of a term when single letters spell it and nothing else."""


def ordinary(listed: Iterable[str]) -> frozenset[str]:
    """Folded words that stand around or between terms, with the listed words themselves."""
    words = [entry for _, entries in lists.sections(resources_dir() / ORDINARY_FILE) for entry in entries]
    return frozenset(map(fold, words)) | {word for word in listed if len(word) >= LEAST and " " not in word}


class Letters:
    """The letters of a form without its spaces, and where its words begin and end in them."""

    def __init__(self, text: str, ordinary_words: frozenset[str]) -> None:
        self._text = text
        self._ordinary = ordinary_words
        self._words = text.split()
        self.letters = "".join(self._words)
        self.place = [index for index, char in enumerate(text) if char != " "]
        self._word_of = [number for number, word in enumerate(self._words) for _ in word]
        self._begins: list[int] = []
        at = 0
        for word in self._words:
            self._begins.append(at)
            at += len(word)
        self._begins.append(at)

    def joined(self, start: int, end: int, *, key: Key, inner: tuple[int, int]) -> tuple[int, int] | None:
        """The slice of the form where letters[start:end] may be read as the key, or None.

        `inner` is where the first run of letters ends and the last one begins: the key may begin and end inside them.
        """
        begin = next((at for at in self._begins if start <= at < inner[0]), None)
        finish = next((at for at in reversed(self._begins) if inner[1] < at <= end), None)
        first, last = start if begin is None else begin, end if finish is None else finish
        if last <= first or not self._believable(first, last, key=key, aligned=(begin is not None, finish is not None)):
            return None
        return self.place[first], self.place[last - 1] + 1

    def _believable(self, first: int, last: int, *, key: Key, aligned: tuple[bool, bool]) -> bool:
        words = range(self._word_of[first], self._word_of[last - 1] + 1)
        size = len(key.text.replace(" ", ""))
        whole = all(aligned)
        if whole and self._text[self.place[first] : self.place[last - 1] + 1] == key.text:
            return key.pair >= 0
        if any(glyphs.writing(char) for char in key.text):
            return size >= 2
        if self._spelled(words):
            return size >= LEAST or (size >= LEAST_ALONE and whole and self._whole_run(words))
        if len(words) == 1:
            return (" " in key.text or key.pair >= 0) if whole else self._glued(first, last, size=size, key=key)
        least = LEAST if whole and key.left and key.right else LEAST_OPEN - (not key.text.isascii())
        fits = (aligned[0] or not key.left) and (aligned[1] or not key.right)
        return fits and size >= least and not all(self._words[word] in self._ordinary for word in words)

    def _spelled(self, words: range) -> bool:
        """Whether all of these words are single letters, and more than two."""
        return len(words) >= LEAST_ALONE and all(len(self._words[word]) == 1 for word in words)

    def _whole_run(self, words: range) -> bool:
        before = self._words[words[0] - 1] if words[0] else "  "
        after = self._words[words[-1] + 1] if words[-1] + 1 < len(self._words) else "  "
        return len(before) > 1 and len(after) > 1

    def _glued(self, first: int, last: int, *, size: int, key: Key) -> bool:
        """Whether what surrounds the term inside its word is made of ordinary words."""
        if not key.text.isascii():
            return size >= LEAST_OPEN - 1
        number = self._word_of[first]
        begin, end = self._begins[number], self._begins[number + 1]
        return size >= LEAST and all(self._made_of_words(part) for part in (self.letters[begin:first], self.letters[last:end]))

    def _made_of_words(self, part: str) -> bool:
        reached = {0}
        for end in range(1, len(part) + 1):
            if any(end - start > 1 and part[start:end] in self._ordinary for start in reached):
                reached.add(end)
        return len(part) in reached
