"""The credits that this machine has taken along: spending them without a network, and reporting what was spent.

Every step is a receipt that the device signs and that names the one before it. Receipt, hold and the chain's new place are one
transaction of the journal, so that any number of programs, and a kill at any moment, leave one chain.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from outfitswap_desktop.errors import KnownError, NotAvailable, UsageProblem
from outfitswap_desktop.store.lease_journal import Hold, LeaseJournal, StoredLease, Writer

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.clock import HighWater
    from outfitswap_desktop.licensing.identity import Identity
    from outfitswap_desktop.licensing.vault import Vault
    from outfitswap_desktop.licensing.wire.keylist import KeyList
    from outfitswap_desktop.licensing.wire.lease import Lease
    from outfitswap_desktop.licensing.wire.messages import Reconciled
    from outfitswap_desktop.licensing.wire.receipts import Chain

MAC: Final = "mac"
ANCHOR: Final = "anchor"
MAC_BYTES: Final = 32
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Along:
    """A lease as this machine may use it: the signed promise, and what is used of it."""

    lease: Lease
    chain: Chain
    state: str


class LeaseBook:
    """The leases of one data folder; thread-safe. `keys` gives the list of the server's keys that is believed here."""

    def __init__(
        self,
        journal: LeaseJournal,
        vault: Vault,
        identity: Identity,
        *,
        clock: HighWater,
        keys: Callable[[], KeyList],
    ) -> None:
        self._journal = journal
        self._vault = vault
        self._identity = identity
        self._clock = clock
        self._keys = keys
        self._turn = threading.Lock()
        self._mac_key = b""

    # Reading

    def along(self) -> Along | None:
        """The lease that is open or closing, checked; None without. Raises NotAvailable ("journal_damaged")."""
        stored = self._journal.lease()
        return None if stored is None else self._opened(stored)

    def peek(self) -> Along | None:
        """The same for showing: nothing is checked and no secret read; None also when it cannot be read."""
        from outfitswap_desktop.licensing.wire import lease as leases

        stored = self._journal.lease()
        try:
            return None if stored is None else Along(leases.peek(stored.blob), _chain(stored), stored.state)
        except (ValueError, KeyError, TypeError):
            return None

    # Spending

    def hold(self, hold_id: str, *, engine: str, job: str) -> Hold | None:
        """Set the price of one image aside; None when no lease is open, or it has no price for that engine.

        Raises NotAvailable: "clock_moved_back", "device_suspect", "journal_damaged", "lease_ended", "lease_not_begun",
        "lease_empty", "lease_unusable".
        """
        stored = self._journal.lease()
        if stored is None or stored.state != "open":
            return None
        self._clock.check()
        now = self._clock.now()
        self._identity.key()  # asked before the file is locked: a keyring may take its time
        self._secret()
        self._refuse_rolled_back(stored)
        with self._journal.writing() as tx:
            there = tx.lease()
            if there is None or there.state != "open":
                return None
            along = self._opened(there, now=now)
            price = along.lease.prices.get(engine)
            if price is None:
                return None
            if along.chain.left < price:
                raise _empty(along.chain.left, price)
            chain = self._append(tx, along.chain, "hold", job=hold_id, credits=price, now=now)
            hold = Hold(hold_id, along.lease.lease_id, job, engine, price, "held", now)
            tx.add_hold(hold)
        self._anchor(along.lease.lease_id, chain.seq)
        return hold

    def decide(
        self, hold: Hold, state: Literal["committed", "voided"], *, output_sha256: str = "", reason: str = ""
    ) -> bool:
        """Settle a hold, of a lease or not, in the journal; True for the one call that does."""
        now = self._clock.now()
        chain: Chain | None = None
        with self._journal.writing() as tx:
            if not tx.decide(hold.id, state, output_sha256=output_sha256, reason=reason):
                return False
            if hold.lease_id is not None:
                chain = self._settled(tx, hold, state, output_sha256, now)
        if chain is not None and hold.lease_id is not None:
            self._anchor(hold.lease_id, chain.seq)
        return True

    def _settled(self, tx: Writer, hold: Hold, state: str, output_sha256: str, now: int) -> Chain | None:
        """The receipt of a decision. Without the key none can be made: then the credits stay held until the lease ends."""
        stored = tx.lease_by(hold.lease_id or "")
        try:
            if stored is None:
                return None
            chain = self._opened(stored).chain
            if state == "committed":
                return self._append(
                    tx, chain, "commit", job=hold.id, credits=hold.credits, now=now, output_sha256=output_sha256
                )
            return self._append(tx, chain, "void", job=hold.id, credits=0, now=now)
        except (KnownError, ValueError) as problem:
            _log.warning("hold %s was %s without a receipt: %s", hold.id, state, problem)
            return None

    def _append(
        self,
        tx: Writer,
        chain: Chain,
        kind: Literal["hold", "commit", "void"],
        *,
        job: str,
        credits: int,
        now: int,
        output_sha256: str = "",
    ) -> Chain:
        from outfitswap_desktop.licensing.wire.receipts import sign_receipt

        receipt = chain.next(kind, job, credits=credits, at=now, output_sha256=output_sha256)
        after = chain.after(receipt)
        tx.add_receipt(chain.lease_id, receipt.seq, sign_receipt(receipt, self._identity.key()))
        tx.set_chain(chain.lease_id, *self._written(after))
        tx.set_facts({"clock": str(now)})
        return after

    # Taking along, giving back, reporting

    def install(self, blob: str, *, at_least: int | None = None) -> Along:
        """Keep a new lease; with `at_least`, a time, it must not be over. Raises UsageProblem ("lease_used", "lease_open")."""
        from outfitswap_desktop.licensing.wire.blobs import BlobError
        from outfitswap_desktop.licensing.wire.lease import read_lease
        from outfitswap_desktop.licensing.wire.receipts import begin

        try:
            lease = read_lease(blob, self._keys(), now=at_least, device_public_key=self._identity.public())
        except BlobError as problem:
            raise lease_unusable(problem) from problem
        anchored = self._anchored_at()
        if anchored.get("lease") == lease.lease_id and int(anchored.get("seq", 0)) > 0:
            raise _used_before()
        chain = begin(lease)
        self._secret(make=True)
        text, mac = self._written(chain)
        with self._journal.writing() as tx:
            if tx.lease() is not None:
                raise _open_already()
            if not tx.add_lease(StoredLease(lease.lease_id, blob, "open", text, mac)):
                raise _used_before()
        self._anchor(lease.lease_id, 0)
        return Along(lease, chain, "open")

    def renew(self, blob: str) -> None:
        """Put another signature under the open lease in place of one that is no longer believed."""
        from outfitswap_desktop.licensing.wire.lease import read_lease

        lease = read_lease(blob, self._keys(), now=None, device_public_key=self._identity.public())
        with self._journal.writing() as tx:
            there = tx.lease_by(lease.lease_id)
            if there is not None:
                tx.set_blob(lease.lease_id, blob)

    def heard(self, lease_id: str, told: Reconciled) -> None:
        """Take note of what the server made of a lease's receipts."""
        with self._journal.writing() as tx:
            stored = tx.lease_by(lease_id)
            if stored is None:
                return
            chain = _chain(stored)
            tx.receipts_told(lease_id, min(told.seq, chain.seq) if told.state in ("open", "frozen") else chain.seq)
            if told.state == "frozen" or told.seq > chain.seq:
                # More than we know was reported: our file is an older copy. Going on would fork the chain.
                tx.set_lease(lease_id, "frozen")
            elif told.state != "open":
                tx.set_lease(lease_id, "closed")

    # The chain, and what guards it

    def _opened(self, stored: StoredLease, *, now: int | None = None) -> Along:
        from outfitswap_desktop.licensing.wire.blobs import BlobError
        from outfitswap_desktop.licensing.wire.lease import read_lease

        if not hmac.compare_digest(stored.mac, self._mac(stored.id, stored.chain)):
            raise _damaged()
        try:
            lease = read_lease(stored.blob, self._keys(), now=now, device_public_key=self._identity.public())
            chain = _chain(stored)
        except BlobError as problem:
            raise lease_unusable(problem) from problem
        except (ValueError, KeyError, TypeError) as problem:
            raise _damaged() from problem
        return Along(lease, chain, stored.state)

    def _written(self, chain: Chain) -> tuple[str, str]:
        members = {
            **{"lease": chain.lease_id, "credits": chain.credits, "head": chain.head, "seq": chain.seq},
            **{"spent": chain.spent, "holds": dict(chain.holds)},
        }
        text = json.dumps(members, sort_keys=True)
        return text, self._mac(chain.lease_id, text)

    def _mac(self, lease_id: str, chain: str) -> str:
        return hmac.digest(self._secret(), f"outfitswap journal 1\0{lease_id}\0{chain}".encode(), "sha256").hex()

    def _secret(self, *, make: bool = False) -> bytes:
        with self._turn:
            if not self._mac_key:
                kept = self._vault.get(MAC)
                if kept is None or len(kept) != MAC_BYTES:
                    if not make:
                        raise _damaged()
                    kept = secrets.token_bytes(MAC_BYTES)
                    self._vault.put(MAC, kept)
                self._mac_key = kept
            return self._mac_key

    def _refuse_rolled_back(self, stored: StoredLease) -> None:
        """An older copy of the journal says that fewer receipts were made than the keyring knows of."""
        anchored = self._anchored_at()
        if anchored.get("lease") != stored.id:
            return
        try:
            behind = int(anchored.get("seq", 0)) > _chain(stored).seq
        except (ValueError, KeyError, TypeError) as problem:
            raise _damaged() from problem
        if not behind:
            return
        with self._journal.writing() as tx:
            fresh = tx.lease_by(stored.id)  # another program may have gone on in the meantime
            behind = fresh is None or int(anchored["seq"]) > _chain(fresh).seq
            if behind:
                tx.set_lease(stored.id, "frozen")
        if behind:
            raise suspect()

    def _anchored_at(self) -> dict[str, Any]:
        return anchor_of(self._vault)

    def _anchor(self, lease_id: str, seq: int) -> None:
        """Tell the keyring how far the chain is and how late it is; best effort, and never backwards for one lease."""
        with self._turn:
            try:
                known = self._anchored_at()
                if known.get("lease") == lease_id:
                    seq = max(seq, int(known.get("seq", 0)))
                document = {"at": self._clock.seen, "lease": lease_id, "seq": seq}
                self._vault.put(ANCHOR, json.dumps(document).encode("ascii"))
            except (KnownError, OSError, ValueError) as problem:
                _log.warning("the credits' anchor was not kept: %s", problem)


def anchor_of(vault: Vault) -> dict[str, Any]:
    """What the keyring knows of clock and chain: {"at": milliseconds, "lease": id, "seq": number}; empty without."""
    kept = vault.get(ANCHOR)
    try:
        document = json.loads(kept) if kept is not None else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def kept_time(journal: LeaseJournal, vault: Vault) -> int:
    """The latest time that journal and keyring have seen, in milliseconds; 0 without."""
    found = [journal.facts().get("clock", "0"), str(anchor_of(vault).get("at", "0"))]
    return max(int(text) if text.isdigit() else 0 for text in found)


def keep_time(journal: LeaseJournal, vault: Vault, at: int) -> None:
    """Let a time count from here on, in both, where a later one was kept."""
    try:
        anchored = anchor_of(vault)
        if int(anchored.get("at", 0)) > at:
            vault.put(ANCHOR, json.dumps({**anchored, "at": at}).encode("ascii"))
        with journal.writing() as tx:
            if int(tx.fact("clock") or 0) > at:
                tx.set_facts({"clock": str(at)})
    except (KnownError, OSError, ValueError) as problem:
        _log.warning("the credits' clock was not kept: %s", problem)


def _chain(stored: StoredLease) -> Chain:
    from outfitswap_desktop.licensing.wire.receipts import Chain

    members = json.loads(stored.chain)
    chain = Chain(str(members["lease"]), int(members["credits"]), str(members["head"]))
    holds = {str(job): int(credits) for job, credits in members["holds"].items()}
    return replace(chain, seq=int(members["seq"]), spent=int(members["spent"]), holds=MappingProxyType(holds))


def lease_unusable(problem: Exception) -> NotAvailable:
    """What a lease that cannot be believed, or not now, means for the user."""
    reasons = {"expired": "lease_ended", "not_yet": "lease_not_begun", "other_device": "other_device"}
    hints = {
        "expired": "Go online: what is left returns to the account.",
        "not_yet": "Set this machine's clock right.",
        "other_device": "Take credits along on this machine itself.",
    }
    why = getattr(problem, "reason", "")
    return NotAvailable(
        str(problem),
        reason=reasons.get(why, "lease_unusable"),
        hint=hints.get(why, "Go online, give the credits back, and take some along anew."),
    )


def suspect() -> NotAvailable:
    """The refusal of a lease with two histories."""
    return NotAvailable(
        "The credits that were taken along are in use on a copy of this machine, or its files were set back.",
        reason="device_suspect",
        hint="Go online and sign in again; what is left returns to the account by itself.",
    )


def _damaged() -> NotAvailable:
    return NotAvailable(
        "The record of the credits that were taken along cannot be believed.",
        reason="journal_damaged",
        hint="Go online: jobs are then paid from the account, and what is left of the lease returns to it by itself.",
    )


def _empty(left: int, price: int) -> NotAvailable:
    return NotAvailable(
        f"Of the credits that were taken along {left} are left, and this image costs {price}.",
        reason="no_credits",
        hint="Go online and take more along; the fabric engine costs none.",
    )


def _open_already() -> UsageProblem:
    return UsageProblem(
        "This machine has credits along already.",
        reason="lease_open",
        hint="Give them back first: `outfitswap licence return`.",
    )


def _used_before() -> UsageProblem:
    return UsageProblem(
        "These credits were on this machine before.", reason="lease_used", hint="Take credits along anew."
    )
