"""Small pictures of every kind, built or taken apart by hand, so that tests can make files that no encoder writes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 96, 80
SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_LABEL = b"http://ns.adobe.com/xap/1.0/\0"

Chunks = list[tuple[bytes, bytes]]


def texture(width: int = WIDTH, height: int = HEIGHT, *, channels: int = 3, top: int = 255) -> NDArray[np.uint8]:
    """A gradient with a soft pattern, different in every corner: (height, width, channels), 0..top."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        (x * 180 / width + y * 70 / height + 5 * ((x // 7 + (k + 1) * y // 5) % 2)) * (0.5 + 0.25 * (k % 3))
        for k in range(channels)
    ]
    return np.clip(np.stack(planes, -1) * top / 255, 0, top).astype(np.uint8)


def saved(pixels: NDArray[np.uint8] | Image.Image, format: str, **options: object) -> bytes:
    """What Pillow writes."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.squeeze(pixels))
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def jpeg(width: int = WIDTH, height: int = HEIGHT, **options: object) -> bytes:
    return saved(texture(width, height), "JPEG", **{"quality": 90, **options})


def webp(width: int = WIDTH, height: int = HEIGHT, **options: object) -> bytes:
    return saved(texture(width, height), "WEBP", **{"quality": 80, "method": 0, **options})


# PNG


def chunk(kind: bytes, body: bytes, *, checksum: int | None = None) -> bytes:
    right = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", right if checksum is None else checksum)


def joined(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    return SIGNATURE + b"".join(chunk(kind, body) for kind, body in chunks)


def split(png: bytes) -> Chunks:
    chunks, at = [], len(SIGNATURE)
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def header(width: int, height: int, *, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)


def png_chunks(
    samples: NDArray[np.integer],
    *,
    depth: int = 8,
    colour: int = 2,
    interlace: bool = False,
    before: Sequence[tuple[bytes, bytes]] = (),
    pieces: int = 1,
) -> Chunks:
    """The chunks of a PNG of `samples` (H, W, channels) with `depth` bits each; `before` go between IHDR and IDAT."""
    height, width = samples.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlace:  # Adam7: x, y, step in x, step in y
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b"".join(_rows(samples[y::dy, x::dx], depth) for x, y, dx, dy in passes)
    packed = zlib.compress(raw, 1)
    step = -(-len(packed) // pieces)
    parts = [(b"IDAT", packed[at : at + step]) for at in range(0, len(packed), step)]
    ihdr = header(width, height, depth=depth, colour=colour, interlace=int(interlace))
    return [(b"IHDR", ihdr), *before, *parts, (b"IEND", b"")]


def _rows(samples: NDArray[np.integer], depth: int) -> bytes:
    if samples.size == 0:
        return b""
    flat = samples.reshape(len(samples), -1)
    if depth == 16:
        lines = [line.astype(">u2").tobytes() for line in flat]
    elif depth == 8:
        lines = [line.astype(np.uint8).tobytes() for line in flat]
    else:
        bits = np.unpackbits(flat.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :].reshape(len(flat), -1)
        lines = [line.tobytes() for line in np.packbits(bits, axis=1)]
    return b"".join(b"\0" + line for line in lines)


def png(width: int = WIDTH, height: int = HEIGHT, **options: object) -> bytes:
    return joined(png_chunks(texture(width, height), **options))  # type: ignore[arg-type]


def apng(frames: int = 3, *, default_is_first: bool = True, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """An animated PNG whose default picture is the texture and whose other frames are flat."""
    still = png_chunks(texture(width, height))
    control = struct.pack(">IIIIHHBB", width, height, 0, 0, 1, 10, 0, 0)
    flat = zlib.compress(_rows(np.full((height, width, 3), 9, np.uint8), 8), 9)
    chunks = [still[0], (b"acTL", struct.pack(">II", frames, 0))]
    number = 0
    if default_is_first:
        chunks.append((b"fcTL", struct.pack(">I", number) + control))
        number += 1
    chunks += still[1:-1]
    for _ in range(frames - default_is_first):
        chunks.append((b"fcTL", struct.pack(">I", number) + control))
        chunks.append((b"fdAT", struct.pack(">I", number + 1) + flat))
        number += 2
    return joined([*chunks, still[-1]])


# JPEG


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def segments(data: bytes) -> list[tuple[int, bytes]]:
    """Marker and body of each segment; a scan's entropy-coded bytes follow its header as marker 0."""
    found, at = [], 2
    while data[at + 1] != 0xD9:
        marker = data[at + 1]
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((marker, data[at + 4 : end]))
        at = end
        if marker == 0xDA:
            while data[at] != 0xFF or data[at + 1] == 0 or 0xD0 <= data[at + 1] <= 0xD7:
                at += 1
            found.append((0, data[end:at]))
    return found


def reassembled(parts: Iterable[tuple[int, bytes]], *, end: bytes = b"\xff\xd9") -> bytes:
    return b"\xff\xd8" + b"".join(body if marker == 0 else segment(marker, body) for marker, body in parts) + end


def with_segments(data: bytes, *extra: tuple[int, bytes]) -> bytes:
    """Segments put in right behind SOI."""
    return data[:2] + b"".join(segment(marker, body) for marker, body in extra) + data[2:]


def icc_segments(icc: bytes, *, size: int = 65_000) -> list[tuple[int, bytes]]:
    parts = [icc[at : at + size] for at in range(0, len(icc), size)]
    return [(0xE2, b"ICC_PROFILE\0" + bytes((k + 1, len(parts))) + part) for k, part in enumerate(parts)]


def cv_jpeg(sampling: int, *, restart: int = 0, progressive: bool = False) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    options += [cv2.IMWRITE_JPEG_RST_INTERVAL, restart, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    done, packed = cv2.imencode(".jpg", np.ascontiguousarray(texture()[..., ::-1]), options)
    assert done
    return packed.tobytes()


# WebP


def riff(chunks: Iterable[tuple[bytes, bytes]], *, claimed: int | None = None) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(part)) + part + b"\0" * (len(part) & 1) for kind, part in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body) if claimed is None else claimed) + b"WEBP" + body


def unriffed(data: bytes) -> Chunks:
    chunks, at = [], 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        chunks.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + (length & 1)
    return chunks


def canvas(width: int, height: int, *, flags: int = 0) -> tuple[bytes, bytes]:
    return b"VP8X", struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def frame(x: int, y: int, *, picture: bytes, width: int = WIDTH, height: int = HEIGHT) -> tuple[bytes, bytes]:
    """An ANMF chunk with the pixel chunks of the still WebP `picture`."""
    head = b"".join(value.to_bytes(3, "little") for value in (x // 2, y // 2, width - 1, height - 1, 40)) + b"\0"
    inner = [(kind, body) for kind, body in unriffed(picture) if kind in {b"ALPH", b"VP8 ", b"VP8L"}]
    return b"ANMF", head + riff(inner)[12:]


def animated_webp(frames: int = 3) -> bytes:
    still, flat = webp(lossless=True), saved(np.full((HEIGHT, WIDTH, 3), 9, np.uint8), "WEBP", lossless=True)
    rest = [frame(0, 0, picture=flat)] * (frames - 1)
    return riff([canvas(WIDTH, HEIGHT, flags=0x02), (b"ANIM", bytes(6)), frame(0, 0, picture=still), *rest])


# Metadata


def exif_block(
    entries: Sequence[tuple[int, int, int, bytes]] = (), *, order: str = "<", orientation: int | None = None
) -> bytes:
    """A TIFF block of one directory; each entry is tag, kind, count, value bytes (up to 4: inside, longer: behind)."""
    rows = list(entries)
    if orientation is not None:
        rows.append((0x0112, 3, 1, struct.pack(order + "H", orientation)))
    rows.sort()
    at = 8 + 2 + 12 * len(rows) + 4
    table, values = b"", b""
    for tag, kind, count, value in rows:
        table += struct.pack(order + "HHI", tag, kind, count)
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", at + len(values))
            values += value
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)
    return head + struct.pack(order + "H", len(rows)) + table + bytes(4) + values


def xmp_packet(body: str = "", attributes: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" dc:format="image/jpeg"'
        f'{attributes}>{body}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def with_metadata(
    format: str, *, exif: bytes | None = None, icc: bytes | None = None, xmp: bytes | None = None
) -> bytes:
    """The texture in `format`, lossless where it can be, with metadata put in by hand, sound or not."""
    if format == "JPEG":
        extra = [] if exif is None else [(0xE1, b"Exif\0\0" + exif)]
        extra += [] if xmp is None else [(0xE1, XMP_LABEL + xmp)]
        return with_segments(jpeg(), *extra, *([] if icc is None else icc_segments(icc)))
    if format == "PNG":
        before = [] if icc is None else [(b"iCCP", b"x\0\0" + zlib.compress(icc))]
        before += [] if exif is None else [(b"eXIf", exif)]
        before += [] if xmp is None else [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)]
        return png(before=before)
    flags = (0x20 if icc is not None else 0) | (0x08 if exif is not None else 0) | (0x04 if xmp is not None else 0)
    chunks = [canvas(WIDTH, HEIGHT, flags=flags)]
    chunks += [] if icc is None else [(b"ICCP", icc)]
    chunks += unriffed(webp(lossless=True))
    chunks += [] if exif is None else [(b"EXIF", exif)]
    chunks += [] if xmp is None else [(b"XMP ", xmp)]
    return riff(chunks)
