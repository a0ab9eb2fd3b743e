"""The whole policy of a prompt: length, deny lists, closed vocabulary, and that it speaks of clothes."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from outfitswap_desktop.safety.prompt import deny, vocabulary
from outfitswap_desktop.safety.prompt.answer import DENIED, OTHER, PromptAnswer
from outfitswap_desktop.safety.prompt.lists import ENGLISH
from outfitswap_desktop.safety.prompt.tokens import Token, fold
from outfitswap_desktop.safety.prompt.vocabulary import Reading

MOST_CHARACTERS: Final = 300
"""Most characters of a prompt."""

GARMENTS: Final = frozenset({"garments", "outerwear"})
"""Themes of which one word is enough."""
ACCESSORIES: Final = frozenset({"accessories"})
DEPENDENTS: Final = frozenset({"dependents"})
CLOTHS: Final = frozenset({"fabrics", "patterns", "parts", "places"})
"""Themes that say what a garment is like, and so ask for one."""
MANNERS: Final = frozenset({"styles", "eras", "professions"})
"""Themes that stand for a whole way of dressing."""
OCCASIONS: Final = frozenset({"occasions"})
"""They stand for one beside a word for clothes at large or for wearing."""
COLOURS: Final = frozenset({"colours"})
GENERIC: Final = frozenset({"generics"})
DESCRIPTIVE: Final = frozenset(
    {"cuts", "finishes", "looks", "seasons", "making", "making_forms", "motifs", "shades", "light"}
)
"""Themes that are enough beside a word for clothes at large ("summer outfit")."""
WEARING: Final = frozenset(
    ("wear", "wears", "wearing", "wore", "worn", "dress", "dressed", "dresses", "clad", "clothed", "draped", "covered",
     "wrapped", "adorned", "attired", "decked", "she", "he", "her", "him", "they", "them", "woman", "man", "model", "lady")
)  # fmt: skip
"""Words by which accessories become all that somebody wears."""
MADE: Final = frozenset(
    ("made", "woven", "spun", "sewn", "knitted", "crafted", "fashioned", "formed", "built", "created")
)  # fmt: skip
"""Words after which "of" or "from" names what a garment is made of."""
STUFF: Final = frozenset({"fabrics", "patterns", "parts", "garments", "outerwear", "generics"})
"""Themes of what a garment can be made of."""
BECOMES: Final = STUFF | MANNERS | OCCASIONS | COLOURS | ACCESSORIES | {"places", "areas"}
"""Themes of what a garment can be turned into."""
RAGS: Final = frozenset(
    ("ribbon", "ribbons", "strap", "straps", "bow", "bows", "tassel", "tassels", "bead", "beads", "laces", "fringe",
     "fringes", "leaf", "leaves", "flower", "flowers", "foliage")
)  # fmt: skip
"""Words of STUFF that cover nobody by themselves."""
SWAPS: Final = frozenset(
    ("swap", "swaps", "swapped", "swapping", "replace", "replaces", "replaced", "replacing", "trade", "trades", "traded")
)  # fmt: skip
"""Words after which "for" or "with" names what a garment is exchanged for."""
ENDS: Final = frozenset(["and", "with", "over", "in", "for", "on", "under", "but", "at", "by"])
"""Words at which the naming of a cloth ends."""
ASKING: Final = frozenset({"something", "anything", "for", "what"})
"""Words that make an occasion a wish for clothes ("something for a wedding")."""

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nudity": "Nobody can be shown without clothes.",
        "undressing": "Garments can be changed but not taken away.",
        "underwear": "Nobody can be shown in underwear.",
        "lingerie": "Nobody can be shown in lingerie.",
        "swimwear": "Nobody can be shown in swimwear.",
        "sheer": "Clothes that can be seen through are not made.",
        "wet": "Wet clothes are not made.",
        "body_paint": "Paint on the body is not made: it is no garment.",
        "minors": "Nothing that speaks of minors or ages is made.",
        "sexual": "Nothing sexual is made.",
        "violence": "Nothing violent or degrading is made.",
        "real_person": "Nobody is dressed up as a real person.",
        "unknown_word": "The word {word} is not in the vocabulary.",
        "not_clothing": "This does not say what garment, fabric, colour, pattern or style is wanted.",
        "too_long": "The prompt has {count} characters; at most {most} are allowed.",
        "empty": "The prompt has no words.",
    }
)
"""One sentence for each category."""

DESCRIBE: Final = "Describe an opaque garment for an adult, for example: navy pinstripe linen shirt."
HINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "undressing": "Say what the garment should become, for example: turn the shirt into black leather.",
        "sheer": "Name an opaque fabric, for example: ivory silk.",
        "wet": "Name a dry garment; for a shine say satin or patent leather.",
        "real_person": "Name a style or an era instead, for example: 1950s Hollywood evening gown.",
        "not_clothing": "Name a garment, a fabric, a colour or a pattern, for example: navy pinstripe linen shirt.",
        "too_long": "Shorten it.",
        "empty": "Say what to wear, for example: navy pinstripe linen shirt.",
    }
)
AROUND: Final = " \t\r\n.,;:!?()[]&+/-'\""
"""What may stand round a word that the deny lists found."""
_LOADING: Final = threading.Lock()
NOT_ENGLISH: Final = "Prompts are written in English, with ordinary letters and punctuation."


def prepare() -> None:
    """Load the words and build the lists, once per process, in about a second; whoever comes meanwhile waits for it.

    Raises NotAvailable ("policy_broken") when a list cannot be read.
    """
    with _LOADING:
        _loaded()


@cache
def _loaded() -> None:
    vocabulary.read("navy linen")
    deny.find("navy linen")


def check(text: str) -> PromptAnswer:
    """Judge one line. Raises NotAvailable ("policy_broken") when a list cannot be read: then nothing is allowed."""
    prepare()
    if len(text) > MOST_CHARACTERS:
        return _refused(text, "too_long")
    if not text.strip():
        return _refused(text, "empty")
    reading = vocabulary.read(text)
    found = _denied(text, reading)
    if found is not None:
        return _refused(text, found.hit.category, word=text[found.start : found.end].strip())
    if not reading.tokens:
        return _refused(text, "empty")
    refused = [each for each in reading.refused if not (each.category == "wet" and _keeps_dry(reading))]
    if refused:
        first = max(refused, key=lambda each: len(each.tokens))
        return _refused(text, first.category, word=" ".join(token.typed for token in first.tokens))
    if reading.unknown:
        return _unknown(text, reading.unknown[0].typed)
    if not about_clothes(reading) or not of_cloth(reading):
        return _refused(text, "not_clothing")
    return PromptAnswer(text, True)


def check_lines(lines: Iterable[str]) -> list[PromptAnswer]:
    """Judge every line, in its order; line ends are cut off, an empty line is refused as "empty"."""
    return [check(line.rstrip("\r\n")) for line in lines]


def _denied(text: str, reading: Reading) -> deny.Found | None:
    """What the deny lists find beyond single words that the vocabulary knows: a button is no butt, whatever the language.

    What is found in one of the vocabulary's words is a part of it, a word of another language or a far-fetched reading, unless
    it is the very word that the English list has.
    """
    while (found := deny.locate(text)) is not None:
        slice_ = text[found.start : found.end]
        start = found.start + len(slice_) - len(slice_.lstrip(AROUND))
        end = found.end - len(slice_) + len(slice_.rstrip(AROUND))
        known = [
            token
            for token, themes in zip(reading.tokens, reading.themes, strict=True)
            if themes is not None and token.start <= start < end <= token.end and not _means(token, found)
        ]
        if not known or not unicodedata.is_normalized("NFC", text):
            return found
        text = text[: known[0].start] + " " * len(known[0].typed) + text[known[0].end :]
    return None


def _means(token: Token, found: deny.Found) -> bool:
    """Whether the English list has the word itself, as typed."""
    term = fold(found.hit.term)
    return found.hit.language == ENGLISH and token.plain in (term, term + "s", term + "es")


def _said(reading: Reading) -> frozenset[str]:
    return frozenset().union(*(themes or frozenset() for themes in reading.themes))


def _keeps_dry(reading: Reading) -> bool:
    """Whether a coat is worn, so that rain is only the weather."""
    return "outerwear" in _said(reading)


def about_clothes(reading: Reading) -> bool:
    """Whether the words ask for a garment, or say what one is like; jewellery, shoes or stockings alone dress nobody."""
    said = _said(reading)
    if said & GARMENTS:
        return True
    if said & DEPENDENTS:
        return False
    worn = any(token.plain in WEARING for token in reading.tokens)
    if said & ACCESSORIES:
        return bool(said & MANNERS) or (not worn and bool(said & CLOTHS))
    if said & (CLOTHS | MANNERS | COLOURS):
        return True
    asked = worn or bool(said & GENERIC) or any(token.plain in ASKING for token in reading.tokens)
    return (bool(said & GENERIC) and bool(said & DESCRIPTIVE)) or (asked and bool(said & OCCASIONS))


def of_cloth(reading: Reading) -> bool:
    """Whether what a garment is said to be made of, or exchanged for, is clothes: neither mist nor two ribbons."""
    row = reading.tokens
    swapped = False
    for at, token in enumerate(row):
        swapped = not token.fresh and (swapped or token.plain in SWAPS)
        made = token.plain in ("of", "from") and at > 0 and row[at - 1].plain in MADE
        if not made and token.plain != "into" and not (swapped and token.plain in ("for", "with")):
            continue
        named: frozenset[str] = frozenset()
        for later in range(at + 1, len(row)):
            if row[later].fresh or row[later].plain in ENDS:
                break
            if not made or row[later].plain not in RAGS:
                named |= reading.themes[later] or frozenset()
        if not named & (STUFF if made else BECOMES):
            return False
    return True


def _refused(text: str, category: str, *, word: str = "", suggestions: tuple[str, ...] = ()) -> PromptAnswer:
    name = DENIED.get(category) or OTHER[category]
    sentence = SENTENCES[category].format(word=f"“{word}”", count=len(text), most=MOST_CHARACTERS)
    return PromptAnswer(
        text, False, category, word, suggestions, f"Refused ({name}). {sentence}", HINTS.get(category, DESCRIBE)
    )


def _unknown(text: str, word: str) -> PromptAnswer:
    company = vocabulary.company(word)
    near = tuple(each for each in company or vocabulary.nearest(word) if deny.find(each) is None)
    answer = _refused(text, "unknown_word", word=word, suggestions=near)
    listed = ", ".join(near)
    if company and near:
        hint = f"The word is known in: {listed}."
    elif near:
        hint = f"Did you mean: {listed}?"
    elif word.isascii() and word.isalpha():
        hint = "Say it with another word for a garment, a fabric, a colour, a pattern or a style."
    else:
        hint = NOT_ENGLISH
    return PromptAnswer(text, False, "unknown_word", word, near, answer.message, hint)
