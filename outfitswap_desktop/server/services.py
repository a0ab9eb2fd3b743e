"""The parts that every route works with, opened once at start and closed at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from outfitswap_desktop.server.accounts.counting import Limiter
from outfitswap_desktop.server.accounts.opened import Accounts, open_accounts
from outfitswap_desktop.server.accounts.providers import Providers
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.keys.signing import SigningKeys
from outfitswap_desktop.server.operations.metrics import Metrics
from outfitswap_desktop.server.payments.gateway import Gateway

Clock = Callable[[], int]
"""Milliseconds since 1970 UTC."""


def now_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Services:
    """Settings, database and clock, and what rooms of the server make from them."""

    settings: Settings
    database: Database
    keys: SigningKeys
    accounts: Accounts
    limiter: Limiter
    oauth: Providers
    metrics: Metrics
    clock: Clock = now_ms
    stripe: Gateway | None = None
    """None where nothing is sold."""

    def close(self) -> None:
        """Give back what was opened."""
        self.database.close()


def open_services(settings: Settings, *, clock: Clock = now_ms) -> Services:
    """Open everything that `settings` name. The database's tables are brought up to date elsewhere, before."""
    return Services(
        settings=settings,
        database=Database(settings.url),
        keys=SigningKeys(settings.keys, clock=clock),
        accounts=open_accounts(settings),
        oauth=Providers(),
        limiter=Limiter(settings.redis_url.get_secret_value(), on=settings.rate_limits),
        metrics=Metrics(),
        clock=clock,
        stripe=Gateway(settings) if settings.stripe_secret_key.get_secret_value() else None,
    )


async def services(request: Request) -> Services:
    """The services of the running app (asynchronous, as a dependency that is not gets a thread for each request)."""
    found: Services = request.app.state.services
    return found


ServicesDep = Annotated[Services, Depends(services)]
