"""Colours and spacing of the window, dark and light: one palette on Qt's Fusion style, and one style sheet on top of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QWidget

Choice = Literal["system", "dark", "light"]
Role = Literal[
    "", "primary", "quiet", "danger", "hint", "title", "chip", "warning", "good", "heading", "panel", "notice"
]

_PROPERTY: Final = "outfitswapTheme"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as "#rrggbb", lengths in device-independent pixels.

    `text` and `dim` are read on window, panel and field (contrast >= 4.5, WCAG 2.2 1.4.3); `accent`, `danger`, `warning`,
    `good` and `edge`, the outline of controls, stand out from them (>= 3, 1.4.11); `line` only separates. `canvas` is the
    grey around a photo. All greys are neutral, so that nothing tints the look of a photo.
    """

    dark: bool
    window: str
    panel: str
    field: str
    text: str
    dim: str
    accent: str
    accent_text: str
    danger: str
    warning: str
    good: str
    line: str
    edge: str
    canvas: str
    space: int = 8
    radius: int = 6


DARK: Final = Theme(
    dark=True,
    window="#202020",
    panel="#292929",
    field="#1a1a1a",
    text="#ececec",
    dim="#b0b0b0",
    accent="#6cabf5",
    accent_text="#0b1622",
    danger="#ff8a80",
    warning="#f0b354",
    good="#77c98b",
    line="#3c3c3c",
    edge="#7c7c7c",
    canvas="#161616",
)
LIGHT: Final = Theme(
    dark=False,
    window="#f1f1f1",
    panel="#fafafa",
    field="#ffffff",
    text="#1b1b1b",
    dim="#5a5a5a",
    accent="#1b62b8",
    accent_text="#ffffff",
    danger="#b3261e",
    warning="#8a5200",
    good="#1f6f3a",
    line="#d6d6d6",
    edge="#858585",
    canvas="#d0d0d0",
)


def current() -> Theme:
    """The theme the application shows; before one was applied, the one the system asks for."""
    app = QGuiApplication.instance()
    shown = app.property(_PROPERTY) if app is not None else None
    if shown is None:
        return of_system()
    return DARK if shown == "dark" else LIGHT


def of_system() -> Theme:
    """Dark only where the system says so; light where it says nothing."""
    hints = QGuiApplication.styleHints()
    return DARK if hints is not None and hints.colorScheme() == Qt.ColorScheme.Dark else LIGHT


class Appearance(QObject):
    """Keeps the application in the chosen theme, and follows the system when the choice is "system".

    `system` says which theme the system asks for.
    """

    changed = Signal(object)
    """The new Theme, after palette and style sheet are in place."""

    def __init__(
        self, app: QApplication, choice: Choice = "system", *, system: Callable[[], Theme] | None = None
    ) -> None:
        super().__init__(app)
        self._system = system or of_system
        self._app = app
        self._choice: Choice = choice
        app.setStyle("Fusion")
        app.styleHints().colorSchemeChanged.connect(self._follow)
        self.choose(choice)

    @property
    def choice(self) -> Choice:
        return self._choice

    def choose(self, choice: Choice) -> None:
        """Show another theme from now on; asks the system for a title bar to go with it, where it can."""
        self._choice = choice
        hints = self._app.styleHints()
        if choice == "system":
            hints.unsetColorScheme()
        else:
            hints.setColorScheme(Qt.ColorScheme.Dark if choice == "dark" else Qt.ColorScheme.Light)
        self._follow()

    def _follow(self) -> None:
        theme = {"dark": DARK, "light": LIGHT}.get(self._choice) or self._system()
        name = "dark" if theme.dark else "light"
        if self._app.property(_PROPERTY) == name:
            return
        self._app.setProperty(_PROPERTY, name)
        self._app.setPalette(palette(theme))
        self._app.setStyleSheet(style_sheet(theme, points=self._app.font().pointSizeF()))
        self.changed.emit(theme)


def set_role(widget: QWidget, role: Role) -> None:
    """Give a widget its role in the style sheet, also after it was shown."""
    widget.setProperty("role", role)
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def mixed(first: str, second: str, share: float) -> str:
    """`share` (0..1) of the first colour, the rest of the second, as "#rrggbb"."""
    one, other = QColor(first), QColor(second)
    parts = zip((one.red(), one.green(), one.blue()), (other.red(), other.green(), other.blue()), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


def chosen_row(theme: Theme) -> str:
    """Background of a chosen row; `text` is read on it."""
    return mixed(theme.accent, theme.field, 0.30 if theme.dark else 0.20)


def palette(theme: Theme) -> QPalette:
    """The theme as Qt's palette, for all that Fusion draws itself and for own painting."""
    roles = QPalette.ColorRole
    colours = QPalette()
    for role, colour in (
        (roles.Window, theme.window),
        (roles.WindowText, theme.text),
        (roles.Base, theme.field),
        (roles.AlternateBase, mixed(theme.text, theme.field, 0.04)),
        (roles.Text, theme.text),
        (roles.Button, theme.panel),
        (roles.ButtonText, theme.text),
        (roles.BrightText, theme.danger),
        (roles.ToolTipBase, theme.panel),
        (roles.ToolTipText, theme.text),
        (roles.PlaceholderText, theme.dim),
        (roles.Highlight, theme.accent),
        (roles.HighlightedText, theme.accent_text),
        (roles.Accent, theme.accent),
        (roles.Link, theme.accent),
        (roles.LinkVisited, theme.accent),
        (roles.Light, mixed(theme.text, theme.panel, 0.15)),
        (roles.Midlight, mixed(theme.text, theme.panel, 0.08)),
        (roles.Mid, theme.line),
        (roles.Dark, theme.edge),
        (roles.Shadow, "#000000"),
    ):
        colours.setColor(role, QColor(colour))
    faint = QColor(mixed(theme.text, theme.window, 0.45))
    for role in (roles.WindowText, roles.Text, roles.ButtonText, roles.PlaceholderText):
        colours.setColor(QPalette.ColorGroup.Disabled, role, faint)
    colours.setColor(QPalette.ColorGroup.Disabled, roles.Highlight, QColor(theme.line))
    return colours


def style_sheet(theme: Theme, *, points: float) -> str:
    """The style sheet; `points` is the application's font size, from which titles are sized."""
    from outfitswap_desktop.ui.style import filled

    return filled(theme, points=points)
