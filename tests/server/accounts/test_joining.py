"""Signing up, confirming, signing in, forgetting and resetting, over HTTP and on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from outfitswap_desktop.server.accounts import sign_in as sign_in_room
from outfitswap_desktop.server.tables.accounts import accounts
from tests.server.accounts.conftest import CHEAP, PASSWORD, SQLITE, sign_in


def test_from_nothing_to_signed_in_with_free_credits(client, join, services):
    ada = join()
    me = ada("GET", "/v1/me").json()
    assert (me["email"], me["email_verified"], me["state"]) == ("ada@example.org", True, "active")
    assert me["device_id"] == ada.tokens["device_id"]
    credits = ada("GET", "/v1/credits").json()
    assert (credits["available"], credits["promo"], credits["paid"]) == (20, 20, 0)
    assert credits["expiring"][0]["at"] == services.clock() + 30 * 86_400_000
    assert ada("POST", "/v1/auth/logout").status_code == 204
    assert ada("GET", "/v1/me").status_code == 401


def test_register_says_the_same_for_a_known_address_and_tells_its_owner(client, join, mails):
    join()
    known = client.post("/v1/auth/register", json={"email": "ADA@example.org", "password": "another password"})
    fresh = client.post("/v1/auth/register", json={"email": "bob@example.org", "password": "another password"})
    assert (known.status_code, known.json()) == (fresh.status_code, fresh.json())
    assert _headers(known) == _headers(fresh)
    assert [kind for kind, _ in mails()][-2:] == ["already_registered", "verify_email"]
    assert "to" not in mails()[-2][1]
    sign_in(client, "ada@example.org", None)


def test_an_address_not_yet_confirmed_gets_a_new_link_and_the_old_one_ends(client, mails):
    for password in (PASSWORD, "another password"):
        assert client.post("/v1/auth/register", json={"email": "ada@example.org", "password": password}).is_success
    first, second = (payload["token"] for kind, payload in mails() if kind == "verify_email")
    ada = sign_in(client, "ada@example.org", None)
    assert verified(ada, first) == "bad_token"
    assert verified(ada, second) == ""
    assert verified(ada, second) == "bad_token"


def test_a_link_confirms_only_for_who_is_signed_in_to_its_account(client, join, mails):
    """Somebody may have made an account with a stranger's address, and wait for the stranger to confirm it."""
    client.post("/v1/auth/register", json={"email": "victim@example.org", "password": "mallory's own"})
    token = mails()[-1][1]["token"]
    answer = client.post("/v1/auth/verify-email", json={"token": token})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert verified(join("ada@example.org"), token) == "bad_token"
    mallory = sign_in(client, "victim@example.org", None, password="mallory's own")
    assert mallory("GET", "/v1/me").json()["email_verified"] is False
    assert verified(mallory, token) == ""


def test_many_at_once_for_one_address_make_one_account(services, client):
    hashed = CHEAP.hash(PASSWORD)

    def ask(_):
        with services.database.transaction() as tx:
            return sign_in_room.register(
                tx, services, email="Ada@example.org", password_hash=hashed, display_name=None, now=services.clock()
            )

    with ThreadPoolExecutor(8) as pool:
        made = [each for each in pool.map(ask, range(8)) if each is not None]
    assert len(made) == 1
    with services.database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(accounts)).scalar_one() == 1
    sign_in(client, "ada@example.org", None)


def test_forgot_says_the_same_for_everybody(client, join, mails):
    join()
    before = len(mails())
    unknown = client.post("/v1/auth/password/forgot", json={"email": "nobody@example.org"})
    assert len(mails()) == before
    known = client.post("/v1/auth/password/forgot", json={"email": "ada@example.org"})
    assert len(mails()) == before + 1
    assert (known.status_code, known.json(), _headers(known)) == (
        unknown.status_code,
        unknown.json(),
        _headers(unknown),
    )


def test_a_reset_ends_all_sessions_and_works_once(client, join, mails, clock):
    ada = join()
    client.post("/v1/auth/password/forgot", json={"email": "ada@example.org"})
    old = mails()[-1][1]["token"]
    client.post("/v1/auth/password/forgot", json={"email": "ada@example.org"})
    token = mails()[-1][1]["token"]
    body = {"token": token, "password": "a new password"}
    assert client.post("/v1/auth/password/reset", json={**body, "token": old}).json()["code"] == "bad_token"
    assert client.post("/v1/auth/password/reset", json=body).is_success
    assert client.post("/v1/auth/password/reset", json=body).json()["code"] == "bad_token"
    assert ada("GET", "/v1/me").status_code == 401
    assert client.post("/v1/auth/refresh", json={"token": ada.tokens["refresh_token"]}).status_code == 401
    wrong = client.post("/v1/auth/login", json={"email": "ada@example.org", "password": PASSWORD})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_password")
    sign_in(client, "ada@example.org", None, password="a new password")


def test_links_grow_old(client, mails, clock):
    client.post("/v1/auth/register", json={"email": "ada@example.org", "password": PASSWORD})
    verify = mails()[-1][1]["token"]
    client.post("/v1/auth/password/forgot", json={"email": "ada@example.org"})
    reset = mails()[-1][1]["token"]
    clock.forward(seconds=3_601)
    body = {"token": reset, "password": "a new password"}
    assert client.post("/v1/auth/password/reset", json=body).json()["code"] == "bad_token"
    assert verified(sign_in(client, "ada@example.org", None), reset) == "bad_token"
    clock.forward(days=3)
    assert verified(sign_in(client, "ada@example.org", None), verify) == "bad_token"


@SQLITE
def test_what_is_no_address_is_told(client):
    for email in ("", "ada", "ada@", "@example.org", "a b@example.org", "ada@example", f"{'a' * 250}@x.org"):
        answer = client.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"


def verified(signed, token):
    """Confirm an address; the code of what was wrong, or nothing."""
    answer = signed("POST", "/v1/auth/verify-email", json={"token": token})
    return "" if answer.is_success else answer.json()["code"]


def _headers(answer):
    return {name: text for name, text in answer.headers.items() if name not in {"x-request-id", "date"}}
