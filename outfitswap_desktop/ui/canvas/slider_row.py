"""A slider with its name, its value as a number that can be typed, and a default a double click goes back to."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QSlider, QSpinBox, QWidget

from outfitswap_desktop.ui.labelled_slider import stand_together

CURVED_STEPS = 1000
"""Places of a slider with a curve."""


class SliderRow(QWidget):
    """`moved` while the slider is dragged, `settled` when it is let go or a number was typed; both carry the value.

    With a `curve` above 1 small values get more of the slider's way than large ones.
    """

    moved = Signal(int)
    settled = Signal(int)

    def __init__(
        self,
        name: str,
        low: int,
        high: int,
        *,
        rest: int = 0,
        unit: str = "",
        tip: str = "",
        curve: float = 1.0,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._rest = rest
        self._sent = rest
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._low, self._high, self._curve = low, high, curve
        self._slider.setRange(low if curve == 1.0 else 0, high if curve == 1.0 else CURVED_STEPS)
        self._slider.setPageStep(max(1, (self._slider.maximum() - self._slider.minimum()) // 10))
        self._slider.setSingleStep(1 if curve == 1.0 else CURVED_STEPS // 100)
        self._slider.setValue(self._place(rest))
        self._number = QSpinBox(self)
        self._number.setRange(low, high)
        self._number.setSuffix(f" {unit}" if unit else "")
        self._number.setValue(rest)
        self._number.setKeyboardTracking(False)
        self._number.setFixedWidth(92)
        stand_together(self, name, self._slider, self._number, tip=tip)
        self._slider.valueChanged.connect(self._slid)
        self._slider.sliderReleased.connect(self._settle)
        self._number.valueChanged.connect(self._typed)
        self._slider.installEventFilter(self)

    @property
    def value(self) -> int:
        return self._number.value()

    @property
    def slider(self) -> QSlider:
        return self._slider

    @property
    def number(self) -> QSpinBox:
        return self._number

    def show_value(self, value: int) -> None:
        """Show a value without saying so."""
        with QSignalBlocker(self._slider), QSignalBlocker(self._number):
            if self._worth(self._slider.value()) != value:
                self._slider.setValue(self._place(value))
            self._number.setValue(value)
        self._sent = value

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if (
            watched is self._slider
            and event.type() == QEvent.Type.MouseButtonDblClick
            and isinstance(event, QMouseEvent)
            and event.button() == Qt.MouseButton.LeftButton
        ):
            self._slider.setValue(self._place(self._rest))
            self._settle()
            return True
        return super().eventFilter(watched, event)

    def _place(self, value: int) -> int:
        """Where on the slider a value lies."""
        if self._curve == 1.0:
            return value
        share = max(value - self._low, 0) / (self._high - self._low)
        return round(float(CURVED_STEPS * share ** (1 / self._curve)))

    def _worth(self, place: int) -> int:
        """The value at a place of the slider."""
        if self._curve == 1.0:
            return place
        return round(float(self._low + (self._high - self._low) * (place / CURVED_STEPS) ** self._curve))

    def _slid(self, place: int) -> None:
        value = self._worth(place)
        with QSignalBlocker(self._number):
            self._number.setValue(value)
        self.moved.emit(value)
        if not self._slider.isSliderDown():
            self._settle()

    def _typed(self, value: int) -> None:
        with QSignalBlocker(self._slider):
            self._slider.setValue(self._place(value))
        self.moved.emit(value)
        self._settle()

    def _settle(self) -> None:
        if self.value != self._sent:
            self._sent = self.value
            self.settled.emit(self._sent)
