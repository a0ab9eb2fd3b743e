"""First samples of every label: face and hands for skin, above the brow for hair, trunk core, thighs, feet."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from outfitswap_desktop.core.arrays import F32, Bool
from outfitswap_desktop.embedded.parse import bare
from outfitswap_desktop.embedded.parse import parts as pt
from outfitswap_desktop.embedded.parse import skeleton as p
from outfitswap_desktop.embedded.parse.bare import Bare
from outfitswap_desktop.embedded.parse.parts import Figure

FACE_OVAL = (
    10,
    338,
    297,
    332,
    284,
    251,
    389,
    356,
    454,
    323,
    361,
    288,
    397,
    365,
    379,
    378,
    400,
    377,
    152,
    148,
    176,
    149,
    150,
    136,
    172,
    58,
    132,
    93,
    234,
    127,
    162,
    21,
    54,
    103,
    67,
    109,
)
"""Indices of MediaPipe's face mesh around the face (mediapipe.solutions.face_mesh.FACEMESH_FACE_OVAL, in order)."""
ALIKE = 14.0
"""Foot and shin closer than this in Lab are one trouser leg, where it runs out of the picture."""
CHEEKS = (
    (50, 101, 118, 117, 123, 147, 187, 205),
    (280, 330, 347, 346, 352, 376, 411, 425),
    (9, 107, 66, 69, 108, 151, 337, 299, 296, 336),
)
"""Patches of the mesh that are skin on nearly everybody: left and right cheek, forehead."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """`labels`: one boolean map (h, w) per label of parts.LABELS; `bare`: the skin where clothes were looked for."""

    labels: list[Bool]
    bare: Bare


def first_samples(figure: Figure, lab: F32, person: F32) -> Samples:
    """What is surely skin, hair, cloth and wall, to start from."""
    size, unit = figure.size, figure.unit
    sure = person > 0.75
    skin = _face_patches(figure) & sure
    if np.count_nonzero(skin) <= 20:
        skin = _bare_limbs(figure, lab) & sure
    median = np.median(lab[skin], axis=0) if np.count_nonzero(skin) > 20 else None
    forearms = _forearms(figure)
    free = (person > 0.5) & ~forearms
    told = None if figure.headless else median  # without a face the skin is a guess
    shown = bare.find(figure, lab, free, skin=told)
    limbs = np.zeros(size, bool)
    if median is not None:
        like = _skin_distance(lab, median) < 12
        for outline in pt.hand_outlines(figure):
            skin |= (pt.filled(size, outline) > 0) & sure & like
        chest = _trunk_core(figure) & sure & ~forearms
        distinct = np.count_nonzero(chest & like) < 0.25 * np.count_nonzero(chest)
        # without a face the skin is a guess: khaki shins under khaki thighs are trousers
        legs = not figure.headless or np.count_nonzero(_thighs(figure) & sure & like) < 0.3 * np.count_nonzero(
            _thighs(figure) & sure
        )
        for name, start, end in pt.LIMBS if distinct else ():
            if name in ("forearm", "upper_arm") or (name == "shin" and legs):
                core = pt.to_capsule(size, figure.points[start], figure.points[end]) < 0.07 * unit
                limbs |= core & like & sure
    top = _trunk_core(figure) & sure & ~shown.belly
    bottom = _thighs(figure) & sure & ~shown.thighs
    skin |= shown.skin & sure
    if np.count_nonzero(bottom) < 0.02 * unit**2:
        bottom |= _hip_band(figure) & sure
    shoes = np.zeros(size, bool)
    for knee, ankle, heel, toe in ((p.LEFT_KNEE, p.LEFT_ANKLE, 29, 31), (p.RIGHT_KNEE, p.RIGHT_ANKLE, 30, 32)):
        if max(figure.points[heel][1], figure.points[toe][1]) > size[0] - 0.03 * unit:
            continue  # cut off by the picture's edge: what is there is trousers
        if _leg_goes_on(figure, lab, person, marks=(knee, ankle, heel, toe)):
            continue
        shoes |= pt.to_capsule(size, figure.points[heel], figure.points[toe]) < 0.06 * unit
    shoes &= sure
    bottom &= ~shoes & ~top & ~shown.belly
    hair = _hair(figure, lab, person, median)
    outside = person < 0.08
    return Samples([outside, skin | (limbs & ~top), hair, top & ~forearms, bottom & ~forearms, shoes], shown)


def _skin_distance(lab: F32, skin: F32) -> F32:
    """Distance (h, w) of Lab colours to a skin's; lightness weighs half, because bodies are lit from one side."""
    return np.asarray(
        np.hypot(0.5 * (lab[..., 0] - skin[0]), np.hypot(lab[..., 1] - skin[1], lab[..., 2] - skin[2])), np.float32
    )


def _leg_goes_on(figure: Figure, lab: F32, person: F32, *, marks: tuple[int, int, int, int]) -> bool:
    """Whether the pose took a leg that the picture's lower edge cuts off for a foot: body down to the edge, in the
    colours of the shin above.
    """
    knee, ankle, heel, toe = (figure.points[i] for i in marks)
    width, reach = figure.size[1], 0.2 * figure.unit
    low, high = sorted((float(heel[0]), float(toe[0])))
    edge = person[-3:, max(0, round(low - reach)) : min(width, round(high + reach) + 1)]
    if edge.size == 0 or np.count_nonzero(edge.min(axis=0) > 0.5) < 0.1 * figure.unit:
        return False
    sure = person > 0.75
    foot = (pt.to_capsule(figure.size, heel, toe) < 0.08 * figure.unit) & sure
    shin = (pt.to_capsule(figure.size, np.asarray((knee + ankle) / 2, np.float32), ankle) < 0.08 * figure.unit) & sure
    if min(np.count_nonzero(foot), np.count_nonzero(shin)) < 20:
        return False
    gap = np.median(lab[foot], axis=0) - np.median(lab[shin], axis=0)
    return float(np.sqrt((gap**2).sum())) < ALIKE


def _face_patches(figure: Figure) -> Bool:
    mask = np.zeros(figure.size, np.uint8)
    if figure.headless:
        return mask > 0
    if figure.mesh is not None:
        for patch in CHEEKS:
            cv2.fillPoly(mask, [np.round(figure.mesh[list(patch)]).astype(np.int32)], 255)
        return mask > 0
    nose, mouth = figure.points[p.NOSE], figure.mid(9, 10)
    eyes = figure.mid(2, 5)
    width = 0.5 * float(np.hypot(*(mouth - eyes)))
    return pt.to_capsule(figure.size, np.asarray(0.6 * eyes + 0.4 * nose, np.float32), mouth) < max(1.5, width)


def _bare_limbs(figure: Figure, lab: F32) -> Bool:
    """What looks like anybody's skin on hands and forearms, for photos without a face.

    The range of Lab is that of human skin under ordinary light: reddish yellow, neither black nor white.
    """
    limbs = np.zeros(figure.size, bool)
    for outline in pt.hand_outlines(figure):
        limbs |= pt.filled(figure.size, outline) > 0
    for name, start, end in pt.LIMBS:
        if name == "forearm":
            limbs |= pt.to_capsule(figure.size, figure.points[start], figure.points[end]) < 0.06 * figure.unit
    light, red, yellow = lab[..., 0], lab[..., 1], lab[..., 2]
    human = (light > 15) & (light < 92) & (red > 4) & (red < 35) & (yellow > 5) & (yellow < 45) & (yellow < 3.2 * red)
    found = limbs & human
    return found if np.count_nonzero(found) > 0.15 * np.count_nonzero(limbs) else np.zeros_like(found)


def _trunk_core(figure: Figure) -> Bool:
    """The inner trunk from under the collar to above the belt."""
    base, hips = figure.neck_base, figure.hips
    out = pt.unit_vector(figure.points[p.LEFT_SHOULDER] - figure.points[p.RIGHT_SHOULDER])
    half = 0.34 * float(np.hypot(*(figure.points[p.LEFT_SHOULDER] - figure.points[p.RIGHT_SHOULDER])))
    half = max(half, 0.14 * figure.unit)
    upper, lower = base + 0.25 * (hips - base), base + 0.80 * (hips - base)
    corners = np.array(
        [upper - out * half, upper + out * half, lower + out * half * 0.9, lower - out * half * 0.9], np.float32
    )
    return pt.filled(figure.size, corners) > 0


def _thighs(figure: Figure) -> Bool:
    """The cores of both thighs from below the hips to the knees."""
    mask = np.zeros(figure.size, bool)
    for hip, knee in ((p.LEFT_HIP, p.LEFT_KNEE), (p.RIGHT_HIP, p.RIGHT_KNEE)):
        start = figure.points[hip] + 0.35 * (figure.points[knee] - figure.points[hip])
        mask |= pt.to_capsule(figure.size, start, figure.points[knee]) < 0.10 * figure.unit
    return mask


def _hip_band(figure: Figure) -> Bool:
    """The seat, for photos that end above the thighs."""
    down = figure.down()
    near = pt.to_capsule(figure.size, figure.points[p.LEFT_HIP], figure.points[p.RIGHT_HIP])
    return np.asarray((down > 1.02) & (down < 1.5) & (near < 0.5 * figure.unit), bool)


def _forearms(figure: Figure) -> Bool:
    mask = np.zeros(figure.size, bool)
    for elbow, wrist, knuckle in ((p.LEFT_ELBOW, p.LEFT_WRIST, 19), (p.RIGHT_ELBOW, p.RIGHT_WRIST, 20)):
        mask |= pt.to_capsule(figure.size, figure.points[elbow], figure.points[wrist]) < 0.15 * figure.unit
        mask |= pt.to_capsule(figure.size, figure.points[wrist], figure.points[knuckle]) < 0.16 * figure.unit
    return mask


def _hair(figure: Figure, lab: F32, person: F32, skin: F32 | None) -> Bool:
    """Inside the silhouette, on the head's outline above the eyes, unlike the face's skin."""
    if figure.headless:
        return np.zeros(figure.size, bool)
    centre, _, tall, _ = pt.head_ellipse(figure)
    ys, xs = pt.grid(figure.size)
    up = (
        -pt.unit_vector(figure.mid(9, 10) - figure.mid(2, 5))
        if figure.mesh is None
        else pt.unit_vector(figure.mesh[10] - figure.mesh[152])
    )
    eyes = figure.mid(2, 5) if figure.mesh is None else figure.mesh[[33, 263]].mean(axis=0)
    height = (xs - eyes[0]) * up[0] + (ys - eyes[1]) * up[1]
    near = np.hypot(xs - centre[0], ys - centre[1]) < 1.35 * tall
    zone = near & (height > 0.35 * tall) & (person > 0.8)
    if figure.mesh is not None:
        zone &= pt.filled(figure.size, figure.mesh[list(FACE_OVAL)]) == 0
    if skin is not None:
        zone &= np.sqrt(((lab - skin) ** 2).sum(axis=2)) > 14
    return np.asarray(zone, bool)
