"""Signed texts of one line: a prefix that names the kind, a payload, and an Ed25519 signature over exactly these bytes.

What is signed is never written anew: whoever passes a blob on passes on its bytes. The kind is signed along, so that a text
of one kind never passes for one of another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_BYTES: Final = 32
"""Length of a seed and of a public key (RFC 8032)."""
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")
_SIGN_BIT: Final = 0x7F
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)
"""The encodings, sign bit aside, of the points whose order divides 8: with such a "key" a signature fits many messages
(the list is that of libsodium's ge25519_has_small_order)."""


class BlobKind(Enum):
    """A kind of blob: its prefix, the word that is signed along, and the most bytes of its payload."""

    LEASE = ("OSL1", "lease", 4096)
    RECEIPT = ("OSR1", "receipt", 1024)
    DEVICE_PROOF = ("OSD1", "device-proof", 1024)
    KEY_LIST = ("OSK1", "key-list", 6000)
    OFFLINE_REQUEST = ("OSQ1", "offline-request", 3072)
    OFFLINE_RECEIPTS = ("OSB1", "offline-receipts", 3072)

    def __init__(self, prefix: str, word: str, most_bytes: int) -> None:
        self.prefix = prefix
        self.word = word
        self.most_bytes = most_bytes

    @property
    def domain(self) -> bytes:
        """What stands before the payload in everything that is signed or hashed."""
        return f"outfitswap/{self.word}/v1\0".encode()


class BlobError(ValueError):
    """A blob that cannot be read or must not be believed.

    `reason` is a stable word: "malformed", "too_large", "wrong_kind", "bad_signature", "weak_key", "wrong_purpose", "clock",
    "unknown_key", "revoked_key", "older_list", "other_device", "not_yet", "expired".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def sign(kind: BlobKind, payload: bytes, key: Ed25519PrivateKey) -> str:
    """The blob of `payload`; raises BlobError when it is larger than its kind may be."""
    if len(payload) > kind.most_bytes:
        raise BlobError("too_large", f"A {kind.word} has at most {kind.most_bytes} bytes.")
    return f"{kind.prefix}.{encode(payload)}.{encode(key.sign(kind.domain + payload))}"


def open_blob(kind: BlobKind, text: str, public_key: Ed25519PublicKey) -> bytes:
    """The payload, once kind and signature are right; raises BlobError otherwise."""
    from cryptography.exceptions import InvalidSignature

    payload, signature = _parts(kind, text)
    try:
        public_key.verify(signature, kind.domain + payload)
    except InvalidSignature as error:
        raise BlobError("bad_signature", f"The signature of this {kind.word} is not right.") from error
    return payload


def unverified(kind: BlobKind, text: str) -> bytes:
    """The payload of a blob whose signature nobody has looked at: only to learn which key it asks to be checked with."""
    return _parts(kind, text)[0]


def digest(kind: BlobKind, payload: bytes) -> str:
    """SHA-256 of a payload with its kind, as 64 hex digits. Another signature over the same payload has the same digest."""
    return hashlib.sha256(kind.domain + payload).hexdigest()


def encode(raw: bytes) -> str:
    """Base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The inverse of `encode`, for its very output alone: no padding, no other alphabet, no stray last bits."""
    if not _BASE64URL.fullmatch(text):
        raise BlobError("malformed", "This is not base64url.")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise BlobError("malformed", "This is not base64url.") from error
    if encode(raw) != text:
        raise BlobError("malformed", "This is not base64url in its one form.")
    return raw


def new_key() -> Ed25519PrivateKey:
    """A fresh signing key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate()


def key_of(seed: bytes) -> Ed25519PrivateKey:
    """The signing key of a seed of 32 bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed)


def seed_of(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes from which `key_of` makes the key again: a secret."""
    return key.private_bytes_raw()


def public_of(key: Ed25519PrivateKey) -> bytes:
    """The public half, 32 bytes."""
    return key.public_key().public_bytes_raw()


def public_key(raw: bytes) -> Ed25519PublicKey:
    """The public key of 32 bytes; raises BlobError for a point with which a signature would prove nothing."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(raw) != KEY_BYTES:
        raise BlobError("malformed", f"A public key has {KEY_BYTES} bytes.")
    if raw[:-1] + bytes([raw[-1] & _SIGN_BIT]) in _SMALL_ORDER:
        raise BlobError("weak_key", "This public key proves nothing.")
    return Ed25519PublicKey.from_public_bytes(raw)


def fingerprint(raw: bytes) -> str:
    """How a public key is shown to people: the first 32 hex digits of its SHA-256, in groups of four."""
    digits = hashlib.sha256(raw).hexdigest()[:32]
    return " ".join(digits[place : place + 4] for place in range(0, len(digits), 4))


def _parts(kind: BlobKind, text: str) -> tuple[bytes, bytes]:
    if len(text) > len(kind.prefix) + 2 + (kind.most_bytes + 2) * 4 // 3 + 88:
        raise BlobError("too_large", f"A {kind.word} has at most {kind.most_bytes} bytes.")
    prefix, _, rest = text.partition(".")
    payload, dot, signature = rest.partition(".")
    if not dot:
        raise BlobError("malformed", "A signed text has three parts.")
    if prefix != kind.prefix:
        raise BlobError("wrong_kind", f"This is not a {kind.word}.")
    return decode(payload), decode(signature)
