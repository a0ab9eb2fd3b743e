"""Who belongs to whom in a prompt: clauses, colours with their modifiers, the ground's colours and the pattern's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric import palette
from outfitswap_desktop.embedded.fabric.colours import mixed, modified
from outfitswap_desktop.embedded.fabric.design import Colour
from outfitswap_desktop.embedded.fabric.lexicon import Term, colour_of, singular, table

_CHANGE_VERBS = frozenset({"change", "turn", "replace", "swap", "recolour", "recolor", "transform", "convert"})
_CHANGE_LINKS = frozenset({"to", "into", "with", "for", "by", "as"})
_SUITS = {
    Zone.TOP: {"top"},
    Zone.BOTTOM: {"bottom"},
    Zone.DRESS: {"dress"},
    Zone.OUTER: {"outer"},
    Zone.FULL: {"full", "dress", "top", "bottom", "outer"},
}


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of terms and what links it to the one before ("", "with", "on" or ",")."""

    link: str
    terms: tuple[Term, ...]

    def has(self, *kinds: str) -> bool:
        return any(t.kind in kinds for t in self.terms)

    def colours(self) -> tuple[Term, ...]:
        return tuple(t for t in self.terms if t.kind == "colour")


@cache
def _set_of(section: str, key: str) -> frozenset[str]:
    return frozenset(table("words")[section][key])


def after_change(terms: list[Term]) -> list[Term]:
    """ "turn the white shirt into black leather" -> "black leather"; anything else stays whole."""
    verbs = [i for i, t in enumerate(terms) if t.text in _CHANGE_VERBS]
    if not verbs:
        return terms
    links = [i for i, t in enumerate(terms) if i > verbs[0] and t.text.split()[0] in _CHANGE_LINKS]
    if not links or not any(
        t.kind in ("colour", "material", "pattern", "stripe", "group") for t in terms[links[0] + 1 :]
    ):
        return terms
    return terms[links[0] + 1 :]


def without_negated(terms: list[Term]) -> tuple[list[Term], list[str]]:
    """Drop what follows "without", "no", "not", "instead of" up to the next link or comma; also what was dropped."""
    kept: list[Term] = []
    dropped: list[str] = []
    skipping = False
    for term in terms:
        if term.kind == "connect" and term.value == "not":
            skipping = True
            continue
        if skipping and (term.kind in ("connect", "comma") or (term.kind == "noun" and dropped) or term.text == "but"):
            skipping = False
        if skipping and term.kind != "filler":
            dropped.append(term.text)
        elif not skipping:
            kept.append(term)
    return kept, dropped


def unfolded(terms: list[Term]) -> list[Term]:
    """Groups ("rainbow") as their colours, and modifiers put on the colour that follows; the rest of the modifiers stay."""
    result: list[Term] = []
    waiting: list[Term] = []
    for term in terms:
        if term.kind == "modifier":
            waiting.append(term)
            continue
        if term.kind == "group":
            names = table("words")["groups"][term.value]
            result.extend(waiting)
            result.extend(Term("colour", name, term.text, colour_of(name)) for name in names)
        elif term.kind == "colour" and term.colour is not None:
            colour = term.colour
            for modifier in reversed(waiting):
                colour = modified(colour, modifier.value)
            words = " ".join([*(w.text for w in waiting), term.text])
            value = " ".join([*(w.text for w in waiting), term.value])
            painted = replace(term, text=words, value=value, colour=colour)
            if (
                result
                and result[-1].kind == "colour"
                and result[-1].value.endswith("-ish")
                and result[-1].colour is not None
            ):
                ish = result.pop()
                assert ish.colour is not None
                painted = replace(
                    painted,
                    text=f"{ish.text} {words}",
                    value=f"{ish.value} {value}",
                    colour=mixed(colour, ish.colour, share=0.35),
                )
            result.append(painted)
        elif term.kind == "filler":
            result.append(term)
            continue
        else:
            result.extend(waiting)
            result.append(term)
        waiting = []
    return [*result, *waiting]


def _listing(before: list[Term]) -> bool:
    """True while only colours (and words without weight) were said since the last link: "red, white and ..."."""
    heavy = [t for t in before if t.kind not in ("filler", "modifier", "comma", "scale", "direction")]
    return bool(heavy) and heavy[-1].kind == "colour"


def clauses(terms: list[Term]) -> list[Clause]:
    """Split at "with", "on", and at commas or "and" that do not merely list colours."""
    result: list[Clause] = []
    link = ""
    current: list[Term] = []

    def close(next_link: str) -> None:
        nonlocal link, current
        if current:
            result.append(Clause(link, tuple(current)))
            link = next_link
        elif next_link == "on" or not result:
            link = next_link if result else ""
        current = []

    for term in terms:
        if term.kind == "connect" and term.value in ("with", "on"):
            had = bool(current)
            close(term.value)
            if not had and not result:
                link = term.value
        elif (term.kind == "comma" or (term.kind == "connect" and term.value == "and")) and current:
            body = any(t.kind in ("noun", "material", "pattern", "stripe") for t in current)
            if body and not _listing(current):
                close("with" if term.kind == "connect" else ",")
            elif term.kind == "connect":
                current.append(term)
        else:
            current.append(term)
    close("")
    return result


def for_zone(parts: list[Clause], zone: Zone) -> tuple[list[Clause], list[str]]:
    """When the prompt names garments of several zones, the clauses of this zone's garment; also the words left out."""
    nouns = [(i, t) for i, part in enumerate(parts) for t in part.terms if t.kind == "noun"]
    zones = {t.value for _, t in nouns}
    if len(zones) < 2 or len({i for i, _ in nouns}) < 2:
        return parts, []
    mine = _SUITS[zone]
    wanted = [i for i, t in nouns if t.value in mine] or [nouns[0][0]]
    first = wanted[0]
    owner: dict[int, int] = {}
    last = nouns[0][0]
    for i in range(len(parts)):
        if any(j == i for j, _ in nouns):
            last = i
        owner[i] = last
    kept = [part for i, part in enumerate(parts) if owner[i] == first]
    left = [
        " ".join(t.text for t in part.terms if t.kind not in ("filler", "connect"))
        for i, part in enumerate(parts)
        if owner[i] != first
    ]
    if kept:
        kept[0] = Clause("" if kept[0].link in ("with", ",") else kept[0].link, kept[0].terms)
    return kept, [words for words in left if words]


def without_parts(parts: list[Clause]) -> tuple[list[Clause], list[str], list[str]]:
    """Take out garment parts ("collar") and other things ("shoes") with the colours that are theirs; also their words."""
    embellished = _set_of("embellished", "words")
    result: list[Clause] = []
    named: list[str] = []
    others: list[str] = []
    for part in parts:
        terms: list[Term] = []
        for term in part.terms:
            lining = term.text == "lining" and any(t.value in ("lace", "mesh") for p in parts for t in p.terms)
            if term.kind not in ("part", "elsewhere") or lining:
                terms.append(term)
                continue
            words = [term.text]
            elsewhere = term.kind == "elsewhere"
            if elsewhere or (part.link and term.text not in embellished):
                while terms and terms[-1].kind in ("colour", "modifier", "filler", "material", "scale", "cut"):
                    gone = terms.pop()
                    if gone.kind != "filler":
                        words.insert(0, gone.text)
                    if gone.kind == "colour" and not (terms and terms[-1].kind == "filler"):
                        break
            (others if elsewhere else named).append(" ".join(words))
        result.append(Clause(part.link, tuple(terms)))
    return result, named, others


@dataclass(frozen=True, slots=True)
class Pattern:
    """The pattern that was said: its key, the words, and other pattern words that were left aside."""

    key: str
    text: str
    clause: int
    others: tuple[str, ...] = ()


def _stripe_key(terms: list[Term]) -> str:
    directions = [t.value for t in terms if t.kind == "direction"]
    if directions:
        return f"{directions[0]} stripe"
    across = _set_of("stripes", "worn_across")
    if any(t.text in across or singular(t.text) in across for t in terms if t.kind in ("noun", "material")):
        return "horizontal stripe"
    return "vertical stripe"


def _kin(one: str, two: str) -> bool:
    """True when two pattern keys belong to one family, so that the general word adds nothing to the closer one."""
    return any(one in members and two in members for members in table("words")["families"].values())


def pattern_of(parts: list[Clause]) -> Pattern | None:
    """The pattern the words name, the closest word of a family first; None when there is none."""
    generic = _set_of("generic", "words")
    found = [(i, t) for i, part in enumerate(parts) for t in part.terms if t.kind in ("pattern", "stripe")]
    if not found:
        return None
    close = [(i, t) for i, t in found if t.kind == "pattern" and t.text not in generic]
    where, term = (close or found)[0]
    everything = [t for part in parts for t in part.terms]
    key = _stripe_key(everything) if term.kind == "stripe" else term.value
    if key == "chevron" and any(t.text == "herringbone" for t in everything):
        key = "herringbone"
    others = tuple(
        t.text for _, t in found if t.value != term.value and not (t.text in generic and _kin(t.value, term.value))
    )
    home = where
    if close and not any(p.kind == "colour" for p in parts[where].terms):
        tail = [i for i, t in found if i > where and t.text in generic]
        home = tail[0] if tail else where
    return Pattern(key, term.text, home, others)


def _values(terms: tuple[Term, ...]) -> tuple[Colour, ...]:
    return tuple(dict.fromkeys(t.colour for t in terms if t.colour is not None))


def colours_with_pattern(parts: list[Clause], pattern: Pattern, *, cloth: Colour | None = None) -> tuple[Colour, ...]:
    """Ground first, then the pattern's colours, completed by the usual partners; never empty.

    `cloth` is the colour of the material that was named ("denim with white stars"), the ground when none is said.
    """
    home = pattern.clause
    own = _values(parts[home].colours())
    before = _values(tuple(t for part in parts[:home] for t in part.colours()))
    after = _values(tuple(t for part in parts[home + 1 :] for t in part.colours()))
    next_link = parts[home + 1].link if home + 1 < len(parts) else ""
    key = pattern.key
    if parts[home].link == "on" and own:
        return palette.completed(key, tuple(dict.fromkeys((*own, *before, *after))))
    if parts[home].link in ("with", ","):
        if before:
            return palette.completed(key, tuple(dict.fromkeys((*before[:1], *own, *before[1:], *after))))
        if own and len(own) == 1 and not after and parts[home].link == "with":
            return palette.with_pattern_colours(key, own, ground=cloth)
    if next_link == "on":
        if after and own:
            return palette.completed(key, tuple(dict.fromkeys((*after[:1], *own, *after[1:]))))
        if own and len(own) == 1:
            return palette.with_pattern_colours(key, own, ground=cloth)
    said = tuple(dict.fromkeys((*before, *own, *after)))
    dyed_cloth = any(t.value in ("denim", "chambray") for part in parts for t in part.terms if t.kind == "material")
    if not said:
        scheme = table("words")["schemes"].get(pattern.text)
        if scheme is None and cloth is not None and dyed_cloth:
            return palette.completed(key, (cloth,) if palette.lone_colour_is_ground(key) else (cloth, palette.WHITE))
        return tuple(colour_of(name) for name in scheme) if scheme else palette.defaults(key)
    if len(said) == 1:
        return palette.from_lone(key, said[0])
    return palette.completed(key, palette.ordered(key, said))
