"""Receipts come back: charged once, in order, up to what was taken; forks, gaps, lies and late ones told apart."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from outfitswap_desktop.licensing.wire.blobs import BlobKind, new_key, sign
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.licensing.wire.receipts import begin, payload_of, read_receipt, receipt_hash, sign_receipt
from outfitswap_desktop.server.leases import ending
from outfitswap_desktop.server.problems import Refusal
from outfitswap_desktop.server.tables.leases import lease_holds, lease_receipts
from outfitswap_desktop.server.tables.ledger import ledger_txns
from outfitswap_desktop.server.tables.operations import audit, outbox
from tests.server.conftest import START

DAY = 86_400_000
ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what has nothing to do with the kind of the database."""


def _count(person, table) -> int:
    with person.services.database.reading() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def test_commits_are_charged_holds_bind_and_voids_free(person) -> None:
    person.take(credits=10)
    person.job("a", credits=2)
    person.note("hold", "b", credits=3)
    person.note("hold", "c", credits=1)
    person.note("void", "c")
    told = person.send().json()
    assert told | {"head": ""} == {
        "accepted": 5,
        "duplicate": 0,
        "late": 0,
        "forked": False,
        "state": "open",
        "spent": 2,
        "left": 5,
        "seq": 5,
        "head": "",
        "reason": "",
    }
    assert told["head"] == person.chain.head
    assert person.balance().leased == 8
    person.note("commit", "b", credits=1)
    told = person.send(person.blobs[-1:]).json()
    assert (told["spent"], told["left"]) == (3, 7)
    assert _count(person, lease_holds) == 0


def test_the_same_again_changes_nothing(person) -> None:
    person.take()
    person.job("a")
    person.job("b")
    proof = person.proof("reconcile")
    first = person.send(proof=proof).json()
    for again in (person.send(proof=proof), person.send(), person.send(person.blobs[1:3])):
        assert again.json()["spent"] == first["spent"] == 2
        assert again.json()["accepted"] == 0
    assert person.send([]).json()["seq"] == 4
    with person.services.database.reading() as tx:
        burns = tx.execute(select(func.count()).where(ledger_txns.c.kind == "lease_burn")).scalar_one()
    assert burns == 2


@ONE
def test_any_order_and_repeats_within_one_upload(person) -> None:
    person.take()
    for name in "abc":
        person.job(name)
    told = person.send([*reversed(person.blobs), *person.blobs]).json()
    assert (told["accepted"], told["duplicate"], told["forked"], told["spent"]) == (6, 6, False, 3)


@ONE
def test_a_gap_waits_for_what_is_missing(person) -> None:
    person.take()
    for name in "abc":
        person.job(name)
    told = person.send(person.blobs[:1] + person.blobs[3:]).json()
    assert (told["accepted"], told["seq"], told["reason"], told["forked"]) == (1, 1, "missing", False)
    assert person.send(person.blobs[1:]).json()["spent"] == 3


def test_a_fork_freezes_the_lease_and_tells_everybody(person) -> None:
    lease = person.take(credits=10)
    person.job("a")
    snapshot = person.chain
    person.job("b")
    assert person.send().json()["spent"] == 2
    main = person.chain
    person.chain, person.blobs = snapshot, person.blobs[:2]
    person.job("other")
    told = person.send().json()
    assert (told["forked"], told["state"], told["spent"], told["reason"]) == (True, "frozen", 2, "forked")
    assert person.device_state() == "suspect"
    assert person.ask().json()["code"] == "device_not_active"
    assert person.send().json()["duplicate"] == 4
    with person.services.database.reading() as tx:
        assert tx.execute(select(audit.c.action, audit.c.target)).all() == [("lease_forked", lease.lease_id)]
        assert [row.kind for row in tx.execute(select(outbox.c.kind))] == ["lease_fork"]
        kept = tx.execute(select(func.count()).where(lease_receipts.c.main.is_(False))).scalar_one()
    assert kept == 2
    person.chain = main
    person.job("c")
    assert person.send(person.blobs[-2:]).json() | {"head": ""} == told | {
        "accepted": 2,
        "duplicate": 0,
        "forked": False,
        "reason": "",
        "spent": 3,
        "left": 7,
        "seq": 6,
        "head": "",
    }
    closing = person.send([], how="close").json()
    assert (closing["state"], closing["reason"]) == ("frozen", "frozen")
    person.set_device("active")
    assert person.ask(credits=5).status_code == 201
    with person.services.database.transaction() as tx:
        person.clock.at = lease.grace_until
        ending.expire_due(tx, now=person.clock())
    assert person.row(lease.lease_id)["state"] == "expired"
    assert person.available() == 100 - 3


def test_a_fork_is_seen_whichever_way_round_it_comes(person) -> None:
    """The clone is ahead; its branch is longer; it starts at the very first receipt; both are in one upload."""
    person.take()
    person.job("a")
    short, person.blobs = person.blobs, []
    person.chain = begin(person.lease)
    for name in "xyz":
        person.job(name)
    long = person.blobs
    told = person.send([*short, *long]).json()
    assert told["forked"]
    assert told["state"] == "frozen"
    assert told["spent"] == 1
    assert _count(person, lease_receipts) == 8


@ONE
def test_a_branch_that_starts_where_the_chain_ends_is_a_fork(person) -> None:
    person.take()
    person.job("a")
    person.send()
    receipt = replace(person.chain.next("hold", "b", credits=1, at=START), prev="0" * 64)
    told = person.send([sign_receipt(receipt, person.key)]).json()
    assert told["forked"]
    assert told["seq"] == 2


def test_evidence_does_not_fill_the_disk(person) -> None:
    person.take()
    person.job("a")
    person.send()
    start = begin(person.lease)
    others = [sign_receipt(start.next("hold", f"n{number}", credits=1, at=START), person.key) for number in range(300)]
    assert person.send(others).json()["forked"]
    assert person.send(others[::-1]).json()["forked"]
    assert _count(person, lease_receipts) == 202
    assert _count(person, outbox) == 1


@ONE
@pytest.mark.parametrize("lie", ["overdrawn", "not held", "second hold", "more than held"])
def test_what_the_lease_does_not_hold_is_never_charged(person, lie) -> None:
    person.take(credits=4)
    person.note("hold", "a", credits=2)
    assert person.send().status_code == 200
    digest = "ab" * 32
    false = {
        "overdrawn": person.chain.next("hold", "b", credits=3, at=START),
        "not held": person.chain.next("commit", "b", credits=1, at=START, output_sha256=digest),
        "second hold": person.chain.next("hold", "a", credits=1, at=START),
        "more than held": person.chain.next("commit", "a", credits=3, at=START, output_sha256=digest),
    }[lie]
    told = person.send([sign_receipt(false, person.key)]).json()
    assert (told["reason"], told["state"], told["spent"], told["accepted"]) == ("broken", "frozen", 0, 0)
    assert person.device_state() == "suspect"
    person.note("commit", "a", credits=2)
    told = person.send(person.blobs[-1:]).json()
    assert (told["accepted"], told["spent"], told["forked"]) == (1, 2, True)


def test_receipts_of_another_lease_or_device_are_refused(person, people) -> None:
    person.take(credits=5)
    person.job("a")
    old = person.blobs
    person.send(how="close")
    person.take(credits=5)
    mixed = person.send(old)
    assert (mixed.status_code, mixed.json()["code"]) == (400, "other_lease")
    foreign = person.note("hold", "x", credits=1, key=new_key())
    assert person.send([foreign]).json()["code"] == "receipt"
    other = people()
    other.lease, other.chain = person.lease, person.chain
    assert (other.send([]).status_code, other.send([]).json()["code"]) == (404, "no_lease")
    beside = people(account_id=person.account_id)
    beside.lease = person.lease
    answer = beside.send([])
    assert (answer.status_code, answer.json()["code"]) == (403, "other_device")
    with person.services.database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(lease_receipts)).scalar_one() == 2


@ONE
def test_every_character_of_a_receipt_counts(person) -> None:
    person.take()
    blob = person.note("hold", "a", credits=1)
    other = {"A": "B"}
    from outfitswap_desktop.licensing.wire.blobs import BlobError

    for place in range(len(blob)):
        changed = blob[:place] + other.get(blob[place], "A") + blob[place + 1 :]
        with pytest.raises(BlobError):
            read_receipt(changed, person.key.public_key())
    for place in (0, 4, 5, 40, len(blob) - 90, len(blob) - 1):
        changed = blob[:place] + other.get(blob[place], "A") + blob[place + 1 :]
        assert person.send([changed]).status_code in (400, 422)
    assert person.send().json()["seq"] == 1


@ONE
def test_another_signature_or_writing_is_no_second_receipt(person) -> None:
    """The hash is that of the one form of the members: no second text of the same receipt makes a fork."""
    person.take()
    blob = person.note("hold", "a", credits=1)
    receipt = read_receipt(blob, person.key.public_key())
    spaced = sign(BlobKind.RECEIPT, payload_of(receipt).replace(b",", b", "), person.key)
    assert person.send([spaced]).json()["code"] == "receipt"
    assert person.send([blob, blob]).json()["duplicate"] == 1


def test_late_receipts_are_kept_and_not_charged(person) -> None:
    lease = person.take(credits=10, days=1)
    person.job("a", credits=2)
    person.clock.at = lease.grace_until - 1
    assert person.send().json()["spent"] == 2
    person.job("b")
    person.clock.at = lease.grace_until
    told = person.send().json()
    assert (told["accepted"], told["late"], told["state"], told["spent"], told["left"]) == (0, 2, "expired", 2, 0)
    assert person.available() == 98
    assert person.send().json()["duplicate"] == 4
    person.chain = begin(lease)
    person.blobs = []
    person.job("z")
    assert person.send().json()["forked"]
    assert (person.row()["state"], person.device_state()) == ("expired", "suspect")
    assert person.available() == 98


def test_giving_back_is_done_once(person) -> None:
    person.take(credits=10)
    person.job("a", credits=3)
    proof = person.proof("reconcile")
    told = person.send(how="close", proof=proof).json()
    assert (told["accepted"], told["state"], told["spent"], told["left"]) == (2, "closed", 3, 0)
    assert person.available() == 97
    assert person.send(how="close", proof=proof).json()["state"] == "closed"
    assert person.available() == 97
    person.job("b")
    assert person.send().json()["late"] == 2
    assert person.balance().leased == 0


@ONE
def test_an_old_proof_does_not_give_a_new_lease_back(person) -> None:
    person.take(credits=10)
    proof = person.proof("reconcile")
    person.send(how="close", proof=proof)
    person.take(credits=10)
    answer = person.send(how="close", proof=proof)
    assert (answer.status_code, answer.json()["code"]) == (400, "device_proof_used")
    assert person.row()["state"] == "open"
    assert person.send(proof=person.proof("lease")).json()["code"] == "device_proof"


def test_a_running_job_keeps_its_lease_for_a_day(person) -> None:
    person.take(credits=10)
    person.note("hold", "a", credits=2)
    told = person.send(how="close").json()
    assert (told["state"], told["reason"], told["left"], told["seq"]) == ("open", "holds_open", 8, 1)
    person.clock.forward(days=1, seconds=1)
    assert person.send(how="close").json()["state"] == "closed"
    assert person.available() == 100
    assert _count(person, lease_holds) == 0


@ONE
def test_unknown_leases_are_not_found(person) -> None:
    person.take()
    for how in ("reconcile", "close"):
        body = {"receipts": [], "proof": person.proof("reconcile")}
        answer = person.client.post(f"/v1/leases/{new_id()}/{how}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_lease")
        assert person.client.post(f"/v1/leases/nonsense/{how}", json=body).status_code == 422


@ONE
def test_uploads_are_bounded(person) -> None:
    person.take()
    blob = person.note("hold", "a", credits=1)
    assert person.send([blob] * 501).status_code == 422
    assert person.send([blob] * 500).json()["duplicate"] == 499
    assert person.send(["OSR1." + "A" * 9000 + ".A"]).status_code == 422
    assert person.send(["OSR1." + "A" * 8000 + ".A"]).json()["code"] == "receipt"
    first = read_receipt(blob, person.key.public_key())
    endless = replace(first, seq=100_001)
    assert person.send([sign(BlobKind.RECEIPT, payload_of(endless), person.key)]).json()["code"] == "receipt"


def test_the_sweep_returns_what_is_left_and_voids_open_holds(people) -> None:
    several = [people(credits=20) for _ in range(3)]
    for one in several:
        one.take(credits=10, days=1)
        one.job("a", credits=4)
        one.note("hold", "b", credits=2)
        one.send()
    first = several[0]
    database = first.services.database
    with database.transaction() as tx:
        assert ending.expire_due(tx, now=first.lease.grace_until - 1) == 0
    with database.transaction() as tx:
        assert ending.expire_due(tx, now=first.lease.grace_until, limit=2) == 2
    with database.transaction() as tx:
        assert ending.expire_due(tx, now=first.lease.grace_until) == 1
    with database.transaction() as tx:
        assert ending.expire_due(tx, now=first.lease.grace_until) == 0
    assert [one.available() for one in several] == [16, 16, 16]
    assert [one.balance().leased for one in several] == [0, 0, 0]
    assert _count(first, lease_holds) == 0


def test_an_administrator_ends_a_lease_at_once(person) -> None:
    lease = person.take(credits=10)
    person.job("a")
    person.send()
    database = person.services.database
    with database.transaction() as tx:
        assert ending.force_close(tx, lease.lease_id, actor="admin:ann", now=person.clock()) == 9
    with database.transaction() as tx:
        assert ending.force_close(tx, lease.lease_id, actor="admin:ann", now=person.clock()) == 0
    assert (person.row()["state"], person.row()["closed_by"]) == ("closed", "admin:ann")
    assert person.available() == 99
    with pytest.raises(Refusal) as missing, database.transaction() as tx:
        ending.force_close(tx, new_id(), actor="admin:ann", now=person.clock())
    assert missing.value.status == 404


def test_many_uploads_sweeps_and_closings_at_once(person) -> None:
    """Both copies of a device, a sweep and a closing at the same moment: nobody waits in a circle, all is charged once."""
    lease = person.take(credits=20, days=1)
    for number in range(10):
        person.job(f"j{number}")
    parts = [person.blobs[start : start + 5] for start in range(0, 20, 5)]
    person.clock.at = lease.not_after
    calls = [lambda part=part: person.send(part) for part in parts for _ in range(3)]
    calls += [lambda: person.send(how="close"), lambda: person.send([])] * 2
    statuses: list[int] = []
    start = threading.Barrier(len(calls) + 1)

    def go(call) -> None:
        start.wait()
        statuses.append(call().status_code)

    def sweep() -> None:
        start.wait()
        with person.services.database.transaction() as tx:
            ending.expire_due(tx, now=person.clock())

    threads = [threading.Thread(target=go, args=(call,)) for call in calls] + [threading.Thread(target=sweep)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    told = person.send().json()
    assert (told["state"], told["spent"], told["seq"], told["forked"]) == ("closed", 10, 20, False)
    assert person.available() == 90


@ONE
def test_hashes_of_receipts_are_those_of_the_chain(person) -> None:
    person.take()
    person.job("a")
    first, second = (read_receipt(blob, person.key.public_key()) for blob in person.blobs)
    assert first.prev == person.lease.genesis
    assert second.prev == receipt_hash(first)
    assert person.chain.head == receipt_hash(second)
