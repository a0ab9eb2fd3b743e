"""A ladder of segmenters, best first: the first that can do the work does it, and the reasons of the others are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.steps import Segmenter
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import NobodyFound, NotAvailable

FINAL_REASONS = frozenset({"no_such_person", "no_such_zone"})
"""Answers about the photo that a weaker segmenter must not overrule."""


class Ladder:
    """Tries its segmenters in order; remembers the last answer, so that several outfits on one photo are parsed once."""

    name = "ladder"

    def __init__(self, segmenters: Sequence[Segmenter]) -> None:
        if not segmenters:
            raise ValueError("a ladder needs at least one segmenter")
        self._segmenters = tuple(segmenters)
        self._last: tuple[tuple[bytes, int | None, frozenset[Zone] | None], Segmentation] | None = None

    def segment(
        self, photo: RGB, *, person: int | None, zones: frozenset[Zone] | None, cancel: CancelToken
    ) -> Segmentation:
        """As Segmenter.segment; raises NobodyFound with the way out when every segmenter gave up."""
        key = (hashlib.blake2b(photo.data, digest_size=16).digest() + repr(photo.shape).encode(), person, zones)
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        self._last = None  # a photo of 12 MP has 130 MB of masks: those of the one before go first
        found = self._climb(photo, person, zones=zones, cancel=cancel)
        self._last = (key, found)
        return found

    def _climb(
        self, photo: RGB, person: int | None, *, zones: frozenset[Zone] | None, cancel: CancelToken
    ) -> Segmentation:
        given_up: dict[str, list[str]] = {}
        for segmenter in self._segmenters:
            cancel.check()
            try:
                found = segmenter.segment(photo, person=person, zones=zones, cancel=cancel)
            except (NobodyFound, NotAvailable) as problem:
                if problem.reason in FINAL_REASONS:
                    raise
                given_up.setdefault(problem.message, []).append(segmenter.name)
                continue
            return replace(found, fallbacks=(*_sentences(given_up), *found.fallbacks))
        raise NobodyFound(
            "No person was found in the photo.",
            reason="nobody_found",
            hint="Draw the garment yourself and pass it with --mask MASK.png. Tried: " + " ".join(_sentences(given_up)),
        )


def _sentences(given_up: Mapping[str, Sequence[str]]) -> list[str]:
    """One sentence for each reason, after the names of all segmenters that gave it."""
    return [f"{', '.join(names)}: {message}" for message, names in given_up.items()]
