"""Receipts and their chain: whatever is done in whatever order, credits add up and nothing follows that should not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitswap_desktop.licensing.wire.blobs import BlobError, BlobKind, sign, unverified
from outfitswap_desktop.licensing.wire.receipts import (
    Chain,
    ChainError,
    Receipt,
    begin,
    payload_of,
    read_receipt,
    receipt_hash,
    sign_receipt,
)
from tests.licensing.wire.conftest import DEVICE, LEASE_ID, NOW, SERVER

DIGEST = "ab" * 32


def _refused(chain: Chain, receipt: Receipt) -> str:
    with pytest.raises(ChainError) as found:
        chain.after(receipt)
    return found.value.reason


def test_a_receipt_is_read_as_it_was_signed(world) -> None:
    chain = begin(world.lease)
    for kind, digest in (("hold", ""), ("commit", DIGEST)):
        receipt = chain.next(kind, "jöb", credits=2, at=NOW, output_sha256=digest)
        assert read_receipt(sign_receipt(receipt, DEVICE), DEVICE.public_key()) == receipt
        chain = chain.after(receipt)
    assert (chain.seq, chain.spent, chain.left) == (2, 2, 8)


def test_only_the_device_signs(world) -> None:
    receipt = begin(world.lease).next("hold", "a", credits=1, at=NOW)
    with pytest.raises(BlobError) as found:
        read_receipt(sign_receipt(receipt, SERVER), DEVICE.public_key())
    assert found.value.reason == "bad_signature"


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "refund"},
        {"seq": 0},
        {"seq": 100_001},
        {"prev": "00"},
        {"job_id": ""},
        {"job_id": "x" * 81},
        {"job_id": "a\0"},
        {"credits": 0},
        {"credits": -1},
        {"credits": 10**7},
        {"at": -1},
        {"output_sha256": DIGEST},
        {"kind": "commit"},
        {"kind": "commit", "output_sha256": "ab"},
        {"kind": "void"},
        {"kind": "void", "credits": 0, "output_sha256": DIGEST},
        {"lease_id": "x"},
    ],
)
def test_receipts_that_nobody_reads_are_not_signed(world, changed) -> None:
    receipt = replace(begin(world.lease).next("hold", "a", credits=1, at=NOW), **changed)
    with pytest.raises(BlobError) as signing:
        sign_receipt(receipt, DEVICE)
    with pytest.raises(BlobError) as reading:
        read_receipt(sign(BlobKind.RECEIPT, payload_of(receipt), DEVICE), DEVICE.public_key())
    assert signing.value.reason == reading.value.reason == "malformed"


def test_a_receipt_has_one_writing(world) -> None:
    receipt = begin(world.lease).next("hold", "ü", credits=1, at=NOW)
    payload = payload_of(receipt)
    others = [payload.replace(b"\\u00fc", "ü".encode()), payload.replace(b",", b", "), payload[:-1] + b',"x":1}']
    for other in others:
        with pytest.raises(BlobError) as found:
            read_receipt(sign(BlobKind.RECEIPT, other, DEVICE), DEVICE.public_key())
        assert found.value.reason == "malformed"
    assert unverified(BlobKind.RECEIPT, sign_receipt(receipt, DEVICE)) == payload


def test_what_cannot_follow(world) -> None:
    start = begin(world.lease)
    hold = start.next("hold", "a", credits=4, at=NOW)
    chain = start.after(hold)
    cases = {
        "other_lease": replace(chain.next("void", "a", credits=0, at=NOW), lease_id=LEASE_ID[:-1] + "9"),
        "gap": replace(chain.next("void", "a", credits=0, at=NOW), seq=3),
        "fork": replace(chain.next("void", "a", credits=0, at=NOW), prev=start.head),
        "overdrawn": chain.next("hold", "b", credits=7, at=NOW),
        "no_hold": chain.next("void", "b", credits=0, at=NOW),
        "second_hold": chain.next("hold", "a", credits=1, at=NOW),
    }
    for reason, receipt in cases.items():
        assert _refused(chain, receipt) == reason
    assert _refused(chain, hold) == "fork"
    assert _refused(chain, chain.next("commit", "a", credits=5, at=NOW, output_sha256=DIGEST)) == "overdrawn"


def test_a_job_may_be_tried_again_after_it_was_given_up(world) -> None:
    chain = begin(world.lease)
    for kind, credits in (("hold", 10), ("void", 0), ("hold", 10), ("commit", 4), ("hold", 6)):
        digest = DIGEST if kind == "commit" else ""
        chain = chain.after(chain.next(kind, "a", credits=credits, at=NOW, output_sha256=digest))
    assert (chain.spent, chain.held, chain.left) == (4, 6, 0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["hold", "commit", "void"]), st.integers(0, 3), st.integers(0, 12)), max_size=40
)


@given(STEPS)
def test_credits_add_up_after_any_steps(steps) -> None:
    """Against a bare reckoning: what is accepted, and what stays, for any steps of four jobs over ten credits."""
    chain = Chain(LEASE_ID, 10, "0" * 64)
    holds: dict[str, int] = {}
    spent = 0
    for kind, job, credits in steps:
        name = f"j{job}"
        amount = 0 if kind == "void" else credits
        receipt = chain.next(kind, name, credits=amount, at=NOW, output_sha256=DIGEST if kind == "commit" else "")
        if kind == "hold":
            fits = name not in holds and 1 <= amount <= 10 - spent - sum(holds.values())
        else:
            fits = name in holds and amount <= holds[name]
        if not fits:
            with pytest.raises(ChainError):
                chain.after(receipt)
            continue
        before, chain = chain, chain.after(receipt)
        if kind == "hold":
            holds[name] = amount
        else:
            del holds[name]
            spent += amount
        assert (chain.seq, chain.head) == (before.seq + 1, receipt_hash(receipt))
        assert (chain.spent, dict(chain.holds)) == (spent, holds)
        assert chain.left == 10 - spent - sum(holds.values()) >= 0


@given(st.integers(0, 3), st.integers(0, 4))
def test_every_member_is_in_the_hash(place: int, change: int) -> None:
    chain = Chain(LEASE_ID, 10, "0" * 64)
    receipt = replace(chain.next("commit", "a", credits=3, at=NOW, output_sha256=DIGEST), seq=place + 1)
    changes = [{"seq": place + 2}, {"prev": "1" * 64}, {"job_id": "b"}, {"credits": 2}, {"output_sha256": "cd" * 32}]
    assert receipt_hash(receipt) != receipt_hash(replace(receipt, **changes[change]))
    assert receipt_hash(receipt) != receipt_hash(replace(receipt, at=NOW + 1))
