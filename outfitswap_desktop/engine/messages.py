"""What the window and the engine process say to each other: plain frozen values that pickle, arrays by name in shared memory.

A request goes down with an id; its end comes up exactly once: Finished | Cancelled | Refused | Failed. Progressed may come
before it, at most ten a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outfitswap_desktop.core.arrays import RGB, Alpha, Mask
from outfitswap_desktop.core.job import Progress, SwapRequest
from outfitswap_desktop.core.regions import Box, Person, Polygon
from outfitswap_desktop.core.zones import Zone

# Requests. Arrays in them are copied into shared memory by the client and read-only in the child.


@dataclass(frozen=True, slots=True, eq=False)
class OpenPhoto:
    """Decode and check a picture; the child keeps the last few opened. `role` "photo" or "garment". Answer: PhotoOpened."""

    source: Path | bytes
    role: str = "photo"


@dataclass(frozen=True, slots=True, eq=False)
class FindGarments:
    """Parse a photo. `person` from 1, left to right, None the largest. Answer: GarmentsFound."""

    source: Path | bytes
    person: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RefineMask:
    """Fit a rough area to the photo's edges (SAM where installed, else GrabCut). Answer: MaskRefined.

    `box` (x0, y0, x1, y1) or `points` (x, y, inside?) in photo pixels; `mask` (H, W) 0/255 is what is there now, or None.
    """

    source: Path | bytes
    box: Box | None = None
    points: tuple[tuple[int, int, bool], ...] = ()
    mask: Mask | None = None


@dataclass(frozen=True, slots=True)
class ReadMask:
    """A mask file for a photo of `shape` (H, W). Answer: MaskRefined with tool "file"."""

    path: Path
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class WriteMask:
    """Save `mask` (H, W) as a PNG of 0 and 255 (128 and more is in), never over one of `forbid`. Answer: Path of the file."""

    mask: Mask
    target: Path
    forbid: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckPrompt:
    """What the prompt policy says of a text; answered beside a running job. Answer: PromptChecked."""

    text: str


@dataclass(frozen=True, slots=True)
class CompleteWord:
    """Words of the vocabulary that begin with `prefix`, most usual first. Answer: tuple[str, ...]."""

    prefix: str
    limit: int = 12


@dataclass(frozen=True, slots=True, eq=False)
class RunSwap:
    """One job through the runner. Answer: SwapDone.

    `job` is the queue's id of it, kept in the history entry. `photo` are the bytes of a photo that came without a file
    (pasted), `garment` the same; `mask` and `outline` (H, W) 0/255 take the place of the request's files.
    """

    request: SwapRequest
    job: str = ""
    photo: bytes | None = None
    garment: bytes | None = None
    mask: Mask | None = None
    outline: Mask | None = None
    batch: str | None = None
    outfit: str | None = None


@dataclass(frozen=True, slots=True)
class FindJob:
    """What a job of the queue has made, if it has: asked after a child died under it. Answer: SwapDone, or None."""

    job: str


@dataclass(frozen=True, slots=True)
class OpenResult:
    """Load a result of this machine's history again, to look at it or to export it. Answer: ResultOpened."""

    output: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class ExportResult:
    """Save a result once more as `target` (PNG, JPEG, WebP by its name), marks and all. Answer: Path of the file.

    `quality` 1..100 for JPEG and WebP; `keep_metadata` of the photo; `label` writes "AI edited" into a corner.
    """

    output: Path
    sha256: str
    target: Path
    quality: int = 95
    keep_metadata: bool = True
    label: bool = False


@dataclass(frozen=True, slots=True)
class VerifyFile:
    """The marks of a picture file. Answer: the document of `verify --json`."""

    path: Path


@dataclass(frozen=True, slots=True)
class AskDoctor:
    """What this machine can do. Answer: the document of `doctor --json`."""


@dataclass(frozen=True, slots=True)
class WriteReport:
    """A redacted diagnostics ZIP at `target`. With `target` None, only say what would be in it.

    Answer: Mapping of member name -> text that goes in.
    """

    target: Path | None
    note: str = ""
    entry: int | None = None


Request = (
    OpenPhoto
    | FindGarments
    | RefineMask
    | ReadMask
    | WriteMask
    | CheckPrompt
    | CompleteWord
    | RunSwap
    | FindJob
    | OpenResult
    | ExportResult
    | VerifyFile
    | AskDoctor
    | WriteReport
)
BESIDE = (CheckPrompt, CompleteWord, AskDoctor)
"""Requests that are answered beside a running job; all others wait for their turn, in the order in which they were sent."""

# Answers


@dataclass(frozen=True, slots=True, eq=False)
class PhotoOpened:
    """A photo to look at. `pixels` (H, W, 3) upright, in sRGB for the screen, read-only; it has no way to be saved.

    `sha256` is the file's. `consented`: a statement of consent is on record for it. `notes` are sentences for the user.
    """

    sha256: str
    pixels: RGB
    consented: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class FoundRegion:
    """One garment zone: `mask` (H, W) 0/255, `alpha` (H, W) 0..255, its confidence 0..1, outline and box in photo pixels."""

    zone: Zone
    mask: Mask
    alpha: Alpha
    confidence: float
    polygon: Polygon
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class GarmentsFound:
    """What was found of one person. `protected` maps "head", "hair", "hands", "shoes" to masks (H, W) 0/255."""

    segmenter: str
    persons: tuple[Person, ...]
    person: int
    regions: Mapping[Zone, FoundRegion]
    protected: Mapping[str, Mask]
    largest: Zone | None
    fallbacks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class MaskRefined:
    """`mask` (H, W) 0/255, and which tool made it ("sam", "grabcut")."""

    mask: Mask
    tool: str


@dataclass(frozen=True, slots=True, eq=False)
class ResultPicture:
    """A picture that has passed the gates, and nothing else: from a ReleasedImage, or from the file of one, hash unchanged.

    `pixels` (H, W, 3) sRGB for the screen, read-only; `output` is its file, marks and all: clipboard and drag-out hand out
    that file.
    """

    pixels: RGB
    output: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class PromptChecked:
    """The prompt policy's answer: fields as in `prompt check --json`, and sentences for the user."""

    prompt: str
    allowed: bool
    category: str = ""
    word: str = ""
    suggestions: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SwapDone:
    """A finished job: `about` is the document of `swap --json`, `picture` the released result."""

    about: Mapping[str, Any]
    picture: ResultPicture


@dataclass(frozen=True, slots=True, eq=False)
class ResultOpened:
    """A result of the history, loaded again; `mask` (H, W) 0/255 of its pixels that may differ, None when its file is gone."""

    picture: ResultPicture
    mask: Mask | None


# What comes up


@dataclass(frozen=True, slots=True)
class Ready:
    """The child has started and takes requests; `pid` is its process."""

    pid: int


@dataclass(frozen=True, slots=True)
class Progressed:
    """Where request `id` is."""

    id: int
    progress: Progress


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """The end of request `id`, with its answer."""

    id: int
    answer: Any


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Request `id` was cancelled, as asked; nothing is left of it."""

    id: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request ended: KnownError's fields; kind "bug" with the exception's name for a fault of ours."""

    kind: str
    reason: str
    message: str
    hint: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        return f"{self.message} {self.hint}".strip()


@dataclass(frozen=True, slots=True)
class Refused:
    """Request `id` cannot be done with what was handed in (exit code 3 of the command line)."""

    id: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class Failed:
    """Request `id` failed: not available here, or a bug of ours, or the child died."""

    id: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class Replaced:
    """The child died or was ended, and a new one stands in; `sentence` for the user, "" when it was ended on purpose."""

    sentence: str


Event = Ready | Progressed | Finished | Cancelled | Refused | Failed | Replaced
EventEnd = Finished | Cancelled | Refused | Failed
