"""The protocol of leases against everything that devices and networks do, a great many times."""

from __future__ import annotations

import itertools

import pytest

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.licensing.wire.receipts import Chain, Receipt
from outfitswap_desktop.server.leases import judge as judging
from outfitswap_desktop.server.ledger.verify import verify
from outfitswap_desktop.server.services import Services
from tests.server.conftest import START
from tests.server.leases.pure import PureServer
from tests.server.leases.walk import Broken, Totals, run


def _walks(number: int, *, first: int = 0) -> Totals:
    totals = Totals()
    for seed in range(first, first + number):
        ids = itertools.count()
        run(
            PureServer(start=START),
            seed=seed,
            steps=60,
            honest=seed % 3 == 0,
            new_id=lambda ids=ids: f"{next(ids):026d}",
            totals=totals,
        )
    return totals


def _worth_something(totals: Totals) -> None:
    """The walks went where it hurts: leases, forks, late receipts, work of honest and of other devices."""
    assert totals.leases > totals.walks
    assert totals.forks > totals.walks // 5
    assert totals.late > totals.walks // 5
    assert totals.honest_work > totals.walks
    assert totals.honest_unpaid == 0
    assert totals.cheated_unpaid > 0


def test_walks_lose_nothing_and_find_every_fork() -> None:
    totals = _walks(300)
    assert totals.walks == 300
    _worth_something(totals)


@pytest.mark.soak
def test_twenty_thousand_walks(record_property) -> None:
    totals = _walks(20_000)
    record_property("totals", str(totals))
    assert totals.walks == 20_000
    _worth_something(totals)


def _blind_to_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that takes the second receipt for a place as a duplicate."""
    real = judging.judge

    def blind(chain, upload, **rest):
        found = real(chain, upload, **rest)
        return found if found.trouble != "forked" else _with(found, trouble="")

    monkeypatch.setattr("tests.server.leases.pure.judge", blind)


def _with(found: judging.Judgement, **changed: object) -> judging.Judgement:
    from dataclasses import replace

    return replace(found, **changed)  # type: ignore[arg-type]


def _charge_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that charges leases that have ended."""
    real = judging.judge
    monkeypatch.setattr(
        "tests.server.leases.pure.judge", lambda chain, upload, **rest: real(chain, upload, **(rest | {"live": True}))
    )


def _forget_amounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain that links receipts without looking at their credits."""

    def after(self: Chain, receipt: Receipt) -> Chain:
        from dataclasses import replace

        holds = {job: held for job, held in self.holds.items() if job != receipt.job_id}
        if receipt.kind == "hold":
            holds[receipt.job_id] = receipt.credits
        spent = self.spent + (receipt.credits if receipt.kind == "commit" else 0)
        return replace(self.linked(receipt), spent=spent, holds=holds)

    monkeypatch.setattr(Chain, "after", after)


def _no_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that knows nothing of what it had before."""
    real = judging.judge
    monkeypatch.setattr(
        "tests.server.leases.pure.judge", lambda chain, upload, **rest: real(chain, upload, **(rest | {"known": {}}))
    )


MUTANTS = [
    (_blind_to_forks, "a fork was not found"),
    (_charge_late, "a lease's balance is negative"),
    (_forget_amounts, "more was burned|negative"),
    (_no_duplicates, "an honest device was taken for a clone"),
]


@pytest.mark.parametrize(("mutant", "words"), MUTANTS)
def test_the_walks_have_teeth(mutant, words, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    with pytest.raises(Broken, match=words):
        _walks(300)


def _real_walks(services: Services, number: int, *, first: int = 0) -> Totals:
    from tests.server.leases.real import BothServers, RealServer

    totals = Totals()
    for seed in range(first, first + number):
        both = BothServers(RealServer(services, start=START), PureServer(start=START))
        run(both, seed=seed, steps=60, honest=seed % 3 == 0, new_id=new_id, totals=totals)
    with services.database.reading() as tx:
        assert verify(tx).ok
    return totals


def test_the_real_server_does_what_the_pure_one_does(services) -> None:
    """Signed texts, tables and ledger, step by step beside the pure server: the same answers and the same credits."""
    totals = _real_walks(services, 3)
    assert totals.honest_unpaid == 0
    assert totals.leases >= 3


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_many_walks_of_the_real_server(services, record_property) -> None:
    totals = _real_walks(services, 40, first=1000)
    record_property("totals", str(totals))
    _worth_something(totals)
