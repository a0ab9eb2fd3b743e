"""What the engine process answers, request by request: a thin layer over the runner and the kernel, like the command line."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.colour import to_srgb
from outfitswap_desktop.core.encode import format_for
from outfitswap_desktop.core.job import CancelToken, Progress, Report
from outfitswap_desktop.core.photo import read_mask
from outfitswap_desktop.core.receipt import file_hash
from outfitswap_desktop.core.refine import refine
from outfitswap_desktop.core.regions import Box
from outfitswap_desktop.core.steps import ClickRefiner
from outfitswap_desktop.engine import messages as m
from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.runner import Outcome, Runner
from outfitswap_desktop.safety import api as safety
from outfitswap_desktop.safety.api import CheckedSource
from outfitswap_desktop.store.entry import Entry

KEPT: Final = 4
"""Opened pictures that are kept, so that a job does not decode and judge again what the window has just shown."""
_NO_FILE: Final = Path("picture")


class _GrabCut:
    """The editor's clicks where nothing better is installed."""

    def refine(
        self,
        photo: RGB,
        *,
        box: Box | None,
        points: tuple[tuple[int, int, bool], ...],
        mask: Mask | None,
        protected: Mask | None,
    ) -> tuple[Mask, str]:
        return refine(photo, box=box, points=points, mask=mask, protected=protected), "grabcut"


class EngineAnswers:
    """Answers for one device. `verify`, `doctor` and `diagnose` come from other rooms; wiring hands them in."""

    def __init__(
        self,
        runner: Runner,
        *,
        check_engine: Callable[[str], object],
        verify: Callable[[Path], Mapping[str, Any]],
        doctor: Callable[[], Mapping[str, Any]],
        diagnose: Callable[[m.WriteReport], Mapping[str, str]],
        clicks: ClickRefiner | None = None,
    ) -> None:
        self._runner = runner
        self._check_engine = check_engine
        self._verify = verify
        self._doctor = doctor
        self._diagnose = diagnose
        self._clicks = clicks or _GrabCut()
        self._opened: OrderedDict[tuple[str, str, Path | None], CheckedSource] = OrderedDict()
        self._protected: tuple[str, Mask | None] = ("", None)

    def answer(self, request: m.Request, *, report: Report, cancel: CancelToken) -> Any:
        """The answer to one request; raises KnownError or Cancelled."""
        match request:
            case m.RunSwap():
                return self._run(request, report, cancel)
            case m.OpenPhoto():
                return self._open_photo(request)
            case m.FindGarments():
                return self._find(request, report, cancel)
            case m.RefineMask():
                return self._refine(request)
            case m.ReadMask():
                return m.MaskRefined(self._runner.kernel.open_mask(request.path, shape=request.shape), "file")
            case m.WriteMask():
                return self._write_mask(request)
            case m.CheckPrompt():
                return _check(request.text)
            case m.CompleteWord():
                return safety.complete_word(request.prefix, limit=request.limit)
            case m.FindJob():
                return self._find_job(request.job)
            case m.OpenResult():
                return self._open_result(request)
            case m.ExportResult():
                return self._export(request, report, cancel)
            case m.VerifyFile():
                return self._verify(request.path)
            case m.AskDoctor():
                return self._doctor()
            case m.WriteReport():
                return self._diagnose(request)

    # Pictures that come in

    def _open(self, source: Path | bytes, role: str) -> CheckedSource:
        """A picture through the source gates; the last few are kept, known by their bytes and their place."""
        path = source.absolute() if isinstance(source, Path) else None
        try:
            digest = file_hash(path) if path is not None else hashlib.sha256(source).hexdigest()  # type: ignore[arg-type]
        except (OSError, ValueError):
            digest = ""  # the kernel says what is wrong with it
        key = (role, digest, path)
        known = self._opened.pop(key, None)
        if known is None:
            kernel = self._runner.kernel
            known = kernel.open_garment(source) if role == "garment" else kernel.open_photo(source)
        if known.photo.sha256 == digest:
            self._opened[key] = known
        while len(self._opened) > KEPT:
            self._opened.popitem(last=False)
        return known

    def _open_photo(self, request: m.OpenPhoto) -> m.PhotoOpened:
        opened = self._open(request.source, request.role)
        photo = opened.photo
        agreed = request.role == "photo" and self._runner.kernel.is_agreed(opened)
        return m.PhotoOpened(photo.sha256, to_srgb(photo.pixels, photo.icc), agreed, photo.notes)

    def _find(self, request: m.FindGarments, report: Report, cancel: CancelToken) -> m.GarmentsFound:
        report(Progress("read", 0.0))
        opened = self._open(request.source, "photo")
        cancel.check()
        report(Progress("parse", 0.2))
        found = self._runner.segment(opened, zone=None, person=request.person, cancel=cancel)
        protected: dict[str, Mask] = {}
        for area in found.protected:
            there = protected.get(area.name)
            protected[area.name] = area.mask if there is None else np.maximum(there, area.mask)
        self._protected = (opened.photo.sha256, found.protect_mask(opened.pixels.shape[:2]))
        return m.GarmentsFound(
            segmenter=found.segmenter,
            persons=found.persons,
            person=found.person,
            regions={
                zone: m.FoundRegion(zone, region.mask, region.alpha, region.confidence, region.polygon, region.box)
                for zone, region in found.regions.items()
            },
            protected=protected,
            largest=found.largest_zone(),
            fallbacks=found.fallbacks,
            notes=(*opened.photo.notes, *found.notes),
        )

    def _refine(self, request: m.RefineMask) -> m.MaskRefined:
        """SAM where it is installed, else GrabCut; kept out of what the last segmentation of the same photo protects."""
        photo = self._open(request.source, "photo").photo
        whose, protected = self._protected
        mask, tool = self._clicks.refine(
            to_srgb(photo.pixels, photo.icc),
            box=request.box,
            points=request.points,
            mask=request.mask,
            protected=protected if whose == photo.sha256 else None,
        )
        return m.MaskRefined(mask, tool)

    # Jobs

    def _run(self, asked: m.RunSwap, report: Report, cancel: CancelToken) -> m.SwapDone:
        """One job. One that has made its entry already (its end was lost with a process) is answered from the history."""
        done = self._find_job(asked.job)
        if done is not None:
            return done
        request = asked.request
        self._check_engine(request.engine)
        report(Progress("read", 0.0))
        if asked.photo is not None:
            request = replace(request, photo=_NO_FILE)
        source = self._open(asked.photo if asked.photo is not None else request.photo, "photo")
        cancel.check()
        cloth = asked.garment if asked.garment is not None else request.garment
        garment = self._open(cloth, "garment") if cloth is not None else None
        if asked.garment is not None:
            request = replace(request, garment=_NO_FILE)
        outcome = self._runner.run(
            replace(
                request,
                mask=None if asked.mask is not None else request.mask,
                outline=None if asked.outline is not None else request.outline,
            ),
            report=report,
            cancel=cancel,
            source=source,
            garment=garment,
            mask=_black_and_white(asked.mask),
            outline=_black_and_white(asked.outline),
            batch=asked.batch,
            outfit=asked.outfit,
            job=asked.job or None,
        )
        return m.SwapDone(outcome.as_json(), self._picture(outcome))

    def _picture(self, outcome: Outcome) -> m.ResultPicture:
        released = outcome.released
        entry = self._runner.history.get(outcome.entry_id)
        sha256 = entry.output_sha256 if entry is not None else file_hash(outcome.output)
        return m.ResultPicture(to_srgb(released.pixels, released.metadata.icc), outcome.output, sha256)

    def _find_job(self, job: str) -> m.SwapDone | None:
        entry = self._runner.made_by(job) if job else None
        if entry is None:
            return None
        return m.SwapDone(_about(entry), self._look(entry.output, entry.output_sha256))

    # Results that are there

    def _look(self, output: Path, sha256: str) -> m.ResultPicture:
        seen = self._runner.kernel.recall(output, sha256)
        return m.ResultPicture(to_srgb(seen.pixels, seen.icc), output, sha256)

    def _open_result(self, request: m.OpenResult) -> m.ResultOpened:
        picture = self._look(request.output, request.sha256)
        entry = self._runner.history.latest_for(request.output)
        mask = None
        if entry is not None and entry.output_sha256 == request.sha256:
            mask = _mask_of(entry, picture.pixels)
        return m.ResultOpened(picture, mask)

    def _write_mask(self, request: m.WriteMask) -> Path:
        runner = self._runner
        with runner.tidy(request.target):
            place = runner.place(request.target, forbid=request.forbid, only="PNG", role="mask")
            inside = _black_and_white(request.mask)
            assert inside is not None
            runner.write([(place, runner.kernel.encode_mask(inside))])
        return place.final

    def _export(self, request: m.ExportResult, report: Report, cancel: CancelToken) -> Path:
        """Another copy of a result, judged, marked, read back and logged like the first one."""
        runner, kernel = self._runner, self._runner.kernel
        with runner.tidy(request.target):
            place = runner.place(request.target, forbid=(request.output,))
            report(Progress("gates", 0.1))
            image = kernel.reopen(request.output, request.sha256, label=request.label)
            cancel.check()
            report(Progress("save", 0.5))
            file = kernel.encode(
                image,
                format_for(request.target),
                quality=request.quality,
                keep_metadata=request.keep_metadata,
            )
            cancel.check()
            runner.write([(place, file)])
        report(Progress("save", 1.0))
        return place.final


def _black_and_white(mask: Mask | None) -> Mask | None:
    return None if mask is None else np.where(mask >= 128, np.uint8(255), np.uint8(0))


def _mask_of(entry: Entry, pixels: RGB) -> Mask | None:
    """The mask beside a result (H, W) 0/255 of the pixels that may differ, if it is still the one that was written."""
    if entry.mask is None or entry.mask_sha256 is None:
        return None
    try:
        data = entry.mask.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(data).hexdigest() != entry.mask_sha256:
        return None
    try:
        return read_mask(data, size=(pixels.shape[1], pixels.shape[0]))
    except KnownError:
        return None


def _about(entry: Entry) -> dict[str, Any]:
    """The document of `swap --json` from an entry and its receipt; only the seconds are forgotten."""
    receipt = entry.receipt
    made = receipt.get("made", {})
    return {
        "output": str(entry.output),
        "mask": str(entry.mask) if entry.mask is not None else "",
        "receipt": str(entry.receipt_file) if entry.receipt_file is not None else "",
        "engine": entry.engine,
        "engine_reason": "",
        "segmenter": entry.segmenter,
        "zone": entry.zone,
        "person": made.get("person"),
        "fallbacks": made.get("fallbacks", []),
        "limits": made.get("limits", []),
        "notes": made.get("notes", []),
        "outside_mask_changed_pixels": receipt.get("outside_mask_changed_pixels", 0),
        "mask_fraction": receipt.get("mask", {}).get("fraction", 0.0),
        "seconds": {},
        "entry_id": entry.id,
    }


def _check(text: str) -> m.PromptChecked:
    (said,) = safety.check_prompts([text])
    return m.PromptChecked(
        said.prompt,
        said.allowed,
        category=said.category or "",
        word=said.word or "",
        suggestions=tuple(said.suggestions),
        message=said.message,
        hint=said.hint,
    )
