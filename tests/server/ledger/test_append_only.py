"""The journal cannot be changed, not even by whoever has the database open; PostgreSQL also wants zero sums."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import insert, inspect, text
from sqlalchemy.exc import DatabaseError

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.tables.ledger import APPEND_ONLY, NOT_APPEND_ONLY, ledger_entries, ledger_txns
from tests.server.conftest import START
from tests.server.ledger.conftest import report

CHANGES = (
    "UPDATE ledger_entries SET amount = amount + 1",
    "UPDATE ledger_txns SET memo = 'x'",
    "DELETE FROM ledger_entries",
    "DELETE FROM ledger_txns",
    "UPDATE ledger_entries SET amount = amount WHERE 1 = 0",
)


@pytest.mark.parametrize("change", CHANGES)
def test_the_journal_cannot_be_changed(database: Database, person: Callable[..., str], change: str) -> None:
    person(paid=5)
    if database.sqlite and "1 = 0" in change:
        with database.transaction() as tx:
            assert tx.execute(text(change)).rowcount == 0  # SQLite's triggers are for each row
    else:
        with pytest.raises(DatabaseError, match="append-only"), database.transaction() as tx:
            tx.execute(text(change))
    assert report(database).entries == 2
    assert report(database).ok


def test_nor_emptied(database: Database, person: Callable[..., str]) -> None:
    person(paid=5)
    line = "DELETE FROM ledger_entries" if database.sqlite else "TRUNCATE ledger_txns, ledger_entries CASCADE"
    with pytest.raises(DatabaseError, match="append-only"), database.transaction() as tx:
        tx.execute(text(line))
    assert report(database).entries == 2


def _txn(account: str) -> dict[str, object]:
    return {"id": new_id(), "kind": "forged", "ref": new_id(), "account_id": account, "at": START, "actor": "x"}


@pytest.mark.parametrize("amounts", [(5, -4), (), (1,)])
def test_postgresql_refuses_a_posting_that_does_not_sum_to_zero(
    database: Database, person: Callable[..., str], amounts: tuple[int, ...]
) -> None:
    account = person(paid=5)
    txn = _txn(account)

    def forge() -> None:
        with database.transaction() as tx:
            tx.execute(insert(ledger_txns), txn)
            rows = [
                {"txn_id": txn["id"], "ledger_account_id": purse, "amount": amount}
                for purse, amount in zip(("mint:grant", f"u:{account}:paid"), amounts, strict=False)
            ]
            if rows:
                tx.execute(insert(ledger_entries).values(rows))

    if database.sqlite:
        forge()
        assert not report(database).ok  # found by the check, as SQLite has no trigger for the end of a transaction
        return
    with pytest.raises(DatabaseError, match="sum"):
        forge()
    assert report(database).ok


def test_entries_cannot_be_added_to_an_old_posting(database: Database, person: Callable[..., str]) -> None:
    person(paid=5)
    line = text("INSERT INTO ledger_entries SELECT id, 'breakage', 3 FROM ledger_txns LIMIT 1")
    if database.sqlite:
        with database.transaction() as tx:
            tx.execute(line)
        assert report(database).off["postings"] == 3  # only found afterwards: SQLite has no triggers for statements
        return
    with pytest.raises(DatabaseError, match="written at once"), database.transaction() as tx:
        tx.execute(line)


def test_the_lock_can_be_taken_off_and_put_on_again(database: Database, person: Callable[..., str]) -> None:
    """As migrations do, down and up."""
    kind = "sqlite" if database.sqlite else "postgresql"
    with database.transaction() as tx:
        for line in NOT_APPEND_ONLY[kind]:
            tx.execute(text(line))
        tx.execute(text("UPDATE ledger_txns SET memo = 'x'"))
        for line in APPEND_ONLY[kind]:
            tx.execute(text(line))
    person(paid=5)
    with pytest.raises(DatabaseError, match="append-only"), database.transaction() as tx:
        tx.execute(text("UPDATE ledger_txns SET memo = 'x'"))


def test_the_tables_are_as_described(database: Database) -> None:
    """The constraint that keeps a reference from coming twice has the name by which migrations know it."""
    names = {each["name"] for each in inspect(database.engine).get_unique_constraints("ledger_txns")}
    assert names == {"uq_ledger_txns_kind_ref"}
