"""The grid of presets: a picture of the cloth with its name, filtered while one types, the user's own ones first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractListModel,
    QCoreApplication,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QIcon, QImageReader, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import (
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui import theme
from outfitswap_desktop.ui.outfit.presets import Preset

TILE: Final = 68
NAME_HEIGHT: Final = 36
WORDS = Qt.ItemDataRole.UserRole + 1
PRESET = Qt.ItemDataRole.UserRole + 2

Index = QModelIndex | QPersistentModelIndex


class PresetModel(QAbstractListModel):
    """Presets in rows; swatches are read when they are first drawn."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._presets: tuple[Preset, ...] = ()
        self._icons: dict[str, QIcon] = {}

    def show(self, presets: Iterable[Preset]) -> None:
        """Show these, in this order."""
        self.beginResetModel()
        self._presets = tuple(presets)
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        """How many presets there are."""
        return 0 if parent is not None and parent.isValid() else len(self._presets)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Name, swatch, words for the tool tip, and the preset itself."""
        if not index.isValid():
            return None
        preset = self._presets[index.row()]
        if role in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole}:
            return preset.name if preset.own else QCoreApplication.translate("Preset", preset.name)
        if role == Qt.ItemDataRole.DecorationRole:
            return self._icon(preset)
        if role == Qt.ItemDataRole.ToolTipRole:
            return preset.words
        if role == WORDS:
            return f"{self.data(index)} {preset.name} {preset.group} {preset.words}"
        if role == PRESET:
            return preset
        return None

    def _icon(self, preset: Preset) -> QIcon:
        if preset.name not in self._icons:
            picture = QPixmap()
            if preset.swatch is not None:
                picture = QPixmap.fromImage(QImageReader(str(preset.swatch)).read())
            self._icons[preset.name] = QIcon(picture if not picture.isNull() else _lettered(preset.name))
        return self._icons[preset.name]


def _lettered(name: str) -> QPixmap:
    """The first letter on a colour that the name decides: for presets without a swatch."""
    picture = QPixmap(112, 112)
    picture.fill(QColor.fromHsl(sum(name.encode()) * 37 % 360, 60, 120))
    painter = QPainter(picture)
    font = painter.font()
    font.setPixelSize(56)
    painter.setFont(font)
    painter.setPen(QColor("white"))
    painter.drawText(picture.rect(), Qt.AlignmentFlag.AlignCenter, name[:1].upper())
    painter.end()
    return picture


class PresetDelegate(QStyledItemDelegate):
    """Draws the swatch with rounded corners and the name in up to two lines beneath it."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """One tile."""
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        colours = theme.current()
        picture = QRectF(option.rect.center().x() - TILE / 2, option.rect.top() + 4, TILE, TILE)
        outline = QPainterPath()
        outline.addRoundedRect(picture, colours.radius, colours.radius)
        painter.setClipPath(outline)
        icon = index.data(Qt.ItemDataRole.DecorationRole)
        painter.drawPixmap(picture.toRect(), icon.pixmap(QSize(112, 112)))
        painter.setClipping(False)
        state = option.state
        chosen = bool(state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver))
        painter.setPen(QPen(QColor(colours.accent if chosen else colours.line), 2.0 if chosen else 1.0))
        painter.drawPath(outline)
        painter.setPen(QColor(colours.text))
        below = QRectF(option.rect.left() + 2, picture.bottom() + 4, option.rect.width() - 4, NAME_HEIGHT)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        painter.drawText(below, int(flags), str(index.data()))
        painter.restore()

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        """The same for all."""
        return QSize(TILE + 24, TILE + NAME_HEIGHT + 10)


class PresetGrid(QWidget):
    """A search field over the grid; a click or Enter chooses."""

    chosen = Signal(object)
    """The Preset."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = PresetModel(self)
        self._filtered = QSortFilterProxyModel(self)
        self._filtered.setSourceModel(self.model)
        self._filtered.setFilterRole(WORDS)
        self._filtered.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.search = QLineEdit(self)
        self.search.setPlaceholderText(self.tr("Search presets"))
        self.search.setAccessibleName(self.tr("Search presets"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filtered.setFilterFixedString)
        self.view = QListView(self)
        self.view.setModel(self._filtered)
        self.view.setAccessibleName(self.tr("Presets"))
        self.view.setViewMode(QListView.ViewMode.IconMode)
        self.view.setResizeMode(QListView.ResizeMode.Adjust)
        self.view.setMovement(QListView.Movement.Static)
        self.view.setUniformItemSizes(True)
        self.view.setItemDelegate(PresetDelegate(self.view))
        self.view.setMouseTracking(True)
        self.view.setGridSize(QSize(TILE + 24, TILE + NAME_HEIGHT + 12))
        self.view.setMinimumHeight(2 * (TILE + NAME_HEIGHT + 12))
        self.view.clicked.connect(self._choose)
        self.view.activated.connect(self._choose)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.search)
        column.addWidget(self.view, 1)
        self._last: Preset | None = None

    def current(self) -> Preset | None:
        """The preset under the cursor of the keyboard."""
        preset = self.view.currentIndex().data(PRESET)
        return preset if isinstance(preset, Preset) else None

    def _choose(self, index: QModelIndex) -> None:
        preset = index.data(PRESET)
        if isinstance(preset, Preset):
            self.chosen.emit(preset)
