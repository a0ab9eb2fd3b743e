"""Giving, taking back, expiring and lending credits, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.ledger import credits, grants, postings, reservations
from outfitswap_desktop.server.ledger.verify import rebuild
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.ledger import ledger_accounts
from tests.server.conftest import START
from tests.server.ledger.conftest import PRICES, open_person, report, wish

Person = Callable[..., str]


def stand(database: Database, account: str, *, now: int = START) -> Any:
    with database.reading() as tx:
        return credits.balance(tx, account, now=now)


def give(database: Database, account: str, amount: int, **more: Any) -> bool:
    about = {"bucket": "paid", "kind": "purchase", "ref": new_id(), "actor": "t", "now": START, **more}
    with database.transaction() as tx:
        return credits.give(tx, account, credits=amount, **about)


def take(database: Database, account: str, amount: int, **more: Any) -> bool:
    about = {"kind": "refund", "ref": new_id(), "actor": "t", "now": START, **more}
    with database.transaction() as tx:
        return credits.take_back(tx, account, credits=amount, **about)


def hold(database: Database, account: str, amount: int, *, now: int = START) -> str:
    body = wish(credits=amount)
    with database.transaction() as tx:
        reservations.reserve(tx, account, body, device_id=None, prices=PRICES, now=now)
    return body.id


def test_a_purchase_counts_once(database: Database, person: Person) -> None:
    account = person()
    assert give(database, account, 10, ref="cs_1")
    assert not give(database, account, 10, ref="cs_1")
    assert not give(database, account, 99, ref="cs_1")
    assert give(database, account, 1, ref="cs_1", kind="licence")
    assert stand(database, account).available == 11
    assert report(database).ok


def test_free_credits_burn_first_then_what_ends_earliest_then_the_oldest(database: Database, person: Person) -> None:
    account = person()
    give(database, account, 3, now=START)
    give(database, account, 3, now=START + 1)
    give(database, account, 2, expires_at=START + 500)
    give(database, account, 2, bucket="promo", kind="promo", expires_at=START + 900)
    give(database, account, 2, bucket="promo", kind="promo", expires_at=START + 800)
    with database.reading() as tx:
        order = [(grant.bucket, grant.expires_at) for grant in grants.usable(tx, account, now=START)]
    assert order == [
        ("promo", START + 800), ("promo", START + 900), ("paid", START + 500), ("paid", None), ("paid", None)
    ]  # fmt: skip
    hold(database, account, 5)
    left = stand(database, account)
    assert (left.promo, left.paid, left.held) == (0, 7, 5)
    assert [(each.credits, each.at) for each in left.expiring] == [(1, START + 500)]


def test_what_is_taken_back_beyond_what_is_there_is_owed_and_paid_off_first(database: Database, person: Person) -> None:
    account = person(paid=10)
    hold(database, account, 4)
    assert take(database, account, 10, ref="re_1")
    assert not take(database, account, 10, ref="re_1")
    left = stand(database, account)
    assert (left.available, left.held, left.debt) == (0, 4, 4)
    assert report(database).ok
    with pytest.raises(Refusal, match="refunded after") as refused:
        hold(database, account, 1)
    assert (refused.value.status, refused.value.code) == (402, "debt")
    give(database, account, 3)
    assert (stand(database, account).available, stand(database, account).debt) == (0, 1)
    give(database, account, 3, kind="refund_undone")
    assert (stand(database, account).available, stand(database, account).debt) == (2, 0)
    assert report(database).ok


def test_bought_credits_are_taken_back_before_free_ones(database: Database, person: Person) -> None:
    account = person(paid=5, promo=5)
    take(database, account, 7)
    left = stand(database, account)
    assert (left.paid, left.promo) == (0, 3)


def test_an_administrators_taking_is_written_off(database: Database, person: Person) -> None:
    account = person(paid=5)
    take(database, account, 2, kind="revoke")
    with database.reading() as tx:
        sums = dict(tx.exec_driver_sql("SELECT ledger_account_id, amount FROM ledger_entries WHERE amount = 2").all())
    assert sums == {"writeoff": 2}


def test_expired_credits_go_to_breakage_and_do_not_count_before_they_do(database: Database, person: Person) -> None:
    account = person(paid=1, promo=5, promo_until=START + 1000)
    later = START + 1000
    assert stand(database, account, now=later).available == 1
    with pytest.raises(postings.Short):
        hold(database, account, 2, now=later)
    with database.transaction() as tx:
        assert credits.expire_grants(tx, now=START + 999) == 0
        assert credits.expire_grants(tx, now=later) == 1
        assert credits.expire_grants(tx, now=later) == 0
    assert report(database).ok
    kinds = [(each.kind, each.credits) for each in _history(database, account)]
    assert kinds == [("expiry", -5), ("promo", 5), ("purchase", 1)]


def test_a_lease_takes_burns_and_returns_to_where_it_came_from(database: Database, person: Person) -> None:
    account = person(paid=5, promo=3, promo_until=START + 1000)
    lease = new_id()
    with database.transaction() as tx:
        credits.lease_out(tx, account, lease, credits=6, actor="t", now=START)
        credits.lease_out(tx, account, lease, credits=6, actor="t", now=START)
    left = stand(database, account)
    assert (left.available, left.leased, left.promo) == (2, 6, 0)
    with database.transaction() as tx:
        assert credits.lease_burn(tx, lease, credits=1, ref=f"{lease}:1", actor="t", now=START)
        assert not credits.lease_burn(tx, lease, credits=1, ref=f"{lease}:1", actor="t", now=START)
    with pytest.raises(postings.Short), database.transaction() as tx:
        credits.lease_burn(tx, lease, credits=6, ref=f"{lease}:2", actor="t", now=START)
    with database.transaction() as tx:
        assert credits.lease_back(tx, lease, actor="t", now=START + 1000) == 3  # two of the free ones have expired
        assert credits.lease_back(tx, lease, actor="t", now=START + 1000) == 0
    with pytest.raises(postings.Short), database.transaction() as tx:
        credits.lease_burn(tx, lease, credits=1, ref=f"{lease}:3", actor="t", now=START)
    left = stand(database, account, now=START + 1000)
    assert (left.available, left.leased, left.paid) == (5, 0, 5)
    assert report(database).ok


def test_a_lease_that_was_never_given_has_nothing(database: Database) -> None:
    with database.transaction() as tx:
        assert credits.lease_back(tx, new_id(), actor="t", now=START) == 0
    with pytest.raises(postings.Short), database.transaction() as tx:
        credits.lease_burn(tx, new_id(), credits=1, ref="x", actor="t", now=START)


def test_more_than_there_is_cannot_be_lent(database: Database, person: Person) -> None:
    account = person(paid=2)
    with pytest.raises(postings.Short), database.transaction() as tx:
        credits.lease_out(tx, account, new_id(), credits=3, actor="t", now=START)
    assert stand(database, account).available == 2


def test_nothing_cannot_be_given_or_taken(database: Database, person: Person) -> None:
    account = person()
    with pytest.raises(ValueError, match="cannot be given"):
        give(database, account, 0)
    with pytest.raises(ValueError, match="cannot be taken"):
        take(database, account, -1)


def test_an_unknown_account_is_refused(database: Database) -> None:
    for act in (lambda: give(database, new_id(), 1), lambda: stand(database, new_id())):
        with pytest.raises(Refusal) as refused:
            act()
        assert (refused.value.status, refused.value.code) == (404, "no_account")


def test_legs_must_sum_to_zero(database: Database, person: Person) -> None:
    account = person(paid=1)
    for legs in ({"mint:grant": -1}, {"mint:grant": -1, f"u:{account}:paid": 2}, {"breakage": 0, "writeoff": 0}):
        with pytest.raises(ValueError, match="sum to zero"), database.transaction() as tx:
            postings.post(tx, kind="x", ref="x", legs=legs, account_id=None, actor="t", now=START)


def test_a_posting_that_overdraws_leaves_nothing_behind(database: Database, person: Person) -> None:
    account = person(paid=1)
    before = report(database).entries
    legs = {f"u:{account}:paid": -2, "breakage": 2}
    with pytest.raises(postings.Short), database.transaction() as tx:
        postings.post(tx, kind="x", ref="x", legs=legs, account_id=account, actor="t", now=START)
    assert report(database).entries == before
    with database.reading() as tx:
        assert not postings.posted(tx, kind="x", ref="x")


def test_grants_that_were_drawn_on_meanwhile_are_not_drawn_on_twice(database: Database, person: Person) -> None:
    account = person(paid=5, promo=2)
    with database.reading() as tx:
        seen = grants.usable(tx, account, now=START)
    hold(database, account, 3)
    with pytest.raises(postings.Short), database.transaction() as tx:
        grants.take(tx, seen)
    assert stand(database, account).available == 4
    assert report(database).ok


def test_a_reservation_that_the_journal_knows_and_nobody_else_is_not_made(database: Database, person: Person) -> None:
    account, body = person(paid=5), wish(credits=2)
    legs = {f"u:{account}:paid": -2, f"u:{account}:held": 2}
    with database.transaction() as tx:
        postings.post(tx, kind="reserve", ref=body.id, legs=legs, account_id=account, actor="t", now=START)
    with pytest.raises(RuntimeError, match="posted before"), database.transaction() as tx:
        reservations.reserve(tx, account, body, device_id=None, prices=PRICES, now=START)
    assert stand(database, account).available == 5
    with database.reading() as tx, pytest.raises(Refusal, match="Reserve first"):
        reservations.read(tx, account, body.id, now=START)


def test_balances_that_are_not_what_their_entries_say_are_named(database: Database, person: Person) -> None:
    account = person(paid=5, promo=2)
    hold(database, account, 3)
    with database.reading() as tx:
        assert rebuild(tx) == {}
    paid = ledger_accounts.c.id == postings.purse(account, "paid")
    with database.transaction() as tx:
        tx.execute(update(ledger_accounts).where(paid).values(balance=9))
    with database.reading() as tx:
        assert rebuild(tx) == {f"u:{account}:paid": (9, 4)}
        assert rebuild(tx) == {f"u:{account}:paid": (9, 4)}, "it changes nothing"
    assert report(database).off["balances"] == 5


def test_history_is_paged_newest_first_and_adds_up(database: Database, person: Person) -> None:
    account = person(paid=20)
    other = open_person(database, paid=7)
    first = hold(database, account, 3)
    with database.transaction() as tx:
        reservations.commit(tx, account, first, spent=1, device_id=None, now=START)
    second = hold(database, account, 2)
    with database.transaction() as tx:
        reservations.void(tx, account, second, reason="cancelled", device_id=None, now=START)
    hold(database, account, 4)
    with database.transaction() as tx:
        reservations.expire_due(tx, now=START + 8_000_000)
    whole = _history(database, account)
    assert [(each.kind, each.credits, each.job_id) for each in whole] == [
        ("expire", 4, "job"), ("reserve", -4, "job"), ("void", 2, "job"), ("reserve", -2, "job"),
        ("commit", 2, "job"), ("reserve", -3, "job"), ("purchase", 20, None),
    ]  # fmt: skip
    assert sum(each.credits for each in whole) == stand(database, account).available == 19
    pages, cursor = [], None
    while True:
        with database.reading() as tx:
            page = credits.history(tx, account, cursor=cursor, limit=3)
        pages.append(len(page.entries))
        cursor = page.next
        if cursor is None:
            break
    assert pages == [3, 3, 1]
    assert len(_history(database, other)) == 1
    with pytest.raises(Refusal), database.reading() as tx:
        credits.history(tx, account, cursor="x", limit=3)


def _history(database: Database, account: str) -> Any:
    with database.reading() as tx:
        return credits.history(tx, account, cursor=None, limit=200).entries
