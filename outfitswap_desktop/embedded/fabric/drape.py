"""Lays flat cloth on a body: texture coordinates along and across trunk and limbs, in centimetres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import F32
from outfitswap_desktop.core.regions import BodyAxis
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric.light import as_f32

TRUNK_CM = (50.0, 19.0)
"""Length mid-shoulders to mid-hips, and half-width, of an adult's clothed trunk in centimetres."""

LIMB_CM = {"upper_arm": 29.0, "forearm": 25.0, "thigh": 42.0, "shin": 40.0}

GARMENT_CM2 = {Zone.TOP: 3000.0, Zone.BOTTOM: 3300.0, Zone.DRESS: 4500.0, Zone.OUTER: 4500.0, Zone.FULL: 6500.0}
"""What one sees of a garment from the front, for photos without a pose."""

CHAINS = {
    "left_arm": ("left_upper_arm", "left_forearm"),
    "right_arm": ("right_upper_arm", "right_forearm"),
    "left_leg": ("left_thigh", "left_shin"),
    "right_leg": ("right_thigh", "right_shin"),
}

ROUNDNESS = 0.92
"""How far round the cylinder the silhouette lies (1 = a quarter turn): clothes never quite close at the edge."""

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One piece of cloth on one limb: `u`, `v` (h, w) cm across and along; `turn` (h, w) 0..1 sine of turning away."""

    part: str
    u: F32
    v: F32
    turn: F32


@dataclass(frozen=True, slots=True, eq=False)
class Drape:
    """All panels, `owner` (h, w) index of the panel each pixel belongs to, and full-size pixels per centimetre."""

    panels: tuple[Panel, ...]
    owner: NDArray[np.uint8]
    pixels_per_cm: float
    estimated: bool

    def chosen(self, name: str) -> F32:
        """The field `name` ("u", "v" or "turn") of each pixel's own panel."""
        stack = np.stack([getattr(panel, name) for panel in self.panels])
        picked: F32 = np.take_along_axis(stack, self.owner[None].astype(np.intp), axis=0)[0]
        return picked


def lay(inside: Bits, axes: Sequence[BodyAxis], zone: Zone, *, scale: tuple[float, float], guide: F32) -> Drape:
    """Coordinates for the work-size garment `inside` (h, w) from `axes` in full-size pixels; `guide` (h, w) is its shading.

    Without axes they are estimated from the outline.
    """
    scaled = [_scaled(axis, scale) for axis in axes]
    usable = {axis.part: axis for axis in scaled if _length(axis) > 4.0}
    estimated = not usable
    trunk = usable.get("trunk")
    if trunk is None and (estimated or zone is not Zone.BOTTOM):
        trunk = from_outline(inside)
    per_cm = _pixels_per_cm(inside, usable, zone)
    height, width = inside.shape
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    panels: list[Panel] = []
    scores: list[F32] = []
    if trunk is not None:
        panel, score = _trunk_panel(trunk, inside, (xs, ys), per_cm)
        panels.append(panel)
        scores.append(score)
    for name, parts in _chains(usable, inside, zone).items():
        chain = [usable[part] for part in parts if part in usable and _length(usable[part]) > 0.6 * usable[part].radius]
        if not chain or chain[0].part != parts[0]:
            continue
        found = _limb_panel(name, chain, trunk=trunk, inside=inside, grid=(xs, ys), per_cm=per_cm)
        if found is not None:
            panels.append(found[0])
            scores.append(found[1])
    if not panels:
        panel, score = _trunk_panel(from_outline(inside), inside, (xs, ys), per_cm)
        panels, scores = [panel], [score]
    owner = _owners(scores, guide)
    full = per_cm / (0.5 * (scale[0] + scale[1]))
    return Drape(tuple(panels), owner, float(full), estimated)


def _chains(axes: dict[str, BodyAxis], inside: Bits, zone: Zone) -> dict[str, tuple[str, ...]]:
    """The limbs that have cloth of their own: sleeves, and legs where the garment is no skirt, dress or coat."""
    chosen = dict(CHAINS)
    arms = zone is not Zone.BOTTOM
    legs = zone in (Zone.BOTTOM, Zone.FULL) and not _skirt(axes, inside)
    return {name: parts for name, parts in chosen.items() if (arms if name.endswith("arm") else legs)}


def _skirt(axes: dict[str, BodyAxis], inside: Bits) -> bool:
    """Whether cloth fills the gap between legs that stand apart."""
    left, right = axes.get("left_thigh"), axes.get("right_thigh")
    if left is None or right is None:
        return False
    filled = 0
    for share in (0.6, 0.8, 1.0):
        one, two = (np.add(axis.start, share * np.subtract(axis.end, axis.start)) for axis in (left, right))
        if np.hypot(*(one - two)) < 1.3 * (left.radius + right.radius):
            continue
        steps = np.rint(one + np.linspace(0.0, 1.0, 40)[:, None] * (two - one)).astype(int)
        within = (steps >= 0).all(axis=1) & (steps[:, 0] < inside.shape[1]) & (steps[:, 1] < inside.shape[0])
        steps = steps[within]
        filled += bool(steps.size and np.mean(inside[steps[:, 1], steps[:, 0]]) > 0.95)
    return filled >= 2


def from_outline(inside: Bits) -> BodyAxis:
    """A trunk axis from the outline alone: its long direction where it has one, else straight down."""
    ys, xs = np.nonzero(inside)
    centre = np.array([xs.mean(), ys.mean()])
    spread = np.cov(np.stack([xs, ys])) if xs.size > 2 else np.eye(2)
    values, vectors = np.linalg.eigh(spread)
    direction = vectors[:, 1] if vectors[1, 1] >= 0 else -vectors[:, 1]
    if values[1] < 2.2 * max(values[0], 1e-6) or direction[1] < 0.6:
        direction = np.array([0.0, 1.0])
    along = (xs - centre[0]) * direction[0] + (ys - centre[1]) * direction[1]
    across = (xs - centre[0]) * direction[1] - (ys - centre[1]) * direction[0]
    start, end = centre + direction * np.percentile(along, 2), centre + direction * np.percentile(along, 98)
    radius = float(np.percentile(np.abs(across), 75)) * 1.1
    return BodyAxis("trunk", (float(start[0]), float(start[1])), (float(end[0]), float(end[1])), max(radius, 2.0))


def _scaled(axis: BodyAxis, scale: tuple[float, float]) -> BodyAxis:
    (x0, y0), (x1, y1) = axis.start, axis.end
    start, end = (x0 * scale[0], y0 * scale[1]), (x1 * scale[0], y1 * scale[1])
    return BodyAxis(axis.part, start, end, max(1.0, axis.radius * 0.5 * (scale[0] + scale[1])))


def _length(axis: BodyAxis) -> float:
    return float(np.hypot(axis.end[0] - axis.start[0], axis.end[1] - axis.start[1]))


def _pixels_per_cm(inside: Bits, axes: dict[str, BodyAxis], zone: Zone) -> float:
    """Work-size pixels per centimetre: from trunk, else limbs (the least foreshortened), else the garment's area."""
    by_area = float(np.sqrt(np.count_nonzero(inside) / GARMENT_CM2[zone]))
    trunk = axes.get("trunk")
    if trunk is not None:
        by_body = max(0.9 * _length(trunk) / TRUNK_CM[0], trunk.radius / TRUNK_CM[1])
    else:
        limbs = [_length(axis) / LIMB_CM[part.split("_", 1)[1]] for part, axis in axes.items() if "_" in part]
        if not limbs:
            return max(by_area, 0.2)
        by_body = max(limbs)
    # A garment cut by the picture's border has less area, never much more: the area bounds from below.
    return float(np.clip(by_body, 0.7 * by_area, 4.0 * by_area))


def _frame(axis: BodyAxis, grid: tuple[F32, F32]) -> tuple[F32, F32]:
    """Distance along and signed distance across `axis` in pixels; across points right where the axis points down."""
    dx, dy = axis.end[0] - axis.start[0], axis.end[1] - axis.start[1]
    norm = max(float(np.hypot(dx, dy)), 1e-6)
    dx, dy = dx / norm, dy / norm
    x, y = grid[0] - np.float32(axis.start[0]), grid[1] - np.float32(axis.start[1])
    return x * np.float32(dx) + y * np.float32(dy), x * np.float32(dy) - y * np.float32(dx)


def _half_width(along: F32, across: F32, member: Bits, radius: float) -> F32:
    """Half-width of `member` at each distance along, smoothed; falls back to `radius`."""
    step = max(2.0, radius / 8)
    low, high = float(along.min()), float(along.max())
    bins = max(2, int((high - low) / step) + 1)
    index = np.clip(((along - low) / step).astype(np.int32), 0, bins - 1)
    widths = np.full(bins, np.nan)
    if member.any():
        order = np.argsort(index[member], kind="stable")
        chosen, values = index[member][order], np.abs(across[member][order])
        starts = np.searchsorted(chosen, np.arange(bins + 1))
        for k in range(bins):
            if starts[k + 1] - starts[k] >= 3:
                widths[k] = np.percentile(values[starts[k] : starts[k + 1]], 95)
    known = np.flatnonzero(~np.isnan(widths))
    if known.size == 0:
        return np.full(along.shape, radius, np.float32)
    filled = np.interp(np.arange(bins), known, widths[known])
    filled = np.clip(filled, 0.7 * radius, 2.4 * radius).astype(np.float32)
    smooth = as_f32(cv2.GaussianBlur(filled[None], (0, 0), 4.0, borderType=cv2.BORDER_REPLICATE)[0])
    return as_f32(smooth[index])


def _round(across: F32, half: F32) -> tuple[F32, F32]:
    """Arc length across a cylinder seen from the front, u = R asin(x / R), and the sine x / R (bounded)."""
    reach = half / np.float32(ROUNDNESS)
    sine = np.clip(across / reach, -0.985, 0.985)
    arc = reach * np.arcsin(sine)
    # Beyond the silhouette the arc goes on at its last slope instead of stopping.
    arc = arc + (across - sine * reach)
    return arc, np.abs(sine)


def _trunk_panel(axis: BodyAxis, inside: Bits, grid: tuple[F32, F32], per_cm: float) -> tuple[Panel, F32]:
    along, across = _frame(axis, grid)
    member = inside & (np.abs(across) < 1.5 * axis.radius)
    half = as_f32(cv2.GaussianBlur(_half_width(along, across, member, axis.radius), (0, 0), 2.0))
    arc, turn = _round(across, half)
    beyond = np.maximum(along - np.float32(_length(axis)), 0.0)
    score = np.hypot(across, beyond) / np.float32(axis.radius)
    return Panel("trunk", arc / np.float32(per_cm), along / np.float32(per_cm), turn), score.astype(np.float32)


def _limb_panel(
    name: str, chain: list[BodyAxis], *, trunk: BodyAxis | None, inside: Bits, grid: tuple[F32, F32], per_cm: float
) -> tuple[Panel, F32] | None:
    """Coordinates along a bent limb: each bone's own frame, blended about the joint; the pattern hangs on the trunk's."""
    first = chain[0]
    u0 = v0 = 0.0
    if trunk is not None:
        point = (np.array([[first.start[0]]], np.float32), np.array([[first.start[1]]], np.float32))
        along0, across0 = _frame(trunk, point)
        u0, v0 = float(across0[0, 0]), float(along0[0, 0])
    u = v = turn = score = None
    travelled = 0.0
    for k, axis in enumerate(chain):
        along, across = _frame(axis, grid)
        length = _length(axis)
        end = np.float32(length if k + 1 < len(chain) else 1.25 * length)
        short = np.maximum(np.float32(0.35 * axis.radius) - along, 0.0) if k == 0 else np.maximum(-along, 0.0)
        beyond = np.maximum(along - end, 0.0)
        reach = np.sqrt(across**2 + (1.6 * short) ** 2 + beyond**2) / np.float32(axis.radius)
        half = _half_width(along, across, inside & (reach < 2.0), axis.radius)
        arc, sine = _round(across, half)
        here_u, here_v = arc, along + np.float32(travelled)
        if u is None or v is None or turn is None or score is None:
            u, v, turn, score = here_u, here_v, sine, reach
        else:
            mixed = _joint(chain[k - 1], axis, grid)
            u, v = u + (here_u - u) * mixed, v + (here_v - v) * mixed
            turn = turn + (sine - turn) * mixed
            score = np.minimum(score, reach)
        travelled += length
    if u is None or v is None or turn is None or score is None:
        return None
    if np.count_nonzero((score < 1.0) & inside) < 20:
        return None
    return Panel(
        name, (u + np.float32(u0)) / np.float32(per_cm), (v + np.float32(v0)) / np.float32(per_cm), turn
    ), score


def _joint(upper: BodyAxis, lower: BodyAxis, grid: tuple[F32, F32]) -> F32:
    """0 on the upper bone, 1 on the lower, smooth where both are equally near; a sharply bent limb gets a crease instead."""
    one, two = (np.subtract(axis.end, axis.start) / max(_length(axis), 1e-6) for axis in (upper, lower))
    straight = float(np.clip((np.dot(one, two) + 0.1) / 0.8, 0.06, 1.0))
    nearer = (_distance(upper, grid) - _distance(lower, grid)) / np.float32(upper.radius)
    # Bones that lie side by side are equally near over a wide area: there the upper one's cloth is in front.
    nearer = (nearer - np.float32(0.5 * (1.0 - straight))) / np.float32(0.9 * straight)
    step = np.clip(0.5 + 0.5 * nearer, 0.0, 1.0)
    blended: F32 = (step * step * (3.0 - 2.0 * step)).astype(np.float32)
    return blended


def _distance(axis: BodyAxis, grid: tuple[F32, F32]) -> F32:
    """Distance in pixels to the bone."""
    along, across = _frame(axis, grid)
    beyond = np.maximum(np.maximum(-along, along - np.float32(_length(axis))), 0.0)
    return as_f32(np.hypot(across, beyond))


def _owners(scores: list[F32], guide: F32) -> NDArray[np.uint8]:
    """The nearest panel for each pixel, its border drawn to the shading's edges by a guided filter (He et al. 2010)."""
    if len(scores) == 1:
        return np.zeros(guide.shape, np.uint8)
    first = np.argmin(np.stack(scores), axis=0)
    side = max(3, int(0.012 * max(guide.shape)) * 2 + 1)
    box = (side, side)
    mean = cv2.blur(guide, box)
    variance = cv2.blur(guide * guide, box) - mean * mean + np.float32(0.01)
    best = np.full(guide.shape, -1.0, np.float32)
    owner = np.zeros(guide.shape, np.uint8)
    for k in range(len(scores)):
        member = (first == k).astype(np.float32)
        average = cv2.blur(member, box)
        slope = (cv2.blur(member * guide, box) - mean * average) / variance
        fitted = cv2.blur(slope, box) * guide + cv2.blur(average - slope * mean, box)
        wins = fitted > best
        best[wins], owner[wins] = fitted[wins], k
    return owner
