"""The command palette (Ctrl+K): every action of the registry, found by a few letters and run from the keyboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    QTimer,
)
from PySide6.QtGui import (
    QAction,
    QColor,
    QFont,
    QFontMetrics,
    QIcon,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPalette,
)
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui import theme
from outfitswap_desktop.ui.actions import Actions, plain
from outfitswap_desktop.ui.matching import score
from outfitswap_desktop.ui.menus import titles

REASON: Final = "reason"
"""Dynamic property of a QAction: one sentence why it cannot be done now, shown beside its greyed name."""

_USED: Final = "usedFromPalette"
"""Dynamic property of the registry: names of the actions run from here, the newest first, until the program ends."""

_ROW: Final = Qt.ItemDataRole.UserRole
_RECENT_FIRST: Final = 6
_KEYS_OF_LIST: Final = frozenset({Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown})

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the palette; `places` are the letters of `text` that fit what was typed."""

    action: QAction
    text: str
    menu: str
    keys: str
    reason: str
    places: tuple[int, ...] = ()


class Commands(QAbstractListModel):
    """The actions that fit what was typed, best first; those that cannot be done now come last."""

    def __init__(self, actions: Actions, menus: Mapping[str, str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._actions = actions
        self._menus = menus
        self._rows: list[Row] = []
        self.filter("")

    def filter(self, query: str) -> None:
        """Show what fits `query`; with nothing typed, what was used lately comes first."""
        found: list[tuple[bool, float, int, Row]] = []
        for number, action in enumerate(self._actions):
            row = self._row(action)
            value = self._value(query, row)
            if value is not None:
                found.append((not action.isEnabled(), -value[0], number, _with_places(row, value[1])))
        found.sort(key=lambda entry: entry[:3])
        self.beginResetModel()
        self._rows = [entry[3] for entry in found]
        self.endResetModel()

    def used(self, action: QAction) -> None:
        """Remember that an action was run from here."""
        name = action.objectName()
        self._actions.setProperty(_USED, [name, *(other for other in self._used() if other != name)][:_RECENT_FIRST])

    def row(self, index: Index) -> Row:
        return self._rows[index.row()]

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return row.text
        if role == Qt.ItemDataRole.DecorationRole:
            return row.action.icon()
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return ", ".join(part for part in (row.text, row.menu, row.keys, row.reason) if part)
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.reason or row.action.toolTip()
        return row if role == _ROW else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        enabled = index.isValid() and self._rows[index.row()].action.isEnabled()
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable if enabled else Qt.ItemFlag.NoItemFlags

    def _row(self, action: QAction) -> Row:
        menu = self._actions.spec(action.objectName()).menu
        text = plain(action.text())
        if action.isCheckable() and action.isChecked():
            text = self.tr("{action} (on)").format(action=text)
        reason = ""
        if not action.isEnabled():
            reason = str(action.property(REASON) or "") or self.tr("not possible just now")
        keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        return Row(action, text, self._menus.get(menu, menu.capitalize()), keys, reason)

    def _used(self) -> list[str]:
        return list(self._actions.property(_USED) or ())

    def _value(self, query: str, row: Row) -> tuple[float, tuple[int, ...]] | None:
        if not query.strip():
            name = row.action.objectName()
            used = self._used()
            return (float(_RECENT_FIRST - used.index(name)) if name in used else 0.0), ()
        direct = score(query, row.text)
        if direct is not None:
            return direct
        # the stable English name ("mask.invert") and the menu are found too, after everything that fits by its text
        wider = score(query, f"{row.menu} {row.text} {row.action.objectName()}")
        return None if wider is None else (wider[0] / 4 - 100, ())


def _with_places(row: Row, places: tuple[int, ...]) -> Row:
    return Row(row.action, row.text, row.menu, row.keys, row.reason, places)


class Palette(QDialog):
    """One line to type in and the actions that fit; Enter runs the chosen one, Esc leaves all as it was.

    Make one when it is asked for: it deletes itself when it is closed.
    """

    def __init__(
        self, actions: Actions, parent: QWidget | None = None, *, menus: Mapping[str, str] | None = None
    ) -> None:
        # a dialog and no popup: input methods write only into windows that have the focus
        super().__init__(parent, Qt.WindowType.Dialog | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("palette")
        self.setWindowTitle(self.tr("Commands"))
        self.setAccessibleName(self.tr("Commands"))
        self.commands = Commands(actions, menus or titles(), self)
        self.line = QLineEdit(self)
        self.line.setPlaceholderText(self.tr("Type a command…"))
        self.line.setAccessibleName(self.tr("Search in all commands"))
        self.line.setClearButtonEnabled(True)
        self.line.textChanged.connect(self._filter)
        self.line.installEventFilter(self)
        self.list = QListView(self)
        self.list.setModel(self.commands)
        self.list.setItemDelegate(_Lines(self.list))
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setProperty("role", "bare")
        self.list.setUniformItemSizes(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName(self.tr("Commands that fit"))
        self.list.clicked.connect(self._run)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self.line)
        layout.addWidget(self.list)

    def ask(self) -> None:
        """Open over the parent's upper part, with nothing typed."""
        self.line.clear()
        self._filter("")
        over = self.parentWidget()
        if over is not None:
            over = over.window()
            width = min(640, max(320, over.width() - 48))
            self.resize(width, min(440, max(240, over.height() - 120)))
            self.move(over.mapToGlobal(QPoint((over.width() - width) // 2, min(64, over.height() // 10))))
        else:
            self.resize(640, 440)
        self.show()
        self.activateWindow()
        self.line.setFocus(Qt.FocusReason.PopupFocusReason)

    def event(self, event: QEvent) -> bool:
        """Whoever goes elsewhere has left the palette."""
        if event.type() == QEvent.Type.WindowDeactivate and self.isVisible():
            QTimer.singleShot(0, self, self.reject)
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """A thin edge around it, for it has no frame."""
        painter = QPainter(self)
        painter.setPen(QColor(theme.current().edge))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The line keeps the focus; the keys that move in a list go to the list."""
        if watched is self.line and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in _KEYS_OF_LIST:
                self._move(event.key())
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._run(self.list.currentIndex())
                return True
        return super().eventFilter(watched, event)

    def _filter(self, query: str) -> None:
        self.commands.filter(query)
        self._choose(0)
        self.list.scrollToTop()

    def _possible(self) -> int:
        """How many rows can be chosen; they are the first ones."""
        count = self.commands.rowCount()
        return sum(1 for row in range(count) if self.commands.row(self.commands.index(row)).action.isEnabled())

    def _choose(self, row: int) -> None:
        possible = self._possible()
        if possible:
            self.list.setCurrentIndex(self.commands.index(max(0, min(row, possible - 1))))
        else:
            self.list.setCurrentIndex(QModelIndex())

    def _move(self, key: int) -> None:
        now, possible = self.list.currentIndex().row(), self._possible()
        if not possible:
            return
        page = max(1, self.list.viewport().height() // max(1, self.list.sizeHintForRow(0)) - 1)
        if key == Qt.Key.Key_Up:
            self._choose((now - 1) % possible)
        elif key == Qt.Key.Key_Down:
            self._choose((now + 1) % possible)
        else:
            self._choose(now + (page if key == Qt.Key.Key_PageDown else -page))

    def _run(self, index: Index) -> None:
        if not index.isValid():
            return
        action = self.commands.row(index).action
        if not action.isEnabled():
            return
        self.commands.used(action)
        self.accept()
        # after the popup is gone, so that the action finds the focus where it was
        QTimer.singleShot(0, action.trigger)


class _Lines(QStyledItemDelegate):
    """Draws icon, text with the typed letters in bold, menu, and shortcut or reason at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, option.fontMetrics.height() + 14)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row: Row = index.data(_ROW)
        shown = QStyleOptionViewItem(option)
        self.initStyleOption(shown, index)
        shown.text = ""
        shown.icon = QIcon()
        icon = row.action.icon()
        style = option.widget.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, shown, painter, option.widget)
        possible = row.action.isEnabled()
        group = QPalette.ColorGroup.Active if possible else QPalette.ColorGroup.Disabled
        strong = option.palette.color(group, QPalette.ColorRole.Text)
        dim = QColor(theme.current().dim) if possible else strong
        box = option.rect.adjusted(10, 0, -10, 0)
        side = 18
        if not icon.isNull():
            place = QRect(box.left(), box.center().y() - side // 2 + 1, side, side)
            icon.paint(painter, place, mode=icon.Mode.Normal if possible else icon.Mode.Disabled)
        box.setLeft(box.left() + side + 10)
        painter.save()
        painter.setFont(option.font)
        right = row.keys if possible else row.reason
        metrics = QFontMetrics(option.font)
        room = min(metrics.horizontalAdvance(right) + 4, box.width() * 2 // 3)
        painter.setPen(dim)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, _cut(right, metrics, room))
        box.setRight(box.right() - room - 16)
        painter.setPen(strong)
        end = _draw_letters(painter, box, row, option.font)
        box.setLeft(end + 10)
        if row.menu and box.width() > 40:
            painter.setPen(dim)
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, _cut(row.menu, metrics, box.width()))
        painter.restore()


def _cut(text: str, metrics: QFontMetrics, width: int) -> str:
    return metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)


def _draw_letters(painter: QPainter, box: QRect, row: Row, font: QFont) -> int:
    """Draw the text, its fitting letters bold; returns where it ends."""
    bold = QFont(font)
    bold.setWeight(QFont.Weight.Bold)
    x, baseline = (
        box.left(),
        box.top() + (box.height() + QFontMetrics(font).ascent() - QFontMetrics(font).descent()) // 2,
    )
    marked = set(row.places)
    runs: list[tuple[bool, str]] = []
    for place, letter in enumerate(row.text):
        if runs and runs[-1][0] == (place in marked):
            runs[-1] = (runs[-1][0], runs[-1][1] + letter)
        else:
            runs.append((place in marked, letter))
    for fits, text in runs:
        painter.setFont(bold if fits else font)
        metrics = painter.fontMetrics()
        fitting = _cut(text, metrics, max(0, box.right() - x))
        painter.drawText(x, baseline, fitting)
        x += metrics.horizontalAdvance(fitting)
        if fitting != text:
            break
    painter.setFont(font)
    return x
