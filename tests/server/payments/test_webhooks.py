"""What Stripe sends: each event has its effect once, in any order, and what Stripe has not sent leaves no trace."""

from __future__ import annotations

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.ledger import credits
from outfitswap_desktop.server.payments import fulfil
from outfitswap_desktop.server.payments.routes import LARGEST
from outfitswap_desktop.server.tables import payments as tables
from tests.server.payments.conftest import ALIKE, OpenShop, Shop
from tests.stripesim.process import SECRET


def paid_order(shop: Shop, pack: str = "small") -> tuple[str, list[dict[str, Any]]]:
    """An order that was paid, and the events of it, none delivered."""
    order = shop.order(pack)
    shop.sim.pay(shop.row(order.id).checkout_session_id)
    return order.id, shop.news()


def test_a_payment_is_credited_once_however_often_it_is_told(shop: Shop) -> None:
    ident, events = paid_order(shop)
    assert "checkout.session.completed" in {event["type"] for event in events}
    shop.tell(events + events)
    assert shop.row(ident).state == "paid"
    assert shop.available() == 100
    assert len(shop.rows(tables.stripe_events)) == len(events)
    assert shop.services.metrics.webhook_dedup._value.get() == len(events)
    renamed = [{**event, "id": f"{event['id']}again"} for event in events]
    shop.tell(renamed)
    assert shop.available() == 100
    entries = shop.get("/v1/credits/history").json()["entries"]
    assert [(entry["kind"], entry["order_id"]) for entry in entries] == [("purchase", ident)]


@ALIKE
def test_a_payment_that_takes_days_is_credited_when_it_comes_or_fails(shop: Shop) -> None:
    for well in (True, False):
        order = shop.order()
        page = shop.row(order.id).checkout_session_id
        shop.sim.pay(page, "bank")
        first = shop.news()
        shop.tell(first)
        waiting = shop.row(order.id)
        assert (waiting.state, waiting.checkout_url) == ("open", None)
        shop.sim.settle(page, well=well)
        shop.tell(shop.news())
        shop.tell([{**event, "id": f"{event['id']}late"} for event in first])
        assert shop.row(order.id).state == ("paid" if well else "failed")
        assert shop.available() == 100


@ALIKE
def test_a_declined_or_left_page_credits_nothing(shop: Shop) -> None:
    order = shop.order()
    page = shop.row(order.id).checkout_session_id
    shop.sim.pay(page, "decline")
    shop.tell(shop.news())
    assert shop.row(order.id).state == "open"
    shop.sim.expire(page)
    shop.tell(shop.news())
    assert shop.row(order.id).state == "expired"
    assert shop.available() == 0


def test_what_is_not_from_stripe_is_refused_without_a_row(shop: Shop) -> None:
    _, events = paid_order(shop)
    event = next(event for event in events if event["type"] == "checkout.session.completed")
    text = json.dumps(event)
    tampered = text.replace(event["id"], "evt_forged")
    answers = {
        "other secret": shop.send(text, secret="whsec_somebody_else"),
        "too old": shop.send(text, at=int(time.time()) - 301),
        "no signature": shop.send(text, signature=""),
        "nonsense": shop.send(text, signature="t=x,v1=y"),
        "only an older scheme": shop.send(text, signature=f"t={int(time.time())},v0={'0' * 64}"),
        "changed after signing": _signed_as(shop, text, tampered),
        "cut off": _signed_as(shop, text, text[:-20]),
        "not JSON": shop.send("{"),
        "not an object": shop.send("[1]"),
        "not an event": shop.send('{"id": "evt_1", "object": "event"}'),
        "not text": shop.send(b"\xff\xfe", signature=f"t={int(time.time())},v1={'0' * 64}"),
        "live in test mode": shop.send(json.dumps({**event, "livemode": True})),
        "no mode": shop.send(json.dumps({**event, "livemode": None})),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 400)
    assert answers["live in test mode"].json()["code"] == "wrong_mode"
    assert shop.send("x" * (LARGEST + 1)).status_code == 413
    assert shop.rows(tables.stripe_events) == []
    assert shop.available() == 0
    shop.tell([event])
    assert shop.available() == 100


@ALIKE
def test_a_body_of_the_largest_size_is_read(shop: Shop) -> None:
    _, events = paid_order(shop)
    text = json.dumps(events[-1])
    assert shop.send(text + " " * (LARGEST - len(text))).status_code == 204


def _signed_as(shop: Shop, signed: str, sent: str) -> Any:
    import stripe

    return shop.send(sent, signature=stripe.WebhookSignature.generate_signature_header(signed, SECRET))


@ALIKE
def test_both_secrets_hold_while_one_replaces_the_other(open_shop: OpenShop) -> None:
    shop = open_shop(stripe_webhook_secrets=SecretStr(f" whsec_new , {SECRET},"))
    _, events = paid_order(shop)
    assert shop.send(json.dumps(events[-1]), secret="whsec_new").status_code == 204
    assert shop.send(json.dumps(events[0]), secret=SECRET).status_code == 204
    assert shop.send(json.dumps(events[1]), secret="").status_code == 400
    assert shop.available() == 100


@ALIKE
def test_a_live_key_takes_live_events_only(open_shop: OpenShop) -> None:
    shop = open_shop(stripe_secret_key=SecretStr("sk_live_x"))
    event = {"id": "evt_1", "type": "customer.created", "created": 1, "data": {"object": {"id": "cus_1"}}}
    assert shop.send(json.dumps({**event, "object": "event", "livemode": False})).status_code == 400
    assert shop.send(json.dumps({**event, "object": "event", "livemode": True})).status_code == 204


@ALIKE
def test_events_we_do_not_know_are_kept_without_effect_and_without_persons(shop: Shop) -> None:
    order, events = paid_order(shop)
    shop.sim.change_session(shop.row(order).checkout_session_id, customer_details={"name": "Ada", "email": "a@b.c"})
    customer = next(event for event in events if event["type"] == "customer.created")
    unread = {**customer, "id": "evt_unread", "type": "refund.created", "data": {"object": {"payment_intent": "pi_x"}}}
    shop.tell([{**customer, "type": "some.new.type"}, unread])
    kept = {row.event_id: row for row in shop.rows(tables.stripe_events)}
    assert "@" not in json.dumps([row.payload for row in kept.values()])
    assert kept["evt_unread"].error.startswith("cannot be read: KeyError")
    assert all(row.processed_at == shop.clock() for row in kept.values())


@ALIKE
def test_a_payment_for_an_order_that_we_do_not_have_is_shown_to_the_operator(shop: Shop) -> None:
    _, events = paid_order(shop)
    event = next(event for event in events if event["type"] == "checkout.session.completed")
    event["data"]["object"]["client_reference_id"] = stranger = new_id()
    shop.tell([event])
    assert [row.error for row in shop.rows(tables.stripe_events)] == [f"unknown order {stranger}"]
    event["data"]["object"]["client_reference_id"] = "another program's"
    shop.tell([{**event, "id": "evt_other"}])
    assert shop.available() == 0


@ALIKE
@pytest.mark.parametrize("wrong", [{"amount_subtotal": 899}, {"currency": "usd"}, {"mode": "subscription"}])
def test_what_was_not_ordered_waits_for_a_person(shop: Shop, wrong: dict[str, Any]) -> None:
    order = shop.order()
    page = shop.row(order.id).checkout_session_id
    shop.sim.pay(page)
    shop.news()
    shop.sim.change_session(page, **wrong)
    seen = fulfil.fulfil(shop.services, order.id, now=shop.clock())
    assert seen is not None
    assert seen.state == "review"
    assert shop.row(order.id).note
    assert shop.available() == 0
    with shop.services.database.transaction() as tx:
        assert fulfil.accept(tx, order.id, actor="admin:test", now=shop.clock())
        assert not fulfil.accept(tx, order.id, actor="admin:test", now=shop.clock())
    assert shop.row(order.id).state == "paid"
    assert shop.available() == 100


@ALIKE
def test_an_order_paid_on_two_pages_is_credited_once_and_waits_for_a_person(shop: Shop) -> None:
    order, events = paid_order(shop)
    event = next(event for event in events if event["type"] == "checkout.session.completed")
    shop.tell([event])
    twin = json.loads(json.dumps(event))
    twin["id"] = "evt_twin"
    twin["data"]["object"] |= {"id": "cs_test_twin", "payment_intent": "pi_twin"}
    shop.tell([twin])
    assert (shop.row(order).state, shop.available()) == ("review", 100)
    with shop.services.database.transaction() as tx:
        assert fulfil.accept(tx, order, actor="admin:test", now=shop.clock())
    assert (shop.row(order).state, shop.available()) == ("paid", 100)


@ALIKE
def test_a_page_that_we_did_not_keep_is_taken_when_it_is_the_one_that_was_paid(shop: Shop) -> None:
    order, events = paid_order(shop)
    event = next(event for event in events if event["type"] == "checkout.session.completed")
    kept = event["data"]["object"]["id"]
    event["data"]["object"]["id"] = "cs_test_of_a_try_before"
    expired = json.loads(json.dumps(event))
    expired["data"]["object"] |= {"id": "cs_test_older", "payment_status": "unpaid", "status": "expired"}
    shop.tell([{**expired, "id": "evt_expired", "type": "checkout.session.expired"}])
    assert (shop.row(order).state, shop.row(order).checkout_session_id) == ("open", kept)
    shop.tell([event])
    row = shop.row(order)
    assert (row.state, row.checkout_session_id, shop.available()) == ("paid", "cs_test_of_a_try_before", 100)


def test_a_refund_takes_its_share_and_a_failed_one_gives_it_back(shop: Shop) -> None:
    row = shop.bought("large")
    assert row.paid_minor == 8211
    first = shop.sim.refund(row.payment_intent, amount=2737)
    shop.tell(shop.news())
    assert shop.available() == 667
    slow = shop.sim.refund(row.payment_intent, amount=2737, status="pending")
    shop.tell(shop.news())
    assert shop.available() == 334
    shop.sim.change_refund(slow["id"], "failed")
    shop.tell(shop.news())
    assert shop.available() == 667
    assert (shop.row(row.id).state, shop.row(row.id).refunded_minor) == ("paid", 2737)
    shop.sim.refund(row.payment_intent)
    shop.tell(shop.news())
    assert shop.available() == 0
    assert shop.row(row.id).state == "refunded"
    shop.sim.change_refund(first["id"], "failed")
    shop.tell(shop.news())
    assert shop.available() == 334
    assert shop.row(row.id).state == "paid"


@ALIKE
def test_a_refund_of_what_is_spent_leaves_a_debt_that_the_next_purchase_pays(shop: Shop) -> None:
    row = shop.bought("small")
    with shop.services.database.transaction() as tx:
        credits.take_back(tx, shop.account, credits=70, kind="revoke", ref="t", actor="test", now=shop.clock())
    shop.sim.refund(row.payment_intent)
    shop.tell(shop.news())
    assert (shop.balance().available, shop.balance().debt) == (0, 70)
    shop.bought("small")
    assert (shop.balance().available, shop.balance().debt) == (30, 0)


def test_a_dispute_takes_the_credits_until_it_is_won(shop: Shop) -> None:
    won, lost = shop.bought(), shop.bought()
    dispute = shop.sim.dispute(won.payment_intent)
    shop.tell(shop.news())
    assert (shop.row(won.id).state, shop.available()) == ("disputed", 100)
    shop.sim.close_dispute(dispute["id"], "won")
    shop.tell(shop.news())
    assert (shop.row(won.id).state, shop.available()) == ("paid", 200)
    dispute = shop.sim.dispute(lost.payment_intent)
    shop.sim.close_dispute(dispute["id"], "lost")
    shop.tell(shop.news())
    assert (shop.row(lost.id).state, shop.available()) == ("disputed", 100)


@ALIKE
def test_an_inquiry_takes_nothing(shop: Shop) -> None:
    row = shop.bought()
    dispute = shop.sim.dispute(row.payment_intent, inquiry=True)
    shop.tell(shop.news())
    shop.sim.close_dispute(dispute["id"], "warning_closed")
    shop.tell(shop.news())
    assert (shop.row(row.id).state, shop.available()) == ("paid", 100)


def _story(shop: Shop) -> tuple[str, list[dict[str, Any]]]:
    """A purchase with everything: paid, a part refunded, that refund failed, another part refunded, disputed and won."""
    order = shop.order()
    page = shop.row(order.id).checkout_session_id
    shop.sim.pay(page)
    intent = shop.api.v1.checkout.sessions.retrieve(page).payment_intent
    failing = shop.sim.refund(str(intent), amount=300)
    shop.sim.change_refund(failing["id"], "failed")
    shop.sim.refund(str(intent), amount=214)
    dispute = shop.sim.dispute(str(intent))
    shop.sim.close_dispute(dispute["id"], "won")
    return order.id, shop.news()


def test_the_order_of_arrival_does_not_matter(shop: Shop) -> None:
    chance = random.Random(5)
    for _ in range(3):
        before = shop.available()
        ident, events = _story(shop)
        chance.shuffle(events)
        shop.tell(events[: len(events) * 3 // 4])
        chance.shuffle(events)
        shop.tell(events)
        row = shop.row(ident)
        assert (row.state, row.refunded_minor, row.refunded_credits) == ("paid", 214, 19)
        assert shop.available() == before + 81


def test_a_refund_heard_of_first_asks_for_its_payment(shop: Shop) -> None:
    ident, _ = paid_order(shop)
    page = shop.row(ident).checkout_session_id
    intent = str(shop.api.v1.checkout.sessions.retrieve(page).payment_intent)
    shop.sim.refund(intent)
    refund = shop.news("refund.created")
    shop.sim.fault("GET /v1/checkout/sessions", "error")
    shop.tell(refund, expect=503)
    waiting = shop.rows(tables.stripe_events)
    assert [(row.processed_at, row.attempts) for row in waiting] == [(None, 1)]
    assert "APIError" in waiting[0].error
    assert shop.row(ident).state == "open"
    shop.tell(refund)
    assert (shop.row(ident).state, shop.row(ident).credited, shop.available()) == ("refunded", 100, 0)
    done = shop.rows(tables.stripe_events)
    assert [(row.processed_at, row.attempts, row.error) for row in done] == [(shop.clock(), 2, "")]


@ALIKE
def test_payments_of_other_programs_at_the_same_stripe_account_are_passed_over(shop: Shop) -> None:
    theirs = shop.api.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "http://elsewhere/",
            "line_items": [
                {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 5, "product_data": {"name": "Tea"}}}
            ],
        }
    )
    shop.sim.pay(theirs.id)
    intent = str(shop.api.v1.checkout.sessions.retrieve(theirs.id).payment_intent)
    shop.sim.refund(intent)
    shop.tell(shop.news())
    assert shop.rows(tables.refunds) == []
    assert all(row.error == "" for row in shop.rows(tables.stripe_events))


@ALIKE
def test_a_refund_made_here_reaches_the_ledger_before_its_event(shop: Shop) -> None:
    from outfitswap_desktop.server.payments import payback

    row = shop.bought()
    for _ in range(2):
        payback.refund(shop.services, row.id, amount_minor=500, key="case-1", now=shop.clock())
        assert shop.row(row.id).refunded_credits == 46
    shop.tell(shop.news())
    assert shop.available() == 54
    payback.refund(shop.services, row.id, amount_minor=None, key="case-2", now=shop.clock())
    assert (shop.row(row.id).state, shop.available()) == ("refunded", 0)


def test_an_event_is_acted_on_when_its_first_try_died_before_the_end(shop: Shop) -> None:
    """As after a crash between the note of a failure and the effect."""
    ident, events = paid_order(shop)
    event = next(event for event in events if event["type"] == "checkout.session.completed")
    shop.tell([event])
    with shop.services.database.transaction() as tx:
        tx.execute(update(tables.stripe_events).values(processed_at=None))
    shop.tell([event])
    assert (shop.row(ident).state, shop.available()) == ("paid", 100)


@ALIKE
@pytest.mark.slow
def test_a_refund_that_is_under_way_is_asked_for_again_later(shop: Shop) -> None:
    """Longer than the SDK itself asks again."""
    from outfitswap_desktop.server.payments import payback
    from outfitswap_desktop.server.problems import Refusal

    row = shop.bought()

    def pay_back() -> object:
        return payback.refund(shop.services, row.id, amount_minor=None, key="all", now=shop.clock())

    shop.sim.fault("POST /v1/refunds", "held", seconds=6)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(pay_back)
        while "POST /v1/refunds" not in shop.sim.requests():
            time.sleep(0.05)
        with pytest.raises(Refusal, match="Try again with the same key") as refused:
            pay_back()
        assert refused.value.status == 503
        first.result()
    pay_back()
    assert len(shop.news("refund.created")) == 1


@ALIKE
def test_what_cannot_be_paid_back_is_refused(shop: Shop) -> None:
    from outfitswap_desktop.server.payments import payback
    from outfitswap_desktop.server.problems import Refusal

    row, unpaid = shop.bought(), shop.order()
    asked = [(new_id(), 1, 404), (unpaid.id, 1, 409), (row.id, row.paid_minor + 1, 409)]
    for ident, amount, status in asked:
        with pytest.raises(Refusal) as refused:
            payback.refund(shop.services, ident, amount_minor=amount, key="k", now=shop.clock())
        assert refused.value.status == status
    shop.sim.fault("POST /v1/refunds", "lost")
    with pytest.raises(Refusal) as refused:
        payback.refund(shop.services, row.id, amount_minor=None, key="all", now=shop.clock())
    assert refused.value.status == 503
    payback.refund(shop.services, row.id, amount_minor=None, key="all", now=shop.clock())
    assert len(shop.news("refund.created")) == 1
    assert shop.available() == 0
