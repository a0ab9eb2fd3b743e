"""What the window asks of the credits, off its own thread: reading, signing in, buying, taking along.

Lives as long as the window, so that a purchase is noticed when its dialog was closed. All that asks the server starts with a
click, but for one question at the start while somebody is signed in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from outfitswap_desktop.errors import Cancelled, KnownError
from outfitswap_desktop.ui.background import Background, told

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.account import Licensing, Status
    from outfitswap_desktop.licensing.wire import messages

ORDER_MS: Final = 3_000
"""So often an open purchase is asked after."""
ORDER_SECONDS: Final = 3_600.0
"""So long; a page to pay on lives no longer than this by default."""
AFTER_START_MS: Final = 15_000
"""So long after the start it is asked once more where credits are set aside: a program that was killed may have left them.
The engine process gives them back once it is there; until then they would be missing in what shows."""
WAITING_ORDERS: Final = frozenset({"new", "open"})
QUIET: Final = frozenset({"sign_in_cancelled"})
"""Reasons that are the user's wish."""


class CreditsWork(QObject):
    """One deed at a time (`doing`); reading goes on beside it. `status` is the last one that came, None before the first."""

    status_changed = Signal(object)
    """The Status, after every look."""
    trouble = Signal(object)
    """A KnownError that kept the server from being asked; being offline is none."""
    balance_came = Signal(object)
    """A messages.Balance, or the KnownError that kept it."""
    history_came = Signal(object, bool)
    """A messages.History or a KnownError, and whether it goes on from the page before."""
    packs_came = Signal(object)
    """A tuple of messages.Pack, or a KnownError."""
    order_came = Signal(object)
    """The purchase that is watched, as it stands: a messages.Order."""
    code_came = Signal(object)
    """The messages.DeviceCode that waits to be typed elsewhere."""
    url_asked = Signal(str)
    """A page to be shown in the browser."""
    moved = Signal(str)
    """What is being done now; "" for nothing."""
    ended = Signal(str, object)
    """What was done, and what came of it: a Status, a Path, an Order, a KnownError, or Cancelled."""

    _over = Signal()

    def __init__(self, opened: Callable[[], Licensing] | None, parent: QObject | None = None) -> None:
        """`opened` makes the face of the credits, on a thread of this object's; None: there are none."""
        super().__init__(parent)
        self._opened = opened
        self._opening = threading.Lock()
        self._made: Licensing | None = None
        self._quick, self._asks, self._long = Background(self), Background(self), Background(self)
        self._cancel = threading.Event()
        self.status: Status | None = None
        self.doing = ""
        self._order = ""
        self._order_until = 0.0
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.setInterval(ORDER_MS)
        self._again.timeout.connect(self._ask_order)
        self._left_behind = QTimer(self)
        self._left_behind.setSingleShot(True)
        self._left_behind.setInterval(AFTER_START_MS)
        self._left_behind.timeout.connect(self.refresh)
        self._over.connect(self._idle, Qt.ConnectionType.QueuedConnection)
        self.code_came.connect(self._wait_for_code, Qt.ConnectionType.QueuedConnection)

    @property
    def state(self) -> str:
        """The last Status' state; "none" before the first."""
        return self.status.state if self.status is not None else "none"

    @property
    def is_there(self) -> bool:
        """Whether there is anything to ask; else nothing is ever charged."""
        return self._opened is not None

    # Reading

    def look(self, then: Callable[[], object] | None = None) -> None:
        """Say what is known here; no network. `then` is called after `status_changed`."""
        if self._opened is None:
            return

        def looked(answer: Any) -> None:
            self._took(answer)
            if then is not None:
                then()

        self._quick.run(told(lambda: self._credits().status()), looked, key="status")

    def begin(self) -> None:
        """At the window's start: look, and where somebody is signed in, tell the server what waits and ask what is left."""
        self.look(lambda: self.refresh(self._look_again) if self.state not in {"none", "signed_out"} else None)

    def _look_again(self) -> None:
        if self.status is not None and self.status.held and self._opened is not None:
            self._left_behind.start()

    def refresh(self, then: Callable[[], object] | None = None) -> None:
        """Ask the server; offline is a state. `then` is called after `status_changed`."""
        if self._opened is None:
            return

        def asked(answer: Any) -> None:
            self._took(answer)
            if isinstance(answer, KnownError):
                self.trouble.emit(answer)
            if then is not None:
                then()

        self._asks.run(told(lambda: self._credits().refresh()), asked, key="refresh")

    def load(self) -> None:
        """All that the page shows: status, and where the server answers balance and the newest page of the history."""
        self.look()
        self.refresh(self._load_account)

    def _load_account(self) -> None:
        if self.state == "online":
            self._asks.run(told(lambda: self._credits().balance()), self.balance_came.emit, key="balance")
            self._asks.run(
                told(lambda: self._credits().history()), lambda page: self.history_came.emit(page, False), key="history"
            )

    def more_history(self, cursor: str) -> None:
        """The page of the history after a cursor."""
        self._asks.run(
            told(lambda: self._credits().history(cursor)),
            lambda page: self.history_came.emit(page, True),
            key="history",
        )

    def load_packs(self) -> None:
        """What can be bought."""
        self._asks.run(told(lambda: self._credits().packs()), self.packs_came.emit, key="packs")

    # Deeds

    def sign_in_with_browser(self) -> None:
        """Sign in through the browser; `url_asked` says which page."""
        self._begin(
            "browser",
            lambda face, cancel: face.sign_in_with_browser(open_url=self.url_asked.emit, cancel=cancel.is_set),
        )

    def sign_in_with_code(self) -> None:
        """Ask for a code (`code_came`) and wait until it was typed on another machine."""
        self._begin("code", lambda face, _cancel: face.start_device_code())

    def redeem(self, key: str) -> None:
        """Use a licence key."""
        self._begin("redeem", lambda face, _cancel: face.redeem(key))

    def sign_out(self) -> None:
        """End the session."""
        self._begin("sign_out", lambda face, _cancel: face.sign_out())

    def write_request(self, path: Path) -> None:
        """Write the request of a machine without a network."""
        self._begin("request", lambda face, _cancel: face.write_request(path))

    def import_file(self, path: Path) -> None:
        """Take in what the site made of it."""
        self._begin("import", lambda face, _cancel: face.import_file(path))

    def write_receipts(self, path: Path) -> None:
        """Write what was spent, to be carried to the site."""
        self._begin("receipts", lambda face, _cancel: face.write_receipts(path))

    def take_along(self, credits: int, days: int) -> None:
        """Move credits onto this machine."""
        self._begin("take", lambda face, _cancel: face.take_along(credits, days))

    def give_back(self) -> None:
        """Give back what is left of them."""
        self._begin("give_back", lambda face, _cancel: face.give_back())

    def buy(self, pack_id: str) -> None:
        """Start a purchase; it is watched until it is paid or over."""
        self._begin("buy", lambda face, _cancel: face.buy(pack_id, open_url=self.url_asked.emit))

    def cancel(self) -> None:
        """Stop waiting for a sign-in."""
        self._cancel.set()

    def close(self) -> None:
        """Stop waiting, end the threads and close the face."""
        self._cancel.set()
        self._again.stop()
        self._left_behind.stop()
        self._opened = None
        self._long.close()
        self._asks.close()
        self._quick.close(self._close_face)

    # A purchase

    @property
    def order(self) -> str:
        """The id of the purchase that is watched, "" for none."""
        return self._order

    def _watch(self, order: messages.Order) -> None:
        self._order_until = time.monotonic() + ORDER_SECONDS
        self._ordered(order)

    def _ask_order(self) -> None:
        order = self._order
        if order and time.monotonic() < self._order_until:
            self._asks.run(told(lambda: self._credits().order(order)), self._ordered, key="order")

    def _ordered(self, order: messages.Order | KnownError | Cancelled) -> None:
        if isinstance(order, KnownError | Cancelled):  # the network is gone for a moment: the purchase is not
            self._again.start()
            return
        waits = order.state in WAITING_ORDERS
        self._order = order.id if waits else ""
        if waits:
            self._again.start()
        else:
            self.load()
        self.order_came.emit(order)

    # Joining

    def _begin(self, what: str, deed: Callable[[Licensing, threading.Event], Any]) -> None:
        if self.doing or self._opened is None:
            return
        self._cancel = cancel = threading.Event()
        self._do(what, lambda: deed(self._credits(), cancel))

    def _do(self, what: str, deed: Callable[[], Any]) -> None:
        self.doing = what
        self.moved.emit(what)

        def work() -> Any:
            try:
                return told(deed)()
            finally:  # before the answer, and also when that is a fault of ours
                self._over.emit()

        self._long.run(work, lambda answer: self._end(what, answer))

    def _idle(self) -> None:
        self.doing = ""
        self.moved.emit("")

    def _end(self, what: str, answer: Any) -> None:
        if what == "code" and self._cancel.is_set():
            answer = Cancelled()
        if what == "code" and not isinstance(answer, KnownError | Cancelled):
            self.code_came.emit(answer)
            return
        if what == "buy" and not isinstance(answer, KnownError | Cancelled):
            self._watch(answer)
        elif _is_status(answer):
            self._took(answer)
        else:
            self.look()
        self.ended.emit(what, answer)

    def _wait_for_code(self, code: messages.DeviceCode) -> None:
        if not self.doing and self._opened is not None and not self._cancel.is_set():
            cancel = self._cancel
            self._do("wait", lambda: self._credits().wait_for_device_code(code, cancel=cancel.is_set))

    def _took(self, answer: Any) -> None:
        if _is_status(answer):
            self.status = answer
            self.status_changed.emit(answer)

    def _close_face(self) -> None:
        with self._opening:
            made, self._made = self._made, None
        if made is not None:
            made.close()

    def _credits(self) -> Licensing:
        with self._opening:
            opened = self._opened
            if opened is None:
                raise Cancelled
            if self._made is None:
                self._made = opened()
            return self._made


def _is_status(answer: Any) -> bool:
    return hasattr(answer, "state") and hasattr(answer, "lease_left")


def failed(answer: Any) -> bool:
    """Whether what came of a deed is a fault that has to be told, not the user's own wish."""
    return isinstance(answer, KnownError) and answer.reason not in QUIET
