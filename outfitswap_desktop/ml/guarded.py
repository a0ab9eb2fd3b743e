"""The embedded parse with a face network beside it, for machines that have one and no garment detector."""

from __future__ import annotations

import time
from dataclasses import replace

from outfitswap_desktop.core.arrays import RGB
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import Segmentation
from outfitswap_desktop.core.steps import Segmenter
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.guard import HeadGuard

FACES_RUNG = "parse+faces"


class GuardedParse:
    """Segmenter: what `parse` finds, with the heads kept out that `guard` finds."""

    def __init__(self, parse: Segmenter, guard: HeadGuard) -> None:
        self.name = FACES_RUNG
        self._parse = parse
        self._guard = guard

    def segment(
        self, photo: RGB, *, person: int | None, zones: frozenset[Zone] | None, cancel: CancelToken
    ) -> Segmentation:
        """See core.steps.Segmenter; NotAvailable when the face network cannot be loaded."""
        if not self._guard.prepare():
            raise NotAvailable("no face network could be loaded.", reason="weights_missing")
        found = self._parse.segment(photo, person=person, zones=zones, cancel=cancel)
        cancel.check()
        began = time.perf_counter()
        protected, failed, faces = self._guard.protect(photo, found)
        seconds = round(time.perf_counter() - began, 3)
        keep_out = replace(found, protected=protected).protect_mask((photo.shape[0], photo.shape[1]))
        regions = {zone: region.without(keep_out) for zone, region in found.regions.items()}
        return replace(
            found,
            segmenter=self.name,
            regions={zone: region for zone, region in regions.items() if region.mask.any()},
            protected=protected,
            fallbacks=(*found.fallbacks, *failed),
            diagnostics={
                **found.diagnostics,
                "rung": self.name,
                "parse": found.segmenter,
                "guard": faces,
                "seconds": {"guard": seconds},
            },
        )

    def close(self) -> None:
        """Give the network's memory back."""
        self._guard.close()
