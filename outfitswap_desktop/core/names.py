"""File names that every system can hold: slugs, stems, and the check of names that somebody else wrote."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""Suffixes of the formats that are read and written, lower case."""
STEM_LIMIT = (80, 104)
SLUG_LIMIT = (48, 88)
"""Most characters and most UTF-8 bytes of the two parts of a made name."""
PART_BYTES = 220
"""Most UTF-8 bytes of one name: both parts, mark and suffix fit, and what is named after it stays below 255."""

_ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file: with any suffix too, and with superscript digits
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE)
_OWN_FILE = re.compile(r".*\.(mask|receipt)|contact-sheet(-\d+)?|batch-summary")
"""Stems beside or among the results: masks, receipts, contact sheets, the summary."""


def same_file_key(name: str) -> str:
    """What two names have in common when some file system takes them for one (case, Unicode composition)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def slug(words: str, *, otherwise: str = "outfit") -> str:
    """Words as part of a file name: lower case, letters and digits of any script, single hyphens; else `otherwise`."""
    text = unicodedata.normalize("NFKC", words).casefold()
    kept = "".join(c if c.isalnum() or unicodedata.category(c).startswith("M") else "-" for c in text)
    cut = _cut(re.sub("-+", "-", unicodedata.normalize("NFC", kept)).strip("-"), SLUG_LIMIT)
    return cut.strip("-") or otherwise


def safe_stem(stem: str, *, otherwise: str = "photo") -> str:
    """A photo's stem as the first part of a new name: as it was, less what some system cannot hold or would trip over."""
    text = _cut(_ILLEGAL.sub("_", unicodedata.normalize("NFC", _printable(stem))), STEM_LIMIT)
    text = text.rstrip(" .").lstrip(" .-~")
    if not text:
        return otherwise
    return f"_{text}" if _RESERVED.fullmatch(text.partition(".")[0].rstrip()) else text


def fault_of(relative: str) -> str | None:
    """Why `relative` (either kind of slash) cannot name a file below the output folder on every system; None if it can.

    The answer completes the sentence "the output X ...".
    """
    parts = relative.replace("\\", "/").split("/")
    if relative[:1] in {"/", "\\", "~"} or re.match(r"[A-Za-z]:", relative):
        return "must be relative to the output folder"
    if ".." in parts:
        return "must stay inside the output folder"
    for part in parts:
        if part in {"", "."} or _ILLEGAL.search(part) or part != _printable(part):
            return "has a part that is empty or has a character that no file name can hold on Windows"
        if part != part.strip(" ") or part.endswith("."):
            return "has a part that begins or ends with a space or ends with a dot"
        if _RESERVED.fullmatch(part.partition(".")[0].rstrip()):
            return f"uses the name {part.partition('.')[0]}, which Windows keeps for a device"
        if len(part.encode("utf-8")) > PART_BYTES:
            return "has a part that is too long"
    if PurePosixPath(parts[-1]).suffix and PurePosixPath(parts[-1]).suffix.lower() not in PICTURE_SUFFIXES:
        return f"must end in one of {', '.join(PICTURE_SUFFIXES)}"
    if _OWN_FILE.fullmatch(PurePosixPath(parts[-1].lower()).stem):
        return "has a name that the program gives to files of its own"
    return None


def _printable(text: str) -> str:
    """Without control, format, surrogate and private characters: they hide, reorder or cannot be encoded."""
    return "".join(c for c in text if unicodedata.category(c)[0] != "C")


def _cut(text: str, limit: tuple[int, int]) -> str:
    characters, most_bytes = limit
    cut = text[:characters]
    while len(cut.encode("utf-8")) > most_bytes:
        cut = cut[:-1]
    if len(cut) < len(text) and "-" in cut[characters // 2 :]:
        cut = cut.rpartition("-")[0]
    return cut
