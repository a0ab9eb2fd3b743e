"""An account with credits, a device that is signed in, and the caller that the routes see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, update

from outfitswap_desktop.licensing.wire.blobs import new_key, public_key, public_of
from outfitswap_desktop.licensing.wire.device import make_proof
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.licensing.wire.keylist import KeyList, read_key_list
from outfitswap_desktop.licensing.wire.lease import Lease, read_lease
from outfitswap_desktop.licensing.wire.receipts import Chain, Kind, begin, sign_receipt
from outfitswap_desktop.server import problems
from outfitswap_desktop.server.accounts.callers import Caller, caller
from outfitswap_desktop.server.leases.routes import router
from outfitswap_desktop.server.ledger import credits as ledger
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import accounts, devices
from outfitswap_desktop.server.tables.leases import leases
from tests.server.conftest import Hand

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

OLD = 30 * 86_400_000
"""Accounts are older than a new one's limits, unless a test says otherwise."""


@dataclass
class Person:
    """An account and the one device of it that is signed in; `take` and `send` speak to the API as the program would."""

    services: Services
    clock: Hand
    client: TestClient
    account_id: str
    device_id: str
    key: Ed25519PrivateKey
    lease: Lease | None = None
    chain: Chain | None = None
    blobs: list[str] = field(default_factory=list)

    def proof(self, purpose: str, *, key: Ed25519PrivateKey | None = None, at: int | None = None) -> str:
        return make_proof(
            key or self.key,
            purpose=purpose,
            fingerprint="f" * 64,
            label="Studio",
            os="Linux",
            app_version="0.1.0",
            now=self.clock() if at is None else at,
        )

    def keys(self) -> KeyList:
        answer = self.client.get("/.well-known/outfitswap-keys").json()
        return read_key_list(answer["list"], self.services.keys.root_public, at_least_version=1)

    def ask(self, *, credits: int = 10, days: int = 7, lease_id: str | None = None, proof: str | None = None) -> Any:
        body = {
            "id": lease_id or new_id(),
            "credits": credits,
            "days": days,
            "proof": proof or self.proof("lease"),
        }
        return self.client.post("/v1/leases", json=body)

    def take(self, *, credits: int = 10, days: int = 7) -> Lease:
        answer = self.ask(credits=credits, days=days)
        assert answer.status_code == 201, answer.text
        self.lease = read_lease(
            answer.json()["lease"], self.keys(), now=self.clock(), device_public_key=public_of(self.key)
        )
        self.chain = begin(self.lease)
        self.blobs = []
        return self.lease

    def note(self, kind: Kind, job: str, *, credits: int = 0, key: Ed25519PrivateKey | None = None) -> str:
        """Append a receipt to the journal; gives its blob."""
        assert self.chain is not None
        digest = "cd" * 32 if kind == "commit" else ""
        receipt = self.chain.next(kind, job, credits=credits, at=self.clock(), output_sha256=digest)
        self.chain = self.chain.after(receipt)
        self.blobs.append(sign_receipt(receipt, key or self.key))
        return self.blobs[-1]

    def job(self, name: str, *, credits: int = 1) -> None:
        self.note("hold", name, credits=credits)
        self.note("commit", name, credits=credits)

    def send(self, blobs: list[str] | None = None, *, how: str = "reconcile", proof: str | None = None) -> Any:
        assert self.lease is not None
        body = {
            "receipts": self.blobs if blobs is None else blobs,
            "proof": proof or self.proof("reconcile"),
        }
        return self.client.post(f"/v1/leases/{self.lease.lease_id}/{how}", json=body)

    def available(self) -> int:
        with self.services.database.reading() as tx:
            return ledger.balance(tx, self.account_id, now=self.clock()).available

    def balance(self) -> Any:
        with self.services.database.reading() as tx:
            return ledger.balance(tx, self.account_id, now=self.clock())

    def row(self, lease_id: str | None = None) -> Any:
        wanted = lease_id or (self.lease.lease_id if self.lease else "")
        with self.services.database.reading() as tx:
            return tx.execute(select(leases).where(leases.c.id == wanted)).mappings().one()

    def device_state(self) -> str:
        with self.services.database.reading() as tx:
            return str(tx.execute(select(devices.c.state).where(devices.c.id == self.device_id)).scalar_one())

    def set_device(self, state: str) -> None:
        with self.services.database.transaction() as tx:
            tx.execute(update(devices).where(devices.c.id == self.device_id).values(state=state))


def open_account(services: Services, *, credits: int, age: int = OLD) -> str:
    """An account with bought credits."""
    account_id, now = new_id(), services.clock()
    with services.database.transaction() as tx:
        tx.execute(insert(accounts).values(id=account_id, state="active", created_at=now - age, debt_credits=0))
        ledger.open_account(tx, account_id)
        if credits:
            ledger.give(
                tx,
                account_id,
                bucket="paid",
                credits=credits,
                kind="purchase",
                ref=f"test:{account_id}",
                actor="test",
                now=now,
            )
    return account_id


def add_device(services: Services, account_id: str, key: Ed25519PrivateKey) -> str:
    """A device that is signed in."""
    device_id, now = new_id(), services.clock()
    with services.database.transaction() as tx:
        tx.execute(
            insert(devices).values(
                id=device_id,
                account_id=account_id,
                public_key=public_of(key),
                fingerprint="f" * 64,
                label="Studio",
                os="Linux",
                app_version="0.1.0",
                first_seen=now,
                last_seen=now,
                state="active",
            )
        )
    return device_id


People = Callable[..., Person]


@pytest.fixture
def people(services: Services, clock: Hand) -> Iterator[People]:
    """Makes people: each with an account of `credits`, a device, and a client that is signed in as this device."""
    opened: list[TestClient] = []

    def make(*, credits: int = 100, age: int = OLD, account_id: str | None = None, program: bool = True) -> Person:
        account = account_id or open_account(services, credits=credits, age=age)
        key = new_key()
        public_key(public_of(key))
        device_id = add_device(services, account, key)
        app = FastAPI()
        app.state.services = services
        problems.install(app)
        app.include_router(router())
        who = Caller(account, new_id(), device_id if program else None, "program" if program else "site")
        app.dependency_overrides[caller] = lambda: who
        client = TestClient(app)
        opened.append(client)
        return Person(services, clock, client, account, device_id, key)

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def person(people: People) -> Person:
    return people()
