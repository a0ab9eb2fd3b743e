"""The consent of the person in a photo, as the user states it: asked once per photo, bound to it, good for twelve months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

ConsentKind = Literal["self", "release", "synthetic", "licensed"]
VALID_FOR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Consent:
    """A statement about one photo. `photo_sha256` and `perceptual` (64-bit hash) bind it to the picture.

    `release_sha256` is the hash of the signed release's file (kind "release" alone). `adult_attested` is the second,
    explicit statement that the person is an adult, needed where the apparent age is unknown or under 25. `given` is UTC.
    """

    photo_sha256: str
    perceptual: int
    kind: ConsentKind
    given: datetime
    release_sha256: str | None = None
    adult_attested: bool = False

    def holds_at(self, now: datetime) -> bool:
        """Whether the statement is still good; one from the future is not (a clock set back does not renew it)."""
        return self.given <= now < self.given + VALID_FOR
