"""What no webhook told is repaired, once."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.payments import reconcile as room
from outfitswap_desktop.server.payments.reconcile import reconcile
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables import payments as tables
from tests.server.payments.conftest import ALIKE, Shop


def test_everything_missed_is_found_and_nothing_twice(shop: Shop) -> None:
    paid, refunded, disputed, expired, unpaid = (shop.order() for _ in range(5))
    page = {order.id: shop.row(order.id).checkout_session_id for order in (paid, refunded, disputed, expired)}
    for order in (paid, refunded, disputed):
        shop.sim.pay(page[order.id])
    intent = {
        order.id: str(shop.api.v1.checkout.sessions.retrieve(page[order.id]).payment_intent)
        for order in (refunded, disputed)
    }
    shop.sim.refund(intent[refunded.id])
    shop.sim.dispute(intent[disputed.id])
    shop.sim.expire(page[expired.id])
    shop.clock.forward(seconds=120)
    report = reconcile(shop.services)
    assert report.repaired
    states = {order.id: shop.row(order.id).state for order in (paid, refunded, disputed, expired, unpaid)}
    assert list(states.values()) == ["paid", "refunded", "disputed", "expired", "open"]
    assert shop.available() == 100
    again = reconcile(shop.services)
    assert (again.repaired, again.troubles) == (0, [])
    shop.tell(shop.news())
    assert shop.available() == 100
    assert reconcile(shop.services, since=0).repaired == 0


@ALIKE
def test_states_are_repaired_even_where_stripe_no_longer_lists_the_events(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outfitswap_desktop.server.payments.webhooks.TYPES", ("none.such",))
    row, disputed = shop.bought(), shop.bought()
    failing = shop.sim.refund(row.payment_intent, amount=400, status="pending")
    dispute = shop.sim.dispute(disputed.payment_intent)
    waiting = shop.order()
    page = shop.row(waiting.id).checkout_session_id
    shop.sim.pay(page, "bank")
    shop.clock.forward(seconds=120)
    first = reconcile(shop.services)
    assert (first.events, first.orders, first.refunds, first.disputes) == (0, 1, 1, 1)
    assert shop.available() == 63
    shop.sim.change_refund(failing["id"], "canceled")
    shop.sim.close_dispute(dispute["id"], "won")
    shop.sim.settle(page, well=False)
    second = reconcile(shop.services)
    assert (second.orders, second.refunds, second.disputes) == (1, 1, 1)
    assert (shop.row(waiting.id).state, shop.available()) == ("failed", 200)


@ALIKE
def test_old_refunds_and_disputes_are_asked_for_one_by_one(shop: Shop) -> None:
    row, disputed = shop.bought(), shop.bought()
    refund = shop.sim.refund(row.payment_intent, amount=400, status="pending")
    dispute = shop.sim.dispute(disputed.payment_intent)
    shop.tell(shop.news())
    shop.sim.change_refund(refund["id"], "failed")
    shop.sim.close_dispute(dispute["id"], "won")
    later = 4_000_000_000_000
    report = reconcile(shop.services, since=later)
    assert (report.events, report.refunds, report.disputes) == (0, 1, 1)
    assert shop.available() == 200


@ALIKE
def test_a_page_that_was_paid_though_its_making_was_never_confirmed(shop: Shop) -> None:
    ident = new_id()
    shop.sim.fault("POST /v1/checkout/sessions", "lost")
    with pytest.raises(Refusal):
        shop.order(ident=ident)
    listed = shop.api.v1.checkout.sessions.list({"limit": 100}).auto_paging_iter()
    page = next(page.id for page in listed if page.client_reference_id == ident)
    shop.sim.pay(page)
    shop.news()
    shop.clock.forward(seconds=120)
    with shop.services.database.reading():
        report = room.Report()
        assert shop.services.stripe is not None
        room._orders(shop.services, shop.services.stripe, report, 0, shop.clock())
    assert report.orders == 1
    assert (shop.row(ident).checkout_session_id, shop.available()) == (page, 100)


def test_an_event_that_could_not_be_handled_is_handled_later(shop: Shop) -> None:
    order = shop.order()
    page = shop.row(order.id).checkout_session_id
    shop.sim.pay(page)
    intent = str(shop.api.v1.checkout.sessions.retrieve(page).payment_intent)
    shop.sim.refund(intent, amount=119)
    shop.sim.fault("GET /v1/refunds", "error")
    shop.tell(shop.news("charge.refunded"), expect=503)
    assert room.unfinished(shop.services) == 1
    report = reconcile(shop.services, since=4_000_000_000_000)
    assert report.events == 1
    assert room.unfinished(shop.services) == 0
    assert shop.available() == 89


@ALIKE
def test_a_silent_stripe_is_reported_and_the_next_run_begins_where_this_one_did(shop: Shop) -> None:
    order = shop.order()
    shop.sim.pay(shop.row(order.id).checkout_session_id)
    shop.sim.fault("GET /v1/events", "error")
    report = reconcile(shop.services)
    assert report.troubles == ["Stripe does not answer: APIError"]
    assert shop.rows(tables.watermarks) == []
    assert reconcile(shop.services).events > 0
    newest = shop.rows(tables.watermarks)[0].at
    assert newest > 0
    with shop.services.database.transaction() as tx:
        tx.execute(update(tables.watermarks).values(at=newest + 10_000_000))
    reconcile(shop.services)
    assert shop.rows(tables.watermarks)[0].at == newest + 10_000_000
    assert shop.available() == 100


@ALIKE
def test_a_shut_shop_reconciles_nothing(shop: Shop) -> None:
    from dataclasses import replace

    assert reconcile(replace(shop.services, stripe=None)).repaired == 0
