"""For other Python programs: `segment` and `swap`, on a path, bytes, a PIL image or an array.

One call builds the steps and drops them again; a `Session` keeps them warm for many pictures:

    with Session() as session:
        for path in photos:
            session.swap(path, "navy linen", output=path.with_suffix(".navy.png"))
"""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from outfitswap_desktop.core.arrays import RGB, Alpha, Mask
from outfitswap_desktop.core.colour import cmyk_to_srgb
from outfitswap_desktop.core.container import (
    MAX_FILE_BYTES,
    BadPictureError,
    check_mask_size,
    check_photo_size,
    refusal,
)
from outfitswap_desktop.core.job import (
    Cancel,
    CancelToken,
    Progress,
    Report,
    SwapRequest,
    Wishes,
    refuse_nonsense,
    require_whole,
)
from outfitswap_desktop.core.regions import Box, Person, Polygon, ProtectedArea, Region
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import UsageProblem

if TYPE_CHECKING:
    from PIL.Image import Image

    Picture = str | os.PathLike[str] | bytes | bytearray | memoryview | Image | np.ndarray

__all__ = ["SegmentResult", "Session", "SwapResult", "Wishes", "segment", "swap"]


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
    """Warm steps for many pictures; use it as a context manager, from the thread that made it."""

    def __init__(self, engine: str = "auto") -> None:
        from outfitswap_desktop.wiring import make_runner

        self._engine = engine
        self._thread: int | None = threading.get_ident()
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
        self._thread = None
        self._stack.close()

    def _require_open(self) -> None:
        if self._thread == threading.get_ident():
            return
        if self._thread is None:
            raise UsageProblem("This session is closed.", reason="session_closed", hint="Make a new Session.")
        raise UsageProblem(
            "A session belongs to the thread that made it.", reason="other_thread", hint="Make one for each thread."
        )

    def segment(
        self, photo: Picture, *, zone: Zone | str | None = None, person: int | None = None, cancel: Cancel | None = None
    ) -> SegmentResult:
        """Find the garments of one person. `zone` None: the largest; `person` from 1, left to right, None: the largest.

        Raises UsageProblem, PhotoUnreadable, NobodyFound, Cancelled.
        """
        from outfitswap_desktop.core.pipeline import zone_or_largest

        self._require_open()
        wanted, token = _zone(zone), _token(cancel)
        if person is not None:
            require_whole("person", person, low=1)
        source = self._runner.open_photo(_source(photo, "photo"))
        token.check()
        found = self._runner.segment(source, zone=wanted, person=person, cancel=token)
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
        adult_consent: str | None = None,
        adult_attested: bool = False,
        outline: Picture | None = None,
        seed: int = 0,
        steps: int | None = None,
        wishes: Wishes | None = None,
        output: str | Path | None = None,
        quality: int = 95,
        keep_metadata: bool = True,
        report: Report | None = None,
        cancel: Cancel | None = None,
    ) -> SwapResult:
        """Swap one garment; saves result, mask and receipt and records them. `output` None: a new file in the data folder.

        `adult_consent` is your statement that the person is an adult and agrees: "self", "release:FILE", "synthetic" or
        "licensed"; it is recorded for the photo, and may then be left out for twelve months. `adult_attested` says it a
        second time, where the apparent age is unknown or under 25. `steps` and `wishes` are for
        diffusion engines. `mask`, `outline` (of a person whom nobody finds): a
        picture or array of the photo's size, >= 128 (or True) = in. Raises KnownError, Cancelled.
        """
        self._require_open()
        runner, token = self._runner, _token(cancel)
        named = _path(photo)
        request = SwapRequest(
            photo=named or Path("picture"),
            output=_output(output) if output is not None else _new_output(named),
            prompt=prompt,
            garment=(_path(garment) or Path("picture")) if garment is not None else None,
            mask=_path(mask) if mask is not None else None,
            zone=_zone(zone),
            person=person,
            engine=self._engine,
            seed=seed,
            steps=steps,
            wishes=wishes or Wishes(),
            quality=quality,
            keep_metadata=keep_metadata,
            consent=adult_consent,
            adult_attested=adult_attested,
            outline=_path(outline) if outline is not None else None,
        )
        refuse_nonsense(request)
        source = runner.open_photo(_source(photo, "photo"))
        cloth = runner.kernel.open_garment(_source(garment, "garment")) if garment is not None else None
        height, width = source.pixels.shape[:2]
        drawn = runner.kernel.open_mask(_source(mask, "mask"), shape=(height, width)) if mask is not None else None
        person_drawn = None
        if outline is not None:
            person_drawn = runner.kernel.open_mask(_source(outline, "mask"), shape=(height, width), role="outline")
        outcome = runner.run(
            request,
            report=report or _silent,
            cancel=token,
            source=source,
            garment=cloth,
            mask=drawn,
            outline=person_drawn,
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


def _token(cancel: Cancel | None) -> CancelToken:
    if cancel is not None and not callable(getattr(cancel, "is_set", None)):
        raise UsageProblem(
            f"cancel must be a threading.Event or have its is_set(), not {type(cancel).__name__}.",
            reason="bad_cancel",
            hint="Pass a threading.Event and set it from another thread.",
        )
    return CancelToken(cancel)


def _zone(zone: Zone | str | None) -> Zone | None:
    if zone is None:
        return None
    try:
        return Zone(zone)
    except ValueError:
        known = ", ".join(z.value for z in Zone)
        raise UsageProblem(f"There is no zone {zone!r}.", reason="unknown_zone", hint=f"Use one of {known}.") from None


def _output(output: str | os.PathLike[str]) -> Path:
    if isinstance(output, str | os.PathLike):
        return Path(output)
    raise UsageProblem(
        f"output must be a path, not {type(output).__name__}.", reason="bad_output", hint="Name a file: out.png."
    )


def _path(picture: Picture) -> Path | None:
    return Path(picture) if isinstance(picture, str | os.PathLike) else None


def _source(picture: Picture, role: str) -> Path | bytes:
    """What the kernel opens: a path, or bytes; arrays and PIL images go in as a lossless file."""
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, str | os.PathLike):
        return Path(picture)
    from PIL import Image

    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(_checked(picture, role))
    if not isinstance(picture, Image.Image):
        raise UsageProblem(
            f"The {role} must be a path, bytes, a PIL image or an array, not {type(picture).__name__}.",
            reason="bad_type",
            hint="Read it into one of these first.",
        )
    try:
        (check_mask_size if role == "mask" else check_photo_size)(*picture.size)
        return _packed(picture, role)
    except BadPictureError as bad:
        raise refusal(bad, role) from bad
    except (OSError, SyntaxError, ValueError) as problem:  # an image that PIL reads only now, and cannot
        raise refusal(BadPictureError("damaged"), role) from problem


def _checked(array: np.ndarray, role: str) -> np.ndarray:
    """An array that PIL takes as it is meant: (H, W), (H, W, 3) or (H, W, 4) uint8; a mask may be boolean."""
    if role == "mask" and array.dtype == np.bool_ and array.ndim == 2:
        return np.where(array, np.uint8(255), np.uint8(0))
    if array.dtype == np.uint8 and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in {3, 4})):
        return np.ascontiguousarray(array)
    raise UsageProblem(
        f"An array must be (H, W), (H, W, 3) or (H, W, 4) uint8, not {array.shape} {array.dtype}.",
        reason="bad_array",
        hint="Convert it to uint8 RGB, 0..255.",
    )


def _packed(picture: Image, role: str) -> bytes:
    """A PIL image as PNG, or as lossless WebP where a PNG would be too large to be opened."""
    extra: dict[str, Any] = {"exif": picture.getexif().tobytes()}
    icc = picture.info.get("icc_profile")
    if picture.mode in {"I", "F"}:
        raise UsageProblem(
            f"The {role} is a PIL image of mode {picture.mode}, whose range is not known.",
            reason="bad_mode",
            hint="Convert it to RGB or L, 0..255, first.",
        )
    if picture.mode == "CMYK":
        picture = cmyk_to_srgb(picture, icc)
    elif picture.mode in {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}:
        extra |= {"icc_profile": icc} if icc else {}
    else:
        picture = picture.convert("RGBA" if picture.mode in {"PA", "La", "RGBa"} else "RGB")
    stream = BytesIO()
    picture.save(stream, "PNG", compress_level=1, **extra)
    if stream.tell() > MAX_FILE_BYTES and picture.mode in {"RGB", "RGBA"}:
        stream = BytesIO()
        picture.save(stream, "WEBP", lossless=True, exact=True, quality=0, method=0, **extra)
    return stream.getvalue()


def _new_output(photo: Path | None) -> Path:
    from outfitswap_desktop.core.names import safe_stem
    from outfitswap_desktop.paths import results_dir

    stem = safe_stem(photo.stem) if photo is not None else "picture"
    return results_dir() / f"{stem}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}.png"
