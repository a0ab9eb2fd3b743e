"""The presets and style toggles that come with the program, and the words that an outfit makes of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from outfitswap_desktop import paths

OWN_GROUP: Final = "Your presets"


@dataclass(frozen=True, slots=True)
class Preset:
    """An outfit with a name. `swatch` is a picture of its cloth, None for the user's own."""

    name: str
    group: str
    words: str
    swatch: Path | None = None

    @property
    def own(self) -> bool:
        return self.group == OWN_GROUP


@dataclass(frozen=True, slots=True)
class Style:
    """A toggle: its `words` are put before those of the outfit. One of each group can be on."""

    name: str
    group: str
    words: str


def bundled_presets() -> tuple[Preset, ...]:
    """The presets of resources/presets, in their order; raises FileNotFoundError when the table is missing."""
    from outfitswap_desktop.core.names import slug

    table = tomllib.loads(paths.resource("presets/presets.toml").read_text(encoding="utf-8"))
    folder = paths.resources_dir() / "presets" / "swatches"
    return tuple(
        Preset(row["name"], row["group"], row["words"], folder / f"{slug(row['name'])}.webp") for row in table["preset"]
    )


def bundled_styles() -> tuple[Style, ...]:
    """The style toggles of resources/presets, in their order."""
    table = tomllib.loads(paths.resource("presets/styles.toml").read_text(encoding="utf-8"))
    return tuple(Style(row["name"], row["group"], row["words"]) for row in table["style"])


def styled(words: str, names: Iterable[str], styles: Iterable[Style]) -> str:
    """`words` with the words of the named styles before them; nothing for no words."""
    chosen = set(names)
    before = [style.words for style in styles if style.name in chosen]
    return " ".join([*before, words.strip()]) if words.strip() else ""
