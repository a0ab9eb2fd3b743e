"""Signing in through the browser and by device code: PKCE, loopback addresses, single use, and guessing."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from outfitswap_desktop.server.accounts import device_codes, grants
from outfitswap_desktop.server.accounts.counting import Limiter
from outfitswap_desktop.server.problems import Refusal
from tests.server.accounts.conftest import SQLITE, Signed

VERIFIER = "v" * 20 + "-._~" + "0123456789abcdefghijkl"
REDIRECT = "http://127.0.0.1:49152/cb"
QUERY = {
    "response_type": "code",
    "client_id": "outfitswap-desktop",
    "redirect_uri": REDIRECT,
    "state": "s" * 32,
    "code_challenge": grants.challenge_of(VERIFIER),
    "code_challenge_method": "S256",
}


@pytest.fixture
def code(services, settled):
    """A fresh code, as the browser brings it to the program."""

    def approve(**query):
        ada = settled()
        asked = grants.start_authorization(**{**QUERY, **query})
        with services.database.transaction() as tx:
            url = grants.approve(tx, asked, ada.account_id, now=services.clock())
        sent = parse_qs(urlsplit(url).query)
        assert url.startswith(REDIRECT + "?")
        assert sent["state"] == [QUERY["state"]]
        return sent["code"][0]

    return approve


@pytest.fixture
def redeem(client, desk):
    def ask(fresh, **change):
        form = {"grant_type": "authorization_code", "code": fresh, "code_verifier": VERIFIER, "redirect_uri": REDIRECT}
        body = {name: text for name, text in {**form, "device": desk.proof(), **change}.items() if text is not None}
        return client.post("/v1/token", data=body)

    return ask


def test_the_whole_way(client, code, redeem, desk):
    answer = redeem(code())
    assert answer.status_code == 200
    program = Signed(client, answer.json())
    assert program("GET", "/v1/me").json()["device_id"] == answer.json()["device_id"]
    assert program("GET", "/v1/devices").json()["devices"][0]["this"]
    again = client.post(
        "/v1/token", data={"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    )
    assert again.status_code == 200


def test_challenge_of_the_standard_s_own_example():
    assert (
        grants.challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_no_way_around_pkce():
    for change in (
        {"code_challenge_method": "plain"},
        {"code_challenge_method": ""},
        {"code_challenge_method": "s256"},
        {"code_challenge": ""},
        {"code_challenge": VERIFIER + "="},
        {"code_challenge": "x" * 42},
        {"response_type": "token"},
        {"client_id": "somebody-else"},
        {"state": ""},
        {"state": "short"},
        {"state": "s" * 31 + "\n"},
    ):
        with pytest.raises(Refusal) as refusal:
            grants.start_authorization(**{**QUERY, **change})
        assert (refusal.value.status, refusal.value.code) == (400, "bad_authorization")


def test_only_this_machine_s_own_addresses():
    good = ("http://127.0.0.1:1024/cb", "http://127.0.0.1:65535/cb", "http://[::1]:50000/cb")
    for uri in good:
        assert grants.start_authorization(**{**QUERY, "redirect_uri": uri}).redirect_uri == uri
    for uri in (
        *("https://127.0.0.1:5000/cb", "http://localhost:5000/cb", "http://127.0.0.2:5000/cb", "http://0.0.0.0:5000/cb"),
        *("http://127.0.0.1/cb", "http://127.0.0.1:80/cb", "http://127.0.0.1:0/cb", "http://127.0.0.1:99999/cb"),
        *("http://127.0.0.1:5000/", "http://127.0.0.1:5000/cb/", "http://127.0.0.1:5000/cb/../x", "http://127.0.0.1:5000/CB"),
        *("http://127.0.0.1:5000/cb?x=1", "http://127.0.0.1:5000/cb#x", "http://127.0.0.1:5000//cb", "http://127.0.0.1:5000/%63b"),
        *("http://a@127.0.0.1:5000/cb", "http://127.0.0.1:5000@evil.example/cb", "http://127.0.0.1.evil.example:5000/cb"),
        *("http://evil.example:5000/cb", "//127.0.0.1:5000/cb", "127.0.0.1:5000/cb", "outfitswap://cb", "javascript:alert(1)"),
        *("http://127.1:5000/cb", "http://2130706433:5000/cb", "http://127.0.0.1:05000/cb", "http://127.0.0.1:5000/cb\n"),
        *("http://127.0.0.1:5000\\@evil.example/cb", " http://127.0.0.1:5000/cb", "http://[::1]/cb", "http://[::2]:5000/cb"),
        "",
    ):  # fmt: skip
        with pytest.raises(Refusal):
            grants.start_authorization(**{**QUERY, "redirect_uri": uri})


def test_a_wrong_verifier_burns_the_code(code, redeem):
    for wrong in (
        "w" * 43,
        QUERY["code_challenge"],
        VERIFIER + "x",
        VERIFIER[:-1],
        "v" * 42,
        "é" * 43,
        VERIFIER.upper(),
    ):
        fresh = code()
        answer = redeem(fresh, code_verifier=wrong)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert redeem(fresh).json()["error"] == "invalid_grant"


def test_what_is_missing_is_asked_for(code, redeem):
    fresh = code()
    for name in ("code", "code_verifier", "redirect_uri", "device"):
        answer = redeem(fresh, **{name: None})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert redeem(fresh, grant_type="password").json()["error"] == "unsupported_grant_type"
    assert redeem(fresh, redirect_uri="http://127.0.0.1:49153/cb").json()["error"] == "invalid_grant"


def test_a_code_lives_a_minute(code, redeem, clock):
    fresh = code()
    clock.forward(seconds=60)
    assert redeem(fresh).json()["error"] == "invalid_grant"
    assert redeem("x" * 43).json()["error"] == "invalid_grant"


def test_a_second_use_ends_what_came_of_the_first(client, code, redeem):
    fresh = code()
    program = Signed(client, redeem(fresh).json())
    assert program("GET", "/v1/me").status_code == 200
    assert redeem(fresh).json()["error"] == "invalid_grant"
    assert program("GET", "/v1/me").status_code == 401


def test_of_many_at_once_at_most_one_gets_in(services, code):
    fresh = code()

    def ask(_):
        with services.database.transaction() as tx:
            return grants.redeem_code(
                tx, services, code=fresh, verifier=VERIFIER, redirect_uri=REDIRECT, now=services.clock()
            )

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert sum(isinstance(each, str) for each in found) == 1


def test_no_is_an_answer():
    url = grants.deny(grants.start_authorization(**QUERY))
    assert parse_qs(urlsplit(url).query) == {"error": ["access_denied"], "state": [QUERY["state"]]}


# --- device codes ---------------------------------------------------------------------------------------------------


@pytest.fixture
def poll(client, desk):
    def ask(device_code):
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": device_code}
        return client.post("/v1/token", data={**form, "device": desk.proof()})

    return ask


def test_a_device_code_from_start_to_end(client, services, settled, poll, clock):
    ada = settled()
    asked = client.post("/v1/device/code", data={"client": "Render box"}).json()
    assert asked["verification_uri_complete"].endswith("/device?code=" + asked["user_code"])
    assert poll(asked["device_code"]).json()["error"] == "authorization_pending"
    clock.forward(seconds=5)
    assert poll(asked["device_code"]).json()["error"] == "authorization_pending"
    clock.forward(seconds=4)
    assert poll(asked["device_code"]).json()["error"] == "slow_down"
    clock.forward(seconds=6)
    assert poll(asked["device_code"]).json()["error"] == "slow_down"
    with services.database.transaction() as tx:
        typed = f" {asked['user_code'].lower().replace('-', ' ')} "
        seen = device_codes.find(tx, services, typed, account_id=ada.account_id, now=clock())
        assert (seen.client, seen.user_code) == ("Render box", asked["user_code"])
        assert device_codes.approve(tx, typed, ada.account_id, now=clock())
        assert not device_codes.approve(tx, typed, ada.account_id, now=clock())
        assert not device_codes.deny(tx, typed, now=clock())
    answer = poll(asked["device_code"])
    assert Signed(client, answer.json())("GET", "/v1/me").json()["account_id"] == ada.account_id
    assert poll(asked["device_code"]).json()["error"] == "invalid_grant"


def test_denied_and_outdated_codes(client, services, settled, poll, clock):
    ada = settled()
    denied, old = (client.post("/v1/device/code").json() for _ in range(2))
    with services.database.transaction() as tx:
        assert device_codes.deny(tx, denied["user_code"], now=clock())
    assert poll(denied["device_code"]).json()["error"] == "access_denied"
    clock.forward(seconds=600)
    with services.database.transaction() as tx:
        assert not device_codes.approve(tx, old["user_code"], ada.account_id, now=clock())
    assert poll(old["device_code"]).json()["error"] == "expired_token"
    assert poll("x" * 43).json()["error"] == "invalid_grant"


@SQLITE
def test_user_codes_cannot_be_tried_out(client, services, settled, clock):
    from dataclasses import replace

    ada = settled()
    guarded = replace(services, limiter=Limiter("", on=True))
    asked = client.post("/v1/device/code").json()["user_code"].replace("-", "")
    assert len(set(asked) - set(device_codes.LETTERS)) == 0
    assert len(device_codes.LETTERS) ** device_codes.LENGTH > 2**34
    guesses = random.Random(1)
    with services.database.transaction() as tx:
        for _ in range(10):
            wrong = "".join(guesses.choices(device_codes.LETTERS, k=8))
            assert device_codes.find(tx, guarded, wrong, account_id=ada.account_id, now=clock()) is None
        with pytest.raises(Refusal) as refusal:
            device_codes.find(tx, guarded, asked, account_id=ada.account_id, now=clock())
    assert refusal.value.status == 429
    assert 0 < int(refusal.value.headers["Retry-After"]) <= 600
