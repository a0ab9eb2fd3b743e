"""The invisible mark's pattern: which waves of its tile carry the known signs and which carry the code word."""

from __future__ import annotations

from functools import cache
from hashlib import shake_256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.safety.marks.invisible_code import CODED

C64 = NDArray[np.complex64]

TILE: Final = 64
"""Side of the tile in pixels of the marked picture; the pattern repeats with it, counted from the picture's corner."""
GRID: Final = 32
"""Side of the tile on the reader's grid, which is half as fine: enough for the band, and four times as fast."""
LOWEST: Final = 5.5
HIGHEST: Final = 13.0
"""Waves per tile, so wavelengths of 12 to 5 px: finer is lost at JPEG 50 or at half the size, coarser is easier to see."""
JPEG_WAVES: Final = 4
"""Waves that are a multiple of this both ways are left out: edges of JPEG's 8 px blocks fall on them, at full and half size."""
LOUDER: Final = 1.0
"""Power of the wave number by which finer waves are louder: photos are quieter there, and so is the eye's answer."""
WHITER: Final = 1.1
"""Power of the wave number by which the reader raises finer waves; measured on photos, evens out their spectrum."""
_MIDDLE: Final = 8.0
_KEY: Final = b"OutfitSwap Desktop invisible mark 1"


class Bins:
    """The waves used, as rows and columns of `rfft2` of a GRID x GRID tile, and what each is for.

    `sync` and `word` index them; `sync_signs` are the known (+-1 +-1j); `order` says which sign of the code word each
    real number of the word's waves carries; `loud` is their amplitude in the mark, of mean square 1.
    """

    def __init__(self) -> None:
        found = sorted(
            (ky * ky + kx * kx, ky, kx)
            for ky in range(-GRID // 2, GRID // 2)
            for kx in range(GRID // 2)
            if (kx > 0 or ky > 0)
            and LOWEST**2 <= ky * ky + kx * kx <= HIGHEST**2
            and (ky % JPEG_WAVES or kx % JPEG_WAVES)
        )
        self.ky = np.array([ky for _, ky, _ in found])
        self.kx = np.array([kx for _, _, kx in found])
        waves = np.hypot(self.ky, self.kx)
        self.loud = (waves**LOUDER / np.sqrt(np.mean(waves ** (2 * LOUDER)))).astype(np.float32)
        self.white = ((waves / _MIDDLE) ** WHITER).astype(np.float32)
        every = np.arange(len(found))
        self.sync, self.word = every[every % 3 == 0], every[every % 3 != 0]
        self.sync_signs = _signs(len(self.sync))
        self.order = _order(2 * len(self.word))

    def pick(self, tiles: F32) -> C64:
        """The used waves, (..., bins), of tiles (..., GRID, GRID), with the spectrum of photos evened out.

        SciPy's transform, because NumPy's takes ten times as long over many small tiles.
        """
        from scipy.fft import rfft2

        spectrum = rfft2(tiles)
        picked: C64 = (spectrum[..., self.ky % GRID, self.kx] * self.white).astype(np.complex64)
        return picked

    def spread(self, word: F32) -> C64:
        """The signs (+-1 +-1j) of all waves for a code word of `CODED` signs."""
        signs = np.empty(len(self.ky), np.complex64)
        signs[self.sync] = self.sync_signs
        parts = word[self.order].reshape(2, -1)
        signs[self.word] = parts[0] + 1j * parts[1]
        return signs

    def gather(self, waves: C64) -> F32:
        """Soft signs (N, `CODED`) from values of all waves (N, bins)."""
        mine = waves[:, self.word]
        soft = np.zeros((len(waves), CODED), np.float32)
        rows = np.arange(len(waves))[:, None]
        np.add.at(soft, (rows, self.order[None, :]), np.concatenate([mine.real, mine.imag], axis=1))
        return soft

    def moved(self, places: F32) -> C64:
        """What moving a pattern down and right by (N, 2) pixels of the reader's grid does to its waves: factors (N, bins)."""
        turns = np.outer(places[:, 0], self.ky) + np.outer(places[:, 1], self.kx)
        return np.exp(turns * (-2j * np.pi / GRID)).astype(np.complex64)


@cache
def bins() -> Bins:
    """The one set of waves; a constant of the method, like its key."""
    return Bins()


def tile(coefficients: C64, side: int) -> F32:
    """The real pattern (side, side) of one tile whose waves hold `coefficients`; its variance is half their mean square."""
    used = bins()
    spectrum = np.zeros((side, side // 2 + 1), np.complex64)
    spectrum[used.ky % side, used.kx] = coefficients
    upright = used.kx == 0
    spectrum[-used.ky[upright] % side, 0] = coefficients[upright].conj()
    scale = side * side / (2.0 * np.sqrt(len(coefficients)))
    return np.asarray(np.fft.irfft2(spectrum, s=(side, side)) * scale, np.float32)


def carpet(pattern: F32, high: int, wide: int) -> F32:
    """The pattern repeated from the upper left corner over (high, wide)."""
    rows, columns = -(-high // pattern.shape[0]), -(-wide // pattern.shape[1])
    return np.tile(pattern, (rows, columns))[:high, :wide]


def folded(even: F32) -> F32:
    """The sum (GRID, GRID) of all tiles of `even`, those cut by its edge included."""
    high, wide = (-(-side // GRID) * GRID for side in even.shape)
    whole = np.zeros((high, wide), np.float32)
    whole[: even.shape[0], : even.shape[1]] = even
    total: F32 = whole.reshape(high // GRID, GRID, wide // GRID, GRID).sum(axis=(0, 2))
    return total


@cache
def grain() -> F32:
    """Fixed white noise (127, 131), even in -1..1: sides that share no factor with the tile or with JPEG's blocks."""
    draws = np.frombuffer(shake_256(_KEY + b" grain").digest(127 * 131), np.uint8)
    return (draws.reshape(127, 131).astype(np.float32) - 127.5) / np.float32(127.5)


def _signs(count: int) -> C64:
    bits = np.unpackbits(np.frombuffer(shake_256(_KEY + b" sync").digest(count), np.uint8))[: 2 * count]
    signs = bits.astype(np.float32) * 2 - 1
    return (signs[:count] + 1j * signs[count:]).astype(np.complex64)


def _order(count: int) -> NDArray[np.intp]:
    """A fixed shuffle of the code word over `count` places; where places are left, the first signs come again."""
    draws = np.frombuffer(shake_256(_KEY + b" order").digest(8 * count), ">u8")
    return np.argsort(draws, kind="stable").astype(np.intp) % CODED
