"""The tools as a column of buttons, and the brush's settings in a small sheet beside it."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QKeySequence, QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QFrame, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.actions import Actions
from outfitswap_desktop.ui.canvas.mask_model import MaskModel
from outfitswap_desktop.ui.canvas.options import MOST_SIZE, TOOLS
from outfitswap_desktop.ui.canvas.slider_row import SliderRow
from outfitswap_desktop.ui.canvas.view import CanvasView
from outfitswap_desktop.ui.canvas.view_actions import tool_words

PARTED = ("lasso", "box", "pan")
"""Tools before which a little room is left."""
PAINTING = frozenset({"brush", "eraser"})


class _Hint(QLabel):
    """A paragraph that always has the height its words need; a layout alone would press what is below it together."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def say(self, text: str) -> None:
        """Show another text."""
        self.setText(text)
        self._fit()

    def _fit(self) -> None:
        self.setMinimumHeight(0)  # heightForWidth never says less than the minimum
        self.setFixedHeight(max(self.heightForWidth(self.width()), 1))


class ToolOptionsPanel(QWidget):
    """Settings of the tool that is in hand."""

    def __init__(self, view: CanvasView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._heading = QLabel(self)
        self._heading.setProperty("role", "heading")
        self._hint = _Hint(self)
        self._hint.setProperty("role", "hint")
        self._hint.setWordWrap(True)
        self._size = SliderRow(
            self.tr("Size"), 1, MOST_SIZE, unit="px", curve=2.5, tip=self.tr("Diameter in photo pixels  ( [ and ] )")
        )
        self._hardness = SliderRow(
            self.tr("Hardness"), 0, 100, rest=80, unit="%", tip=self.tr("How sharp the rim is  (Shift+[ and ])")
        )
        self._opacity = SliderRow(
            self.tr("Opacity"), 5, 100, rest=100, unit="%", tip=self.tr("How much one stroke covers")
        )
        self._pressure = QCheckBox(self.tr("Pen pressure changes the size"), self)
        self._pressure.setToolTip(self.tr("Only with a drawing tablet"))
        self._tolerance = SliderRow(
            self.tr("Tolerance"), 0, 128, rest=24, tip=self.tr("How far a colour may be from the clicked one")
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        rows = (self._heading, self._hint, self._size, self._hardness, self._opacity, self._pressure, self._tolerance)
        for row in rows:
            column.addWidget(row)
        options = view.options
        self._size.moved.connect(lambda value: setattr(options, "size", value))
        self._hardness.moved.connect(lambda value: setattr(options, "hardness", value / 100))
        self._opacity.moved.connect(lambda value: setattr(options, "opacity", value / 100))
        self._tolerance.moved.connect(lambda value: setattr(options, "tolerance", value))
        self._pressure.toggled.connect(lambda on: setattr(options, "pressure", on))
        options.changed.connect(self._show_values)
        view.tool_changed.connect(self._show_tool)
        self._show_values()
        self._show_tool(view.tool)

    def _show_values(self) -> None:
        options = self._view.options
        self._size.show_value(round(options.size))
        self._hardness.show_value(round(100 * options.hardness))
        self._opacity.show_value(round(100 * options.opacity))
        self._tolerance.show_value(options.tolerance)
        self._pressure.setChecked(options.pressure)

    def _show_tool(self, name: str) -> None:
        text, tip, _key, _icon = tool_words(name)
        self._heading.setText(text)
        self._hint.say(tip)
        for row in (self._size, self._hardness, self._opacity, self._pressure):
            row.setVisible(name in PAINTING)
        self._tolerance.setVisible(name == "wand")


class ToolPanel(QWidget):
    """Tool buttons for a CanvasView, undo and redo beneath them. A second click on the tool in hand shows its settings."""

    def __init__(self, view: CanvasView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._buttons: dict[str, QToolButton] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(6, 8, 6, 8)
        self._column.setSpacing(2)
        self.setAccessibleName(self.tr("Tools"))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        group = QButtonGroup(self)
        for name in TOOLS:
            if name in PARTED:
                self._column.addSpacing(8)
            button = self._tool_button(name)
            group.addButton(button)
            self._column.addWidget(button)
        self._column.addStretch(1)
        self._undo = self._button("undo", self.tr("Undo"), "Ctrl+Z")
        self._redo = self._button("redo", self.tr("Redo"), "Ctrl+Shift+Z")
        self._eye = self._button("eye", self.tr("Next view of the mask"), "F")
        self._fit = self._button("fit", self.tr("Fit the photo"), "Ctrl+0")
        self._undo.clicked.connect(view.undo)
        self._redo.clicked.connect(view.redo)
        self._eye.clicked.connect(view.next_mode)
        self._fit.clicked.connect(view.fit)
        self._sheet = QFrame(self.window(), Qt.WindowType.Popup)
        self._sheet.setProperty("role", "panel")
        inside = QVBoxLayout(self._sheet)
        inside.addWidget(ToolOptionsPanel(view, self._sheet))
        self._sheet.setMinimumWidth(280)
        view.tool_changed.connect(self._show_tool)
        view.model_changed.connect(self._follow)
        self._show_tool(view.tool)
        self._follow(view.model)

    def add_actions(self, actions: Actions) -> None:
        """Register the sheet with the tool's settings; the tools themselves are the canvas'."""
        from outfitswap_desktop.ui.actions import Spec

        actions.add(Spec("tool.settings", self.tr("Settings of the tool"), "edit", ("Shift+B",)), self.show_settings)

    def show_settings(self) -> None:
        """Open the sheet with the settings of the tool in hand."""
        button = self._buttons[self._view.tool]
        self._sheet.adjustSize()
        self._sheet.move(button.mapToGlobal(QPoint(button.width() + 8, 0)))
        self._sheet.show()

    def _tool_button(self, name: str) -> QToolButton:
        text, tip, key, icon = tool_words(name)
        button = self._button(icon, text, key, tip=tip, place=False)
        button.setCheckable(True)
        button.setObjectName(f"tool.{name}")
        button.clicked.connect(lambda: self._clicked(name))
        self._buttons[name] = button
        return button

    def _button(self, icon: str, text: str, key: str, *, tip: str = "", place: bool = True) -> QToolButton:
        button = QToolButton(self)
        button.setIcon(icons.icon(icon))
        button.setIconSize(QSize(22, 22))
        button.setFixedSize(38, 38)
        button.setAccessibleName(text)
        shown = QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
        button.setToolTip(f"<b>{text}</b> ({shown})<br>{tip}" if tip else f"{text} ({shown})")
        if place:
            self._column.addWidget(button)
        return button

    def _clicked(self, name: str) -> None:
        if name == self._view.tool:
            if name in PAINTING or name == "wand":
                self.show_settings()
        else:
            self._view.set_tool(name)

    def _show_tool(self, name: str) -> None:
        self._buttons[name].setChecked(True)

    def _follow(self, model: MaskModel | None) -> None:
        if model is not None:
            model.history_changed.connect(self._enable)
        self._enable(model is not None and model.can_undo, model is not None and model.can_redo)
        for button in (*self._buttons.values(), self._eye, self._fit):
            button.setEnabled(model is not None)

    def _enable(self, can_undo: bool, can_redo: bool) -> None:
        self._undo.setEnabled(can_undo)
        self._redo.setEnabled(can_redo)
