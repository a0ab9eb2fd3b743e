"""The vocabulary as it is written in resources/policy/vocabulary, one file a theme, read into words and phrases.

Entries are parted by commas, `#` begins a comment. An entry of several words is known as a whole; `{theme|word}` in it stands
for one word, `*` for up to three, `$` for the end of a clause. A word of such entries alone is known in their company only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.paths import resources_dir
from outfitswap_desktop.safety.prompt import pinned
from outfitswap_desktop.safety.prompt.answer import DENIED
from outfitswap_desktop.safety.prompt.phrases import END, Phrase, Phrasebook, Slot
from outfitswap_desktop.safety.prompt.tokens import fold

FOLDER: Final = "policy/vocabulary"
REFUSED: Final = "refused"
"""The file of words and phrases that outrank the vocabulary, each line with its category."""

VERBS: Final = "making"
NOUNS: Final = frozenset(
    {"garments", "outerwear", "dependents", "accessories", "parts", "patterns", "motifs", "fabrics", "colours"}
    | {"shades", "styles", "professions", "generics", "occasions"}
)
"""Themes whose words have a plural."""

SLOTS: Final = {
    "garment": ("garments",),
    "outerwear": ("outerwear",),
    "part": ("parts",),
    "pattern": ("patterns",),
    "colour": ("colours", "shades"),
    "fabric": ("fabrics",),
    "finish": ("finishes",),
    "motif": ("motifs",),
    "accessory": ("accessories", "dependents"),
    "area": ("areas",),
    "generic": ("generics",),
    "style": ("styles",),
    "place": ("places",),
    "era": ("eras",),
    "profession": ("professions",),
    "occasion": ("occasions",),
    "season": ("seasons",),
    "light": ("light",),
    "look": ("looks",),
    "cut": ("cuts",),
    "shade": ("shades",),
    "things": ("things",),
}
"""What `{name}` in a phrase stands for: a word of one of these themes; any other name in braces is a word itself."""

_VOWELS: Final = frozenset("aeiou")


@dataclass(slots=True)
class Words:
    """Everything read: the themes of each word, the phrases, those that are refused, and the words as listed."""

    themes: dict[str, frozenset[str]]
    phrases: Phrasebook
    refused: Phrasebook
    listed: frozenset[str]


@cache
def words() -> Words:
    """The vocabulary, read once. Raises NotAvailable ("policy_broken") when a file is missing, empty or malformed."""
    folder = resources_dir() / FOLDER
    try:
        texts = {path.stem: pinned.content(path).decode("utf-8") for path in pinned.files(folder)}
    except (OSError, UnicodeDecodeError) as problem:
        raise _broken(str(problem)) from problem
    wanted = {*(theme for slot in SLOTS.values() for theme in slot), *NOUNS, VERBS, REFUSED}
    missing = sorted(wanted - texts.keys())
    if missing:
        raise _broken(f"{', '.join(missing)} missing")
    return _built(texts)


def _broken(why: str) -> NotAvailable:
    return NotAvailable(
        f"The vocabulary of prompts cannot be read: {why}.",
        reason="policy_broken",
        hint="Install the program again.",
    )


def _entries(text: str) -> Iterator[str]:
    lines = (line.split("#", 1)[0] for line in text.splitlines())
    for entry in ",".join(lines).split(","):
        if entry.strip():
            yield entry.strip()


def _built(texts: dict[str, str]) -> Words:
    themes: dict[str, set[str]] = {}
    book, refused = Phrasebook(), Phrasebook()
    listed: set[str] = set()
    for theme, text in texts.items():
        if theme == REFUSED:
            continue
        found = False
        for entry in _entries(text):
            found = True
            written = _WRITTEN.findall(fold(entry)) if _MARKS.isdisjoint(entry) else []
            if len(written) == 1:
                listed.add(written[0])
                for form in (written[0], *_forms(written[0], theme)):
                    themes.setdefault(form, set()).add(theme)
                continue
            slots = tuple(map(_literal, written)) or _slots(entry, theme)
            listed.update(word for slot in slots for word in slot.words)
            if theme in NOUNS and slots[-1].words:
                slots = (*slots[:-1], _with_plural(slots[-1]))
            book.add(Phrase(entry, slots, theme))
        if not found:
            raise _broken(f"{theme} is empty")
    for category, entry in refusals(texts[REFUSED]):
        refused.add(Phrase(entry, _slots(entry, REFUSED), category))
    pool: dict[frozenset[str], frozenset[str]] = {}
    shared = {word: pool.setdefault(frozenset(of), frozenset(of)) for word, of in themes.items()}
    return Words(shared, book, refused, frozenset(listed))


def refusals(text: str) -> Iterator[tuple[str, str]]:
    """The lines `category: phrase, phrase ...` of the file of refused phrases as (category, phrase)."""
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        category, colon, phrases = line.partition(":")
        if not colon or category.strip() not in DENIED:
            raise _broken(f"a line of {REFUSED} has no category")
        for entry in _entries(phrases):
            yield category.strip(), entry


_MARKS: Final = frozenset("{}*$")
_PIECE: Final = re.compile(r"\{([^{}]+)\}|([*$])|([^{}*$]+)")
_WRITTEN: Final = re.compile(r"[a-z0-9%]+(?:'[a-z]+)*")


@cache
def _literal(word: str) -> Slot:
    return Slot(frozenset({word}))


def _slots(entry: str, theme: str) -> tuple[Slot, ...]:
    slots: list[Slot] = []
    for choice, star, plain in _PIECE.findall(entry):
        if star:
            slots.append(Slot(frozenset({END})) if star == END else Slot(open=True))
        elif choice:
            names = choice.split("|")
            of = frozenset(theme for name in names for theme in SLOTS.get(name, ()))
            slots.append(Slot(frozenset(fold(n) for n in names if n not in SLOTS), of))
        else:
            slots.extend(map(_literal, _WRITTEN.findall(fold(plain))))
    if not slots or slots[0].open:
        raise _broken(f"{entry!r} in {theme} has no first word")
    return tuple(slots)


@cache
def _with_plural(slot: Slot) -> Slot:
    return Slot(slot.words | {_plural(word) for word in slot.words}, slot.themes)


def _forms(word: str, theme: str) -> Iterator[str]:
    """The plural of a noun; the third person, the past and the gerund of a verb of making."""
    if theme in NOUNS:
        yield _plural(word)
    if theme == VERBS:
        yield _plural(word)
        stem = word[:-1] if word.endswith("e") else word
        if word[-1] not in "ewxy" and word[-2] in _VOWELS and word[-3:-2] not in _VOWELS:
            yield from (word + word[-1] + "ed", word + word[-1] + "ing")
        past = word[:-1] + "ied" if word[-1] == "y" and word[-2] not in _VOWELS else stem + "ed"
        yield from (past, (word if word.endswith(("ye", "ee")) else stem) + "ing")


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")
