"""Devices and free credits: places that are counted, and one welcome for a person, a machine and, within bounds, a network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from outfitswap_desktop.server.accounts import devices, people, promo
from outfitswap_desktop.server.accounts.disposable import is_disposable
from outfitswap_desktop.server.accounts.entering import Entrance
from outfitswap_desktop.server.leases.proofs import check_proof
from outfitswap_desktop.server.ledger import credits
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables import accounts as tables
from outfitswap_desktop.server.tables.operations import outbox


def test_three_devices_and_no_more_until_one_is_signed_out(client, settled, machine, mails):
    boxes = [machine(f"Box {number}") for number in range(4)]
    first, *_, third = [settled(machine=each) for each in boxes[:3]]
    assert [kind for kind, _ in mails()] == ["new_device", "new_device"]
    body = {"device": boxes[3].proof()}
    site = settled()
    refused = site("POST", "/v1/devices", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_devices")
    listed = third("GET", "/v1/devices").json()
    assert (listed["limit"], [each["label"] for each in listed["devices"] if each["this"]]) == (3, ["Box 2"])
    assert third("DELETE", f"/v1/devices/{first.tokens['device_id']}").status_code == 204
    assert first("GET", "/v1/me").status_code == 401
    added = site("POST", "/v1/devices", json={"device": boxes[3].proof()})
    assert (added.status_code, added.json()["this"]) == (201, True)
    again = client.post("/v1/auth/refresh", json={"token": site.tokens["refresh_token"]}).json()
    assert again["device_id"] == added.json()["id"]
    with pytest.raises(Refusal):
        settled(machine=boxes[0])


def test_a_proof_counts_once(settled, desk):
    ada = settled()
    proof = desk.proof()
    assert ada("POST", "/v1/devices", json={"device": proof}).status_code == 201
    assert ada("POST", "/v1/devices", json={"device": proof}).json()["code"] == "device_proof_used"
    assert ada("POST", "/v1/devices", json={"device": desk.proof("lease")}).json()["code"] == "device_proof"


def test_a_machine_that_was_set_up_anew_takes_its_own_place(settled, machine):
    boxes = [machine(f"Box {number}") for number in range(3)]
    first, *_ = [settled(machine=each) for each in boxes]
    anew = settled(machine=machine("Box 0", fingerprint=boxes[0].fingerprint))
    assert anew.tokens["device_id"] != first.tokens["device_id"]
    assert first("GET", "/v1/me").status_code == 401
    states = [each["state"] for each in anew("GET", "/v1/devices").json()["devices"]]
    assert sorted(states) == ["active", "active", "active", "revoked"]


def test_names_and_strangers(settled, desk):
    ada, bob = settled(machine=desk), settled("bob@example.org")
    mine = ada.tokens["device_id"]
    assert ada("PATCH", f"/v1/devices/{mine}", json={"label": "  Studio "}).json()["label"] == "Studio"
    assert ada("GET", f"/v1/devices/{mine}").json()["label"] == "Studio"
    for method, body in (("GET", None), ("PATCH", {"label": "x"}), ("DELETE", None)):
        answer = bob(method, f"/v1/devices/{mine}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_device")
    assert ada("GET", "/v1/devices/nonsense").status_code == 422


def test_eight_at_once_for_three_places(services, settled, machine):
    ada = settled()

    def ask(number):
        try:
            with services.database.transaction() as tx:
                proof = check_proof(tx, machine(f"Box {number}").proof(), purpose="sign-in", now=services.clock())
                return devices.attach(tx, services, ada.account_id, proof=proof, now=services.clock())
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert found.count("too_many_devices") == 5
    with services.database.reading() as tx:
        active = select(func.count()).select_from(tables.devices).where(tables.devices.c.state == "active")
        assert tx.execute(active).scalar_one() == 3


# --- free credits ---------------------------------------------------------------------------------------------------


@pytest.fixture
def welcome(services, machine):
    """Signs somebody in from an address of the network; gives the free credits they got."""

    def join(email, label, *, ip="192.0.2.1", verified=True, fingerprint=None):
        now = services.clock()
        with services.database.transaction() as tx:
            account_id = people.create(tx, email=email, now=now, verified=verified)
            who = machine(label, **({"fingerprint": fingerprint} if fingerprint else {}))
            Entrance(services, agent="test", ip=ip, now=now).enter(tx, account_id, device=who.proof())
            return credits.balance(tx, account_id, now=now).promo

    return join


def test_once_for_a_person(welcome):
    assert welcome("ada@example.org", "A") == 20
    assert welcome("ada+two@example.org", "B", ip="198.51.100.1") == 0
    assert welcome("ada.lovelace@gmail.com", "C", ip="198.51.100.2") == 20
    assert welcome("adalovelace+x@googlemail.com", "D", ip="198.51.100.3") == 0
    assert welcome("a.da@example.org", "E", ip="198.51.100.4") == 20


def test_once_for_a_machine(welcome):
    assert welcome("ada@example.org", "A", fingerprint="same") == 20
    assert welcome("bob@example.org", "B", ip="198.51.100.1", fingerprint="same") == 0


def test_three_a_day_for_a_network(welcome, clock):
    given = [welcome(f"p{number}@example.org", f"Box {number}", ip=f"192.0.2.{number}") for number in range(5)]
    assert given == [20, 20, 20, 0, 0]
    assert welcome("six@example.org", "Six", ip="192.0.3.1") == 20
    v6 = [welcome(f"v{number}@example.org", f"V {number}", ip=f"2001:db8:1:{number}::1") for number in range(4)]
    assert v6 == [20, 20, 20, 0]
    clock.forward(days=1)
    assert welcome("late@example.org", "Late", ip="192.0.2.99") == 20


def test_who_missed_out_leaves_no_mark_on_others(welcome, services):
    for number in range(3):
        welcome(f"p{number}@example.org", f"Box {number}")
    assert welcome("four@example.org", "Four") == 0
    assert welcome("four+again@example.org", "Five", ip="198.51.100.9") == 20
    text = services.metrics.registry.get_sample_value("outfitswap_promo_refused_total", {"reason": "network"})
    assert text == 1


def test_not_without_a_proven_address_and_a_device(client, join, services, welcome, settled):
    assert welcome("un@example.org", "U", verified=False) == 0
    assert welcome("x@mailinator.com", "M", ip="198.51.100.7") == 0
    assert settled("site@example.org")("GET", "/v1/credits").json()["promo"] == 0
    ada = join("ada@example.org", verify=False)
    assert ada("GET", "/v1/credits").json()["promo"] == 0


def test_the_order_does_not_matter_and_twice_is_once(client, join, mails, services):
    ada = join(verify=False)
    token = next(payload["token"] for kind, payload in mails() if kind == "verify_email")
    assert ada("POST", "/v1/auth/verify-email", json={"token": token}).is_success
    assert ada("GET", "/v1/credits").json()["promo"] == 20

    def ask(_):
        with services.database.transaction() as tx:
            return promo.consider(tx, services, ada.account_id, ip="198.51.100.1", now=services.clock())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [False] * 8
    assert ada("GET", "/v1/credits").json()["promo"] == 20


def test_eight_considerations_at_once_give_once(services, settled, machine):
    ada = settled()
    with services.database.transaction() as tx:
        proof = check_proof(tx, machine().proof(), purpose="sign-in", now=services.clock())
        devices.attach(tx, services, ada.account_id, proof=proof, now=services.clock())

    def ask(number):
        with services.database.transaction() as tx:
            return promo.consider(tx, services, ada.account_id, ip=f"198.51.{number}.1", now=services.clock())

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(8))) == [False] * 7 + [True]
    assert ada("GET", "/v1/credits").json()["promo"] == 20
    with services.database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(tables.abuse_marks)).scalar_one() == 3


def test_marks_tell_nobody_who_it_was(welcome, services):
    welcome("ada@example.org", "A")
    with services.database.reading() as tx:
        rows = str(tx.execute(select(tables.abuse_marks.c.kind, tables.abuse_marks.c.hash)).all())
        assert tx.execute(select(func.count()).select_from(outbox)).scalar_one() == 0
    assert "ada@" not in rows
    assert "example" not in rows
    assert "192.0.2" not in rows


def test_addresses_for_ten_minutes():
    assert is_disposable("a@mailinator.com")
    assert is_disposable("a@x.Mailinator.com")
    assert not is_disposable("a@notmailinator.com")
    assert not is_disposable("a@com")
