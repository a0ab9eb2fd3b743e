"""The one secret of an installation as a document: in the keyring (its name only), sealed with a passphrase, or plain."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

from outfitswap_desktop import private
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.private import PASSPHRASE_VARIABLE, SHORTEST_PASSPHRASE, DamagedError

SEED_BYTES: Final = 32


def audit_unavailable(why: str, hint: str) -> NotAvailable:
    """The refusal of everything that needs the records when they cannot be kept."""
    return NotAvailable(f"The audit log cannot be kept: {why}.", reason="audit_unavailable", hint=hint)


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
    """The passphrase that the user has named, None when none is named; raises NotAvailable ("audit_unavailable")."""
    hint = (
        f"Put a passphrase of at least {SHORTEST_PASSPHRASE} characters into the file that {PASSPHRASE_VARIABLE} names."
    )
    return private.read_passphrase(lambda why: audit_unavailable(why, hint))


def _stretched(passphrase: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Key (32 bytes) and proof (16 bytes, tells a wrong passphrase from a damaged file) from a passphrase."""
    made = private.stretched(passphrase, salt, count=64)
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
