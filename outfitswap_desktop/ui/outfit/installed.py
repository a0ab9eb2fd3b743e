"""Which engines can be chosen: those whose weights lie on this machine, looked up off the window's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from outfitswap_desktop.ui.outfit.outfit import ENGINES

if TYPE_CHECKING:
    from outfitswap_desktop.ui.background import Background
    from outfitswap_desktop.weights.store import WeightsStore


def installed_engines(store: WeightsStore | None = None) -> frozenset[str]:
    """The engines for a graphics card of which everything that they need is installed; reads the disk.

    `store` None: the user's own.
    """
    if store is None:
        from outfitswap_desktop.weights.store import default_store

        store = default_store()
    here = frozenset(store.installed())
    needed = {engine: frozenset(store.catalogue.needs(engine)) for engine in ENGINES}
    return frozenset(engine for engine, weights in needed.items() if weights and weights <= here)


class InstalledEngines(QObject):
    """Looks with `look` whenever it is asked to, and says what there is; `engines` is the last answer."""

    changed = Signal(object)
    """The frozenset of engines, built-in ones left out; after every look."""

    def __init__(
        self,
        background: Background,
        parent: QObject | None = None,
        *,
        look: Callable[[], frozenset[str]] = installed_engines,
    ) -> None:
        super().__init__(parent)
        self._background = background
        self._look = look
        self.engines: frozenset[str] = frozenset()

    def refresh(self) -> None:
        """Look again, at the start and when the Models page has changed something."""
        self._background.run(self._look, self._found, key="installed engines")

    def _found(self, engines: frozenset[str]) -> None:
        self.engines = engines
        self.changed.emit(engines)
