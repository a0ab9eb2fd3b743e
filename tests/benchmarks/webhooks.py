"""How long Stripe waits for the acknowledgement of a webhook, while purchases are made and nothing fails.

    python -m tests.benchmarks.webhooks [--on sqlite postgresql] [--purchases 200] [--buyers 2 8]

The server is a process of its own, Stripe its imitation in another. Each purchase orders, pays and causes several events; the
effect is in the database before the acknowledgement. Prints JSON: milliseconds as Stripe's side measured them, and the load.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.payments import packs
from outfitswap_desktop.server.services import now_ms, open_services
from tests.server.payments.conftest import account
from tests.server.payments.market import FAULTS, Market
from tests.server.payments.serving import Process, database, environment
from tests.stripesim.process import running


def measure(kind, *, purchases, buyers):
    """One run on a fresh database."""
    with tempfile.TemporaryDirectory(prefix="hooks") as name, running() as sim:
        folder = Path(name)
        with database(kind, folder) as (url, _):
            settings = environment(url, folder / "home", stripe=sim.address)
            services = open_services(Settings(**{name.lower(): value for name, value in settings.items()}))
            with services.database.transaction() as tx:
                packs.stock(tx)
            server = Process(settings)
            server.start()
            try:
                sim.webhook(url=f"{server.address}/v1/stripe/webhook", seed=3, **FAULTS)  # forged ones among them
                market = Market(server.address, sim, services, [account(services, now_ms()) for _ in range(20)], seed=3)
                load = os.getloadavg()[0]
                market.run(purchases, buyers=buyers)
                sim.quiet(timeout=60)
                market.reckon()
            finally:
                server.kill()
                services.close()
        seconds = sorted(each["seconds"] for each in sim.deliveries() if each["status"] == 204)
    return {
        "purchases": purchases,
        "buyers": buyers,
        "acknowledged": len(seconds),
        "p50_ms": round(statistics.median(seconds) * 1000, 1),
        "p99_ms": round(seconds[int(len(seconds) * 0.99)] * 1000, 1),
        "load_before": round(load, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", nargs="+", default=["sqlite", "postgresql"], choices=["sqlite", "postgresql"])
    parser.add_argument("--purchases", type=int, default=200)
    parser.add_argument("--buyers", nargs="+", type=int, default=[2, 8])
    options = parser.parse_args()
    found = {
        kind: [measure(kind, purchases=options.purchases, buyers=buyers) for buyers in options.buyers]
        for kind in options.on
    }
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
