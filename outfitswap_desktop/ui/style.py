"""The one style sheet of the window, as a text with the theme's colours to be filled in."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, Final

from outfitswap_desktop import paths

if TYPE_CHECKING:
    from outfitswap_desktop.ui.theme import Theme

_SHEET: Final = Template("""
QToolTip { background: $panel; color: $text; border: 1px solid $edge; padding: 4px 6px; }
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
QMainWindow::separator { background: $line; width: 1px; height: 1px; }
QLabel[role="title"] { font-size: ${title}pt; font-weight: 600; }
QLabel[role="heading"] { font-size: ${heading}pt; font-weight: 600; }
QLabel[role="hint"] { color: $dim; }
QLabel[role="danger"] { color: $danger; }
QLabel[role="warning"] { color: $warning; }
QLabel[role="good"] { color: $good; }
QLabel[role="chip"] { background: $raised; color: $text; border-radius: 9px; padding: 3px 9px; }
QFrame[role="line"] { background: $line; border: none; }
QFrame[role="panel"] { background: $panel; border: 1px solid $line; border-radius: ${radius}px; }
QFrame[role="notice"] { background: $notice; border: 1px solid $line; border-radius: ${radius}px; }

QPushButton {
  background: $raised; color: $text; border: 1px solid $edge; border-radius: ${radius}px;
  padding: 5px 14px; min-height: 18px;
}
QPushButton:hover { background: $hover; }
QPushButton:pressed { background: $pressed; }
QPushButton:checked { background: $chosen; border-color: $accent; }
QPushButton:disabled { background: transparent; color: $faint; border-color: $line; }
QPushButton:focus { border: 2px solid $accent; padding: 4px 13px; }
QPushButton[role="primary"] { background: $accent; color: $accent_text; border-color: $accent; font-weight: 600; }
QPushButton[role="primary"]:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton[role="primary"]:pressed { background: $accent_pressed; }
QPushButton[role="primary"]:disabled { background: $raised; color: $faint; border-color: $line; }
QPushButton[role="primary"]:focus { border: 2px solid $text; }
QPushButton[role="quiet"] { background: transparent; border-color: transparent; }
QPushButton[role="quiet"]:hover { background: $hover; }
QPushButton[role="quiet"]:focus { border-color: $accent; }
QPushButton[role="danger"] { color: $danger; border-color: $danger; background: transparent; }
QPushButton[role="danger"]:hover { background: $hover; }
QPushButton[role="danger"]:disabled { color: $faint; border-color: $line; }
QPushButton[role="chip"], QToolButton[role="chip"] {
  border: 1px solid $edge; border-radius: 12px; padding: 2px 11px; min-height: 18px; background: transparent;
}
QPushButton[role="chip"]:hover, QToolButton[role="chip"]:hover { background: $hover; }
QPushButton[role="chip"]:checked, QToolButton[role="chip"]:checked { background: $chosen; border-color: $accent; }
QPushButton[role="chip"]:focus, QToolButton[role="chip"]:focus { border: 2px solid $accent; padding: 1px 10px; }

QToolButton { background: transparent; color: $text; border: 1px solid transparent; border-radius: ${radius}px; padding: 4px; }
QToolButton:hover { background: $hover; }
QToolButton:pressed { background: $pressed; }
QToolButton:checked { background: $chosen; border-color: $accent; }
QToolButton:focus { border: 2px solid $accent; padding: 3px; }
QToolButton:disabled { color: $faint; }
QToolButton[popupMode="1"] { padding-right: 14px; }
QToolButton::menu-indicator { image: url("$icons/sheet_down.svg"); width: 8px; height: 8px; }

QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox, QComboBox, QKeySequenceEdit QLineEdit {
  background: $field; color: $text; border: 1px solid $edge; border-radius: ${radius}px; padding: 4px 7px;
  selection-background-color: $accent; selection-color: $accent_text; placeholder-text-color: $dim;
}
QLineEdit, QAbstractSpinBox, QComboBox { min-height: 20px; }
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QAbstractSpinBox:focus, QComboBox:focus {
  border: 2px solid $accent; padding: 3px 6px;
}
QLineEdit:disabled, QPlainTextEdit:disabled, QTextEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled {
  background: transparent; color: $faint; border-color: $line;
}
QLineEdit[role="quiet"], QPlainTextEdit[role="quiet"], QTextEdit[role="quiet"] { border-color: transparent; }
QLineEdit[role="danger"], QPlainTextEdit[role="danger"], QTextEdit[role="danger"] { border-color: $danger; }
QAbstractSpinBox { padding: 4px 22px 4px 5px; }
QAbstractSpinBox:focus { padding: 3px 21px 3px 4px; }
QAbstractSpinBox QLineEdit, QComboBox QLineEdit { border: none; padding: 0; min-height: 0; background: transparent; }
QAbstractSpinBox QLineEdit { padding-left: 6px; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { subcontrol-origin: border; width: 20px; border: none; }
QAbstractSpinBox::up-button { subcontrol-position: top right; }
QAbstractSpinBox::down-button { subcontrol-position: bottom right; }
QAbstractSpinBox::up-arrow { image: url("$icons/sheet_up.svg"); width: 9px; height: 9px; }
QAbstractSpinBox::down-arrow { image: url("$icons/sheet_down.svg"); width: 9px; height: 9px; }
QComboBox, QComboBox:focus { padding-right: 22px; }
QComboBox::drop-down { subcontrol-origin: border; subcontrol-position: center right; width: 22px; border: none; }
QComboBox::down-arrow { image: url("$icons/sheet_down.svg"); width: 10px; height: 10px; }
QComboBox QAbstractItemView { background: $panel; border: 1px solid $edge; padding: 2px; outline: none; }

QCheckBox, QRadioButton { spacing: 8px; border: 2px solid transparent; border-radius: ${radius}px; padding: 2px; }
QCheckBox:focus, QRadioButton:focus { border-color: $accent; }
QCheckBox:disabled, QRadioButton:disabled { color: $faint; }
QCheckBox::indicator, QRadioButton::indicator, QAbstractItemView::indicator {
  width: 14px; height: 14px; border: 1px solid $edge; background: $field;
}
QCheckBox::indicator, QAbstractItemView::indicator { border-radius: 4px; }
QRadioButton::indicator { border-radius: 8px; }
QCheckBox::indicator:hover, QRadioButton::indicator:hover { border-color: $accent; }
QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {
  background: $accent; border-color: $accent; image: url("$icons/sheet_tick_$name.svg");
}
QCheckBox::indicator:indeterminate {
  background: $accent; border-color: $accent; image: url("$icons/sheet_dash_$name.svg");
}
QRadioButton::indicator:checked { border-color: $accent; background: $accent; image: url("$icons/sheet_dot_$name.svg"); }
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled { border-color: $line; }

QSlider::groove:horizontal { height: 4px; background: $groove; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal {
  width: 14px; height: 14px; margin: -6px 0; border-radius: 8px; background: $text; border: 1px solid $panel;
}
QSlider::groove:vertical { width: 4px; background: $groove; border-radius: 2px; }
QSlider::add-page:vertical { background: $accent; border-radius: 2px; }
QSlider::handle:vertical {
  width: 14px; height: 14px; margin: 0 -6px; border-radius: 8px; background: $text; border: 1px solid $panel;
}
QSlider::handle:focus { background: $accent; border: 2px solid $text; width: 12px; height: 12px; }
QSlider::handle:disabled { background: $faint; }
QSlider::sub-page:horizontal:disabled, QSlider::add-page:vertical:disabled { background: $line; }
QProgressBar { background: $groove; border: none; border-radius: 3px; text-align: center; color: $text; max-height: 6px; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }

QAbstractItemView {
  background: $field; alternate-background-color: $striped; color: $text; border: 1px solid $line;
  border-radius: ${radius}px; outline: none; selection-background-color: $chosen; selection-color: $text;
}
QAbstractItemView:focus { border: 1px solid $accent; }
QAbstractItemView[role="bare"] { background: transparent; border: 1px solid transparent; }
QAbstractItemView[role="bare"]:focus { border: 1px solid transparent; }
QListView::item, QTreeView::item { padding: 4px 6px; border: 1px solid transparent; }
QTableView::item { padding: 3px 7px; border: 1px solid transparent; }
QAbstractItemView::item:hover { background: $hover; }
QAbstractItemView::item:selected { background: $chosen; color: $text; }
QAbstractItemView::item:disabled { color: $faint; }
QListView::item:focus, QTreeView::item:focus, QTableView::item:focus { border: 1px solid $accent; }
QTableView { gridline-color: $line; }
QHeaderView { background: $panel; border: none; }
QHeaderView::section { background: $panel; color: $dim; border: none; border-bottom: 1px solid $line; padding: 5px 8px; }
QTableCornerButton::section { background: $panel; border: none; }

QTabWidget::pane { border: none; border-top: 1px solid $line; }
QTabBar { qproperty-drawBase: 0; }
QTabBar::tab { background: transparent; color: $dim; padding: 7px 14px; border: 2px solid transparent; }
QTabBar::tab:hover { color: $text; }
QTabBar::tab:selected { color: $text; border-bottom-color: $accent; }
QTabBar::tab:selected:focus { border: 2px solid $accent; border-radius: ${radius}px; }

QGroupBox { border: 1px solid $line; border-radius: ${radius}px; margin-top: 22px; padding: 8px; }
QGroupBox::title { subcontrol-origin: margin; left: 2px; top: 0; color: $text; }
QScrollArea { border: none; background: transparent; }
QScrollArea:focus { border: 1px solid $accent; }
QSplitter::handle { background: $line; }
QSplitter::handle:hover { background: $accent; }
QSplitter::handle:horizontal { width: 1px; }
QSplitter::handle:vertical { height: 1px; }
QDockWidget::title { background: $window; padding: 6px 8px; }
QScrollBar { background: transparent; border: none; }
QScrollBar:vertical { width: 12px; }
QScrollBar:horizontal { height: 12px; }
QScrollBar::handle { background: $thumb; border-radius: 4px; margin: 2px; min-height: 28px; min-width: 28px; }
QScrollBar::handle:hover { background: $edge; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QMenuBar { background: $window; border-bottom: 1px solid $line; }
QMenuBar::item { background: transparent; padding: 5px 9px; border-radius: 4px; }
QMenuBar::item:selected { background: $hover; }
QMenu { background: $panel; color: $text; border: 1px solid $edge; padding: 4px; }
QMenu::item { padding: 5px 24px 5px 10px; border-radius: 4px; }
QMenu::icon { padding-left: 8px; }
QMenu::item:selected { background: $chosen; color: $text; }
QMenu::item:disabled { color: $faint; }
QMenu::separator { height: 1px; background: $line; margin: 4px 6px; }
QToolBar { background: $window; border: none; spacing: 2px; padding: 2px; }
QToolBar::separator { background: $line; width: 1px; height: 1px; margin: 4px; }
QStatusBar { background: $window; border-top: 1px solid $line; color: $dim; }
QStatusBar::item { border: none; }
QStatusBar QLabel { padding: 2px 8px; }
""")


def filled(theme: Theme, *, points: float) -> str:
    """The sheet in the colours of `theme`; titles are set larger than `points`, the application's font size."""
    from outfitswap_desktop.ui.theme import chosen_row, mixed

    size = points if points > 0 else 10.0
    return _SHEET.substitute(
        name="dark" if theme.dark else "light",
        icons=(paths.resources_dir() / "icons").as_posix(),
        window=theme.window,
        panel=theme.panel,
        field=theme.field,
        text=theme.text,
        dim=theme.dim,
        accent=theme.accent,
        accent_text=theme.accent_text,
        danger=theme.danger,
        warning=theme.warning,
        good=theme.good,
        line=theme.line,
        edge=theme.edge,
        radius=theme.radius,
        title=round(size * 1.6, 1),
        heading=round(size * 1.15, 1),
        faint=mixed(theme.text, theme.window, 0.45),
        raised=mixed(theme.text, theme.panel, 0.07) if theme.dark else theme.field,
        hover=mixed(theme.text, theme.panel, 0.12 if theme.dark else 0.07),
        pressed=mixed(theme.text, theme.panel, 0.18 if theme.dark else 0.14),
        chosen=chosen_row(theme),
        striped=mixed(theme.text, theme.field, 0.04),
        notice=mixed(theme.accent, theme.panel, 0.10),
        accent_hover=mixed("#ffffff", theme.accent, 0.15),
        accent_pressed=mixed("#000000", theme.accent, 0.15),
        groove=mixed(theme.text, theme.panel, 0.30),
        thumb=mixed(theme.text, theme.window, 0.28),
    )
