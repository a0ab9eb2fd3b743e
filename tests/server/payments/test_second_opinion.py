"""localstripe, an imitation of Stripe by others, must agree with ours wherever it knows the object: customers, payment
intents, charges, refunds and the signature of its webhooks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import httpx
import pytest
import stripe
from sqlalchemy import update

from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.payments import payback
from outfitswap_desktop.server.payments.facts import RefundFact
from outfitswap_desktop.server.payments.gateway import Gateway
from outfitswap_desktop.server.services import open_services
from outfitswap_desktop.server.tables import payments as tables
from tests.server.payments.conftest import ALIKE, Shop
from tests.server.payments.serving import free_port, in_thread
from tests.stripesim.process import API_KEY, SECRET, Control


@pytest.fixture(scope="session")
def localstripe() -> Iterator[str]:
    """Its address; a process of its own."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "localstripe", "--from-scratch", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{address}/v1/customers", auth=(API_KEY, ""), trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < end
                time.sleep(0.05)
        yield address
    finally:
        process.kill()
        process.wait()


@dataclass
class Opinion:
    """One imitation: our gateway to it, the bare SDK to it, and a payment of 10.71 EUR on it."""

    gateway: Gateway
    api: stripe.StripeClient
    customer: str
    intent: str
    charge: str


@pytest.fixture(params=["stripesim", "localstripe"])
def opinion(request: pytest.FixtureRequest, sim: Control) -> Opinion:
    ours = request.param == "stripesim"
    address = sim.address if ours else request.getfixturevalue("localstripe")
    gateway = Gateway(Settings(stripe_secret_key=API_KEY, stripe_webhook_secrets=SECRET, stripe_api_base=address))
    api = stripe.StripeClient(API_KEY, base_addresses={"api": address})
    customer = api.v1.customers.create({"email": "buyer@example.org"})
    if ours:
        page = api.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "success_url": "http://testserver/",
                "customer": customer.id,
                "line_items": [
                    {
                        "quantity": 1,
                        "price_data": {"currency": "eur", "unit_amount": 1071, "product_data": {"name": "C"}},
                    }
                ],
            }
        )
        sim.pay(page.id)
        intent = str(api.v1.checkout.sessions.retrieve(page.id).payment_intent)
    else:
        card = api.v1.payment_methods.create(
            {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}}
        )
        api.v1.payment_methods.attach(card.id, {"customer": customer.id})
        made = {"amount": 1071, "currency": "eur", "customer": customer.id, "payment_method": card.id, "confirm": True}
        intent = api.v1.payment_intents.create(made).id  # type: ignore[arg-type]
    paid = api.v1.payment_intents.retrieve(intent)
    assert paid.status == "succeeded"
    charge = paid.latest_charge
    return Opinion(gateway, api, customer.id, intent, charge if isinstance(charge, str) else str(charge and charge.id))


def test_refunds_read_alike(opinion: Opinion) -> None:
    part = opinion.gateway.pay_back(opinion.intent, amount=71, key="a")
    assert part is not None
    assert replace(part, id="", created=0) == RefundFact("", opinion.intent, 71, "succeeded", 0)
    assert opinion.gateway.refund(part.id) == part
    rest = opinion.gateway.pay_back(opinion.intent, amount=1000, key="b")
    assert set(opinion.gateway.refunds(charge=opinion.charge)) == {part, rest}
    with pytest.raises(ValueError, match=r"(?i)no such|not found"):
        opinion.gateway.pay_back("pi_never_there", amount=1, key="c")


def test_customers_are_forgotten_alike(opinion: Opinion) -> None:
    opinion.gateway.forget_customer(opinion.customer)
    opinion.gateway.forget_customer(opinion.customer)
    opinion.gateway.forget_customer("cus_never_there")


def test_payments_and_charges_look_alike(opinion: Opinion) -> None:
    intent = opinion.api.v1.payment_intents.retrieve(opinion.intent).to_dict()
    charge = opinion.api.v1.charges.retrieve(opinion.charge).to_dict()
    about = {name: intent[name] for name in ("object", "amount", "currency", "status", "customer")}
    assert about == {
        "object": "payment_intent",
        "amount": 1071,
        "currency": "eur",
        "status": "succeeded",
        "customer": opinion.customer,
    }
    assert (charge["object"], charge["amount"], charge["status"]) == ("charge", 1071, "succeeded")
    assert charge["payment_intent"] == opinion.intent
    events = opinion.api.v1.events.list({"type": "payment_intent.succeeded"}).data
    mine = [event.to_dict() for event in events if event.data.object["id"] == opinion.intent]
    assert len(mine) == 1
    assert {"id", "object", "type", "created", "data"} <= set(mine[0])


@ALIKE
def test_its_webhooks_and_refunds_go_all_the_way(shop: Shop, settings: Settings, localstripe: str) -> None:
    """An order's payment lies on localstripe: its own event is taken, and a refund there takes the credits back."""
    row = shop.bought("small")
    theirs = open_services(settings.model_copy(update={"stripe_api_base": localstripe}), clock=shop.clock)
    api = stripe.StripeClient(API_KEY, base_addresses={"api": localstripe})
    with in_thread(theirs) as address:
        httpx.post(
            f"{localstripe}/_config/webhooks/ours",
            json={"url": f"{address}/v1/stripe/webhook", "secret": SECRET, "events": ["payment_intent.succeeded"]},
        ).raise_for_status()
        card = api.v1.payment_methods.create(
            {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}}
        )
        intent = api.v1.payment_intents.create(
            {"amount": row.paid_minor, "currency": "eur", "payment_method": card.id, "confirm": True}
        )
        with shop.services.database.transaction() as tx:
            tx.execute(update(tables.orders).values(payment_intent=intent.id))
        end = time.monotonic() + 20
        while not (mine := [each for each in shop.rows(tables.stripe_events) if each.payload["id"] == intent.id]):
            assert time.monotonic() < end, (
                "Its webhook has not come."
            )  # those of earlier tests' payments may come first
            time.sleep(0.05)
        (event,) = mine
        assert (event.type, event.error) == ("payment_intent.succeeded", "")
        assert event.processed_at is not None
        order = payback.refund(theirs, row.id, amount_minor=119, key="x", now=shop.clock())
        assert (order.state, shop.available()) == ("paid", 89)
        order = payback.refund(theirs, row.id, amount_minor=row.paid_minor - 119, key="y", now=shop.clock())
        assert (order.state, shop.available()) == ("refunded", 0)
