"""What the server is told of leases: taking credits along, reporting receipts, giving back; and the files for no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.licensing.clock import HighWater
from outfitswap_desktop.licensing.identity import signed_out
from outfitswap_desktop.licensing.lease_book import Along, LeaseBook, lease_unusable, suspect
from outfitswap_desktop.licensing.link import Refused, Unreachable
from outfitswap_desktop.licensing.office import Office, no_server
from outfitswap_desktop.private import write_private

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.wire import messages

AT_ONCE: Final = 500
"""Receipts in one request (wire.messages.Reconcile)."""
MOST_ROUNDS: Final = 250
MOST_FILE: Final = 4 * 1024 * 1024
FILE_CREDITS: Final = 100
FILE_DAYS: Final = 30


class Reporting:
    """The lease's side of the talk with the server; thread-safe."""

    def __init__(self, office: Office, book: LeaseBook, clock: HighWater) -> None:
        self._office = office
        self._book = book
        self._clock = clock

    # Online

    def take_along(self, credits: int, days: int) -> None:
        """Move credits into a lease of this machine. Raises UsageProblem ("lease_open"), NotAvailable."""
        from outfitswap_desktop.licensing.wire.ids import new_id

        journal = self._office.journal
        if journal.lease() is not None:
            raise UsageProblem(
                "This machine has credits along already.",
                reason="lease_open",
                hint="Give them back first: `outfitswap licence return`.",
            )
        if self._office.address() is None:
            raise no_server()
        if "session" not in journal.facts():
            raise signed_out()
        self._office.fetch_keys()
        lease_id = new_id()
        wish = f"{lease_id} {credits} {days}"
        self._office.note({"asked_lease": wish})  # known here before it is asked for there
        self._fetch(wish)

    def fetch_asked(self, balance: messages.Balance) -> None:
        """Bring in a lease that was asked for and whose answer was lost; forget one that was never made."""
        wish = self._office.journal.facts().get("asked_lease")
        if wish is None:
            return
        there = {lease.id for lease in balance.leases if lease.state == "open"}
        if self._office.journal.lease() is None and wish.split()[0] in there:
            self._fetch(wish)
        else:
            self._office.note({"asked_lease": None})

    def _fetch(self, wish: str) -> None:
        from outfitswap_desktop.licensing.wire import messages

        lease_id, credits, days = wish.split()
        body = messages.TakeAlong(
            id=lease_id, credits=int(credits), days=int(days), proof=self._office.identity.proof("lease")
        )
        try:
            grant = self._office.call(
                lambda link, token: link.ask(
                    "POST", "/v1/leases", messages.LeaseGrant, body=body, token=token, key=lease_id
                )
            )
        except Refused:
            self._office.note({"asked_lease": None})
            raise
        self._installed(grant.lease)
        self._office.note({"asked_lease": None})

    def _installed(self, blob: str) -> Along:
        try:
            along = self._book.install(blob)
        except NotAvailable as problem:
            if problem.reason != "lease_unusable":
                raise
            self._office.fetch_keys(always=True)  # signed with a key that is newer than our list
            along = self._book.install(blob)
        self._office.keep_prices(along.lease.prices)
        return along

    def report(self) -> None:
        """Send the receipts that wait, and end a lease that is closing. Raises Unreachable, NotAvailable ("signed_out")."""
        for stored in self._office.journal.leases_to_tell():
            try:
                self._report(stored.id)
                if stored.state == "closing":
                    self._close(stored.id)
            except Refused as problem:
                if problem.status not in (403, 404):
                    raise  # another account's lease stays until its account signs in again

    def look(self, lease_id: str) -> None:
        """Ask how a lease stands, with nothing to report."""
        self._send(lease_id, ())

    def _report(self, lease_id: str) -> None:
        journal = self._office.journal
        for _ in range(MOST_ROUNDS):
            blobs = journal.receipts(lease_id, untold=True, limit=AT_ONCE)
            if not blobs:
                return
            told = self._send(lease_id, blobs)
            if told.state == "frozen":
                return

    def _send(self, lease_id: str, blobs: tuple[str, ...], *, word: str = "reconcile") -> messages.Reconciled:
        from outfitswap_desktop.licensing.wire import messages

        body = messages.Reconcile(receipts=blobs, proof=self._office.identity.proof("reconcile"))
        told = self._office.call(
            lambda link, token: link.ask(
                "POST", f"/v1/leases/{lease_id}/{word}", messages.Reconciled, body=body, token=token
            )
        )
        self._book.heard(lease_id, told)
        return told

    # Giving back

    def give_back(self) -> None:
        """Send what waits and close the lease. Raises NotAvailable ("jobs_running", "device_suspect", "offline" ...)."""
        journal = self._office.journal
        stored = journal.lease()
        if stored is None:
            self.report()
            return
        self._refuse_running(stored.id)
        with journal.writing() as tx:
            tx.set_lease(stored.id, "closing")  # from here on no job takes from it
        try:
            self._refuse_running(stored.id)
            self._report(stored.id)
            self._close(stored.id)
        except Refused:
            with journal.writing() as tx:
                tx.set_lease(stored.id, "open")
            raise
        except Unreachable:
            raise  # the server may have closed it: it stays closing, and is asked about at the next contact
        except NotAvailable as problem:
            if problem.reason in ("jobs_running", "signed_out"):
                with journal.writing() as tx:
                    tx.set_lease(stored.id, "open")
            raise

    def end_if_over(self) -> None:
        """Begin to close a lease whose time is over and that no job holds any more."""
        along = self._book.peek()
        if along is None or along.state != "open" or self._clock.now() <= along.lease.not_after:
            return
        if not self._running(along.lease.lease_id):
            with self._office.journal.writing() as tx:
                tx.set_lease(along.lease.lease_id, "closing")

    def _close(self, lease_id: str) -> None:
        told = self._send(lease_id, (), word="close")
        if told.reason == "holds_open":
            raise _jobs_running()
        if told.state == "frozen":
            raise suspect()

    def _refuse_running(self, lease_id: str) -> None:
        if self._running(lease_id):
            raise _jobs_running()

    def _running(self, lease_id: str) -> bool:
        return any(hold.lease_id == lease_id for hold in self._office.journal.undecided(of_dead=False))

    # Without a network

    def write_request(self, path: Path, *, credits: int, days: int) -> Path:
        """Write a .osreq; returns where."""
        from outfitswap_desktop.licensing.wire.ids import new_id
        from outfitswap_desktop.licensing.wire.offline import REQUEST_SUFFIX, make_request

        if self._office.address() is None:
            raise no_server()
        identity = self._office.identity
        proof = identity.proof("offline")
        text = make_request(identity.key(), proof=proof, lease_id=new_id(), credits=credits, days=days)
        return _written(path, REQUEST_SUFFIX, text)

    def import_file(self, path: Path) -> Along:
        """Take in a .oslic. Raises UsageProblem ("not_a_licence", "lease_open", ...), NotAvailable."""
        from outfitswap_desktop.licensing.wire.blobs import BlobError
        from outfitswap_desktop.licensing.wire.offline import read_licence

        if self._office.address() is None:
            raise no_server()
        root = self._office.root()
        if root is None:
            raise NotAvailable(
                "This program knows no root key with which it could check the file.",
                reason="no_keys",
                hint="Name it: `outfitswap licence activate --root-key KEY --file FILE`; whoever runs the server shows it.",
            )
        text = _read(path)
        try:
            licence = read_licence(
                text, root, at_least_version=1, now=None, device_public_key=self._office.identity.public()
            )
        except BlobError as problem:
            if problem.reason in ("malformed", "wrong_kind", "too_large"):
                raise _not_a_licence(path) from problem
            raise lease_unusable(problem) from problem
        try:
            self._office.keep_keys(licence.keys_blob, root)
        except BlobError as problem:
            if problem.reason != "older_list":
                raise lease_unusable(problem) from problem
        newest = int(self._office.journal.facts().get("newest", "0"))
        if licence.lease.server_time > newest:  # as good as being online: the server says what time it was
            self._clock.hear(max(licence.lease.server_time, self._clock.machine()))
        along = self._book.install(licence.lease_blob, at_least=self._clock.now())
        self._office.note({"newest": str(licence.lease.server_time)})
        self._office.keep_prices(along.lease.prices)
        facts = self._office.journal.facts()
        if "account" not in facts:
            self._office.note({"account": along.lease.account_id})
        return along

    def write_receipts(self, path: Path, *, close: bool) -> Path:
        """Write a .osrcp of the newest lease; returns where. With `close` the lease is not used any more."""
        from outfitswap_desktop.licensing.wire.offline import MOST_FILE_RECEIPTS, RECEIPTS_SUFFIX, make_receipts

        journal = self._office.journal
        stored = journal.last_lease()
        if stored is None:
            raise UsageProblem(
                "This machine has taken no credits along.", reason="no_lease", hint="There is nothing to report."
            )
        if close:
            self._refuse_running(stored.id)
            with journal.writing() as tx:
                if stored.state == "open":
                    tx.set_lease(stored.id, "closing")
        identity = self._office.identity
        blobs = journal.receipts(stored.id, limit=MOST_FILE_RECEIPTS)
        proof = identity.proof("offline")
        ended = close or stored.state in ("closing", "closed")
        text = make_receipts(identity.key(), blobs, proof=proof, lease_id=stored.id, close=ended)
        return _written(path, RECEIPTS_SUFFIX, text)


def _jobs_running() -> NotAvailable:
    return NotAvailable(
        "A job still uses the credits that were taken along.", reason="jobs_running", hint="Wait for it, or cancel it."
    )


def _written(path: Path, suffix: str, text: str) -> Path:
    whole = path if path.suffix == suffix else path.with_name(f"{path.name}{suffix}")
    try:
        write_private(whole.absolute(), text.encode("ascii"))
    except OSError as problem:
        raise NotAvailable(
            f"{whole} cannot be written: {problem.strerror}.", reason="unwritable", hint="Choose another folder."
        ) from problem
    return whole.absolute()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_FILE + 1)
    except (OSError, ValueError) as problem:
        raise UsageProblem(f"{path} cannot be read.", reason="unreadable", hint="Check the path.") from problem
    if len(data) > MOST_FILE or not data.isascii():
        raise _not_a_licence(path)
    return data.decode("ascii")


def _not_a_licence(path: Path) -> UsageProblem:
    return UsageProblem(
        f"{path.name} is not a licence file.",
        reason="not_a_licence",
        hint="Take the .oslic file that the site gave you.",
    )
