"""Takes a garment apart: what is shading (folds, seams, shadows) and what was the old cloth's colour or print."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32, RGB, Alpha
from outfitswap_desktop.embedded.fabric.light import decode_bytes, lightness, luminance

WORK_PIXELS = 700_000
"""The maps are made at this size at most; only the last composition runs at the photo's own."""

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

RIM_DARKENING = 0.4
"""How deep (log) the rim may be darker than the cloth beside it: turned hems and contact shadows, not background."""

COARSE_STEP = 0.03
"""Relative light between two byte values from which on the photo's steps show in another cloth."""

GROUND_REACH, GROUND_RANGE = 0.15, 0.8
"""Farthest from the commonest log ratios, and from the commonest log luminance, that still is the main colour in some light."""

GROUND_PULL = 0.02
"""How strongly pixels of the main colour are held to one value, against one link between neighbours."""

CRUSHED = 0.001
"""Luminance under which a photo holds compression rather than cloth (three of 255 levels)."""

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Shading:
    """The garment's light at work size (h, w), natural logarithms.

    `folds`: log shading, median 0 inside, continued beyond the mask; `print_log`: what the old print added to log luminance
    (0 on plain cloth); `keep` 0..1: how much of the photo's own finest detail is used (none on print edges and at the rim, less
    where it is mostly noise or steps);
    `inside`: the trusted interior. `offset` (linear) was added to luminance before the logarithm, `level` is the log that
    was subtracted. `noise`: estimated noise of the full-size log luminance. `scale` = work size / full size. `lit`: the old cloth's median luminance; `printed`: share of the garment near
    print edges; `clipped`: share that is burnt out.
    """

    folds: F32
    print_log: F32
    keep: F32
    inside: Bits
    offset: float
    level: float
    noise: float
    scale: tuple[float, float]
    lit: float
    printed: float
    clipped: float


def take_apart(image: RGB, alpha: Alpha) -> Shading:
    """Separate shading from the old cloth in `image` (H, W, 3) where `alpha` (H, W) is set; `alpha` must not be empty."""
    height, width = alpha.shape
    factor = min(1.0, (WORK_PIXELS / (height * width)) ** 0.5)
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if factor < 1 else image
    cover = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) if factor < 1 else alpha
    inside = trusted(cover)
    linear = decode_bytes(small)
    lum = luminance(linear)
    lit = float(np.median(lum[inside]))
    crushed = min(1.0, 2.0 * float(np.mean(lum[inside] < CRUSHED)))
    offset = float(np.clip(0.5 * lit, 0.0015, 0.002)) + 0.005 * crushed
    plain_logs = np.log(lum + np.float32(offset)).ravel()
    nearest = _nearest_inside(inside)
    edges = _print_edges(linear, plain_logs[nearest], nearest, inside)
    core = inside
    if edges.any():
        inside = _without_slivers(inside, edges)
        nearest = _nearest_inside(inside)
        edges = _print_edges(linear, plain_logs[nearest], nearest, inside)
    logs = plain_logs[nearest]
    printed = float(np.count_nonzero(edges & inside)) / max(1, np.count_nonzero(inside))
    plain = inside & ~edges
    if printed > 5e-4:
        print_log = _integrate(logs, edges, inside, ground=_ground(linear, logs, inside, edges))
        print_log -= _mode(print_log[plain if plain.any() else inside])
    else:
        print_log, plain = np.zeros_like(logs), inside
    folds = logs - print_log
    # Turned hems and contact shadows live in the rim: its darkening is kept, its brightening is the background's.
    rim = (cover > 127) & ~core
    folds[rim] += np.clip(plain_logs.reshape(logs.shape)[rim] - logs[rim], -RIM_DARKENING, 0.0)
    level = float(np.median(folds[inside]))
    folds -= level
    noise = _noise(image, alpha, offset)
    step = _byte_steps(lum, offset).ravel()[nearest]
    if np.percentile(step[inside], 90) > COARSE_STEP:
        # Few levels: compression leaves plateaus and blocks that a brighter cloth would show as stains.
        radius = max(3, round(0.016 * float(np.sqrt(np.count_nonzero(inside)))))
        folds = _guided(folds, radius=radius, eps=np.where(step > COARSE_STEP, 2.0 * step, 0.3 * COARSE_STEP) ** 2)
    elif noise > 0.015:
        folds = _guided(folds, radius=2, eps=(2.0 * noise) ** 2)
    detail = np.clip(np.minimum(0.035 / max(noise, 1e-6), 1.15 - 10.0 * step), 0.5 - 0.45 * crushed, 1.0)
    keep = cv2.erode(plain.astype(np.float32), np.ones((3, 3), np.uint8))
    return Shading(
        folds=folds,
        print_log=print_log,
        keep=cv2.GaussianBlur(keep, (0, 0), 0.8) * cv2.GaussianBlur(detail.astype(np.float32), (0, 0), 2.0),
        inside=inside,
        offset=offset,
        level=level,
        noise=noise,
        scale=(size[0] / width, size[1] / height),
        lit=lit,
        printed=printed,
        clipped=float(np.mean(small[inside].min(axis=1) >= 252)),
    )


def trusted(cover: Alpha) -> Bits:
    """The part of `cover` (h, w) 0..255 that shows nothing but cloth: full alpha, a rim of about two pixels taken off."""
    full = (cover >= 250).astype(np.uint8)
    rim = 2 if min(cover.shape) > 150 else 1
    # The border of the crop is no border of the garment: it is not eroded away.
    padded = cv2.copyMakeBorder(full, rim, rim, rim, rim, cv2.BORDER_REPLICATE)
    core = cv2.erode(padded, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1)))
    core = core[rim:-rim, rim:-rim]
    if np.count_nonzero(core) >= 16:
        return core.astype(bool)
    return full.astype(bool) if full.any() else cover > 0


def _nearest_inside(inside: Bits) -> NDArray[np.int64]:
    """For every pixel the flat index of the nearest inside pixel."""
    _, labels = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    where = np.zeros(int(labels.max()) + 1, np.int64)
    flat = np.flatnonzero(inside.ravel())
    where[labels.ravel()[flat]] = flat
    return where[labels]


def _spread(channel: F32) -> F32:
    """Range of values within 5 x 5 pixels."""
    kernel = np.ones((5, 5), np.uint8)
    spread: F32 = cv2.dilate(channel, kernel) - cv2.erode(channel, kernel)
    return spread


def _print_edges(linear: F32, logs: F32, nearest: NDArray[np.int64], inside: Bits) -> Bits:
    """Where the old cloth's own colour changes (prints, stripes, badges) rather than its light."""
    chroma = np.maximum(*(_spread(ratio.ravel()[nearest]) for ratio in _ratios(linear, inside)))
    jump = _luma_jumps(logs, inside)
    usual = 3.0 * float(np.median(chroma[inside])), 3.0 * float(np.median(jump[inside]))
    strong = (chroma > max(CHROMA_STRONG, 1.5 * usual[0])) | (jump > max(LUMA_STRONG, 1.5 * usual[1]))
    weak = (chroma > max(CHROMA_WEAK, usual[0])) | (jump > max(LUMA_WEAK, usual[1]))
    count, labels = cv2.connectedComponents(weak.astype(np.uint8), connectivity=8)
    seeded = np.zeros(count, bool)
    seeded[np.unique(labels[strong & inside])] = True
    seeded[0] = False
    return seeded[labels]


def _luma_jumps(logs: F32, inside: Bits) -> F32:
    """Steps of log luminance that are too sharp for light: those of wide areas, and those of anything that outshines its surroundings.

    Thin dark lines are creases and seams, no print; thin bright ones are print.
    """
    size = float(np.sqrt(np.count_nonzero(inside)))
    radius = max(1, round(CREASE_SHARE * size))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    closed = cv2.morphologyEx(logs, cv2.MORPH_CLOSE, kernel)
    wide = np.where(_spread(lightness(np.exp(closed))) > LIGHTNESS_STEP, _spread(closed), 0.0)
    around = _median(logs, max(5, round(0.12 * size)))
    bright = cv2.dilate(np.clip(logs - around, 0.0, None), np.ones((5, 5), np.uint8)) > LUMA_WEAK
    step = _spread(logs)
    fine = np.where(bright & (_spread(lightness(np.exp(logs))) > LIGHTNESS_STEP), step, 0.0)
    jumps: F32 = np.maximum(wide, fine).astype(np.float32)
    return jumps


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
    running: F32 = cv2.resize(middle, (width, height), interpolation=cv2.INTER_LINEAR)
    return running


def _without_slivers(inside: Bits, edges: Bits) -> Bits:
    """`inside` less the strips along its border that an edge cuts off: slivers of background, skin or hair, not cloth."""
    reach = RIM_SHARE * float(np.sqrt(np.count_nonzero(inside))) + 2.0
    padded = np.pad(inside, 1, mode="edge").astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    near = depth < reach
    count, labels = cv2.connectedComponents((inside & ~edges).astype(np.uint8), connectivity=4)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, labels.ravel(), depth.ravel())
    thin = deepest < reach
    thin[0] = False
    kept = inside & ~(edges & near) & ~thin[labels]
    return kept if np.count_nonzero(kept) > 0.5 * np.count_nonzero(inside) else inside


def _ratios(linear: F32, inside: Bits) -> tuple[F32, F32]:
    """Log ratios red:green and blue:green (h, w), steady in the dark; light leaves them alone, dye does not."""
    smooth = cv2.GaussianBlur(linear, (0, 0), 1.0)
    lum = luminance(smooth)
    # A share of luminance in each channel: the weakest channel of a strong dye is mostly noise.
    steady = 0.25 * lum + np.float32(0.01 + 0.06 * float(np.median(lum[inside])))
    red, green, blue = (np.log(smooth[..., k] + steady) for k in range(3))
    return cv2.medianBlur(red - green, 5), cv2.medianBlur(blue - green, 5)


def _ground(linear: F32, logs: F32, inside: Bits, edges: Bits) -> Bits:
    """Where the old cloth shows its main colour: near the commonest chroma, and no brighter or darker than light makes it."""
    plain = inside & ~edges
    if np.count_nonzero(plain) < 50:
        return plain
    red, blue = _ratios(linear, inside)
    middle = _mode(red[plain]), _mode(blue[plain])
    near = plain & (np.hypot(red - middle[0], blue - middle[1]) < GROUND_REACH)
    if np.count_nonzero(near) < 50:
        return near
    return near & (np.abs(logs - _mode(logs[near])) < GROUND_RANGE)


def _integrate(logs: F32, edges: Bits, inside: Bits, *, ground: Bits) -> F32:
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
        pulled = np.where(ground, solved - (_mode(solved[ground]) if ground.any() else 0.0), 0.0)
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
    degree = degree + GROUND_PULL * np.bincount(ids.ravel(), weights=ground.ravel().astype(np.float64), minlength=blocks)
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


def _mode(values: F32) -> float:
    """The most frequent value, to a fiftieth of the range that matters."""
    low, high = np.percentile(values, [1, 99])
    if high - low < 1e-3:
        return float(np.median(values))
    counts, bounds = np.histogram(values, bins=50, range=(float(low), float(high)))
    top = int(np.argmax(counts))
    near = values[(values >= bounds[top]) & (values <= bounds[top + 1])]
    return float(np.median(near))


def _noise(image: RGB, alpha: Alpha, offset: float) -> float:
    """Noise of log luminance at full size (Immerkaer 1996)."""
    height, width = alpha.shape
    rows = np.linspace(0, max(0, height - 64), 6).astype(int)
    found = []
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    for row in rows:
        strip = slice(row, row + 64)
        full = cv2.erode((alpha[strip] >= 250).astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
        if not full.any():
            continue
        logs = np.log(luminance(decode_bytes(image[strip])) + np.float32(offset))
        found.append(np.abs(cv2.filter2D(logs, cv2.CV_32F, kernel))[full])
    if not found:
        return 0.0
    return float(np.mean(np.concatenate(found))) * float(np.sqrt(np.pi / 2)) / 6.0


def _byte_steps(lum: F32, offset: float) -> F32:
    """Change of log(luminance + offset) between two neighbouring byte values, at luminance `lum` (h, w)."""
    table = decode_bytes(np.arange(256, dtype=np.uint8))
    steps = np.interp(cv2.GaussianBlur(lum, (0, 0), 2.0), table[1:], np.diff(table)).astype(np.float32)
    return steps / (cv2.GaussianBlur(lum, (0, 0), 2.0) + np.float32(offset))


def _guided(source: F32, *, radius: int, eps: float | F32) -> F32:
    """Edge-keeping smoothing of `source` by itself (guided filter, He et al. 2010)."""
    box = (2 * radius + 1, 2 * radius + 1)
    mean = cv2.blur(source, box)
    variance = cv2.blur(source * source, box) - mean * mean
    share = np.maximum(variance, 0.0) / (np.maximum(variance, 0.0) + eps)
    smooth: F32 = cv2.blur(share, box) * source + cv2.blur((1.0 - share) * mean, box)
    return smooth
