"""The result page: photo and result against each other, the proof of what stayed, variations, and every way to go on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QImage, QKeyEvent, QPixmap, QShowEvent
from PySide6.QtWidgets import QLabel, QStackedWidget, QVBoxLayout, QWidget

from outfitswap_desktop.core.arrays import Mask
from outfitswap_desktop.engine.messages import (
    ExportResult,
    OpenPhoto,
    OpenResult,
    PhotoOpened,
    Problem,
    ResultOpened,
    ResultPicture,
    SwapDone,
)
from outfitswap_desktop.store.entry import Entry
from outfitswap_desktop.store.history import History
from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.actions import Actions, Spec
from outfitswap_desktop.ui.background import Background
from outfitswap_desktop.ui.history.shelf import LATER, Shelf
from outfitswap_desktop.ui.result import handing_out, proof
from outfitswap_desktop.ui.result.asks import Asks
from outfitswap_desktop.ui.result.bars import FootBar, HeadBar
from outfitswap_desktop.ui.result.compare_view import CompareView, Mode
from outfitswap_desktop.ui.result.difference import Counts, count, draw
from outfitswap_desktop.ui.result.export_dialog import ExportDialog
from outfitswap_desktop.ui.result.plate import Plate
from outfitswap_desktop.ui.result.variations import VariationStrip

_DRAG_SIDE = 128


class ResultPage(QWidget):
    """Shows one result at a time. Signals: what the user wants next.

    `use_as_source(Path output, str sha256)`: work on with this result; `remake(int entry id)`: change the wish and make it
    again; `show_history(int entry id)`; `exported(Path)`; `said(str)`: a sentence for the status line; `trouble(str)`: one
    about what went wrong.
    """

    use_as_source = Signal(object, str)
    remake = Signal(int)
    show_history = Signal(int)
    exported = Signal(object)
    said = Signal(str)
    trouble = Signal(str)

    def __init__(self, desk: Asks, shelf: Shelf | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._shelf = shelf
        self._background = Background(self)
        self._picture: ResultPicture | None = None
        self._photo: PhotoOpened | None = None
        self._mask: Mask | None = None
        self._entry: Entry | None = None
        self._entry_id: int | None = None
        self._recorded: int | None = None
        self._counts: Counts | None = None
        self._actions: Actions | None = None
        self._dialog: ExportDialog | None = None
        self.export_folder: Path | None = None
        self.view = CompareView()
        self.strip = VariationStrip()
        self.head = HeadBar()
        self.foot = FootBar()
        self._proof = QLabel()
        self._empty = QLabel()
        self._stack = QStackedWidget()
        self._build()
        self._enable()

    # What is shown

    @property
    def picture(self) -> ResultPicture | None:
        """The result on show."""
        return self._picture

    @property
    def counts(self) -> Counts | None:
        """What was counted between photo and result, None before that or when they cannot be compared."""
        return self._counts

    @property
    def proof_text(self) -> str:
        """The sentence below the picture."""
        return self._proof.text()

    @property
    def entry_id(self) -> int | None:
        """The history entry of the result on show."""
        return self._entry_id

    @property
    def is_busy(self) -> bool:
        """Whether pictures are still being prepared or compared."""
        return self._background.busy

    def show_done(
        self, done: SwapDone, *, photo: PhotoOpened | None = None, mask: Mask | None = None, prompt: str = ""
    ) -> None:
        """Show a finished job. Its mask is loaded when it is not handed in. Raises TypeError for anything else."""
        if not isinstance(done, SwapDone):
            raise TypeError("only a SwapDone is shown as a finished job")
        about = done.about
        self._entry = None
        self._show(done.picture, photo=photo, mask=mask, about=about, prompt=prompt)
        if mask is None:
            request = OpenResult(done.picture.output, done.picture.sha256)
            self._desk.ask(request, self._take_mask, self._quietly, key="result.mask")

    def show_entry(self, entry: Entry, *, photo: PhotoOpened | None = None) -> None:
        """Load a result of the history, and its photo, and show them."""
        self._desk.ask(
            OpenResult(entry.output, entry.output_sha256),
            lambda opened: self._opened(entry, opened, photo),
            self._failed,
            key="result.open",
        )

    def show_opened(self, entry: Entry, opened: ResultOpened, *, photo: PhotoOpened | None = None) -> None:
        """Show a result of the history that is loaded already. Raises TypeError for anything else."""
        if not isinstance(opened, ResultOpened):
            raise TypeError("only a ResultOpened is shown as a result of the history")
        receipt = entry.receipt
        about = {
            "entry_id": entry.id,
            "engine": entry.engine,
            "zone": entry.zone,
            "seed": entry.seed,
            "outside_mask_changed_pixels": receipt.get("outside_mask_changed_pixels"),
        }
        self._entry = entry
        self._show(opened.picture, photo=photo, mask=opened.mask, about=about, prompt=entry.prompt)

    def set_photo(self, photo: PhotoOpened | None) -> None:
        """Hand in the photo of the result on show. Raises TypeError for anything else."""
        if photo is not None and not isinstance(photo, PhotoOpened):
            raise TypeError("only a PhotoOpened is shown as a photo")
        self._photo = photo
        if photo is None:
            self.view.set_photo(None)
        else:
            self._background.run(lambda: Plate.of_photo(photo), self.view.set_photo, key="photo")
        self._compare()
        self._enable()

    def clear(self) -> None:
        """Show nothing."""
        for key in ("result", "photo", "count", "difference"):
            self._background.forget(key)
        self._picture = self._photo = self._mask = self._entry = self._entry_id = self._counts = None
        self.view.set_result(None)
        self.view.set_photo(None)
        self.strip.show_entries((), current=None)
        self._stack.setCurrentIndex(0)
        self._enable()

    def close_down(self) -> None:
        """Wait for what runs; the page is not used after that."""
        if self._dialog is not None:
            self._dialog.reject()
        self._background.close()

    def _opened(self, entry: Entry, opened: ResultOpened, photo: PhotoOpened | None) -> None:
        self.show_opened(entry, opened, photo=photo)
        if photo is not None:
            return
        if entry.photo is None:
            self._proof.setText(self.tr("The photo came without a file, so there is nothing to compare with."))
            return

        def take(found: PhotoOpened) -> None:
            if self._entry is not None and self._entry.id == entry.id:
                if found.sha256 == entry.photo_sha256:
                    self.set_photo(found)
                else:
                    self._proof.setText(
                        self.tr("The photo's file was changed since, so there is nothing to compare with.")
                    )

        self._desk.ask(OpenPhoto(entry.photo), take, self._no_photo, key="result.photo")

    def _show(
        self,
        picture: ResultPicture,
        *,
        photo: PhotoOpened | None,
        mask: Mask | None,
        about: Mapping[str, Any],
        prompt: str,
    ) -> None:
        if not isinstance(picture, ResultPicture):
            raise TypeError("only a ResultPicture is shown as a result")
        self._picture, self._mask = picture, mask
        self._entry_id = about.get("entry_id")
        self._recorded = about.get("outside_mask_changed_pixels")
        self.head.set_texts(prompt or picture.output.stem, self._facts(about), tip=str(picture.output))
        self._stack.setCurrentIndex(1)
        self._background.run(lambda: Plate.of_result(picture), self._take_plate, key="result")
        if photo is not None or self._photo is not None:
            self.set_photo(photo)
        else:
            self._compare()
        self._enable()
        self._find_variations()

    def _facts(self, about: Mapping[str, Any]) -> str:
        parts = [str(about[name]) for name in ("engine", "zone") if about.get(name)]
        if about.get("seed") is not None:
            parts.append(self.tr("seed {seed}").format(seed=about["seed"]))
        total = (about.get("seconds") or {}).get("total")
        if total is not None:
            parts.append(self.tr("{seconds} s").format(seconds=self.locale().toString(float(total), "f", 1)))
        if self._picture is not None:
            height, width = self._picture.pixels.shape[:2]
            parts.append(f"{width} x {height}")
        return " · ".join(parts)

    def _take_plate(self, plate: Plate) -> None:
        self.view.set_result(plate)
        self.foot.drag.set_picture(self._picture, QPixmap.fromImage(plate.small(_DRAG_SIDE)))

    def _take_mask(self, opened: ResultOpened) -> None:
        if self._picture is not None and opened.picture.sha256 == self._picture.sha256:
            self._mask = opened.mask
            self._compare()

    # The proof

    def _compare(self) -> None:
        """Count what differs, on another thread; the sentence says what was found."""
        self._counts = None
        picture, photo, mask = self._picture, self._photo, self._mask
        if picture is None or photo is None:
            self._proof.setText("")
            return
        self._proof.setText(self.tr("Comparing every pixel with the photo…"))
        self._proof.setProperty("role", "hint")
        self._background.run(
            lambda: count(photo.pixels, picture.pixels, mask),
            lambda counts: self._tell(counts, picture),
            key="count",
        )
        if self.view.mode is Mode.DIFFERENCE:
            self._draw_difference()

    def _tell(self, counts: Counts | None, picture: ResultPicture) -> None:
        self._counts = counts
        text, good = proof.sentence(counts, suffix=picture.output.suffix, recorded=self._recorded, locale=self.locale())
        self._proof.setText(text)
        self._proof.setProperty("role", "good" if good else "warning")
        self._proof.style().unpolish(self._proof)
        self._proof.style().polish(self._proof)

    def _draw_difference(self) -> None:
        picture, photo, mask = self._picture, self._photo, self._mask
        if picture is None or photo is None:
            return

        def work() -> Plate | None:
            found = draw(photo.pixels, picture.pixels, mask)
            return Plate.of_difference(found) if found is not None else None

        self._background.run(work, self.view.set_difference, key="difference")

    def set_mode(self, mode: Mode) -> None:
        """Show photo and result that way; what needs the photo needs it to be there."""
        if mode in (Mode.SIDE, Mode.DIFFERENCE) and self._photo is None:
            return
        self.view.set_mode(mode)
        self.head.show_mode(mode)
        if mode is Mode.DIFFERENCE:
            self._draw_difference()
        else:
            self._background.forget("difference")
            self.view.set_difference(None)

    def toggle_difference(self) -> None:
        """Between the difference and the slider."""
        self.set_mode(Mode.SLIDER if self.view.mode is Mode.DIFFERENCE else Mode.DIFFERENCE)

    # Variations

    def _find_variations(self) -> None:
        entry_id = self._entry_id
        if self._shelf is None or entry_id is None:
            self.strip.show_entries((), current=None)
            return

        def work(history: History) -> tuple[tuple[Entry, bytes | None], ...]:
            entry = history.get(entry_id)
            found = history.variations(entry) if entry is not None else ()
            return tuple((one, history.thumbnail(one.id)) for one in found)

        def show(found: tuple[tuple[Entry, bytes | None], ...]) -> None:
            mine = next((entry for entry, _ in found if entry.id == entry_id), None)
            if mine is not None and self._entry_id == entry_id:
                self._entry = self._entry or mine
                self.head.set_title(mine.prompt)
            images = [(entry, QImage.fromData(small) if small else None) for entry, small in found]
            self.strip.show_entries(images, current=entry_id)

        self._shelf.ask(work, show, self.trouble.emit, key="result.variations", order=LATER)

    def _choose(self, entry: Entry) -> None:
        if entry.id != self._entry_id:
            same = self._photo if self._photo is not None and self._photo.sha256 == entry.photo_sha256 else None
            self.show_entry(entry, photo=same)

    # Ways to go on

    def ask_export(self) -> None:
        """Open the export dialog; what it asks for goes to the engine."""
        if self._picture is None or self._dialog is not None:
            return
        dialog = ExportDialog(self._picture, self.export_folder or self._picture.output.parent, self)
        self._dialog = dialog

        def ended(code: int) -> None:
            self._dialog = None
            if code:
                self.export(dialog.request)
            dialog.deleteLater()

        dialog.finished.connect(ended)
        dialog.open()

    def export(self, request: ExportResult) -> None:
        """Ask the engine to save the result once more."""
        self.export_folder = request.target.parent

        def saved(path: Path) -> None:
            self.said.emit(self.tr("Exported to {path}").format(path=path))
            self.exported.emit(path)

        self._desk.ask(request, saved, self._failed, key="result.export")

    def copy(self) -> None:
        """Put the result on the clipboard: its file, and its pixels."""
        if self._picture is not None:
            handing_out.copy(self._picture)
            self.said.emit(self.tr("Copied: paste it as a file or as a picture."))

    def reveal(self) -> None:
        """Show the result's file in its folder."""
        if self._picture is not None and not handing_out.reveal(self._picture.output):
            self.trouble.emit(self.tr("No file browser was found to show {path}.").format(path=self._picture.output))

    def go_on(self) -> None:
        """Use the result as a new source."""
        if self._picture is not None:
            self.use_as_source.emit(self._picture.output, self._picture.sha256)

    def make_again(self) -> None:
        """Change the wish and make it again."""
        if self._entry_id is not None:
            self.remake.emit(self._entry_id)

    def look_up(self) -> None:
        """Show the entry in the history."""
        if self._entry_id is not None:
            self.show_history.emit(self._entry_id)

    def _failed(self, problem: Problem) -> None:
        self.trouble.emit(problem.sentence)

    def _quietly(self, problem: Problem) -> None:
        self.said.emit(problem.sentence)

    def _no_photo(self, problem: Problem) -> None:
        self._proof.setText(
            self.tr("The photo cannot be opened any more, so there is nothing to compare with. {why}").format(
                why=problem.sentence
            )
        )

    # The window's parts

    def add_actions(self, actions: Actions) -> None:
        """Register what the page does. They are on while the page is seen and shows a result."""
        self._actions = actions
        specs = (
            (Spec("result.slider", self.tr("Compare with Slider"), "result",
                  tip=self.tr("Photo left, result right of a slider")),
             lambda: self.set_mode(Mode.SLIDER), "compare"),
            (Spec("result.side", self.tr("Side by Side"), "result", tip=self.tr("Photo and result move together")),
             lambda: self.set_mode(Mode.SIDE), "side_by_side"),
            (Spec("result.alone", self.tr("Result Alone"), "result"), lambda: self.set_mode(Mode.RESULT), "result"),
            (Spec("result.difference", self.tr("Difference"), "result", ("D",),
                  tip=self.tr("Shows which pixels changed, many times as bright")), self.toggle_difference, "difference"),
            (Spec("result.use", self.tr("Use as New Source"), "result", ("U",),
                  tip=self.tr("Change something else in this result")), self.go_on, "right"),
            (Spec("result.remake", self.tr("Re-make with Changes…"), "result"), self.make_again, "refresh"),
            (Spec("result.export", self.tr("Export…"), "result", ("Ctrl+E",)), self.ask_export, "export"),
            (Spec("result.copy", self.tr("Copy Result"), "result", ("Ctrl+Shift+C",)), self.copy, "copy"),
            (Spec("result.reveal", self.tr("Show in Folder"), "result", ("Ctrl+Shift+R",)), self.reveal, "reveal"),
            (Spec("result.history", self.tr("Show in History"), "result"), self.look_up, "history"),
        )  # fmt: skip
        for spec, run, name in specs:
            actions.add(spec, run, icon=icons.icon(name))
        for name in self.foot.buttons:
            self.foot.buttons[name].setToolTip(actions[f"result.{name}"].toolTip())
        self.head.set_tip(Mode.DIFFERENCE, actions["result.difference"].toolTip())
        self._enable()

    def _enable(self) -> None:
        there = self._picture is not None
        self.head.enable(there, compares=there and self._photo is not None)
        for name, button in self.foot.buttons.items():
            button.setEnabled(there and (name != "remake" or self._entry_id is not None))
        if self._picture is None:
            self.foot.drag.set_picture(None)
        if self._actions is not None:
            for action in self._actions:
                if action.objectName().startswith("result."):
                    action.setEnabled(there and self.isVisible())

    def _build(self) -> None:
        self._proof.setWordWrap(True)
        self._proof.setAccessibleDescription(self.tr("What stayed as it was"))
        self._empty.setText(self.tr("No result yet. Choose a photo and an outfit, and run it."))
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setProperty("role", "hint")
        whole = QWidget()
        layout = QVBoxLayout(whole)
        layout.setContentsMargins(16, 12, 16, 12)
        layout.setSpacing(8)
        layout.addWidget(self.head)
        layout.addWidget(self.view, 1)
        layout.addWidget(self._proof)
        layout.addWidget(self.strip)
        layout.addWidget(self.foot)
        self.strip.chosen.connect(self._choose)
        self.strip.hide()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(whole)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._stack)
        self.setFocusProxy(self.view)
        self.head.mode_chosen.connect(self.set_mode)
        self.head.held.connect(self.view.set_held)
        self.head.zoom_pressed.connect(self._toggle_zoom)
        self.view.zoom_changed.connect(self.head.show_zoom)
        ways = {"use": self.go_on, "remake": self.make_again, "export": self.ask_export, "copy": self.copy}
        self.foot.pressed.connect(lambda name: ways.get(name, self.reveal)())

    def _toggle_zoom(self) -> None:
        at_own_size = abs(self.view.zoom - 1.0) < 1e-6
        if at_own_size:
            self.view.fit()
        else:
            self.view.set_zoom(1.0)

    # Keys

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """C shows the photo as long as it is held."""
        if event.key() == Qt.Key.Key_C and not event.modifiers():
            if not event.isAutoRepeat() and self._photo is not None:
                self.view.set_held(True)
            return
        super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """C let go."""
        if event.key() == Qt.Key.Key_C and not event.isAutoRepeat():
            self.view.set_held(False)
            return
        super().keyReleaseEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """The page's actions are on while it is seen."""
        super().showEvent(event)
        if self.focusWidget() is None:
            self.view.setFocus()
        self._enable()

    def hideEvent(self, event: QHideEvent) -> None:
        """And off when not."""
        super().hideEvent(event)
        self._enable()
