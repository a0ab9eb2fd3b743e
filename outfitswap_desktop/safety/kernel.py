"""The safety kernel: it alone lets pictures in, and it alone makes a picture that may be shown, encoded or saved.

    kernel = SafetyKernel(ledger)                                # ledger None: consents and audit log in memory
    kernel.open_photo(path_or_bytes) -> CheckedSource            # .photo is the core Photo; .pixels (H, W, 3) read-only
    kernel.open_garment(path_or_bytes) -> CheckedSource
    kernel.open_mask(path_or_bytes, shape=(H, W)) -> Mask        # 0/255, >= 128 = in
    kernel.view(path | bytes | CheckedSource) -> ViewableSource  # to look at; cannot be saved
    kernel.recall(path, sha256) -> ViewableSource                # a result of ours, to look at again
    kernel.reopen(path, sha256, label=False) -> ReleasedImage    # the same, to save another copy of it
    kernel.check_request(request, source, garment=None, mask=None, outline=None) -> CheckedRequest
    kernel.check_plan(checked, alpha, zone=..., found=..., keeps_cut=...) -> CheckedPlan
    kernel.release(RawOutput(pixels, mask, plan), report=None, cancel=None) -> ReleasedImage
    kernel.overlay(source, mask) -> ReleasedImage                # the photo with a mask painted over it
    kernel.contact_sheet([[Cell(image, "caption"), ...], ...], title="") -> ReleasedImage
    kernel.miniature(released | viewable, side=320) -> ReleasedImage | None   # small copy for sheets of many
    kernel.thumbnail(released, side=256) -> bytes                # WebP
    kernel.encode(released, "PNG", quality=95, keep_metadata=True) -> bytes   # marked, read back, logged
    kernel.encode_mask(mask) -> bytes                            # 8-bit PNG

A refusal raises GateRefused (a file that cannot be read PhotoUnreadable). What is written goes through safety.writing.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from outfitswap_desktop.core.arrays import RGB, Alpha, Mask
from outfitswap_desktop.core.colour import to_srgb
from outfitswap_desktop.core.container import PictureFormat
from outfitswap_desktop.core.encode import encode_mask
from outfitswap_desktop.core.job import CancelToken, Progress, Report, SwapRequest
from outfitswap_desktop.core.photo import file_bytes, read_mask, read_photo
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.zones import Zone, target_in_prompt
from outfitswap_desktop.errors import GateRefused, NotAvailable
from outfitswap_desktop.safety import again, allowed, gates, judging, roots, sheet, statements
from outfitswap_desktop.safety.detectors import Detectors
from outfitswap_desktop.safety.gates import OutputGate, PlanGate, RequestGate, SourceGate
from outfitswap_desktop.safety.judging import GateSaidNo
from outfitswap_desktop.safety.marks import invisible, seal
from outfitswap_desktop.safety.marks.certificate import Certificate, issue
from outfitswap_desktop.safety.parts import Judged, PlanParts, RequestParts
from outfitswap_desktop.safety.people.smaller import fitting, picture_at
from outfitswap_desktop.safety.records.evidence import RootEvidence
from outfitswap_desktop.safety.records.ledger import Ledger
from outfitswap_desktop.safety.sheet import Cell
from outfitswap_desktop.safety.stages import (
    _SEAL,
    OUTPUT_GATE_NAMES,
    PLAN_GATE_NAMES,
    REQUEST_GATE_NAMES,
    SOURCE_GATE_NAMES,
    Again,
    CheckedPlan,
    CheckedRequest,
    CheckedSource,
    DecodedImage,
    Metadata,
    Origin,
    RawOutput,
    ReleasedImage,
    Role,
    SourceBytes,
    Verdict,
    ViewableSource,
    immutable,
    shrunk,
)

TINT = (255, 0, 128)
"""What a mask is painted with in an overlay."""


class SafetyKernel:
    """One kernel per process: it keeps the detectors warm and knows the pictures that it released.

    `ledger` holds consents, the audit log and the roots of results. Extra gates are run behind the fixed ones and can only
    refuse more; `budget_seconds` can only be shortened.
    """

    def __init__(
        self,
        ledger: Ledger | None = None,
        *,
        extra_gates: Sequence[OutputGate] = (),
        extra_source_gates: Sequence[SourceGate] = (),
        extra_request_gates: Sequence[RequestGate] = (),
        extra_plan_gates: Sequence[PlanGate] = (),
        budget_seconds: float = gates.BUDGET_SECONDS,
    ) -> None:
        self._ledger = ledger if ledger is not None else Ledger(None)
        self._extra_output = tuple(extra_gates)
        self._extra_source = tuple(extra_source_gates)
        self._extra_request = tuple(extra_request_gates)
        self._extra_plan = tuple(extra_plan_gates)
        self._budget = min(budget_seconds, gates.BUDGET_SECONDS) if budget_seconds > 0 else 0.0  # NaN is no time at all
        self._detectors = Detectors()
        self._made: weakref.WeakSet[CheckedSource | CheckedRequest | CheckedPlan | ReleasedImage] = weakref.WeakSet()
        self._judged_views: weakref.WeakKeyDictionary[ViewableSource, tuple[Verdict, ...]] = weakref.WeakKeyDictionary()
        self._issued: Certificate | None = None

    # What comes in

    def open_photo(self, source: Path | bytes) -> CheckedSource:
        """Decode a photo once and pass it through the source gates; raises PhotoUnreadable or GateRefused."""
        return self._open(SourceBytes(source, "photo"))

    def open_garment(self, source: Path | bytes) -> CheckedSource:
        """The same for a picture of a garment or a fabric."""
        return self._open(SourceBytes(source, "garment"))

    def open_control(self, source: Path | bytes) -> CheckedSource:
        """The same for a pose or depth image."""
        return self._open(SourceBytes(source, "control"))

    def open_mask(self, source: Path | bytes, *, shape: tuple[int, int], role: Role = "mask") -> Mask:
        """A mask or an outline (H, W) 0/255 from a picture of size `shape` (H, W); 128 and more is in. Raises InputRefused."""
        file = file_bytes(source, role=role)  # once: what is judged is what is used
        self._open(SourceBytes(file, role))
        height, width = shape
        return immutable(read_mask(file, size=(width, height)))

    def view(self, source: Path | bytes | CheckedSource) -> ViewableSource:
        """The user's own photo to look at; opened and checked here when it was not yet."""
        if isinstance(source, CheckedSource):
            self._expect(source, source.role)
        photo = source.photo if isinstance(source, CheckedSource) else self.open_photo(source).photo
        return ViewableSource(_SEAL, pixels=photo.pixels, icc=photo.icc, sha256=photo.sha256)

    def is_agreed(self, source: CheckedSource) -> bool:
        """Whether a statement of consent is on record for this photo."""
        self._expect(source, "photo")
        return statements.recorded(source, ledger=self._ledger) is not None

    def recall(self, file: Path, sha256: str) -> ViewableSource:
        """A file that was released here and still has that hash, to look at; raises InputRefused for any other."""
        photo = again.photo_of(file, sha256, ledger=self._ledger)
        return ViewableSource(_SEAL, pixels=immutable(photo.pixels), icc=photo.icc, sha256=sha256)

    def reopen(self, file: Path, sha256: str, *, label: bool = False) -> ReleasedImage:
        """The same to save another copy: judged again, marked as the same result. `label` writes "AI edited" into a corner."""
        taken = again.take(file, sha256, label=label, ledger=self._ledger)
        photo, pixels = taken.photo, immutable(taken.photo.pixels)
        verdicts = self._judge_alone(pixels, photo.icc)
        return self._seal(pixels, "result", verdicts, Metadata(photo.icc, photo.exif, photo.xmp), taken.origin)

    def _open(self, source: SourceBytes) -> CheckedSource:
        decoded = self._decode(source)
        photo = decoded.photo
        verdicts = self._ask(
            "source",
            gates.SOURCE_GATES,
            self._extra_source,
            SOURCE_GATE_NAMES,
            lambda gate: gate.judge(decoded, self._detectors),
            subject=photo.sha256,
        )
        height, width = photo.pixels.shape[:2]
        said = {verdict.gate: verdict.scores for verdict in verdicts}
        own = RootEvidence(
            photo.sha256, (width, height), dict(said["exposure"]), float(said["source_whole_image"]["nsfw"])
        )
        root = own
        if decoded.role == "photo":
            with self._logged("source", photo.sha256):
                root = roots.root_of(photo, own, ledger=self._ledger)
        checked = CheckedSource(_SEAL, photo=photo, role=decoded.role, path=decoded.path, root=root, verdicts=verdicts)
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
        outline: Mask | None = None,
    ) -> CheckedRequest:
        """Pass a request through the request gates; raises GateRefused.

        A consent stated with the request is recorded for the photo; else one that was recorded earlier counts. Raises
        UsageProblem for a statement that is none, InputRefused when the file of a signed release cannot be read.
        """
        self._expect(source, "photo")
        if garment is not None:
            self._expect(garment, "garment")
        drawn = None if mask is None else immutable(mask)
        person = None if outline is None else immutable(outline)
        consent, is_new = statements.consent_for(request, source, ledger=self._ledger)
        parts = RequestParts(source, garment=garment, mask=drawn, outline=person, consent=consent)
        verdicts = self._ask(
            "request",
            gates.REQUEST_GATES,
            self._extra_request,
            REQUEST_GATE_NAMES,
            lambda gate: gate.judge(request, parts),
            subject=source.photo.sha256,
        )
        assert consent is not None
        if is_new:
            self._ledger.give(consent)
        checked = CheckedRequest(
            _SEAL,
            request=request,
            source=source,
            garment=garment,
            mask=drawn,
            outline=person,
            consent=consent,
            verdicts=verdicts,
        )
        self._made.add(checked)
        return checked

    def check_plan(
        self,
        checked: CheckedRequest,
        alpha: Alpha,
        *,
        zone: Zone,
        found: Segmentation | None,
        keeps_cut: bool,
        cancel: CancelToken | None = None,
    ) -> CheckedPlan:
        """Cut a planned mask (`alpha` (H, W) > 0) to what may be changed, and judge it with the person it lies on.

        `found` is None when nobody was: then the request's drawn outline stands in. Raises GateRefused.
        """
        self._expect_request(checked)
        request, source = checked.request, checked.source
        target = target_in_prompt(request.prompt)
        left = allowed.cut(alpha, zone=zone, target=target, found=found, outline=checked.outline)
        mask = immutable(left.mask)
        seen = to_srgb(source.pixels, source.photo.icc)
        parts = PlanParts(
            request=request,
            source=source,
            consent=checked.consent,
            seen=seen,
            small=picture_at(seen, fitting(seen.shape)),
            mask=mask,
            asked=int(np.count_nonzero(alpha)),
            zone=zone,
            target=target,
            found=found,
            outline=checked.outline,
            keeps_cut=keeps_cut,
        )
        verdicts = self._ask(
            "plan",
            gates.PLAN_GATES,
            self._extra_plan,
            PLAN_GATE_NAMES,
            lambda gate: gate.judge(parts if type(gate) in gates.PLAN_GATES else copy(parts), self._detectors),
            subject=source.photo.sha256,
            cancel=cancel,
        )
        with self._logged("plan", source.photo.sha256):
            subject, root = roots.with_subject(source.root, parts)
        plan = CheckedPlan(
            _SEAL,
            request=checked,
            mask=mask,
            zone=zone,
            target=target,
            subject=subject,
            root=root,
            persons=parts.persons,
            cut=left.sentences(),
            reduced=parts.reduced,
            loose=parts.loose,
            verdicts=verdicts,
        )
        self._made.add(plan)
        return plan

    # What goes out

    def release(self, raw: RawOutput, report: Report | None = None, cancel: CancelToken | None = None) -> ReleasedImage:
        """Mark what the pipeline made, judge exactly that and seal it; raises GateRefused or Cancelled, and nothing was made.

        `report` gets the stage "check" and the share of the gates that are done as its fraction.
        """
        plan = raw.plan
        if not isinstance(plan, CheckedPlan) or plan not in self._made:
            raise TypeError("a result needs the plan that this kernel has checked")
        source = plan.request.source
        mask = immutable(raw.mask)
        payload = roots.payload_of(plan)
        fits = raw.pixels.shape == source.pixels.shape and mask.shape == source.pixels.shape[:2]
        marked = invisible.embed(raw.pixels, mask, payload) if fits else invisible.Marked(raw.pixels, carried=False)
        pixels, photo = immutable(marked.pixels), source.photo
        judged = Judged(pixels, mask, plan=plan, persons=plan.persons, icc=photo.icc)
        verdicts = self._judge(judged, report, cancel)
        return self._seal(
            pixels,
            "result",
            verdicts,
            Metadata(photo.icc, photo.exif, photo.xmp),
            Origin(plan, mask, payload if marked.carried else None),
        )

    def overlay(self, source: CheckedSource, mask: Mask, *, cancel: CancelToken | None = None) -> ReleasedImage:
        """The photo with `mask` (H, W) laid over it in a strong colour at half strength; judged like a photo on a sheet."""
        self._expect(source, "photo")
        photo = source.photo
        painted = photo.pixels.copy()
        inside = mask > 0
        painted[inside] = photo.pixels[inside] // 2 + np.array(TINT, np.uint8) // 2
        pixels = immutable(painted)
        verdicts = self._judge_alone(pixels, photo.icc, cancel)
        return self._seal(pixels, "overlay", verdicts, Metadata(photo.icc, photo.exif, photo.xmp))

    def contact_sheet(self, rows: Sequence[Sequence[Cell]], *, title: str = "", side: int = 320) -> ReleasedImage:
        """One picture with `rows` of captioned cells, each at most `side` pixels wide and high, smaller when they are many.

        Cells take released pictures and the user's own photos; a photo is judged like a result first, because a sheet can
        be saved, and is left out, with a word, when a gate refuses it. Raises UsageProblem when even small cells do not fit.
        """
        verdicts: list[tuple[Verdict, ...]] = []
        shown = [[self._cell(cell, verdicts) for cell in row] for row in rows]
        pixels = immutable(sheet.draw(shown, title=title, side=side))
        return self._seal(pixels, "contact_sheet", judging.worst(verdicts), Metadata())

    def miniature(self, image: ReleasedImage | ViewableSource, *, side: int = 320) -> ReleasedImage | None:
        """A small sRGB copy of a released picture, or of the user's own photo once it is judged: for sheets of many.

        It carries the verdicts of the large one. None when a gate refuses the photo.
        """
        verdicts: list[tuple[Verdict, ...]] = []
        shown = self._cell(Cell(image), verdicts)
        if shown.pixels is None:
            return None
        pixels = immutable(to_srgb(shrunk(shown.pixels, side), shown.icc))
        return self._seal(pixels, "miniature", verdicts[0], Metadata())

    def thumbnail(self, image: ReleasedImage, *, side: int = 256) -> bytes:
        """A WebP of at most `side` pixels and 26 kB, in sRGB, with XMP and content credentials."""
        self._expect_released(image)
        file, _ = seal.seal_thumbnail(
            image.pixels,
            certificate=self._certificate(),
            result_id=roots.result_id(image),
            side=side,
            icc=image.metadata.icc,
        )
        return file

    def encode(
        self, image: ReleasedImage, format: PictureFormat, *, quality: int = 95, keep_metadata: bool = True
    ) -> bytes:
        """The bytes of a file of `format` ("PNG", "JPEG" or "WEBP"), upright, with the photo's ICC profile and all marks.

        The marks are read back from these very bytes, and what leaves is in the audit log before it can be written. Raises
        NotAvailable ("marks_failed", "audit_unavailable"), and then there is nothing to write.
        """
        self._expect_released(image)
        kept, said = image.metadata, roots.words_of(image)
        file, _ = seal.seal(
            image.pixels,
            format,
            certificate=self._certificate(),
            result_id=roots.result_id(image),
            kind=image.kind,
            engine=said.engine,
            payload=said.payload,
            mask=said.mask,
            source=said.source,
            icc=kept.icc,
            exif=kept.exif,
            xmp_packet=kept.xmp,
            quality=quality,
            keep_metadata=keep_metadata,
        )
        roots.record(image, file, format, ledger=self._ledger)
        return file

    def _certificate(self) -> Certificate:
        """This install's certificate of the year, made once; raises NotAvailable when there is no key to make it with."""
        if self._issued is None or not self._issued.is_current():
            self._issued = issue(self._ledger.keys)
        return self._issued

    @staticmethod
    def encode_mask(mask: Mask) -> bytes:
        """A mask (H, W) as an 8-bit grey PNG of black and white alone, whatever it held: no picture leaves as a mask."""
        if mask.ndim != 2:
            raise TypeError("a mask is (H, W)")
        return encode_mask(np.where(mask > 0, np.uint8(255), np.uint8(0)))

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
                said = self._judged_views[image] = self._judge_alone(immutable(image.pixels), image.icc)
        except GateRefused:
            return sheet.Shown(None, None, f"{cell.caption} (not shown: a check refused it)".strip())
        verdicts.append(said)
        return sheet.Shown(image.pixels, image.icc, cell.caption)

    def _seal(
        self,
        pixels: RGB,
        kind: Any,
        verdicts: tuple[Verdict, ...],
        metadata: Metadata,
        origin: Origin | Again | None = None,
    ) -> ReleasedImage:
        image = ReleasedImage(_SEAL, pixels=pixels, kind=kind, verdicts=verdicts, metadata=metadata, origin=origin)
        self._made.add(image)
        return image

    def _expect_released(self, image: ReleasedImage) -> None:
        if not isinstance(image, ReleasedImage) or image not in self._made:
            raise TypeError("only a picture that this kernel released can be encoded or shown")

    def _expect(self, source: CheckedSource, role: Role) -> None:
        if not isinstance(source, CheckedSource) or source not in self._made or source.role != role:
            raise TypeError(f"a {role} that this kernel has checked is needed here")

    def _expect_request(self, request: CheckedRequest) -> None:
        if not isinstance(request, CheckedRequest) or request not in self._made:
            raise TypeError("a request that this kernel has checked is needed here")

    def _judge_alone(self, pixels: RGB, icc: bytes | None, cancel: CancelToken | None = None) -> tuple[Verdict, ...]:
        nothing = np.zeros(pixels.shape[:2], np.uint8)
        return self._judge(Judged(pixels, nothing, plan=None, icc=icc), None, cancel)

    def _judge(self, judged: Judged, report: Report | None, cancel: CancelToken | None) -> tuple[Verdict, ...]:
        total = len(gates.OUTPUT_GATES) + len(self._extra_output)
        done = count()

        def ask(gate: OutputGate) -> Verdict:
            if report is not None:
                report(Progress("check", next(done) / total, gate.name.replace("_", " ")))
            return gate.judge(judged, self._detectors)

        subject = judged.plan.request.source.photo.sha256 if judged.plan is not None else ""
        return self._ask(
            "output", gates.OUTPUT_GATES, self._extra_output, OUTPUT_GATE_NAMES, ask, subject=subject, cancel=cancel
        )

    def _ask(
        self,
        what: str,
        fixed: Sequence[type[Any]],
        extra: Sequence[Any],
        names: tuple[str, ...],
        ask: Callable[[Any], Verdict],
        *,
        subject: str,
        cancel: CancelToken | None = None,
    ) -> tuple[Verdict, ...]:
        """Ask the gates."""
        with self._logged(what, subject):
            return judging.pass_all(fixed, extra, names, ask, budget=self._budget, cancel=cancel)

    @contextlib.contextmanager
    def _logged(self, stage: str, subject: str) -> Iterator[None]:
        """Within, a refusal is noted in the audit log: which gate, why in one word, and the photo's hash; nothing else.

        A log that cannot be written makes no difference to a refusal.
        """
        try:
            yield
        except GateRefused as no:
            verdict = no.verdict if isinstance(no, GateSaidNo) else Verdict(roots.GATE, False, reason=no.reason)
            with contextlib.suppress(NotAvailable):
                self._ledger.log(roots.refusal(stage, verdict, subject))
            raise
