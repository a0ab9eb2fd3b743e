"""Bare skin where clothes are looked for: a belly between two garments, thighs under a short hem.

What is learnt about cloth there would be learnt from skin. Both are told by the colour of the face, and believed only beside
cloth of another colour: a beige shirt or khaki trousers have the face's colour from end to end.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, Bool
from outfitswap_desktop.embedded.parse import parts as pt
from outfitswap_desktop.embedded.parse import skeleton as p
from outfitswap_desktop.embedded.parse.parts import BOTTOM, SKIN, TOP, Figure
from outfitswap_desktop.embedded.parse.smooth import stretches

GAPS = (10.0, 6.0, 4.0)
"""Greatest distances of bare skin's colours to the face's, tried in turn: the smaller tell it from khaki."""
LOOSE = 1.6
"""Once the skin is believed, its shades and lights up to this many times as far away belong to it."""
STEP = 0.02
BELLY = (0.3, 1.2)
"""Where along the trunk (0 = shoulders, 1 = hips) a bare belly is looked for."""
BELLY_TOP = 0.9
"""It begins above the hips: what begins lower is a belt, a pocket, a hand in one."""
BELLY_LEAST = 0.08
"""Least height of a bare belly in trunk lengths; a belt is narrower."""
MOSTLY = 0.7
"""Least mean share of a bare belly that is like the skin."""
HEMS = (0.1, 1.0)
"""Where along the thigh (0 = hip, 1 = knee) a hem is looked for."""
ARMS = 11.0
"""Greatest distance of bare arms' colours to the face's."""
KEPT = 0.2
"""Share of the prior of cloth that is left where bare skin was told."""
OTHER = 0.35
"""Cloth beside the skin may look like it in at most this share of its area."""


@dataclass(frozen=True, slots=True, eq=False)
class Bare:
    """Maps (h, w) of bare skin: the `belly`, between two garments, and the `thighs`."""

    belly: Bool
    thighs: Bool

    @property
    def skin(self) -> Bool:
        return self.belly | self.thighs


def find(figure: Figure, lab: F32, free: Bool, *, skin: F32 | None) -> Bare:
    """Bare belly and thighs by the colour of the face (`skin`, Lab (3,)); none without it.

    `free` (h, w) is the person without the forearms.
    """
    if skin is None:
        return Bare(np.zeros(figure.size, bool), np.zeros(figure.size, bool))
    gap = _gap(figure, lab, skin)
    return Bare(_belly(figure, gap, free), _thighs(figure, gap, free))


def _belly(figure: Figure, gap: F32, free: Bool) -> Bool:
    """A band across the trunk that is like skin, with cloth above and below it."""
    down = figure.down()
    core = free & (np.abs(figure.across()) < 0.26 * figure.unit)
    for most in GAPS:
        band = _band(down, core, gap < most, least=0.05 * figure.unit)
        if band is not None:
            return np.asarray((down >= band[0]) & (down < band[1]) & (gap < LOOSE * most) & free, bool)
    return np.zeros(figure.size, bool)


def _thighs(figure: Figure, gap: F32, free: Bool) -> Bool:
    """What lies below a hem: along the thigh, cloth turns into what is like skin."""
    found = np.zeros(figure.size, bool)
    for hip, knee in ((p.LEFT_HIP, p.LEFT_KNEE), (p.RIGHT_HIP, p.RIGHT_KNEE)):
        start, end = figure.points[hip], figure.points[knee]
        core = free & (pt.to_capsule(figure.size, start, end) < 0.1 * figure.unit)
        along = _along(figure.size, start, end)
        for most in GAPS:
            like = gap < most
            hem = _hem(along, core, like, least=0.02 * figure.unit)
            if hem is not None:
                found |= core & like & (along >= hem)
                break
    return found


def apply(prior: F32, found: Bool) -> None:
    """Move `prior` (6, h, w) in place where skin was `found` (h, w), small gaps in it (a navel) included."""
    if not found.any():
        return
    size = 2 * max(1, round(0.02 * found.shape[0])) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    whole = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0
    cloth = prior[TOP] + prior[BOTTOM]
    prior[SKIN] += np.where(whole, (1 - KEPT) * cloth, 0)
    prior[[TOP, BOTTOM]] *= np.where(whole, KEPT, 1)


def distance(lab: F32, skin: F32) -> F32:
    """Distance (h, w) of Lab colours to a skin in any light.

    In the shade the chroma is compared at the pixel's own lightness; in brighter light it does not grow, because cameras
    wash out. Lightness weighs by its ratio, so that black is not dark skin in the shade.
    """
    share = np.maximum(lab[..., 0], 1.0) / max(float(skin[0]), 1.0)
    shade = np.minimum(share, 1.0)
    chroma = np.hypot(lab[..., 1] - shade * skin[1], lab[..., 2] - shade * skin[2])
    return np.asarray(np.hypot(12.0 * np.log(share), chroma), np.float32)


def _gap(figure: Figure, lab: F32, skin: F32) -> F32:
    """Distance (h, w) to the face's colour or to that of bare arms, whichever is nearer: arms and belly share their light."""
    gap = distance(lab, skin)
    arms = np.zeros(figure.size, bool)
    for name, start, end in pt.LIMBS:
        if name == "forearm":
            arms |= pt.to_capsule(figure.size, figure.points[start], figure.points[end]) < 0.07 * figure.unit
    bare = arms & (gap < ARMS)
    if np.count_nonzero(bare) < 0.5 * np.count_nonzero(arms) or np.count_nonzero(bare) < 40:
        return gap
    return np.minimum(gap, distance(lab, np.asarray(np.median(lab[bare], axis=0), np.float32)))


def _band(down: F32, core: Bool, like: Bool, *, least: float) -> tuple[float, float] | None:
    """From where to where along `down` the `core` is `like` skin between two stretches that are not; None if nowhere."""
    steps = np.arange(-0.05, 1.9, STEP, dtype=np.float32)
    share, known = _shares(down, core, like, steps=steps, least=least)
    for first, last in stretches((share > 0.6) & known):
        top, low = float(steps[first]), float(steps[last])
        if low - top < BELLY_LEAST or not BELLY[0] <= top <= BELLY_TOP or low > BELLY[1]:
            continue
        if float(share[first:last].mean()) < MOSTLY:
            continue
        above = known & (steps[:-1] >= top - 0.25) & (steps[:-1] < top - STEP)
        under = known & (steps[:-1] > low + STEP) & (steps[:-1] <= low + 0.2)
        if above.any() and under.any() and max(share[above].mean(), share[under].mean()) < OTHER:
            return top, low
    return None


def _hem(along: F32, core: Bool, like: Bool, *, least: float) -> float | None:
    """Where along the thigh cloth ends and what is `like` skin begins and goes on; None where nothing of the kind is seen."""
    steps = np.arange(-0.1, 1.0 + STEP, STEP, dtype=np.float32)
    share, known = _shares(along, core, like, steps=steps, least=least)
    runs = stretches((share > 0.6) & known)
    if not runs:
        return None
    first, last = runs[-1]
    hem = float(steps[first])
    covered = known & (steps[:-1] < hem - STEP)
    below = known[first:]
    if not HEMS[0] <= hem < HEMS[1] or last < np.flatnonzero(known)[-1] or below.sum() < 4 or covered.sum() < 4:
        return None
    return hem if float(share[covered].mean()) < OTHER else None


def _shares(place: F32, core: Bool, like: Bool, *, steps: F32, least: float) -> tuple[F32, Bool]:
    """Per stretch of `place` between `steps`: the share of `core` that is `like`, and whether enough of it is to be seen."""
    count = len(steps) - 1
    index = np.digitize(place, steps) - 1
    inside = core & (index >= 0) & (index < count)
    total = np.bincount(index[inside], minlength=count)
    alike = np.bincount(index[inside & like], minlength=count)
    return np.asarray(alike / np.maximum(total, 1), np.float32), np.asarray(total > least, bool)


def _along(size: tuple[int, int], start: F32, end: F32) -> F32:
    """Map (h, w): how far along the way from `start` (0) to `end` (1)."""
    ys, xs = pt.grid(size)
    way = end - start
    return np.asarray(((xs - start[0]) * way[0] + (ys - start[1]) * way[1]) / max(1e-3, float(way @ way)), np.float32)
