"""For other Python programs: `segment` and `swap`, on a path, bytes, a PIL image or an array.

One call builds the steps and drops them again; a `Session` keeps them warm for many pictures:

    with Session() as session:
        for path in photos:
            session.swap(path, "navy linen", output=path.with_suffix(".navy.png"))
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from outfitswap_desktop.core.arrays import RGB, Alpha, Mask
from outfitswap_desktop.core.job import Cancel, CancelToken, Progress, Report, SwapRequest
from outfitswap_desktop.core.regions import Box, Person, Polygon, ProtectedArea, Region
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import UsageProblem

if TYPE_CHECKING:
    from PIL.Image import Image

    Picture = str | Path | bytes | Image | np.ndarray

__all__ = ["SegmentResult", "Session", "SwapResult", "segment", "swap"]


@dataclass(frozen=True, slots=True, eq=False)
class SegmentResult:
    """One garment zone and all else that was found. `mask` (H, W) 0/255 and `alpha` (H, W) 0..255 of the upright photo.

    `polygons` are rings of (x, y) in pixels; `regions` and `protected` hold the other zones and head, hair, hands, shoes.
    """

    zone: Zone
    mask: Mask
    alpha: Alpha
    confidence: float
    polygons: Polygon
    box: Box
    regions: dict[Zone, Region]
    protected: dict[str, ProtectedArea]
    persons: tuple[Person, ...]
    person: int
    segmenter: str
    fallbacks: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SwapResult:
    """A saved result: `image` (H, W, 3), read-only, as released by the gates; `about` is the document of `swap --json`."""

    image: RGB
    output: Path
    mask: Path
    receipt: Path
    entry_id: int
    limits: tuple[str, ...]
    notes: tuple[str, ...]
    about: dict[str, Any]

    def to_pil(self) -> Image:
        """The result as a PIL image."""
        from PIL import Image

        return Image.fromarray(self.image)


class Session:
    """Warm steps for many pictures; use it as a context manager, from one thread."""

    def __init__(self, engine: str = "auto") -> None:
        from outfitswap_desktop.wiring import make_runner

        self._engine = engine
        with ExitStack() as stack:
            self._runner = stack.enter_context(make_runner(engine))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the history; the session cannot be used afterwards."""
        self._stack.close()

    def segment(
        self, photo: Picture, *, zone: Zone | str | None = None, person: int | None = None, cancel: Cancel | None = None
    ) -> SegmentResult:
        """Find the garments of one person. `zone` None: the largest; `person` from 1, left to right, None: the largest.

        Raises PhotoUnreadable, NobodyFound.
        """
        from outfitswap_desktop.core.pipeline import zone_or_largest

        wanted = _zone(zone)
        source = self._runner.open_photo(_source(photo))
        found = self._runner.segment(source, zone=wanted, person=person, cancel=CancelToken(cancel))
        chosen = zone_or_largest(wanted, found)
        region = found.regions[chosen]
        return SegmentResult(
            zone=chosen,
            mask=region.mask,
            alpha=region.alpha,
            confidence=region.confidence,
            polygons=region.polygon,
            box=region.box,
            regions=dict(found.regions),
            protected={area.name: area for area in found.protected},
            persons=found.persons,
            person=found.person,
            segmenter=found.segmenter,
            fallbacks=found.fallbacks,
            notes=(*source.photo.notes, *found.notes),
        )

    def swap(
        self,
        photo: Picture,
        prompt: str = "",
        *,
        garment: Picture | None = None,
        zone: Zone | str | None = None,
        mask: Picture | None = None,
        person: int | None = None,
        seed: int = 0,
        output: str | Path | None = None,
        quality: int = 95,
        keep_metadata: bool = True,
        report: Report | None = None,
        cancel: Cancel | None = None,
    ) -> SwapResult:
        """Swap one garment; saves result, mask and receipt and records them. `output` None: a new file in the data folder.

        `mask`: a picture or array of the photo's size, >= 128 = change. Raises KnownError, Cancelled.
        """
        runner = self._runner
        source = runner.open_photo(_source(photo))
        cloth = runner.kernel.open_garment(_source(garment)) if garment is not None else None
        height, width = source.pixels.shape[:2]
        drawn = runner.kernel.open_mask(_source(mask), shape=(height, width)) if mask is not None else None
        named = _path(photo)
        request = SwapRequest(
            photo=named or Path("picture"),
            output=Path(output) if output is not None else _new_output(named),
            prompt=prompt,
            garment=_path(garment),
            mask=_path(mask),
            zone=_zone(zone),
            person=person,
            engine=self._engine,
            seed=seed,
            quality=quality,
            keep_metadata=keep_metadata,
        )
        outcome = runner.run(
            request, report=report or _silent, cancel=CancelToken(cancel), source=source, garment=cloth, mask=drawn
        )
        return SwapResult(
            image=outcome.released.pixels,
            output=outcome.output,
            mask=outcome.mask,
            receipt=outcome.receipt,
            entry_id=outcome.entry_id,
            limits=outcome.limits,
            notes=outcome.notes,
            about=outcome.as_json(),
        )


def segment(photo: Picture, *, zone: Zone | str | None = None, person: int | None = None) -> SegmentResult:
    """Find the garments of one person in one photo; see Session.segment."""
    with Session() as session:
        return session.segment(photo, zone=zone, person=person)


def swap(photo: Picture, prompt: str = "", *, engine: str = "auto", **options: Any) -> SwapResult:
    """Swap one garment in one photo; takes the options of Session.swap."""
    with Session(engine) as session:
        return session.swap(photo, prompt, **options)


def _silent(_progress: Progress) -> None:
    return None


def _zone(zone: Zone | str | None) -> Zone | None:
    if zone is None:
        return None
    try:
        return Zone(zone)
    except ValueError:
        known = ", ".join(z.value for z in Zone)
        raise UsageProblem(f"There is no zone {zone!r}.", reason="unknown_zone", hint=f"Use one of {known}.") from None


def _path(picture: Picture | None) -> Path | None:
    return Path(picture) if isinstance(picture, str | Path) else None


def _source(picture: Picture) -> Path | bytes:
    """What the kernel opens: a path, or bytes; arrays and PIL images go in as PNG, which loses nothing."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | Path):
        return Path(picture)
    from PIL import Image

    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
            raise UsageProblem(
                f"An array must be (H, W), (H, W, 3) or (H, W, 4) uint8, not {picture.shape} {picture.dtype}.",
                reason="bad_array",
                hint="Convert it to uint8 RGB, 0..255.",
            )
        picture = Image.fromarray(picture)
    stream = BytesIO()
    extra = {"icc_profile": picture.info["icc_profile"]} if picture.info.get("icc_profile") else {}
    if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        picture = picture.convert("RGB")
        extra = {}
    picture.save(stream, "PNG", compress_level=1, exif=picture.getexif(), **extra)
    return stream.getvalue()


def _new_output(photo: Path | None) -> Path:
    from outfitswap_desktop.paths import results_dir

    stem = photo.stem if photo is not None else "picture"
    return results_dir() / f"{stem}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}.png"
