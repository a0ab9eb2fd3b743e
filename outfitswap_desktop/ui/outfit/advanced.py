"""What is under "More" of the outfit panel: seed, variations, engine, and what engines for a graphics card heed."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui.outfit.form import TEXT_MARGINS, add_row, hint_label
from outfitswap_desktop.ui.outfit.outfit import AUTO, ENGINES, FABRIC, MOST_VARIATIONS, Outfit
from outfitswap_desktop.ui.outfit.recipe_box import RecipeBox

SEED_SIDE: Final = 2**31 - 1
"""Seeds that the dice throw: 0 to this, short enough to be copied by hand."""
ALWAYS_THERE: Final = frozenset({AUTO, FABRIC})


class Advanced(QWidget):
    """Holds the part of an Outfit that nobody has to see. `changed` for every change of the user's."""

    changed = Signal()
    models_asked = Signal()
    """The user wants engines that are not installed."""

    def __init__(self, parent: QWidget | None = None, *, engines: Sequence[str] = (AUTO, *ENGINES)) -> None:
        super().__init__(parent)
        self._installed: frozenset[str] = frozenset()
        self.seed = QLineEdit("0", self)
        self.lock = QToolButton(self)
        self.dice = QToolButton(self)
        self.variations = QSpinBox(self)
        self.engine = QComboBox(self)
        self.models = QPushButton(self.tr("Models…"), self)
        self.recipe = RecipeBox(self)
        self._missing = hint_label(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 4)
        column.addLayout(self._form(engines))
        column.addWidget(self._missing)
        column.addSpacing(6)
        column.addWidget(self.recipe)
        self._connect()
        self.show_installed(())

    @property
    def stops(self) -> tuple[QWidget, ...]:
        """Where Tab stops, from top to bottom."""
        head = (self.seed, self.lock, self.dice, self.variations, self.engine, self.models)
        return (*head, *self.recipe.stops)

    def apply(self, outfit: Outfit) -> Outfit:
        """The outfit with what is chosen here."""
        return replace(
            self.recipe.apply(outfit),
            engine=str(self.engine.currentData()),
            seed=int(self.seed.text() or 0),
            seed_locked=self.lock.isChecked(),
            variations=self.variations.value(),
        )

    def show_outfit(self, outfit: Outfit) -> None:
        """Show what an outfit says, without a `changed`; an engine that is not installed is shown, and said to be missing."""
        with QSignalBlocker(self):
            self.engine.setCurrentIndex(max(0, self.engine.findData(outfit.engine)))
            self.seed.setText(str(outfit.seed))
            self.lock.setChecked(outfit.seed_locked)
            self.variations.setValue(outfit.variations)
            self.recipe.show_outfit(outfit)

    def show_installed(self, engines: Collection[str]) -> None:
        """Grey out all engines but these, the built-in one and "auto"."""
        self._installed = frozenset(engines)
        items = self.engine.model()
        if not isinstance(items, QStandardItemModel):
            raise TypeError("the combo box has another model than its own")
        for at in range(self.engine.count()):
            there = self.engine.itemData(at) in self._installed | ALWAYS_THERE
            items.item(at).setEnabled(there)
            tip = "" if there else self.tr("Not installed. The Models page gets it.")
            self.engine.setItemData(at, tip, Qt.ItemDataRole.ToolTipRole)
        self._show_engine()

    def next_seed(self) -> None:
        """Throw the dice, unless the seed is locked."""
        if not self.lock.isChecked():
            self.seed.setText(str(secrets.randbelow(SEED_SIDE)))
            self.changed.emit()

    def engine_name(self, engine: str) -> str:
        """An engine's name for the user; its own for an unknown one."""
        names = {
            AUTO: self.tr("Best for this machine"),
            FABRIC: self.tr("Fabric (built in, no GPU)"),
            "sd15": self.tr("Stable Diffusion 1.5 (6 GB card)"),
            "sdxl": self.tr("Stable Diffusion XL (8 to 12 GB)"),
            "klein": self.tr("FLUX.2 klein (16 GB)"),
            "qwen": self.tr("Qwen Image Edit (24 GB)"),
        }
        return names.get(engine, engine)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The wheel scrolls the panel; it turns a number only where the keyboard is."""
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _form(self, engines: Sequence[str]) -> QFormLayout:
        form = QFormLayout()
        self.seed.setAccessibleName(self.tr("Seed"))
        self.seed.setMaxLength(18)
        self.lock.setText(self.tr("Keep"))
        self.lock.setCheckable(True)
        self.lock.setToolTip(self.tr("Keep this seed for the next run, so that it can be compared"))
        self.dice.setText(self.tr("Other"))
        self.dice.setToolTip(self.tr("Throw another seed (Ctrl+D)"))
        seeds = QHBoxLayout()
        for part in (self.seed, self.lock, self.dice):
            seeds.addWidget(part)
        self.variations.setRange(1, MOST_VARIATIONS)
        self.variations.lineEdit().setTextMargins(*TEXT_MARGINS)
        self.variations.setAccessibleName(self.tr("Variations"))
        self.variations.setToolTip(self.tr("How many results with seeds one after the other"))
        for engine in engines:
            self.engine.addItem(self.engine_name(engine), engine)
        self.engine.setAccessibleName(self.tr("Engine"))
        self.engine.setToolTip(self.tr("What paints the new outfit"))
        self.engine.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.engine.setMinimumContentsLength(12)
        self.models.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.models.setToolTip(self.tr("Get engines for a graphics card"))
        add_row(form, self.tr("Seed"), seeds)
        add_row(form, self.tr("Variations"), self.variations)
        add_row(form, self.tr("Engine"), self.engine)
        form.addRow("", self.models)
        return form

    def _connect(self) -> None:
        self.seed.textEdited.connect(self._seed_edited)
        self.dice.clicked.connect(self.next_seed)
        self.lock.toggled.connect(lambda _on: self.changed.emit())
        self.variations.valueChanged.connect(lambda _count: self.changed.emit())
        self.models.clicked.connect(self.models_asked)
        self.engine.currentIndexChanged.connect(lambda _index: self._show_engine())
        self.engine.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.recipe.changed.connect(self.changed)
        for part in self.stops:
            if isinstance(part, QComboBox | QAbstractSpinBox | QSlider):
                part.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                part.installEventFilter(self)

    def _show_engine(self) -> None:
        engine = str(self.engine.currentData())
        missing = engine not in self._installed | ALWAYS_THERE
        self._missing.setText(self.tr("This engine is not installed. The Models page gets it.") if missing else "")
        self._missing.setVisible(missing)
        self.recipe.show_engine(engine, any_installed=bool(self._installed))

    def _seed_edited(self, text: str) -> None:
        digits = "".join(c for c in text if c in "0123456789")
        if digits != text:
            self.seed.setText(digits)
        self.changed.emit()
