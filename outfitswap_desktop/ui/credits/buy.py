"""Buying: the packs, the browser's page to pay on, and waiting until the credits are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QMouseEvent, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QRadioButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.ui.credits.words import credits_of, number_of, price_of, said_of
from outfitswap_desktop.ui.credits.work import WAITING_ORDERS, failed
from outfitswap_desktop.ui.pages.parts import IconLabel, button, label, panel, scrolled
from outfitswap_desktop.ui.theme import set_role

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.wire import messages
    from outfitswap_desktop.ui.credits.work import CreditsWork


class BuyDialog(QDialog):
    """Packs to choose from; then it waits for the payment. Closing it stops nothing: what is paid arrives all the same."""

    def __init__(self, work: CreditsWork, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("buyDialog")
        self.setWindowTitle(self.tr("Buy credits"))
        self.setMinimumWidth(540)
        self.resize(560, 440)
        self._work = work
        self._packs: dict[str, messages.Pack] = {}
        self.boxes: dict[str, QRadioButton] = {}
        self._group = QButtonGroup(self)
        self._url = ""
        self.stack = QStackedWidget()
        self.notice = label("", "warning")
        self.notice.hide()
        self._rows = QVBoxLayout()
        self._rows.setSpacing(8)
        self._empty = label(self.tr("Asking what there is…"), "hint")
        self.stack.addWidget(self._choosing())
        self.stack.addWidget(self._waiting())
        self.close_ = button(self.tr("Close"))
        self.close_.clicked.connect(self.reject)
        self.pay = button(self.tr("Pay in the browser"), role="primary")
        self.pay.setDefault(True)
        self.pay.setEnabled(False)
        self.pay.clicked.connect(self._buy)
        self.again = button(self.tr("Open the page again"), "reveal")
        self.again.clicked.connect(lambda: work.url_asked.emit(self._url))
        self.again.hide()
        self._build()
        work.packs_came.connect(self._show_packs)
        work.order_came.connect(self.show_order)
        work.ended.connect(self._ended)
        work.moved.connect(lambda _doing: self._enable())
        work.load_packs()

    def show_order(self, order: messages.Order) -> None:
        """Say how the purchase stands."""
        self._url = order.checkout_url or ""
        waits = order.state in WAITING_ORDERS
        self.again.setVisible(waits and bool(self._url))
        self.pay.hide()
        self._bar.setVisible(waits)
        self._mark.setVisible(not waits)
        heading, hint, icon, tint = self._said(order)
        self._heading.setText(heading)
        self._hint.setText(hint)
        self._mark.show_icon(icon, tint=tint)
        if order.state in ("expired", "failed"):
            self.notice.setText(f"{heading}. {hint}")
            self.notice.show()
            self.pay.show()
            self.stack.setCurrentIndex(0)
            self._enable()
            return
        self.stack.setCurrentIndex(1)
        self.setAccessibleDescription(heading)
        if order.state == "paid":
            self.close_.setDefault(True)
            self.close_.setFocus()

    @property
    def chosen(self) -> str:
        """The id of the pack that is chosen, "" for none."""
        return next((pack for pack, box in self.boxes.items() if box.isChecked()), "")

    def _said(self, order: messages.Order) -> tuple[str, str, str, str]:
        credits = credits_of(order.credits)
        if order.state in WAITING_ORDERS:
            hint = self.tr(
                "Pay on the page in your browser. You may close this: what you paid for arrives all the same."
            )
            return self.tr("Waiting for the payment of {credits}").format(credits=credits), hint, "about", "dim"
        if order.state == "paid":
            heading = self.tr("Paid: {credits}").format(credits=credits)
            return heading, self.tr("They are in your account now. The receipt comes by e-mail."), "ok", "good"
        if order.state in ("expired", "failed"):
            hint = self.tr("Nothing was taken. Choose a pack to try again.")
            return self.tr("The payment was not made"), hint, "warning", "warning"
        if order.state == "review":
            hint = self.tr("Somebody looks at this payment first; the credits come when that is done.")
            return self.tr("The payment is being checked"), hint, "about", "dim"
        return self.tr("The payment was returned"), self.tr("Its credits were taken back."), "about", "dim"

    def _choosing(self) -> QWidget:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._empty)
        column.addLayout(self._rows)
        column.addStretch(1)
        return scrolled(inner)

    def _waiting(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 8, 0, 0)
        frame, inside = panel("notice")
        row = QHBoxLayout()
        row.setSpacing(12)
        self._mark = IconLabel("about", 24)
        row.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        lines = QVBoxLayout()
        self._heading = label("", "heading")
        self._hint = label("", "hint")
        lines.addWidget(self._heading)
        lines.addWidget(self._hint)
        row.addLayout(lines, 1)
        inside.addLayout(row)
        self._bar = QProgressBar()
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(self.tr("Waiting for the payment"))
        inside.addWidget(self._bar)
        column.addWidget(frame)
        column.addStretch(1)
        return page

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(12)
        column.addWidget(label(self.tr("Buy credits"), "title"))
        said = self.tr("You pay on a page in your browser; nothing of your card passes through this program.")
        column.addWidget(label(said, "hint"))
        column.addWidget(self.stack, 1)
        column.addWidget(self.notice)
        row = QHBoxLayout()
        row.addWidget(self.again)
        row.addStretch(1)
        row.addWidget(self.close_)
        row.addWidget(self.pay)
        column.addLayout(row)

    def _show_packs(self, answer: tuple[messages.Pack, ...] | KnownError) -> None:
        if not isinstance(answer, tuple):
            self._empty.setText(said_of(answer) if isinstance(answer, KnownError) else "")
            return
        for box in self.boxes.values():
            self._group.removeButton(box)
        while (line := self._rows.takeAt(0)) is not None:
            if (old := line.widget()) is not None:
                old.deleteLater()
        self._packs = {pack.id: pack for pack in answer}
        self.boxes = {}
        best = _best(answer)
        for pack in answer:
            row = _PackRow(pack, self._note(pack, best=pack.id == best))
            row.box.toggled.connect(lambda _on: self._enable())
            self._group.addButton(row.box)
            self.boxes[pack.id] = row.box
            self._rows.addWidget(row)
            row.show()  # else it would be shown after the focus was given
        self._empty.setText(self.tr("Nothing can be bought at the moment."))
        self._empty.setVisible(not answer)
        if answer:
            middle = answer[len(answer) // 2 if len(answer) > 1 else 0].id
            self.boxes[middle].setChecked(True)
        self._enable()
        self._take_focus()

    def _take_focus(self) -> None:
        if self.chosen:
            self.boxes[self.chosen].setFocus()

    def showEvent(self, event: QShowEvent) -> None:
        """The focus goes to the packs, where those are there already."""
        super().showEvent(event)
        self._take_focus()

    def _note(self, pack: messages.Pack, *, best: bool) -> str:
        status = self._work.status
        prices = [price for price in status.prices.values() if price] if status is not None else []
        parts = []
        if prices:
            fewest, most = pack.credits // max(prices), pack.credits // min(prices)
            if fewest == most:
                parts.append(self.tr("{most} pictures").format(most=number_of(most)))
            else:
                said = self.tr("{fewest} to {most} pictures, by engine")
                parts.append(said.format(fewest=number_of(fewest), most=number_of(most)))
        if best:
            parts.append(self.tr("best price a credit"))
        return " · ".join(parts)

    def _buy(self) -> None:
        if self.chosen:
            self.notice.hide()
            self._work.buy(self.chosen)

    def _enable(self) -> None:
        self.pay.setEnabled(bool(self.chosen) and not self._work.doing)

    def _ended(self, what: str, answer: Any) -> None:
        if what == "buy" and failed(answer):
            self.notice.setText(said_of(answer))
            self.notice.show()


class _PackRow(QFrame):
    """A pack: its box, what it holds, its price. A click anywhere chooses it."""

    def __init__(self, pack: messages.Pack, note: str) -> None:
        super().__init__()
        self.setProperty("role", "panel")
        credits, price = credits_of(pack.credits), price_of(pack.amount_minor, pack.currency)
        self.box = QRadioButton()
        self.box.setAccessibleName(self.tr("{credits} for {price}").format(credits=credits, price=price))
        self.box.setAccessibleDescription(note)
        self.box.toggled.connect(lambda on: set_role(self, "notice" if on else "panel"))
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 9, 16, 9)
        row.setSpacing(10)
        row.addWidget(self.box)
        lines = QVBoxLayout()
        lines.setSpacing(1)
        lines.addWidget(label(credits, "heading"))
        if note:
            lines.addWidget(label(note, "hint"))
        row.addLayout(lines, 1)
        row.addWidget(label(price, "heading", wrap=False))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self.rect().contains(event.position().toPoint()):
            self.box.setFocus(Qt.FocusReason.MouseFocusReason)
            self.box.setChecked(True)


def _best(packs: Sequence[messages.Pack]) -> str:
    """The id of the one pack whose credits are cheapest, "" where several are or there is one pack alone."""
    rates = {pack.id: pack.amount_minor / pack.credits for pack in packs}
    cheapest = [pack for pack, rate in rates.items() if rate <= min(rates.values())]
    return cheapest[0] if len(cheapest) == 1 and len(rates) > 1 else ""
