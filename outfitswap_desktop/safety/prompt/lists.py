"""The deny lists as they are written under resources/policy/deny, read into entries that can be searched for.

A file is `[category]` headings and terms between commas. `word*` matches any ending, `*word` any beginning, `a|b c|d` every
combination (`_` is a space inside an alternative), `a .. b` a few words between, `a ~ b` the same in either order, `{n}` a
number below twenty (`{t}`: from 8 on), `$name` the alternatives that a `[=name]` heading lists. `[small numbers]` are the
language's words for 1 to 7, `[numbers]` for 8 to 19.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from outfitswap_desktop.paths import resources_dir
from outfitswap_desktop.safety.prompt import glyphs, pinned
from outfitswap_desktop.safety.prompt.answer import DENIED
from outfitswap_desktop.safety.prompt.forms import fold
from outfitswap_desktop.safety.prompt.pinned import broken

NUMBER: Final = "\ue000"
"""Stands for a number from 8 to 19 in keys and texts; typed by a user it is a separator."""
SMALL_NUMBER: Final = "\ue001"
"""The same for a number below 8."""

FOLDER: Final = "policy/deny"
NUMBERS: Final = "numbers"
SMALL_NUMBERS: Final = "small numbers"
ENGLISH: Final = "en"
_CLITICS: Final = {
    "arabic": ("", "ال", "و", "ب", "ل", "ف", "ك", "وال", "بال", "لل", "فال"),
    "hebrew": ("", "ה", "ו", "ב", "ל", "מ", "ש", "כ", "וה", "שה", "מה", "וב", "ול"),
}
_SCRIPT: Final = re.compile(
    "(?P<arabic>[\u0600-\u06ff])|(?P<hebrew>[\u0590-\u05ff])|(?P<indic>[\u0900-\u0dff])|(?P<korean>[\uac00-\ud7af])"
    "|(?P<spaceless>[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff])"
)
_FOREIGN: Final = re.compile("[\u0370-\u052f]")
"""Greek and Cyrillic, of which some words fold to Latin letters only: of those no short ones are taken."""
_PLAIN_WORD: Final = re.compile("[a-z]+$")
_SHORT: Final = 4
"""Letters from which on an Arabic, Hebrew or Indic word is looked for inside longer ones too."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term as listed; `sides` are its alternatives, written out, and those of its other half if it has one."""

    category: str
    written: str
    language: str
    sides: tuple[Sequence[str], ...]

    def samples(self) -> Iterator[str]:
        """Texts it stands for, one per alternative, without stars."""
        for at in range(max(map(len, self.sides))):
            chosen = " ".join(side[at % len(side)] for side in self.sides)
            yield chosen.replace("{n}", "5").replace("{t}", "15").replace("*", "")


@dataclass(slots=True, eq=False)
class Key:
    """A folded string to look for: `left` and `right` say whether a word must begin and end there.

    `terms` are those that it makes alone, `firsts` and `seconds` the pairs of which it is one half.
    """

    text: str
    written: str
    left: bool
    right: bool
    english: bool
    terms: list[int] = field(default_factory=list)
    firsts: set[int] = field(default_factory=set)
    seconds: set[int] = field(default_factory=set)


class Pair(NamedTuple):
    """Two halves of the same term; `swaps` where they may change places."""

    term: int
    swaps: bool


@dataclass(slots=True)
class Lists:
    """All lists: `terms`, the `keys` and `pairs` that point into them, `numbers`: folded number words and their sign."""

    terms: list[Term] = field(default_factory=list)
    keys: dict[tuple[str, bool, bool], Key] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    numbers: dict[str, str] = field(default_factory=dict)

    def key(self, text: str, left: bool, *, right: bool, written: str, language: str) -> Key:
        """The key for this text, made when it is new."""
        found = self.keys.get((text, left, right))
        if found is None:
            found = self.keys[text, left, right] = Key(text, written, left, right, language == ENGLISH)
        found.english = found.english or language == ENGLISH
        return found


def sections(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The `[headings]` of a list file with their comma-separated entries; raises NotAvailable ("policy_broken")."""
    try:
        lines = pinned.content(path).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise broken(path.name, str(problem)) from problem
    heading, entries = "", list[str]()
    for line in (line.strip() for line in lines):
        if line.startswith("[") and line.endswith("]"):
            if heading:
                yield heading, entries
            heading, entries = line[1:-1], []
        elif line and not line.startswith("#"):
            if not heading:
                raise broken(path.name, "an entry before the first heading")
            entries += [entry.strip() for entry in line.split(",") if entry.strip()]
    if heading:
        yield heading, entries


def list_files() -> tuple[Path, ...]:
    """The files of the deny lists, by name; raises NotAvailable unless they are those that came with this version."""
    return pinned.files(resources_dir() / FOLDER)


def read() -> Lists:
    """All lists; raises NotAvailable ("policy_broken") for a missing folder, an unknown heading or an unknown `$name`."""
    lists = Lists()
    for path in list_files():
        _read_file(path, lists)
    seen = {term.category for term in lists.terms}
    if seen != set(DENIED):
        raise broken(FOLDER, f"nothing is listed for {', '.join(sorted(set(DENIED) - seen))}")
    return lists


def _read_file(path: Path, lists: Lists) -> None:
    macros: dict[str, str] = {}
    numbers: list[str] = []
    for heading, entries in sections(path):
        if heading.startswith("="):
            macros[heading[1:]] = "|".join(_alternatives(entry, macros, path) for entry in entries)
        elif heading in (NUMBERS, SMALL_NUMBERS):
            numbers += entries
            sign = NUMBER if heading == NUMBERS else SMALL_NUMBER
            lists.numbers |= {fold(word): sign for word in entries if not _is_spaceless(word)}
        elif heading in DENIED:
            for entry in entries:
                _add(entry, heading, path.stem, macros=macros, numbers=numbers, lists=lists, path=path)
        else:
            raise broken(path.name, f"unknown heading {heading}")


def _alternatives(entry: str, macros: dict[str, str], path: Path) -> str:
    def value(found: re.Match[str]) -> str:
        if found.group(1) not in macros:
            raise broken(path.name, f"${found.group(1)} is not defined")
        return macros[found.group(1)]

    return re.sub(r"\$(\w+)", value, entry).replace(" ", "_") if "|" not in entry and ".." not in entry else entry


def _add(
    entry: str, category: str, language: str, *, macros: dict[str, str], numbers: list[str], lists: Lists, path: Path
) -> None:
    written = re.sub(r"\$(\w+)", lambda found: _macro(found.group(1), macros, path), entry)
    sides = [_expanded(side) for side in re.split(r" (?:\.\.|~) ", written)]
    if len(sides) > 2 or not all(sides):
        raise broken(path.name, f"{entry!r} cannot be read")
    index = len(lists.terms)
    lists.terms.append(Term(category, entry, language, tuple(sides)))
    if len(sides) == 2:
        _add_pair(sides, index, language, lists=lists, swaps=" ~ " in written)
        return
    for phrase in sides[0]:
        head, star, rest = phrase.partition("* ")
        if star:
            _add_pair([[f"{head}*"], [rest]], index, language, lists=lists, swaps=False)
            continue
        for text in _with_numbers(phrase, numbers):
            for key, left, right in _keys(text, language):
                lists.key(key, left, right=right, written=phrase, language=language).terms.append(index)


def _add_pair(sides: list[list[str]], term: int, language: str, *, lists: Lists, swaps: bool) -> None:
    for number, side in enumerate(sides):
        for phrase in side:
            for text, left, right in (key for each in _with_numbers(phrase, []) for key in _keys(each, language)):
                key = lists.key(text, left, right=right, written=phrase, language=language)
                (key.seconds if number else key.firsts).add(len(lists.pairs))
    lists.pairs.append(Pair(term, swaps))


def _macro(name: str, macros: dict[str, str], path: Path) -> str:
    if name not in macros:
        raise broken(path.name, f"${name} is not defined")
    return macros[name]


def _expanded(side: str) -> list[str]:
    words = [word.split("|") for word in side.split()]
    return [" ".join(choice).replace("_", " ") for choice in itertools.product(*words)]


def _is_spaceless(text: str) -> bool:
    return any(glyphs.writing(char) == 1 for char in text)


def _with_numbers(phrase: str, numbers: list[str]) -> list[str]:
    if "{n}" not in phrase:
        return [phrase.replace("{t}", NUMBER)]
    if _is_spaceless(phrase):
        return [phrase.replace("{n}", each) for each in (NUMBER, SMALL_NUMBER, *numbers)]
    return [phrase.replace("{n}", each) for each in (NUMBER, SMALL_NUMBER)]


@cache
def _keys(phrase: str, language: str) -> tuple[tuple[str, bool, bool], ...]:
    return tuple(_made_keys(phrase, language))


def _folded(phrase: str) -> str:
    """The fold of a phrase, word by word: most words come many times."""
    return " ".join(filter(None, map(_folded_word, phrase.split())))


@cache
def _folded_word(word: str) -> str:
    return word.replace("l", "i") if _PLAIN_WORD.match(word) else fold(word)


def _made_keys(phrase: str, language: str) -> Iterator[tuple[str, bool, bool]]:
    left, right = not phrase.startswith("*"), not phrase.endswith("*")
    bare = phrase.strip("*").replace("*", "")
    for sign in (NUMBER, SMALL_NUMBER):
        if sign in bare:
            parts = [fold(part) for part in bare.split(sign)]
            yield f" {sign} ".join(parts).strip(" "), True, not _is_spaceless(bare) and right
            return
    text = _folded(bare)
    script = _SCRIPT.search(bare)
    kind = script.lastgroup if script else None
    long = len(text) >= _SHORT
    if kind == "spaceless" or (kind == "korean" and len(text) > 1):
        left = right = False
    elif kind in _CLITICS:
        if long:
            left = right = False
        else:
            yield from ((fold(clitic) + text, left, right) for clitic in _CLITICS[kind])
            return
    elif kind == "indic" and long:
        right = False
    elif text.isascii() and len(text) < _SHORT - 1 and _FOREIGN.search(bare):
        return
    if not text:
        raise broken(f"{language}.txt", f"nothing is left of {phrase!r} when it is compared")
    yield text, left, right
    if language == ENGLISH and right and text[-1].isalpha():
        yield text + ("es" if text.endswith(("s", "x", "z", "ch", "sh")) else "s"), left, right
