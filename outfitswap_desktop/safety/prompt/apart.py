"""Terms typed in pieces ("n u d e", "un.dress") or without the spaces around them ("makehernude")."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
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
LONG_WORD: Final = 18
"""Letters from which on a word is several without their spaces."""
LEAST_ALONE: Final = 3
"""Letters of a term when single letters spell it and nothing else."""


def ordinary(listed: Iterable[str]) -> frozenset[str]:
    """Folded words that stand around or between terms, with the listed words themselves."""
    words = [entry for _, entries in lists.sections(resources_dir() / ORDINARY_FILE) for entry in entries]
    return frozenset(map(fold, words)) | {word for word in listed if len(word) >= LEAST and " " not in word}


def long_enough(letters: str) -> bool:
    """Whether a term is ever believed when it is put together: one letter never is, nor are two of an alphabet."""
    return len(letters) >= LEAST_ALONE or (len(letters) > 1 and glyphs.writing(letters[0]) != 0)


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
        self._borders = frozenset(self._begins)
        self.has_pieces = any(one == other == 1 for one, other in pairwise(map(len, self._words))) or (
            not text.isascii() and any(map(glyphs.writing, self.letters))
        )

    def joined(self, start: int, end: int, *, key: Key, inner: tuple[int, int]) -> tuple[int, int, bool] | None:
        """The slice of the form where letters[start:end] may be read as the key, or None.

        `inner` is where the first run of letters ends and the last one begins: the key may begin and end inside them.
        The last value says whether it is to be believed alone, not only as one half of a pair.
        """
        begin = self._border(range(start, inner[0]))
        finish = self._border(range(end, inner[1], -1))
        if begin is None and finish is None and not self._may_be_inside(start, end, key=key):
            return None
        first, last = start if begin is None else begin, end if finish is None else finish
        size = len(key.text.replace(" ", ""))
        if last - first < size:
            return None
        aligned = (begin is not None, finish is not None)
        alone = self._believable(first, last, key=key, size=size, aligned=aligned)
        if not alone and not ((key.firsts or key.seconds) and self._half(first, last, size=size, aligned=aligned)):
            return None
        return self.place[first], self.place[last - 1] + 1, alone

    def _border(self, places: range) -> int | None:
        return next((at for at in places if at in self._borders), None)

    def _may_be_inside(self, start: int, end: int, *, key: Key) -> bool:
        """A cheap look before the dear one: most hits across words are chance."""
        one_word = self._word_of[start] == self._word_of[end - 1]
        return one_word or not key.left or not key.right or bool(glyphs.writing(key.text[0]))

    def _believable(self, first: int, last: int, *, key: Key, size: int, aligned: tuple[bool, bool]) -> bool:
        words = range(self._word_of[first], self._word_of[last - 1] + 1)
        whole = all(aligned)
        if whole and self._text[self.place[first] : self.place[last - 1] + 1] == key.text:
            return False
        if glyphs.writing(key.text[0]):
            return size > 1
        if self._spelled(words):
            return size >= LEAST or (size >= LEAST_ALONE and whole and self._whole_run(words))
        if len(words) == 1:
            return " " in key.text if whole else self._glued(first, last, size=size, key=key)
        least = (LEAST if whole else LEAST_OPEN) - (not key.text.isascii())
        fits = (aligned[0] or not key.left) and (aligned[1] or not key.right)
        return fits and size >= least and not all(self._words[word] in self._ordinary for word in words)

    def _half(self, first: int, last: int, *, size: int, aligned: tuple[bool, bool]) -> bool:
        """Whether one half of a pair may stand here: the other half makes chance less likely."""
        words = range(self._word_of[first], self._word_of[last - 1] + 1)
        if all(aligned):
            return True
        long = self._begins[words[0] + 1] - self._begins[words[0]] >= LONG_WORD
        return size >= LEAST_ALONE and (self._spelled(words) or (len(words) == 1 and long))

    def _spelled(self, words: range) -> bool:
        """Whether all of these words are single letters, and more than two."""
        return len(words) >= LEAST_ALONE and all(len(self._words[word]) == 1 for word in words)

    def _whole_run(self, words: range) -> bool:
        before = self._words[words[0] - 1] if words[0] else "  "
        after = self._words[words[-1] + 1] if words[-1] + 1 < len(self._words) else "  "
        return len(before) > 1 and len(after) > 1

    def _glued(self, first: int, last: int, *, size: int, key: Key) -> bool:
        """Whether what surrounds the term inside its word is made of ordinary words."""
        number = self._word_of[first]
        begin, end = self._begins[number], self._begins[number + 1]
        if not key.text.isascii() or end - begin >= LONG_WORD:
            return size >= LEAST_OPEN - 1
        return size >= LEAST and all(
            self._made_of_words(part) for part in (self.letters[begin:first], self.letters[last:end])
        )

    def _made_of_words(self, part: str) -> bool:
        reached = {0}
        for end in range(1, len(part) + 1):
            if any(part[start:end] in self._ordinary and (end - start > 1 or part[start] == "a") for start in reached):
                reached.add(end)
        return len(part) in reached
