"""The credits' page: how they stand, signing in, what is left, the history. One sentence where nothing is charged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QLineEdit,
    QMenu,
    QMessageBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.ui import icons
from outfitswap_desktop.ui.credits.along import AlongDialog
from outfitswap_desktop.ui.credits.balance import BalancePanel
from outfitswap_desktop.ui.credits.buy import BuyDialog
from outfitswap_desktop.ui.credits.postings import PostingsModel, postings_view
from outfitswap_desktop.ui.credits.sign_in import SignInPanel
from outfitswap_desktop.ui.credits.words import Standing, credits_of, nothing_charged, said_of, standing_of, why_of
from outfitswap_desktop.ui.credits.work import failed
from outfitswap_desktop.ui.pages.parts import IconLabel, NoticeLine, button, label, scrolled

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.account import Status
    from outfitswap_desktop.licensing.wire import messages
    from outfitswap_desktop.ui.credits.work import CreditsWork

_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
NOTHING, SIGN_IN, ACCOUNT = range(3)
_BUSY: Final = frozenset({"redeem", "sign_out", "import", "receipts", "take", "give_back"})


class CreditsPage(QWidget):
    """Shows what `work` says; everything that takes time is the work's."""

    def __init__(self, work: CreditsWork, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("creditsPage")
        self._work = work
        self._balance: messages.Balance | None = None
        self._focused = -1
        self.who = label("", "hint", wrap=False)
        self.nothing = label("")
        self.standing = _StandingPanel()
        self.sign_in = SignInPanel(work)
        self.balance = BalancePanel()
        self.model = PostingsModel(self)
        self.view = postings_view(self.model, self.tr("History of your credits"))
        self.more = button(self.tr("Older ones"), "down", "quiet")
        self.notice = NoticeLine()
        self.sign_out = button(self.tr("Sign out"), role="quiet")
        self.other = button(self.tr("More"), "more", tip=self.tr("Licence key, files, ask again"))
        self.along = button(self.tr("Take credits along…"), "export")
        self.buy = button(self.tr("Buy credits…"), "credits", "primary")
        self.stack = QStackedWidget()
        for page in (self._nothing_page(), scrolled(self.sign_in), self._account_page()):
            self.stack.addWidget(page)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(12)
        head = QHBoxLayout()
        head.addWidget(label(self.tr("Credits"), "title"))
        head.addStretch(1)
        head.addWidget(self.who)
        column.addLayout(head)
        column.addWidget(self.standing)
        column.addWidget(self.stack, 1)
        column.addWidget(self.notice)
        self._foot = self._make_foot()
        column.addWidget(self._foot)
        self._connect()
        self._show(work.status)
        work.load()

    # Building

    def _nothing_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.nothing)
        column.addStretch(1)
        return page

    def _account_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        column.addWidget(self.balance)
        row = QHBoxLayout()
        row.addWidget(label(self.tr("History"), "heading"))
        row.addStretch(1)
        row.addWidget(self.more)
        column.addLayout(row)
        column.addWidget(self.view, 1)
        self._empty = label("", "hint")
        column.addWidget(self._empty, 1, Qt.AlignmentFlag.AlignTop)
        return page

    def _make_foot(self) -> QWidget:
        foot = QWidget()
        row = QHBoxLayout(foot)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.sign_out)
        row.addWidget(self.other)
        row.addStretch(1)
        row.addWidget(self.along)
        row.addWidget(self.buy)
        menu = QMenu(self.other)
        self.commands = {
            "refresh": menu.addAction(icons.icon("refresh"), self.tr("Ask the server again"), self._work.load),
            "request": menu.addAction(icons.icon("save"), self.tr("Save a request file…"), self.sign_in.ask_request),
            "key": menu.addAction(icons.icon("plus"), self.tr("Use a licence key…"), self._ask_key),
            "import": menu.addAction(icons.icon("open"), self.tr("Import an answer file…"), self.sign_in.ask_import),
            "receipts": menu.addAction(icons.icon("save"), self.tr("Save what was spent here…"), self._ask_receipts),
        }
        self.other.setMenu(menu)
        return foot

    def _connect(self) -> None:
        work = self._work
        work.status_changed.connect(self._show)
        work.balance_came.connect(self._show_balance)
        work.trouble.connect(lambda problem: self.notice.say(said_of(problem), bad=True))
        work.history_came.connect(self._show_history)
        work.moved.connect(self._moved)
        work.ended.connect(self._ended)
        self.sign_in.said.connect(lambda text, bad: self.notice.say(text, bad=bad))
        self.balance.give_back.clicked.connect(work.give_back)
        self.more.clicked.connect(self._older)
        self.sign_out.clicked.connect(self._ask_sign_out)
        self.along.clicked.connect(self._ask_along)
        self.buy.clicked.connect(self._open_buy)

    # What shows

    def _show(self, status: Status | None) -> None:
        state = self._work.state
        counted = state != "none"
        inside = counted and state != "signed_out"
        self.stack.setCurrentIndex(ACCOUNT if inside else SIGN_IN if counted else NOTHING)
        self._foot.setVisible(inside)
        self.standing.setVisible(counted)
        self.who.setVisible(inside)
        if not counted:
            self.notice.say("")
        if status is None:
            self.nothing.setText("" if self._work.is_there else nothing_charged())
            return
        standing = standing_of(status)
        self.nothing.setText(standing.sentence if not counted else "")
        self.standing.show_standing(standing, status)
        account = status.account
        if _ULID.fullmatch(account):  # made from a licence key: it has no name
            account = self.tr("Account {number}").format(number=account[-6:])
        self.who.setText(" · ".join(part for part in (account, status.device) if part))
        self.who.setToolTip(status.account)
        if inside:
            self.balance.show_status(status)
            if self._balance is not None and self._balance.available == status.available and status.state == "online":
                self.balance.show_balance(self._balance, status.device)  # else its buckets are those of before
        else:
            self._balance = None
        self._enable()
        self._take_focus()

    def _take_focus(self) -> None:
        """The focus goes to what the page is for, once; not to the first small button."""
        if not self.isVisible() or self.stack.currentIndex() == self._focused:
            return
        self._focused = self.stack.currentIndex()
        inside = self.buy if self.buy.isEnabled() else self.other
        first: dict[int, QWidget] = {SIGN_IN: self.sign_in.browser, ACCOUNT: inside}
        if self._focused in first:
            first[self._focused].setFocus()

    def showEvent(self, event: QShowEvent) -> None:
        """Seen for the first time."""
        super().showEvent(event)
        self._take_focus()

    def _show_balance(self, answer: messages.Balance | KnownError) -> None:
        status = self._work.status
        if isinstance(answer, KnownError) or not hasattr(answer, "promo") or status is None:
            return  # the state says that the server is out of reach
        self._balance = answer
        self.balance.show_balance(answer, status.device)
        self._enable()

    def _show_history(self, answer: messages.History | KnownError, more: bool) -> None:
        if isinstance(answer, KnownError):
            if more:
                self.notice.say(said_of(answer), bad=True)
        elif hasattr(answer, "entries"):  # not Cancelled, which comes while the window closes
            self.model.show(answer.entries, following=answer.next, more=more)
        self._enable()

    def _enable(self) -> None:
        status, busy = self._work.status, bool(self._work.doing)
        online = status is not None and status.state == "online"
        away = self.tr("The server cannot be reached.")
        there = status is not None and status.lease_until is not None
        enough = status is not None and (status.available or 0) > 0
        self.along.setEnabled(online and not busy and not there and enough)
        why = "" if enough else self.tr("No credits are left to take along.")
        self.along.setToolTip(
            away if not online else self.tr("Give back first what is on this machine.") if there else why
        )
        self.buy.setEnabled(online or (status is not None and status.reason == "no_credits"))
        self.buy.setToolTip("" if self.buy.isEnabled() else away)
        self.sign_out.setEnabled(not busy)
        for name, command in self.commands.items():
            command.setEnabled(not busy and (name != "receipts" or there))
        self.balance.give_back.setEnabled(online and there and not busy)
        rows = self.model.rowCount()
        self.view.setVisible(bool(rows))
        self._empty.setVisible(not rows)
        self._empty.setText(
            self.tr("Nothing has been paid or bought yet.")
            if online
            else self.tr("It shows when the server can be reached.")
        )
        self.more.setVisible(self.model.next is not None)

    def _moved(self, doing: str) -> None:
        if doing:  # what was said of the deed before is over
            self.notice.say(self.tr("One moment…") if doing in _BUSY else "")
        self._enable()

    def _ended(self, what: str, answer: Any) -> None:
        said = {
            "browser": self.tr("You are signed in."),
            "wait": self.tr("You are signed in."),
            "redeem": self.tr("The key is used; its credits are in your account."),
            "import": self.tr("The file is taken in; its credits are on this machine."),
            "take": self.tr("They are on this machine now."),
            "give_back": self.tr("What was left is in your account again."),
            "sign_out": self.tr("You are signed out."),
        }
        if what == "buy":
            return  # its dialog says it
        if failed(answer):
            self.notice.say(said_of(answer), bad=True)
        elif what == "receipts" and isinstance(answer, Path):
            self.notice.say(
                self.tr("Saved: {name}. Upload it on the server's site.").format(name=answer.name), good=True
            )
        elif what in said and not isinstance(answer, BaseException):
            self.notice.say(said[what], good=True)
            if what != "sign_out":
                self._work.load()
        elif what in _BUSY:
            self.notice.say("")
        self._enable()

    # What is asked

    def _older(self) -> None:
        if self.model.next is not None:
            self.more.setEnabled(False)
            self._work.more_history(self.model.next)
            self.more.setEnabled(True)

    def _ask_along(self) -> None:
        status = self._work.status
        if status is not None and status.available is not None:
            dialog = AlongDialog(status.available, status.prices, self)
            dialog.accepted.connect(lambda: self._work.take_along(dialog.credits.value, dialog.days.value))
            _open(dialog)

    def _open_buy(self) -> None:
        _open(BuyDialog(self._work, self))

    def _ask_sign_out(self) -> None:
        status = self._work.status
        said = self.tr("Your results stay. To use engines with a price on this machine you sign in again.")
        if status is not None and status.lease_left:
            left = self.tr("{credits} on this machine are given back first.")
            said = f"{said} {left.format(credits=credits_of(status.lease_left))}"
        if QMessageBox.question(self, self.tr("Sign out?"), said) == QMessageBox.StandardButton.Yes:
            self._work.sign_out()

    def _ask_key(self) -> None:
        key, given = QInputDialog.getText(
            self, self.tr("Use a licence key"), self.tr("Licence key"), QLineEdit.EchoMode.Normal
        )
        if given and key.strip():
            self._work.redeem(key.strip())

    def _ask_receipts(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, self.tr("Save what was spent here"), "outfitswap.osrcp", self.tr("Receipts (*.osrcp)")
        )
        if name:
            self._work.write_receipts(Path(name))


class _StandingPanel(QFrame):
    """The state in one sentence, with what else the user should know: few left, or what the credits have to say."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "notice")
        self._icon = IconLabel("about", 22)
        self.heading = label("", "heading")
        self.sentence = label("", "hint")
        self.further = label("", "warning")
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 12, 16, 12)
        row.setSpacing(12)
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(2)
        for line in (self.heading, self.sentence, self.further):
            words.addWidget(line)
        row.addLayout(words, 1)

    def show_standing(self, standing: Standing, status: Status) -> None:
        self._icon.show_icon(standing.icon, tint=standing.tint)
        self.heading.setText(standing.heading)
        self.sentence.setText(standing.sentence)
        further = why_of(status) if status.state in ("online", "offline") and status.reason != "offline" else ""
        self.further.setText(further)
        self.further.setVisible(bool(further))


def _open(dialog: QDialog) -> None:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()
