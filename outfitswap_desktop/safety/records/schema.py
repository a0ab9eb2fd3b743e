"""What may stand in the audit log: kinds of events with fixed fields, so that no picture, prompt, name or path fits in."""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

MOST_BYTES: Final = 131_072
"""Longest body of one entry."""

MOST_DEPTH: Final = 6
"""How deep the documents of a root's subjects may be nested."""

PRINT_SIDE: Final = 192
"""Most places along a side of a subject's print of folds, whose signs are the one text in such a document."""

STAGES: Final = frozenset({"source", "request", "plan", "output", "encode", "export"})
OUTCOMES: Final = frozenset({"passed", "refused", "failed", "cancelled"})
ROLES: Final = frozenset({"photo", "garment", "fabric", "mask", "outline", "control"})
SYSTEMS: Final = frozenset({"linux", "windows", "darwin", "other"})
PLACES: Final = frozenset({"keyring", "passphrase", "file", "memory"})
FORMATS: Final = frozenset({"PNG", "JPEG", "WEBP"})
CONSENT_KINDS: Final = frozenset({"self", "release", "synthetic", "licensed"})
CONSENT_ENDS: Final = frozenset({"asked", "expired"})
STORES: Final = frozenset({"history", "thumbnails", "results", "cache", "working", "settings"})
OTHER: Final = "other"
"""Stands for a word that the log does not know."""

GATES: Final = frozenset(
    {
        *("file_limits", "exposure", "source_whole_image"),
        *("request_shape", "prompt", "consent"),
        *("person", "mask", "target", "close_up", "apparent_age"),
        *("frame", "body_parts", "whole_image", "difference", "skin"),
        *("marks", "lineage", "audit", OTHER),
    }
)
REASONS: Final = frozenset(
    {
        *("unreadable", "format", "too_small", "too_large", "source_nudity", "garment_exposure", "two_tones"),
        *("nudity", "undressing", "underwear", "lingerie", "swimwear", "sheer", "wet", "body_paint", "minors"),
        *("sexual", "violence", "real_person", "unknown_word", "not_clothing", "too_long", "empty", "bad_prompt"),
        *("consent_needed", "consent_missing", "consent_expired", "adult_attestation_needed", "apparent_minor"),
        *(
            "person_needed",
            "mask_empty",
            "mask_too_large",
            "mask_protected",
            "mask_pixels",
            "mask_shape",
            "mask_changed",
        ),
        *("erase_refused", "target_bare", "target_uncovers", "output_malformed", "outside_changed", "output_nudity"),
        *("output_reveals", "output_skin", "output_unjudged", "unjudged", "gates_incomplete"),
        *("detector_missing", "detector_changed", "policy_broken", "marks_failed"),
        *("root_unknown", "root_unfit", "lineage_damaged"),
        *("prompt_too_long", "prompt_empty", "mask_size", "mask_outside", "output_like_skin", "source_underwear"),
        *("audit_unavailable", "read_only", "disk_full", "not_saved", OTHER),
    }
)
NUDENET: Final = (
    *("FEMALE_GENITALIA_COVERED", "FACE_FEMALE", "BUTTOCKS_EXPOSED", "FEMALE_BREAST_EXPOSED"),
    *("FEMALE_GENITALIA_EXPOSED", "MALE_BREAST_EXPOSED", "ANUS_EXPOSED", "FEET_EXPOSED", "BELLY_COVERED"),
    *("FEET_COVERED", "ARMPITS_COVERED", "ARMPITS_EXPOSED", "FACE_MALE", "BELLY_EXPOSED", "MALE_GENITALIA_EXPOSED"),
    *("ANUS_COVERED", "FEMALE_BREAST_COVERED", "BUTTOCKS_COVERED"),
)
"""The detector's classes, by hand: importing it would load OpenCV (a test compares the two)."""

SCORES: Final = frozenset(
    {
        *NUDENET,
        *("nsfw", "megapixels", "two_tones", "reduced_evidence", "mask_fraction", "outside_mask_changed_pixels"),
        *("chest_hip", "shoulders", "upper_arms", "forearms", "thighs", "knees", "shins", "skin_distance"),
        *("age_median", "age_minor", "age_spread", "age_looks", "beyond_zone", "protected", "covered"),
    }
)
WEIGHTS: Final = frozenset({"nudenet", "opennsfw", "age", "landmarks"})

_HEX: Final = re.compile(r"[0-9a-f]+")
_VERSION: Final = re.compile(r"[0-9]+(\.[0-9]+){0,3}((a|b|rc|\.dev|\.post)[0-9]+)?")
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,31}")

Check = Callable[[Any], bool]


def _hexadecimal(count: int) -> Check:
    return lambda value: isinstance(value, str) and len(value) == 2 * count and _HEX.fullmatch(value) is not None


def _one_of(words: frozenset[str]) -> Check:
    return lambda value: isinstance(value, str) and value in words


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _share(value: Any) -> bool:
    return _number(value) and 0.0 <= value <= 1.0


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _version(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 24 and _VERSION.fullmatch(value) is not None


def _table(words: frozenset[str], check: Check) -> Check:
    return lambda value: (
        isinstance(value, Mapping)
        and all(isinstance(key, str) and key in words and check(one) for key, one in value.items())
    )


def _size(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(_count(one) and one > 0 for one in value)


def _numbers_only(value: Any, depth: int = 0) -> bool:
    """Whether a document holds numbers, flags and None alone (and a print of folds), in lists and in tables with plain keys."""
    if value is None or isinstance(value, bool) or _number(value):
        return True
    if depth >= MOST_DEPTH:
        return False
    if isinstance(value, Mapping):
        if set(value) == {"size", "signs"}:
            return _print_of_folds(value["size"], value["signs"])
        return all(
            isinstance(key, str) and _KEY.fullmatch(key) is not None and _numbers_only(one, depth + 1)
            for key, one in value.items()
        )
    return isinstance(value, list | tuple) and all(_numbers_only(one, depth + 1) for one in value)


def _print_of_folds(size: Any, signs: Any) -> bool:
    """Whether `signs` is what people.folds writes in its size: packed pairs of bits, 0..3, one for each place."""
    if not _size(size) or max(size) > PRINT_SIDE or not isinstance(signs, str):
        return False
    count = -(-size[0] * size[1] // 4)
    reader = zlib.decompressobj()
    try:
        packed = reader.decompress(base64.b64decode(signs, validate=True), count + 1)
    except (ValueError, zlib.error):
        return False
    return reader.eof and not reader.unused_data and len(packed) == count


def _subjects(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, Mapping) and _numbers_only(one) for one in value)


def _root(value: Any) -> bool:
    return isinstance(value, Mapping) and not _faults(value, _ROOT)


SHA256: Final[Check] = _hexadecimal(32)
MARK: Final[Check] = _hexadecimal(6)
ID: Final[Check] = _hexadecimal(16)
LOOKS: Final[Check] = _hexadecimal(32)

_ROOT: Final[Mapping[str, tuple[bool, Check]]] = {
    "root_sha256": (True, SHA256),
    "size": (True, _size),
    "scores": (True, _table(SCORES, _share)),
    "nsfw": (True, _share),
    "subjects": (True, _subjects),
}

NEEDED, OPTIONAL = True, False
OPEN: Final[Mapping[str, Mapping[str, tuple[bool, Check]]]] = {
    "started": {
        "version": (NEEDED, _version),
        "python": (OPTIONAL, _version),
        "system": (OPTIONAL, _one_of(SYSTEMS)),
        "place": (OPTIONAL, _one_of(PLACES)),
        "weights": (OPTIONAL, _table(WEIGHTS, SHA256)),
    },
    "decision": {
        "stage": (NEEDED, _one_of(STAGES)),
        "outcome": (NEEDED, _one_of(OUTCOMES)),
        "role": (OPTIONAL, _one_of(ROLES)),
        "gate": (OPTIONAL, _one_of(GATES)),
        "reason": (OPTIONAL, _one_of(REASONS)),
        "scores": (OPTIONAL, _table(SCORES, _number)),
        "picture": (OPTIONAL, SHA256),
        "pixels": (OPTIONAL, SHA256),
        "root": (OPTIONAL, SHA256),
        "request": (OPTIONAL, SHA256),
        "mask": (OPTIONAL, SHA256),
        "consent": (OPTIONAL, ID),
        "format": (OPTIONAL, _one_of(FORMATS)),
        "reduced": (OPTIONAL, _flag),
        "marked": (OPTIONAL, _flag),
        "milliseconds": (OPTIONAL, _count),
        "version": (OPTIONAL, _version),
    },
    "erased": {"store": (NEEDED, _one_of(STORES)), "files": (NEEDED, _count), "bytes": (OPTIONAL, _count)},
    "exported": {"store": (NEEDED, _one_of(STORES)), "files": (NEEDED, _count), "bytes": (OPTIONAL, _count)},
    "swept": {"files": (NEEDED, _count), "consents": (NEEDED, _count)},
}
"""What any part of the safety room may log, field by field: whether it is needed, and what it must be."""

SEGMENT_REASONS: Final = frozenset(
    {"first", "key_changed", "head_damaged", "rolled_back", "log_missing", "log_damaged", "anchor_missing"}
)

OWN: Final[Mapping[str, Mapping[str, tuple[bool, Check]]]] = {
    "segment": {
        "reason": (NEEDED, _one_of(SEGMENT_REASONS)),
        "before_seq": (NEEDED, _count),
        "before_hash": (NEEDED, SHA256),
        "key": (NEEDED, _hexadecimal(8)),
    },
    "checkpoint": {
        "pruned_to": (NEEDED, _count),
        "hash": (NEEDED, SHA256),
        "rows": (NEEDED, _count),
        "whole": (NEEDED, _flag),
    },
    "consent_given": {
        "consent": (NEEDED, ID),
        "digest": (NEEDED, SHA256),
        "basis": (NEEDED, _one_of(CONSENT_KINDS)),
        "adult": (NEEDED, _flag),
    },
    "consent_erased": {"consent": (NEEDED, ID), "why": (NEEDED, _one_of(CONSENT_ENDS))},
    "released": {
        "result": (NEEDED, SHA256),
        "pixels": (NEEDED, SHA256),
        "mark": (OPTIONAL, MARK),
        "looks": (OPTIONAL, LOOKS),
        "root": (NEEDED, _root),
    },
}
"""What the records write of themselves; `AuditLog.append` takes none of these."""

ALL: Final[Mapping[str, Mapping[str, tuple[bool, Check]]]] = {**OPEN, **OWN}

STAMP: Final[Mapping[str, tuple[bool, Check]]] = {"at": (NEEDED, _count), "clock": (OPTIONAL, _count)}
"""Added by the log: milliseconds since 1970, UTC; `clock` is what the machine's clock said when it had been set back."""


class EventRefusedError(ValueError):
    """An event that does not fit the schema: it may carry what must not be in the log. The message names fields, no values."""


class EventTooLargeError(EventRefusedError):
    """An event of more than MOST_BYTES: it fits the schema, but no entry."""


def _faults(body: Mapping[str, Any], fields: Mapping[str, tuple[bool, Check]]) -> list[str]:
    found = [name for name, (needed, _) in fields.items() if needed and name not in body]
    for name, value in body.items():
        if name not in fields:
            found.append("a field that is not in the schema")
        elif not fields[name][1](value):
            found.append(name)
    return found


def check(event: Mapping[str, Any], *, kinds: Mapping[str, Mapping[str, tuple[bool, Check]]] = OPEN) -> None:
    """Raise EventRefusedError unless `event` is one of `kinds`, with all needed fields, no other, each of its type."""
    if not isinstance(event, Mapping) or not isinstance(event.get("kind"), str) or event["kind"] not in kinds:
        raise EventRefusedError("no such kind of event may be logged")
    found = _faults({name: value for name, value in event.items() if name != "kind"}, kinds[event["kind"]])
    if found:
        raise EventRefusedError(f"an event of kind {event['kind']!r} may not be logged: {', '.join(found)}")


def canonical(body: Mapping[str, Any]) -> bytes:
    """The one JSON text of a body: ASCII, keys sorted, no spaces. Raises EventRefusedError over MOST_BYTES."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_plain)
    data = text.encode("ascii")
    if len(data) > MOST_BYTES:
        raise EventTooLargeError(f"an entry of the audit log may have {MOST_BYTES} bytes at most")
    return data


def _plain(value: object) -> Any:
    """Mappings that are not dictionaries (read-only ones), for json."""
    if isinstance(value, Mapping):
        return dict(value)
    raise EventRefusedError("an event holds something that is not JSON")


def decision(
    stage: str,
    outcome: str,
    *,
    gate: str = "",
    reason: str = "",
    scores: Mapping[str, float] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """An event of kind "decision" from what a gate said, ready for the log.

    A gate or reason that the log does not know becomes "other" and a score that it does not know is left out, so that no new
    word of a gate can keep a decision from being logged. `fields` are the further ones of the schema; None leaves one out.
    """
    event: dict[str, Any] = {"kind": "decision", "stage": stage, "outcome": outcome}
    if gate:
        event["gate"] = gate if gate in GATES else OTHER
    if reason:
        event["reason"] = reason if reason in REASONS else OTHER
    kept = {name: score for name, score in (scores or {}).items() if name in SCORES and _number(score)}
    if kept:
        event["scores"] = kept
    event.update({name: value for name, value in fields.items() if value is not None})
    return event
