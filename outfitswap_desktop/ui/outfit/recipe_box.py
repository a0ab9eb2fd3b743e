"""What only engines for a graphics card heed: mode, steps, and numbers that their recipe sets unless the user does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QFormLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from outfitswap_desktop.core.job import BALANCED, FAST, QUALITY
from outfitswap_desktop.ui.outfit.form import TEXT_MARGINS, add_row, hint_label
from outfitswap_desktop.ui.outfit.outfit import AUTO, MOST_STEPS, SPANS, Outfit, heeded
from outfitswap_desktop.ui.outfit.wish_row import WishRow

_STEP: Final = {"guidance": 0.5}
"""One press of an arrow key; 0.05 for the others."""


class RecipeBox(QWidget):
    """Holds mode, steps and the numbers of an Outfit. `changed` for every change of the user's."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.mode = QComboBox(self)
        self.steps = QSpinBox(self)
        self.rows: dict[str, WishRow] = {}
        self.reset = QPushButton(self.tr("Leave all to the recipe"), self)
        self._why = hint_label(self)
        self._mode_says = hint_label(self)
        self._build()
        self._connect()
        self._say_mode()

    @property
    def stops(self) -> tuple[QWidget, ...]:
        """Where Tab stops, from top to bottom."""
        pairs = [part for row in self.rows.values() for part in (row.slider, row.number)]
        return (self.mode, self.steps, *pairs, self.reset)

    def apply(self, outfit: Outfit) -> Outfit:
        """The outfit with what is chosen here."""
        numbers: dict[str, Any] = {name: row.value for name, row in self.rows.items()}
        return replace(outfit, mode=str(self.mode.currentData()), steps=self.steps.value() or None, **numbers)

    def show_outfit(self, outfit: Outfit) -> None:
        """Show what an outfit says, without a `changed`."""
        with QSignalBlocker(self):
            self.mode.setCurrentIndex(max(0, self.mode.findData(outfit.mode)))
            self.steps.setValue(outfit.steps or 0)
            for name, row in self.rows.items():
                row.show_value(getattr(outfit, name))

    def show_engine(self, engine: str, *, any_installed: bool) -> None:
        """Grey out what an engine does not heed, and say why. `any_installed`: whether "auto" may take one that heeds it."""
        known = heeded(engine)
        for name, part in {"mode": self.mode, "steps": self.steps, **self.rows}.items():
            part.setEnabled(name in known)
        self._mode_says.setVisible("mode" in known)
        self.reset.setEnabled(bool(known))
        if not known:
            reason = self.tr("The fabric engine has none of these settings.")
        elif engine == AUTO and not any_installed:
            reason = self.tr("None of these engines is installed; the fabric engine paints, and leaves this unused.")
        elif known != heeded(AUTO):
            reason = self.tr("The recipe sets what you leave to it. What is grey, this engine does not take.")
        else:
            reason = self.tr("The recipe sets what you leave to it.")
        self._why.setText(reason)

    # Building

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        title = QLabel(self.tr("Engines for a graphics card"), self)
        title.setProperty("role", "heading")
        column.addWidget(title)
        column.addWidget(self._why)
        form = QFormLayout()
        for mode, name in self._modes().items():
            self.mode.addItem(name, mode)
            self.mode.setItemData(self.mode.count() - 1, self._mode_sentence(mode), Qt.ItemDataRole.ToolTipRole)
        self.mode.setAccessibleName(self.tr("Mode"))
        self.mode.setToolTip(self.tr("How much time goes into a result"))
        self.steps.setRange(0, MOST_STEPS)
        self.steps.setSpecialValueText(self._own())
        self.steps.setKeyboardTracking(False)
        self.steps.lineEdit().setTextMargins(*TEXT_MARGINS)
        self.steps.setAccessibleName(self.tr("Steps"))
        self.steps.setToolTip(self.tr("More steps take longer and show finer cloth, up to a point"))
        add_row(form, self.tr("Mode"), self.mode)
        form.addRow(self._mode_says)
        add_row(form, self.tr("Steps"), self.steps)
        column.addLayout(form)
        for name, title_, tip in self._wishes():
            step = _STEP.get(name, 0.05)
            self.rows[name] = WishRow(title_, SPANS[name], step, own=self._own(), tip=tip, parent=self)
            column.addWidget(self.rows[name])
        self.reset.setToolTip(self.tr("Best quality, and the recipe's own number for all the rest"))
        column.addWidget(self.reset, 0, Qt.AlignmentFlag.AlignLeft)

    def _own(self) -> str:
        return self.tr("recipe's own")

    def _modes(self) -> dict[str, str]:
        return {QUALITY: self.tr("Best quality"), BALANCED: self.tr("Balanced"), FAST: self.tr("Fast")}

    def _mode_sentence(self, mode: str) -> str:
        return {
            QUALITY: self.tr("Every step follows the words: the finest result, and the slowest."),
            BALANCED: self.tr("Only the steps that matter follow the words: nearly as fine, and quicker."),
            FAST: self.tr("A handful of steps: done in a fraction of the time, with less detail."),
        }.get(mode, "")

    def _wishes(self) -> tuple[tuple[str, str, str], ...]:
        return (
            (
                "strength",
                self.tr("Strength"),
                self.tr("How much of the old garment is painted over: low keeps its shapes, 1 forgets them"),
            ),
            (
                "guidance",
                self.tr("Guidance"),
                self.tr("How closely the words are followed; too much of it looks harsh"),
            ),
            ("pose", self.tr("Pose"), self.tr("How firmly the pose of the body is kept; 0 turns it off")),
            ("depth", self.tr("Depth"), self.tr("How firmly the shape of the body in space is kept; 0 turns it off")),
            (
                "garment_weight",
                self.tr("Garment picture"),
                self.tr("How much the picture of a garment counts beside the words"),
            ),
        )

    def _connect(self) -> None:
        self.mode.currentIndexChanged.connect(lambda _index: self._say_mode())
        self.mode.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.steps.valueChanged.connect(lambda _count: self.changed.emit())
        for row in self.rows.values():
            row.changed.connect(self.changed)
        self.reset.clicked.connect(self._leave_to_recipe)

    # What happens

    def _say_mode(self) -> None:
        self._mode_says.setText(self._mode_sentence(str(self.mode.currentData())))

    def _leave_to_recipe(self) -> None:
        self.show_outfit(Outfit())
        self.changed.emit()
