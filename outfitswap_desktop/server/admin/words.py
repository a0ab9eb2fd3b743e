"""How the administrators' commands show what they found, and what went wrong."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import typer


def show(rows: Iterable[Mapping[Any, Any]], *, as_json: bool) -> None:
    """Print rows as one JSON document, or as a table with their names on top and times as dates."""
    found = [dict(row) for row in rows]
    if as_json:
        typer.echo(json.dumps(found, indent=1, default=str))
        return
    if not found:
        typer.echo("Nothing found.")
        return
    names = list(found[0])
    lines = [names, *([_cell(name, row.get(name)) for name in names] for row in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def explain(problem: Exception) -> str:
    """One sentence for a refusal, the whole trace for a bug."""
    return "".join(traceback.format_exception(problem)).rstrip() + "\nThis is a bug of the server."


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    is_time = name == "at" or name.endswith(("_at", "_after", "_until", "_seen"))
    if is_time and isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return str(value)
