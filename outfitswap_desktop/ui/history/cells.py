"""A view of cells that are all of one size: where a cell lies is arithmetic, so that a million rows scroll like a hundred."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPersistentModelIndex, QPoint, QRect, Qt
from PySide6.QtGui import QCursor, QPainter, QPaintEvent, QRegion
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyleOptionViewItem, QWidget

SMALLEST_CARD: Final = 184
_BELOW: Final = 40
ROW_HEIGHT: Final = 76
_STEP: Final = 48
_AHEAD: Final = 4
"""So many heights of the view before the end, older entries are asked for."""

Index = QModelIndex | QPersistentModelIndex
Action = QAbstractItemView.CursorAction


class CellView(QAbstractItemView):
    """Cards side by side that fill the width, or rows one below the other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cards = True
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setMouseTracking(True)

    def show_cards(self, on: bool) -> None:
        """Cards, or rows; the current entry stays in sight."""
        self._cards = on
        self.updateGeometries()
        self.viewport().update()
        if self.currentIndex().isValid():
            self.scrollTo(self.currentIndex())

    # Where cells lie

    @property
    def columns(self) -> int:
        """How many cells are side by side."""
        return max(1, self.viewport().width() // SMALLEST_CARD) if self._cards else 1

    def _cell(self) -> tuple[int, int]:
        width = max(1, self.viewport().width() // self.columns)
        return width, width + _BELOW if self._cards else ROW_HEIGHT

    def _count(self) -> int:
        return self.model().rowCount() if self.model() is not None else 0

    def _place(self, row: int) -> QRect:
        width, height = self._cell()
        columns = self.columns
        return QRect((row % columns) * width, (row // columns) * height - self.verticalOffset(), width, height)

    def _nearest(self, point: QPoint) -> int:
        """The row at or nearest to a point."""
        width, height = self._cell()
        columns = self.columns
        line = max(0, (point.y() + self.verticalOffset()) // height)
        column = min(columns - 1, max(0, point.x() // width))
        return min(self._count() - 1, line * columns + column)

    def visualRect(self, index: Index) -> QRect:
        """Where an entry is."""
        return self._place(index.row()) if index.isValid() else QRect()

    def indexAt(self, point: QPoint) -> QModelIndex:
        """What is at a point."""
        row = self._nearest(point)
        return self.model().index(row, 0) if row >= 0 and self._place(row).contains(point) else QModelIndex()

    def scrollTo(
        self, index: Index, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        """Bring an entry into sight."""
        place, height = self.visualRect(index), self.viewport().height()
        if place.isNull():
            return
        bar = self.verticalScrollBar()
        if hint == QAbstractItemView.ScrollHint.PositionAtCenter:
            bar.setValue(bar.value() + place.center().y() - height // 2)
        elif place.top() < 0 or hint == QAbstractItemView.ScrollHint.PositionAtTop:
            bar.setValue(bar.value() + place.top())
        elif place.bottom() >= height:
            bar.setValue(bar.value() + min(place.top(), place.bottom() - height + 1))

    def horizontalOffset(self) -> int:
        """Nothing scrolls sideways."""
        return 0

    def verticalOffset(self) -> int:
        """How far it is scrolled, in pixels."""
        return self.verticalScrollBar().value()

    def isIndexHidden(self, index: Index) -> bool:
        """Nothing is hidden."""
        return False

    def moveCursor(self, action: Action, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Where a key leads."""
        count, columns = self._count(), self.columns
        if count == 0:
            return QModelIndex()
        row = self.currentIndex().row()
        if row < 0:
            return self.model().index(0, 0)
        lines = max(1, self.viewport().height() // self._cell()[1])
        steps = {
            Action.MoveLeft: -1, Action.MoveRight: 1, Action.MovePrevious: -1, Action.MoveNext: 1,
            Action.MoveUp: -columns, Action.MoveDown: columns,
            Action.MovePageUp: -columns * lines, Action.MovePageDown: columns * lines,
            Action.MoveHome: -row, Action.MoveEnd: count - 1 - row,
        }  # fmt: skip
        wanted = row + steps.get(action, 0)
        if action in (Action.MoveUp, Action.MoveDown) and not 0 <= wanted < count:
            wanted = count - 1 if wanted >= count and row // columns < (count - 1) // columns else row
        return self.model().index(min(count - 1, max(0, wanted)), 0)

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """Select from the entry at one corner to the entry at the other, with all in between."""
        chosen = QItemSelection()
        first, last = self._nearest(rect.topLeft()), self._nearest(rect.bottomRight())
        point = rect.width() <= 1 and rect.height() <= 1 and not self.indexAt(rect.topLeft()).isValid()
        if first >= 0 and last >= 0 and not point:
            first, last = sorted((first, last))
            chosen.select(self.model().index(first, 0), self.model().index(last, 0))
        self.selectionModel().select(chosen, command)

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        """What is painted anew when a selection changes: of it, what is in sight."""
        first, last = self._in_sight(self.viewport().rect())
        region = QRegion()
        for row in range(first, last + 1):
            if selection.contains(self.model().index(row, 0)):
                region += self._place(row)
        return region

    # Scrolling and painting

    def updateGeometries(self) -> None:
        """Set the scroll bar's range."""
        columns = self.columns
        height = -(-self._count() // columns) * self._cell()[1]
        shown = self.viewport().height()
        bar = self.verticalScrollBar()
        bar.setSingleStep(_STEP)
        bar.setPageStep(shown)
        bar.setRange(0, max(0, height - shown))
        super().updateGeometries()
        self._look_ahead()

    def rowsInserted(self, parent: Index, start: int, end: int) -> None:
        """Make room."""
        super().rowsInserted(parent, start, end)
        self.updateGeometries()
        if start <= self._in_sight(self.viewport().rect())[1]:
            self.viewport().update()

    def scrollContentsBy(self, across: int, down: int) -> None:
        """Move what is painted; only what comes into sight is painted anew."""
        self.viewport().scroll(0, down)

    def verticalScrollbarValueChanged(self, value: int) -> None:
        """Ask for older entries before the end is reached."""
        self._look_ahead()

    def _look_ahead(self) -> None:
        bar = self.verticalScrollBar()
        near = bar.maximum() - bar.value() < _AHEAD * self.viewport().height()
        if near and self._count() and self.model().canFetchMore(QModelIndex()):
            self.model().fetchMore(QModelIndex())

    def _in_sight(self, rect: QRect) -> tuple[int, int]:
        """First and last row that a part of the viewport shows."""
        height, columns = self._cell()[1], self.columns
        top = max(0, rect.top() + self.verticalOffset()) // height
        bottom = max(0, rect.bottom() + self.verticalOffset()) // height
        return top * columns, min(self._count(), (bottom + 1) * columns) - 1

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the cells in the part that asks for it."""
        painter = QPainter(self.viewport())
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        state = option.state & ~QStyle.StateFlag.State_HasFocus
        viewport = self.viewport()
        under = self.indexAt(viewport.mapFromGlobal(QCursor.pos())).row() if viewport.underMouse() else -1
        current = self.currentIndex().row() if self.hasFocus() else -1
        chosen = self.selectionModel()
        first, last = self._in_sight(event.rect())
        for row in range(first, last + 1):
            index = self.model().index(row, 0)
            option.rect = self._place(row)
            option.state = state
            if chosen.isSelected(index):
                option.state |= QStyle.StateFlag.State_Selected
            if row == under:
                option.state |= QStyle.StateFlag.State_MouseOver
            if row == current:
                option.state |= QStyle.StateFlag.State_HasFocus
            self.itemDelegate().paint(painter, option, index)
