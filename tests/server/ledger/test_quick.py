"""The shorter way to reserve, commit and void says what the framework's way says, and is the one that is taken."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import fastapi.routing
import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from sqlalchemy import update

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.accounts.limits import limited
from outfitswap_desktop.server.accounts.sessions import open_session
from outfitswap_desktop.server.ledger import routes
from outfitswap_desktop.server.ledger.idempotency import KEYED
from outfitswap_desktop.server.ledger.quick import QuickRoute
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.tables.accounts import accounts
from tests.server.conftest import START
from tests.server.ledger.conftest import open_person, report

JSON = "application/json"


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths for which the framework looked at its dependencies."""
    real, paths = fastapi.routing.solve_dependencies, []

    async def noted(**about: Any) -> Any:
        paths.append(about["request"].scope["path"])
        return await real(**about)

    monkeypatch.setattr(fastapi.routing, "solve_dependencies", noted)
    return paths


@pytest.fixture
def ask(client: TestClient, services: Services) -> Callable[..., Any]:
    """Posts as somebody with ten credits, who was seen a moment ago unless `seen` is False."""
    account = open_person(services.database, paid=10)
    with services.database.transaction() as tx:
        tokens = open_session(tx, services, account, device_id=None, kind="program", agent="t", ip="t", now=START)
    signed = {"Authorization": f"Bearer {tokens.access_token}"}

    def asked(path: str, body: str, *, seen: bool = True, kind: str = JSON, key: str = "", **headers: str) -> Any:
        services.accounts.seen._seen.clear()
        if seen:
            assert client.get("/v1/credits", headers=signed).status_code == 200
        sent = {"Content-Type": kind, "Idempotency-Key": key or new_id(), **signed, **headers}
        return client.post(f"/v1{path}", content=body.encode(), headers={k: v for k, v in sent.items() if v != "-"})

    asked.account = account  # type: ignore[attr-defined]
    return asked


def wish(**other: Any) -> str:
    return json.dumps({"id": new_id(), "credits": 2, "images": 2, "job_id": "job", "engine": "sd15", **other})


def test_everyday_requests_take_the_shorter_way(ask: Any, solved: list[str], services: Services) -> None:
    for ending, body, left in (("commit", '{"spent": 1}', 9), ("void", '{"reason": "cancelled"}', 9)):
        mine = wish()
        held = ask("/reservations", mine)
        assert (held.status_code, held.json()["state"]) == (201, "held")
        settled = ask(f"/reservations/{held.json()['id']}/{ending}", body)
        assert (settled.status_code, settled.json()["available"]) == (200, left)
        assert settled.headers["content-type"] == held.headers["content-type"] == JSON
        assert len(settled.headers["x-request-id"]) == 26
    assert set(solved) == {"/v1/credits"}
    assert report(services.database).ok


def test_a_dependency_that_would_be_skipped_is_refused() -> None:
    made = APIRouter(route_class=QuickRoute)
    with pytest.raises(TypeError, match="skip a dependency"):
        made.add_api_route("/x", routes.commit, methods=["POST"], dependencies=[KEYED, limited("reserve", by="caller")])


def test_a_repeated_request_gets_the_first_answer_on_either_way(ask: Any) -> None:
    mine, key = wish(), new_id()
    first = ask("/reservations", mine, key=key)
    for seen in (True, False):
        again = ask("/reservations", mine, key=key, seen=seen)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        other = ask("/reservations", wish(), key=key, seen=seen)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_key_without_an_answer_may_be_used_again(ask: Any, services: Services) -> None:
    key = new_id()
    refused = ask("/reservations", wish(credits=12, images=12), key=key)
    assert (refused.status_code, refused.json()["code"]) == (402, "no_credits")
    told = services.metrics.registry.get_sample_value
    assert told("outfitswap_reserve_rejected_total", {"reason": "no_credits"}) >= 1
    assert ask("/reservations", wish(), key=key).status_code == 201


CASES: list[tuple[str, str, dict[str, str], int]] = [
    ("/reservations", wish(), {"kind": "text/plain"}, 422),
    ("/reservations", wish(), {"kind": f"{JSON}; charset=utf-8"}, 201),
    ("/reservations", wish(), {"key": "-"}, 400),
    ("/reservations", wish(), {"key": "x" * 121}, 400),
    ("/reservations", wish(), {"Authorization": "Bearer x.y.z"}, 401),
    ("/reservations", wish(), {"Authorization": "-"}, 401),
    ("/reservations", wish(credits=-1), {}, 422),
    ("/reservations", wish(more=1), {}, 422),
    ("/reservations", wish(job_id="\0"), {}, 422),
    ("/reservations", wish(engine="none"), {}, 404),
    ("/reservations", wish(credits=3), {}, 409),
    ("/reservations", wish(credits=20, images=20), {}, 402),
    ("/reservations", "", {}, 422),
    ("/reservations", "{", {}, 422),
    ("/reservations", "[]", {}, 422),
    (f"/reservations/{new_id()}/commit", '{"spent": 1}', {}, 404),
    ("/reservations/x/commit", '{"spent": 1}', {}, 422),
    (f"/reservations/{new_id()}/void", '{"reason": ""}', {}, 422),
    (f"/reservations/{new_id()}/void", '{"reason": "x"}', {}, 404),
]


@pytest.mark.parametrize(("path", "body", "more", "status"), CASES, ids=[str(each) for each in range(len(CASES))])
def test_both_ways_say_the_same(ask: Any, path: str, body: str, more: dict[str, str], status: int) -> None:
    quick, whole = ask(path, body, **more), ask(path, body, seen=False, **more)
    assert (quick.status_code, whole.status_code) == (status, status)
    if status >= 400:
        assert quick.content == whole.content
        assert quick.headers["content-type"] == "application/problem+json"


def test_who_was_frozen_since_is_refused(ask: Any, services: Services) -> None:
    with services.database.transaction() as tx:
        tx.execute(update(accounts).where(accounts.c.id == ask.account).values(state="frozen"))
    for seen in (True, False):
        answer = ask("/reservations", wish(), seen=seen)
        assert (answer.status_code, answer.json()["code"]) == (403, "account_frozen")


@pytest.mark.parametrize(("ending", "body"), [("commit", '{"spent": 1}'), ("void", '{"reason": "cancelled"}')])
def test_who_was_frozen_since_settles_what_was_begun(ask: Any, services: Services, ending: str, body: str) -> None:
    held = ask("/reservations", wish()).json()["id"]
    with services.database.transaction() as tx:
        tx.execute(update(accounts).where(accounts.c.id == ask.account).values(state="frozen"))
    refused = ask(f"/reservations/{held}/extend", '{"ttl_seconds": 60}', seen=False)
    assert (refused.status_code, refused.json()["code"]) == (403, "account_frozen")
    assert ask(f"/reservations/{held}/{ending}", body, seen=False).status_code == 200


def test_one_program_reserves_no_faster_than_it_can_paint(
    ask: Any, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.limiter, "on", True)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    mine = wish()
    statuses = [ask("/reservations", mine, seen=number % 2 == 0).status_code for number in range(51)]
    assert statuses == [201] * 50 + [429]
    refused = ask("/reservations", mine)
    assert refused.json()["code"] == "too_many_requests"
    assert int(refused.headers["Retry-After"]) >= 1
    monkeypatch.setattr(time, "time", lambda: now + 1.1)
    assert ask("/reservations", mine).status_code == 201
