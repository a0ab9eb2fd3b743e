"""Passwords: argon2id, a few at a time, and the same work for an address that nobody has."""

from __future__ import annotations

import base64
import secrets
import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_AT_ONCE: Final = 4
"""Each takes 64 MiB for as long as it runs."""


class Passwords:
    """Argon2id with the library's defaults (RFC 9106's second choice: 64 MiB, 3 passes, 4 lanes); thread-safe."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turn = threading.BoundedSemaphore(_AT_ONCE)
        self._decoy = _nobodys(self._hasher)

    def hash(self, password: str) -> str:
        """The password's salted hash. Tens of milliseconds: never inside a write transaction."""
        with self._turn:
            return self._hasher.hash(password)

    def right(self, password: str, kept: str | None) -> bool:
        """Whether `password` belongs to the hash `kept`; with None the same work is done for nothing."""
        with self._turn:
            try:
                return self._hasher.verify(self._decoy if kept is None else kept, password) and kept is not None
            except (VerificationError, InvalidHashError):
                return False


def _nobodys(hasher: PasswordHasher) -> str:
    """A hash that no password has (random bytes instead), which costs to check what a real one costs."""
    salt, made = (
        base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (hasher.salt_len, hasher.hash_len)
    )
    return f"$argon2id$v=19$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}${salt}${made}"
