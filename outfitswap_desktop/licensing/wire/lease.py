"""A lease: credits that the server has set aside for one device, signed, to be spent without a network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.licensing.wire import fields
from outfitswap_desktop.licensing.wire.blobs import BlobError, BlobKind, encode, open_blob, sign, unverified
from outfitswap_desktop.licensing.wire.keylist import KeyList

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SKEW_MS: Final = 10 * 60_000
"""How far behind the server's a device's clock may be before a new lease counts as not begun."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What the server promised. Times are milliseconds since 1970 UTC.

    New holds are made from `not_before` to `not_after`; receipts are charged until `grace_until`, then what is left goes back
    to the account by itself. `genesis` is what the first receipt names as the one before it. `prices`: credits for one image
    by engine.
    """

    kid: str
    lease_id: str
    account_id: str
    device_id: str
    device_public_key: bytes
    credits: int
    genesis: str
    issued_at: int
    not_before: int
    not_after: int
    grace_until: int
    server_time: int
    prices: Mapping[str, int]
    prices_version: int
    min_app_version: str = ""
    v: int = 1


def genesis_of(lease_id: str, account_id: str, *, device_public_key: bytes, issued_at: int) -> str:
    """The hash with which the chain of a lease's receipts begins: no two leases share one."""
    text = f"outfitswap/genesis/v1\0{lease_id}\0{account_id}\0{device_public_key.hex()}\0{issued_at}"
    return hashlib.sha256(text.encode()).hexdigest()


def sign_lease(lease: Lease, key: Ed25519PrivateKey) -> str:
    """The lease as a blob; `key` must be the one that `lease.kid` names."""
    members: dict[str, Any] = {
        "v": lease.v,
        "kid": lease.kid,
        "lease_id": lease.lease_id,
        "account_id": lease.account_id,
        "device_id": lease.device_id,
        "device_public_key": encode(lease.device_public_key),
        "credits": lease.credits,
        "genesis": lease.genesis,
        "issued_at": lease.issued_at,
        "not_before": lease.not_before,
        "not_after": lease.not_after,
        "grace_until": lease.grace_until,
        "server_time": lease.server_time,
        "prices": dict(lease.prices),
        "prices_version": lease.prices_version,
        "min_app_version": lease.min_app_version,
    }
    return sign(BlobKind.LEASE, fields.write(members), key)


def read_lease(blob: str, keys: KeyList, *, now: int | None, device_public_key: bytes | None = None) -> Lease:
    """The lease, once a key of the list has signed it.

    With `now` it must also be within its time ("not_yet", "expired"): so before a hold. None reads it at any time: so for
    settling and reporting. With `device_public_key` it must be that device's ("other_device"). Raises BlobError.
    """
    claimed = peek(blob)
    open_blob(BlobKind.LEASE, blob, keys.verifier(claimed.kid, "lease", signed_at=claimed.server_time))
    if device_public_key is not None and claimed.device_public_key != device_public_key:
        raise BlobError("other_device", "These credits were taken along by another device.")
    if now is not None and now < claimed.not_before - SKEW_MS:
        raise BlobError("not_yet", "This lease has not begun: is this machine's clock right?")
    if now is not None and now > claimed.not_after:
        raise BlobError("expired", "The time of this lease is over.")
    return claimed


def peek(blob: str) -> Lease:
    """The lease as it claims to be, its signature not looked at: for whoever made or has checked it before."""
    found = fields.read(unverified(BlobKind.LEASE, blob))
    return Lease(
        kid=found.text("kid", most=40, least=1),
        lease_id=found.ulid("lease_id"),
        account_id=found.ulid("account_id"),
        device_id=found.ulid("device_id"),
        device_public_key=found.key("device_public_key"),
        credits=found.number("credits", least=1, most=fields.MOST_CREDITS),
        genesis=found.hex32("genesis"),
        issued_at=found.number("issued_at"),
        not_before=found.number("not_before"),
        not_after=found.number("not_after"),
        grace_until=found.number("grace_until"),
        server_time=found.number("server_time"),
        prices=MappingProxyType(found.credits_by_name("prices")),
        prices_version=found.number("prices_version"),
        min_app_version=found.text("min_app_version", most=40),
    )
