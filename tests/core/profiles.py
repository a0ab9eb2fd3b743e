"""Writes small ICC profiles (ICC.1:2001-04, version 2.4): RGB matrix with gamma, grey, and a coarse CMYK table."""

from __future__ import annotations

import struct
from collections.abc import Sequence

D50 = (0.9642, 1.0, 0.8249)
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
DISPLAY_P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
"""Primaries adapted to D50, as the profiles of Adobe and Apple state them."""


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(value: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(part) for part in value)


def _text(kind: bytes, text: bytes) -> bytes:
    if kind == b"desc":
        return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)
    return b"text\0\0\0\0" + text + b"\0"


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256)) + b"\0\0"


def srgb_curve() -> bytes:
    steps = [k / 1023 for k in range(1024)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in steps]
    return b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *(round(v * 65535) for v in linear))


def profile(space: bytes, tags: dict[bytes, bytes], *, kind: bytes = b"mntr", pcs: bytes = b"XYZ ") -> bytes:
    tags = {b"desc": _text(b"desc", b"test"), b"cprt": _text(b"text", b"none"), b"wtpt": _xyz(D50), **tags}
    at = 128 + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += name + struct.pack(">II", at + len(bodies), len(body))
        bodies += body.ljust(-(-len(body) // 4) * 4, b"\0")
    head = struct.pack(">I4sI4s4s4s", at + len(bodies), b"test", 0x02400000, kind, space, pcs)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(_fixed(part) for part in D50)
    return head.ljust(128, b"\0") + table + bodies


def rgb(primaries: Sequence[Sequence[float]], curve: bytes) -> bytes:
    """An RGB matrix profile."""
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = {name: _xyz(value) for name, value in zip(names, primaries, strict=True)}
    return profile(b"RGB ", {**tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def adobe_rgb() -> bytes:
    return rgb(ADOBE_RGB, gamma(563 / 256))


def display_p3() -> bytes:
    return rgb(DISPLAY_P3, srgb_curve())


def grey() -> bytes:
    return profile(b"GRAY", {b"kTRC": gamma(1.8)})


def cmyk(paper: tuple[int, int, int] = (255, 128, 128)) -> bytes:
    """A printer whose inks are what a two-step table says (Lab as 8-bit numbers), none at all being `paper`."""
    inks = ((170, 100, 80), (130, 200, 128), (230, 120, 220), (20, 128, 128))
    nodes = b""
    for node in range(16):
        on = [inks[k] for k in range(4) if node >> (3 - k) & 1]
        lab = [min([paper[0], *(ink[0] for ink in on)])]
        lab += [sum(ink[k] for ink in on) // len(on) if on else paper[k] for k in (1, 2)]
        nodes += bytes(lab)
    ramp = bytes(range(256))
    matrix = b"".join(_fixed(float(row == column)) for row in range(3) for column in range(3))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + ramp * 4 + nodes + ramp * 3
    return profile(b"CMYK", {b"A2B0": table, b"A2B1": table}, kind=b"prtr", pcs=b"Lab ")
