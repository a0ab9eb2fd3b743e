"""Garment zones and target classes: what a garment may newly cover, what skin it may show, what it must never touch.

One table, read by mask planning, the gates and the editor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Zone(StrEnum):
    """A garment zone. `outer` is worn over `top`; `top` under an open coat is what shows of it; `full` is all of it."""

    TOP = "top"
    BOTTOM = "bottom"
    DRESS = "dress"
    OUTER = "outer"
    FULL = "full"


CHEST_TO_HIP = ("chest", "hip")
"""What must stay covered where the garment in the photo covers it."""

COVERED_BY: dict[Zone, tuple[str, ...]] = {
    Zone.TOP: ("chest",),
    Zone.BOTTOM: ("hip",),
    Zone.DRESS: CHEST_TO_HIP,
    Zone.OUTER: CHEST_TO_HIP,
    Zone.FULL: CHEST_TO_HIP,
}

PARTS_OF: dict[Zone, tuple[str, ...]] = {
    Zone.TOP: ("trunk", "upper_arm", "forearm"),
    Zone.BOTTOM: ("thigh", "shin"),
    Zone.DRESS: ("trunk", "upper_arm", "forearm", "thigh", "shin"),
    Zone.OUTER: ("trunk", "upper_arm", "forearm", "thigh", "shin"),
    Zone.FULL: ("trunk", "upper_arm", "forearm", "thigh", "shin"),
}
"""Parts of the body (as regions.BodyAxis names them, without the side) on which a garment of a zone may lie."""

MARGINS: dict[Zone, float] = {Zone.TOP: 0.04, Zone.BOTTOM: 0.06, Zone.DRESS: 0.06, Zone.OUTER: 0.10, Zone.FULL: 0.10}
"""Margin where the words name no garment: the widest of the zone's target classes."""

MOST_OF_IMAGE = 0.6
"""Largest share of a picture that a mask may take."""

PROTECTED = ("head", "hair", "hands", "shoes")
"""Areas that never enter a mask, whatever the target (protect wins)."""


@dataclass(frozen=True, slots=True)
class TargetClass:
    """What a class of garment needs from the picture.

    `words` are nouns of garments alone: what is a cloth too ("jersey", "flannel", "corduroy") says nothing about the zone.
    `margin` is how far it may newly cover beyond the old outline, as a share of the person's height. `shows` names the
    skin it may leave bare. `sleeves` and `length` are the cut it implies ("" = any). `loose`: worn over other clothes, so that
    its colour says nothing of the body below.
    """

    name: str
    zone: Zone
    margin: float
    shows: tuple[str, ...]
    words: tuple[str, ...]
    sleeves: str = ""
    length: str = ""
    loose: bool = False

    @property
    def covers(self) -> tuple[str, ...]:
        """Of CHEST_TO_HIP, what the garment always covers."""
        return COVERED_BY[self.zone]


TARGETS: tuple[TargetClass, ...] = (
    TargetClass(
        "t-shirt",
        Zone.TOP,
        0.025,
        ("forearms", "upper_arms"),
        ("t-shirt", "tshirt", "tee", "polo", "polo shirt"),
        sleeves="short",
    ),
    TargetClass(
        "shirt",
        Zone.TOP,
        0.03,
        ("forearms",),
        ("shirt", "blouse", "button-down", "button-up", "tunic", "oxford shirt"),
    ),
    TargetClass(
        "knitwear",
        Zone.TOP,
        0.04,
        ("forearms",),
        ("sweater", "jumper", "pullover", "sweatshirt", "hoodie", "turtleneck", "cardigan", "knit top"),
        sleeves="long",
        loose=True,
    ),
    TargetClass(
        "sleeveless top",
        Zone.TOP,
        0.025,
        ("forearms", "upper_arms", "shoulders"),
        ("top", "vest", "tank top", "waistcoat", "gilet"),
        sleeves="",
    ),
    TargetClass(
        "trousers",
        Zone.BOTTOM,
        0.03,
        (),
        (
            "trousers",
            "pants",
            "jeans",
            "chinos",
            "slacks",
            "leggings",
            "joggers",
            "sweatpants",
            "culottes",
            "cargos",
            "dungarees",
        ),
        length="long",
    ),
    TargetClass("shorts", Zone.BOTTOM, 0.03, ("shins", "knees"), ("shorts", "bermudas"), length="short"),
    TargetClass("skirt", Zone.BOTTOM, 0.06, ("shins", "knees"), ("skirt", "kilt", "sarong"), length="skirt"),
    TargetClass(
        "dress",
        Zone.DRESS,
        0.06,
        ("shins", "knees", "forearms", "upper_arms"),
        ("dress", "gown", "sundress", "robe", "kaftan", "kimono", "sari", "abaya"),
        length="dress",
    ),
    TargetClass(
        "one-piece",
        Zone.DRESS,
        0.04,
        ("forearms",),
        ("jumpsuit", "overall", "overalls", "boilersuit", "playsuit", "romper", "spacesuit"),
        length="long",
    ),
    TargetClass(
        "jacket",
        Zone.OUTER,
        0.05,
        (),
        ("jacket", "blazer", "bomber", "anorak", "windbreaker", "parka", "suit jacket", "sport coat", "tuxedo"),
        sleeves="long",
        loose=True,
    ),
    TargetClass(
        "coat",
        Zone.OUTER,
        0.10,
        (),
        ("coat", "overcoat", "trench", "trench coat", "cape", "poncho", "raincoat", "duffle"),
        sleeves="long",
        loose=True,
    ),
    TargetClass(
        "outfit",
        Zone.FULL,
        0.06,
        ("forearms", "shins"),
        ("outfit", "suit", "uniform", "costume", "tracksuit", "clothes", "ensemble"),
    ),
)


def _words(prompt: str) -> list[str]:
    kept = "".join(c if c.isalnum() or c in "-'" else " " for c in prompt.casefold())
    return kept.replace("-", " ").split()


def _singular(word: str) -> str:
    if word.endswith(("sses", "shes", "ches")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _lexicon() -> dict[tuple[str, ...], TargetClass]:
    return {tuple(_singular(w) for w in _words(noun)): target for target in TARGETS for noun in target.words}


def target_in_prompt(prompt: str) -> TargetClass | None:
    """The garment that `prompt` (English) asks for, or None when it names none.

    The head of a compound is its last noun ("shirt dress" is a dress, "dress shirt" a shirt); of several garments the first
    one counts ("navy jacket over a white shirt" is a jacket).
    """
    lexicon = _lexicon()
    longest = max(len(key) for key in lexicon)
    words = [_singular(w) for w in _words(prompt)]
    found: TargetClass | None = None
    at = 0
    while at < len(words):
        for length in range(min(longest, len(words) - at), 0, -1):
            target = lexicon.get(tuple(words[at : at + length]))
            if target is not None:
                found, at = target, at + length
                break
        else:
            if found is not None:
                return found
            at += 1
    return found
