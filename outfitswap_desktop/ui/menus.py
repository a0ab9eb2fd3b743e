"""The menu bar, built from the registry of actions."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QMenu, QMenuBar

from outfitswap_desktop.ui.actions import Actions, plain

MENUS: Final = ("file", "edit", "mask", "view", "outfit", "job", "result", "history", "help")
"""In their order. An action of another menu is a mistake (kept by a test)."""


def menu_title(name: str) -> str:
    """A menu's title, with its mnemonic."""
    titles = {
        "file": QCoreApplication.translate("Menu", "&File"),
        "edit": QCoreApplication.translate("Menu", "&Edit"),
        "mask": QCoreApplication.translate("Menu", "&Mask"),
        "view": QCoreApplication.translate("Menu", "&View"),
        "outfit": QCoreApplication.translate("Menu", "&Outfit"),
        "job": QCoreApplication.translate("Menu", "&Job"),
        "result": QCoreApplication.translate("Menu", "&Result"),
        "history": QCoreApplication.translate("Menu", "H&istory"),
        "help": QCoreApplication.translate("Menu", "&Help"),
    }
    return titles[name]


def titles() -> dict[str, str]:
    """The menus' titles without mnemonics, by name: for the command palette and the help."""
    return {name: plain(menu_title(name)) for name in MENUS}


def fill(bar: QMenuBar, actions: Actions) -> dict[str, QMenu]:
    """Put every menu with actions into the bar; returns them by name."""
    made = {}
    for name in MENUS:
        found = actions.of_menu(name)
        if not found:
            continue
        menu = bar.addMenu(menu_title(name))
        menu.setToolTipsVisible(True)
        menu.addActions(found)
        made[name] = menu
    return made
