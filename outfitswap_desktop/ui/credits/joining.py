"""The credits joined to the window: the status line's corner, the price at the run button, and jobs that were not paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMessageBox
from shiboken6 import isValid

from outfitswap_desktop.ui.credits.badge import CreditsBadge
from outfitswap_desktop.ui.credits.price import price_line
from outfitswap_desktop.ui.credits.words import credits_of
from outfitswap_desktop.ui.credits.work import CreditsWork
from outfitswap_desktop.ui.wording import CREDIT_REASONS, in_window

if TYPE_CHECKING:
    from collections.abc import Callable

    from outfitswap_desktop.engine.messages import Problem
    from outfitswap_desktop.licensing.account import Licensing, Status
    from outfitswap_desktop.ui.editor_page import EditorPage
    from outfitswap_desktop.ui.outfit.installed import InstalledEngines
    from outfitswap_desktop.ui.window import MainWindow

_LOCAL: Final = frozenset({"127.0.0.1", "localhost"})


class WindowCredits(QObject):
    """Made by the workshop; `close` ends its threads."""

    def __init__(
        self,
        window: MainWindow,
        editor: EditorPage,
        installed: InstalledEngines,
        *,
        opened: Callable[[], Licensing] | None,
    ) -> None:
        super().__init__(window)
        self._window, self._editor, self._installed = window, editor, installed
        self._page: Any = None
        self._box: QMessageBox | None = None
        self._was_low = False
        self._said_low = ""
        self.work = CreditsWork(opened, self)
        self.badge = CreditsBadge(window)
        self.badge.clicked.connect(self.show_page)
        window.statusBar().addPermanentWidget(self.badge)
        self.badge.hide()  # a status bar shows what it is given
        self.work.status_changed.connect(self._show)
        self.work.url_asked.connect(self.open_url)
        editor.outfit.changed.connect(lambda _outfit: self._show_price())
        installed.changed.connect(lambda _engines: self._show_price())

    def close(self) -> None:
        """Stop waiting and end the threads."""
        self.work.close()

    def show_page(self) -> None:
        """The page of the credits, in a dialog of its own."""
        from outfitswap_desktop.ui.credits.page import CreditsPage

        self._window.workshop.in_dialog(self._window.tr("Credits"), CreditsPage(self.work))

    def open_url(self, url: str) -> None:
        """Show a page in the browser: none but those of https, and of a server on this machine."""
        address = QUrl(url)
        if address.scheme() == "https" or (address.scheme() == "http" and address.host() in _LOCAL):
            QDesktopServices.openUrl(address)

    def job_over(self) -> None:
        """What is left may be another number now; a job that was paid online has used the network itself."""
        if self.work.state == "online":
            self.work.refresh()
        elif self.work.state != "none":
            self.work.look()

    def tells(self, problem: Problem) -> bool:
        """Tell of a job that could not be paid, with a way to the page; False when that is not what happened."""
        if problem.reason not in CREDIT_REASONS or self.work.state == "none":
            return False
        problem = in_window(problem)
        if self._box is not None and isValid(self._box):
            return True  # the next jobs of the queue say the same
        box = self._box = QMessageBox(self._window)
        box.setObjectName("unpaidBox")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIcon(QMessageBox.Icon.Information)
        box.setWindowTitle(self.tr("This job could not be paid"))
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(problem.message)
        box.setInformativeText(problem.hint)
        go = box.addButton(self.tr("Credits…"), QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Close)
        box.setDefaultButton(go)
        go.clicked.connect(self.show_page)
        box.open()
        return True

    def _show(self, status: Status) -> None:
        self.badge.show_status(status)
        self._show_price()
        low = status.low and status.state == "online"
        if low and not self._was_low and status.available is not None:
            left = status.available + status.lease_left
            said = self.tr("{credits} left. A click on their number, here below, buys more.")
            self._said_low = said.format(credits=credits_of(left))
            self._window.say(self._said_low)
        elif not low:
            self._window.unsay(self._said_low)
        self._was_low = low

    def _show_price(self) -> None:
        line = price_line(self.work.status, self._editor.outfit.outfit, self._installed.engines)
        self._editor.run.show_price(line.text, short=line.short)
