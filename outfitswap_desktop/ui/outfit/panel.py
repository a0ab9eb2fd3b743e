"""The outfit panel: zone, words, presets, styles, a picture, and "More"."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QInputDialog,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.ui.actions import Actions, Spec
from outfitswap_desktop.ui.flow import FlowLayout
from outfitswap_desktop.ui.outfit.advanced import Advanced
from outfitswap_desktop.ui.outfit.outfit import AUTO, ENGINES, Outfit
from outfitswap_desktop.ui.outfit.picture_drop import PictureDrop
from outfitswap_desktop.ui.outfit.preset_grid import PresetGrid
from outfitswap_desktop.ui.outfit.presets import OWN_GROUP, Preset, Style, bundled_presets, bundled_styles, styled
from outfitswap_desktop.ui.outfit.words import WordsPanel
from outfitswap_desktop.ui.tab_order import in_order

if TYPE_CHECKING:
    from outfitswap_desktop.ui.worker import Desk


class OutfitPanel(QWidget):
    """Holds one Outfit; every change is one `changed`."""

    changed = Signal(object)
    """The Outfit."""
    zone_chosen = Signal(object)
    """The Zone whose chip was clicked."""
    run_asked = Signal()
    preset_kept = Signal(str, str)
    """A preset of the user's own: name and words."""
    preset_dropped = Signal(str)
    models_asked = Signal()
    """The user wants engines that are not installed."""

    def __init__(self, desk: Desk, parent: QWidget | None = None, *, engines: Sequence[str] = (AUTO, *ENGINES)) -> None:
        super().__init__(parent)
        self._styles = bundled_styles()
        self._bundled = bundled_presets()
        self._own: tuple[Preset, ...] = ()
        self._quiet = False
        self._zones = FlowLayout()
        self._zone_chips: dict[Zone, QPushButton] = {}
        self._zone_group = QButtonGroup(self)
        self.words = WordsPanel(desk, self)
        self.picture = PictureDrop(desk, self)
        self.presets = PresetGrid(self)
        self._style_buttons: dict[str, QPushButton] = {}
        self.advanced = Advanced(self, engines=engines)
        self._build()
        self._connect()
        self.show_own(())

    @property
    def stops(self) -> tuple[QWidget, ...]:
        """Where Tab stops, from top to bottom; zones and near words come and go and take their places themselves."""
        return (
            self.words.field,
            *self._style_buttons.values(),
            self.presets.search,
            self.presets.view,
            *self.picture.findChildren(QPushButton),
            self._more,
            *self.advanced.stops,
        )

    # What is chosen

    @property
    def outfit(self) -> Outfit:
        """What the panel says now."""
        styles = tuple(name for name, button in self._style_buttons.items() if button.isChecked())
        return self.advanced.apply(Outfit(words=self.words.text, styles=styles, garment=self.picture.path))

    @property
    def prompt(self) -> str:
        """The words with those of the styles before them: what the job is asked."""
        return styled(self.words.text, self.outfit.styles, self._styles)

    def set_outfit(self, outfit: Outfit) -> None:
        """Show another outfit; a picture passes the gates again. One `changed` at the end."""
        self._quiet = True
        for name, button in self._style_buttons.items():
            button.setChecked(name in outfit.styles)
        self.words.set_text(outfit.words)
        self.advanced.show_outfit(outfit)
        if outfit.garment is None:
            self.picture.clear()
        elif outfit.garment != self.picture.path:
            self.picture.open(outfit.garment)
        self._quiet = False
        self._changed()

    def next_seed(self) -> None:
        """Throw the dice, unless the seed is locked."""
        self.advanced.next_seed()

    def show_installed(self, engines: Collection[str]) -> None:
        """Grey out the engines whose weights are not there; the built-in one and "auto" always are."""
        self.advanced.show_installed(engines)

    def show_zones(self, zones: Iterable[Zone], chosen: Zone | None) -> None:
        """Show a chip for each zone that was found; none is chosen for None."""
        while (row := self._zones.takeAt(0)) is not None:
            if (old := row.widget()) is not None:
                self._zone_group.removeButton(old)  # type: ignore[arg-type]
                old.deleteLater()
        self._zone_chips = {}
        for zone in zones:
            chip = QPushButton(self.zone_name(zone), self)
            chip.setCheckable(True)
            chip.setProperty("role", "chip")
            chip.setToolTip(self.tr("Change the {zone}").format(zone=self.zone_name(zone).lower()))
            chip.setChecked(zone is chosen)
            chip.clicked.connect(lambda _checked=False, zone=zone: self.zone_chosen.emit(zone))
            self._zone_group.addButton(chip)
            self._zones.addWidget(chip)
            self._zone_chips[zone] = chip
        self._zones_title.setVisible(bool(self._zone_chips))
        before = (
            self.words.field.previousInFocusChain()
        )  # chips come late; Tab meets them before the words all the same
        if before is not None:
            in_order(before, *self._zone_chips.values(), self.words.field)

    def zone_name(self, zone: Zone) -> str:
        """A zone's name for the user."""
        return {
            Zone.TOP: self.tr("Top"),
            Zone.BOTTOM: self.tr("Bottom"),
            Zone.DRESS: self.tr("Dress"),
            Zone.OUTER: self.tr("Outer layer"),
            Zone.FULL: self.tr("Whole outfit"),
        }[zone]

    def show_own(self, own: Iterable[tuple[str, str]]) -> None:
        """The user's own presets, (name, words), before those of the program."""
        self._own = tuple(Preset(name, OWN_GROUP, words) for name, words in own)
        self.presets.model.show((*self._own, *self._bundled))

    def add_actions(self, actions: Actions) -> None:
        """Register the panel's actions."""
        focus, keep, drop = "outfit.words", "outfit.keep", "outfit.drop"
        actions.add(Spec(focus, self.tr("Write what to wear"), "outfit", ("Ctrl+L",)), self.words.field.setFocus)
        actions.add(
            Spec("outfit.presets", self.tr("Search presets"), "outfit", ("Ctrl+P",)), self.presets.search.setFocus
        )
        actions.add(Spec("outfit.dice", self.tr("Throw another seed"), "outfit", ("Ctrl+D",)), self.next_seed)
        actions.add(
            Spec("outfit.lock", self.tr("Keep the seed"), "outfit", ("Ctrl+Shift+K",), checkable=True),
            self.advanced.lock.setChecked,
        )
        self.advanced.lock.toggled.connect(actions["outfit.lock"].setChecked)
        actions.add(Spec(keep, self.tr("Keep these words as a preset…"), "outfit", ("Ctrl+Shift+P",)), self._keep)
        actions.add(Spec(drop, self.tr("Delete the chosen preset of mine"), "outfit"), self._drop)
        actions.add(
            Spec("outfit.picture", self.tr("Choose a picture of a garment…"), "outfit", ("Ctrl+G",)), self._pick
        )

    # Building

    def _build(self) -> None:
        column = QVBoxLayout(self)
        self._zones_title = self._titled(self.tr("Garment"))
        self._zones_title.hide()
        column.addWidget(self._zones_title)
        column.addLayout(self._zones)
        column.addWidget(self._titled(self.tr("Wear instead")))
        column.addWidget(self.words)
        column.addLayout(self._style_row())
        column.addWidget(self.presets, 1)
        column.addWidget(self.picture)
        self._more = QToolButton(self)
        self._more.setText(self.tr("More: seed, variations, engine"))
        self._more.setCheckable(True)
        self._more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._more.setArrowType(Qt.ArrowType.RightArrow)
        self._more.setAutoRaise(True)
        column.addWidget(self._more)
        self.advanced.hide()
        column.addWidget(self.advanced)
        column.setContentsMargins(8, 8, 8, 8)

    def _titled(self, text: str) -> QLabel:
        label = QLabel(text, self)
        label.setProperty("role", "heading")
        return label

    def _style_row(self) -> FlowLayout:
        row = FlowLayout()
        for style in self._styles:
            button = QPushButton(self._style_name(style), self)
            button.setCheckable(True)
            button.setProperty("role", "chip")
            button.setToolTip(self.tr("Puts “{words}” before the words").format(words=style.words))
            button.toggled.connect(lambda on, style=style: self._style_toggled(style, on))
            row.addWidget(button)
            self._style_buttons[style.name] = button
        return row

    def _style_name(self, style: Style) -> str:
        names = {
            "Dark": self.tr("Dark"),
            "Pastel": self.tr("Pastel"),
            "Bright": self.tr("Bright"),
            "Fine": self.tr("Fine"),
            "Bold": self.tr("Bold"),
            "Matte": self.tr("Matte"),
            "Glossy": self.tr("Glossy"),
        }
        return names.get(style.name, style.name)

    def _connect(self) -> None:
        self.words.changed.connect(lambda _text: self._changed())
        self.words.submitted.connect(self.run_asked)
        self.picture.changed.connect(lambda _path: self._changed())
        self.presets.chosen.connect(self._preset_chosen)
        self.advanced.changed.connect(self._changed)
        self.advanced.models_asked.connect(self.models_asked)
        self._more.toggled.connect(self._show_more)

    # What happens

    def _changed(self) -> None:
        if not self._quiet:
            self.changed.emit(self.outfit)

    def _show_more(self, on: bool) -> None:
        self.advanced.setVisible(on)
        self._more.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        if on:
            QTimer.singleShot(0, self, self._scroll_to_more)

    def _scroll_to_more(self) -> None:
        """What came below the window's edge is brought up, "More" itself staying in sight."""
        area = self.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if area is not None:
            area.verticalScrollBar().setValue(self._more.y())

    def _style_toggled(self, style: Style, on: bool) -> None:
        if on:
            for other in self._styles:
                if other.group == style.group and other.name != style.name:
                    self._style_buttons[other.name].setChecked(False)
        chosen = [name for name, button in self._style_buttons.items() if button.isChecked()]
        self.words.set_before(" ".join(one.words for one in self._styles if one.name in chosen))
        self._changed()

    def _preset_chosen(self, preset: Any) -> None:
        if isinstance(preset, Preset):
            self.words.set_text(preset.words)

    def _keep(self) -> None:
        words = self.prompt
        if not words:
            return
        name, kept = QInputDialog.getText(self, self.tr("Keep as a preset"), self.tr("Name"), text=words[:40])
        if kept and name.strip():
            self.preset_kept.emit(name.strip(), words)

    def _drop(self) -> None:
        preset = self.presets.current()
        if preset is not None and preset.own:
            self.preset_dropped.emit(preset.name)

    def _pick(self) -> None:
        self.picture.ask_file()

    def open_picture(self, path: Path) -> None:
        """Take a picture of a garment from elsewhere (dropped onto the window)."""
        self.picture.open(path)
