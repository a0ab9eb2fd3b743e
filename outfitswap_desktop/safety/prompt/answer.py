"""What the prompt policy says of one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

DENIED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nudity": "nudity",
        "undressing": "undressing",
        "underwear": "underwear",
        "lingerie": "lingerie",
        "swimwear": "swimwear",
        "sheer": "see-through clothes",
        "wet": "wet clothes",
        "body_paint": "body paint",
        "minors": "minors or ages",
        "sexual": "sexual content",
        "violence": "violence or degradation",
        "real_person": "the name of a real person",
    }
)
"""The categories of the deny lists, each with its name in a sentence."""

OTHER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "unknown_word": "a word that is not in the vocabulary",
        "not_clothing": "a wish that is not about clothes",
        "too_long": "too many characters",
        "empty": "no words",
    }
)
"""Why else a line is refused."""


@dataclass(frozen=True, slots=True)
class PromptAnswer:
    """One line's answer. `category` is a key of DENIED or OTHER and `word` the words as typed, both "" when allowed.

    `suggestions` are words of the vocabulary near an unknown one; `message` and `hint` are sentences for the user.
    """

    prompt: str
    allowed: bool
    category: str = ""
    word: str = ""
    suggestions: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """What a deny list found: `category` (a key of DENIED), the `term` listed, its `language`, the `form` it was seen in."""

    category: str
    term: str
    language: str
    form: str
