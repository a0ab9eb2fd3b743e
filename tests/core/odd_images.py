"""Unusual but sound photos: what they are, how to make them, the pixels that must come out and what must be said."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tests.core import pictures as p
from tests.core import profiles

ANIMATED = "Animated: the first frame is used."
ON_WHITE = "Transparent areas were put on white."
REDUCED = "16-bit was reduced to 8-bit."
BAD_PROFILE = "Damaged colour profile ignored."
GREY_PROFILE = "The grey colour profile was left out."
FROM_CMYK = "CMYK was converted to sRGB."
NO_HDR = "The HDR gain map was left out; the standard picture is used."
NO_COLOURS = "The file's own colour description (cICP or gAMA) was left out; sRGB is assumed."
DROPPED = "Damaged or oversized metadata was left out."

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Odd:
    """One odd file: `pixels` that must come out (None: those that Pillow sees), and exactly these `notes`."""

    name: str
    make: Callable[[], bytes]
    pixels: Callable[[], Pixels] | None = None
    notes: tuple[str, ...] = ()
    has_icc: bool = False


def all_odd() -> list[Odd]:
    """Every odd file, each under its own name."""
    groups = (_orientations(), _jpegs(), _pngs(), _transparent(), _webps(), _profiles(), _metadata(), _wrapped())
    return [odd for group in groups for odd in group]


def seen_by_pillow(data: bytes) -> Pixels:
    """The reference for whatever Pillow reads rightly: upright, on white, RGB."""
    with Image.open(io.BytesIO(data)) as opened:
        upright = ImageOps.exif_transpose(opened)
        if upright.has_transparency_data:
            layer = upright.convert("RGBA")
            return np.asarray(Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB"))
        return np.asarray(upright.convert("RGB"))


def on_white(colours: Pixels, alpha: Pixels) -> Pixels:
    a = alpha.astype(float)[..., None] / 255
    return np.floor(colours * a + 255 * (1 - a) + 0.5).astype(np.uint8)


def _flat_grey(samples: Pixels) -> Pixels:
    return np.repeat(samples, 3, axis=2)


TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


def _orientations() -> Iterator[Odd]:
    for format in ("JPEG", "PNG", "WEBP"):
        for turn in range(1, 9):
            for order in "<>":
                block = p.exif_block(orientation=turn, order=order)
                yield Odd(
                    f"{format}-orientation-{turn}{order}",
                    lambda f=format, b=block: p.with_metadata(f, exif=b),
                    None if format == "JPEG" else lambda k=turn: TURNS[k](p.texture()),
                )
        for value in (0, 9, 255, 65_535):
            block = p.exif_block(orientation=value)
            yield Odd(f"{format}-orientation-invalid-{value}", lambda f=format, b=block: p.with_metadata(f, exif=b))
    wordy = p.exif_block([(0x0112, 2, 2, b"6\0")])
    yield Odd("PNG-orientation-as-text", lambda: p.with_metadata("PNG", exif=wordy), p.texture)
    twice = p.exif_block([(0x0112, 3, 2, b"\x06\0\x08\0")])
    yield Odd("PNG-orientation-two-values", lambda: p.with_metadata("PNG", exif=twice), lambda: TURNS[6](p.texture()))
    wide = p.exif_block([(0x0112, 4, 1, struct.pack("<I", 3))])
    yield Odd("PNG-orientation-as-long", lambda: p.with_metadata("PNG", exif=wide), lambda: TURNS[3](p.texture()))
    in_xmp = p.xmp_packet(attributes=' tiff:Orientation="6"')
    for format in ("JPEG", "PNG", "WEBP"):
        yield Odd(f"{format}-orientation-in-xmp-alone", lambda f=format: p.with_metadata(f, xmp=in_xmp))
        both = p.exif_block(orientation=3)
        yield Odd(f"{format}-orientation-in-both", lambda f=format, b=both: p.with_metadata(f, exif=b, xmp=in_xmp))
    block = p.exif_block(orientation=8)
    text = b"\nexif\n    " + str(len(block) + 6).encode() + b"\n" + (b"Exif\0\0" + block).hex().encode()
    raw = (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))
    yield Odd("PNG-orientation-in-raw-profile", lambda: p.png(before=[raw]), lambda: TURNS[8](p.texture()))
    labelled = b"Exif\0\0" + p.exif_block(orientation=6)
    yield Odd("WEBP-exif-with-label", lambda: p.with_metadata("WEBP", exif=labelled), lambda: TURNS[6](p.texture()))
    yield Odd("PNG-exif-with-label", lambda: p.with_metadata("PNG", exif=labelled), lambda: TURNS[6](p.texture()))


def _jpegs() -> Iterator[Odd]:
    for name, sampling in {"411": 0x411111, "420": 0x221111, "422": 0x211111, "440": 0x121111, "444": 0x111111}.items():
        for progressive in (False, True):
            for restart in (0, 2):
                kind = f"{'progressive' if progressive else 'baseline'}-restart-{restart}"
                yield Odd(
                    f"jpeg-{name}-{kind}",
                    lambda s=sampling, r=restart, g=progressive: p.cv_jpeg(s, restart=r, progressive=g),
                )
    for quality in (1, 50, 100):
        yield Odd(f"jpeg-quality-{quality}", lambda q=quality: p.jpeg(quality=q))
    yield Odd("jpeg-optimised", lambda: p.jpeg(optimize=True))
    yield Odd("jpeg-rgb-without-ycc", lambda: p.jpeg(keep_rgb=True))
    yield Odd("jpeg-grey", lambda: p.saved(p.texture(channels=1), "JPEG"))
    yield Odd("jpeg-grey-progressive", lambda: p.saved(p.texture(channels=1), "JPEG", progressive=True))
    yield Odd("jpeg-cmyk-adobe", _cmyk, notes=(FROM_CMYK,))
    yield Odd("jpeg-cmyk-plain", _cmyk_plain, _cmyk_plain_pixels, notes=(FROM_CMYK,))
    yield Odd("jpeg-ycck", _ycck, notes=(FROM_CMYK,))
    yield Odd(
        "jpeg-cmyk-damaged-profile", lambda: p.with_segments(_cmyk(), *p.icc_segments(b"x" * 200)), notes=(FROM_CMYK,)
    )
    yield Odd("jpeg-arithmetic", _arithmetic)
    yield Odd("jpeg-extended-frame", lambda: _frame_kind(0xC1))
    yield Odd("jpeg-fill-bytes", lambda: p.jpeg().replace(b"\xff\xdb", b"\xff\xff\xff\xff\xdb", 1))
    yield Odd("jpeg-junk-between-segments", lambda: p.jpeg().replace(b"\xff\xdb", b"abc\0\xff\0\xff\xdb", 1))
    yield Odd("jpeg-no-jfif", lambda: p.reassembled([part for part in p.segments(p.jpeg()) if part[0] != 0xE0]))
    yield Odd("jpeg-comments", lambda: p.with_segments(p.jpeg(), *[(0xFE, b"hello")] * 50))
    yield Odd("jpeg-largest-comment", lambda: p.with_segments(p.jpeg(), (0xFE, bytes(65_533))))
    yield Odd("jpeg-thumbnail-in-jfxx", lambda: p.with_segments(p.jpeg(), (0xE0, b"JFXX\0\x10" + p.jpeg(64, 64))))
    yield Odd("jpeg-flashpix", lambda: p.with_segments(p.jpeg(), (0xE2, b"FPXR\0" + bytes(40))))
    yield Odd(
        "jpeg-photoshop-block", lambda: p.with_segments(p.jpeg(), (0xED, b"Photoshop 3.0\x008BIM\xff\xff\xff\xff"))
    )
    yield Odd("jpeg-multi-picture", lambda: p.with_segments(p.jpeg(), (0xE2, b"MPF\0garbage")) + p.jpeg(64, 64))
    yield Odd("jpeg-12000x64", lambda: p.jpeg(12_000, 64))
    yield Odd("jpeg-64x64", lambda: p.jpeg(64, 64))


def _cmyk() -> bytes:
    return p.saved(Image.fromarray(p.texture(channels=4), "CMYK"), "JPEG", quality=95)


def _cmyk_plain() -> bytes:
    """CMYK without Adobe's mark: 0 is no ink, so the same numbers mean the opposite."""
    return p.reassembled([part for part in p.segments(_cmyk()) if part[0] != 0xEE])


def _cmyk_plain_pixels() -> Pixels:
    with Image.open(io.BytesIO(_cmyk())) as adobe:
        return np.asarray(Image.fromarray(255 - np.asarray(adobe), "CMYK").convert("RGB"))


def _ycck() -> bytes:
    parts = p.segments(_cmyk())
    return p.reassembled([(kind, body[:-1] + b"\2" if kind == 0xEE else body) for kind, body in parts])


def _frame_kind(marker: int) -> bytes:
    return p.reassembled([(marker if kind == 0xC0 else kind, body) for kind, body in p.segments(p.jpeg())])


def _arithmetic() -> bytes:
    """Arithmetic coding with a constructed bit stream: any bytes decode to something, the same in every decoder."""
    parts = [part for part in p.segments(p.jpeg()) if part[0] != 0xC4]
    coded = bytes(k * 37 % 251 for k in range(3000)).replace(b"\xff", b"\xfe")
    return p.reassembled([({0xC0: 0xC9}.get(kind, kind), coded if kind == 0 else body) for kind, body in parts])


def _pngs() -> Iterator[Odd]:
    for interlace in (False, True):
        tail = "-interlaced" if interlace else ""
        for depth in (1, 2, 4, 8, 16):
            top = 2**depth - 1
            wide = (np.arange(p.HEIGHT * p.WIDTH).reshape(p.HEIGHT, p.WIDTH, 1) * 7 % (top + 1)).astype(np.uint16)
            grey = np.floor(wide * 255.0 / top + 0.5).astype(np.uint8)
            notes = (REDUCED,) if depth == 16 else ()
            yield Odd(
                f"png-grey-{depth}{tail}",
                lambda w=wide, d=depth, i=interlace: p.joined(p.png_chunks(w, depth=d, colour=0, interlace=i)),
                lambda g=grey: _flat_grey(g),
                notes,
            )
            if depth <= 8:
                yield Odd(
                    f"png-palette-{depth}{tail}",
                    lambda w=wide, d=depth, i=interlace: _palette_png(w, d, interlace=i),
                    lambda w=wide, d=depth: _palette(2**d)[w[..., 0]],
                )
        for name, colour, channels in (("rgb", 2, 3), ("rgba", 6, 4), ("la", 4, 2)):
            for depth in (8, 16):
                samples = p.texture(channels=channels)
                full = samples.astype(np.uint16) * 256 + 77 if depth == 16 else samples
                yield Odd(
                    f"png-{name}-{depth}{tail}",
                    lambda s=full, d=depth, c=colour, i=interlace: p.joined(
                        p.png_chunks(s, depth=d, colour=c, interlace=i)
                    ),
                    lambda s=samples: _as_rgb(s),
                    (*((ON_WHITE,) if name != "rgb" else ()), *((REDUCED,) if depth == 16 else ())),
                )
    extra = {
        "gama-srgb": [(b"gAMA", struct.pack(">I", 45_455))],
        "chrm-srgb": [(b"cHRM", bytes(32)), (b"sRGB", b"\0")],
        "text": [(b"tEXt", b"Comment\0hello"), (b"iTXt", b"Title\0\0\0\0\0hi")],
        "private": [(b"prVt", bytes(100)), (b"abCd", b"")],
        "background": [(b"bKGD", bytes(6)), (b"pHYs", bytes(9)), (b"tIME", bytes(7))],
        "suggested-palette": [(b"PLTE", bytes(range(6)))],
        "hist-after-palette": [(b"PLTE", bytes(range(6))), (b"hIST", bytes(4))],
        "wrong-length-gama": [(b"gAMA", b"\0")],
        "empty-pixel-chunk": [(b"IDAT", b"")],
    }
    odd_colours = {
        "gama-linear": [(b"gAMA", struct.pack(">I", 100_000))],
        "cicp-p3": [(b"cICP", b"\x0c\x0d\0\1")],
        "cicp-hdr": [(b"cICP", b"\x09\x10\0\1")],
    }
    for name, chunks in odd_colours.items():
        yield Odd(f"png-{name}", lambda c=chunks: p.png(before=c), p.texture, (NO_COLOURS,))
    extra["cicp-srgb"] = [(b"cICP", b"\x01\x0d\0\1")]
    extra["gama-beside-srgb"] = [(b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", b"\0")]
    for name, chunks in extra.items():
        yield Odd(f"png-{name}", lambda c=chunks: p.png(before=c), p.texture)
    yield Odd("png-many-pieces", lambda: p.png(pieces=500), p.texture)
    yield Odd("png-text-behind-pixels", lambda: _behind([(b"tEXt", b"a\0b")]), p.texture)
    yield Odd("png-wrong-checksum-of-text", _wrong_text_checksum, p.texture)
    yield Odd(
        "png-black",
        lambda: p.joined(p.png_chunks(np.zeros((64, 64, 3), np.uint8))),
        lambda: np.zeros((64, 64, 3), np.uint8),
    )
    yield Odd("png-12000x64", lambda: p.png(12_000, 64), lambda: p.texture(12_000, 64))
    yield Odd("png-64x12000", lambda: p.png(64, 12_000), lambda: p.texture(64, 12_000))
    yield Odd("apng-default-first", p.apng, p.texture, (ANIMATED,))
    yield Odd("apng-default-apart", lambda: p.apng(default_is_first=False), p.texture, (ANIMATED,))
    yield Odd("apng-one-frame", lambda: p.apng(1), p.texture, (ANIMATED,))
    yield Odd("apng-10000-frames", lambda: p.apng(10_000), p.texture, (ANIMATED,))
    yield Odd("apng-frames-in-disorder", _disordered, p.texture, (ANIMATED,))


def _as_rgb(samples: Pixels) -> Pixels:
    if samples.shape[2] == 3:
        return samples
    colours = samples[..., :-1]
    return on_white(colours if colours.shape[2] == 3 else _flat_grey(colours), samples[..., -1])


def _palette(count: int) -> Pixels:
    steps = np.arange(count)
    return np.stack([steps * 91 % 256, 255 - steps % 256, steps * 13 % 256], -1).astype(np.uint8)


def _palette_png(
    samples: NDArray[np.uint16], depth: int, *, interlace: bool = False, alphas: bytes | None = None
) -> bytes:
    before = [(b"PLTE", _palette(2**depth).tobytes())] + ([] if alphas is None else [(b"tRNS", alphas)])
    return p.joined(p.png_chunks(samples, depth=depth, colour=3, interlace=interlace, before=before))


def _behind(chunks: p.Chunks) -> bytes:
    parts = p.png_chunks(p.texture())
    return p.joined([*parts[:-1], *chunks, parts[-1]])


def _wrong_text_checksum() -> bytes:
    head, *rest = p.png_chunks(p.texture())
    return (
        p.SIGNATURE + p.chunk(*head) + p.chunk(b"tEXt", b"a\0b", checksum=1) + b"".join(p.chunk(*part) for part in rest)
    )


def _disordered() -> bytes:
    chunks = p.split(p.apng(6))
    return p.joined([*chunks[:4], *chunks[4:-1][::-1], chunks[-1]])


def _transparent() -> Iterator[Odd]:
    """Alpha of every kind; what hides under full transparency must not show."""
    colours = p.texture()
    alpha = np.zeros((p.HEIGHT, p.WIDTH), np.uint8)
    alpha[20:60, 20:70] = 255
    alpha[30:40] //= 2
    layered = np.dstack([colours, alpha])
    flat = on_white(colours, alpha)
    yield Odd("png-hidden-colours", lambda: p.saved(Image.fromarray(layered), "PNG"), lambda: flat, (ON_WHITE,))
    yield Odd(
        "webp-hidden-colours",
        lambda: p.saved(Image.fromarray(layered), "WEBP", lossless=True, exact=True),
        lambda: flat,
        (ON_WHITE,),
    )
    yield Odd("webp-lossy-alpha", lambda: p.saved(Image.fromarray(layered), "WEBP", quality=90), notes=(ON_WHITE,))
    solid = np.dstack([colours, np.full_like(alpha, 255)])
    yield Odd("png-opaque-alpha", lambda: p.saved(Image.fromarray(solid), "PNG"), lambda: colours)
    nothing = np.dstack([colours, np.zeros_like(alpha)])
    yield Odd(
        "png-all-transparent", lambda: p.saved(Image.fromarray(nothing), "PNG"), lambda: colours * 0 + 255, (ON_WHITE,)
    )
    low = np.dstack([colours // 8, np.full_like(alpha, 30)])
    yield Odd(
        "png-as-if-premultiplied",
        lambda: p.saved(Image.fromarray(low), "PNG"),
        lambda: on_white(colours // 8, low[..., 3]),
        (ON_WHITE,),
    )
    for depth in (1, 2, 4, 8):
        index = (np.arange(p.HEIGHT * p.WIDTH).reshape(p.HEIGHT, p.WIDTH, 1) % 2**depth).astype(np.uint16)
        alphas = bytes((0, 128))
        table = np.full(2**depth, 255, np.uint8)
        table[:2] = list(alphas)
        yield Odd(
            f"png-palette-{depth}-alpha",
            lambda i=index, d=depth, a=alphas: _palette_png(i, d, alphas=a),
            lambda i=index, d=depth, t=table: on_white(_palette(2**d)[i[..., 0]], t[i[..., 0]]),
            (ON_WHITE,),
        )
        top = 2**depth - 1
        key = (b"tRNS", struct.pack(">H", 1))
        scaled = (index * (255 // top)).astype(np.uint8)
        yield Odd(
            f"png-grey-{depth}-key",
            lambda i=index, d=depth, k=key: p.joined(p.png_chunks(i, depth=d, colour=0, before=[k])),
            lambda i=index, s=scaled: _flat_grey(np.where(i == 1, 255, s).astype(np.uint8)),
            (ON_WHITE,),
        )
    spotted = np.maximum(colours, 10)
    spotted[5:9, 5:9] = (1, 2, 3)
    whitened = spotted.copy()
    whitened[5:9, 5:9] = 255
    key = (b"tRNS", struct.pack(">3H", 1, 2, 3))
    yield Odd("png-rgb-key", lambda: p.joined(p.png_chunks(spotted, before=[key])), lambda: whitened, (ON_WHITE,))
    yield Odd("png-rgb-key-unused", lambda: p.png(before=[(b"tRNS", struct.pack(">3H", 999, 2, 3))]), p.texture)
    deep = spotted.astype(np.uint16) * 256 + 5
    deep_key = (b"tRNS", struct.pack(">3H", *(int(value) for value in deep[5, 5])))
    yield Odd(
        "png-rgb-16-key",
        lambda: p.joined(p.png_chunks(deep, depth=16, before=[deep_key])),
        lambda: whitened,
        (ON_WHITE, REDUCED),
    )
    grey16 = np.full((64, 64, 1), 40_000, np.uint16)
    grey16[:8] = 40_001
    white16 = np.full((64, 64, 3), 156, np.uint8)
    white16[:8] = 255
    key16 = (b"tRNS", struct.pack(">H", 40_001))
    yield Odd(
        "png-grey-16-key",
        lambda: p.joined(p.png_chunks(grey16, depth=16, colour=0, before=[key16])),
        lambda: white16,
        (ON_WHITE, REDUCED),
    )
    yield Odd("png-transparency-too-short", lambda: p.png(before=[(b"tRNS", b"\0\1")]), p.texture)
    yield Odd(
        "png-transparency-with-rgba",
        lambda: p.joined(p.png_chunks(solid, colour=6, before=[(b"tRNS", bytes(6))])),
        p.texture,
    )
    few = (np.arange(64 * 64).reshape(64, 64, 1) % 200).astype(np.uint16)
    short = (b"PLTE", _palette(256)[:100].tobytes())
    padded = _palette(256).copy()
    padded[100:] = 0
    yield Odd(
        "png-index-beyond-palette",
        lambda: p.joined(p.png_chunks(few, colour=3, before=[short])),
        lambda: padded[few[..., 0]],
    )


def _webps() -> Iterator[Odd]:
    still = p.webp(lossless=True)
    for quality in (0, 50, 100):
        for method in (0, 4):
            yield Odd(f"webp-lossy-{quality}-{method}", lambda q=quality, m=method: p.webp(quality=q, method=m))
    yield Odd("webp-lossless", lambda: still, p.texture)
    yield Odd(
        "webp-grey",
        lambda: p.saved(p.texture(channels=1), "WEBP", lossless=True),
        lambda: _flat_grey(p.texture(channels=1)),
    )
    yield Odd("webp-64x64", lambda: p.webp(64, 64))
    yield Odd("webp-12000x64", lambda: p.webp(12_000, 64))
    yield Odd("webp-odd-sides", lambda: p.webp(97, 81))
    yield Odd("webp-canvas-header", lambda: p.riff([p.canvas(96, 80), *p.unriffed(still)]), p.texture)
    yield Odd(
        "webp-unknown-chunks",
        lambda: p.riff([p.canvas(96, 80), (b"ABCD", b"x"), *p.unriffed(still), (b"efgh", b"")]),
        p.texture,
    )
    yield Odd("webp-picture-twice", lambda: p.riff([*p.unriffed(still), *p.unriffed(p.webp())]), p.texture)
    yield Odd("webp-animated", p.animated_webp, p.texture, (ANIMATED,))
    yield Odd("webp-animated-3000", lambda: p.animated_webp(3000), p.texture, (ANIMATED,))
    yield Odd("webp-animated-small-first-frame", _small_first_frame, _small_first_frame_pixels, (ANIMATED, ON_WHITE))
    yield Odd("webp-animated-lossy-alpha", _alpha_first_frame, notes=(ANIMATED, ON_WHITE))


def _small_first_frame() -> bytes:
    small = p.webp(70, 66, lossless=True)
    return p.riff(
        [p.canvas(96, 80, flags=0x12), (b"ANIM", bytes(6)), p.frame(10, 4, picture=small, width=70, height=66)]
    )


def _small_first_frame_pixels() -> Pixels:
    canvas = np.full((80, 96, 3), 255, np.uint8)
    canvas[4:70, 10:80] = p.texture(70, 66)
    return canvas


def _alpha_first_frame() -> bytes:
    picture = p.saved(Image.fromarray(np.dstack([p.texture(), p.texture(channels=1)])), "WEBP", quality=80)
    return p.riff([p.canvas(96, 80, flags=0x12), (b"ANIM", bytes(6)), p.frame(0, 0, picture=picture)])


def _profiles() -> Iterator[Odd]:
    sound = profiles.adobe_rgb()
    bad = {
        "junk": b"junk" * 60,
        "short": b"x",
        "cut": sound[:300],
        "no-signature": sound[:36] + b"xxxx" + sound[40:],
        "zeros": bytes(500),
        "claims-4-gb": b"\xff\xff\xff\xff" + sound[4:],
        "grey-space": profiles.grey(),
        "cmyk-space": profiles.cmyk(),
        "device-link": sound[:12] + b"link" + sound[16:],
        "tags-beyond-end": sound[:132] + b"\xff" * 84 + sound[216:],
        "5000-tags": sound[:128] + struct.pack(">I", 5000) + sound[132:],
        "oversized": sound[:4] + sound[4:] + bytes(5 << 20),
    }
    for format in ("JPEG", "PNG", "WEBP"):
        pixels = None if format == "JPEG" else p.texture
        for name, icc in bad.items():
            yield Odd(
                f"{format}-profile-{name}", lambda f=format, i=icc: p.with_metadata(f, icc=i), pixels, (BAD_PROFILE,)
            )
        for name, icc in {"adobe": sound, "p3": profiles.display_p3(), "trailing-bytes": sound + b"more"}.items():
            yield Odd(
                f"{format}-profile-{name}", lambda f=format, i=icc: p.with_metadata(f, icc=i), pixels, has_icc=True
            )
    grey = p.texture(channels=1)
    yield Odd("jpeg-grey-profile", lambda: p.saved(grey, "JPEG", icc_profile=profiles.grey()), notes=(GREY_PROFILE,))
    yield Odd(
        "png-grey-profile",
        lambda: p.saved(grey, "PNG", icc_profile=profiles.grey()),
        lambda: _flat_grey(grey),
        (GREY_PROFILE,),
    )
    yield Odd("jpeg-grey-with-rgb-profile", lambda: p.saved(grey, "JPEG", icc_profile=sound), has_icc=True)
    parts = p.icc_segments(profiles.display_p3(), size=1000)
    yield Odd("jpeg-profile-in-parts", lambda: p.with_segments(p.jpeg(), *parts), has_icc=True)
    yield Odd("jpeg-profile-parts-swapped", lambda: p.with_segments(p.jpeg(), *parts[::-1]), has_icc=True)
    yield Odd("jpeg-profile-part-missing", lambda: p.with_segments(p.jpeg(), *parts[1:]), notes=(BAD_PROFILE,))
    yield Odd("jpeg-profile-part-twice", lambda: p.with_segments(p.jpeg(), *parts, parts[0]), notes=(BAD_PROFILE,))
    yield Odd(
        "jpeg-profile-part-empty",
        lambda: p.with_segments(p.jpeg(), (0xE2, b"ICC_PROFILE\0")),
        lambda: seen_by_pillow(p.jpeg()),
        (BAD_PROFILE,),
    )
    chunks = {
        "not-zlib": b"x\0\0hello",
        "cut": b"x\0\0" + zlib.compress(sound)[:-20],
        "method-1": b"x\0\1" + zlib.compress(sound),
        "no-name": zlib.compress(sound),
    }
    for name, body in chunks.items():
        yield Odd(f"png-profile-chunk-{name}", lambda b=body: p.png(before=[(b"iCCP", b)]), p.texture, (BAD_PROFILE,))
    yield Odd("png-profile-400-mb-bomb", lambda: _bomb(b"iCCP", b"x\0\0"), p.texture, (BAD_PROFILE,))
    yield Odd("png-profile-wrong-checksum", _wrong_profile_checksum, p.texture, (BAD_PROFILE,))


@lru_cache(maxsize=1)
def _deflated_zeros(megabytes: int) -> bytes:
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def _bomb(kind: bytes, start: bytes) -> bytes:
    return p.png(before=[(kind, start + _deflated_zeros(400))])


def _wrong_profile_checksum() -> bytes:
    head, *rest = p.png_chunks(p.texture())
    body = b"x\0\0" + zlib.compress(profiles.adobe_rgb())
    return p.SIGNATURE + p.chunk(*head) + p.chunk(b"iCCP", body, checksum=5) + b"".join(p.chunk(*part) for part in rest)


def _metadata() -> Iterator[Odd]:
    loop = struct.pack("<2sHIHHHII", b"II", 42, 8, 1, 0x8769, 4, 1, 8) + bytes(4)
    exifs = {
        "junk": b"junk" * 20,
        "empty": b"",
        "header-alone": b"II*\0\x08\0\0\0",
        "offset-beyond-end": b"MM\0*\xff\xff\xff\xff",
        "65535-entries": b"II*\0\x08\0\0\0\xff\xff" + bytes(400),
        "pointer-beyond-end": p.exif_block([(0x8769, 4, 1, b"\xff\xff\xff\x7f")]),
        "value-beyond-end": p.exif_block([(0x010F, 2, 9999, b"\xff\xff\xff\x7f")]),
        "count-2^32": p.exif_block([(0x010F, 2, 2**32 - 1, b"\x08\0\0\0")]),
        "unknown-type": p.exif_block([(0x010F, 99, 1, b"abcd")]),
        "bigtiff": b"II+\0\x08\0\0\0",
        "random": bytes((k * 73 + 11) % 256 for k in range(3000)),
        "1-mb": b"II*\0\x08\0\0\0" + bytes(2 << 20),
    }
    for format in ("JPEG", "PNG", "WEBP"):
        pixels = None if format == "JPEG" else p.texture
        for name, block in exifs.items():
            if not (format == "JPEG" and len(block) > 60_000) and not (format == "WEBP" and not block):
                notes = (DROPPED,)
                yield Odd(f"{format}-exif-{name}", lambda f=format, b=block: p.with_metadata(f, exif=b), pixels, notes)
        yield Odd(f"{format}-exif-pointing-at-itself", lambda f=format: p.with_metadata(f, exif=loop), pixels)
        packets = {
            "junk": b"junk",
            "cut": p.xmp_packet()[:200],
            "not-utf-8": b"<a>\xff\xfe</a>",
            "utf-16": "<a/>".encode("utf-16"),
            "doctype-bomb": b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
            "deep": b"<a>" * 5000 + b"</a>" * 5000,
            "nul-inside": p.xmp_packet().replace(b"image/jpeg", b"image\0jpeg"),
            "too-large": p.xmp_packet("<dc:x>" + "y" * 61_000 + "</dc:x>"),
        }
        for name, packet in packets.items():
            yield Odd(f"{format}-xmp-{name}", lambda f=format, x=packet: p.with_metadata(f, xmp=x), pixels, (DROPPED,))
    yield Odd("png-ztxt-400-mb-bomb", lambda: _bomb(b"zTXt", b"Comment\0\0"), p.texture)
    yield Odd("png-itxt-400-mb-bomb", lambda: _bomb(b"iTXt", b"Comment\0\1\0\0\0"), p.texture)
    yield Odd("png-xmp-400-mb-bomb", lambda: _bomb(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"), p.texture, (DROPPED,))
    yield Odd("png-raw-exif-400-mb-bomb", lambda: _bomb(b"zTXt", b"Raw profile type exif\0\0"), p.texture, (DROPPED,))
    yield Odd("png-text-not-latin", lambda: p.png(before=[(b"tEXt", b"\xff\xff\xff")]), p.texture)
    yield Odd("png-xmp-cut", lambda: p.png(before=[(b"iTXt", b"XML:com.adobe.xmp\0\0")]), p.texture, (DROPPED,))
    yield Odd("png-exif-wrong-kind", lambda: p.png(before=[(b"eXIf", b"nothing")]), p.texture, (DROPPED,))
    for format in ("JPEG", "WEBP"):
        gain = p.xmp_packet(attributes=' xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"')
        yield Odd(f"{format}-hdr-gain-map", lambda f=format, x=gain: p.with_metadata(f, xmp=x), notes=(NO_HDR,))
    yield Odd(
        "jpeg-hdr-iso",
        lambda: p.with_segments(p.jpeg(), (0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0")) + p.jpeg(64, 64),
        notes=(NO_HDR,),
    )
    yield Odd(
        "jpeg-two-exif-blocks",
        lambda: p.with_segments(
            p.with_metadata("JPEG", exif=p.exif_block(orientation=1)), (0xE1, b"Exif\0\0" + p.exif_block(orientation=1))
        ),
    )
    yield Odd(
        "jpeg-extended-xmp",
        lambda: p.with_segments(p.jpeg(), (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(90))),
    )


def _wrapped() -> Iterator[Odd]:
    """Sound pictures with something behind them."""
    tails = {
        "zeros": bytes(4096),
        "zip": b"PK\x03\x04" + bytes(300),
        "html": b"<script>alert(1)</script>",
        "video": b"\0\0\0\x18ftypmp42" + bytes(200_000),
        "another-jpeg": p.jpeg(64, 64),
        "one-byte": b"\n",
        "20-mb": bytes(20_000_000),
    }
    for name, tail in tails.items():
        yield Odd(f"jpeg-and-{name}", lambda t=tail: p.jpeg() + t, lambda: seen_by_pillow(p.jpeg()))
        yield Odd(f"png-and-{name}", lambda t=tail: p.png() + t, p.texture)
        yield Odd(f"webp-and-{name}", lambda t=tail: p.webp(lossless=True) + t, p.texture)
