"""The photos opened lately, as a model with thumbnails that come in later, and the grid that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFocusEvent, QIcon, QImage, QKeyEvent, QPainter, QPixmap
from PySide6.QtWidgets import QFrame, QListView, QMenu, QWidget

from outfitswap_desktop.ui import icons

THUMBNAIL = 112
"""Side of a thumbnail in device-independent pixels; hand in images twice as large for sharp screens."""

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Recent:
    """A photo opened lately. `there` is False when its file is gone; it is then shown grey."""

    path: Path
    there: bool = True


class RecentPhotos(QAbstractListModel):
    """The recent photos, newest first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Recent] = []
        self._pictures: dict[Path, QIcon] = {}

    def show(self, rows: Sequence[Recent]) -> None:
        """Show these; thumbnails of those that stay are kept."""
        self.beginResetModel()
        self._rows = list(rows)
        known = {row.path for row in rows}
        self._pictures = {path: picture for path, picture in self._pictures.items() if path in known}
        self.endResetModel()

    def set_thumbnail(self, path: Path, picture: QImage) -> None:
        """The thumbnail of a photo; one that is not in the list is left out."""
        for number, row in enumerate(self._rows):
            if row.path == path:
                self._pictures[path] = QIcon(_squared(QPixmap.fromImage(picture)))
                at = self.index(number)
                self.dataChanged.emit(at, at, [Qt.ItemDataRole.DecorationRole])

    def row(self, index: Index) -> Recent:
        return self._rows[index.row()]

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return row.path.name
        if role == Qt.ItemDataRole.DecorationRole:
            return self._pictures.get(row.path) or _squared(icons.pixmap("result", 40, tint="dim", ratio=2.0))
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            if row.there:
                return str(row.path)
            return self.tr("{path} is not there any more").format(path=row.path)
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if index.isValid() and self._rows[index.row()].there:
            return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return Qt.ItemFlag.NoItemFlags


def _squared(picture: QPixmap) -> QPixmap:
    """The picture in the middle of a clear square, so that all names stand in one line; small ones are not enlarged."""
    side = THUMBNAIL * 2
    square = QPixmap(side, side)
    square.fill(Qt.GlobalColor.transparent)
    if picture.width() > side or picture.height() > side:
        mode = Qt.TransformationMode.SmoothTransformation
        picture = picture.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, mode)
    picture.setDevicePixelRatio(1.0)
    painter = QPainter(square)
    painter.drawPixmap((side - picture.width()) // 2, (side - picture.height()) // 2, picture)
    painter.end()
    square.setDevicePixelRatio(2.0)
    return square


class RecentGrid(QListView):
    """The recent photos as a grid: Enter or a click opens one, Del takes it off the list."""

    open_asked = Signal(object)
    forget_asked = Signal(object)

    def __init__(self, model: RecentPhotos, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._photos = model
        self.setModel(model)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.setGridSize(QSize(THUMBNAIL + 28, THUMBNAIL + 44))
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setUniformItemSizes(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setProperty("role", "bare")
        self.setObjectName("recentPhotos")
        self.setAccessibleName(self.tr("Recent photos"))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self.activated.connect(self._open)
        self.clicked.connect(self._open)
        self._opening = False

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Who comes by Tab finds a photo marked."""
        if not self.currentIndex().isValid() and self._photos.rowCount():
            self.setCurrentIndex(self._photos.index(0))
        super().focusInEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Del takes the chosen photo off the list; Space opens it, as Enter does."""
        index = self.currentIndex()
        if event.key() == Qt.Key.Key_Delete and index.isValid():
            self.forget_asked.emit(self._photos.row(index).path)
        elif event.key() == Qt.Key.Key_Space and index.isValid():
            self._open(index)
        else:
            super().keyPressEvent(event)

    def _open(self, index: QModelIndex) -> None:
        # on some systems one click both clicks and activates
        if self._opening or not self._photos.row(index).there:
            return
        self._opening = True
        try:
            self.open_asked.emit(self._photos.row(index).path)
        finally:
            self._opening = False

    def _menu(self, at: QPoint) -> None:
        index = self.indexAt(at)
        if not index.isValid():
            return
        row = self._photos.row(index)
        menu = QMenu(self)
        opens = menu.addAction(icons.icon("open"), self.tr("Open"))
        opens.setEnabled(row.there)
        forgets = menu.addAction(icons.icon("close"), self.tr("Take off this list"))
        chosen = menu.exec(self.viewport().mapToGlobal(at))
        if chosen is opens:
            self.open_asked.emit(row.path)
        elif chosen is forgets:
            self.forget_asked.emit(row.path)
