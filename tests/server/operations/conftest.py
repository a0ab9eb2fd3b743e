"""A server that really listens, in a thread, and people with credits and devices on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from outfitswap_desktop.licensing.wire.device import make_proof
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.accounts import people
from outfitswap_desktop.server.accounts.entering import Entrance
from outfitswap_desktop.server.app import make_app
from outfitswap_desktop.server.ledger import credits as ledger
from outfitswap_desktop.server.services import Services


@dataclass
class Somebody:
    """A signed-in account with a device."""

    services: Services
    account_id: str
    access_token: str
    device_id: str
    key: Ed25519PrivateKey

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}

    def proof(self, purpose: str) -> str:
        return make_proof(
            self.key,
            purpose=purpose,
            fingerprint=f"fingerprint-{self.account_id}",
            label="Desk",
            os="Linux",
            app_version="0.1.0",
            now=self.services.clock(),
        )


@dataclass
class Crowd:
    """Makes people, straight in the database."""

    services: Services
    made: list[Somebody] = field(default_factory=list)

    def __call__(self, *, credits: int = 1000) -> Somebody:
        services, now = self.services, self.services.clock()
        one = Somebody(services, "", "", "", Ed25519PrivateKey.generate())
        with services.database.transaction() as tx:
            one.account_id = people.create(
                tx,
                email=f"p{new_id().lower()}@example.org",
                password_hash="!",
                display_name="P",
                now=now,
                verified=True,
            )
            if credits:
                ledger.give(
                    tx,
                    one.account_id,
                    bucket="paid",
                    credits=credits,
                    kind="purchase",
                    ref=one.account_id,
                    actor="test",
                    now=now,
                )
        one.access_token = self.enter(one)
        self.made.append(one)
        return one

    def enter(self, one: Somebody) -> str:
        """Sign `one` in (anew); the access token, which is good for a quarter of an hour."""
        with self.services.database.transaction() as tx:
            entrance = Entrance(self.services, agent="test", ip="192.0.2.7", now=self.services.clock())
            tokens = entrance.enter(tx, one.account_id, device=one.proof("sign-in"))
        one.device_id = tokens.device_id or ""
        return tokens.access_token


@pytest.fixture
def crowd(services: Services) -> Crowd:
    return Crowd(services)


@pytest.fixture
def address(services: Services) -> Iterator[str]:
    """Where the application listens, by uvicorn as in operations.serving."""
    yield from listen(services)


def listen(services: Services) -> Iterator[str]:
    yield from listen_to(make_app(services))


def listen_to(app: FastAPI) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, http="httptools", log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def until(ready: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something; fails when it does not come."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
