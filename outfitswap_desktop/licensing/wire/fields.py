"""Payloads of blobs: JSON objects, written in one form and read with a distrust of every member."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from outfitswap_desktop.licensing.wire.blobs import KEY_BYTES, BlobError, decode
from outfitswap_desktop.licensing.wire.ids import is_id

MOST_MILLIS: Final = 2**53
"""Times are milliseconds since 1970 UTC, exact in every JSON reader."""
MOST_CREDITS: Final = 1_000_000
_HEX32: Final = re.compile(r"[0-9a-f]{64}")


def write(members: Mapping[str, Any]) -> bytes:
    """The one form of a payload: ASCII, members sorted, no blanks."""
    return json.dumps(members, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read(payload: bytes) -> Fields:
    """The members of a payload; raises BlobError when it is not one JSON object of version 1 with every name once."""
    try:
        members = json.loads(payload.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BlobError("malformed", "The payload cannot be read.") from error
    if not isinstance(members, dict):
        raise BlobError("malformed", "The payload is not an object.")
    fields = Fields(members)
    fields.number("v", least=1, most=1)
    return fields


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


class Fields:
    """Typed access to the members of a payload. Each reader raises BlobError("malformed") for what is not as it must be.

    Members that nobody asks for are ignored: a newer writer may add some.
    """

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members

    def text(self, name: str, *, most: int, least: int = 0) -> str:
        """Printable text: no control characters and no halves of surrogate pairs, which no database takes."""
        value = self._members.get(name)
        if not isinstance(value, str) or not least <= len(value) <= most or not value.isprintable():
            raise _wrong(name)
        return value

    def number(self, name: str, *, least: int = 0, most: int = MOST_MILLIS) -> int:
        """A whole number."""
        value = self._members.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _wrong(name)
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._members.get(name)
        if not isinstance(value, bool):
            raise _wrong(name)
        return value

    def ulid(self, name: str) -> str:
        """An id."""
        value = self._members.get(name)
        if not isinstance(value, str) or not is_id(value):
            raise _wrong(name)
        return value

    def hex32(self, name: str) -> str:
        """A SHA-256 as 64 hex digits."""
        value = self._members.get(name)
        if not isinstance(value, str) or not _HEX32.fullmatch(value):
            raise _wrong(name)
        return value

    def key(self, name: str) -> bytes:
        """A public key: 32 bytes in base64url."""
        raw = decode(self.text(name, most=64))
        if len(raw) != KEY_BYTES:
            raise _wrong(name)
        return raw

    def credits_by_name(self, name: str, *, most: int = 100) -> dict[str, int]:
        """An object of at most `most` names and whole numbers of credits."""
        value = self._members.get(name)
        if not isinstance(value, dict) or len(value) > most:
            raise _wrong(name)
        inner = Fields(value)
        return {key: inner.number(key, most=MOST_CREDITS) for key in value}

    def objects(self, name: str, *, most: int) -> tuple[Fields, ...]:
        """A list of at most `most` objects."""
        value = self._members.get(name)
        if not isinstance(value, list) or len(value) > most or not all(isinstance(one, dict) for one in value):
            raise _wrong(name)
        return tuple(Fields(one) for one in value)


def _wrong(name: str) -> BlobError:
    return BlobError("malformed", f'"{name}" is missing or not as it must be.')
