"""The jobs of a batch: photos x outfits as requests, each with a name that does not depend on the order of rows."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from outfitswap_desktop.core.job import SwapRequest, Wishes
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

    `consent` and `adult` are the statements of `--adult-consent` and `--adult-attested` for this photo.
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
    outline: Path | None = None
    consent: str | None = None
    adult: bool = False


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
    wishes: Wishes | None = None,
    quality: int = 95,
    keep_metadata: bool = True,
    consent: str | None = None,
    adult_attested: bool = False,
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
    asked = list(_wishes(photos, outfits))
    names = _names(asked, suffix=suffix)
    jobs = []
    for number, (wish, name) in enumerate(zip(asked, names, strict=True), 1):
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
            seed=next(value for value in (row.seed, outfit.seed, seed) if value is not None),
            steps=steps,
            quality=quality,
            keep_metadata=keep_metadata,
            consent=row.consent if row.consent is not None else consent,
            adult_attested=row.adult or adult_attested,
            outline=row.outline,
            wishes=wishes or Wishes(),
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
    listed = [(outfit, _relative(outfit.garment, outfits.folder)) for outfit in outfits.rows] if outfits else []
    owns = [bool(row.prompt or row.garment) for row in photos.rows]
    if sum(1 if own else len(listed) for own in owns) > MOST_JOBS:
        raise UsageProblem(f"This batch has more than {MOST_JOBS:,} jobs; split it.", reason="too_many_jobs")
    seen: set[str] = set()
    for row, own in zip(photos.rows, owns, strict=True):
        if not own and not listed:
            subject = f"Line {row.line}: the photo {row.photo.name}" if row.line else f"The photo {row.photo.name}"
            raise UsageProblem(
                f"{subject} has no outfit.", reason="no_outfit", hint="Pass --outfits FILE or fill the column prompt."
            )
        places = (_relative(row.photo, photos.folder), _relative(row.mask, photos.folder))
        for outfit, cloth in [_own_outfit(row, photos.folder)] if own else listed:
            key = _key(row, outfit, places=(*places, cloth))
            if key not in seen:
                seen.add(key)
                yield _Wish(row, outfit, own, key)


def _own_outfit(row: PhotoRow, folder: Path) -> tuple[Outfit, str]:
    return Outfit(row.prompt, row.garment), _relative(row.garment, folder)


def _key(row: PhotoRow, outfit: Outfit, *, places: tuple[str, ...]) -> str:
    """Of all that was asked for; `places` are the files relative to their lists, so that moving a batch changes nothing."""
    seed = row.seed if row.seed is not None else outfit.seed
    said = [*places, outfit.prompt, outfit.name, row.zone or outfit.zone or "", row.person, seed, row.output]
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
    keys = [same_file_key(stem_of(name)) for name in plain]
    counts = Counter(keys)
    taken = {key for key, count in counts.items() if count == 1}
    names = []
    for wish, name, key in zip(wishes, plain, keys, strict=True):
        if counts[key] == 1 or (wish.own and wish.row.output):
            names.append(name)
            continue
        stem, ending = stem_of(name), PurePosixPath(name).suffix
        marks = (f"{stem}-{wish.key[:digits]}" for digits in range(6, 17))
        marked = next(mark for mark in marks if same_file_key(mark) not in taken)
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


def same_path(first: Path, second: Path) -> bool:
    """Whether two paths lead to one place, links and the system's view of case considered."""
    return os.path.normcase(first.resolve()) == os.path.normcase(second.resolve())


def _refuse_overwriting(jobs: Sequence[Job], output: Path) -> None:
    """No result may leave the folder (through a link in it, say) or take the place of a source."""
    root = output.resolve()
    requests = [job.request for job in jobs]
    named = ((r.photo, r.garment, r.mask, r.outline) for r in requests)
    sources = {path for paths in named for path in paths if path}
    kept = {os.path.normcase(path.resolve()) for path in sources}
    folders = {folder: folder.resolve() for folder in {request.output.parent for request in requests}}
    for job in jobs:
        name = job.request.output.name
        folder = folders[job.request.output.parent]
        where = f"Line {job.line}: the" if job.line else "The"
        if not folder.is_relative_to(root):
            raise UsageProblem(f"{where} output {name} leaves the output folder.", reason="output_name")
        if {os.path.normcase(folder / name), os.path.normcase(folder / f"{stem_of(name)}.mask.png")} & kept:
            raise UsageProblem(
                f"{where} output {name} would overwrite a source.",
                reason="output_name",
                hint="Choose another output folder.",
            )
