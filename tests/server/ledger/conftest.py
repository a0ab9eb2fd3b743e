"""Accounts with credits for the tests of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import insert

from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.ledger import credits, verify
from outfitswap_desktop.server.tables.accounts import accounts
from tests.server.conftest import START

PRICES = {"sd15": 1, "sdxl": 2, "qwen": 3}


def open_person(database: Database, *, paid: int = 0, promo: int = 0, promo_until: int | None = None) -> str:
    """An account with credits; returns its id."""
    account = new_id()
    with database.transaction() as tx:
        tx.execute(insert(accounts).values(id=account, state="active", created_at=START, debt_credits=0))
        credits.open_account(tx, account)
        if paid:
            credits.give(
                tx, account, bucket="paid", credits=paid, kind="purchase", ref=f"o:{account}", actor="t", now=START
            )
        if promo:
            credits.give(
                tx,
                account,
                bucket="promo",
                credits=promo,
                kind="promo",
                ref=f"p:{account}",
                actor="t",
                now=START,
                expires_at=promo_until,
            )
    return account


def wish(*, credits: int = 1, images: int | None = None, **more: object) -> messages.Reserve:
    """A reservation of so many credits for the engine that costs one an image."""
    return messages.Reserve.model_validate(
        {"id": new_id(), "credits": credits, "images": images or credits, "job_id": "job", "engine": "sd15", **more}
    )


def report(database: Database) -> verify.Report:
    """What the ledger's check says now."""
    with database.reading() as tx:
        verify.snapshot(tx)
        return verify.verify(tx)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database of each kind."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def person(database: Database) -> Callable[..., str]:
    """Opens accounts."""

    def opened(**about: int) -> str:
        return open_person(database, **about)  # type: ignore[arg-type]

    return opened
