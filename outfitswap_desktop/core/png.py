"""Walks a PNG's chunks (W3C PNG, third edition) without decoding and keeps those that make the pixels; inserts chunks."""

from __future__ import annotations

import struct
import zlib

from outfitswap_desktop.core.container import (
    MAX_ICC_BYTES,
    MAX_METADATA_BYTES,
    NOTE_ANIMATED,
    NOTE_ICC_DAMAGED,
    NOTE_METADATA_DROPPED,
    NOTE_NO_COLOURS,
    BadPictureError,
    Container,
    SizeCheck,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_MAX_CHUNKS = 100_000
_KINDS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""Colour type to allowed bit depths (section 11.2.1)."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PIECE = 1 << 20
_READ = frozenset({b"tRNS", b"iCCP", b"eXIf", b"iTXt", b"zTXt", b"tEXt", b"cICP", b"gAMA", b"sRGB"})
_SRGB_CODES = b"\x01\x0d"
"""cICP's colour primaries and transfer function of sRGB (ITU-T H.273)."""
_XMP_KEY = b"XML:com.adobe.xmp"
_RAW_EXIF_KEYS = frozenset({b"Raw profile type exif", b"Raw profile type APP1"})


class _Walk:
    """What has been gathered so far on the way through one file."""

    def __init__(self, data: bytes) -> None:
        self.view = memoryview(data)
        self.header = b""
        self.depth = 8
        self.colour = 0
        self.size = (0, 0)
        self.palette: bytes | None = None
        self.transparency: bytes | None = None
        self.pixels: tuple[int, int] | None = None
        self.pixel_bytes = 0
        self.icc: bytes | None = None
        self.exif: bytes | None = None
        self.xmp: bytes | None = None
        self.says_srgb = False
        self.says_other = False
        self.notes: dict[str, None] = {}

    def read_header(self, body: bytes, check_size: SizeCheck) -> None:
        """IHDR: size and kind of the picture."""
        if len(body) != 13:
            raise BadPictureError("damaged")
        width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", body)
        if not 0 < width < 2**31 or not 0 < height < 2**31:
            raise BadPictureError("damaged")
        check_size(width, height)
        if depth not in _KINDS.get(colour, set()) or compression or filtering or interlace > 1:
            raise BadPictureError("damaged")
        self.header, self.size, self.depth, self.colour = body, (width, height), depth, colour

    def take(self, kind: bytes, body: memoryview) -> None:
        """An ancillary chunk whose checksum is right."""
        if kind == b"tRNS":
            self.transparency = bytes(body[:256])
        elif kind == b"iCCP":
            self.icc = self._profile(body)
        elif kind == b"sRGB":
            self.says_srgb = True
        elif kind == b"cICP":
            self.says_other |= bytes(body[:2]) != _SRGB_CODES
        elif kind == b"gAMA":
            # 45,455 is sRGB's; what lies within a twentieth of it is the same, roughly stated
            self.says_other |= len(body) == 4 and abs(struct.unpack(">I", body)[0] - 45_455) > 2_300
        elif kind == b"eXIf":
            self.exif = self._bounded(body)
        elif kind == b"iTXt" and bytes(body[: len(_XMP_KEY) + 1]) == _XMP_KEY + b"\0":
            self.xmp = self._international(body[len(_XMP_KEY) + 1 :])
        elif kind in {b"zTXt", b"tEXt"} and self.exif is None:
            key, _, _ = bytes(body[:80]).partition(b"\0")
            if key in _RAW_EXIF_KEYS:
                self.exif = self._raw_profile(body[len(key) + 1 :], packed=kind == b"zTXt")

    def _bounded(self, body: memoryview) -> bytes | None:
        if len(body) > MAX_METADATA_BYTES:
            self.notes[NOTE_METADATA_DROPPED] = None
            return None
        return bytes(body)

    def _inflated(self, packed: memoryview, limit: int, *, note: str) -> bytes | None:
        """Unpack at most `limit` bytes; more, or damage, is None and said."""
        inflater = zlib.decompressobj()
        try:
            plain = inflater.decompress(packed, limit + 1)
        except zlib.error:
            plain = b""
        if not inflater.eof or len(plain) > limit:
            self.notes[note] = None
            return None
        return plain

    def _profile(self, body: memoryview) -> bytes | None:
        name, found, _ = bytes(body[:80]).partition(b"\0")
        if not found or bytes(body[len(name) + 1 : len(name) + 2]) != b"\0":
            self.notes[NOTE_ICC_DAMAGED] = None
            return None
        return self._inflated(body[len(name) + 2 :], MAX_ICC_BYTES, note=NOTE_ICC_DAMAGED)

    def _international(self, body: memoryview) -> bytes | None:
        """The text of an iTXt chunk after its keyword: flag, method, language, translated keyword, text."""
        if len(body) > MAX_METADATA_BYTES:
            return self._bounded(body)
        parts = bytes(body[2:]).split(b"\0", 2)
        if len(parts) != 3:
            self.notes[NOTE_METADATA_DROPPED] = None
            return None
        if body[0] == 0:
            return parts[2]
        return self._inflated(memoryview(parts[2]), MAX_METADATA_BYTES, note=NOTE_METADATA_DROPPED)

    def _raw_profile(self, body: memoryview, *, packed: bool) -> bytes | None:
        """EXIF as ImageMagick writes it into a text chunk: a name line, a length line, then hexadecimal digits."""
        limit, note = MAX_METADATA_BYTES, NOTE_METADATA_DROPPED
        text = self._inflated(body[1:], limit, note=note) if packed else self._bounded(body)
        lines = (text or b"").split(b"\n", 3)
        try:
            return bytes.fromhex(b"".join(lines[3].split()).decode("ascii")) if len(lines) == 4 else None
        except ValueError:
            return None

    def done(self) -> Container:
        """The picture without its wrappings."""
        if self.pixels is None or self.pixel_bytes == 0 or (self.colour == 3 and self.palette is None):
            raise BadPictureError("damaged")
        parts: list[bytes | memoryview] = [SIGNATURE, chunk(b"IHDR", self.header)]
        if self.colour == 3 and self.palette is not None:
            parts.append(chunk(b"PLTE", self.palette))
        parts += [self.view[self.pixels[0] : self.pixels[1]], chunk(b"IEND", b"")]
        if self.says_other and not self.says_srgb and self.icc is None:
            self.notes[NOTE_NO_COLOURS] = None
        return Container(
            format="PNG",
            size=self.size,
            stream=b"".join(parts),
            depth=self.depth,
            palette=self.palette if self.colour == 3 else None,
            transparency=self.transparency if self.colour in {0, 2, 3} else None,
            icc=self.icc,
            exif=self.exif,
            xmp=self.xmp,
            notes=tuple(self.notes),
        )


def walk(data: bytes, check_size: SizeCheck) -> Container:
    """Take the PNG `data` apart; of an APNG the default picture, whatever follows IEND left out.

    Raises BadPictureError: truncated (no IEND), damaged (a wrong checksum where it matters, chunks out of order), too many
    chunks. A wrong checksum of a profile or of metadata only costs that chunk.
    """
    found = _Walk(data)
    position = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if position + 12 > len(data):
            raise BadPictureError("truncated")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if not kind.isalpha():
            raise BadPictureError("damaged")
        if end > len(data):
            raise BadPictureError("truncated")
        if not found.header and kind != b"IHDR":
            raise (
                BadPictureError("unsupported", what="a PNG made for iPhone programs")
                if kind == b"CgBI"
                else (BadPictureError("damaged"))
            )
        body = found.view[position + 8 : end - 4]
        _one_chunk(found, kind, body, span=(position, end), check_size=check_size)
        if kind == b"IEND":
            return found.done()
        position = end
    raise BadPictureError("bomb")


def _one_chunk(found: _Walk, kind: bytes, body: memoryview, *, span: tuple[int, int], check_size: SizeCheck) -> None:
    critical = not kind[0] & 0x20
    if not critical and kind not in _READ:
        if kind == b"acTL":
            found.notes[NOTE_ANIMATED] = None
        return
    start, end = span
    right = zlib.crc32(found.view[start + 4 : end - 4]) == struct.unpack_from(">I", found.view, end - 4)[0]
    if not right and (critical or kind == b"tRNS"):
        raise BadPictureError("damaged")
    if not critical:
        if right:
            found.take(kind, body)
        elif kind in {b"iCCP", b"eXIf"}:
            found.notes[NOTE_ICC_DAMAGED if kind == b"iCCP" else NOTE_METADATA_DROPPED] = None
    elif kind == b"IHDR":
        if found.header:
            raise BadPictureError("damaged")
        found.read_header(bytes(body), check_size)
    elif kind == b"PLTE":
        if found.palette is not None or found.pixels is not None or len(body) % 3 or not 3 <= len(body) <= 768:
            raise BadPictureError("damaged")
        found.palette = bytes(body)
    elif kind == b"IDAT":
        if found.pixels is not None and found.pixels[1] != start:
            raise BadPictureError("damaged")
        found.pixels = (start if found.pixels is None else found.pixels[0], end)
        found.pixel_bytes += len(body)
    elif kind != b"IEND":
        raise BadPictureError("damaged")


def is_complete(stream: bytes) -> bool:
    """Whether the pixel chunks of a walked PNG unpack to all of its rows; unpacks in pieces and keeps none of them."""
    width, height, depth, colour, *_, interlaced = struct.unpack_from(">IIBBBBB", stream, len(SIGNATURE) + 8)
    wanted = _unpacked_size(width, height, bits=depth * _CHANNELS[colour], interlaced=bool(interlaced))
    inflater = zlib.decompressobj()
    position = len(SIGNATURE)
    while wanted > 0 and position < len(stream):
        length, kind = struct.unpack_from(">I4s", stream, position)
        packed: bytes | memoryview = (
            memoryview(stream)[position + 8 : position + 8 + length] if kind == b"IDAT" else b""
        )
        while len(packed) and wanted > 0 and not inflater.eof:
            wanted -= len(inflater.decompress(packed, _PIECE))
            packed = inflater.unconsumed_tail
        position += 12 + length
    while wanted > 0 and not inflater.eof and (rest := inflater.decompress(inflater.unconsumed_tail, _PIECE)):
        wanted -= len(rest)
    return wanted <= 0


def _unpacked_size(width: int, height: int, *, bits: int, interlaced: bool) -> int:
    """Bytes of all rows with their filter bytes (section 9.2; Adam7 passes of section 8.1)."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    total = 0
    for x, y, step_x, step_y in passes if interlaced else [(0, 0, 1, 1)]:
        wide, high = -((x - width) // step_x), -((y - height) // step_y)
        total += high * (1 + (wide * bits + 7) // 8) if wide > 0 else 0
    return total


def chunk(kind: bytes, body: bytes) -> bytes:
    """One PNG chunk: length, kind, body, checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def with_metadata(picture: bytes, *, icc: bytes | None, exif: bytes | None, xmp: bytes | None) -> bytes:
    """The PNG `picture` with iCCP, eXIf and iTXt (XMP) chunks put in right behind its header, where readers expect them."""
    head = len(SIGNATURE) + 25
    extra = b""
    if icc is not None:
        extra += chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc, 6))
    if exif is not None:
        extra += chunk(b"eXIf", exif)
    if xmp is not None:
        extra += chunk(b"iTXt", _XMP_KEY + b"\0\0\0\0\0" + xmp)
    return b"".join((memoryview(picture)[:head], extra, memoryview(picture)[head:]))
