"""Collects reference cycles in the window's thread alone, because what they hold of Qt may only be destroyed there.

WORKAROUND(https://riverbankcomputing.com/pipermail/pyqt/2011-August/030378.html): Python collects in whichever thread
allocates. A widget, a timer or a pixmap that ends in a worker thread while the window's thread is busy ends the program.
"""

from __future__ import annotations

import gc
from typing import Final

from PySide6.QtCore import QObject, QTimer

EVERY_MILLISECONDS: Final = 500
DUE: Final = (700, 10, 10)
"""Objects made, young collections and middle ones after which a generation is collected: CPython's own numbers."""


class Collector(QObject):
    """Collects in the thread it lives in; as long as it is there, Python does not collect by itself."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        gc.disable()
        timer = QTimer(self)
        timer.timeout.connect(self.collect)
        timer.start(EVERY_MILLISECONDS)

    def collect(self) -> int | None:
        """Collect the oldest generation that is due and return it (0 to 2); None when none is."""
        due = [generation for generation, count in enumerate(gc.get_count()) if count > DUE[generation]]
        if not due:
            return None
        gc.collect(due[-1])
        return due[-1]


def collect_here(application: QObject) -> None:
    """From now on cycles are collected in this thread, that of the window; further calls change nothing."""
    if application.findChild(Collector) is None:
        Collector(application)
