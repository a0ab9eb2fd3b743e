"""What uploaded receipts are worth: arithmetic alone, without database, clock or keys, so that it can be tried a million times.

Signatures are checked before; here every receipt is known to be the device's own word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from outfitswap_desktop.licensing.wire.receipts import Chain, ChainError, Receipt

Trouble = Literal["", "forked", "broken"]
KEPT_EVIDENCE: Final = 200
"""Receipts beside the chain that one lease keeps: the first of them proves the fork, the rest only fill the disk."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A receipt with its hash and the blob it came as."""

    receipt: Receipt
    hash: str
    blob: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A receipt to be kept: on the chain or beside it, charged or not."""

    signed: Signed
    main: bool
    charged: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """The chain after the upload, what to keep of it, and counts for the answer.

    `late`: on the chain, but after the lease's end. `trouble`: "forked" (the device has signed two different receipts for one
    place) or "broken" (it has signed what its lease does not hold). `missing`: some could not be placed, because receipts
    before them have not come.
    """

    chain: Chain
    record: tuple[Recorded, ...]
    accepted: int
    duplicate: int
    late: int
    trouble: Trouble
    missing: bool

    @property
    def late_credits(self) -> int:
        """Credits of work that came too late to be charged."""
        late = (one.signed.receipt for one in self.record if one.main and not one.charged)
        return sum(receipt.credits for receipt in late if receipt.kind == "commit")


@dataclass
class _Count:
    known: dict[int, set[str]]
    evidence: int
    record: list[Recorded] = field(default_factory=list)
    accepted: int = 0
    duplicate: int = 0
    late: int = 0
    trouble: Trouble = ""

    def keep(self, signed: Signed, *, main: bool, charged: bool) -> None:
        self.known.setdefault(signed.receipt.seq, set()).add(signed.hash)
        if main or self.evidence < KEPT_EVIDENCE:
            self.record.append(Recorded(signed, main=main, charged=charged))
            self.evidence += not main


def judge(
    chain: Chain, upload: Sequence[Signed], *, known: Mapping[int, frozenset[str]], evidence: int, live: bool
) -> Judgement:
    """Place the receipts of `upload` (any order, all of the chain's lease, repeats allowed).

    `chain` is what the server has; `known` the hashes that it keeps by their number, on the chain and beside it, at least for
    the numbers of the upload and the one before each; `evidence` how many beside the chain are kept. `live`: the lease has
    not ended, what follows the chain is charged; else it is recorded as late. Never raises for what a device may have signed.
    """
    count = _Count({seq: set(hashes) for seq, hashes in known.items()}, evidence)
    missing = False
    for signed in sorted(upload, key=lambda one: one.receipt.seq):
        receipt = signed.receipt
        there = count.known.get(receipt.seq, set())
        if signed.hash in there:
            count.duplicate += 1
        elif receipt.seq == chain.seq + 1 and receipt.prev == chain.head:
            if there:
                count.trouble = "forked"
            following = _follow(chain, receipt, live=live)
            if following is None:
                count.trouble = count.trouble or "broken"
                count.keep(signed, main=False, charged=False)
                continue
            chain = following
            count.keep(signed, main=True, charged=live)
            count.accepted += live
            count.late += not live
        elif receipt.seq <= chain.seq + 1 or receipt.prev in count.known.get(receipt.seq - 1, set()):
            count.trouble = "forked"
            count.keep(signed, main=False, charged=False)
        else:
            missing = True
    return Judgement(
        chain=chain,
        record=tuple(count.record),
        accepted=count.accepted,
        duplicate=count.duplicate,
        late=count.late,
        trouble=count.trouble,
        missing=missing,
    )


def _follow(chain: Chain, receipt: Receipt, *, live: bool) -> Chain | None:
    """The chain after a receipt that links to it; None when the lease does not hold what the receipt takes."""
    if not live:
        return chain.linked(receipt)
    try:
        return chain.after(receipt)
    except ChainError:
        return None
