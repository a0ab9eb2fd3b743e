"""What released pictures came from: each is logged with its root's evidence and found again by file, by pixels, or by mark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from outfitswap_desktop.errors import GateRefused, NotAvailable
from outfitswap_desktop.safety.records import database, schema
from outfitswap_desktop.safety.records.audit import AuditLog
from outfitswap_desktop.safety.records.chain import Row
from outfitswap_desktop.safety.records.evidence import RootEvidence

ALIKE: Final = 40
"""Bits of 256 in which a picture may differ from a released one and still be taken for it: see perceptual.looks."""


class Lineage:
    """The released pictures in `audit`."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def released(
        self,
        result_sha256: str,
        pixels_sha256: str,
        *,
        mark: bytes | None,
        root: RootEvidence,
        looks: bytes | None = None,
    ) -> int:
        """Log a released picture: hash of its file, of its pixels, its mark (6 bytes) if it carries one, and its root.

        `looks` is its fingerprint (perceptual.looks), by which it is found when it was saved again without all else.

        Returns the entry's number. Raises EventRefusedError when something else than numbers and hashes would be written,
        and NotAvailable ("audit_unavailable", "record_too_large"): then it must not be released.
        """
        event: dict[str, Any] = {
            "kind": "released",
            "result": result_sha256,
            "pixels": pixels_sha256,
            "root": _document(root),
        }
        if mark is not None:
            event["mark"] = mark.hex()
        if looks is not None:
            event["looks"] = looks.hex()
        schema.check(event, kinds=schema.OWN)
        result, pixels = bytes.fromhex(result_sha256), bytes.fromhex(pixels_sha256)
        try:
            return self._audit.write(
                lambda writer: writer.add(event, ref=looks, result=result, pixels=pixels, mark=mark).seq
            )
        except schema.EventTooLargeError as problem:
            raise NotAvailable(
                "What must be kept of the picture that this result came from does not fit into the audit log.",
                reason="record_too_large",
                hint="Nothing was saved. Open the original photo, and change fewer people in one picture.",
            ) from problem

    def root_of(self, *, file_sha256: str, pixels_sha256: str, mark: bytes | None) -> RootEvidence | None:
        """The root's evidence of a picture that was released here, None for a picture that was not.

        Looked up by the file's hash, the pixels' hash and the mark, in this order. Raises GateRefused ("lineage_damaged") when
        what is found was changed, or when nothing is found in a log that was tampered with, so that nobody can tell; and
        NotAvailable ("audit_unavailable") when the log cannot be read.
        """
        looked = (("result", bytes.fromhex(file_sha256)), ("pixels", bytes.fromhex(pixels_sha256)), ("mark", mark))
        row = self._first(looked)
        if row is not None:
            return self._evidence(row)
        if self._audit.check().damaged:
            raise _damaged()
        return None

    def root_of_file(self, sha256: str) -> RootEvidence | None:
        """The root's evidence of a file that was released here, by the hash of its bytes alone; None for any other."""
        row = self._first((("result", bytes.fromhex(sha256)),))
        return None if row is None else self._evidence(row)

    def root_like(self, looks: bytes) -> RootEvidence | None:
        """The root's evidence of the released picture that looks most like this one (ALIKE), None when none does.

        Raises as `root_of` does, but does not look through the whole log: what is not found there was not found here.
        """
        try:
            row = self._audit.most_like(looks, ALIKE)
        except database.LogDamagedError as problem:
            raise _damaged() from problem
        return None if row is None else replace(self._evidence(row), alike=True)

    def known_ours(self, mark: bytes) -> bool:
        """Whether a picture with this mark was released here; raises GateRefused when its entry was changed."""
        row = self._first((("mark", mark),))
        if row is None:
            return False
        self._evidence(row)
        return True

    def _first(self, looked: tuple[tuple[str, bytes | None], ...]) -> Row | None:
        """The newest entry of the first of `looked` that has one; a file that is damaged as such has none."""
        try:
            for column, value in looked:
                row = None if value is None else self._audit.find(column, value)
                if row is not None:
                    return row
        except database.LogDamagedError as problem:
            raise _damaged() from problem
        return None

    def _evidence(self, row: Row) -> RootEvidence:
        """The root that an entry names, once its seal, its hash, its link and its columns have been tested."""
        try:
            if not self._audit.is_genuine(row):
                raise _damaged()
            body = json.loads(row.body)
            event = {name: value for name, value in body.items() if name not in schema.STAMP}
            schema.check(event, kinds=schema.OWN)
            if event["kind"] != "released" or not _is_filed(row, event):
                raise _damaged()
        except (database.LogDamagedError, ValueError, TypeError, AttributeError, OverflowError) as problem:
            raise _damaged() from problem
        return _root(event["root"])


def _is_filed(row: Row, event: Mapping[str, Any]) -> bool:
    """Whether the columns that a picture is found by are those of the body."""
    columns = (row.result, row.pixels, row.mark, row.ref)
    names = ("result", "pixels", "mark", "looks")
    return all(
        (None if value is None else value.hex()) == event.get(name) for name, value in zip(names, columns, strict=True)
    )


def _document(root: RootEvidence) -> dict[str, Any]:
    """Evidence as JSON: numbers, and the hash of the root."""
    return {
        "root_sha256": root.root_sha256,
        "size": list(root.size),
        "scores": dict(root.scores),
        "nsfw": root.nsfw,
        "subjects": list(root.subjects),
    }


def _root(document: Mapping[str, Any]) -> RootEvidence:
    width, height = document["size"]
    return RootEvidence(
        root_sha256=document["root_sha256"],
        size=(width, height),
        scores=document["scores"],
        nsfw=document["nsfw"],
        subjects=tuple(document["subjects"]),
    )


def _damaged() -> GateRefused:
    return GateRefused(
        "The records of what was made here have been changed or lost, so nobody can tell what this picture came from.",
        reason="lineage_damaged",
        hint="`outfitswap audit verify` says what is wrong; `outfitswap history erase` begins anew, without the old records.",
    )
