"""Leases and lists of keys: what is believed, and what every thief of a byte, a key or an old list meets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outfitswap_desktop.licensing.wire import fields
from outfitswap_desktop.licensing.wire.blobs import BlobError, BlobKind, new_key, public_of, sign
from outfitswap_desktop.licensing.wire.keylist import (
    KeyList,
    ListedKey,
    read_key_list,
    root_fingerprint,
    sign_key_list,
)
from outfitswap_desktop.licensing.wire.lease import SKEW_MS, genesis_of, peek, read_lease, sign_lease
from tests.licensing.wire.conftest import ACCOUNT_ID, DEVICE, LEASE_ID, NOW, ROOT, SERVER, listed


def _refused(*arguments, **named) -> str:
    with pytest.raises(BlobError) as found:
        read_lease(*arguments, **named)
    return found.value.reason


def _keys(**changes: object) -> KeyList:
    return read_key_list(listed(**changes), public_of(ROOT), at_least_version=1)


def test_a_lease_is_read_as_it_was_signed(world) -> None:
    assert read_lease(world.blob, world.keys, now=NOW, device_public_key=public_of(DEVICE)) == world.lease
    assert peek(world.blob) == world.lease
    with pytest.raises(TypeError):
        peek(world.blob).prices["sd15"] = 0


def test_no_character_of_a_lease_can_be_changed(world) -> None:
    for place, character in enumerate(world.blob):
        for other in ("A", "b", "_", "."):
            if other != character:
                changed = world.blob[:place] + other + world.blob[place + 1 :]
                with pytest.raises(BlobError):
                    read_lease(changed, world.keys, now=NOW)


def test_a_lease_is_one_devices(world) -> None:
    other = public_of(new_key())
    assert _refused(world.blob, world.keys, now=NOW, device_public_key=other) == "other_device"
    swapped = sign_lease(replace(world.lease, device_public_key=other), new_key())
    assert _refused(swapped, world.keys, now=NOW, device_public_key=other) == "bad_signature"


def test_time_counts_before_a_hold_and_not_for_reporting(world) -> None:
    assert _refused(world.blob, world.keys, now=NOW - SKEW_MS - 1) == "not_yet"
    assert read_lease(world.blob, world.keys, now=NOW - SKEW_MS) == world.lease
    assert read_lease(world.blob, world.keys, now=world.lease.not_after) == world.lease
    assert _refused(world.blob, world.keys, now=world.lease.not_after + 1) == "expired"
    assert read_lease(world.blob, world.keys, now=None) == world.lease


def test_only_keys_of_the_list_for_leases_in_their_time(world) -> None:
    assert _refused(world.blob, _keys(state="revoked"), now=NOW) == "revoked_key"
    assert _refused(world.blob, _keys(kid="lease-2"), now=NOW) == "unknown_key"
    assert _refused(world.blob, _keys(public=public_of(new_key())), now=NOW) == "bad_signature"
    assert _refused(world.blob, _keys(state="retired", not_after=NOW - 1), now=NOW) == "unknown_key"
    by_token = sign_lease(replace(world.lease, kid="token-1"), SERVER)
    assert _refused(by_token, world.keys, now=NOW) == "unknown_key"
    for state in ("next", "retired"):
        assert read_lease(world.blob, _keys(state=state, not_after=NOW), now=NOW) == world.lease


def test_weak_keys_in_a_list_prove_nothing(world) -> None:
    assert _refused(world.blob, _keys(public=bytes([1]) + bytes(31)), now=NOW) == "weak_key"


def test_lists_only_go_forward() -> None:
    assert read_key_list(listed(version=7), public_of(ROOT), at_least_version=7).version == 7
    with pytest.raises(BlobError) as older:
        read_key_list(listed(version=6), public_of(ROOT), at_least_version=7)
    assert older.value.reason == "older_list"


def test_lists_are_the_roots_alone(world) -> None:
    stranger = new_key()
    forged = sign_key_list(dict(world.keys.keys), stranger, version=99, issued_at=NOW)
    with pytest.raises(BlobError) as found:
        read_key_list(forged, public_of(ROOT), at_least_version=1)
    assert found.value.reason == "bad_signature"
    assert world.keys.root_fingerprint == root_fingerprint(public_of(ROOT))
    blob = listed()
    for place in range(0, len(blob), 3):
        changed = blob[:place] + ("A" if blob[place] != "A" else "B") + blob[place + 1 :]
        with pytest.raises(BlobError):
            read_key_list(changed, public_of(ROOT), at_least_version=1)


def test_lists_of_unknown_words_are_refused() -> None:
    for purpose, state in (("webhook", "active"), ("lease", "resting")):
        key = ListedKey("k", purpose, public_of(SERVER), state, NOW)
        with pytest.raises(BlobError) as found:
            read_key_list(
                sign_key_list({"k": key}, ROOT, version=1, issued_at=NOW), public_of(ROOT), at_least_version=1
            )
        assert found.value.reason == "malformed"


def test_beginnings_differ() -> None:
    first = genesis_of(LEASE_ID, ACCOUNT_ID, device_public_key=public_of(DEVICE), issued_at=NOW)
    others = {
        genesis_of(ACCOUNT_ID, LEASE_ID, device_public_key=public_of(DEVICE), issued_at=NOW),
        genesis_of(LEASE_ID, ACCOUNT_ID, device_public_key=public_of(SERVER), issued_at=NOW),
        genesis_of(LEASE_ID, ACCOUNT_ID, device_public_key=public_of(DEVICE), issued_at=NOW + 1),
    }
    assert len(others | {first}) == 4
    assert len(first) == 64


@pytest.mark.parametrize(
    "changed",
    [
        {"credits": 0},
        {"credits": 1_000_001},
        {"credits": True},
        {"credits": "10"},
        {"lease_id": "x"},
        {"lease_id": LEASE_ID.lower()},
        {"device_public_key": "AAAA"},
        {"genesis": "00"},
        {"not_after": -1},
        {"not_after": 2**53 + 1},
        {"prices": {"sd15": 0.5}},
        {"prices": ["sd15"]},
        {"kid": ""},
        {"v": 2},
        {"min_app_version": "x" * 41},
    ],
)
def test_signed_nonsense_is_refused(world, changed) -> None:
    import json

    members = json.loads(_payload(world.blob)) | changed
    blob = sign(BlobKind.LEASE, fields.write(members), SERVER)
    assert _refused(blob, world.keys, now=NOW) == "malformed"


def test_a_newer_servers_members_are_passed_over(world) -> None:
    import json

    members = json.loads(_payload(world.blob)) | {"mood": "fine"}
    assert read_lease(sign(BlobKind.LEASE, fields.write(members), SERVER), world.keys, now=NOW) == world.lease


def _payload(blob: str) -> bytes:
    from outfitswap_desktop.licensing.wire.blobs import unverified

    return unverified(BlobKind.LEASE, blob)
