"""Painting into a mask: a Stroke is made of dabs, a MaskCanvas paints it and remembers how to undo it.

Coordinates are photo pixels, (0, 0) the outer corner of the first pixel, so its centre is (0.5, 0.5). Every change hands
back the rectangle that it touched, and costs time and memory by that rectangle, never by the size of the photo.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import Alpha, Mask
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.undo import EMPTY, UndoPatch, around, block_of
from outfitswap_desktop.errors import UsageProblem

TILE = 256
"""Side of the tiles in which a stroke keeps what was there before it; 64 KB each."""
STAMP_BYTES = 8 * 2**20
"""Stamps are kept for reuse up to this much memory."""
PATCH_SIDE = 512
"""Longest side of the piece in which the dabs of one long move are gathered before they are blended in."""


@dataclass(frozen=True, slots=True)
class Brush:
    """How a stroke paints: `size` is the diameter in pixels (0.5..2000).

    `hardness` 0..1 is the share of the radius that is painted full; from there to the rim it falls off smoothly; 1 leaves
    only a one-pixel soft rim against jaggies. `opacity` 0..1 holds for the whole stroke: its dabs do not add up beyond it.
    `spacing` is the way between two dabs as a share of the size (never under half a pixel).
    Raises UsageProblem when a value is out of its range.
    """

    size: float = 64.0
    hardness: float = 0.8
    opacity: float = 1.0
    erase: bool = False
    spacing: float = 0.1

    def __post_init__(self) -> None:
        limits = (("size", 0.5, 2000.0), ("hardness", 0.0, 1.0), ("opacity", 0.0, 1.0), ("spacing", 0.01, 2.0))
        for name, low, high in limits:
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageProblem(
                    f"The brush's {name} is {value:g}; it must lie between {low:g} and {high:g}.", reason="brush"
                )

    def step(self, size: float) -> float:
        """Pixels between two dabs of diameter `size`."""
        return max(0.5, self.spacing * size)


@dataclass(frozen=True, slots=True)
class Dab:
    """One touch of the brush: centre in photo pixels and diameter in pixels."""

    x: float
    y: float
    size: float


@dataclass(frozen=True, slots=True)
class Stroke:
    """Everything that was painted between pen down and pen up; painting it again gives the same pixels."""

    brush: Brush
    dabs: tuple[Dab, ...] = ()

    @classmethod
    def along(cls, brush: Brush, points: Iterable[tuple[float, float, float]]) -> Stroke:
        """The stroke that `brush` makes through `points` (x, y, pressure 0..1)."""
        path = _Path(brush)
        return cls(brush, tuple(dab for x, y, pressure in points for dab in path.to(x, y, pressure)))


class _Path:
    """Sets dabs at even steps along the pen's way, however the way was cut into moves."""

    def __init__(self, brush: Brush) -> None:
        self._brush = brush
        self._last: tuple[float, float, float] | None = None
        self._left = 0.0

    def to(self, x: float, y: float, pressure: float) -> Iterator[Dab]:
        """Dabs between the last point and this one; the first point gets one at once."""
        if not (math.isfinite(x) and math.isfinite(y)):
            return
        pressure = min(max(pressure, 0.0), 1.0) if math.isfinite(pressure) else 1.0
        if self._last is None:
            self._last = (x, y, pressure)
            self._left = self._brush.step(self._size(pressure))
            yield Dab(x, y, self._size(pressure))
            return
        x0, y0, p0 = self._last
        length = math.hypot(x - x0, y - y0)
        self._last = (x, y, pressure)
        at = self._left
        while at <= length:
            share = at / length
            size = self._size(p0 + (pressure - p0) * share)
            yield Dab(x0 + (x - x0) * share, y0 + (y - y0) * share, size)
            at += self._brush.step(size)
        self._left = at - length

    def _size(self, pressure: float) -> float:
        return max(0.5, self._brush.size * pressure)


def stamp(size: float, hardness: float, *, dx: float = 0.0, dy: float = 0.0) -> Alpha:
    """Coverage (n, n) 0..255 of one dab of diameter `size` whose centre lies (dx, dy) off the stamp's middle pixel's centre.

    n is odd and large enough for the rim. A dab of size 1 on a pixel's centre covers exactly that pixel.
    """
    radius = size / 2
    reach = math.ceil(radius + 0.5 + max(abs(dx), abs(dy)))
    grid = np.arange(-reach, reach + 1, dtype=np.float32)
    distance = np.sqrt(np.square(grid - np.float32(dy))[:, None] + np.square(grid - np.float32(dx))[None, :])
    fall = max(1.0, radius * (1.0 - hardness))
    ramp = np.clip((radius + 0.5 - distance) / fall, 0.0, 1.0, dtype=np.float32)
    if fall > 1.0:
        ramp *= ramp * (3.0 - 2.0 * ramp)
    return np.asarray(np.rint(ramp * 255.0), np.uint8)


def _keep_of(protected: Mask | None) -> Mask | None:
    """255 where a mask may be, 0 where it is protected; None when nothing is."""
    if protected is None or not protected.any():
        return None
    return np.asarray(cv2.inRange(protected, np.zeros(1), np.zeros(1)), np.uint8)


@dataclass(slots=True)
class _Tile:
    """A tile under the running stroke: what was there, and how much of it the stroke covers so far."""

    before: Mask
    cover: Alpha


class MaskCanvas:
    """One mask that is painted in place, with unlimited undo.

    `mask` (H, W) uint8 is copied once; from then on there is one buffer, which `pixels` shows read-only. `protected`
    (H, W), > 0 = never in the mask: it is cleared at once and stays 0 whatever is painted, pasted or inverted.
    `pack_at_once=False` leaves it to the caller to `pack()` the patches, off the thread that paints.
    Raises UsageProblem when the two differ in size.
    """

    def __init__(self, mask: Mask, protected: Mask | None = None, *, pack_at_once: bool = True) -> None:
        if mask.ndim != 2 or mask.dtype != np.uint8 or mask.size == 0:
            raise UsageProblem("A mask has one channel of 8 bits and at least one pixel.", reason="mask_shape")
        if protected is not None and protected.shape != mask.shape:
            raise UsageProblem("The protected area and the mask differ in size.", reason="mask_shape")
        self._buffer: Mask = np.ascontiguousarray(mask).copy()
        self._pack_at_once = pack_at_once
        self._keep = _keep_of(protected)
        if self._keep is not None:
            self._buffer &= self._keep
        self._done: list[UndoPatch] = []
        self._undone: list[UndoPatch] = []
        self._stamps: dict[tuple[float, ...], Alpha] = {}
        self._stamp_bytes = 0
        self._brush: Brush | None = None
        self._path = _Path(Brush())
        self._tiles: dict[tuple[int, int], _Tile] = {}

    @property
    def pixels(self) -> Mask:
        """The live mask (H, W) as a read-only view; it always shows the same memory."""
        view = self._buffer.view()
        view.setflags(write=False)
        return view

    @property
    def keep(self) -> Mask | None:
        """Where the mask may be (H, W): 255 free, 0 protected; None when nothing is protected. Not to be written to."""
        return self._keep

    @property
    def drawing(self) -> bool:
        return self._brush is not None

    @property
    def can_undo(self) -> bool:
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    @property
    def undo_bytes(self) -> int:
        """Memory that undo and redo take together, in bytes."""
        return sum(patch.nbytes for patch in (*self._done, *self._undone))

    def begin(self, brush: Brush) -> None:
        """Pen down. Raises UsageProblem while a stroke is running."""
        self._require_idle()
        self._brush = brush
        self._path = _Path(brush)

    def move(self, x: float, y: float, pressure: float = 1.0) -> Box:
        """Paint on to (x, y) and return the touched rectangle, (0, 0, 0, 0) when nothing was.

        `pressure` 0..1 scales the diameter. The first move after `begin` sets the first dab.
        """
        brush = self._running()
        height, width = self._buffer.shape
        far = 2 * brush.size + max(height, width)
        x, y = min(max(x, -far), width + far), min(max(y, -far), height + far)
        return self._put(self._path.to(x, y, pressure))

    def end(self) -> UndoPatch:
        """Pen up: the stroke becomes one step of undo. A stroke that changed nothing is not remembered."""
        self._running()
        patch = self._patch_of((at, tile.before) for at, tile in self._tiles.items())
        self._forget_stroke()
        return self._remember(patch)

    def abandon(self) -> Box:
        """Take the running stroke back as if it had never begun; returns the rectangle that was restored."""
        box = EMPTY
        for (x, y), tile in self._tiles.items():
            height, width = tile.before.shape
            self._buffer[y : y + height, x : x + width] = tile.before
            box = around(box, (x, y, x + width, y + height))
        self._forget_stroke()
        return box

    def paint(self, stroke: Stroke) -> UndoPatch:
        """Paint a whole stroke at once; the same pixels as if it had been drawn move by move."""
        self.begin(stroke.brush)
        self._put(stroke.dabs)
        return self.end()

    def replace(self, mask: Mask) -> UndoPatch:
        """Put `mask` (H, W) uint8 in place of what is there, as one step of undo (after grow, feather, a new detection ...)."""
        self._require_idle()
        if mask.shape != self._buffer.shape or mask.dtype != np.uint8:
            raise UsageProblem("The new mask and the photo differ in size.", reason="mask_shape")
        box, blocks = EMPTY, []
        height, width = self._buffer.shape
        for y in range(
            0, height, TILE
        ):  # in strips, since memory for a whole large mask costs more than the arithmetic
            rows = slice(y, y + TILE)
            wanted = mask[rows] if self._keep is None else mask[rows] & self._keep[rows]
            delta = wanted ^ self._buffer[rows]
            x0, _, wide, _ = cv2.boundingRect(delta)
            for x in range(x0 // TILE * TILE, x0 + wide, TILE):
                block = block_of(delta[:, x : min(x + TILE, width)], x=x, y=y)
                if block is not None:
                    blocks.append(block)
                    box = around(box, block[0])
            if wide:
                self._buffer[rows] = wanted
        return self._remember(UndoPatch(box, tuple(blocks)))

    def combine(self, area: Mask, *, x: int, y: int, erase: bool = False) -> UndoPatch:
        """Add `area` (h, w) 0..255, whose first pixel lies at (x, y), to the mask, or take it away, as one step of undo."""
        self._require_idle()
        height, width = self._buffer.shape
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + area.shape[1], width), min(y + area.shape[0], height)
        if x0 >= x1 or y0 >= y1:
            return UndoPatch(EMPTY)
        fresh = area[y0 - y : y1 - y, x0 - x : x1 - x]
        before = [
            (at, self._buffer[at[1] : at[1] + TILE, at[0] : at[0] + TILE].copy()) for at in _tiles_of((x0, y0, x1, y1))
        ]
        target = self._buffer[y0:y1, x0:x1]
        if erase:
            np.minimum(target, cv2.bitwise_not(fresh), out=target)
        else:
            np.maximum(target, fresh, out=target)
            if self._keep is not None:
                target &= self._keep[y0:y1, x0:x1]
        return self._remember(self._patch_of(before))

    def protect(self, protected: Mask | None) -> UndoPatch:
        """Protect `protected` (H, W) > 0 from now on in place of what was; what it takes from the mask is one step of undo.

        Undoing that step gives the pixels back, but it does not protect again what was protected before: whoever undoes it
        calls this once more with the older area.
        """
        self._require_idle()
        if protected is not None and protected.shape != self._buffer.shape:
            raise UsageProblem("The protected area and the mask differ in size.", reason="mask_shape")
        return self.limit(_keep_of(protected))

    def limit(self, keep: Mask | None, mask: Mask | None = None) -> UndoPatch:
        """The same as `protect`, said the other way round: `keep` (H, W) is 255 where the mask may be and 0 elsewhere.

        It is kept as it is and must not change. `mask` (H, W), where given, is put in place of what is there in the same step.
        """
        self._require_idle()
        self._keep = keep
        return self.replace(self._buffer if mask is None else mask)

    def stroke_cover(self, box: Box) -> Alpha:
        """How much (h, w) 0..255 of each pixel in `box` the running stroke covers so far; 0 where it has not been."""
        cover = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
        for x, y in _tiles_of(box):
            tile = self._tiles.get((x, y))
            if tile is None:
                continue
            x0, y0, x1, y1 = max(x, box[0]), max(y, box[1]), min(x + TILE, box[2]), min(y + TILE, box[3])
            cover[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]] = tile.cover[y0 - y : y1 - y, x0 - x : x1 - x]
        return cover

    def forget_redo(self) -> None:
        """Let go of what was undone, as every new change does."""
        self._undone.clear()

    def history(self) -> tuple[tuple[UndoPatch, ...], tuple[UndoPatch, ...]]:
        """The steps that can be undone, oldest first, and those that can be done again, next one last."""
        return tuple(self._done), tuple(self._undone)

    def resume(self, done: Iterable[UndoPatch], undone: Iterable[UndoPatch]) -> None:
        """Put a saved history (of `history`) in place of the own one; the mask must be in the state after `done`."""
        self._require_idle()
        self._done, self._undone = list(done), list(undone)

    def undo(self) -> Box:
        """Take the last change back; returns the rectangle that changed, (0, 0, 0, 0) when there was nothing."""
        return self._flip(self._done, self._undone)

    def redo(self) -> Box:
        """Do again what was last undone; returns the rectangle that changed."""
        return self._flip(self._undone, self._done)

    def _flip(self, source: list[UndoPatch], target: list[UndoPatch]) -> Box:
        self._require_idle()
        if not source:
            return EMPTY
        patch = source.pop()
        patch.flip(self._buffer)
        target.append(patch)
        return patch.box

    def _running(self) -> Brush:
        if self._brush is None:
            raise UsageProblem("No stroke was begun.", reason="stroke")
        return self._brush

    def _require_idle(self) -> None:
        if self._brush is not None:
            raise UsageProblem("A stroke is still being drawn.", reason="stroke")

    def _forget_stroke(self) -> None:
        self._brush = None
        self._tiles = {}

    def _remember(self, patch: UndoPatch) -> UndoPatch:
        if patch.blocks:
            if self._pack_at_once:
                patch.pack()
            self._done.append(patch)
            self._undone.clear()
        return patch

    def _patch_of(self, before: Iterable[tuple[tuple[int, int], Mask]]) -> UndoPatch:
        box, blocks = EMPTY, []
        for (x, y), old in before:
            height, width = old.shape
            block = block_of(old ^ self._buffer[y : y + height, x : x + width], x=x, y=y)
            if block is not None:
                blocks.append(block)
                box = around(box, block[0])
        return UndoPatch(box, tuple(blocks))

    def _put(self, dabs: Iterable[Dab]) -> Box:
        """Gather dabs in pieces of bounded size and blend each piece once."""
        height, width = self._buffer.shape
        touched, piece = EMPTY, EMPTY
        gathered: list[tuple[int, int, Alpha]] = []
        for dab in dabs:
            left, top, alpha = self._stamp_of(dab)
            box = (left, top, left + alpha.shape[1], top + alpha.shape[0])
            if box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
                continue
            wider = around(piece, box)
            if gathered and max(wider[2] - wider[0], wider[3] - wider[1]) > PATCH_SIDE:
                touched = around(touched, self._blend(piece, gathered))
                gathered, wider = [], box
            gathered.append((left, top, alpha))
            piece = wider
        return around(touched, self._blend(piece, gathered)) if gathered else touched

    def _stamp_of(self, dab: Dab) -> tuple[int, int, Alpha]:
        """Left, top and coverage of a dab. Place and size are rounded finely enough not to be seen, so that stamps recur."""
        brush = self._running()
        fine = 4 if dab.size <= 32 else 2 if dab.size <= 256 else 1
        column, row = round((dab.x - 0.5) * fine) / fine, round((dab.y - 0.5) * fine) / fine
        left, top = math.floor(column), math.floor(row)
        size = round(dab.size * 4) / 4 if dab.size <= 64 else float(round(dab.size))
        key = (size, column - left, row - top, brush.hardness, brush.opacity)
        found = self._stamps.get(key)
        if found is None:
            found = stamp(size, brush.hardness, dx=key[1], dy=key[2])
            if brush.opacity < 1.0:
                found = np.asarray(np.rint(found * np.float32(brush.opacity)), np.uint8)
            if self._stamp_bytes > STAMP_BYTES:
                self._stamps.clear()
                self._stamp_bytes = 0
            self._stamps[key] = found
            self._stamp_bytes += found.nbytes
        reach = found.shape[0] // 2
        return left - reach, top - reach, found

    def _blend(self, box: Box, stamps: list[tuple[int, int, Alpha]]) -> Box:
        """Blend a piece of the stroke into the buffer; returns its part inside the photo."""
        left, top = box[0], box[1]
        cover = np.zeros((box[3] - top, box[2] - left), np.uint8)
        for x, y, alpha in stamps:
            view = cover[y - top : y - top + alpha.shape[0], x - left : x - left + alpha.shape[1]]
            np.maximum(view, alpha, out=view)
        height, width = self._buffer.shape
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(box[2], width), min(box[3], height)
        if x0 >= x1 or y0 >= y1:
            return EMPTY
        for x, y in _tiles_of((x0, y0, x1, y1)):
            part = (max(x, x0), max(y, y0), min(x + TILE, x1), min(y + TILE, y1))
            fresh = cover[part[1] - top : part[3] - top, part[0] - left : part[2] - left]
            self._blend_tile((x, y), part, fresh=fresh)
        return (x0, y0, x1, y1)

    def _blend_tile(self, at: tuple[int, int], part: Box, *, fresh: Alpha) -> None:
        x, y = at
        tile = self._tiles.get(at)
        if tile is None:
            before = self._buffer[y : y + TILE, x : x + TILE].copy()
            tile = self._tiles[at] = _Tile(before, np.zeros_like(before))
        x0, y0, x1, y1 = part
        inside = np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
        cover, before = tile.cover[inside], tile.before[inside]
        np.maximum(cover, fresh, out=cover)
        target = self._buffer[y0:y1, x0:x1]
        if self._running().erase:
            np.subtract(before, cv2.multiply(before, cover, scale=1 / 255), out=target)
            return
        np.add(before, cv2.multiply(cv2.bitwise_not(before), cover, scale=1 / 255), out=target)
        if self._keep is not None:
            target &= self._keep[y0:y1, x0:x1]


def _tiles_of(box: Box) -> Iterator[tuple[int, int]]:
    """First pixels (x, y) of the tiles that `box` meets."""
    if box == EMPTY:
        return
    for y in range(box[1] // TILE * TILE, box[3], TILE):
        for x in range(box[0] // TILE * TILE, box[2], TILE):
            yield x, y
