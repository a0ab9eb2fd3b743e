"""How a slider, its name above it and its number beside it stand together, in the mask's panel as under the outfit's "More"."""

from __future__ import annotations

from PySide6.QtWidgets import QAbstractSpinBox, QHBoxLayout, QLabel, QSizePolicy, QSlider, QVBoxLayout, QWidget


def stand_together(host: QWidget, name: str, slider: QSlider, number: QAbstractSpinBox, *, tip: str) -> None:
    """Lay `slider` and `number` out in `host` under a label that is the slider's buddy; all of them get the tooltip."""
    host.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    label = QLabel(name, host)
    label.setBuddy(slider)
    for part in (host, slider, number):
        part.setToolTip(tip)
    for each in (slider, number):
        each.setAccessibleName(name)
    column = QVBoxLayout(host)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    column.addWidget(label)
    row = QHBoxLayout()
    row.setSpacing(8)
    row.addWidget(slider, 1)
    row.addWidget(number)
    column.addLayout(row)
