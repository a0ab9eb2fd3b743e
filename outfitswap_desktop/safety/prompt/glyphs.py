"""What single characters stand for: folding, look-alikes, digits and signs read as letters, Korean syllables.

Look-alikes are Unicode's confusables (through confusable-homoglyphs) and the letter named in a character's Unicode name.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

PADDING: Final = "\u2060"
"""Word joiner: folds to nothing."""

EMOJI: Final = frozenset("👙🩱🩲🔞🍑🍆💦👶🧒👦👧🍼🔪🔫🩸🖕🍒👅")
"""Pictures that are words of the lists; every other picture only separates."""

LEET: Final = {
    **dict(zip("0123456789", "oizeasgtbg", strict=True)),
    **{"@": "a", "$": "s", "!": "i", "|": "i", "+": "t", "€": "e", "£": "i", "¥": "y", "¢": "c", "¡": "i"},
}
"""Digits and signs read as letters."""

LEET_SIGNS: Final = {
    **LEET,
    **{"6": "b", "(": "c", "<": "c", "[": "c", "{": "c", "^": "a", "#": "h", "&": "e", "§": "s", "†": "t"},
    **{"×": "x", "µ": "u", "°": "o", "©": "c", "®": "r", "%": "x", ";": "i", ":": "i", "?": "r", "*": "u"},
}
"""The second meaning of some digits, and signs that more often are punctuation."""

LEET_CYRILLIC: Final = {
    **dict(zip("0134678$@", "оiзчбтвса", strict=True)),
    **{"9": "я", "!": "и", "|": "л", "2": "г", "5": "б"},
}
"""The same for Cyrillic."""

LEET_CYRILLIC_SHAPES: Final = {**dict(zip("013468$@", "oieaбbca", strict=True)), "7": "т", "9": "д"}
"""The same by the look of the digits."""

MAY_END_A_WORD: Final = frozenset("0123456789@$€£")
"""Signs that stand for a letter at the end of a word too, where the others are punctuation."""

DRAWN: Final = {
    "/\\/\\": "m", "\\/\\/": "w", "|\\/|": "m", "|\\|": "n", "/\\/": "n", "|_|": "u", "|-|": "h", "|)": "d", "|}": "d",
    "[)": "d", "()": "o", "[]": "o", "|<": "k", "|{": "k", "|>": "p", "|*": "p", "|3": "b", "/\\": "a", "/-\\": "a",
    "\\/": "v", "><": "x", "|_": "l", "`/": "y", "|=": "f", "()_": "q", "_|": "j", "|2": "r", "}{": "h",
}  # fmt: skip
"""Letters drawn with several signs."""

SARA_E: Final = "เ"
SARA_AE: Final = "แ"
"""A Thai vowel that is often typed as two of the one above."""
STAR: Final = "ꙮ"
"""Stands for a letter that was starred out."""
STARRED: Final = dict.fromkeys("*#•", STAR)

PAIRS: Final = {"rn": "m", "vv": "w", "ci": "d", "nn": "m", "uu": "w"}
"""Two folded letters that look like another one."""

UPSIDE_DOWN: Final = dict(
    zip("ɐqɔpǝɟƃɥᴉıɾʞꞁʅɯuodbɹʇnʌʍʎɓԀ∀ƎℲ⅁⅂ՈԀꓤ⊥∩Λ⅄", "abcdefghiijkllmnopqrtuvwygpaefglnprtuvy", strict=True)
)
UPSIDE_DOWN_ONLY: Final = frozenset(char for char in UPSIDE_DOWN if not char.isascii() and char != "ı")
"""Characters that are seen in no other text."""

FAUX: Final = dict(zip("ияпцшщдчфжбгэзлπωξδφψζμλ", "nrnuwwayoxbreenhwedoyzua", strict=True))
"""Letters of other alphabets by their shape, beside what folding already reads."""

ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")

_NAMED: Final = re.compile(
    r"(?:LATIN|SYMBOL)(?: SMALL| CAPITAL)? LETTER (?:(?:SMALL CAPITAL|TURNED|REVERSED|SIDEWAYS|OPEN|CLOSED|SCRIPT|DOTLESS|"
    r"BARRED|INSULAR|STRETCHED|TOP HALF|BOTTOM HALF|ALPHA|BETA) )*([A-Z])(?: WITH .*| BAR.*|)$"
)
_SPECIAL: Final = {
    "æ": "ae", "œ": "oe", "þ": "th", "ĸ": "k", "ə": "e", "ɑ": "a", "ß": "ss", "ŋ": "n", "ƿ": "p", "ɩ": "i", "ʋ": "v",
    "ε": "e", "ω": "w", "η": "n", "χ": "x", "μ": "u", "γ": "y", "θ": "o", "β": "b", "ς": "σ", "∂": "d", "∑": "e",
    "м": "m", "к": "k", "т": "t", "ǫ": "q",
    "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ې": "ي", "ک": "ك", "ة": "ه", "ۀ": "ه", "ہ": "ه", "ھ": "ه",
    "ؤ": "و", "ئ": "ي", "ء": "", "ـ": "", "ך": "כ", "ם": "מ", "ן": "נ", "ף": "פ", "ץ": "צ", "ঁ": "ং", "ँ": "ं",
    "ー": "ー", "一": "一", "亅": "亅", "丨": "丨", "〇": "〇",
}  # fmt: skip
"""One stand-in each for letters that Unicode keeps apart and writers do not."""

_NOTHING: Final = frozenset(
    "\u115f\u1160\u3164\uffa0\u2800\u034f\ufffc\u0640\u093c\u09bc\u0a3c\u0abc\u0b3c\u0cbc\u30fb・"
)
_KEPT_MARKS: Final = ((0x0900, 0x0DFF), (0x0E00, 0x0E46), (0x0E80, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF))
_SPACELESS: Final = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x31BF), (0x31C0, 0x9FFF), (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)  # fmt: skip
_HANGUL: Final = ((0x1100, 0x11FF), (0xAC00, 0xD7FF))
_CYRILLIC: Final = ((0x0400, 0x052F),)
_KATAKANA: Final = range(0x30A1, 0x30F7)
_KATAKANA_TO_HIRAGANA: Final = 0x60


def _within(char: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    code = ord(char)
    return any(first <= code <= last for first, last in ranges)


@cache
def is_kept_mark(char: str) -> bool:
    """Vowel signs of Indic and South-East Asian scripts: words fall apart without them, so they are no mere accents."""
    return unicodedata.category(char)[0] == "M" and _within(char, _KEPT_MARKS)


@cache
def writing(char: str) -> int:
    """0 for alphabets, 1 for scripts written without spaces, 2 for Korean: where it changes, a new word begins."""
    return 1 if _within(char, _SPACELESS) else 2 if _within(char, _HANGUL) else 0


@cache
def is_cyrillic(char: str) -> bool:
    """Whether it is a letter of Cyrillic."""
    return _within(char, _CYRILLIC)


@cache
def joins_previous(char: str) -> bool:
    """Accents, vowel signs and Korean half syllables: to be normalised with the character before."""
    return unicodedata.combining(char) != 0 or "\u1161" <= char <= "\u11ff" or char in "\uff9e\uff9f"


@cache
def folded(piece: str) -> str:
    """What one character, or one with its accents, is compared as: letters, digits, " " for a separator, or nothing."""
    text = unicodedata.normalize("NFKC", piece).casefold()
    return "".join(_folded_char(char) for char in unicodedata.normalize("NFKC", text))


def _folded_char(char: str) -> str:
    if char in EMOJI:
        return f" {char} "
    if char in _NOTHING:
        return ""
    if char in _SPECIAL:
        return "".join(letter if letter == char else _folded_char(letter) for letter in _SPECIAL[char])
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category[0] == "M":
        return char if is_kept_mark(char) else ""
    if category in ("Cf", "Cc"):
        return " " if char.isspace() else ""
    named = _letter_named(char)
    if category[0] not in "LN" and not named:
        return " "
    if writing(char):
        return chr(ord(char) - _KATAKANA_TO_HIRAGANA) if ord(char) in _KATAKANA else char
    base = named or unicodedata.normalize("NFD", char)[0]
    if base in _SPECIAL:
        return _folded_char(base)
    return lookalike(base).lower().replace("l", "i")


@cache
def lookalike(piece: str) -> str:
    """The ASCII letter that a single character looks like, else the character itself."""
    if piece.isascii() or len(piece) != 1:
        return piece
    found = _table().get(piece, piece)
    if found == "l" and unicodedata.category(piece) == "Lo" and _within(piece, ((0x0900, 0x1FFF),)):
        return piece
    return found


def _letter_named(char: str) -> str:
    """The letter in names like LATIN LETTER SMALL CAPITAL N, REGIONAL INDICATOR SYMBOL LETTER N, or ""."""
    if char.isascii():
        return ""
    found = _NAMED.search(unicodedata.name(char, ""))
    return found.group(1).lower() if found else ""


@cache
def _table() -> dict[str, str]:
    from confusable_homoglyphs import confusables

    table: dict[str, str] = {}
    for char, alike in confusables.confusables_data.items():
        if len(char) != 1 or char.isascii() or writing(char):
            continue
        for other in alike:
            letter = other["c"]
            if len(letter) == 1 and not letter.isascii():
                letter = _letter_named(letter) or _SPECIAL.get(letter, "")
            if len(letter) == 1 and letter.isascii() and letter.isalpha():
                table.setdefault(char, letter)
    return table


def upright(piece: str) -> str:
    """An upside-down character turned back, letters that are each other's turned image included."""
    return "".join(UPSIDE_DOWN.get(char, char) for char in piece)


# --- Korean ----------------------------------------------------------------------------------------------------------

_FIRST, _VOWEL, _SYLLABLE = 0x1100, 0x1161, 0xAC00
_FIRSTS, _VOWELS, _LASTS = 19, 21, 28
_LAST_OF_FIRST: Final = dict(
    zip(range(_FIRSTS), (1, 2, 4, 7, 0, 8, 16, 17, 0, 19, 20, 21, 22, 0, 23, 24, 25, 26, 27), strict=True)
)
_FIRST_OF_LAST: Final = {last: first for first, last in _LAST_OF_FIRST.items() if last}


def syllable(first: str, second: str) -> str | None:
    """Two letters, or an open syllable and a consonant, as one syllable; None where they do not join."""
    a, b = ord(first), ord(second)
    if 0 <= a - _FIRST < _FIRSTS and 0 <= b - _VOWEL < _VOWELS:
        return chr(_SYLLABLE + ((a - _FIRST) * _VOWELS + b - _VOWEL) * _LASTS)
    if 0 <= a - _SYLLABLE < _FIRSTS * _VOWELS * _LASTS and (a - _SYLLABLE) % _LASTS == 0 and 0 <= b - _FIRST < _FIRSTS:
        last = _LAST_OF_FIRST[b - _FIRST]
        return chr(a + last) if last else None
    return None


def moved_syllable(first: str, second: str) -> tuple[str, str] | None:
    """A closed syllable before a vowel gives its last consonant away: both syllables; None where that is not so."""
    a, b = ord(first), ord(second)
    last = (a - _SYLLABLE) % _LASTS
    if (
        not 0 <= a - _SYLLABLE < _FIRSTS * _VOWELS * _LASTS
        or last not in _FIRST_OF_LAST
        or not 0 <= b - _VOWEL < _VOWELS
    ):
        return None
    return chr(a - last), chr(_SYLLABLE + (_FIRST_OF_LAST[last] * _VOWELS + b - _VOWEL) * _LASTS)
