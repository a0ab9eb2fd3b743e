"""Builds the application and its window, hands them their parts, and runs until the window is closed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from outfitswap_desktop.errors import NotAvailable

if TYPE_CHECKING:
    from types import ModuleType, TracebackType

    from PySide6.QtWidgets import QApplication

    from outfitswap_desktop.ui.window import MainWindow

_LIBRARIES = (
    "sudo apt-get install libegl1 libgl1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0"
)


def run(photo: Path | None = None) -> int:
    """Show the window, with `photo` open if one is named; returns the exit code."""
    try:
        _need_a_screen()
        application = make_application()
    except NotAvailable as missing:
        sys.stderr.write(f"{missing.message} {missing.hint}\n")
        return missing.exit_code
    from outfitswap_desktop.ui.joining import make_window

    window = make_window(application, licensing=lambda: _wiring().open_licensing())
    _log_bugs(window)
    window.show()
    window.start(photo)
    try:
        return application.exec()
    finally:
        window.shut_down()


def make_application() -> QApplication:
    """The QApplication with its name and icon; the one there is, if there is one. Raises NotAvailable."""
    try:
        from PySide6.QtWidgets import QApplication

        from outfitswap_desktop.ui.collecting import collect_here
    except ImportError as problem:
        raise NotAvailable(
            f"The window cannot start: {problem}.",
            reason="qt_libraries",
            hint=f"On Debian and Ubuntu: {_LIBRARIES}. The command line works without: outfitswap --help",
        ) from problem
    there = QApplication.instance()
    application = there if isinstance(there, QApplication) else QApplication(sys.argv[:1])
    collect_here(application)
    application.setApplicationName("OutfitSwap")
    application.setApplicationDisplayName("OutfitSwap")
    application.setDesktopFileName("outfitswap")
    return application


def _wiring() -> ModuleType:
    """Loaded when the window stands: it is not needed for the first paint."""
    from outfitswap_desktop import wiring

    return wiring


def _log_bugs(window: MainWindow) -> None:
    """A fault of ours in the window goes to the log with its traceback, and is said; the window goes on."""
    import logging

    from outfitswap_desktop import paths

    log = logging.getLogger("outfitswap_desktop")
    log.addHandler(logging.FileHandler(paths.log_file(), encoding="utf-8", delay=True))

    def hook(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
        log.error("a fault in the window", exc_info=(kind, problem, trace))
        window.say(window.tr("Something went wrong; it is in the log. Help, Report a problem."), stays=True)

    sys.excepthook = hook


def _need_a_screen() -> None:
    """Qt ends the process without a word of use when there is no screen; say it first. Raises NotAvailable."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise NotAvailable(
            "There is no screen for the window.",
            reason="no_display",
            hint="Use the command line: outfitswap --help",
        )
