"""Walks a JPEG's segments (ITU-T T.81 annex B) without decoding and keeps those that make the pixels."""

from __future__ import annotations

import re

from outfitswap_desktop.core.container import (
    MAX_ICC_BYTES,
    MAX_METADATA_BYTES,
    MAX_PIXELS,
    NOTE_ICC_DAMAGED,
    NOTE_METADATA_DROPPED,
    NOTE_NO_HDR,
    BadPictureError,
    Container,
    SizeCheck,
)

_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")

_MAX_SEGMENTS = 5_000
_MAX_SCANS = 100
_MAX_SCANNED_PIXELS = 12 * MAX_PIXELS
"""Each scan passes over the whole picture: 12 scans at 50 MP (encoders write 10), more for smaller pictures."""

_FRAMES_READ = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PIXEL_SEGMENTS = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD})
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"
_GAIN_MAP = b"urn:iso:std:iso:ts:21496"


class _Walk:
    """What has been gathered so far on the way through one file."""

    def __init__(self, data: bytes, check_size: SizeCheck) -> None:
        self.data = data
        self.view = memoryview(data)
        self.check_size = check_size
        self.kept: list[memoryview | bytes] = [b"\xff\xd8"]
        self.size: tuple[int, int] | None = None
        self.adobe = False
        self.components = 0
        self.scans = 0
        self.icc: list[bytes] = []
        self.icc_bytes = 0
        self.exif: bytes | None = None
        self.xmp: bytes | None = None
        self.notes: list[str] = []

    def frame(self, start: int, end: int, *, marker: int) -> None:
        """A start-of-frame segment whose payload is data[start:end]."""
        if self.size is not None or end - start < 6:
            raise BadPictureError("damaged")
        precision = self.data[start]
        height = int.from_bytes(self.data[start + 1 : start + 3], "big")
        width = int.from_bytes(self.data[start + 3 : start + 5], "big")
        self.components = self.data[start + 5]
        if width == 0 or height == 0 or end - start != 6 + 3 * self.components:
            raise BadPictureError("damaged")
        self.check_size(width, height)
        if marker not in _FRAMES_READ or self.components not in {1, 3, 4}:
            raise BadPictureError("unsupported", what="an unusual kind of JPEG")
        if precision != 8:
            raise BadPictureError("unsupported", what=f"a JPEG with {precision} bits per channel")
        self.size = (width, height)

    def scan(self, start: int) -> int:
        """A start-of-scan segment at `start` (its marker): keep it with its entropy-coded bytes; returns where they end."""
        if self.size is None:
            raise BadPictureError("damaged")
        self.scans += 1
        if self.scans > _MAX_SCANS or self.scans * self.size[0] * self.size[1] > _MAX_SCANNED_PIXELS:
            raise BadPictureError("bomb")
        found = _MARKER_IN_SCAN.search(self.data, start + 2)
        if found is None:
            raise BadPictureError("truncated")
        self.kept.append(self.view[start : found.start()])
        return found.start()

    def application(self, marker: int, start: int, end: int, *, payload: int) -> None:
        """An APPn segment data[start:end] with its payload from `payload` on: take what is carried, keep what decodes."""
        head = self.data[payload : payload + len(_XMP)]
        if marker == _APP0 and head.startswith(b"JFIF\0"):
            self.kept.append(self.view[start:end])
        elif marker == _APP14 and head.startswith(b"Adobe") and end - payload >= 12:
            self.adobe = True
            self.kept.append(self.view[start:end])
        elif marker == _APP1 and head.startswith(_EXIF):
            self.exif = self.exif or self.data[payload + len(_EXIF) : end]
        elif marker == _APP1 and head.startswith(_XMP):
            self.xmp = self.xmp or self.data[payload + len(_XMP) : end]
        elif marker == _APP2 and head.startswith(_ICC) and self.icc_bytes <= MAX_ICC_BYTES:
            self.icc.append(self.data[payload + len(_ICC) : end])
            self.icc_bytes += end - payload
        elif marker == _APP2 and head.startswith(_GAIN_MAP):
            self.notes.append(NOTE_NO_HDR)

    def profile(self) -> bytes | None:
        """The colour profile put together from its numbered parts (ICC.1:2022 B.4)."""
        if not self.icc:
            return None
        parts = sorted((part for part in self.icc if len(part) > 2), key=lambda part: part[0])
        numbers = [part[0] for part in parts]
        if numbers != list(range(1, len(parts) + 1)) or len(parts) != len(self.icc) or parts[0][1] != len(parts):
            self.notes.append(NOTE_ICC_DAMAGED)
            return None
        return b"".join(part[2:] for part in parts)

    def done(self) -> Container:
        """The picture without its wrappings."""
        if self.size is None or self.scans == 0:
            raise BadPictureError("damaged")
        self.kept.append(b"\xff\xd9")
        if self.exif is not None and len(self.exif) > MAX_METADATA_BYTES:
            self.exif = None
            self.notes.append(NOTE_METADATA_DROPPED)
        return Container(
            format="JPEG",
            size=self.size,
            stream=b"".join(self.kept),
            inverted=self.adobe,
            icc=self.profile(),
            exif=self.exif,
            xmp=self.xmp,
            notes=tuple(self.notes),
        )


def walk(data: bytes, check_size: SizeCheck) -> Container:
    """Take the JPEG `data` (from its SOI on) apart; whatever follows its end marker is left out.

    Raises BadPictureError: truncated (no end marker), damaged, unsupported (12-bit, lossless, hierarchical), too many scans.
    """
    walk_ = _Walk(data, check_size)
    position = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            raise BadPictureError("truncated")
        start, marker = found.start(), data[found.end() - 1]
        if marker == _EOI:
            return walk_.done()
        if marker in _STANDALONE:
            position = found.end()
            continue
        if marker == _SOI:
            raise BadPictureError("damaged")
        payload = found.end() + 2
        end = found.end() + int.from_bytes(data[found.end() : payload], "big")
        if end > len(data) or payload > len(data):
            raise BadPictureError("truncated")
        if end < payload:
            raise BadPictureError("damaged")
        position = end
        if marker in _FRAMES:
            walk_.frame(payload, end, marker=marker)
            walk_.kept.append(walk_.view[start:end])
        elif marker == _SOS:
            position = walk_.scan(start)
        elif marker in _PIXEL_SEGMENTS:
            walk_.kept.append(walk_.view[start:end])
        else:
            walk_.application(marker, start, end, payload=payload)
    raise BadPictureError("bomb")
