"""The two bars of the result page: how it is looked at, and what can be done with it."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.result.compare_view import Mode
from outfitswap_desktop.ui.result.handing_out import DragButton

_MODES: Final = tuple(Mode)


class HeadBar(QWidget):
    """What the result is, and how it is looked at. `held` comes while the button is pressed."""

    mode_chosen = Signal(object)
    held = Signal(bool)
    zoom_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = QLabel()
        self._about = QLabel()
        self._modes = QButtonGroup(self)
        self._hold = QToolButton()
        self._zoom = QPushButton()
        self._title.setProperty("role", "heading")
        self._title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._about.setProperty("role", "hint")
        self._about.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        names = QVBoxLayout()
        names.setSpacing(0)
        names.addWidget(self._title)
        names.addWidget(self._about)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addLayout(names, 1)
        texts = {
            Mode.SLIDER: (self.tr("Slider"), "compare"),
            Mode.SIDE: (self.tr("Side by side"), "side_by_side"),
            Mode.RESULT: (self.tr("Result"), "result"),
            Mode.DIFFERENCE: (self.tr("Difference"), "difference"),
        }
        for number, mode in enumerate(_MODES):
            text, name = texts[mode]
            button = QPushButton(icons.icon(name), text)
            button.setProperty("role", "chip")
            button.setCheckable(True)
            button.setChecked(mode is Mode.SLIDER)
            button.setAccessibleName(text)
            button.setToolTip(text)
            self._modes.addButton(button, number)
            row.addWidget(button)
        self._modes.idClicked.connect(lambda number: self.mode_chosen.emit(_MODES[number]))
        self._build_hold(row)
        self._zoom.setProperty("role", "quiet")
        self._zoom.setToolTip(self.tr("Between the whole picture and its own size (double click)"))
        self._zoom.setAccessibleName(self.tr("Zoom"))
        self._zoom.setFixedWidth(84)
        self._zoom.clicked.connect(self.zoom_pressed)
        row.addWidget(self._zoom)

    def set_texts(self, title: str, about: str, *, tip: str) -> None:
        """What the result is."""
        self._title.setText(title)
        self._title.setToolTip(tip)
        self._about.setText(about)

    def set_title(self, title: str) -> None:
        """Its name, when there is one."""
        if title:
            self._title.setText(title)

    def show_mode(self, mode: Mode) -> None:
        """Mark the mode that is on."""
        self._modes.button(_MODES.index(mode)).setChecked(True)

    def show_zoom(self, zoom: float) -> None:
        """Show how large the picture is seen."""
        self._zoom.setText(self.tr("{percent} %").format(percent=round(zoom * 100)))

    def set_tip(self, mode: Mode, tip: str) -> None:
        """A mode's tooltip, with its shortcut."""
        self._modes.button(_MODES.index(mode)).setToolTip(tip)

    def enable(self, there: bool, *, compares: bool) -> None:
        """`there`: a result is shown; `compares`: its photo too."""
        for number, mode in enumerate(_MODES):
            self._modes.button(number).setEnabled(there and (compares or mode in (Mode.SLIDER, Mode.RESULT)))
        self._hold.setEnabled(compares)
        self._zoom.setEnabled(there)

    def _build_hold(self, row: QHBoxLayout) -> None:
        self._hold.setIcon(icons.icon("eye"))
        self._hold.setText(self.tr("Hold for photo"))
        self._hold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._hold.setToolTip(self.tr("Shows the photo while it is held (C, or the right mouse button on the picture)"))
        self._hold.setAccessibleName(self.tr("Hold for photo"))
        self._hold.pressed.connect(lambda: self.held.emit(True))
        self._hold.released.connect(lambda: self.held.emit(False))
        row.addWidget(self._hold)


class FootBar(QWidget):
    """What can be done with the result; `pressed` names it: "use", "remake", "export", "copy", "reveal"."""

    pressed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QPushButton] = {}
        self.drag = DragButton()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        texts = (
            ("use", self.tr("Use as new source"), "right", "primary"),
            ("remake", self.tr("Re-make with changes…"), "refresh", ""),
            ("export", self.tr("Export…"), "export", ""),
            ("copy", self.tr("Copy"), "copy", ""),
            ("reveal", self.tr("Show in folder"), "reveal", ""),
        )
        for name, text, picture, role in texts:
            button = QPushButton(icons.icon(picture, tint="accent_text" if role == "primary" else ""), text)
            button.setProperty("role", role)
            button.setAccessibleName(text)
            button.clicked.connect(lambda _=False, name=name: self.pressed.emit(name))
            self.buttons[name] = button
            row.addWidget(button)
            if name == "remake":
                row.addStretch()
        self.drag.setIcon(icons.icon("drop"))
        self.drag.setIconSize(QSize(18, 18))
        self.drag.setText(self.tr("Drag out"))
        self.drag.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.drag.setToolTip(self.tr("Drag this onto a folder or into another program"))
        self.drag.setAccessibleName(self.tr("Drag out"))
        row.addWidget(self.drag)
