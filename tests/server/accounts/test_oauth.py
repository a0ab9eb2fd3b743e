"""Signing in elsewhere, against a real OpenID Connect provider in a process of its own."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import func, select

from outfitswap_desktop.server.accounts import oauth, people, sessions
from outfitswap_desktop.server.tables import accounts as tables
from tests.server.accounts.conftest import PASSWORD, SQLITE, Signed, sign_in
from tests.server.accounts.oidc_provider import CLIENT_ID, CLIENT_SECRET, running

CALLBACK = "/v1/auth/oauth/oidc/callback"


@pytest.fixture(scope="module")
def provider():
    with running() as address:
        yield address


@pytest.fixture
def settings(settings, provider):
    return settings.model_copy(
        update={
            "oidc_issuer": provider,
            "oidc_name": "Studio",
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": type(settings.oidc_client_secret)(CLIENT_SECRET),
        }
    )


@pytest.fixture
def orders(provider):
    def order(**what):
        return httpx.post(f"{provider}/orders", json=what).json()["calls"]

    order()
    return order


@pytest.fixture
def go(client, provider):
    """A browser: off to the provider, which answers at once, and (unless told otherwise) back."""

    def travel(*, onward="/history", back=True, forget=False):
        off = client.get("/v1/auth/oauth/oidc/start", params={"next": onward}, follow_redirects=False)
        assert off.status_code == 303, off.text
        query = parse_qs(urlsplit(off.headers["location"]).query)
        assert query["code_challenge_method"] == ["S256"]
        assert {len(query[name][0]) for name in ("state", "nonce", "code_challenge")} == {43}
        sent = httpx.get(off.headers["location"])
        assert sent.status_code == 302, sent.text
        home = sent.headers["location"].removeprefix("http://testserver")
        assert home.startswith(CALLBACK)
        if forget:
            client.cookies.clear()
        return client.get(home, follow_redirects=False) if back else home

    return travel


def who(client, services):
    """The account of the browser's session, by the site's own cookie."""
    cookies = client.app.state.site_cookies
    found = cookies.read_session(client.cookies.get(cookies.session_name))
    if found is None:
        return None
    with services.database.reading() as tx:
        opened = sessions.look(tx, found.id, now=services.clock())
        return None if opened is None else people.get(tx, opened.caller.account_id)


def told(answer):
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    assert where.path == "/sign-in"
    return parse_qs(where.query)["done"][0]


def count(services, table):
    with services.database.reading() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_new_person_and_the_same_one_again(client, services, orders, go):
    answer = go()
    assert (answer.status_code, answer.headers["location"]) == (303, "/history")
    ada = who(client, services)
    assert (ada.email, ada.display_name, ada.has_password) == ("ada@example.org", "Ada", False)
    assert ada.email_verified_at == services.clock()
    orders(claims={"email": "ada.moved@example.org", "email_verified": False})
    go()
    assert who(client, services).account_id == ada.account_id
    assert who(client, services).email == "ada@example.org"
    assert count(services, tables.accounts) == 1
    assert count(services, tables.oauth_states) == 0


def test_a_confirmed_account_is_linked(client, services, orders, go, settled):
    ada = settled()
    go()
    assert who(client, services).account_id == ada.account_id
    assert ada("GET", "/v1/me").status_code == 200
    sign_in(client, "ada@example.org", None)


def test_an_address_that_the_provider_has_not_proven_opens_nobody_s_account(client, services, orders, go, settled):
    settled()
    for said in (False, None, "true", 1):
        orders(claims={"email_verified": said})
        assert told(go()) == "email_taken"
        assert who(client, services) is None
    orders(claims={"email": "eve@example.org", "email_verified": False, "sub": "2"})
    go()
    assert who(client, services).email_verified_at is None


def test_whoever_took_the_address_before_its_owner_is_put_out(client, services, orders, go, join, machine):
    eve = join("ada@example.org", machine=machine("Eve"), verify=False)
    orders(claims={"sub": "eve", "email_verified": False})
    assert told(go()) == "email_taken"
    orders()
    go()
    assert who(client, services).account_id == eve.account_id
    assert eve("GET", "/v1/me").status_code == 401
    refused = client.post("/v1/auth/login", json={"email": "ada@example.org", "password": PASSWORD})
    assert refused.status_code == 401


def test_a_state_works_once_and_only_in_its_own_browser(client, services, orders, go):
    home = go(back=False)
    stolen = dict(client.cookies)
    client.cookies.clear()
    assert told(client.get(home, follow_redirects=False)) == "oauth_expired"
    client.cookies.clear()
    client.cookies.update(stolen)
    assert client.get(home, follow_redirects=False).headers["location"] == "/history"
    client.cookies.clear()
    client.cookies.update(stolen)
    assert told(client.get(home, follow_redirects=False)) == "oauth_expired"
    assert told(go(forget=True)) == "oauth_expired"
    assert count(services, tables.sessions) == 1


def test_a_state_grows_old_and_one_made_up_is_none(client, services, orders, go, clock):
    home = go(back=False)
    clock.forward(seconds=600)
    assert told(client.get(home, follow_redirects=False)) == "oauth_expired"
    assert told(client.get(f"{CALLBACK}?state={'x' * 43}&code=y", follow_redirects=False)) == "oauth_expired"
    orders(denies=True)
    assert told(go()) == "oauth_denied"
    assert told(client.get(CALLBACK, follow_redirects=False)) == "oauth_denied"


@SQLITE
def test_id_tokens_that_are_not_right(client, services, orders, go):
    for wrong in (
        {"signing": "none"},
        {"signing": "client_secret"},
        {"signing": "public_key"},
        {"signing": "stranger"},
        {"no_id_token": True},
        {"claims": {"nonce": "another"}},
        {"claims": {"nonce": None}},
        {"claims": {"aud": "another-client"}},
        {"claims": {"aud": ["another-client", "third"]}},
        {"claims": {"iss": "http://127.0.0.1:1"}},
        {"claims": {"iss": None}},
        {"claims": {"exp": 1_000_000_000}},
        {"claims": {"exp": None}},
        {"claims": {"sub": None}},
        {"claims": {"iat": 9_999_999_999, "nbf": 9_999_999_999}},
    ):
        orders(**wrong)
        assert told(go()) == "oauth_failed", wrong
    orders(claims={"email": None})
    assert told(go()) == "no_email"
    orders(breaks=True)
    assert told(go()) in {"oauth_failed", "provider_unreachable"}
    assert count(services, tables.accounts) == 0
    orders(claims={"aud": [CLIENT_ID]})
    assert go().headers["location"] == "/history"


@SQLITE
def test_the_provider_s_new_key_is_fetched(client, services, orders, go):
    go()
    assert orders(new_key=True) == ["discovery", "jwks"]
    assert go().headers["location"] == "/history"
    assert orders() == ["jwks"]


@SQLITE
def test_a_provider_that_is_another_or_gone(client, services, orders, go, provider):
    orders(discovered_issuer="http://127.0.0.1:1")
    assert told(client.get("/v1/auth/oauth/oidc/start", follow_redirects=False)) == "oauth_failed"
    assert told(client.get("/v1/auth/oauth/google/start", follow_redirects=False)) == "unknown_provider"


@SQLITE
def test_a_provider_that_does_not_answer(services, settings):
    from dataclasses import replace

    from outfitswap_desktop.server.problems import Refusal

    away = replace(services, settings=settings.model_copy(update={"oidc_issuer": "http://127.0.0.1:9"}))
    with pytest.raises(Refusal) as refusal:
        oauth.start(away, "oidc", onward="/", now=services.clock())
    assert (refusal.value.status, refusal.value.code) == (502, "provider_unreachable")


def test_onward_is_always_a_page_of_the_site():
    for path in ("/", "/history?x=1", "/authorize?a=b%2F"):
        assert oauth.local(path) == path
    for path in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "evil",
        "",
        "/a\nb",
        "/a\\b",
        "/\t/evil",
        "/é",
    ):
        assert oauth.local(path) == "/"


@SQLITE
def test_nobody_is_led_astray(client, services, orders, go):
    assert go(onward="//evil.example/x").headers["location"] == "/"


def test_a_session_of_the_site_is_not_one_of_a_program(client, services, orders, go, desk):
    go()
    ada = who(client, services)
    with services.database.transaction() as tx:
        people.set_password(tx, ada.account_id, services.accounts.passwords.hash(PASSWORD))
    program: Signed = sign_in(client, "ada@example.org", desk)
    kinds = [each["kind"] for each in program("GET", "/v1/sessions").json()["sessions"]]
    assert sorted(kinds) == ["program", "site"]
    assert program("GET", "/v1/credits").json()["promo"] == 20
