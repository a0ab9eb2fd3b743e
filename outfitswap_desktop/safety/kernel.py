"""The safety kernel: it alone lets pictures in, and it alone makes a picture that may be shown, encoded or saved.

    kernel = SafetyKernel(extra_gates=())                        # extra gates are added behind the fixed ones
    kernel.open_photo(path_or_bytes) -> CheckedSource            # .photo is the core Photo; .pixels (H, W, 3) read-only
    kernel.open_garment(path_or_bytes) -> CheckedSource
    kernel.open_mask(path_or_bytes, shape=(H, W)) -> Mask        # 0/255, >= 128 = in
    kernel.view(path | bytes | CheckedSource) -> ViewableSource  # to look at; cannot be saved
    kernel.check_request(request, source, garment=None, mask=None) -> CheckedRequest
    kernel.release(RawOutput(pixels, mask, source, request=checked), report=None, cancel=None) -> ReleasedImage
    kernel.contact_sheet([[Cell(image, "caption"), ...], ...], title="") -> ReleasedImage
    kernel.miniature(released | viewable, side=320) -> ReleasedImage | None
    kernel.miniature(released | view, side=320) -> ReleasedImage | None   # small copy for sheets of many
    kernel.thumbnail(released, side=256) -> bytes                # WebP
    kernel.encode(released, "PNG", quality=95, keep_metadata=True) -> bytes
    kernel.encode_mask(mask) -> bytes                            # 8-bit PNG

A refusal raises GateRefused (a file that cannot be read PhotoUnreadable). What is written goes through safety.writing.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.colour import to_srgb
from outfitswap_desktop.core.container import PictureFormat
from outfitswap_desktop.core.encode import encode, encode_mask, thumbnail
from outfitswap_desktop.core.job import CancelToken, Progress, Report, SwapRequest
from outfitswap_desktop.core.photo import read_mask, read_photo
from outfitswap_desktop.errors import Cancelled, GateRefused, KnownError
from outfitswap_desktop.safety import gates, sheet
from outfitswap_desktop.safety.detectors import Detectors
from outfitswap_desktop.safety.gates import Judged, OutputGate, RequestGate, RequestParts, SourceGate
from outfitswap_desktop.safety.sheet import Cell
from outfitswap_desktop.safety.stages import (
    _SEAL,
    OUTPUT_GATE_NAMES,
    REQUEST_GATE_NAMES,
    SOURCE_GATE_NAMES,
    CheckedRequest,
    CheckedSource,
    DecodedImage,
    Metadata,
    RawOutput,
    ReleasedImage,
    Role,
    SourceBytes,
    Verdict,
    ViewableSource,
    immutable,
    shrunk,
)

_POLL_SECONDS = 0.05
_DOCTOR = "Run `outfitswap doctor`: it says which check cannot run, and why."


class SafetyKernel:
    """One kernel per process: it keeps the detectors warm and knows the pictures that it released.

    `extra_gates` are run behind the fixed ones and can only refuse more; `budget_seconds` can only be shortened.
    """

    def __init__(
        self,
        extra_gates: Sequence[OutputGate] = (),
        *,
        extra_source_gates: Sequence[SourceGate] = (),
        extra_request_gates: Sequence[RequestGate] = (),
        budget_seconds: float = gates.BUDGET_SECONDS,
    ) -> None:
        self._extra_output = tuple(extra_gates)
        self._extra_source = tuple(extra_source_gates)
        self._extra_request = tuple(extra_request_gates)
        self._budget = min(budget_seconds, gates.BUDGET_SECONDS)
        self._detectors = Detectors()
        self._made: weakref.WeakSet[CheckedSource | CheckedRequest | ReleasedImage] = weakref.WeakSet()
        self._judged_views: weakref.WeakKeyDictionary[ViewableSource, tuple[Verdict, ...]] = weakref.WeakKeyDictionary()

    # What comes in

    def open_photo(self, source: Path | bytes) -> CheckedSource:
        """Decode a photo once and pass it through the source gates; raises PhotoUnreadable or GateRefused."""
        return self._open(SourceBytes(source, "photo"))

    def open_garment(self, source: Path | bytes) -> CheckedSource:
        """The same for a picture of a garment or a fabric."""
        return self._open(SourceBytes(source, "garment"))

    def open_mask(self, source: Path | bytes, *, shape: tuple[int, int]) -> Mask:
        """A mask (H, W) 0/255 from a picture of size `shape` (H, W); 128 and more is in. Raises InputRefused."""
        self._open(SourceBytes(source, "mask"))
        height, width = shape
        return immutable(read_mask(source, size=(width, height)))

    def view(self, source: Path | bytes | CheckedSource) -> ViewableSource:
        """The user's own photo to look at; opened and checked here when it was not yet."""
        if isinstance(source, CheckedSource):
            self._expect(source, source.role)
        photo = source.photo if isinstance(source, CheckedSource) else self.open_photo(source).photo
        return ViewableSource(_SEAL, pixels=photo.pixels, icc=photo.icc, sha256=photo.sha256)

    def _open(self, source: SourceBytes) -> CheckedSource:
        decoded = self._decode(source)
        verdicts = self._pass(
            gates.SOURCE_GATES,
            self._extra_source,
            SOURCE_GATE_NAMES,
            lambda gate: gate.judge(decoded, self._detectors),
            cancel=None,
        )
        checked = CheckedSource(_SEAL, photo=decoded.photo, role=decoded.role, path=decoded.path, verdicts=verdicts)
        self._made.add(checked)
        return checked

    @staticmethod
    def _decode(source: SourceBytes) -> DecodedImage:
        photo = read_photo(source.source, role=source.role)
        path = source.source if isinstance(source.source, Path) else None
        return DecodedImage(replace(photo, pixels=immutable(photo.pixels)), source.role, path)

    # What is asked for

    def check_request(
        self,
        request: SwapRequest,
        source: CheckedSource,
        *,
        garment: CheckedSource | None = None,
        mask: Mask | None = None,
    ) -> CheckedRequest:
        """Pass a request through the request gates; raises GateRefused. The prompt gate and consent come here."""
        self._expect(source, "photo")
        if garment is not None:
            self._expect(garment, "garment")
        drawn = None if mask is None else immutable(mask)
        parts = RequestParts(source, garment=garment, mask=drawn)
        verdicts = self._pass(
            gates.REQUEST_GATES,
            self._extra_request,
            REQUEST_GATE_NAMES,
            lambda gate: gate.judge(request, parts),
            cancel=None,
        )
        checked = CheckedRequest(_SEAL, request=request, source=source, garment=garment, mask=drawn, verdicts=verdicts)
        self._made.add(checked)
        return checked

    # What goes out

    def release(self, raw: RawOutput, report: Report | None = None, cancel: CancelToken | None = None) -> ReleasedImage:
        """Judge what the pipeline made and seal it; raises GateRefused or Cancelled, and then nothing was made.

        `report` gets the stage "check" and the share of the gates that are done as its fraction.
        """
        if raw.kind not in ("result", "overlay"):
            raise TypeError(f"{raw.kind!r} cannot be released")
        self._expect(raw.source, "photo")
        if raw.kind == "result" or raw.request is not None:
            self._expect_request(raw.request, raw.source)
        judged = Judged(
            immutable(raw.pixels), immutable(raw.mask), source=raw.source, kind=raw.kind, persons=raw.persons
        )
        verdicts = self._judge(judged, report, cancel)
        photo = raw.source.photo
        return self._seal(judged, raw.kind, verdicts, Metadata(photo.icc, photo.exif, photo.xmp))

    def contact_sheet(self, rows: Sequence[Sequence[Cell]], *, title: str = "", side: int = 320) -> ReleasedImage:
        """One picture with `rows` of captioned cells, each at most `side` pixels wide and high, smaller when they are many.

        Cells take released pictures and the user's own photos; a photo is judged like a result first, because a sheet can
        be saved, and is left out, with a word, when a gate refuses it. Raises UsageProblem when even small cells do not fit.
        """
        verdicts: list[tuple[Verdict, ...]] = []
        shown = [[self._cell(cell, verdicts) for cell in row] for row in rows]
        pixels = immutable(sheet.draw(shown, title=title, side=side))
        judged = Judged(pixels, np.zeros(pixels.shape[:2], np.uint8), source=None, kind="source")
        return self._seal(judged, "contact_sheet", _worst(verdicts), Metadata())

    def miniature(self, image: ReleasedImage | ViewableSource, *, side: int = 320) -> ReleasedImage | None:
        """A small sRGB copy of a released picture, or of the user's own photo once it is judged: for sheets of many.

        It carries the verdicts of the large one. None when a gate refuses the photo.
        """
        verdicts: list[tuple[Verdict, ...]] = []
        shown = self._cell(Cell(image), verdicts)
        if shown.pixels is None:
            return None
        pixels = immutable(to_srgb(shrunk(shown.pixels, side), shown.icc))
        judged = Judged(pixels, np.zeros(pixels.shape[:2], np.uint8), source=None, kind="source")
        return self._seal(judged, "miniature", verdicts[0], Metadata())

    def thumbnail(self, image: ReleasedImage, *, side: int = 256) -> bytes:
        """A WebP of at most `side` pixels and 20 kB, in sRGB."""
        self._expect_released(image)
        return thumbnail(image.pixels, side=side, icc=image.metadata.icc)

    def encode(
        self, image: ReleasedImage, format: PictureFormat, *, quality: int = 95, keep_metadata: bool = True
    ) -> bytes:
        """The bytes of a file of `format` ("PNG", "JPEG" or "WEBP"), upright, with the photo's ICC profile."""
        self._expect_released(image)
        kept = image.metadata
        return encode(
            image.pixels,
            format=format,
            icc=kept.icc,
            exif=kept.exif,
            xmp=kept.xmp,
            quality=quality,
            keep_metadata=keep_metadata,
        )

    @staticmethod
    def encode_mask(mask: Mask) -> bytes:
        """A mask (H, W) as an 8-bit grey PNG."""
        return encode_mask(mask)

    # How gates are run

    def _cell(self, cell: Cell, verdicts: list[tuple[Verdict, ...]]) -> sheet.Shown:
        """What of `cell` may be drawn; adds what the gates said of it to `verdicts`."""
        image = cell.image
        if image is None:
            return sheet.Shown(None, None, cell.caption)
        if isinstance(image, ReleasedImage):
            self._expect_released(image)
            verdicts.append(image.verdicts)
            return sheet.Shown(image.pixels, image.metadata.icc, cell.caption)
        if not isinstance(image, ViewableSource):
            raise TypeError("a contact sheet shows released pictures and the user's own photos alone")
        try:
            said = self._judged_views.get(image)
            if said is None:
                nothing = np.zeros(image.pixels.shape[:2], np.uint8)
                said = self._judge(Judged(immutable(image.pixels), nothing, source=None, kind="source"), None, None)
                self._judged_views[image] = said
        except GateRefused:
            return sheet.Shown(None, None, f"{cell.caption} (not shown: a check refused it)".strip())
        verdicts.append(said)
        return sheet.Shown(image.pixels, image.icc, cell.caption)

    def _seal(
        self,
        judged: Judged,
        kind: Any,
        verdicts: tuple[Verdict, ...],
        metadata: Metadata,
    ) -> ReleasedImage:
        image = ReleasedImage(_SEAL, pixels=judged.pixels, kind=kind, verdicts=verdicts, metadata=metadata)
        self._made.add(image)
        return image

    def _expect_released(self, image: ReleasedImage) -> None:
        if not isinstance(image, ReleasedImage) or image not in self._made:
            raise TypeError("only a picture that this kernel released can be encoded or shown")

    def _expect(self, source: CheckedSource, role: Role) -> None:
        if not isinstance(source, CheckedSource) or source not in self._made or source.role != role:
            raise TypeError(f"a {role} that this kernel has checked is needed here")

    def _expect_request(self, request: CheckedRequest | None, source: CheckedSource) -> None:
        if not isinstance(request, CheckedRequest) or request not in self._made or request.source is not source:
            raise TypeError("a result needs the request that this kernel has checked, for the same photo")

    def _judge(self, judged: Judged, report: Report | None, cancel: CancelToken | None) -> tuple[Verdict, ...]:
        total = len(gates.OUTPUT_GATES) + len(self._extra_output)
        done = count()

        def ask(gate: OutputGate) -> Verdict:
            if report is not None:
                report(Progress("check", next(done) / total, gate.name.replace("_", " ")))
            return gate.judge(judged, self._detectors)

        return self._pass(gates.OUTPUT_GATES, self._extra_output, OUTPUT_GATE_NAMES, ask, cancel=cancel)

    def _pass(
        self,
        fixed: Sequence[type[Any]],
        extra: Sequence[Any],
        names: tuple[str, ...],
        ask: Callable[[Any], Verdict],
        *,
        cancel: CancelToken | None,
    ) -> tuple[Verdict, ...]:
        """Ask every gate in order; raises at the first that does not pass, and when a fixed one is missing."""
        verdicts: list[Verdict] = []
        for gate in [kind() for kind in fixed] + list(extra):
            if cancel is not None:
                cancel.check()
            verdict = self._within_budget(gate.name, partial(ask, gate), cancel)
            if verdict.passed is not True:
                raise GateRefused(verdict.message, reason=verdict.reason, hint=verdict.hint)
            verdicts.append(verdict)
        if tuple(verdict.gate for verdict in verdicts[: len(names)]) != names:
            raise GateRefused(
                "Not all safety checks ran, so nothing is released.", reason="gates_incomplete", hint=_DOCTOR
            )
        return tuple(verdicts)

    def _within_budget(self, name: str, ask: Callable[[], Verdict], cancel: CancelToken | None) -> Verdict:
        """One gate's verdict, or a refusal when it raises, answers with something else, or does not answer in time.

        The gate runs on a thread of its own, which is left behind when it does not answer.
        """
        answers: list[object] = []

        def work() -> None:
            try:
                answers.append(ask())
            except BaseException as problem:  # noqa: BLE001 - whatever a gate raises, it has not let the picture pass
                answers.append(problem)

        thread = threading.Thread(target=work, name=f"gate-{name}", daemon=True)
        deadline = time.monotonic() + self._budget
        thread.start()
        while thread.is_alive() and time.monotonic() < deadline:
            thread.join(_POLL_SECONDS)
            if cancel is not None:
                cancel.check()
        if not answers:
            return _unjudged(name, "it did not answer in time")
        answer = answers[0]
        if isinstance(answer, Cancelled):
            raise answer
        if isinstance(answer, KnownError):
            return _unjudged(name, answer.message.rstrip(".").lower())
        if isinstance(answer, BaseException):
            return _unjudged(name, f"it failed with {type(answer).__name__}")
        if not _is_sound(answer, name):
            return _unjudged(name, "its answer makes no sense")
        assert isinstance(answer, Verdict)
        return answer


def _is_sound(answer: object, name: str) -> bool:
    """Whether `answer` is the verdict of gate `name`, with finite scores, and with a reason when it did not pass."""
    if type(answer) is not Verdict or answer.gate != name or not isinstance(answer.passed, bool):
        return False
    if not all(isinstance(score, float | int) and math.isfinite(score) for score in answer.scores.values()):
        return False
    return answer.passed or bool(answer.reason and answer.message)


def _unjudged(name: str, why: str) -> Verdict:
    return Verdict(
        name,
        False,
        reason="output_unjudged" if name in OUTPUT_GATE_NAMES else "unjudged",
        message=f"The safety check {name.replace('_', ' ')!r} could not judge this picture ({why}), so it is refused.",
        hint=_DOCTOR,
    )


def _worst(verdicts: Sequence[tuple[Verdict, ...]]) -> tuple[Verdict, ...]:
    """For each fixed output gate one passed verdict with the highest score that any of `verdicts` has."""
    merged = []
    for name in OUTPUT_GATE_NAMES:
        scores: dict[str, float] = {}
        for verdict in (verdict for group in verdicts for verdict in group if verdict.gate == name):
            for key, score in verdict.scores.items():
                scores[key] = max(score, scores.get(key, score))
        merged.append(Verdict(name, True, scores))
    return tuple(merged)
