"""Licence keys: how they are written, that each counts once, and that nothing tells a near miss from a wild guess."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from outfitswap_desktop.server.accounts import licences, people
from outfitswap_desktop.server.ledger import credits
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables import accounts as tables
from tests.server.accounts.conftest import SQLITE, Signed

BODIES = st.text(alphabet=licences.LETTERS, min_size=20, max_size=20)


@given(BODIES, st.integers(0, 20), st.sampled_from(licences.LETTERS))
def test_every_wrong_character_is_found(body, place, letter):
    whole = body + licences.check_character(body)
    changed = whole[:place] + letter + whole[place + 1 :]
    assert (licences.normal("OSW1" + changed) is not None) == (changed == whole)


@given(BODIES)
def test_swapped_neighbours_are_found_but_for_one_pair(body):
    whole = body + licences.check_character(body)
    for place in range(20):
        pair = {whole[place], whole[place + 1]}
        if len(pair) == 2 and pair != {"0", "Z"}:
            swapped = whole[:place] + whole[place + 1] + whole[place] + whole[place + 2 :]
            assert licences.normal("OSW1" + swapped) is None


def test_it_may_be_typed_as_it_comes():
    key = licences.new_key()
    body = licences.normal(key)
    assert len(key) == len("OSW1-XXXXX-XXXXX-XXXXX-XXXXX-X")
    for typed in (key.lower(), key.replace("-", " "), f"  {key} ", key.replace("-", "")):
        assert licences.normal(typed) == body
    zero = "OSW1" + "0" * 20 + licences.check_character("0" * 20)
    assert licences.normal(zero.replace("0", "o")) == "0" * 20
    one = "OSW1" + "1" * 20 + licences.check_character("1" * 20)
    assert licences.normal(one.replace("1", "l").replace("OSWl", "OSW1").replace("oswl", "osw1")) == "1" * 20
    for text in ("", "OSW1", key[:-1], key + "0", key.replace("OSW1", "OSW2"), "ü" * 25):
        assert licences.normal(text) is None


@pytest.fixture
def issue(services):
    def make(count=1, credits=100, **more):
        with services.database.transaction() as tx:
            return licences.issue(tx, services, count=count, credits=credits, now=services.clock(), **more)

    return make


def redeem(client, key, machine, signed=None):
    body = {"key": key, "device": machine.proof()}
    return signed("POST", "/v1/licences/redeem", json=body) if signed else client.post("/v1/licences/redeem", json=body)


def test_a_key_alone_opens_an_account_and_opens_it_again(client, issue, desk, machine):
    (key,) = issue()
    first = Signed(client, redeem(client, key, desk).json())
    me = first("GET", "/v1/me").json()
    assert (me["email"], me["email_verified"]) == (None, False)
    again = Signed(client, redeem(client, key.lower(), machine("Laptop")).json())
    assert again.account_id == first.account_id
    assert again("GET", "/v1/credits").json()["paid"] == 100


def test_a_key_for_a_signed_in_account_counts_once(client, issue, settled, desk, machine):
    ada, bob = settled("ada@example.org", machine=desk), settled("bob@example.org")
    (key,) = issue()
    assert redeem(client, key, desk, ada).status_code == 200
    assert redeem(client, key, desk, ada).status_code == 200
    before = ada("GET", "/v1/credits").json()
    assert before["paid"] == 100
    laptop = machine("Laptop")
    for who in (bob, None):
        answer = redeem(client, key, laptop, who)
        assert (answer.status_code, answer.json()["code"]) == (409, "licence_used")
    assert ada("GET", "/v1/credits").json() == before


def test_unknown_mistyped_revoked_and_outdated_keys_get_one_and_the_same_answer(client, issue, services, clock, desk):
    revoked, outdated = issue()[0], issue(valid_until=clock() + 1000)[0]
    with services.database.transaction() as tx:
        (found,) = licences.find(tx, revoked[5:10])
        assert licences.revoke(tx, found)
        assert not licences.revoke(tx, found)
    clock.forward(seconds=1)
    mistyped = revoked[:-1] + ("0" if revoked[-1] != "0" else "1")
    answers = [
        redeem(client, key, desk) for key in (licences.new_key(), mistyped, revoked, outdated, "nonsense nonsense")
    ]
    assert {(each.status_code, each.text) for each in answers} == {(404, answers[0].text)}


def test_sixteen_at_once_for_one_key(services, issue, settled):
    (key,) = issue()
    people_ = [settled(f"p{number}@example.org").account_id for number in range(16)]

    def ask(account_id):
        try:
            with services.database.transaction() as tx:
                return licences.redeem(tx, services, key, account_id=account_id, now=services.clock())
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, people_))
    assert found.count("licence_used") == 15
    with services.database.reading() as tx:
        paid = [credits.balance(tx, each, now=services.clock()).paid for each in people_]
    assert sorted(paid) == [0] * 15 + [100]


@SQLITE
def test_no_key_lies_in_the_database(services, issue, settings):
    keys = issue(count=20)
    raw = b"".join(path.read_bytes() for path in services.database.engine.url.database and _files(services))
    assert raw
    for key in keys:
        body = licences.normal(key)
        assert body.encode() not in raw
        assert key.encode() not in raw
    with services.database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(tables.licences)).scalar_one() == 20


def test_a_licence_for_more_devices(client, issue, machine):
    (key,) = issue(max_devices=5)
    for number in range(5):
        assert redeem(client, key, machine(f"Box {number}")).status_code == 200
    answer = redeem(client, key, machine("Box 6"))
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_devices")


def test_a_key_of_a_deleted_account_opens_nothing(services, issue, client, desk):
    (key,) = issue()
    owner = Signed(client, redeem(client, key, desk).json())
    assert owner("DELETE", "/v1/me").status_code == 202
    assert redeem(client, key, desk).status_code in {403, 409}
    with services.database.reading() as tx:
        assert people.get(tx, owner.account_id).state == "closed"


def _files(services):
    from pathlib import Path

    base = Path(services.database.engine.url.database)
    return sorted(base.parent.glob(base.name + "*"))
