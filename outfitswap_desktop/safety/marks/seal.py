"""The last step of every picture that leaves: encoded, marked in XMP, signed, and all of it read back from the bytes.

What cannot be read back is not handed out: NotAvailable with the reason "marks_failed".
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.container import BadPictureError, PictureFormat
from outfitswap_desktop.core.encode import encode, thumbnail
from outfitswap_desktop.core.headers import open_container
from outfitswap_desktop.safety.marks import manifest, native, xmp
from outfitswap_desktop.safety.marks.certificate import Certificate

LOSSLESS_WEBP: Final = 100
"""The quality at which core.encode writes WebP without loss."""
MOST_HISTORY: Final = 4 << 20
"""Largest store of manifests that a result takes over from its source, in bytes: a kept history is a few kB an edit."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read back from the bytes.

    `kinds` of "xmp", "c2pa", "pixels" (lossless: every pixel as handed in; else: signing changed no byte of the picture) and,
    where a payload was given, "mark". `source`: whether the source's own manifest was "kept", "left_out" (it would have made
    ours invalid, or over 4 MB) or there was "none".
    """

    kinds: tuple[str, ...]
    result: str
    mark: str | None
    source: Literal["kept", "left_out", "none"]


def seal(
    pixels: RGB,
    format: PictureFormat,
    *,
    certificate: Certificate,
    result_id: str,
    kind: str = "result",
    engine: str | None = None,
    payload: bytes | None = None,
    mask: Mask | None = None,
    source: bytes | None = None,
    icc: bytes | None = None,
    exif: bytes | None = None,
    xmp_packet: bytes | None = None,
    quality: int = 95,
    keep_metadata: bool = True,
) -> tuple[bytes, Facts]:
    """The file's bytes for `pixels` (H, W, 3), with all marks, and what was read back of them.

    `payload` is what the invisible mark in `pixels` says, None where they carry none, and `mask` (H, W) where it lies: it is
    found sooner then. `source` is the photo's file, whose own manifest is kept; `result_id`, `kind` and `engine` are one word
    each. With `keep_metadata` False neither EXIF, nor the source's XMP, nor its manifest go along; the marks do. The rest is
    core.encode's. Raises NotAvailable ("marks_failed").
    """
    if not keep_metadata:
        exif = xmp_packet = source = None
    mark = None if payload is None else payload.hex()
    packet = xmp.marked(xmp_packet, result_id=result_id, mark=mark)

    def encoded() -> bytes:
        return encode(pixels, format=format, icc=icc, exif=exif, xmp=packet, quality=quality, keep_metadata=True)

    lossless = format == "PNG" or (format == "WEBP" and quality == LOSSLESS_WEBP)
    wanted = _Wanted(
        result_id, mark, packet, icc=icc, exif=exif, pixels=pixels if lossless else None, payload=payload, mask=mask
    )
    return _signed(
        encoded, format, wanted, certificate=certificate, facts=_facts(wanted, kind, engine=engine), source=source
    )


def seal_thumbnail(
    pixels: RGB,
    *,
    certificate: Certificate,
    result_id: str,
    side: int = 256,
    icc: bytes | None = None,
    kind: str = "thumbnail",
) -> tuple[bytes, Facts]:
    """core.encode's small WebP in sRGB with XMP and manifest: about 5 kB more than its 20 kB. No invisible mark is read."""
    packet = xmp.marked(None, result_id=result_id)

    def encoded() -> bytes:
        return with_xmp(thumbnail(pixels, side=side, icc=icc), packet)

    wanted = _Wanted(result_id, None, packet, icc=None, exif=None, pixels=None, payload=None, mask=None)
    return _signed(
        encoded, "WEBP", wanted, certificate=certificate, facts=_facts(wanted, kind, engine=None), source=None
    )


def with_xmp(webp: bytes, packet: bytes) -> bytes:
    """A simple lossy WebP (one VP8 chunk) as an extended one with an XMP chunk (RFC 9649, section 2.7)."""
    if webp[:4] != b"RIFF" or webp[8:16] != b"WEBPVP8 ":
        raise ValueError("not a simple lossy WebP")
    width, height = (size & 0x3FFF for size in struct.unpack_from("<HH", webp, 26))
    head: bytes = b"\x04\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = b"VP8X" + struct.pack("<I", len(head)) + head + webp[12:]
    chunks += b"XMP " + struct.pack("<I", len(packet)) + packet + b"\0" * (len(packet) & 1)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """What the finished bytes must say; `pixels` where they are kept without loss."""

    result: str
    mark: str | None
    packet: bytes
    icc: bytes | None
    exif: bytes | None
    pixels: RGB | None
    payload: bytes | None
    mask: Mask | None


def _facts(wanted: _Wanted, kind: str, *, engine: str | None) -> dict[str, str]:
    said = {"result": wanted.result, "mark": wanted.mark, "engine": engine, "kind": kind}
    return {name: word for name, word in said.items() if word is not None}


def _signed(
    encoded: Callable[[], bytes],
    format: PictureFormat,
    wanted: _Wanted,
    *,
    certificate: Certificate,
    facts: dict[str, str],
    source: bytes | None,
) -> tuple[bytes, Facts]:
    plain = encoded()
    digest = None if wanted.pixels is not None else _picture(plain)[0]  # lossless: the pixels themselves are compared
    signed = manifest.sign(plain, format, certificate=certificate, facts=facts, source=source)
    reading = manifest.read(signed, format, certificate=certificate)
    kept: Literal["kept", "left_out", "none"] = "kept" if reading.ingredients else "none"
    if reading.ingredients and (not _holds(reading, wanted) or len(signed) - len(plain) > MOST_HISTORY):
        signed = manifest.sign(plain, format, certificate=certificate, facts=facts)
        reading = manifest.read(signed, format, certificate=certificate)
        kept = "left_out"
    del plain  # a photo of 12 MP has 20 MB here, and its pixels are read back below
    if not _holds(reading, wanted):
        raise native.failed(f"its content credentials read back as {reading.state} ({reading.reason})")
    kinds = ["c2pa", *_read_back(signed, wanted, digest=digest)]
    return signed, Facts(tuple(kinds), wanted.result, wanted.mark, kept)


def _holds(reading: manifest.ManifestReading, wanted: _Wanted) -> bool:
    said = (reading.result, reading.mark, reading.source_type)
    return reading.valid and reading.this_install is True and said == (wanted.result, wanted.mark, xmp.COMPOSITE)


def _read_back(signed: bytes, wanted: _Wanted, *, digest: str | None) -> list[str]:
    """The kinds of marks found in the finished bytes beside C2PA; raises NotAvailable unless all are there."""
    found, packet, icc, exif = _picture(signed)
    said = xmp.read(packet)
    marks = (said.digital_source_type, said.result, said.mark)
    if packet != wanted.packet or not said.valid or marks != (xmp.COMPOSITE, wanted.result, wanted.mark):
        raise native.failed("the XMP packet did not read back")
    if icc != wanted.icc or (exif or b"").removeprefix(b"Exif\0\0") != (wanted.exif or b""):
        raise native.failed("its metadata did not read back")
    if digest is not None and found != digest:
        raise native.failed("signing changed the picture itself")
    kinds = ["xmp", "pixels"]
    if wanted.pixels is None and wanted.payload is None:
        return kinds
    decoded = cv2.imdecode(np.frombuffer(signed, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if decoded is None:
        raise native.failed("the finished file cannot be decoded")
    if wanted.pixels is not None and not _same(decoded.astype(np.uint8, copy=False), wanted.pixels):
        raise native.failed("its pixels did not read back as they were")
    if wanted.payload is not None:
        if not _carries(decoded.astype(np.uint8, copy=False), wanted.payload, mask=wanted.mask):
            raise native.failed("the invisible mark did not read back; a higher quality keeps it")
        kinds.append("mark")
    return kinds


def _carries(decoded: RGB, payload: bytes, *, mask: Mask | None) -> bool:
    """Whether the invisible mark reads as `payload`: where it was put, else by searching the picture."""
    from outfitswap_desktop.safety.marks import invisible

    if mask is not None and invisible.read(decoded, near=mask) == payload:
        return True
    return invisible.read(decoded) == payload


def _same(decoded: RGB, pixels: RGB) -> bool:
    """cv2.norm compares without a third array of the picture's size."""
    return decoded.shape == pixels.shape and cv2.norm(decoded, pixels, cv2.NORM_INF) == 0


def _picture(file: bytes) -> tuple[str, bytes | None, bytes | None, bytes | None]:
    """SHA-256 of the parts that make the pixels, and the file's XMP, ICC profile and EXIF."""
    try:
        container = open_container(file, lambda width, height: None)
    except BadPictureError as problem:
        raise native.failed("the finished file cannot be taken apart") from problem
    return hashlib.sha256(container.stream).hexdigest(), container.xmp, container.icc, container.exif
