"""Our own line icons from resources/icons, painted in the colours of the theme that is shown at that moment."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Final

from PySide6.QtCore import QByteArray, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QIconEngine, QPainter, QPen, QPixmap, QPixmapCache

from outfitswap_desktop import paths
from outfitswap_desktop.ui import theme

_CURRENT: Final = "currentColor"
_OF_SHEET: Final = "sheet_"
_SWATCH: Final = 64


def names() -> tuple[str, ...]:
    """Every icon there is, by name; "app" is the program's own."""
    found = (path.stem for path in (paths.resources_dir() / "icons").glob("*.svg"))
    return tuple(sorted(name for name in found if not name.startswith(_OF_SHEET)))


def icon(name: str, *, tint: str = "") -> QIcon:
    """The icon of that name; raises FileNotFoundError when there is none.

    It follows the theme by itself. `tint` is a colour of the Theme ("accent", "danger", "warning", "good", "dim") that is used
    in place of the text's; a chosen or checked one is drawn in the accent, a disabled one faint.
    """
    paths.resource(f"icons/{name}.svg")
    return QIcon(_Engine(name, tint))


def pixmap(name: str, size: int, *, tint: str = "", ratio: float = 1.0) -> QPixmap:
    """The icon as a pixmap of `size` device-independent pixels, sharp at the device's `ratio`; does not follow the theme."""
    return _drawn(name, QSize(round(size * ratio), round(size * ratio)), colour=_colour(tint), ratio=ratio)


def app_icon() -> QIcon:
    """The program's icon in the sizes that windows and task bars ask for."""
    found = QIcon()
    for size in (16, 24, 32, 48, 64, 128, 256):
        found.addPixmap(_drawn("app", QSize(size, size), colour="", ratio=1.0))
    return found


class _Engine(QIconEngine):
    copies: ClassVar[list[QIconEngine]] = []

    def __init__(self, name: str, tint: str) -> None:
        super().__init__()
        self._name = name
        self._tint = tint

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        ratio = painter.device().devicePixelRatio()
        picture = self.scaledPixmap(rect.size(), mode, state, ratio)
        painter.drawPixmap(rect, picture)

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        return self.scaledPixmap(size, mode, state, 1.0)

    def scaledPixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float) -> QPixmap:
        # since Qt 6.8 the size is in device-independent pixels
        return _drawn(self._name, size * scale, colour=self._colour(mode, state), ratio=scale)

    def clone(self) -> QIconEngine:
        copy = _Engine(self._name, self._tint)
        # WORKAROUND: PySide leaves the copy to Python's collector though the QIcon that asked for it owns it now. Qt asks only
        # when an icon is changed after it was made, which nothing here does, so what is kept does not grow.
        _Engine.copies.append(copy)
        return copy

    def isNull(self) -> bool:
        return False

    def _colour(self, mode: QIcon.Mode, state: QIcon.State) -> str:
        shown = theme.current()
        if mode == QIcon.Mode.Disabled:
            return theme.mixed(shown.text, shown.window, 0.38)
        if self._tint:
            return _colour(self._tint)
        return shown.accent if state == QIcon.State.On else shown.text


def _colour(tint: str) -> str:
    return str(getattr(theme.current(), tint or "text"))


def _drawn(name: str, size: QSize, *, colour: str, ratio: float) -> QPixmap:
    key = f"outfitswap:{name}:{size.width()}x{size.height()}:{colour}:{ratio}"
    picture = QPixmap()
    if not QPixmapCache.find(key, picture):
        picture = _rendered(name, size, colour, ratio=ratio)
        QPixmapCache.insert(key, picture)
    return picture


def _rendered(name: str, size: QSize, colour: str, *, ratio: float) -> QPixmap:
    from PySide6.QtSvg import QSvgRenderer

    picture = QPixmap(size.expandedTo(QSize(1, 1)))
    picture.fill(Qt.GlobalColor.transparent)
    renderer = QSvgRenderer(QByteArray(_source(name).replace(_CURRENT, colour).encode()))
    painter = QPainter(picture)
    side = min(picture.width(), picture.height())
    renderer.render(painter, QRectF((picture.width() - side) / 2, (picture.height() - side) / 2, side, side))
    painter.end()
    picture.setDevicePixelRatio(ratio)
    return picture


@lru_cache(maxsize=128)
def _source(name: str) -> str:
    return paths.resource(f"icons/{name}.svg").read_text(encoding="utf-8")


def colour_icon(colour: str) -> QIcon:
    """A filled square of a colour "#rrggbb", with an edge that is seen on light and dark."""
    picture = QPixmap(QSize(_SWATCH, _SWATCH))
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme.current().edge), 3))
    painter.setBrush(QColor(colour))
    painter.drawRoundedRect(QRectF(2, 2, _SWATCH - 4, _SWATCH - 4), 10, 10)
    painter.end()
    return QIcon(picture)
