"""The invisible mark: 48 bits woven into the luma of the changed pixels, read back from the picture alone.

Additive spread spectrum with perceptual masking (Cox, Kilian, Leighton, Shamoon 1997), repeated as a tile so that the reader
can fold any window of a crop onto it (Rhoads 1995; Kalker, Depovere, Haitsma, Maes 1999), with what the picture itself says in
the mark's waves counted in while embedding (Malvar and Florencio 2003; Miller, Doerr, Cox 2004). The key is a constant: the
mark says where a picture comes from, keeps no secret, and whoever wants to remove it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB, Mask
from outfitswap_desktop.safety.marks.invisible_code import PAYLOAD_BYTES, encode
from outfitswap_desktop.safety.marks.invisible_pattern import C64, GRID, TILE, bins, carpet, folded, grain, tile
from outfitswap_desktop.safety.marks.invisible_search import AROUND, NEARBY, QUIET, Found, best_of, evened, search

__all__ = ["MIN_AREA", "PAYLOAD_BYTES", "Marked", "embed", "find", "read"]

MIN_AREA: Final = 65_536
"""Mask pixels below which no mark is embedded: 256 x 256."""
SCALES: Final = (1.0, 0.5, 0.75, 2 / 3, 1.5, 2.0)
"""How much larger the picture may have become since it was marked, in the order tried."""
LARGEST: Final = 50_000_000
"""Pixels of the largest photo accepted: a scale that makes the original larger is not tried."""
PLAIN: Final = 1.4
"""Standard deviation of the mark on plain cloth of middle brightness, luma levels."""
DARKER: Final = 0.15
LIGHTER: Final = 0.1
"""What is added to PLAIN, as a part of it, on black and on white: Weber's law on a display's curve (Chou and Li 1995)."""
TEXTURED: Final = 0.6
"""Standard deviation of the mark for each level of mean texture, where the texture is that strong all around."""
STRONGEST: Final = 6.0
ROOMY: Final = 0.25
"""Power of the area by which the part that follows texture gets weaker in masks above MIN_AREA ..."""
WEAKEST: Final = 0.6
"""... and where that ends."""
PEAK: Final = 2.4
"""Standard deviations at which the pattern is clipped."""
HEADROOM: Final = 3
"""Levels by which pure black and white are moved inwards, at most, so that the mark can swing both ways there."""
GRAIN: Final = 1.0
"""Half the range of a fine noise added with the mark, luma levels: without it a cloth of exactly one colour is quantised alike
in every tile by JPEG and WebP, and the error does not average out; it also hides the pattern."""
ROUNDS: Final = 6
MOST: Final = 2.5
"""Amplitude of one wave, in parts of its usual one, that may be spent against the picture's own."""
MARGIN: Final = 32
FINEST: Final = (7, 7)
CALM: Final = (13, 13)
LIT: Final = (15, 15)


@dataclass(frozen=True, slots=True)
class Marked:
    """A picture (H, W, 3) and whether it carries a mark; without one its pixels are those handed in."""

    pixels: RGB
    carried: bool


def embed(pixels: RGB, mask: Mask, payload: bytes) -> Marked:
    """A copy of `pixels` (H, W, 3) with the 6 bytes of `payload` woven in where `mask` (H, W) is not 0.

    Pixels where the mask is 0 stay bit for bit. The same input gives the same output. Below `MIN_AREA` mask pixels nothing is
    embedded and `carried` is False. ValueError for wrong shapes, types or payload length.
    """
    word = encode(payload)
    _check(pixels, mask)
    area = int(np.count_nonzero(mask))
    if area < MIN_AREA:
        return Marked(pixels, carried=False)
    crop = _crop(mask)
    inside = mask[crop]
    half, inner = _half(pixels[crop]), _half_mask(inside)
    gain = _gain(half, max(WEAKEST, (MIN_AREA / area) ** ROOMY))
    waves = _waves(half, inner, gain, bins().spread(word))
    result = pixels.copy()
    _weave(result[crop], inside, gain, np.clip(tile(waves, TILE), -PEAK, PEAK))
    return Marked(result, carried=True)


def read(pixels: RGB, *, near: Mask | None = None) -> bytes | None:
    """The payload that `pixels` (H, W, 3) carry, or None; see `find`."""
    found = find(pixels, near=near)
    return found.payload if found else None


def find(pixels: RGB, *, near: Mask | None = None) -> Found | None:
    """The mark in `pixels` (H, W, 3) and how clearly it was read, or None.

    Blind: the picture may have been cropped, saved with losses, or made larger or smaller by one of `SCALES`. With `near`,
    the mask it was embedded with, the mark is read there alone, unmoved: the quick check before saving. ValueError for wrong
    shapes or types.
    """
    _check(pixels, near)
    if near is not None:
        if not near.any():
            return None
        crop = _crop(near)
        even = evened(_half(pixels[crop])) * _half_mask(near[crop])
        return best_of(bins().pick(folded(even))[None], np.zeros((1, 2), np.float32))
    luma = _luma(pixels)
    for scale in SCALES:
        if luma.size <= LARGEST * scale**2:
            found = search(evened(_grid(luma, scale)))
            if found is not None:
                return found
    return None


def _check(pixels: RGB, mask: Mask | None) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError("the invisible mark needs pixels of shape (H, W, 3) and type uint8")
    if mask is not None and (mask.dtype != np.uint8 or mask.shape != pixels.shape[:2]):
        raise ValueError("the invisible mark needs a mask of the picture's size and type uint8")


def _crop(mask: Mask) -> tuple[slice, slice]:
    """The mask's box with a margin for the filters, beginning on a tile."""
    spans = []
    for length, used in zip(mask.shape, (mask.any(axis=1), mask.any(axis=0)), strict=True):
        places = np.flatnonzero(used)
        start = max(0, int(places[0]) - MARGIN) // TILE * TILE
        spans.append(slice(start, min(length, int(places[-1]) + 1 + MARGIN)))
    return spans[0], spans[1]


def _luma(pixels: RGB) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), np.uint8)


def _half(part: RGB) -> F32:
    return _grid(_luma(part), 1.0)


def _grid(luma: NDArray[np.uint8], scale: float) -> F32:
    """Luma on the reader's grid, half as fine as the picture was when it was marked if it is `scale` times that now."""
    factor = 0.5 / scale
    if scale == 1.0:
        luma = luma[: max(2, luma.shape[0] // 2 * 2), : max(2, luma.shape[1] // 2 * 2)]
    size = (max(1, round(luma.shape[1] * factor)), max(1, round(luma.shape[0] * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(luma, size, interpolation=way).astype(np.float32)


def _half_mask(inside: Mask) -> F32:
    return _grid((inside != 0).astype(np.uint8) * np.uint8(255), 1.0) / np.float32(255)


def _gain(half: F32, share: float) -> F32:
    """Standard deviation of the mark in luma levels for each pixel of the reader's grid.

    Texture hides it only where it is all around: the mean detail is eroded before it counts, so that an edge on plain cloth
    does not draw a halo.
    """
    texture = cv2.blur(np.abs(half - cv2.blur(half, FINEST)), FINEST)
    texture = cv2.blur(cv2.erode(texture, np.ones(CALM, np.uint8)), FINEST)
    light = cv2.blur(half, LIT)
    dark, bright = np.clip((60 - light) / 60, 0, 1), np.clip((light - 150) / 105, 0, 1)
    gain = PLAIN * (1 + DARKER * dark + LIGHTER * bright) + TEXTURED * share * texture
    return np.minimum(gain, STRONGEST).astype(np.float32)


def _waves(half: F32, inner: F32, gain: F32, signs: C64) -> C64:
    """The waves' coefficients: the code's signs, louder where the picture says otherwise, at the same power over all."""
    used = bins()
    detail = half - cv2.blur(half, (AROUND, AROUND))
    power = np.maximum(cv2.blur(detail * detail + gain * gain, (NEARBY, NEARBY)), 0.0)
    cover = folded(inner * gain / (np.sqrt(power) + QUIET))
    own = used.pick(folded(evened(half) * inner))

    def agreement(size: F32) -> F32:
        answer = used.pick(tile(_signed(size, signs), GRID) * cover) + host
        return np.stack([answer.real * signs.real, answer.imag * signs.imag])

    size, host = np.stack([used.loud] * 2), np.zeros_like(own)
    usual = float(agreement(size).mean())
    host = own
    for _ in range(ROUNDS):
        clear = agreement(size) / usual
        size = np.clip(size + 0.5 * (np.median(clear) - clear), 0.0, MOST * used.loud).astype(np.float32)
        size /= np.sqrt(np.mean(size**2))
    return _signed(size, signs)


def _signed(size: F32, signs: C64) -> C64:
    signed: C64 = (size[0] * signs.real + 1j * size[1] * signs.imag).astype(np.complex64)
    return signed


def _weave(part: RGB, inside: Mask, gain: F32, pattern: F32) -> None:
    """Add the pattern to all three channels of `part` alike, whole levels, inside the mask alone; a row of tiles at a time."""
    high, wide = inside.shape
    strength = cv2.resize(gain, (wide, high), interpolation=cv2.INTER_LINEAR)
    row, noise = carpet(pattern, TILE, wide), carpet(grain(), len(grain()), wide) * np.float32(GRAIN)
    for top in range(0, high, TILE):
        band = slice(top, top + TILE)
        local = strength[band] * (inside[band] != 0)
        room = np.minimum(np.ceil(local * 2.2), HEADROOM).astype(np.uint8)
        speckle = noise[np.arange(top, top + len(local)) % len(noise)] * (local > 0)
        levels = np.rint(local * row[: len(local)] + speckle).astype(np.int16)
        held = cv2.min(cv2.max(part[band], cv2.merge([room] * 3)), cv2.merge([255 - room] * 3))
        part[band] = cv2.add(held, cv2.merge([levels] * 3), dtype=cv2.CV_8U)
