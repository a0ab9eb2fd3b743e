"""No credit is lost or invented, whatever happens at once; and three planted bugs that this very test finds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, UniqueConstraint, select, text, update

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.ledger import lending, postings, reservations
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables import ledger as tables
from outfitswap_desktop.server.tables import metadata
from tests.server.ledger.storm import Storm, storm_of

SMALL = {"threads": 24, "each": 6, "users": 10}
WHOLE = {"threads": 200, "each": 10, "users": 50}


def sound(storm: Storm) -> None:
    """Nothing is off, and the storm was one."""
    assert storm.told.wrong == []
    assert storm.faults() == {}
    assert storm.told.counts["replayed"] > 0
    assert sum(bool(each) for each in storm.told.spent.values()) > storm.threads / 4


def test_no_credit_is_lost_or_invented(services: Services) -> None:
    sound(storm_of(services, **SMALL))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_no_credit_is_lost_or_invented_by_two_hundred_threads(services: Services, seed: int) -> None:
    storm = storm_of(services, **WHOLE, seed=seed)
    sound(storm)
    assert storm.told.counts["no_credits"] > 0
    assert storm.told.counts["settled_otherwise"] > 0


# --- the same storm over planted bugs --------------------------------------------------------------------------------


def read_then_write(monkeypatch: pytest.MonkeyPatch, services: Services, _: Path) -> Services:
    """Balances that were read a moment ago are written back, as code without conditional updates does."""
    seen = threading.local()
    transaction = Database.transaction

    @contextmanager
    def stale(self: Database) -> Iterator[Connection]:
        with self.reading() as tx:
            rows = tx.execute(select(tables.ledger_accounts.c.id, tables.ledger_accounts.c.balance))
            seen.balances = {row.id: row.balance for row in rows}
        with transaction(self) as tx:
            yield tx

    def move(tx: Connection, legs: dict[str, int]) -> None:
        for account in sorted(set(legs) - set(postings.SYSTEM)):
            after = seen.balances.get(account, 0) + legs[account]
            if after < 0 and not account.endswith(":debt"):
                raise postings.Short
            tx.execute(
                update(tables.ledger_accounts).where(tables.ledger_accounts.c.id == account).values(balance=after)
            )

    monkeypatch.setattr(Database, "transaction", stale)
    monkeypatch.setattr(postings, "move", move)
    return services


def no_unique_reference(monkeypatch: pytest.MonkeyPatch, services: Services, folder: Path) -> Services:
    """A journal whose (kind, ref) may come twice."""
    monkeypatch.setattr(lending, "posted", lambda *_, **__: False)
    if not services.database.sqlite:
        with services.database.transaction() as tx:
            tx.execute(text("ALTER TABLE ledger_txns DROP CONSTRAINT uq_ledger_txns_kind_ref"))
        return services
    copy = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(copy)
    journal = copy.tables["ledger_txns"]
    journal.constraints -= {each for each in journal.constraints if isinstance(each, UniqueConstraint)}
    other = Database(f"sqlite:///{folder / 'without.db'}")
    copy.create_all(other.engine)
    return replace(services, database=other)


def settled_again_and_again(monkeypatch: pytest.MonkeyPatch, services: Services, _: Path) -> Services:
    """A settle that does not ask whether the reservation is still held, posted under each request's own reference."""
    unguarded = (
        update(tables.reservations)
        .where(tables.reservations.c.id == reservations.bindparam("this"))
        .values(
            state=reservations.bindparam("ending"),
            spent=reservations.bindparam("used"),
            reason=reservations.bindparam("why"),
        )
        .returning(*reservations._told)
    )
    real = reservations._post

    def each_time(tx: Connection, kind: str, ref: str, legs: Any, **rest: Any) -> None:
        real(tx, kind, ref if kind == "reserve" else f"{ref}:{new_id()}", legs, **rest)

    monkeypatch.setattr(reservations, "_settle", unguarded)
    monkeypatch.setattr(reservations, "_post", each_time)
    return services


@pytest.mark.parametrize("mutant", [read_then_write, no_unique_reference, settled_again_and_again])
def test_the_same_storm_finds_a_planted_bug(
    mutant: Callable[..., Services], services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    planted = mutant(monkeypatch, services, tmp_path)
    storm = storm_of(planted, **SMALL)
    faults = storm.faults()
    faults.pop("wrong answers", None)
    print(mutant.__name__, faults)
    assert faults, "no credit was off"
    planted.database.close()
