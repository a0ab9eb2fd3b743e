"""Reading a batch's photos (a folder or a CSV) and outfits (text, CSV or JSON); `plan` makes jobs of them.

A row that cannot be used is kept as a problem with its line, so that it fails alone and the others run.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from outfitswap_desktop.core.jobs import (
    Job,
    Outfit,
    OutfitList,
    PhotoList,
    PhotoRow,
    RowProblem,
    plan,
    same_path,
    stem_of,
)
from outfitswap_desktop.core.names import PICTURE_SUFFIXES, fault_of, same_file_key
from outfitswap_desktop.core.tables import Row, Table, read_csv, read_json, read_lines
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import InputRefused, KnownError, UsageProblem

__all__ = [
    "Job", "Outfit", "OutfitList", "PhotoList", "PhotoRow", "RowProblem", "plan", "read_consents", "read_manifest",
    "read_outfits", "with_consents",
]  # fmt: skip

OUTFIT_COLUMNS = ("prompt", "garment", "zone", "seed", "name")
PHOTO_COLUMNS = (
    *("photo", "prompt", "garment", "zone", "person", "mask", "seed", "output"),
    *("outline", "consent", "adult"),
)
CONSENT_COLUMNS = ("photo", "consent", "adult")
YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}
LARGEST_SEED = 2**63 - 1
_R = TypeVar("_R", Outfit, PhotoRow)


def read_outfits(path: Path) -> OutfitList:
    """Outfits from a text file (one prompt per line, # for comments), a CSV, or a JSON list.

    Columns or names: prompt, garment, zone, seed, name; one of the first two is needed. Paths relate to the file's
    folder. Raises InputRefused or UsageProblem when nothing in it can be used.
    """
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv"}:
        table = read_csv(path, OUTFIT_COLUMNS, required=("prompt", "garment"))
    elif suffix == ".json":
        table = read_json(path, OUTFIT_COLUMNS, column="prompt")
    else:
        table = read_lines(path, "prompt")
    folder = path.parent
    rows, problems, notes = _gather(table, lambda row: _outfit(row, folder), path.name)
    return OutfitList(rows, folder, problems, notes)


def read_manifest(path: Path, *, recursive: bool = False, leave_out: Path | None = None) -> PhotoList:
    """Photos from a folder (sorted; JPEG, PNG and WebP by suffix) or from a CSV.

    Columns: photo, prompt, garment, zone, person, mask, seed, output, outline, consent, adult; all but photo may be missing.
    Paths relate to the CSV's folder. `recursive` also lists folders below, without
    hidden ones and without `leave_out` (the results' folder). Raises InputRefused or UsageProblem when nothing can be used.
    """
    if path.is_dir():
        return _list_folder(path, recursive=recursive, leave_out=leave_out)
    if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file():
        raise UsageProblem(
            f"{path.name} is a photo, not a list of photos.",
            reason="manifest_kind",
            hint="Use outfitswap swap for one photo, or name its folder.",
        )
    if path.exists() and path.suffix.lower() not in {".csv", ".tsv"}:
        raise UsageProblem(f"{path.name} is neither a folder nor a CSV file.", reason="manifest_kind")
    table = read_csv(path, PHOTO_COLUMNS, required=("photo",))
    folder = path.parent
    rows, problems, notes = _gather(table, lambda row: _photo_row(row, folder), path.name)
    kept, clashes = _one_per_output(rows, path.name)
    return PhotoList(kept, folder, problems=tuple(sorted(problems + clashes, key=lambda p: p.line)), notes=notes)


def _gather(
    table: Table, make: Callable[[Row], _R], name: str
) -> tuple[tuple[_R, ...], tuple[RowProblem, ...], tuple[str, ...]]:
    """Every row made or kept as a problem; repeated rows are left out with a note."""
    rows: list[_R] = []
    problems: list[RowProblem] = []
    notes = list(table.notes)
    seen: dict[tuple[tuple[str, str], ...], int] = {}
    for row in table.rows:
        where = f"{table.unit} {row.line}"
        wording = tuple(sorted((column, cell) for column, cell in row.cells.items() if cell))
        first = seen.setdefault(wording, row.line)
        if first != row.line and not row.fault:
            notes.append(f"{name}, {_small(where)} repeats {table.unit.lower()} {first} and is left out.")
            continue
        try:
            if row.fault:
                raise UsageProblem(f"{where} {row.fault}.", reason="row")
            rows.append(make(row))
        except KnownError as problem:
            message = problem.message if row.fault else f"{where}: {_small(problem.message)}"
            told = type(problem)(f"{name}, {_small(message)}", reason=problem.reason, hint=problem.hint)
            problems.append(RowProblem(row.line, row.cells.get("photo") or row.cells.get("prompt", ""), told))
    if not rows:
        worst = problems[0].error
        more = f" (and {len(problems) - 1} more rows)" if len(problems) > 1 else ""
        raise type(worst)(f"No row can be used: {worst.message}{more}", reason=worst.reason, hint=worst.hint)
    return tuple(rows), tuple(problems), tuple(notes)


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _outfit(row: Row, folder: Path) -> Outfit:
    cells = row.cells
    outfit = Outfit(
        prompt=_words(cells.get("prompt", "")),
        garment=_file(cells.get("garment", ""), folder, what="garment picture"),
        zone=_zone(cells.get("zone", "")),
        seed=_whole(cells.get("seed", ""), what="seed", low=0, high=LARGEST_SEED),
        name=_words(cells.get("name", "")),
        line=row.line,
    )
    if not outfit.prompt and outfit.garment is None:
        raise UsageProblem("An outfit needs a prompt or a garment picture.", reason="no_outfit")
    return outfit


def _photo_row(row: Row, folder: Path) -> PhotoRow:
    cells = row.cells
    photo = _file(cells.get("photo", ""), folder, what="photo")
    if photo is None:
        raise UsageProblem("No photo is named.", reason="no_photo")
    return PhotoRow(
        photo=photo,
        prompt=_words(cells.get("prompt", "")),
        garment=_file(cells.get("garment", ""), folder, what="garment picture"),
        zone=_zone(cells.get("zone", "")),
        person=_whole(cells.get("person", ""), what="person", low=1, high=1000),
        mask=_file(cells.get("mask", ""), folder, what="mask"),
        seed=_whole(cells.get("seed", ""), what="seed", low=0, high=LARGEST_SEED),
        output=_output(cells.get("output", "")),
        line=row.line,
        outline=_file(cells.get("outline", ""), folder, what="outline"),
        consent=_statement(cells.get("consent", ""), folder),
        adult=_yes(cells.get("adult", "")),
    )


def read_consents(path: Path) -> PhotoList:
    """The consent manifest of a batch: a CSV with the columns photo, consent and adult (yes or no), a line for each photo.

    Only `photo`, `consent` and `adult` of the rows are set. A consent is written as on the command line; the file of
    "release:FILE" relates to the CSV's folder. Raises InputRefused or UsageProblem, also for a single bad line: a consent
    that cannot be read must not be taken for another.
    """
    table = read_csv(path, CONSENT_COLUMNS, required=("photo",))
    folder = path.parent

    def make(row: Row) -> PhotoRow:
        photo = _file(row.cells.get("photo", ""), folder, what="photo")
        consent = _statement(row.cells.get("consent", ""), folder)
        if photo is None or consent is None:
            raise UsageProblem("A photo and its consent are needed.", reason="consent")
        return PhotoRow(photo, line=row.line, consent=consent, adult=_yes(row.cells.get("adult", "")))

    rows, problems, notes = _gather(table, make, path.name)
    if problems:
        raise problems[0].error
    return PhotoList(rows, folder, notes=notes)


def with_consents(photos: PhotoList, consents: PhotoList) -> PhotoList:
    """`photos` with the statements of a consent manifest; a row's own statement goes before it."""
    stated = {os.path.normcase(row.photo.resolve()): row for row in consents.rows}

    def joined(row: PhotoRow) -> PhotoRow:
        said = stated.get(os.path.normcase(row.photo.resolve()))
        if said is None or row.consent is not None:
            return row
        return replace(row, consent=said.consent, adult=row.adult or said.adult)

    return replace(photos, rows=tuple(joined(row) for row in photos.rows), notes=(*photos.notes, *consents.notes))


def _statement(text: str, folder: Path) -> str | None:
    """A statement of consent; the file of a signed release is found from the list's folder."""
    words = _words(text)
    kind, colon, rest = words.partition(":")
    if kind.strip().casefold() == "release" and colon and rest.strip():
        return f"release:{_file(rest.strip(), folder, what='signed release')}"
    return words or None


def _yes(text: str) -> bool:
    answer = YES_NO.get(text.strip().casefold())
    if answer is None:
        raise UsageProblem(f'"{_words(text)}" in the column adult must be yes or no.', reason="adult")
    return answer


def _words(text: str) -> str:
    """Words on one line, composed Unicode, without control characters."""
    visible = "".join(" " if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} else c for c in text)
    return " ".join(unicodedata.normalize("NFC", visible).split())


def _zone(text: str) -> Zone | None:
    if not text:
        return None
    try:
        return Zone(text.casefold())
    except ValueError:
        known = ", ".join(zone.value for zone in Zone)
        raise UsageProblem(f'There is no zone "{_words(text)}"; zones are {known}.', reason="zone") from None


def _whole(text: str, *, what: str, low: int, high: int) -> int | None:
    if not text:
        return None
    value = int(text) if re.fullmatch(r"[0-9]{1,19}", text) else -1
    if not low <= value <= high:
        raise UsageProblem(f'The {what} "{_words(text)}" must be a whole number from {low} to {high}.', reason=what)
    return value


def _file(text: str, folder: Path, *, what: str) -> Path | None:
    """The file that a cell names, from `folder`; a path written on Windows is understood elsewhere too."""
    if not text:
        return None
    for written in dict.fromkeys((text, text.replace("\\", "/"))):
        path = folder / written
        try:
            if path.is_file():
                return path
            if path.is_dir():
                raise InputRefused(f"The {what} {_words(text)} is a folder.", reason="not_a_file")
        except (OSError, ValueError):
            break
    raise InputRefused(f"The {what} {_words(text)} is not there.", reason="not_found")


def _output(text: str) -> str:
    if not text:
        return ""
    fault = fault_of(text)
    if fault:
        raise UsageProblem(f"The output {_words(text)} {fault}.", reason="output_name")
    return unicodedata.normalize("NFC", text.replace("\\", "/"))


def _one_per_output(rows: Iterable[PhotoRow], name: str) -> tuple[tuple[PhotoRow, ...], tuple[RowProblem, ...]]:
    kept: list[PhotoRow] = []
    clashes: list[RowProblem] = []
    owner: dict[str, int] = {}
    for row in rows:
        if row.output:
            first = owner.setdefault(same_file_key(stem_of(row.output)), row.line)
            if first != row.line:
                message = f"{name}, line {row.line}: the output {row.output} is already used by line {first}."
                error = UsageProblem(message, reason="output_name")
                clashes.append(RowProblem(row.line, row.photo.name, error))
                continue
        kept.append(row)
    return tuple(kept), tuple(clashes)


def _list_folder(folder: Path, *, recursive: bool, leave_out: Path | None) -> PhotoList:
    rows: list[PhotoRow] = []
    others: list[str] = []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = [
            name
            for name in sorted(folders, key=_by_name)
            if recursive and not name.startswith(".") and not (leave_out and same_path(here / name, leave_out))
        ]
        for name in sorted(files, key=_by_name):
            if name.startswith("."):
                continue
            if Path(name).suffix.lower() in PICTURE_SUFFIXES:
                rows.append(PhotoRow(here / name))
            else:
                others.append(name)
    if not rows:
        raise InputRefused(
            f"There is no photo in {folder}.", reason="empty", hint="JPEG, PNG and WebP files are taken."
        )
    notes: tuple[str, ...] = ()
    if others:
        shown = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
        notes = (f"{len(others)} file(s) were left out, not JPEG, PNG or WebP by name: {shown}",)
    return PhotoList(tuple(rows), folder, is_folder=True, notes=notes)


def _by_name(name: str) -> tuple[str, str]:
    return name.casefold(), name
