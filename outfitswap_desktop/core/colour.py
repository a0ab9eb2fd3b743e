"""From a photo's own colour space to sRGB and back (ICC, LittleCMS); for crops only, the photo's array is never converted."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from outfitswap_desktop.core.arrays import RGB

_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_USABLE_CLASSES = frozenset({b"mntr", b"scnr", b"spac", b"prtr"})
_STRIP_PIXELS = 1 << 20
_HARDLY = 8
"""Levels by which two renditions differ at most that count as one: black point compensation, and rounding."""

_LCMS_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, MemoryError)


def colour_space(icc: bytes) -> str | None:
    """ "RGB", "GRAY", "CMYK", ... of a profile whose header holds together (ICC.1:2022 7.2); None when it is damaged."""
    if len(icc) < 132 or icc[36:40] != b"acsp" or not 132 <= int.from_bytes(icc[:4], "big") <= len(icc):
        return None
    if icc[12:16] not in _USABLE_CLASSES:
        return None
    return icc[16:20].decode("latin-1").strip()


def is_sound(icc: bytes) -> bool:
    """Whether LittleCMS can build a transform from this RGB profile to sRGB."""
    return colour_space(icc) == "RGB" and _pair(icc).sound


def to_srgb(pixels: RGB, icc: bytes | None) -> RGB:
    """`pixels` (H, W, 3) in the space of `icc`, as sRGB; relative colorimetric with black point compensation.

    None, an sRGB profile or an unusable one: `pixels` itself. Colours outside sRGB are clipped.
    """
    pair = _pair(icc) if icc is not None else _IDENTITY
    return pixels if pair.forth is None or pair.back is None else _applied(pair.forth, pixels)


def renditions(pixels: RGB, icc: bytes | None) -> tuple[RGB, ...]:
    """All that viewers may make of `pixels` (H, W, 3) in the space of `icc`: its numbers as they are, and what they stand for.

    Programs without colour management show the first; the others follow the profile by the rendering intents that pictures
    are shown with. Those that hardly differ are given once: one for sRGB, two for a display's or a camera's profile.
    """
    transforms = _renderings(icc) if icc is not None else ()
    return (pixels, *(_applied(transform, pixels) for transform in transforms))


@lru_cache(maxsize=8)
def _renderings(icc: bytes) -> tuple[Any, ...]:
    if colour_space(icc) != "RGB":
        return ()
    srgb = ImageCms.createProfile("sRGB")
    found: list[Any] = []
    grids = [_grid().astype(np.int16)]
    for intent, flags in (
        (_INTENT, _FLAGS),
        (ImageCms.Intent.PERCEPTUAL, ImageCms.Flags.NONE),
        (ImageCms.Intent.SATURATION, ImageCms.Flags.NONE),
    ):
        try:
            own = ImageCms.ImageCmsProfile(BytesIO(icc))
            transform = ImageCms.buildTransform(own, srgb, "RGB", "RGB", intent, flags)
        except _LCMS_ERRORS:
            continue
        moved = _applied(transform, _grid()).astype(np.int16)
        if all(np.abs(moved - grid).max() > _HARDLY for grid in grids):
            grids.append(moved)
            found.append(transform)
    return tuple(found)


def from_srgb(pixels: RGB, icc: bytes | None) -> RGB:
    """`pixels` (H, W, 3) in sRGB, in the space of `icc`: the inverse of to_srgb, with the same identities."""
    pair = _pair(icc) if icc is not None else _IDENTITY
    return pixels if pair.forth is None or pair.back is None else _applied(pair.back, pixels)


def cmyk_to_srgb(picture: Image.Image, icc: bytes | None) -> Image.Image:
    """A CMYK picture as sRGB through its profile; without a usable one by the usual (255 - C) (255 - K) / 255."""
    transform = _cmyk_transform(icc) if icc is not None else None
    if transform is None:
        return picture.convert("RGB")
    return ImageCms.applyTransform(picture, transform) or picture.convert("RGB")


class _Pair:
    """The two transforms of one profile; both None where the profile is sRGB or cannot be used both ways."""

    __slots__ = ("back", "forth", "sound")

    def __init__(self, forth: Any | None, back: Any | None, *, sound: bool) -> None:
        self.forth = forth
        self.back = back
        self.sound = sound


_IDENTITY = _Pair(None, None, sound=True)


@lru_cache(maxsize=8)
def _pair(icc: bytes) -> _Pair:
    if colour_space(icc) != "RGB":
        return _Pair(None, None, sound=False)
    srgb = ImageCms.createProfile("sRGB")
    try:
        own = ImageCms.ImageCmsProfile(BytesIO(icc))
        forth = ImageCms.buildTransform(own, srgb, "RGB", "RGB", _INTENT, _FLAGS)
    except _LCMS_ERRORS:
        return _Pair(None, None, sound=False)
    if _changes_nothing(forth):
        return _IDENTITY
    try:
        back = ImageCms.buildTransform(srgb, own, "RGB", "RGB", _INTENT, _FLAGS)
    except _LCMS_ERRORS:
        return _Pair(None, None, sound=True)  # a scanner's profile: describes the picture, knows no way back
    return _Pair(forth, back, sound=True)


@lru_cache(maxsize=2)
def _cmyk_transform(icc: bytes) -> Any | None:
    if colour_space(icc) != "CMYK":
        return None
    try:
        own = ImageCms.ImageCmsProfile(BytesIO(icc))
        return ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), "CMYK", "RGB", _INTENT, _FLAGS)
    except _LCMS_ERRORS:
        return None


def _changes_nothing(transform: Any) -> bool:
    """Whether a grid of 9 x 9 x 9 colours comes out within 1 of 255: the profile is sRGB, whatever its name."""
    grid = _grid()
    moved = _applied(transform, grid).astype(np.int16) - grid
    return bool(np.abs(moved).max() <= 1)


def _grid() -> RGB:
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(27, 27, 3)


def _applied(transform: Any, pixels: RGB) -> RGB:
    """Apply in strips, so that a large picture costs no more than itself."""
    height, width = pixels.shape[:2]
    rows = max(1, _STRIP_PIXELS // max(1, width))
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        strip = Image.fromarray(np.ascontiguousarray(pixels[top : top + rows]))
        ImageCms.applyTransform(strip, transform, inPlace=True)
        out[top : top + rows] = np.asarray(strip)
    return out
