"""What a file is, before anything in it is decoded: its format by content, and a container stripped down to its pixels.

Each walker (jpeg, png, webp) reads the structure with bounds on every length, checks the size that the header claims, takes
colour profile, EXIF and XMP out, and hands on a minimal file of the same format. The decoder therefore never meets a
metadata bomb, a second frame or a trailing gigabyte, and a truncated file is refused before memory is spent on it.
"""

from __future__ import annotations

import re

from outfitswap_desktop.core import jpeg, png, webp
from outfitswap_desktop.core.container import BadPictureError, Container, SizeCheck


def open_container(data: bytes, check_size: SizeCheck) -> Container:
    """Walk `data` by its content, whatever its name was.

    `check_size(width, height)` is called as soon as the header has said the size, before anything else is read. Raises
    BadPictureError for other formats, damaged structures and structures that would cost too much.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return jpeg.walk(data, check_size)
    if data.startswith(png.SIGNATURE):
        return png.walk(data, check_size)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return webp.walk(data, check_size)
    raise _foreign(data)


_CONVERT = "Save it as PNG or JPEG and try again."
_EXPORT = "Export the page or drawing as PNG or JPEG and try again."
_NO_PICTURE = "Choose a JPEG, PNG or WebP picture."

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"GIF87a", "a GIF picture", _CONVERT),
    (b"GIF89a", "a GIF picture", _CONVERT),
    (b"II*\0", "a TIFF or camera raw picture", _CONVERT),
    (b"MM\0*", "a TIFF or camera raw picture", _CONVERT),
    (b"II+\0", "a TIFF picture", _CONVERT),
    (b"MM\0+", "a TIFF picture", _CONVERT),
    (b"8BPS", "a Photoshop document", _CONVERT),
    (b"\xff\x0a", "a JPEG XL picture", _CONVERT),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture", _CONVERT),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture", _CONVERT),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture", _CONVERT),
    (b"%PDF", "a PDF document", _EXPORT),
    (b"%!PS", "a PostScript document", _EXPORT),
    (b"PK\x03\x04", "a ZIP archive or office document", "Unpack it and choose the picture inside."),
    (b"PK\x05\x06", "an empty ZIP archive", _NO_PICTURE),
    (b"\x1f\x8b", "a gzip archive", "Unpack it and choose the picture inside."),
    (b"BZh", "a bzip2 archive", "Unpack it and choose the picture inside."),
    (b"\xfd7zXZ\0", "an xz archive", "Unpack it and choose the picture inside."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack it and choose the picture inside."),
    (b"Rar!", "a RAR archive", "Unpack it and choose the picture inside."),
    (b"\0\0\x01\0", "an icon", _CONVERT),
    (b"\0\0\x02\0", "a TGA picture", _CONVERT),
    (b"DDS ", "a DDS texture", _CONVERT),
    (b"v/1\x01", "an OpenEXR picture", _CONVERT),
    (b"#?RADIANCE", "a Radiance HDR picture", _CONVERT),
    (b"qoif", "a QOI picture", _CONVERT),
    (b"gimp xcf", "a GIMP document", _CONVERT),
    (b"\x8aMNG", "an MNG animation", _CONVERT),
    (b"\x8bJNG", "a JNG picture", _CONVERT),
    (b"FUJIFILM", "a camera raw picture", _CONVERT),
    (b"\x7fELF", "a program", _NO_PICTURE),
    (b"MZ", "a program", _NO_PICTURE),
    (b"SQLite format 3", "a database", _NO_PICTURE),
    (b"ID3", "a sound file", _NO_PICTURE),
    (b"OggS", "a sound or video file", _NO_PICTURE),
    (b"\x1aE\xdf\xa3", "a video", _NO_PICTURE),
    (b"version https://git-lfs", "a Git LFS pointer", "Fetch the real file with `git lfs pull`."),
)

_BRANDS: tuple[tuple[frozenset[bytes], str, str], ...] = (
    (
        frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}),
        "a HEIC picture",
        "Export it as JPEG; an iPhone takes JPEG under Settings > Camera > Formats > Most Compatible.",
    ),
    (frozenset({b"avif", b"avis"}), "an AVIF picture", _CONVERT),
    (frozenset({b"crx "}), "a camera raw picture", _CONVERT),
)


def _foreign(data: bytes) -> BadPictureError:
    """Name what `data` is instead of a picture that we read."""
    for magic, what, hint in _MAGIC:
        if data.startswith(magic):
            return BadPictureError("format", what=what, hint=hint)
    if data[4:8] == b"ftyp":
        for brands, what, hint in _BRANDS:
            if data[8:12] in brands:
                return BadPictureError("format", what=what, hint=hint)
        return BadPictureError("format", what="a video", hint=_NO_PICTURE)
    if data.startswith(b"BM") and data[6:10] == b"\0\0\0\0":
        return BadPictureError("format", what="a BMP picture", hint=_CONVERT)
    if data.startswith(b"RIFF"):
        return BadPictureError("format", what="a sound or video file", hint=_NO_PICTURE)
    if re.match(rb"P[1-7]\s", data):
        return BadPictureError("format", what="a Netpbm picture", hint=_CONVERT)
    return BadPictureError("format", what=_kind_of_text(data[:2048]), hint=_NO_PICTURE)


def _kind_of_text(head: bytes) -> str:
    """SVG, HTML, XML, text or an unknown kind of file, by its first bytes."""
    lowered = head.replace(b"\0", b"").lower()
    if b"<svg" in lowered:
        return "an SVG drawing"
    if b"<!doctype html" in lowered or b"<html" in lowered:
        return "a web page"
    if lowered.lstrip(b"\xef\xbb\xbf\xff\xfe \r\n\t").startswith(b"<?xml"):
        return "an XML file"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "a text file"
    text = head.decode("utf-8", "ignore")
    whole = len(head) - len(text.encode()) < 4  # the last letter may be cut off
    if text and whole and all(letter.isprintable() or letter in "\t\r\n\f\ufeff" for letter in text):
        return "a text file"
    return "an unknown kind of file"
