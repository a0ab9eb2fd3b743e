"""Reservations through the API, on both databases: one effect for each id and key, settled once, at the server's price."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.accounts.callers import Caller, caller
from outfitswap_desktop.server.ledger import credits, reservations
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import accounts
from tests.server.conftest import START, Hand
from tests.server.ledger.conftest import open_person, report


@dataclass
class Desk:
    """A program that is signed in."""

    http: TestClient
    services: Services
    account: str

    def post(self, path: str, body: Any = None, *, key: str | None = "") -> Any:
        headers = {} if key is None else {"Idempotency-Key": key or new_id()}
        return self.http.post(f"/v1{path}", json=body, headers=headers)

    def reserve(self, amount: int = 3, *, key: str = "", **more: Any) -> Any:
        body = {"id": new_id(), "credits": amount, "images": amount, "job_id": "job", "engine": "sd15", **more}
        return self.post("/reservations", body, key=key)

    def held(self, amount: int = 3, **more: Any) -> str:
        answer = self.reserve(amount, **more)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def available(self) -> int:
        return int(self.http.get("/v1/credits").json()["available"])


@pytest.fixture
def desk(client: TestClient, services: Services) -> Iterator[Desk]:
    account = open_person(services.database, paid=10)
    app: Any = client.app
    app.dependency_overrides[caller] = lambda: Caller(account, new_id(), None, "program")
    yield Desk(client, services, account)
    assert report(services.database).ok


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_reserve_commit_and_what_is_left(desk: Desk, clock: Hand) -> None:
    answer = desk.reserve(4)
    assert answer.status_code == 201
    assert answer.json() == {
        "id": answer.json()["id"], "state": "held", "credits": 4, "spent": 0,
        "expires_at": clock() + 7_200_000, "available": 6,
    }  # fmt: skip
    done = desk.post(f"/reservations/{answer.json()['id']}/commit", {"spent": 3})
    assert (done.status_code, done.json()["state"], done.json()["spent"], done.json()["available"]) == (
        200, "committed", 3, 7,
    )  # fmt: skip
    balance = desk.http.get("/v1/credits").json()
    assert (balance["available"], balance["held"], balance["paid"]) == (7, 0, 7)
    entries = desk.http.get("/v1/credits/history").json()["entries"]
    assert [(each["kind"], each["used"]) for each in entries] == [("commit", 3), ("reserve", None), ("purchase", None)]


def test_the_same_request_again_gets_the_same_bytes(desk: Desk) -> None:
    body = {"id": new_id(), "credits": 2, "images": 2, "job_id": "job", "engine": "sd15"}
    first = desk.post("/reservations", body, key="k")
    desk.reserve(1)
    again = desk.post("/reservations", body, key="k")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert desk.available() == 7


def test_a_key_belongs_to_one_request(desk: Desk) -> None:
    body = {"id": new_id(), "credits": 2, "images": 2, "job_id": "job", "engine": "sd15"}
    desk.post("/reservations", body, key="k")
    assert code(desk.post("/reservations", {**body, "job_id": "other"}, key="k")) == (422, "idempotency_key_reused")
    assert code(desk.post(f"/reservations/{body['id']}/commit", {"spent": 2}, key="k")) == (
        422,
        "idempotency_key_reused",
    )
    assert desk.available() == 8


@pytest.mark.parametrize("key", [None, "x" * 121, "\x7f", "\t"])
def test_without_a_usable_key_nothing_happens(desk: Desk, key: str | None) -> None:
    body = {"id": new_id(), "credits": 2, "images": 2, "job_id": "job", "engine": "sd15"}
    assert code(desk.post("/reservations", body, key=key)) == (400, "no_idempotency_key")
    assert desk.available() == 10


def test_a_refused_key_may_be_tried_again_after_a_purchase(desk: Desk) -> None:
    body = {"id": new_id(), "credits": 12, "images": 12, "job_id": "job", "engine": "sd15"}
    assert code(desk.post("/reservations", body, key="k")) == (402, "no_credits")
    with desk.services.database.transaction() as tx:
        credits.give(tx, desk.account, bucket="paid", credits=5, kind="purchase", ref="again", actor="t", now=START)
    assert desk.post("/reservations", body, key="k").status_code == 201


def test_an_id_reserves_once_whatever_the_key(desk: Desk) -> None:
    body = {"id": new_id(), "credits": 10, "images": 10, "job_id": "job", "engine": "sd15"}
    assert desk.post("/reservations", body).json()["available"] == 0
    assert desk.post("/reservations", body).json()["available"] == 0  # though there are none left
    assert code(desk.post("/reservations", {**body, "job_id": "other"})) == (409, "id_in_use")
    desk.post(f"/reservations/{body['id']}/void", {"reason": "cancelled"})
    assert desk.post("/reservations", body).json()["state"] == "voided"
    assert code(desk.post("/reservations", {**body, "credits": 1, "images": 1})) == (409, "id_in_use")


def test_another_accounts_reservation_is_not_there(desk: Desk) -> None:
    other = open_person(desk.services.database, paid=5)
    mine = desk.held(1)
    app: Any = desk.http.app
    app.dependency_overrides[caller] = lambda: Caller(other, new_id(), None, "program")
    body = {"id": mine, "credits": 1, "images": 1, "job_id": "job", "engine": "sd15"}
    assert code(desk.http.get(f"/v1/reservations/{mine}")) == (404, "no_reservation")
    for path, sent in (("commit", {"spent": 1}), ("void", {"reason": "x"}), ("extend", {})):
        assert code(desk.post(f"/reservations/{mine}/{path}", sent)) == (404, "no_reservation")
    assert code(desk.post("/reservations", body)) == (409, "id_in_use")


@pytest.mark.parametrize(
    ("wish", "refused"),
    [
        ({"engine": "sdxl", "credits": 3, "images": 1}, (409, "price_changed")),
        ({"engine": "sd15", "credits": 1, "images": 2}, (409, "price_changed")),
        ({"engine": "fabric", "credits": 1, "images": 1}, (404, "unknown_engine")),
        ({"images": 51, "credits": 51}, (422, "invalid_request")),
        ({"id": "not-an-id"}, (422, "invalid_request")),
    ],
)
def test_the_price_is_the_servers(desk: Desk, wish: dict[str, Any], refused: tuple[int, str]) -> None:
    assert code(desk.reserve(**{"amount": 1, **wish}) if "credits" not in wish else _raw(desk, wish)) == refused
    assert desk.available() == 10


def _raw(desk: Desk, wish: dict[str, Any]) -> Any:
    return desk.post("/reservations", {"id": new_id(), "job_id": "job", "engine": "sd15", **wish})


def test_prices_are_open_to_everybody(client: TestClient) -> None:
    assert client.get("/v1/prices").json() == {"version": 1, "prices": {"sd15": 1, "sdxl": 2, "klein": 2, "qwen": 3}}


@pytest.mark.parametrize("path", ["/credits", "/credits/history", "/reservations/01J00000000000000000000000"])
def test_all_else_wants_a_sign_in(client: TestClient, path: str) -> None:
    assert code(client.get(f"/v1{path}")) == (401, "not_signed_in")


def test_a_reservation_ends_once(desk: Desk) -> None:
    hold = desk.held(3)
    path = f"/reservations/{hold}"
    assert code(desk.post(f"{path}/commit", {"spent": 4})) == (422, "too_much")
    assert desk.post(f"{path}/commit", {"spent": 2}).status_code == 200
    assert desk.post(f"{path}/commit", {"spent": 2}).json()["available"] == 8
    assert code(desk.post(f"{path}/commit", {"spent": 1})) == (409, "settled_otherwise")
    assert code(desk.post(f"{path}/void", {"reason": "late"})) == (409, "settled_otherwise")
    assert code(desk.post(f"{path}/extend", {})) == (409, "settled_otherwise")
    assert desk.http.get(f"/v1{path}").json()["spent"] == 2


def test_what_is_voided_stays_voided(desk: Desk) -> None:
    path = f"/reservations/{desk.held(3)}"
    assert desk.post(f"{path}/void", {"reason": "failed"}).json()["state"] == "voided"
    assert desk.post(f"{path}/void", {"reason": "cancelled"}).json()["available"] == 10
    assert code(desk.post(f"{path}/commit", {"spent": 0})) == (409, "settled_otherwise")


def test_time_ends_what_nobody_extends(desk: Desk, clock: Hand) -> None:
    kept, left = desk.held(2), desk.held(3)
    clock.forward(seconds=7000)
    extended = desk.post(f"/reservations/{kept}/extend", {"ttl_seconds": 3600}, key=None)
    assert extended.json()["expires_at"] == clock() + 3_600_000
    assert desk.post(f"/reservations/{kept}/extend", {"ttl_seconds": 60}).json()["expires_at"] == clock() + 3_600_000
    clock.forward(seconds=200)
    assert _sweep(desk) == 1
    assert _sweep(desk) == 0
    assert desk.http.get(f"/v1/reservations/{left}").json()["state"] == "expired"
    assert desk.available() == 8
    assert desk.post(f"/reservations/{left}/void", {"reason": "crash"}).status_code == 200
    assert code(desk.post(f"/reservations/{left}/commit", {"spent": 3})) == (409, "settled_otherwise")


def test_a_late_commit_counts_until_the_sweep(desk: Desk, clock: Hand) -> None:
    hold = desk.held(2)
    clock.forward(days=1)
    assert desk.post(f"/reservations/{hold}/commit", {"spent": 2}).status_code == 200
    assert _sweep(desk) == 0


def _sweep(desk: Desk) -> int:
    with desk.services.database.transaction() as tx:
        return reservations.expire_due(tx, now=desk.services.clock())


def test_a_frozen_account_takes_no_new_jobs_and_ends_the_old_ones(desk: Desk) -> None:
    hold = desk.held(2)
    with desk.services.database.transaction() as tx:
        tx.execute(update(accounts).values(state="frozen"))
    assert code(desk.reserve(1)) == (403, "account_frozen")
    assert desk.post(f"/reservations/{hold}/commit", {"spent": 1}).status_code == 200


def test_history_wants_a_real_cursor(desk: Desk) -> None:
    assert code(desk.http.get("/v1/credits/history?cursor=x")) == (422, "invalid_request")
    page = desk.http.get("/v1/credits/history?limit=1").json()
    assert (len(page["entries"]), page["next"]) == (1, None)


def test_twins_at_the_same_moment_have_one_effect(desk: Desk) -> None:
    body = {"id": new_id(), "credits": 4, "images": 4, "job_id": "job", "engine": "sd15"}
    answers: list[Any] = []
    gate = threading.Barrier(8)

    def twin() -> None:
        gate.wait()
        answers.append(desk.post("/reservations", body, key="twin"))

    threads = [threading.Thread(target=twin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.content for answer in answers} == {answers[0].content}
    assert sorted("idempotent-replayed" in answer.headers for answer in answers) == [False] + [True] * 7
    assert desk.available() == 6


@pytest.mark.soak
def test_ten_thousand_reservations_expire_in_seconds(
    services: Services, clock: Hand, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bound: 10 s of the processor and 60 s of the clock (PostgreSQL works in processes of its own); none is lost."""
    import time

    from tests.server.ledger.conftest import PRICES, wish

    people = [open_person(services.database, paid=1000) for _ in range(100)]
    for number in range(10_000):
        with services.database.transaction() as tx:
            reservations.reserve(tx, people[number % 100], wish(), device_id=None, prices=PRICES, now=clock())
    clock.forward(days=1)
    started, began = time.process_time(), time.monotonic()
    total = 0
    while True:
        with services.database.transaction() as tx:
            done = reservations.expire_due(tx, now=clock())
        total += done
        if not done:
            break
    worked, took = time.process_time() - started, time.monotonic() - began
    with capsys.disabled():
        print(f"\n{total} expired in {worked:.1f} s of this process, {took:.1f} s of the clock")
    assert total == 10_000
    assert worked < 10
    assert took < 60
    assert report(services.database).ok
