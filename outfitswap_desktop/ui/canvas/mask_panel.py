"""The mask's own panel: settings of the tool in hand, live parameters, whole-mask changes, and how the mask is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.core.adjust import MaskParameters
from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.actions import Actions, Spec
from outfitswap_desktop.ui.canvas.look import ViewMode
from outfitswap_desktop.ui.canvas.mask_model import MaskModel
from outfitswap_desktop.ui.canvas.slider_row import SliderRow
from outfitswap_desktop.ui.canvas.tool_panel import ToolOptionsPanel
from outfitswap_desktop.ui.canvas.view import CanvasView
from outfitswap_desktop.ui.canvas.view_actions import mode_words

MOST_GROW, MOST_FEATHER, MOST_SMOOTH = 100, 100, 60
"""Pixels that the sliders reach."""


class MaskPanel(QWidget):
    """Panel for the mask that a CanvasView edits; import and export go out as signals."""

    import_asked = Signal()
    export_asked = Signal()

    def __init__(self, view: CanvasView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._model: MaskModel | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 12, 12, 12)
        column.setSpacing(10)
        column.addWidget(ToolOptionsPanel(view, self))
        column.addSpacing(6)
        column.addWidget(self._title(self.tr("Edge")))
        self._make_parameters(column)
        column.addSpacing(6)
        column.addWidget(self._title(self.tr("Whole mask")))
        self._make_changes(column)
        column.addSpacing(6)
        column.addWidget(self._title(self.tr("View")))
        self._make_view(column)
        column.addStretch(1)
        view.model_changed.connect(self._follow)
        view.mode_changed.connect(self._show_look)
        view.look_changed.connect(self._show_look)
        self._follow(view.model)
        self._show_look()

    def add_actions(self, actions: Actions) -> None:
        """Register whole-mask changes. Import and export are the window's."""
        changes = (
            ("mask.invert", self.tr("&Invert the mask"), ("Ctrl+I",), "invert", self._invert),
            ("mask.reset", self.tr("&Reset to the detection"), ("Ctrl+R",), "refresh", self._reset),
            ("mask.clear", self.tr("&Clear the mask"), ("Ctrl+Backspace",), "", self._clear),
            ("mask.fill", self.tr("&Fill holes"), ("Ctrl+Shift+F",), "", self._fill.toggle),
            (
                "mask.largest",
                self.tr("&Keep only the largest piece"),
                ("Ctrl+Shift+L",),
                "",
                self._largest.toggle,
            ),
            ("mask.grow", self.tr("&Grow by a pixel"), ("Ctrl+Shift+Up",), "", lambda: self._nudge(1)),
            ("mask.shrink", self.tr("&Shrink by a pixel"), ("Ctrl+Shift+Down",), "", lambda: self._nudge(-1)),
        )
        made = [
            actions.add(Spec(name, text, "mask", keys), run, icon=icons.icon(icon) if icon else None)
            for name, text, keys, icon, run in changes
        ]

        def enable(model: MaskModel | None) -> None:
            for action in made:
                action.setEnabled(model is not None)

        self._view.model_changed.connect(enable)
        enable(self._view.model)

    # parts

    def _title(self, text: str) -> QLabel:
        label = QLabel(text, self)
        label.setProperty("role", "heading")
        return label

    def _make_parameters(self, column: QVBoxLayout) -> None:
        self._grow = SliderRow(
            self.tr("Shrink · grow"), -MOST_GROW, MOST_GROW, unit="px", tip=self.tr("Left: smaller, right: larger")
        )
        self._grow.slider.setProperty("role", "middle")
        self._smooth = SliderRow(
            self.tr("Smooth"), 0, MOST_SMOOTH, unit="px", tip=self.tr("A calmer outline without specks")
        )
        self._feather = SliderRow(
            self.tr("Feather"), 0, MOST_FEATHER, unit="px", tip=self.tr("A soft edge, inwards: nothing outside changes")
        )
        self._fill = QCheckBox(self.tr("Fill holes"), self)
        self._fill.setToolTip(self.tr("What lies wholly inside the mask belongs to it"))
        self._largest = QCheckBox(self.tr("Only the largest piece"), self)
        self._largest.setToolTip(self.tr("Leave stray pieces out"))
        for row in (self._grow, self._smooth, self._feather, self._fill, self._largest):
            column.addWidget(row)
        for name, slider in (("grow", self._grow), ("smooth", self._smooth), ("feather", self._feather)):
            slider.moved.connect(lambda value, name=name: self._change(name, value, final=False))
            slider.settled.connect(lambda value, name=name: self._change(name, value, final=True))
        self._fill.toggled.connect(lambda on: self._change("fill", on, final=True))
        self._largest.toggled.connect(lambda on: self._change("largest", on, final=True))

    def _make_changes(self, column: QVBoxLayout) -> None:
        grid = QGridLayout()
        grid.setSpacing(6)
        buttons = (
            (
                self.tr("Invert"),
                "invert",
                self.tr("What was out is in; protected areas stay out (Ctrl+I)"),
                self._invert,
            ),
            (self.tr("Reset"), "refresh", self.tr("Back to what was detected; can be undone (Ctrl+R)"), self._reset),
            (self.tr("Import…"), "open", self.tr("Take a mask from a picture file"), self.import_asked.emit),
            (self.tr("Export…"), "export", self.tr("Save the mask as a PNG"), self.export_asked.emit),
        )
        for number, (text, icon, tip, run) in enumerate(buttons):
            button = QPushButton(icons.icon(icon), text, self)
            button.setToolTip(tip)
            button.setAccessibleName(text)
            button.clicked.connect(lambda _checked=False, run=run: run())
            grid.addWidget(button, number // 2, number % 2)
        column.addLayout(grid)

    def _make_view(self, column: QVBoxLayout) -> None:
        self._mode = QComboBox(self)
        self._mode.setAccessibleName(self.tr("View of the mask"))
        self._mode.setToolTip(self.tr("How the mask is shown (F for the next)"))
        for mode in ViewMode:
            self._mode.addItem(mode_words(mode), mode)
        self._mode.activated.connect(lambda number: self._view.set_mode(list(ViewMode)[number]))
        column.addWidget(self._mode)
        colours = QHBoxLayout()
        colours.setSpacing(4)
        self._colours = QButtonGroup(self)
        names = {
            "#ff3d6e": self.tr("Red"),
            "#37d67a": self.tr("Green"),
            "#2ea8ff": self.tr("Blue"),
            "#ffd23f": self.tr("Yellow"),
            "#c77dff": self.tr("Violet"),
        }
        for number, (colour, name) in enumerate(names.items()):
            button = QToolButton(self)
            button.setCheckable(True)
            button.setIcon(_swatch(colour))
            button.setIconSize(QSize(18, 18))
            button.setAccessibleName(name)
            button.setToolTip(self.tr("Show the mask in this colour: {colour}").format(colour=name))
            button.clicked.connect(lambda _checked=False, colour=colour: self._view.set_overlay(colour=QColor(colour)))
            self._colours.addButton(button, number)
            colours.addWidget(button)
        self._names = list(names)
        colours.addStretch(1)
        column.addLayout(colours)
        self._opacity = SliderRow(
            self.tr("Strength"), 5, 100, rest=50, unit="%", tip=self.tr("How much the mask's colour covers")
        )
        self._opacity.moved.connect(lambda value: self._view.set_overlay(opacity=value / 100))
        column.addWidget(self._opacity)
        self._protected = QCheckBox(self.tr("Always show protected areas"), self)
        self._protected.setToolTip(self.tr("Else they show when the brush comes near (Shift+H)"))
        self._protected.toggled.connect(self._view.set_always_protected)
        column.addWidget(self._protected)

    # what happens

    def _follow(self, model: MaskModel | None) -> None:
        if self._model is not None:
            self._model.parameters_changed.disconnect(self._show_parameters)
        self._model = model
        self.setEnabled(model is not None)
        if model is not None:
            model.parameters_changed.connect(self._show_parameters)
        self._show_parameters(MaskParameters() if model is None else model.parameters)

    def _show_parameters(self, parameters: MaskParameters) -> None:
        for row, value in (
            (self._grow, parameters.grow),
            (self._smooth, parameters.smooth),
            (self._feather, parameters.feather),
        ):
            if not row.slider.isSliderDown():
                row.show_value(value)
        for box, on in ((self._fill, parameters.fill), (self._largest, parameters.largest)):
            with QSignalBlocker(box):
                box.setChecked(on)

    def _show_look(self) -> None:
        look = self._view.look
        self._mode.setCurrentIndex(list(ViewMode).index(look.mode))
        self._opacity.show_value(round(100 * look.opacity))
        with QSignalBlocker(self._protected):
            self._protected.setChecked(self._view.always_protected)
        name = look.colour.name()
        if name in self._names:
            self._colours.button(self._names.index(name)).setChecked(True)

    def _change(self, name: str, value: Any, *, final: bool) -> None:
        if self._model is not None:
            self._model.set_parameters(replace(self._model.parameters, **{name: value}), final=final)

    def _nudge(self, step: int) -> None:
        if self._model is not None:
            grown = min(max(self._model.parameters.grow + step, -MOST_GROW), MOST_GROW)
            self._change("grow", grown, final=True)

    def _invert(self) -> None:
        if self._model is not None:
            self._model.invert()

    def _reset(self) -> None:
        if self._model is not None:
            self._model.reset()

    def _clear(self) -> None:
        if self._model is not None:
            self._model.clear()


def _swatch(colour: str) -> QIcon:
    picture = QPixmap(36, 36)
    picture.fill(QColor(0, 0, 0, 0))
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QColor(0, 0, 0, 90))
    painter.setBrush(QColor(colour))
    painter.drawEllipse(3, 3, 30, 30)
    painter.end()
    return QIcon(picture)
