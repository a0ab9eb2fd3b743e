"""The materials the embedded engine knows, read from the bundled table, and the colour each has when nobody says one."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from outfitswap_desktop.embedded.fabric.design import Material
from outfitswap_desktop.paths import resource

_NUMBERS = ("fold_gain", "specular", "gloss", "sheen", "micro_depth", "micro_cm", "light_floor")


@dataclass(frozen=True, slots=True)
class MaterialEntry:
    """A row of the table: the Material, every way to say it, its own colour (a colour name or hex), and why it is opaque."""

    material: Material
    names: tuple[str, ...]
    colour: str
    opaque_note: str = ""


def _entry(key: str, row: dict[str, Any]) -> MaterialEntry:
    numbers = {name: float(row[name]) for name in _NUMBERS if name in row}
    material = Material(name=key.replace("_", " "), micro=str(row.get("micro", "plain")), **numbers)
    return MaterialEntry(material, tuple(row["names"]), str(row["colour"]), str(row.get("opaque_note", "")))


@cache
def materials() -> MappingProxyType[str, MaterialEntry]:
    """All materials by key ("cotton", "rib_knit" ...), in the table's order."""
    rows = tomllib.loads(resource("fabric/materials.toml").read_text(encoding="utf-8"))
    return MappingProxyType({key: _entry(key, row) for key, row in rows.items()})


def material(key: str) -> Material:
    """One material by key; raises KeyError when the table has no such row."""
    return materials()[key].material
