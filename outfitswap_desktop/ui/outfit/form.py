"""Small pieces of the panel's forms: a row whose title stands level with its field, a hint, the margins of a spin box."""

from __future__ import annotations

from typing import Final

from PySide6.QtWidgets import QFormLayout, QLabel, QLayout, QWidget

TEXT_MARGINS: Final = (4, 0, 0, 0)
"""Of the text in a spin box: the style sheet's padding does not reach it."""


def add_row(form: QFormLayout, title: str, field: QWidget | QLayout) -> None:
    """Add a row whose title stands at the height of its field's middle; QFormLayout alone puts it higher."""
    label = QLabel(title)
    label.setMinimumHeight(field.sizeHint().height())
    if isinstance(field, QWidget):
        label.setBuddy(field)
        form.addRow(label, field)
    else:
        form.addRow(label, field)


def hint_label(parent: QWidget) -> QLabel:
    """A sentence in the hints' colour, broken into lines."""
    label = QLabel(parent)
    label.setWordWrap(True)
    label.setProperty("role", "hint")
    return label
