"""Sessions on both databases: refresh tokens that work once, lost answers, theft, and ends that take effect at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.accounts import people, sessions
from outfitswap_desktop.server.operations import audit
from outfitswap_desktop.server.tables import accounts as tables
from outfitswap_desktop.server.tables.operations import audit as audit_table
from tests.server.accounts.conftest import SQLITE, Signed, sign_in


def refresh(client, token, *, agent="testclient"):
    return client.post("/v1/auth/refresh", json={"token": token}, headers={"User-Agent": agent})


def test_a_refresh_token_works_once_and_its_successors_go_on(client, settled, clock):
    token = settled().tokens["refresh_token"]
    seen = {token}
    for _ in range(5):
        clock.forward(seconds=900)
        answer = refresh(client, token)
        assert answer.status_code == 200
        token = answer.json()["refresh_token"]
        assert len(token) == 43
        assert token not in seen
        seen.add(token)
        assert Signed(client, answer.json())("GET", "/v1/me").status_code == 200


def test_a_lost_answer_may_be_asked_for_again_for_ten_seconds(client, settled, clock):
    first = settled().tokens["refresh_token"]
    answer = refresh(client, first).json()
    clock.forward(seconds=10)
    again = refresh(client, first)
    assert again.status_code == 200
    assert again.json()["refresh_token"] == answer["refresh_token"]
    assert refresh(client, answer["refresh_token"]).status_code == 200


def test_reuse_ends_the_whole_family(client, settled, clock, services):
    ada = settled()
    other = settled()
    first = ada.tokens["refresh_token"]
    thief = refresh(client, first).json()
    assert Signed(client, thief)("GET", "/v1/me").status_code == 200
    clock.forward(seconds=11)
    answer = refresh(client, first)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
    assert refresh(client, thief["refresh_token"]).status_code == 401
    assert Signed(client, thief)("GET", "/v1/me").status_code == 401
    assert other("GET", "/v1/me").status_code == 200
    with services.database.reading() as tx:
        assert audit.verify(tx)[0]
        assert "session.refresh_reused" in tx.execute(select(audit_table.c.action)).scalars().all()


def test_an_older_one_ends_it_even_within_the_ten_seconds(client, settled):
    first = settled().tokens["refresh_token"]
    second = refresh(client, first).json()["refresh_token"]
    third = refresh(client, second).json()["refresh_token"]
    assert refresh(client, first).json()["code"] == "session_ended"
    assert refresh(client, third).status_code == 401


def test_the_ten_seconds_are_for_the_same_device_only(client, settled):
    first = settled().tokens["refresh_token"]
    second = refresh(client, first).json()["refresh_token"]
    assert refresh(client, first, agent="somebody else").json()["code"] == "session_ended"
    assert refresh(client, second).status_code == 401


def test_a_proof_of_another_device_refreshes_nothing(client, settled, machine):
    desk, laptop = machine("Desk"), machine("Laptop")
    first = settled(machine=desk).tokens["refresh_token"]

    def form(token, who):
        return {"grant_type": "refresh_token", "refresh_token": token, "device": who.proof()}

    assert client.post("/v1/token", data=form(first, laptop)).status_code == 401
    second = client.post("/v1/token", data=form(first, desk))
    assert second.status_code == 200
    agent = {"User-Agent": "a new version"}
    again = client.post("/v1/token", data=form(first, desk), headers=agent)
    assert again.json()["refresh_token"] == second.json()["refresh_token"]
    assert client.post("/v1/token", data=form(first, laptop)).json()["code"] == "session_ended"


def test_many_at_once_get_one_and_the_same_successor(services, settled):
    token = settled().tokens["refresh_token"]

    def ask(_):
        with services.database.transaction() as tx:
            return sessions.refresh(tx, services, token, agent="testclient", ip="192.0.2.77", now=services.clock())

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(ask, range(12)))
    assert {each.refresh_token for each in found} == {found[0].refresh_token}
    with services.database.transaction() as tx:
        last = found[0].refresh_token
        assert (
            sessions.refresh(tx, services, last, agent="testclient", ip="", now=services.clock()).refresh_token != last
        )


def test_unused_for_sixty_days(client, settled, clock, desk):
    token = settled(machine=desk).tokens["refresh_token"]
    clock.forward(days=59)
    token = refresh(client, token).json()["refresh_token"]
    clock.forward(days=60)
    assert refresh(client, token).json()["code"] == "session_ended"


@SQLITE
def test_nonsense(client):
    for token in ("x" * 20, "x" * 43, "../" * 20, "\u0000" * 43):
        assert refresh(client, token).status_code in {401, 422}


def test_listed_and_ended(client, settled, desk, clock):
    ada = settled(machine=desk)
    clock.forward(seconds=1)
    site = settled()
    listed = ada("GET", "/v1/sessions").json()["sessions"]
    assert [each["kind"] for each in listed] == ["site", "program"]
    assert [each["this"] for each in listed] == [False, True]
    assert "192.0.2" not in str(listed)
    assert site("GET", "/v1/me").status_code == 200
    assert ada("DELETE", f"/v1/sessions/{listed[0]['id']}").status_code == 204
    assert ada("DELETE", f"/v1/sessions/{listed[0]['id']}").status_code == 404
    assert site("GET", "/v1/me").status_code == 401
    third, bob = settled(), settled("bob@example.org")
    mine = ada("GET", "/v1/sessions").json()["sessions"][0]["id"]
    assert bob("DELETE", f"/v1/sessions/{mine}").status_code == 404
    assert ada("DELETE", "/v1/sessions").status_code == 204
    assert third("GET", "/v1/me").status_code == 401
    assert ada("GET", "/v1/me").status_code == 200
    assert bob("GET", "/v1/me").status_code == 200


def test_one_session_for_a_device(client, settled, desk):
    first = settled(machine=desk)
    second = settled(machine=desk)
    assert first.tokens["device_id"] == second.tokens["device_id"]
    assert first("GET", "/v1/me").status_code == 401
    assert second("GET", "/v1/me").status_code == 200


def test_another_process_s_revocation_is_seen_after_five_seconds(services, settled, clock):
    ada = settled()
    assert ada("GET", "/v1/me").status_code == 200
    with services.database.transaction() as tx:
        tx.execute(update(tables.sessions).values(revoked_at=clock()))
    clock.forward(seconds=5)
    assert ada("GET", "/v1/me").status_code == 401


def test_a_frozen_account_may_look_and_leave(services, settled, clock, desk):
    ada = settled(machine=desk)
    with services.database.transaction() as tx:
        assert people.freeze(tx, ada.account_id, now=clock())
        assert not people.freeze(tx, ada.account_id, now=clock())
    clock.forward(seconds=6)
    assert ada("GET", "/v1/me").json()["state"] == "frozen"
    assert ada("GET", "/v1/me/export").status_code == 200
    refused = ada("PATCH", f"/v1/devices/{ada.tokens['device_id']}", json={"label": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "account_frozen")
    with services.database.transaction() as tx:
        assert people.unfreeze(tx, ada.account_id, now=clock())
    clock.forward(seconds=6)
    assert ada("PATCH", f"/v1/devices/{ada.tokens['device_id']}", json={"label": "x"}).status_code == 200
    with services.database.transaction() as tx:
        people.freeze(tx, ada.account_id, now=clock())
    clock.forward(seconds=6)
    assert ada("DELETE", "/v1/me").status_code == 202


@pytest.mark.parametrize(
    ("path", "settles"),
    [
        ("/v1/reservations/{id}/commit", True),
        ("/v1/reservations/{id}/void", True),
        ("/v1/leases/{id}/reconcile", True),
        ("/v1/leases/{id}/close", True),
        ("/v1/offline/receipts", True),
        ("/v1/reservations", False),
        ("/v1/reservations/{id}/extend", False),
        ("/v1/leases", False),
        ("/v1/offline/requests", False),
        ("/v1/orders", False),
        ("/v1/reservations/commit/commit", False),
    ],
)
def test_a_frozen_account_settles_what_it_has_begun_and_begins_nothing(services, settled, clock, desk, path, settles):
    ada = settled(machine=desk)
    with services.database.transaction() as tx:
        people.freeze(tx, ada.account_id, now=clock())
    clock.forward(seconds=6)
    answer = ada("POST", path.format(id=new_id()), json={"not": "a form"})
    assert (answer.status_code, answer.json()["code"]) == (
        (422, "invalid_request") if settles else (403, "account_frozen")
    )


def test_the_site_s_sessions_and_old_rows(services, settled, clock):
    ada = settled()
    with services.database.transaction() as tx:
        opened = sessions.open_for_site(
            tx, services, ada.account_id, agent="browser", ip="2001:db8:1:2::3", now=clock()
        )
        found = sessions.look(tx, opened, now=clock())
        assert (found.caller.account_id, found.caller.kind, found.closing) == (ada.account_id, "site", False)
        network = select(tables.sessions.c.ip_truncated).where(tables.sessions.c.id == opened)
        assert tx.execute(network).scalar_one() == "2001:db8:1::"
    clock.forward(days=13)
    with services.database.transaction() as tx:
        sessions.touch(tx, opened, now=clock())
    clock.forward(days=13)
    with services.database.transaction() as tx:
        assert sessions.look(tx, opened, now=clock()) is not None
    clock.forward(days=2)
    with services.database.transaction() as tx:
        assert sessions.look(tx, opened, now=clock()) is None
        assert sessions.forget_old(tx, now=clock()) == 0
    clock.forward(days=31)
    with services.database.transaction() as tx:
        assert sessions.forget_old(tx, now=clock()) == 2


def test_what_is_kept_of_an_address():
    assert sessions.truncated("192.0.2.77") == "192.0.2.0"
    assert sessions.truncated("::ffff:192.0.2.77") == "192.0.2.0"
    assert sessions.truncated("2001:db8:aaaa:bbbb::1") == "2001:db8:aaaa::"
    assert sessions.truncated("fe80::1%eth0") == "fe80::"
    assert sessions.truncated("testclient") == ""


def test_the_password_is_asked_for(client, settled, desk):
    settled()
    assert sign_in(client, "ada@example.org", desk)("GET", "/v1/me").json()["device_id"]
    for email, password in (("ada@example.org", "wrong"), ("eve@example.org", "wrong")):
        answer = client.post("/v1/auth/login", json={"email": email, "password": password})
        assert (answer.status_code, answer.json()["code"]) == (401, "wrong_password")
