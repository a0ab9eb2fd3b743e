"""People with devices: what the tests of signing in start from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.testclient import TestClient
from sqlalchemy import select

from outfitswap_desktop.licensing.wire.device import make_proof
from outfitswap_desktop.server.accounts import people
from outfitswap_desktop.server.accounts.entering import Entrance
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.operations import outbox

PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what no database has a part in."""


@dataclass
class Machine:
    """A program on a machine with a key of its own."""

    services: Services
    label: str = "Desk"
    fingerprint: str = "fingerprint-of-desk"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def proof(self, purpose: str = "sign-in") -> str:
        return make_proof(
            self.key,
            purpose=purpose,
            fingerprint=self.fingerprint,
            label=self.label,
            os="Linux",
            app_version="0.1.0",
            now=self.services.clock(),
        )


@pytest.fixture
def machine(services: Services) -> Callable[..., Machine]:
    return lambda label="Desk", **more: Machine(services, label, **{"fingerprint": f"fingerprint-of-{label}", **more})


@pytest.fixture
def desk(machine: Callable[..., Machine]) -> Machine:
    return machine()


@pytest.fixture
def mails(services: Services) -> Callable[[], list[tuple[str, dict[str, str]]]]:
    """All e-mails that wait, oldest first: kind and payload."""

    def read() -> list[tuple[str, dict[str, str]]]:
        with services.database.reading() as tx:
            rows = tx.execute(select(outbox.c.kind, outbox.c.payload).order_by(outbox.c.id)).all()
        return [(row.kind, row.payload) for row in rows]

    return read


@dataclass
class Signed:
    """Somebody who is signed in over HTTP."""

    client: TestClient
    tokens: dict[str, str]

    @property
    def account_id(self) -> str:
        return self.tokens["account_id"]

    def __call__(self, method: str, path: str, **more: object):
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        return self.client.request(method, path, headers=headers, **more)


@pytest.fixture
def join(client: TestClient, mails, desk: Machine) -> Callable[..., Signed]:
    """Registers, confirms the address and signs in, all over HTTP."""

    def joined(email: str = "ada@example.org", *, machine: Machine | None = None, verify: bool = True) -> Signed:
        assert client.post("/v1/auth/register", json={"email": email, "password": PASSWORD}).status_code == 202
        kind, payload = mails()[-1]
        assert kind == "verify_email"
        signed = sign_in(client, email, machine or desk)
        if verify:
            assert signed("POST", "/v1/auth/verify-email", json={"token": payload["token"]}).status_code == 200
        return signed

    return joined


@pytest.fixture
def settled(services: Services, client: TestClient) -> Callable[..., Signed]:
    """Somebody with a confirmed address who is signed in, put straight into the database (and with a cheap password)."""

    def make(
        email: str | None = "ada@example.org", *, machine: Machine | None = None, agent: str = "testclient"
    ) -> Signed:
        now = services.clock()
        with services.database.transaction() as tx:
            account_id = people.find_by_email(tx, email) if email is not None else None
            if account_id is None:
                account_id = people.create(
                    tx, email=email, password_hash=CHEAP.hash(PASSWORD), display_name="Ada L.", now=now, verified=True
                )
            device = None if machine is None else machine.proof()
            tokens = Entrance(services, agent=agent, ip="192.0.2.77", now=now).enter(tx, account_id, device=device)
        return Signed(client, tokens.model_dump())

    return make


def sign_in(client: TestClient, email: str, machine: Machine | None, *, password: str = PASSWORD) -> Signed:
    body = {"email": email, "password": password}
    if machine is not None:
        body["device"] = machine.proof()
    answer = client.post("/v1/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    return Signed(client, answer.json())
