"""One job from request to released, saved and recorded result: the only road, for window, command line, batch and library.

read -> source gates -> request gates -> parse and mask -> plan gates -> generate -> output gates -> marks -> staged files ->
history row -> files in place. After a kill at any moment the next start finishes or undoes the job (docs/adr/0008).
Credits are set aside between plan gates and painting, and spent once the files are in place; on any other end they return.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outfitswap_desktop.core import pipeline
from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.core.colour import to_srgb
from outfitswap_desktop.core.credits import JobCredits
from outfitswap_desktop.core.encode import format_for
from outfitswap_desktop.core.job import CancelToken, Progress, Report, SwapRequest, SwapResult, refuse_nonsense
from outfitswap_desktop.core.memory import give_back
from outfitswap_desktop.core.receipt import file_hash, make_receipt
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.steps import CreditGate, Engines, Steps
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.safety import writing
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.sheet import Cell
from outfitswap_desktop.safety.stages import CheckedPlan, CheckedRequest, CheckedSource, RawOutput, ReleasedImage
from outfitswap_desktop.store.entry import Entry, Record
from outfitswap_desktop.store.history import History


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A finished job: where its files are, how it was made, what was measured. `released` has passed every gate."""

    entry_id: int
    output: Path
    mask: Path
    receipt: Path
    released: ReleasedImage
    engine: str
    engine_reason: str
    segmenter: str
    zone: Zone
    person: int | None
    fallbacks: tuple[str, ...]
    limits: tuple[str, ...]
    notes: tuple[str, ...]
    outside_mask_changed_pixels: int
    mask_fraction: float
    seconds: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """The document of `swap --json`."""
        return {
            "output": str(self.output),
            "mask": str(self.mask),
            "receipt": str(self.receipt),
            "engine": self.engine,
            "engine_reason": self.engine_reason,
            "segmenter": self.segmenter,
            "zone": self.zone.value,
            "person": self.person,
            "fallbacks": list(self.fallbacks),
            "limits": list(self.limits),
            "notes": list(self.notes),
            "outside_mask_changed_pixels": self.outside_mask_changed_pixels,
            "mask_fraction": self.mask_fraction,
            "seconds": dict(self.seconds),
            "entry_id": self.entry_id,
        }


def companions(output: Path) -> tuple[Path, Path]:
    """Where the mask and the receipt of a result go: beside it."""
    return output.with_name(f"{output.stem}.mask.png"), output.with_name(f"{output.stem}.receipt.json")


class Runner:
    """Runs jobs one after the other with warm steps; one per process.

    `steps` serve all jobs, or only look at photos where `engines` chooses them job by job. `gate` is asked for the credits of
    each job; None: nothing is charged.
    """

    def __init__(
        self,
        *,
        kernel: SafetyKernel,
        steps: Steps,
        history: History,
        engine_reason: str = "",
        engines: Engines | None = None,
        gate: CreditGate | None = None,
    ) -> None:
        self.kernel = kernel
        self.history = history
        self._steps = steps
        self._engine_reason = engine_reason
        self._engines = engines
        self._gate = gate

    def made_by(self, job: str) -> Entry | None:
        """The entry that a job of the queue has made, what a program that died has left being repaired first; or None."""
        self.history.recover(writing)
        return self.history.by_job(job)

    def open_photo(self, source: Path | bytes) -> CheckedSource:
        """Decode and check a photo; raises PhotoUnreadable or GateRefused."""
        return self.kernel.open_photo(source)

    def run(
        self,
        request: SwapRequest,
        *,
        report: Report,
        cancel: CancelToken,
        source: CheckedSource | None = None,
        garment: CheckedSource | None = None,
        mask: Mask | None = None,
        outline: Mask | None = None,
        batch: str | None = None,
        outfit: str | None = None,
        job: str | None = None,
    ) -> Outcome:
        """Run one job. Pictures already opened may be handed in. Raises KnownError or Cancelled, and then nothing is left.

        `batch` and `outfit` label the history entry. `job` is the queue's id, kept with the entry: a job that has made its
        entry is never run again (UsageProblem "job_done").
        """
        credits = JobCredits(self._gate, job)
        with writing.tidy(request.output):
            try:
                return self._run(
                    request,
                    report,
                    cancel,
                    source=source,
                    garment=garment,
                    mask=mask,
                    outline=outline,
                    batch=batch,
                    outfit=outfit,
                    job=job,
                    credits=credits,
                )
            except BaseException as problem:
                credits.give_back(problem)
                raise

    def _run(
        self,
        request: SwapRequest,
        report: Report,
        cancel: CancelToken,
        *,
        source: CheckedSource | None,
        garment: CheckedSource | None,
        mask: Mask | None,
        outline: Mask | None,
        batch: str | None,
        outfit: str | None,
        job: str | None,
        credits: JobCredits,
    ) -> Outcome:
        began = time.perf_counter()
        report(Progress("read", 0.0))
        cancel.check()
        refuse_nonsense(request)
        self._refuse_done(job)
        steps, reason = self._steps_for(request)
        image_format = format_for(request.output)
        planned = self._plan(request)
        checked = self._check(request, source=source, garment=garment, mask=mask, outline=outline)
        read = time.perf_counter() - began
        sources = pipeline.Sources(
            checked.source.photo, checked.garment.photo if checked.garment else None, checked.mask
        )
        plans: list[CheckedPlan] = []
        result = pipeline.run(
            request,
            sources,
            steps=steps,
            approve=lambda planned_mask: self._approve(
                planned_mask, checked, steps=steps, plans=plans, credits=credits, cancel=cancel
            ),
            report=report,
            cancel=cancel,
        )
        gates_began = time.perf_counter()
        report(Progress("gates", pipeline.STAGE_ENDS["paste"]))
        plan = plans[0]
        released = self.kernel.release(RawOutput(result.image, result.mask, plan), cancel=cancel)
        gates = time.perf_counter() - gates_began
        cancel.check()
        save_began = time.perf_counter()
        report(Progress("save", 0.93))
        encoded = self.kernel.encode(
            released, image_format, quality=request.quality, keep_metadata=request.keep_metadata
        )
        receipt = make_receipt(
            request,
            result,
            photo=checked.source.photo,
            garment=checked.garment.photo if checked.garment else None,
            drawn_sha256=file_hash(request.mask) if request.mask is not None else None,
            gates=_scores(checked, plan, released),
            safety=_safety(plan, released),
            output={
                "name": request.output.name,
                "sha256": hashlib.sha256(encoded).hexdigest(),
                "format": image_format,
                "lossless": image_format == "PNG",
                "quality": None if image_format == "PNG" else request.quality,
            },
        )
        data = (encoded, self.kernel.encode_mask(result.mask), _json_bytes(receipt))
        record = _record(request, result, checked, receipt=receipt, batch=batch, outfit=outfit, job=job)
        record = replace(record, hold=credits.hold)
        entry = self._save(planned, data, record=record, thumbnail=self.kernel.thumbnail(released), cancel=cancel)
        credits.spend(receipt["output"]["sha256"])
        seconds = {
            "read": round(read, 3),
            **result.seconds,
            "gates": round(gates, 3),
            "save": round(time.perf_counter() - save_began, 3),
            "total": round(time.perf_counter() - began, 3),
        }
        report(Progress("save", 1.0))
        give_back()
        return self._outcome(entry, planned, result=result, reason=reason, released=released, seconds=seconds)

    def _steps_for(self, request: SwapRequest) -> tuple[Steps, str]:
        return self._engines.steps(request) if self._engines is not None else (self._steps, self._engine_reason)

    def _approve(
        self,
        planned: pipeline.MaskPlan,
        checked: CheckedRequest,
        *,
        steps: Steps,
        plans: list[CheckedPlan],
        credits: JobCredits,
        cancel: CancelToken,
    ) -> pipeline.MaskPlan:
        """Have the kernel cut and judge a planned mask; what it leaves is what may be painted, once its price is set aside."""
        plan = self.kernel.check_plan(
            checked,
            planned.alpha,
            zone=planned.zone,
            found=planned.segmentation,
            keeps_cut=steps.generator.keeps_cut,
            cancel=cancel,
        )
        plans.append(plan)
        cancel.check()
        credits.reserve(steps.generator.name)
        alpha = planned.alpha & plan.mask  # the plan's mask is 0/255
        return replace(planned, alpha=alpha, notes=(*planned.notes, *plan.cut), recolour=plan.recolour)

    def segment(
        self, source: CheckedSource, *, zone: Zone | None, person: int | None, cancel: CancelToken
    ) -> Segmentation:
        """Parse a checked photo; the segmenter sees it in sRGB. Raises NobodyFound."""
        seen = to_srgb(source.photo.pixels, source.photo.icc)
        wanted = frozenset({zone}) if zone is not None else None
        return self._steps.segmenter.segment(seen, person=person, zones=wanted, cancel=cancel)

    def place(
        self, output: Path, *, forbid: tuple[Path, ...] = (), only: str | None = None, role: str = "output"
    ) -> writing.Planned:
        """Check, before any work, that a file can be written and is none of `forbid`; `only` is the format it must have.

        Files that are written together need different roles.
        """
        if only is not None and format_for(output) != only:
            raise UsageProblem(
                f"{output.name} must be a {only} file.",
                reason="wrong_format",
                hint=f"Name it {output.stem}.{only.lower()}.",
            )
        return writing.plan(output, forbid=forbid, role=role)

    @staticmethod
    def tidy(*outputs: Path) -> AbstractContextManager[None]:
        """Around a job that uses `place`: no empty folder is left when it fails."""
        return writing.tidy(*outputs)

    def write(self, files: Sequence[tuple[writing.Planned, bytes]]) -> None:
        """Write files that make no entry; a kill leaves no part of them, and none is in place before all are on the disk."""
        with self.history.watching([place for place, _ in files], writing):
            staged = [writing.stage(data, place) for place, data in files]
            for file in staged:
                writing.publish(file)

    def write_sheet(self, rows: list[list[Cell]], output: Path, *, title: str = "") -> Path:
        """Write a contact sheet of released pictures and the user's own photos; returns the absolute path."""
        place = self.place(output)
        self.write([(place, self.kernel.encode(self.kernel.contact_sheet(rows, title=title), format_for(output)))])
        return place.final

    def write_document(self, document: Mapping[str, Any], output: Path) -> Path:
        """Write a JSON document in one step; returns the absolute path."""
        place = self.place(output)
        self.write([(place, _json_bytes(document))])
        return place.final

    def _plan(self, request: SwapRequest) -> tuple[writing.Planned, ...]:
        forbid = _paths(request.photo, request.garment, request.mask, request.outline)
        mask, receipt = companions(request.output)
        return (
            writing.plan(request.output, forbid=forbid, role="output"),
            writing.plan(mask, forbid=forbid, role="mask"),
            writing.plan(receipt, forbid=forbid, role="receipt"),
        )

    def _check(
        self,
        request: SwapRequest,
        *,
        source: CheckedSource | None,
        garment: CheckedSource | None,
        mask: Mask | None,
        outline: Mask | None,
    ) -> CheckedRequest:
        opened = source if source is not None else self.kernel.open_photo(request.photo)
        if garment is None and request.garment is not None:
            garment = self.kernel.open_garment(request.garment)
        height, width = opened.pixels.shape[:2]
        if mask is None and request.mask is not None:
            mask = self.kernel.open_mask(request.mask, shape=(height, width))
        if outline is None and request.outline is not None:
            outline = self.kernel.open_mask(request.outline, shape=(height, width), role="outline")
        return self.kernel.check_request(request, opened, garment=garment, mask=mask, outline=outline)

    def _refuse_done(self, job: str | None) -> None:
        """Raise UsageProblem when that job of the queue has made its entry: another process was faster."""
        if job and self.history.by_job(job) is not None:
            raise UsageProblem(
                "This job has been done already.", reason="job_done", hint="Its result is in the history."
            )

    def _save(
        self,
        planned: tuple[writing.Planned, ...],
        data: tuple[bytes, ...],
        *,
        record: Record,
        thumbnail: bytes,
        cancel: CancelToken,
    ) -> int:
        """Three phases, so that a kill in between leaves neither half a file nor a row without one."""
        self._refuse_done(record.job)
        entry = self.history.begin(planned)
        staged: list[writing.Staged] = []
        try:
            for place, content in zip(planned, data, strict=True):
                cancel.check()
                staged.append(writing.stage(content, place))
            self.history.commit(entry, record, staged, thumbnail=thumbnail)
            for file in staged:
                writing.publish(file)
            self.history.finish(entry)
        except BaseException:
            self.history.abandon(entry, writing)
            raise
        return entry

    def _outcome(
        self,
        entry: int,
        planned: tuple[writing.Planned, ...],
        *,
        result: SwapResult,
        reason: str,
        released: ReleasedImage,
        seconds: Mapping[str, float],
    ) -> Outcome:
        output, mask, receipt = (place.final for place in planned)
        return Outcome(
            entry_id=entry,
            output=output,
            mask=mask,
            receipt=receipt,
            released=released,
            engine=result.engine,
            engine_reason=reason,
            segmenter=result.segmenter,
            zone=result.zone,
            person=result.segmentation.person if result.segmentation else None,
            fallbacks=result.fallbacks,
            limits=result.limits,
            notes=result.notes,
            outside_mask_changed_pixels=result.measured.outside_mask_changed_pixels,
            mask_fraction=result.measured.mask_fraction,
            seconds=seconds,
        )


def _scores(checked: CheckedRequest, plan: CheckedPlan, released: ReleasedImage) -> dict[str, float]:
    """All gate scores as "gate.name": number, from the photo to the result."""
    verdicts = (*checked.source.verdicts, *checked.verdicts, *plan.verdicts, *released.verdicts)
    return {f"{v.gate}.{name}": score for v in verdicts for name, score in v.scores.items()}


def _safety(plan: CheckedPlan, released: ReleasedImage) -> dict[str, Any]:
    """What the receipt says of root, consent, evidence and marks."""
    consent, origin = plan.request.consent, released.origin
    mark = origin.payload if origin is not None else None
    return {
        "root_sha256": plan.root.root_sha256,
        "consent": {
            "kind": consent.kind,
            "given": consent.given.isoformat(timespec="seconds"),
            "release_sha256": consent.release_sha256,
            "adult_attested": consent.adult_attested,
        },
        "evidence": "reduced" if plan.reduced else "full",
        "mask_cut": list(plan.cut),
        "invisible_mark": mark.hex() if mark is not None else None,
        "invisible_mark_note": ""
        if mark is not None
        else "The mask is smaller than 256 x 256 px of area: it carries none.",
    }


def _paths(*paths: Path | None) -> tuple[Path, ...]:
    return tuple(path for path in paths if path is not None)


def _json_bytes(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, indent=2, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace") + b"\n"  # a file name that is no text stays readable as an escape


def _record(
    request: SwapRequest,
    result: SwapResult,
    checked: CheckedRequest,
    *,
    receipt: Mapping[str, Any],
    batch: str | None,
    outfit: str | None,
    job: str | None,
) -> Record:
    path = checked.source.path
    return Record(
        photo=path.resolve() if path is not None else None,
        photo_sha256=checked.source.photo.sha256,
        prompt=request.prompt,
        zone=result.zone.value,
        engine=result.engine,
        segmenter=result.segmenter,
        seed=request.seed,
        receipt=dict(receipt),
        batch=batch,
        outfit=outfit,
        job=job,
    )
