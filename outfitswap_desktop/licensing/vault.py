"""Where the secrets of the credits lie: the system's keyring, a file sealed with a passphrase, or a plain file of this user.

The same order, backends and time limit as for the key of the audit log (safety.records.places), which this room may not
import; several small secrets instead of one, so that each fits into every keyring.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import secrets
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeVar

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.store.device import DeviceLock

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
SECRETS_FILE: Final = "licence.secrets"
LONGEST_SECRET: Final = 1024
"""Bytes: the Windows Credential Manager takes 1,280 characters."""
LONGEST_FILE: Final = 65_536
SHORTEST_PASSPHRASE: Final = 8
PLAIN_NOTICE: Final = (
    "No keyring was found, so the sign-in lies in a file that only your user account can read. A passphrase can guard it: set "
    f"{PASSPHRASE_VARIABLE} and sign in again."
)
Place = Literal["", "keyring", "passphrase", "file"]
T = TypeVar("T")


class Backend(Protocol):
    """What we use of a keyring backend."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


class _UnreachableError(Exception):
    """The keyring raised, or did not answer in time."""


def real_backend() -> Backend | None:
    """The operating system's keyring, None when there is none that counts. Never raises."""
    with contextlib.suppress(_UnreachableError):
        return _in_time(_find_backend)
    return None


def _find_backend() -> Backend | None:
    import keyring

    backend: Any = keyring.get_keyring()
    candidates = list(backend.backends) if type(backend).__module__ == "keyring.backends.chainer" else [backend]
    for one in candidates:
        module = type(one).__module__
        if any(module == name or module.startswith(f"{name}.") for name in REAL_BACKENDS):
            return one  # type: ignore[no-any-return]
    return None


def _in_time(ask: Callable[[], T]) -> T:
    answers: list[T] = []

    def work() -> None:
        with contextlib.suppress(Exception):
            answers.append(ask())

    thread = threading.Thread(target=work, name="keyring", daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if not answers:
        raise _UnreachableError
    return answers[0]


class Vault:
    """Small secrets of one data folder by name; thread-safe. `find_backend` finds the keyring (tests hand in their own).

    What the keyring does not take goes into the file; what is in the file is believed first. Raises NotAvailable
    ("secrets_unusable") when neither can be used, or the passphrase is missing or wrong.
    """

    def __init__(self, folder: Path, *, find_backend: Callable[[], Backend | None] = real_backend) -> None:
        self._folder = folder
        self._find_backend = find_backend
        self._prefix = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
        self._turn = threading.RLock()
        self._backend: Backend | None = None
        self._looked = False
        self._stretched: dict[tuple[bytes, bytes], bytes] = {}

    def get(self, name: str) -> bytes | None:
        """What is kept under `name`; None when there is nothing."""
        with self._turn:
            kept = self._file().get(name)
            if kept is not None:
                return kept
            backend = self._keyring()
            if backend is None:
                return None
            with contextlib.suppress(_UnreachableError, binascii.Error, ValueError, TypeError):
                text = _in_time(lambda: backend.get_password(SERVICE, self._user(name)))
                return None if text is None else base64.b64decode(text, validate=True)
            return None

    def put(self, name: str, value: bytes) -> Place:
        """Keep `value`, at most 1 kB, and say where it lies now."""
        if len(value) > LONGEST_SECRET:
            raise ValueError("only small secrets are kept here")
        with self._turn:
            if self._put_in_keyring(name, value):
                if name in self._file():
                    self._change(name, None)
                return "keyring"
            return self._change(name, value)

    def delete(self, name: str) -> None:
        """Take a secret away, wherever it lies."""
        with self._turn:
            if name in self._file():
                self._change(name, None)
            backend = self._keyring()
            if backend is not None:
                with contextlib.suppress(_UnreachableError):
                    if _in_time(lambda: backend.get_password(SERVICE, self._user(name))) is not None:
                        _in_time(lambda: backend.delete_password(SERVICE, self._user(name)))

    # The keyring

    def _keyring(self) -> Backend | None:
        if not self._looked:
            self._backend, self._looked = self._find_backend(), True
        return self._backend

    def _put_in_keyring(self, name: str, value: bytes) -> bool:
        backend = self._keyring()
        if backend is None:
            return False
        text = base64.b64encode(value).decode("ascii")
        try:
            _in_time(lambda: backend.set_password(SERVICE, self._user(name), text))
            return _in_time(lambda: backend.get_password(SERVICE, self._user(name))) == text
        except _UnreachableError:
            return False

    def _user(self, name: str) -> str:
        return f"{self._prefix}:credits-{name}"

    # The file

    def _file(self) -> dict[str, bytes]:
        document = self._document()
        if document is None:
            return {}
        try:
            if document["place"] == "file":
                return {name: base64.b64decode(text) for name, text in document["secrets"].items()}
            return self._unsealed(document)
        except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
            return {}  # damaged: as if nobody had signed in

    def _document(self) -> dict[str, Any] | None:
        path = self._folder / SECRETS_FILE
        try:
            facts = path.lstat()
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > LONGEST_FILE:
                return None
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise _unusable(f"{path.name} cannot be read") from problem
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None

    def _change(self, name: str, value: bytes | None) -> Place:
        """Put one secret into the file, or take it out."""
        lock = DeviceLock(self._folder, "licence-secrets")
        with lock.held(wait=lambda: None):
            kept = self._file()
            if value is None:
                kept.pop(name, None)
            else:
                kept[name] = value
            if not kept:
                (self._folder / SECRETS_FILE).unlink(missing_ok=True)
                return ""
            passphrase = _read_passphrase()
            document = _plain(kept) if passphrase is None else self._sealed(kept, passphrase)
            try:
                write_private(self._folder / SECRETS_FILE, json.dumps(document).encode("ascii"))
            except OSError as problem:
                raise _unusable(f"{SECRETS_FILE} cannot be written") from problem
        return "file" if passphrase is None else "passphrase"

    def _sealed(self, kept: dict[str, bytes], passphrase: bytes) -> dict[str, Any]:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        text = json.dumps(_plain(kept)["secrets"]).encode("ascii")
        sealed = AESGCM(self._key(passphrase, salt)).encrypt(nonce, text, b"credits")
        return {"place": "passphrase", "salt": salt.hex(), "nonce": nonce.hex(), "sealed": sealed.hex()}

    def _unsealed(self, document: dict[str, Any]) -> dict[str, bytes]:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        salt, nonce, sealed = (bytes.fromhex(document[name]) for name in ("salt", "nonce", "sealed"))
        passphrase = _read_passphrase()
        if passphrase is None:
            raise _unusable("they are sealed with a passphrase, and none was given")
        try:
            text = AESGCM(self._key(passphrase, salt)).decrypt(nonce, sealed, b"credits")
        except InvalidTag as problem:
            raise _unusable("the passphrase does not open them") from problem
        return {name: base64.b64decode(value) for name, value in json.loads(text).items()}

    def _key(self, passphrase: bytes, salt: bytes) -> bytes:
        """Stretched by scrypt (RFC 7914: 32 MiB, about 60 ms), once for each salt."""
        known = self._stretched.get((passphrase, salt))
        if known is None:
            known = hashlib.scrypt(passphrase, salt=salt, n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
            self._stretched = {(passphrase, salt): known}
        return known


def _plain(kept: dict[str, bytes]) -> dict[str, Any]:
    return {"place": "file", "secrets": {name: base64.b64encode(value).decode() for name, value in kept.items()}}


def write_private(path: Path, data: bytes) -> None:
    """Write a file that its owner alone can read, whole or not at all; raises OSError."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    handle = os.open(
        part,
        os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0),
        0o600,
    )
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


def _read_passphrase() -> bytes | None:
    named = os.environ.get(PASSPHRASE_VARIABLE)
    if not named:
        return None
    try:
        with Path(named).open("rb") as stream:
            text = stream.read(LONGEST_FILE)
    except (OSError, ValueError) as problem:
        raise _unusable("the file with the passphrase cannot be read") from problem
    passphrase = text.removesuffix(b"\n").removesuffix(b"\r")
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise _unusable("the passphrase is too short")
    return passphrase


def _unusable(why: str) -> NotAvailable:
    return NotAvailable(
        f"The secrets of the credits cannot be used: {why}.",
        reason="secrets_unusable",
        hint=f"Put the passphrase into the file that {PASSPHRASE_VARIABLE} names, or make the program's folder writable.",
    )
