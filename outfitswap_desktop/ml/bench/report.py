"""The answer of a run: a table for people, a document for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outfitswap_desktop.ml.bench.case import Row

HEADINGS = ("id", "what", "ours", "baseline", "ratio", "target", "reached")


@dataclass(frozen=True, slots=True)
class Report:
    """`machine`: where and when; `ceilings`: what it can do at best, None if not measured; `missing`: what was not run, why."""

    machine: Mapping[str, Any]
    ceilings: Mapping[str, Any] | None
    rows: tuple[Row, ...]
    missing: Mapping[str, str]
    seconds: float

    @property
    def card(self) -> str:
        return str(self.machine.get("card") or "")

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": dict(self.machine),
            "ceilings": dict(self.ceilings) if self.ceilings is not None else None,
            "rows": [self._row(row) for row in self.rows],
            "missing": dict(self.missing),
            "seconds": round(self.seconds, 1),
        }

    def _row(self, row: Row) -> dict[str, Any]:
        return {
            "id": row.id,
            "what": row.what,
            "unit": row.unit,
            "ours": _rounded(row.ours),
            "baseline": _rounded(row.baseline),
            "against": row.against,
            "ratio": _rounded(row.ratio),
            "target": str(row.target),
            "reached": row.target.reached(row, card=self.card),
            "errors": {name: _rounded(error) for name, error in row.errors.items()},
            "facts": dict(row.facts),
            "notes": list(row.notes),
            "failure": row.failure,
        }

    def lines(self) -> list[str]:
        """The table, then notes, then what is missing."""
        machine = self.machine
        head = [
            f"{machine.get('card') or machine.get('processor')}, torch {machine.get('torch')}, "
            f"{machine.get('date')}, load {machine.get('load')}"
        ]
        if self.ceilings is not None:
            best = self.ceilings
            head.append(f"at best {best['tflops']:.3g} TFLOP/s, {best['gib_per_s']:.4g} GiB/s ({best['how']})")
        table = [HEADINGS, *(self._cells(row) for row in self.rows)]
        widths = [max(len(cells[n]) for cells in table) for n in range(len(HEADINGS))]
        body = [
            "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in table
        ]
        return [*head, "", *body, "", *self._remarks()]

    def _cells(self, row: Row) -> tuple[str, ...]:
        if row.failure:
            return (row.id, row.what, "-", "-", "-", str(row.target) or "-", "not run")
        return (
            row.id,
            row.what,
            _figure(row.ours, row.unit),
            f"{_figure(row.baseline, row.unit)} {row.against}".strip(),
            f"{row.ratio:.2f}x" if row.ratio is not None else "-",
            str(row.target) or "-",
            {True: "yes", False: "no", None: "-"}[row.target.reached(row, card=self.card)],
        )

    def _remarks(self) -> list[str]:
        lines = []
        for row in self.rows:
            if row.failure:
                lines.append(f"{row.id}: {row.failure}")
            if row.errors:
                lines.append(
                    f"{row.id}: error " + ", ".join(f"{name} {error:.2g}" for name, error in row.errors.items())
                )
            lines += [f"{row.id}: {note}" for note in row.notes]
        lines += [f"not run: {name}: {why}" for name, why in self.missing.items()]
        return lines


def _figure(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g} {unit}".strip()


def _rounded(value: float | None) -> float | None:
    """Five significant figures; None for what JSON has no word for."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.5g}")


def failed(case_ids: Sequence[str], what: str, why: str) -> tuple[Row, ...]:
    """A row without figures for each id."""
    return tuple(Row(one, what, failure=why) for one in case_ids)
