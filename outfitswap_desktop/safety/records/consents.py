"""The consents given on this machine: bound to a photo and its re-saves, sealed, good for twelve months."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from outfitswap_desktop.safety.records import schema
from outfitswap_desktop.safety.records.audit import AuditLog
from outfitswap_desktop.safety.records.chain import Row
from outfitswap_desktop.safety.records.consent import VALID_FOR, Consent
from outfitswap_desktop.safety.records.examining import read_row
from outfitswap_desktop.safety.records.keys import Secret
from outfitswap_desktop.safety.records.perceptual import distance
from outfitswap_desktop.safety.records.writer import Writer

NEAR: Final = 2
"""Of 64 bits, how many may differ between two saves of one picture.

Measured on 25 pictures: of 425 re-saves (JPEG 95-30, WebP 80-50, 25-200 %) 419 are at 0 or 2, among them all of the seven
photos of people; two different pictures are never under 16, a crop by a tenth of one side never under 6, a mirrored one never
under 22.
"""

_COLUMNS: Final = "id, photo, perceptual, kind, given, release, adult, seq, erased, mac"


@dataclass(frozen=True, slots=True)
class _Stored:
    """One row as it lies there; a tombstone has `erased` and nothing of the photo."""

    id: bytes
    photo: bytes | None
    perceptual: bytes | None
    kind: str | None
    given: int | None
    release: bytes | None
    adult: int | None
    seq: int | None
    erased: int | None
    mac: bytes

    def sealed(self, secret: Secret) -> _Stored:
        return replace(self, mac=secret.mac(*self._parts()))

    def values(self) -> tuple[Any, ...]:
        return (
            *(self.id, self.photo, self.perceptual, self.kind, self.given),
            *(self.release, self.adult, self.seq, self.erased, self.mac),
        )

    def consent(self) -> Consent | None:
        """What the row says, None for a tombstone. The seal is tested by others."""
        if self.photo is None or self.perceptual is None or self.kind is None or self.given is None:
            return None
        return Consent(
            photo_sha256=self.photo.hex(),
            perceptual=int.from_bytes(self.perceptual, "big"),
            kind=self.kind,  # type: ignore[arg-type]
            given=_time(self.given),
            release_sha256=None if self.release is None else self.release.hex(),
            adult_attested=self.adult == 1,
        )

    def _parts(self) -> tuple[bytes, ...]:
        """All but the number of the entry, which is known only once the entry that names this seal is written."""
        values = (self.photo, self.perceptual, self.kind, self.given, self.release, self.adult, self.erased)
        return (b"consent", self.id, *(repr(value).encode("ascii") for value in values))


class Consents:
    """The consents in the file of `audit`; what was never logged there, or was erased there, is no consent."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def give(self, consent: Consent) -> Consent:
        """Keep a consent; returns it as kept: one from the future, or given on a clock that was set back, is of now.

        Raises ValueError for one that makes no sense, and NotAvailable ("audit_unavailable").
        """
        _expect_sound(consent)
        return self._audit.write(lambda writer: self._insert(writer, consent))

    def find(self, sha256: str, perceptual: int) -> Consent | None:
        """A consent that holds now for the photo with this hash, or for one that it is a re-save of; the newest such.

        None when there is none, or none that can be trusted: then the user is asked again. Raises NotAvailable when the
        records cannot be read.
        """
        photo = _hash(sha256)
        if self._audit.check().damaged:
            return None
        now = _time(self._audit.now())
        with contextlib.suppress(
            TypeError, AttributeError, OverflowError, UnicodeError
        ):  # a row of other types is no consent
            for stored in self._candidates(photo, perceptual):
                consent = self._trusted(stored)
                if consent is not None and consent.holds_at(now):
                    return consent
        return None

    def erase(self, sha256: str) -> int:
        """Erase all consents for the photo with this hash, leaving tombstones; returns how many there were."""
        photo = _hash(sha256)
        return self._audit.write(
            lambda writer: self._bury(writer, _read(writer.connection, "photo = ?", (photo,)), "asked")
        )

    def sweep(self, keep: timedelta = VALID_FOR) -> int:
        """Erase the consents that were given `keep` ago or earlier, and forget tombstones of that age; returns how many.

        `keep` may be shorter than VALID_FOR, not longer (ValueError).
        """
        if not timedelta(0) <= keep <= VALID_FOR:
            raise ValueError("consents are kept for twelve months at most")
        before = self._audit.now() - int(keep.total_seconds() * 1000)
        old = "(photo IS NOT NULL AND given <= ?) OR (erased IS NOT NULL AND erased <= ?)"
        with self._audit.reading() as connection:
            if connection is None or not list(_read(connection, old, (before, before))):
                return 0

        def work(writer: Writer) -> int:
            writer.connection.execute("DELETE FROM consents WHERE erased IS NOT NULL AND erased <= ?", (before,))
            return self._bury(
                writer, _read(writer.connection, "photo IS NOT NULL AND given <= ?", (before,)), "expired"
            )

        return self._audit.write(work)

    def count(self) -> int:
        """How many consents are kept, tombstones not counted."""
        with self._audit.reading() as connection:
            if connection is None:
                return 0
            return int(connection.execute("SELECT count(*) FROM consents WHERE photo IS NOT NULL").fetchone()[0])

    def _insert(self, writer: Writer, consent: Consent) -> Consent:
        given = _milliseconds(consent.given)
        if given > writer.at or writer.was_set_back:
            given = writer.at
        kept = replace(consent, given=_time(given))
        stored = _Stored(
            id=secrets.token_bytes(16),
            photo=_hash(consent.photo_sha256),
            perceptual=consent.perceptual.to_bytes(8, "big"),
            kind=consent.kind,
            given=given,
            release=None if consent.release_sha256 is None else _hash(consent.release_sha256),
            adult=int(consent.adult_attested),
            seq=None,
            erased=None,
            mac=b"",
        ).sealed(writer.secret)
        event = {
            "kind": "consent_given",
            "consent": stored.id.hex(),
            "digest": stored.mac.hex(),
            "basis": consent.kind,
            "adult": consent.adult_attested,
        }
        seq = writer.add(event, ref=stored.id).seq
        _put(writer.connection, replace(stored, seq=seq))
        return kept

    def _bury(self, writer: Writer, found: Iterator[_Stored], why: str) -> int:
        count = 0
        for stored in list(found):
            event = {"kind": "consent_erased", "consent": stored.id.hex(), "why": why}
            writer.add(event, ref=stored.id)
            nothing = (None,) * 7
            _put(writer.connection, _Stored(stored.id, *nothing, writer.at, b"").sealed(writer.secret))
            count += 1
        return count

    def _candidates(self, photo: bytes, perceptual: int) -> list[_Stored]:
        """Rows for that very file, newest first, then rows for pictures that look the same, newest first."""
        with self._audit.reading() as connection:
            if connection is None:
                return []
            exact = list(_read(connection, "photo = ?", (photo,)))
            others = _read(connection, "photo IS NOT NULL AND photo <> ?", (photo,))
            alike = [
                one for one in others if distance(int.from_bytes(one.perceptual or b"", "big"), perceptual) <= NEAR
            ]
        return [*_newest_first(exact), *_newest_first(alike)]

    def _trusted(self, stored: _Stored) -> Consent | None:
        """The consent of a row, None unless its seal, the entry that logged it, and the absence of a later one say so."""
        with self._audit.reading() as connection:
            row = None if connection is None or stored.seq is None else read_row(connection, stored.seq)
            latest = self._audit.find("ref", stored.id)
            if row is None or latest is None or latest.seq != row.seq or not self._audit.is_genuine(row):
                return None
            secret = self._audit.secret_of(row)
            if secret is None or stored.sealed(secret).mac != stored.mac or not _names(row, stored):
                return None
        return stored.consent()


def _names(row: Row, stored: _Stored) -> bool:
    """Whether the entry is the one that logged this consent, and no other."""
    import json

    body = json.loads(row.body)
    return (body["kind"], body.get("consent"), body.get("digest")) == (
        "consent_given",
        stored.id.hex(),
        stored.mac.hex(),
    )


def _read(connection: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> Iterator[_Stored]:
    for row in connection.execute(f"SELECT {_COLUMNS} FROM consents WHERE {where}", values):
        yield _Stored(*row)


def _put(connection: sqlite3.Connection, stored: _Stored) -> None:
    connection.execute(
        f"INSERT OR REPLACE INTO consents ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", stored.values()
    )


def _newest_first(rows: list[_Stored]) -> list[_Stored]:
    return sorted(rows, key=lambda one: one.seq or 0, reverse=True)


def _expect_sound(consent: Consent) -> None:
    _hash(consent.photo_sha256)
    if consent.kind not in schema.CONSENT_KINDS:
        raise ValueError("no such kind of consent")
    if (consent.kind == "release") != (consent.release_sha256 is not None):
        raise ValueError("a signed release, and nothing else, comes with the hash of its file")
    if consent.release_sha256 is not None:
        _hash(consent.release_sha256)
    if not 0 <= consent.perceptual < 2**64:
        raise ValueError("a fingerprint has 64 bits")
    if consent.given.tzinfo is None:
        raise ValueError("the time of a consent is in UTC")


def _hash(sha256: str) -> bytes:
    if not schema.SHA256(sha256):
        raise ValueError("a SHA-256 has 64 hexadecimal digits, in lower case")
    return bytes.fromhex(sha256)


def _milliseconds(time: datetime) -> int:
    return max(0, int(time.timestamp() * 1000))


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
