"""A number that may be left to the recipe: a slider and a field whose lowest place says so."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QSlider, QWidget

from outfitswap_desktop.ui.labelled_slider import stand_together
from outfitswap_desktop.ui.outfit.form import TEXT_MARGINS

OWN_PLACE = -1
"""The slider's place below its lowest value: the recipe's own number."""


class WishRow(QWidget):
    """`changed` whenever the value is another one; the value is None at the lowest place of slider and field."""

    changed = Signal()

    def __init__(
        self,
        name: str,
        span: tuple[float, float],
        step: float,
        *,
        own: str,
        tip: str,
        parent: QWidget | None = None,
    ) -> None:
        """`span` is the least and the most, a whole number of `step`s apart; `own` says that the recipe decides."""
        super().__init__(parent)
        low, high = span
        self._low, self._step = low, step
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setRange(OWN_PLACE, round((high - low) / step))
        self.slider.setPageStep(max(1, self.slider.maximum() // 10))
        self.number = QDoubleSpinBox(self)
        self.number.setDecimals(2)
        self.number.setRange(low - step, high)
        self.number.setSingleStep(step)
        self.number.setSpecialValueText(own)
        self.number.setKeyboardTracking(False)
        self.number.setFixedWidth(144)
        self.number.lineEdit().setTextMargins(*TEXT_MARGINS)
        for each in (self.slider, self.number):
            each.setAccessibleDescription(tip)
        stand_together(self, name, self.slider, self.number, tip=tip)
        self.show_value(None)
        self.slider.valueChanged.connect(self._slid)
        self.number.valueChanged.connect(self._typed)

    @property
    def value(self) -> float | None:
        """The number within its span; None: the recipe's own."""
        typed = self.number.value()
        return round(typed, 2) if typed > self._low - self._step / 2 else None

    def show_value(self, value: float | None) -> None:
        """Show a value without saying so."""
        with QSignalBlocker(self.slider), QSignalBlocker(self.number):
            self.number.setValue(self.number.minimum() if value is None else value)
            self.slider.setValue(self._place())

    def _place(self) -> int:
        """Where on the slider the field's value lies."""
        value = self.value
        return OWN_PLACE if value is None else max(0, round((value - self._low) / self._step))

    def _slid(self, place: int) -> None:
        with QSignalBlocker(self.number):
            self.number.setValue(self._low + place * self._step)
        self.changed.emit()

    def _typed(self, _value: float) -> None:
        if self.value is not None and self.value < self._low:  # typed into the gap below the lowest value
            self.show_value(self._low)
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._place())
        self.changed.emit()
