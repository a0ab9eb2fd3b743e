"""Makes a patch of cloth seamless: finds its repeat by autocorrelation, else sews its borders along the least visible seam."""

from __future__ import annotations

import numpy as np

from outfitswap_desktop.core.arrays import F32

MOST_LEAN = 0.12
"""Steepest lean of a pattern that is straightened: 0.12 is about 7 degrees."""


def _grey(patch: F32) -> F32:
    grey = patch @ np.array([0.3, 0.59, 0.11], np.float32)
    strongest = max((patch[..., k] for k in range(3)), key=lambda channel: float(channel.std()))
    return np.asarray(grey if float(grey.std()) > 0.6 * float(strongest.std()) else strongest, np.float32)


def _correlation(grey: F32) -> F32:
    """Autocorrelation of `grey` (h, w) for shifts of y 0..h-1 and x -w..w-1 (negative ones at the end), 1 at no shift."""
    h, w = grey.shape
    centred = grey - grey.mean()
    spectrum = np.abs(np.fft.rfft2(centred, (2 * h, 2 * w))) ** 2
    full = np.fft.irfft2(spectrum, (2 * h, 2 * w))[:h]
    x = np.minimum(np.arange(2 * w), 2 * w - np.arange(2 * w))
    overlap = np.maximum(h - np.arange(h), 1)[:, None] * np.maximum(w - x, 1)[None, :]
    full = full / overlap
    return np.asarray(full / max(float(full[0, 0]), 1e-12), np.float32)


def _lean(correlation: F32) -> float:
    """How far the pattern drifts in x per step of y: read where a shift down brings the pattern best onto itself."""
    h = correlation.shape[0]
    best, lean = 0.0, 0.0
    for down in range(max(6, h // 6), int(0.6 * h)):
        reach = max(2, round(MOST_LEAN * down))
        at = np.arange(-reach, reach + 1)
        row = correlation[down, at]
        # Of several repeats in reach the one that leans least is meant.
        k = int((row - 0.3 * np.abs(at) / reach).argmax())
        clear = float(row[k]) - float(np.median(row))
        # A little weight on long shifts: they read the angle more finely.
        score = float(row[k]) * (0.8 + 0.4 * down / h)
        if 0 < k < 2 * reach and row[k] > 0.35 and clear > 0.08 and score > best:
            a, b, c = (float(v) for v in row[k - 1 : k + 2])
            bottom = a - 2 * b + c
            best, lean = score, (at[k] + (0.5 * (a - c) / bottom if bottom < 0 else 0.0)) / down
    return float(lean)


def straightened(patch: F32) -> F32:
    """`patch` (h, w, 3) with a pattern that leans a little set upright, cut to what is covered; unchanged without one."""
    import cv2

    h, w = patch.shape[:2]
    shrink = min(1.0, 300 / max(h, w))
    small = cv2.resize(_grey(patch), None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    if min(small.shape) < 24 or float(small.std()) < 1e-4:
        return patch
    across = _lean(_correlation(np.asarray(small, np.float32)))
    down = _lean(_correlation(np.ascontiguousarray(small.T, np.float32)))
    if abs(across) < 0.002 and abs(down) < 0.002:
        return patch
    # With one family of lines only, the pattern is turned as a whole, not sheared.
    if across == 0.0:
        across = -down
    elif down == 0.0:
        down = -across
    matrix = np.array([[1, across, -across * h / 2], [down, 1, -down * w / 2]], np.float64)
    turned = cv2.warpAffine(
        patch, matrix, (w, h), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )
    x, y = int(np.ceil(abs(across) * h / 2)), int(np.ceil(abs(down) * w / 2))
    return np.ascontiguousarray(turned[y : h - y, x : w - x], np.float32) if min(h - 2 * y, w - 2 * x) > 16 else patch


def repeat_of(grey: F32, *, axis: int) -> float | None:
    """The pattern's repeat along `axis` (0 = x, 1 = y) in pixels with a fraction, or None when it does not repeat.

    From the autocorrelation of `grey` (h, w) without wrap-around: the first clear peak that its double confirms.
    """
    rows = grey if axis == 0 else grey.T
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = rows.shape[1]
    if float(rows.std()) < 1e-6 or length < 24:
        return None
    spectrum = np.abs(np.fft.rfft(rows, 2 * length, axis=1)) ** 2
    correlation = np.fft.irfft(spectrum.mean(axis=0), 2 * length)[:length]
    correlation = correlation / np.maximum(np.arange(length, 0, -1), 1)
    if correlation[0] <= 0:
        return None
    correlation = correlation / correlation[0]
    furthest = int(0.55 * length)
    inner = correlation[1 : furthest + 1]
    peaks = [
        k for k in range(3, furthest) if correlation[k] >= correlation[k - 1] and correlation[k] > correlation[k + 1]
    ]
    # A repeat must be left in between: a slope that only falls has no dip before its "peak".
    peaks = [
        k for k in peaks if correlation[k] - float(inner[: k - 1].min(initial=1.0)) > 0.22 and correlation[k] > 0.3
    ]
    if not peaks:
        return None
    best = max(float(correlation[k]) for k in peaks)
    first = next(k for k in peaks if correlation[k] > 0.88 * best)
    return _refined(correlation, first, length)


def _refined(correlation: F32, first: int, length: int) -> float:
    """The repeat measured on its furthest visible multiple, which divides the error of reading a peak."""
    period = float(first)
    multiple = 1
    while (multiple + 1) * period < 0.6 * length:
        at = round((multiple + 1) * period)
        reach = max(1, round(0.12 * period))
        low, high = max(1, at - reach), min(len(correlation) - 2, at + reach)
        k = low + int(np.argmax(correlation[low : high + 1]))
        if correlation[k] < 0.3 or k in (low, high):
            break
        multiple += 1
        period = k / multiple
    k = round(period * multiple)
    if 1 <= k < len(correlation) - 1:
        a, b, c = correlation[k - 1], correlation[k], correlation[k + 1]
        bottom = a - 2 * b + c
        if bottom < 0:
            k_fine = k + 0.5 * (a - c) / bottom
            period = float(k_fine) / multiple
    return period


def _seam(difference: F32) -> F32:
    """Column of the cheapest top-to-bottom path through `difference` (h, w), which also closes on itself; (h,) int."""
    h, w = difference.shape
    # Twice down the same strip: the second half of the path starts where the first one ended, so the seam wraps.
    cost = np.concatenate([difference, difference]).astype(np.float64)
    for y in range(1, 2 * h):
        above = cost[y - 1]
        left = np.concatenate([[np.inf], above[:-1]])
        right = np.concatenate([above[1:], [np.inf]])
        cost[y] += np.minimum(above, np.minimum(left, right))
    path = np.empty(2 * h, int)
    path[-1] = int(cost[-1].argmin())
    for y in range(2 * h - 2, -1, -1):
        low, high = max(0, path[y + 1] - 1), min(w, path[y + 1] + 2)
        path[y] = low + int(cost[y, low:high].argmin())
    return path[h // 2 : h // 2 + h][np.r_[h - h // 2 : h, 0 : h - h // 2]]


def _sewn(patch: F32, width: int) -> F32:
    """`patch` (h, w, 3) brought to `width` and made to wrap left to right: its right end laid over its left one."""
    over = patch.shape[1] - width
    if over < 2:
        return patch[:, :width]
    over = min(over, width // 2)
    left, right = patch[:, :over], patch[:, width : width + over]
    path = _seam(((left - right) ** 2).sum(axis=2))
    soft = max(1.5, 0.08 * over)
    at = np.arange(over)[None, :]
    keep_left = np.clip((at - path[:, None]) / soft + 0.5, 0, 1)
    keep_left = keep_left * np.clip((at + 1) / 2, 0, 1)
    result = patch[:, :width].copy()
    result[:, :over] = right + (left - right) * keep_left[..., None].astype(np.float32)
    return result


def _along(patch: F32, period: float | None, *, largest: int) -> tuple[F32, float]:
    """Make `patch` wrap left to right: whole repeats when it has any. Also the factor its width was stretched by."""
    import cv2

    length = patch.shape[1]
    if period is not None and period * 1.25 <= length:
        times = max(1, int((length - 0.25 * min(period, 0.2 * length)) // period))
        exact = times * period
        width = max(4, round(exact))
        stretch = width / exact
        drawn = cv2.resize(patch, (round(length * stretch), patch.shape[0]), interpolation=cv2.INTER_LINEAR)
        patch = np.asarray(drawn, np.float32)
        return _sewn(patch, min(width, patch.shape[1])), stretch
    width = max(4, round(0.76 * length)) if length < largest * 1.3 else largest
    return _sewn(patch, width), 1.0


def seamless(patch: F32, *, largest: int = 1024) -> tuple[F32, tuple[float | None, float | None]]:
    """`patch` (h, w, 3) float 0..1 -> (a tile that wraps both ways, repeat in pixels along x and y or None)."""
    source = _grey(patch)
    period_x, period_y = repeat_of(source, axis=0), repeat_of(source, axis=1)
    tile, _ = _along(patch, period_x, largest=largest)
    turned, _ = _along(np.ascontiguousarray(tile.transpose(1, 0, 2)), period_y, largest=largest)
    return np.ascontiguousarray(turned.transpose(1, 0, 2)), (period_x, period_y)
