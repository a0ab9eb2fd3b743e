"""A real credits' server in this process, and machines that speak to it through their real client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from outfitswap_desktop.licensing.account import Licensing
from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.server.accounts import licences
from outfitswap_desktop.server.app import make_app
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.ledger import credits as ledger
from outfitswap_desktop.server.ledger.verify import verify
from outfitswap_desktop.server.services import Services, open_services
from tests.server.conftest import Hand, prepare

PASSED = ("authorization", "content-type", "idempotency-key", "user-agent", "accept")
SERVER = "http://127.0.0.1:8000"


class Wire(httpx.BaseTransport):
    """The way to the server: can be cut before the request, or lose the answer after it had its effect."""

    def __init__(self, client: TestClient) -> None:
        self._client = client
        self.cut = False
        self.lose: Callable[[httpx.Request], bool] = lambda request: False
        self.date: int | None = None
        self.seen: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.cut:
            raise httpx.ConnectError("cut", request=request)
        self.seen.append(f"{request.method} {request.url.path}")
        answer = self._client.request(
            request.method,
            str(request.url),
            content=request.read(),
            headers={name: request.headers[name] for name in PASSED if name in request.headers},
            follow_redirects=False,
        )
        response = httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)
        if self.lose(request):
            raise httpx.ReadError("lost", request=request)
        if self.date is not None:
            from email.utils import formatdate

            response.headers["Date"] = formatdate(self.date / 1000, usegmt=True)
        return response


@dataclass
class World:
    """The server, its clock, and the machines' wires."""

    services: Services
    clock: Hand
    client: TestClient
    folder: Path
    opened: list[Licensing] = field(default_factory=list)

    def machine(self, name: str = "desk", **more: Any) -> tuple[Licensing, Wire]:
        """A program with a data folder of its own (or of the program of that name before it)."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        wire = Wire(self.client)
        made = Licensing(folder, transport=wire, **{"wall": self.clock, **more})
        self.opened.append(made)
        return made, wire

    def key(self, credits: int) -> str:
        """A licence key for so many credits."""
        with self.services.database.transaction() as tx:
            return licences.issue(tx, self.services, count=1, credits=credits, now=self.clock())[0]

    def balance(self, account_id: str) -> messages.Balance:
        with self.services.database.reading() as tx:
            return ledger.balance(tx, account_id, now=self.clock())

    def spent(self, account_id: str, given: int) -> int:
        """Credits that are burned for good: given, less all that is left anywhere."""
        balance = self.balance(account_id)
        with self.services.database.reading() as tx:
            assert verify(tx).ok
        return given - balance.available - balance.held - balance.leased


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Services, Hand, TestClient]]:
    """One server for all tests: each has accounts of its own, and time only goes forward."""
    folder = tmp_path_factory.mktemp("server")
    url = f"sqlite:///{folder / 'server.db'}"
    database = Database(url)
    prepare(database)
    database.close()
    clock = Hand()
    settings = Settings(
        database_url=url,
        outfitswap_server_home=folder / "home",
        public_url=SERVER,
        rate_limits=False,
        sweep_seconds=0,
        metrics_port=0,
        prices="sd15=1,sdxl=2,invert=2",
    )
    services = open_services(settings, clock=clock)
    with TestClient(make_app(services), base_url=SERVER) as client:
        yield services, clock, client


@pytest.fixture
def world(
    server: tuple[Services, Hand, TestClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    monkeypatch.setenv("OUTFITSWAP_LICENCE_SERVER", SERVER)
    made = World(*server, tmp_path)
    yield made
    for one in made.opened:
        one.close()


@pytest.fixture
def desk(world: World) -> tuple[Licensing, Wire]:
    """A machine that is signed in, with 100 credits in its account."""
    licensing, wire = world.machine()
    licensing.redeem(world.key(100))
    return licensing, wire
