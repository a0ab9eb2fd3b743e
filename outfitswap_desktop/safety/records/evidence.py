"""What the root of a chain of edits showed, in numbers: what every later result is judged against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class RootEvidence:
    """The root picture as judged once: no pixels, no names.

    `root_sha256` of its file, `size` (width, height), `scores` of every NudeNet class (the highest over the looks taken),
    `nsfw` of OpenNSFW, and per person that was worked on a `subjects` document (people.subject: polygons, skin model, shares).
    `alike`: it was found by looks alone, so that it may be another picture's.
    """

    root_sha256: str
    size: tuple[int, int]
    scores: Mapping[str, float]
    nsfw: float
    subjects: tuple[Mapping[str, Any], ...] = ()
    alike: bool = False
