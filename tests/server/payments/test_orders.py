"""Starting a purchase: one order and one check-out page for one id, whatever Stripe and the network do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.licensing.wire.messages import Buy, Pack
from outfitswap_desktop.server.accounts import people
from outfitswap_desktop.server.payments import fulfil, orders, packs
from outfitswap_desktop.server.payments.gateway import Unreachable
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables import payments as tables
from tests.server.payments.conftest import ALIKE, OpenShop, Shop, account

CREATE = "POST /v1/checkout/sessions"


@ALIKE
def test_the_page_carries_price_reference_tax_invoice_and_withdrawal(shop: Shop) -> None:
    order = shop.order("medium")
    row = shop.row(order.id)
    assert (order.state, order.credits, order.amount_minor, order.currency) == ("open", 300, 2400, "eur")
    page = shop.api.v1.checkout.sessions.retrieve(row.checkout_session_id).to_dict()
    assert order.checkout_url == page["url"]
    assert page["client_reference_id"] == order.id
    assert (page["amount_subtotal"], page["amount_total"], page["currency"]) == (2400, 2856, "eur")
    assert page["automatic_tax"]["enabled"] is True
    assert page["invoice_creation"]["enabled"] == "true"
    assert "withdrawal" in page["custom_text"]["submit"]["message"]
    assert page["success_url"] == f"http://testserver/orders/{order.id}"
    assert page["customer_email"].endswith("@example.org")
    assert page["metadata"]["account_id"] == shop.account


def test_one_id_is_one_order_and_one_page(shop: Shop) -> None:
    ident = new_id()
    asked = len(shop.sim.requests())
    first, second = shop.order(ident=ident), shop.order(ident=ident)
    assert first == second
    assert shop.sim.requests()[asked:].count(CREATE) == 1
    with pytest.raises(Refusal) as refused:
        shop.order("large", ident=ident)
    assert (refused.value.status, refused.value.code) == (409, "id_in_use")
    other, _ = account(shop.services, shop.clock())
    with pytest.raises(Refusal) as refused:
        orders.start(shop.services, other, Buy(id=ident, pack_id="small"), shop.clock())
    assert refused.value.status == 409


def test_the_routes_ask_for_a_key_and_keep_orders_private(shop: Shop) -> None:
    body = {"id": new_id(), "pack_id": "small"}
    assert shop.post("/v1/orders", body).json()["code"] == "no_idempotency_key"
    made = shop.post("/v1/orders", body, Idempotency_Key="k-1")
    assert made.status_code == 200
    assert made.json()["state"] == "open"
    reused = shop.post("/v1/orders", {"id": new_id(), "pack_id": "small"}, Idempotency_Key="k-1")
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert shop.get(f"/v1/orders/{body['id']}").json() == made.json()
    _, shop.token = account(shop.services, shop.clock())
    assert shop.get(f"/v1/orders/{body['id']}").status_code == 404
    assert shop.client.get(f"/v1/orders/{body['id']}").status_code == 401
    assert shop.client.post("/v1/orders", json=body).status_code == 401


def test_a_lost_answer_is_asked_for_again_and_gives_the_same_page(shop: Shop) -> None:
    ident = new_id()
    shop.sim.fault(CREATE, "lost")
    with pytest.raises(Refusal) as refused:
        shop.order(ident=ident)
    assert (refused.value.status, refused.value.code) == (503, "shop_unreachable")
    assert shop.row(ident).state == "new"
    order = shop.order(ident=ident)
    assert order.state == "open"
    assert _pages(shop, ident) == [shop.row(ident).checkout_session_id]


@ALIKE
def test_a_failure_that_stripe_keeps_takes_a_fresh_key(shop: Shop) -> None:
    shop.sim.fault(CREATE, "error")
    order = shop.order()
    row = shop.row(order.id)
    assert (order.state, row.attempt) == ("open", 2)
    shop.sim.fault(CREATE, "error", times=orders.ATTEMPTS)
    stuck = shop.order()
    assert (stuck.state, stuck.checkout_url) == ("new", None)
    assert shop.order(ident=stuck.id).state == "open"


@ALIKE
def test_a_busy_stripe_is_told_as_such(shop: Shop) -> None:
    shop.sim.fault(CREATE, "busy")
    answer = shop.post("/v1/orders", {"id": new_id(), "pack_id": "small"}, Idempotency_Key="k")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def test_a_buyer_comes_back_as_the_same_customer_until_it_is_deleted(shop: Shop) -> None:
    first = shop.bought()
    page = shop.api.v1.checkout.sessions.retrieve(first.checkout_session_id)
    with shop.services.database.reading() as tx:
        person = people.get(tx, shop.account)
    assert person is not None
    assert person.stripe_customer_id == page.customer
    again = shop.bought()
    assert shop.api.v1.checkout.sessions.retrieve(again.checkout_session_id).customer == page.customer
    assert shop.services.stripe is not None
    shop.services.stripe.forget_customer(str(page.customer))
    shop.services.stripe.forget_customer("cus_never_there")
    last = shop.bought()
    assert last.attempt == 2
    assert shop.api.v1.checkout.sessions.retrieve(last.checkout_session_id).customer not in {None, page.customer}
    assert shop.available() == 300


@ALIKE
def test_a_payment_without_a_customer_counts_and_nobody_is_remembered(shop: Shop) -> None:
    order = shop.order()
    page = shop.row(order.id).checkout_session_id
    shop.sim.pay(page)
    shop.sim.change_session(page, customer=None)
    events = shop.news("checkout.session.completed")
    for event in events:
        event["data"]["object"]["customer"] = None
    shop.tell(events)
    assert (shop.row(order.id).state, shop.available()) == ("paid", 100)
    with shop.services.database.reading() as tx:
        person = people.get(tx, shop.account)
    assert person is not None
    assert person.stripe_customer_id is None


@ALIKE
def test_a_changed_address_between_two_tries_takes_a_fresh_key(shop: Shop) -> None:
    ident = new_id()
    shop.sim.fault(CREATE, "lost")
    with pytest.raises(Refusal):
        shop.order(ident=ident)
    with shop.services.database.transaction() as tx:
        from sqlalchemy import update

        from outfitswap_desktop.server.tables.accounts import account_pii

        tx.execute(update(account_pii).values(email_ci="changed@example.org"))
    assert shop.order(ident=ident).state == "open"
    assert shop.row(ident).attempt == 2


@ALIKE
def test_who_may_not_buy_and_what_is_not_for_sale(shop: Shop, open_shop: OpenShop) -> None:
    with pytest.raises(Refusal) as refused:
        shop.order("no-such-pack")
    assert (refused.value.status, refused.value.code) == (404, "unknown_pack")
    with shop.services.database.transaction() as tx:
        assert packs.withdraw(tx, "small")
        assert not packs.withdraw(tx, "no-such-pack")
        assert packs.stock(tx) == 0
    with pytest.raises(Refusal):
        shop.order("small")
    with shop.services.database.transaction() as tx:
        people.freeze(tx, shop.account, now=shop.clock())
    with pytest.raises(Refusal) as refused:
        shop.order("medium")
    assert refused.value.status == 403
    shut = open_shop(stripe_secret_key=SecretStr(""))
    assert shut.client.get("/v1/packs").json() == {"packs": []}
    assert shut.client.post("/v1/stripe/webhook", content=b"{}").status_code == 404
    answer = shut.post("/v1/orders", {"id": new_id(), "pack_id": "medium"}, Idempotency_Key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "shop_shut")
    assert len(shut.rows(tables.orders)) == 0


@ALIKE
def test_packs_are_listed_and_changed_without_touching_orders(shop: Shop) -> None:
    order = shop.order("small")
    with shop.services.database.transaction() as tx:
        packs.put(tx, Pack(id="small", title="Tiny", credits=10, amount_minor=100, currency="EUR"))
        packs.put(tx, Pack(id="huge", title="Huge", credits=5000, amount_minor=30000, currency="usd"))
    listed = shop.client.get("/v1/packs").json()["packs"]
    assert [(pack["id"], pack["credits"]) for pack in listed] == [
        ("small", 10),
        ("medium", 300),
        ("large", 1000),
        ("huge", 5000),
    ]
    assert shop.order(ident=order.id).credits == 100
    shop.sim.pay(shop.row(order.id).checkout_session_id)
    shop.tell(shop.news())
    assert shop.available() == 100


@ALIKE
def test_a_price_kept_at_stripe_is_charged_and_one_that_differs_waits_for_a_person(shop: Shop) -> None:
    product = shop.api.v1.products.create({"name": "Credits"})
    for amount, state in ((900, "paid"), (800, "review")):
        price = shop.api.v1.prices.create({"product": product.id, "unit_amount": amount, "currency": "eur"})
        pack = Pack(id="kept", title="Kept", credits=100, amount_minor=900, currency="eur")
        with shop.services.database.transaction() as tx:
            packs.put(tx, pack, stripe_price_id=price.id)
        order = shop.order("kept")
        shop.sim.pay(shop.row(order.id).checkout_session_id)
        shop.tell(shop.news())
        assert shop.row(order.id).state == state
    assert shop.available() == 100


def test_a_waiting_program_gets_its_order_without_any_webhook_and_does_not_flood_stripe(shop: Shop) -> None:
    order = shop.order()
    page = shop.row(order.id).checkout_session_id
    asked = f"GET /v1/checkout/sessions/{page}"
    before = len(shop.sim.requests())
    for _ in range(5):
        assert shop.get(f"/v1/orders/{order.id}").json()["state"] == "open"
    assert shop.sim.requests()[before:].count(asked) == 1
    shop.sim.pay(page)
    assert shop.get(f"/v1/orders/{order.id}").json()["state"] == "open"
    shop.clock.forward(seconds=11)
    assert shop.get(f"/v1/orders/{order.id}").json()["state"] == "paid"
    assert shop.available() == 100
    shop.tell(shop.news())
    assert shop.available() == 100


@ALIKE
def test_the_landing_page_fulfils_and_survives_a_silent_stripe(shop: Shop) -> None:
    order = shop.order()
    page = shop.row(order.id).checkout_session_id
    shop.sim.pay(page)
    shop.sim.fault(f"GET /v1/checkout/sessions/{page}", "error")
    waiting = fulfil.fulfil(shop.services, order.id, now=shop.clock())
    assert waiting is not None
    assert waiting.state == "open"
    paid = fulfil.fulfil(shop.services, order.id, now=shop.clock())
    assert paid is not None
    assert (paid.state, paid.checkout_url) == ("paid", None)
    assert fulfil.fulfil(shop.services, new_id(), now=shop.clock()) is None
    with shop.services.database.reading() as tx:
        assert [found.id for found in orders.of_account(tx, shop.account)] == [order.id]


def _pages(shop: Shop, order_id: str) -> list[str]:
    listed = shop.api.v1.checkout.sessions.list({"limit": 100}).auto_paging_iter()
    return [page.id for page in listed if page.client_reference_id == order_id]


@ALIKE
def test_two_requests_at_once_make_one_page(shop: Shop) -> None:
    ident = new_id()
    shop.sim.fault(CREATE, "slow", seconds=0.4)
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(shop.order, ident=ident) for _ in range(2))
        assert first.result() == second.result()
    assert _pages(shop, ident) == [shop.row(ident).checkout_session_id]


@ALIKE
def test_what_stripe_refuses_and_who_has_no_address(shop: Shop) -> None:
    with shop.services.database.transaction() as tx:
        pack = Pack(id="bad", title="Bad", credits=1, amount_minor=1, currency="eur")
        packs.put(tx, pack, stripe_price_id="price_never_there")
        shop.account = people.create(tx, email=None, now=shop.clock())
    with pytest.raises(Refusal) as refused:
        shop.order("bad")
    assert refused.value.status == 503
    assert shop.bought("small").state == "paid"
    assert shop.services.stripe is not None
    for kind in ("error", "refused"):
        shop.sim.fault("DELETE /v1/customers", kind)
        with pytest.raises(Unreachable):
            shop.services.stripe.forget_customer("cus_any")
