"""What Stripe's objects say, reduced to what an order needs: read alike from a webhook's body and from the API's answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

REFUND_RANKS: Final = {"requires_action": 0, "pending": 1, "succeeded": 2, "failed": 3, "canceled": 3}
"""How far a refund is (https://docs.stripe.com/api/refunds/object, `status`): it never goes back, so higher is newer."""
REFUND_ENDED: Final = frozenset({"failed", "canceled"})
"""The money stayed with, or came back to, the seller."""
DISPUTE_ENDED: Final = frozenset({"won", "lost", "warning_closed", "prevented"})
"""https://docs.stripe.com/api/disputes/object, `status`."""


@dataclass(frozen=True, slots=True)
class SessionFact:
    """A Checkout Session. Amounts are in the currency's smallest unit; `reference` is our order's id; `failed` says that
    a payment which takes days did not come."""

    id: str
    reference: str
    mode: str
    status: str
    paid: bool
    failed: bool
    url: str | None
    subtotal: int
    total: int
    currency: str
    payment_intent: str | None
    customer: str | None


@dataclass(frozen=True, slots=True)
class RefundFact:
    """A refund; `created` in milliseconds."""

    id: str
    payment_intent: str
    amount: int
    status: str
    created: int

    @property
    def rank(self) -> int:
        """The newer of two states of one refund has the higher rank."""
        return REFUND_RANKS.get(self.status, 0)


@dataclass(frozen=True, slots=True)
class DisputeFact:
    """A dispute: `movements` counts the times that its money went or came, `withdrawn` says whether it is gone."""

    id: str
    payment_intent: str
    amount: int
    status: str
    movements: int
    withdrawn: bool
    created: int

    @property
    def rank(self) -> tuple[int, bool]:
        """The newer of two states of one dispute has the higher rank."""
        return self.movements, self.status in DISPUTE_ENDED


Fact = SessionFact | RefundFact | DisputeFact


def read_session(found: Mapping[str, Any], *, failed: bool = False) -> SessionFact:
    """A `checkout.session`, with its payment intent expanded or not. Raises KeyError or TypeError for another object."""
    intent = found.get("payment_intent")
    if isinstance(intent, Mapping):
        failed = failed or (
            found["status"] == "complete" and intent["status"] in {"requires_payment_method", "canceled"}
        )
    return SessionFact(
        id=found["id"],
        reference=found.get("client_reference_id") or "",
        mode=found["mode"],
        status=found.get("status") or "",
        paid=found["payment_status"] == "paid",
        failed=failed and found["payment_status"] == "unpaid",
        url=found.get("url"),
        subtotal=int(found.get("amount_subtotal") or 0),
        total=int(found.get("amount_total") or 0),
        currency=found.get("currency") or "",
        payment_intent=ident(intent),
        customer=ident(found.get("customer")),
    )


def read_refund(found: Mapping[str, Any]) -> RefundFact | None:
    """A `refund`; None for one that no payment intent was paid for."""
    intent = ident(found.get("payment_intent"))
    if intent is None:
        return None
    return RefundFact(
        id=found["id"],
        payment_intent=intent,
        amount=int(found["amount"]),
        status=found.get("status") or "pending",
        created=int(found["created"]) * 1000,
    )


def read_dispute(found: Mapping[str, Any]) -> DisputeFact | None:
    """A `dispute`; None for one that no payment intent was paid for.

    Its money is gone when more was taken than came back by its balance transactions, or when it was lost; those may be in
    the currency of our bank, so that only their sign is looked at.
    """
    intent = ident(found.get("payment_intent"))
    if intent is None:
        return None
    moved = [int(transaction["amount"]) for transaction in found.get("balance_transactions") or ()]
    return DisputeFact(
        id=found["id"],
        payment_intent=intent,
        amount=int(found["amount"]),
        status=found["status"],
        movements=len(moved),
        withdrawn=sum(moved) < 0 or found["status"] == "lost",
        created=int(found["created"]) * 1000,
    )


def ident(found: Any) -> str | None:
    """The id of an object that is there whole, as its id, or not at all."""
    if found is None or isinstance(found, str):
        return found
    value: str = found["id"]
    return value
