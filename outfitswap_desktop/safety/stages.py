"""The typed stages of a picture, from SourceBytes and DecodedImage to ReleasedImage.

SourceBytes -> DecodedImage -> CheckedSource -> CheckedRequest -> CheckedPlan -> RawOutput -> ReleasedImage.

Checked, viewable and released pictures are sealed: the kernel alone makes them, they cannot be pickled, changed or
subclassed, and their pixels lie in immutable memory, so that what was judged is what is used and saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NoReturn

import cv2
import numpy as np
from numpy.typing import NDArray

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.core.photo import Photo
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.steps import Recolour
from outfitswap_desktop.core.zones import TargetClass, Zone
from outfitswap_desktop.safety.people.cloth import painted_apart
from outfitswap_desktop.safety.people.subject import Subject
from outfitswap_desktop.safety.records.consent import Consent
from outfitswap_desktop.safety.records.evidence import RootEvidence

Role = Literal["photo", "garment", "mask", "outline", "control"]
"""What a picture comes in as; a "control" is a pose or depth image."""
ReleasedKind = Literal["result", "overlay", "contact_sheet", "miniature"]

OUTPUT_GATE_NAMES: Final = ("frame", "body_parts", "whole_image", "difference", "skin")
"""The output gates that every released picture has passed, in this order; a released picture checks it for itself."""

SOURCE_GATE_NAMES: Final = ("file_limits", "exposure", "source_whole_image")
"""The same for every picture that comes in."""

REQUEST_GATE_NAMES: Final = ("request_shape", "prompt", "consent")
"""The same for what is asked for."""

PLAN_GATE_NAMES: Final = ("person", "mask", "target", "close_up", "apparent_age")
"""The same for what is about to be painted, once the person and the mask are known."""

_SEAL: Final = object()
"""What the kernel shows to make a sealed stage; no other module may name it (kept by a test)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate said. `scores` are finite numbers; `reason`, `message` and `hint` are set when it did not pass."""

    gate: str
    passed: bool
    scores: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SourceBytes:
    """A picture as it was handed in, not yet decoded: a file, or the bytes of one."""

    source: Path | bytes
    role: Role


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """The one decode of a picture that came in; no gate has seen it yet."""

    photo: Photo
    role: Role
    path: Path | None = None


def immutable(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`array` in memory that nobody can write to (numpy cannot be told to make it writable again); a copy unless it is.

    Raises TypeError for anything but bytes: a picture in other numbers is not cut down to them in silence.
    """
    if array.dtype != np.uint8:
        raise TypeError(f"pictures and masks are uint8, not {array.dtype}")
    if _lies_in_bytes(array):
        return array
    source = np.ascontiguousarray(array)
    return np.frombuffer(source.tobytes(), dtype=np.uint8).reshape(source.shape)


def _lies_in_bytes(array: NDArray[np.uint8]) -> bool:
    if type(array) is not np.ndarray or array.flags.writeable or not array.flags.c_contiguous:
        return False
    base: object = array.base
    while isinstance(base, np.ndarray):
        base = base.base
    return type(base) is bytes


class _Sealed:
    """Base of the stages that only the kernel makes."""

    __slots__ = ("__weakref__",)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__ != __name__:
            raise TypeError("a sealed stage cannot be subclassed")

    def _fill(self, seal: object, **values: object) -> None:
        if seal is not _SEAL:
            raise TypeError(f"{type(self).__name__} is made by the safety kernel alone")
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __copy__(self) -> _Sealed:
        return self

    def __deepcopy__(self, memo: object) -> _Sealed:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be pickled: a copy would not be sealed")


def _require(verdicts: tuple[Verdict, ...], names: tuple[str, ...]) -> None:
    """Raise TypeError unless the first verdicts are those of `names`, in order, and all passed."""
    if tuple(v.gate for v in verdicts[: len(names)]) != names:
        raise TypeError("the fixed gates did not all run, in order")
    if not all(v.passed is True for v in verdicts):
        raise TypeError("a gate did not pass")


class CheckedSource(_Sealed):
    """A picture that passed the source gates, in its role. `photo.pixels` (H, W, 3) cannot be written to.

    `root` is what results are judged against: the picture's own evidence, or for a result of ours that was loaded again
    the evidence of the picture its chain of edits began with, tightened by its own.
    """

    __slots__ = ("path", "photo", "role", "root", "verdicts")
    photo: Photo
    role: Role
    path: Path | None
    root: RootEvidence
    verdicts: tuple[Verdict, ...]

    def __init__(
        self,
        seal: object,
        *,
        photo: Photo,
        role: Role,
        path: Path | None,
        root: RootEvidence,
        verdicts: tuple[Verdict, ...],
    ) -> None:
        self._fill(seal, photo=photo, role=role, path=path, root=root, verdicts=verdicts)
        _require(verdicts, SOURCE_GATE_NAMES)

    @property
    def pixels(self) -> RGB:
        return self.photo.pixels

    @property
    def root_sha256(self) -> str:
        """The picture that a result is judged against; a result of ours loaded again keeps its own root."""
        return self.root.root_sha256


class ViewableSource(_Sealed):
    """The user's own photo, to look at: read-only pixels and a small array for display. It has no way to be saved."""

    __slots__ = ("icc", "pixels", "sha256")
    pixels: RGB
    icc: bytes | None
    sha256: str

    def __init__(self, seal: object, *, pixels: RGB, icc: bytes | None, sha256: str) -> None:
        self._fill(seal, pixels=pixels, icc=icc, sha256=sha256)

    def thumbnail(self, side: int = 256) -> RGB:
        """A copy (h, w, 3) for display whose longer side is at most `side` pixels."""
        return shrunk(self.pixels, side)


class CheckedRequest(_Sealed):
    """A request that passed the request gates, with the checked pictures it works on.

    `mask` and the person's drawn `outline` are (H, W) 0/255 or None; `consent` is the statement that covers the photo.
    """

    __slots__ = ("consent", "garment", "mask", "outline", "request", "source", "verdicts")
    request: SwapRequest
    source: CheckedSource
    garment: CheckedSource | None
    mask: Mask | None
    outline: Mask | None
    consent: Consent
    verdicts: tuple[Verdict, ...]

    def __init__(
        self,
        seal: object,
        *,
        request: SwapRequest,
        source: CheckedSource,
        garment: CheckedSource | None,
        mask: Mask | None,
        outline: Mask | None,
        consent: Consent,
        verdicts: tuple[Verdict, ...],
    ) -> None:
        self._fill(
            seal,
            request=request,
            source=source,
            garment=garment,
            mask=mask,
            outline=outline,
            consent=consent,
            verdicts=verdicts,
        )
        _require(verdicts, REQUEST_GATE_NAMES)


class CheckedPlan(_Sealed):
    """What may be painted: the `mask` (H, W) 0/255 that is left after the cut, on whom, and what the root showed there.

    `subject` is the chosen person as the skin gates know them, with what the root showed of them, `root` the evidence of all
    else. `cut` says what was taken from the mask. `reduced` evidence: nobody was found, only drawn. `loose`: what is painted is
    worn over other clothes, so that its colour says nothing of the body below.
    """

    __slots__ = (
        *("cut", "loose", "mask", "persons", "reduced", "request", "root", "subject", "target", "verdicts", "zone"),
    )
    request: CheckedRequest
    mask: Mask
    zone: Zone
    target: TargetClass | None
    subject: Subject
    root: RootEvidence
    persons: tuple[Box, ...]
    cut: tuple[str, ...]
    reduced: bool
    loose: bool
    verdicts: tuple[Verdict, ...]

    def __init__(
        self,
        seal: object,
        *,
        request: CheckedRequest,
        mask: Mask,
        zone: Zone,
        target: TargetClass | None,
        subject: Subject,
        root: RootEvidence,
        persons: tuple[Box, ...],
        cut: tuple[str, ...],
        reduced: bool,
        loose: bool,
        verdicts: tuple[Verdict, ...],
    ) -> None:
        self._fill(
            seal,
            request=request,
            mask=mask,
            zone=zone,
            target=target,
            subject=subject,
            root=root,
            persons=persons,
            cut=cut,
            reduced=reduced,
            loose=loose,
            verdicts=verdicts,
        )
        _require(verdicts, PLAN_GATE_NAMES)

    @property
    def recolour(self) -> Recolour | None:
        """Moves a colour away from this person's skin; None under a coat, whose colour says nothing of the body below."""
        return None if self.loose else partial(painted_apart, model=self.subject.skin)


@dataclass(frozen=True, slots=True, eq=False)
class RawOutput:
    """What the pipeline made for a checked plan, not yet judged: nothing may show or save it.

    `pixels` (H, W, 3) of the source's size, `mask` (H, W) > 0 where a pixel may differ from the source.
    """

    pixels: RGB
    mask: Mask
    plan: CheckedPlan


@dataclass(frozen=True, slots=True)
class Metadata:
    """What of the source's file goes along into a released file: ICC profile, EXIF and XMP packets as bytes."""

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where a result comes from: its plan, the mask (H, W) outside which nothing differs, what its invisible mark says."""

    plan: CheckedPlan
    mask: Mask
    payload: bytes | None


@dataclass(frozen=True, slots=True, eq=False)
class Again:
    """Where a result that was taken up from its file again comes from: what its marks say, its root, and the file's bytes."""

    result: str
    payload: bytes | None
    root: RootEvidence
    file: bytes


class ReleasedImage(_Sealed):
    """A picture that all gates have passed: the only kind that may be shown, encoded or saved.

    `pixels` (H, W, 3) cannot be written to; `verdicts` say what each gate measured. A result carries `origin`: the plan it
    was made for, its `mask`, and the payload of the invisible mark that lies in it (None: its mask is too small for one). One
    that was taken up from its file has `Again` instead.
    """

    __slots__ = ("kind", "metadata", "origin", "pixels", "verdicts")
    pixels: RGB
    kind: ReleasedKind
    verdicts: tuple[Verdict, ...]
    metadata: Metadata
    origin: Origin | Again | None

    def __init__(
        self,
        seal: object,
        *,
        pixels: RGB,
        kind: ReleasedKind,
        verdicts: tuple[Verdict, ...],
        metadata: Metadata,
        origin: Origin | Again | None = None,
    ) -> None:
        self._fill(seal, pixels=immutable(pixels), kind=kind, verdicts=verdicts, metadata=metadata, origin=origin)
        _require(verdicts, OUTPUT_GATE_NAMES)

    @property
    def scores(self) -> Mapping[str, float]:
        """All gate scores as "gate.name": number, for the receipt."""
        return MappingProxyType({f"{v.gate}.{name}": score for v in self.verdicts for name, score in v.scores.items()})


def shrunk(pixels: RGB, side: int) -> RGB:
    """A copy (h, w, 3) of `pixels` whose longer side is at most `side` pixels; never enlarged."""
    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1.0:
        return pixels.copy()
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
