"""This install's certificate: C2PA's profile, nobody's name, the same from the same key, and no clock unmakes it."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.safety.marks import certificate, native
from outfitswap_desktop.safety.marks.certificate import Certificate, issue
from tests.safety.marks.signing import Keys, ed, p256, pem

MAKERS = {"es256": p256, "ed25519": ed}
ROOT_X = 19067614988336607436829086105927181665604572575002965035515642270795696972685
ROOT_ED = "0f313e433bc8837acfa1a37e93278597d32a86f33dacee12a93f93b0302caa34"


def opened(made: Certificate) -> tuple[x509.Certificate, x509.Certificate]:
    leaf, root = x509.load_pem_x509_certificates(made.chain)
    assert x509.load_pem_x509_certificates(made.root) == [root]
    return leaf, root


def names(of: x509.Name) -> dict[str, str]:
    return {part.oid._name: part.value for part in of}


@pytest.mark.parametrize("kind", MAKERS)
def test_the_profile(kind):
    keys = MAKERS[kind]()
    made = issue(keys, now=datetime(2026, 11, 22, tzinfo=UTC))
    leaf, root = opened(made)
    assert (made.algorithm, made.year) == (kind, 2026)
    assert made.key == keys.kept
    assert leaf.version == root.version == x509.Version.v3
    assert names(leaf.subject) == {"organizationName": "OutfitSwap install", "commonName": "OutfitSwap install"}
    assert names(root.subject) == {"organizationName": "OutfitSwap install", "commonName": "OutfitSwap install root"}
    assert leaf.issuer == root.issuer == root.subject
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    own = load_pem_private_key(made.key, None).public_key()
    assert leaf.public_key() == own
    assert root.public_key() != own
    about = {extension.oid._name: (extension.critical, extension.value) for extension in (*leaf.extensions,)}
    assert set(about) == {
        "basicConstraints", "keyUsage", "extendedKeyUsage", "subjectKeyIdentifier", "authorityKeyIdentifier"
    }  # fmt: skip
    assert about["basicConstraints"] == (True, x509.BasicConstraints(ca=False, path_length=None))
    assert about["keyUsage"] == (True, x509.KeyUsage(True, *[False] * 8))
    usages = [oid.dotted_string for oid in about["extendedKeyUsage"][1]]
    assert usages == ["1.3.6.1.5.5.7.3.4", "1.3.6.1.4.1.62558.2.1"]
    above = {extension.oid._name: (extension.critical, extension.value) for extension in (*root.extensions,)}
    assert set(above) == {"basicConstraints", "keyUsage", "subjectKeyIdentifier"}
    assert above["basicConstraints"] == (True, x509.BasicConstraints(ca=True, path_length=0))
    assert above["keyUsage"] == (True, x509.KeyUsage(False, False, False, False, False, True, True, False, False))
    assert about["authorityKeyIdentifier"][1].key_identifier == above["subjectKeyIdentifier"][1].digest
    assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (
        datetime(2026, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)
    )  # fmt: skip
    assert (root.not_valid_before_utc, root.not_valid_after_utc) == (
        datetime(2026, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    )  # fmt: skip
    assert 0 < leaf.serial_number < 1 << 127
    assert leaf.serial_number != root.serial_number


def test_known_serial_numbers_and_chain():
    """The derivation is part of what old pictures are recognised by: it must never change."""
    made = issue(p256(), now=datetime(2026, 6, 1, tzinfo=UTC))
    leaf, root = opened(made)
    for said, about in ((leaf, b"leaf 2026"), (root, b"root")):
        point = said.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert said.serial_number == int.from_bytes(hashlib.sha256(about + point).digest()[:16], "big") >> 1 | 1
    assert root.public_key().public_numbers().x == ROOT_X
    assert opened(issue(ed()))[1].public_key().public_bytes_raw().hex() == ROOT_ED


@pytest.mark.parametrize("kind", MAKERS)
def test_the_same_key_and_year_give_the_same_bytes(kind):
    first = issue(MAKERS[kind](), now=datetime(2027, 1, 1, tzinfo=UTC))
    again = issue(MAKERS[kind](), now=datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert first == again
    assert first.is_current(datetime(2027, 5, 5, tzinfo=UTC))
    assert not first.is_current(datetime(2028, 1, 1, tzinfo=UTC))
    assert not first.is_current(datetime(2026, 12, 31, tzinfo=UTC))


@pytest.mark.parametrize("kind", MAKERS)
def test_a_new_year_renews_the_leaf_and_keeps_the_root(kind):
    old, new = (issue(MAKERS[kind](), now=datetime(year, 3, 1, tzinfo=UTC)) for year in (2026, 2027))
    assert old.root == new.root
    assert old.chain != new.chain
    assert opened(new)[0].not_valid_after_utc == datetime(2038, 1, 1, tzinfo=UTC)
    assert opened(old)[0].serial_number != opened(new)[0].serial_number


def test_years_are_counted_in_utc():
    east = timezone(timedelta(hours=9))
    assert issue(p256(), now=datetime(2027, 1, 1, 3, tzinfo=east)).year == 2026


def test_now_is_the_clocks():
    assert issue(p256()).year == datetime.now(UTC).year
    assert issue(p256()).is_current()


def test_other_keys_give_other_chains():
    seen = {issue(keys).root for keys in (p256(1), p256(2), ed(1), ed(2))}
    assert len(seen) == 4


@pytest.mark.parametrize("year", [1980, 2025, 2189, 2500])
def test_a_clock_that_cannot_be_is_refused(year):
    with pytest.raises(NotAvailable, match=f"the clock says {year}") as caught:
        issue(p256(), now=datetime(year, 6, 1, tzinfo=UTC))
    assert caught.value.reason == "marks_failed"


@pytest.mark.parametrize("year", [2026, 2188])
def test_the_first_and_the_last_year(year):
    leaf, root = opened(issue(p256(), now=datetime(year, 6, 1, tzinfo=UTC)))
    assert leaf.not_valid_after_utc.year == year + 11
    assert leaf.not_valid_after_utc < root.not_valid_after_utc


def bad_keys():
    yield "nothing", b""
    yield "no PEM", b"not a key"
    yield "another curve", pem(ec.generate_private_key(ec.SECP384R1()))
    yield "RSA", pem(rsa.generate_private_key(65537, 2048))
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    yield "locked", locked


@pytest.mark.parametrize(("name", "kept"), list(bad_keys()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_key_that_cannot_sign_is_refused(name, kept):
    with pytest.raises(NotAvailable, match="signing key") as caught:
        issue(Keys(kept))
    assert caught.value.reason == "marks_failed"
    assert caught.value.exit_code == 4
    assert b"KEY" not in str(caught.value).encode(), name


def test_the_private_key_is_not_shown():
    made = issue(p256())
    assert "PRIVATE" not in repr(made)
    assert b"PRIVATE" not in made.chain + made.root


def test_constants():
    assert certificate.NAME == "OutfitSwap install"
    assert certificate.YEARS == 10
    problem = native.failed("why")
    assert (problem.reason, problem.kind) == ("marks_failed", "not_available")
    assert "why" in problem.message
    assert problem.hint
