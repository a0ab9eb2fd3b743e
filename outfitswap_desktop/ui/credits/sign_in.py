"""Signing in: by the browser, by a code typed on another machine, by a licence key, or by files without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QDateTime, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from outfitswap_desktop.ui.pages.parts import IconLabel, button, label, panel

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.wire import messages
    from outfitswap_desktop.ui.credits.work import CreditsWork

WAYS, BROWSER, CODE, KEY, FILES = range(5)
_OF_DEED: Final = {"browser": BROWSER, "code": CODE, "wait": CODE}


class SignInPanel(QWidget):
    """Four ways, one shown at a time. What came of them is the work's `ended`; `said` is a sentence for the page."""

    said = Signal(str, bool)
    """A sentence, and whether it tells of something bad; "" takes the last one away."""

    def __init__(self, work: CreditsWork, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._work = work
        self._until = 0
        self._code_url = ""
        self.stack = QStackedWidget()
        for page in (self._ways(), self._browser(), self._code(), self._key(), self._files()):
            self.stack.addWidget(page)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.stack)
        self._ticking = QTimer(self)
        self._ticking.setInterval(1000)
        self._ticking.timeout.connect(self._tick)
        work.url_asked.connect(self.show_address)
        work.code_came.connect(self._show_code)
        work.moved.connect(self._moved)
        work.ended.connect(self._ended)
        self._moved(work.doing)

    def show_address(self, url: str) -> None:
        """Keep the address at hand, for a machine whose browser does not open."""
        self.address.setText(url)
        self.address.setCursorPosition(0)
        self._address_row.show()

    def go(self, way: int) -> None:
        """Show one of the ways; the focus goes to what is to be done there."""
        self.said.emit("", False)
        self.stack.setCurrentIndex(way)
        site = self._work.status.server if self._work.status is not None else ""
        there = self.tr("On a computer with a network, sign in at {site} and upload it there; choose credits and days.")
        self._there.setText(there.format(site=site or self.tr("the server's site")))
        first = {WAYS: self.browser, BROWSER: self.stop, CODE: self.copy, KEY: self.key, FILES: self.request}[way]
        if self.isVisible():
            first.setFocus()

    # The ways

    def _ways(self) -> QWidget:
        page, column = _page()
        frame, inside = panel()
        row = QHBoxLayout()
        row.setSpacing(14)
        row.addWidget(IconLabel("person", 26, tint="accent"))
        words = QVBoxLayout()
        words.setSpacing(3)
        words.addWidget(label(self.tr("Sign in with your browser"), "heading"))
        said = self.tr("Its page opens there; when you have signed in or made an account, you are signed in here too.")
        words.addWidget(label(said, "hint"))
        row.addLayout(words, 1)
        self.browser = button(self.tr("Sign in"), role="primary")
        self.browser.clicked.connect(self._start_browser)
        row.addWidget(self.browser)
        inside.addLayout(row)
        column.addWidget(frame)
        column.addSpacing(6)
        column.addWidget(label(self.tr("Other ways"), "heading"))
        self.by_code = button(self.tr("Show a code"))
        self.by_code.clicked.connect(self._start_code)
        self.by_key = button(self.tr("Enter the key"))
        self.by_key.clicked.connect(lambda: self.go(KEY))
        self.by_files = button(self.tr("Use files"))
        self.by_files.clicked.connect(lambda: self.go(FILES))
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(12)
        grid.setColumnStretch(0, 1)
        for number, (title, hint, press) in enumerate((
            (self.tr("On another device"), self.tr("Type a short code on your phone or another computer."), self.by_code),
            (self.tr("With a licence key"), self.tr("A key that came with your purchase or from your studio."), self.by_key),
            (self.tr("Without a network"), self.tr("Carry a small file to a computer that has one, and an answer back."),
             self.by_files),
        )):  # fmt: skip
            lines = QVBoxLayout()
            lines.setSpacing(1)
            lines.addWidget(label(title))
            lines.addWidget(label(hint, "hint"))
            press.setAccessibleDescription(f"{title}. {hint}")
            grid.addLayout(lines, number, 0)
            grid.addWidget(press, number, 1, Qt.AlignmentFlag.AlignVCenter)
        column.addLayout(grid)
        column.addStretch(1)
        return page

    def _browser(self) -> QWidget:
        page, column = _page()
        column.addWidget(label(self.tr("Go on in your browser"), "heading"))
        said = self.tr("Sign in or make an account there. This page goes on by itself; it waits two minutes.")
        column.addWidget(label(said, "hint"))
        column.addWidget(_busy(self.tr("Waiting for the browser")))
        self._address_row = QWidget()
        row = QVBoxLayout(self._address_row)
        row.setContentsMargins(0, 8, 0, 0)
        row.addWidget(label(self.tr("No browser opened? Open this address:"), "hint"))
        line = QHBoxLayout()
        self.address = QLineEdit()
        self.address.setReadOnly(True)
        self.address.setAccessibleName(self.tr("Address of the page"))
        copy = button(self.tr("Copy"), "copy", tip=self.tr("Copy the address"))
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.address.text()))
        line.addWidget(self.address, 1)
        line.addWidget(copy)
        row.addLayout(line)
        self._address_row.hide()
        column.addWidget(self._address_row)
        self.stop = button(self.tr("Cancel"), "stop")
        self.stop.clicked.connect(self._stop)
        column.addSpacing(8)
        column.addLayout(_left(self.stop))
        column.addStretch(1)
        return page

    def _code(self) -> QWidget:
        page, column = _page()
        column.addWidget(label(self.tr("Type this code on another device"), "heading"))
        self._code_says = label("", "hint")
        self._code_says.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        column.addWidget(self._code_says)
        frame, inside = panel()
        self.code = QLabel()
        self.code.setTextFormat(Qt.TextFormat.PlainText)
        self.code.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.code.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.code.setFont(_large(self.font()))
        inside.addWidget(self.code)
        self._code_left = label("", "hint")
        self._code_left.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inside.addWidget(self._code_left)
        column.addWidget(frame)
        column.addWidget(_busy(self.tr("Waiting for the code to be typed")))
        self.copy = button(self.tr("Copy code"), "copy")
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.code.text()))
        self.open_page = button(self.tr("Open the page here"), "reveal")
        self.open_page.clicked.connect(lambda: self._work.url_asked.emit(self._code_url))
        stop = button(self.tr("Cancel"), "stop")
        stop.clicked.connect(self._stop)
        column.addSpacing(8)
        column.addLayout(_left(stop, self.copy, self.open_page))
        column.addStretch(1)
        return page

    def _key(self) -> QWidget:
        from outfitswap_desktop.licensing.wire.ids import KEY_LOOKS

        page, column = _page()
        column.addWidget(label(self.tr("Your licence key"), "heading"))
        said = self.tr(
            "With a key no e-mail address is needed. Used while signed in, its credits are added to your account."
        )
        column.addWidget(label(said, "hint"))
        self.key = QLineEdit()
        self.key.setPlaceholderText(KEY_LOOKS)
        self.key.setAccessibleName(self.tr("Licence key"))
        self.key.setMaxLength(60)
        self.key.setFont(_fixed(self.key.font()))
        self.use_key = button(self.tr("Use this key"), role="primary")
        self.use_key.setEnabled(False)
        self.use_key.clicked.connect(self._redeem)
        self.key.returnPressed.connect(self._redeem)
        self.key.textChanged.connect(lambda _text: self._enable())
        column.addWidget(self.key)
        column.addSpacing(8)
        column.addLayout(_left(self._back(), self.use_key))
        column.addStretch(1)
        return page

    def _files(self) -> QWidget:
        page, column = _page()
        column.addWidget(label(self.tr("For a machine without a network"), "heading"))
        self.request = button(self.tr("Save the request…"), "save")
        self.request.clicked.connect(self.ask_request)
        self.take = button(self.tr("Import the answer…"), "open")
        self.take.clicked.connect(self.ask_import)
        self._there = label("")
        steps = (
            (label(self.tr("Save a request of this machine to a stick.")), self.request),
            (self._there, None),
            (label(self.tr("Bring the answer back and import it: its credits are on this machine then.")), self.take),
        )
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(14)
        grid.setColumnStretch(1, 1)
        for number, (said, press) in enumerate(steps):
            grid.addWidget(label(f"{number + 1}.", "heading", wrap=False), number, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(said, number, 1, Qt.AlignmentFlag.AlignVCenter)
            if press is not None:
                grid.addWidget(press, number, 2, Qt.AlignmentFlag.AlignTop)
        column.addLayout(grid)
        column.addSpacing(8)
        column.addLayout(_left(self._back()))
        column.addStretch(1)
        return page

    def _back(self) -> QPushButton:
        back = button(self.tr("Other ways"), "left")
        back.clicked.connect(lambda: self.go(WAYS))
        return back

    # What happens

    def _start_browser(self) -> None:
        self._address_row.hide()
        self._work.sign_in_with_browser()

    def _start_code(self) -> None:
        self.by_code.setEnabled(False)
        self._work.sign_in_with_code()

    def _stop(self) -> None:
        self._work.cancel()
        self._ticking.stop()
        self.go(WAYS)

    def _redeem(self) -> None:
        if self.use_key.isEnabled():
            self.said.emit(self.tr("Asking about this key…"), False)
            self._work.redeem(self.key.text().strip())

    def ask_request(self) -> None:
        """Ask where the request shall go."""
        name, _ = QFileDialog.getSaveFileName(
            self, self.tr("Save the request"), "outfitswap.osreq", self.tr("Requests (*.osreq)")
        )
        if name:
            self._work.write_request(Path(name))

    def ask_import(self) -> None:
        """Ask for the answer."""
        name, _ = QFileDialog.getOpenFileName(self, self.tr("Import the answer"), "", self.tr("Answers (*.oslic)"))
        if name:
            self._work.import_file(Path(name))

    def _show_code(self, code: messages.DeviceCode) -> None:
        self.code.setText(code.user_code)
        self.code.setAccessibleName(self.tr("Code: {letters}").format(letters=" ".join(code.user_code)))
        self._code_says.setText(self.tr("Open {address} and type:").format(address=code.verification_uri))
        self._code_url = code.verification_uri_complete
        self._until = QDateTime.currentMSecsSinceEpoch() + 1000 * code.expires_in
        self._ticking.start()
        self._tick()
        self.go(CODE)

    def _tick(self) -> None:
        left = max(0, (self._until - QDateTime.currentMSecsSinceEpoch() + 999) // 1000)
        self._code_left.setText(self.tr("Good for {time} more").format(time=f"{left // 60}:{left % 60:02}"))

    def _moved(self, doing: str) -> None:
        shown = _OF_DEED.get(doing)
        if doing == "browser":
            self.go(BROWSER)
        elif shown is None and self.stack.currentIndex() in (BROWSER, CODE):
            self._ticking.stop()
            self.stack.setCurrentIndex(WAYS)
        self._enable()

    def _enable(self) -> None:
        free = not self._work.doing
        for press in (self.browser, self.by_code, self.request, self.take):
            press.setEnabled(free)
        self.use_key.setEnabled(free and len(self.key.text().strip()) >= 10)

    def _ended(self, what: str, answer: Any) -> None:
        if what == "request" and isinstance(answer, Path):
            self.said.emit(self.tr("Saved: {name}").format(name=answer.name), False)
        elif what in ("browser", "wait", "redeem", "import") and not isinstance(answer, BaseException):
            self.key.clear()
            self.stack.setCurrentIndex(WAYS)


def _page() -> tuple[QWidget, QVBoxLayout]:
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(10)
    return page, column


def _left(*buttons: QPushButton) -> QHBoxLayout:
    row = QHBoxLayout()
    for one in buttons:
        row.addWidget(one)
    row.addStretch(1)
    return row


def _busy(name: str) -> QProgressBar:
    bar = QProgressBar()
    bar.setRange(0, 0)
    bar.setTextVisible(False)
    bar.setAccessibleName(name)
    return bar


def _fixed(font: QFont) -> QFont:
    made = QFont(font)
    made.setStyleHint(QFont.StyleHint.Monospace)
    made.setFamilies(["monospace"])
    return made


def _large(font: QFont) -> QFont:
    made = _fixed(font)
    made.setPointSizeF(max(10.0, font.pointSizeF()) * 2.6)
    made.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 4)
    made.setBold(True)
    return made
