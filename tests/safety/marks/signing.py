"""Keys, chains and pictures for the tests of the marks."""

from __future__ import annotations

import functools
import io
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from outfitswap_desktop.safety.marks import native
from outfitswap_desktop.safety.marks.certificate import Certificate, issue

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
FORMATS = tuple(TYPES)


def pem(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Keys:
    """What records.keys.Keys gives, without a store."""

    kept: bytes

    def signing_key(self) -> bytes:
        return self.kept


def p256(number: int = 0x1234567) -> Keys:
    return Keys(pem(ec.derive_private_key(number, ec.SECP256R1())))


def ed(number: int = 7) -> Keys:
    return Keys(pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)))


def install(number: int = 0x1234567) -> Certificate:
    return issue(p256(number))


def forged(
    *, until: timedelta = timedelta(days=300), usage: str = "1.3.6.1.5.5.7.3.4", extra: bytes = b"", serial=None
):
    """A chain of somebody else's that uses our names: (certificate for signing, its root)."""
    above, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def name(common):
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "OutfitSwap install"),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )

    def made(public, common, authority):
        return (
            x509.CertificateBuilder()
            .subject_name(name(common))
            .issuer_name(name("OutfitSwap install root"))
            .public_key(public)
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(authority, 0 if authority else None), critical=True)
            .add_extension(
                x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), critical=False)
        )

    root = made(above.public_key(), "OutfitSwap install root", True).sign(above, hashes.SHA256())
    leaf = made(key.public_key(), "OutfitSwap install", False)
    leaf = leaf.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage)]), critical=False)
    chain = leaf.sign(above, hashes.SHA256()).public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM) + extra
    return Certificate(
        chain=chain, root=root.public_bytes(Encoding.PEM), key=pem(key), algorithm="es256", year=now.year
    )


def picture(seed: int = 0, size=(96, 128)) -> np.ndarray:
    """Smooth colours with some noise (H, W, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    waves = [np.sin(rows / rng.uniform(5, 30) + columns / rng.uniform(5, 30)) for _ in range(3)]
    noise = rng.normal(0, 3, (*size, 3))
    return np.clip(np.stack(waves, -1) * 90 + 128 + noise, 0, 255).astype(np.uint8)


@functools.cache
def profile() -> bytes:
    """sRGB's; made once, because it says when it was made."""
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif() -> bytes:
    from PIL import Image

    block = Image.Exif()
    block[0x010F] = "Camera maker"
    block[0x0112] = 1
    return block.tobytes().removeprefix(b"Exif\0\0")


def foreign(
    file: bytes, format: str, certificate: Certificate, definition: dict, settings: dict | None = None
) -> bytes:
    """`file` signed as another program would, with a manifest and settings of its own."""
    c2pa = native.library()
    with (
        c2pa.Context.from_dict(settings or {"builder": {"thumbnail": {"enabled": False}}}) as context,
        c2pa.Signer.from_info(
            c2pa.C2paSignerInfo(certificate.algorithm, certificate.chain, certificate.key, None)
        ) as signer,
    ):
        signed = io.BytesIO()
        c2pa.Builder(definition, context).sign(signer, TYPES[format], io.BytesIO(file), signed)
    return signed.getvalue()


CREATED = {
    "claim_generator_info": [{"name": "Some Camera", "version": "3"}],
    "title": "IMG_0042.JPG",
    "assertions": [
        {
            "label": "c2pa.actions.v2",
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
                    }
                ]
            },
        }
    ],
}


def store_of(file: bytes, format: str) -> tuple[int, int]:
    """Where the store of manifests lies in one of our files: [start, end) of its chunk or segments."""
    if format == "PNG":
        at = file.index(b"caBX") - 4
        return at, at + 12 + struct.unpack_from(">I", file, at)[0]
    if format == "WEBP":
        at = file.index(b"C2PA")
        length = struct.unpack_from("<I", file, at + 4)[0]
        return at, at + 8 + length + (length & 1)
    at = end = file.index(b"\xff\xeb")
    while file[end : end + 2] == b"\xff\xeb":
        end += 2 + struct.unpack_from(">H", file, end + 2)[0]
    return at, end


def parts_of(file: bytes, format: str) -> list[tuple[int, int]]:
    """The chunks or segments of one of our files, in order, as [start, end); of a JPEG the scan is one of them."""
    found = []
    if format == "PNG":
        found.append((0, 8))
        at = 8
        while at < len(file):
            end = at + 12 + struct.unpack_from(">I", file, at)[0]
            found.append((at, end))
            at = end
    elif format == "WEBP":
        found.append((0, 12))
        at = 12
        while at < len(file):
            length = struct.unpack_from("<I", file, at + 4)[0]
            end = min(len(file), at + 8 + length + (length & 1))
            found.append((at, end))
            at = end
    else:
        found.append((0, 2))
        at = 2
        while file[at + 1] != 0xDA:
            end = at + 2 + struct.unpack_from(">H", file, at + 2)[0]
            found.append((at, end))
            at = end
        found += [(at, len(file) - 2), (len(file) - 2, len(file))]
    return found
