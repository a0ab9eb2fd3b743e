"""The words of the doctor's answer: rows with a state and an advice, and what counts as usable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from outfitswap_desktop import __version__

State = Literal["ok", "warn", "missing"]

REINSTALL = "Install the program anew: uv sync --reinstall"
NOT_NEEDED = "Not needed for the embedded engine, which runs on the processor; the diffusion engines want it."
NEEDED = frozenset({"Python", "OpenCV", "body part check", "whole image check", "disk, program data"})
"""Rows without which no photo can be changed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One finding: what was looked at, how it stands, what was found, and what to do ("" = nothing)."""

    name: str
    state: State
    value: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found, in reading order."""

    rows: tuple[Row, ...]
    seconds: float

    @property
    def usable(self) -> bool:
        """Whether a photo can be changed on this machine; optional things do not count."""
        return not any(row.state == "missing" and row.name in NEEDED for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Plain values: version, usable, seconds, rows."""
        rows = [asdict(row) for row in self.rows]
        return {"version": __version__, "usable": self.usable, "seconds": round(self.seconds, 2), "rows": rows}
