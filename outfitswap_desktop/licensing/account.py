"""Credits on this machine behind one face: who is signed in, what is left, buying, taking along, and the runner's gate."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from outfitswap_desktop.core.steps import CreditGate, CreditHold
from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.licensing import machine, sign_in
from outfitswap_desktop.licensing.address import checked, find_address
from outfitswap_desktop.licensing.clock import wall_ms
from outfitswap_desktop.licensing.link import Refused, Unreachable
from outfitswap_desktop.licensing.office import no_server
from outfitswap_desktop.licensing.parts import LICENCE_FILE, Parts, open_parts
from outfitswap_desktop.licensing.reporting import FILE_CREDITS, FILE_DAYS
from outfitswap_desktop.licensing.showing import State, Status, describe, signed_out_status
from outfitswap_desktop.licensing.vault import Vault

if TYPE_CHECKING:
    import httpx
    from pydantic import BaseModel

    from outfitswap_desktop.licensing.link import Link
    from outfitswap_desktop.licensing.wire import messages

    T = TypeVar("T", bound=BaseModel)


class Licensing:
    """The credits of this program; one per process, thread-safe. All but `status` and `gate` may ask the server and block.

    Raises NotAvailable with the reasons "no_server", "signed_out", "no_credits", "offline", "clock_moved_back",
    "device_suspect", "sign_in_cancelled", "sign_in_timed_out", "sign_in_refused" and the codes of the server; UsageProblem for
    a file or key that is none. Nothing is made in `folder` before it is needed; `vault`, `transport`, `verify` and `wall` are
    there for tests.
    """

    def __init__(
        self,
        folder: Path,
        *,
        vault: Vault | None = None,
        transport: httpx.BaseTransport | None = None,
        verify: Any = None,
        wall: Callable[[], int] = wall_ms,
    ) -> None:
        self._folder = folder
        self._vault = vault
        self._transport = transport
        self._verify = verify
        self._wall = wall
        self._turn = threading.Lock()
        self._opened: Parts | None = None

    def close(self) -> None:
        """Close files and connections; the next call opens them again."""
        with self._turn:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @property
    def _parts(self) -> Parts:
        with self._turn:
            if self._opened is None:
                self._opened = open_parts(
                    self._folder, vault=self._vault, transport=self._transport, verify=self._verify, wall=self._wall
                )
            return self._opened

    @property
    def _used(self) -> bool:
        """Whether there is anything here: no file is made only to say that there is nothing."""
        return self._opened is not None or (self._folder / LICENCE_FILE).is_file()

    # Looking

    def status(self) -> Status:
        """What is known here; no network, at once."""
        if not self._used:
            address = find_address({})
            return Status("none") if address is None else signed_out_status(address.server)
        return describe(self._parts)

    def refresh(self) -> Status:
        """Ask the server, after telling it what waits: receipts and decisions. Offline is a state, not an error."""
        if self.status().state == "none":
            return self.status()
        parts = self._parts
        try:
            parts.office.fetch_keys()
            if "session" in parts.journal.facts():
                self._catch_up(parts)
        except Unreachable:
            parts.office.note({"contact": "failed"})
        except NotAvailable as problem:
            if problem.reason not in ("signed_out", "offline"):
                raise
        return self.status()

    def _catch_up(self, parts: Parts) -> None:
        from outfitswap_desktop.licensing.wire import messages

        parts.gate.tell(now=True)
        parts.reporting.end_if_over()
        try:
            parts.reporting.report()
        except NotAvailable as problem:
            if problem.reason not in ("jobs_running", "device_suspect", "secrets_lost"):
                raise
        parts.office.fetch_prices()
        if "name" not in parts.journal.facts():
            me = self._ask("GET", "/v1/me", messages.Me)
            parts.office.note({"name": me.email or me.display_name or me.account_id, "account": me.account_id})
        balance = self.balance()
        parts.reporting.fetch_asked(balance)
        along = parts.book.peek()
        if along is not None and along.lease.lease_id not in {one.id for one in balance.leases if one.state == "open"}:
            parts.reporting.look(along.lease.lease_id)
            self.balance()

    def balance(self) -> messages.Balance:
        """The balance with its buckets, what ends when, and all leases of the account."""
        from outfitswap_desktop.licensing.wire import messages

        balance = self._ask("GET", "/v1/credits", messages.Balance)
        self._parts.office.note(
            {
                "available": str(balance.available),
                "held": str(balance.held),
                "leased": str(balance.leased),
                "as_of": str(balance.at),
            }
        )
        return balance

    def history(self, cursor: str | None = None) -> messages.History:
        """A page of postings, newest first."""
        from outfitswap_desktop.licensing.wire import messages

        return self._ask("GET", "/v1/credits/history", messages.History, query={"cursor": cursor} if cursor else None)

    def root_fingerprint(self) -> str:
        """The root key that is believed, as people compare it; "" while none is known."""
        from outfitswap_desktop.licensing.wire.blobs import fingerprint

        root = self._parts.office.root() if self._used else None
        return fingerprint(root) if root is not None else ""

    # Signing in and out

    def use_server(self, server: str, *, root_key: str = "") -> None:
        """Name the credits' server, and its public root key in base64url where it is to be believed from the beginning.

        Raises UsageProblem ("bad_server", "bad_root_key", "server_in_use": credits of another server are along or waiting).
        """
        from outfitswap_desktop.licensing.wire.blobs import BlobError, decode, public_key

        server = checked(server)
        try:
            if root_key:
                public_key(decode(root_key))
        except BlobError as problem:
            raise UsageProblem(
                "This is not a root key.", reason="bad_root_key", hint="It is 43 letters and digits in one piece."
            ) from problem
        parts = self._parts
        facts = parts.journal.facts()
        if facts.get("server", server) != server:
            if parts.journal.lease() is not None or parts.journal.untold():
                raise UsageProblem(
                    "Credits of another server are still in use here.",
                    reason="server_in_use",
                    hint="Give them back first: `outfitswap licence return`.",
                )
            parts.identity.forget()
            parts.office.note(dict.fromkeys(facts))
        parts.office.note({"server": server} | ({"root": root_key} if root_key else {}))

    def sign_in_with_browser(self, *, open_url: Callable[[str], None], cancel: Callable[[], bool]) -> Status:
        """Sign in through the system's browser (RFC 8252, PKCE S256, loopback); waits at most 120 s, asking `cancel` often.

        Raises NotAvailable ("sign_in_cancelled", "sign_in_timed_out", "sign_in_refused", "offline").
        """
        link = self._link()
        tokens = sign_in.with_browser(link, self._proof_of_sign_in, open_url=open_url, cancel=cancel)
        return self._signed_in(tokens)

    def start_device_code(self) -> messages.DeviceCode:
        """A code to type on another machine (RFC 8628)."""
        return sign_in.start_device_code(self._link(), client=machine.label())

    def wait_for_device_code(self, code: messages.DeviceCode, *, cancel: Callable[[], bool]) -> Status:
        """Wait until that code was approved; raises NotAvailable ("sign_in_cancelled", "sign_in_timed_out", ...)."""
        tokens = sign_in.wait_for_device_code(self._link(), code, self._proof_of_sign_in, cancel=cancel)
        return self._signed_in(tokens)

    def redeem(self, key: str) -> Status:
        """Use a licence key: signs in with it, or adds it to the account that is signed in."""
        from pydantic import ValidationError

        from outfitswap_desktop.licensing.wire import messages
        from outfitswap_desktop.licensing.wire.ids import KEY_LOOKS

        parts, link = self._parts, self._link()
        try:
            body = messages.Redeem(key=key.strip(), device=self._proof_of_sign_in())
        except ValidationError as problem:
            raise UsageProblem(
                "This is not a licence key.", reason="not_a_key", hint=f"Keys look like {KEY_LOOKS}."
            ) from problem
        token = parts.identity.token(link) if "session" in parts.journal.facts() else None
        return self._signed_in(link.ask("POST", "/v1/licences/redeem", messages.Tokens, body=body, token=token))

    def sign_out(self) -> Status:
        """End the session here and on the server; a lease that is open is given back first.

        Raises NotAvailable ("offline", "jobs_running" ...) while a lease cannot be given back, and then nothing has changed.
        """
        if not self._used:
            return self.status()
        parts = self._parts
        if "session" in parts.journal.facts():
            if parts.journal.lease() is not None:
                parts.reporting.give_back()
            parts.gate.tell(now=True)
            try:
                parts.office.call(lambda link, token: link.tell("POST", "/v1/auth/logout", token=token))
            except (Unreachable, Refused):
                pass  # the server ends a session that is not used by itself
            except NotAvailable as problem:
                if problem.reason != "signed_out":
                    raise
        parts.identity.forget()
        names = ("session", "name", "account", "available", "held", "leased", "as_of", "contact", "place")
        parts.office.note(dict.fromkeys(names))
        return self.status()

    def _proof_of_sign_in(self) -> str:
        return self._parts.identity.proof("sign-in")

    def _signed_in(self, tokens: messages.Tokens) -> Status:
        parts = self._parts
        before = parts.journal.facts().get("account")
        place = parts.identity.signed_in(tokens)
        facts: dict[str, str | None] = {"session": "1", "account": tokens.account_id, "place": place, "contact": "ok"}
        if before != tokens.account_id:
            facts |= dict.fromkeys(("name", "available", "held", "leased", "as_of"))
        parts.office.note(facts)
        return self.refresh()

    # Machines without a network

    def write_request(self, path: Path, *, credits: int = FILE_CREDITS, days: int = FILE_DAYS) -> Path:
        """Write a .osreq for a machine without a network; returns the path written."""
        return self._parts.reporting.write_request(path, credits=credits, days=days)

    def import_file(self, path: Path) -> Status:
        """Take in the .oslic that the site made of a request."""
        self._parts.reporting.import_file(path)
        return self.status()

    def write_receipts(self, path: Path, *, close: bool = False) -> Path:
        """Write the receipts of the lease as a .osrcp, to be carried to the site; returns the path written.

        With `close` what is left goes back with it: no job takes from the lease any more.
        """
        return self._parts.reporting.write_receipts(path, close=close)

    # Taking along and buying

    def take_along(self, credits: int, days: int) -> Status:
        """Move credits into a lease of this machine, for 1 to 30 days without network."""
        if not (1 <= credits <= 1_000_000 and 1 <= days <= 30):
            raise UsageProblem("At least one credit, for 1 to 30 days.", reason="bad_lease", hint="See --help.")
        self._parts.reporting.take_along(credits, days)
        return self.refresh()

    def give_back(self) -> Status:
        """Send the receipts and close the lease: what is left returns to the account."""
        self._parts.reporting.give_back()
        return self.refresh()

    def packs(self) -> tuple[messages.Pack, ...]:
        """What can be bought; empty when the shop is shut."""
        from outfitswap_desktop.licensing.wire import messages

        return self._link().ask("GET", "/v1/packs", messages.Packs).packs

    def buy(self, pack_id: str, *, open_url: Callable[[str], None]) -> messages.Order:
        """Start a purchase and open its page; ask `order` until its state is no longer "open"."""
        from outfitswap_desktop.licensing.wire import ids, messages

        body = messages.Buy(id=ids.new_id(), pack_id=pack_id)
        order = self._ask("POST", "/v1/orders", messages.Order, body=body, key=body.id)
        if order.checkout_url:
            open_url(order.checkout_url)
        return order

    def order(self, order_id: str) -> messages.Order:
        """A purchase as it stands."""
        from outfitswap_desktop.licensing.wire import ids, messages

        if not ids.is_id(order_id):
            raise UsageProblem("This is not the id of an order.", reason="bad_order")
        return self._ask("GET", f"/v1/orders/{order_id}", messages.Order)

    # The runner's gate

    def gate(self) -> CreditGate:
        """The runner's gate."""
        return _Gate(self)

    def _link(self) -> Link:
        if self.status().state == "none":
            raise no_server()
        return self._parts.office.link()

    def _ask(self, method: str, path: str, answer: type[T], **more: Any) -> T:
        if self.status().state == "none":
            raise no_server()
        return self._parts.office.call(lambda link, token: link.ask(method, path, answer, token=token, **more))


class _Gate:
    """The gate as the runner has it: it opens nothing where no server is set and nothing was left."""

    def __init__(self, licensing: Licensing) -> None:
        self._licensing = licensing

    def reserve(self, *, engine: str, job: str) -> CreditHold | None:
        if not self._licensing._used and find_address({}) is None:
            return None
        return self._licensing._parts.gate.reserve(engine=engine, job=job)

    def settle(self, made: Callable[[str], str | None]) -> None:
        if self._licensing._used:
            self._licensing._parts.gate.settle(made)


__all__ = ["Licensing", "State", "Status"]
