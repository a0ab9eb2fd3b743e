"""The question before a download: how large it is, whether it fits, and what its licence asks. Nothing is ticked beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QDialog, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from outfitswap_desktop.ui.pages.parts import IconLabel, button, foot, label, panel, wrapped
from outfitswap_desktop.ui.pages.weights_words import size_of, terms_of

if TYPE_CHECKING:
    from outfitswap_desktop.ui.pages.weights_work import WeightsRow
    from outfitswap_desktop.weights.fetch import Plan


class GetDialog(QDialog):
    """After it is accepted, `agreed` says whether the licence was accepted here. `plan` None: files are imported instead."""

    def __init__(self, row: WeightsRow, plan: Plan | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("getDialog")
        self.setWindowTitle(self.tr("Download a model") if plan is not None else self.tr("Import a model"))
        self.setMinimumWidth(540)
        self._asks = row.asks and not row.accepted
        self._fits = plan is None or plan.fits
        self.agree = QCheckBox()
        self.go = button(self.tr("Download") if plan is not None else self.tr("Import"), role="primary")
        self.go.setDefault(True)
        self.go.clicked.connect(self.accept)
        self.cancel = button(self.tr("Cancel"))
        self.cancel.clicked.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(12)
        layout.addWidget(label(row.name, "title"))
        layout.addWidget(label(row.purpose, "hint"))
        if plan is not None:
            layout.addWidget(self._costs(row, plan))
        layout.addWidget(self._licence(row))
        if self._asks:
            layout.addWidget(wrapped(self.agree, self.tr("I have read this licence and accept it")))
        layout.addStretch(1)
        self._why = label("", "hint")
        layout.addLayout(foot(self._why, self.cancel, self.go))
        self.agree.toggled.connect(self._check)
        self._check()

    @property
    def agreed(self) -> bool:
        return self._asks and self.agree.isChecked()

    def _costs(self, row: WeightsRow, plan: Plan) -> QWidget:
        frame, inside = panel()
        grid = QGridLayout()
        grid.setHorizontalSpacing(18)
        grid.setVerticalSpacing(6)
        unknown = self.tr("not known")
        begun = plan.left is not None and plan.total is not None and plan.left < plan.total
        rows = [
            (self.tr("To download"), unknown if plan.left is None else size_of(plan.left) or "0"),
            (self.tr("Free on this disk"), size_of(plan.free) or "0"),
            (self.tr("From"), row.source),
            (self.tr("Checked against"), self._basis(plan.basis)),
        ]
        if begun:
            rows.insert(1, (self.tr("Already here"), size_of((plan.total or 0) - (plan.left or 0))))
        if row.memory is not None:
            rows.append((self.tr("Graphics memory"), self.tr("{size} GB or more").format(size=f"{row.memory:g}")))
        for number, (name, value) in enumerate(rows):
            grid.addWidget(label(name, "hint", wrap=False), number, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(label(value), number, 1)
        grid.setColumnStretch(1, 1)
        inside.addLayout(grid)
        return frame

    def _basis(self, basis: str) -> str:
        if basis == "pinned":
            return self.tr("hashes that come with this program")
        if basis == "recorded":
            return self.tr("hashes recorded at the first download")
        return self.tr("hashes that its repository reports now; they count ever after")

    def _licence(self, row: WeightsRow) -> QWidget:
        frame, inside = panel("notice" if self._asks else "panel")
        head = QHBoxLayout()
        head.setSpacing(10)
        if self._asks:
            head.addWidget(IconLabel("warning", 20, tint="warning"))
        head.addWidget(label(self.tr("Licence: {name}").format(name=row.licence), "heading"), 1)
        inside.addLayout(head)
        inside.addWidget(label(terms_of(commercial=row.commercial, restrictions=row.restrictions)))
        address = label(row.licence_url, "hint")
        address.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        address.setAccessibleName(self.tr("Address of the licence's text"))
        inside.addWidget(address)
        if self._asks:
            kept = self.tr("That you accepted it is kept on this machine, with the date and this address.")
            inside.addWidget(label(kept, "hint"))
        return frame

    def _check(self) -> None:
        missing = self._asks and not self.agree.isChecked()
        self.go.setEnabled(self._fits and not missing)
        if not self._fits:
            self._why.setText(self.tr("It does not fit on this disk."))
        else:
            self._why.setText(self.tr("Accept the licence to go on.") if missing else "")
