"""This install's own C2PA certificate: made from its signing key alone, so it needs no store and no clock can unmake it.

Every reader says "valid, not trusted" of what it signed: no listed authority knows it. It carries no person's and no
machine's name. All pictures of one install carry the same public key, which lets whoever has several tell that they are of
one install.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, Protocol

from outfitswap_desktop.safety.marks.native import failed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.x509 import Certificate as X509
    from cryptography.x509 import Name

    Key = EllipticCurvePrivateKey | Ed25519PrivateKey

NAME: Final = "OutfitSwap install"
NOT_BEFORE: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Before the first release: no clock that is set back by less than that makes a certificate "not yet valid"."""
YEARS: Final = 10
"""A picture is judged when it is read, and there is no time stamp: signed with a certificate of one year, every picture would
read "invalid" a year later. So each calendar year signs with a certificate of its own that holds ten years longer."""

_ROOT_UNTIL: Final = datetime(2200, 1, 1, tzinfo=UTC)
_LAST_YEAR: Final = _ROOT_UNTIL.year - YEARS - 2
_EMAIL_PROTECTION: Final = "1.3.6.1.5.5.7.3.4"
_CLAIM_SIGNING: Final = "1.3.6.1.4.1.62558.2.1"
"""C2PA's own key usage; the other one is what readers from before it ask for (c2pa-rs 0.91 still does)."""


class SigningKeys(Protocol):
    """What is needed of records.keys.Keys: the leaf's private key, PKCS8 PEM, P-256 or Ed25519, the same at every call."""

    def signing_key(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Certificate:
    """A chain (PEM, leaf first, then root), its private key (PKCS8 PEM), and the root alone, which all years share."""

    chain: bytes
    root: bytes
    key: bytes = field(repr=False)
    algorithm: Literal["es256", "ed25519"]
    year: int

    def is_current(self, now: datetime | None = None) -> bool:
        """Whether this is the certificate of the calendar year of `now` (UTC; default the clock)."""
        return self.year == _moment(now).year


def issue(keys: SigningKeys, *, now: datetime | None = None) -> Certificate:
    """The certificate for the calendar year of `now` (default the clock): the same key and year give the same bytes.

    Takes 1 to 2 ms. Raises NotAvailable ("marks_failed") for a key that is none of the two kinds, and for a clock before
    2026 or after 2188.
    """
    year = _moment(now).year
    if not NOT_BEFORE.year <= year <= _LAST_YEAR:
        raise failed(f"the clock says {year}, which cannot be")
    pem = keys.signing_key()
    key, algorithm = _loaded(pem)
    above = _root_key(key)
    root = _signed(
        above, above, issuer=f"{NAME} root", subject=f"{NAME} root", until=_ROOT_UNTIL, about=b"root", authority=True
    )
    leaf = _signed(
        key,
        above,
        issuer=f"{NAME} root",
        subject=NAME,
        until=datetime(year + YEARS + 1, 1, 1, tzinfo=UTC),
        about=b"leaf %d" % year,
        authority=False,
    )
    chain = _pem(leaf) + _pem(root)
    return Certificate(chain=chain, root=_pem(root), key=pem, algorithm=algorithm, year=year)


def _moment(now: datetime | None) -> datetime:
    return (now or datetime.now(UTC)).astimezone(UTC)


def _loaded(pem: bytes) -> tuple[Key, Literal["es256", "ed25519"]]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except Exception as problem:
        raise failed("the signing key cannot be read") from problem
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key, "ed25519"
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key, "es256"
    raise failed("the signing key is of a kind that C2PA does not take")


def _root_key(key: Key) -> Key:
    """The authority's key, derived from the leaf's (HKDF, RFC 5869): nothing more has to be kept, or can be lost."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    def derived(secret: bytes, length: int) -> bytes:
        return HKDF(hashes.SHA256(), length, salt=None, info=b"outfitswap c2pa root 1").derive(secret)

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return ed25519.Ed25519PrivateKey.from_private_bytes(derived(key.private_bytes_raw(), 32))
    secret = key.private_numbers().private_value.to_bytes(32, "big")
    order = key.curve.group_order
    return ec.derive_private_key(int.from_bytes(derived(secret, 48), "big") % (order - 1) + 1, ec.SECP256R1())


def _signed(
    key: Key, signer: Key, *, issuer: str, subject: str, until: datetime, about: bytes, authority: bool
) -> X509:
    """One X.509 v3 certificate after C2PA's profile (specification 2.2, section 14.5)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = key.public_key()
    point = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(int.from_bytes(hashlib.sha256(about + point).digest()[:16], "big") >> 1 | 1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if not authority:
        purposes = [x509.ObjectIdentifier(_EMAIL_PROTECTION), x509.ObjectIdentifier(_CLAIM_SIGNING)]
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        return builder.sign(signer, hashes.SHA256(), ecdsa_deterministic=True)
    return builder.sign(signer, None)


def _name(common: str) -> Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, NAME), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _pem(certificate: X509) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)
