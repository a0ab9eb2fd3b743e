"""The open photo and what is being done with it: found garments, mask, outfit, consent. No widgets; the pages listen to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QObject, Signal

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.engine.messages import (
    FindGarments,
    GarmentsFound,
    MaskRefined,
    OpenPhoto,
    PhotoOpened,
    Problem,
    ReadMask,
    RefineMask,
    WriteMask,
)
from outfitswap_desktop.ui.canvas.mask_model import MaskModel
from outfitswap_desktop.ui.outfit.outfit import Outfit
from outfitswap_desktop.ui.wording import in_window, without_options

if TYPE_CHECKING:
    from outfitswap_desktop.core.arrays import Mask
    from outfitswap_desktop.core.regions import Box
    from outfitswap_desktop.store.projects import Project
    from outfitswap_desktop.ui.worker import Desk

SAMPLE_CONSENT: Final = "licensed: NASA photograph, public domain"
PASTED: Final = "pasted"
VERSION: Final = 1
INSIDE: Final = 128


class Session(QObject):
    """One photo at a time. Asks the desk, holds the answers, and says what changed."""

    opening = Signal(str)
    """A photo of this name is being read."""
    opened = Signal(object)
    """PhotoOpened: it can be shown; `mask` is a new, blank one."""
    refused = Signal(object)
    """Problem: it cannot be opened; what was open stays."""
    searching = Signal(bool)
    """Garments are being looked for."""
    found = Signal(object)
    """GarmentsFound, after the mask was set."""
    nobody = Signal(object)
    """Problem: nobody was found, or no garment; the mask can still be drawn."""
    zone_changed = Signal(object)
    refining = Signal(bool)
    notice = Signal(str)
    """One sentence for the user."""
    changed = Signal()
    """Something that is worth keeping."""

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.source: Path | bytes | None = None
        self.name = ""
        self.photo: PhotoOpened | None = None
        self.garments: GarmentsFound | None = None
        self.zone: Zone | None = None
        self.person: int | None = None
        self.mask: MaskModel | None = None
        self.outline: Mask | None = None
        self.outfit = Outfit()
        self.consent: str | None = None
        self.adult_attested = False
        self.is_searching = False
        self._waiting: Mapping[str, Any] | None = None

    # What is open

    @property
    def path(self) -> Path | None:
        """The photo's file; None for a pasted one."""
        return self.source if isinstance(self.source, Path) else None

    @property
    def agreed(self) -> bool:
        """Whether a statement of consent covers the photo, from now or on record."""
        return self.consent is not None or (self.photo is not None and self.photo.consented)

    @property
    def drawn(self) -> bool:
        """Whether the mask is the user's: edited, or nothing was found that could be edited."""
        return self.mask is not None and (self.mask.edited or self.garments is None or not self.mask.parameters.neutral)

    def open(self, source: Path | bytes, *, consent: str | None = None, adult_attested: bool = False) -> None:
        """Read and judge a photo; what is open stays until it is there."""
        name = source.name if isinstance(source, Path) else self.tr("the pasted picture")
        self.opening.emit(name)

        def answered(answer: Any) -> None:
            if isinstance(answer, PhotoOpened):
                self._show(source, name, answer, consent=consent, adult_attested=adult_attested)

        self._desk.ask(OpenPhoto(source), answered, self._refuse, key="photo")

    def wish(self, zone: str) -> None:
        """The zone to take once the photo that is being opened was looked through, if it is there."""
        self._waiting = {"zone": zone}

    def shut_down(self) -> None:
        """End the mask's thread."""
        if self.mask is not None:
            self.mask.close()

    def close_photo(self) -> None:
        """Nothing is open any more."""
        if self.mask is not None:
            self.mask.close()
            self.mask.deleteLater()
        self.source, self.photo, self.garments, self.zone, self.person, self.mask = None, None, None, None, None, None
        self.outline = None
        self.consent, self.adult_attested = None, False
        self.changed.emit()

    def _refuse(self, problem: Problem) -> None:
        self._waiting = None
        self.refused.emit(in_window(problem))

    def _show(
        self, source: Path | bytes, name: str, photo: PhotoOpened, *, consent: str | None, adult_attested: bool
    ) -> None:
        former = self.mask
        height, width = photo.pixels.shape[:2]
        self.source, self.name, self.photo = source, name, photo
        self.garments, self.zone, self.person, self.outline = None, None, None, None
        self.consent, self.adult_attested = consent, adult_attested
        self.mask = MaskModel(height, width, self)
        self.mask.stepped.connect(self.changed)
        self.opened.emit(photo)
        if former is not None:  # nobody shows it any more
            former.close()
            former.deleteLater()
        for sentence in photo.notes:
            self.notice.emit(sentence)
        self.changed.emit()
        waiting = self._waiting
        self._search(None if waiting is None else waiting.get("person"))

    # What was found

    def choose_person(self, number: int) -> None:
        """Look for the garments of another person."""
        if self.garments is None or number != self.person:
            self._search(number)

    def choose_zone(self, zone: Zone) -> None:
        """Take the mask of another zone, as one step of undo."""
        if self.garments is None or self.mask is None or zone not in self.garments.regions:
            return
        if zone is not self.zone:
            self.zone = zone
            self.mask.detected(self.garments.regions[zone].mask)
            self.zone_changed.emit(zone)
            self.changed.emit()

    def _search(self, person: int | None) -> None:
        if self.source is None:
            return
        self._search_goes_on(True)
        self._desk.ask(FindGarments(self.source, person), self._found, self._nobody, key="garments")

    def _found(self, found: Any) -> None:
        if not isinstance(found, GarmentsFound) or self.mask is None:
            return
        self._search_goes_on(False)
        self.garments, self.person, self.zone = found, found.person, found.largest
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting.get("zone") in {zone.value for zone in found.regions}:
            self.zone = Zone(waiting["zone"])
        if waiting is not None and self._restore_mask(waiting):
            self.found.emit(found)
            return
        if self.zone is not None:
            self.mask.detected(found.regions[self.zone].mask, found.protected)
        self.found.emit(found)
        for sentence in filter(None, map(without_options, found.notes)):
            self.notice.emit(sentence)
        self.changed.emit()

    def _search_goes_on(self, on: bool) -> None:
        self.is_searching = on
        self.searching.emit(on)

    def _nobody(self, problem: Problem) -> None:
        self._search_goes_on(False)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._restore_mask(waiting)
        self.nobody.emit(in_window(problem))

    # The mask

    def refine(self, box: Box | None, points: tuple[tuple[int, int, bool], ...] = ()) -> None:
        """Fit a rough box or clicks to the photo's edges; the answer is one step of undo."""
        if self.source is None or self.mask is None:
            return
        model = self.mask
        self.refining.emit(True)

        def answered(answer: Any) -> None:
            self.refining.emit(False)
            if isinstance(answer, MaskRefined) and self.mask is model:
                model.replace(answer.mask, kind="refine")

        def failed(problem: Problem) -> None:
            self.refining.emit(False)
            self._say(problem)

        self._desk.ask(RefineMask(self.source, box, points, model.painted.copy()), answered, failed, key="refine")

    def take_outline(self) -> bool:
        """Keep what is painted as where the person is, for a photo in which nobody was found; the mask is blank again.

        False when nothing is painted.
        """
        if self.mask is None or not self.mask.painted.any():
            return False
        self.outline = ((self.mask.painted >= INSIDE) * 255).astype("uint8")
        self.mask.clear()
        return True

    def import_mask(self, path: Path) -> None:
        """Take a mask from a file of the photo's size."""
        if self.mask is None:
            return
        model = self.mask

        def answered(answer: Any) -> None:
            if isinstance(answer, MaskRefined) and self.mask is model:
                model.replace(answer.mask, kind="import")

        self._desk.ask(ReadMask(path, model.shape), answered, self._say, key="mask")

    def export_mask(self, target: Path) -> None:
        """Save the mask as it is used."""
        if self.mask is None:
            return
        forbid = (self.path,) if self.path is not None else ()

        def answered(answer: Any) -> None:
            self.notice.emit(self.tr("The mask is saved as {name}.").format(name=Path(answer).name))

        self._desk.ask(WriteMask(self.mask.effective(), target, forbid), answered, self._say)

    def _say(self, problem: Problem) -> None:
        self.notice.emit(in_window(problem).sentence)

    # The outfit, and what is kept

    def set_outfit(self, outfit: Outfit) -> None:
        """What shall be worn."""
        if outfit != self.outfit:
            self.outfit = outfit
            self.changed.emit()

    def state(self, consent: str | None, *, adult_attested: bool) -> None:
        """The user's statement for this photo."""
        self.consent, self.adult_attested = consent, adult_attested
        self.changed.emit()

    def snapshot(self) -> tuple[dict[str, Any], dict[str, bytes | None]] | None:
        """What the autosave keeps; None when nothing is open. The photo itself only when it has no file."""
        if self.source is None or self.photo is None or self.mask is None:
            return None
        document: dict[str, Any] = {
            "version": VERSION,
            "photo": str(self.source) if isinstance(self.source, Path) else None,
            "name": self.name,
            "sha256": self.photo.sha256,
            "person": self.person,
            "zone": self.zone.value if self.zone is not None else None,
            "outfit": self.outfit.as_values(),
            "consent": self.consent,
            "adult_attested": self.adult_attested,
        }
        values, blobs = self.mask.as_values()
        document["mask"] = values
        return document, {**blobs, PASTED: self.source if isinstance(self.source, bytes) else None}

    def resume(self, project: Project) -> None:
        """Open what was open when the program ended: photo, mask with its strokes, outfit and statement."""
        document = project.document
        named = document.get("photo")
        source = Path(named) if isinstance(named, str) else project.blobs.get(PASTED)
        if source is None:
            return
        outfit = document.get("outfit")
        self.outfit = Outfit.from_values(outfit if isinstance(outfit, dict) else {})
        self._waiting = {**document, "blobs": dict(project.blobs)}
        consent = document.get("consent")
        self.open(
            source,
            consent=consent if isinstance(consent, str) else None,
            adult_attested=document.get("adult_attested") is True,
        )

    def _restore_mask(self, waiting: Mapping[str, Any]) -> bool:
        """Put the saved mask back, if it belongs to this very photo."""
        if self.mask is None or self.photo is None or waiting.get("sha256") != self.photo.sha256:
            return False
        values = waiting.get("mask")
        return isinstance(values, dict) and self.mask.restore(values, waiting["blobs"])
