"""The window: PySide6 widgets over the engine's client, the store and the words of core; nothing heavy is loaded here."""
