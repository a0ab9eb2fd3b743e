"""The page one works on: the canvas with its tools on the left, outfit and mask on the right, the run bar beneath them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QScrollArea, QSplitter, QTabWidget, QVBoxLayout, QWidget

from outfitswap_desktop.engine.messages import GarmentsFound, PhotoOpened, Problem
from outfitswap_desktop.ui.actions import Actions, Spec
from outfitswap_desktop.ui.canvas.mask_panel import MaskPanel
from outfitswap_desktop.ui.canvas.tool_panel import ToolPanel
from outfitswap_desktop.ui.canvas.view import CanvasView
from outfitswap_desktop.ui.notice import Notice
from outfitswap_desktop.ui.outfit.panel import OutfitPanel
from outfitswap_desktop.ui.run_panel import RunPanel
from outfitswap_desktop.ui.tab_order import in_order, stops_in

if TYPE_CHECKING:
    from outfitswap_desktop.store.settings import Settings
    from outfitswap_desktop.ui.session import Session
    from outfitswap_desktop.ui.worker import Desk


class EditorPage(QWidget):
    """Joins session, canvas and panels; what needs the window (dialogs, the queue) goes out as signals."""

    run_asked = Signal()
    cancel_asked = Signal()
    open_asked = Signal()
    import_asked = Signal()
    export_asked = Signal()

    def __init__(self, session: Session, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.canvas = CanvasView(parent=self)
        self.tool_panel = ToolPanel(self.canvas, self)
        self.mask_panel = MaskPanel(self.canvas, self)
        self.outfit = OutfitPanel(desk, self)
        self.run = RunPanel(self)
        self.notice = Notice(self.canvas)
        self._lay_out()
        self._connect()
        self._offer_opening()

    def _lay_out(self) -> None:
        self._tabs = QTabWidget(self)
        self._tabs.setDocumentMode(True)
        self._tabs.addTab(_scrolled(self.outfit), self.tr("Outfit"))
        self._tabs.addTab(_scrolled(self.mask_panel), self.tr("Mask"))
        right = QWidget(self)
        right.setMinimumWidth(340)
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._tabs, 1)
        column.addWidget(self.run)
        self.split = QSplitter(Qt.Orientation.Horizontal, self)
        self.split.addWidget(self.canvas)
        self.split.addWidget(right)
        self.split.setStretchFactor(0, 1)
        self.split.setStretchFactor(1, 0)
        self.split.setCollapsible(0, False)
        self.split.setSizes([900, 400])
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.tool_panel)
        row.addWidget(self.split, 1)
        in_order(
            *self.tool_panel.findChildren(QAbstractButton),
            self.canvas,
            self.notice.button,
            self._tabs,
            *self.outfit.stops,
            *stops_in(self.mask_panel),
            self.run.run,
            self.run.cancel,
        )

    def _connect(self) -> None:
        session = self._session
        session.opening.connect(lambda name: self.say(self.tr("Reading {name}…").format(name=name)))
        session.opened.connect(self._show)
        session.refused.connect(lambda _problem: self._offer_opening() if session.photo is None else self.say(""))
        session.changed.connect(self.refresh)
        session.searching.connect(self._searching)
        session.found.connect(self._found)
        session.nobody.connect(self._nobody)
        session.zone_changed.connect(lambda zone: self._show_zones())
        session.refining.connect(lambda on: self.say(self.tr("Fitting to the edges…") if on else ""))
        self.canvas.person_clicked.connect(session.choose_person)
        self.canvas.refine_asked.connect(self._refine)
        self.outfit.changed.connect(session.set_outfit)
        self.outfit.changed.connect(lambda _outfit: self.refresh())
        self.outfit.words.checked.connect(lambda _answer: self.refresh())
        self.outfit.zone_chosen.connect(session.choose_zone)
        self.outfit.run_asked.connect(self._run)
        self.run.run_asked.connect(self._run)
        self.run.cancel_asked.connect(self.cancel_asked)
        self.mask_panel.import_asked.connect(self.import_asked)
        self.mask_panel.export_asked.connect(self.export_asked)

    def add_actions(self, actions: Actions) -> None:
        """Register what the panels can do."""
        self.canvas.add_actions(actions)
        self.tool_panel.add_actions(actions)
        self.mask_panel.add_actions(actions)
        self.outfit.add_actions(actions)
        spec = Spec("mask.person", self.tr("This is the &person"), "mask", ("Ctrl+Alt+P",))
        self._person = actions.add(spec, self.take_outline)
        self._person.setEnabled(False)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Whoever goes to the page works on the photo; a focus proxy would take the tools out of Tab's round."""
        super().focusInEvent(event)
        self.canvas.setFocus(event.reason())

    def say(self, sentence: str) -> None:
        """Show a sentence over the canvas; "" takes it away."""
        self.notice.say(sentence)

    def take_outline(self) -> None:
        """What is painted is the person, in a photo in which nobody was found; the garment is painted next."""
        self.canvas.setFocus()
        if self._session.take_outline():
            sentence = self.tr("The person is kept. Now paint the garment that shall change, with the brush (B).")
            self.notice.say(sentence, self.tr("Paint the person again"), self._person_again)
        else:
            self.notice.say(self.tr("Paint the whole person first, with the brush (B)."), *self._this_is_the_person)

    @property
    def _this_is_the_person(self) -> tuple[str, Callable[[], object]]:
        return self.tr("This is the person"), self.take_outline

    def _person_again(self) -> None:
        self._session.outline = None
        self.notice.say(self.tr("Paint the whole person first, with the brush (B)."), *self._this_is_the_person)

    def _offer_opening(self) -> None:
        sentence = self.tr("Nothing is open yet. Drop a photo here, or paste one.")
        self.notice.say(sentence, self.tr("Open photo…"), self.open_asked.emit)

    def open_garment(self, path: Path) -> None:
        """Take a picture as the garment to wear."""
        self.outfit.open_picture(path)

    def blocked(self) -> str:
        """Why nothing can be run now; "" when it can."""
        session, answer = self._session, self.outfit.words.answer
        if session.photo is None or session.mask is None:
            return self.tr("Open a photo first.")
        if session.is_searching:
            return self.tr("Finding the garments…")
        if session.drawn and not session.mask.painted.any():
            return self.tr("The mask is empty: paint what shall change, with the brush (B).")
        if session.outfit.is_empty:
            return self.tr("Say what to wear: choose a preset, write words, or drop a picture of a garment.")
        if answer is not None and not answer.allowed and self.outfit.words.text.strip():
            return self.tr("The words are refused: see above.")
        return ""

    def refresh(self) -> None:
        """Let the run bar say what is missing."""
        self.run.block(self.blocked())

    def clear(self) -> None:
        """Nothing is open any more."""
        import numpy as np

        self.canvas.set_model(None)
        self.canvas.set_persons((), None)
        self.canvas.set_photo(np.zeros((0, 0, 3), np.uint8))
        self._offer_opening()
        self.outfit.show_zones((), None)
        self.refresh()

    def shut_down(self) -> None:
        """End the canvas' threads."""
        self.canvas.set_model(None)
        self.canvas.close_threads()

    def show_mask(self) -> None:
        """Bring the mask's panel to the front."""
        self._tabs.setCurrentIndex(1)

    def _run(self) -> None:
        if not self.blocked():
            self.run_asked.emit()

    def _show(self, photo: PhotoOpened) -> None:
        self.say("")
        self.canvas.set_photo(photo.pixels)
        self.canvas.set_model(self._session.mask)
        self.canvas.set_persons((), None)
        self.outfit.show_zones((), None)
        self.refresh()

    def _searching(self, on: bool) -> None:
        self.say(self.tr("Finding the garments…") if on else "")
        self._person.setEnabled(False)
        self.refresh()

    def _found(self, found: GarmentsFound) -> None:
        self.canvas.set_persons(found.persons, found.person)
        self._show_zones()
        self.refresh()
        if len(found.persons) > 1:
            sentence = self.tr(
                "{count} persons were found; number {number} is chosen. Click the number of another one."
            )
            self.notice.say_briefly(sentence.format(count=len(found.persons), number=found.person))

    def _show_zones(self) -> None:
        found = self._session.garments
        if found is not None:
            self.outfit.show_zones(found.regions, self._session.zone)

    def _nobody(self, problem: Problem) -> None:
        self.canvas.set_persons((), None)
        if problem.reason == "nobody_found":
            self._person.setEnabled(True)
            hint = self.tr("If there is one, paint the whole person with the brush (B) first, then the garment.")
            self.notice.say(f"{problem.message} {hint}", *self._this_is_the_person)
        else:
            hint = self.tr("Paint the garment with the brush (B); then it can be changed all the same.")
            self.say(f"{problem.message} {hint}")
        self.refresh()

    def _refine(self, wanted: object) -> None:
        if isinstance(wanted, tuple) and wanted and isinstance(wanted[0], tuple):
            self._session.refine(None, wanted)
        elif isinstance(wanted, tuple) and len(wanted) == 4:
            self._session.refine((int(wanted[0]), int(wanted[1]), int(wanted[2]), int(wanted[3])))

    def place(self) -> dict[str, bytes]:
        """What of this page is kept from one start to the next: the splitter and the tools' options."""
        options = json.dumps(self.canvas.options.as_values()).encode()
        return {"split": bytes(self.split.saveState().data()), "tools": options}

    def restore_place(self, kept: Callable[[str], bytes | None]) -> None:
        """Put it back; what cannot be read is left as it is."""
        split, tools = kept("split"), kept("tools")
        if split:
            self.split.restoreState(QByteArray(split))
        if tools:
            with contextlib.suppress(ValueError, TypeError):
                self.canvas.options.restore(json.loads(tools))

    def apply_settings(self, settings: Settings) -> None:
        """Take the overlay's colour and opacity from the settings."""
        self.canvas.set_overlay(colour=QColor(settings.overlay_colour), opacity=settings.overlay_opacity / 100)


def _scrolled(panel: QWidget) -> QScrollArea:
    """A panel that scrolls where the window is too low for it, and fills it otherwise."""
    area = QScrollArea()
    area.setWidget(panel)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # what is in it has the focus, and scrolls into view
    return area
