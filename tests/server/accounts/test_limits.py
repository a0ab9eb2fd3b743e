"""Rate limits in memory and in a real Redis, and that time does not tell which addresses are known."""

from __future__ import annotations

import socket
import statistics
import subprocess
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from fastapi.testclient import TestClient

from outfitswap_desktop.server.accounts import limits, people
from outfitswap_desktop.server.accounts.counting import RULES, Limiter
from outfitswap_desktop.server.app import make_app
from tests.server.accounts.conftest import PASSWORD, SQLITE


@pytest.fixture
def redis(tmp_path):
    """A Redis of its own: its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def guarded(services):
    """The application with its rate limits on."""
    with TestClient(make_app(replace(services, limiter=Limiter("", on=True)))) as running:
        yield running


def taken(limiter, rule, who):
    count = 0
    while limiter.hit(rule, who) is None:
        count += 1
    return count


def test_in_memory_each_sender_has_a_count_of_its_own():
    limiter = Limiter("", on=True)
    assert taken(limiter, "login", "192.0.2.1") == 5
    assert 0 < limiter.hit("login", "192.0.2.1") <= 60
    assert taken(limiter, "login", "192.0.2.2") == 5
    assert taken(limiter, "login_account", "192.0.2.1") == 20
    assert taken(limiter, "licence", "x") == 10
    assert Limiter("", on=False).hit("login", "192.0.2.1") is None


def test_the_window_moves(monkeypatch):
    limiter = Limiter("", on=True)
    start = time.time()
    monkeypatch.setattr(time, "time", lambda: start)
    assert taken(limiter, "login", "a") == 5
    monkeypatch.setattr(time, "time", lambda: start + 59)
    assert limiter.hit("login", "a") is not None
    monkeypatch.setattr(time, "time", lambda: start + 61)
    assert taken(limiter, "login", "a") == 5


def test_in_redis_two_processes_share_one_count_and_go_on_alone_without_it(redis):
    address, process = redis
    one, two = Limiter(address, on=True), Limiter(address, on=True)
    assert [limiter.hit("login", "a") for limiter in (one, two, one, two, one)] == [None] * 5
    for limiter in (one, two):
        assert 0 < limiter.hit("login", "a") <= 60
    assert taken(two, "register", "b") == 5
    assert one.hit("register", "b") is not None
    process.kill()
    process.wait(10)
    assert taken(one, "login", "a") == 5
    assert taken(two, "login", "a") == 5


def test_what_counts_as_one_sender():
    assert limits.network("192.0.2.1") == "192.0.2.1"
    assert limits.network("::ffff:192.0.2.1") == "192.0.2.1"
    assert limits.network("2001:db8:1:2:3::4") == limits.network("2001:db8:1:2:ffff::1") == "2001:db8:1:2::"
    assert limits.network("2001:db8:1:3::1") == "2001:db8:1:3::"
    assert limits.network("testclient") == "testclient"
    with pytest.raises(KeyError):
        limits.limited("nonsense")
    assert all("/" in rule for rule in RULES.values())


@SQLITE
def test_over_http_with_the_time_to_wait(guarded):
    body = {"email": "ada@example.org", "password": "wrong password"}
    statuses = [guarded.post("/v1/auth/login", json=body).status_code for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    refused = guarded.post("/v1/auth/login", json=body)
    assert refused.json()["code"] == "too_many_requests"
    assert 0 < int(refused.headers["Retry-After"]) <= 60


@SQLITE
def test_one_account_is_not_tried_from_many_places(services, settled):
    settled()
    limiter = Limiter("", on=True)
    application = make_app(replace(services, limiter=limiter))
    body = {"email": "Ada@example.org", "password": "x"}
    statuses = []
    for number in range(22):
        with TestClient(application, client=(f"198.51.100.{number}", 1000)) as somebody:
            statuses.append(somebody.post("/v1/auth/login", json=body).status_code)
    assert statuses == [401] * 20 + [429] * 2


@SQLITE
@pytest.mark.parametrize("turns", [5, pytest.param(25, marks=pytest.mark.soak)])
def test_time_does_not_tell_which_addresses_are_known(services, client, turns):
    """Process time, known and unknown in turns: over 25 turns the medians lie within a quarter of each other. (Without the work
    for nobody's password an unknown address takes a twentieth.)
    """
    with services.database.transaction() as tx:
        kept = services.accounts.passwords.hash(PASSWORD)
        people.create(tx, email="ada@example.org", password_hash=kept, now=services.clock(), verified=True)
        people.create(tx, email="oauth@example.org", now=services.clock(), verified=True)
    routes = (
        ("/v1/auth/login", {"password": "wrong password"}, {401}),
        ("/v1/auth/register", {"password": "some password"}, {202}),
    )
    for path, more, statuses in routes if turns > 5 else routes[:1]:
        spent: dict[str, list[float]] = {"ada@example.org": [], "nobody{}@example.org": [], "oauth@example.org": []}
        for turn in range(turns):
            for email, times in spent.items():
                began = time.process_time()
                answer = client.post(path, json={"email": email.format(turn), **more})
                times.append(time.process_time() - began)
                assert answer.status_code in statuses
        medians = sorted(statistics.median(times) for times in spent.values())
        most = 1.25 if turns > 5 else 2
        assert all(slow / fast < most for fast, slow in pairwise(medians)), (path, spent)


@SQLITE
def test_asking_for_a_new_password_takes_as_long_for_nobody(services, client):
    with services.database.transaction() as tx:
        people.create(tx, email="ada@example.org", now=services.clock(), verified=True)
    spent: dict[str, list[float]] = {"ada@example.org": [], "nobody@example.org": []}
    for _ in range(25):
        for email, times in spent.items():
            began = time.process_time()
            client.post("/v1/auth/password/forgot", json={"email": email})
            times.append(time.process_time() - began)
    known, unknown = (statistics.median(times) for times in spent.values())
    assert 0.6 < unknown / known < 1.6, spent
