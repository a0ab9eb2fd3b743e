"""Where the one secret of an installation lies: the system's keyring, a file sealed with a passphrase, or a plain file."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from outfitswap_desktop.errors import NotAvailable

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

SEED_BYTES: Final = 32
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


def audit_unavailable(why: str, hint: str) -> NotAvailable:
    """The refusal of everything that needs the records when they cannot be kept."""
    return NotAvailable(f"The audit log cannot be kept: {why}.", reason="audit_unavailable", hint=hint)


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


# The secret as a document


def plain_document(seed: bytes) -> dict[str, Any]:
    """The seed as it lies in a 0600 file; the check tells a damaged one."""
    return {"place": "file", "seed": seed.hex(), "check": _check(seed)}


def keyring_document() -> dict[str, Any]:
    """What lies in the folder when the seed is in the keyring."""
    return {"place": "keyring"}


def sealed_document(seed: bytes, passphrase: bytes) -> dict[str, Any]:
    """The seed sealed with AES-256-GCM under a key made from the passphrase by scrypt."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    key, proof = _stretched(passphrase, salt)
    return {
        "place": "passphrase",
        "salt": salt.hex(),
        "nonce": nonce.hex(),
        "proof": proof.hex(),
        "sealed": AESGCM(key).encrypt(nonce, seed, b"seed").hex(),
    }


def opened_plain(document: Mapping[str, Any]) -> bytes:
    """The seed of `plain_document`; raises DamagedError."""
    seed = _from_hex(document.get("seed"), SEED_BYTES)
    if document.get("check") != _check(seed):
        raise DamagedError
    return seed


def opened_sealed(document: Mapping[str, Any], passphrase: bytes | None) -> bytes:
    """The seed of `sealed_document`.

    Raises DamagedError when it is damaged, and NotAvailable ("audit_unavailable") without the right passphrase: whoever chose
    a passphrase is asked for it, and no new key is made behind their back.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = _from_hex(document.get("salt"), 16), _from_hex(document.get("nonce"), 12)
    proof, sealed = _from_hex(document.get("proof"), 16), _from_hex(document.get("sealed"), SEED_BYTES + 16)
    hint = f"Set {PASSPHRASE_VARIABLE} to the file with the passphrase of this installation."
    if passphrase is None:
        raise audit_unavailable("its key is sealed with a passphrase, and none was given", hint)
    key, expected = _stretched(passphrase, salt)
    if not hmac.compare_digest(proof, expected):
        raise audit_unavailable("the passphrase does not open its key", hint)
    try:
        return AESGCM(key).decrypt(nonce, sealed, b"seed")
    except InvalidTag as problem:
        raise DamagedError from problem


def parse_document(data: bytes) -> dict[str, Any]:
    """A document of ours; raises DamagedError."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise DamagedError from problem
    if not isinstance(document, dict) or document.get("place") not in ("keyring", "passphrase", "file"):
        raise DamagedError
    return document


def read_passphrase() -> bytes | None:
    """The passphrase from the file that PASSPHRASE_VARIABLE names, None when it names none.

    Raises NotAvailable ("audit_unavailable") when the file cannot be read or holds less than 8 bytes.
    """
    named = os.environ.get(PASSPHRASE_VARIABLE)
    if not named:
        return None
    hint = (
        f"Put a passphrase of at least {SHORTEST_PASSPHRASE} characters into the file that {PASSPHRASE_VARIABLE} names."
    )
    try:
        with Path(named).open("rb") as stream:
            text = stream.read(LONGEST_FILE)
    except (OSError, ValueError) as problem:
        raise audit_unavailable("the file with the passphrase cannot be read", hint) from problem
    passphrase = text.removesuffix(b"\n").removesuffix(b"\r")
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise audit_unavailable("the passphrase is too short", hint)
    return passphrase


def _stretched(passphrase: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Key (32 bytes) and proof (16 bytes, tells a wrong passphrase from a damaged file) from a passphrase."""
    made = hashlib.scrypt(passphrase, salt=salt, n=SCRYPT["n"], r=SCRYPT["r"], p=SCRYPT["p"], maxmem=2**26, dklen=64)
    return made[:32], hashlib.sha256(made[32:]).digest()[:16]


def _check(seed: bytes) -> str:
    return hashlib.sha256(b"outfitswap seed check\0" + seed).hexdigest()[:16]


def _from_hex(text: object, count: int) -> bytes:
    if not isinstance(text, str) or len(text) != 2 * count:
        raise DamagedError
    try:
        return bytes.fromhex(text)
    except ValueError as problem:
        raise DamagedError from problem
