"""Credits on this machine behind one face: who is signed in, what is left, buying, taking along, and the runner's gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from outfitswap_desktop.core.steps import CreditGate
    from outfitswap_desktop.licensing.wire import messages

State = Literal["none", "signed_out", "online", "offline", "read_only"]
"""none: no credits' server is set, nothing is charged. offline: the server cannot be reached, but a lease is open.

read_only: signed in, and neither server nor lease can pay for a job; results can be viewed and exported, fabric still runs.
"""


@dataclass(frozen=True, slots=True)
class Status:
    """What the window shows of the credits. Credits are whole numbers, times milliseconds since 1970 UTC.

    `server` is the address ("" in state none), `account` a name to show (e-mail, else the account's id), `device` this
    machine's label. `available`, `held` and `leased` are what the server said at `as_of`; `available` is None while it was
    never asked. `lease_left` and `lease_until` are this machine's own lease as its journal has it. `low`: not enough for ten
    images of the dearest engine. `notice` is one sentence for the user, "" when there is nothing to say; `reason` its stable
    word ("", "signed_out", "offline", "no_credits", "clock_moved_back", "device_suspect", "lease_ended", "lease_closing",
    "journal_damaged", "low", "plain_file").
    """

    state: State
    server: str = ""
    account: str = ""
    device: str = ""
    available: int | None = None
    held: int = 0
    leased: int = 0
    lease_left: int = 0
    lease_until: int | None = None
    as_of: int | None = None
    low: bool = False
    prices: Mapping[str, int] = field(default_factory=dict)
    notice: str = ""
    reason: str = ""


class Licensing:
    """The credits of this program; one per process, thread-safe. All but `status` and `gate` may ask the server and block.

    Raises NotAvailable with the reasons "no_server", "signed_out", "no_credits", "offline", "clock_moved_back",
    "device_suspect", "sign_in_cancelled", "sign_in_timed_out", "sign_in_refused" and the codes of the server; UsageProblem for
    a file or key that is none.
    """

    def status(self) -> Status:
        """What is known here; no network, at once."""
        raise NotImplementedError

    def refresh(self) -> Status:
        """Ask the server, after telling it what waits: receipts and decisions. Offline is a state, not an error."""
        raise NotImplementedError

    def sign_in_with_browser(self, *, open_url: Callable[[str], None], cancel: Callable[[], bool]) -> Status:
        """Sign in through the system's browser (RFC 8252, PKCE S256, loopback); waits at most 120 s, asking `cancel` often.

        Raises NotAvailable ("sign_in_cancelled", "sign_in_timed_out", "sign_in_refused", "offline").
        """
        raise NotImplementedError

    def start_device_code(self) -> messages.DeviceCode:
        """A code to type on another machine (RFC 8628)."""
        raise NotImplementedError

    def wait_for_device_code(self, code: messages.DeviceCode, *, cancel: Callable[[], bool]) -> Status:
        """Wait until that code was approved; raises NotAvailable ("sign_in_cancelled", "sign_in_timed_out", ...)."""
        raise NotImplementedError

    def redeem(self, key: str) -> Status:
        """Use a licence key: signs in with it, or adds it to the account that is signed in."""
        raise NotImplementedError

    def sign_out(self) -> Status:
        """End the session here and on the server; a lease that is open is given back first where that is possible."""
        raise NotImplementedError

    def write_request(self, path: Path) -> Path:
        """Write a .osreq for a machine without a network; returns the path written."""
        raise NotImplementedError

    def import_file(self, path: Path) -> Status:
        """Take in the .oslic that the site made of a request."""
        raise NotImplementedError

    def write_receipts(self, path: Path) -> Path:
        """Write the receipts of the lease as a .osrcp, to be carried to the site; returns the path written."""
        raise NotImplementedError

    def take_along(self, credits: int, days: int) -> Status:
        """Move credits into a lease of this machine, for 1 to 30 days without network."""
        raise NotImplementedError

    def give_back(self) -> Status:
        """Send the receipts and close the lease: what is left returns to the account."""
        raise NotImplementedError

    def history(self, cursor: str | None = None) -> messages.History:
        """A page of postings, newest first."""
        raise NotImplementedError

    def balance(self) -> messages.Balance:
        """The balance with its buckets, what ends when, and all leases of the account."""
        raise NotImplementedError

    def packs(self) -> tuple[messages.Pack, ...]:
        """What can be bought; empty when the shop is shut."""
        raise NotImplementedError

    def buy(self, pack_id: str, *, open_url: Callable[[str], None]) -> messages.Order:
        """Start a purchase and open its page; ask `order` until its state is no longer "open"."""
        raise NotImplementedError

    def order(self, order_id: str) -> messages.Order:
        """A purchase as it stands."""
        raise NotImplementedError

    def gate(self) -> CreditGate:
        """The runner's gate."""
        raise NotImplementedError
