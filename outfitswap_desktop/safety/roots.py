"""The root of a chain of edits: found again when a result of ours is loaded, kept with what is released from it.

A root that was found can only tighten what is allowed: every number is the lower of the root's and the loaded picture's,
so a forged or borrowed mark never buys anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np

from outfitswap_desktop import __version__
from outfitswap_desktop.core.arrays import RGB, Mask
from outfitswap_desktop.core.container import PictureFormat
from outfitswap_desktop.core.photo import Photo
from outfitswap_desktop.core.receipt import mask_hash
from outfitswap_desktop.errors import GateRefused
from outfitswap_desktop.safety.marks import invisible, xmp
from outfitswap_desktop.safety.parts import PlanParts
from outfitswap_desktop.safety.people.smaller import touched_at
from outfitswap_desktop.safety.people.subject import Subject
from outfitswap_desktop.safety.records.evidence import RootEvidence
from outfitswap_desktop.safety.records.ledger import Ledger
from outfitswap_desktop.safety.records.perceptual import looks
from outfitswap_desktop.safety.records.schema import decision
from outfitswap_desktop.safety.stages import Again, CheckedPlan, CheckedSource, ReleasedImage, Verdict

GATE: Final = "lineage"
"""What refusals of this module are filed under in the audit log."""

_ORIGINAL: Final = "Open the original photo instead."
LARGE: Final = 4_000_000
"""Pixels from which on a picture is searched for its mark at half its size: a fourth of the time."""

_UNKNOWN: Final = "This picture is a result of OutfitSwap, and the photo it was made from is not known on this machine."
_UNFIT: Final = (
    "This picture was cut out of a result of OutfitSwap, and cannot be compared with the photo it was made from."
)


def root_of(photo: Photo, own: RootEvidence, *, ledger: Ledger) -> RootEvidence:
    """The evidence that results made from `photo` are judged against: `own`, or that of the root of its chain of edits.

    A result is known again by its file, its pixels, its invisible mark, and by its looks when it was saved again without all
    these or with another's mark. Raises GateRefused ("root_unknown") for one that carries our marks but was not released here,
    and when the records were damaged.
    """
    mark = _mark_in(photo.pixels)
    root = ledger.root_of(file_sha256=photo.sha256, pixels_sha256=pixels_hash(photo.pixels), mark=mark)
    if root is None and (mark is not None or xmp.read(photo.xmp).result is not None):
        raise GateRefused(_UNKNOWN, reason="root_unknown", hint=_ORIGINAL)
    like = _root_like(photo, ledger)
    if root is None:
        return frozen(like if like is not None else own)
    return frozen(root if like is None else _both(root, like))


def _root_like(photo: Photo, ledger: Ledger) -> RootEvidence | None:
    """The root of a result that looks like `photo`, if it has its proportions; None when the photo itself is that root."""
    seen = looks(photo.pixels)
    like = None if seen is None else ledger.root_like(seen)
    if like is None or like.root_sha256 == photo.sha256:
        return None
    return like if _has_proportions(like, photo.pixels.shape) else None


def _both(root: RootEvidence, like: RootEvidence) -> RootEvidence:
    """What `root` and another one that may be the picture's allow both: a mark may have been put over another."""
    scores = {name: min(score, like.scores.get(name, score)) for name, score in root.scores.items()}
    subjects = list(root.subjects)
    for document in like.subjects:
        if document not in subjects:
            _add(Subject.from_json(document), subjects)
    return replace(root, scores=scores, nsfw=min(root.nsfw, like.nsfw), subjects=tuple(subjects))


def _add(one: Subject, subjects: list[Mapping[str, Any]]) -> None:
    """Put a person into the documents of others; whoever is the same person there is tightened by what is known of this one."""
    for place, document in enumerate(subjects):
        known = Subject.from_json(document)
        if known.same_person(one):
            subjects[place] = known.tightened(one).as_json()
            return
    subjects.append(one.as_json())


def _mark_in(pixels: RGB) -> bytes | None:
    """The invisible mark of a picture (H, W, 3); a large one is searched at half its size, which the mark survives."""
    height, width = pixels.shape[:2]
    if height * width <= LARGE:
        return invisible.read(pixels)
    half = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return invisible.read(np.asarray(half, np.uint8))


def frozen(root: RootEvidence) -> RootEvidence:
    """The same evidence in tables that nobody can change: what a result is judged against must be what was measured."""
    return replace(root, scores=MappingProxyType(dict(root.scores)), subjects=tuple(map(_frozen, root.subjects)))


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen(one) for name, one in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    """A frozen document as JSON has it."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return list(map(_plain, value)) if isinstance(value, list | tuple) else value


def with_subject(root: RootEvidence, parts: PlanParts) -> tuple[Subject, RootEvidence]:
    """The chosen person as the root knows them, tightened by what is seen now, and the evidence of all else.

    Raises ValueError when no gate has learnt the person, GateRefused ("root_unfit") for a picture cut out of a result of ours:
    the body's places in the root are no longer theirs.
    """
    if parts.subject is None:
        raise ValueError("nobody was learnt")
    photo = parts.source.photo
    if not _fits(root, parts):
        if not root.alike:
            raise GateRefused(_UNFIT, reason="root_unfit", hint=_ORIGINAL)
        root = replace(root, root_sha256=photo.sha256, subjects=())  # it only looked like a result of ours
    is_root = root.root_sha256 == photo.sha256
    scores = dict(parts.scores) if is_root else {k: min(v, root.scores.get(k, v)) for k, v in parts.scores.items()}
    others = []
    found: Subject | None = None
    for document in root.subjects:
        known = Subject.from_json(_plain(document))
        if known.same_person(parts.subject):
            now = known.shares(parts.small)
            known = replace(known, bare=MappingProxyType({area: min(s, now[area]) for area, s in known.bare.items()}))
            found = known if found is None else found.tightened(known)
        else:
            others.append(document)
    seen = parts.subject
    subject = seen if found is None else replace(found, skin=found.skin.beside(seen.skin))
    return subject, frozen(replace(root, scores=scores, subjects=tuple(others), alike=False))


def _fits(root: RootEvidence, parts: PlanParts) -> bool:
    """Whether the root's bodies can be laid over the picture, and one of them over the only person in it."""
    if not _has_proportions(root, parts.seen.shape):
        return False
    if parts.subject is None or not root.subjects or len(parts.persons) > 1:
        return True
    return any(Subject.from_json(_plain(document)).same_person(parts.subject) for document in root.subjects)


def _has_proportions(root: RootEvidence, shape: tuple[int, ...]) -> bool:
    """Whether a picture of `shape` (H, W, ...) is the root's, larger or smaller."""
    wide, high = shape[1] / root.size[0], shape[0] / root.size[1]
    return abs(wide - high) * max(root.size) <= 2 * max(1.0, wide, high)


def after(plan: CheckedPlan, mask: Mask) -> RootEvidence:
    """The root's evidence to keep with a result that was painted under `mask` (H, W): what was cloth there is so no more."""
    kept = (_plain(document) for document in plan.root.subjects)
    return replace(plan.root, subjects=(*kept, plan.subject.after(touched_at(mask, plan.subject.size)).as_json()))


def payload_of(plan: CheckedPlan) -> bytes:
    """The invisible mark's payload: from the request's hash, so that making the same again marks it the same."""
    return bytes.fromhex(request_hash(plan))[: invisible.PAYLOAD_BYTES]


def request_hash(plan: CheckedPlan) -> str:
    """SHA-256 of all that was asked for and is to be painted: the same wish on the same photo gives the same."""
    checked = plan.request
    asked = checked.request
    said = [
        checked.source.photo.sha256,
        checked.garment.photo.sha256 if checked.garment is not None else None,
        mask_hash(plan.mask),
        asked.prompt,
        plan.zone.value,
        asked.engine,
        asked.seed,
        asked.steps,
    ]
    return hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest()


def result_id(image: ReleasedImage) -> str:
    """The word by which the marks of one file belong together: of a result's request, else of the pixels; 32 hex digits."""
    if isinstance(image.origin, Again):
        return image.origin.result
    whole = request_hash(image.origin.plan) if image.origin is not None else pixels_hash(image.pixels)
    return whole[:32]


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """What the marks of a file say beside its id: `engine`, the mark's `payload` and `mask`, the file it was made of."""

    engine: str | None = None
    payload: bytes | None = None
    mask: Mask | None = None
    source: bytes | None = None


def words_of(image: ReleasedImage) -> Words:
    """The words for the marks of a released picture."""
    origin = image.origin
    if origin is None:
        return Words()
    if isinstance(origin, Again):
        return Words(payload=origin.payload, source=origin.file)
    request = origin.plan.request
    return Words(request.request.engine, origin.payload, origin.mask, own_manifest(request.source))


def own_manifest(source: CheckedSource) -> bytes | None:
    """The photo's file, if it is still the one that was opened: its own content credentials go along as an ingredient."""
    if source.path is None:
        return None
    try:
        file = source.path.read_bytes()
    except OSError:
        return None
    return file if hashlib.sha256(file).hexdigest() == source.photo.sha256 else None


def record(image: ReleasedImage, file: bytes, format: PictureFormat, *, ledger: Ledger) -> None:
    """Put what is about to leave into the audit log, with its root when it is a result. Raises NotAvailable."""
    digest, pixels = hashlib.sha256(file).hexdigest(), pixels_hash(image.pixels)
    origin = image.origin
    if origin is None:
        ledger.log(decision("encode", "passed", picture=digest, pixels=pixels, format=format, version=__version__))
        return
    if isinstance(origin, Again):
        ledger.released(digest, pixels, origin.payload, origin.root, looks(image.pixels))
        words: dict[str, Any] = {"picture": digest, "pixels": pixels, "root": origin.root.root_sha256, "format": format}
        ledger.log(decision("encode", "passed", marked=origin.payload is not None, version=__version__, **words))
        return
    plan = origin.plan
    verdicts = (*plan.request.source.verdicts, *plan.verdicts, *image.verdicts)
    scores = {name: score for verdict in verdicts for name, score in verdict.scores.items()}
    ledger.released(digest, pixels, origin.payload, after(plan, origin.mask), looks(image.pixels))
    ledger.log(
        decision(
            "encode",
            "passed",
            scores=scores,
            picture=digest,
            pixels=pixels,
            root=plan.root.root_sha256,
            request=request_hash(plan),
            mask=mask_hash(origin.mask),
            format=format,
            reduced=plan.reduced,
            marked=origin.payload is not None,
            version=__version__,
        )
    )


def refusal(stage: str, verdict: Verdict, subject: str) -> dict[str, Any]:
    """What the audit log keeps of a refusal: the gate, its reason, its scores, and the photo's hash ("" = none)."""
    return decision(
        stage,
        "refused",
        gate=verdict.gate,
        reason=verdict.reason.removeprefix("prompt_"),
        scores=verdict.scores,
        picture=subject or None,
        version=__version__,
    )


def pixels_hash(pixels: RGB) -> str:
    """SHA-256 over the size and the bytes of a picture (H, W, 3): the same for every lossless copy."""
    contiguous = np.ascontiguousarray(pixels)
    digest = hashlib.sha256(repr(contiguous.shape).encode())
    digest.update(contiguous.data)
    return digest.hexdigest()
