"""The vocabulary of fabric words from the bundled tables, and the reading of a prompt into a row of known terms."""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

from outfitswap_desktop.core.zones import TARGETS, Zone
from outfitswap_desktop.embedded.fabric.colours import hex_of, modified, parse_hex
from outfitswap_desktop.embedded.fabric.design import Colour
from outfitswap_desktop.embedded.fabric.materials import materials
from outfitswap_desktop.paths import resource

LONGEST_PHRASE = 5
"""Most words that one term spans."""


@dataclass(frozen=True, slots=True)
class Term:
    """One thing said: `kind` is "colour", "group", "modifier", "material", "pattern", "stripe", "direction", "scale",
    "noun", "cut", "part", "elsewhere", "connect", "comma", "filler" or "unknown"; `text` the words as written.

    `value` depends on the kind: a colour name, a key of a table, a zone's name, a factor ...; `colour` only for colours.
    `read_as` is not empty when a slip of the keys was corrected.
    """

    kind: str
    value: str
    text: str
    colour: Colour | None = None
    read_as: str = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """An entry of the vocabulary, before it is met in a prompt."""

    kind: str
    value: str
    phrase: str
    colour: Colour | None = None


@cache
def table(name: str) -> dict[str, Any]:
    """A bundled table by name ("colours", "patterns", "words"), parsed; must not be changed by the reader."""
    return tomllib.loads(resource(f"fabric/{name}.toml").read_text(encoding="utf-8"))


@cache
def colour_names() -> dict[str, Colour]:
    """Every colour name that people may write -> sRGB: CSS names have the CSS value; "cloth navy" has the dyer's."""
    rows = table("colours")
    cloth = {name: parse_hex(value) for name, value in rows["cloth"].items()}
    names = {name: parse_hex(value) for name, value in rows["fashion"].items()}
    names |= cloth
    names |= {f"cloth {name}": value for name, value in cloth.items()}
    for name, value in rows["css"].items():
        names[name] = names[f"css {name}"] = parse_hex(value)
    return names


def colour_of(name: str) -> Colour:
    """A colour named in our own tables: hex, the dyer's value, else the name's; raises KeyError or ValueError."""
    if name.startswith("#"):
        return parse_hex(name)
    names = colour_names()
    return names[f"cloth {name}"] if f"cloth {name}" in names else names[name]


def plain(text: str) -> str:
    """Lower case without accents: 'Bouclé' -> 'boucle'."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def singular(word: str) -> str:
    """'stripes' -> 'stripe', 'berries' -> 'berry', 'patches' -> 'patch'; words that only look plural stay."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zzes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _joined(phrase: str) -> str:
    return re.sub(r"[^a-z0-9#%]", "", plain(phrase))


@cache
def vocabulary() -> dict[str, Meaning]:
    """Every phrase, written together, -> its meaning. Where a phrase has two, the one added last wins."""
    words = table("words")
    index: dict[str, Meaning] = {}

    def add(kind: str, value: str, phrases: list[str], *, colour: Colour | None = None) -> None:
        for phrase in phrases:
            meaning = Meaning(kind, value, phrase, colour)
            key = _joined(phrase)
            index[key] = meaning
            bits = plain(phrase).split()
            index.setdefault("".join([*bits[:-1], singular(bits[-1])]), meaning)

    add("filler", "", words["filler"]["words"])
    add("elsewhere", "", words["elsewhere"]["words"])
    add("part", "", words["parts"]["words"])
    for deed, phrases in words["cut"].items():
        add("cut", deed, phrases)
    for zone, phrases in words["nouns"].items():
        add("noun", zone, phrases)
    for target in TARGETS:
        add("noun", target.zone.value, list(target.words))
    for phrases in words["implied"].values():
        add_missing = [p for p in phrases if _joined(p) not in index]
        add("noun", Zone.BOTTOM.value if "jean" in phrases[0] else Zone.OUTER.value, add_missing)
    for factor, phrases in words["scales"].items():
        add("scale", factor, phrases)
    for modifier, phrases in words["modifiers"].items():
        add("modifier", modifier, phrases)
    for name, colour in colour_names().items():
        add("colour", name, [name], colour=colour)
    for name in words["groups"]:
        add("group", name, [name])
    for key, row in table("patterns").items():
        add("pattern", key, row["names"])
    add("stripe", "stripe", words["stripes"]["generic"])
    for direction in ("vertical", "horizontal", "diagonal"):
        add("direction", direction, words["stripes"][direction])
    for key, entry in materials().items():
        add("material", key, list(entry.names))
    for link, phrases in words["connect"].items():
        add("connect", link, phrases)
    return index


def _tokens(prompt: str) -> list[str]:
    text = plain(prompt)[:2000]
    text = re.sub(r"['’`]s\b", "", text)
    text = re.sub(r"\b(n['’]t|['’])", "", text)
    text = text.replace("&", " and ").replace("+", " and ").replace("/", " and ")
    text = re.sub(r"[;.!?:()\[\]|\n\"“”]", " , ", text)
    text = re.sub(r"(?<=[a-z])(ish)\b", r"\1", text)
    return re.findall(r"#[0-9a-f]{6}\b|#[0-9a-f]{3}\b|[a-z]+|\d+(?:[.,]\d+)?|,", text)


def _ish(word: str) -> Meaning | None:
    """'bluish', 'orangeish', 'reddish' -> the colour, softened; None when the stem is no colour."""
    if not word.endswith("ish") or len(word) < 6:
        return None
    stem = word[:-3]
    stems = [stem, stem + "e", stem + "le", stem[:-1] if len(stem) > 2 and stem[-1] == stem[-2] else stem]
    for candidate in stems:
        meaning = vocabulary().get(candidate)
        if meaning is not None and meaning.kind == "colour" and meaning.colour is not None:
            return Meaning("colour", f"{meaning.value}-ish", word, modified(meaning.colour, "ish"))
    return None


def _swapped(word: str) -> list[str]:
    return [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)]


_CORRECTABLE = frozenset({"colour", "material", "pattern", "stripe", "noun", "modifier"})


@cache
def _correctable_words() -> list[str]:
    return sorted(key for key, meaning in vocabulary().items() if len(key) >= 4 and meaning.kind in _CORRECTABLE)


_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours(one: str, two: str) -> bool:
    """True when two letters lie side by side (or above each other) on a keyboard."""
    at = {letter: (row, column) for row, letters in enumerate(_KEYBOARD) for column, letter in enumerate(letters)}
    if one not in at or two not in at:
        return False
    return abs(at[one][0] - at[two][0]) <= 1 and abs(at[one][1] - at[two][1]) <= 1


def _plausible(word: str, candidate: str) -> bool:
    """Whether `word` may be a slip of `candidate`: a short word needs a better reason than a long one."""
    if word[0] != candidate[0]:
        return False
    if len(candidate) >= 6:
        return True
    if len(word) != len(candidate):
        return len(word) >= 4 and len(candidate) >= 4
    wrong = [(a, b) for a, b in zip(word, candidate, strict=True) if a != b]
    return len(wrong) == 1 and _neighbours(*wrong[0])


@cache
def _corrected(word: str) -> Meaning | None:
    """The vocabulary's word that `word` is a slip of: letters swapped, one left out or too many, or a wrong key."""
    if len(word) < 4 or not word.isalpha():
        return None
    index = vocabulary()
    for candidate in _swapped(word):
        meaning = index.get(candidate)
        if meaning is not None and meaning.kind in _CORRECTABLE:
            return meaning
    shuffled = [k for k in _correctable_words() if len(k) > 4 and k[0] == word[0] and sorted(k) == sorted(word)]
    if shuffled:
        return index[shuffled[0]]
    close = difflib.get_close_matches(word, _correctable_words(), n=8, cutoff=0.8)
    return next((index[candidate] for candidate in close if _plausible(word, candidate)), None)


def _meaning_at(tokens: list[str], start: int) -> tuple[Meaning, int] | None:
    index = vocabulary()
    for count in range(min(LONGEST_PHRASE, len(tokens) - start), 0, -1):
        bits = tokens[start : start + count]
        if "," in bits:
            continue
        for key in ("".join(bits), "".join([*bits[:-1], singular(bits[-1])]), "".join(singular(b) for b in bits)):
            meaning = index.get(key)
            if meaning is not None:
                return meaning, count
    return None


def read(prompt: str) -> list[Term]:
    """The prompt as terms in its order; words that mean nothing here are "unknown", small slips are corrected."""
    tokens = _tokens(prompt)
    terms: list[Term] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token == ",":
            terms.append(Term("comma", "", ","))
        elif token.startswith("#"):
            colour = parse_hex(token)
            terms.append(Term("colour", hex_of(colour), token, colour))
        elif token == "ish" and terms and terms[-1].kind == "colour" and terms[-1].colour is not None:
            last = terms.pop()
            assert last.colour is not None
            terms.append(Term("colour", f"{last.value}-ish", f"{last.text}-ish", modified(last.colour, "ish")))
        elif token[0].isdigit():
            terms.append(Term("number", token, token))
        elif (found := _meaning_at(tokens, at - 1)) is not None:
            meaning, count = found
            text = " ".join(tokens[at - 1 : at - 1 + count])
            terms.append(Term(meaning.kind, meaning.value, text, meaning.colour))
            at += count - 1
        elif (ish := _ish(token)) is not None:
            terms.append(Term("colour", ish.value, token, ish.colour))
        elif (slip := _corrected(token)) is not None:
            terms.append(Term(slip.kind, slip.value, slip.phrase, slip.colour, read_as=f"{token} -> {slip.phrase}"))
        else:
            terms.append(Term("unknown", token, token))
    return terms
