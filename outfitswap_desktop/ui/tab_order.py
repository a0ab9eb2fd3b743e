"""The order in which Tab goes through widgets, as the eye does."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget


def in_order(*stops: QWidget) -> None:
    """Tab goes from each of these to the next; they must be in one window already."""
    for one, next_one in pairwise(stops):
        QWidget.setTabOrder(one, next_one)


def stops_in(part: QWidget) -> list[QWidget]:
    """What Tab stops at within `part`, in today's order; what a compound widget is made of goes with it."""
    found = []
    stop = part.nextInFocusChain()
    while stop is not None and stop is not part:
        compound = stop.parentWidget()
        inner = compound is not None and compound.focusProxy() is stop
        inner = inner or (compound is not None and compound.focusPolicy() != Qt.FocusPolicy.NoFocus)
        if part.isAncestorOf(stop) and stop.focusPolicy() != Qt.FocusPolicy.NoFocus and not inner:
            found.append(stop)
        stop = stop.nextInFocusChain()
    return found
