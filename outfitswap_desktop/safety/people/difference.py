"""What a result shows that the root of its chain of edits did not: the legal test, as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from outfitswap_desktop.safety.detectors import EXPOSED
from outfitswap_desktop.safety.people.areas import AREAS, CHEST_HIP
from outfitswap_desktop.safety.records.evidence import RootEvidence

RISE: Final = 0.05
"""By how much the score of an exposed class may be over the root's."""

SEEN: Final = 0.2
"""Score from which on NudeNet's own reading reports a detection: below it a score is noise, and its rise says nothing.

On 286 fabric swaps of our photos a plain "up by more than 0.05" held 18 % of them, nearly all from under 0.02 to under 0.2.
"""

WITNESS: Final = 0.005
"""Rise of the skin's share that must bear out the classes that skin-coloured cloth raises by itself."""

CHEST_HIP_RISE: Final = 0.02
"""By how much the skin's share of chest to hip may be over the root's."""

ELSEWHERE_RISE: Final = 0.06
"""The same for an area that the garment asked for does not leave bare: areas of limbs are small, and noise is large in them."""

REDUCED: Final = 0.5
"""Factor on the limits of skin where the evidence is reduced."""

LOOSE: Final = 10.0
"""The same under what is worn over other clothes: a coat of the colour of skin is a coat. A body painted in its place is
far over these limits too, and the detectors' limits stay as they are."""

NUDITY: Final = EXPOSED
"""NudeNet's classes that count by themselves."""

BARE: Final = ("MALE_BREAST_EXPOSED", "BELLY_EXPOSED")
"""Those that no garment of ours bares, and that count when skin bears them out."""

ARMPITS: Final = "ARMPITS_EXPOSED"
BARES_ARMPITS: Final = "upper_arms"
"""Armpits may be seen where the garment's row in core.zones leaves the upper arms bare."""

TRUNK: Final = (CHEST_HIP, "shoulders", "upper_arms")

_NAMES: Final = {
    CHEST_HIP: "skin between chest and hips",
    "upper_arms": "skin of the upper arms",
    "shoulders": "skin of the shoulders",
    "forearms": "skin of the forearms",
    "thighs": "skin of the thighs",
    "knees": "skin of the knees",
    "shins": "skin of the shins",
}


@dataclass(frozen=True, slots=True)
class More:
    """What is shown more than in the root: `what` is a class of NudeNet or an area, with both numbers and the limit.

    `message` is a sentence for the user.
    """

    what: str
    root: float
    result: float
    limit: float
    message: str


def judge_difference(
    root: RootEvidence, scores: Mapping[str, float], *, shows: tuple[str, ...] = (), bared: float = 1.0
) -> More | None:
    """The exposed class that rose most over its limit, or None.

    `scores` (0..1) come from the same looks at the result as `root.scores` from the root. `shows` is the target's row in
    core.zones; `bared` the answer of `bared` on both shares of skin (1, not measured, bears everything out). A score that
    is missing or no number refuses.
    """
    others = BARE if BARES_ARMPITS in shows else (*BARE, ARMPITS)
    judged = (*NUDITY, *others)
    pairs = {label: (_number(root.scores, label), _number(scores, label), RISE) for label in judged}
    borne_out = not bared <= WITNESS
    told = {
        label: pair
        for label, pair in pairs.items()
        if math.isnan(pair[0] + pair[1]) or (pair[1] >= SEEN and (label in NUDITY or borne_out))
    }
    return _worst(told, dict.fromkeys(judged, "bare skin"))


def bared(root_shares: Mapping[str, float], result_shares: Mapping[str, float]) -> float:
    """By how much the skin's share rose most in chest to hip, shoulders and upper arms; NaN when that cannot be told."""
    rises = [_number(result_shares, name) - _number(root_shares, name) for name in TRUNK]
    return math.nan if any(math.isnan(rise) for rise in rises) else max(rises)


def judge_skin(
    root_shares: Mapping[str, float],
    result_shares: Mapping[str, float],
    shows: tuple[str, ...],
    *,
    reduced: bool = False,
    loose: bool = False,
) -> More | None:
    """The area whose share of skin rose most over its limit, or None.

    Chest to hip may never show more; an area of `shows` (a row of core.zones) may. `reduced` evidence halves the limits.
    A share that is missing or no number refuses.
    """
    factor = (REDUCED if reduced else 1.0) * (LOOSE if loose else 1.0)
    limits = {name: factor * (CHEST_HIP_RISE if name == CHEST_HIP else ELSEWHERE_RISE) for name in AREAS}
    judged = [name for name in AREAS if name == CHEST_HIP or name not in shows]
    return _worst(
        {name: (_number(root_shares, name), _number(result_shares, name), limits[name]) for name in judged}, _NAMES
    )


def _number(numbers: Mapping[str, float], name: str) -> float:
    """A number in 0..1; NaN for what is missing or none."""
    value = numbers.get(name, math.nan)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if usable else math.nan


def _worst(pairs: Mapping[str, tuple[float, float, float]], names: Mapping[str, str]) -> More | None:
    """The pair (root, result, limit) that is furthest over its limit; what cannot be compared is over it."""
    over = {what: pair[1] - pair[0] - pair[2] for what, pair in pairs.items() if not pair[1] - pair[0] <= pair[2]}
    if not over:
        return None
    what = max(over, key=lambda one: math.inf if math.isnan(over[one]) else over[one])
    root, result, limit = pairs[what]
    return More(what, root, result, limit, f"The result shows more {names[what]} than the photo it was made from.")
