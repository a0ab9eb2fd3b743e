"""Device proofs: by the key inside, for one purpose, fresh."""

from __future__ import annotations

import json

import pytest

from outfitswap_desktop.licensing.wire import fields
from outfitswap_desktop.licensing.wire.blobs import BlobError, BlobKind, encode, public_of, sign, unverified
from outfitswap_desktop.licensing.wire.device import AHEAD_MS, MOST_AGE_MS, make_proof, read_proof
from tests.licensing.wire.conftest import DAY, DEVICE, NOW, SERVER


def _proof(*, purpose: str = "lease", now: int = NOW, **words: str) -> str:
    said = {"fingerprint": "f" * 64, "label": "Ateliér", "os": "Windows 11", "app_version": "0.1.0"} | words
    return make_proof(DEVICE, purpose=purpose, now=now, **said)


def _refused(blob: str, *, purpose: str = "lease", now: int = NOW) -> str:
    with pytest.raises(BlobError) as found:
        read_proof(blob, purpose=purpose, now=now)
    return found.value.reason


def test_a_proof_names_its_key_and_its_words() -> None:
    proof = read_proof(_proof(), purpose="lease", now=NOW)
    assert proof.public_key == public_of(DEVICE)
    assert (proof.label, proof.os, proof.app_version) == ("Ateliér", "Windows 11", "0.1.0")
    assert proof.expires_at == NOW + DAY + 1
    assert read_proof(_proof(), purpose="lease", now=NOW).nonce != proof.nonce


def test_a_proof_is_for_one_purpose() -> None:
    for purpose in MOST_AGE_MS:
        for other in MOST_AGE_MS:
            if other != purpose:
                assert _refused(_proof(purpose=purpose), purpose=other) == "wrong_purpose"
    with pytest.raises(ValueError, match="no purpose"):
        _proof(purpose="anything")


@pytest.mark.parametrize("purpose", sorted(MOST_AGE_MS))
def test_a_proof_is_fresh(purpose: str) -> None:
    oldest, newest = NOW - MOST_AGE_MS[purpose], NOW + AHEAD_MS
    assert read_proof(_proof(purpose=purpose, now=oldest), purpose=purpose, now=NOW).at == oldest
    assert read_proof(_proof(purpose=purpose, now=newest), purpose=purpose, now=NOW).at == newest
    assert _refused(_proof(purpose=purpose, now=oldest - 1), purpose=purpose) == "clock"
    assert _refused(_proof(purpose=purpose, now=newest + 1), purpose=purpose) == "clock"


def test_the_nonce_outlives_the_proof() -> None:
    """Once the server may forget the nonce, the proof is too old by itself."""
    proof = read_proof(_proof(), purpose="lease", now=NOW)
    assert _refused(_proof(), purpose="lease", now=proof.expires_at) == "clock"


def test_no_character_can_be_changed_and_no_key_swapped() -> None:
    blob = _proof()
    for place, character in enumerate(blob):
        changed = blob[:place] + ("A" if character != "A" else "B") + blob[place + 1 :]
        with pytest.raises(BlobError):
            read_proof(changed, purpose="lease", now=NOW)
    members = json.loads(unverified(BlobKind.DEVICE_PROOF, blob)) | {"public_key": encode(public_of(SERVER))}
    assert _refused(sign(BlobKind.DEVICE_PROOF, fields.write(members), DEVICE)) == "bad_signature"
    weak = members | {"public_key": encode(bytes([1]) + bytes(31))}
    assert _refused(sign(BlobKind.DEVICE_PROOF, fields.write(weak), DEVICE)) == "weak_key"
    unknown = members | {"purpose": "fun", "public_key": encode(public_of(DEVICE))}
    assert _refused(sign(BlobKind.DEVICE_PROOF, fields.write(unknown), DEVICE)) == "malformed"


@pytest.mark.parametrize(
    "words", [{"label": ""}, {"label": "x" * 81}, {"os": "x" * 41}, {"fingerprint": "x" * 65}, {"label": "a\0b"}]
)
def test_words_that_do_not_fit_are_refused_where_they_are_made(words) -> None:
    with pytest.raises(BlobError):
        _proof(**words)
