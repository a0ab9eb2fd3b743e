"""The colours that go with a pattern when fewer are said than it needs: partners of a lone colour, usual schemes, defaults."""

from __future__ import annotations

from functools import cache

from outfitswap_desktop.embedded.fabric import colours as arithmetic
from outfitswap_desktop.embedded.fabric.design import Colour
from outfitswap_desktop.embedded.fabric.lexicon import colour_names, colour_of, table

WHITE: Colour = (244, 242, 236)
"""White yarn or ground beside a colour; a little off white, as cloth is."""

INK: Colour = (23, 22, 24)


def defaults(pattern: str) -> tuple[Colour, ...]:
    """What the pattern looks like when nobody says a colour; raises KeyError for an unknown pattern."""
    return tuple(colour_of(name) for name in table("patterns")[pattern]["colours"])


@cache
def _dyes() -> dict[Colour, Colour]:
    names = colour_names()
    return {
        names[f"css {name}"]: names[f"cloth {name}"] for name in table("colours")["cloth"] if f"css {name}" in names
    }


def dyed(colours: tuple[Colour, ...]) -> tuple[Colour, ...]:
    """CSS colours as a dyer means their names: screen primaries side by side look like a screen, not like cloth."""
    return tuple(_dyes().get(colour, colour) for colour in colours)


def lone_colour_is_ground(pattern: str) -> bool:
    """True when "red PATTERN" means a red ground, False when it means red on the pattern's usual ground."""
    return bool(table("patterns")[pattern]["single"] == "ground")


def ordered(pattern: str, said: tuple[Colour, ...]) -> tuple[Colour, ...]:
    """Two or more colours said beside the pattern, ground first: as said, or the lightest first where that is the custom."""
    if not table("patterns")[pattern].get("lightest_ground", False) or len(said) < 2:
        return said
    lightest = max(range(len(said)), key=lambda i: arithmetic.lightness(said[i]))
    return (said[lightest], *said[:lightest], *said[lightest + 1 :])


def _tartan(ground: Colour) -> tuple[Colour, ...]:
    light = arithmetic.lightness(ground)
    stripe = arithmetic.darker(ground, by=0.3) if light > 0.62 else (21, 32, 54)
    second = (24, 66, 48) if light > 0.3 else arithmetic.lighter(ground, by=0.2)
    return (stripe, second, (226, 190, 84), (240, 236, 224))


def _floral(ground: Colour) -> tuple[Colour, ...]:
    light, chroma, _ = arithmetic.to_lch(ground)
    if light < 0.4:
        return ((236, 188, 182), (203, 92, 106), (243, 232, 212))
    if chroma < 0.035:
        return ((214, 106, 118), (236, 182, 170), (226, 172, 84))
    return (
        (247, 240, 228),
        arithmetic.turned(ground, 0, light=-0.22),
        arithmetic.turned(ground, 40, light=0.14, chroma=0.8),
    )


def _partners(pattern: str, ground: Colour) -> tuple[Colour, ...]:
    kind = str(table("patterns")[pattern]["partner"])
    light = arithmetic.lightness(ground)
    match kind:
        case "contrast":
            return (arithmetic.contrast(ground),)
        case "tonal":
            return (arithmetic.tonal(ground),)
        case "light":
            return (arithmetic.lighter(ground, by=0.3) if light < 0.7 else arithmetic.darker(ground, by=0.3),)
        case "fade":
            return (
                arithmetic.lighter(ground, by=0.38)
                if light < 0.72
                else arithmetic.turned(ground, 35, light=-0.25, chroma=1.6),
            )
        case "tartan":
            return _tartan(ground)
        case "floral":
            return _floral(ground)
        case "argyle":
            return (arithmetic.tonal(ground, by=0.2), arithmetic.contrast(ground))
        case "paisley":
            second = arithmetic.darker(ground, by=0.24) if light > 0.42 else arithmetic.lighter(ground, by=0.22)
            return (arithmetic.contrast(ground), second)
        case "leopard":
            return (
                arithmetic.darker(ground, by=0.2 if light > 0.45 else 0.08),
                INK if light > 0.3 else arithmetic.lighter(ground, by=0.3),
            )
        case "snake":
            return (arithmetic.darker(ground, by=0.3 if light > 0.5 else 0.15), arithmetic.lighter(ground, by=0.14))
        case "camouflage":
            return (
                arithmetic.turned(ground, 6, light=-0.14),
                arithmetic.turned(ground, -14, light=-0.26),
                (30, 31, 32),
            )
        case "geometric":
            return (
                arithmetic.tonal(ground, by=0.35),
                arithmetic.turned(ground, 150, light=0.05),
                arithmetic.turned(ground, 60, light=0.12),
            )
        case "black":
            return (INK if light > 0.3 else (176, 30, 36),)
        case named:
            partner = colour_of(named)
            return (
                partner if abs(arithmetic.lightness(partner) - light) > 0.12 else arithmetic.darker(ground, by=0.35),
            )


def _greenish(colour: Colour) -> bool:
    _, chroma, hue = arithmetic.to_lch(colour)
    return chroma > 0.04 and 1.75 < hue % 6.2832 < 2.95


def completed(pattern: str, said: tuple[Colour, ...]) -> tuple[Colour, ...]:
    """`said` (ground first, may be empty) with the colours that the pattern still needs; "solid" and "swatch" as they are."""
    if pattern not in table("patterns"):
        return said
    usual = defaults(pattern)
    if not said:
        return usual
    if len(said) >= len(usual):
        return said
    partners = _partners(pattern, said[0])
    extra = [c for c in partners if all(c != s for s in said)]
    if pattern in ("floral", "tropical") and len(said) > 1:
        if all(_greenish(c) for c in said[1:]):
            return (*said, *_floral(said[0]))
        return (*said, arithmetic.tonal(said[1], by=0.1))
    if pattern in ("tartan", "camouflage", "argyle") or len(said) == 1:
        return (*said, *extra[max(0, len(said) - 1) :])
    return said


def from_lone(pattern: str, colour: Colour) -> tuple[Colour, ...]:
    """The colours for one said colour whose place is not said: "red gingham" is red on white, "red tartan" red ground."""
    if lone_colour_is_ground(pattern):
        return completed(pattern, (colour,))
    return (_partners(pattern, colour)[0], colour)


def with_pattern_colours(pattern: str, said: tuple[Colour, ...], *, ground: Colour | None = None) -> tuple[Colour, ...]:
    """The colours for "a shirt with red dots": said ones are the pattern's, on `ground` or the usual partner."""
    if ground is not None and abs(arithmetic.lightness(ground) - arithmetic.lightness(said[0])) > 0.08:
        return completed(pattern, (ground, *said))
    light = arithmetic.lightness(said[0])
    usual = defaults(pattern)[0]
    plain = usual if abs(arithmetic.lightness(usual) - light) > 0.25 else (WHITE if light < 0.7 else INK)
    return completed(pattern, (plain, *said))
