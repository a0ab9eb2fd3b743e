"""ULIDs: ids that the client makes and keeps before it sends them, so that a repeated request is recognised."""

from __future__ import annotations

import re
from typing import Final

_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")

KEY_LOOKS: Final = "OSW1-XXXXX-XXXXX-XXXXX-XXXXX-X"
"""How a licence key looks, for whoever types one: the X stand for its letters and digits."""


def new_id() -> str:
    """A fresh ULID: 26 characters of Crockford's base 32, ascending with time (https://github.com/ulid/spec)."""
    from ulid import ULID

    return str(ULID())


def is_id(text: str) -> bool:
    """Whether `text` is a ULID in its canonical form (upper case)."""
    return _ULID.fullmatch(text) is not None
