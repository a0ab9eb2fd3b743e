"""What is shown of the credits, read from the journal alone: no network, no keyring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from outfitswap_desktop.licensing import machine
from outfitswap_desktop.licensing.clock import SLACK_MS
from outfitswap_desktop.licensing.vault import PLAIN_NOTICE

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.lease_book import Along
    from outfitswap_desktop.licensing.parts import Parts

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


LOW_IMAGES: Final = 10
NOTICES: Final[Mapping[str, str]] = {
    "signed_out": "Nobody is signed in: engines that cost credits do not run, fabric does.",
    "clock_moved_back": "This machine's clock was moved back: set it right, or go online, to use the credits taken along.",
    "device_suspect": "The credits taken along are in use on a copy of this machine. Go online and sign in again.",
    "lease_closing": "The credits taken along are being given back; that ends when the server is reached.",
    "lease_ended": "The time of the credits taken along is over. Go online: what is left returns to the account.",
    "no_credits": "No credits are left. Buy some, or use the fabric engine, which costs none.",
    "offline": "The credits' server cannot be reached and no credits are along: only the fabric engine runs.",
    "low": "Few credits are left.",
    "plain_file": PLAIN_NOTICE,
}
"""The sentence of each reason, the most urgent first."""


def signed_out_status(server: str) -> Status:
    """The status before anything was kept here."""
    return Status(
        "signed_out",
        server=server,
        device=machine.label(),
        reason="signed_out",
        notice=NOTICES["signed_out"],
    )


def describe(parts: Parts) -> Status:
    """The status as the journal has it."""
    address = parts.office.address()
    if address is None:
        return Status("none")
    facts = parts.journal.facts()
    along = parts.book.peek()
    usable = along is not None and along.state == "open" and parts.clock.machine() <= along.lease.not_after
    left = along.chain.left if along is not None and along.state == "open" else 0
    prices = parts.office.prices() or {}
    available = _number(facts, "available")
    state: State
    if "session" in facts and facts.get("contact") != "failed":
        state = "online"
    elif usable and left > 0:
        state = "offline"
    else:
        state = "read_only" if "session" in facts or along is not None else "signed_out"
    spendable = (left if usable else 0) + ((available or 0) if state == "online" else 0)
    low = state != "signed_out" and available is not None and spendable < LOW_IMAGES * max(prices.values(), default=1)
    reason = _reason(parts, facts, along=along, state=state, spendable=spendable, low=low)
    return Status(
        state,
        server=address.server,
        account=facts.get("name") or facts.get("account", ""),
        device=machine.label(),
        available=available,
        held=_number(facts, "held") or 0,
        leased=_number(facts, "leased") or 0,
        lease_left=left,
        lease_until=along.lease.not_after if along is not None and along.state == "open" else None,
        as_of=_number(facts, "as_of"),
        low=low,
        prices=prices,
        notice=parts.journal.notes[0] if parts.journal.notes and not reason else NOTICES.get(reason, ""),
        reason=reason,
    )


def _reason(
    parts: Parts, facts: Mapping[str, str], *, along: Along | None, state: State, spendable: int, low: bool
) -> str:
    newest = parts.journal.last_lease()
    moved = (_number(facts, "clock") or 0) - SLACK_MS > parts.clock.machine()
    found = {
        "signed_out": state == "signed_out",
        "clock_moved_back": moved and along is not None,
        "device_suspect": newest is not None and newest.state == "frozen",
        "lease_closing": along is not None and along.state == "closing",
        "lease_ended": along is not None and along.state == "open" and parts.clock.machine() > along.lease.not_after,
        "no_credits": state == "online" and spendable == 0 and "available" in facts,
        "offline": state == "read_only",
        "low": low,
        "plain_file": facts.get("place") == "file",
    }
    return next((reason for reason in NOTICES if found[reason]), "")


def _number(facts: Mapping[str, str], name: str) -> int | None:
    text = facts.get(name)
    return int(text) if text is not None and text.isdigit() else None
