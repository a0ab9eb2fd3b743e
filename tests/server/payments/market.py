"""Many buyers at once, through a network and a Stripe that fail: what they did, and what must have come of it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

import httpx
import stripe
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.ledger import credits
from outfitswap_desktop.server.ledger.verify import verify
from outfitswap_desktop.server.payments import fulfil
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables import ledger
from outfitswap_desktop.server.tables import payments as tables
from tests.stripesim.process import API_KEY, Control

AFTERWARDS = {"refund": 0, "part": 89, "failed refund": 100, "dispute won": 100, "dispute lost": 0}
"""What is left of 100 credits for 9.00 and 19 % tax; the part is 1.19."""
FAULTS = {"wrong_secret": 0.05, "truncated": 0.05, "tampered": 0.05, "wrong_mode": 0.05}


@dataclass
class Market:
    """`address` of the server; `services` on its database, for the landing page's race and the reckoning."""

    address: str
    sim: Control
    services: Services
    people: list[tuple[str, str]]
    seed: int
    expected: Counter[str] = field(default_factory=Counter)
    paid: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._api = stripe.StripeClient(API_KEY, base_addresses={"api": self.sim.address}, max_network_retries=5)
        self._local = threading.local()

    def run(self, purchases: int, *, buyers: int = 8) -> None:
        """That many paid orders, and a tenth as many that nobody pays."""
        chance = random.Random(self.seed)
        plans = [self._plan(chance, paid=True) for _ in range(purchases)]
        plans += [self._plan(chance, paid=False) for _ in range(purchases // 10)]
        chance.shuffle(plans)
        with ThreadPoolExecutor(buyers) as pool:
            waiting = [pool.submit(self._purchase, plan) for plan in plans]
            try:
                for done in as_completed(waiting):
                    done.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _plan(self, chance: random.Random, *, paid: bool) -> dict[str, Any]:
        how = chance.choices(["card", "bank", "decline first"], [8, 1, 1])[0]
        return {
            "who": chance.randrange(len(self.people)),
            "how": how if paid else chance.choice(["decline", "expire", "leave", "bank fails"]),
            "paid": paid,
            "landing": chance.random() < 0.3,
            "poll": chance.random() < 0.3,
            "then": chance.choice(list(AFTERWARDS)) if paid and chance.random() < 0.3 else "",
        }

    def _purchase(self, plan: dict[str, Any]) -> None:
        account, token = self.people[plan["who"]]
        ident = new_id()
        page = self._order(ident, token)
        match plan["how"]:
            case "bank" | "bank fails":
                self.sim.pay(page, "bank")
                self.sim.settle(page, well=plan["paid"])
            case "decline first":
                self.sim.pay(page, "decline")
                self.sim.pay(page)
            case "expire":
                self.sim.expire(page)
            case "decline" | "card":
                self.sim.pay(page, plan["how"])
        if plan["landing"]:
            self._persist(lambda: fulfil.fulfil(self.services, ident, now=self.services.clock()))
        if plan["poll"]:
            self._ask("GET", f"/v1/orders/{ident}", token)
        if plan["paid"]:
            self._afterwards(page, plan["then"])
            with self._lock:
                self.paid += 1
                self.expected[account] += AFTERWARDS.get(plan["then"], 100)

    def _afterwards(self, page: str, what: str) -> None:
        if not what:
            return
        intent = self._intent(page)
        if what.startswith("dispute"):
            dispute = self.sim.dispute(intent)
            self.sim.close_dispute(dispute["id"], what.removeprefix("dispute "))
            return
        refund = self.sim.refund(intent, **({"amount": 119} if what == "part" else {}))
        if what == "failed refund":
            self.sim.change_refund(refund["id"], "failed")

    def _intent(self, page: str) -> str:
        """The payment of a page; the faults that are meant for the server may hit this question too."""
        while True:
            try:
                return str(self._api.v1.checkout.sessions.retrieve(page).payment_intent)
            except stripe.StripeError:
                time.sleep(0.05)

    def _order(self, ident: str, token: str) -> str:
        while True:
            made = self._ask("POST", "/v1/orders", token, {"id": ident, "pack_id": "small"})
            if made["state"] != "new":
                return str(made["checkout_url"]).rpartition("/")[2]

    def _ask(self, method: str, path: str, token: str, body: Any = None) -> dict[str, Any]:
        """Until it is answered, by the same id."""
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": body["id"] if body else ""}
        end = time.monotonic() + 120
        while True:
            try:
                answer = self._http().request(method, self.address + path, json=body, headers=headers)
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code < 500:
                answer.raise_for_status()
                found: dict[str, Any] = answer.json()
                return found
            assert time.monotonic() < end, "The server does not come back."
            time.sleep(0.05)

    def _http(self) -> httpx.Client:
        if not hasattr(self._local, "http"):
            self._local.http = httpx.Client(timeout=60, trust_env=False)
        client: httpx.Client = self._local.http
        return client

    def _persist(self, act: Callable[[], Any]) -> None:
        end = time.monotonic() + 120
        while True:
            try:
                act()
                return
            except DBAPIError:
                assert time.monotonic() < end
                time.sleep(0.05)

    def purchases(self) -> int:
        """How many purchases the ledger has."""
        with self.services.database.reading() as tx:
            count = select(func.count()).select_from(ledger.ledger_txns)
            return tx.execute(count.where(ledger.ledger_txns.c.kind == "purchase")).scalar_one()

    def reckon(self) -> None:
        """One posting for each paid order and none else, every account as expected, and no trace of what was forged."""
        with self.services.database.reading() as tx:
            refs = tx.execute(select(ledger.ledger_txns.c.ref).where(ledger.ledger_txns.c.kind == "purchase")).scalars()
            pages = select(tables.orders.c.checkout_session_id).where(tables.orders.c.credited > 0)
            assert sorted(refs) == sorted(tx.execute(pages).scalars())
            report = verify(tx)
            assert report.ok, report
            now = self.services.clock()
            found = {account: credits.balance(tx, account, now=now) for account, _ in self.people}
            assert {account: balance.available for account, balance in found.items()} == {
                account: self.expected[account] for account, _ in self.people
            }
            assert {balance.debt for balance in found.values()} == {0}
            states = {row.state for row in tx.execute(select(tables.orders.c.state))}
            assert "review" not in states
            events = set(tx.execute(select(tables.stripe_events.c.event_id)).scalars())
            unfinished = select(func.count()).where(tables.stripe_events.c.processed_at.is_(None))
            assert tx.execute(unfinished).scalar_one() == 0
        assert self.purchases() == self.paid
        assert not [event for event in events if event.endswith(("x", "t")) and event[:-1] in events]
        forged = [each for each in self.sim.deliveries() if each["fault"] != "genuine"]
        assert {each["status"] for each in forged} <= {400, 0, 500}
        assert any(each["status"] == 400 for each in forged)
        names = {"tampered": "t", "wrong_mode": "x"}
        assert not {each["event"] + names.get(each["fault"], "!") for each in forged} & events
