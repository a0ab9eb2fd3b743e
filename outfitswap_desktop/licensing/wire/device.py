"""Proof that a program holds a device's key: a short-lived, self-signed text with a nonce, made for one purpose."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from outfitswap_desktop.licensing.wire import fields
from outfitswap_desktop.licensing.wire.blobs import (
    BlobError,
    BlobKind,
    encode,
    open_blob,
    public_key,
    public_of,
    sign,
    unverified,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HOUR_MS: Final = 3_600_000
AHEAD_MS: Final = 24 * HOUR_MS
"""How far a device's clock may be ahead: a clock in the wrong time zone must not lock anyone out, and the nonce, not the
time, is what forbids a second use."""
MOST_AGE_MS: Final = {
    "sign-in": 24 * HOUR_MS,
    "lease": 24 * HOUR_MS,
    "reconcile": 24 * HOUR_MS,
    "offline": 30 * 24 * HOUR_MS,
}
"""How old a proof may be, by purpose; files are carried about for days."""


@dataclass(frozen=True, slots=True)
class DeviceProof:
    """What a device says of itself. Only the key is proven; the fingerprint is a hint, and label and the rest are words."""

    purpose: str
    public_key: bytes
    fingerprint: str
    label: str
    os: str
    app_version: str
    nonce: str
    at: int

    @property
    def expires_at(self) -> int:
        """Until when the nonce must be remembered: no later than this the proof is too old by itself."""
        return self.at + MOST_AGE_MS[self.purpose] + 1


def make_proof(
    key: Ed25519PrivateKey, *, purpose: str, fingerprint: str, label: str, os: str, app_version: str, now: int
) -> str:
    """A fresh proof, with a fresh nonce: one for each request, a repeated one included.

    `purpose` is a name in MOST_AGE_MS, `fingerprint` at most 64, `label` 80, `os` and `app_version` 40 characters.
    """
    if purpose not in MOST_AGE_MS:
        raise ValueError(f"{purpose!r} is no purpose of a device proof")
    members = {
        "v": 1,
        "purpose": purpose,
        "public_key": encode(public_of(key)),
        "fingerprint": fingerprint,
        "label": label,
        "os": os,
        "app_version": app_version,
        "nonce": secrets.token_hex(32),
        "at": now,
    }
    payload = fields.write(members)
    _read(payload)
    return sign(BlobKind.DEVICE_PROOF, payload, key)


def read_proof(blob: str, *, purpose: str, now: int) -> DeviceProof:
    """The proof, once signature, purpose and age are right; raises BlobError otherwise. The nonce is the server's to check."""
    proof = _read(unverified(BlobKind.DEVICE_PROOF, blob))
    open_blob(BlobKind.DEVICE_PROOF, blob, public_key(proof.public_key))
    if proof.purpose != purpose:
        raise BlobError("wrong_purpose", f'This device proof was made for "{proof.purpose}".')
    if not proof.at - AHEAD_MS <= now <= proof.at + MOST_AGE_MS[purpose]:
        raise BlobError("clock", "This device proof is too old, or the clock of the device is wrong.")
    return proof


def _read(payload: bytes) -> DeviceProof:
    found = fields.read(payload)
    proof = DeviceProof(
        purpose=found.text("purpose", most=20),
        public_key=found.key("public_key"),
        fingerprint=found.text("fingerprint", most=64, least=1),
        label=found.text("label", most=80, least=1),
        os=found.text("os", most=40, least=1),
        app_version=found.text("app_version", most=40),
        nonce=found.hex32("nonce"),
        at=found.number("at"),
    )
    if proof.purpose not in MOST_AGE_MS:
        raise BlobError("malformed", "This device proof has no known purpose.")
    return proof
