"""A shop against the imitation of Stripe: events are fetched from it and delivered by hand, in the order that a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import stripe
from fastapi.testclient import TestClient
from sqlalchemy import select

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.licensing.wire.messages import Buy, Order
from outfitswap_desktop.server.accounts import people, sessions
from outfitswap_desktop.server.app import make_app
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.ledger import credits
from outfitswap_desktop.server.ledger.verify import verify
from outfitswap_desktop.server.payments import orders, packs, webhooks
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.services import Services, open_services
from outfitswap_desktop.server.tables import payments as tables
from tests.server.conftest import Hand
from tests.stripesim.process import API_KEY, SECRET, Control, running

ALIKE = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True
)
"""For tests of what the database has no part in: on PostgreSQL they run with the slow ones."""


@pytest.fixture(scope="session")
def stripesim() -> Iterator[Control]:
    """One imitation for all tests."""
    with running() as control:
        yield control


@pytest.fixture
def sim(stripesim: Control) -> Control:
    """The imitation, empty."""
    stripesim.reset()
    return stripesim


@pytest.fixture
def settings(database_url: str, tmp_path: Path, sim: Control) -> Settings:
    return Settings(
        database_url=database_url,
        outfitswap_server_home=tmp_path / "home",
        public_url="http://testserver",
        rate_limits=False,
        sweep_seconds=0,
        metrics_port=0,
        stripe_secret_key=API_KEY,
        stripe_webhook_secrets=SECRET,
        stripe_api_base=sim.address,
    )


@dataclass
class Shop:
    """A server that sells, the imitation of Stripe beside it, and what tests do with both."""

    services: Services
    sim: Control
    clock: Hand
    account: str
    token: str
    api: stripe.StripeClient
    told: set[str] = field(default_factory=set)
    closing: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def client(self) -> TestClient:
        """The server's routes, made when first asked for: they take a quarter of a second."""
        return self.closing.enter_context(TestClient(make_app(self.services)))

    def order(self, pack: str = "small", *, ident: str | None = None) -> Order:
        """Start a purchase."""
        return orders.start(self.services, self.account, Buy(id=ident or new_id(), pack_id=pack), self.clock())

    def bought(self, pack: str = "small") -> Any:
        """A paid order of which every event has been delivered; its row."""
        order = self.order(pack)
        self.sim.pay(self.row(order.id).checkout_session_id)
        self.tell(self.news())
        row = self.row(order.id)
        assert row.state == "paid"
        return row

    def row(self, order_id: str) -> Any:
        """An order's row."""
        with self.services.database.reading() as tx:
            return tx.execute(select(tables.orders).where(tables.orders.c.id == order_id)).one()

    def rows(self, table: Any) -> list[Any]:
        """All rows of a table."""
        with self.services.database.reading() as tx:
            return list(tx.execute(select(table)))

    def news(self, *types: str) -> list[dict[str, Any]]:
        """Events that have not been asked for yet, the oldest first; of these types only, if any are named."""
        found = []
        for event in self.api.v1.events.list({"limit": 100}).auto_paging_iter():
            if event.id not in self.told:
                found.append(event.to_dict())
        self.told |= {event["id"] for event in found}
        return [event for event in reversed(found) if not types or event["type"] in types]

    def tell(self, events: Sequence[dict[str, Any]], *, expect: int = 204) -> None:
        """Deliver events, signed, one after the other, without the way through HTTP."""
        for event in events:
            text = json.dumps(event)
            signature = stripe.WebhookSignature.generate_signature_header(text, SECRET)
            status = 204
            try:
                webhooks.receive(self.services, text.encode(), signature, now=self.clock())
            except Refusal as refused:
                status = refused.status
            assert status == expect, event["type"]

    def send(
        self, body: str | bytes, *, secret: str = SECRET, at: int | None = None, signature: str | None = None
    ) -> Any:
        """Deliver a body, signed by `secret` (at a time, in seconds) or with a signature that is given."""
        text = body if isinstance(body, str) else body.decode("latin-1")
        made = stripe.WebhookSignature.generate_signature_header(text, secret, at) if signature is None else signature
        return self.client.post("/v1/stripe/webhook", content=body, headers={"Stripe-Signature": made})

    def available(self) -> int:
        """What the account can spend."""
        return self.balance().available

    def balance(self) -> Any:
        """The account's credits; the ledger must be in order."""
        with self.services.database.reading() as tx:
            report = verify(tx)
            assert report.ok, report
            return credits.balance(tx, self.account, now=self.clock())

    def get(self, path: str) -> Any:
        """Ask as the signed-in account."""
        return self.client.get(path, headers={"Authorization": f"Bearer {self.token}"})

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """Send as the signed-in account."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, json=body, headers={"Authorization": f"Bearer {self.token}", **given})


def account(services: Services, now: int) -> tuple[str, str]:
    """A new account and an access token of it."""
    with services.database.transaction() as tx:
        ident = people.create(tx, email=f"{new_id().lower()}@example.org", now=now)
        tokens = sessions.open_session(
            tx, services, ident, device_id=None, kind="program", agent="test", ip="127.0.0.1", now=now
        )
    return ident, tokens.access_token


OpenShop = Callable[..., Shop]


@pytest.fixture
def open_shop(settings: Settings, clock: Hand, sim: Control) -> Iterator[OpenShop]:
    """Opens shops on one database; with other settings where asked."""
    opened: list[Shop] = []

    def make(**changes: Any) -> Shop:
        services = open_services(settings.model_copy(update=changes), clock=clock)
        with services.database.transaction() as tx:
            packs.stock(tx)
        ident, token = account(services, clock())
        api = stripe.StripeClient(API_KEY, base_addresses={"api": sim.address}, max_network_retries=0)
        opened.append(Shop(services, sim, clock, ident, token, api))
        return opened[-1]

    yield make
    for each in opened:
        each.closing.close()
        each.services.close()


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    return open_shop()
