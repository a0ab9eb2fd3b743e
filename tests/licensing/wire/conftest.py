"""Keys, a lease and its signed list, as a server and a device would have them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from outfitswap_desktop.licensing.wire.blobs import key_of, public_of
from outfitswap_desktop.licensing.wire.keylist import KeyList, ListedKey, read_key_list, sign_key_list
from outfitswap_desktop.licensing.wire.lease import Lease, genesis_of, sign_lease

NOW = 1_800_000_000_000
DAY = 86_400_000
LEASE_ID = "01JZZZZZZZZZZZZZZZZZZZZZZA"
ACCOUNT_ID = "01JZZZZZZZZZZZZZZZZZZZZZZB"
DEVICE_ID = "01JZZZZZZZZZZZZZZZZZZZZZZC"

ROOT = key_of(bytes(range(32)))
SERVER = key_of(bytes(range(1, 33)))
DEVICE = key_of(bytes(range(2, 34)))


def listed(*, version: int = 7, **changes: object) -> str:
    """A root-signed list with one lease key, "lease-1", and one token key."""
    from dataclasses import replace

    lease = replace(ListedKey("lease-1", "lease", public_of(SERVER), "active", NOW - DAY), **changes)
    token = ListedKey("token-1", "token", public_of(SERVER), "active", NOW - DAY)
    return sign_key_list({lease.kid: lease, token.kid: token}, ROOT, version=version, issued_at=NOW)


@dataclass(frozen=True)
class World:
    """What a device holds after it took credits along."""

    lease: Lease
    blob: str
    keys: KeyList


@pytest.fixture
def world() -> World:
    lease = Lease(
        kid="lease-1",
        lease_id=LEASE_ID,
        account_id=ACCOUNT_ID,
        device_id=DEVICE_ID,
        device_public_key=public_of(DEVICE),
        credits=10,
        genesis=genesis_of(LEASE_ID, ACCOUNT_ID, device_public_key=public_of(DEVICE), issued_at=NOW),
        issued_at=NOW,
        not_before=NOW,
        not_after=NOW + 7 * DAY,
        grace_until=NOW + 37 * DAY,
        server_time=NOW,
        prices={"sd15": 1, "sdxl": 2},
        prices_version=3,
        min_app_version="0.1.0",
    )
    return World(lease, sign_lease(lease, SERVER), read_key_list(listed(), public_of(ROOT), at_least_version=1))
