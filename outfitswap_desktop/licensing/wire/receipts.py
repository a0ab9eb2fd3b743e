"""Receipts of what a device did with a lease: each signed by the device and naming the one before it, so that nothing is left
out, changed or told twice without being seen. `Chain` is the arithmetic on which device and server agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from outfitswap_desktop.licensing.wire import fields
from outfitswap_desktop.licensing.wire.blobs import BlobError, BlobKind, digest, open_blob, sign
from outfitswap_desktop.licensing.wire.lease import Lease

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Kind = Literal["hold", "commit", "void"]
MOST_RECEIPTS: Final = 100_000
"""Receipts of one lease: a pair every minute for its longest life, and some."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One step of a lease. A job has at most one open hold; its commit or its void names the same `job_id`.

    hold: `credits` are set aside. commit: `credits` (at most those held) are spent, the rest is free again, `output_sha256` is
    the result's. void: all are free again, `credits` is 0. `at` is the device's clock: a claim.
    """

    lease_id: str
    seq: int
    prev: str
    kind: Kind
    job_id: str
    credits: int
    at: int
    output_sha256: str = ""


def payload_of(receipt: Receipt) -> bytes:
    """The bytes that are signed and hashed."""
    members: dict[str, Any] = {
        "v": 1,
        "lease_id": receipt.lease_id,
        "seq": receipt.seq,
        "prev": receipt.prev,
        "kind": receipt.kind,
        "job_id": receipt.job_id,
        "credits": receipt.credits,
        "at": receipt.at,
        "output_sha256": receipt.output_sha256,
    }
    return fields.write(members)


def receipt_hash(receipt: Receipt) -> str:
    """What the next receipt names as `prev`: 64 hex digits."""
    return digest(BlobKind.RECEIPT, payload_of(receipt))


def sign_receipt(receipt: Receipt, key: Ed25519PrivateKey) -> str:
    """The receipt as a blob of the device; raises BlobError for one that nobody could read."""
    payload = payload_of(receipt)
    _read(payload)
    return sign(BlobKind.RECEIPT, payload, key)


def read_receipt(blob: str, public_key: Ed25519PublicKey) -> Receipt:
    """The receipt, once the device's signature is right; raises BlobError otherwise."""
    payload = open_blob(BlobKind.RECEIPT, blob, public_key)
    receipt = _read(payload)
    if payload_of(receipt) != payload:
        # Its hash is that of its members: a second writing of the same members would be a second hash.
        raise BlobError("malformed", "A receipt is written in one form only.")
    return receipt


class ChainError(ValueError):
    """A receipt that cannot follow. `reason`: "gap", "fork" (another receipt stands before or in its place), "other_lease",
    "overdrawn", "no_hold", "second_hold"."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This receipt cannot follow: {reason}.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a lease stands after its first `seq` receipts: `head` is the hash of the last, `holds` the open ones by job."""

    lease_id: str
    credits: int
    head: str
    seq: int = 0
    spent: int = 0
    holds: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def held(self) -> int:
        """Credits in open holds."""
        return sum(self.holds.values())

    @property
    def left(self) -> int:
        """Credits that a new hold may take; never negative."""
        return self.credits - self.spent - self.held

    def next(self, kind: Kind, job_id: str, *, credits: int, at: int, output_sha256: str = "") -> Receipt:
        """The receipt that would follow now."""
        return Receipt(self.lease_id, self.seq + 1, self.head, kind, job_id, credits, at, output_sha256)

    def linked(self, receipt: Receipt) -> Chain:
        """The chain with one link more whose credits are not looked at; raises ChainError "other_lease", "gap", "fork"."""
        if receipt.lease_id != self.lease_id:
            raise ChainError("other_lease")
        if receipt.seq > self.seq + 1:
            raise ChainError("gap")
        if receipt.seq <= self.seq or receipt.prev != self.head:
            raise ChainError("fork")
        return replace(self, seq=receipt.seq, head=receipt_hash(receipt))

    def after(self, receipt: Receipt) -> Chain:
        """The chain with one receipt more; raises ChainError when it cannot follow."""
        linked = self.linked(receipt)
        held = self.holds.get(receipt.job_id)
        holds = dict(self.holds)
        if receipt.kind == "hold":
            if held is not None:
                raise ChainError("second_hold")
            if not 1 <= receipt.credits <= self.left:
                raise ChainError("overdrawn")
            holds[receipt.job_id] = receipt.credits
            return replace(linked, holds=MappingProxyType(holds))
        if held is None:
            raise ChainError("no_hold")
        if receipt.credits > held:
            raise ChainError("overdrawn")
        del holds[receipt.job_id]
        return replace(linked, spent=self.spent + receipt.credits, holds=MappingProxyType(holds))


def begin(lease: Lease) -> Chain:
    """The chain of a lease of which nothing is used yet."""
    return Chain(lease_id=lease.lease_id, credits=lease.credits, head=lease.genesis)


def _read(payload: bytes) -> Receipt:
    found = fields.read(payload)
    kind = found.text("kind", most=6)
    if kind not in get_args(Kind):
        raise BlobError("malformed", "A receipt holds, commits or voids.")
    return Receipt(
        lease_id=found.ulid("lease_id"),
        seq=found.number("seq", least=1, most=MOST_RECEIPTS),
        prev=found.hex32("prev"),
        kind=cast("Kind", kind),
        job_id=found.text("job_id", most=80, least=1),
        credits=found.number(
            "credits", least=0 if kind == "void" else 1, most=0 if kind == "void" else fields.MOST_CREDITS
        ),
        at=found.number("at"),
        output_sha256=found.hex32("output_sha256") if kind == "commit" else found.text("output_sha256", most=0),
    )
