"""A slider with its name, its value as a number that can be typed, and a default a double click goes back to."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QSpinBox, QVBoxLayout, QWidget


class SliderRow(QWidget):
    """`moved` while the slider is dragged, `settled` when it is let go or a number was typed; both carry the value."""

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
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._rest = rest
        self._sent = rest
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setRange(low, high)
        self._slider.setPageStep(max(1, (high - low) // 10))
        self._slider.setValue(rest)
        self._slider.setAccessibleName(name)
        self._number = QSpinBox(self)
        self._number.setRange(low, high)
        self._number.setSuffix(f" {unit}" if unit else "")
        self._number.setValue(rest)
        self._number.setAccessibleName(name)
        self._number.setKeyboardTracking(False)
        self._number.setMinimumWidth(78)
        label = QLabel(name, self)
        label.setBuddy(self._slider)
        for part in (self, self._slider, self._number):
            part.setToolTip(tip)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(label)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self._slider, 1)
        row.addWidget(self._number)
        column.addLayout(row)
        self._slider.valueChanged.connect(self._slid)
        self._slider.sliderReleased.connect(self._settle)
        self._number.valueChanged.connect(self._typed)
        self._slider.installEventFilter(self)

    @property
    def value(self) -> int:
        return self._slider.value()

    @property
    def slider(self) -> QSlider:
        return self._slider

    def show_value(self, value: int) -> None:
        """Show a value without saying so."""
        with QSignalBlocker(self._slider), QSignalBlocker(self._number):
            self._slider.setValue(value)
            self._number.setValue(value)
        self._sent = value

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if (
            watched is self._slider
            and event.type() == QEvent.Type.MouseButtonDblClick
            and isinstance(event, QMouseEvent)
            and event.button() == Qt.MouseButton.LeftButton
        ):
            self._slider.setValue(self._rest)
            self._settle()
            return True
        return super().eventFilter(watched, event)

    def _slid(self, value: int) -> None:
        with QSignalBlocker(self._number):
            self._number.setValue(value)
        self.moved.emit(value)
        if not self._slider.isSliderDown():
            self._settle()

    def _typed(self, value: int) -> None:
        with QSignalBlocker(self._slider):
            self._slider.setValue(value)
        self.moved.emit(value)
        self._settle()

    def _settle(self) -> None:
        if self._slider.value() != self._sent:
            self._sent = self._slider.value()
            self.settled.emit(self._sent)
