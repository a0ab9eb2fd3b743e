"""Stripe's objects as an order needs them."""

from __future__ import annotations

from outfitswap_desktop.server.payments.facts import read_dispute, read_refund, read_session


def test_what_no_payment_intent_was_paid_for_is_not_ours() -> None:
    assert read_refund({"id": "re_1", "payment_intent": None, "amount": 1, "created": 1}) is None
    assert read_dispute({"id": "du_1", "amount": 1, "created": 1}) is None


def test_expanded_objects_read_like_their_ids() -> None:
    page = {"id": "cs_1", "mode": "payment", "status": "complete", "payment_status": "unpaid", "created": 1}
    whole = read_session({**page, "payment_intent": {"id": "pi_1", "status": "canceled"}, "customer": {"id": "cus_1"}})
    assert (whole.payment_intent, whole.customer, whole.failed) == ("pi_1", "cus_1", True)
    short = read_session({**page, "payment_intent": "pi_1", "customer": "cus_1"})
    assert (short.payment_intent, short.customer, short.failed) == ("pi_1", "cus_1", False)
    assert not read_session({**page, "payment_status": "paid"}, failed=True).failed


def test_only_the_sign_of_a_disputes_movements_counts() -> None:
    about = {"id": "du_1", "payment_intent": "pi_1", "amount": 900, "created": 2, "status": "needs_response"}
    gone = read_dispute({**about, "balance_transactions": [{"amount": -955}]})
    back = read_dispute({**about, "status": "won", "balance_transactions": [{"amount": -955}, {"amount": 955}]})
    assert gone is not None
    assert back is not None
    assert (gone.withdrawn, gone.amount, back.withdrawn) == (True, 900, False)
    assert back.rank > gone.rank
