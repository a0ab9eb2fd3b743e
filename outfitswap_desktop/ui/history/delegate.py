"""How one entry is painted: as a card in the grid, as a row in the list; its star can be clicked in both."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QMouseEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from outfitswap_desktop.store.entry import Entry
from outfitswap_desktop.ui import icons, theme
from outfitswap_desktop.ui.history.model import ENTRY_ROLE, IMAGE_ROLE

_PAD: Final = 8
_MOST_GROUNDS: Final = 64
_STAR: Final = 20

Index = QModelIndex | QPersistentModelIndex


class EntryDelegate(QStyledItemDelegate):
    """Paints entries of an EntryModel. `star_clicked` is an entry's id."""

    star_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards = True
        self._grounds: dict[tuple[object, ...], QPixmap] = {}

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint one entry."""
        entry = index.data(ENTRY_ROLE)
        if not isinstance(entry, Entry):
            return
        colours = theme.current()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = option.rect.adjusted(4, 4, -4, -4) if self.cards else option.rect.adjusted(4, 2, -4, -2)
        state = option.state
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        focused = bool(state & QStyle.StateFlag.State_HasFocus)
        ratio = painter.device().devicePixelRatioF()
        painter.drawPixmap(
            box.topLeft(), self._ground(box.size(), ratio, chosen=chosen, hovered=hovered, focused=focused)
        )
        image = index.data(IMAGE_ROLE)
        if self.cards:
            self._card(painter, box, entry, image)
        else:
            self._row(painter, box, entry, image)
        if entry.starred or hovered or chosen:
            place = self._star_rect(option.rect)
            name = "star_filled" if entry.starred else "star"
            tint = "warning" if entry.starred else "dim"
            if self.cards:
                under = QColor(colours.panel)
                under.setAlpha(220)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(under)
                painter.drawEllipse(place.adjusted(-3, -3, 3, 3))
            painter.drawPixmap(place, icons.pixmap(name, _STAR, tint=tint, ratio=ratio))
        painter.restore()

    def _ground(self, size: QSize, ratio: float, *, chosen: bool, hovered: bool, focused: bool) -> QPixmap:
        """What lies below an entry; the few there are, are painted once."""
        colours = theme.current()
        key = (size.width(), size.height(), ratio, colours.dark, chosen, hovered, focused)
        kept = self._grounds.get(key)
        if kept is not None:
            return kept
        if len(self._grounds) > _MOST_GROUNDS:
            self._grounds.clear()
        ground = QPixmap(size * ratio)
        ground.setDevicePixelRatio(ratio)
        ground.fill(Qt.GlobalColor.transparent)
        painter = QPainter(ground)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        fill = QColor(colours.accent if chosen else colours.panel)
        fill.setAlpha(60 if chosen else 255)
        edge = QColor(colours.accent if chosen or focused else colours.edge if hovered else colours.line)
        painter.setPen(QPen(edge, 2 if focused else 1))
        painter.setBrush(fill)
        painter.drawRoundedRect(QRect(QPoint(1, 1), size - QSize(2, 2)), colours.radius, colours.radius)
        painter.end()
        self._grounds[key] = ground
        return ground

    def _card(self, painter: QPainter, box: QRect, entry: Entry, image: QImage | None) -> None:
        lines = 2 * QFontMetrics(painter.font()).height() + _PAD
        picture = box.adjusted(_PAD, _PAD, -_PAD, -lines - _PAD)
        self._picture(painter, picture, entry, image)
        text = QRect(box.left() + _PAD, picture.bottom() + 4, box.width() - 2 * _PAD, lines)
        self._texts(painter, text, entry, short=True)

    def _row(self, painter: QPainter, box: QRect, entry: Entry, image: QImage | None) -> None:
        side = box.height() - 8
        self._picture(painter, QRect(box.left() + 4, box.top() + 4, side, side), entry, image)
        left = box.left() + side + 18
        height = 2 * QFontMetrics(painter.font()).height() + _PAD
        text = QRect(left, box.top() + (box.height() - height) // 2, box.right() - left - _STAR - 3 * _PAD, height)
        self._texts(painter, text, entry, short=False)

    def _picture(self, painter: QPainter, box: QRect, entry: Entry, image: QImage | None) -> None:
        colours = theme.current()
        if image is None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.field))
            painter.drawRoundedRect(box, 3, 3)
            return
        size = image.size().scaled(box.size(), Qt.AspectRatioMode.KeepAspectRatio)
        at = QPoint(box.center().x() - size.width() // 2, box.center().y() - size.height() // 2)
        if entry.state == "replaced":
            painter.setOpacity(0.45)
        painter.drawImage(QRect(at, size), image)
        painter.setOpacity(1.0)

    def _texts(self, painter: QPainter, box: QRect, entry: Entry, *, short: bool) -> None:
        colours = theme.current()
        metrics = QFontMetrics(painter.font())
        flags = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        first = QRect(box.left(), box.top(), box.width(), metrics.height() + 2)
        second = first.translated(0, metrics.height() + 3)
        wish = " ".join(entry.prompt.split()) or self.tr("(a picture)")
        painter.setPen(QColor(colours.text))
        painter.drawText(first, flags, metrics.elidedText(wish, Qt.TextElideMode.ElideRight, first.width()))
        when = f"{entry.created.astimezone():%Y-%m-%d %H:%M}"
        parts = (
            [when, entry.zone] if short else [when, entry.zone, entry.engine, self.tr("seed {n}").format(n=entry.seed)]
        )
        if entry.state == "replaced":
            parts.append(self.tr("replaced"))
        parts += [f"#{name}" for name in entry.tags]
        painter.setPen(QColor(colours.dim))
        small = QFont(painter.font())
        painter.setFont(small)
        painter.drawText(
            second, flags, metrics.elidedText(" · ".join(parts), Qt.TextElideMode.ElideRight, second.width())
        )

    def _star_rect(self, cell: QRect) -> QRect:
        if self.cards:
            return QRect(cell.right() - 4 - _PAD - _STAR - 5, cell.top() + 4 + _PAD + 5, _STAR, _STAR)
        return QRect(cell.right() - 4 - _PAD - _STAR, cell.center().y() - _STAR // 2, _STAR, _STAR)

    def editorEvent(self, event: QEvent, model: QAbstractItemModel, option: QStyleOptionViewItem, index: Index) -> bool:
        """A click on the star."""
        if isinstance(event, QMouseEvent) and event.button() is Qt.MouseButton.LeftButton:
            on_star = self._star_rect(option.rect).adjusted(-4, -4, 4, 4).contains(event.position().toPoint())
            if on_star and event.type() is QEvent.Type.MouseButtonRelease:
                self.star_clicked.emit(index.data(ENTRY_ROLE).id)
            return on_star
        return super().editorEvent(event, model, option, index)
