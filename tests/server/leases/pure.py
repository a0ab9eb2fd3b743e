"""The server of the walks without database and signatures: the real judgement, and dictionaries where the tables are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from outfitswap_desktop.licensing.wire.receipts import Chain, Receipt, receipt_hash
from outfitswap_desktop.server.leases.judge import Signed, judge
from outfitswap_desktop.server.leases.limits import (
    DAY_MS,
    DEAD_HOLD_MS,
    GRACE_MS,
    LATE_LEASES,
    LATE_WINDOW_MS,
    SHORT_DAYS,
)
from tests.server.leases.walk import Broken, Grant, Told


@dataclass
class PureLease:
    """A row of leases with its receipts and holds."""

    device: int
    chain: Chain
    grace_until: int
    state: str = "open"
    known: dict[int, frozenset[str]] = field(default_factory=dict)
    evidence: int = 0
    forked: bool = False
    late_at: int | None = None
    held_since: dict[str, int] = field(default_factory=dict)


class PureServer:
    """See walk.Face."""

    def __init__(self, *, start: int, memo: dict[Receipt, str] | None = None) -> None:
        self.now = start
        self._minted = 0
        self._available = 0
        self._burned: dict[str, int] = {}
        self._in_leases: dict[str, int] = {}
        self.leases: dict[str, PureLease] = {}
        self.suspect: set[int] = set()
        self._memo = {} if memo is None else memo
        self.genesis: str | None = None

    def buy(self, credits: int) -> None:
        self._minted += credits
        self._available += credits

    def issue(self, device: int, lease_id: str, *, credits: int, days: int) -> Grant | str:
        if device in self.suspect:
            return "device_not_active"
        for lease in self.leases.values():
            if lease.device == device and lease.state == "open":
                if self.now < lease.grace_until:
                    return "lease_open"
                self._end(lease, "expired")
        if self._available == 0:
            return "no_credits"
        if credits > min((self._available + 1) // 2, 500):
            return "lease_limit"
        late = [
            one for one in self.leases.values() if one.late_at is not None and one.late_at >= self.now - LATE_WINDOW_MS
        ]
        days = min(days, SHORT_DAYS) if len(late) > LATE_LEASES else days
        chain = Chain(lease_id, credits, self.genesis or f"{len(self.leases):064x}")
        not_after = self.now + days * DAY_MS
        self.leases[lease_id] = PureLease(device, chain, not_after + GRACE_MS)
        self._available -= credits
        self._in_leases[lease_id] = credits
        return Grant(chain, not_after, not_after + GRACE_MS)

    def reconcile(self, lease_id: str, receipts: Sequence[Receipt]) -> Told | str:
        lease = self.leases[lease_id]
        if lease.state in ("open", "frozen") and self.now >= lease.grace_until:
            self._end(lease, "expired")
        live = lease.state in ("open", "frozen")
        upload = [Signed(receipt, self._hash(receipt)) for receipt in receipts]
        found = judge(lease.chain, upload, known=lease.known, evidence=lease.evidence, live=live)
        for one in found.record:
            receipt = one.signed.receipt
            lease.known[receipt.seq] = lease.known.get(receipt.seq, frozenset()) | {one.signed.hash}
            lease.evidence += not one.main
            if one.charged and receipt.kind == "hold":
                lease.held_since[receipt.job_id] = self.now
            elif one.charged:
                lease.held_since.pop(receipt.job_id, None)
                self._in_leases[lease_id] -= receipt.credits
                if self._in_leases[lease_id] < 0:
                    raise Broken("a lease's balance is negative")
                self._burned[lease_id] = self._burned.get(lease_id, 0) + receipt.credits
        lease.chain = found.chain
        if found.late_credits:
            lease.late_at = self.now
        if found.trouble:
            if not lease.forked:
                self.suspect.add(lease.device)
            lease.forked = True
            lease.state = "frozen" if live else lease.state
        return Told(
            accepted=found.accepted,
            duplicate=found.duplicate,
            late=found.late,
            forked=found.trouble == "forked",
            state=lease.state,
            spent=lease.chain.spent,
            left=lease.chain.left if live else 0,
            seq=lease.chain.seq,
            head=lease.chain.head,
            reason=found.trouble or ("missing" if found.missing else ""),
        )

    def close(self, lease_id: str, receipts: Sequence[Receipt]) -> Told | str:
        told = self.reconcile(lease_id, receipts)
        lease = self.leases[lease_id]
        if isinstance(told, str) or told.state not in ("open", "frozen"):
            return told
        if told.state == "frozen":
            return replace(told, reason="frozen")
        if any(since > self.now - DEAD_HOLD_MS for since in lease.held_since.values()):
            return replace(told, reason="holds_open")
        self._end(lease, "closed")
        return replace(told, state="closed", left=0)

    def sweep(self) -> None:
        for lease in self.leases.values():
            if lease.state in ("open", "frozen") and lease.grace_until <= self.now:
                self._end(lease, "expired")

    def sign_in_again(self, device: int) -> None:
        self.suspect.discard(device)

    def available(self) -> int:
        return self._available

    def minted(self) -> int:
        return self._minted

    def leased(self) -> int:
        return sum(self._in_leases.values())

    def burned(self) -> int:
        return sum(self._burned.values())

    def burned_by(self, lease_id: str) -> int:
        return self._burned.get(lease_id, 0)

    def flagged(self) -> frozenset[str]:
        return frozenset(lease_id for lease_id, lease in self.leases.items() if lease.forked)

    def _end(self, lease: PureLease, state: str) -> None:
        self._available += self._in_leases[lease.chain.lease_id]
        self._in_leases[lease.chain.lease_id] = 0
        lease.held_since.clear()
        lease.chain = replace(lease.chain, holds=MappingProxyType({}))
        lease.state = state

    def _hash(self, receipt: Receipt) -> str:
        found = self._memo.get(receipt)
        if found is None:
            found = self._memo[receipt] = receipt_hash(receipt)
        return found
