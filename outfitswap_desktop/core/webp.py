"""Walks a WebP's chunks (RFC 9649) without decoding and keeps the first frame."""

from __future__ import annotations

import struct

from outfitswap_desktop.core.container import (
    MAX_ICC_BYTES,
    MAX_METADATA_BYTES,
    NOTE_ANIMATED,
    NOTE_ICC_DAMAGED,
    NOTE_METADATA_DROPPED,
    BadPictureError,
    Container,
    SizeCheck,
)

_MAX_CHUNKS = 100_000
_FRAME_HEADER = 16
_PIXELS = frozenset({b"VP8 ", b"VP8L"})


class _Walk:
    """What has been gathered so far on the way through one file."""

    def __init__(self, data: bytes, check_size: SizeCheck) -> None:
        self.data = data
        self.view = memoryview(data)
        self.check_size = check_size
        self.canvas: tuple[int, int] | None = None
        self.place = (0, 0)
        self.alpha: tuple[int, int] | None = None
        self.transparent = False
        self.pixels: tuple[bytes, int, int] | None = None
        self.frame: tuple[int, int] | None = None
        self.icc: bytes | None = None
        self.exif: bytes | None = None
        self.xmp: bytes | None = None
        self.notes: dict[str, None] = {}

    def canvas_header(self, start: int, end: int) -> None:
        """VP8X: flags and the canvas size."""
        if self.canvas is not None or end - start < 10:
            raise BadPictureError("damaged")
        width = 1 + int.from_bytes(self.data[start + 4 : start + 7], "little")
        height = 1 + int.from_bytes(self.data[start + 7 : start + 10], "little")
        self.check_size(width, height)
        self.canvas = (width, height)

    def bitstream(self, kind: bytes, start: int, end: int) -> None:
        """VP8 or VP8L: the picture itself; its own header says its size."""
        head = self.data[start : min(end, start + 10)]
        if kind == b"VP8 ":
            if len(head) < 10 or head[3:6] != b"\x9d\x01\x2a":
                raise BadPictureError("damaged")
            wide, high = struct.unpack_from("<HH", head, 6)
            size = (wide & 0x3FFF, high & 0x3FFF)
        else:
            if len(head) < 5 or head[0] != 0x2F:
                raise BadPictureError("damaged")
            bits = int.from_bytes(head[1:5], "little")
            size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
            self.transparent = bool(bits >> 28 & 1)
        if self.canvas is None:
            self.check_size(*size)
            self.canvas = size
        inside = all(at + side <= whole for at, side, whole in zip(self.place, size, self.canvas, strict=True))
        if 0 in size or not inside or (self.frame or size) != size:
            raise BadPictureError("damaged")
        self.frame = size
        self.pixels = (kind, start, end)

    def first_frame(self, start: int, end: int) -> None:
        """ANMF: where the frame lies on the canvas, then its chunks."""
        if self.canvas is None or end - start < _FRAME_HEADER:
            raise BadPictureError("damaged")
        x, y, width, height = (int.from_bytes(self.data[start + 3 * k : start + 3 * k + 3], "little") for k in range(4))
        self.place = (2 * x, 2 * y)
        self.frame = (width + 1, height + 1)
        position = start + _FRAME_HEADER
        for _ in range(16):
            if position + 8 > end or self.pixels is not None:
                break
            kind, body, body_end = _chunk(self.data, position, end)
            if kind == b"ALPH":
                self.alpha = (body, body_end)
            elif kind in _PIXELS:
                self.bitstream(kind, body, body_end)
            position = body_end + (body_end - body & 1)
        if self.pixels is None:
            raise BadPictureError("damaged")

    def take(self, kind: bytes, start: int, end: int) -> None:
        """ICCP, EXIF and XMP."""
        limit, note = (
            (MAX_ICC_BYTES, NOTE_ICC_DAMAGED) if kind == b"ICCP" else (MAX_METADATA_BYTES, NOTE_METADATA_DROPPED)
        )
        if end - start > limit:
            self.notes[note] = None
        elif kind == b"ICCP":
            self.icc = self.icc or self.data[start:end]
        elif kind == b"EXIF":
            self.exif = self.exif or self.data[start:end]
        else:
            self.xmp = self.xmp or self.data[start:end]

    def done(self) -> Container:
        """The picture without its wrappings."""
        if self.canvas is None or self.pixels is None or self.frame is None:
            raise BadPictureError("damaged")
        if self.frame != self.canvas and NOTE_ANIMATED not in self.notes:
            raise BadPictureError("damaged")
        kind, start, end = self.pixels
        body: list[bytes | memoryview] = []
        if kind == b"VP8 " and self.alpha is not None:
            width, height = self.frame
            extended = b"\x10\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
            body += _packed(b"VP8X", memoryview(extended))
            body += _packed(b"ALPH", self.view[self.alpha[0] : self.alpha[1]])
        body += _packed(kind, self.view[start:end])
        length = 4 + sum(len(part) for part in body)
        return Container(
            format="WEBP",
            size=self.canvas,
            stream=b"".join((b"RIFF", struct.pack("<I", length), b"WEBP", *body)),
            place=self.place,
            alpha=self.transparent if kind == b"VP8L" else self.alpha is not None,
            icc=self.icc,
            exif=self.exif,
            xmp=self.xmp,
            notes=tuple(self.notes),
        )


def _packed(kind: bytes, body: memoryview) -> list[bytes | memoryview]:
    return [kind, struct.pack("<I", len(body)), body, b"\0" * (len(body) & 1)]


def _chunk(data: bytes, position: int, limit: int) -> tuple[bytes, int, int]:
    """Kind, start and end of the chunk at `position`, which must end before `limit`."""
    kind, length = struct.unpack_from("<4sI", data, position)
    start = position + 8
    if start + length > limit:
        raise BadPictureError("truncated")
    return kind, start, start + length


def walk(data: bytes, check_size: SizeCheck) -> Container:
    """Take the WebP `data` apart; of an animation the first frame.

    Raises BadPictureError: truncated (shorter than it says), damaged, too many chunks.
    """
    if len(data) < 20:
        raise BadPictureError("truncated")
    limit = 8 + struct.unpack_from("<I", data, 4)[0]
    if limit > len(data) + 1:  # some writers count a padding byte that they do not write
        raise BadPictureError("truncated")
    limit = min(limit, len(data))
    found = _Walk(data, check_size)
    position = 12
    for _ in range(_MAX_CHUNKS):
        if position + 8 > limit:
            return found.done()
        kind, start, end = _chunk(data, position, limit)
        if kind == b"VP8X":
            found.canvas_header(start, end)
        elif kind == b"ANMF":
            found.notes[NOTE_ANIMATED] = None
            if found.pixels is None:
                found.first_frame(start, end)
        elif kind == b"ALPH" and found.pixels is None:
            found.alpha = (start, end)
        elif kind in _PIXELS and found.pixels is None:
            found.bitstream(kind, start, end)
        elif kind in {b"ICCP", b"EXIF", b"XMP "}:
            found.take(kind, start, end)
        position = end + (end - start & 1)
    raise BadPictureError("bomb")
