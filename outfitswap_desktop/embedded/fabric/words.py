"""Words of fashion English -> Design: colours, materials, patterns and scale, and an honest word on what cannot be done."""

from __future__ import annotations

from functools import cache

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric import grammar, palette
from outfitswap_desktop.embedded.fabric.colours import hex_of, modified
from outfitswap_desktop.embedded.fabric.design import Colour, Design, Material
from outfitswap_desktop.embedded.fabric.lexicon import Term, colour_of, read, singular, table
from outfitswap_desktop.embedded.fabric.materials import materials
from outfitswap_desktop.errors import InputRefused

EXAMPLES = (
    "Say a colour, a material or a pattern, for example: navy pinstripe linen shirt; black leather; "
    "white polka dots on a red shirt; red and black buffalo plaid flannel; light blue denim; #1f6f54 velvet."
)
_KEEPS = "The embedded engine keeps the garment's cut: it cannot {}."
_FABRIC = ("colour", "group", "material", "pattern", "stripe")
_NATIVE_MIX = frozenset({"tweed", "curl", "sequin", "damask", "lace", "mesh", "lurex"})
_ZONE_NOUN = {
    Zone.TOP: "a top",
    Zone.BOTTOM: "trousers or a skirt",
    Zone.DRESS: "a dress",
    Zone.OUTER: "a jacket or coat",
    Zone.FULL: "an outfit",
}
_AGREES: dict[Zone, frozenset[str]] = {
    Zone.TOP: frozenset({"top", "full"}),
    Zone.BOTTOM: frozenset({"bottom", "full"}),
    Zone.DRESS: frozenset({"dress", "full"}),
    Zone.OUTER: frozenset({"outer", "full"}),
    Zone.FULL: frozenset({"full"}),
}


def _with_article(noun: str) -> str:
    if singular(noun) != noun or noun in ("trousers", "pants", "shorts", "jeans", "culottes"):
        return noun
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


@cache
def _only_where_worn() -> frozenset[str]:
    return frozenset(table("words")["shapes"]["only_where_worn"])


def _noun_limit(nouns: list[Term], zone: Zone) -> list[str]:
    """One sentence for a garment that the zone is not, or whose cut the zone does not promise."""
    for noun in nouns:
        if noun.value not in _AGREES[zone]:
            return [_KEEPS.format(f"make {_with_article(noun.text)} out of {_ZONE_NOUN[zone]}")]
        if {noun.text, singular(noun.text)} & _only_where_worn():
            return [_KEEPS.format(f"make {_with_article(noun.text)} where none is worn")]
    return []


def _cut_sentences(terms: list[Term], parts: list[str], nouns: list[Term], *, zone: Zone) -> list[str]:
    sentences: list[str] = []
    for term in terms:
        if term.kind == "cut":
            detail = f" (“{term.text}”)" if not term.value.startswith(("make", "take")) else ""
            sentences.append(_KEEPS.format(term.value + detail))
    sentences += [
        f"The embedded engine cannot add or recolour single parts of a garment: “{part}” is left out." for part in parts
    ]
    return list(dict.fromkeys(sentences + _noun_limit(nouns, zone)))


def _scaled_cut(terms: list[Term]) -> list[Term]:
    """Cut words that mean a pattern's size when a pattern follows at once: "oversized houndstooth", "mini floral"."""
    sizes = {"oversized": "2.3", "oversize": "2.3", "mini": "0.45", "maxi": "2.3"}
    result = []
    for i, said in enumerate(terms):
        term = said
        following = next((t for t in terms[i + 1 :] if t.kind not in ("filler", "colour", "modifier")), None)
        if (
            term.kind == "cut"
            and term.text in sizes
            and following is not None
            and following.kind in ("pattern", "stripe")
        ):
            term = Term("scale", sizes[said.text], said.text)
        result.append(term)
    return result


class _Reading:
    """A prompt taken apart, shared by `understand`, `cut_limits` and `material_words`."""

    __slots__ = ("dropped", "elsewhere", "other_things", "parts", "parts_named", "terms", "zone")

    def __init__(self, prompt: str, zone: Zone) -> None:
        self.zone = zone
        terms = grammar.after_change(_scaled_cut(read(prompt)))
        terms, self.dropped = grammar.without_negated(terms)
        self.terms = grammar.unfolded(terms)
        parts, self.elsewhere = grammar.for_zone(grammar.clauses(self.terms), zone)
        self.parts, self.parts_named, self.other_things = grammar.without_parts(parts)

    def all(self, *kinds: str) -> list[Term]:
        return [t for part in self.parts for t in part.terms if t.kind in kinds]

    def cut_sentences(self) -> list[str]:
        sentences = _cut_sentences(self.all("cut"), self.parts_named, self.all("noun"), zone=self.zone)
        others = [f"Only the chosen garment is changed: “{thing}” is left out." for thing in self.other_things]
        return list(dict.fromkeys(sentences + others))

    def material_key(self) -> tuple[str, str]:
        """(key of the material or "", the words that said it); what a noun implies counts last."""
        found = self.all("material")
        if found:
            # "silk satin", "wool flannel", "cotton corduroy": the later word names the cloth, the earlier its fibre.
            fibres = {"cotton", "wool", "silk", "nylon"}
            gloss = frozenset(table("words")["glossy"]["words"])
            real = [t for t in found if t.text not in gloss] or found
            cloth = [t for t in real if t.value not in fibres] or real
            return cloth[0].value, cloth[0].text
        for term in self.all("noun"):
            for key, nouns in table("words")["implied"].items():
                if term.text in nouns or singular(term.text) in nouns:
                    return key.lstrip("!"), ""
        return "", ""


def cut_limits(prompt: str, zone: Zone) -> tuple[str, ...]:
    """What `prompt` asks of the garment's cut and the embedded engine cannot do on `zone`: one sentence each, maybe none."""
    return tuple(_Reading(prompt, zone).cut_sentences())


def _strength(terms: list[Term], denim: bool) -> list[str]:
    weak = frozenset(table("words")["weak"]["words"])
    return [t.value for t in terms if t.kind == "modifier" and (denim or t.text not in weak)]


def _denim_shade(term: Term) -> Colour | None:
    """ "blue denim" is indigo-dyed cotton, not blue paint: the usual washes for the plain colour words."""
    washes = {
        "blue": "#42608c",
        "light blue": "#8fabc9",
        "dark blue": "#253350",
        "pale blue": "#b3c6d9",
        "mid blue": "#4d6d9c",
        "medium blue": "#4d6d9c",
        "indigo": "#2b3c60",
        "black": "#232427",
        "grey": "#77797c",
        "gray": "#77797c",
        "bright blue": "#3d6fb0",
        "sky blue": "#94b4d4",
    }
    return colour_of(washes[term.value]) if term.value in washes else None


def _plain_colours(reading: _Reading, key: str, said: list[str]) -> tuple[str, tuple[Colour, ...]]:
    """(pattern, colours) when no pattern was named: solid, or what two colours without one most likely mean."""
    terms = reading.all("colour")
    colours: list[Colour] = []
    for term in terms:
        colour = (_denim_shade(term) if key == "denim" else None) or term.colour
        if colour is not None and colour not in colours:
            colours.append(colour)
    if not colours:
        colour = colour_of(materials()[key].colour if key else "white")
        for modifier in _strength(reading.terms, key == "denim"):
            colour = modified(colour, modifier)
        return "solid", (colour,)
    if len(colours) == 1:
        return "solid", tuple(colours)
    if key and materials()[key].material.micro in _NATIVE_MIX:
        return "figured", tuple(colours)
    turning = any(t.kind == "connect" and t.text in ("to", "into", "from") for t in reading.all("connect"))
    pattern = "gradient" if turning or len(colours) > 4 else "colour block"
    said.append(f"several colours and no pattern: read as a {pattern}")
    return pattern, tuple(colours)


def _pattern_colours(reading: _Reading, pattern: grammar.Pattern) -> tuple[Colour, ...]:
    named = reading.all("material")
    cloth = colour_of(materials()[reading.material_key()[0]].colour) if named else None
    colours = grammar.colours_with_pattern(reading.parts, pattern, cloth=cloth)
    if not any(term.text.startswith(("#", "css")) for term in reading.all("colour")):
        colours = palette.dyed(colours)
    for modifier in _strength(reading.terms, denim=False):
        colours = tuple(modified(c, modifier) for c in colours)
    return colours


def _scale(reading: _Reading) -> float:
    factor = 1.0
    for term in reading.all("scale"):
        factor *= float(term.value)
    for named, phrases in table("words")["named_scales"].items():
        if any(t.text in phrases or singular(t.text) in phrases for t in reading.all("pattern", "material")):
            factor *= float(named)
    return min(max(factor, 0.3), 3.0)


def _unknown_sentence(reading: _Reading) -> list[str]:
    words = list(dict.fromkeys(t.text for t in reading.all("unknown")))
    if not words:
        return []
    listed = ", ".join(f"“{w}”" for w in words[:8]) + (" and more" if len(words) > 8 else "")
    return [f"Not understood and left out: {listed}."]


def _refuse(prompt: str) -> InputRefused:
    short = " ".join(prompt.split())[:80]
    message = f"Nothing in “{short}” names a colour, a material or a pattern." if short else "The prompt is empty."
    return InputRefused(message, reason="prompt_not_understood", hint=EXAMPLES)


def _material(key: str, reading: _Reading) -> Material:
    return materials()[key or "cotton"].material


def _limits(reading: _Reading, key: str, pattern: grammar.Pattern | None) -> list[str]:
    limits = reading.cut_sentences()
    if key and materials()[key].opaque_note and reading.all("material"):
        name = reading.material_key()[1]
        limits.append(f"Nothing is made see-through: “{name}” is shown opaque, on a lining of its own colour.")
    if pattern is not None and pattern.others:
        limits.append(f"One pattern at a time: {', '.join(f'“{o}”' for o in pattern.others)} is left out.")
    if reading.elsewhere:
        limits.append(f"Only one garment is changed: {', '.join(f'“{w}”' for w in reading.elsewhere)} is left out.")
    return limits + _unknown_sentence(reading)


def _said(reading: _Reading, design: tuple[str, tuple[Colour, ...], Material], *, extra: list[str]) -> tuple[str, ...]:
    pattern, colours, material = design
    named: dict[Colour, str] = {t.colour: t.text for t in reading.all("colour") if t.colour is not None}
    shown = ", ".join(
        f"{named[c]} {hex_of(c)}" if c in named and not named[c].startswith("#") else hex_of(c) for c in colours
    )
    slips = [f"read {t.read_as.replace(' -> ', '” as “').join(('“', '”'))}" for t in reading.terms if t.read_as]
    left = [f"left out as asked: {' '.join(reading.dropped)}"] if reading.dropped else []
    return (f"colours: {shown}", f"material: {material.name}", f"pattern: {pattern}", *slips, *left, *extra)


def understand(prompt: str, *, zone: Zone) -> Design:
    """Read `prompt` (English, any order and case) for the garment in `zone`.

    Ground colour first, then the pattern's; materials and patterns that are named alone bring their usual colours. What is
    asked of the cut, of single parts or in unknown words comes back in `limits`; what was understood in `said`.
    Raises InputRefused (reason "prompt_not_understood") when no word says anything about fabric.
    """
    reading = _Reading(prompt, zone)
    key, words = reading.material_key()
    implied_cloth = {n for k, nouns in table("words")["implied"].items() if k.startswith("!") for n in nouns}
    if not reading.all(*_FABRIC) and not any(t.text in implied_cloth for t in reading.all("noun")):
        raise _refuse(prompt)
    if not words and reading.all("noun") and key and not reading.all("colour", "pattern", "stripe"):
        words = key
    extra: list[str] = []
    pattern = grammar.pattern_of(reading.parts)
    if pattern is None:
        name, colours = _plain_colours(reading, key, extra)
    else:
        name, colours = pattern.key, _pattern_colours(reading, pattern)
    material = _material(key, reading)
    if pattern is not None and material.micro in ("sequin", "fur", "cable", "lace", "mesh", "damask"):
        extra.append(f"the {name} is drawn in {material.name}")
    return Design(
        colours=colours,
        material=material,
        pattern=name,
        scale=_scale(reading),
        limits=tuple(dict.fromkeys(_limits(reading, key, pattern))),
        said=_said(reading, (name, colours, material), extra=extra),
    )


def beside_picture(prompt: str, *, zone: Zone) -> tuple[Material | None, tuple[str, ...], tuple[str, ...]]:
    """What words add to a picture of the fabric: (material or None, limits, said). Never raises; the picture's colours win."""
    reading = _Reading(prompt, zone)
    key, words = reading.material_key()
    limits = _limits(reading, key, None)
    ignored = [t.text for t in reading.all("colour", "pattern", "stripe")]
    if ignored:
        listed = ", ".join(f"“{w}”" for w in dict.fromkeys(ignored))
        limits.insert(0, f"Colour and pattern come from the garment picture: {listed} in the words is left out.")
    if not key:
        return None, tuple(limits), ()
    return (
        materials()[key].material,
        tuple(limits),
        (f"material: {materials()[key].material.name}" + ("" if words else " (from the garment's name)"),),
    )
