"""Many purchases through bad networks, forged bodies and dying servers: each paid one is credited once."""

from __future__ import annotations

import os
import statistics
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.payments import packs
from outfitswap_desktop.server.payments.reconcile import reconcile
from outfitswap_desktop.server.services import Services, open_services
from tests.server.payments.conftest import account
from tests.server.payments.market import FAULTS, Market
from tests.server.payments.serving import Process, database, environment, in_thread
from tests.stripesim.process import SECRET, Control

KILLS = 12
"""After so many the rest of the run is left in peace: starting takes longer than buying."""
NEW_SECRET = "whsec_the_next_one"


@pytest.fixture
def stall(settings: Settings) -> Iterator[Services]:
    """Services of this process on the server's database, on real time."""
    opened = open_services(settings)
    with opened.database.transaction() as tx:
        packs.stock(tx)
    yield opened
    opened.close()


def people(services: Services, count: int) -> list[tuple[str, str]]:
    return [account(services, services.clock()) for _ in range(count)]


def finish(market: Market) -> int:
    """Let everything arrive, and reconcile what did not; how much that repaired."""
    market.sim.webhook(delay=0.0)
    market.sim.quiet(timeout=300)
    before = market.purchases()
    later = market.services.clock() + 3_600_000
    while (report := reconcile(market.services, since=0, now=later)).repaired or report.troubles:
        assert all("not answer" in trouble for trouble in report.troubles), report
    assert before <= market.purchases()
    return market.purchases() - before


def test_forty_purchases(stall: Services, settings: Settings, sim: Control) -> None:
    with in_thread(open_services(settings)) as address:
        market = Market(address, sim, stall, people(stall, 3), seed=1)
        webhook: dict[str, Any] = {"duplicate": 2, "drop": 0.05, "delay": 0.3, "seed": 1, **FAULTS}
        sim.webhook(url=f"{address}/v1/stripe/webhook", **webhook)
        for kind in ("lost", "error", "busy"):
            sim.fault("POST /v1/checkout/sessions", kind)
        market.run(40, buyers=4)
        finish(market)
        market.reckon()


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_thousand_purchases_while_the_server_and_the_database_die(kind: str, sim: Control, tmp_path: Path) -> None:
    """The server is killed again and again, PostgreSQL stopped at once, and the webhook's secret replaced on the way."""
    with database(kind, tmp_path) as (url, crash):
        settings = {**environment(url, tmp_path / "home", stripe=sim.address), "SWEEP_SECONDS": "0"}
        stall = open_services(Settings(**{name.lower(): value for name, value in settings.items()}))
        with stall.database.transaction() as tx:
            packs.stock(tx)
        server = Process(settings)
        server.start()
        market = Market(server.address, sim, stall, people(stall, 20), seed=2)
        webhook: dict[str, Any] = {"duplicate": 4, "drop": 0.05, "delay": 2.0, "seed": 2, **FAULTS}
        sim.webhook(url=f"{server.address}/v1/stripe/webhook", retries=[0.5, 1, 2, 4, 8], **webhook)
        trouble = Trouble(server, sim, crash)
        trouble.start()
        try:
            try:
                market.run(1000, buyers=8)
            finally:
                trouble.stop()
            repaired = finish(market)
            market.reckon()
        finally:
            server.kill()
            stall.close()
        assert market.paid == 1000
        assert trouble.kills >= 10
        deliveries = sim.deliveries()
        done = sorted(each["seconds"] for each in deliveries if each["status"] == 204)
        figures = {
            "kills": trouble.kills,
            "crashes of the database": trouble.crashes,
            "deliveries": len(deliveries),
            "forged": sum(each["fault"] != "genuine" for each in deliveries),
            "repaired by reconcile": repaired,
            "ack p50 ms": round(statistics.median(done) * 1000, 1),
            "ack p99 ms": round(done[int(len(done) * 0.99)] * 1000, 1),
        }
        (Path(os.environ.get("OUTFITSWAP_TEST_FIGURES", tmp_path)) / f"faults-{kind}.txt").write_text(f"{figures}\n")


class Trouble(threading.Thread):
    """Kills the server every few seconds; crashes the database now and then; replaces the webhook's secret in three steps."""

    def __init__(self, server: Process, sim: Control, crash: Any) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        self.crashes = 0
        self._server = server
        self._sim = Control(sim.address)
        self._crash = crash
        self._end = threading.Event()

    def run(self) -> None:
        while self.kills < KILLS and not self._end.wait(1.8):
            self._server.kill()
            self.kills += 1
            if self._crash is not None and self.kills % 3 == 0:
                self._crash()
                self.crashes += 1
            match self.kills:
                case 3:
                    self._server.settings["STRIPE_WEBHOOK_SECRETS"] = f"{NEW_SECRET},{SECRET}"
                case 5:
                    self._sim.webhook(secrets=[NEW_SECRET, SECRET])
                case 7:
                    self._sim.webhook(secrets=[NEW_SECRET])
                case 9:
                    self._server.settings["STRIPE_WEBHOOK_SECRETS"] = NEW_SECRET
            self._server.start()
            for fault in ("lost", "error", "busy"):
                self._sim.fault("POST /v1/checkout/sessions", fault)
                self._sim.fault("GET /v1/checkout/sessions", fault)

    def stop(self) -> None:
        self._end.set()
        self.join()
