"""Where the secrets of the credits lie: the system's keyring, a file sealed with a passphrase, or a plain file of this user.

The same places, in the same order, as for the key of the audit log; several small secrets instead of one, so that each fits
into every keyring.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from outfitswap_desktop import private
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.private import (
    PASSPHRASE_VARIABLE,
    Backend,
    DamagedError,
    KeyringPlace,
    UnreachableError,
    read_small,
    real_backend,
    write_private,
)
from outfitswap_desktop.store.device import DeviceLock

SECRETS_FILE: Final = "licence.secrets"
LONGEST_SECRET: Final = 1024
"""Bytes: the Windows Credential Manager takes 1,280 characters."""
PLAIN_NOTICE: Final = (
    "No keyring was found, so the sign-in lies in a file that only your user account can read. A passphrase can guard it: set "
    f"{PASSPHRASE_VARIABLE} and sign in again."
)
Place = Literal["", "keyring", "passphrase", "file"]


class Vault:
    """Small secrets of one data folder by name; thread-safe. `find_backend` finds the keyring (tests hand in their own).

    What the keyring does not take goes into the file; what is in the file is believed first. Raises NotAvailable
    ("secrets_unusable") when neither can be used, or the passphrase is missing or wrong.
    """

    def __init__(self, folder: Path, *, find_backend: Callable[[], Backend | None] = real_backend) -> None:
        self._folder = folder
        self._find_backend = find_backend
        self._turn = threading.RLock()
        self._place: KeyringPlace | None = None
        self._looked = False
        self._stretched: dict[tuple[bytes, bytes], bytes] = {}

    def get(self, name: str) -> bytes | None:
        """What is kept under `name`; None when there is nothing."""
        with self._turn:
            kept = self._file().get(name)
            if kept is not None:
                return kept
            place = self._keyring()
            if place is None:
                return None
            with contextlib.suppress(UnreachableError, DamagedError):
                return place.get(_entry(name))
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
            place = self._keyring()
            if place is not None:
                with contextlib.suppress(UnreachableError):
                    place.delete(_entry(name))

    # The keyring

    def _keyring(self) -> KeyringPlace | None:
        if not self._looked:
            backend, self._looked = self._find_backend(), True
            self._place = None if backend is None else KeyringPlace(backend, self._folder)
        return self._place

    def _put_in_keyring(self, name: str, value: bytes) -> bool:
        place = self._keyring()
        if place is None:
            return False
        try:
            place.put(_entry(name), value)
        except UnreachableError:
            return False
        return True

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
            text = read_small(path)
            document = None if text is None else json.loads(text)
        except OSError as problem:
            raise _unusable(f"{path.name} cannot be read") from problem
        except (DamagedError, ValueError, RecursionError):
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
            passphrase = private.read_passphrase(_unusable)
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
        passphrase = private.read_passphrase(_unusable)
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
            known = private.stretched(passphrase, salt, count=32)
            self._stretched = {(passphrase, salt): known}
        return known


def _plain(kept: dict[str, bytes]) -> dict[str, Any]:
    return {"place": "file", "secrets": {name: base64.b64encode(value).decode() for name, value in kept.items()}}


def _entry(name: str) -> str:
    """What a secret is called beside the audit log's in the same keyring."""
    return f"credits-{name}"


def _unusable(why: str) -> NotAvailable:
    return NotAvailable(
        f"The secrets of the credits cannot be used: {why}.",
        reason="secrets_unusable",
        hint=f"Put the passphrase into the file that {PASSPHRASE_VARIABLE} names, or make the program's folder writable.",
    )
