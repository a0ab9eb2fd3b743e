"""The jobs of a batch: photos x outfits as requests, each with a name that does not depend on the order of rows."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.core.names import safe_stem, same_file_key, slug
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import KnownError, UsageProblem

MOST_JOBS = 100_000


@dataclass(frozen=True, slots=True)
class Outfit:
    """What to wear: words, a picture, or both. `line` is where it stands in its file; `name` goes into file names."""

    prompt: str = ""
    garment: Path | None = None
    zone: Zone | None = None
    seed: int | None = None
    name: str = ""
    line: int = 0

    @property
    def title(self) -> str:
        """What a person would call it: its name, else its words, else the picture's name."""
        return self.name or self.prompt or (self.garment.stem if self.garment else "")


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """One photo of a batch. With words or a garment of its own it is one job; else it takes every outfit of the list.

    `output` is a checked path relative to the output folder, with forward slashes, or "" for a name made by `plan`.
    """

    photo: Path
    prompt: str = ""
    garment: Path | None = None
    zone: Zone | None = None
    person: int | None = None
    mask: Path | None = None
    seed: int | None = None
    output: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that cannot be used: its line, what it was about, and the error to report."""

    line: int
    subject: str
    error: KnownError


@dataclass(frozen=True, slots=True)
class OutfitList:
    """The usable outfits of a file in its order, its problems, and notes for the user. `folder` is what paths relate to."""

    rows: tuple[Outfit, ...]
    folder: Path
    problems: tuple[RowProblem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PhotoList:
    """The usable photos in order, problems, and notes for the user. `is_folder`: it is a folder that was listed."""

    rows: tuple[PhotoRow, ...]
    folder: Path
    is_folder: bool = False
    problems: tuple[RowProblem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One request of a batch. `number` counts from 1; `key` is the same for the same wish, wherever the row stands."""

    number: int
    key: str
    line: int
    outfit: str
    request: SwapRequest


def plan(
    photos: PhotoList,
    outfits: OutfitList | None,
    *,
    output: Path,
    zone: Zone | None = None,
    seed: int = 0,
    engine: str = "auto",
    steps: int | None = None,
    quality: int = 95,
    keep_metadata: bool = True,
    consent: str | None = None,
    suffix: str = ".png",
) -> tuple[Job, ...]:
    """All jobs, photo by photo: rows with words or a garment of their own once, the others with every outfit.

    A row's own values go before the outfit's, and these before the arguments. Results are named
    ``<photo's stem>__<outfit>.png``; where names would clash, each of them gets six digits made from its wish, so that a
    name does not depend on the order of rows. The same wish is planned once. Nothing is written.
    Raises UsageProblem when a photo has no outfit, an output would leave `output` or be one of the sources, or there are
    more than 100,000 jobs.
    """
    if photos.is_folder and same_path(photos.folder, output):
        raise UsageProblem(
            "The results need a folder of their own, not the photos' folder.",
            reason="output_folder",
            hint="Otherwise the next run would take results for photos.",
        )
    wishes = list(_wishes(photos, outfits))
    names = _names(wishes, suffix=suffix)
    jobs = []
    for number, (wish, name) in enumerate(zip(wishes, names, strict=True), 1):
        row, outfit = wish.row, wish.outfit
        request = SwapRequest(
            photo=row.photo,
            output=output.joinpath(*name.split("/")),
            prompt=outfit.prompt,
            garment=outfit.garment,
            mask=row.mask,
            zone=row.zone or outfit.zone or zone,
            person=row.person,
            engine=engine,
            seed=_first(row.seed, outfit.seed, seed),
            steps=steps,
            quality=quality,
            keep_metadata=keep_metadata,
            consent=consent,
        )
        jobs.append(Job(number, wish.key, row.line, outfit.title, request))
    _refuse_overwriting(jobs, output)
    return tuple(jobs)


def stem_of(output: str) -> str:
    """The output without its suffix: result, mask and receipt share it."""
    return PurePosixPath(output).with_suffix("").as_posix()


@dataclass(frozen=True, slots=True)
class _Wish:
    """One photo with one outfit; `key` is 16 hex digits of everything that was asked for."""

    row: PhotoRow
    outfit: Outfit
    own: bool
    key: str


def _wishes(photos: PhotoList, outfits: OutfitList | None) -> Iterator[_Wish]:
    seen: set[str] = set()
    listed = outfits.rows if outfits else ()
    for row in photos.rows:
        own = bool(row.prompt or row.garment)
        if not own and not listed:
            subject = f"Line {row.line}: the photo {row.photo.name}" if row.line else f"The photo {row.photo.name}"
            raise UsageProblem(
                f"{subject} has no outfit.", reason="no_outfit", hint="Pass --outfits FILE or fill the column prompt."
            )
        for outfit in (Outfit(row.prompt, row.garment),) if own else listed:
            key = _key(row, outfit, photos.folder, outfits.folder if outfits else photos.folder)
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > MOST_JOBS:
                raise UsageProblem(f"This batch has more than {MOST_JOBS:,} jobs; split it.", reason="too_many_jobs")
            yield _Wish(row, outfit, own, key)


def _key(row: PhotoRow, outfit: Outfit, photo_folder: Path, outfit_folder: Path) -> str:
    garment = _relative(outfit.garment, outfit_folder)
    said = [_relative(row.photo, photo_folder), outfit.prompt, garment, row.zone or outfit.zone or "", row.person]
    said += [_relative(row.mask, photo_folder), _first(row.seed, outfit.seed, None), outfit.name, row.output]
    return hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest()[:16]


def _relative(path: Path | None, folder: Path) -> str:
    """The path as seen from `folder`, the same on every system, so that moving the whole batch changes no name."""
    if path is None:
        return ""
    try:
        text = Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        text = path.as_posix()
    return unicodedata.normalize("NFC", text)


def _names(wishes: Sequence[_Wish], *, suffix: str) -> list[str]:
    """A name for each wish, relative to the output folder; all differ on every file system."""
    plain = [_plain_name(wish, suffix) for wish in wishes]
    counts = Counter(same_file_key(stem_of(name)) for name in plain)
    taken = {same_file_key(stem_of(name)) for name in plain if counts[same_file_key(stem_of(name))] == 1}
    names = []
    for wish, name in zip(wishes, plain, strict=True):
        given = wish.own and wish.row.output
        if counts[same_file_key(stem_of(name))] == 1 or given:
            names.append(name)
            continue
        stem, ending = stem_of(name), PurePosixPath(name).suffix
        digits = next(n for n in range(6, 17) if same_file_key(f"{stem}-{wish.key[:n]}") not in taken)
        marked = f"{stem}-{wish.key[:digits]}"
        taken.add(same_file_key(marked))
        names.append(marked + ending)
    return names


def _plain_name(wish: _Wish, suffix: str) -> str:
    given = wish.row.output
    ending = PurePosixPath(given).suffix or suffix
    if given and wish.own:
        return stem_of(given) + ending
    stem = stem_of(given) if given else safe_stem(wish.row.photo.stem)
    return f"{stem}__{slug(wish.outfit.title)}{ending}"


def _first(*values: int | None) -> int:
    return next((value for value in values if value is not None), 0)


def same_path(first: Path, second: Path) -> bool:
    """Whether two paths lead to one place, links and the system's view of case considered."""
    return os.path.normcase(first.resolve()) == os.path.normcase(second.resolve())


def _refuse_overwriting(jobs: Iterable[Job], output: Path) -> None:
    """No result may leave the folder (through a link in it, say) or take the place of a source."""
    jobs = list(jobs)
    root = output.resolve()
    sources = {
        os.path.normcase(path.resolve())
        for request in (job.request for job in jobs)
        for path in (request.photo, request.garment, request.mask)
        if path is not None
    }
    for job in jobs:
        target = job.request.output.resolve()
        where = f"Line {job.line}: the" if job.line else "The"
        if not target.is_relative_to(root):
            raise UsageProblem(
                f"{where} output {job.request.output.name} leaves the output folder.", reason="output_name"
            )
        if os.path.normcase(target) in sources:
            raise UsageProblem(
                f"{where} output {job.request.output.name} would overwrite a source.",
                reason="output_name",
                hint="Choose another output folder.",
            )
