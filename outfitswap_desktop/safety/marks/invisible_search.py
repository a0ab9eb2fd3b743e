"""Finds the invisible mark in a picture: evens out the luma, folds windows of it onto the tile, looks for the known signs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.safety.marks.invisible_code import decode, encode
from outfitswap_desktop.safety.marks.invisible_pattern import C64, GRID, bins, carpet, folded, tile

AROUND: Final = 9
"""Side of the box whose mean is taken out, pixels of the reader's grid: a high pass below the band."""
NEARBY: Final = 17
"""Side of the box in which the contrast is evened out."""
QUIET: Final = 0.2
"""Luma levels added to the contrast, so that empty areas are not blown up to the size of the mark."""
LIMIT: Final = 3.0
SIDES: Final = (4, 5, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128)
"""Window sides in tiles; the smallest holds a mask of the smallest area that carries a mark."""
SMALLEST: Final = 256
"""Windows below this part of the picture are not looked at: in a large photo no garment is that small."""
STEP: Final = 0.4
"""Of a window's side, from one window to the next."""
POSITIONS: Final = 40
"""Steps per tile and direction of the first search for the tile's place: 0.8 px."""
FINE: Final = 7
CANDIDATES: Final = 24
REGION: Final = 41
"""Side of the (twice used) box in which the known signs are looked for once their place is guessed."""
FLOOR: Final = 0.15
"""Below this part of the best, surroundings count for nothing."""
BATCH: Final = 2048
SYNC_MIN: Final = 4.5
"""Standard deviations above chance that the known signs must stand; in an unmarked picture the best of many windows has 5."""
WORD_MIN: Final = 0.35
"""Least correlation of the code word with what was read."""


@dataclass(frozen=True, slots=True)
class Found:
    """A payload, how far above chance its known signs stood (standard deviations), and its word's correlation, 0..1."""

    payload: bytes
    sync: float
    word: float


def evened(half: F32) -> F32:
    """Luma on the reader's grid (H, W) without what is below the band, at equal contrast everywhere, within +-LIMIT."""
    detail = half - cv2.blur(half, (AROUND, AROUND))
    power = np.maximum(cv2.blur(detail * detail, (NEARBY, NEARBY)), 0.0)
    even: F32 = np.asarray(detail / (np.sqrt(power) + QUIET), np.float32)
    return np.clip(even, -LIMIT, LIMIT, out=even)


def search(even: F32) -> Found | None:
    """The mark in `even` (evened luma at the mark's own scale, its place unknown), if there is one."""
    rows, columns = even.shape[0] // GRID, even.shape[1] // GRID
    if min(rows, columns) < 1:
        return None
    blocks = even[: rows * GRID, : columns * GRID].reshape(rows, GRID, columns, GRID).swapaxes(1, 2)
    sums, windows = _windows(bins().pick(blocks))
    heights, places = _sync(sums)
    best = np.argsort(-heights, kind="stable")[:CANDIDATES]
    best = best[heights[best] >= SYNC_MIN]
    if len(best) == 0:
        return None
    sums, places = sums[best], _finer(sums[best], places[best])
    return best_of(np.concatenate([sums, _gathered(even, windows[best], places)]), np.concatenate([places, places]))


def best_of(sums: C64, places: F32) -> Found | None:
    """The strongest valid payload among folded waves (N, bins) whose tiles begin at `places` (N, 2), grid pixels."""
    used = bins()
    straight = _limited(sums) * used.moved(places).conj()
    found: Found | None = None
    for row, payload in zip(straight, decode(used.gather(straight)), strict=True):
        if payload is None:
            continue
        signs = used.spread(encode(payload))
        sync = _likeness(row, signs, used.sync) * float(np.sqrt(2 * len(used.sync)))
        word = _likeness(row, signs, used.word)
        if sync >= SYNC_MIN and word >= WORD_MIN and (found is None or sync > found.sync):
            found = Found(payload, sync, word)
    return found


def _limited(sums: C64) -> C64:
    """Folded waves with their size held below 1, so that a striped cloth's few strong ones do not drown the rest."""
    size = np.abs(sums)
    held: C64 = sums / (size + np.median(size, axis=-1, keepdims=True) + 1e-6)
    return held


def _likeness(row: C64, signs: C64, part: NDArray[np.intp]) -> float:
    mine, known = row[part], signs[part]
    return float((mine * known.conj()).real.sum() / (np.linalg.norm(mine) * np.linalg.norm(known) + 1e-9))


def _windows(blocks: C64) -> tuple[C64, NDArray[np.intp]]:
    """Sums of the waves of (rows, columns, bins) over windows of many sides and shapes: (N, bins), and the windows.

    A window is (top, left, bottom, right) in tiles.
    """
    rows, columns, waves = blocks.shape
    total = np.zeros((rows + 1, columns + 1, waves), np.complex64)
    np.cumsum(np.cumsum(blocks, axis=0), axis=1, out=total[1:, 1:])
    found = []
    for high, wide in sorted(set(_shapes(rows, columns))):
        top, left = np.meshgrid(_starts(rows, high), _starts(columns, wide), indexing="ij")
        found.append(np.stack([top, left, top + high, left + wide], axis=-1).reshape(-1, 4))
    windows = np.concatenate(found)
    top, left, bottom, right = windows.T
    return total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left], windows


def _shapes(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    yield rows, columns
    for side in SIDES:
        longer, shorter = side * 3 // 2, side * 3 // 4
        shapes = ((side, side), (longer, shorter), (shorter, longer), (side * 2, side // 2), (side // 2, side * 2))
        yield from (
            (high, wide)
            for high, wide in shapes
            if high <= rows and wide <= columns and high * wide * SMALLEST >= rows * columns
        )


def _starts(length: int, window: int) -> NDArray[np.intp]:
    step = max(1, round(window * STEP))
    count = -(-(length - window) // step) + 1
    return np.minimum(np.arange(count) * step, length - window)


def _sync(sums: C64) -> tuple[F32, F32]:
    """For each window the height of the known signs at their best place in standard deviations of chance, and that place."""
    used = bins()
    aligned = _limited(sums[:, used.sync]) * used.sync_signs.conj()
    flat = np.concatenate([aligned.real, aligned.imag], axis=1)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) / np.sqrt(2.0, dtype=np.float32) + 1e-9
    height, top = np.empty(len(flat), np.float32), np.empty(len(flat), np.intp)
    for start in range(0, len(flat), BATCH):
        heights = flat[start : start + BATCH] @ _turns()
        best = heights.argmax(axis=1)
        top[start : start + BATCH] = best
        height[start : start + BATCH] = heights[np.arange(len(best)), best]
    return height, np.stack(np.divmod(top, POSITIONS), axis=1).astype(np.float32) * np.float32(GRID / POSITIONS)


@cache
def _turns() -> F32:
    """What turns the known waves straight at each of the POSITIONS x POSITIONS places: (2 sync, places)."""
    used = bins()
    places = np.stack(np.divmod(np.arange(POSITIONS**2), POSITIONS), axis=1).astype(np.float32) * (GRID / POSITIONS)
    factors = used.moved(places)[:, used.sync]
    return np.ascontiguousarray(np.concatenate([factors.real, factors.imag], axis=1).T)


def _finer(sums: C64, places: F32) -> F32:
    """The same places to a fifth of a pixel."""
    used = bins()
    aligned = _limited(sums[:, used.sync]) * used.sync_signs.conj()
    steps = np.linspace(-GRID / POSITIONS, GRID / POSITIONS, FINE, dtype=np.float32)
    around = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    finer = np.empty_like(places)
    for index, (row, place) in enumerate(zip(aligned, places, strict=True)):
        tried = place + around
        heights = (row * used.moved(tried)[:, used.sync].conj()).real.sum(axis=1)
        finer[index] = tried[int(heights.argmax())]
    return finer


def _gathered(even: F32, windows: NDArray[np.intp], places: F32) -> C64:
    """The waves around each window, each pixel counted as much as its surroundings show the known signs at that place."""
    used = bins()
    known = np.zeros((len(places), len(used.ky)), np.complex64)
    known[:, used.sync] = used.moved(places)[:, used.sync] * used.sync_signs
    known *= used.white**2
    sums = np.empty((len(places), len(used.ky)), np.complex64)
    for index, (top, left, bottom, right) in enumerate(windows.tolist()):
        down, across = (bottom - top) // 2 + 1, (right - left) // 2 + 1
        part = even[
            max(0, top - down) * GRID : (bottom + down) * GRID, max(0, left - across) * GRID : (right + across) * GRID
        ]
        shown = part * carpet(tile(known[index], GRID), *part.shape)
        for _ in range(2):
            shown = np.asarray(cv2.blur(shown, (REGION, REGION), borderType=cv2.BORDER_CONSTANT), np.float32)
        sums[index] = used.pick(folded(part * np.maximum(shown - FLOOR * shown.max(), 0.0)))
    return sums
