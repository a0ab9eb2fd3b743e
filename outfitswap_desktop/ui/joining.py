"""The main window with settings, theme and language: what `app` shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from PySide6.QtWidgets import QApplication

from outfitswap_desktop import paths
from outfitswap_desktop.store.settings import SettingsStore
from outfitswap_desktop.ui.icons import icon
from outfitswap_desktop.ui.theme import Appearance, Choice
from outfitswap_desktop.ui.translate import install
from outfitswap_desktop.ui.window import MainWindow

if TYPE_CHECKING:
    from outfitswap_desktop.engine.client import EngineClient
    from outfitswap_desktop.licensing.account import Licensing


def make_window(
    application: QApplication,
    *,
    clients: Callable[[str], EngineClient] | None = None,
    licensing: Callable[[], Licensing] | None = None,
) -> MainWindow:
    """Build the window, not yet shown; `clients`, `licensing` as in MainWindow.

    Raises NotAvailable when the home cannot be written.
    """
    settings = SettingsStore(paths.data_dir() / "settings.db")
    language = install(application, settings.values.language)
    appearance = Appearance(application, cast(Choice, settings.values.theme))
    application.setWindowIcon(icon("app"))
    window = MainWindow(settings, appearance, language, clients=clients, licensing=licensing)
    if settings.note:
        window.say(settings.note, stays=True)
    return window
