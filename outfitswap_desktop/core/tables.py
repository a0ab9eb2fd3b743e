"""Reading small text files that people and spreadsheets write: encodings said, delimiters found, every row with its line."""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outfitswap_desktop.errors import InputRefused, UsageProblem

MOST_BYTES = 10 * 2**20
MOST_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Row:
    """One record: `line` where it begins (or its number in a JSON list), `cells` by column name, trimmed.

    `fault` says what is wrong with the record as such, "" when nothing is.
    """

    line: int
    cells: dict[str, str]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file, and what the user should know about how it was read."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    unit: str = "Line"
    """What a row's number counts: "Line" or "Entry"."""


def read_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a file and notes on its encoding: UTF-8 (with or without mark), UTF-16 with mark, else Windows-1252.

    Raises InputRefused when it is missing, empty, larger than 10 MB, or no text.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise InputRefused(f"{path} is not there.", reason="not_found") from None
    except OSError as problem:
        raise InputRefused(f"{path} cannot be read: {problem.strerror}.", reason="unreadable") from None
    if len(raw) > MOST_BYTES:
        raise InputRefused(f"{path.name} is larger than {MOST_BYTES // 2**20} MB.", reason="too_large")
    text, notes = _decode(raw, name=path.name)
    if "\0" in text:
        raise InputRefused(
            f"{path.name} is not a text file.", reason="not_text", hint="Save a spreadsheet as CSV (UTF-8)."
        )
    if not text.strip():
        raise InputRefused(f"{path.name} is empty.", reason="empty")
    return text, notes


def _decode(raw: bytes, *, name: str) -> tuple[str, tuple[str, ...]]:
    try:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            return raw.decode("utf-16"), ()
        return raw.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        pass
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError:
        raise InputRefused(
            f"{name} is neither UTF-8 nor Windows-1252 text.", reason="not_text", hint="Save it as UTF-8."
        ) from None
    return text, (f"{name} is not UTF-8 and was read as Windows-1252; check accented letters.",)


def read_lines(path: Path, column: str) -> Table:
    """One record per line under one column; lines that are blank or begin with # are left out."""
    text, notes = read_text(path)
    rows = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            rows.append(Row(number, {column: stripped}))
    return _checked(Table(tuple(rows), notes), path.name)


def read_csv(path: Path, columns: Sequence[str], *, required: Sequence[str]) -> Table:
    """Records of a CSV with a header; comma, semicolon and tab are told apart by which finds more of `columns`.

    Header names are read in any case. A column that is nearly one of `columns` is refused as a slip; others are ignored
    and said. Raises UsageProblem for a bad header, InputRefused for quoting that never ends.
    """
    text, notes = read_text(path)
    delimiter = max(",;\t", key=lambda mark: _known(_header(text, mark), columns))
    records = _records(text, delimiter, name=path.name)
    first = next((record for record in records if any(record[1])), (1, []))
    header = [cell.lower() for cell in first[1]]
    notes += _judge_header(header, columns, required=required, name=path.name)
    rows = []
    for line, cells in records:
        if line <= first[0] or not any(cells):
            continue
        fault = ""
        if len(cells) > len(header):
            fault = f"has {len(cells)} cells, but the header has {len(header)}; put text with commas in quotes"
        rows.append(
            Row(line, {name: cell for name, cell in zip(header, cells, strict=False) if name in columns}, fault)
        )
    return _checked(Table(tuple(rows), notes), path.name)


def read_json(path: Path, columns: Sequence[str], *, column: str) -> Table:
    """Entries of a JSON list; an entry is an object with some of `columns`, or a string for `column` alone."""
    text, notes = read_text(path)
    try:
        document: Any = json.loads(text)
    except json.JSONDecodeError as problem:
        raise InputRefused(
            f"{path.name}, line {problem.lineno}: this is not JSON ({problem.msg}).", reason="not_json"
        ) from None
    except (RecursionError, ValueError):
        raise InputRefused(f"{path.name} is not JSON that can be read.", reason="not_json") from None
    if not isinstance(document, list):
        raise UsageProblem(f"{path.name} must hold a list of outfits in [ ].", reason="json_shape")
    rows = tuple(_entry(number, entry, columns, column=column) for number, entry in enumerate(document, 1))
    return _checked(Table(rows, notes, "Entry"), path.name)


def _entry(number: int, entry: Any, columns: Sequence[str], *, column: str) -> Row:
    if isinstance(entry, str):
        return Row(number, {column: entry.strip()})
    if not isinstance(entry, dict):
        return Row(number, {}, "is neither text nor an object")
    cells = {}
    for name, value in entry.items():
        if name not in columns:
            return Row(number, {}, f'has the unknown name "{name}"; known are {", ".join(columns)}')
        if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
            return Row(number, {}, f'"{name}" must be text or a whole number')
        cells[name] = "" if value is None else str(value).strip()
    return Row(number, cells)


def _checked(table: Table, name: str) -> Table:
    if not table.rows:
        raise InputRefused(f"{name} has no rows.", reason="empty")
    if len(table.rows) > MOST_ROWS:
        raise InputRefused(f"{name} has more than {MOST_ROWS:,} rows.", reason="too_large")
    return table


def _records(text: str, delimiter: str, *, name: str) -> list[tuple[int, list[str]]]:
    """(line where it begins, trimmed cells) of every record."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    records, line = [], 1
    try:
        for cells in reader:
            records.append((line, [cell.strip() for cell in cells]))
            line = reader.line_num + 1
    except csv.Error as problem:
        raise InputRefused(
            f"{name}, line {line}: the quoting cannot be read ({problem}).",
            reason="quoting",
            hint='Text in quotes ends with ", and a " inside it is written "".',
        ) from None
    return records


def _header(text: str, delimiter: str) -> list[str]:
    for line in io.StringIO(text, newline=""):
        if line.strip():
            return [cell.strip().strip('"').lower() for cell in line.split(delimiter)]
    return []


def _known(header: Sequence[str], columns: Sequence[str]) -> int:
    return len(set(header) & set(columns))


def _judge_header(
    header: Sequence[str], columns: Sequence[str], *, required: Sequence[str], name: str
) -> tuple[str, ...]:
    wanted = " or ".join(required)
    if not set(header) & set(required):
        raise UsageProblem(
            f"{name}, line 1: the header names no column {wanted}.",
            reason="header",
            hint=f"The first line names the columns: {', '.join(columns)}; any order, most may be missing.",
        )
    twice = sorted({column for column in header if column and header.count(column) > 1 and column in columns})
    if twice:
        raise UsageProblem(f"{name}, line 1: the column {twice[0]} is there twice.", reason="header")
    strangers = [column for column in header if column and column not in columns]
    for column in strangers:
        near = difflib.get_close_matches(column, columns, n=1, cutoff=0.75)
        if near:
            raise UsageProblem(
                f'{name}, line 1: there is no column "{column}"; did you mean {near[0]}?', reason="header"
            )
    return (f"{name}: not used: {', '.join(strangers)}.",) if strangers else ()
