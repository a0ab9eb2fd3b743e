"""What only this user may read: entries in the system's keyring, small files, and the passphrase that seals them.

Shared by the audit log's key (safety) and the credits' secrets (licensing), so that both count the same places.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

SERVICE: Final = "OutfitSwap Desktop"
PASSPHRASE_VARIABLE: Final = "OUTFITSWAP_PASSPHRASE_FILE"
"""Environment variable that names a file with the passphrase; its last line break is not part of it."""

ANSWER_SECONDS: Final = 2.0
"""A keyring that has not answered after this long does not count."""

REAL_BACKENDS: Final = (
    "keyring.backends.Windows",
    "keyring.backends.macOS",
    "keyring.backends.SecretService",
    "keyring.backends.libsecret",
    "keyring.backends.kwallet",
)
"""Modules of the backends that count; null, fail and plain-text ones, and ones that we do not know, do not."""

SHORTEST_PASSPHRASE: Final = 8
LONGEST_FILE: Final = 65_536
SCRYPT: Final[Mapping[str, int]] = {"n": 2**15, "r": 8, "p": 1}
"""RFC 7914: 32 MiB and about 60 ms on one core; within OpenSSL's default limit."""

T = TypeVar("T")


class Backend(Protocol):
    """What we use of a keyring backend."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


class DamagedError(Exception):
    """A stored secret is there but is not what we wrote."""


class UnreachableError(Exception):
    """The keyring raised, or did not answer in time."""


# A keyring, with a limit on its time


def real_backend() -> Backend | None:
    """The operating system's keyring, None when there is none that counts. Never raises."""
    with contextlib.suppress(UnreachableError):
        return _in_time(_find_backend)
    return None


def _find_backend() -> Backend | None:
    import keyring

    backend: Any = keyring.get_keyring()
    candidates = list(backend.backends) if _module(backend) == "keyring.backends.chainer" else [backend]
    for one in candidates:
        if any(_module(one) == name or _module(one).startswith(f"{name}.") for name in REAL_BACKENDS):
            return one  # type: ignore[no-any-return]
    return None


def _module(backend: object) -> str:
    return type(backend).__module__


def _in_time(ask: Callable[[], T]) -> T:
    """The answer of `ask`, which runs on a thread of its own; raises UnreachableError when it raises or takes too long."""
    answers: list[T] = []

    def work() -> None:
        with contextlib.suppress(Exception):
            answers.append(ask())

    thread = threading.Thread(target=work, name="keyring", daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if not answers:
        raise UnreachableError
    return answers[0]


class KeyringPlace:
    """Entries of one data folder in a keyring, told from those of other folders by the hash of its path."""

    def __init__(self, backend: Backend, folder: Path) -> None:
        self._backend = backend
        self._prefix = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]

    def get(self, name: str) -> bytes | None:
        """What is stored under `name`; raises UnreachableError or DamagedError."""
        text = _in_time(lambda: self._backend.get_password(SERVICE, self._user(name)))
        if text is None:
            return None
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError, TypeError) as problem:
            raise DamagedError from problem

    def put(self, name: str, value: bytes) -> None:
        """Store and read back; raises UnreachableError when it is not there then."""
        text = base64.b64encode(value).decode("ascii")
        _in_time(lambda: self._backend.set_password(SERVICE, self._user(name), text))
        try:
            kept = self.get(name)
        except DamagedError as problem:
            raise UnreachableError from problem
        if kept != value:
            raise UnreachableError

    def delete(self, name: str) -> bool:
        """Whether an entry was there and is gone; raises UnreachableError."""
        try:
            if self.get(name) is None:
                return False
        except DamagedError:
            pass
        _in_time(lambda: self._backend.delete_password(SERVICE, self._user(name)))
        return True

    def _user(self, name: str) -> str:
        return f"{self._prefix}:{name}"


# Files


def read_small(path: Path) -> bytes | None:
    """The bytes of a small regular file, None when there is none.

    Raises DamagedError for a link, a folder, a device or a file that is too large, and OSError when it cannot be read.
    """
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > LONGEST_FILE:
        raise DamagedError
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        return stream.read(LONGEST_FILE + 1)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that its owner alone can read, whole or not at all; raises OSError."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(part, flags, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


# A passphrase


def read_passphrase(refused: Callable[[str], Exception]) -> bytes | None:
    """The passphrase from the file that PASSPHRASE_VARIABLE names, None when it names none.

    Raises `refused(why)` when the file cannot be read or holds less than 8 bytes.
    """
    named = os.environ.get(PASSPHRASE_VARIABLE)
    if not named:
        return None
    try:
        with Path(named).open("rb") as stream:
            text = stream.read(LONGEST_FILE)
    except (OSError, ValueError) as problem:
        raise refused("the file with the passphrase cannot be read") from problem
    passphrase = text.removesuffix(b"\n").removesuffix(b"\r")
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise refused("the passphrase is too short")
    return passphrase


def stretched(passphrase: bytes, salt: bytes, *, count: int) -> bytes:
    """`count` bytes from a passphrase, by scrypt."""
    return hashlib.scrypt(passphrase, salt=salt, n=SCRYPT["n"], r=SCRYPT["r"], p=SCRYPT["p"], maxmem=2**26, dklen=count)
