"""The settings dialog: every change counts at once and is kept; one button takes all of them back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QCheckBox,
    QColorDialog,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSlider,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.store.settings import Settings, SettingsStore
from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.pages.parts import button, label, scrolled, wrapped
from outfitswap_desktop.ui.translate import LANGUAGES, Language

_COLOURS: Final = ("#ff4d6d", "#ffb000", "#3ddc84", "#28b4ff", "#c86bff", "#ffffff")
"""Overlay colours to choose from: told apart from each other, from skin and from most clothes."""


class SettingsDialog(QDialog):
    """Edits a SettingsStore. `changed` carries the new Settings after every change; `recent_forgotten`: the list is empty."""

    changed = Signal(object)
    recent_forgotten = Signal()

    def __init__(self, store: SettingsStore, language: Language, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("settingsDialog")
        self.setWindowTitle(self.tr("Settings"))
        self.resize(760, 520)
        self._store = store
        self._language = language
        self._show: list[Callable[[Settings], None]] = []
        self.sections = QListWidget()
        self.sections.setObjectName("settingsSections")
        self.sections.setProperty("role", "bare")
        self.sections.setAccessibleName(self.tr("Sections"))
        self.sections.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.pages = QStackedWidget()
        for icon, name, page in (
            ("settings", self.tr("General"), self._general()),
            ("export", self.tr("Saving"), self._saving()),
            ("brush", self.tr("Mask"), self._mask()),
            ("lock", self.tr("Privacy and questions"), self._privacy()),
        ):
            QListWidgetItem(icons.icon(icon), name, self.sections)
            self.pages.addWidget(scrolled(page))
        self.sections.currentRowChanged.connect(self.pages.setCurrentIndex)
        self.sections.ensurePolished()
        self.sections.setFixedWidth(max(180, self.sections.sizeHintForColumn(0) + 12))
        self.sections.setCurrentRow(0)
        self._note = label("", "warning")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(10)
        middle = QHBoxLayout()
        middle.setSpacing(12)
        middle.addWidget(self.sections)
        middle.addWidget(_upright_line())
        middle.addWidget(self.pages, 1)
        layout.addLayout(middle, 1)
        layout.addWidget(self._note)
        layout.addLayout(self._foot())
        self.show_values()

    def show_values(self) -> None:
        """Show what the store holds."""
        for show in self._show:
            show(self._store.values)
        self._note.setText(self._store.note)
        self._note.setVisible(bool(self._store.note))

    def _set(self, **changes: Any) -> None:
        before = self._store.values
        after = self._store.change(**changes)
        if after != before:
            self.changed.emit(after)
        self.show_values()

    def _reset(self) -> None:
        self._store.reset()
        self.show_values()
        self.changed.emit(self._store.values)

    def _foot(self) -> QHBoxLayout:
        row = QHBoxLayout()
        tip = self.tr("All settings as they were at first; recent photos and the window's place stay")
        self.reset = button(self.tr("Reset all"), role="quiet", tip=tip)
        self.reset.clicked.connect(self._reset)
        close = button(self.tr("Close"), tip=self.tr("Every change has been kept already (Esc)"))
        close.setDefault(True)
        close.clicked.connect(self.accept)
        row.addWidget(self.reset)
        row.addStretch(1)
        row.addWidget(close)
        return row

    # the sections

    def _general(self) -> QWidget:
        page, form = _page(self.tr("General"))
        themes = (
            ("system", self.tr("As the system")),
            ("dark", self.tr("Dark")),
            ("light", self.tr("Light")),
        )
        _row(form, self.tr("Look"), self._choice("theme", themes))
        languages = (("system", self.tr("As the system")), *LANGUAGES.items())
        _row(form, self.tr("Language"), self._choice("language", languages))
        form.addRow("", label(self.tr("Another language shows from the next start on."), "hint"))
        if self._language.machine_made:
            said = self.tr("This language was translated by a machine. Tell us what is wrong: Help, Report a problem.")
            form.addRow("", label(said, "warning"))
        form.addRow("", self._check("notify", self.tr("Say it when a job ends in the background")))
        form.addRow("", self._check("offer_last", self.tr("Offer the last project again at the start")))
        return page

    def _saving(self) -> QWidget:
        page, form = _page(self.tr("Saving"))
        _row(form, self.tr("Results folder"), self._folder())
        formats = (
            ("png", self.tr("PNG: every untouched pixel stays exact")),
            ("jpeg", self.tr("JPEG: small files")),
            ("webp", self.tr("WebP: smaller files")),
        )
        _row(form, self.tr("Format"), self._choice("format", formats))
        quality = self._slider("quality", low=50, high=100, unit="{value}")
        _row(form, self.tr("Quality of JPEG and WebP"), quality)
        self._show.append(lambda values: quality.setEnabled(values.format != "png"))
        kept = self._check("keep_metadata", self.tr("Keep the photo's metadata (never its position)"))
        form.addRow("", kept)
        form.addRow("", self._check("label", self.tr('Write "AI edited" into a corner of exported pictures')))
        always = self.tr("That a result was made with AI stands in its metadata in any case.")
        form.addRow("", label(always, "hint"))
        return page

    def _mask(self) -> QWidget:
        page, form = _page(self.tr("Mask"))
        _row(form, self.tr("Colour over the photo"), self._swatches())
        _row(form, self.tr("Opacity"), self._slider("overlay_opacity", low=5, high=95, unit="{value} %"))
        return page

    def _privacy(self) -> QWidget:
        page, form = _page(self.tr("Privacy and questions"))
        form.addRow(label(self.tr("Nothing leaves this machine unless you ask for it."), "hint"))
        form.addRow(self._check("remember_recent", self.tr("Remember recent photos")))
        forget = button(self.tr("Forget recent photos"))
        forget.clicked.connect(self._forget)
        row = QHBoxLayout()
        row.addWidget(forget)
        row.addStretch(1)
        form.addRow(row)
        form.addRow(label(self.tr("Ask before"), "heading"))
        form.addRow(self._check("confirm_trash", self.tr("a result goes to the trash")))
        form.addRow(self._check("confirm_cancel", self.tr("a running job is cancelled")))
        form.addRow(self._check("confirm_close", self.tr("the program is closed while jobs run")))
        return page

    # the fields

    def _check(self, name: str, text: str) -> QWidget:
        box = QCheckBox()
        box.setObjectName(f"setting_{name}")
        box.clicked.connect(lambda checked: self._set(**{name: checked}))
        self._show.append(lambda values: box.setChecked(getattr(values, name)))
        return wrapped(box, text)

    def _choice(self, name: str, choices: Sequence[tuple[str, str]]) -> QComboBox:
        box = QComboBox()
        box.setObjectName(f"setting_{name}")
        box.setMinimumContentsLength(18)
        for value, text in choices:
            box.addItem(text, value)
        box.activated.connect(lambda number: self._set(**{name: box.itemData(number)}))
        self._show.append(lambda values: box.setCurrentIndex(max(0, box.findData(getattr(values, name)))))
        return box

    def _slider(self, name: str, *, low: int, high: int, unit: str) -> QWidget:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setObjectName(f"setting_{name}")
        slider.setRange(low, high)
        slider.setPageStep(5)
        shown = QLabel()
        shown.setMinimumWidth(44)
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(10)
        row.addWidget(slider, 1)
        row.addWidget(shown)
        whole.setFocusProxy(slider)
        slider.valueChanged.connect(lambda value: shown.setText(unit.format(value=value)))
        slider.valueChanged.connect(lambda value: self._set(**{name: value}))

        def show(values: Settings) -> None:
            slider.blockSignals(True)
            slider.setValue(getattr(values, name))
            slider.blockSignals(False)
            shown.setText(unit.format(value=getattr(values, name)))

        self._show.append(show)
        return whole

    def _folder(self) -> QWidget:
        shown = QLineEdit()
        shown.setObjectName("setting_output_folder")
        shown.setPlaceholderText(self.tr("The program's own folder"))
        shown.setReadOnly(True)
        choose = button(self.tr("Choose…"), tip=self.tr("Choose the folder for results"))
        choose.clicked.connect(self._choose_folder)
        own = button("", "close", "quiet", tip=self.tr("Back to the program's own folder"))
        own.clicked.connect(lambda: self._set(output_folder=""))
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        whole.setFocusProxy(shown)
        row.addWidget(shown, 1)
        row.addWidget(own)
        row.addWidget(choose)

        def show(values: Settings) -> None:
            shown.setText(values.output_folder)
            shown.setToolTip(values.output_folder)
            own.setVisible(bool(values.output_folder))

        self._show.append(show)
        return whole

    def _choose_folder(self) -> None:
        now = self._store.values.output_folder
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder for results"), now)
        if chosen:
            self._set(output_folder=str(Path(chosen)))

    def _swatches(self) -> QWidget:
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for colour in _COLOURS:
            row.addWidget(self._swatch(colour))
        other = button(self.tr("Other…"), tip=self.tr("Choose any colour"))
        other.clicked.connect(self._other_colour)
        row.addWidget(other)
        row.addStretch(1)
        return whole

    def _swatch(self, colour: str) -> QPushButton:
        swatch = button("", tip=self.tr("Overlay colour {colour}").format(colour=colour))
        swatch.setCheckable(True)
        swatch.setFixedSize(34, 30)
        swatch.setIcon(icons.colour_icon(colour))
        swatch.clicked.connect(lambda: self._set(overlay_colour=colour))
        self._show.append(lambda values: swatch.setChecked(values.overlay_colour == colour))
        return swatch

    def _other_colour(self) -> None:
        now = QColor(self._store.values.overlay_colour)
        chosen = QColorDialog.getColor(now, self, self.tr("Colour over the photo"))
        if chosen.isValid():
            self._set(overlay_colour=chosen.name())

    def _forget(self) -> None:
        self._store.forget_recent()
        self.recent_forgotten.emit()


def _page(title: str) -> tuple[QWidget, QFormLayout]:
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(8, 4, 12, 8)
    layout.setSpacing(12)
    layout.addWidget(label(title, "title"))
    form = QFormLayout()
    form.setHorizontalSpacing(16)
    form.setVerticalSpacing(10)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    layout.addLayout(form)
    layout.addStretch(1)
    return page, form


def _row(form: QFormLayout, text: str, field: QWidget) -> None:
    """A labelled field; the label's text is also the name that a screen reader says."""
    words = QLabel(text)
    words.setMinimumHeight(field.sizeHint().height())
    form.addRow(words, field)
    named = field.focusProxy() or field
    named.setAccessibleName(text)


def _upright_line() -> QFrame:
    line = QFrame()
    line.setObjectName("line")
    line.setFixedWidth(1)
    line.setProperty("role", "line")
    return line
