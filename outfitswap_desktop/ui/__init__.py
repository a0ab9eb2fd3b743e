"""The window: PySide6 widgets over the engine's client, the store and the words of core; nothing heavy is loaded here."""

from outfitswap_desktop.ui.singletons import hold_singletons

hold_singletons()  # before the first call of Qt, whichever module is imported first
