"""Everything about one result: what was found in the photo, what the gates measured, how long it took, and the hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QGuiApplication,
    QImage,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QStandardItem,
    QStandardItemModel,
    QTransform,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.store.entry import Entry
from outfitswap_desktop.ui import icons, theme
from outfitswap_desktop.ui.history.plan import plan_lines
from outfitswap_desktop.ui.history.reproduce import Reproduction

_COLOURS: Final = ("#6cabf5", "#f0b354", "#77c98b", "#c792ea", "#ff8a80", "#4dd0e1")
_PROTECTED: Final = "#ff8a80"


class FoundPicture(QWidget):
    """The result's small picture with the outlines of what was found in its photo."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self._size = QSize()
        self._areas: list[tuple[str, float, list[QPolygonF], QColor]] = []
        self.setMinimumHeight(220)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("What was found in the photo"))

    @property
    def areas(self) -> tuple[str, ...]:
        """The names of the areas that are drawn."""
        return tuple(name for name, _, _, _ in self._areas)

    def show_found(self, image: QImage | None, receipt: Mapping[str, Any]) -> None:
        """Draw the outlines of a receipt (`found`) over the picture of its result."""
        size = _at(receipt, "source").get("size")
        self._size = QSize(int(size[0]), int(size[1])) if isinstance(size, list) and len(size) == 2 else QSize()
        self._image = image
        found = _at(receipt, "found")
        regions = [(area, QColor(_COLOURS[n % len(_COLOURS)])) for n, area in enumerate(_rows(found.get("regions")))]
        protected = [(area, QColor(_PROTECTED)) for area in _rows(found.get("protected"))]
        self._areas = [
            (str(area.get("name")), float(area.get("confidence") or 0), _rings(area), colour)
            for area, colour in (*regions, *protected)
        ]
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, dimmed a little, and the outlines with their names."""
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(self.rect(), QColor(theme.current().canvas))
        shape = self._size if not self._size.isEmpty() else self._image.size() if self._image else QSize()
        if shape.isEmpty():
            return
        fitted = shape.scaled(self.size() - QSize(8, 8), Qt.AspectRatioMode.KeepAspectRatio)
        box = QRectF(
            (self.width() - fitted.width()) / 2, (self.height() - fitted.height()) / 2, fitted.width(), fitted.height()
        )
        if self._image is not None:
            painter.drawImage(box, self._image)
            painter.fillRect(box, QColor(0, 0, 0, 70))
        painter.translate(box.topLeft())
        scale = box.width() / shape.width()
        font = painter.font()
        font.setPointSizeF(max(7.0, font.pointSizeF() * 0.85))
        painter.setFont(font)
        for name, confidence, rings, colour in self._areas:
            painter.setPen(QPen(colour, 1.6))
            fill = QColor(colour)
            fill.setAlpha(36)
            painter.setBrush(fill)
            for ring in rings:
                painter.drawPolygon(QTransform.fromScale(scale, scale).map(ring))
            if rings:
                self._label(painter, f"{name} {confidence:.2f}", rings[0].boundingRect(), scale=scale, colour=colour)

    def _label(self, painter: QPainter, text: str, area: QRectF, *, scale: float, colour: QColor) -> None:
        metrics = painter.fontMetrics()
        size = QSize(metrics.horizontalAdvance(text) + 8, metrics.height() + 2)
        box = QRectF(area.center().x() * scale - size.width() / 2, area.top() * scale + 2, size.width(), size.height())
        painter.fillRect(box, QColor(0, 0, 0, 170))
        painter.setPen(colour)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)


class DiagnosticsView(QScrollArea):
    """Shows one entry; "Copy as JSON" puts all of it on the clipboard."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._document: dict[str, Any] = {}
        self.picture = FoundPicture()
        self._again = QLabel()
        self._texts = {name: QLabel() for name in ("made", "fallbacks", "times", "consent", "hashes")}
        self.scores = QStandardItemModel(0, 3, self)
        self._table = QTableView()
        self._copy = QPushButton(icons.icon("copy"), self.tr("Copy as JSON"))
        self._build()

    @property
    def document(self) -> dict[str, Any]:
        """What is copied: the entry, its receipt, and whether it can be made again."""
        return self._document

    def text(self, name: str) -> str:
        """One of the texts: "again", "made", "fallbacks", "times", "consent", "hashes"."""
        return self._again.text() if name == "again" else self._texts[name].text()

    def show_entry(
        self,
        entry: Entry,
        values: Mapping[str, Any],
        image: QImage | None,
        *,
        limits: Mapping[str, Mapping[str, Any]],
        again: Reproduction | None,
    ) -> None:
        """Show an entry with its receipt. `values` as `entry_values` gives them; `limits` are the thresholds of each gate."""
        receipt = entry.receipt
        self._document = dict(values) | {"receipt": receipt}
        self.picture.show_found(image, receipt)
        self.set_reproduction(again)
        made, safety, output = (_at(receipt, name) for name in ("made", "safety", "output"))
        consent = _at(safety, "consent")
        found = _at(receipt, "found")
        regions = [
            self.tr("{name}: confidence {confidence}").format(name=row.get("name"), confidence=row.get("confidence"))
            for row in (*_rows(found.get("regions")), *_rows(found.get("protected")))
        ]
        self._lines(
            "made",
            self.tr("Engine: {name}").format(name=made.get("engine") or entry.engine),
            self.tr("Segmenter: {name}").format(name=made.get("segmenter") or entry.segmenter),
            *plan_lines(_at(made, "plan"), self.locale()),
            *regions,
            *map(str, (*(made.get("limits") or ()), *(made.get("notes") or ()))),
        )
        fallbacks = tuple(map(str, made.get("fallbacks") or ()))
        self._lines("fallbacks", *(fallbacks or (self.tr("None: the best segmenter was used."),)))
        seconds = _at(receipt, "seconds")
        times = [f"{name}: {self.locale().toString(float(value), 'f', 2)} s" for name, value in seconds.items()]
        self._lines("times", *(times or [self.tr("Not recorded.")]))
        self._lines(
            "consent",
            str(consent.get("kind") or self.tr("Not recorded.")),
            self.tr("Given {when}").format(when=consent["given"]) if consent.get("given") else "",
            self.tr("Stated to be an adult") if consent.get("adult_attested") else "",
        )
        self._lines(
            "hashes",
            self.tr("Photo: {hash}").format(hash=entry.photo_sha256),
            self.tr("First photo of the line: {hash}").format(hash=entry.root),
            self.tr("Result: {hash}").format(hash=output.get("sha256") or entry.output_sha256),
            self.tr("Mask: {hash}").format(hash=_at(receipt, "mask").get("sha256") or entry.mask_sha256 or "-"),
        )
        self._fill_scores(_at(receipt, "gates"), limits)

    def set_reproduction(self, again: Reproduction | None) -> None:
        """Whether it can be made again; None while that is looked up."""
        if again is None:
            self._again.setText(self.tr("Looking whether it can be made again…"))
            return
        self._document["reproduction"] = {"kind": again.kind, "reasons": list(again.reasons)}
        heads = {
            "identical": self.tr("Can be made again exactly: the same pixels."),
            "near": self.tr("Can be made again, but not exactly:"),
            "impossible": self.tr("Cannot be made again:"),
        }
        self._again.setText("\n".join([heads[again.kind], *(f"• {reason}" for reason in again.reasons)]))
        theme.set_role(self._again, {"identical": "good", "near": "warning"}.get(again.kind, "danger"))  # type: ignore[arg-type]

    def copy(self) -> None:
        """Put all of it on the clipboard as JSON."""
        text = json.dumps(self._document, indent=2, ensure_ascii=False, default=str)
        QGuiApplication.clipboard().setText(text)

    def _fill_scores(self, scores: Mapping[str, Any], limits: Mapping[str, Mapping[str, Any]]) -> None:
        self.scores.removeRows(0, self.scores.rowCount())
        for name, score in scores.items():
            gate, _, what = name.partition(".")
            limit = limits.get(gate, {}).get(what)
            shown = self.locale().toString(float(score), "f", 3) if isinstance(score, int | float) else str(score)
            cells = [QStandardItem(text) for text in (name, shown, "" if limit is None else str(limit))]
            for cell in cells:
                cell.setEditable(False)
                cell.setToolTip(name)
            self.scores.appendRow(cells)
        self.scores.setHorizontalHeaderLabels([self.tr("Gate"), self.tr("Measured"), self.tr("Limit")])
        rows = self.scores.rowCount()
        self._table.setFixedHeight(self._table.horizontalHeader().height() + min(rows, 14) * 24 + 12)

    def _lines(self, name: str, *lines: str) -> None:
        self._texts[name].setText("\n".join(line for line in lines if line))

    def _build(self) -> None:
        whole = QWidget()
        layout = QVBoxLayout(whole)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.addWidget(self.picture)
        self._again.setWordWrap(True)
        layout.addWidget(self._again)
        titles = {
            "made": self.tr("How it was made"),
            "fallbacks": self.tr("Better segmenters that were not used"),
            "times": self.tr("Time of each stage"),
            "consent": self.tr("Consent"),
            "hashes": self.tr("SHA-256"),
        }
        for name, title in titles.items():
            layout.addWidget(_heading(title))
            label = self._texts[name]
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setProperty("role", "hint")
            label.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            label.setAccessibleDescription(title)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            layout.addWidget(label)
            if name == "fallbacks":
                layout.addWidget(_heading(self.tr("What the gates measured")))
                layout.addWidget(self._table)
        self._table.setModel(self.scores)
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setAccessibleName(self.tr("What the gates measured"))
        self._table.verticalHeader().hide()
        self._table.verticalHeader().setDefaultSectionSize(24)
        self._table.setShowGrid(False)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._copy.setToolTip(self.tr("Everything on this page, for a report or a note"))
        self._copy.setAccessibleName(self._copy.text())
        self._copy.clicked.connect(self.copy)
        layout.addWidget(self._copy)
        layout.addStretch()
        self.setWidget(whole)


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setProperty("role", "heading")
    return label


def _at(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = document.get(name)
    return part if isinstance(part, Mapping) else {}


def _rows(rows: object) -> list[Mapping[str, Any]]:
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _rings(area: Mapping[str, Any]) -> list[QPolygonF]:
    """The rings of an area of a receipt ("x,y x,y ..."); a damaged one is left out."""
    rings = []
    for text in area.get("rings") or ():
        try:
            pairs = [tuple(map(float, pair.split(","))) for pair in str(text).split()]
            rings.append(QPolygonF([QPointF(x, y) for x, y in pairs]))
        except ValueError:
            continue
    return rings
