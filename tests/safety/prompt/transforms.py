"""Ways in which people disguise a line, each the same for the same line."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final

HOMOGLYPHS: Final = dict(zip("aceopxyisjkmtbh", "асеорхуіѕјкмтвһ", strict=True))
BACK: Final = {other: latin for latin, other in HOMOGLYPHS.items()}
GREEK: Final = dict(zip("ABEHIKMNOPTXYZ", "ΑΒΕΗΙΚΜΝΟΡΤΧΥΖ", strict=True))
LEET: Final = dict(zip("aeiost", "431057", strict=True))
SIGNS: Final = dict(zip("aeiostlbgz", "@€!0$+1892", strict=True))
LEET_CYRILLIC: Final = dict(zip("оазчбэ", "043463", strict=True))
ACCENTS: Final = dict(zip("aeioucnsyzrg", "äëïöüçñšÿžřğ", strict=True))
UPSIDE_DOWN: Final = dict(zip("abcdefghijklmnopqrstuvwxyz", "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz", strict=True))
SMALL_CAPITALS: Final = dict(zip("abcdefghijklmnopqrstuvwxyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡxʏᴢ", strict=True))


def between(text: str, filler: str) -> str:
    """`filler` between any two letters of a word; vowel signs and accents stay with their letter."""
    pieces = []
    for one, other in itertools.pairwise(text + " "):
        pieces.append(one)
        if one.isalnum() and (other.isalnum()):
            pieces.append(filler)
    return "".join(pieces)


def every_other(text: str, table: dict[str, str]) -> str:
    """Every second letter that the table knows, replaced."""
    seen = 0
    changed = []
    for char in text:
        if char.lower() in table:
            seen += 1
        changed.append(table[char.lower()] if char.lower() in table and seen % 2 else char)
    return "".join(changed)


def shifted(text: str, capital: int, small: int) -> str:
    """Latin letters moved to a block of styled ones."""
    return "".join(
        chr(capital + ord(char) - 65)
        if "A" <= char <= "Z"
        else chr(small + ord(char) - 97)
        if "a" <= char <= "z"
        else char
        for char in text
    )


def stretched(text: str) -> str:
    """The second letter of each word, four times."""
    return " ".join(word[:1] + word[1:2] * 4 + word[2:] if len(word) > 2 else word for word in text.split())


TRANSFORMS: Final[dict[str, Callable[[str], str]]] = {
    "alternating case": lambda text: "".join(char.upper() if at % 2 else char.lower() for at, char in enumerate(text)),
    "spaced": lambda text: between(text, " "),
    "dotted": lambda text: between(text, "."),
    "hyphens": lambda text: between(text, "-"),
    "underscores and stars": lambda text: between(text, "_*"),
    "zero width": lambda text: between(text, "\u200b"),
    "soft hyphens and joiners": lambda text: between(text, "\u00ad\u2060"),
    "struck through": lambda text: between(text, "\u0336"),
    "zalgo": lambda text: between(text, "\u0301\u0323\u0353"),
    "fullwidth": lambda text: shifted(text, 0xFF21, 0xFF41),
    "mathematical": lambda text: shifted(text, 0x1D468, 0x1D482),
    "circled": lambda text: shifted(text, 0x24B6, 0x24D0),
    "homoglyphs": lambda text: every_other(text, BACK if any(char in BACK for char in text.lower()) else HOMOGLYPHS),
    "leet": lambda text: every_other(text, {**LEET, **LEET_CYRILLIC}),
    "leet signs": lambda text: "".join(SIGNS.get(char, LEET_CYRILLIC.get(char, char)) for char in text.lower()),
    "repeated": stretched,
    "reversed": lambda text: text[::-1],
    "emoji": lambda text: between(text, "\N{SPARKLES}"),
}
"""The eighteen that the lists must see through."""

MORE: Final[dict[str, Callable[[str], str]]] = {
    "glued": lambda text: text.replace(" ", ""),
    "upside down": lambda text: "".join(UPSIDE_DOWN.get(char, char) for char in text.lower())[::-1],
    "small capitals": lambda text: "".join(SMALL_CAPITALS.get(char, char) for char in text.lower()),
    "accents": lambda text: "".join(ACCENTS.get(char, char) for char in text),
    "words reversed": lambda text: " ".join(word[::-1] for word in text.split()),
    "capital homoglyphs": lambda text: "".join(GREEK.get(char, char) for char in text.upper()),
    "flags": lambda text: shifted(text.lower(), 0x1F1E6, 0x1F1E6),
    "negative squares": lambda text: shifted(text.lower(), 0x1F170, 0x1F170),
    "doubled": lambda text: "".join(char * 2 if char.isalpha() else char for char in text),
    "split in two": lambda text: " ".join(
        f"{word[: len(word) // 2]} {word[len(word) // 2 :]}" if len(word) > 4 else word for word in text.split()
    ),
    "entities": lambda text: "".join(f"&#{ord(char)};" if char.isalpha() else char for char in text),
    "letters swapped": lambda text: " ".join(
        f"{word[:2]}{word[3]}{word[2]}{word[4:]}" if len(word) > 4 else word for word in text.split()
    ),
    "overridden": lambda text: f"\u202e{text[::-1]}\u202c",
}
"""Others that were not asked for."""
