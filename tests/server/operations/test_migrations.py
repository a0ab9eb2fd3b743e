"""Migrations up and down on both databases, with data; the schema they make is the one the code works with."""

from __future__ import annotations

import threading

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.ledger import credits as ledger
from outfitswap_desktop.server.ledger import reservations
from outfitswap_desktop.server.ledger.verify import verify
from outfitswap_desktop.server.operations import audit, migrate
from outfitswap_desktop.server.tables import metadata

TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname",
}


def triggers(database: Database) -> list[str]:
    with database.reading() as tx:
        return list(tx.execute(text(TRIGGERS[tx.dialect.name])).scalars())


def seed(services, crowd) -> None:
    people = [crowd(credits=50) for _ in range(3)]
    now, prices = services.clock(), services.settings.price_table()
    with services.database.transaction() as tx:
        for one in people:
            for spent in (0, 1, 2):
                wish = messages.Reserve(id=new_id(), credits=2, job_id="j", engine="sd15", images=2)
                reservations.reserve(tx, one.account_id, wish, device_id=one.device_id, prices=prices, now=now)
                if spent:
                    reservations.commit(tx, one.account_id, wish.id, spent=spent, device_id=one.device_id, now=now)
            ledger.take_back(tx, one.account_id, credits=60, kind="refund", ref=one.account_id, actor="test", now=now)
        audit.record(tx, actor="test", action="seed", target="all", detail={}, now=now)


def books(database: Database) -> tuple[object, object]:
    with database.reading() as tx:
        return verify(tx), audit.verify(tx)


def test_the_schema_is_what_the_code_works_with(services):
    database = services.database
    with database.reading() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    migrated = triggers(database)
    migrate.downgrade(database, "base")
    with database.transaction() as tx:
        metadata.create_all(tx)
    assert triggers(database) == migrated
    assert migrated


def test_down_and_up_with_data(services, crowd):
    database = services.database
    seed(services, crowd)
    before = books(database)
    assert before[0].ok
    assert before[0].entries > 20
    assert migrate.downgrade(database, "0002") == ("0003", "0002")
    assert triggers(database) == []
    assert books(database) == before
    assert migrate.upgrade(database) == ("0002", migrate.newest())
    assert books(database) == before
    assert triggers(database)
    assert migrate.downgrade(database, "base")[1] is None
    assert migrate.upgrade(database)[1] == migrate.newest()
    assert books(database)[0].entries == 0


def test_servers_that_start_at_once_migrate_once(services):
    migrate.downgrade(services.database, "base")
    outcomes: list[object] = []

    def start() -> None:
        database = Database(services.database.url)
        try:
            outcomes.append(migrate.upgrade(database))
        except Exception as problem:  # noqa: BLE001 - told by the assertion
            outcomes.append(problem)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    newest = migrate.newest()
    assert sorted(outcomes, key=str) == sorted([(None, newest), *[(newest, newest)] * 3], key=str)
