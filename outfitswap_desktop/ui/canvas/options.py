"""What the tools are set to; the tool panel changes it, the tools read it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PySide6.QtCore import QObject, Signal

from outfitswap_desktop.core.strokes import Brush

TOOLS = ("brush", "eraser", "lasso", "polygon", "wand", "box", "click", "pan")
"""Names of the tools, in the order in which they are shown."""
MOST_SIZE = 1000


class ToolOptions(QObject):
    """Brush size (diameter in photo pixels, 1..1000), hardness and opacity 0..1, the wand's tolerance 0..128."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._size = 48.0
        self._hardness = 0.8
        self._opacity = 1.0
        self._tolerance = 24
        self._pressure = True

    @property
    def size(self) -> float:
        return self._size

    @size.setter
    def size(self, value: float) -> None:
        self._set("_size", min(max(float(value), 1.0), float(MOST_SIZE)))

    @property
    def hardness(self) -> float:
        return self._hardness

    @hardness.setter
    def hardness(self, value: float) -> None:
        self._set("_hardness", min(max(float(value), 0.0), 1.0))

    @property
    def opacity(self) -> float:
        return self._opacity

    @opacity.setter
    def opacity(self, value: float) -> None:
        self._set("_opacity", min(max(float(value), 0.05), 1.0))

    @property
    def tolerance(self) -> int:
        return self._tolerance

    @tolerance.setter
    def tolerance(self, value: int) -> None:
        self._set("_tolerance", min(max(int(value), 0), 128))

    @property
    def pressure(self) -> bool:
        """Whether a pen's pressure changes the size."""
        return self._pressure

    @pressure.setter
    def pressure(self, value: bool) -> None:
        self._set("_pressure", bool(value))

    def resize(self, steps: int) -> None:
        """One step of the keys [ and ]: a tenth of the size, at least a pixel."""
        for _ in range(abs(steps)):
            step = max(1.0, round(self._size / 10))
            self.size = self._size + (step if steps > 0 else -step)

    def harden(self, steps: int) -> None:
        """One step of Shift with [ and ]: a tenth."""
        self.hardness = round(self._hardness + 0.1 * steps, 2)

    def brush(self, *, erase: bool) -> Brush:
        """The brush that is set."""
        return Brush(size=self._size, hardness=self._hardness, opacity=self._opacity, erase=erase)

    def as_values(self) -> dict[str, float | int | bool]:
        """Plain values, for the settings."""
        return {
            "size": self._size,
            "hardness": self._hardness,
            "opacity": self._opacity,
            "tolerance": self._tolerance,
            "pressure": self._pressure,
        }

    def restore(self, values: Mapping[str, object]) -> None:
        """Take what `as_values` gave; what is missing or no number stays as it is."""
        for name in self.as_values():
            value = values.get(name)
            if isinstance(value, int | float) and math.isfinite(value):
                setattr(self, name, value)

    def _set(self, name: str, value: float | int | bool) -> None:
        if getattr(self, name) != value:
            setattr(self, name, value)
            self.changed.emit()
