"""The three files of a machine without a network, read by the other side."""

from __future__ import annotations

import pytest

from outfitswap_desktop.licensing.wire import offline
from outfitswap_desktop.licensing.wire.blobs import BlobError, new_key, public_of
from outfitswap_desktop.licensing.wire.device import make_proof
from outfitswap_desktop.licensing.wire.receipts import begin, sign_receipt
from tests.licensing.wire.conftest import DEVICE, LEASE_ID, NOW, ROOT, SERVER, listed


def _proof(key=DEVICE, *, purpose: str = "offline") -> str:
    return make_proof(key, purpose=purpose, fingerprint="f", label="Keller", os="Linux", app_version="1", now=NOW)


def _reason(reading) -> str:
    with pytest.raises(BlobError) as found:
        reading()
    return found.value.reason


def test_a_request_is_one_line_and_read_again() -> None:
    text = offline.make_request(DEVICE, proof=_proof(), lease_id=LEASE_ID, credits=5, days=30)
    assert text.count("\n") == 1
    assert len(text) < 2000
    request = offline.read_request(f"\n  {text}\r\n", now=NOW)
    assert (request.lease_id, request.credits, request.days) == (LEASE_ID, 5, 30)
    assert request.proof.public_key == public_of(DEVICE)


def test_a_request_is_the_devices_own() -> None:
    other = offline.make_request(new_key(), proof=_proof(), lease_id=LEASE_ID, credits=5, days=3)
    assert _reason(lambda: offline.read_request(other, now=NOW)) == "bad_signature"
    wrong = offline.make_request(DEVICE, proof=_proof(purpose="lease"), lease_id=LEASE_ID, credits=5, days=3)
    assert _reason(lambda: offline.read_request(wrong, now=NOW)) == "wrong_purpose"
    for credits, days in ((0, 3), (5, 0), (5, 31)):
        text = offline.make_request(DEVICE, proof=_proof(), lease_id=LEASE_ID, credits=credits, days=days)
        assert _reason(lambda text=text: offline.read_request(text, now=NOW)) == "malformed"
    text = offline.make_request(DEVICE, proof=_proof(), lease_id=LEASE_ID, credits=5, days=3)
    for place in range(0, len(text) - 1, 5):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(BlobError):
            offline.read_request(changed, now=NOW)


def test_a_licence_brings_lease_and_keys(world) -> None:
    text = offline.make_licence(world.blob, listed())

    def read(**changes: object) -> offline.OfflineLicence:
        wanted = {"at_least_version": 1, "now": NOW, "device_public_key": public_of(DEVICE)} | changes
        return offline.read_licence(text, public_of(ROOT), **wanted)

    licence = read()
    assert (licence.lease, licence.keys, licence.lease_blob) == (world.lease, world.keys, world.blob)
    assert _reason(lambda: read(at_least_version=8)) == "older_list"
    assert _reason(lambda: read(device_public_key=public_of(SERVER))) == "other_device"
    assert _reason(lambda: read(now=world.lease.not_after + 1)) == "expired"
    one = world.blob + "\n"
    assert (
        _reason(
            lambda: offline.read_licence(
                one, public_of(ROOT), at_least_version=1, now=NOW, device_public_key=public_of(DEVICE)
            )
        )
        == "malformed"
    )


def test_receipts_follow_their_header(world) -> None:
    chain = begin(world.lease)
    receipt = chain.next("hold", "a", credits=1, at=NOW)
    blob = sign_receipt(receipt, DEVICE)
    text = offline.make_receipts(DEVICE, [blob], proof=_proof(), lease_id=LEASE_ID, close=True)
    found = offline.read_receipts(text, now=NOW)
    assert (found.receipts, found.blobs, found.close) == ((receipt,), (blob,), True)
    empty = offline.make_receipts(DEVICE, [], proof=_proof(), lease_id=LEASE_ID, close=False)
    assert offline.read_receipts(empty, now=NOW).receipts == ()
    foreign = offline.make_receipts(
        DEVICE, [sign_receipt(receipt, SERVER)], proof=_proof(), lease_id=LEASE_ID, close=False
    )
    assert _reason(lambda: offline.read_receipts(foreign, now=NOW)) == "bad_signature"


def test_files_have_a_size() -> None:
    assert _reason(lambda: offline.read_request("x" * (offline.MOST_CHARACTERS + 1), now=NOW)) == "too_large"
    assert _reason(lambda: offline.read_receipts("a " * (offline.MOST_FILE_RECEIPTS + 2), now=NOW)) == "malformed"
    assert _reason(lambda: offline.read_receipts(" ", now=NOW)) == "malformed"
    assert (
        _reason(lambda: offline.make_receipts(DEVICE, ["x"] * 5001, proof=_proof(), lease_id=LEASE_ID, close=False))
        == "too_large"
    )
