"""A segmenter whose last answer is kept for as long as several rungs of a ladder need it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.steps import Segmenter
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import KnownError

_ASKED = tuple[int | None, frozenset[Zone] | None]


class Remembered:
    """A segmenter that keeps its last answer, or why it had none: the rungs of a ladder share one parse of a photo."""

    def __init__(self, inner: Segmenter) -> None:
        self._inner = inner
        self.name = inner.name
        self._last: tuple[tuple[bytes, tuple[int, ...], _ASKED], Segmentation | KnownError] | None = None

    def segment(
        self, photo: RGB, *, person: int | None, zones: frozenset[Zone] | None, cancel: CancelToken
    ) -> Segmentation:
        """As core.steps.Segmenter.segment."""
        digest = hashlib.blake2b(np.ascontiguousarray(photo).data, digest_size=16).digest()
        key = (digest, photo.shape, (person, zones))
        if self._last is None or self._last[0] != key:
            self._last = None  # the masks of the photo before go first
            try:
                self._last = key, self._inner.segment(photo, person=person, zones=zones, cancel=cancel)
            except KnownError as problem:
                self._last = key, problem
        found = self._last[1]
        if isinstance(found, KnownError):
            raise found
        return found

    def forget(self) -> None:
        """Drop the last answer."""
        self._last = None

    def close(self) -> None:
        """Drop the last answer, and what the segmenter itself holds where it can give that back."""
        self.forget()
        closing: Callable[[], None] | None = getattr(self._inner, "close", None)
        if closing is not None:
            closing()
