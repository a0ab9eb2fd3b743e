"""Files that are no usable photo: what they are, how to make them, and the reasons by which they may be refused."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from tests.core import pictures as p
from tests.core import profiles


@dataclass(frozen=True)
class Bad:
    """One bad file: `make` gives its bytes, `reasons` are the words by which it may be refused."""

    name: str
    make: Callable[[], bytes]
    reasons: frozenset[str]


CUT = frozenset({"truncated", "damaged"})
DAMAGED = frozenset({"damaged"})
BROKEN = frozenset({"damaged", "truncated", "unsupported"})


def all_bad() -> list[Bad]:
    """Every bad file, each under its own name."""
    groups = (_truncated(), _sizes(), _foreign(), _broken_jpeg(), _broken_png(), _broken_webp(), _bombs())
    return [bad for group in groups for bad in group]


# Cut off


@lru_cache(maxsize=1)
def whole_files() -> dict[str, bytes]:
    """Sound files of many kinds, to be cut, mutated and renamed."""
    icc, exif, xmp = profiles.adobe_rgb(), p.exif_block([(0x010F, 2, 5, b"Test\0")], orientation=6), p.xmp_packet()
    alpha = Image.fromarray(np.dstack([p.texture(), p.texture(channels=1)]))
    return {
        "jpeg": p.jpeg(),
        "jpeg-progressive": p.jpeg(progressive=True),
        "jpeg-restarts": p.jpeg(restart_marker_blocks=3),
        "jpeg-metadata": p.with_metadata("JPEG", exif=exif, icc=icc, xmp=xmp),
        "jpeg-grey": p.saved(p.texture(channels=1), "JPEG"),
        "jpeg-cmyk": p.saved(Image.fromarray(p.texture()).convert("CMYK"), "JPEG"),
        "png": p.png(),
        "png-interlaced": p.png(interlace=True),
        "png-metadata": p.with_metadata("PNG", exif=exif, icc=icc, xmp=xmp),
        "png-rgba": p.saved(alpha, "PNG"),
        "png-16": p.joined(p.png_chunks(p.texture().astype(np.uint16) * 257, depth=16)),
        "png-palette": p.saved(Image.fromarray(p.texture()).quantize(64), "PNG"),
        "png-pieces": p.png(pieces=20),
        "apng": p.apng(),
        "webp": p.webp(),
        "webp-lossless": p.webp(lossless=True),
        "webp-alpha": p.saved(alpha, "WEBP"),
        "webp-metadata": p.with_metadata("WEBP", exif=exif, icc=icc, xmp=xmp),
        "webp-animated": p.animated_webp(),
    }


def _truncated() -> Iterator[Bad]:
    for name, data in whole_files().items():
        for percent in (10, 50, 90, 99):
            yield Bad(f"{name}-cut-at-{percent}", lambda d=data, k=percent: d[: len(d) * k // 100], CUT)
    yield Bad("jpeg-last-byte-missing", lambda: p.jpeg()[:-1], CUT)
    yield Bad("jpeg-no-end-marker", lambda: p.jpeg()[:-2], CUT)
    yield Bad("jpeg-cut-in-exif-thumbnail", _cut_in_thumbnail, CUT)
    yield Bad("jpeg-signature-alone", lambda: b"\xff\xd8\xff", CUT)
    yield Bad("png-last-byte-missing", lambda: p.png()[:-1], CUT)
    yield Bad("png-no-end-chunk", lambda: p.png()[:-12], CUT)
    yield Bad("png-signature-alone", lambda: p.SIGNATURE, CUT)
    yield Bad("webp-last-byte-missing", lambda: p.webp()[:-2], CUT)
    yield Bad("webp-header-alone", lambda: p.webp()[:12], CUT)


def _cut_in_thumbnail() -> bytes:
    """The EXIF block holds a whole JPEG with its own end marker; the picture itself is missing."""
    exif = p.exif_block() + p.jpeg(64, 64)
    whole = p.with_metadata("JPEG", exif=exif)
    return whole[: len(exif) + 40]


# Sizes: headers only, so that nothing but the header can be the ground of refusal


def _sizes() -> Iterator[Bad]:
    small, large = frozenset({"too_small"}), frozenset({"too_large"})
    for width, height in ((1, 1), (1, 500), (500, 1), (63, 64), (64, 63), (63, 63), (16, 4000)):
        yield Bad(f"png-{width}x{height}", lambda w=width, h=height: p.png(w, h), small)
        yield Bad(f"jpeg-{width}x{height}", lambda w=width, h=height: p.jpeg(w, h), small)
        yield Bad(f"webp-{width}x{height}", lambda w=width, h=height: p.webp(w, h), small)
    for width, height in (
        (12_001, 64),
        (64, 12_001),
        (7_072, 7_072),
        (12_000, 4_167),
        (20_000, 20_000),
        (40_000, 40_000),
    ):
        yield Bad(f"png-header-{width}x{height}", lambda w=width, h=height: _png_claiming(w, h), large)
        yield Bad(f"jpeg-header-{width}x{height}", lambda w=width, h=height: _jpeg_claiming(w, h), large)
        yield Bad(f"webp-canvas-{width}x{height}", lambda w=width, h=height: _webp_claiming(w, h), large)
    yield Bad("png-header-2^31-1", lambda: _png_claiming(2**31 - 1, 2**31 - 1), large)
    yield Bad("png-header-2^32-1", lambda: _png_claiming(2**32 - 1, 2**32 - 1), DAMAGED)
    yield Bad("jpeg-header-65535", lambda: _jpeg_claiming(65_535, 65_535), large)
    yield Bad("jpeg-progressive-header-65500", lambda: _jpeg_claiming(65_500, 65_500, marker=0xC2), large)
    yield Bad("webp-canvas-2^24", lambda: _webp_claiming(2**24, 2**24), large)
    yield Bad("webp-lossy-16383", lambda: p.riff([(b"VP8 ", _vp8_header(16_383, 16_383))]), large)
    yield Bad("webp-lossless-16384", lambda: p.riff([(b"VP8L", _vp8l_header(16_384, 16_384))]), large)
    yield Bad("png-0x0", lambda: _png_claiming(0, 0), DAMAGED)
    yield Bad("png-0-wide", lambda: _png_claiming(0, 100), DAMAGED)
    yield Bad("jpeg-0-high", lambda: _jpeg_claiming(100, 0), DAMAGED)
    yield Bad("webp-0-wide", lambda: p.riff([(b"VP8 ", _vp8_header(0, 100))]), frozenset({"damaged", "too_small"}))
    yield Bad("png-solid-20000x20000", lambda: _solid_png(20_000, 20_000, rows=400), large)
    yield Bad("png-1-bit-12001x4000", lambda: _png_claiming(12_001, 4_000, depth=1, colour=0), large)


def _png_claiming(width: int, height: int, *, depth: int = 8, colour: int = 2) -> bytes:
    chunks = p.png_chunks(p.texture(64, 64))
    return p.joined([(b"IHDR", p.header(width, height, depth=depth, colour=colour)), *chunks[1:]])


def _solid_png(width: int, height: int, *, rows: int) -> bytes:
    packed = zlib.compress(bytes((3 * width + 1) * rows), 9)
    return p.joined([(b"IHDR", p.header(width, height)), (b"IDAT", packed), (b"IEND", b"")])


def _jpeg_claiming(width: int, height: int, *, marker: int | None = None) -> bytes:
    parts = []
    for kind, body in p.segments(p.jpeg(64, 64)):
        if kind == 0xC0:
            parts.append((marker or kind, body[:1] + struct.pack(">HH", height, width) + body[5:]))
        else:
            parts.append((kind, body))
    return p.reassembled(parts)


def _webp_claiming(width: int, height: int) -> bytes:
    return p.riff([p.canvas(width, height), *p.unriffed(p.webp(64, 64))])


def _vp8_header(width: int, height: int) -> bytes:
    return b"\x10\x02\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(50)


def _vp8l_header(width: int, height: int) -> bytes:
    return b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(50)


# Other kinds of files, whatever they are called


def _foreign() -> Iterator[Bad]:
    other = frozenset({"format"})
    for kind in (
        "GIF",
        "BMP",
        "TIFF",
        "ICO",
        "PPM",
        "TGA",
        "PCX",
        "DDS",
        "JPEG2000",
        "AVIF",
        "QOI",
        "SGI",
        "EPS",
        "PDF",
        "ICNS",
    ):
        yield Bad(f"is-{kind.lower()}", lambda k=kind: p.saved(p.texture(64, 64), k), other)
    texts = {
        "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
        "svg-bomb": b'<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">]><svg>&a;&a;&a;</svg>',
        "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "xml": b'<?xml version="1.0"?><note/>',
        "json": json.dumps({"error": "not found"}).encode(),
        "text": b"This is not a picture.\n",
        "utf16": "no picture".encode("utf-16"),
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "php-polyglot": b"<?php echo 1; ?>" + p.jpeg(),
        "postscript": b"%!PS-Adobe-3.0\n",
        "netpbm-text": b"P3 64 64 255\n" + b"0 " * 64,
        "base64-of-a-jpeg": b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoH",
        "data-url": b"data:image/png;base64,iVBORw0KGgo=",
    }
    for name, data in texts.items():
        yield Bad(f"is-{name}", lambda d=data: d, other)
    heads = {
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "heif": b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic",
        "mp4": b"\0\0\0\x18ftypmp42\0\0\0\0isommp42",
        "canon-raw": b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom",
        "tiff-raw": b"II*\0\x10\0\0\0CR\x02\0",
        "webm": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01",
        "jpeg-xl": b"\xff\x0a\xfa\x1f\x01\x90",
        "photoshop": b"8BPS\0\x01" + bytes(6) + b"\0\x03",
        "gimp": b"gimp xcf v011\0",
        "openexr": b"v/1\x01\x02\0\0\0",
        "avi": b"RIFF\x24\0\0\0AVI LIST",
        "wav": b"RIFF\x24\0\0\0WAVEfmt ",
        "mp3": b"ID3\x04\0\0\0\0\0\0",
        "elf": b"\x7fELF\x02\x01\x01",
        "exe": b"MZ\x90\0\x03",
        "rar": b"Rar!\x1a\x07\x01\0",
        "7z": b"7z\xbc\xaf\x27\x1c\0\x04",
        "mng": b"\x8aMNG\r\n\x1a\n",
        "lone-riff": b"RIFF",
        "byte-ff": b"\xff",
        "zeros": bytes(5000),
        "nul": b"\0",
        "newlines": b"\n" * 500,
        "ff-run": b"\xff" * 5000,
        "random": random.Random(5).randbytes(20_000),
        "jpeg-behind-one-byte": b"\0" + p.jpeg(),
        "png-behind-bom": b"\xef\xbb\xbf" + p.png(),
        "png-through-text-mode": p.png().replace(b"\r\n", b"\n"),
    }
    for name, data in heads.items():
        yield Bad(f"is-{name}", lambda d=data: d + bytes(40) if len(d) > 4 else d, other)
    yield Bad("is-gzip", lambda: gzip.compress(p.png()), other)
    yield Bad("is-bzip2", lambda: bz2.compress(p.png()), other)
    yield Bad("is-xz", lambda: lzma.compress(p.png()), other)
    yield Bad("is-zip", _zipped, other)
    yield Bad("is-tar", _tarred, other)
    yield Bad("is-sqlite", _database, other)
    yield Bad("is-animated-gif", _animated_gif, other)
    yield Bad("is-empty", lambda: b"", frozenset({"empty"}))


def _zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("photo.jpg", p.jpeg())
    return stream.getvalue()


def _tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("photo.jpg"))
    return stream.getvalue()


def _database() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table t (a)")
        return connection.serialize()


def _animated_gif() -> bytes:
    frames = [Image.fromarray(p.texture() // (k + 1)) for k in range(3)]
    return p.saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


# Broken inside


def _broken_jpeg() -> Iterator[Bad]:
    parts = p.segments(p.jpeg())

    def without(marker: int) -> bytes:
        return p.reassembled([part for part in parts if part[0] != marker])

    def changed(marker: int, change: Callable[[bytes], bytes]) -> bytes:
        return p.reassembled([(kind, change(body) if kind == marker else body) for kind, body in parts])

    def renamed(new: int) -> bytes:
        return p.reassembled([(new if kind == 0xC0 else kind, body) for kind, body in parts])

    frame = next(part for part in parts if part[0] == 0xC0)
    yield Bad("jpeg-no-frame", lambda: without(0xC0), DAMAGED)
    yield Bad("jpeg-no-scan", lambda: p.reassembled([part for part in parts if part[0] not in {0, 0xDA}]), DAMAGED)
    yield Bad("jpeg-no-quantisation", lambda: without(0xDB), DAMAGED)
    yield Bad("jpeg-two-frames", lambda: p.reassembled([frame, *parts]), DAMAGED)
    yield Bad("jpeg-scan-before-frame", lambda: p.reassembled([*parts[-2:], *parts]), DAMAGED)
    yield Bad("jpeg-start-twice", lambda: b"\xff\xd8" + p.jpeg(), DAMAGED)
    yield Bad("jpeg-12-bit", lambda: changed(0xC0, lambda body: b"\x0c" + body[1:]), frozenset({"unsupported"}))
    yield Bad("jpeg-2-components", lambda: changed(0xC0, lambda b: b[:5] + b"\2" + b[6:12]), BROKEN)
    yield Bad("jpeg-5-components", lambda: changed(0xC0, lambda b: b[:5] + b"\5" + b[6:] + b[6:12]), BROKEN)
    yield Bad("jpeg-0-components", lambda: changed(0xC0, lambda b: b[:5] + b"\0"), BROKEN)
    yield Bad("jpeg-255-components", lambda: changed(0xC0, lambda b: b[:5] + b"\xff" + b[6:]), DAMAGED)
    yield Bad("jpeg-sampling-0", lambda: changed(0xC0, lambda b: b[:7] + b"\0" + b[8:]), DAMAGED)
    yield Bad("jpeg-sampling-15", lambda: changed(0xC0, lambda b: b[:7] + b"\xff" + b[8:]), DAMAGED)
    yield Bad("jpeg-table-15", lambda: changed(0xC0, lambda b: b[:8] + b"\x0f" + b[9:]), DAMAGED)
    yield Bad("jpeg-quantisation-cut", lambda: changed(0xDB, lambda b: b[:30]), DAMAGED)
    yield Bad("jpeg-quantisation-number-9", lambda: changed(0xDB, lambda b: b"\x09" + b[1:]), DAMAGED)
    yield Bad("jpeg-huffman-too-many", lambda: changed(0xC4, lambda b: b[:1] + b"\xff" * 16 + b[17:]), DAMAGED)
    yield Bad("jpeg-huffman-cut", lambda: changed(0xC4, lambda b: b[:10]), DAMAGED)
    yield Bad("jpeg-scan-of-unknown-component", lambda: changed(0xDA, lambda b: b[:1] + b"\x77" + b[2:]), DAMAGED)
    yield Bad("jpeg-scan-header-short", lambda: changed(0xDA, lambda b: b[:2]), DAMAGED)
    yield Bad("jpeg-zero-length-segment", lambda: b"\xff\xd8\xff\xe1\0\0" + p.jpeg()[2:], DAMAGED)
    yield Bad("jpeg-segment-beyond-end", lambda: p.jpeg()[:2] + b"\xff\xe1\xff\xff" + b"x" * 100, CUT)
    yield Bad("jpeg-start-and-end", lambda: b"\xff\xd8\xff\xd9", DAMAGED)
    for marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF):
        yield Bad(f"jpeg-frame-kind-{marker:x}", lambda m=marker: renamed(m), frozenset({"unsupported"}))


def _broken_png() -> Iterator[Bad]:
    chunks = p.png_chunks(p.texture())
    ihdr, idat, iend = chunks
    packed = idat[1]

    def head(**change: int) -> bytes:
        names = ("depth", "colour", "compression", "filtering", "interlace")
        fields = {"depth": 8, "colour": 2, "compression": 0, "filtering": 0, "interlace": 0, **change}
        body = struct.pack(">II", p.WIDTH, p.HEIGHT) + bytes(fields[name] for name in names)
        return p.joined([(b"IHDR", body), idat, iend])

    def raw(data: bytes) -> bytes:
        return p.joined([ihdr, (b"IDAT", zlib.compress(data)), iend])

    def wrong_checksum(kind: bytes) -> bytes:
        whole = [(b"IHDR", ihdr[1]), idat, iend]
        return p.SIGNATURE + b"".join(p.chunk(k, b, checksum=7 if k == kind else None) for k, b in whole)

    for kind in (b"IHDR", b"IDAT", b"IEND"):
        yield Bad(f"png-checksum-{kind.decode().lower()}", lambda k=kind: wrong_checksum(k), DAMAGED)
    yield Bad("png-no-header", lambda: p.joined([idat, iend]), DAMAGED)
    yield Bad("png-header-12-bytes", lambda: p.joined([(b"IHDR", ihdr[1][:12]), idat, iend]), DAMAGED)
    yield Bad("png-header-14-bytes", lambda: p.joined([(b"IHDR", ihdr[1] + b"\0"), idat, iend]), DAMAGED)
    yield Bad("png-two-headers", lambda: p.joined([ihdr, ihdr, idat, iend]), DAMAGED)
    yield Bad("png-depth-3", lambda: head(depth=3), DAMAGED)
    yield Bad("png-depth-32", lambda: head(depth=32), DAMAGED)
    yield Bad("png-colour-5", lambda: head(colour=5), DAMAGED)
    yield Bad("png-depth-4-rgb", lambda: head(depth=4), DAMAGED)
    yield Bad("png-compression-1", lambda: head(compression=1), DAMAGED)
    yield Bad("png-filtering-1", lambda: head(filtering=1), DAMAGED)
    yield Bad("png-interlace-2", lambda: head(interlace=2), DAMAGED)
    yield Bad("png-palette-missing", lambda: head(colour=3), DAMAGED)
    yield Bad("png-palette-4-bytes", lambda: p.joined([ihdr, (b"PLTE", b"1234"), idat, iend]), DAMAGED)
    yield Bad("png-palette-twice", lambda: p.joined([ihdr, (b"PLTE", b"123"), (b"PLTE", b"123"), idat, iend]), DAMAGED)
    yield Bad("png-palette-257", lambda: p.joined([ihdr, (b"PLTE", bytes(771)), idat, iend]), DAMAGED)
    yield Bad("png-no-pixels", lambda: p.joined([ihdr, iend]), DAMAGED)
    yield Bad("png-empty-pixels", lambda: p.joined([ihdr, (b"IDAT", b""), iend]), DAMAGED)
    yield Bad("png-pixels-not-zlib", lambda: p.joined([ihdr, (b"IDAT", b"hello" * 40), iend]), DAMAGED)
    yield Bad("png-pixels-cut-checksums-right", lambda: p.joined([ihdr, (b"IDAT", packed[:-200]), iend]), DAMAGED)
    yield Bad("png-rows-missing", lambda: raw(bytes((3 * p.WIDTH + 1) * (p.HEIGHT - 1))), DAMAGED)
    yield Bad("png-one-byte-missing", lambda: raw(bytes((3 * p.WIDTH + 1) * p.HEIGHT - 1)), DAMAGED)
    yield Bad("png-filter-9", lambda: raw(b"\x09" * ((3 * p.WIDTH + 1) * p.HEIGHT)), DAMAGED)
    yield Bad(
        "png-pixels-interrupted",
        lambda: p.joined([ihdr, (b"IDAT", packed[:100]), (b"tIME", bytes(7)), (b"IDAT", packed[100:]), iend]),
        DAMAGED,
    )
    yield Bad("png-unknown-critical", lambda: p.joined([ihdr, (b"ABCD", b""), idat, iend]), DAMAGED)
    yield Bad("png-kind-not-letters", lambda: p.joined([ihdr, (b"a\0b!", b""), idat, iend]), DAMAGED)
    yield Bad("png-chunk-2gb", lambda: p.SIGNATURE + p.chunk(*ihdr) + b"\x7f\xff\xff\xffIDAT" + packed, CUT)
    yield Bad("png-for-iphone", lambda: p.joined([(b"CgBI", bytes(4)), *chunks]), frozenset({"unsupported"}))
    yield Bad(
        "png-transparency-checksum",
        lambda: p.SIGNATURE + p.chunk(*ihdr) + p.chunk(b"tRNS", bytes(6), checksum=1) + p.chunk(*idat) + p.chunk(*iend),
        DAMAGED,
    )
    yield Bad("png-frames-only", _frames_only, DAMAGED)
    yield Bad("jng-inside-png", lambda: p.joined([(b"JHDR", bytes(16)), idat, iend]), DAMAGED)


def _frames_only() -> bytes:
    chunks = [(kind, body) for kind, body in p.split(p.apng()) if kind != b"IDAT"]
    return p.joined(chunks)


def _broken_webp() -> Iterator[Bad]:
    (lossy,) = p.unriffed(p.webp())
    (lossless,) = p.unriffed(p.webp(lossless=True))
    still = p.webp(lossless=True)
    anim = (b"ANIM", bytes(6))
    at_canvas = p.canvas(p.WIDTH, p.HEIGHT, flags=2)

    def body(start: bytes) -> bytes:
        return start + lossy[1][len(start) :]

    yield Bad("webp-claims-more", lambda: p.riff([lossy], claimed=10_000), CUT)
    yield Bad("webp-claims-4-gb", lambda: p.riff([lossy], claimed=2**32 - 1), CUT)
    yield Bad("webp-claims-nothing", lambda: p.riff([lossy], claimed=4), BROKEN)
    yield Bad("webp-chunk-4-gb", lambda: p.riff([])[:12] + b"VP8 \xff\xff\xff\xff" + lossy[1], CUT)
    yield Bad("webp-no-picture", lambda: p.riff([p.canvas(96, 80), (b"EXIF", b"x")]), DAMAGED)
    yield Bad("webp-nothing", lambda: p.riff([]) + bytes(20), DAMAGED)
    yield Bad("webp-unknown-chunks-only", lambda: p.riff([(b"ABCD", bytes(30))]), DAMAGED)
    yield Bad("webp-start-code", lambda: p.riff([(b"VP8 ", body(lossy[1][:3] + b"\0\0\0"))]), DAMAGED)
    yield Bad("webp-not-a-key-frame", lambda: p.riff([(b"VP8 ", body(bytes([lossy[1][0] | 1])))]), DAMAGED)
    yield Bad(
        "webp-partition-too-long", lambda: p.riff([(b"VP8 ", body(bytes([lossy[1][0] | 0xE0, 0xFF, 0xFF])))]), DAMAGED
    )
    yield Bad("webp-lossless-signature", lambda: p.riff([(b"VP8L", b"\0" + lossless[1][1:])]), DAMAGED)
    yield Bad(
        "webp-lossless-version-7",
        lambda: p.riff([(b"VP8L", lossless[1][:4] + bytes([lossless[1][4] | 0xE0]) + lossless[1][5:])]),
        DAMAGED,
    )
    yield Bad("webp-lossless-garbage", lambda: p.riff([(b"VP8L", lossless[1][:5] + b"\xff" * 300)]), DAMAGED)
    yield Bad("webp-lossless-cut-inside", lambda: p.riff([(b"VP8L", lossless[1][: len(lossless[1]) // 2])]), DAMAGED)
    yield Bad("webp-lossy-cut-inside", lambda: p.riff([(b"VP8 ", lossy[1][: len(lossy[1]) // 3])]), DAMAGED)
    yield Bad("webp-lossy-10-bytes", lambda: p.riff([(b"VP8 ", lossy[1][:10])]), DAMAGED)
    yield Bad("webp-lossy-9-bytes", lambda: p.riff([(b"VP8 ", lossy[1][:9])]), DAMAGED)
    yield Bad("webp-empty-picture", lambda: p.riff([(b"VP8L", b""), (b"VP8L", b"")]), DAMAGED)
    yield Bad("webp-canvas-other-size", lambda: p.riff([p.canvas(100, 90), lossy]), DAMAGED)
    yield Bad("webp-canvas-twice", lambda: p.riff([p.canvas(96, 80), p.canvas(96, 80), lossy]), DAMAGED)
    yield Bad("webp-canvas-header-short", lambda: p.riff([(b"VP8X", bytes(8)), lossy]), DAMAGED)
    yield Bad("webp-frame-outside", lambda: p.riff([at_canvas, anim, p.frame(20, 0, picture=still)]), DAMAGED)
    yield Bad(
        "webp-frame-other-size", lambda: p.riff([at_canvas, anim, p.frame(0, 0, picture=still, width=64)]), DAMAGED
    )
    yield Bad("webp-frame-empty", lambda: p.riff([at_canvas, anim, (b"ANMF", bytes(16))]), DAMAGED)
    yield Bad("webp-frame-short", lambda: p.riff([at_canvas, anim, (b"ANMF", bytes(9))]), DAMAGED)
    yield Bad("webp-frame-without-canvas", lambda: p.riff([p.frame(0, 0, picture=still)]), DAMAGED)


# Built to cost memory or time


def _bombs() -> Iterator[Bad]:
    bomb = frozenset({"bomb"})
    yield Bad("jpeg-1000-scans", _many_scans, bomb)
    yield Bad("jpeg-60000-segments", lambda: p.with_segments(p.jpeg(), *[(0xFE, b"x")] * 60_000), bomb)
    yield Bad("jpeg-ff-run-10-mb", lambda: b"\xff\xd8" + b"\xff" * 10_000_000, CUT)
    yield Bad("png-300000-empty-pixel-chunks", lambda: _repeated(b"IDAT"), bomb)
    yield Bad("png-300000-texts", lambda: _repeated(b"tEXt"), bomb)
    yield Bad("webp-300000-chunks", lambda: p.riff([(b"ABCD", b"")] * 300_000 + p.unriffed(p.webp())), bomb)
    yield Bad("png-tail-64-mb", lambda: p.png() + bytes(64_000_000), frozenset({"file_too_large"}))
    yield Bad("jpeg-tail-64-mb", lambda: p.jpeg() + bytes(64_000_000), frozenset({"file_too_large"}))
    yield Bad("png-pixel-bomb-cut", lambda: _solid_png(8_000, 6_250, rows=600), DAMAGED)
    yield Bad("jpeg-50-mp-progressive-cut", lambda: _jpeg_claiming(8_000, 6_250, marker=0xC2)[:-2], CUT)
    yield Bad("jpeg-50-mp-progressive-wrong-scan", lambda: _jpeg_claiming(8_000, 6_250, marker=0xC2), DAMAGED)
    yield Bad(
        "webp-50-mp-lossless-garbage", lambda: p.riff([(b"VP8L", _vp8l_header(8_000, 6_250) + b"\xff" * 999)]), DAMAGED
    )


def _many_scans() -> bytes:
    parts = p.segments(p.jpeg(progressive=True))
    last = next(k for k in range(len(parts) - 1, 0, -1) if parts[k][0] == 0xDA)
    return p.reassembled([*parts, *parts[last : last + 2] * 1000])


def _repeated(kind: bytes) -> bytes:
    chunks = p.png_chunks(p.texture())
    one = p.chunk(kind, b"")
    return p.SIGNATURE + p.chunk(*chunks[0]) + one * 300_000 + p.chunk(*chunks[1]) + p.chunk(*chunks[2])
