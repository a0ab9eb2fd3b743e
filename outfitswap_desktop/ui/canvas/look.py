"""How the canvas is looked at: view mode, colours, and what the view knows about the paint event that is running."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QColor, QPainter, QTransform


class ViewMode(StrEnum):
    """What is drawn of the mask; the key F goes from one to the next."""

    OVERLAY = "overlay"
    ONION = "onion"
    OUTLINE = "outline"
    MASK = "mask"
    ORIGINAL = "original"

    def following(self) -> ViewMode:
        """The mode after this one, the first after the last."""
        modes = list(ViewMode)
        return modes[(modes.index(self) + 1) % len(modes)]


@dataclass(slots=True)
class Look:
    """Shared by the view and what it draws. `scale` is device pixels per photo pixel, `ratio` device pixels per logical one.

    `draft` while zooming: quick now, fine when it rests. `exposed` are the rectangles of the running paint event, in the
    viewport's logical pixels, `to_scene` maps them to photo pixels. `opacity` 0..1.
    """

    mode: ViewMode = ViewMode.OVERLAY
    colour: QColor = field(default_factory=lambda: QColor(255, 61, 110))
    opacity: float = 0.5
    veil: QColor = field(default_factory=lambda: QColor(24, 24, 24))
    scale: float = 1.0
    ratio: float = 1.0
    draft: bool = False
    exposed: tuple[QRect, ...] = ()
    to_scene: QTransform = field(default_factory=QTransform)

    def exposed_photo(self, painter: QPainter, width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
        """The exposed rectangles in photo pixels (x0, y0, x1, y1), a little wider, within a photo of that size.

        The painter is clipped to each in turn, so that nothing see-through is drawn twice where the wider ones overlap.
        """
        margin = 2 + round(2 / self.scale)
        for rect in self.exposed:
            seen = self.to_scene.mapRect(QRectF(rect))
            x0, y0 = max(int(seen.left()) - margin, 0), max(int(seen.top()) - margin, 0)
            x1, y1 = min(int(seen.right()) + margin + 1, width), min(int(seen.bottom()) + margin + 1, height)
            if x0 >= x1 or y0 >= y1:
                continue
            if len(self.exposed) == 1:
                yield x0, y0, x1, y1
                continue
            painter.save()
            painter.resetTransform()
            painter.setClipRect(rect)
            painter.setTransform(self.to_scene.inverted()[0])
            yield x0, y0, x1, y1
            painter.restore()
