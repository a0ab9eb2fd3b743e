"""The runner's gate: credits are set aside before a job paints, and settled exactly once, whatever becomes of it.

An open lease pays first, then the account online. What is decided is in the journal before anything is sent; what could not be
sent is sent with the next job, the next look at the status, or at the next start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, Literal

from outfitswap_desktop.errors import KnownError, NotAvailable
from outfitswap_desktop.licensing.identity import signed_out
from outfitswap_desktop.licensing.lease_book import LeaseBook
from outfitswap_desktop.licensing.link import Link, Refused, Unreachable
from outfitswap_desktop.licensing.office import Office
from outfitswap_desktop.store.lease_journal import Hold

FREE: Final = frozenset({"fabric"})
"""Engines that never ask: whatever is embedded in the program."""
HOLD_SECONDS: Final = 6 * 3600
"""How long the server keeps credits for a job: longer than any takes. A program that dies settles at its next start."""
QUIET_SECONDS: Final = 60.0
"""After a failure, telling what waits is not tried again for so long: no job is to wait for a network that is not there."""
AGAIN_SECONDS: Final = 0.5
FINAL: Final = frozenset({400, 404, 409, 410, 422})
"""Answers after which a decision need not be told again: the reservation is unknown, over, or settled otherwise."""
_log = logging.getLogger(__name__)


class Gate:
    """core.steps.CreditGate on the journal, the lease and the server; thread-safe."""

    def __init__(self, office: Office, book: LeaseBook, *, clock: Callable[[], int]) -> None:
        self._office = office
        self._book = book
        self._clock = clock
        self._quiet_until = 0.0

    def reserve(self, *, engine: str, job: str) -> Ticket | None:
        """Set aside the price of one image; None where nothing is charged. Raises NotAvailable."""
        from outfitswap_desktop.licensing.wire.ids import new_id

        if engine in FREE or self._office.address() is None:
            return None
        prices = self._office.prices_of_today()
        if prices is not None and prices.get(engine, 0) == 0:
            return None
        hold_id = new_id()
        job = (job or hold_id)[:80]
        why: NotAvailable | None = None
        try:
            hold = self._book.hold(hold_id, engine=engine, job=job)
            if hold is not None:
                return Ticket(self, hold)
        except NotAvailable as problem:
            why = problem
        try:
            return self._online(hold_id, engine=engine, job=job)
        except NotAvailable as problem:
            if why is not None and problem.reason in ("offline", "signed_out"):
                raise why from problem
            raise

    def _online(self, hold_id: str, *, engine: str, job: str) -> Ticket | None:
        if "session" not in self._office.journal.facts():
            raise signed_out()
        self.tell()
        prices = self._office.prices() or self._office.fetch_prices()
        for attempt in (1, 2):
            price = prices.get(engine, 0)
            if price == 0:
                return None
            try:
                return self._reserved(hold_id, engine=engine, job=job, price=price)
            except Refused as problem:
                if problem.reason != "price_changed" or attempt == 2:
                    raise _explained(problem) from problem
                from outfitswap_desktop.licensing.wire.ids import new_id

                prices, hold_id = self._office.fetch_prices(), new_id()
        raise AssertionError

    def _reserved(self, hold_id: str, *, engine: str, job: str, price: int) -> Ticket:
        from outfitswap_desktop.licensing.wire import messages

        journal = self._office.journal
        body = messages.Reserve(id=hold_id, credits=price, job_id=job, engine=engine, ttl_seconds=HOLD_SECONDS)
        hold = Hold(hold_id, None, job, engine, price, "asked", self._clock())
        with journal.writing() as tx:  # known here before it is asked for there
            tx.add_hold(hold)

        def ask(link: Link, token: str) -> messages.Reservation:
            return link.ask("POST", "/v1/reservations", messages.Reservation, body=body, token=token, key=hold_id)

        try:
            try:
                answer = self._office.call(ask)
            except Unreachable:  # the same again has one effect: a server that starts anew is no reason to fail a job
                time.sleep(AGAIN_SECONDS)
                answer = self._office.call(ask)
        except BaseException as problem:
            with journal.writing() as tx:
                tx.decide(hold_id, "voided", reason="not_granted")
                if isinstance(problem, Refused) or getattr(problem, "reason", "") == "signed_out":
                    tx.told(hold_id)  # nothing was set aside
            raise
        with journal.writing() as tx:
            granted = tx.granted(hold_id)
        if not granted or answer.state != "held":
            self.decide(hold, "voided", reason="not_held")
            raise NotAvailable("The credits were not set aside.", reason="not_held", hint="Try again.")
        self._office.note({"available": str(answer.available)})
        return Ticket(self, hold)

    # Settling

    def decide(
        self, hold: Hold, state: Literal["committed", "voided"], *, output_sha256: str = "", reason: str = ""
    ) -> None:
        """Settle a hold in the journal, once, and tell the server if that can be done now."""
        if self._book.decide(hold, state, output_sha256=output_sha256, reason=reason) and hold.lease_id is None:
            self.tell()

    def settle(self, made: Callable[[str], str | None]) -> None:
        """Settle what programs that died have left; nothing is sent. What `made` cannot say yet is left for later."""
        for hold in self._office.journal.undecided():
            try:
                sha256 = made(hold.id)
            except KnownError:
                continue
            if sha256 is not None and hold.state == "held":
                self._book.decide(hold, "committed", output_sha256=sha256)
            else:
                self._book.decide(hold, "voided", reason="program_ended")

    def tell(self, *, now: bool = False) -> bool:
        """Tell the server what was decided and it has not heard; True when nothing is left. Never raises for want of network.

        `now`: also when it was not reached a moment ago.
        """
        journal = self._office.journal
        waiting = journal.untold()
        if waiting and not now and time.monotonic() < self._quiet_until:
            return False
        try:
            for hold in waiting:
                self._tell_one(hold)
                with journal.writing() as tx:
                    tx.told(hold.id)
        except NotAvailable as problem:
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            _log.info("what was decided on %d holds waits: %s", len(waiting), problem)
            return False
        return True

    def _tell_one(self, hold: Hold) -> None:
        from pydantic import BaseModel

        from outfitswap_desktop.licensing.wire import messages

        word = "commit" if hold.state == "committed" else "void"
        body: BaseModel = (
            messages.Commit(spent=hold.credits) if word == "commit" else messages.Void(reason=hold.reason or "void")
        )
        try:
            self._office.call(
                lambda link, token: link.tell(
                    "POST", f"/v1/reservations/{hold.id}/{word}", body=body, token=token, key=f"{hold.id}:{word}"
                )
            )
        except Refused as problem:
            if problem.status not in FINAL:
                raise
            if word == "commit":
                _log.warning("hold %s could not be spent on the server: %s", hold.id, problem.reason)


class Ticket:
    """core.steps.CreditHold: the credits of one job."""

    def __init__(self, gate: Gate, hold: Hold) -> None:
        self.id = hold.id
        self._gate = gate
        self._hold = hold

    def commit(self, *, output_sha256: str) -> None:
        """Spend them; needs no network. A second call, or one after `void`, changes nothing."""
        self._gate.decide(self._hold, "committed", output_sha256=output_sha256)

    def void(self, reason: str) -> None:
        """Give them back. A second call, or one after `commit`, changes nothing; what cannot be written is settled later."""
        try:
            self._gate.decide(self._hold, "voided", reason=reason)
        except KnownError as problem:
            _log.warning("hold %s could not be given back yet: %s", self.id, problem)


def _explained(problem: Refused) -> NotAvailable:
    """The server's refusal with the way out."""
    hints = {
        "no_credits": "Buy credits (`outfitswap licence buy`, or Credits in the window), or use the fabric engine.",
        "debt": "Buy credits, or use the fabric engine, which costs none.",
    }
    return NotAvailable(
        problem.message,
        reason=problem.reason,
        hint=hints.get(problem.reason, "The fabric engine costs no credits."),
    )
