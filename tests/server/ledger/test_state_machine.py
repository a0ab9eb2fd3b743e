"""Any order of events on the ledger, against a model in plain Python that knows nothing of SQL or postings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.ledger import credits, reservations
from outfitswap_desktop.server.problems import Refusal
from tests.server.conftest import START
from tests.server.ledger.conftest import open_person, report

HOUR = 3_600_000
few = st.integers(1, 6)


@dataclass
class Grant:
    """Credits of one origin; `until` is when they end."""

    bucket: str
    left: int
    until: int | None

    def usable(self, now: int) -> bool:
        return self.left > 0 and (self.until is None or self.until > now)


@dataclass
class Held:
    """Credits that are away: with a job or in a lease; `parts` in the order in which they burn."""

    parts: list[tuple[Grant, int]]
    until: int = 0
    state: str = "held"
    spent: int = 0

    @property
    def credits(self) -> int:
        return sum(part for _, part in self.parts)


@dataclass
class Model:
    """One account as it should stand."""

    grants: list[Grant] = field(default_factory=list)
    debt: int = 0
    jobs: dict[str, Held] = field(default_factory=dict)
    leases: dict[str, Held] = field(default_factory=dict)

    def order(self, now: int) -> list[Grant]:
        usable = [grant for grant in self.grants if grant.usable(now)]
        return sorted(usable, key=lambda each: (each.bucket != "promo", each.until is None, each.until or 0))

    def available(self, now: int, bucket: str = "") -> int:
        return sum(grant.left for grant in self.order(now) if bucket in ("", grant.bucket))

    def give(self, bucket: str, amount: int, until: int | None) -> None:
        paid_off = min(self.debt, amount)
        self.debt -= paid_off
        if amount > paid_off:
            self.grants.append(Grant(bucket, amount - paid_off, until))

    def draw(self, grants: list[Grant], amount: int) -> list[tuple[Grant, int]]:
        parts = []
        for grant in grants:
            part = min(grant.left, amount)
            grant.left -= part
            amount -= part
            if part:
                parts.append((grant, part))
        return parts

    def take_back(self, amount: int, now: int) -> None:
        found = sum(part for _, part in self.draw(self.order(now)[::-1], amount))
        self.debt += amount - found

    def end(self, held: Held, spent: int, now: int) -> int:
        """Burn the first `spent` and return the rest; what has expired is gone."""
        returned = 0
        for grant, part in held.parts:
            used = min(spent, part)
            spent -= used
            if grant.until is None or grant.until > now:
                grant.left += part - used
                returned += part - used
        return returned


class Ledger(RuleBasedStateMachine):
    """`database` and `steps` are set by the test; accounts are each run's own, the clock only ever goes on."""

    database: Database
    now: list[int]
    steps: list[int]

    jobs = Bundle("jobs")
    leases = Bundle("leases")

    @initialize()
    def register(self) -> None:
        self.account = open_person(self.database)
        self.model = Model()
        self.refs: list[tuple[str, dict[str, Any]]] = []

    def do(self, act: Callable[[Any], Any]) -> Any:
        self.steps[0] += 1
        with self.database.transaction() as tx:
            return act(tx)

    def refused(self, act: Callable[[Any], Any]) -> str:
        try:
            self.do(act)
        except Refusal as refusal:
            return refusal.code
        return ""

    @rule(amount=st.integers(1, 12), bucket=st.sampled_from(["paid", "promo"]), hours=st.none() | few)
    def give(self, amount: int, bucket: str, hours: int | None) -> None:
        until = None if hours is None else self.now[0] + hours * HOUR
        about = {
            "bucket": bucket, "credits": amount, "kind": "purchase" if bucket == "paid" else "promo",
            "ref": new_id(), "actor": "t", "now": self.now[0], "expires_at": until,
        }  # fmt: skip
        assert self.do(lambda tx: credits.give(tx, self.account, **about))
        self.refs.append(("give", about))
        self.model.give(bucket, amount, until)

    @rule(amount=st.integers(1, 9), kind=st.sampled_from(["refund", "dispute", "revoke"]))
    def take_back(self, amount: int, kind: str) -> None:
        about = {"credits": amount, "kind": kind, "ref": new_id(), "actor": "t", "now": self.now[0]}
        assert self.do(lambda tx: credits.take_back(tx, self.account, **about))
        self.refs.append(("take_back", about))
        self.model.take_back(amount, self.now[0])

    @rule(place=st.integers(0, 50))
    def told_again(self, place: int) -> None:
        if self.refs:
            name, about = self.refs[place % len(self.refs)]
            assert not self.do(lambda tx: getattr(credits, name)(tx, self.account, **about))

    @rule(more=few)
    def reserve_too_much(self, more: int) -> None:
        wish = self._wish(self.model.available(self.now[0]) + more, 60)
        assert self.refused(self._reserving(wish)) == ("debt" if self.model.debt else "no_credits")

    @rule(target=jobs, amount=few, minutes=st.integers(1, 200), again=st.booleans())
    def reserve(self, amount: int, minutes: int, again: bool) -> str:
        wish = self._wish(amount, minutes)
        now = self.now[0]
        if self.model.debt or self.model.available(now) < amount:
            assert self.refused(self._reserving(wish)) == ("debt" if self.model.debt else "no_credits")
            return ""
        answer = self.do(self._reserving(wish))
        parts = self.model.draw(self.model.order(now), amount)
        self.model.jobs[wish.id] = Held(parts, until=now + wish.ttl_seconds * 1000)
        assert answer.available == self.model.available(now)
        if again:
            assert self.do(self._reserving(wish)) == answer
        return wish.id

    @rule(job=jobs, share=st.integers(0, 6))
    def commit(self, job: str, share: int) -> None:
        held = self._mine(job)
        if held is None:
            return
        spent = min(share, held.credits)
        act = self._committing(job, spent)
        if held.state == "held":
            answer = self.do(act)
            self.model.end(held, spent, self.now[0])
            held.state, held.spent = "committed", spent
            assert (answer.state, answer.spent) == ("committed", spent)
        elif (held.state, held.spent) == ("committed", spent):
            assert self.do(act).state == "committed"
        else:
            assert self.refused(act) == "settled_otherwise"

    @rule(job=jobs)
    def commit_too_much(self, job: str) -> None:
        held = self._mine(job)
        if held is not None:
            expected = "too_much" if held.state == "held" else "settled_otherwise"
            assert self.refused(self._committing(job, held.credits + 1)) == expected

    @rule(job=jobs)
    def void(self, job: str) -> None:
        held = self._mine(job)
        if held is None:
            return

        def act(tx: Any) -> Any:
            return reservations.void(tx, self.account, job, reason="t", device_id=None, now=self.now[0])

        if held.state == "committed":
            assert self.refused(act) == "settled_otherwise"
            return
        assert self.do(act).state == ("voided" if held.state == "held" else held.state)
        if held.state == "held":
            self.model.end(held, 0, self.now[0])
            held.state = "voided"

    @rule(job=jobs, minutes=st.integers(1, 300))
    def extend(self, job: str, minutes: int) -> None:
        held = self._mine(job)
        if held is None:
            return

        def act(tx: Any) -> Any:
            return reservations.extend(tx, self.account, job, ttl_seconds=minutes * 60, now=self.now[0])

        if held.state == "held":
            held.until = max(held.until, self.now[0] + minutes * 60_000)
            assert self.do(act).expires_at == held.until
        else:
            assert self.refused(act) == "settled_otherwise"

    @rule(target=leases, amount=few, again=st.booleans())
    def lend(self, amount: int, again: bool) -> str:
        lease, now = new_id(), self.now[0]

        def act(tx: Any) -> None:
            credits.lease_out(tx, self.account, lease, credits=amount, actor="t", now=now)

        if self.model.available(now) < amount:
            assert self.refused(act) == "no_credits"
            return ""
        for _ in range(2 if again else 1):
            self.do(act)
        self.model.leases[lease] = Held(self.model.draw(self.model.order(now), amount))
        return lease

    @rule(lease=leases, amount=few, again=st.booleans())
    def burn(self, lease: str, amount: int, again: bool) -> None:
        held = self.model.leases.get(lease)
        if held is None:
            return
        ref = new_id()

        def act(tx: Any) -> bool:
            return credits.lease_burn(tx, lease, credits=amount, ref=ref, actor="t", now=self.now[0])

        if held.state != "held" or held.credits - held.spent < amount:
            assert self.refused(act) == "no_credits"
            return
        assert self.do(act)
        held.spent += amount
        if again:
            assert not self.do(act)

    @rule(lease=leases)
    def lease_back(self, lease: str) -> None:
        held = self.model.leases.get(lease)
        if held is None:
            return
        back = self.do(lambda tx: credits.lease_back(tx, lease, actor="t", now=self.now[0]))
        expected = self.model.end(held, held.spent, self.now[0]) if held.state == "held" else 0
        held.state = "returned"
        assert back == expected

    @rule(minutes=st.sampled_from([1, 30, 61, 200]), sweep=st.booleans())
    def wait(self, minutes: int, sweep: bool) -> None:
        self.now[0] += minutes * 60_000
        if sweep:
            self.sweep()

    @rule()
    def sweep(self) -> None:
        now = self.now[0]
        self.do(lambda tx: reservations.expire_due(tx, now=now))
        self.do(lambda tx: credits.expire_grants(tx, now=now))
        for held in self.model.jobs.values():
            if held.state == "held" and held.until <= now:
                self.model.end(held, 0, now)
                held.state = "expired"
        for grant in self.model.grants:
            grant.left = grant.left if grant.usable(now) else 0

    @invariant()
    def the_account_stands_as_in_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        now, model = self.now[0], self.model
        with self.database.reading() as tx:
            stands = credits.balance(tx, self.account, now=now)
            history = credits.history(tx, self.account, cursor=None, limit=200)
        assert (stands.paid, stands.promo) == (model.available(now, "paid"), model.available(now, "promo"))
        assert stands.held == sum(held.credits for held in model.jobs.values() if held.state == "held")
        assert stands.leased == sum(h.credits - h.spent for h in model.leases.values() if h.state == "held")
        assert stands.debt == model.debt
        unswept = sum(grant.left for grant in model.grants if not grant.usable(now))
        if history.next is None:
            assert sum(entry.credits for entry in history.entries) == stands.available + unswept

    @invariant()
    def nothing_is_off(self) -> None:
        """Of all accounts of all runs, so not at every step."""
        if self.steps[0] % 8 == 0:
            self.teardown()

    def teardown(self) -> None:
        found = report(self.database)
        assert found.ok, found.off

    def _mine(self, job: str) -> Held | None:
        return self.model.jobs.get(job)

    def _wish(self, amount: int, minutes: int) -> messages.Reserve:
        return messages.Reserve(id=new_id(), credits=amount, job_id="job", engine="one", ttl_seconds=minutes * 60)

    def _reserving(self, wish: messages.Reserve) -> Callable[[Any], Any]:
        prices = {"one": wish.credits}
        return lambda tx: reservations.reserve(tx, self.account, wish, device_id=None, prices=prices, now=self.now[0])

    def _committing(self, job: str, spent: int) -> Callable[[Any], Any]:
        return lambda tx: reservations.commit(tx, self.account, job, spent=spent, device_id=None, now=self.now[0])


def walk(database: Database, *, runs: int, length: int) -> int:
    """Run the machine; gives how many times the ledger was asked to do something."""
    machine: Any = type("Walk", (Ledger,), {"database": database, "now": [START], "steps": [0]})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=length,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    return int(machine.steps[0])


def test_any_order_of_events(database: Database) -> None:
    assert walk(database, runs=5, length=16) > 20


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_any_order_of_many_events(database: Database) -> None:
    """At least 5,000 steps on SQLite, 1,000 on PostgreSQL."""
    least = 5_000 if database.sqlite else 1_000
    done = 0
    while done < least:
        done += walk(database, runs=40, length=50)
    assert done >= least
