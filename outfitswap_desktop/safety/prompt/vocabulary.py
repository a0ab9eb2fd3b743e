"""The closed vocabulary of a prompt: words of clothes by theme, what follows from them by rule, and phrases.

The files lie in resources/policy/vocabulary, one a theme; entries are parted by commas, `#` begins a comment. An entry of
several words is known as a whole; a word that stands in such entries only is known in their company only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.paths import resources_dir
from outfitswap_desktop.safety.prompt import tokens
from outfitswap_desktop.safety.prompt.phrases import END, MOST_BETWEEN, Phrase, Phrasebook, Slot
from outfitswap_desktop.safety.prompt.tokens import Token

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
        "patterns",
        "motifs",
        "fabrics",
        "colours",
        "cuts",
        "units",
        "areas",
    }
)
DESCRIBING: Final = frozenset({"looks", "finishes", "making", "making_forms", "cuts", "light", "degrees", "shades"})
"""Themes whose words may stand between a number and what it counts."""
_COUNTS: Final = frozenset({"two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"})
_CENTURY: Final = frozenset({"century", "centuries"})
_ORDINAL: Final = re.compile(r"\d{1,2}(st|nd|rd|th)$")
_DECADE: Final = re.compile(r"(1[0-9]|20)?[0-9]0'?s$")
_MEASURE: Final = re.compile(r"\d+(?:[.,/]\d+)*(%|cm|mm|m|in|oz|gsm|ply|den|d|g|k|mp|x)$")
_VOWELS: Final = frozenset("aeiou")


@dataclass(slots=True)
class Words:
    """Everything read: the themes of each word, the phrases, those that are refused, and the words as listed."""

    themes: dict[str, frozenset[str]]
    phrases: Phrasebook
    refused: Phrasebook
    listed: frozenset[str]


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
    covered: set[tuple[int, int]] = set()
    for match in book.phrases.matches(plain, fits):
        if all(alone[at] is not None or at in match.literal for at in range(match.start, match.end)):
            for at in match.literal:
                themes[at] = (themes[at] or frozenset()) | {match.phrase.meaning}
            covered.add((match.start, match.end))
    said = [at for at, token in enumerate(row) if token]
    refused = tuple(
        Refusal(match.phrase.meaning, tuple(t for t in row[match.start : match.end] if t))
        for match in book.refused.matches(plain, fits)
        if not any(s <= match.start and match.end <= e and e - s > match.end - match.start for s, e in covered)
    )
    return Reading(tuple(t for t in row if t), tuple(themes[at] for at in said), refused)


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
    for owner in (plain.removesuffix("'s"), plain.removesuffix("'")):
        if owner != plain and owner in themes:
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
def words() -> Words:
    """The vocabulary, read once. Raises NotAvailable ("policy_broken") when a file is missing, empty or malformed."""
    folder = resources_dir() / FOLDER
    try:
        paths = sorted(folder.glob("*.txt"))
        texts = {path.stem: path.read_text(encoding="utf-8") for path in paths}
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
            slots = _slots(entry, theme)
            listed.update(word for slot in slots for word in slot.words)
            if len(slots) > 1:
                book.add(Phrase(entry, _with_plural(slots) if theme in NOUNS else slots, theme))
                continue
            for word in slots[0].words:
                for form in (word, *_forms(word, theme)):
                    themes.setdefault(form, set()).add(theme)
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
        if not colon:
            raise _broken(f"a line of {REFUSED} has no category")
        for entry in _entries(phrases):
            yield category.strip(), entry


_PIECE: Final = re.compile(r"\{([^{}]+)\}|([*$])|([^{}*$]+)")


_WRITTEN: Final = re.compile(r"[a-z0-9%]+(?:'[a-z]+)*")


def _slots(entry: str, theme: str) -> tuple[Slot, ...]:
    slots: list[Slot] = []
    for choice, star, plain in _PIECE.findall(entry):
        if star:
            slots.append(Slot(frozenset({END})) if star == END else Slot(open=True))
        elif choice:
            names = choice.split("|")
            of = frozenset(theme for name in names for theme in SLOTS.get(name, ()))
            slots.append(Slot(frozenset(tokens.fold(n) for n in names if n not in SLOTS), of))
        else:
            slots.extend(Slot(frozenset({word})) for word in _WRITTEN.findall(tokens.fold(plain)))
    if not slots or slots[0].open:
        raise _broken(f"{entry!r} in {theme} has no first word")
    return tuple(slots)


def _with_plural(slots: tuple[Slot, ...]) -> tuple[Slot, ...]:
    last = slots[-1]
    return (*slots[:-1], Slot(last.words | {_plural(word) for word in last.words}, last.themes, last.open))


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
        for word in {word for slot in phrase.slots for word in slot.words} - book.themes.keys():
            found.setdefault(word, []).append(phrase.written)
    return {
        word: tuple(sorted(dict.fromkeys(phrases), key=lambda p: (len(p), p))[:MOST_SUGGESTED])
        for word, phrases in found.items()
    }
