"""The keys of this installation, all drawn from one secret: the audit log's signature, its row seals, and content credentials.

keys = Keys(folder)            # None: in memory, gone with the process
keys.place, keys.notice        # "keyring" | "passphrase" | "file" | "memory", and what the user should know of it
keys.audit_key()               # Ed25519
keys.signing_key()             # P-256, PKCS8 PEM, for C2PA
keys.load(name), keys.store(name, value)     # small things such as certificates, sealed
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

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
from outfitswap_desktop.safety.records.locking import locked
from outfitswap_desktop.safety.records.places import (
    SEED_BYTES,
    audit_unavailable,
    keyring_document,
    opened_plain,
    opened_sealed,
    parse_document,
    plain_document,
    read_passphrase,
    sealed_document,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SAFETY: Final = "safety"
"""Folder of the records below the data folder."""
KEY_FILE: Final = "key.json"
LOCK_FILE: Final = "key.lock"
ANCHOR_FILE: Final = "anchor.json"
SEED_ENTRY: Final = "seed"
ANCHOR_ENTRY: Final = "anchor"
SEALED_SUFFIX: Final = ".sealed"

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""SEC 2, secp256r1."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest entry that the key store has heard of: its number, its hash, and its time in milliseconds since 1970.

    `key` is the fingerprint of the key that the log was signed with then.
    """

    seq: int
    hash: bytes
    at: int
    key: str = ""


EMPTY: Final = Anchor(0, bytes(32), 0)


class Secret:
    """One secret of SEED_BYTES and the keys drawn from it (HMAC-SHA256 with a label each)."""

    __slots__ = ("_seed", "audit_key", "mac_key", "public")

    def __init__(self, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._seed = seed
        self.audit_key = Ed25519PrivateKey.from_private_bytes(self.drawn("audit"))
        self.public = self.audit_key.public_key().public_bytes_raw()
        self.mac_key = self.drawn("rows")

    def drawn(self, label: str) -> bytes:
        """32 bytes for `label`."""
        return hmac.digest(self._seed, b"outfitswap 1 " + label.encode("ascii"), "sha256")

    def mac(self, *parts: bytes) -> bytes:
        """32 bytes over `parts`, each with its length, that nobody makes without the secret."""
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self.mac_key, framed, "sha256")


class Keys:
    """The keys below the data folder `folder`, found or made at their first use; None keeps them in memory.

    `find_backend` finds the keyring (tests hand in their own). Raises NotAvailable ("audit_unavailable").
    """

    def __init__(self, folder: Path | None, *, find_backend: Callable[[], Backend | None] = real_backend) -> None:
        self._folder = None if folder is None else folder / SAFETY
        self._data_folder = folder
        self._find_backend = find_backend
        self._lock = threading.RLock()
        self._secret: Secret | None = None
        self._place = "memory"
        self._notice = ""
        self._keyring: KeyringPlace | None = None
        self._kept: dict[str, bytes] = {}
        self._anchor: Anchor | None = EMPTY

    # What others ask for

    @property
    def place(self) -> str:
        """Where the secret lies: "keyring", "passphrase", "file", or "memory"."""
        self.secret()
        return self._place

    @property
    def notice(self) -> str:
        """A sentence for the user when the secret is not in a keyring or under a passphrase, else ""."""
        self.secret()
        return self._notice

    def audit_key(self) -> Ed25519PrivateKey:
        """The key that signs the head of the audit log."""
        return self.secret().audit_key

    def signing_key(self) -> bytes:
        """The P-256 key for content credentials, as PKCS8 PEM; the same for as long as the secret is."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        secret = self.secret()
        wide = int.from_bytes(secret.drawn("credentials a") + secret.drawn("credentials b"), "big")
        key = ec.derive_private_key(wide % (_P256_ORDER - 1) + 1, ec.SECP256R1())
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def store(self, name: str, value: bytes) -> None:
        """Keep up to 32 kB under `name` (lower-case letters, digits, "-", "_"), sealed with the secret."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if _NAME.fullmatch(name) is None or len(value) > 32_768:
            raise ValueError("a short plain name and at most 32 kB are kept here")
        secret = self.secret()
        if self._folder is None:
            self._kept[name] = value
            return
        nonce = secrets.token_bytes(12)
        sealed = nonce + AESGCM(secret.drawn("store")).encrypt(nonce, value, name.encode("ascii"))
        try:
            write_private(self._folder / f"{name}{SEALED_SUFFIX}", sealed)
        except OSError as problem:
            raise _unwritable() from problem

    def load(self, name: str) -> bytes | None:
        """What was kept under `name`; None when there is nothing, or nothing that this installation sealed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if _NAME.fullmatch(name) is None:
            raise ValueError("a short plain name is needed")
        if self._folder is None:
            return self._kept.get(name)
        try:
            sealed = read_small(self._folder / f"{name}{SEALED_SUFFIX}")
        except (DamagedError, OSError):
            return None
        if sealed is None or len(sealed) < 28:
            return None
        try:
            return AESGCM(self.secret().drawn("store")).decrypt(sealed[:12], sealed[12:], name.encode("ascii"))
        except InvalidTag:
            return None

    # What the audit log asks for

    def secret(self) -> Secret:
        """The secret in use, found or made. Raises NotAvailable ("audit_unavailable") when neither can be."""
        with self._lock:
            if self._secret is None:
                self._secret = Secret(
                    secrets.token_bytes(SEED_BYTES) if self._folder is None else self._found_or_made()
                )
            return self._secret

    def known(self) -> Mapping[bytes, Secret]:
        """Every secret that can be reached, by its public key: the one in use, and one that a keyring still keeps."""
        secret = self.secret()
        found = {secret.public: secret}
        if self._folder is not None and self._place != "keyring":
            with contextlib.suppress(UnreachableError, DamagedError):
                keyring = self._reach_keyring()
                seed = keyring.get(SEED_ENTRY) if keyring is not None else None
                if seed is not None and len(seed) == SEED_BYTES:
                    older = Secret(seed)
                    found.setdefault(older.public, older)
        return found

    def anchor(self) -> Anchor | None:
        """The newest entry that the key store has heard of; None when it has lost it. Raises NotAvailable when unreachable."""
        self.secret()
        with self._lock:
            if self._folder is None:
                return self._anchor
            try:
                if self._place == "keyring":
                    assert self._keyring is not None
                    data = self._keyring.get(ANCHOR_ENTRY)
                else:
                    data = read_small(self._folder / ANCHOR_FILE)
                return None if data is None else _parsed_anchor(data)
            except DamagedError:
                return None
            except (UnreachableError, OSError) as problem:
                raise _unwritable() from problem

    def set_anchor(self, anchor: Anchor) -> None:
        """Tell the key store of the newest entry. Raises NotAvailable ("audit_unavailable")."""
        self.secret()
        with self._lock:
            if self._folder is None:
                self._anchor = anchor
                return
            try:
                self._put_anchor(anchor)
            except (UnreachableError, OSError) as problem:
                raise _unwritable() from problem

    # How the secret is found, or made

    def _found_or_made(self) -> bytes:
        assert self._folder is not None
        seed = self._quietly_found()
        if seed is not None:
            return seed
        prepare(self._folder)
        with locked(self._folder / LOCK_FILE):
            seed = self._quietly_found()
            return seed if seed is not None else self._made()

    def _quietly_found(self) -> bytes | None:
        """The seed that is there; None when there is none, or one that cannot be used any more."""
        assert self._folder is not None
        try:
            data = read_small(self._folder / KEY_FILE)
            if data is None:
                return None
            document = parse_document(data)
            if document["place"] == "keyring":
                return self._from_keyring()
            sealed = document["place"] == "passphrase"
            seed = opened_sealed(document, read_passphrase()) if sealed else opened_plain(document)
        except DamagedError:
            return None
        except OSError as problem:
            raise _unwritable() from problem
        self._settle(str(document["place"]))
        return seed

    def _from_keyring(self) -> bytes | None:
        try:
            keyring = self._reach_keyring()
            seed = keyring.get(SEED_ENTRY) if keyring is not None else None
        except (UnreachableError, DamagedError):
            return None
        if seed is None or len(seed) != SEED_BYTES:
            return None
        self._settle("keyring")
        return seed

    def _made(self) -> bytes:
        """A secret in the best place there is; an older file is kept aside. The lock is held."""
        assert self._folder is not None
        self._set_aside(self._folder / KEY_FILE)
        try:
            with contextlib.suppress(UnreachableError):
                keyring = self._reach_keyring()
                if keyring is not None:
                    return self._made_in(keyring)
            passphrase = read_passphrase()
            seed = secrets.token_bytes(SEED_BYTES)
            document = plain_document(seed) if passphrase is None else sealed_document(seed, passphrase)
            self._settle(str(document["place"]))
            if not (self._folder / ANCHOR_FILE).exists():
                self._put_anchor(EMPTY)
            self._write(document)
        except OSError as problem:
            raise _unwritable() from problem
        return seed

    def _made_in(self, keyring: KeyringPlace) -> bytes:
        """The seed that the keyring keeps for this folder already, or a new one; raises UnreachableError."""
        try:
            seed = keyring.get(SEED_ENTRY)
        except DamagedError:
            seed = None
        if seed is None or len(seed) != SEED_BYTES:
            seed = secrets.token_bytes(SEED_BYTES)
            keyring.put(SEED_ENTRY, seed)
        self._place = "keyring"
        with contextlib.suppress(DamagedError):
            if keyring.get(ANCHOR_ENTRY) is None:
                self._put_anchor(EMPTY)
        self._write(keyring_document())
        self._settle("keyring")
        return seed

    def _write(self, document: Mapping[str, Any]) -> None:
        assert self._folder is not None
        write_private(self._folder / KEY_FILE, json.dumps(document).encode("ascii"))

    def _put_anchor(self, anchor: Anchor) -> None:
        assert self._folder is not None
        document = {"seq": anchor.seq, "hash": anchor.hash.hex(), "at": anchor.at, "key": anchor.key}
        data = json.dumps(document).encode("ascii")
        if self._place == "keyring":
            assert self._keyring is not None
            self._keyring.put(ANCHOR_ENTRY, data)
        else:
            write_private(self._folder / ANCHOR_FILE, data)

    def _reach_keyring(self) -> KeyringPlace | None:
        if self._keyring is None:
            assert self._data_folder is not None
            backend = self._find_backend()
            self._keyring = None if backend is None else KeyringPlace(backend, self._data_folder)
        return self._keyring

    def _settle(self, place: str) -> None:
        self._place = place
        self._notice = (
            "" if place != "file" else "No keyring was found, so the key of the audit log lies in a file that only "
            f"your account can read. A passphrase can guard it: set {PASSPHRASE_VARIABLE} before the first start."
        )  # fmt: skip

    @staticmethod
    def _set_aside(path: Path) -> None:
        """Keep a key file that cannot be used any more beside the new one."""
        with contextlib.suppress(FileNotFoundError):
            path.replace(path.with_name(f"{path.name}.old-{secrets.token_hex(4)}"))


def prepare(folder: Path) -> None:
    """Make the records' folder, for its owner alone. Raises NotAvailable for a link in its place or when it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        linked = folder.is_symlink()
    except OSError as problem:
        raise _unwritable() from problem
    if linked:
        raise audit_unavailable(f"its folder {folder.name} is a link", "Remove the link and start again.")


def fingerprint(public: bytes) -> str:
    """A short name of a public key for people and reports."""
    return hashlib.sha256(public).hexdigest()[:16]


def _parsed_anchor(data: bytes) -> Anchor:
    try:
        document = json.loads(data)
        key = str(document["key"])
        anchor = Anchor(int(document["seq"]), bytes.fromhex(document["hash"]), int(document["at"]), key)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as problem:
        raise DamagedError from problem
    if anchor.seq < 0 or len(anchor.hash) != 32:
        raise DamagedError
    return anchor


def _unwritable() -> NotAvailable:
    return audit_unavailable(
        "its folder or the keyring cannot be used", "Make room on the disk, or make the program's folder writable."
    )
