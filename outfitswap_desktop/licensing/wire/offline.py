"""Files that carry credits to machines without a network and receipts back: each is one line of signed texts.

`.osreq`: a device asks for a lease. `.oslic`: the lease and the list of keys that proves it. `.osrcp`: a header of the
device and the receipts after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from outfitswap_desktop.licensing.wire import fields
from outfitswap_desktop.licensing.wire.blobs import BlobError, BlobKind, open_blob, public_key, sign, unverified
from outfitswap_desktop.licensing.wire.device import DeviceProof, read_proof
from outfitswap_desktop.licensing.wire.keylist import KeyList, read_key_list
from outfitswap_desktop.licensing.wire.lease import Lease, read_lease
from outfitswap_desktop.licensing.wire.receipts import Receipt, read_receipt

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

REQUEST_SUFFIX: Final = ".osreq"
LICENCE_SUFFIX: Final = ".oslic"
RECEIPTS_SUFFIX: Final = ".osrcp"
MOST_CHARACTERS: Final = 4 * 1024 * 1024
"""Of any of these files."""
MOST_FILE_RECEIPTS: Final = 5_000
"""In one file of receipts; what is more goes into the next."""
MOST_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class OfflineRequest:
    """A device asks for a lease of `credits` for `days` days under the id that it has made. `proof_blob` holds the nonce."""

    proof: DeviceProof
    proof_blob: str
    lease_id: str
    credits: int
    days: int


@dataclass(frozen=True, slots=True)
class OfflineLicence:
    """The answer: a lease that this device may use, and the list of keys, to be kept for its version."""

    lease: Lease
    lease_blob: str
    keys: KeyList
    keys_blob: str


@dataclass(frozen=True, slots=True)
class OfflineReceipts:
    """Receipts of one lease in order. `close`: the device has stopped using the lease and gives back what is left."""

    proof: DeviceProof
    proof_blob: str
    lease_id: str
    close: bool
    receipts: tuple[Receipt, ...]
    blobs: tuple[str, ...]


def make_request(key: Ed25519PrivateKey, *, proof: str, lease_id: str, credits: int, days: int) -> str:
    """The line of a `.osreq`; `proof` is a device proof of the same key for the purpose "offline"."""
    payload = fields.write({"v": 1, "proof": proof, "lease_id": lease_id, "credits": credits, "days": days})
    return sign(BlobKind.OFFLINE_REQUEST, payload, key) + "\n"


def read_request(text: str, *, now: int) -> OfflineRequest:
    """The request, once the device's signatures are right; raises BlobError."""
    (blob,) = _words(text, least=1, most=1)
    found, proof, proof_blob = _by_device(BlobKind.OFFLINE_REQUEST, blob, now)
    return OfflineRequest(
        proof=proof,
        proof_blob=proof_blob,
        lease_id=found.ulid("lease_id"),
        credits=found.number("credits", least=1, most=fields.MOST_CREDITS),
        days=found.number("days", least=1, most=MOST_DAYS),
    )


def make_licence(lease_blob: str, keys_blob: str) -> str:
    """The line of a `.oslic`."""
    return f"{lease_blob} {keys_blob}\n"


def read_licence(
    text: str, root_public: bytes, *, at_least_version: int, now: int | None, device_public_key: bytes
) -> OfflineLicence:
    """The lease in the file, once root, key and device are right; raises BlobError as `read_key_list` and `read_lease` do."""
    lease_blob, keys_blob = _words(text, least=2, most=2)
    keys = read_key_list(keys_blob, root_public, at_least_version=at_least_version)
    lease = read_lease(lease_blob, keys, now=now, device_public_key=device_public_key)
    return OfflineLicence(lease, lease_blob, keys, keys_blob)


def make_receipts(key: Ed25519PrivateKey, receipts: Sequence[str], *, proof: str, lease_id: str, close: bool) -> str:
    """The line of a `.osrcp`: `receipts` are blobs in order, at most 5,000; `proof` is one for the purpose "offline"."""
    if len(receipts) > MOST_FILE_RECEIPTS:
        raise BlobError("too_large", f"A file takes at most {MOST_FILE_RECEIPTS} receipts.")
    payload = fields.write({"v": 1, "proof": proof, "lease_id": lease_id, "close": close})
    return " ".join((sign(BlobKind.OFFLINE_RECEIPTS, payload, key), *receipts)) + "\n"


def read_receipts(text: str, *, now: int) -> OfflineReceipts:
    """The receipts, once every signature is right and all are of one lease; raises BlobError."""
    header, *blobs = _words(text, least=1, most=1 + MOST_FILE_RECEIPTS)
    found, proof, proof_blob = _by_device(BlobKind.OFFLINE_RECEIPTS, header, now)
    device = public_key(proof.public_key)
    return OfflineReceipts(
        proof=proof,
        proof_blob=proof_blob,
        lease_id=found.ulid("lease_id"),
        close=found.flag("close"),
        receipts=tuple(read_receipt(blob, device) for blob in blobs),
        blobs=tuple(blobs),
    )


def _by_device(kind: BlobKind, blob: str, now: int) -> tuple[fields.Fields, DeviceProof, str]:
    """The payload that the device of the proof inside has signed."""
    found = fields.read(unverified(kind, blob))
    proof_blob = found.text("proof", most=2048)
    proof = read_proof(proof_blob, purpose="offline", now=now)
    open_blob(kind, blob, public_key(proof.public_key))
    return found, proof, proof_blob


def _words(text: str, *, least: int, most: int) -> list[str]:
    if len(text) > MOST_CHARACTERS:
        raise BlobError("too_large", "This file is too large.")
    words = text.split()
    if not least <= len(words) <= most:
        raise BlobError("malformed", "This file does not hold what its name says.")
    return words
