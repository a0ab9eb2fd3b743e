"""How well a few typed letters fit a text: the letters in order, best at the beginnings of words and in a row."""

from __future__ import annotations

import unicodedata
from typing import Final

_START: Final = 8.0
_IN_ROW: Final = 9.0
_ANYWHERE: Final = 1.0
_GAP: Final = 0.08
_LATE: Final = 0.03


def folded(text: str) -> str:
    """The text as it is compared: small letters without accents, each still at its place."""
    return "".join((unicodedata.normalize("NFKD", letter)[:1] or letter).casefold()[:1] or letter for letter in text)


def score(query: str, text: str) -> tuple[float, tuple[int, ...]] | None:
    """How well `query` fits `text`, larger is better, and the places in the text that it took; None when it does not.

    Words of the query may stand in any order. An empty query fits everything with 0.
    """
    total, places = 0.0, set[int]()
    shape = folded(text)
    for word in folded(query).split():
        found = _best(word, shape)
        if found is None:
            return None
        total += found[0]
        places.update(found[1])
    return total, tuple(sorted(places))


def _best(word: str, text: str) -> tuple[float, tuple[int, ...]] | None:
    """The best way to lay the letters of `word` into `text`, by dynamic programming over (letter, place)."""
    rows: list[dict[int, tuple[float, int]]] = []
    for number, letter in enumerate(word):
        row: dict[int, tuple[float, int]] = {}
        place = text.find(letter)
        while place >= 0:
            own = _START if place == 0 or not text[place - 1].isalnum() else _ANYWHERE
            if number == 0:
                row[place] = (own - _LATE * place, -1)
            else:
                reached = [
                    (value + (_IN_ROW if before == place - 1 else own - _GAP * (place - before)), before)
                    for before, (value, _) in rows[-1].items()
                    if before < place
                ]
                if reached:
                    row[place] = max(reached)
            place = text.find(letter, place + 1)
        if not row:
            return None
        rows.append(row)
    end = max(rows[-1], key=lambda place: rows[-1][place][0])
    value = rows[-1][end][0] - 0.01 * len(text)
    places = [end]
    for row in reversed(rows[1:]):
        places.append(row[places[-1]][1])
    return value, tuple(reversed(places))
