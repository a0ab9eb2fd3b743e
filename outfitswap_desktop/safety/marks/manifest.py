"""The C2PA manifest: signed into a finished file, and read back with what its signature and hashes are worth.

It names the program and its version, the kind of making, and the result's id; no thumbnail, title of the user's, prompt, path,
person or time. The signature covers every byte of the file but the store of manifests itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, Literal

from outfitswap_desktop import __version__
from outfitswap_desktop.core.container import PictureFormat
from outfitswap_desktop.safety.marks import native, xmp
from outfitswap_desktop.safety.marks.certificate import Certificate

GENERATOR: Final = "OutfitSwap Desktop"
FACTS: Final = ("result", "mark", "engine", "kind")
"""All that may be said: the result's id, the invisible mark's payload in hexadecimal digits, the engine's name, the kind of
picture (result, contact_sheet ...). Each is one word; "result" is required."""

State = Literal["absent", "invalid", "valid, not trusted"]

_TYPES: Final[Mapping[PictureFormat, str]] = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_OURS: Final = "outfitswap:"
_PARENT: Final = "parent"
_UNTRUSTED: Final = "signingCredential.untrusted"
_SIGNED: Final = "claimSignature.validated"
_BOUND: Final = frozenset({"assertion.dataHash.match", "assertion.boxesHash.match"})
_LOOSE: Final = "assertion.dataHash.additionalExclusionsPresent"
_THUMBNAIL: Final = "c2pa.thumbnail"
_POSITION: Final = '"exif:GPS'


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A picture that the file was made from, as its manifest tells it; `valid` of its own manifest when it was taken in."""

    title: str
    relationship: str
    has_manifest: bool
    valid: bool
    reason: str
    generator: str

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class ManifestReading:
    """What a file's active manifest says, and what that is worth.

    `valid`: the signature and all hashes hold. `trusted` is never true: no list of trusted makers is shipped. `this_install`:
    signed by this install's certificate; None when that certificate was not at hand or the manifest is not valid. `reason` is
    C2PA's own word for what is wrong ("assertion.dataHash.mismatch"), "signingCredential.untrusted" where nothing is.
    """

    present: bool = False
    valid: bool = False
    trusted: bool = False
    this_install: bool | None = None
    state: State = "absent"
    reason: str = "manifest.absent"
    source_type: str | None = None
    generator: str | None = None
    result: str | None = None
    mark: str | None = None
    ingredients: tuple[Ingredient, ...] = ()


_UNREADABLE: Final = ManifestReading(present=True, state="invalid", reason="manifest.unreadable")


def sign(
    file: bytes,
    format: PictureFormat,
    *,
    certificate: Certificate,
    facts: Mapping[str, str],
    source: bytes | None = None,
) -> bytes:
    """`file` with a manifest signed by `certificate`; `facts` has keys of FACTS, one word each.

    `source` are the bytes of the photo's file: where it has a manifest of its own, that becomes the parent, with its own state
    of validation, without its thumbnails and positions. Raises ValueError for facts that may not be said (our bug),
    NotAvailable ("marks_failed") when the library fails.
    """
    made = _said(facts)
    parent = _parent(source)
    actions: list[dict[str, Any]]
    if parent is None:
        actions = [{"action": "c2pa.created", **made}]
        definition: dict[str, Any] = {}
    else:
        opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [_PARENT]}}
        actions = [opened, *(_redacted(place) for place in parent.private), {"action": "c2pa.edited", **made}]
        definition = {"redactions": list(parent.private)} if parent.private else {}
    definition |= {
        "claim_generator_info": [{"name": GENERATOR, "version": __version__}],
        "title": "OutfitSwap result",
        "assertions": [{"label": "c2pa.actions.v2", "created": True, "data": {"actions": actions}}],
    }
    c2pa = native.library()
    signed = BytesIO()
    try:
        info = c2pa.C2paSignerInfo(certificate.algorithm, certificate.chain, certificate.key, None)
        with native.context() as settings, c2pa.Signer.from_info(info) as signer:
            builder = c2pa.Builder(definition, settings)
            if parent is not None:
                about = {"title": "Source photo", "relationship": "parentOf", "label": _PARENT}
                builder.add_ingredient(about, parent.type, BytesIO(parent.file))
            builder.sign(signer, _TYPES[format], BytesIO(file), signed)
    except c2pa.C2paError as problem:
        raise native.failed("the manifest could not be signed") from problem
    return signed.getvalue()


def read(file: bytes, format: PictureFormat, *, certificate: Certificate | None = None) -> ManifestReading:
    """The active manifest of `file`; never raises for what the file holds, and opens no connection for it."""
    c2pa = native.library()
    try:
        anchor = None if certificate is None else certificate.root
        with (
            native.context(anchor=anchor) as settings,
            c2pa.Reader(_TYPES[format], BytesIO(file), context=settings) as reader,
        ):
            return _reading(json.loads(reader.json()), known=certificate is not None)
    except c2pa.C2paError as problem:
        return _unread(c2pa, problem)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):  # a document of an unknown shape
        return _UNREADABLE


def _unread(c2pa: Any, problem: Exception) -> ManifestReading:
    if isinstance(problem, c2pa.C2paError.ManifestNotFound):
        return ManifestReading()
    if str(problem).startswith("Remote"):
        return ManifestReading(reason="manifest.remote")
    return _UNREADABLE


def _reading(document: Mapping[str, Any], *, known: bool) -> ManifestReading:
    manifest = document["manifests"][document["active_manifest"]]
    results = document["validation_results"]["activeManifest"]
    failures, good, notes = (_codes(results, kind) for kind in ("failure", "success", "informational"))
    wrong = sorted(failures - {_UNTRUSTED})
    if not wrong and (_SIGNED not in good or not good & _BOUND):
        wrong = ["manifest.unbound"]
    if not wrong and _LOOSE in notes:
        wrong = [_LOOSE]
    if not wrong and document["validation_state"] not in {"Valid", "Trusted"}:
        wrong = ["manifest.invalid"]
    valid = not wrong
    ours = document["validation_state"] == "Trusted" if known and valid else None
    actions = [action for part in manifest.get("assertions", ()) for action in _actions(part)]
    kinds = [action["digitalSourceType"] for action in actions if "digitalSourceType" in action]
    said = {key: word for action in actions for key, word in (action.get("parameters") or {}).items()}
    return ManifestReading(
        present=True,
        valid=valid,
        this_install=ours,
        state="valid, not trusted" if valid else "invalid",
        reason=_UNTRUSTED if valid else ", ".join(wrong),
        source_type=str(kinds[-1]) if kinds else None,
        generator=_generator(manifest),
        result=_word(said.get(f"{_OURS}result")),
        mark=_word(said.get(f"{_OURS}mark")),
        ingredients=tuple(_ingredient(part, document) for part in manifest.get("ingredients", ())),
    )


def _codes(results: Mapping[str, Any], kind: str) -> set[str]:
    return {str(status["code"]) for status in results.get(kind, ())}


def _actions(assertion: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if not str(assertion.get("label", "")).startswith("c2pa.actions"):
        return []
    data = assertion.get("data")
    return list(data.get("actions", ())) if isinstance(data, dict) else []


def _generator(manifest: Mapping[str, Any]) -> str | None:
    """Name and version of the program that signed."""
    about = manifest.get("claim_generator_info") or [{"name": manifest.get("claim_generator")}]
    words = [str(about[0][key]) for key in ("name", "version") if about[0].get(key)]
    return " ".join(words) or None


def _word(said: Any) -> str | None:
    return said if isinstance(said, str) and xmp.is_word(said) else None


def _ingredient(part: Mapping[str, Any], document: Mapping[str, Any]) -> Ingredient:
    label = part.get("active_manifest")
    results = (part.get("validation_results") or {}).get("activeManifest") or {}
    wrong = sorted(_codes(results, "failure") - {_UNTRUSTED})
    valid = label is not None and not wrong and _SIGNED in _codes(results, "success")
    own = document["manifests"].get(label) if label is not None else None
    return Ingredient(
        title=str(part.get("title", "")),
        relationship=str(part.get("relationship", "")),
        has_manifest=label is not None,
        valid=valid,
        reason=", ".join(wrong) or (_UNTRUSTED if valid else "manifest.absent"),
        generator=(_generator(own) if own else None) or "",
    )


def _said(facts: Mapping[str, str]) -> dict[str, Any]:
    """What our action says, beside its name."""
    if "result" not in facts or not set(facts) <= set(FACTS) or not all(map(xmp.is_word, facts.values())):
        raise ValueError(f"a manifest says the result's id and at most {FACTS}, one word each")
    return {
        "digitalSourceType": xmp.COMPOSITE,
        "softwareAgent": {"name": GENERATOR, "version": __version__},
        "parameters": {f"{_OURS}{name}": facts[name] for name in FACTS if name in facts},
    }


def _redacted(place: str) -> dict[str, Any]:
    return {"action": "c2pa.redacted", "reason": "c2pa.PII.present", "parameters": {"redacted": place}}


@dataclass(frozen=True, slots=True)
class _Parent:
    """The source's file with a manifest; `private` are the places of what must not travel on in it."""

    file: bytes
    type: str
    private: tuple[str, ...]


def _parent(source: bytes | None) -> _Parent | None:
    """None for a source without a manifest of its own, or with one that cannot even be read."""
    if source is None or (kind := _type_of(source)) is None:
        return None
    c2pa = native.library()
    try:
        with native.context() as settings, c2pa.Reader(kind, BytesIO(source), context=settings) as reader:
            document = json.loads(reader.detailed_json())
    except c2pa.C2paError:
        return None
    return _Parent(source, kind, tuple(_private(document)))


def _type_of(file: bytes) -> str | None:
    for magic, format in ((b"\xff\xd8", "JPEG"), (b"\x89PNG", "PNG"), (b"RIFF", "WEBP")):
        if file.startswith(magic):
            return _TYPES[format]  # type: ignore[index]
    return None


def _private(document: Mapping[str, Any]) -> Iterator[str]:
    """Thumbnails (the unedited photo, small) and positions in any manifest of the source's store."""
    for label, manifest in document["manifests"].items():
        for name, content in manifest.get("assertion_store", {}).items():
            if name.startswith(_THUMBNAIL) or _POSITION in json.dumps(content):
                yield f"self#jumbf=/c2pa/{label}/c2pa.assertions/{name}"
