"""The catalogue: which weights the program can use, what for, from where and under which licence; read from a TOML file.

Below a marker line the file holds the pins, which `outfitswap models pin` writes: revision, sizes and hashes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from outfitswap_desktop import paths
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.weights.names import is_safe

HUB: Final = "hub:"
ROLES: Final = (
    *("generator", "part", "adapter", "control", "preview"),
    *("detector", "refiner", "guard", "depth", "pose"),
)
PAINTS: Final = frozenset({"generator", "part", "adapter", "control", "preview"})
"""Roles whose values end in pixels: only known hashes may run."""
IGNORE: Final = "ignore"
_ROADS: Final = ("https://", "http://127.0.0.1:")
PINS_BEGIN: Final = "# ==== pins: written by `outfitswap models pin`, nothing below is edited by hand ===="


@dataclass(frozen=True, slots=True)
class File:
    """One file: its relative POSIX path inside the weights' folder; bytes and SHA-256 where they are pinned.

    In weights that are not pinned the path may be a pattern (``*`` stays within a folder), and several with ``|`` between
    them: the first that the source has is taken.
    """

    path: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence: its name, where its text is, what it allows; `ask` where it must be accepted before a download."""

    name: str
    url: str
    commercial: bool
    restrictions: bool
    ask: bool


@dataclass(frozen=True, slots=True)
class Weights:
    """One entry of the catalogue. `source` is "hub:owner/name" or an https address; `about_bytes` an estimate to show.

    `also` are other addresses of the same bytes.
    With `unpack` the source is a ZIP, `archive` what is pinned of it, and `files` the only members that are taken out.
    """

    id: str
    title: str
    role: str
    source: str
    revision: str | None
    files: tuple[File, ...]
    licence: Licence
    engines: tuple[str, ...]
    min_vram_gb: float | None
    pickle: bool
    importable: bool
    purpose: str = ""
    about_bytes: int | None = None
    patterns: tuple[str, ...] = ()
    optional: bool = False
    unpack: bool = False
    archive: File | None = None
    also: tuple[str, ...] = ()

    @property
    def pinned(self) -> bool:
        """Whether revision, sizes and hashes are written down, so that nothing has to be believed of the source."""
        whole = all(file.size is not None and file.sha256 for file in self.files)
        return bool(self.files) and whole and (self.repository is None or self.revision is not None)

    @property
    def repository(self) -> str | None:
        """ "owner/name" on the hub, None for what comes from a plain address."""
        return self.source.removeprefix(HUB) if self.source.startswith(HUB) else None

    @property
    def paints(self) -> bool:
        return self.role in PAINTS

    @property
    def size(self) -> int | None:
        """Bytes of all files where they are pinned, else None."""
        sizes = [file.size for file in self.files]
        return sum(size for size in sizes if size is not None) if sizes and None not in sizes else None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All weights by id, in the file's order, and the table from class names of garment detectors to zones."""

    weights: Mapping[str, Weights]
    classes: Mapping[str, str] = field(default_factory=dict)

    def get(self, weights_id: str) -> Weights:
        """One entry; raises UsageProblem ("unknown_weights") naming what there is."""
        found = self.weights.get(weights_id)
        if found is None:
            raise UsageProblem(
                f"There are no weights called {weights_id[:60]!r}.",
                reason="unknown_weights",
                hint="See `outfitswap models list`.",
            )
        return found

    def needs(self, engine: str) -> tuple[str, ...]:
        """Ids without which an engine does not run."""
        return tuple(w.id for w in self.weights.values() if engine in w.engines and not w.optional)

    def extras(self, engine: str) -> tuple[str, ...]:
        """Ids that an engine uses when they are there."""
        return tuple(w.id for w in self.weights.values() if engine in w.engines and w.optional)

    def zone_of(self, class_name: str) -> str | None:
        """Zone of a detector's class: a name of core.zones.Zone, "ignore" for what is no garment, None for unknown names."""
        return self.classes.get(plain_class(class_name))


def plain_class(name: str) -> str:
    """A class name as the table has it: lower case, single spaces instead of underscores and hyphens."""
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())


def read_catalogue(path: Path | None = None) -> Catalogue:
    """Read the catalogue (default: the bundled one). Raises ValueError naming the entry that is wrong."""
    source = path if path is not None else paths.resource("catalogue.toml")
    document = tomllib.loads(source.read_text(encoding="utf-8"))
    licences = {name: _licence(values) for name, values in document.get("licences", {}).items()}
    pins = document.get("pins", {})
    weights: dict[str, Weights] = {}
    for values in document.get("weights", ()):
        made = _weights(values, licences, pins.get(values["id"], {}))
        if made.id in weights:
            raise ValueError(f"{made.id} is in the catalogue twice")
        weights[made.id] = made
    unknown = set(pins) - set(weights)
    if unknown:
        raise ValueError(f"pins without an entry: {sorted(unknown)}")
    classes = {plain_class(name): zone for zone, names in document.get("classes", {}).items() for name in names}
    return Catalogue(weights, classes)


def _licence(values: Mapping[str, Any]) -> Licence:
    return Licence(
        name=values["name"],
        url=values["url"],
        commercial=values["commercial"],
        restrictions=values["restrictions"],
        ask=values["ask"],
    )


def _weights(values: Mapping[str, Any], licences: Mapping[str, Licence], pin: Mapping[str, Any]) -> Weights:
    made = Weights(
        id=values["id"],
        title=values["title"],
        role=values["role"],
        source=values["source"],
        revision=pin.get("revision") or None,
        files=_files(values, pin),
        licence=licences[values["licence"]],
        engines=tuple(values.get("engines", ())),
        min_vram_gb=values.get("min_vram_gb"),
        pickle=values.get("pickle", False),
        importable=values.get("importable", False),
        purpose=values.get("purpose", ""),
        about_bytes=values.get("about_bytes"),
        patterns=tuple(values["files"]),
        optional=values.get("optional", False),
        unpack=values.get("unpack", False),
        archive=File(values["source"].rpartition("/")[2], **pin["archive"]) if "archive" in pin else None,
        also=tuple(values.get("also", ())),
    )
    _refuse_nonsense(made)
    return made


def _files(values: Mapping[str, Any], pin: Mapping[str, Any]) -> tuple[File, ...]:
    if "files" in pin:
        return tuple(File(path, known["size"], known["sha256"]) for path, known in pin["files"].items())
    return tuple(File(pattern) for pattern in values["files"])


def _refuse_nonsense(weights: Weights) -> None:
    where = f"catalogue entry {weights.id!r}"
    if not is_safe(weights.id) or "/" in weights.id:
        raise ValueError(f"{where}: the id must be one plain name")
    if weights.role not in ROLES:
        raise ValueError(f"{where}: unknown role {weights.role!r}")
    if not all(address.startswith((HUB, *_ROADS)) for address in (weights.source, *weights.also)):
        raise ValueError(f"{where}: the source is neither on the hub nor an https address")
    if weights.importable and weights.paints:
        raise ValueError(f"{where}: what paints is never importable by structure")
    for file in weights.files:
        if not all(is_safe(part) for part in file.path.split("|")):
            raise ValueError(f"{where}: {file.path!r} leaves the folder")
        if file.sha256 is not None and (len(file.sha256) != 64 or set(file.sha256) - set("0123456789abcdef")):
            raise ValueError(f"{where}: {file.path!r} has no proper SHA-256")
