"""Many threads at once on one ledger: purchases, jobs, leases and refunds, with replays, double and conflicting settles; and
what must be true afterwards, counted a second time from the answers alone."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from fastapi import Request
from sqlalchemy import func, select

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.ledger import credits, reservations
from outfitswap_desktop.server.ledger.idempotency import REPLAYED, once
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.accounts import accounts
from outfitswap_desktop.server.tables.ledger import ledger_entries
from tests.server.conftest import START
from tests.server.ledger.conftest import PRICES, open_person, report

HOT = 0.3
"""Share of all that happens which happens to one account."""


@dataclass
class Told:
    """What the server has acknowledged."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    bought: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    spent: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    burned: dict[str, int] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def note(self, book: dict[str, int], key: str, value: int) -> None:
        with self.lock:
            book[key] = value


@dataclass(frozen=True)
class Who:
    account_id: str
    device_id: None = None


class Storm:
    """`threads` threads with `each` acts on `users` accounts and a hot one."""

    def __init__(
        self, services: Any, *, threads: int, each: int, users: int = 50, seed: int = 0, paid: int = 60
    ) -> None:
        self.services, self.database = services, services.database
        self.threads, self.each, self.seed = threads, each, seed
        self.told = Told()
        self.people = [open_person(self.database, paid=paid) for _ in range(users)]
        self.hot = open_person(self.database, paid=paid * 4, promo=paid, promo_until=START + 1000)
        self.start = paid * users + paid * 5
        self.open: list[tuple[str, str, int]] = []
        self.leases: list[tuple[str, int]] = []
        self.keys: list[tuple[str, str, messages.Reserve]] = []

    def run(self) -> Storm:
        """Let it rage."""
        gate = threading.Barrier(self.threads)
        running = [threading.Thread(target=self._one, args=(number, gate)) for number in range(self.threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        return self

    def faults(self) -> dict[str, int]:
        """Everything that is off: by invariant of the ledger, by what was acknowledged, and answers that should not be."""
        found = {name: off for name, off in report(self.database).off.items() if off}
        with self.database.reading() as tx:
            rows = tx.execute(
                select(ledger_entries.c.ledger_account_id, func.sum(ledger_entries.c.amount)).group_by(
                    ledger_entries.c.ledger_account_id
                )
            ).all()
            debt = int(tx.scalar(select(func.sum(accounts.c.debt_credits))) or 0)
        at = {name: int(total) for name, total in rows}
        told = self.told
        minted = self.start + sum(told.bought.values())
        burned = sum(max(each) for each in told.spent.values() if each) + sum(told.burned.values())
        found["minted"] = abs(minted + sum(total for name, total in at.items() if name.startswith("mint:")))
        found["told burned"] = abs(at.get("burn:jobs", 0) - burned)
        found["told taken"] = abs(at.get("refund:stripe", 0) - sum(told.taken.values()))
        mine = sum(total for name, total in at.items() if name.startswith(("u:", "lease:")))
        gone = sum(at.get(name, 0) for name in ("burn:jobs", "refund:stripe", "breakage"))
        found["kept"] = abs(minted - gone - mine)
        found["debt told"] = abs(debt + sum(total for name, total in at.items() if name.endswith(":debt")))
        found["ends twice"] = sum(len(each) > 1 for each in told.spent.values())
        found["wrong answers"] = len(told.wrong)
        return {name: off for name, off in found.items() if off}

    def _one(self, number: int, gate: threading.Barrier) -> None:
        dice = random.Random(self.seed * 1000 + number)
        acts: tuple[tuple[Callable[[random.Random, str], None], int], ...] = (
            (self._reserve, 30), (self._settle, 34), (self._replay, 12), (self._buy, 8),
            (self._lend, 4), (self._burn, 6), (self._return, 2), (self._refund, 2), (self._sweep, 2),
        )  # fmt: skip
        gate.wait()
        for _ in range(self.each):
            (act,) = dice.choices([act for act, _ in acts], [weight for _, weight in acts])
            account = self.hot if dice.random() < HOT else dice.choice(self.people)
            try:
                act(dice, account)
            except Refusal as refusal:
                self.told.count(refusal.code)
            except Exception as error:  # noqa: BLE001 -- whatever comes is a finding
                with self.told.lock:
                    self.told.wrong.append(f"{act.__name__}: {error!r}"[:300])

    def _ask(self, account: str, path: str, body: Any, action: Any, key: str | None = None) -> Any:
        """Through the same door as over HTTP."""
        key = key or new_id()
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "server": ("t", 80),
                 "scheme": "http", "headers": [(b"idempotency-key", key.encode())]}  # fmt: skip
        answer = once(self.services, Who(account), Request(scope), body, action)
        text = bytes(answer.body).decode()
        with self.told.lock:
            first = self.told.answers.setdefault(f"{account}:{key}", text)
            self.told.counts["replayed"] += REPLAYED in answer.headers
            if first != text:
                self.told.wrong.append(f"{first} then {text}")
        return json.loads(text)

    def _reserve(self, dice: random.Random, account: str) -> None:
        credits_ = dice.randint(1, 5)
        ttl = 60 if dice.random() < 0.2 else 7200
        body = messages.Reserve(
            id=new_id(), credits=credits_, images=credits_, job_id="job", engine="sd15", ttl_seconds=ttl
        )
        key = new_id()
        self.keys.append((account, key, body))
        self._hold(account, key, body)
        if dice.random() < 0.2:
            self._hold(account, key, body)

    def _hold(self, account: str, key: str, body: messages.Reserve) -> None:
        self._ask(
            account,
            "/v1/reservations",
            body,
            lambda tx, now: reservations.reserve(tx, account, body, device_id=None, prices=PRICES, now=now),
            key,
        )
        self.open.append((account, body.id, body.credits))

    def _replay(self, dice: random.Random, _: str) -> None:
        if self.keys:
            self._hold(*dice.choice(self.keys[-60:]))

    def _settle(self, dice: random.Random, _: str) -> None:
        """One of the newest, so that others settle the same at the same moment, like this or otherwise."""
        if not self.open:
            return
        account, reservation, held = dice.choice(self.open[-24:])
        key = new_id()
        for _again in range(2 if dice.random() < 0.2 else 1):
            if dice.random() < 0.7:
                spent = held if dice.random() < 0.7 else dice.randint(0, held)
                body: Any = messages.Commit(spent=spent)
                key = key if _again == 0 else new_id()
                self._end(account, reservation, "commit", key, body, spent=spent)
            else:
                key = new_id()
                self._end(account, reservation, "void", key, messages.Void(reason="cancelled"), spent=0)

    def _end(self, account: str, reservation: str, verb: str, key: str, body: Any, *, spent: int) -> None:
        def action(tx: Any, now: int) -> Any:
            if verb == "commit":
                return reservations.commit(tx, account, reservation, spent=spent, device_id=None, now=now)
            return reservations.void(tx, account, reservation, reason=body.reason, device_id=None, now=now)

        answer = self._ask(account, f"/v1/reservations/{reservation}/{verb}", body, action, key)
        with self.told.lock:
            self.told.spent[reservation].add(answer["spent"])

    def _buy(self, dice: random.Random, account: str) -> None:
        """Stripe tells the same purchase again, here and there at the same moment."""
        ref = f"cs_{dice.randint(0, self.threads * self.each // 20)}"
        people = [*self.people, self.hot]
        account = people[crc32(ref.encode()) % len(people)]
        amount = 5 + crc32(ref.encode()) % 7
        with self.database.transaction() as tx:
            credits.give(tx, account, bucket="paid", credits=amount, kind="purchase", ref=ref, actor="t", now=START)
        self.told.note(self.told.bought, ref, amount)

    def _refund(self, dice: random.Random, account: str) -> None:
        ref, amount = f"re_{dice.randint(0, 9)}", 15
        account = self.people[crc32(ref.encode()) % len(self.people)]
        with self.database.transaction() as tx:
            credits.take_back(tx, account, credits=amount, kind="refund", ref=ref, actor="t", now=self._now())
        self.told.note(self.told.taken, ref, amount)

    def _lend(self, dice: random.Random, account: str) -> None:
        lease, amount = new_id(), dice.randint(2, 6)
        for _ in range(2):
            with self.database.transaction() as tx:
                credits.lease_out(tx, account, lease, credits=amount, actor="t", now=self._now())
        self.leases.append((lease, amount))

    def _burn(self, dice: random.Random, _: str) -> None:
        if not self.leases:
            return
        lease, amount = dice.choice(self.leases[-10:])
        ref = f"{lease}:{dice.randint(1, amount)}"
        with self.database.transaction() as tx:
            credits.lease_burn(tx, lease, credits=1, ref=ref, actor="t", now=self._now())
        self.told.note(self.told.burned, ref, 1)

    def _return(self, dice: random.Random, _: str) -> None:
        if self.leases:
            lease, _amount = dice.choice(self.leases[-10:])
            with self.database.transaction() as tx:
                credits.lease_back(tx, lease, actor="t", now=self._now())

    def _sweep(self, dice: random.Random, _: str) -> None:
        self.services.clock.forward(seconds=dice.choice((1, 20, 61)))
        now = self._now()
        with self.database.transaction() as tx:
            reservations.expire_due(tx, now=now, limit=50)
        with self.database.transaction() as tx:
            credits.expire_grants(tx, now=now, limit=50)

    def _now(self) -> int:
        return int(self.services.clock())


def storm_of(services: Any, **size: int) -> Storm:
    """A storm that has raged."""
    return Storm(services, **size).run()
