"""The server's public keys, signed by a root key that stays offline: with it keys change without a new program."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from outfitswap_desktop.licensing.wire import fields
from outfitswap_desktop.licensing.wire.blobs import BlobError, BlobKind, encode, open_blob, public_key, sign

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Purpose = Literal["lease", "token"]
State = Literal["next", "active", "retired", "revoked"]
MOST_KEYS: Final = 30


@dataclass(frozen=True, slots=True)
class ListedKey:
    """One key. Signatures of "next" and "retired" ones count as those of the "active" one; of "revoked" ones never.

    `not_after`: what was signed later is not believed (None: no end is set yet).
    """

    kid: str
    purpose: Purpose
    public: bytes
    state: State
    created_at: int
    not_after: int | None = None


@dataclass(frozen=True, slots=True)
class KeyList:
    """All keys of a server. A higher `version` replaces a lower one, never the other way round."""

    version: int
    issued_at: int
    keys: Mapping[str, ListedKey]
    root_fingerprint: str

    def verifier(self, kid: str, purpose: Purpose, *, signed_at: int) -> Ed25519PublicKey:
        """The key to check a signature of `signed_at` with.

        Raises BlobError: "unknown_key" (also for another purpose, or signed after the key's end), "revoked_key".
        """
        key = self.keys.get(kid)
        if key is not None and key.purpose == purpose and key.state == "revoked":
            raise BlobError("revoked_key", "This was signed with a key that has been revoked.")
        if key is None or key.purpose != purpose or (key.not_after is not None and signed_at > key.not_after):
            raise BlobError("unknown_key", "This was signed with a key that the server's list does not name.")
        return public_key(key.public)


def root_fingerprint(root_public: bytes) -> str:
    """SHA-256 of a root key, 64 hex digits."""
    return hashlib.sha256(root_public).hexdigest()


def sign_key_list(keys: Mapping[str, ListedKey], root: Ed25519PrivateKey, *, version: int, issued_at: int) -> str:
    """The root-signed list of `keys` by their kid."""
    rows = [
        {
            "kid": key.kid,
            "purpose": key.purpose,
            "public": encode(key.public),
            "state": key.state,
            "created_at": key.created_at,
            "not_after": key.not_after or 0,
        }
        for key in keys.values()
    ]
    return sign(
        BlobKind.KEY_LIST, fields.write({"v": 1, "version": version, "issued_at": issued_at, "keys": rows}), root
    )


def read_key_list(blob: str, root_public: bytes, *, at_least_version: int) -> KeyList:
    """The list, once the root's signature is right; raises BlobError, "older_list" below `at_least_version`."""
    found = fields.read(open_blob(BlobKind.KEY_LIST, blob, public_key(root_public)))
    keys = {row.kid: row for row in (_read(one) for one in found.objects("keys", most=MOST_KEYS))}
    version = found.number("version", least=1)
    if version < at_least_version:
        raise BlobError("older_list", "This list of keys is older than the one already known.")
    return KeyList(
        version=version,
        issued_at=found.number("issued_at"),
        keys=MappingProxyType(keys),
        root_fingerprint=root_fingerprint(root_public),
    )


def _read(found: fields.Fields) -> ListedKey:
    purpose, state = found.text("purpose", most=10), found.text("state", most=10)
    if purpose not in get_args(Purpose) or state not in get_args(State):
        raise BlobError("malformed", "A key has no known purpose or state.")
    return ListedKey(
        kid=found.text("kid", most=40, least=1),
        purpose=cast("Purpose", purpose),
        public=found.key("public"),
        state=cast("State", state),
        created_at=found.number("created_at"),
        not_after=found.number("not_after") or None,
    )
