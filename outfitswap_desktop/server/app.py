"""Builds the web application from its services: the API, the account site, and what surrounds both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI

from outfitswap_desktop import __version__
from outfitswap_desktop.server import problems
from outfitswap_desktop.server.accounts import routes as account_routes
from outfitswap_desktop.server.leases import routes as lease_routes
from outfitswap_desktop.server.ledger import routes as ledger_routes
from outfitswap_desktop.server.operations import faults, health
from outfitswap_desktop.server.operations.requests import Watch
from outfitswap_desktop.server.payments import routes as payments_routes
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.site import routes as site_routes

_THREADS: Final = 4
"""That the everyday requests share (ledger/quick.py). More get less done, as they hand the interpreter's lock to and fro: 16 of
them answered a fifth fewer requests on two cores."""


def make_app(services: Services) -> FastAPI:
    """The application; it closes `services` when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "quick"))
        yield
        services.close()

    app = FastAPI(title="OutfitSwap activation server", version=__version__, lifespan=lifespan)
    app.state.services = services
    problems.install(app)
    app.include_router(ledger_routes.router())  # first: what is asked most is found soonest
    app.include_router(account_routes.router())
    faults.install(app)
    app.add_middleware(Watch, metrics=services.metrics)
    app.include_router(health.router())
    app.include_router(lease_routes.router())
    app.include_router(payments_routes.router())
    site_routes.install(app, services)
    return app
