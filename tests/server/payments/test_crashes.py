"""The server dies between two effects: started again, each order has one page and each payment one posting."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.failpoints import VARIABLE
from outfitswap_desktop.server.services import Services
from tests.server.payments.market import Market
from tests.server.payments.serving import Process
from tests.server.payments.test_faults import people, stall
from tests.stripesim.process import API_KEY, SECRET, Control

__all__ = ["stall"]


@pytest.mark.slow
def test_dying_at_every_named_place(stall: Services, settings: Settings, sim: Control, tmp_path: Path) -> None:
    server = Process(
        {
            "DATABASE_URL": settings.database_url,
            "OUTFITSWAP_SERVER_HOME": str(tmp_path / "home"),
            "PUBLIC_URL": "http://testserver",
            "RATE_LIMITS": "false",
            "SWEEP_SECONDS": "0",
            "METRICS_PORT": "0",
            "STRIPE_SECRET_KEY": API_KEY,
            "STRIPE_WEBHOOK_SECRETS": SECRET,
            "STRIPE_API_BASE": sim.address,
        }
    )
    try:
        _die_everywhere(server, stall, sim)
    finally:
        server.kill()


def _die_everywhere(server: Process, stall: Services, sim: Control) -> None:
    ((account, token),) = people(stall, 1)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    ident = new_id()
    server.start(**{VARIABLE: "order-page-made"})
    with pytest.raises(httpx.HTTPError):
        httpx.post(f"{server.address}/v1/orders", json={"id": ident, "pack_id": "small"}, headers=headers)
    assert server.ended() == 137
    server.start(**{VARIABLE: "webhook-applied"})
    order = httpx.post(f"{server.address}/v1/orders", json={"id": ident, "pack_id": "small"}, headers=headers).json()
    assert order["state"] == "open"
    page = order["checkout_url"].rpartition("/")[2]
    assert sim.requests().count("POST /v1/checkout/sessions") == 2
    sim.webhook(url=f"{server.address}/v1/stripe/webhook", events=["checkout.session.completed"], retries=[0.2] * 200)
    sim.pay(page)
    assert server.ended() == 137
    market = Market(server.address, sim, stall, [(account, token)], seed=1)
    assert market.purchases() == 0
    server.start(**{VARIABLE: "webhook-committed"})
    assert server.ended() == 137
    assert market.purchases() == 1
    server.start()
    sim.quiet()
    assert sim.deliveries()[-1]["status"] == 204
    assert market.purchases() == 1
    assert httpx.get(f"{server.address}/v1/orders/{ident}", headers=headers).json()["state"] == "paid"
