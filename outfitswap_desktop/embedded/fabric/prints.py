"""Finds the old cloth's own print (logos, stripes, badges) and what it adds to the garment's luminance."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.embedded.fabric.light import as_f32, lightness, luminance

CHROMA_STRONG, CHROMA_WEAK = 0.34, 0.16
"""Steps of the log ratios red:green and blue:green that start, and that carry on, an edge of a print."""

LUMA_STRONG, LUMA_WEAK = 1.15, 0.55
"""The same for log luminance: sharper than folds are, e.g. a white logo on black."""

LIGHTNESS_STEP = 15.0
"""A print's edge in luminance also has at least this step in L*; folds in black cloth do not."""

RIM_SHARE = 0.02
"""Slivers narrower than this share of the garment's size are taken for inexact outlines."""

CREASE_SHARE = 0.012
"""Half the width of the widest crease, as a share of the garment's size."""

GROUND_REACH, GROUND_RANGE = 0.15, 0.8
"""Farthest from the commonest log ratios, and from the commonest log luminance, that still is the main colour in some light."""

GROUND_PULL = 0.02
"""How strongly pixels of the main colour are held to one value, against one link between neighbours."""

LEAST_PRINT = 5e-4
"""Share of the garment near print edges under which it counts as plain."""

Bits = NDArray[np.bool_]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """Maps (h, w): `logs`, log luminance continued from `inside` outwards; `added`, what the print adds to it (plain: 0);
    `edges` of the print; `inside` without slivers; `nearest`, flat index of the nearest inside pixel. `share`: of the
    garment near edges.
    """

    logs: F32
    added: F32
    edges: Bits
    inside: Bits
    nearest: Indices
    share: float


def find(linear: F32, logs: F32, inside: Bits) -> Prints:
    """Look for the old cloth's print in linear light (h, w, 3) and its log luminance `logs` (h, w)."""
    nearest = nearest_inside(inside)
    edges = edges_of(linear, logs.ravel()[nearest], nearest, inside)
    if edges.any():
        inside = without_slivers(inside, edges)
        nearest = nearest_inside(inside)
        edges = edges_of(linear, logs.ravel()[nearest], nearest, inside)
    spread = as_f32(logs.ravel()[nearest])
    share = float(np.count_nonzero(edges & inside)) / max(1, int(np.count_nonzero(inside)))
    if share <= LEAST_PRINT:
        return Prints(spread, np.zeros_like(spread), np.zeros_like(inside), inside, nearest, 0.0)
    added = integrated(spread, edges, inside, ground=ground_of(linear, spread, inside, edges))
    plain = inside & ~edges
    added -= np.float32(mode(added[plain if plain.any() else inside]))
    return Prints(spread, added, edges, inside, nearest, share)


def edges_of(linear: F32, logs: F32, nearest: Indices, inside: Bits) -> Bits:
    """Where the old cloth's own colour changes (prints, stripes, badges) rather than its light."""
    red, blue = _ratios(linear, inside)
    chroma: F32 = np.maximum(_spread(red.ravel()[nearest]), _spread(blue.ravel()[nearest]))
    jump = _luma_jumps(logs, inside)
    usual = 3.0 * float(np.median(chroma[inside])), 3.0 * float(np.median(jump[inside]))
    strong = (chroma > max(CHROMA_STRONG, 1.5 * usual[0])) | (jump > max(LUMA_STRONG, 1.5 * usual[1]))
    weak = (chroma > max(CHROMA_WEAK, usual[0])) | (jump > max(LUMA_WEAK, usual[1]))
    count, labels = cv2.connectedComponents(weak.astype(np.uint8), connectivity=8)
    seeded = np.zeros(count, bool)
    seeded[np.unique(labels[strong & inside])] = True
    seeded[0] = False
    found: Bits = seeded[labels]
    return found


def _luma_jumps(logs: F32, inside: Bits) -> F32:
    """Steps of log luminance too sharp for light: those of wide areas, and those of anything brighter than what is round it.

    Thin dark lines are creases and seams, no print; thin bright ones are print.
    """
    size = float(np.sqrt(np.count_nonzero(inside)))
    radius = max(1, round(CREASE_SHARE * size))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    closed: F32 = np.asarray(cv2.morphologyEx(logs, cv2.MORPH_CLOSE, kernel), np.float32)
    wide = np.where(_spread(lightness(np.exp(closed))) > LIGHTNESS_STEP, _spread(closed), 0.0)
    around = _median(logs, max(5, round(0.12 * size)))
    bright = cv2.dilate(np.clip(logs - around, 0.0, None), np.ones((5, 5), np.uint8)) > LUMA_WEAK
    step = _spread(logs)
    fine = np.where(bright & (_spread(lightness(np.exp(logs))) > LIGHTNESS_STEP), step, 0.0)
    jumps: F32 = np.maximum(wide, fine).astype(np.float32)
    return jumps


def _spread(channel: F32) -> F32:
    """Range of values within 5 x 5 pixels."""
    kernel = np.ones((5, 5), np.uint8)
    spread: F32 = cv2.dilate(channel, kernel) - cv2.erode(channel, kernel)
    return spread


def _median(logs: F32, reach: int) -> F32:
    """Running median over about `reach` pixels, made small and in 256 steps: OpenCV's large median is for bytes."""
    height, width = logs.shape
    step = max(1, reach // 12)
    small = cv2.resize(logs, (max(3, width // step), max(3, height // step)), interpolation=cv2.INTER_AREA)
    low, high = float(small.min()), float(small.max())
    span = max(high - low, 1e-3)
    levels = ((small - low) * (255.0 / span)).astype(np.uint8)
    side = max(3, (reach // step) | 1)
    middle = cv2.medianBlur(levels, side).astype(np.float32) * np.float32(span / 255.0) + np.float32(low)
    return as_f32(cv2.resize(middle, (width, height), interpolation=cv2.INTER_LINEAR))


def without_slivers(inside: Bits, edges: Bits) -> Bits:
    """`inside` less the strips along its border that an edge cuts off: slivers of background, skin or hair, not cloth."""
    reach = RIM_SHARE * float(np.sqrt(np.count_nonzero(inside))) + 2.0
    padded = np.pad(inside, 1, mode="edge").astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1], np.float32)
    near = depth < reach
    count, labels = cv2.connectedComponents((inside & ~edges).astype(np.uint8), connectivity=4)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, labels.ravel().astype(np.intp), depth.ravel())
    thin = deepest < reach
    thin[0] = False
    kept = inside & ~(edges & near) & ~thin[labels]
    return kept if np.count_nonzero(kept) > 0.5 * np.count_nonzero(inside) else inside


def _ratios(linear: F32, inside: Bits) -> tuple[F32, F32]:
    """Log ratios red:green and blue:green (h, w), steady in the dark; light leaves them alone, dye does not."""
    smooth: F32 = np.asarray(cv2.GaussianBlur(linear, (0, 0), 1.0), np.float32)
    lum = luminance(smooth)
    # A share of luminance in each channel: the weakest channel of a strong dye is mostly noise.
    steady = 0.25 * lum + np.float32(0.01 + 0.06 * float(np.median(lum[inside])))
    red, green, blue = (np.log(smooth[..., k] + steady) for k in range(3))
    return as_f32(cv2.medianBlur(red - green, 5)), as_f32(cv2.medianBlur(blue - green, 5))


def ground_of(linear: F32, logs: F32, inside: Bits, edges: Bits) -> Bits:
    """Where the old cloth shows its main colour: near the commonest chroma, and no brighter or darker than light makes it."""
    plain = inside & ~edges
    if np.count_nonzero(plain) < 50:
        return plain
    red, blue = _ratios(linear, inside)
    middle = mode(red[plain]), mode(blue[plain])
    near: Bits = plain & (np.hypot(red - middle[0], blue - middle[1]) < GROUND_REACH)
    if np.count_nonzero(near) < 50:
        return near
    main: Bits = near & (np.abs(logs - mode(logs[near])) < GROUND_RANGE)
    return main


def integrated(logs: F32, edges: Bits, inside: Bits, *, ground: Bits) -> F32:
    """The function whose gradient is that of `logs` on `edges` and zero elsewhere (least squares over `inside`).

    Retinex: sharp changes of colour belong to the cloth, the rest to the light (Land and McCann 1971; Horn 1974). A
    cosine transform solves Poisson's equation on the whole rectangle; a coarse grid then undoes what the outside pulled and
    brings the parts of one colour (`ground`) back to one value where a step was misjudged.
    """
    from scipy.fft import dctn, idctn

    height, width = logs.shape
    across = np.diff(logs, axis=1) * (edges[:, 1:] & edges[:, :-1])
    down = np.diff(logs, axis=0) * (edges[1:] & edges[:-1])
    waves = dctn(_divergence(across, down), type=2, norm="ortho")
    rows = 2.0 * np.cos(np.pi * np.arange(height, dtype=np.float32) / height) - 2.0
    columns = 2.0 * np.cos(np.pi * np.arange(width, dtype=np.float32) / width) - 2.0
    eigen = rows[:, None] + columns[None, :]
    eigen[0, 0] = 1.0
    waves /= eigen
    waves[0, 0] = 0.0
    solved: F32 = idctn(waves, type=2, norm="ortho").astype(np.float32)
    for _ in range(3):
        left_x = (across - np.diff(solved, axis=1)) * (inside[:, 1:] & inside[:, :-1])
        left_y = (down - np.diff(solved, axis=0)) * (inside[1:] & inside[:-1])
        base = mode(solved[ground]) if ground.any() else 0.0
        pulled = as_f32(np.where(ground, solved - base, 0.0))
        solved = solved + _coarse(_divergence(left_x, left_y) + GROUND_PULL * pulled, inside, ground=ground)
    return solved


def _divergence(across: F32, down: F32) -> F32:
    result = np.zeros((across.shape[0], across.shape[1] + 1), np.float32)
    result[:, :-1] += across
    result[:, 1:] -= across
    result[:-1] += down
    result[1:] -= down
    return result


def _coarse(divergence: F32, inside: Bits, *, ground: Bits) -> F32:
    """Poisson's equation inside the garment alone, on blocks of pixels, for what is smooth in the answer."""
    from scipy.sparse import coo_matrix, csc_matrix, diags, identity
    from scipy.sparse.linalg import spsolve

    height, width = inside.shape
    block = max(2, int(np.ceil(max(height, width) / 96)))
    across_blocks = -(-width // block)
    ids = (np.arange(height) // block)[:, None] * across_blocks + (np.arange(width) // block)[None, :]
    blocks = int(ids.max()) + 1
    pairs = [
        (ids[:, 1:], ids[:, :-1], inside[:, 1:] & inside[:, :-1]),
        (ids[1:], ids[:-1], inside[1:] & inside[:-1]),
    ]
    ones, twos = (np.concatenate([pair[k][pair[2] & (pair[0] != pair[1])] for pair in pairs]) for k in (0, 1))
    # Blocks of constant value are too stiff by their side.
    links = coo_matrix((np.full(ones.size, 1.0 / block), (ones, twos)), shape=(blocks, blocks))
    links = csc_matrix(links + links.T)
    degree = np.asarray(links.sum(axis=1)).ravel()
    degree = degree + GROUND_PULL * np.bincount(
        ids.ravel(), weights=ground.ravel().astype(np.float64), minlength=blocks
    )
    system = diags(degree) - links + 1e-5 * identity(blocks)
    right = -np.bincount(ids.ravel(), weights=(divergence * inside).ravel(), minlength=blocks)
    values = spsolve(csc_matrix(system), right).astype(np.float32)
    weight = np.bincount(ids.ravel(), weights=inside.ravel().astype(np.float64), minlength=blocks).astype(np.float32)
    shape = (-(-height // block), across_blocks)
    size = (shape[1] * block, shape[0] * block)
    top = cv2.resize((values * weight).reshape(shape), size, interpolation=cv2.INTER_LINEAR)[:height, :width]
    bottom = cv2.resize(weight.reshape(shape), size, interpolation=cv2.INTER_LINEAR)[:height, :width]
    smooth: F32 = top / np.maximum(bottom, 1e-3)
    return smooth


def mode(values: F32) -> float:
    """The most frequent value, to a fiftieth of the range that matters."""
    low, high = np.percentile(values, [1, 99])
    if high - low < 1e-3:
        return float(np.median(values))
    counts, bounds = np.histogram(values, bins=50, range=(float(low), float(high)))
    top = int(np.argmax(counts))
    near = values[(values >= bounds[top]) & (values <= bounds[top + 1])]
    return float(np.median(near))


def nearest_inside(inside: Bits) -> Indices:
    """For every pixel the flat index of the nearest inside pixel."""
    _, labels = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    where = np.zeros(int(labels.max()) + 1, np.int64)
    flat = np.flatnonzero(inside.ravel())
    where[labels.ravel()[flat]] = flat
    nearest: Indices = where[labels]
    return nearest
