"""Colour arithmetic on sRGB triples: parsing, OKLCh, the modifiers of colour words, and companions for a lone colour."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from outfitswap_desktop.embedded.fabric.design import Colour

_HEX = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})\Z", re.IGNORECASE)

LCh = tuple[float, float, float]
"""OKLCh: lightness 0..1, chroma 0..about 0.32, hue in radians."""


def parse_hex(text: str) -> Colour:
    """'#aabbcc' or '#abc' -> (170, 187, 204). Raises ValueError for anything else."""
    found = _HEX.match(text.strip())
    if found is None:
        raise ValueError(f"not a hex colour: {text!r}")
    digits = found.group(1)
    if len(digits) == 3:
        digits = "".join(d * 2 for d in digits)
    return (int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16))


def hex_of(colour: Colour) -> str:
    """(170, 187, 204) -> '#aabbcc'."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _linear(v: float) -> float:
    return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4


def _encoded(v: float) -> float:
    return 12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055


def to_lch(colour: Colour) -> LCh:
    """SRGB 0..255 -> OKLCh (B. Ottosson, "A perceptual color space for image processing", 2020)."""
    r, g, b = (_linear(c / 255) for c in colour)
    l_ = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    m_ = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    s_ = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    light = 0.2104542553 * l_ + 0.7936177850 * m_ - 0.0040720468 * s_
    a = 1.9779984951 * l_ - 2.4285922050 * m_ + 0.4505937099 * s_
    bb = 0.0259040371 * l_ + 0.7827717662 * m_ - 0.8086757660 * s_
    return (light, math.hypot(a, bb), math.atan2(bb, a))


def _to_linear_rgb(lch: LCh) -> tuple[float, float, float]:
    light, chroma, hue = lch
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    l3 = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    m3 = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s3 = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * l3 - 3.3077115913 * m3 + 0.2309699292 * s3,
        -1.2684380046 * l3 + 2.6097574011 * m3 - 0.3413193965 * s3,
        -0.0041960863 * l3 - 0.7034186147 * m3 + 1.7076147010 * s3,
    )


def from_lch(lch: LCh) -> Colour:
    """OKLCh -> sRGB 0..255; a colour outside sRGB loses chroma until it fits, keeping lightness and hue."""
    light, chroma, hue = min(max(lch[0], 0.0), 1.0), max(lch[1], 0.0), lch[2]
    low, high = 0.0, chroma
    rgb = _to_linear_rgb((light, chroma, hue))
    if min(rgb) < -1e-4 or max(rgb) > 1 + 1e-4:
        for _ in range(18):
            middle = (low + high) / 2
            rgb = _to_linear_rgb((light, middle, hue))
            if min(rgb) < -1e-4 or max(rgb) > 1 + 1e-4:
                high = middle
            else:
                low = middle
        rgb = _to_linear_rgb((light, low, hue))
    r, g, b = (round(255 * _encoded(min(max(v, 0.0), 1.0))) for v in rgb)
    return (r, g, b)


def mixed(first: Colour, second: Colour, *, share: float) -> Colour:
    """`share` 0..1 of `second` in `first`, mixed in OKLab."""
    l1, c1, h1 = to_lch(first)
    l2, c2, h2 = to_lch(second)
    a = (1 - share) * c1 * math.cos(h1) + share * c2 * math.cos(h2)
    b = (1 - share) * c1 * math.sin(h1) + share * c2 * math.sin(h2)
    return from_lch(((1 - share) * l1 + share * l2, math.hypot(a, b), math.atan2(b, a)))


def _hue_turned(lch: LCh, *, towards: float, by: float) -> LCh:
    difference = math.remainder(towards - lch[2], 2 * math.pi)
    return (lch[0], lch[1], lch[2] + max(-by, min(by, difference)))


_WARM, _COOL = math.radians(60), math.radians(250)

_CHANGES: dict[str, Callable[[LCh], LCh]] = {
    "dark": lambda k: (k[0] * 0.66, k[1] * 0.85, k[2]),
    "darkest": lambda k: (k[0] * 0.5, k[1] * 0.7, k[2]),
    "light": lambda k: (k[0] + (0.96 - k[0]) * 0.5, k[1] * 0.72, k[2]),
    "lightest": lambda k: (k[0] + (0.97 - k[0]) * 0.75, k[1] * 0.4, k[2]),
    "pale": lambda k: (k[0] + (0.95 - k[0]) * 0.68, min(k[1] * 0.5, 0.07), k[2]),
    "deep": lambda k: (k[0] * (0.78 if k[0] > 0.45 else 0.88), k[1] * 1.02, k[2]),
    "bright": lambda k: (k[0] + (0.72 - k[0]) * 0.25, k[1] * 1.35, k[2]),
    "pastel": lambda k: (max(k[0], 0.87), min(k[1] * 0.6, 0.075), k[2]),
    "muted": lambda k: (k[0] + (0.58 - k[0]) * 0.15, k[1] * 0.5, k[2]),
    "dusty": lambda k: (k[0] + (0.68 - k[0]) * 0.35, k[1] * 0.5, k[2]),
    "neon": lambda k: (max(k[0], 0.72), 0.4 if k[1] > 0.03 else k[1], k[2]),
    "warm": lambda k: _hue_turned(k, towards=_WARM, by=0.22) if k[1] > 0.03 else (k[0], k[1] + 0.012, _WARM),
    "cool": lambda k: _hue_turned(k, towards=_COOL, by=0.22) if k[1] > 0.03 else (k[0], k[1] + 0.012, _COOL),
    "medium": lambda k: (k[0] + (0.6 - k[0]) * 0.3, k[1], k[2]),
    "ish": lambda k: (k[0] + (0.62 - k[0]) * 0.1, k[1] * 0.78, k[2]),
}


def modified(colour: Colour, modifier: str) -> Colour:
    """`colour` made "dark", "pale", "dusty" ...; raises KeyError for an unknown modifier."""
    return from_lch(_CHANGES[modifier](to_lch(colour)))


def lightness(colour: Colour) -> float:
    """OKLab lightness 0..1."""
    return to_lch(colour)[0]


def lighter(colour: Colour, *, by: float = 0.16) -> Colour:
    """The same hue, `by` lighter in OKLab (a little less chroma when pale)."""
    light, chroma, hue = to_lch(colour)
    return from_lch((min(light + by, 0.985), chroma * (0.9 if light + by < 0.8 else 0.65), hue))


def darker(colour: Colour, *, by: float = 0.16) -> Colour:
    """The same hue, `by` darker in OKLab."""
    light, chroma, hue = to_lch(colour)
    return from_lch((max(light - by, 0.08), chroma * 0.95, hue))


def tonal(colour: Colour, *, by: float = 0.12) -> Colour:
    """A quiet companion: lighter for a dark colour, darker for a light one."""
    return darker(colour, by=by) if lightness(colour) > 0.62 else lighter(colour, by=by)


def contrast(colour: Colour) -> Colour:
    """What a fine pattern on `colour` is usually drawn in: chalk on dark and mid colours, ink on pale ones."""
    light, chroma, hue = to_lch(colour)
    if light < 0.76:
        return mixed((243, 239, 229), colour, share=0.04)
    return from_lch((0.3, max(min(chroma, 0.09), 0.045), hue if chroma > 0.03 else math.radians(262)))


def turned(colour: Colour, degrees: float, *, light: float = 0.0, chroma: float = 1.0) -> Colour:
    """`colour` with its hue turned by `degrees`, `light` added to its lightness, its chroma times `chroma`."""
    k = to_lch(colour)
    return from_lch((min(max(k[0] + light, 0.05), 0.98), k[1] * chroma, k[2] + math.radians(degrees)))
