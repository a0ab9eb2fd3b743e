"""The photo: read once, with limits, into the one array that everything else works on.

Images are HWC uint8 RGB, masks are HW uint8 0/255, everywhere. A photo's array is upright, in the photo's own colour space
(`icc`, None meaning sRGB) and read-only.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from outfitswap_desktop.core import colour, decode, exif, headers, xmp
from outfitswap_desktop.core.arrays import RGB, Alpha, Mask, frozen
from outfitswap_desktop.core.container import (
    MAX_FILE_BYTES,
    NOTE_ICC_DAMAGED,
    NOTE_METADATA_DROPPED,
    NOTE_NO_HDR,
    BadPictureError,
    Container,
    PictureFormat,
    check_mask_size,
    check_photo_size,
    refusal,
)
from outfitswap_desktop.errors import InputRefused


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """One picture as read: `pixels` (H, W, 3) upright RGB, read-only.

    `icc` the profile of `pixels`, as carried (None: sRGB, or damaged and said in `notes`); `exif` and `xmp` fit to be written
    again: Orientation 1, no position, no thumbnails, no maker notes; `sha256` (hex) of the whole file; `had_position` says
    that a position was there and left out; `notes` are sentences for the user about what reading changed.
    """

    pixels: RGB
    format: PictureFormat
    sha256: str
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    had_position: bool = False
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), as Pillow says it."""
        return self.width, self.height


def read_photo(source: Path | bytes, *, role: str = "photo") -> Photo:
    """Read a JPEG, PNG or WebP, known by its content.

    `role` ("photo", "garment", or another noun) is who the sentences speak of. Raises PhotoUnreadable with one sentence and
    a hint for everything that cannot be used, and nothing else.
    """
    try:
        data = _bytes_of(source)
        container = headers.open_container(data, check_photo_size)
        digest = hashlib.sha256(data).hexdigest()
        del data
        return _photo(container, digest)
    except BadPictureError as bad:
        raise refusal(bad, role) from bad
    except MemoryError as error:
        raise refusal(BadPictureError("out_of_memory"), role) from error


def read_mask(source: Path | bytes, *, size: tuple[int, int]) -> Mask:
    """Read a mask for a photo of `size` (width, height): (H, W) 0/255, in where the picture is 128 or more.

    Any JPEG, PNG or WebP of the photo's size. Where only its alpha says anything (one colour, varying alpha) the alpha counts;
    otherwise transparent areas are out, and of colours the strongest channel counts. Raises InputRefused with the reason
    mask_size or mask_empty, PhotoUnreadable for a file that cannot be read.
    """
    try:
        container = headers.open_container(_bytes_of(source), check_mask_size)
        mask = _mask(container, size)
    except BadPictureError as bad:
        raise refusal(bad, "mask") from bad
    except MemoryError as error:
        raise refusal(BadPictureError("out_of_memory"), "mask") from error
    if not mask.any():
        raise InputRefused(
            "The mask is empty: no pixel of it reaches 128 of 255.",
            reason="mask_empty",
            hint="Paint white where the garment is.",
        )
    return mask


def file_bytes(source: Path | bytes, *, role: str) -> bytes:
    """The bytes of a picture that is read more than once, so that every reader gets the same. Raises PhotoUnreadable."""
    try:
        return _bytes_of(source)
    except BadPictureError as bad:
        raise refusal(bad, role) from bad


def _bytes_of(source: Path | bytes) -> bytes:
    """The file's bytes, or a BadPictureError; devices and pipes are never opened for reading."""
    if isinstance(source, bytes):
        data = source
    else:
        try:
            data = _file_bytes(source)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BadPictureError("not_found") from error
        except PermissionError as error:
            raise BadPictureError("no_permission") from error
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise BadPictureError("unreadable") from error
    if not data:
        raise BadPictureError("empty")
    if len(data) > MAX_FILE_BYTES:
        raise BadPictureError("file_too_large")
    return data


def _file_bytes(path: Path) -> bytes:
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise BadPictureError("not_a_file")
    if about.st_size > MAX_FILE_BYTES:
        raise BadPictureError("file_too_large")
    # O_NONBLOCK: should the name have become a pipe since, opening it must not wait for a writer
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    with os.fdopen(os.open(path, flags), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise BadPictureError("not_a_file")
        return stream.read(MAX_FILE_BYTES + 1)


def _orientation(container: Container) -> tuple[int | None, exif.Exif | None]:
    about = exif.read(container.exif, container.size) if container.exif is not None else None
    turned = about.orientation if about else None
    if turned is None and container.xmp is not None:
        turned = xmp.orientation(container.xmp)
    return turned, about


def _photo(container: Container, digest: str) -> Photo:
    pixels, notes, mode = _on_white(container)
    turned, about = _orientation(container)
    packet = xmp.cleaned(container.xmp) if container.xmp is not None else None
    lost = (about is not None and about.damaged) or (container.xmp is not None and packet is None)
    profile, said = _profile(container.icc, mode)
    hdr = container.xmp is not None and xmp.speaks_of_gain_map(container.xmp)
    late = ((NOTE_NO_HDR, hdr), (NOTE_METADATA_DROPPED, lost))
    all_notes = (*container.notes, *notes, *said, *(note for note, holds in late if holds))
    return Photo(
        pixels=cast(RGB, frozen(np.ascontiguousarray(decode.upright(pixels, turned)))),
        format=container.format,
        sha256=digest,
        icc=profile,
        exif=about.block if about else None,
        xmp=packet,
        had_position=about is not None and about.had_position,
        notes=tuple(dict.fromkeys(all_notes)),
    )


def _on_white(container: Container) -> tuple[RGB, tuple[str, ...], str]:
    """The whole canvas as stored, notes about it, and the mode it was stored in."""
    picture = decode.load(container)
    width, height = container.size
    left, upper = container.place
    whole = picture.size == container.size
    if whole and picture.mode == "RGB" and not isinstance(picture.pixels, Image.Image):
        return picture.pixels, (), "RGB"
    pixels = np.empty((height, width, 3), np.uint8) if whole else np.full((height, width, 3), 255, np.uint8)
    see_through = not whole
    for top, colours, alpha in decode.strips(picture, container):
        if alpha is not None and not see_through:
            see_through = bool((alpha < 255).any())
        rows = slice(upper + top, upper + top + len(colours))
        pixels[rows, left : left + picture.size[0]] = decode.on_white(colours, alpha)
    notes = []
    if see_through:
        notes.append("Transparent areas were put on white.")
    if container.depth == 16:
        notes.append("16-bit was reduced to 8-bit.")
    return pixels, tuple(notes), picture.mode


def _profile(icc: bytes | None, mode: str) -> tuple[bytes | None, tuple[str, ...]]:
    """The profile that fits the RGB array, and what to say when the file's own does not."""
    if mode == "CMYK":
        return None, ("CMYK was converted to sRGB.",)
    if icc is None:
        return None, ()
    space = colour.colour_space(icc)
    if mode in {"1", "L", "LA", "I;16"} and space == "GRAY":
        return None, ("The grey colour profile was left out.",)
    if not colour.is_sound(icc):
        return None, (NOTE_ICC_DAMAGED,)
    return icc, ()


def _mask(container: Container, size: tuple[int, int]) -> Mask:
    turned, _ = _orientation(container)
    width, height = container.size if turned not in {5, 6, 7, 8} else container.size[::-1]
    if (width, height) != size:
        raise InputRefused(
            f"The mask has {width:,} x {height:,} pixels, but the photo has {size[0]:,} x {size[1]:,}.",
            reason="mask_size",
            hint="Save the mask in the photo's size, upright.",
        )
    picture = decode.load(container)
    strongest = np.zeros(container.size[::-1], np.uint8)
    alphas: Alpha | None = None
    one_colour: set[tuple[int, ...]] = set()
    left, upper = container.place
    for top, colours, alpha in decode.strips(picture, container):
        rows, columns = slice(upper + top, upper + top + len(colours)), slice(left, left + picture.size[0])
        strongest[rows, columns] = colours.max(axis=2)
        if alpha is not None:
            alphas = np.zeros_like(strongest) if alphas is None else alphas
            alphas[rows, columns] = alpha
        for extreme in (colours.min(axis=(0, 1)), colours.max(axis=(0, 1))):
            one_colour.add(tuple(int(value) for value in extreme))
    if alphas is not None and int(alphas.min()) < int(alphas.max()):
        product = strongest.astype(np.uint16) * alphas
        strongest = alphas if len(one_colour) == 1 else ((product + 127) // 255).astype(np.uint8)
    return np.where(np.ascontiguousarray(decode.upright(strongest, turned)) >= 128, np.uint8(255), np.uint8(0))
