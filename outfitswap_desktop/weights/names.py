"""File names from elsewhere: which of them stay inside a folder, on every system; and how patterns match them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

LONGEST: Final = 240
_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
)
_FORBIDDEN: Final = re.compile(r'[\x00-\x1f\x7f<>:"\\|]')


def is_safe(path: str) -> bool:
    """Whether a relative POSIX path stays in its folder on Linux, macOS and Windows alike."""
    if not path or len(path) > LONGEST or _FORBIDDEN.search(path):
        return False
    return all(_safe_part(part) for part in path.split("/"))


def _safe_part(part: str) -> bool:
    if part in ("", ".", "..") or part != part.strip() or part.endswith("."):
        return False
    return part.partition(".")[0].casefold() not in _DEVICES


def matches(path: str, pattern: str) -> bool:
    """Whether a path fits a pattern; ``*`` stands for anything within one folder's level."""
    return _expression(pattern).fullmatch(path) is not None


@lru_cache(maxsize=512)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile("[^/]*".join(re.escape(part) for part in pattern.split("*")))


def choose(paths: tuple[str, ...], patterns: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The paths that are wanted, in their order, and the patterns that nothing fits.

    Of alternatives with ``|`` between them the first that fits anything counts.
    """
    wanted: set[str] = set()
    unmet: list[str] = []
    for pattern in patterns:
        for alternative in pattern.split("|"):
            fitting = {path for path in paths if matches(path, alternative)}
            if fitting:
                wanted |= fitting
                break
        else:
            unmet.append(pattern)
    return tuple(path for path in paths if path in wanted), tuple(unmet)
