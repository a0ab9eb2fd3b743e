"""Taking credits along: what is signed, what is refused, and that a lost answer costs nothing."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select, update

from outfitswap_desktop.licensing.wire.blobs import new_key, public_of
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.licensing.wire.lease import peek, read_lease
from outfitswap_desktop.server.leases.issue import Wish, issue
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.accounts import accounts, proof_nonces
from outfitswap_desktop.server.tables.leases import leases
from tests.server.conftest import START

DAY = 86_400_000
ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what has nothing to do with the kind of the database."""


def test_a_lease_says_what_was_taken(person) -> None:
    lease = person.take(credits=12, days=5)
    assert lease.credits == 12
    assert lease.device_public_key == public_of(person.key)
    assert (lease.account_id, lease.device_id) == (person.account_id, person.device_id)
    assert (lease.not_before, lease.not_after) == (START, START + 5 * DAY)
    assert lease.grace_until == START + 35 * DAY
    assert lease.server_time == lease.issued_at == START
    assert lease.prices == {"sd15": 1, "sdxl": 2, "klein": 2, "qwen": 3}
    assert lease.prices_version == 1
    balance = person.balance()
    assert (balance.available, balance.leased) == (88, 12)
    assert balance.leases[0].id == lease.lease_id


def test_the_same_id_gives_the_same_lease(person) -> None:
    lease_id, proof = new_id(), person.proof("lease")
    first = person.ask(lease_id=lease_id, proof=proof)
    again = person.ask(lease_id=lease_id, proof=proof)
    fresh = person.ask(lease_id=lease_id)
    assert first.status_code == again.status_code == fresh.status_code == 201
    assert first.json() == again.json() == fresh.json()
    assert person.available() == 90


def test_an_id_belongs_to_one_wish(person, people) -> None:
    lease_id = new_id()
    assert person.ask(lease_id=lease_id).status_code == 201
    other = people()
    for answer in (person.ask(lease_id=lease_id, credits=11), other.ask(lease_id=lease_id)):
        assert (answer.status_code, answer.json()["code"]) == (409, "id_in_use")
    assert other.available() == 100


def test_an_id_that_another_account_took_at_the_same_moment_leaves_nothing(person, people) -> None:
    other = people()
    taken = other.take(credits=3)
    wish = Wish(taken.lease_id, person.account_id, person.device_id, public_of(person.key), credits=3, days=7)
    with pytest.raises(Refusal) as refused, person.services.database.transaction() as tx:
        issue(tx, person.services, wish, now=START)
    assert (refused.value.status, refused.value.code) == (409, "lease_open")
    assert person.available() == 100
    assert person.row(taken.lease_id)["account_id"] == other.account_id


def test_a_lease_whose_key_was_revoked_is_signed_anew(person) -> None:
    lease = person.take()
    person.services.keys.revoke(lease.kid)
    answer = person.ask(lease_id=lease.lease_id)
    fresh = read_lease(answer.json()["lease"], person.keys(), now=START, device_public_key=public_of(person.key))
    assert fresh.kid != lease.kid
    assert (fresh.genesis, fresh.credits, fresh.not_after) == (lease.genesis, lease.credits, lease.not_after)
    assert person.row()["kid"] == fresh.kid
    assert person.available() == 90
    person.job("a")
    assert person.send().json()["spent"] == 1


def test_one_lease_at_a_time_for_a_device(person, people) -> None:
    person.take(credits=10)
    second = person.ask()
    assert (second.status_code, second.json()["code"]) == (409, "lease_open")
    beside = people(account_id=person.account_id)
    assert beside.ask().status_code == 201
    person.send(how="close")
    assert person.ask().status_code == 201


def test_a_lease_whose_grace_is_over_makes_room_by_itself(person) -> None:
    lease = person.take(credits=10, days=1)
    person.clock.forward(days=31)
    assert person.ask(credits=20).status_code == 201
    assert person.row(lease.lease_id)["state"] == "expired"
    assert person.available() == 80


@ONE
def test_only_the_device_that_is_signed_in(person, people) -> None:
    foreign = person.ask(proof=person.proof("lease", key=new_key()))
    assert (foreign.status_code, foreign.json()["code"]) == (403, "other_device")
    site = people(program=False).ask()
    assert (site.status_code, site.json()["code"]) == (403, "other_device")


@ONE
@pytest.mark.parametrize("state", ["revoked", "suspect"])
def test_a_device_that_is_not_in_order_takes_nothing(person, state) -> None:
    person.set_device(state)
    answer = person.ask()
    assert (answer.status_code, answer.json()["code"]) == (403, "device_not_active")
    assert person.available() == 100


@ONE
@pytest.mark.parametrize(
    ("values", "status", "code"), [({"state": "frozen"}, 403, "account_frozen"), ({"debt_credits": 3}, 402, "debt")]
)
def test_accounts_that_are_not_in_order_take_nothing(person, values, status, code) -> None:
    with person.services.database.transaction() as tx:
        tx.execute(update(accounts).where(accounts.c.id == person.account_id).values(**values))
    answer = person.ask()
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@ONE
def test_proofs_count_once_for_one_purpose_and_one_day(person) -> None:
    used = person.proof("lease")
    assert person.ask(proof=used).status_code == 201
    replayed = person.ask(proof=used)
    assert (replayed.status_code, replayed.json()["code"]) == (400, "device_proof_used")
    cases = {
        person.proof("sign-in"): "device_proof",
        person.proof("lease", at=START - DAY - 1): "device_clock",
        person.proof("lease", at=START + DAY + 1): "device_clock",
        person.proof("lease")[:-1] + "_": "device_proof",
        "OSD1.AAAA.AAAA": "device_proof",
    }
    for proof, code in cases.items():
        answer = person.ask(proof=proof)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_refused_wish_does_not_use_its_proof_up(person) -> None:
    proof = person.proof("lease")
    assert person.ask(credits=99, proof=proof).status_code == 403
    assert person.ask(credits=9, proof=proof).status_code == 201


@ONE
def test_half_of_what_is_there_at_most(person, people) -> None:
    answer = person.ask(credits=51)
    assert (answer.status_code, answer.json()["code"]) == (403, "lease_limit")
    assert "50" in answer.json()["detail"]
    assert person.ask(credits=50).status_code == 201
    assert people(credits=1).ask(credits=1).status_code == 201
    rich = people(credits=5000)
    assert rich.ask(credits=501).json()["code"] == "lease_limit"
    assert rich.ask(credits=500).status_code == 201
    poor = people(credits=0).ask(credits=1)
    assert (poor.status_code, poor.json()["code"]) == (402, "no_credits")


@ONE
def test_the_first_lease_of_a_new_account_is_small(people) -> None:
    fresh = people(credits=400, age=DAY)
    assert fresh.ask(credits=21).json()["code"] == "lease_limit"
    fresh.take(credits=20)
    fresh.send(how="close")
    assert fresh.ask(credits=200).status_code == 201
    settled = people(credits=400, age=8 * DAY)
    assert settled.ask(credits=200).status_code == 201


def test_many_late_leases_make_the_next_ones_short(person) -> None:
    for _ in range(3):
        lease = person.take(credits=2, days=1)
        person.job("a")
        person.clock.forward(days=31)
        assert person.send().json()["late"] == 2
        assert person.available() == 100
        assert person.row(lease.lease_id)["late_at"] is not None
    lease = person.take(days=30)
    assert lease.not_after - lease.issued_at == 3 * DAY
    person.send(how="close")
    person.clock.forward(days=91)
    assert person.take(days=30).not_after - person.clock() == 30 * DAY


@ONE
def test_what_is_not_a_request_is_refused(person) -> None:
    for body in (
        {"id": "x", "credits": 1, "proof": person.proof("lease")},
        {"id": new_id(), "credits": 0, "proof": person.proof("lease")},
        {"id": new_id(), "credits": 1, "days": 31, "proof": person.proof("lease")},
        {"id": new_id(), "credits": 1, "proof": person.proof("lease"), "extra": 1},
    ):
        assert person.client.post("/v1/leases", json=body).status_code == 422


def test_twenty_at_once_make_one_lease(person) -> None:
    """Twenty requests of one device at the same moment, half of them repeats of one id: one lease, taken once."""
    shared = new_id()
    wishes = [shared if place % 2 else new_id() for place in range(20)]
    proofs = [person.proof("lease") for _ in wishes]
    codes: list[tuple[bool, int]] = []
    start = threading.Barrier(len(wishes))

    def ask(lease_id: str, proof: str) -> None:
        start.wait()
        codes.append((lease_id == shared, person.ask(lease_id=lease_id, proof=proof).status_code))

    threads = [threading.Thread(target=ask, args=pair) for pair in zip(wishes, proofs, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({code for same, code in codes if same}) == 1
    assert {code for _, code in codes} == {201, 409}
    with person.services.database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(leases)).scalar_one() == 1
    assert person.available() == 90


def test_leases_are_listed_newest_first(person, people) -> None:
    first = person.take(credits=1)
    person.send(how="close")
    person.clock.forward(seconds=1)
    second = person.take(credits=1)
    listed = person.client.get("/v1/leases").json()["leases"]
    assert [one["id"] for one in listed] == [second.lease_id, first.lease_id]
    assert [one["state"] for one in listed] == ["open", "closed"]
    assert listed[0]["device_label"] == "Studio"
    assert people().client.get("/v1/leases").json() == {"leases": []}


def test_a_lease_in_the_database_is_the_one_that_was_signed(person) -> None:
    lease = person.take()
    row = person.row()
    assert peek(row["blob"]) == lease
    assert (row["head"], row["seq"], row["spent"]) == (lease.genesis, 0, 0)
    with person.services.database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(proof_nonces)).scalar_one() == 1
